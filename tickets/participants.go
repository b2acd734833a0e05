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
	return d.takeParts(ctx, tx, decision.Ticket, copied, mentioned, cause)
}

// takeParts has copied get the ticket's mail, and notes the others.
func (d *Desk) takeParts(ctx context.Context, tx *store.Tx, t *desk.Ticket, copied, mentioned []desk.Address, cause desk.Cause) error {
	if err := d.takePart(ctx, tx, t, copied, desk.Correspondent, cause); err != nil {
		return err
	}
	return d.takePart(ctx, tx, t, mentioned, desk.Mentioned, cause)
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

// CopyingOf is what a mailbox, or the default one where it is not there, says about people in copy.
func CopyingOf(org *store.Organisation, mailbox desk.ID) desk.Copying {
	mb, ok := org.Mailbox(mailbox)
	if !ok {
		if mb, ok = org.DefaultMailbox(); !ok {
			return desk.CopyNobody
		}
	}
	return mb.Policy.Copying
}

// named sorts the people whom a signed-in customer wants to get copies, as the mailbox's policy says: copied will get the ticket's mail; noted are for an agent to
// copy, as one who answers to everybody does.
func named(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, in []desk.Participant, by desk.Contact, people []desk.Address) (copied, noted []desk.Address, err error) {
	if len(people) == 0 {
		return nil, nil, nil
	}
	who, err := tx.Visitor(ctx, by.ID, tx.Now())
	if err != nil {
		return nil, nil, err
	}
	var companies []desk.ID
	for _, m := range who.Memberships {
		if m.Proved {
			companies = append(companies, m.CompanyID)
		}
	}
	domains, err := tx.VerifiedDomains(ctx, companies)
	if err != nil {
		return nil, nil, err
	}
	colleague := func(email string) bool { return slices.Contains(domains, desk.DomainOf(email)) }
	copied, noted = mb.Policy.Copying.Named(in, people[:min(len(people), desk.MostNamed)], colleague, org.Inside)
	return copied, noted, nil
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

// WantMail says whether a contact who takes part in a ticket wants our mail about it. What agents send to them from the mailbox does not go through us. It fails with
// NotFound for a ticket that they can't see, and with Conflict if they have no part in it.
func (d *Desk) WantMail(ctx context.Context, c desk.Contact, ticket desk.ID, want bool) error {
	return d.onSeen(ctx, c, ticket, func(tx *store.Tx, _ *store.Organisation, t desk.Ticket) error {
		i := slices.IndexFunc(t.Participants, func(p desk.Participant) bool { return p.Of(c) })
		switch {
		case i < 0:
			return &desk.Error{Kind: desk.Conflict, Text: "who takes no part in a ticket gets no mail about it"}
		case t.Participants[i].Muted != want:
			return nil // it is so already
		}
		if err := tx.MuteParticipant(ctx, t.ID, c, !want); err != nil {
			return err
		}
		return tx.AddEvent(ctx, desk.Event{TicketID: t.ID, MailboxID: t.MailboxID, Kind: map[bool]desk.EventKind{true: desk.MailWanted, false: desk.MailStopped}[want], To: t.Participants[i].Email, Cause: desk.ByCustomer})
	})
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
