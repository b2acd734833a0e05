package imap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
	"postern/mailconn"
)

// listed is a mail that the server has shown us. It gets its item, whatever happens.
type listed struct {
	uid  imap.UID
	size int64
	date time.Time
}

// catchUp reads everything behind the cursor. It looks at the folder anew first (EXAMINE): in one that was replaced the count
// begins again.
func (f *folder) catchUp(ctx context.Context, client *imapclient.Client) error {
	box, err := f.open(ctx, client)
	if err != nil {
		if _, reply := errors.AsType[*imap.Error](err); reply {
			return f.gone(ctx, client, err)
		}
		return fmt.Errorf("look at the folder: %w", err)
	}
	if box.UIDValidity == 0 {
		return errors.New("the server gives the folder no UIDVALIDITY, so its mails can't be told apart")
	}
	f.box = box
	if f.looked && box.UIDValidity == f.validity && uint32(box.UIDNext) == f.covered+1 {
		f.count(0)
		return nil
	}
	cursor, err := f.w.keeper.Folder(ctx, f.w.mailbox.ID, f.name)
	if err != nil {
		return &keepError{err}
	}
	generation, covered, replaced := cursor.Generation, cursor.LastUID, f.replaced(cursor, box)
	if replaced {
		generation, covered = generation+1, 0
		f.log().WarnContext(ctx, "the folder was replaced: reading all of it again", slog.Any("old_uidvalidity", cursor.UIDValidity), slog.Any("uidvalidity", box.UIDValidity),
			slog.Any("last_uid", cursor.LastUID), slog.Any("uidnext", uint32(box.UIDNext)), slog.Bool("other_account", cursor.Account != f.account))
	}
	if f.generation != generation || f.validity != box.UIDValidity {
		f.generation, f.validity, f.suspect, f.counted = generation, box.UIDValidity, 0, -1
	}
	f.covered = covered
	var mails []listed
	if box.NumMessages > 0 && (box.UIDNext == 0 || uint32(box.UIDNext) > f.covered+1) {
		if mails, err = f.list(ctx, client, f.behind(box.UIDNext)); err != nil {
			return fmt.Errorf("list the folder: %w", err)
		}
		// Asked for what is not there yet, a server sends its last mail (RFC 9051 section 6.4.8, "*").
		mails = slices.DeleteFunc(mails, func(l listed) bool { return uint32(l.uid) <= f.covered })
	}
	if len(mails) == 0 && (replaced || cursor.UIDValidity == 0) {
		if err := <-f.keep(ctx, nil, false); err != nil {
			return err
		}
	}
	if err := f.read(ctx, client, mails, false); err != nil {
		return err
	}
	f.count(len(mails))
	f.looked, f.modest = true, 0
	if box.UIDNext != 0 {
		f.covered = max(f.covered, uint32(box.UIDNext)-1)
	}
	return nil
}

// open looks at the folder (EXAMINE). A server that has not seen it for long may have to index it first, and one that was killed may wait
// for a lock that nobody holds any more, Dovecot for two minutes: that is told while it lasts.
func (f *folder) open(ctx context.Context, client *imapclient.Client) (box *imap.SelectData, err error) {
	told := make(chan struct{})
	slow := time.AfterFunc(f.w.options.Timeout, func() {
		defer close(told)
		_ = guarded(func() error { // note has logged its own; a lease that is over shows at the next step
			f.log().WarnContext(ctx, "still waiting for the folder", slog.Any("error", errSlow))
			f.report(Status{State: Failing, Err: errSlow})
			return f.note(ctx, errSlow.Error())
		})
	})
	err = f.do(ctx, client, 5*f.w.options.Timeout, func() (err error) {
		box, err = client.Select(f.name, &imap.SelectOptions{ReadOnly: true, CondStore: f.follows() && client.Caps().Has(imap.CapCondStore)}).Wait()
		return err
	})
	if !slow.Stop() {
		<-told
		f.noted, f.unnoted = errSlow.Error(), true
	}
	return box, err
}

// gone tells what it means that the server does not let us look at the folder.
func (f *folder) gone(ctx context.Context, client *imapclient.Client, refusal error) error {
	if f.role == desk.Sent { // it may have another name by now
		f.name, f.former = "", f.name
		f.w.setSent("")
		return fmt.Errorf("look at the folder: %w", refusal)
	}
	folders, err := f.listFolders(ctx, client)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(folders, func(there mailconn.Folder) bool { return there.Name == f.name && there.Selectable }) || f.name == "INBOX" {
		return fmt.Errorf("look at the folder: %w", refusal)
	}
	flag := "--folder"
	if f.role == desk.AlsoSent {
		flag = "--also-sent"
	}
	do := "Bring it back, or name those that are to be read"
	if f.w.mailbox.Policy.Follow.ClosedFolder == f.name {
		do, flag = "Bring it back, or name the one for what is done with", "--closed-folder"
	}
	p := &mailconn.Problem{
		What: fmt.Sprintf("The folder %q is not on the server any more, so its mail is not read", f.name),
		Do:   fmt.Sprintf("%s: gateway mailbox edit %s %s NAME", do, f.w.mailbox.Address, flag), Err: errNoFolder, Permanent: true,
	}
	renamed, err := f.renamed(ctx, client, folders)
	if err != nil {
		return err
	}
	if renamed != "" {
		p.What += fmt.Sprintf("; it seems to be called %q now", renamed)
	}
	return p
}

