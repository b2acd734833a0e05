package outbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/desk"
	"postern/mailconn"
	"postern/store"
)

// Arranger moves and marks mail that lies in the agents' mailbox.
type Arranger interface {
	// Move moves those of the mails that lie in a folder to another one and tells which it has moved. It may be repeated after any
	// error: a mail is never there twice for it.
	Move(ctx context.Context, mb desk.Mailbox, from, to string, mails []desk.Located) (moved []Moved, err error)
	// Mark gives the newest of the mails that lie in a folder a keyword ("": none) and takes others from all of them.
	Mark(ctx context.Context, mb desk.Mailbox, folder string, mails []desk.Located, add string, remove []string) error
}

// Moved is a message's mail that was moved, with its UIDVALIDITY and UID where it lies now; zero where the server does not tell.
type Moved struct {
	Message     desk.ID
	UIDValidity uint32
	UID         uint32
}

// mostFollowing is how many mails of a ticket are moved with it, the newest of them.
const mostFollowing = 200

// follow has the mailbox's mails of a ticket lie where its status says, and carry the keyword that stands for it. What counts is the
// status as it is when that is done.
func (w *Worker) follow(ctx context.Context, j job) error {
	switch putting, err := w.DB.Putting(ctx, j.row.TicketID, j.mb.ID); {
	case err != nil:
		return err
	case putting: // that mail is to be moved with the others
		return w.afterAWhile(j.row)
	}
	for {
		t, err := w.DB.Ticket(ctx, desk.ScopeOfProgram(), j.row.TicketID)
		if err != nil {
			return err
		}
		if err := w.arrange(ctx, j, t); err != nil {
			return err
		}
		now, err := w.DB.Ticket(ctx, desk.ScopeOfProgram(), j.row.TicketID)
		if err != nil || now.Status == t.Status && now.Pipeline == t.Pipeline {
			return err
		}
	}
}

// hopeless tells whether the mail server can't do what a row wants, so that waiting is of no use: then agents' own doings count again. That we
// don't reach the server, or are not let in, passes, and no row is lost by it.
func hopeless(row desk.Effect, err error) bool {
	p, ok := errors.AsType[*mailconn.Problem](err)
	return ok && row.Kind == desk.FollowTicket && p.Permanent && !p.SignIn && (p.At == "" || p.At == mailconn.AtWork)
}

func (w *Worker) arrange(ctx context.Context, j job, t desk.Ticket) error {
	f := j.mb.Policy.Follow
	if f.ToMailbox != desk.On {
		return nil // nobody wants it any more
	}
	org, err := w.DB.Organisation(ctx)
	if err != nil {
		return err
	}
	mails, err := w.DB.Locate(ctx, t.ID, j.mb.ID, mostFollowing)
	if err != nil || len(mails) == 0 {
		return err
	}
	if to := f.FolderOf(desk.StatusOf(org.Settings.Pipelines, t.Pipeline, t.Status)); to != "" {
		if err := w.move(ctx, j, t, to, mails); err != nil {
			return err
		}
	}
	return w.mark(ctx, j, t, mails)
}

// move moves a ticket's mails between INBOX and the closed folder. That it is us who do it is known before. The newest stays where it is if
// it was seen in the right place: should it lie elsewhere by now, an agent has just moved it, and that is still to be heard.
func (w *Worker) move(ctx context.Context, j job, t desk.Ticket, to string, mails []desk.Located) error {
	f := j.mb.Policy.Follow
	from := "INBOX"
	if to == from {
		from = f.ClosedFolder
	}
	newest := slices.IndexFunc(mails, func(l desk.Located) bool { return l.Newest })
	if newest >= 0 {
		message, there := mails[newest].Message, false
		if err := w.note(ctx, t, j.mb, func(seen *desk.Seen, copies []desk.Lies, now time.Time) {
			there = seen.Expect(f, message, copies, to, now)
		}); err != nil {
			return err
		}
		if there {
			mails = slices.DeleteFunc(slices.Clone(mails), func(l desk.Located) bool { return l.Newest })
			newest = -1
		}
	}
	moved, err := w.Arranger.Move(ctx, j.mb, from, to, mails)
	if err != nil {
		return fmt.Errorf("move the conversation to %s: %w", to, err)
	}
	if newest >= 0 {
		message := mails[newest].Message
		gone, went := Moved{}, false
		for _, m := range moved {
			if m.Message == message && (!went || m.UID < gone.UID) { // of several copies, the one that is seen to arrive first
				gone, went = m, true
			}
		}
		if err := w.note(ctx, t, j.mb, func(seen *desk.Seen, _ []desk.Lies, _ time.Time) {
			seen.Moved(message, to, went, gone.UIDValidity, gone.UID)
		}); err != nil {
			return err
		}
	}
	if len(moved) == 0 {
		return nil
	}
	return w.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.AddEvent(ctx, desk.Event{TicketID: t.ID, MailboxID: j.mb.ID, Kind: desk.MailMoved, From: from, To: to, Cause: desk.ByStatus})
	})
}

// note changes what is known of a ticket's conversation; copies are where its newest mail is known to lie.
func (w *Worker) note(ctx context.Context, t desk.Ticket, mb desk.Mailbox, change func(seen *desk.Seen, copies []desk.Lies, now time.Time)) error {
	return w.DB.Update(ctx, func(tx *store.Tx) error {
		if err := tx.LockTicket(ctx, t.ID); err != nil {
			return err
		}
		seen, err := tx.SeenOf(ctx, t.ID, mb.ID)
		if err != nil {
			return err
		}
		_, copies, err := tx.NewestPlaced(ctx, t.ID, mb.ID)
		if err != nil {
			return err
		}
		change(&seen, copies, tx.Now())
		return tx.PutSeen(ctx, seen)
	})
}

func (w *Worker) mark(ctx context.Context, j job, t desk.Ticket, mails []desk.Located) error {
	f := j.mb.Policy.Follow
	if len(f.Keywords) == 0 {
		return nil
	}
	add, remove := f.MarkOf(t.Status), []string{}
	for keyword := range f.Keywords {
		if keyword != add {
			remove = append(remove, keyword)
		}
	}
	slices.Sort(remove)
	former, give := "", add
	if err := w.note(ctx, t, j.mb, func(seen *desk.Seen, _ []desk.Lies, _ time.Time) { former, seen.Mark = seen.Mark, add }); err != nil {
		return err
	}
	if former == add && add != "" {
		// An agent has set it: they may take it off again before we get there.
		there, err := w.DB.MarkedIn(ctx, t.ID, j.mb.ID, add)
		if err != nil {
			return err
		}
		if there {
			give = ""
		}
	}
	for _, folder := range []string{"INBOX", f.ClosedFolder} {
		if folder == "" {
			continue
		}
		if err := w.Arranger.Mark(ctx, j.mb, folder, mails, give, remove); err != nil {
			return fmt.Errorf("mark the conversation in %s: %w", folder, err)
		}
	}
	if former == add {
		return nil
	}
	return w.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.AddEvent(ctx, desk.Event{TicketID: t.ID, MailboxID: j.mb.ID, Kind: desk.MailMarked, From: former, To: add, Cause: desk.ByStatus})
	})
}
