package mailconn

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/wneessen/go-mail/smtp"
)

// TokenSource gives the access token to sign in with. Refused is one that the server has just refused, or "": such a token
// is not given again. Its failures are *Problem, or ctx's own error.
type TokenSource func(ctx context.Context, refused string) (token string, err error)

// WithTokens gives the same server, where one signs in by access token instead of password.
func (c IMAPConfig) WithTokens(t TokenSource) IMAPConfig { c.tokens = t; return c }

// WithTokens gives the same server, where one signs in by access token instead of password.
func (c SMTPConfig) WithTokens(t TokenSource) SMTPConfig { c.tokens = t; return c }

// withToken dials with a token, and once more with another if the server refuses it: a token may be called back before
// its time.
func withToken[C any](ctx context.Context, s Server, dial func(Server) (C, error)) (C, error) {
	if s.tokens == nil || s.User == "" {
		return dial(s)
	}
	for refused := ""; ; {
		token, err := s.tokens(ctx, refused)
		if err != nil {
			var none C
			return none, err
		}
		s.token = &token
		client, err := dial(s)
		if p, ok := errors.AsType[*Problem](err); !ok || !p.Token || refused != "" {
			return client, err
		}
		refused = token
	}
}

// The names of the ways to sign in by access token.
const (
	oauthBearer = sasl.OAuthBearer // RFC 7628
	xoauth2     = "XOAUTH2"        // Google's forerunner of it; all that Microsoft has
)

// tokenMechanism picks one that the server offers.
func (s Server) tokenMechanism(offers func(name string) bool) (string, error) {
	for _, name := range []string{oauthBearer, xoauth2} {
		if offers(name) {
			return name, nil
		}
	}
	return "", &Problem{
		What: s.Addr() + " offers no way to sign in by OAuth (OAUTHBEARER, XOAUTH2)",
		Do:   "Sign in with a password: gateway mailbox edit ADDRESS --oauth none --imap-password-file FILE", Permanent: true, SignIn: true,
	}
}

func (s Server) tokenRefused(err error) *Problem {
	return &Problem{
		What: s.Host + " does not accept the access token of " + s.User,
		Do:   "Check that whoever authorised it may open this mailbox, by IMAP and SMTP, and authorise it once more: gateway mailbox authorise ADDRESS",
		Err:  err, Permanent: true, SignIn: true, Token: true,
	}
}

// tokenClient is the client's side of OAUTHBEARER and XOAUTH2. A server that refuses says why in a challenge, and gives
// its reply only after an answer to that. The reply tells a token that is refused from a server that is busy.
type tokenClient struct {
	server    Server
	mechanism string
}

// Start gives the mechanism's name and its only message.
func (c *tokenClient) Start() (mechanism string, first []byte, err error) {
	if c.mechanism == oauthBearer {
		user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(c.server.User) // saslname, RFC 5801 section 4
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: user, Token: *c.server.token, Host: c.server.Host, Port: c.server.Port}).Start()
	}
	return xoauth2, []byte("user=" + c.server.User + "\x01auth=Bearer " + *c.server.token + "\x01\x01"), nil
}

// Next answers the challenge as RFC 7628 section 3.2.3 wants it. For XOAUTH2 an empty answer is the usual one, but go-imap
// would write "=" for that, which is no base64.
func (c *tokenClient) Next([]byte) ([]byte, error) { return []byte{1}, nil }

// smtpToken is a tokenClient as go-mail wants it.
type smtpToken struct{ c *tokenClient }

// Start is tokenClient's.
func (a smtpToken) Start(*smtp.ServerInfo) (mechanism string, first []byte, err error) {
	return a.c.Start()
}

// Next has nothing to say once the server has let us in.
func (a smtpToken) Next(challenge []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if a.c.mechanism == xoauth2 {
		return []byte{}, nil
	}
	return a.c.Next(challenge)
}
