package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// reports is a delivery report about a mail of ours.
func reports(id string, about desk.MessageID, recipient, action, status string) string {
	return mail("MAILER-DAEMON@mx.example", support, id, "--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"+
		"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; "+recipient+"\r\nAction: "+action+"\r\nStatus: "+status+"\r\nDiagnostic-Code: smtp; 550 no such user\r\n\r\n"+
		"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <"+string(about)+">\r\n\r\n.\r\n--b--", `Content-Type: multipart/report; report-type=delivery-status; boundary="b"`)
}

// complains is a feedback report about a mail of ours.
func complains(id string, about desk.MessageID, recipient string) string {
	return mail("abuse@mx.example", support, id, "--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"+recipient+
		"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <"+string(about)+">\r\n\r\n.\r\n--b--", `Content-Type: multipart/report; report-type=feedback-report; boundary="b"`)
}

// handsOver has a worker begin to send all mail that waits.
func (r *rig) handsOver() {
	r.t.Helper()
	if _, err := r.db.Claim(r.t.Context(), desk.QueueMail, "test", 100, time.Hour); err != nil {
		r.t.Fatal(err)
	}
}

// plainSender has our mail go out under the mailbox's own address.
func (r *rig) plainSender() {
	r.t.Helper()
	r.update(func(tx *store.Tx) error {
		return tx.ChangeMailbox(r.t.Context(), r.mb.ID, func(mb *desk.Mailbox) error { mb.SubAddress = false; return nil })
	})
}

