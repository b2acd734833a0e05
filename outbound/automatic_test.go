package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

func TestL3_EachKindOfMailSaysWhatItIs(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		r.answer("try again", false)
		err := r.db.Update(ctx, func(tx *store.Tx) error {
			org := &store.Organisation{Settings: desk.DefaultSettings(), Mailboxes: []desk.Mailbox{r.mb}}
			if sent, err := r.desk.Welcome(ctx, tx, org, r.mb, r.ann, desk.V1); err != nil || !sent {
				return errors.Join(err, errors.New("no welcome"))
			}
			return errors.Join(r.desk.SendLink(ctx, tx, r.mb, r.ann, desk.SignInMail, desk.LinkSignIn),
				r.desk.SendLink(ctx, tx, r.mb, r.ann, desk.PasswordMail, desk.LinkSetPassword))
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.drain(desk.QueueMail)
		r.drain(desk.QueueMailbox)
		subjects := map[string]bool{}
		for _, raw := range r.sent() {
			h := header(r.t, raw)
			subjects[h["subject"]] = true
			human := h["subject"] == "Re: Printer"
			if auto := h["auto-submitted"] == "auto-generated" && h["x-auto-response-suppress"] == "DR, RN, NRN, OOF, AutoReply"; auto == human || human && h["auto-submitted"] != "" {
				r.t.Errorf("%q: Auto-Submitted %q, X-Auto-Response-Suppress %q", h["subject"], h["auto-submitted"], h["x-auto-response-suppress"])
			}
			if h["from"] != "Acme <support@acme.example>" && h["from"] != `"Acme" <support@acme.example>` || !strings.Contains(h["to"], "ann@customer.example") || h["date"] == "" || !strings.HasSuffix(h["message-id"], "@acme.example>") || h["bcc"] != "" {
				r.t.Errorf("M1: header %v", h)
			}
			if human && (!strings.Contains(h["reply-to"], "support+") || len(strings.Fields(h["references"])) != 2 || h["in-reply-to"] == "") {
				r.t.Errorf("M5, M10: header %v", h)
			}
		}
		if len(subjects) != 4 {
			r.t.Errorf("mails %v", subjects)
		}
		if len(r.server.put) != 1 {
			r.t.Fatalf("%d mails in the inbox", len(r.server.put))
		}
		h := header(r.t, r.server.put[0])
		if h["auto-submitted"] != "" || !strings.Contains(h["from"], "ann@customer.example") || !strings.Contains(h["reply-to"], "ann@customer.example") || !strings.Contains(h["to"], "support@acme.example") || h["subject"] != "Printer" {
			r.t.Errorf("O8: header %v", h)
		}
		report, err := r.db.Verify(ctx, func(context.Context, string) (bool, error) { return true, nil })
		if err != nil || len(report.Violations) != 0 {
			r.t.Errorf("verify: %v, %v", report.Violations, err)
		}
	})
}

// TestL9_AnAcknowledgementSaysNothingOfTheSenders: who is not proved may be somebody whose address was misused.
func TestL9_AnAcknowledgementSaysNothingOfTheSenders(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		words := desk.DefaultSettings().Acknowledgement
		m := desk.Message{
			ID: store.NewID(), TicketID: r.ticket.ID, MailboxID: r.mb.ID, Author: desk.Author{Kind: desk.Customer, Name: "BUY-NOW", Email: "ann@customer.example"}, Source: desk.FromMail,
			Subject: "BUY-NOW", Text: "BUY-NOW", MessageID: "BUY-NOW@evil.example", CreatedAt: time.Now(),
		}
		cs, err := r.db.Conversations(ctx, r.ticket.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		m.ConversationID = cs[0].ID
		err = r.db.Update(ctx, func(tx *store.Tx) error {
			if _, err := tx.AddMessage(ctx, m); err != nil {
				return err
			}
			for _, trust := range []desk.Trust{desk.V0, desk.V1} {
				subject, body := words.NeutralSubject, words.NeutralBody+" {{ticket.subject}} {{contact.name}}" // even if somebody got it past the settings
				if trust == desk.V1 {
					subject, body = words.Subject, words.Body
				}
				version, err := tx.KeepTemplate(ctx, store.Template{Subject: subject, Body: body})
				if err != nil {
					return err
				}
				e := desk.Effect{ID: store.NewID(), Kind: desk.AcknowledgeMail, MailboxID: r.mb.ID, TicketID: r.ticket.ID, SubjectID: m.ID, ContactID: r.ann.ID,
					Recipient: "ann@customer.example", Template: version, Trust: trust, MessageID: desk.MessageID(fmt.Sprintf("ack%d@acme.example", trust)), CreatedAt: time.Now()}
				if err := tx.AddEffect(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.drain(desk.QueueMail)
		sent := r.sent()
		if len(sent) != 2 {
			r.t.Fatalf("%d mails", len(sent))
		}
		for _, raw := range sent {
			h := header(r.t, raw)
			neutral := h["message-id"] == "<ack0@acme.example>"
			if strings.Contains(raw, "BUY-NOW") == neutral || neutral && strings.Contains(raw, "Ann Lee") {
				r.t.Errorf("neutral %v: %s", neutral, raw)
			}
			if h["auto-submitted"] != "auto-replied" || h["x-auto-response-suppress"] == "" || !strings.Contains(h["reply-to"], "support+") || !strings.Contains(raw, "/tickets/1") {
				r.t.Errorf("L3: header %v", h)
			}
			if stop := h["list-unsubscribe"]; !strings.HasPrefix(stop, "<https://help.acme.example/stop/") || strings.Contains(stop, "ann") || h["list-unsubscribe-post"] != "List-Unsubscribe=One-Click" {
				r.t.Errorf("O7: header %v", h)
			}
			if threaded := h["in-reply-to"] == "<BUY-NOW@evil.example>"; threaded == neutral || !neutral && h["subject"] != "Re: BUY-NOW" {
				r.t.Errorf("neutral %v: header %v", neutral, h)
			}
		}
	})
}

func TestL10_ANoticeLiesInTheAgentsInbox(t *testing.T) {
	both(t, func(r *rig) {
		r.drain(desk.QueueMailbox)
		r.server.put = nil
		err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
			version, err := tx.KeepTemplate(r.t.Context(), store.Template{Subject: "Automatic mail has been stopped", Body: "Look at {{this}}.\n\ngateway outbox resume automatic\n"})
			if err != nil {
				return err
			}
			return tx.AddEffect(r.t.Context(), desk.Effect{ID: store.NewID(), Kind: desk.NoticeInInbox, MailboxID: r.mb.ID, Recipient: r.mb.Address, Template: version, MessageID: "n1@acme.example", CreatedAt: time.Now()})
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.drain(desk.QueueMailbox)
		if len(r.server.put) != 1 || len(r.sent()) != 0 {
			r.t.Fatalf("%d mails in the inbox, %d sent", len(r.server.put), len(r.sent()))
		}
		raw := r.server.put[0]
		h := header(r.t, raw)
		if h["subject"] != "Automatic mail has been stopped" || !strings.Contains(h["from"], "Postern") || h["auto-submitted"] != "auto-generated" || !strings.Contains(raw, "Look at {{this}}.") || !strings.Contains(raw, "gateway outbox resume automatic") {
			r.t.Errorf("%s", raw)
		}
		if row := r.row(desk.NoticeInInbox); row.State != desk.EffectSent || row.Fingerprint == "" {
			r.t.Errorf("%+v: it would not be known when it is read", row)
		}
	})
}
