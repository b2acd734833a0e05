package ingest

import (
	"testing"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// TestT8_MailToALockedTicketOpensALinkedOne: a ticket that was billed, or closed where closed tickets stay so, takes no more of a customer;
// whoever has no part in it learns nothing of it, and agents go on as ever.
func TestT8_MailToALockedTicketOpensALinkedOne(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		closed, yes := desk.Closed, true
		change := func(c tickets.Change) {
			t.Helper()
			if _, err := r.g.Desk.Change(r.t.Context(), desk.ScopeOfProgram(), first.TicketID, c); err != nil {
				r.t.Fatal(err)
			}
		}
		change(tickets.Change{Status: &closed})
		reopens := r.arrives(mail(ann, support, "2@customer.example", "again", answering("1@customer.example")))
		r.want(reopens, desk.Appended)
		if got := r.ticket(first.TicketID).Status; got != desk.Open {
			r.t.Errorf("an answer leaves the ticket %s", got)
		}
		change(tickets.Change{Billed: &yes})
		next := r.arrives(mail(ann, support, "3@customer.example", "and again", answering("2@customer.example")))
		r.want(next, desk.NewTicket)
		if t := r.ticket(next.TicketID); t.Follows != first.TicketID || t.ID == first.TicketID {
			r.t.Errorf("the new ticket is %+v", t)
		}
		if t := r.ticket(first.TicketID); !t.Billed || t.Status != desk.Open {
			r.t.Errorf("the billed ticket is %+v", t)
		}
		r.want(r.arrives(mail(ann, support, "4@customer.example", "more of that", answering("3@customer.example"))), desk.Appended)
		stranger := r.arrives(mail(eve, support, "5@evil.example", "let me in", answering("1@customer.example")))
		r.want(stranger, desk.Held)
		answer := r.sends(mail(support, ann, "6@example.com", "the bill is paid, thank you", answering("1@customer.example")))
		r.want(answer, desk.Appended)

		r.update(func(tx *store.Tx) error {
			s := desk.DefaultSettings()
			s.KeepClosed = true
			return tx.PutSettings(r.t.Context(), s)
		})
		second := next.TicketID
		if _, err := r.g.Desk.Change(r.t.Context(), desk.ScopeOfProgram(), second, tickets.Change{Status: &closed}); err != nil {
			r.t.Fatal(err)
		}
		third := r.arrives(mail(ann, support, "7@customer.example", "once more", answering("4@customer.example")))
		r.want(third, desk.NewTicket)
		if t := r.ticket(third.TicketID); t.Follows != second {
			r.t.Errorf("the third ticket is %+v", t)
		}
		ann := r.contact("ann@customer.example")
		_, err := r.g.Desk.ReplyByCustomer(r.t.Context(), tickets.CustomerReply{Contact: ann, Ticket: second, Text: "in the portal"})
		r.wantKind("an answer in the portal to a closed ticket", err, desk.Conflict)
		_, err = r.g.Desk.ReplyByCustomer(r.t.Context(), tickets.CustomerReply{Contact: ann, Ticket: first.TicketID, Text: "in the portal"})
		r.wantKind("an answer in the portal to a billed ticket", err, desk.Conflict)
		r.clean()
	})
}
