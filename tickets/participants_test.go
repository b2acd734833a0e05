package tickets_test

import (
	"maps"
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

// TestH3_CopiesFromThePortal: who is signed in has proved colleagues get copies of what they write; strangers are noted for the agents and get nothing, however
// often they are named.
func TestH3_CopiesFromThePortal(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		acme, err := r.d.AddCompany(ctx, "Acme", []string{"customer.example", "unproved.example"}, "customer.example")
		if err != nil {
			r.t.Fatal(err)
		}
		ann := r.contact("ann@customer.example")
		if len(ann.Companies) != 1 || ann.Companies[0] != acme.ID {
			r.t.Fatalf("Ann is of %v", ann.Companies)
		}
		people := []desk.Address{{Email: "bea@customer.example"}, {Email: "carl@unproved.example"}, {Email: "victim@elsewhere.example"}, {Email: r.mb.Address}}
		gets := func(ticket desk.ID) map[string]int {
			out := map[string]int{}
			es, err := r.db.Effects(ctx, "", store.Page{Limit: 200})
			if err != nil {
				r.t.Fatal(err)
			}
			for _, e := range es {
				if e.TicketID == ticket && e.Kind == desk.ReplyMail {
					out[e.Recipient]++
				}
			}
			return out
		}
		roles := func(ticket desk.ID) map[string]desk.Role {
			out := map[string]desk.Role{}
			t, err := r.db.Ticket(ctx, desk.ScopeOfProgram(), ticket)
			if err != nil {
				r.t.Fatal(err)
			}
			for _, p := range t.Participants {
				out[p.Email] = p.Role
			}
			return out
		}

		// Ann's address is not proved: nobody is her colleague.
		before, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Before", Text: "it is broken", Copies: people})
		if err != nil {
			r.t.Fatal(err)
		}
		if got := gets(before.ID); len(got) != 0 {
			r.t.Errorf("with an address that is not proved: %v", got)
		}
		if err := r.db.Update(ctx, func(tx *store.Tx) error { return tx.Proved(ctx, ann.ID, "ann@customer.example") }); err != nil {
			r.t.Fatal(err)
		}
		ticket, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Printer", Text: "it is broken", Copies: people})
		if err != nil {
			r.t.Fatal(err)
		}
		if got := gets(ticket.ID); !maps.Equal(got, map[string]int{"bea@customer.example": 1}) {
			r.t.Errorf("the new ticket goes to %v", got)
		}
		want := map[string]desk.Role{"ann@customer.example": desk.Requester, "bea@customer.example": desk.Correspondent, "carl@unproved.example": desk.Mentioned, "victim@elsewhere.example": desk.Mentioned}
		if got := roles(ticket.ID); !maps.Equal(got, want) {
			r.t.Errorf("the roles are %v", got)
		}
		said, err := r.db.Messages(ctx, desk.ScopeOfProgram(), ticket.ID)
		if err != nil || len(said) != 1 || len(said[0].Cc) != 3 {
			r.t.Errorf("agents see in copy %+v, %v", said, err)
		}
		nonce := store.NewID()
		for range 2 { // a double click
			if _, err := r.d.ReplyByCustomer(ctx, tickets.CustomerReply{Contact: ann, Ticket: ticket.ID, Text: "still broken", Nonce: nonce, Copies: append(people, desk.Address{Email: "dora@customer.example"})}); err != nil {
				r.t.Fatal(err)
			}
		}
		if got := gets(ticket.ID); !maps.Equal(got, map[string]int{"bea@customer.example": 2, "dora@customer.example": 1}) {
			r.t.Errorf("after an answer %v got mail", got)
		}
		// Mail gives nobody a look into the portal.
		bea := r.contact("bea@customer.example")
		scope, err := r.d.ScopeOf(ctx, bea.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.db.Ticket(ctx, scope.Own(), ticket.ID); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("Bea reads the ticket as her own: %v", err)
		}

		r.mb.Policy.Copying = desk.CopyEverybody
		r.put(r.mb)
		if _, err := r.d.ReplyByCustomer(ctx, tickets.CustomerReply{Contact: ann, Ticket: ticket.ID, Text: "everybody", Copies: people}); err != nil {
			r.t.Fatal(err)
		}
		if got := gets(ticket.ID); got["victim@elsewhere.example"] != 1 || got["bea@customer.example"] != 3 || got[r.mb.Address] != 0 {
			r.t.Errorf("where everybody takes part, %v got mail", got)
		}
		r.mb.Policy.Copying = desk.CopyNobody
		r.put(r.mb)
		alone, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Alone", Text: "it is broken", Copies: people})
		if err != nil {
			r.t.Fatal(err)
		}
		if got := roles(alone.ID); len(got) != 1 || len(gets(alone.ID)) != 0 {
			r.t.Errorf("where nobody is copied the roles are %v", got)
		}
	})
}

// TestWhoWantsNoMailGetsNone: somebody who has stopped the mails of a ticket reads the answers in the portal; others go on getting them, and whoever has no part
// in a ticket has nothing to stop.
func TestWhoWantsNoMailGetsNone(t *testing.T) {
	both(t, func(r *rig) {
		ctx, ann, eve := r.t.Context(), r.contact("ann@customer.example", "ann@home.example"), r.contact("eve@evil.example")
		ticket, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Printer", Text: "it is broken"})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.d.AddParticipant(ctx, ticket.ID, desk.Address{Email: "bo@customer.example"}, true); err != nil {
			r.t.Fatal(err)
		}
		gets := func(want ...string) {
			r.t.Helper()
			before := len(r.replies(ticket.ID))
			if _, err := r.d.ReplyByAgent(ctx, tickets.AgentReply{Ticket: ticket.ID, Source: desk.FromAPI, Text: "try again"}); err != nil {
				r.t.Fatal(err)
			}
			got := r.replies(ticket.ID)[before:]
			slices.Sort(got)
			if !slices.Equal(got, want) {
				r.t.Errorf("the answer goes to %v, want %v", got, want)
			}
		}
		set := func(want bool) {
			r.t.Helper()
			if err := r.d.WantMail(ctx, ann, ticket.ID, want); err != nil {
				r.t.Fatal(err)
			}
		}
		gets("ann@customer.example", "bo@customer.example")
		set(false)
		set(false)
		gets("bo@customer.example")
		events, err := r.db.TicketEvents(ctx, ticket.ID, store.Page{Limit: 10})
		if err != nil || len(slices.DeleteFunc(events, func(e desk.Event) bool { return e.Kind != desk.MailStopped || e.To != "ann@customer.example" })) != 1 {
			r.t.Errorf("agents see %+v, %v", events, err)
		}
		set(true)
		gets("ann@customer.example", "bo@customer.example")
		r.wantKind("a stranger", r.d.WantMail(ctx, eve, ticket.ID, false), desk.NotFound)
		gets("ann@customer.example", "bo@customer.example")
	})
}

// replies lists whom the answers to a ticket went to, the oldest first.
func (r *rig) replies(ticket desk.ID) (to []string) {
	r.t.Helper()
	es, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range slices.Backward(es) {
		if e.TicketID == ticket && e.Kind == desk.ReplyMail {
			to = append(to, e.Recipient)
		}
	}
	return to
}
