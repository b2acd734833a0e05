package tickets

import (
	"context"
	"slices"

	"postern/desk"
	"postern/store"
)

// changed stores a ticket that had another status before, perhaps, and has the mailboxes it lies in follow. by is the mailbox in
// which an agent did it, if any.
func (d *Desk) changed(ctx context.Context, tx *store.Tx, org *store.Organisation, before string, t desk.Ticket, cause desk.Cause, by desk.ID) error {
	if err := tx.ChangeTicket(ctx, t); err != nil || t.Status == before {
		return err
	}
	if err := tx.AddEvent(ctx, desk.Event{TicketID: t.ID, MailboxID: by, Kind: desk.StatusChanged, From: before, To: t.Status, Cause: cause}); err != nil {
		return err
	}
	return d.tell(ctx, tx, org, before, t)
}

// tell has the mailboxes follow a ticket's new status, as far as they do.
func (d *Desk) tell(ctx context.Context, tx *store.Tx, org *store.Organisation, before string, t desk.Ticket) error {
	if !slices.ContainsFunc(org.Mailboxes, func(mb desk.Mailbox) bool { return mb.Policy.Follow.ToMailbox != desk.Off }) {
		return nil
	}
	cs, err := tx.Conversations(ctx, t.ID)
	if err != nil {
		return err
	}
	told := map[desk.ID]bool{}
	for _, c := range cs {
		mb, ok := org.Mailbox(c.MailboxID)
		if !ok || told[mb.ID] {
			continue
		}
		told[mb.ID] = true
		if err := tellMailbox(ctx, tx, org, mb, before, t); err != nil {
			return err
		}
	}
	return nil
}

func tellMailbox(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, before string, t desk.Ticket) error {
	f, ps := mb.Policy.Follow, org.Settings.Pipelines
	from, to := f.FolderOf(desk.StatusOf(ps, t.Pipeline, before)), f.FolderOf(desk.StatusOf(ps, t.Pipeline, t.Status))
	moves, marks := from != to, f.MarkOf(before) != f.MarkOf(t.Status)
	switch {
	case f.ToMailbox == desk.Off || !moves && !marks:
		return nil
	case f.ToMailbox == desk.On:
		return tx.AddEffect(ctx, desk.Effect{
			ID: store.NewID(), Kind: desk.FollowTicket, MailboxID: mb.ID, TicketID: t.ID, Recipient: mb.Address, CreatedAt: tx.Now(),
		})
	}
	e := desk.Event{TicketID: t.ID, MailboxID: mb.ID, Cause: desk.ByStatus, DryRun: true}
	if moves {
		e.Kind, e.From, e.To = desk.MailMoved, from, to
		if err := tx.AddEvent(ctx, e); err != nil {
			return err
		}
	}
	if marks {
		e.Kind, e.From, e.To = desk.MailMarked, f.MarkOf(before), f.MarkOf(t.Status)
		return tx.AddEvent(ctx, e)
	}
	return nil
}

// placed notes where a mail of a message lies and under which Message-ID, where that matters, and does what it means that it lies there.
func (d *Desk) placed(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, e desk.LedgerEntry, mid desk.MessageID, ticket, message desk.ID) error {
	if !mb.Policy.Follow.Used() || e.Role != desk.Inbox || ticket == "" || message == "" {
		return nil
	}
	switch err := tx.LockTicket(ctx, ticket); {
	case desk.KindOf(err) == desk.NotFound: // it was taken apart: a mail must not wait for it
		return nil
	case err != nil:
		return err
	}
	seen, err := tx.SeenOf(ctx, ticket, mb.ID)
	if err != nil {
		return err
	}
	ours := seen.Arrived(message, e.Folder, e.UIDValidity, e.UID)
	if ours {
		if err := tx.PutSeen(ctx, seen); err != nil {
			return err
		}
	}
	isFirst, err := tx.AddPlace(ctx, e, message, mid, ours)
	if err != nil {
		return err
	}
	fresh := desk.ID("")
	if isFirst {
		fresh = message
	}
	return d.see(ctx, tx, org, mb, ticket, fresh)
}

// see looks where a ticket's conversation lies now, and does what it means if an agent has put it there. fresh is a message that has
// just come.
func (d *Desk) see(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, ticket, fresh desk.ID) error {
	if err := tx.LockTicket(ctx, ticket); err != nil {
		return err
	}
	newest, copies, err := tx.NewestPlaced(ctx, ticket, mb.ID)
	if err != nil || newest == "" {
		return err
	}
	seen, err := tx.SeenOf(ctx, ticket, mb.ID)
	if err != nil {
		return err
	}
	at, ours := mb.Policy.Follow.PlaceIn(copies)
	byAgent := seen.See(at, ours, newest == fresh)
	if err := tx.PutSeen(ctx, seen); err != nil || !byAgent {
		return err
	}
	t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), ticket)
	if err != nil {
		return err
	}
	return d.obey(ctx, tx, org, mb, t, desk.StatusAt(org.Settings.Pipelines, t, seen.Place), desk.ByMove)
}

