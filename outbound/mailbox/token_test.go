package mailbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
)

// given plays who gives tokens: the server's newest, or after Revoke one that opens nothing.
type given struct {
	access  string
	refused []string
}

func (g *given) Token(_ context.Context, _ desk.Mailbox, refused string) (string, error) {
	g.refused = append(g.refused, refused)
	return g.access, nil
}

// TestI11_MailIsAppendedByToken over one connection, which outlives the token that opened it.
func TestI11_MailIsAppendedByToken(t *testing.T) {
	t.Parallel()
	server := mailtest.OAuth(t, user, mailtest.OAuthOptions{})
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{OAuth: server}, mailtest.User{Name: user, Password: "secret"})
	m := at(d.Addr())
	m.Secrets, m.OAuth = desk.MailboxSecrets{}, desk.OAuth{Provider: desk.OAuthCustom}
	_, access := server.Grant()
	g := &given{access: access}
	c := client(t, Options{Tokens: g})
	put := func(c *Client, id string) error {
		_, _, err := c.Append(t.Context(), m, "", text(id, "x"), nil, time.Time{}, desk.MessageID(id), false)
		return err
	}
	for _, id := range []string{"1@example.com", "2@example.com"} {
		if err := put(c, id); err != nil {
			t.Fatal(err)
		}
		server.RevokeAccess()
	}
	if n := len(d.Messages(user, "INBOX")); n != 2 || len(g.refused) != 1 {
		t.Errorf("%d mails, tokens asked for: %q", n, g.refused)
	}
	late := client(t, Options{Tokens: g})
	err := put(late, "3@example.com")
	if p, ok := errors.AsType[*mailconn.Problem](err); !ok || !p.Token || len(g.refused) != 3 {
		t.Errorf("a token that is refused: %v, %q", err, g.refused)
	}
	if err := put(client(t, Options{}), "4@example.com"); err == nil {
		t.Error("somebody signed in without a token")
	}
}