// bounceAddress is the envelope sender of our mail to an address.
func (r *rig) bounceAddress(email string) string {
	r.t.Helper()
	keys, err := mailmsg.NewKeyring(map[byte][]byte{1: []byte(strings.Repeat("k", 32))}, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	address, _ := mailmsg.ReplyAddress(r.mb.Address, keys.Token(mailmsg.ForBounce, string(r.mb.ID), email))
	return address
}

// wantSuppressed checks why the contact with the address gets no automatic mail.
func (r *rig) wantSuppressed(email string, want ...string) {
	r.t.Helper()
	var got []string
	for _, s := range r.contact(email).Suppressed {
		got = append(got, strings.TrimSpace(s.Address+" "+string(s.Reason)+" "+s.Status))
		if s.At.IsZero() {
			r.t.Errorf("%s: no time", s.Address)
		}
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("suppressed %q, want %q", got, want)
	}
}

func TestL6_ABounceMarksTheMailAndTheAddress(t *testing.T) {
	both(t, func(r *rig) {
		r.plainSender()
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := r.agentAnswers(first.TicketID, "try again")
		delivery := func() desk.Delivery {
			ms := r.messages(first.TicketID, "")
			return ms[slices.IndexFunc(ms, func(m desk.Message) bool { return m.ID == answer.ID })].Delivery
		}
		nothing := func(what string) {
			r.t.Helper()
			if d := delivery(); d.State == desk.EffectFailed {
				r.t.Errorf("%s: %+v", what, d)
			}
			r.wantSuppressed("ann@customer.example")
		}
		r.arrives(reports("2@mx.example", answer.MessageID, "ann@customer.example", "failed", "5.1.1"))
		nothing("a bounce of what nobody has sent")
		r.handsOver()
		for i, raw := range []string{
			reports("3@mx.example", answer.MessageID, "ann@customer.example", "delayed", "4.4.1"),
			reports("4@mx.example", answer.MessageID, "ann@customer.example", "delivered", "2.0.0"),
			reports("5@mx.example", answer.MessageID, "bob@customer.example", "failed", "5.1.1"),
			reports("6@mx.example", "1@customer.example", "ann@customer.example", "failed", "5.1.1"),
			reports("7@mx.example", "guessed@acme.example", "ann@customer.example", "failed", "5.1.1"),
			mail("MAILER-DAEMON@mx.example", support, "8@mx.example", "<ann@customer.example>:\r\n550 no such user", "Subject: failure notice"),
			mail(bob, support, "9@customer.example", "Your mail could not be delivered.\r\n\r\n<ann@customer.example>:\r\n550 no\r\n\r\nMessage-ID: <"+string(answer.MessageID)+">"),
		} {
			r.arrives(raw)
			nothing([]string{"a delay", "a delivery", "another recipient", "Ann's own mail", "a mail that is none", "no mail", "a person"}[i])
		}

		r.arrives(reports("10@mx.example", answer.MessageID, "Ann@Customer.example", "failed", "5.1.1"))
		if d := delivery(); d.State != desk.EffectFailed || d.Error != "bounced: ann@customer.example: 5.1.1 550 no such user" {
			r.t.Errorf("delivery %+v", d)
		}
		r.wantSuppressed("ann@customer.example", "ann@customer.example bounced 5.1.1")
		for _, e := range r.effects(desk.ReplyMail) {
			if e.State == desk.EffectFailed {
				r.t.Errorf("the outbox forgot that a server took the mail: %+v", e)
			}
		}
		r.agentAnswers(first.TicketID, "are you there?") // a human's answer goes all the same
		if n := len(r.effects(desk.ReplyMail)); n != 2 {
			r.t.Errorf("%d answers", n)
		}

		r.imports(mail(ann, support, "11@customer.example", "older than the bounce"))
		r.wantSuppressed("ann@customer.example", "ann@customer.example bounced 5.1.1")
		r.arrives(mail(ann, support, "12@customer.example", "it works again"))
		r.wantSuppressed("ann@customer.example")
		r.clean()
	})
}

// TestL6_ABounceComesToItsOwnAddress: who was sent a copy of a mail knows its Message-ID, and still can't have it bounce for others.
func TestL6_ABounceComesToItsOwnAddress(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := r.agentAnswers(first.TicketID, "try again")
		r.handsOver()
		failed := func() bool {
			ms := r.messages(first.TicketID, "")
			return ms[slices.IndexFunc(ms, func(m desk.Message) bool { return m.ID == answer.ID })].Delivery.State == desk.EffectFailed
		}
		to := func(address, raw string) string { return "Delivered-To: " + address + "\r\n" + raw }
		forged := r.bounceAddress("bob@customer.example") // a token, but of nobody we have written to
		for _, raw := range []string{
			reports("2@mx.example", answer.MessageID, "ann@customer.example", "failed", "5.1.1"),
			to(forged, reports("3@mx.example", answer.MessageID, "ann@customer.example", "failed", "5.1.1")),
			to(r.replyAddress(first.TicketID, "ann@customer.example"), reports("4@mx.example", answer.MessageID, "ann@customer.example", "failed", "5.1.1")),
			to(r.bounceAddress("ann@customer.example"), reports("5@mx.example", answer.MessageID, "ann@customer.example", "delayed", "4.4.1")),
		} {
			r.arrives(raw)
			if failed() {
				r.t.Fatalf("it bounced by %s", raw)
			}
			r.wantSuppressed("ann@customer.example")
		}

		// One that names no mail is still about the address that it came to.
		r.arrives(to(r.bounceAddress("ann@customer.example"), mail("MAILER-DAEMON@mx.example", support, "6@mx.example", "Hi. This is the qmail-send program at mx.example.\r\n"+
			"I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n<forwarded@elsewhere.example>:\r\n550 5.1.1 no such user\r\n", "Subject: failure notice", "Return-Path: <>")))
		r.wantSuppressed("ann@customer.example", "ann@customer.example bounced 5.1.1")
		if failed() {
			r.t.Error("a mail bounced that was not named")
		}
		r.arrives(to(r.bounceAddress("ann@customer.example"), reports("7@mx.example", answer.MessageID, "forwarded@elsewhere.example", "failed", "5.2.2")))
		if !failed() {
			r.t.Error("the bounce is not shown")
		}
		r.wantSuppressed("ann@customer.example", "ann@customer.example bounced 5.2.2")
		r.clean()
	})
}

// TestL6_EachMailBouncesWhereItWentOutFrom: a mailbox may give up sub-addresses, and a server may refuse such senders.
func TestL6_EachMailBouncesWhereItWentOutFrom(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		failed := func(m desk.Message) bool {
			ms := r.messages(first.TicketID, "")
			return ms[slices.IndexFunc(ms, func(x desk.Message) bool { return x.ID == m.ID })].Delivery.State == desk.EffectFailed
		}
		sent := map[desk.ID]bool{}
		answer := func(text string, plain bool) desk.Message {
			m := r.agentAnswers(first.TicketID, text)
			for _, e := range r.effects(desk.ReplyMail) {
				if plain && !sent[e.ID] { // as the worker does for a server that refuses
					r.update(func(tx *store.Tx) error { return tx.SendPlain(r.t.Context(), e.ID) })
				}
				sent[e.ID] = true
			}
			r.handsOver()
			return m
		}
		own, refused := answer("one", false), answer("two", true)
		r.plainSender()
		off := answer("three", false)
		for i, c := range []struct {
			m    desk.Message
			want bool
		}{{own, false}, {refused, true}, {off, true}} {
			r.arrives(reports(fmt.Sprintf("b%d@mx.example", i), c.m.MessageID, "ann@customer.example", "failed", "5.1.1"))
			if failed(c.m) != c.want {
				r.t.Errorf("%q bounced at the mailbox's own address: %v", c.m.Text, !c.want)
			}
		}
		r.clean()
	})
}

