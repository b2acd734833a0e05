package outbound_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/outbound"
	"postern/outbound/mailbox"
	"postern/outbound/smtp"
	"postern/store"
	"postern/tickets"
)

const support = "support@acme.example"

// real has the rig's mailbox be at a Dovecot, whose mail is sent by an SMTP server; imap is where Dovecot is reached, if not at itself.
func (r *rig) real(imap func(addr string) string) (*mailtest.DovecotServer, *mailtest.SMTPServer) {
	r.t.Helper()
	return r.realWith("", imap)
}

func (r *rig) realWith(config string, imap func(addr string) string) (*mailtest.DovecotServer, *mailtest.SMTPServer) {
	r.t.Helper()
	dovecot := mailtest.DovecotWith(r.t, mailtest.DovecotOptions{LMTP: true, Config: config}, mailtest.User{Name: support, Password: "secret"})
	sink := mailtest.SMTP(r.t)
	box, sender := mailbox.New(mailbox.Options{}), smtp.New(smtp.Options{RootCAs: sink.Certificate.Pool})
	r.t.Cleanup(func() { box.Close(); sender.Close() })
	addr := dovecot.Addr()
	if imap != nil {
		addr = imap(addr)
	}
	r.mb.IMAP, r.mb.SMTP = "imap://support%40acme.example@"+addr, sink.URL()
	r.mb.Secrets.IMAPPassword, r.mb.Secrets.SMTPPassword = "secret", "p"
	r.put(r.mb)
	r.w = outbound.New(outbound.Options{
		Texts: r.w.Texts, DB: r.db, Keys: r.w.Keys, Blobs: r.w.Blobs, Submitter: sender, Depositor: box, Owner: "me", BaseURL: "https://help.acme.example", Log: slog.New(slog.DiscardHandler),
	})
	return dovecot, sink
}

// says has the customer write in the portal.
func (r *rig) says(text string, files ...desk.Attachment) desk.Message {
	r.t.Helper()
	m, err := r.desk.ReplyByCustomer(r.t.Context(), tickets.CustomerReply{Contact: r.ann, Ticket: r.ticket.ID, Text: text, Files: files})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// TestO8_PutBySMTP is about a provider that forbids or hides what is appended: what customers write comes as a mail to the mailbox itself, once,
// and "Reply" goes to the customer all the same. Its server may give it another id.
func TestO8_PutBySMTP(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		dovecot, sink := r.real(nil)
		r.with("Bob Ray", "bob@customer.example")
		r.mb.Policy.PutBy = desk.PutBySMTP
		r.put(r.mb)
		renames, loses, at := false, true, 0
		id := regexp.MustCompile(`(?m)^Message-ID: <[^>]*>`)
		sink.Script(func(stage mailtest.Stage, m mailtest.Received) *mailtest.Answer {
			if stage != mailtest.AfterDot {
				return nil
			}
			raw := m.Raw
			if renames {
				raw = id.ReplaceAll(raw, fmt.Appendf(nil, "Message-ID: <new-%d@provider.example>", at))
			}
			if err := dovecot.Deliver(m.From, m.To[0], raw); err != nil {
				t.Error(err)
			}
			if loses {
				return &mailtest.Answer{Accept: true, Drop: true}
			}
			return nil
		})
		files := r.filing()
		for n, c := range []struct{ renames, loses bool }{{false, true}, {false, false}, {true, false}, {true, true}} {
			if renames, loses, at = c.renames, c.loses, n; n > 0 {
				r.says("it still is")
			}
			r.drain(desk.QueueMailbox)
			mails := dovecot.Messages(support, "INBOX")
			if len(mails) != n+1 {
				t.Fatalf("%+v: %d mails in INBOX, want %d", c, len(mails), n+1)
			}
			raw := string(mails[n].Raw)
			if got := files(desk.Inbox, raw); got != desk.OwnCopy {
				t.Errorf("%+v: it came back as %s", c, got)
			}
			r.pass(time.Minute)
			r.drain(desk.QueueMailbox)
			for _, row := range r.rows(desk.PutInInbox) {
				if row.State != desk.EffectSent {
					t.Errorf("%+v: %+v", c, row)
				}
			}
			if again := dovecot.Messages(support, "INBOX"); len(again) != n+1 {
				t.Errorf("%+v: %d mails in INBOX after a repeat, want %d", c, len(again), n+1)
			}
			h, copied := header(t, raw[strings.Index(raw, "Date:"):]), "Bob Ray <bob@customer.example>"
			if n == 0 { // that message is older than Bob's part in the ticket
				copied = ""
			}
			if h["from"] != "Ann Lee <support@acme.example>" || h["reply-to"] != "Ann Lee <ann@customer.example>" || h["cc"] != copied || !strings.Contains(h["to"], support) {
				t.Errorf("%+v: %v", c, h)
			}
			if got := files(desk.Inbox, strings.Replace(raw, "it ", "as our list says: it ", 1)); got != desk.OwnCopy {
				t.Errorf("%+v: with other words it came back as %s", c, got)
			}
		}
		if got := sink.Received(); len(got) != 4 || got[0].From != support || len(got[0].To) != 1 || got[0].To[0] != support {
			t.Errorf("%d mails were sent, the first from %s to %v", len(got), got[0].From, got[0].To)
		}
	})
}

