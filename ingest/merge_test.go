package ingest

import (
	"testing"

	"postern/desk"
	"postern/store"
)

func TestMergedTicketsMailGoesWhereItsMessagesAre(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		a := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		b := r.arrives(mail(bob, support, "2@customer.example", "so is mine"))
		answered := r.agentAnswers(b.TicketID, "we know")
		held := r.arrives(mail(eve, support, "3@evil.example", "and mine", answering("2@customer.example")))
		token := r.replyAddress(b.TicketID, "bob@customer.example")
		c := r.arrives(mail("Chris <chris@customer.example>", support, "4@customer.example", "elsewhere"))
		number := r.ticket(c.TicketID).Number

		_, err := r.desk.Merge(ctx, a.TicketID, a.TicketID)
		r.wantKind("a ticket with itself", err, desk.Invalid)
		_, err = r.desk.Merge(ctx, store.NewID(), a.TicketID)
		r.wantKind("a ticket that is not there", err, desk.NotFound)
		if _, err := r.desk.Merge(ctx, c.TicketID, b.TicketID); err != nil { // c goes to b, and with it to a
			r.t.Fatal(err)
		}
		merged, err := r.desk.Merge(ctx, b.TicketID, a.TicketID)
		if err != nil || merged.ID != a.TicketID {
			r.t.Fatalf("%+v, %v", merged, err)
		}
		_, err = r.desk.Merge(ctx, b.TicketID, a.TicketID)
		r.wantKind("merged already", err, desk.Invalid)
		if r.tickets() != 1 {
			r.t.Errorf("%d tickets are listed", r.tickets())
		}
		if t, err := r.db.TicketByNumber(ctx, desk.ScopeOfProgram(), number); err != nil || t.ID != a.TicketID {
			r.t.Errorf("number %d leads to %+v, %v", number, t, err)
		}
		for _, later := range []string{
			mail(bob, support, "5@customer.example", "by reference", answering("2@customer.example")),
			mail(bob, support, "6@customer.example", "by our answer", answering(string(answered.MessageID))),
			mail(bob, token, "7@customer.example", "by token"),
			mail("Chris <chris@customer.example>", support, "8@customer.example", "by the first merged", answering("4@customer.example")),
		} {
			if e := r.arrives(later); e.Outcome != desk.Appended || e.TicketID != a.TicketID {
				r.t.Errorf("%+v", e)
			}
		}
		if e := r.ledger(held.ID); e.TicketID != a.TicketID {
			r.t.Errorf("what was held is held for %s", e.TicketID)
		}
		all := []string{"it is broken", "so is mine", "we know", "elsewhere", "by reference", "by our answer", "by token", "by the first merged"}
		for _, who := range []string{"ann@customer.example", "bob@customer.example", "chris@customer.example"} {
			r.wantTexts(a.TicketID, who, all...)
		}
		r.clean()
	})
}

func TestSplitOffMessagesTakeTheirAnswersAlong(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		a := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.arrives(mail(ann, support, "2@customer.example", "and another matter", answering("1@customer.example")))
		other := r.arrives(mail(ann, support, "3@customer.example", "elsewhere"))
		ms := r.messages(a.TicketID, "")
		elsewhere := r.messages(other.TicketID, "")[0].ID
		for what, c := range map[string]struct {
			ids  []desk.ID
			kind desk.Kind
		}{
			"nothing": {nil, desk.Invalid}, "all of it": {[]desk.ID{ms[0].ID, ms[1].ID}, desk.Invalid},
			"another ticket's": {[]desk.ID{ms[1].ID, elsewhere}, desk.NotFound}, "what is not there": {[]desk.ID{store.NewID()}, desk.NotFound},
		} {
			_, err := r.desk.Split(ctx, a.TicketID, c.ids, "")
			r.wantKind("split off "+what, err, c.kind)
		}
		split, err := r.desk.Split(ctx, a.TicketID, []desk.ID{ms[1].ID}, "The other printer")
		if err != nil || split.Subject != "The other printer" || split.ID == a.TicketID {
			r.t.Fatalf("%+v, %v", split, err)
		}
		if e := r.arrives(mail(ann, support, "4@customer.example", "more of that", answering("2@customer.example"), "References: <1@customer.example> <2@customer.example>")); e.TicketID != split.ID {
			r.t.Errorf("%+v", e)
		}
		if e := r.arrives(mail(ann, support, "5@customer.example", "more of this", answering("1@customer.example"))); e.TicketID != a.TicketID {
			r.t.Errorf("%+v", e)
		}
		r.wantTexts(a.TicketID, "ann@customer.example", "it is broken", "more of this")
		r.wantTexts(split.ID, "ann@customer.example", "and another matter", "more of that")
		r.agentAnswers(split.ID, "one moment")
		if es := r.effects(desk.ReplyMail); len(es) != 1 || es[0].Recipient != "ann@customer.example" {
			r.t.Errorf("%+v", es)
		}
		r.clean()
	})
}
