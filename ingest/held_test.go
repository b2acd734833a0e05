package ingest

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"postern/desk"
	"postern/store"
)

const eve = "Eve <eve@evil.example>"

func (r *rig) wantKind(what string, err error, want desk.Kind) {
	r.t.Helper()
	if err == nil || desk.KindOf(err) != want {
		r.t.Errorf("%s: error %v, want one that is %s", what, err, want)
	}
}

// decided checks what became of an item, and that nobody can decide about it again.
func (r *rig) decided(e desk.LedgerEntry, err error, want desk.Outcome) desk.LedgerEntry {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	stored, err := r.db.Ledger(r.t.Context(), e.ID)
	if err != nil || stored.Outcome != want || e.Outcome != want || stored.TicketID != e.TicketID {
		r.t.Errorf("answered %+v, stored %+v, %v, want %s", e, stored, err, want)
	}
	_, err = r.g.AcceptHeld(r.t.Context(), e.ID, "", desk.Acceptance{By: "Mette"})
	r.wantKind("accepted again", err, desk.Conflict)
	_, err = r.g.SplitHeld(r.t.Context(), e.ID, desk.Address{}, "Mette")
	r.wantKind("split again", err, desk.Conflict)
	_, err = r.g.DiscardHeld(r.t.Context(), e.ID, "Mette")
	r.wantKind("discarded again", err, desk.Conflict)
	return stored
}

func TestM12_AcceptedMailJoinsAsFarAsItWasForCustomers(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		accept := func(raw string, a desk.Acceptance) desk.LedgerEntry {
			a.By = "Mette"
			held := r.arrives(raw)
			r.want(held, desk.Held)
			e, err := r.g.AcceptHeld(r.t.Context(), held.ID, "", a)
			return r.decided(e, err, desk.Appended)
		}
		answers := answering("1@customer.example")
		accept(mail(eve, support, "2@evil.example", "only for agents", answers), desk.Acceptance{})
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken")
		r.wantTexts(first.TicketID, "", "it is broken", "only for agents")
		accept(mail(eve, support, "3@evil.example", "to Ann too", answers, "Cc: ann@customer.example"), desk.Acceptance{})
		accept(mail(eve, support, "4@evil.example", "to Ann, a secret", answers, "Cc: ann@customer.example"), desk.Acceptance{Internal: true})
		accept(mail("no-reply@slack.example", support, "5@slack.example", "confirm your address", answers, "Auto-Submitted: auto-generated"), desk.Acceptance{})
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "to Ann too")
		r.wantKind("Eve has become a contact", func() error { _, err := r.db.ContactByEmail(r.t.Context(), "eve@evil.example"); return err }(), desk.NotFound)

		r.want(r.arrives(mail(eve, support, "6@evil.example", "once more", answering("3@evil.example"))), desk.Held) // accepted once is not invited
		accept(mail("Bob <bob@customer.example>", support, "7@customer.example", "I am her colleague", answers), desk.Acceptance{AddSender: true})
		r.want(r.arrives(mail("Bob <bob@customer.example>", support, "8@customer.example", "and I have news", answering("7@customer.example"))), desk.Appended)
		r.wantTexts(first.TicketID, "bob@customer.example", "it is broken", "to Ann too", "I am her colleague", "and I have news")
		for _, m := range r.messages(first.TicketID, "") {
			if strings.HasPrefix(m.Text, "only for") && (!slices.Contains(m.Reasons, "accepted by Mette") || m.Trust != desk.V0) {
				r.t.Errorf("trust %s, reasons %q", m.Trust, m.Reasons)
			}
		}
		r.clean()
	})
}

