package tickets

import (
	"context"
	"slices"

	"postern/desk"
	"postern/store"
)

// inCopy has people who are in copy of a mail that joins a ticket take part by mail, or only notes them.
func (d *Desk) inCopy(ctx context.Context, tx *store.Tx, decision desk.Decision, copied, mentioned []desk.Address) error {
	cause := desk.ByCustomersMessage
	if decision.Author == desk.Agent {
		cause = desk.ByAgentsMessage
	}
	if err := d.takePart(ctx, tx, decision.Ticket, copied, desk.Correspondent, cause); err != nil {
		return err
	}
	return d.takePart(ctx, tx, decision.Ticket, mentioned, desk.Mentioned, cause)
}

// takePart gives people a role in a ticket, and takes down that they have it: nobody is added in silence.
func (d *Desk) takePart(ctx context.Context, tx *store.Tx, t *desk.Ticket, people []desk.Address, role desk.Role, cause desk.Cause) error {
	for _, a := range people {
		p := desk.Participant{Name: a.Name, Email: a.Email, Role: role}
		if err := d.give(ctx, tx, t, p, cause); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) give(ctx context.Context, tx *store.Tx, t *desk.Ticket, p desk.Participant, cause desk.Cause) error {
	if err := tx.AddParticipant(ctx, t.ID, p); err != nil {
		return err
	}
	if i := slices.IndexFunc(t.Participants, func(q desk.Participant) bool { return q.Email == p.Email }); i >= 0 {
		t.Participants[i].Role = p.Role
	} else {
		t.Participants = append(t.Participants, p)
	}
	e := desk.Event{TicketID: t.ID, Kind: desk.PersonAdded, From: string(p.Role), To: p.Email, Cause: cause}
	if p.Role == desk.Mentioned {
		e.Kind, e.From = desk.PersonNoted, ""
	}
	return tx.AddEvent(ctx, e)
}

// AddParticipant has somebody take part in a ticket: by mail alone, or with a look into the portal too, where everything is that the
// customers of the ticket see. An address of ours or an agent's is refused.
func (d *Desk) AddParticipant(ctx context.Context, ticket desk.ID, a desk.Address, reads bool) (desk.Ticket, error) {
	var t desk.Ticket
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return t, err
	}
	email, ok := desk.NormalizeEmail(a.Email)
	switch {
	case !ok:
		return t, desk.Refuse("address", "%q is not a mail address", a.Email)
	case org.Inside(email):
		return t, desk.Refuse("address", "%s is our own address or an agent's", email)
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if t, err = tx.Ticket(ctx, desk.ScopeOfProgram(), ticket); err != nil {
			return err
		}
		p := desk.Participant{Name: a.Name, Email: email, Role: desk.Correspondent}
		if reads {
			senders, err := tx.Senders(ctx, []string{email})
			if err != nil {
				return err
			}
			c, _, err := contactFor(ctx, tx, senders, desk.Address{Name: a.Name, Email: email}, tx.Now())
			if err != nil {
				return err
			}
			p.ContactID, p.Name, p.Role = c.ID, first(a.Name, c.Name), desk.Copied
		}
		if i := slices.IndexFunc(t.Participants, func(q desk.Participant) bool { return q.Is(email) }); i >= 0 && t.Participants[i].Role != desk.Mentioned && (!reads || t.Participants[i].Role != desk.Correspondent) {
			return nil // they have a part already
		}
		if err := d.give(ctx, tx, &t, p, desk.ByAgent); err != nil {
			return err
		}
		return tx.MarkWorked(ctx, t.ID)
	})
	return t, err
}

// DropParticipant has somebody take no more part in a ticket: neither mail nor the portal shows it to them, and what they write about it
// is held. The requester can't be dropped.
func (d *Desk) DropParticipant(ctx context.Context, ticket desk.ID, address string) (desk.Ticket, error) {
	var t desk.Ticket
	email, ok := desk.NormalizeEmail(address)
	if !ok {
		return t, desk.Refuse("address", "%q is not a mail address", address)
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		if t, err = tx.Ticket(ctx, desk.ScopeOfProgram(), ticket); err != nil {
			return err
		}
		i := slices.IndexFunc(t.Participants, func(p desk.Participant) bool { return p.Is(email) && p.Role != desk.Requester })
		switch {
		case i < 0 && slices.ContainsFunc(t.Participants, func(p desk.Participant) bool { return p.Is(email) }):
			return desk.Refuse("address", "%s is the requester: the ticket is theirs", email)
		case i < 0:
			return desk.Missing("participant " + email)
		}
		dropped := t.Participants[i]
		t.Participants = slices.DeleteFunc(t.Participants, func(p desk.Participant) bool {
			return p.Role != desk.Requester && (p.Email == dropped.Email || p.ContactID == dropped.ContactID && p.ContactID != "")
		})
		if err := tx.DropParticipant(ctx, t.ID, dropped); err != nil {
			return err
		}
		if err := tx.AddEvent(ctx, desk.Event{TicketID: t.ID, Kind: desk.PersonDropped, From: dropped.Email, Cause: desk.ByAgent}); err != nil {
			return err
		}
		return tx.MarkWorked(ctx, t.ID)
	})
	return t, err
}
