package tickets

import (
	"cmp"
	"context"
	"slices"

	"postern/desk"
	"postern/store"
)

// Merge has a ticket take over all that another one has, and gives it. Whoever took part in the one takes part in the other, and
// reads all of it: an agent decides so, no mail does. The former number and what answers its mails lead to the ticket that
// stays.
func (d *Desk) Merge(ctx context.Context, from, into desk.ID) (desk.Ticket, error) {
	var t desk.Ticket
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		old, err := tx.Ticket(ctx, desk.ScopeOfProgram(), from)
		if err != nil {
			return err
		}
		if t, err = tx.Ticket(ctx, desk.ScopeOfProgram(), into); err != nil {
			return err
		}
		if old.ID == t.ID {
			return desk.Refuse("into", "both are ticket #%d", t.Number)
		}
		if err := tx.MergeTicket(ctx, old.ID, t.ID); err != nil {
			return err
		}
		t, err = tx.Ticket(ctx, desk.ScopeOfProgram(), t.ID)
		return err
	})
	return t, err
}

// Split opens a ticket with some messages of another one, for the customer who wrote the first of them, and gives it. What
// answers them goes there too. Whoever takes part in the ticket takes part in the new one.
func (d *Desk) Split(ctx context.Context, ticket desk.ID, messages []desk.ID, subject string) (desk.Ticket, error) {
	var t desk.Ticket
	messages = slices.Compact(slices.Sorted(slices.Values(messages)))
	if len(messages) == 0 {
		return t, desk.Refuse("messages", "name the messages that are to be a ticket of their own")
	}
	if err := desk.CheckSubject(subject); err != nil {
		return t, err
	}
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return t, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		old, err := tx.Ticket(ctx, desk.ScopeOfProgram(), ticket)
		if err != nil {
			return err
		}
		found, err := tx.MessagesByID(ctx, messages)
		if err != nil {
			return err
		}
		moved := make([]desk.Message, 0, len(found))
		for _, m := range found {
			if m.TicketID == old.ID {
				moved = append(moved, m)
			}
		}
		switch total, _, err := tx.Imported(ctx, old.ID); {
		case err != nil:
			return err
		case len(moved) != len(messages):
			return desk.Missing("message of the ticket")
		case len(moved) == total:
			return desk.Refuse("messages", "one message at least has to stay in ticket #%d", old.Number)
		}
		slices.SortFunc(moved, func(a, b desk.Message) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
		t, err = d.splitOff(ctx, tx, org, old, moved, subject)
		return err
	})
	return t, err
}

func (d *Desk) splitOff(ctx context.Context, tx *store.Tx, org *store.Organisation, old desk.Ticket, moved []desk.Message, subject string) (desk.Ticket, error) {
	first, last := moved[0], moved[len(moved)-1]
	requester := old.ContactID
	if i := slices.IndexFunc(moved, func(m desk.Message) bool { return m.Author.ContactID != "" }); i >= 0 {
		requester = moved[i].Author.ContactID
	}
	c, err := tx.Contact(ctx, requester)
	if err != nil {
		return desk.Ticket{}, err
	}
	t, err := newTicket(ctx, tx, org, old.Pipeline, desk.Ticket{
		Subject: cmp.Or(subject, first.Subject, old.Subject), MailboxID: old.MailboxID, ContactID: c.ID, CompanyID: c.PrimaryCompany(), Source: first.Source,
		CreatedAt: first.CreatedAt, LastCustomer: last.Author.Kind == desk.Customer,
	})
	if err != nil {
		return t, err
	}
	t.LastActivityAt = last.CreatedAt
	for _, p := range old.Participants {
		switch {
		case p.ContactID == c.ID:
			p.Role = desk.Requester
		case p.Role == desk.Requester:
			p.Role = desk.Copied
		}
		t.Participants = append(t.Participants, p)
	}
	if !slices.ContainsFunc(t.Participants, func(p desk.Participant) bool { return p.Role == desk.Requester }) && c.LoginAddress() != "" {
		t.Participants = append(t.Participants, desk.Participant{ContactID: c.ID, Name: c.Name, Email: c.LoginAddress(), Role: desk.Requester})
	}
	if err := tx.AddTicket(ctx, t); err != nil {
		return t, err
	}
	conversation, err := d.startConversation(ctx, tx, &t, old.MailboxID, first.Source, first.CreatedAt)
	if err != nil {
		return t, err
	}
	ids := make([]desk.ID, len(moved))
	for i, m := range moved {
		ids[i] = m.ID
	}
	return t, tx.MoveMessages(ctx, old.ID, t.ID, conversation, ids)
}
