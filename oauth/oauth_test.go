package oauth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
	"postern/store"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// clock is a time that stands still until a test moves it.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// rig is a mailbox with tokens, on one or more processes that share a database.
type rig struct {
	t      *testing.T
	clock  *clock
	server *mailtest.OAuthServer
	mb     desk.Mailbox
	log    *journal
	dbs    []*store.DB
	tokens []*Tokens
}

const user = "support@desk.example"

// engines are the two databases.
func engines(t *testing.T) map[string]store.Options {
	t.Helper()
	return map[string]store.Options{"sqlite": {Path: filepath.Join(t.TempDir(), "postern.db")}, "postgres": {URL: mailtest.Postgres(t)}}
}

// both runs a check on each engine.
func both(t *testing.T, check func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	for name, options := range engines(t) {
		t.Run(name, func(t *testing.T) { t.Parallel(); check(t, newRig(t, options, 1, mailtest.OAuthOptions{})) })
	}
}

func newRig(t *testing.T, options store.Options, processes int, o mailtest.OAuthOptions) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, log: &journal{}}
	o.Now, o.ClientSecret = r.clock.now, "hunter2"
	r.server = mailtest.OAuth(t, user, o)
	options.Now = r.clock.now
	r.mb = desk.Mailbox{
		ID: store.NewID(), Address: user, IMAP: "imap://support%40desk.example@127.0.0.1:1", MIDDomain: "desk.example", CreatedAt: r.clock.now(),
		Secrets: desk.MailboxSecrets{OAuthClientSecret: "hunter2"},
		OAuth: desk.OAuth{
			Provider: desk.OAuthCustom, ClientID: "postern", AuthURL: r.server.URL() + "/authorize", TokenURL: r.server.URL() + "/token", DeviceURL: r.server.URL() + "/device", Scope: "mail offline_access",
		},
	}
	for range processes {
		db, err := store.Open(t.Context(), options)
		r.ok(err)
		t.Cleanup(func() { r.ok(db.Close()) })
		r.dbs = append(r.dbs, db)
		r.tokens = append(r.tokens, New(Options{DB: db, Log: slog.New(slog.NewTextHandler(r.log, nil))}))
	}
	r.ok(r.dbs[0].Update(t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(t.Context(), r.mb) }))
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// authorised stores what somebody consented to, as take does.
func (r *rig) authorised() desk.Grant {
	r.t.Helper()
	refresh, access := r.server.Grant()
	now := r.clock.now()
	g := desk.Grant{MailboxID: r.mb.ID, Tokens: desk.GrantTokens{Refresh: refresh, Access: access}, Expires: now.Add(time.Hour), RenewAt: now.Add(51 * time.Minute), AuthorisedAt: now}
	r.ok(r.dbs[0].Update(r.t.Context(), func(tx *store.Tx) error { return tx.PutGrant(r.t.Context(), g) }))
	return g
}

func (r *rig) grant() desk.Grant {
	r.t.Helper()
	g, err := r.dbs[0].Grant(r.t.Context(), r.mb.ID)
	r.ok(err)
	return g
}

// token must be one that opens the mailbox.
func (r *rig) token(refused string) string {
	r.t.Helper()
	got, err := r.tokens[0].Token(r.t.Context(), r.mb, refused)
	r.ok(err)
	if r.server.Owner(got) != user {
		r.t.Fatal("the token opens nothing")
	}
	return got
}

// fails must give no token, but a problem.
func (r *rig) fails(refused string, permanent bool, words ...string) *mailconn.Problem {
	r.t.Helper()
	got, err := r.tokens[0].Token(r.t.Context(), r.mb, refused)
	p, ok := errors.AsType[*mailconn.Problem](err)
	if !ok || got != "" || p.Permanent != permanent || p.SignIn != permanent {
		r.t.Fatalf("%q, %v", got, err)
	}
	for _, w := range words {
		if !strings.Contains(p.Error(), w) {
			r.t.Errorf("%q does not say %q", p, w)
		}
	}
	r.hidden(p.Error())
	return p
}

// hidden checks that neither text nor the log shows a secret.
func (r *rig) hidden(text string) {
	r.t.Helper()
	if text += r.log.String(); strings.Contains(text, "hunter2") {
		r.t.Errorf("a secret is shown: %s", text)
	}
}

func (r *rig) due() {
	r.t.Helper()
	r.tokens[0].RenewDue(r.t.Context())
}

func TestI11_AnAccessTokenIsRenewedBeforeItEnds(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		first := r.authorised()
		r.clock.pass(45 * time.Minute)
		r.due()
		if r.token("") != first.Tokens.Access || r.server.Refreshes() != 0 {
			t.Fatalf("it was renewed %d times already", r.server.Refreshes())
		}
		for n := 1; n <= 3; n++ {
			r.clock.pass(r.grant().RenewAt.Sub(r.clock.now()))
			r.due()
			r.due()
			g := r.grant()
			left := g.Expires.Sub(g.RenewAt)
			if r.server.Refreshes() != n || r.server.Reused() != 0 || g.Tokens.Access == first.Tokens.Access || r.token("") != g.Tokens.Access || left < 5*time.Minute || left > 10*time.Minute {
				t.Fatalf("%d refreshes, %s left: %+v", r.server.Refreshes(), left, g)
			}
		}
		r.clock.pass(2 * time.Hour) // nobody was there to renew it
		r.token("")
		r.hidden("")
	})
}

