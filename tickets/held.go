package tickets

import (
	"context"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// AcceptHeld has a held mail join a ticket, as part of the caller's transaction, and gives the item as it is then. It fails
// with Conflict, here or when the transaction commits, if somebody else has decided about the item.
func (d *Desk) AcceptHeld(ctx context.Context, tx *store.Tx, org *store.Organisation, held ReadMail, ticket desk.ID, a desk.Acceptance) (desk.LedgerEntry, error) {
	held = submitted(org, held)
	e, mail := held.Entry, held.Mail
	mb, ok := org.Mailbox(e.MailboxID)
	if !ok {
		return e, desk.Missing("mailbox of item " + string(e.ID))
	}
	t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), ticket)
	if err != nil {
		return e, err
	}
	if err := tx.ForgetHeldID(ctx, e, mail.MessageID); err != nil {
		return e, err
	}
	facts := heldFacts(org, mb, mail)
	if facts.AtAgent, err = d.agentAddress(ctx, tx, org, mb, mail); err != nil {
		return e, err
	}
	decision := desk.Accept(facts, t, a)
	if a.AddSender {
		if err := d.addSender(ctx, tx, org, &t, mail.From, arrived(e)); err != nil {
			return e, err
		}
	}
	e.Outcome, e.Reason, e.TicketID = decision.Outcome, decision.Reason, t.ID
	mail.Subject = desk.CutSubject(mail.Subject)
	if mail, err = foldKnown(ctx, tx, t, mail, decision.Internal, nil); err != nil {
		return e, err
	}
	msg := d.forReaders(org, messageOf(e, mail, decision))
	if err := d.fileAppended(ctx, tx, org, mb, &t, msg); err != nil {
		return e, err
	}
	if err := settleHeld(ctx, tx, e); err != nil {
		return e, err
	}
	return e, d.placed(ctx, tx, org, mb, e, mail.MessageID, t.ID, msg.ID)
}

// settleHeld writes down what an agent has decided about an item, and that the ticket it went to is an agent's work.
func settleHeld(ctx context.Context, tx *store.Tx, e desk.LedgerEntry) error {
	if err := tx.MarkWorked(ctx, e.TicketID); err != nil {
		return err
	}
	return tx.SettleHeld(ctx, e)
}

func heldFacts(org *store.Organisation, mb desk.Mailbox, mail desk.Mail) desk.Facts {
	f := desk.Facts{Mail: mail, FromOurs: org.IsOurs(mail.From.Email)}
	f.Verified, f.Vouched = mb.Receiver.Vouches(mail)
	if a, ok := org.AgentAt(mail.From.Email); ok {
		f.Agent = &a
	}
	return f
}

// addSender gives the sender of an accepted mail a part in the ticket.
func (d *Desk) addSender(ctx context.Context, tx *store.Tx, org *store.Organisation, t *desk.Ticket, from desk.Address, at time.Time) error {
	switch {
	case from.Email == "":
		return desk.Refuse("add_sender", "the mail does not say who it is from")
	case org.Inside(from.Email):
		return desk.Refuse("add_sender", "%s is our own address or an agent's", from.Email)
	}
	senders, err := tx.Senders(ctx, []string{from.Email})
	if err != nil {
		return err
	}
	c, _, err := contactFor(ctx, tx, senders, from, at)
	if err != nil {
		return err
	}
	p := desk.Participant{ContactID: c.ID, Name: first(c.Name, from.Name), Email: from.Email, Role: desk.Copied}
	t.Participants = append(t.Participants, p)
	return tx.AddParticipant(ctx, t.ID, p)
}

// SplitHeld has a held mail open a ticket of its own, for customer if that is not the zero Address: only a mail that does not say
// clearly who it is from can be anybody's. It is otherwise as AcceptHeld.
func (d *Desk) SplitHeld(ctx context.Context, tx *store.Tx, org *store.Organisation, held ReadMail, customer desk.Address, by string) (desk.LedgerEntry, error) {
	held = submitted(org, held)
	if customer.Email != "" {
		switch from := held.Mail.From; {
		case from.Email != "" && !held.Mail.FromUnsure:
			return held.Entry, desk.Refuse("address", "the mail is from %s, so the ticket is theirs", from.Email)
		case org.Inside(customer.Email):
			return held.Entry, desk.Refuse("address", "%s is our own address or an agent's", customer.Email)
		}
		customer.Name = first(customer.Name, held.Mail.From.Name)
		// Nobody has proved that address, whatever the mail's header says of another.
		held.Mail.From, held.Mail.FromUnsure, held.Mail.HeaderUnsure = customer, false, true
	}
	e, mail := held.Entry, held.Mail
	mb, ok := org.Mailbox(e.MailboxID)
	if !ok {
		return e, desk.Missing("mailbox of item " + string(e.ID))
	}
	decision, err := desk.Split(heldFacts(org, mb, mail), by)
	if err != nil {
		return e, err
	}
	if err := tx.ForgetHeldID(ctx, e, mail.MessageID); err != nil {
		return e, err
	}
	k, err := lookUp(ctx, tx, []ReadMail{held})
	if err != nil {
		return e, err
	}
	e.Outcome, e.Reason = decision.Outcome, decision.Reason
	mail = mailmsg.ShowMatter(mail)
	mail.Subject = desk.CutSubject(mail.Subject)
	msg := d.forReaders(org, messageOf(e, mail, decision))
	if e.TicketID, err = d.fileNew(ctx, tx, org, k, mb, e, mail, msg, ""); err != nil {
		return e, err
	}
	if err := settleHeld(ctx, tx, e); err != nil {
		return e, err
	}
	return e, d.placed(ctx, tx, org, mb, e, mail.MessageID, e.TicketID, msg.ID)
}

// SplitHeldForm makes a ticket of a held form post; it is otherwise as SplitHeld.
func (d *Desk) SplitHeldForm(ctx context.Context, tx *store.Tx, org *store.Organisation, e desk.LedgerEntry, form desk.Form, s Submission, by string) (desk.LedgerEntry, error) {
	s.Reasons = append(s.Reasons, "made a ticket by "+by)
	e, err := d.openForm(ctx, tx, org, e, form, s)
	if err != nil {
		return e, err
	}
	e.Reason += ", made a ticket by " + by
	return e, settleHeld(ctx, tx, e)
}

// DiscardHeld takes a held item off the list; its bytes stay. It fails with Conflict if somebody else has decided about it.
func (d *Desk) DiscardHeld(ctx context.Context, e desk.LedgerEntry, by string) (desk.LedgerEntry, error) {
	e.Outcome, e.Reason = desk.Ignored, "discarded by "+by+"; it was held: "+e.Reason
	return e, d.db.Update(ctx, func(tx *store.Tx) error { return tx.SettleHeld(ctx, e) })
}
