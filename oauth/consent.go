package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"postern/desk"
	"postern/mailconn"
	"postern/store"
)

// Authorise asks somebody with a browser on this machine for consent, and stores what came of it. Show is told the URL to open. The answer
// comes to a port of 127.0.0.1, a free one if port is 0. It waits until ctx ends.
func (t *Tokens) Authorise(ctx context.Context, m desk.Mailbox, port int, show func(url string)) error {
	if configOf(m, "").Endpoint.AuthURL == "" {
		return desk.Refuse("oauth-auth-url", "the mailbox has none; gateway mailbox authorise %s --device does without", m.Address)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("listen for the browser's answer: %w; choose another port with --port", err)
	}
	host := "127.0.0.1"
	if m.OAuth.Provider == desk.OAuthMicrosoft {
		host = "localhost" // the one name for which Microsoft does not compare ports
	}
	config := configOf(m, fmt.Sprintf("http://%s:%d/", host, l.Addr().(*net.TCPAddr).Port))
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	said := make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: hear(state, m.Address, said)}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(l) }()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if imap, err := mailconn.ParseIMAP(m.IMAP); err == nil {
		options = append(options, oauth2.SetAuthURLParam("login_hint", imap.User))
	}
	if m.OAuth.Provider == desk.OAuthGoogle {
		options = append(options, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent")) // else there is no refresh token
	}
	show(config.AuthCodeURL(state, options...))
	var answer url.Values
	select {
	case answer = <-said:
	case <-ctx.Done():
	case err = <-stopped:
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // the page that says so still goes out
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close() // a browser that keeps its connection
	}
	switch {
	case answer == nil && err != nil:
		return fmt.Errorf("listen for the browser's answer: %w", err)
	case answer == nil:
		return ended(ctx)
	case answer.Get("error") != "":
		return fmt.Errorf("the provider says no: %s", hide(answer.Get("error")+" "+answer.Get("error_description"), m, desk.Grant{}))
	}
	token, err := config.Exchange(t.asking(ctx), answer.Get("code"), oauth2.VerifierOption(verifier))
	return t.take(ctx, m, token, err)
}

// hear gives who answers the browser once it comes back. Only what has the state counts: any page may send a browser here.
func hear(state, address string, said chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Connection", "close")
		if r.Method != http.MethodGet || r.URL.Path != "/" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 || q.Get("code") == "" && q.Get("error") == "" {
			http.Error(w, "This is not what Postern waits for. Open the address that it printed.", http.StatusBadRequest)
			return
		}
		text := "Thank you. Postern goes on where you started it for " + address + "; this page can be closed.\n"
		if q.Get("error") != "" {
			text = "The provider said no; Postern says more where you started it. This page can be closed.\n"
		}
		_, _ = w.Write([]byte(text)) // who does not see it sees the terminal
		select {
		case said <- q:
		default: // the page was opened twice
		}
	})
}

// AuthoriseDevice asks for consent by another device's browser. Show is told the code to type and where. It polls as the server says,
// until that or ctx gives up.
func (t *Tokens) AuthoriseDevice(ctx context.Context, m desk.Mailbox, show func(code, url string, until time.Time)) error {
	if m.OAuth.Provider == desk.OAuthGoogle {
		return errors.New("with --device, Google lets nobody open mail; leave it out. Where this machine has no browser, add --port 8085, and run on yours: ssh -L 8085:127.0.0.1:8085 THIS-MACHINE")
	}
	config := configOf(m, "")
	if config.Endpoint.DeviceAuthURL == "" {
		return desk.Refuse("oauth-device-url", "the mailbox has none; give it one with gateway mailbox edit %s --oauth-device-url URL, or leave --device out", m.Address)
	}
	prompt, err := config.DeviceAuth(t.asking(ctx))
	if err != nil {
		return t.take(ctx, m, nil, err)
	}
	show(prompt.UserCode, prompt.VerificationURI, prompt.Expiry)
	token, err := config.DeviceAccessToken(t.asking(ctx), prompt)
	return t.take(ctx, m, token, err)
}

func (t *Tokens) asking(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, t.http)
}

func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("nobody has consented in time; call it again")
	}
	return ctx.Err()
}

// take stores what somebody has consented to, and has every process try the mailbox at once.
func (t *Tokens) take(ctx context.Context, m desk.Mailbox, token *oauth2.Token, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("nobody has consented in time; call it again")
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if e.ErrorCode == "expired_token" {
			return errors.New("nobody has consented in time; call it again")
		}
		return fmt.Errorf("the provider says no: %s", hide(e.ErrorCode+" "+e.ErrorDescription, m, desk.Grant{}))
	}
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("ask the provider for tokens: %s", hide(err.Error(), m, desk.Grant{}))
	}
	if token.RefreshToken == "" {
		return errors.New("the provider gave no refresh token, so nothing could be renewed; for custom ones, --oauth-scope may have to name offline_access")
	}
	g := granted(desk.Grant{MailboxID: m.ID}, token, t.db.Now())
	g.AuthorisedAt = g.RenewedAt
	return t.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.ChangeMailbox(ctx, m.ID, func(mb *desk.Mailbox) error {
			if mb.OAuth != m.OAuth {
				return &desk.Error{Kind: desk.Conflict, Text: "how the mailbox signs in was changed meanwhile; authorise it again"}
			}
			mb.TriedAt = tx.Now()
			return nil
		}); err != nil {
			return err
		}
		return tx.PutGrant(ctx, g)
	})
}
