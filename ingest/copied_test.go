package ingest

import (
	"slices"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

const (
	cara = "Cara <cara@customer.example>"
	dan  = "Dan <dan@partner.example>"
)

func (r *rig) wantRoles(what string, ticket desk.ID, want ...string) {
	r.t.Helper()
	got := []string{}
	for _, p := range r.ticket(ticket).Participants {
		got = append(got, p.Email+"="+string(p.Role))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: participants are %v, want %v", what, got, want)
	}
}

func (r *rig) copying(c desk.Copying) {
	r.t.Helper()
	r.mb.Policy.Copying = c
	r.update(func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
	r.org() // the one that is known is another now
}

// recipients lists to whom a message is mailed.
func (r *rig) recipients(m desk.Message) (out []string) {
	r.t.Helper()
	for _, e := range r.effects(desk.ReplyMail) {
		if e.SubjectID == m.ID {
			out = append(out, e.Recipient)
		}
	}
	slices.Sort(out)
	return out
}

// answersByAPI has an agent answer outside the mailbox: it goes to these people, and each mail names all of them.
func (r *rig) answersByAPI(ticket desk.ID, want ...string) {
	r.t.Helper()
	m, err := r.g.Desk.ReplyByAgent(r.t.Context(), tickets.AgentReply{Ticket: ticket, Source: desk.FromAPI, Text: "we look into it"})
	if err != nil {
		r.t.Fatal(err)
	}
	if got := r.recipients(m); !slices.Equal(got, want) {
		r.t.Errorf("an answer goes to %v, want %v", got, want)
	}
	var shown []string
	for _, a := range slices.Concat(m.To, m.Cc) {
		shown = append(shown, a.Email)
	}
	slices.Sort(shown)
	if !slices.Equal(shown, want) || len(m.To) != 1 {
		r.t.Errorf("an answer is to %v, in copy to %v; want %v", m.To, m.Cc, want)
	}
}

// TestM11_WhoIsInCopyTakesPartAsTheMailboxSays: nobody is added or dropped in silence (REQUIREMENTS M13, H2).
func TestM11_WhoIsInCopyTakesPartAsTheMailboxSays(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken", "Cc: "+cara+", "+dan+", "+support))
		mentioned := []string{"ann@customer.example=requester", "cara@customer.example=mentioned", "dan@partner.example=mentioned"}
		r.wantRoles("a customer copies people", first.TicketID, mentioned...)
		r.answersByAPI(first.TicketID, "ann@customer.example")
		r.want(r.arrives(mail(dan, support, "2@partner.example", "me too", answering("1@customer.example"))), desk.Held)

		// An agent's "Reply all" is on purpose; a colleague in copy is no customer.
		r.sends(mail(support, ann, "3@acme.example", "all of you", answering("1@customer.example"), "Cc: "+dan+", Colleague <jo@acme.example>, no-reply@robot.example"))
		r.wantRoles("an agent copies Dan", first.TicketID, "ann@customer.example=requester", "cara@customer.example=mentioned", "dan@partner.example=correspondent")
		r.answersByAPI(first.TicketID, "ann@customer.example", "dan@partner.example")
		r.want(r.arrives(mail(dan, support, "4@partner.example", "I see it too", answering("3@acme.example"))), desk.Appended)

		// A customer who leaves Dan out does not drop him.
		r.arrives(mail(ann, support, "5@customer.example", "only to you", answering("3@acme.example")))
		r.answersByAPI(first.TicketID, "ann@customer.example", "dan@partner.example")
		if _, err := r.g.Desk.DropParticipant(r.t.Context(), first.TicketID, "dan@partner.example"); err != nil {
			r.t.Fatal(err)
		}
		r.wantRoles("dropped", first.TicketID, "ann@customer.example=requester", "cara@customer.example=mentioned")
		r.answersByAPI(first.TicketID, "ann@customer.example")
		r.want(r.arrives(mail(dan, support, "6@partner.example", "and I?", answering("3@acme.example"))), desk.Held)
		_, err := r.g.Desk.DropParticipant(r.t.Context(), first.TicketID, "ann@customer.example")
		r.wantKind("the requester is dropped", err, desk.Invalid)
		_, err = r.g.Desk.AddParticipant(r.t.Context(), first.TicketID, desk.Address{Email: support}, false)
		r.wantKind("our own address is added", err, desk.Invalid)

		events, err := r.db.TicketEvents(r.t.Context(), first.TicketID, store.Page{})
		var told []string
		for _, e := range slices.Backward(events) {
			if e.Kind == desk.PersonAdded || e.Kind == desk.PersonDropped {
				told = append(told, string(e.Kind)+" "+e.From+" "+e.To+" "+string(e.Cause))
			}
		}
		if want := []string{"person-added correspondent dan@partner.example agent-message", "person-dropped dan@partner.example  agent"}; err != nil || !slices.Equal(told, want) {
			r.t.Errorf("told %q: %v, want %q", told, err, want)
		}
	})
}

