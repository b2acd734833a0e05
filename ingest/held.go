package ingest

import (
	"context"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// Held reads a held item once more: its ledger row and what it says, a form post as if it were a mail. It fails with
// Conflict if the item is not held, or no longer.
func (g *Ingest) Held(ctx context.Context, id desk.ID) (desk.LedgerEntry, desk.Mail, error) {
	e, err := g.heldRow(ctx, id)
	if err != nil {
		return e, desk.Mail{}, err
	}
	if e.FormID == "" {
		p := g.parse(ctx, e, nil)
		return e, p.Mail, p.err
	}
	_, _, s, why, err := g.submitted(ctx, e)
	return e, desk.Mail{
		Subject: s.Subject, From: desk.Address{Name: s.Name, Email: s.Email}, Text: s.Text, Reply: s.Text, Attachments: s.Attachments, Class: desk.Human, Reasons: []string{why},
	}, err
}

func (g *Ingest) heldRow(ctx context.Context, id desk.ID) (desk.LedgerEntry, error) {
	e, err := g.DB.Ledger(ctx, id)
	if err == nil && e.Outcome != desk.Held {
		err = &desk.Error{Kind: desk.Conflict, Text: "this item is not held; it is " + string(e.Outcome) + ": " + e.Reason}
	}
	return e, err
}

// AcceptHeld has a held mail join a ticket by an agent's word: the one it is held for, if ticket is "". It gives the item as
// it is then.
func (g *Ingest) AcceptHeld(ctx context.Context, id, ticket desk.ID, a desk.Acceptance) (desk.LedgerEntry, error) {
	e, err := g.heldRow(ctx, id)
	switch {
	case err != nil:
		return e, err
	case e.FormID != "":
		return e, desk.Refuse("id", "a form post answers no ticket; split it, with the address of its customer, or discard it")
	case ticket == "" && e.TicketID == "":
		return e, desk.Refuse("ticket", "this mail is held for no ticket; name the one it is to join")
	case ticket == "":
		ticket = e.TicketID
	}
	return g.decideHeld(ctx, e, func(tx *store.Tx, org *store.Organisation, mail tickets.ReadMail) (desk.LedgerEntry, error) {
		return g.Desk.AcceptHeld(ctx, tx, org, mail, ticket, a)
	})
}

// SplitHeld has a held item open a ticket of its own by an agent's word. customer is whose ticket it is, where the item does not
// say so clearly itself.
func (g *Ingest) SplitHeld(ctx context.Context, id desk.ID, customer desk.Address, by string) (desk.LedgerEntry, error) {
	e, err := g.heldRow(ctx, id)
	if err != nil {
		return e, err
	}
	if e.FormID != "" {
		return g.splitForm(ctx, e, customer, by)
	}
	if customer.Email != "" {
		email, ok := desk.NormalizeEmail(customer.Email)
		if !ok {
			return e, desk.Refuse("address", "%q is not a mail address", customer.Email)
		}
		customer.Email, customer.Name = email, oneLine(customer.Name)
	}
	return g.decideHeld(ctx, e, func(tx *store.Tx, org *store.Organisation, mail tickets.ReadMail) (desk.LedgerEntry, error) {
		return g.Desk.SplitHeld(ctx, tx, org, mail, customer, by)
	})
}

// DiscardHeld takes a held item off the list. Its bytes and its row stay.
func (g *Ingest) DiscardHeld(ctx context.Context, id desk.ID, by string) (desk.LedgerEntry, error) {
	e, err := g.heldRow(ctx, id)
	if err != nil {
		return e, err
	}
	return g.Desk.DiscardHeld(ctx, e, by)
}

// decideHeld reads a held mail again and carries out what was decided about it.
func (g *Ingest) decideHeld(ctx context.Context, e desk.LedgerEntry, decide func(*store.Tx, *store.Organisation, tickets.ReadMail) (desk.LedgerEntry, error)) (desk.LedgerEntry, error) {
	org, err := g.DB.FreshOrganisation(ctx)
	if err != nil {
		return e, err
	}
	p := g.parse(ctx, e, nil)
	if p.err != nil {
		return e, p.err
	}
	err = g.DB.Update(ctx, func(tx *store.Tx) error {
		var err error
		e, err = decide(tx, org, p.ReadMail)
		return err
	})
	return e, err
}

func (g *Ingest) splitForm(ctx context.Context, e desk.LedgerEntry, customer desk.Address, by string) (desk.LedgerEntry, error) {
	org, form, s, why, err := g.submitted(ctx, e)
	if err != nil {
		return e, err
	}
	if customer.Email != "" {
		email, ok := desk.NormalizeEmail(customer.Email)
		if !ok {
			return e, desk.Refuse("address", "%q is not a mail address", customer.Email)
		}
		s.Email, why = email, ""
		if customer.Name != "" {
			s.Name = oneLine(customer.Name)
		}
	}
	switch {
	case why != "":
		return e, desk.Refuse("address", "%s; name the address of its customer", why)
	case org.Inside(s.Email):
		return e, desk.Refuse("address", "%s is our own address or an agent's", s.Email)
	}
	var split desk.LedgerEntry // not e, from which the transaction may have to run again
	err = g.DB.Update(ctx, func(tx *store.Tx) (err error) {
		split, err = g.Desk.SplitHeldForm(ctx, tx, org, e, form, s, by)
		return err
	})
	return split, err
}