// TestL6_ABounceMayComeBeforeTheMailLiesInSent: mail clients put their copy there once they have sent it.
func TestL6_ABounceMayComeBeforeTheMailLiesInSent(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		bounce := r.keep(r.mb.ID, desk.Inbox, time.Now(), reports("2@mx.example", "s1@acme.example", "ann@customer.example", "failed", "5.1.1"))[0]
		r.read()
		r.want(r.entry(bounce), desk.Automated)
		r.want(r.sends(mail(support, "ann@customer.example", "s1@acme.example", "try again", answering("1@customer.example"))), desk.Appended)
		r.read()
		r.want(r.entry(bounce), desk.Appended)
		r.wantSuppressed("ann@customer.example", "ann@customer.example bounced 5.1.1")
		if ms := r.messages(first.TicketID, ""); !slices.ContainsFunc(ms, func(m desk.Message) bool { return m.Text == "try again" && m.Delivery.State == desk.EffectFailed }) {
			r.t.Errorf("the agent's mail did not bounce: %+v", ms)
		}
		r.clean()
	})
}

func TestL4_NoAutomaticMailToWhatBounced(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.want(r.sends(mail(support, "ann@customer.example, gone@customer.example", "s1@acme.example", "both of you", answering("1@customer.example"))), desk.Appended)
		r.arrives(reports("2@mx.example", "s1@acme.example", "gone@customer.example", "failed", "5.1.1"))
		if ms := r.messages(first.TicketID, ""); !slices.ContainsFunc(ms, func(m desk.Message) bool { return m.Text == "both of you" && m.Delivery.State == desk.EffectFailed }) {
			r.t.Errorf("the agent's mail did not bounce: %+v", ms)
		}
		for email, want := range map[string]bool{"gone@customer.example": false, "here@customer.example": true} {
			c, welcomed, err := r.desk.AddContact(r.t.Context(), tickets.NewContact{Addresses: []string{email}, Welcome: true})
			if err != nil || welcomed != want {
				r.t.Errorf("%s welcomed: %t, %v", email, welcomed, err)
			}
			if want {
				continue
			}
			r.wantSuppressed(email, email+" bounced 5.1.1")
			name := "Gone"
			if c, err = r.desk.ChangeContact(r.t.Context(), c.ID, tickets.ContactChange{Name: &name}); err != nil || len(c.Suppressed) > 0 {
				r.t.Errorf("after an operator's edit: %+v, %v", c, err)
			}
		}
		r.clean()
	})
}

func TestL7_AComplaintSuppressesUntilAnOperatorLiftsIt(t *testing.T) {
	both(t, func(r *rig) {
		r.plainSender()
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := r.agentAnswers(first.TicketID, "try again")
		r.handsOver()
		r.arrives(complains("2@mx.example", answer.MessageID, "Original-Rcpt-To: <bob@customer.example>\r\n"))
		r.arrives(complains("3@mx.example", "guessed@acme.example", "Original-Rcpt-To: <ann@customer.example>\r\n"))
		r.wantSuppressed("ann@customer.example")
		r.arrives(complains("4@mx.example", answer.MessageID, "")) // who it was is left out, but it went to one alone
		r.wantSuppressed("ann@customer.example", "ann@customer.example complained")
		r.arrives(complains("4b@mx.example", answer.MessageID, "X-Other: 1\r\n"))
		if n := len(r.effects(desk.NoticeInInbox)); n != 1 {
			r.t.Errorf("the agents were told %d times", n)
		}
		r.arrives(mail(ann, support, "5@customer.example", "still broken"))
		name := "Ann"
		if _, err := r.desk.ChangeContact(r.t.Context(), r.contact("ann@customer.example").ID, tickets.ContactChange{Name: &name}); err != nil {
			r.t.Fatal(err)
		}
		r.wantSuppressed("ann@customer.example", "ann@customer.example complained")
		if _, err := r.desk.ChangeContact(r.t.Context(), r.contact("ann@customer.example").ID, tickets.ContactChange{Unsuppress: true}); err != nil {
			r.t.Fatal(err)
		}
		r.wantSuppressed("ann@customer.example")
		r.clean()
	})
}
