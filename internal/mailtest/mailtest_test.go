package mailtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestDovecotKeepsMailOverACrash(t *testing.T) {
	t.Parallel()
	d := Dovecot(t, User{Name: "ann@example.com", Password: "secret"})
	d.SeedMaildir("ann@example.com", "INBOX", 300, func(i int) []byte {
		return fmt.Appendf(nil, "Subject: %d\r\n\r\nbody\r\n", i)
	}, nil)
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	uid := d.Append("ann@example.com", "Sent", []byte("Subject: sent\r\n\r\n"), []imap.Flag{imap.FlagSeen}, date)
	d.Kill()
	d.Start()
	inbox := d.Messages("ann@example.com", "INBOX")
	if len(inbox) != 300 {
		t.Fatalf("%d mails, want 300", len(inbox))
	}
	for i, m := range inbox {
		if m.UID != imap.UID(i+1) || !bytes.Contains(m.Raw, fmt.Appendf(nil, "Subject: %d\r", i)) || len(m.Flags) != 0 && m.Flags[0] != "\\Recent" {
			t.Fatalf("mail %d: UID %d, flags %v, %q", i, m.UID, m.Flags, m.Raw)
		}
	}
	sent := d.Messages("ann@example.com", "Sent")
	if len(sent) != 1 || sent[0].UID != uid || !sent[0].InternalDate.Equal(date) {
		t.Fatalf("Sent: %+v", sent)
	}
}

func TestSMTPRecordsAndRefuses(t *testing.T) {
	t.Parallel()
	s := SMTPWith(t, SMTPOptions{NoStartTLS: true})
	send := func(to, body string) error {
		return smtp.SendMail(s.Addr(), nil, "a@example.com", []string{to}, []byte(body))
	}
	s.Kill()
	s.Start()
	if err := send("b@example.org", "Subject: x\r\n\r\n.dot\r\n"); err != nil {
		t.Fatal(err)
	}
	got := s.Received()
	if len(got) != 1 || got[0].From != "a@example.com" || got[0].To[0] != "b@example.org" || string(got[0].Raw) != "Subject: x\r\n\r\n.dot\r\n" {
		t.Fatalf("received %+v", got)
	}
	for _, stage := range []Stage{AtConnect, AtMail, AtRcpt, AfterDot} {
		s.Script(func(at Stage, _ Received) *Answer {
			if at == stage {
				return &Answer{Code: 451, Text: "later"}
			}
			return nil
		})
		if err := send("b@example.org", "\r\n"); err == nil {
			t.Errorf("%s: taken", stage)
		}
		s.Script(func(at Stage, _ Received) *Answer {
			if at == stage {
				return &Answer{Drop: true, Accept: true}
			}
			return nil
		})
		if err := send("b@example.org", "\r\n"); err == nil {
			t.Errorf("%s: no error from a dropped connection", stage)
		}
	}
	if s.Count() != 2 { // the second after AfterDot with Accept
		t.Errorf("count %d", s.Count())
	}
}

func TestPostgresGivesEmptyDatabases(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for range 2 {
		c, err := pgx.Connect(ctx, Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, "CREATE TABLE a (b TEXT)"); err != nil {
			t.Error(err)
		}
		var fsync string
		if err := c.QueryRow(ctx, "SHOW fsync").Scan(&fsync); err != nil || fsync != "on" {
			t.Errorf("fsync %q, %v", fsync, err)
		}
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestPostgresKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	p := PostgresProcess(t)
	url := p.Database(t)
	exec := func(sql string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, sql)
		return errors.Join(err, c.Close(ctx))
	}
	if err := exec("CREATE TABLE a (b TEXT)"); err != nil {
		t.Fatal(err)
	}
	p.Kill(t)
	if err := exec("SELECT b FROM a"); err == nil {
		t.Error("it answers although killed")
	}
	p.Start(t)
	if err := exec("SELECT b FROM a"); err != nil {
		t.Error(err)
	}
}

func TestRedisForgets(t *testing.T) {
	t.Parallel()
	r := Redis(t)
	set := func() {
		t.Helper()
		if _, err := r.command("SET a b"); err != nil {
			t.Fatal(err)
		}
	}
	size := func() string {
		t.Helper()
		s, err := r.command("DBSIZE")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	set()
	r.FlushAll()
	if s := size(); s != ":0\r\n" {
		t.Errorf("after FLUSHALL: %q", s)
	}
	set()
	r.Kill()
	if _, err := r.command("DBSIZE"); err == nil {
		t.Error("it answers although killed")
	}
	r.Start()
	if s := size(); s != ":0\r\n" {
		t.Errorf("after a restart: %q", s)
	}
}

// TestPostfixDelivers: between users, with the sender's copy, once after a crash, and back to who wrote to nobody.
func TestPostfixDelivers(t *testing.T) {
	t.Parallel()
	d := DovecotWith(t, DovecotOptions{LMTP: true, Delimiter: "+", Config: "auth_username_format = %Ln\nprotocol lmtp {\n  lmtp_save_to_detail_mailbox = yes\n}"},
		User{Name: "ann", Password: "secret"}, User{Name: "bob", Password: "secret"})
	p := Postfix(t, d, PostfixOptions{RewriteIDs: true, SaveSent: "Sent"})
	mail := func(n int) []byte {
		return Lines(fmt.Appendf(nil, "From: ann@one.example\nTo: bob@two.example\nSubject: %d\nMessage-ID: <%d@one.example>\n\nhello\n", n, n))
	}
	p.Submit("ann", "ann@one.example", []string{"bob@two.example"}, mail(1))
	d.Kill()
	p.Deliver("ann@one.example", []string{"bob@two.example"}, mail(2))
	p.Kill()
	d.Start()
	p.Start()
	p.Deliver("ann@one.example", []string{"nobody@two.example"}, mail(3))
	lies := func(user, folder string, want ...string) func() bool {
		return func() bool {
			got := d.Messages(user, folder)
			for _, w := range want {
				if !slices.ContainsFunc(got, func(m StoredMessage) bool { return bytes.Contains(m.Raw, []byte(w)) }) {
					return false
				}
			}
			return len(got) == len(want)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.Log())
		}
	})
	Until(t, "Bob has both", lies("bob", "INBOX", "Message-ID: <rewritten.1@one.example>", "Message-ID: <2@one.example>"))
	Until(t, "Ann has her copy", lies("ann", "Sent", "Message-ID: <rewritten.1@one.example>"))
	Until(t, "Ann is told", lies("ann", "INBOX", "5.1.1"))
	Until(t, "nothing waits", func() bool { return p.Waiting() == 0 })
}
