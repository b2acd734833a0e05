package smtp

import (
	"context"
	"errors"
	"testing"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
)

type given struct {
	access  string
	refused []string
}

func (g *given) Token(_ context.Context, _ desk.Mailbox, refused string) (string, error) {
	g.refused = append(g.refused, refused)
	return g.access, nil
}

// TestI11_MailIsSentByToken, and by a password where one is stored for a server of another provider.
func TestI11_MailIsSentByToken(t *testing.T) {
	t.Parallel()
	server := mailtest.OAuth(t, "u", mailtest.OAuthOptions{})
	s := mailtest.SMTPWith(t, mailtest.SMTPOptions{OAuth: server, Username: "u", Password: "p"})
	m := mailbox(s)
	m.Secrets, m.OAuth = desk.MailboxSecrets{}, desk.OAuth{Provider: desk.OAuthCustom}
	_, access := server.Grant()
	g := &given{access: access}
	submit := func(m desk.Mailbox) error {
		sender := New(Options{Tokens: g})
		defer sender.Close()
		_, err := sender.Submit(t.Context(), m, m.Address, "ann@example.com", text("Subject: x\r\n\r\nx\r\n"))
		return err
	}
	if err := submit(m); err != nil || len(g.refused) != 1 || s.Count() != 1 {
		t.Errorf("%v, %q, %d mails", err, g.refused, s.Count())
	}
	server.RevokeAccess()
	err := submit(m)
	if p, ok := errors.AsType[*mailconn.Problem](err); !ok || !p.Token || len(g.refused) != 3 || s.Count() != 1 {
		t.Errorf("a token that is refused: %v, %q, %d mails", err, g.refused, s.Count())
	}
	m.Secrets.SMTPPassword = "p"
	if err := submit(m); err != nil || len(g.refused) != 3 || s.Count() != 2 {
		t.Errorf("by password: %v, %q, %d mails", err, g.refused, s.Count())
	}
}
