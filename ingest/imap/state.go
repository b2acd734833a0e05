package imap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
)

// state is what a folder was seen with last: where its mails have gone, and how they are flagged, says what agents want of tickets.
type state struct {
	client     *imapclient.Client // in whose session
	generation int64              // of the folder, with validity
	validity   uint32
	at         time.Time           // before the server was asked
	modSeq     uint64              // HIGHESTMODSEQ (RFC 7162 section 3.1.2.1); zero: the server has none
	count      uint32              // how many mails there were
	next       imap.UID            // UIDNEXT
	there      map[uint32][]string // by UID: the keywords that stand for a status, or desk.Deleted
	pause      time.Duration       // until it is looked at again what was unclear; zero: nothing was
}

// follows tells whether what happens to the folder's mails matters: mails are moved out of INBOX and into it, and flagged in it. That one
// has come to the closed folder is known by reading that.
func (f *folder) follows() bool {
	return f.name == "INBOX" && f.w.options.Follower != nil && f.w.mailbox.Policy.Follow.Used()
}

// follow compares the mails that are known to lie in the folder with those that do, and their keywords. The server is asked only if
// something may have changed: what is known changes too, when mails are filed.
func (f *folder) follow(ctx context.Context, client *imapclient.Client) error {
	if !f.follows() {
		return nil
	}
	if f.state == nil {
		if err := f.w.options.Follower.Follow(ctx, f.w.lease); err != nil {
			return &keepError{err}
		}
	}
	if err := f.observe(ctx, client); err != nil {
		return fmt.Errorf("look how the mails are: %w", err)
	}
	here := desk.Folder{MailboxID: f.w.mailbox.ID, Name: f.name, Generation: f.generation, UIDValidity: f.validity}
	known, err := f.w.options.Follower.Places(ctx, here)
	if err != nil {
		return &keepError{err}
	}
	look := desk.Look{Folder: here, At: f.state.at, Marks: map[uint32][]string{}}
	for uid, marks := range known {
		now, there := f.state.there[uid]
		switch {
		case !there:
			look.Gone = append(look.Gone, uid)
		case !slices.Equal(marks, now):
			look.Marks[uid] = now
		}
	}
	again := false
	if len(look.Gone)+len(look.Marks) > 0 {
		slices.Sort(look.Gone)
		if again, err = f.w.options.Follower.Look(ctx, f.w.lease, look); err != nil {
			return &keepError{err}
		}
	}
	f.unclear(again)
	return nil
}

// unclear notes whether what was seen has to be looked at again: what we are at ourselves is seen better in a moment. Each time that lasts twice as
// long, for what we are at may take days.
func (f *folder) unclear(again bool) {
	if !again {
		f.state.pause = 0
		return
	}
	f.state.pause = min(max(2*f.state.pause, firstPatience), f.w.options.Idle)
	f.patience = min(f.patience, f.state.pause)
}

// observe asks the server how the mails are, if that may be otherwise than before. Of a folder with CONDSTORE it asks for what has changed; once
// in a session it asks for all, for not every server is to be believed in that.
func (f *folder) observe(ctx context.Context, client *imapclient.Client) error {
	box, before, stale := f.box, f.state, f.stale.Swap(false)
	now := &state{
		client: client, generation: f.generation, validity: f.validity, at: f.w.options.Follower.Now(),
		modSeq: box.HighestModSeq, count: box.NumMessages, next: box.UIDNext, there: map[uint32][]string{},
	}
	since := uint64(0)
	if before != nil {
		now.pause = before.pause
		if before.client == client && before.generation == now.generation && before.validity == now.validity && before.modSeq <= now.modSeq {
			since = before.modSeq
		}
	}
	if since != 0 && !stale && before.pause == 0 && since == now.modSeq && before.count == now.count && before.next == now.next {
		return nil
	}
	if box.NumMessages > 0 {
		if since != 0 {
			maps.Copy(now.there, before.there)
		}
		err := f.flags(ctx, client, since, now.there)
		// Each mail that came has raised UIDNEXT by one; if the number of mails has not grown with it, one is gone, and CHANGEDSINCE tells of none.
		if err == nil && since != 0 && int64(now.count)-int64(before.count) != int64(now.next)-int64(before.next) {
			err = f.onlyThere(ctx, client, now.there)
		}
		if err != nil {
			f.stale.Store(true)
			return err
		}
	}
	f.state = now
	return nil
}

// flags asks how the mails are flagged, or those whose flags were changed since a MODSEQ, new ones among them.
func (f *folder) flags(ctx context.Context, client *imapclient.Client, since uint64, there map[uint32][]string) error {
	return f.patiently(ctx, client, 5*f.w.options.Timeout, func(alive func()) error {
		cmd := client.Fetch(imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true, ChangedSince: since})
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			alive()
			var uid imap.UID
			var marks []string
			for it := m.Next(); it != nil; it = m.Next() {
				switch it := it.(type) {
				case imapclient.FetchItemDataUID:
					uid = it.UID
				case imapclient.FetchItemDataFlags:
					marks = f.marks(it.Flags)
				}
			}
			if marks != nil {
				there[uint32(uid)] = marks
			}
		}
		return cmd.Close()
	})
}

// onlyThere asks which mails there are, and forgets the others.
func (f *folder) onlyThere(ctx context.Context, client *imapclient.Client, there map[uint32][]string) error {
	var options *imap.SearchOptions
	if client.Caps().Has(imap.CapESearch) {
		options = &imap.SearchOptions{ReturnAll: true} // tells ranges
	}
	return f.do(ctx, client, 5*f.w.options.Timeout, func() error {
		found, err := client.UIDSearch(&imap.SearchCriteria{}, options).Wait()
		if err != nil {
			return err
		}
		left := map[uint32]bool{}
		for _, uid := range found.AllUIDs() {
			left[uint32(uid)] = true
		}
		maps.DeleteFunc(there, func(uid uint32, _ []string) bool { return !left[uid] })
		return nil
	})
}

// marks gives those of a mail's flags that stand for a status, or desk.Deleted; never nil.
func (f *folder) marks(flags []imap.Flag) []string {
	names := make([]string, 0, len(flags))
	for _, flag := range flags {
		if flag == imap.FlagDeleted {
			return []string{desk.Deleted}
		}
		names = append(names, string(flag))
	}
	return f.w.mailbox.Policy.Follow.Marks(names)
}
