package ingest

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
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

// TestI7_ADeliveryThatLosesARaceIsMadeOfTheItemAsItWas, when its transaction runs again.
func TestI7_ADeliveryThatLosesARaceIsMadeOfTheItemAsItWas(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		its := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail("bob@customer.example", support, "2@customer.example", "strange"))
		for _, e := range []desk.LedgerEntry{r.entry(its[0]), r.posts(r.form(nil), "application/json", "no json")} {
			if err := r.g.quarantine(t.Context(), e, errBreaks); err != nil {
				t.Fatal(err)
			}
			losesOnce(t, o)
			done, err := r.g.DeliverRaw(t.Context(), e.ID, desk.Address{Email: "bob@customer.example"}, "", "Mette")
			if err != nil || done.ID != e.ID || done.Outcome != desk.NewTicket || strings.Count(done.Reason, "made a ticket by") > 1 {
				t.Fatalf("%+v, %v", done, err)
			}
			if m := r.messages(done.TicketID, "")[0]; !slices.Contains(m.Reasons, "it could not be read: "+errBreaks.Error()) {
				t.Errorf("%q", m.Reasons)
			}
		}
		r.clean()
	})
}

// losesOnce has the next transaction that makes a ticket of an item fail as one that lost a race, once: what counts that is not
// rolled back. On SQLite no transaction loses one.
func losesOnce(t *testing.T, o store.Options) {
	t.Helper()
	if o.URL == "" {
		return
	}
	c, err := pgx.Connect(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context()) //nolint:errcheck // nothing is under way
	if _, err := c.Exec(t.Context(), `DROP TRIGGER IF EXISTS loses ON ledger; DROP SEQUENCE IF EXISTS losses; CREATE SEQUENCE losses;
		CREATE OR REPLACE FUNCTION loses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('losses') = 1 THEN RAISE EXCEPTION 'lost a race' USING ERRCODE = '40001'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER loses BEFORE UPDATE ON ledger FOR EACH ROW WHEN (NEW.outcome = 'new-ticket') EXECUTE FUNCTION loses()`); err != nil {
		t.Fatal(err)
	}
}
