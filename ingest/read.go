package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// settled is how long a program has run when it counts as well started.
const settled = 3 * time.Second

// perBatch is how many mails share a transaction, fewer in the first one, so that filing begins soon; bytesPerBatch is how
// large they are together, but for a single one that is larger. atOnce is how many batches pass has under way: one is filed,
// one waits for that and one is parsed. So what lies in memory is bounded, whatever the mails are.
const (
	perBatch      = 100
	firstBatch    = 20
	bytesPerBatch = 16 << 20
	atOnce        = desk.MaxUnderWay / perBatch
)

// ReadMailbox reads the kept mails of a mailbox, in the order in which they came, until ctx ends. Only the process that
// holds the mailbox's lease may run it: a reply must not overtake its parent. sent is asked where one
// may have; nil: there is nobody to ask.
func (g *Ingest) ReadMailbox(ctx context.Context, lease desk.Lease, sent SentFolder) error {
	mailbox := lease.MailboxID
	log := g.Log.With(slog.String("component", "ingest"), slog.String("mailbox_id", string(mailbox)))
	first := true
	r := round{sent: sent}
	for {
		n, err := 0, error(nil)
		if first {
			if n, err = g.readCarefully(ctx, mailbox, &r); err == nil {
				err = g.DB.Update(ctx, func(tx *store.Tx) error { return tx.ReadsManyAtOnce(ctx, lease) })
			}
			first = err != nil
		} else {
			n, err = g.pass(ctx, mailbox, &r)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			log.WarnContext(ctx, "kept mails wait", slog.String("error", err.Error()))
		}
		if n > 0 && err == nil {
			continue
		}
		if !g.rest(ctx, mailbox, err != nil) {
			return nil
		}
	}
}