func TestI11_AServerThatKeepsItsRefreshTokenMay(t *testing.T) {
	t.Parallel()
	r := newRig(t, engines(t)["sqlite"], 1, mailtest.OAuthOptions{KeepRefresh: true})
	first := r.authorised()
	for range 2 {
		r.clock.pass(2 * time.Hour)
		r.token("")
	}
	if g := r.grant(); g.Tokens.Refresh != first.Tokens.Refresh || r.server.Refreshes() != 2 {
		t.Errorf("%d refreshes", r.server.Refreshes())
	}
}

// TestI11_ManyProcessesRenewOnce: a refresh token that two of them showed would end everything.
func TestI11_ManyProcessesRenewOnce(t *testing.T) {
	t.Parallel()
	for name, options := range engines(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			processes := 1 // SQLite has one process, and many goroutines in it
			if name == "postgres" {
				processes = 2
			}
			r := newRig(t, options, processes, mailtest.OAuthOptions{})
			r.authorised()
			for n := 1; n <= 5; n++ {
				r.clock.pass(2 * time.Hour)
				var all sync.WaitGroup
				got := make([]string, 12)
				for i := range got {
					all.Go(func() {
						var err error
						if got[i], err = r.tokens[i%processes].Token(t.Context(), r.mb, ""); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				for _, token := range got {
					if token != got[0] || r.server.Owner(token) != user {
						t.Fatalf("not all have the same good token")
					}
				}
				if r.server.Refreshes() != n || r.server.Reused() != 0 {
					t.Fatalf("%d refreshes in %d rounds, %d of a used token", r.server.Refreshes(), n, r.server.Reused())
				}
			}
		})
	}
}

// TestI11_ARotatedTokenIsKeptThroughADatabaseThatGoesAway in the moment in which only we know it.
func TestI11_ARotatedTokenIsKeptThroughADatabaseThatGoesAway(t *testing.T) {
	t.Parallel()
	pg := mailtest.PostgresProcess(t)
	r := newRig(t, store.Options{URL: pg.Database(t)}, 1, mailtest.OAuthOptions{})
	before := r.authorised()
	r.clock.pass(2 * time.Hour)
	gone := make(chan struct{})
	r.server.Script(func(string) (int, string) {
		pg.Kill(t)
		close(gone)
		return 0, ""
	})
	type answer struct {
		token string
		err   error
	}
	said := make(chan answer, 1)
	go func() {
		token, err := r.tokens[0].Token(t.Context(), r.mb, "")
		said <- answer{token, err}
	}()
	<-gone
	r.server.Script(nil)
	mailtest.Until(t, "the server has given new tokens", func() bool { return r.server.Refreshes() == 1 })
	select {
	case a := <-said:
		t.Fatalf("a token was used that is not durable: %v", a.err)
	default:
	}
	pg.Start(t)
	a := <-said
	r.ok(a.err)
	if g := r.grant(); g.Tokens.Access != a.token || g.Tokens.Refresh == before.Tokens.Refresh || r.server.Owner(a.token) != user {
		t.Errorf("what is stored is not what is used")
	}
	r.clock.pass(2 * time.Hour)
	if r.token(""); r.server.Reused() != 0 {
		t.Error("a used refresh token was shown")
	}
}

// TestI11_ACalledBackLeaveIsToldBeforeTheTokenEnds, and mail is read until then; nobody asks in vain again.
func TestI11_ACalledBackLeaveIsToldBeforeTheTokenEnds(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		g := r.authorised()
		asked := 0
		r.server.Script(func(string) (int, string) {
			asked++
			return 400, `{"error":"invalid_grant","error_description":"` + g.Tokens.Refresh + ` was called back by its owner"}`
		})
		r.clock.pass(52 * time.Minute)
		r.due()
		if got := r.grant(); !got.Ended || asked != 1 || !strings.Contains(r.log.String(), "can't be renewed") || !strings.Contains(r.log.String(), "good_until=2026-03-01T13:00:00") || !strings.Contains(r.log.String(), "gateway mailbox authorise "+user) {
			t.Fatalf("asked %d times, %+v, log: %s", asked, got, r.log)
		}
		if r.token("") != g.Tokens.Access {
			t.Error("the token that is still good is not used")
		}
		r.clock.pass(9 * time.Minute)
		for range 3 {
			r.fails("", true, "called back", "gateway mailbox authorise "+user)
			r.due()
		}
		// Who starts now tells it, too.
		r.tokens = append([]*Tokens{New(Options{DB: r.dbs[0], Log: slog.New(slog.NewTextHandler(r.log, nil))})}, r.tokens...)
		r.due()
		r.due()
		if asked != 1 || strings.Count(r.log.String(), "can't be renewed") != 2 {
			t.Errorf("asked %d times, log: %s", asked, r.log)
		}
		r.server.Script(nil)
		r.authorised()
		r.token("")
		r.hidden("")
	})
}

