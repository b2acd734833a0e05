package ingest

import (
	"io"
	"strings"
	"testing"
	"time"

	"postern/desk"
)

func TestI7_WhatNobodyCanReadIsDeliveredAsAnAttachment(t *testing.T) {
	both(t, func(r *rig) {
		its := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail("bob@customer.example", support, "2@customer.example", "strange"), mail(ann, support, "1@customer.example", "fine"))
		post := r.posts(r.form(nil), "application/json", "no json")
		for _, e := range []desk.LedgerEntry{r.entry(its[0]), post} {
			if err := r.g.quarantine(r.t.Context(), e, errBreaks); err != nil {
				r.t.Fatal(err)
			}
		}
		r.read()
		parked := r.entry(its[0])
		r.want(parked, desk.Quarantined)
		for address, kind := range map[string]desk.Kind{"": desk.Invalid, "nobody": desk.Invalid, support: desk.Invalid} {
			if _, err := r.g.DeliverRaw(r.t.Context(), parked.ID, desk.Address{Email: address}, "", "Mette"); desk.KindOf(err) != kind {
				r.t.Errorf("to %q: %v", address, err)
			}
		}
		for id, file := range map[desk.ID]string{parked.ID: "message.eml", post.ID: "post.bin"} {
			e, err := r.g.DeliverRaw(r.t.Context(), id, desk.Address{Name: "Bob\r\n", Email: "Bob@Customer.example"}, "His order", "Mette")
			if err != nil || e.Outcome != desk.NewTicket {
				r.t.Fatalf("%s: %+v, %v", file, e, err)
			}
			if got := r.ticket(e.TicketID); got.Subject != "His order" || got.Participants[0].Email != "bob@customer.example" {
				r.t.Errorf("%+v", got)
			}
			r.wantTexts(e.TicketID, "bob@customer.example", "This message could not be read here. It is attached as it came.")
			m := r.messages(e.TicketID, "")[0]
			if len(m.Attachments) != 1 || m.Attachments[0].Name != file || m.Trust != desk.V0 || !strings.Contains(strings.Join(m.Reasons, "\n"), "made a ticket") {
				r.t.Fatalf("%+v", m)
			}
			whole, err := r.blobs.Open(r.t.Context(), m.Attachments[0].SHA256)
			if err != nil {
				r.t.Fatal(err)
			}
			b, err := io.ReadAll(whole)
			if err != nil || whole.Close() != nil || int64(len(b)) != m.Attachments[0].Size || !strings.Contains(string(b), map[string]string{"message.eml": "strange", "post.bin": "no json"}[file]) {
				r.t.Errorf("%s is %q, %v", file, b, err)
			}
			if _, err := r.g.DeliverRaw(r.t.Context(), id, desk.Address{Email: "bob@customer.example"}, "", "Mette"); desk.KindOf(err) != desk.Conflict {
				r.t.Errorf("twice: %v", err)
			}
		}
		if _, err := r.g.DeliverRaw(r.t.Context(), r.entry(its[1]).ID, desk.Address{Email: "bob@customer.example"}, "", "Mette"); desk.KindOf(err) != desk.Conflict {
			r.t.Errorf("of a ticket: %v", err)
		}
		r.clean()
	})
}