// renamed finds the folder that this one may have become: a folder that is renamed keeps its UIDVALIDITY.
func (f *folder) renamed(ctx context.Context, client *imapclient.Client, folders []mailconn.Folder) (string, error) {
	cursor, err := f.w.keeper.Folder(ctx, f.w.mailbox.ID, f.name)
	if err != nil {
		return "", &keepError{err}
	}
	const most = 200 // each costs the server a look
	for _, there := range folders[:min(len(folders), most)] {
		if !there.Selectable || cursor.UIDValidity == 0 {
			continue
		}
		var status *imap.StatusData
		err := f.do(ctx, client, f.w.options.Timeout, func() (err error) {
			status, err = client.Status(there.Name, &imap.StatusOptions{UIDValidity: true}).Wait()
			return err
		})
		if _, refused := errors.AsType[*imap.Error](err); refused {
			continue // nobody may look at it
		}
		if err != nil {
			return "", err
		}
		if status.UIDValidity == cursor.UIDValidity {
			return there.Name, nil
		}
	}
	return "", nil
}

// replaced tells whether the folder is another one than the cursor is about. What is in it is known by its content where it
// was there before, so reading all of it doubles nothing. Of a server that gives no UIDNEXT the last case can't be told.
func (f *folder) replaced(cursor desk.Folder, box *imap.SelectData) bool {
	switch {
	case cursor.UIDValidity == 0: // never looked at
		return false
	case cursor.UIDValidity != box.UIDValidity, cursor.Account != f.account:
		return true
	}
	// UIDs only grow (RFC 9051 section 2.3.1.1), so the folder is an older one: from a backup, say.
	return box.UIDNext != 0 && uint32(box.UIDNext) <= cursor.LastUID
}

// behind names the UIDs behind the cursor, as far as the server has given them out. One that does not say how far is asked
// for all; then the last mail comes even if it is not behind the cursor.
func (f *folder) behind(next imap.UID) imap.UIDSet {
	set := imap.UIDSet{}
	if next == 0 {
		set.AddRange(imap.UID(f.covered)+1, 0)
	} else {
		set.AddRange(imap.UID(f.covered)+1, next-1)
	}
	return set
}

// listings are what a server is asked for, from all that is of use to what it can tell of a mail that it can't open: one such mail
// must not hide the others. What is not known of a mail is found out when it is fetched.
var listings = []imap.FetchOptions{{UID: true, InternalDate: true, RFC822Size: true}, {UID: true, InternalDate: true}, {UID: true}} //nolint:gochecknoglobals // never changes

// list asks which of the UIDs there are, in ascending order, with what is needed to decide about each. After trouble it asks
// for less the next time, until the folder has been read.
func (f *folder) list(ctx context.Context, client *imapclient.Client, uids imap.UIDSet) (_ []listed, err error) {
	var out []listed
	options := listings[f.modest]
	defer func() {
		if err != nil && ctx.Err() == nil {
			f.modest = min(f.modest+1, len(listings)-1)
		}
	}()
	err = f.patiently(ctx, client, f.w.options.Timeout, func(alive func()) error {
		cmd := client.Fetch(uids, &options)
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			alive()
			var l listed
			for it := m.Next(); it != nil; it = m.Next() {
				switch it := it.(type) {
				case imapclient.FetchItemDataUID:
					l.uid = it.UID
				case imapclient.FetchItemDataRFC822Size:
					l.size = it.Size
				case imapclient.FetchItemDataInternalDate:
					l.date = it.Time
				}
			}
			if l.uid != 0 {
				out = append(out, l)
			}
		}
		return cmd.Close()
	})
	slices.SortFunc(out, func(a, b listed) int { return int(int64(a.uid) - int64(b.uid)) })
	return slices.CompactFunc(out, func(a, b listed) bool { return a.uid == b.uid }), err
}