func TestI11_ABusyTokenServerIsTriedAgain(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.authorised()
		for _, c := range []struct {
			status int
			body   string
		}{{503, "<html>down</html>"}, {429, `{"error":"too_many_requests"}`}, {400, `{"error":"temporarily_unavailable"}`}, {200, `{}`}, {400, `{"error":"invalid_scope"}`}} {
			asked := 0
			r.server.Script(func(string) (int, string) { asked++; return c.status, c.body })
			r.clock.pass(2 * time.Hour)
			r.fails("", false, "can't be renewed", "tried again")
			r.fails("", false, "can't be renewed")
			if asked != 1 {
				t.Errorf("%d: asked %d times at once", c.status, asked)
			}
			r.clock.pass(retryMax)
			if r.fails("", false); asked != 2 {
				t.Errorf("%d: asked %d times after a while", c.status, asked)
			}
			r.server.Script(nil)
			r.clock.pass(retryMax)
			r.token("")
			if g := r.grant(); g.Problem != "" || g.Failures != 0 {
				t.Errorf("%+v", g)
			}
		}
		if !strings.Contains(r.log.String(), "renewed again") {
			t.Errorf("log: %s", r.log)
		}
		r.server.Close()
		r.clock.pass(2 * time.Hour)
		r.fails("", false, "not available", "refused")
	})
}

func TestI11_AWrongClientIsCorrectedWithoutConsentingAgain(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.authorised()
		right := r.mb
		r.mb.Secrets.OAuthClientSecret = "has run out"
		r.clock.pass(2 * time.Hour)
		r.fails("", true, "client id", "gateway mailbox edit "+user+" --oauth-client-id")
		r.mb = right
		r.fails("", true)
		r.ok(r.dbs[0].Update(t.Context(), func(tx *store.Tx) error { return tx.TryGrant(t.Context(), r.mb.ID) }))
		r.token("")
	})
}

// TestI11_ARefusedTokenIsReplacedOnce; if that one is refused too, it is no matter of tokens.
func TestI11_ARefusedTokenIsReplacedOnce(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		first := r.authorised().Tokens.Access
		second := r.token(first)
		if second == first || r.server.Refreshes() != 1 {
			t.Fatalf("%d refreshes", r.server.Refreshes())
		}
		if r.token(first) != second || r.server.Refreshes() != 1 {
			t.Error("who had the former token does not get the new one")
		}
		p := r.fails(second, true, "refuses each access token", "gateway mailbox authorise")
		if r.fails(second, true); !p.Token || r.server.Refreshes() != 1 {
			t.Errorf("%d refreshes", r.server.Refreshes())
		}
		if r.token("") != second {
			t.Error("it is not tried again later")
		}
		r.clock.pass(time.Hour)
		if r.token(second); r.server.Refreshes() != 2 {
			t.Errorf("%d refreshes", r.server.Refreshes())
		}
	})
}

func TestI11_NobodyHasAuthorisedIt(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.fails("", true, "nobody has authorised", "gateway mailbox authorise "+user)
		r.due()
	})
}

// TestI11_ACallerThatLeavesTakesNoTokenWithIt: what was asked for is stored, whoever waits for it.
func TestI11_ACallerThatLeavesTakesNoTokenWithIt(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.authorised()
		r.clock.pass(2 * time.Hour)
		ctx, leave := context.WithCancel(t.Context())
		r.server.Script(func(string) (int, string) { leave(); return 0, "" })
		_, err := r.tokens[0].Token(ctx, r.mb, "")
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		r.server.Script(nil)
		if r.token(""); r.server.Refreshes() != 1 || r.server.Reused() != 0 {
			t.Errorf("%d refreshes, %d of a used token", r.server.Refreshes(), r.server.Reused())
		}
	})
}

// TestI11_TokensThatCouldNotBeStoredAreStoredLater, before anybody shows the refresh token that they replaced.
func TestI11_TokensThatCouldNotBeStoredAreStoredLater(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.authorised()
		g := r.grant()
		refresh, access := r.server.Grant()
		g.Tokens = desk.GrantTokens{Refresh: refresh, Access: access}
		r.tokens[0].unsaved[r.mb.ID] = g
		if r.token("") != access || r.grant().Tokens.Refresh != refresh || len(r.tokens[0].unsaved) != 0 {
			t.Error("they are not stored")
		}
		r.tokens[0].unsaved[r.mb.ID] = g // others have renewed it meanwhile
		if r.token("") != access || len(r.tokens[0].unsaved) != 0 {
			t.Error("they are stored over others")
		}
	})
}
