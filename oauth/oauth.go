// Package oauth gets the access tokens that open mailboxes (RFC 6749), renews them in time, and asks people for their consent, with a
// browser (RFC 8252, RFC 7636) or without one (RFC 8628). Many processes share a mailbox's tokens; one renews them at a time.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"postern/desk"
	"postern/mailconn"
	"postern/store"
)

const (
	// usable is how long an access token must still last for somebody to sign in with it.
	usable = 30 * time.Second
	// askFor bounds one request for tokens.
	askFor = 20 * time.Second
	// claimFor is the lease of who renews. It outlasts a request and the storing of what came of it.
	claimFor = time.Minute
	// lifetime is that of an access token whose server does not tell.
	lifetime = time.Hour
	// ahead is how long before its end an access token is renewed at the earliest, and half of it at the latest: the
	// operator is told in time of what fails.
	ahead = 10 * time.Minute
	// lookEvery is how often Run looks whether a token is due.
	lookEvery = 30 * time.Second

	retryMin, retryMax = 5 * time.Second, 5 * time.Minute
)

// Options are those of Tokens.
type Options struct {
	DB   *store.DB
	Log  *slog.Logger // nil: nothing is logged
	HTTP *http.Client // nil: one with a time limit, that follows no redirects
}

// Tokens gives access tokens and keeps them good. Its methods may be called at any time.
type Tokens struct {
	db   *store.DB
	log  *slog.Logger
	http *http.Client

	mu      sync.Mutex             // guards what follows
	unsaved map[desk.ID]desk.Grant // tokens that the database has not taken yet: the former ones may be used up
	told    map[desk.ID]string     // the problem that the log has about each mailbox
}

// New gives Tokens. Nothing is renewed by itself before Run.
func New(o Options) *Tokens {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: askFor, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it leads elsewhere, and secrets are not sent there")
		}}
	}
	return &Tokens{
		db: o.DB, log: o.Log.With(slog.String("component", "oauth")), http: o.HTTP,
		unsaved: map[desk.ID]desk.Grant{}, told: map[desk.ID]string{},
	}
}

// Run renews tokens ahead of their end until ctx ends.
func (t *Tokens) Run(ctx context.Context) error {
	for {
		t.RenewDue(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
	}
}

// RenewDue renews what is due, and logs what can't be renewed.
func (t *Tokens) RenewDue(ctx context.Context) {
	org, err := t.db.FreshOrganisation(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.log.WarnContext(ctx, "which access tokens are due can't be looked up", slog.String("error", err.Error()))
		}
		return
	}
	for _, m := range org.Mailboxes {
		if !m.OAuth.Used() || ctx.Err() != nil {
			continue
		}
		g, err := t.grant(ctx, m.ID)
		if err == nil && !t.db.Now().Before(g.RenewAt) {
			_, _ = t.Token(ctx, m, "") // it has stored what is wrong
			g, err = t.grant(ctx, m.ID)
		}
		if err == nil && g.Problem != "" {
			t.warn(ctx, m, g) // a former process, or another, may have found that out
		}
	}
}

// Token implements mailconn.Tokens.
func (t *Tokens) Token(ctx context.Context, m desk.Mailbox, refused string) (string, error) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		g, err := t.grant(ctx, m.ID)
		if desk.KindOf(err) == desk.NotFound {
			return "", Unauthorised(m)
		}
		if err != nil {
			return "", err
		}
		now := t.db.Now()
		good := g.Good(now.Add(usable)) && g.Tokens.Access != refused
		switch {
		case good && now.Before(g.RenewAt):
			return g.Tokens.Access, nil
		case !g.Ended && !now.Before(g.RetryAt) && !(g.Forced && g.Tokens.Access == refused && now.Before(g.RenewAt)):
		case good:
			return g.Tokens.Access, nil // it can't be renewed now, and need not be
		case g.Ended || now.Before(g.RetryAt):
			return "", Trouble(m, g)
		default:
			return "", &mailconn.Problem{
				What: "the mail server refuses each access token of " + m.Address, Permanent: true, SignIn: true, Token: true,
				Do: "Check that whoever authorised it may open this mailbox, by IMAP and SMTP, and authorise it once more: gateway mailbox authorise " + m.Address,
			}
		}
		renewer := string(store.NewID())
		mine, err := t.db.ClaimGrant(ctx, g, renewer, claimFor)
		switch {
		case err != nil:
			return "", err
		case mine:
			// An answer that nobody waits for would take the only good refresh token with it.
			t.renew(context.WithoutCancel(ctx), m, g, renewer, refused != "")
			pause = 0
		case good:
			return g.Tokens.Access, nil
		}
		select { // another one renews it, or we did
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return "", &mailconn.Problem{What: "the access token of " + m.Address + " is being renewed, and that takes long", Do: "It is tried again", Err: ctx.Err()}
			}
			return "", ctx.Err()
		case <-time.After(pause):
		}
	}
}

