package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/outbound"
	"postern/outbound/mailbox"
	"postern/outbound/smtp"
	"postern/store"
	"postern/tickets"
)

// sentFolder has the mailbox's Sent folder be watched.
func (r *rig) sentFolder() {
	r.t.Helper()
	err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
		l, _, err := tx.TakeLease(r.t.Context(), r.mb.ID, "me", time.Hour)
		if err != nil {
			return err
		}
		return tx.Keep(r.t.Context(), l, desk.FolderBatch{MailboxID: r.mb.ID, Folder: "Sent Items", Role: desk.Sent, UIDValidity: 1}, nil)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// with has another customer take part in the ticket.
func (r *rig) with(name, email string) desk.Contact {
	r.t.Helper()
	c, _, err := r.desk.AddContact(r.t.Context(), tickets.NewContact{Name: name, Addresses: []string{email}})
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.db.Update(r.t.Context(), func(tx *store.Tx) error {
		return tx.AddParticipant(r.t.Context(), r.ticket.ID, desk.Participant{ContactID: c.ID, Name: name, Email: email, Role: desk.Copied})
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// TestO6_AnAnswerFromElsewhereLiesInSentOnce: it names everybody, carries nobody's reply address, and comes after the mail itself.
func TestO6_AnAnswerFromElsewhereLiesInSentOnce(t *testing.T) {
	both(t, func(r *rig) {
		r.sentFolder()
		r.with("Bob Ray", "bob@customer.example")
		m := r.answer("try again", false)
		r.answer("she sounds angry", true)
		down := true
		r.server.answers = func(to string) error {
			if down && to == "ann@customer.example" {
				return errors.New("connection refused")
			}
			return nil
		}
		r.drain(desk.QueueMail)
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		if row := r.row(desk.SentCopy); len(r.server.saved) != 0 || row.State != desk.EffectPending || row.Attempt != 0 {
			r.t.Fatalf("before Ann has it: %d copies, %+v", len(r.server.saved), row)
		}
		down = false
		r.pass(time.Minute)
		r.drain(desk.QueueMail)
		for range 4 {
			r.pass(time.Minute)
			r.drain(desk.QueueMailbox)
		}
		if row := r.row(desk.SentCopy); len(r.server.saved) != 1 || row.State != desk.EffectSent || row.Attempt != 1 {
			r.t.Fatalf("%d copies, %+v", len(r.server.saved), row)
		}
		where, raw, _ := strings.Cut(r.server.saved[0], "\n")
		h := header(r.t, raw)
		if where != `Sent Items [\Seen]` || h["message-id"] != "<"+string(m.MessageID)+">" || h["to"] != "ann@customer.example" && h["to"] != "<ann@customer.example>" ||
			!strings.Contains(h["cc"], "bob@customer.example") || h["reply-to"] != "" || h["bcc"] != "" || h["auto-submitted"] != "" || !strings.Contains(raw, "try again") {
			r.t.Errorf("%s: %v", where, h)
		}
		if ms, err := r.db.Messages(r.t.Context(), desk.ScopeOfProgram(), r.ticket.ID); err != nil || ms[1].Delivery.State != desk.EffectSent {
			r.t.Errorf("the answer's delivery is %+v, %v", ms[1].Delivery, err)
		}
	})
}

func TestO6_WhetherACopyIsPutIsTheMailboxsPolicy(t *testing.T) {
	both(t, func(r *rig) {
		r.sentFolder()
		r.server.copies = true // the provider saves what it is given
		for _, c := range []struct {
			policy desk.SaveSent
			saved  int
		}{{"", 0}, {desk.SaveSentAuto, 0}, {desk.SaveSentAlways, 1}, {desk.SaveSentNever, 0}} {
			r.mb.Policy.SaveSent, r.server.saved = c.policy, nil
			r.put(r.mb)
			r.answer("try again", false)
			r.drain(desk.QueueMail)
			r.pass(time.Minute)
			r.drain(desk.QueueMailbox)
			if len(r.server.saved) != c.saved {
				r.t.Errorf("%q: %d copies", c.policy, len(r.server.saved))
			}
		}
		if rows := r.rows(desk.SentCopy); len(rows) != 3 {
			r.t.Errorf("%d rows", len(rows))
		}
	})
}

// TestO6_AProviderThatSavesByItselfIsWaitedFor, and its copy is known by the id that it gave it.
func TestO6_AProviderThatSavesByItselfIsWaitedFor(t *testing.T) {
	both(t, func(r *rig) {
		r.sentFolder()
		for _, c := range []struct {
			imap, smtp string
			after      time.Duration
		}{
			{"imaps://u@mail.acme.example", "smtps://u@mail.acme.example", 11 * time.Second},
			{"imaps://u@imap.gmail.com", "smtps://u@smtp.gmail.com", 2*time.Minute + time.Second},
			{"imaps://u@imap.gmail.com", "smtps://u@relay.acme.example", 11 * time.Second},
			{"imaps://u@outlook.office365.com", "smtp://u@smtp.office365.com", 10*time.Minute + time.Second},
		} {
			r.mb.IMAP, r.mb.SMTP, r.server.saved = c.imap, c.smtp, nil
			r.put(r.mb)
			r.answer("try again", false)
			r.drain(desk.QueueMail)
			r.pass(c.after - 2*time.Second)
			r.drain(desk.QueueMailbox)
			early := len(r.server.saved)
			r.pass(4 * time.Second)
			r.drain(desk.QueueMailbox)
			if early != 0 || len(r.server.saved) != 1 {
				r.t.Errorf("%s: %d copies before, %d after", c.smtp, early, len(r.server.saved))
			}
		}
		r.server.saved = nil
		m := r.answer("try again", false)
		r.drain(desk.QueueMail)
		err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
			return tx.AddMessageIDs(r.t.Context(), r.mb.ID, r.ticket.ID, m.ID, true, "another@provider.example")
		})
		r.server.inSent["another@provider.example"] = true
		r.pass(11 * time.Minute)
		r.drain(desk.QueueMailbox)
		if err != nil || len(r.server.saved) != 0 {
			r.t.Errorf("%v: %d copies beside the provider's", err, len(r.server.saved))
		}
	})
}

func TestO6_WhatReachedNobodyIsNotInSent(t *testing.T) {
	both(t, func(r *rig) {
		r.sentFolder()
		r.answer("try again", false)
		r.server.answers = func(string) error {
			return &outbound.Refusal{Code: 550, Stage: outbound.StageRcpt, Text: "no such user"}
		}
		r.drain(desk.QueueMail)
		r.pass(time.Minute)
		r.server.answers = nil
		r.drain(desk.QueueMailbox)
		if row := r.row(desk.SentCopy); row.State != desk.EffectFailed || len(r.server.saved) != 0 {
			r.t.Errorf("%d copies, %+v", len(r.server.saved), row)
		}
	})
}

// cut loses the answer to the first APPEND that the server has done.
type cut struct {
	*mailbox.Client
	done bool
}

// Append puts the mail, and forgets that once.
func (c *cut) Append(ctx context.Context, mb desk.Mailbox, folder string, raw func(io.Writer) error, flags []string, date time.Time, mid desk.MessageID, maybeThere bool) (uint32, uint32, error) {
	v, uid, err := c.Client.Append(ctx, mb, folder, raw, flags, date, mid, maybeThere)
	if err == nil && !c.done {
		c.done = true
		return 0, 0, fmt.Errorf("connection reset: %w", outbound.ErrAmbiguous)
	}
	return v, uid, err
}

// TestF14_F15_OneCopyInSent runs on a Dovecot and a mail server: one whose answer to APPEND is lost, and one that saves what it sends by itself.
func TestF14_F15_OneCopyInSent(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "secret"})
		sink := mailtest.SMTP(t)
		box, sender := mailbox.New(mailbox.Options{}), smtp.New(smtp.Options{RootCAs: sink.Certificate.Pool})
		t.Cleanup(func() { box.Close(); sender.Close() })
		r.mb.IMAP, r.mb.SMTP = dovecot.IMAPURL("support"), sink.URL()
		r.mb.Secrets.IMAPPassword, r.mb.Secrets.SMTPPassword = "secret", "p"
		r.put(r.mb)
		r.w = outbound.New(outbound.Options{
			Texts: r.w.Texts, DB: r.db, Keys: r.w.Keys, Blobs: r.w.Blobs, Submitter: sender, Depositor: &cut{Client: box}, Owner: "me", BaseURL: "https://help.acme.example", Log: slog.New(slog.DiscardHandler),
		})
		folder := "Sent"
		err := r.db.Update(t.Context(), func(tx *store.Tx) error {
			l, _, err := tx.TakeLease(t.Context(), r.mb.ID, "me", time.Hour)
			if err != nil {
				return err
			}
			return tx.Keep(t.Context(), l, desk.FolderBatch{MailboxID: r.mb.ID, Folder: folder, Role: desk.Sent, UIDValidity: 1}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		for n, saves := range []bool{false, true} {
			sink.Script(func(stage mailtest.Stage, m mailtest.Received) *mailtest.Answer {
				if stage == mailtest.AfterDot && saves {
					dovecot.Append("support", folder, m.Raw, nil, time.Now())
				}
				return nil
			})
			r.answer("try again", false)
			r.drain(desk.QueueMail)
			for range 3 {
				r.pass(5 * time.Minute)
				r.drain(desk.QueueMailbox)
			}
			if mails := dovecot.Messages("support", folder); len(mails) != n+1 {
				t.Errorf("a provider that saves: %t, %d mails in Sent", saves, len(mails))
			}
		}
		c := dovecot.Dial("support")
		defer c.Close()
		there, err := c.Select(folder, nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		ours := dovecot.Messages("support", folder)[0]
		answers := map[string]bool{"": true, fmt.Sprintf("APPENDUID %d %d", there.UIDValidity, ours.UID): true}
		for _, row := range r.rows(desk.SentCopy) {
			if row.State != desk.EffectSent || !answers[row.Answer] {
				t.Errorf("%+v; of the one that was put is known where it lies, of the provider's nothing", row)
			}
			delete(answers, row.Answer)
		}
		for _, row := range r.rows(desk.ReplyMail) {
			if !strings.Contains(row.Answer, "queued") {
				t.Errorf("the server's answer is kept as %q", row.Answer)
			}
		}
	})
}