// TestO6_WhatWasSeenInTheInboxIsNotPutAgain: the answer to an APPEND is lost, ingest finds the mail, and an agent files it where nobody looks.
func TestO6_WhatWasSeenInTheInboxIsNotPutAgain(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		dovecot, _ := r.real(nil)
		r.w.Depositor = &cut{Client: r.w.Depositor.(*mailbox.Client)}
		r.drain(desk.QueueMailbox)
		mails := dovecot.Messages(support, "INBOX")
		if row := r.row(desk.PutInInbox); row.State != desk.EffectUnknown || len(mails) != 1 {
			t.Fatalf("%d mails, %+v", len(mails), row)
		}
		if got := r.filing()(desk.Inbox, string(mails[0].Raw)); got != desk.OwnCopy {
			t.Fatalf("it came back as %s", got)
		}
		agent := dovecot.Dial(support)
		if err := agent.Create("Elsewhere", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := agent.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := agent.Move(imap.UIDSet{{Start: 1, Stop: 0}}, "Elsewhere").Wait(); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		if row := r.row(desk.PutInInbox); row.State != desk.EffectSent || !row.Arrived {
			t.Errorf("%+v", row)
		}
		if n := len(dovecot.Messages(support, "INBOX")); n != 0 {
			t.Errorf("the INBOX has %d mails again", n)
		}
	})
}

// TestO8_WhatTheServerForbidsSaysWhatToDo: Dovecot gives nobody the right to append. With another policy the same row goes.
func TestO8_WhatTheServerForbidsSaysWhatToDo(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		dir := t.TempDir()
		rights := filepath.Join(dir, "rights")
		for _, err := range []error{os.Chmod(filepath.Dir(dir), 0o711), os.WriteFile(rights, []byte("INBOX owner lrwstpekxa\n"), 0o600), os.Chmod(rights, 0o644)} { //nolint:gosec // Dovecot runs as somebody else
			if err != nil {
				t.Fatal(err)
			}
		}
		dovecot, sink := r.realWith("mail_plugins = acl\nprotocol imap {\n  mail_plugins = acl imap_acl\n}\nplugin {\n  acl = vfile:"+rights+"\n}\n", nil)
		sink.Script(func(stage mailtest.Stage, m mailtest.Received) *mailtest.Answer {
			if stage == mailtest.AfterDot {
				if err := dovecot.Deliver(m.From, m.To[0], m.Raw); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		r.drain(desk.QueueMailbox)
		if row := r.row(desk.PutInInbox); row.State != desk.EffectDeferred || !strings.Contains(row.LastError, "gateway mailbox edit "+support+" --put-by smtp") {
			t.Errorf("%+v", row)
		}
		r.mb.Policy.PutBy = desk.PutBySMTP
		r.put(r.mb)
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		mails := dovecot.Messages(support, "INBOX")
		if row := r.row(desk.PutInInbox); row.State != desk.EffectSent || len(mails) != 1 {
			t.Fatalf("%d mails, %+v", len(mails), row)
		}
		if got := r.filing()(desk.Inbox, string(mails[0].Raw)); got != desk.OwnCopy {
			t.Errorf("it came back as %s", got)
		}
	})
}