// grant reads a mailbox's grant. What an earlier renewal could not store is stored first.
func (t *Tokens) grant(ctx context.Context, mailbox desk.ID) (desk.Grant, error) {
	t.mu.Lock()
	late, there := t.unsaved[mailbox]
	t.mu.Unlock()
	if there {
		if err := t.db.RenewedGrant(ctx, late); err != nil && desk.KindOf(err) != desk.Conflict {
			return desk.Grant{}, err
		}
		t.mu.Lock()
		delete(t.unsaved, mailbox)
		t.mu.Unlock()
	}
	return t.db.Grant(ctx, mailbox)
}

// renew asks for new tokens in place of g's and stores them, or why there are none.
func (t *Tokens) renew(ctx context.Context, m desk.Mailbox, g desk.Grant, renewer string, forced bool) {
	asking, cancel := context.WithTimeout(ctx, askFor)
	token, err := configOf(m, "").TokenSource(context.WithValue(asking, oauth2.HTTPClient, t.http), &oauth2.Token{RefreshToken: g.Tokens.Refresh}).Token()
	cancel()
	if err != nil {
		t.failed(ctx, m, g, renewer, err)
		return
	}
	g = granted(g, token, t.db.Now())
	g.Forced = forced
	saving, cancel := context.WithTimeout(ctx, claimFor-askFor)
	defer cancel()
	for {
		err := t.db.RenewedGrant(saving, g)
		if err == nil || desk.KindOf(err) == desk.Conflict {
			break
		}
		select {
		case <-time.After(250 * time.Millisecond):
			continue
		case <-saving.Done():
		}
		t.mu.Lock()
		t.unsaved[m.ID] = g
		t.mu.Unlock()
		t.log.WarnContext(ctx, "new tokens can't be stored; it is tried again", slog.String("mailbox", m.Address), slog.String("error", err.Error()))
		return
	}
	if t.tells(m.ID, "") {
		t.log.InfoContext(ctx, "the access token is renewed again", slog.String("mailbox", m.Address))
	}
}

// granted puts what a server gave into a grant.
func granted(g desk.Grant, token *oauth2.Token, now time.Time) desk.Grant {
	lasts := time.Duration(token.ExpiresIn) * time.Second
	if lasts <= 0 {
		lasts = lifetime
	}
	early := min(ahead, lasts/4)
	g.Tokens = desk.GrantTokens{Refresh: token.RefreshToken, Access: token.AccessToken}
	g.Expires, g.RenewedAt = now.Add(lasts), now
	g.RenewAt = g.Expires.Add(-early + rand.N(early/2+1)) //nolint:gosec // jitter
	return g
}

// failed stores and logs why there are no new tokens.
func (t *Tokens) failed(ctx context.Context, m desk.Mailbox, g desk.Grant, renewer string, cause error) {
	p := refusal(m, cause)
	g.Problem, g.Ended = hide(p.Error(), m, g), p.Permanent
	g.Failures++
	pause := min(retryMin<<min(g.Failures-1, 10), retryMax)
	g.RetryAt = t.db.Now().Add(pause/2 + rand.N(pause/2+1)) //nolint:gosec // jitter
	t.warn(ctx, m, g)
	storing, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := t.db.FailedGrant(storing, g, renewer); err != nil && desk.KindOf(err) != desk.Conflict {
		t.log.WarnContext(ctx, "what keeps an access token from being renewed can't be stored", slog.String("mailbox", m.Address), slog.String("error", err.Error()))
	}
}