// readCarefully reads what an earlier process may have died over: one by one, counting before each, so that a mail that
// ends the program is known by its count (REQUIREMENTS I7, F3). What of the Sent folder a mail answers goes before it here too.
func (g *Ingest) readCarefully(ctx context.Context, mailbox desk.ID, r *round) (int, error) {
	r.begin(time.Now())
	left, err := g.DB.PendingOf(ctx, mailbox, r.after, atOnce*perBatch)
	if err != nil {
		return 0, err
	}
	return g.oneByOne(ctx, left, r, func(e desk.LedgerEntry) error {
		return g.counted(ctx, e, func() error {
			p := g.parse(ctx, e, nil)
			r.note(p.err, p.neededFiles())
			for _, next := range g.withSent(ctx, []parsed{p}, r) {
				file := func() error { return g.fileOne(ctx, next) }
				if next.Entry.ID != e.ID {
					counts := file
					file = func() error { return g.counted(ctx, next.Entry, counts) }
				}
				if err := file(); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// counted calls read with the item's attempts counted, so that they tell how many programs ended over it. An item that
// has ended too many is parked instead. One that was under way when a program ended is not tried again before this one has
// run for a while: whatever else kills programs soon after their start must not look like this item's doing.
func (g *Ingest) counted(ctx context.Context, e desk.LedgerEntry, read func() error) error {
	if e.Attempts >= desk.MaxAttempts {
		return g.quarantine(ctx, e, fmt.Errorf("reading it ended the program %d times", e.Attempts))
	}
	if e.Attempts > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(g.started.Add(settled))):
		}
	}
	if err := g.countAttempt(ctx, e.ID, 1); err != nil {
		return err
	}
	err := read()
	if err != nil { // it waits, and the program is alive
		if err := g.countAttempt(context.WithoutCancel(ctx), e.ID, -1); err != nil {
			g.Log.WarnContext(ctx, "an attempt can't be taken back", slog.String("ledger_id", string(e.ID)), slog.String("error", err.Error()))
		}
	}
	return err
}

func (g *Ingest) countAttempt(ctx context.Context, id desk.ID, n int) error {
	return g.DB.Update(ctx, func(tx *store.Tx) error { return tx.CountAttempt(ctx, id, n) })
}

// parsed is an item and what its bytes say.
type parsed struct {
	tickets.ReadMail
	err error
}

func failed(e desk.LedgerEntry, err error) parsed {
	return parsed{tickets.ReadMail{Entry: e}, err}
}

func (p parsed) neededFiles() bool { return p.Entry.RawSHA256 != "" || len(p.Mail.Attachments) > 0 }

// pass reads everything that is pending now and has its turn. While one batch is filed the next is parsed.
func (g *Ingest) pass(ctx context.Context, mailbox desk.ID, r *round) (int, error) {
	r.begin(time.Now())
	after := r.after
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := pipeline{ready: make(chan []parsed, 1), filed: make(chan struct{}, 1)}
	var loadErr error
	go func() {
		defer close(batches.ready)
		loadErr = g.load(ctx, mailbox, after, r, &batches)
	}()
	n := 0
	for batch := range batches.ready {
		filed, err := g.file(ctx, batch, r)
		batches.oneIsFiled()
		if err != nil {
			cancel()
			for range batches.ready { //nolint:revive // let the loader end
			}
			return n, err
		}
		n += filed
		r.after = batch[len(batch)-1].Entry.ID
	}
	r.over = loadErr == nil
	return n, loadErr
}

// pipeline leads batches from where they are read to where they are filed.
type pipeline struct {
	ready chan []parsed
	sent  int           // by the reader
	done  atomic.Int64  // how many of them are filed
	filed chan struct{} // gets a value when one is
}

func (p *pipeline) oneIsFiled() {
	p.done.Add(1)
	select {
	case p.filed <- struct{}{}:
	default: // the reader has not looked since the last one
	}
}

// load reads what is pending, and what is kept while that is filed: the next batch is to be there when the last is done.
func (g *Ingest) load(ctx context.Context, mailbox, after desk.ID, r *round, out *pipeline) error {
	wake := g.waker(mailbox)
	for most := firstBatch; ; {
		allFiled := out.done.Load() == int64(out.sent)
		entries, err := g.DB.PendingOf(ctx, mailbox, after, most)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if allFiled {
				return nil
			}
			select {
			case <-wake:
			case <-out.filed:
			case <-ctx.Done():
				return nil
			}
			continue
		}
		most = perBatch
		entries = entries[:cut(entries)]
		after = entries[len(entries)-1].ID
		batch, err := g.parseAll(ctx, entries, r)
		if err != nil {
			return err
		}
		g.compare(ctx, mailbox, batch)
		select {
		case out.ready <- batch:
			out.sent++
		case <-ctx.Done():
			return nil
		}
		if r.filesGone() {
			return noFiles(errInARow)
		}
	}
}

// compare has the mails of a batch compared with what their tickets have said, while the batch before it is filed. What is not compared
// here is compared then.
func (g *Ingest) compare(ctx context.Context, mailbox desk.ID, batch []parsed) {
	var mails []*tickets.ReadMail
	for i := range batch {
		if batch[i].err == nil {
			mails = append(mails, &batch[i].ReadMail)
		}
	}
	if err := g.Desk.Compare(ctx, mailbox, mails); err != nil && ctx.Err() == nil {
		g.Log.WarnContext(ctx, "mails are compared with their tickets only when they are filed", slog.String("component", "ingest"), slog.String("error", err.Error()))
	}
}

// cut tells how many of the entries make a batch.
func cut(entries []desk.LedgerEntry) int {
	bytes := int64(0)
	for i, e := range entries {
		if bytes += e.Size; i > 0 && bytes > bytesPerBatch {
			return i
		}
	}
	return len(entries)
}

var errInARow = fmt.Errorf("it failed with %d items in a row", inARow)

// parseAll reads a batch. When the place for files fails again and again, it gives only those that had their turn by then.
func (g *Ingest) parseAll(ctx context.Context, entries []desk.LedgerEntry, r *round) ([]parsed, error) {
	var inDB []desk.ID
	known := make([][]byte, len(entries))
	for i, e := range entries {
		if known[i] = g.recent.take(e.ID); known[i] == nil && e.RawSHA256 == "" {
			inDB = append(inDB, e.ID)
		}
	}
	raws, err := g.DB.Raws(ctx, inDB)
	if err != nil {
		return nil, err
	}
	batch := make([]parsed, len(entries))
	var taken atomic.Int32
	var wg sync.WaitGroup
	const readers = 2
	for range readers {
		wg.Go(func() {
			for !r.filesGone() {
				i := int(taken.Add(1)) - 1
				if i >= len(entries) {
					return
				}
				if known[i] != nil {
					batch[i] = g.parseFrom(ctx, entries[i], io.NopCloser(bytes.NewReader(known[i])))
				} else {
					batch[i] = g.parse(ctx, entries[i], raws[entries[i].ID])
				}
				r.note(batch[i].err, batch[i].neededFiles())
			}
		})
	}
	wg.Wait()
	return batch[:min(int(taken.Load()), len(batch))], nil
}

// parse reads one item; packed may be nil, then its bytes are looked up.
func (g *Ingest) parse(ctx context.Context, e desk.LedgerEntry, packed []byte) parsed {
	var raw io.ReadCloser
	var err error
	if packed != nil {
		raw, err = g.unpacked(packed)
	} else {
		raw, err = g.Raw(ctx, e)
	}
	if err != nil {
		return failed(e, err)
	}
	return g.parseFrom(ctx, e, raw)
}

// parseFrom reads an item from its bytes.
func (g *Ingest) parseFrom(ctx context.Context, e desk.LedgerEntry, raw io.ReadCloser) parsed {
	if e.HeaderOnly {
		return tooLarge(e, raw)
	}
	mail, err := mailmsg.Parse(raw, mailmsg.ParseOptions{Attach: g.attach(ctx)})
	if err = errors.Join(err, raw.Close()); err == nil {
		mail.DKIM, err = g.dkim(ctx, e, mail)
	}
	return parsed{tickets.ReadMail{Entry: e, Mail: mail}, err}
}

// tooLarge reads an item of which there is the beginning alone, with a notice for customers and agents that names
// its files, for the files are not there. How much the server has sent of it, and the notice, are no part of
// the fingerprint, so the mail is known when it comes again.
func tooLarge(e desk.LedgerEntry, raw io.ReadCloser) parsed {
	b, err := io.ReadAll(raw)
	if err = errors.Join(err, raw.Close()); err != nil {
		return failed(e, err)
	}
	mail, err := mailmsg.Parse(bytes.NewReader(b), mailmsg.ParseOptions{})
	if err != nil {
		return failed(e, err)
	}
	if mail.Fingerprint, err = mailmsg.Fingerprint(bytes.NewReader(headerOf(b))); err != nil {
		return failed(e, err)
	}
	mb, inFull := max(1, e.Size>>20), ""
	if strings.TrimSpace(mail.Text) != "" {
		inFull = " in full"
	}
	mail.Notice = fmt.Sprintf("This mail is too large to be shown here%s: it has %d MB. It has arrived, and lies in the support mailbox. Whoever answers it opens it there.", inFull, mb)
	const most = 20
	var names []string
	for _, a := range mail.Attachments[:min(len(mail.Attachments), most)] {
		names = append(names, a.Name)
	}
	if len(names) > 0 {
		mail.Notice += " It has files: " + strings.Join(names, ", ") + "."
	}
	mail.Attachments, mail.Truncated = nil, true
	mail.Reasons = append(mail.Reasons, fmt.Sprintf("too large to be read: only its beginning was; open it in the folder %s of the mailbox (%d MB)", e.Folder, mb))
	return parsed{tickets.ReadMail{Entry: e, Mail: mail}, nil}
}

// headerOf gives the header of a mail.
func headerOf(b []byte) []byte {
	end := len(b)
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(b[:end], []byte(blank)); i >= 0 {
			end = i + len(blank)
		}
	}
	return b[:end]
}

// file settles a batch in one transaction; if that fails, one by one, so that no mail can hold up another. It leaves those
// that have to wait, and tells how many it settled.
func (g *Ingest) file(ctx context.Context, batch []parsed, r *round) (int, error) {
	org, err := g.DB.Organisation(ctx)
	if err != nil {
		return 0, err
	}
	ready := make([]parsed, 0, len(batch))
	var waits []parsed
	for _, p := range batch {
		if filesAway(p.err) {
			waits = append(waits, p)
		} else {
			ready = append(ready, p)
		}
	}
	if len(waits) > 0 && ctx.Err() == nil {
		g.leave(ctx, r, len(waits), waits[0].Entry, waits[0].err)
	}
	ready = g.withSent(ctx, ready, r)
	if bad := slices.IndexFunc(ready, func(p parsed) bool { return p.err != nil }); bad < 0 {
		mails := make([]tickets.ReadMail, len(ready))
		for i, p := range ready {
			mails[i] = p.ReadMail
		}
		err = g.DB.Update(ctx, func(tx *store.Tx) error { return g.Desk.FileMails(ctx, tx, org, mails) })
	} else {
		err = ready[bad].err
	}
	if err == nil || passing(ctx, err) {
		return len(ready), err
	}
	for i, p := range ready {
		if err := g.fileOne(ctx, p); err != nil {
			return i, err
		}
	}
	return len(ready), nil
}

// fileOne settles one item; what can't be filed goes to quarantine. An error means that the item waits.
func (g *Ingest) fileOne(ctx context.Context, p parsed) error {
	err := p.err
	if err == nil {
		org, orgErr := g.DB.Organisation(ctx)
		if orgErr != nil {
			return orgErr
		}
		for range 2 { // another reader that files the same mail at the same time is seen the second time
			err = g.DB.Update(ctx, func(tx *store.Tx) error {
				return g.Desk.FileMails(ctx, tx, org, []tickets.ReadMail{p.ReadMail})
			})
			if desk.KindOf(err) != desk.Conflict {
				break
			}
		}
	}
	switch {
	case err == nil, desk.KindOf(err) == desk.Conflict: // somebody else settled it
		return nil
	case passing(ctx, err):
		return err
	}
	return g.quarantine(ctx, p.Entry, err)
}
