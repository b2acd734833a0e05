package ingest

import (
	"testing"

	"postern/desk"
	"postern/tickets"
)

// TestM12_AContactIsKnownByEachAddress: whoever takes part may write, and be written to, at any of their addresses.
func TestM12_AContactIsKnownByEachAddress(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		who := r.ticket(first.TicketID).ContactID
		if _, err := r.desk.ChangeContact(r.t.Context(), who, tickets.ContactChange{Addresses: &[]string{"ann@customer.example", "ann@home.example"}}); err != nil {
			r.t.Fatal(err)
		}
		r.want(r.arrives(mail("Ann <ann@home.example>", support, "2@home.example", "I am at home now", answering("1@customer.example"))), desk.Appended)
		r.want(r.sends(mail(support, "ann@home.example", "3@acme.example", "enjoy it", answering("2@home.example"))), desk.Appended)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "I am at home now", "enjoy it")
		r.want(r.arrives(mail("ann@other.example", support, "4@other.example", "me too", answering("1@customer.example"))), desk.Held)
		r.clean()
	})
}
