package tickets_test

import (
	"slices"
	"sync"
	"testing"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// TestACorrectedAddressGetsTheAnswers: participants are people, not the addresses they had once.
func TestACorrectedAddressGetsTheAnswers(t *testing.T) {
	both(t, func(r *rig) {
		ctx, ann := r.t.Context(), r.contact("ann@wrong.example")
		ticket, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Printer", Text: "it is broken"})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.d.ChangeContact(ctx, ann.ID, tickets.ContactChange{Addresses: &[]string{"ann@right.example", "ann@home.example"}}); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.d.ReplyByAgent(ctx, tickets.AgentReply{Ticket: ticket.ID, Source: desk.FromAPI, Text: "try again"}); err != nil {
			r.t.Fatal(err)
		}
		var to []string
		for _, e := range r.effects(2) {
			if e.Kind == desk.ReplyMail {
				to = append(to, e.Recipient)
			}
		}
		if !slices.Equal(to, []string{"ann@right.example"}) {
			r.t.Errorf("the answer goes to %v", to)
		}
		got, err := r.db.Ticket(ctx, desk.ScopeOfProgram(), ticket.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		for address, part := range map[string]bool{"ann@right.example": true, "ann@home.example": true, "ann@wrong.example": false, "eve@evil.example": false, "": false} {
			if desk.TakesPart(got.Participants, address) != part {
				r.t.Errorf("%q takes part: %t", address, !part)
			}
		}
	})
}

// TestDoubleClicksAtTheSameTime sends the same page many times at once: one ticket, one answer, and nobody is refused.
func TestDoubleClicksAtTheSameTime(t *testing.T) {
	both(t, func(r *rig) {
		ctx, ann := r.t.Context(), r.contact("ann@customer.example")
		at := func(n int, do func(i int)) {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { do(i) })
			}
			wg.Wait()
		}
		in := tickets.CustomerTicket{Contact: ann, Subject: "Printer", Text: "it is broken", Nonce: store.NewID()}
		var got [6]desk.Ticket
		at(len(got), func(i int) {
			var err error
			if got[i], err = r.d.OpenByCustomer(ctx, in); err != nil {
				r.t.Errorf("a click: %v", err)
			}
		})
		for _, ticket := range got {
			if ticket.ID != got[0].ID || ticket.Number == 0 {
				r.t.Errorf("%+v beside %+v", ticket, got[0])
			}
		}
		reply := tickets.CustomerReply{Contact: ann, Ticket: got[0].ID, Text: "still broken", Nonce: store.NewID()}
		var said [6]desk.Message
		at(len(said), func(i int) {
			var err error
			if said[i], err = r.d.ReplyByCustomer(ctx, reply); err != nil {
				r.t.Errorf("a click on answer: %v", err)
			}
		})
		for _, m := range said {
			if m.ID == "" || m.ID != said[0].ID {
				r.t.Errorf("%s beside %s", m.ID, said[0].ID)
			}
		}
		r.effects(2)
	})
}
