package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/config"
	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

// signer is an installation whose mail servers want OAuth.
type signer struct {
	t      *testing.T
	env    []string
	oauth  *mailtest.OAuthServer
	imap   *mailtest.DovecotServer
	smtp   *mailtest.SMTPServer
	secret string // a file
}

const supportAddress = "support@desk.example"

func newSigner(t *testing.T) *signer {
	t.Helper()
	dir := t.TempDir()
	s := &signer{t: t, env: []string{"POSTERN_DATA=" + filepath.Join(dir, "data")}, secret: filepath.Join(dir, "client-secret")}
	if err := os.WriteFile(s.secret, []byte("hunter2-client\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.oauth = mailtest.OAuth(t, supportAddress, mailtest.OAuthOptions{ClientSecret: "hunter2-client"})
	s.imap = mailtest.DovecotWith(t, mailtest.DovecotOptions{OAuth: s.oauth}, mailtest.User{Name: supportAddress, Password: "password"})
	s.smtp = mailtest.SMTPWith(t, mailtest.SMTPOptions{OAuth: s.oauth, Username: supportAddress, Password: "password"})
	return s
}

// run calls the command line; seen is told each line of stdout while it runs.
func (s *signer) run(ctx context.Context, status int, seen func(line string), args ...string) (out, told string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code := Gateway(ctx, args, Env{Environ: s.env, Stdin: strings.NewReader(""), Stdout: io.MultiWriter(&stdout, lines{seen}), Stderr: &stderr}, nil)
	if code != status {
		s.t.Fatalf("%v: exit status %d: %s%s", args, code, &stdout, &stderr)
	}
	if strings.Contains(stdout.String()+stderr.String(), "hunter2") {
		s.t.Errorf("%v: a secret is shown: %s%s", args, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

type lines struct{ seen func(string) }

func (l lines) Write(b []byte) (int, error) {
	if l.seen != nil {
		l.seen(string(b))
	}
	return len(b), nil
}

func (s *signer) gateway(status int, args ...string) (out, told string) {
	s.t.Helper()
	return s.run(s.t.Context(), status, nil, args...)
}

// browser opens what is printed, as somebody who consents does.
func (s *signer) browser(all *sync.WaitGroup) func(string) {
	address := regexp.MustCompile(`http://\S+/authorize\?\S+`)
	return func(text string) {
		at := address.FindString(text)
		if at == "" {
			return
		}
		all.Go(func() {
			req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, at, nil)
			if err != nil {
				s.t.Error(err)
				return
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				s.t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
}

func (s *signer) add() (out string) {
	s.t.Helper()
	out, _ = s.gateway(0, "mailbox", "add", "--address", supportAddress, "--imap", "imap://support%40desk.example@"+s.imap.Addr(), "--smtp", "smtp://support%40desk.example@"+s.smtp.Addr(),
		"--oauth", "custom", "--oauth-client-id", "postern", "--oauth-client-secret-file", s.secret, "--oauth-scope", "mail offline_access",
		"--oauth-auth-url", s.oauth.URL()+"/authorize", "--oauth-token-url", s.oauth.URL()+"/token", "--oauth-device-url", s.oauth.URL()+"/device")
	return out
}

func (s *signer) authorise(args ...string) (out, told string) {
	s.t.Helper()
	var browser sync.WaitGroup
	defer browser.Wait()
	return s.run(s.t.Context(), 0, s.browser(&browser), append([]string{"mailbox", "authorise", supportAddress}, args...)...)
}

// listed gives the mailbox's sign-in from mailbox list --json.
func (s *signer) listed() signInLine {
	s.t.Helper()
	out, _ := s.gateway(0, "mailbox", "list", "--json")
	var list struct {
		Items []struct {
			SignIn signInLine `json:"sign_in"`
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Items) != 1 {
		s.t.Fatalf("%v: %s", err, out)
	}
	return list.Items[0].SignIn
}

// with opens the installation beside.
func (s *signer) with(log io.Writer, do func(p *parts, mb desk.Mailbox)) {
	s.t.Helper()
	cfg, err := config.Load(config.Source{Environ: s.env})
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := open(s.t.Context(), cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer p.close()
	org, err := p.db.FreshOrganisation(s.t.Context())
	if err != nil || len(org.Mailboxes) != 1 {
		s.t.Fatal(err)
	}
	do(p, org.Mailboxes[0])
}

// TestI11_AMailboxSignsInByOAuth from add to the mail that is read and sent, with a real Dovecot; nothing prints a secret.
func TestI11_AMailboxSignsInByOAuth(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	if out := s.add(); !strings.Contains(out, "gateway mailbox authorise "+supportAddress) {
		t.Errorf("add says %s", out)
	}
	if l := s.listed(); l.By != "oauth" || l.Provider != desk.OAuthCustom || !strings.Contains(l.Problem, "nobody has authorised") {
		t.Errorf("%+v", l)
	}
	if out, _ := s.gateway(1, "mailbox", "test", supportAddress); !strings.Contains(out, "gateway mailbox authorise "+supportAddress) {
		t.Errorf("test says %s", out)
	}
	out, told := s.authorise()
	if !strings.Contains(out, "Postern may open") || !strings.Contains(told, "ok: signed in to IMAP") || !strings.Contains(told, "ok: SMTP server answers and lets us in") {
		t.Errorf("authorise says %s%s", out, told)
	}
	if l := s.listed(); l.Problem != "" || l.GoodUntil == nil || l.AuthorisedAt == nil {
		t.Errorf("%+v", l)
	}
	if out, _ := s.gateway(0, "mailbox", "test", supportAddress); !strings.Contains(out, "signed in to IMAP, by OAuth") || !strings.Contains(out, "ok: the access token is good until") {
		t.Errorf("test says %s", out)
	}

	// The gateway reads and sends by token.
	s.imap.Append(supportAddress, "INBOX", []byte("From: ann@acme.example\r\nTo: support@desk.example\r\nSubject: Printer\r\nMessage-ID: <1@acme.example>\r\n\r\nIt smokes.\r\n"), nil, time.Now())
	s.with(io.Discard, func(p *parts, mb desk.Mailbox) {
		if err := p.db.Update(t.Context(), func(tx *store.Tx) error {
			return tx.ChangeMailbox(t.Context(), mb.ID, func(mb *desk.Mailbox) error { mb.Since = time.Time{}; return nil })
		}); err != nil {
			t.Fatal(err)
		}
		run := &services{parts: p, instance: &instance{owner: "here/1"}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run.watchMailboxes(ctx) }()
		mailtest.Until(t, "the mail is filed", func() bool {
			n, err := p.db.LedgerCounts(ctx)
			return err == nil && n[desk.NewTicket] == 1
		})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if _, told := s.gateway(1, "mailbox", "probe", supportAddress, "--wait", "1s"); s.smtp.Count() != 1 || !strings.Contains(told, "Sent to") {
		t.Errorf("nothing was sent by token: %s", told)
	}
}

func TestI11_ALeaveThatIsCalledBackIsSeen(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	s.add()
	s.authorise("--device")
	s.oauth.Revoke()
	var log bytes.Buffer
	s.with(&log, func(p *parts, mb desk.Mailbox) {
		g, err := p.db.Grant(t.Context(), mb.ID)
		if err != nil {
			t.Fatal(err)
		}
		g.RenewAt = time.Now().Add(-time.Second) // it is due
		if err := p.db.RenewedGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		p.tokens.RenewDue(t.Context())
		server := httptest.NewServer((&services{parts: p}).metrics())
		defer server.Close()
		resp, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(b, []byte(`postern_oauth_failing{mailbox="support@desk.example"} 1`)) || !regexp.MustCompile(`postern_oauth_access_seconds{mailbox="support@desk.example"} 3[0-9]{3}`).Match(b) {
			t.Errorf("metrics: %v, %s", err, regexp.MustCompile("(?m)^.*oauth.*$").FindAll(b, -1))
		}
	})
	if !strings.Contains(log.String(), "can't be renewed") || strings.Contains(log.String(), "hunter2") {
		t.Errorf("log: %s", &log)
	}
	if l := s.listed(); !strings.Contains(l.Problem, "gateway mailbox authorise "+supportAddress) {
		t.Errorf("%+v", l)
	}
	if out, _ := s.gateway(0, "mailbox", "list"); !strings.Contains(out, "PROBLEM") || !strings.Contains(out, "Mail is read until") {
		t.Errorf("list says %s", out)
	}
	if out, _ := s.gateway(1, "mailbox", "test", supportAddress); !strings.Contains(out, "warning: 127.0.0.1") || !strings.Contains(out, "mail is read until") {
		t.Errorf("test says %s", out)
	}
	s.authorise()
	if l := s.listed(); l.Problem != "" {
		t.Errorf("%+v", l)
	}
}

func TestI11_ChangingHowAMailboxSignsIn(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	s.add()
	s.authorise()
	s.gateway(0, "mailbox", "edit", supportAddress, "--name", "Desk") // the tokens stay
	if l := s.listed(); l.Problem != "" {
		t.Errorf("%+v", l)
	}
	for want, args := range map[string][]string{
		"oauth-tenant":      {"--oauth-tenant", "desk.example"},
		"none of: google":   {"--oauth", "yahoo", "--oauth-client-id", "x"},
		"has no IMAP passw": {"--imap", "imap://support%40desk.example:password@" + s.imap.Addr()},
		"client id":         {"--oauth", "google"},
		"no password was":   {"--oauth", "none"},
	} {
		if _, told := s.gateway(1, append([]string{"mailbox", "edit", supportAddress}, args...)...); !strings.Contains(told, want) {
			t.Errorf("%v says %s", args, told)
		}
	}
	if l := s.listed(); l.Problem != "" || l.By != "oauth" {
		t.Errorf("%+v", l)
	}
	if out, _ := s.gateway(0, "mailbox", "edit", supportAddress, "--oauth-client-id", "another"); !strings.Contains(out, "Next: gateway mailbox authorise") || !strings.Contains(s.listed().Problem, "nobody has authorised") {
		t.Errorf("another client: %s", out)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.gateway(0, "mailbox", "edit", supportAddress, "--oauth", "none", "--imap-password-file", password, "--smtp-password-file", password)
	if l := s.listed(); l.By != "password" {
		t.Errorf("%+v", l)
	}
	if _, told := s.gateway(1, "mailbox", "authorise", supportAddress); !strings.Contains(told, "signs in with a password") {
		t.Errorf("authorise says %s", told)
	}
}

func TestI11_AuthoriseIsBrokenOffCleanly(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	s.add()
	ctx, stop := context.WithCancel(t.Context())
	if _, told := s.run(ctx, 1, func(string) { stop() }, "mailbox", "authorise", supportAddress); !strings.Contains(told, "broken off; nothing was changed") {
		t.Errorf("it says %s", told)
	}
	if _, told := s.gateway(1, "mailbox", "authorise", supportAddress, "--wait", "1s"); !strings.Contains(told, "in time") {
		t.Errorf("it says %s", told)
	}
	if _, told := s.gateway(2, "mailbox", "authorise", supportAddress, "--wait", "1ms"); !strings.Contains(told, "--wait") {
		t.Errorf("it says %s", told)
	}
}

// TestI11_ARefusedRenewalPausesReadingWithoutLoss: mail that comes meanwhile waits on its server, and is read once somebody consents again.
func TestI11_ARefusedRenewalPausesReadingWithoutLoss(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	s.add()
	s.authorise()
	arrives := func(id string) {
		s.imap.Append(supportAddress, "INBOX", []byte("From: ann@acme.example\r\nTo: support@desk.example\r\nSubject: Printer "+id+"\r\nMessage-ID: <"+id+"@acme.example>\r\n\r\nIt smokes.\r\n"), nil, time.Now().Add(time.Hour))
	}
	s.with(io.Discard, func(p *parts, mb desk.Mailbox) {
		run := &services{parts: p, instance: &instance{owner: "here/1"}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run.watchMailboxes(ctx) }()
		filed := func(n int64) {
			t.Helper()
			mailtest.Until(t, "the mails are filed", func() bool {
				got, err := p.db.LedgerCounts(ctx)
				return err == nil && got[desk.NewTicket] == n
			})
		}
		arrives("1")
		filed(1)
		s.oauth.Revoke()
		g, err := p.db.Grant(ctx, mb.ID)
		if err != nil {
			t.Fatal(err)
		}
		g.Expires, g.RenewAt = time.Now().Add(-time.Second), time.Now().Add(-time.Second)
		if err := p.db.RenewedGrant(ctx, g); err != nil {
			t.Fatal(err)
		}
		s.imap.Kill() // as servers do when a token ends
		s.imap.Start()
		mailtest.Until(t, "the folder shows what is wrong", func() bool {
			folders, err := p.db.Folders(ctx)
			return err == nil && slices.ContainsFunc(folders, func(f desk.Folder) bool {
				return f.Name == "INBOX" && strings.Contains(f.Problem, "gateway mailbox authorise")
			})
		})
		arrives("2")
		arrives("3")
		s.authorise()
		filed(3)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
