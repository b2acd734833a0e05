package tickets

import (
	"context"

	"postern/desk"
	"postern/store"
)

// fileBegun makes a ticket of a conversation that an agent has begun with some people: the first of them is the requester, the others take part, for
// the agent named them on purpose (REQUIREMENTS M13). Nobody is welcomed.
func (d *Desk) fileBegun(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, mb desk.Mailbox, with []desk.Address, m desk.Message) (desk.ID, error) {
	requester, err := k.contact(ctx, tx, with[0], m)
	if err != nil {
		return "", err
	}
	people, err := k.copied(ctx, tx, with, m)
	if err != nil {
		return "", err
	}
	people[0].Role = desk.Requester
	t, err := newTicket(ctx, tx, org, mb.Pipeline, desk.Ticket{
		Subject: m.Subject, MailboxID: mb.ID, ContactID: requester.ID, CompanyID: requester.PrimaryCompany(), Source: desk.FromMail, CreatedAt: m.CreatedAt, Participants: people,
	})
	if err != nil {
		return "", err
	}
	m.TicketID = t.ID
	t.Status = desk.StatusAfter(org.Settings.Pipelines, t, m)
	if err := tx.AddTicket(ctx, t); err != nil {
		return "", err
	}
	if m.ConversationID, err = d.startConversation(ctx, tx, &t, mb.ID, desk.FromMail, m.CreatedAt); err != nil {
		return "", err
	}
	if _, err := tx.AddMessage(ctx, m); err != nil {
		return "", err
	}
	return t.ID, tx.ReopenOrphans(ctx, mb.ID, []desk.MessageID{m.MessageID})
}

// add has the people of a mail that began a conversation take part in the ticket that an answer to it has made.
func (k *known) add(ctx context.Context, tx *store.Tx, t *desk.Ticket, people []desk.Address, m desk.Message) error {
	copied, err := k.copied(ctx, tx, people, m)
	if err != nil {
		return err
	}
	for _, p := range copied {
		if desk.TakesPart(t.Participants, p.Email) {
			continue
		}
		t.Participants = append(t.Participants, p)
		if err := tx.AddParticipant(ctx, t.ID, p); err != nil {
			return err
		}
	}
	return nil
}

// copied makes participants of those whom a message is to.
func (k *known) copied(ctx context.Context, tx *store.Tx, people []desk.Address, m desk.Message) (out []desk.Participant, err error) {
	for _, a := range people {
		c, err := k.contact(ctx, tx, a, m)
		if err != nil {
			return nil, err
		}
		out = append(out, desk.Participant{ContactID: c.ID, Name: first(a.Name, c.Name), Email: a.Email, Role: desk.Copied})
	}
	return out, nil
}

// contact finds the contact whom a message is to, or adds one.
func (k *known) contact(ctx context.Context, tx *store.Tx, a desk.Address, m desk.Message) (desk.Contact, error) {
	if _, ok := k.senders[a.Email]; !ok {
		found, err := tx.Senders(ctx, []string{a.Email})
		if err != nil {
			return desk.Contact{}, err
		}
		if c, ok := found[a.Email]; ok {
			k.senders[a.Email] = c
		}
	}
	c, _, err := contactFor(ctx, tx, k.senders, a, m.CreatedAt)
	return c, err
}