func TestM12_AcceptedElsewhereSplitOrDiscarded(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		first, second := r.arrives(mail(ann, support, "1@customer.example", "it is broken")), r.arrives(mail(ann, support, "2@customer.example", "another matter"))
		held := func(id, text string) desk.LedgerEntry {
			e := r.arrives(mail(eve, support, id, text, answering("1@customer.example"), "Cc: ann@customer.example"))
			r.want(e, desk.Held)
			return e
		}
		e, err := r.g.AcceptHeld(ctx, held("3@evil.example", "for the other").ID, second.TicketID, desk.Acceptance{By: "Mette"})
		r.decided(e, err, desk.Appended)
		r.wantTexts(second.TicketID, "ann@customer.example", "another matter", "for the other")

		e, err = r.g.SplitHeld(ctx, held("4@evil.example", "my own matter").ID, desk.Address{}, "Mette")
		split := r.decided(e, err, desk.NewTicket)
		if split.TicketID == first.TicketID || r.ticket(split.TicketID).ContactID != r.contact("eve@evil.example").ID {
			r.t.Errorf("split into %+v", r.ticket(split.TicketID))
		}
		r.wantTexts(split.TicketID, "eve@evil.example", "my own matter")
		r.want(r.arrives(mail(eve, support, "5@evil.example", "more of it", answering("4@evil.example"))), desk.Appended)

		discarded := held("6@evil.example", "buy this")
		e, err = r.g.DiscardHeld(ctx, discarded.ID, "Mette")
		if reason := r.decided(e, err, desk.Ignored).Reason; !strings.Contains(reason, "discarded by Mette") || !strings.Contains(reason, "no part in ticket") {
			r.t.Errorf("reason %q", reason)
		}
		if raw, err := r.g.Raw(ctx, discarded); err != nil {
			r.t.Errorf("the bytes of a discarded mail: %v", err)
		} else if err := raw.Close(); err != nil {
			r.t.Error(err)
		}
		r.wantTexts(first.TicketID, "", "it is broken")

		_, err = r.g.AcceptHeld(ctx, held("7@evil.example", "x").ID, store.NewID(), desk.Acceptance{By: "Mette"})
		r.wantKind("a ticket that is not there", err, desk.NotFound)
		_, err = r.g.AcceptHeld(ctx, first.ID, "", desk.Acceptance{By: "Mette"})
		r.wantKind("a mail that was never held", err, desk.Conflict)
		ours := r.arrives(mail("support@acme.example", support, "8@evil.example", "send money"))
		r.want(ours, desk.Held)
		_, err = r.g.AcceptHeld(ctx, ours.ID, "", desk.Acceptance{By: "Mette"})
		r.wantKind("a mail held for no ticket", err, desk.Invalid)
		_, err = r.g.SplitHeld(ctx, ours.ID, desk.Address{}, "Mette")
		r.wantKind("a ticket for ourselves", err, desk.Invalid)
		_, err = r.g.AcceptHeld(ctx, ours.ID, first.TicketID, desk.Acceptance{By: "Mette", AddSender: true})
		r.wantKind("ourselves as a customer", err, desk.Invalid)
		r.clean()
	})
}

func TestHeldFormPostBecomesATicketOfAnAddress(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		form := r.form(nil)
		held := func() desk.LedgerEntry {
			e := r.readsPost(form, "application/json", `{"message":"call me","name":"Bob","phone":"123"}`)
			r.want(e, desk.Held)
			return e
		}
		e := held()
		if _, said, err := r.g.Held(ctx, e.ID); err != nil || !strings.Contains(said.Text, "call me") || said.From.Name != "Bob" {
			r.t.Errorf("%+v, %v", said, err)
		}
		for what, address := range map[string]string{"nobody": "", "no address": "bob", "ourselves": "support@acme.example"} {
			_, err := r.g.SplitHeld(ctx, e.ID, desk.Address{Email: address}, "Mette")
			r.wantKind("a ticket for "+what, err, desk.Invalid)
		}
		_, err := r.g.AcceptHeld(ctx, e.ID, "", desk.Acceptance{By: "Mette"})
		r.wantKind("accepted", err, desk.Invalid)
		split, err := r.g.SplitHeld(ctx, e.ID, desk.Address{Email: "Bob@customer.example"}, "Mette")
		split = r.decided(split, err, desk.NewTicket)
		if ms := r.messages(split.TicketID, "bob@customer.example"); len(ms) != 1 || !strings.Contains(ms[0].Text, "123") || ms[0].Author.Name != "Bob" {
			r.t.Errorf("%+v", ms)
		}
		if len(r.effects(desk.PutInInbox)) != 1 {
			r.t.Error("it does not lie in the agents' inbox")
		}
		e, err = r.g.DiscardHeld(ctx, held().ID, "Mette")
		r.decided(e, err, desk.Ignored)
		r.clean()
	})
}

func TestSentCopyCountsThoughTheHeldOneWasDiscarded(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := mail("support@acme.example", "ann@customer.example", "2@acme.example", "try again", answering("1@customer.example"), "Cc: support@acme.example")
		held := r.arrives(answer)
		r.want(held, desk.Held)
		if _, err := r.g.DiscardHeld(r.t.Context(), held.ID, "Mette"); err != nil {
			r.t.Fatal(err)
		}
		r.want(r.sends(answer), desk.Appended)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "try again")
	})
}

func TestHeldItemIsDecidedAboutOnce(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		held := r.arrives(mail(eve, support, "2@evil.example", "to Ann too", answering("1@customer.example"), "Cc: ann@customer.example"))
		errs := make([]error, 6)
		var agents sync.WaitGroup
		for i := range errs {
			agents.Go(func() {
				if i%2 == 0 {
					_, errs[i] = r.g.AcceptHeld(r.t.Context(), held.ID, "", desk.Acceptance{By: "Mette"})
				} else {
					_, errs[i] = r.g.SplitHeld(r.t.Context(), held.ID, desk.Address{}, "Ole")
				}
			})
		}
		agents.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if desk.KindOf(err) != desk.Conflict {
				r.t.Error(err)
			}
		}
		if joined := len(r.messages(first.TicketID, "")) - 1; done != 1 || joined+r.tickets() != 2 {
			r.t.Errorf("decided %d times: %d messages joined, %d tickets", done, joined, r.tickets())
		}
		r.clean()
	})
}
