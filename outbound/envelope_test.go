package outbound_test

import (
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/outbound"
	"postern/store"
)

func TestL5_TheEnvelopeSenderTellsWhomAMailWentTo(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		token := func() string {
			token, ok := mailmsg.TokenIn(r.server.senders[0], r.mb.Address)
			if !ok {
				r.t.Fatalf("senders %q", r.server.senders)
			}
			return token
		}
		r.answer("one", false)
		r.drain(desk.QueueMail)
		if known, err := r.db.BounceToken(ctx, token()); err != nil || known.Email != "ann@customer.example" || known.MailboxID != r.mb.ID || len(r.server.senders) != 1 {
			r.t.Errorf("%+v, %v, %q", known, err, r.server.senders)
		}

		// A server that lets nobody send under another address: the mail goes out all the same, and is asked once an hour.
		r.server.refuses = func(sender string) error {
			if sender == r.mb.Address {
				return nil
			}
			return &outbound.Refusal{Code: 553, Enhanced: "5.7.1", Text: "sender not owned by user", Stage: outbound.StageRcpt}
		}
		for _, c := range []struct {
			pass  time.Duration
			tries int
		}{{0, 2}, {time.Minute, 1}, {time.Hour, 2}} {
			r.pass(c.pass)
			r.server.senders = nil
			r.answer("more", false)
			r.drain(desk.QueueMail)
			if len(r.server.senders) != c.tries || r.server.senders[c.tries-1] != r.mb.Address {
				r.t.Errorf("after %s: senders %q", c.pass, r.server.senders)
			}
			if rows := r.rows(desk.ReplyMail); rows[0].BounceToken != "" {
				r.t.Errorf("its bounces are expected at the address with %s", rows[0].BounceToken)
			}
		}
		if n := len(r.sent()); n != 4 {
			r.t.Errorf("%d mails", n)
		}

		// A recipient who does not exist is no reason to try once more.
		r.pass(time.Hour)
		r.server.senders = nil
		r.server.refuses = func(string) error {
			return &outbound.Refusal{Code: 550, Enhanced: "5.1.1", Text: "no such user", Stage: outbound.StageRcpt}
		}
		r.answer("last", false)
		r.drain(desk.QueueMail)
		if len(r.server.senders) != 1 {
			r.t.Errorf("senders %q", r.server.senders)
		}
	})
}

func TestM11_AnswersCarryATagWhereTheMailboxWantsIt(t *testing.T) {
	both(t, func(r *rig) {
		r.mb.SubjectTag = true
		if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) }); err != nil {
			r.t.Fatal(err)
		}
		r.answer("try again", false)
		r.drain(desk.QueueMail)
		subject := header(r.t, r.sent()[0])["subject"]
		tokens := mailmsg.SubjectTokens(subject)
		if len(tokens) != 1 || !strings.HasPrefix(subject, "Re: Printer [#") {
			r.t.Fatalf("subject %q", subject)
		}
		if known, err := r.db.ReplyToken(r.t.Context(), tokens[0]); err != nil || known.TicketID != r.ticket.ID || known.Email != "" {
			r.t.Errorf("%+v, %v", known, err)
		}
	})
}

// TestM5_TheServersReplyTellsAnotherMessageID: an answer that names only that one finds its ticket.
func TestM5_TheServersReplyTellsAnotherMessageID(t *testing.T) {
	both(t, func(r *rig) {
		for _, reply := range []string{"queued as 4F2A", "accepted for <ann@customer.example>", "OK <abc123@prod.outlook.example> [Hostname=mx]"} {
			r.server.reply = reply
			m := r.answer("try "+reply, false)
			r.drain(desk.QueueMail)
			known, err := r.db.KnownIDs(r.t.Context(), r.mb.ID, []desk.MessageID{"abc123@prod.outlook.example", "ann@customer.example"})
			if told := strings.HasPrefix(reply, "OK"); err != nil || told != (len(known) == 1) {
				r.t.Errorf("%q: %+v, %v", reply, known, err)
			}
			if len(known) == 1 && (known[0].TicketID != m.TicketID || !known[0].Ours || !known[0].Seen) {
				r.t.Errorf("%q: %+v", reply, known)
			}
		}
	})
}