func TestM11_EverybodyTakesPartWhomAProvedCustomerCopies(t *testing.T) {
	both(t, func(r *rig) {
		r.copying(desk.CopyEverybody)
		unproved := r.arrives(mail(ann, support, "1@customer.example", "it is broken", "Cc: "+dan))
		r.wantRoles("unproved (H2)", unproved.TicketID, "ann@customer.example=requester", "dan@partner.example=mentioned")
		r.trusts(desk.Receiver{AuthServID: mx})
		proved := func(raw string) string { return found("pass", "customer.example", raw) }
		e := r.arrives(proved(mail(ann, support, "2@customer.example", "another one is broken", "Cc: "+dan)))
		r.wantRoles("proved", e.TicketID, "ann@customer.example=requester", "dan@partner.example=correspondent")
		r.answersByAPI(e.TicketID, "ann@customer.example", "dan@partner.example")
		r.arrives(proved(mail(ann, support, "3@customer.example", "and Cara", answering("2@customer.example"), "Cc: "+cara)))
		all := []string{"ann@customer.example=requester", "cara@customer.example=correspondent", "dan@partner.example=correspondent"}
		r.wantRoles("proved, later", e.TicketID, all...)
		// What Ann writes in the portal reaches those in copy, and "Reply all" in the inbox does.
		m, err := r.g.Desk.ReplyByCustomer(r.t.Context(), tickets.CustomerReply{Contact: r.contact("ann@customer.example"), Ticket: e.TicketID, Text: "in the portal"})
		if err != nil {
			r.t.Fatal(err)
		}
		if got := r.recipients(m); !slices.Equal(got, []string{"cara@customer.example", "dan@partner.example"}) || len(m.Cc) != 2 {
			r.t.Errorf("the portal's answer goes to %v, in the inbox in copy to %v", got, m.Cc)
		}
		r.copying(desk.CopyNobody)
		r.answersByAPI(e.TicketID, "ann@customer.example")
		r.sends(mail(support, ann, "4@acme.example", "to Ann", answering("2@customer.example"), "Cc: Eve <eve@evil.example>"))
		r.wantRoles("where the requester is all", e.TicketID, all...)
		r.clean()
	})
}

// TestM13_ACorrespondentReadsNothingInThePortal, not even who is a contact; whom an agent lets read does.
func TestM13_ACorrespondentReadsNothingInThePortal(t *testing.T) {
	both(t, func(r *rig) {
		own := r.arrives(mail(dan, support, "0@partner.example", "my own matter"))
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.sends(mail(support, ann, "2@acme.example", "all of you", answering("1@customer.example"), "Cc: "+dan))
		r.wantRoles("copied", first.TicketID, "ann@customer.example=requester", "dan@partner.example=correspondent")
		reads := func(ticket desk.ID) error {
			_, err := r.db.Ticket(r.t.Context(), desk.ScopeOfContact(r.contact("dan@partner.example")), ticket)
			return err
		}
		if err := reads(own.TicketID); err != nil {
			r.t.Errorf("Dan does not read his own ticket: %v", err)
		}
		r.wantKind("Dan reads Ann's ticket", reads(first.TicketID), desk.NotFound)
		if _, err := r.g.Desk.AddParticipant(r.t.Context(), first.TicketID, desk.Address{Email: "dan@partner.example"}, true); err != nil {
			r.t.Fatal(err)
		}
		if err := reads(first.TicketID); err != nil {
			r.t.Errorf("Dan does not read what an agent let him: %v", err)
		}
	})
}