// warn logs what keeps a token from being renewed, while the one there is may still be good.
func (t *Tokens) warn(ctx context.Context, m desk.Mailbox, g desk.Grant) {
	if t.tells(m.ID, g.Problem) {
		t.log.WarnContext(ctx, "the access token can't be renewed", slog.String("mailbox", m.Address), slog.String("problem", g.Problem),
			slog.Time("good_until", g.Expires), slog.Bool("tried_again", !g.Ended))
	}
}

// tells takes down what is wrong with a mailbox's tokens, and tells whether that is news.
func (t *Tokens) tells(mailbox desk.ID, problem string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.told[mailbox]
	t.told[mailbox] = problem
	return before != problem
}

// Unauthorised is the problem of a mailbox that nobody has authorised yet.
func Unauthorised(m desk.Mailbox) *mailconn.Problem {
	return &mailconn.Problem{
		What: "nobody has authorised Postern to open " + m.Address, Do: "Do that: gateway mailbox authorise " + m.Address, Permanent: true, SignIn: true,
	}
}

// Trouble is why a mailbox's token can't be renewed, as it was noted; nil: it can, as far as anybody knows.
func Trouble(m desk.Mailbox, g desk.Grant) error {
	if g.Problem == "" {
		return nil
	}
	what, do, _ := strings.Cut(g.Problem, ". ")
	do, cause, found := strings.Cut(do, ". (")
	p := &mailconn.Problem{What: what, Do: strings.TrimSuffix(do, "."), Permanent: g.Ended, SignIn: g.Ended}
	if found {
		p.Err = errors.New(strings.TrimSuffix(cause, ")"))
	}
	return p
}

// refusal reads what the tokens' server said.
func refusal(m desk.Mailbox, err error) *mailconn.Problem {
	host := m.OAuth.TokenURL
	if u, err := url.Parse(configOf(m, "").Endpoint.TokenURL); err == nil {
		host = u.Host
	}
	p := &mailconn.Problem{What: "the access token of " + m.Address + " can't be renewed: " + host + " is not available at the moment", Do: "It is tried again"}
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		if u, ok := errors.AsType[*url.Error](err); ok { // which quotes the URL
			err = u.Err
		}
		if _, dns := errors.AsType[*net.DNSError](err); dns {
			p.Do = "Check this machine's DNS; it is tried again"
		}
		p.Err = err
		return p
	}
	status := 0
	if e.Response != nil {
		status = e.Response.StatusCode
	}
	p.Err = fmt.Errorf("%d %s %s", status, e.ErrorCode, e.ErrorDescription)
	switch e.ErrorCode {
	case "invalid_grant", "interaction_required", "consent_required", "login_required", "access_denied":
		p.What, p.Permanent = host+" no longer lets Postern open "+m.Address+": the leave was called back or has run out", true
		p.Do = "Authorise it again: gateway mailbox authorise " + m.Address
	case "invalid_client", "unauthorized_client":
		p.What, p.Permanent = host+" does not accept the client id of "+m.Address+", or its secret, which may have run out", true
		p.Do = "Correct them: gateway mailbox edit " + m.Address + " --oauth-client-id ID --oauth-client-secret-file FILE"
	default:
		if status/100 == 4 && status != http.StatusTooManyRequests && e.ErrorCode != "temporarily_unavailable" && e.ErrorCode != "slow_down" {
			p.What = "the access token of " + m.Address + " can't be renewed: " + host + " refuses"
			p.Do = "See what it said, and check gateway mailbox list --json; it is tried again"
		}
	}
	return p
}

// hide makes what a server said fit for people and logs, whatever it quotes.
func hide(s string, m desk.Mailbox, g desk.Grant) string {
	for _, secret := range []string{m.Secrets.OAuthClientSecret, g.Tokens.Refresh, g.Tokens.Access} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[hidden]")
		}
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if len(s) > 800 {
		s = strings.ToValidUTF8(s[:800], "") + "…"
	}
	return s
}
