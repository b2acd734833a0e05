package mailconn

import (
	"context"

	"postern/desk"
)

// Tokens gives the access tokens of mailboxes that sign in by OAuth, as a TokenSource does.
type Tokens interface {
	Token(ctx context.Context, m desk.Mailbox, refused string) (string, error)
}

// IMAPOf tells how to read a mailbox. Tokens is asked only where it signs in by OAuth.
func IMAPOf(m desk.Mailbox, tokens Tokens) (IMAPConfig, error) {
	c, err := ParseIMAP(m.IMAP)
	if err != nil {
		return c, &Problem{What: "the IMAP URL of " + m.Address + " can't be used", Do: "Correct it", Err: err, Permanent: true}
	}
	if m.OAuth.Used() {
		return c.WithTokens(sourceOf(m, tokens)), nil
	}
	return c.WithPassword(m.Secrets.IMAPPassword), nil
}

// SMTPOf tells how to send for a mailbox that has an SMTP URL. A password that is stored for it goes before OAuth: it may be
// another provider's server.
func SMTPOf(m desk.Mailbox, tokens Tokens) (SMTPConfig, error) {
	c, err := ParseSMTP(m.SMTP)
	switch {
	case err != nil:
		return c, &Problem{What: "the SMTP URL of " + m.Address + " can't be used", Do: "Correct it", Err: err, Permanent: true}
	case c.User == "":
		return c, nil
	case m.OAuth.Used() && m.Secrets.SMTPPassword == "":
		return c.WithTokens(sourceOf(m, tokens)), nil
	}
	return c.WithPassword(m.Secrets.SMTPPassword), nil
}

func sourceOf(m desk.Mailbox, tokens Tokens) TokenSource {
	return func(ctx context.Context, refused string) (string, error) {
		if tokens == nil {
			return "", &Problem{What: m.Address + " signs in by OAuth, and nobody here has its tokens", Do: "Let the gateway do it", Permanent: true}
		}
		return tokens.Token(ctx, m, refused)
	}
}