// obey gives a ticket the status that an agent wants who has done something in the mailbox, or tells that it would.
func (d *Desk) obey(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, t desk.Ticket, status string, cause desk.Cause) error {
	before := t.Status
	switch f := mb.Policy.Follow; {
	case status == before || f.FromMailbox == desk.Off:
		return nil
	case f.FromMailbox == desk.Report:
		return tx.AddEvent(ctx, desk.Event{TicketID: t.ID, MailboxID: mb.ID, Kind: desk.StatusChanged, From: before, To: status, Cause: cause, DryRun: true})
	}
	if err := tx.MarkWorked(ctx, t.ID); err != nil {
		return err
	}
	t.Status = status
	return d.changed(ctx, tx, org, before, t, cause, mb.ID)
}

// Look does what it means that mails of tickets were taken out of a folder, or given other keywords, as part of the caller's
// transaction. It answers true if some of that has to be looked at again: we are at these mails ourselves.
func (d *Desk) Look(ctx context.Context, tx *store.Tx, org *store.Organisation, look desk.Look) (again bool, err error) {
	mb, ok := org.Mailbox(look.Folder.MailboxID)
	if !ok {
		return false, desk.Missing("mailbox")
	}
	var moved []desk.ID
	for _, uid := range look.Gone {
		p, err := tx.PlaceAt(ctx, look.Folder, uid)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err == nil {
			err = tx.PlaceGone(ctx, p)
		}
		if err != nil {
			return false, err
		}
		if !slices.Contains(moved, p.TicketID) {
			moved = append(moved, p.TicketID)
		}
	}
	for _, ticket := range moved {
		if err := d.see(ctx, tx, org, mb, ticket, ""); err != nil {
			return false, err
		}
	}
	for uid, marks := range look.Marks {
		busy, err := d.marked(ctx, tx, org, mb, look, uid, marks)
		if err != nil {
			return false, err
		}
		again = again || busy
	}
	return again, nil
}

// marked does what it means that a mail has these keywords now. It answers true if we are at them ourselves, or were when the
// watcher looked: then it is not known whose they are.
func (d *Desk) marked(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, look desk.Look, uid uint32, marks []string) (busy bool, err error) {
	p, err := tx.PlaceAt(ctx, look.Folder, uid)
	if desk.KindOf(err) == desk.NotFound {
		return false, nil
	}
	if err == nil {
		err = tx.LockTicket(ctx, p.TicketID)
	}
	if err == nil {
		p, err = tx.PlaceAt(ctx, look.Folder, uid) // as it is now that nobody else changes it
	}
	if deleted := slices.Contains(marks, desk.Deleted); err == nil && deleted != slices.Contains(p.Marks, desk.Deleted) {
		p.Marks = nil
		if deleted {
			p.Marks = marks
		}
		if err = tx.PlaceMarked(ctx, p, p.Marks); err == nil {
			err = d.see(ctx, tx, org, mb, p.TicketID, "") // its conversation has lost a copy, or has it back
		}
	}
	if err != nil || slices.Equal(p.Marks, marks) {
		return false, err
	}
	if busy, err := tx.Following(ctx, p.TicketID, mb.ID, look.At); err != nil || busy {
		return busy, err
	}
	if err := tx.PlaceMarked(ctx, p, marks); err != nil {
		return false, err
	}
	for _, mark := range p.Marks {
		if !slices.Contains(marks, mark) {
			if err := d.unmarkedBy(ctx, tx, org, mb, p.TicketID, mark); err != nil {
				return false, err
			}
		}
	}
	for _, mark := range marks {
		if !slices.Contains(p.Marks, mark) {
			if err := d.markedBy(ctx, tx, org, mb, p.TicketID, mark); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (d *Desk) markedBy(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, ticket desk.ID, mark string) error {
	seen, err := tx.SeenOf(ctx, ticket, mb.ID)
	if err != nil || seen.Mark == mark {
		return err
	}
	seen.Mark = mark
	return d.obeyMark(ctx, tx, org, mb, seen, mark, true)
}

func (d *Desk) unmarkedBy(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, ticket desk.ID, mark string) error {
	seen, err := tx.SeenOf(ctx, ticket, mb.ID)
	if err != nil || seen.Mark != mark {
		return err
	}
	if still, err := tx.MarkedIn(ctx, ticket, mb.ID, mark); err != nil || still {
		return err
	}
	seen.Mark = ""
	return d.obeyMark(ctx, tx, org, mb, seen, mark, false)
}

func (d *Desk) obeyMark(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, seen desk.Seen, mark string, set bool) error {
	if err := tx.PutSeen(ctx, seen); err != nil {
		return err
	}
	t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), seen.TicketID)
	if err != nil {
		return err
	}
	return d.obey(ctx, tx, org, mb, t, mb.Policy.Follow.StatusMarked(org.Settings.Pipelines, t, mark, set), desk.ByMark)
}