// TestH6_WhatGoesToASupplierInCopyAlone: who was once in copy is no customer. What an agent writes to them alone is for agents, but for
// the answer to what they wrote to all.
func TestH6_WhatGoesToASupplierInCopyAlone(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.sends(mail(support, ann, "2@acme.example", "Dan will help", answering("1@customer.example"), "Cc: "+dan))
		r.sends(mail(support, dan, "3@acme.example", "between us: it costs a lot", answering("1@customer.example")))
		r.wantSeen(first.TicketID, "it is broken", "Dan will help")
		r.want(r.arrives(mail(dan, support, "4@partner.example", "as ever", answering("3@acme.example"))), desk.Held)
		r.want(r.arrives(mail(dan, support, "5@partner.example", "I can help, Ann", answering("2@acme.example"))), desk.Appended)
		r.sends(mail(support, dan, "6@acme.example", "thanks, Dan", answering("5@partner.example")))
		r.wantSeen(first.TicketID, "it is broken", "Dan will help", "I can help, Ann", "thanks, Dan")
	})
}

// wantSeen compares what the requester reads in a ticket.
func (r *rig) wantSeen(ticket desk.ID, want ...string) {
	r.t.Helper()
	ms, err := r.db.Messages(r.t.Context(), desk.ScopeOfContact(r.contact("ann@customer.example")), ticket)
	var said []string
	for _, m := range ms {
		said = append(said, strings.TrimSpace(m.Reply))
	}
	if err != nil || !slices.Equal(said, want) {
		r.t.Errorf("customers read %q: %v, want %q", said, err, want)
	}
}

// TestM13_WhoeverHasANewAddressIsStillOnePerson: they get a mail once, and can be dropped.
func TestM13_WhoeverHasANewAddressIsStillOnePerson(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.sends(mail(support, ann, "2@acme.example", "a new address of Ann's is in copy", answering("1@customer.example"), "Cc: "+dan+", Ann <ann@new.example>"))
		if _, err := r.g.Desk.AddParticipant(r.t.Context(), first.TicketID, desk.Address{Email: "bob@old.example"}, true); err != nil {
			r.t.Fatal(err)
		}
		r.moves("ann@customer.example", "ann@new.example")
		r.moves("bob@old.example", "bob@new.example")
		r.answersByAPI(first.TicketID, "ann@new.example", "bob@new.example", "dan@partner.example")
		for _, address := range []string{"bob@new.example", "ann@new.example"} {
			if _, err := r.g.Desk.DropParticipant(r.t.Context(), first.TicketID, address); err != nil {
				r.t.Fatal(err)
			}
		}
		bob := r.contact("bob@new.example")
		if _, err := r.db.Ticket(r.t.Context(), desk.ScopeOfContact(bob), first.TicketID); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("who was dropped reads on: %v", err)
		}
		r.answersByAPI(first.TicketID, "ann@new.example", "dan@partner.example")
		_, err := r.g.Desk.DropParticipant(r.t.Context(), first.TicketID, "ann@new.example")
		r.wantKind("the requester is dropped", err, desk.Invalid)
	})
}

// moves gives a contact another address for the one they have.
func (r *rig) moves(from, to string) {
	r.t.Helper()
	c := r.contact(from)
	err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
		c.Addresses = []string{to}
		return tx.ChangeContact(r.t.Context(), c)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