// read fetches and keeps the mails, batch by batch. While one batch is being kept, the next is fetched, and no further one.
// Those that were passed over come from the sweep.
func (f *folder) read(ctx context.Context, client *imapclient.Client, mails []listed, passedOver bool) error {
	var keeping <-chan error
	settle := func() error {
		if keeping == nil {
			return nil
		}
		err := <-keeping
		keeping = nil
		f.progress = f.progress || err == nil
		return err
	}
	for len(mails) > 0 {
		f.report(Status{State: Reading, Behind: len(mails)})
		var items []desk.FolderItem
		err := f.judge(ctx, client, mails)
		if err == nil {
			items, err = f.fetch(ctx, client, mails[:f.cut(mails)])
		}
		if kept := settle(); kept != nil {
			return kept
		}
		if len(items) > 0 {
			keeping = f.keep(ctx, items, passedOver)
			mails = mails[len(items):]
		}
		if err == nil {
			continue
		}
		again := f.blame(mails, err)
		if !again || ctx.Err() != nil {
			return errors.Join(err, settle())
		}
	}
	return settle()
}

// cut tells how many mails go into the next batch: the suspect goes alone.
func (f *folder) cut(mails []listed) int {
	if mails[0].uid == f.suspect {
		return 1
	}
	fetched, bytes := 0, int64(0)
	for i, m := range mails {
		if f.verdict(m).Outcome == "" {
			fetched++
			if m.size <= f.w.options.MaxMail {
				bytes += m.size
			}
		}
		full := fetched > f.w.options.BatchMails || bytes > f.w.options.BatchBytes || i >= 10*f.w.options.BatchMails
		if i > 0 && (full || m.uid == f.suspect) {
			return i
		}
	}
	return len(mails)
}

// blame remembers the mail at which a fetch ended, so that it is asked for alone next. It tells whether the connection can
// be used for that.
func (f *folder) blame(mails []listed, err error) (again bool) {
	if _, ours := errors.AsType[*keepError](err); ours || len(mails) == 0 || errors.Is(err, errNeighbour) {
		return false
	}
	if f.suspect == mails[0].uid {
		f.attempts++
		f.proven = f.probed
	} else {
		f.suspect, f.suspected, f.attempts = mails[0].uid, time.Now(), 0
		f.probed, f.proven, f.condemned = false, false, false
	}
	_, reply := errors.AsType[*imap.Error](err)
	return (reply || errors.Is(err, errWithheld)) && f.attempts <= maxAttempts+1
}

var errNeighbour = errors.New("the server sends other mail no better")

// judge gives a mail up that can't be fetched, so that it does not hold up those behind it: if the server sent another one
// and, right after, not this one; or if it has been tried for long enough. A server that sends nothing is no proof against
// a mail.
func (f *folder) judge(ctx context.Context, client *imapclient.Client, mails []listed) error {
	if mails[0].uid != f.suspect || f.attempts < maxAttempts || f.condemned {
		return nil
	}
	if f.proven || time.Since(f.suspected) > f.w.options.GiveUp {
		f.condemned = true
		f.log().WarnContext(ctx, "a mail is given up: the server does not send it", slog.Any("uid", uint32(f.suspect)), slog.Int("attempts", f.attempts+1))
		return nil
	}
	for _, m := range mails[1:] {
		if f.verdict(m).Outcome != "" || m.size > desk.MaxInlineRaw {
			continue
		}
		got := map[imap.UID]desk.FolderItem{}
		if err := f.bodies(ctx, client, imap.UIDSetNum(m.uid), wholeMail, got); err != nil {
			return fmt.Errorf("%w: %w", errNeighbour, err)
		}
		if f.probed = got[m.uid].Raw != nil; f.probed {
			return nil // now the suspect has its last chance
		}
	}
	return nil
}

// verdict decides about a mail that is not to be fetched; the zero Outcome is for one that is.
func (f *folder) verdict(m listed) desk.FolderItem {
	it := desk.FolderItem{UID: uint32(m.uid), InternalDate: m.date, Size: m.size}
	switch since := f.w.mailbox.Since; {
	case !since.IsZero() && !m.date.IsZero() && m.date.Before(since):
		it.Outcome, it.Reason = desk.Ignored, "before the start date"
	case m.uid == f.suspect && f.condemned:
		it.Outcome, it.Later, it.Reason = desk.Unfetched, true, fmt.Sprintf("the server failed to send it, %d times", f.attempts+1)
	}
	return it
}

// keep hands a batch over, on a goroutine of its own. The channel tells how that ended.
func (f *folder) keep(ctx context.Context, items []desk.FolderItem, passedOver bool) <-chan error {
	batch := desk.FolderBatch{MailboxID: f.w.mailbox.ID, Folder: f.name, Role: f.role, Account: f.account, Generation: f.generation, UIDValidity: f.validity, PassedOver: passedOver, Items: items}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- &keepError{fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
			}
		}()
		if err := f.w.keeper.Keep(ctx, f.w.lease, batch); err != nil {
			done <- &keepError{err}
			return
		}
		done <- nil
	}()
	return done
}
