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

// TestM12_ADomainInLettersAndAsTheNetworkKnowsItIsOne: they are one person's address, wherever somebody writes it, and one that
// looks alike is another's.
func TestM12_ADomainInLettersAndAsTheNetworkKnowsItIsOne(t *testing.T) {
	both(t, func(r *rig) {
		co, err := r.desk.AddCompany(r.t.Context(), "Books", []string{"Bücher.example"})
		if err != nil {
			r.t.Fatal(err)
		}
		first := r.arrives(mail("Ann <ann@bücher.example>", support, "1@customer.example", "it is broken"))
		if got := r.ticket(first.TicketID).CompanyID; got != co.ID {
			r.t.Errorf("company %q", got)
		}
		r.want(r.arrives(mail("Ann <ann@xn--bcher-kva.example>", support, "2@customer.example", "still", answering("1@customer.example"))), desk.Appended)
		r.want(r.arrives(mail("Ann <ann@bu\u0308cher.example>", support, "3@customer.example", "and now", answering("1@customer.example"))), desk.Appended)
		r.want(r.sends(mail(support, "ann@BÜCHER.example", "4@acme.example", "try again", answering("3@customer.example"))), desk.Appended)
		r.wantTexts(first.TicketID, "ann@xn--bcher-kva.example", "it is broken", "still", "and now", "try again")

		// "\u0441" is Cyrillic, and looks like "c".
		r.want(r.arrives(mail("Ann <ann@bü\u0441her.example>", support, "5@customer.example", "me too", answering("1@customer.example"))), desk.Held)

		who := r.ticket(first.TicketID).ContactID
		if _, err := r.desk.ChangeContact(r.t.Context(), who, tickets.ContactChange{Addresses: &[]string{"ann@bücher.example", "ann@xn--bcher-kva.example"}}); err != nil {
			r.t.Fatal(err)
		}
		if c, err := r.db.ContactByEmail(r.t.Context(), "ann@xn--bcher-kva.example"); err != nil || c.ID != who || len(c.Addresses) != 1 {
			r.t.Errorf("%+v, %v", c, err)
		}
		r.clean()
	})
}
