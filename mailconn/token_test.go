package mailconn

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/mailtest"
)

// given plays a source of tokens: it gives them in turn, and notes what it was told was refused.
type given struct {
	tokens  []string
	refused []string
}

func (g *given) next(_ context.Context, refused string) (string, error) {
	g.refused = append(g.refused, refused)
	if len(g.refused) > len(g.tokens) {
		return "", errors.New("asked too often")
	}
	return g.tokens[len(g.refused)-1], nil
}

// TestI11_TokensSignInToIMAP with a real Dovecot that asks the tokens' server about them, by each mechanism.
func TestI11_TokensSignInToIMAP(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"xoauth2", "oauthbearer", "oauthbearer xoauth2"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			server := mailtest.OAuth(t, user().Name, mailtest.OAuthOptions{})
			d := mailtest.DovecotWith(t, mailtest.DovecotOptions{OAuth: server, OAuthMechanisms: mechanism}, user())
			config := func(g *given) IMAPConfig { return imapConfig(t, d, d.Addr(), "imap", "").WithTokens(g.next) }
			_, first := server.Grant()
			good := &given{tokens: []string{first}}
			if err := signIn(t, config(good)); err != nil || len(good.refused) != 1 {
				t.Errorf("%v, %q", err, good.refused)
			}
			server.RevokeAccess()
			_, second := server.Grant()
			again := &given{tokens: []string{first, second}}
			if err := signIn(t, config(again)); err != nil || len(again.refused) != 2 || again.refused[1] != first {
				t.Errorf("after one refusal: %v, %q", err, again.refused)
			}
			server.RevokeAccess()
			wrong := &given{tokens: []string{first, second, "third"}}
			err := signIn(t, config(wrong))
			problem(t, "refused twice", err, true, "access token", "gateway mailbox authorise")
			if p, ok := errors.AsType[*Problem](err); !ok || !p.Token || !p.SignIn || len(wrong.refused) != 2 || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, %q", err, wrong.refused)
			}
		})
	}
}

func TestI11_OAuthWhereTheServerHasNone(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t, user())
	g := &given{tokens: []string{"x", "y"}}
	problem(t, "none offered", signIn(t, imapConfig(t, d, d.Addr(), "imap", "").WithTokens(g.next)), true, "no way to sign in by OAuth", "--oauth none")
	if len(g.refused) != 1 {
		t.Errorf("another token was asked for: %q", g.refused)
	}
	s := mailtest.SMTP(t)
	_, err := CheckSMTP(t.Context(), smtpConfig(t, s, "smtp", "").WithTokens((&given{tokens: []string{"x"}}).next))
	problem(t, "none offered by SMTP", err, true, "no way to sign in by OAuth")
}

// TestI11_AThrottledServerRefusesNoToken: neither by a code nor by a sentence, and no second token is asked for.
func TestI11_AThrottledServerRefusesNoToken(t *testing.T) {
	t.Parallel()
	for reply, permanent := range map[string]bool{
		"NO [UNAVAILABLE] Temporary authentication failure.": false,
		"NO [LIMIT] no more":                                        false,
		"NO Too many simultaneous connections. (Failure)":           false,
		"NO [ALERT] Account exceeded command or bandwidth limits.":  false,
		"NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)":   true,
		"NO AUTHENTICATE failed.":                                   true,
		"BAD AUTHENTICATE failed, whatever the client says to that": true,
	} {
		for _, first := range []string{"", "+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=\r\n"} {
			answers := []string{"T1 " + reply + "\r\n"}
			if first != "" {
				answers = append([]string{first}, answers...)
			}
			c := imapConfig(t, nil, script(t, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello\r\n", answers...), "imap", "")
			g := &given{tokens: []string{"one"}}
			err := signIn(t, c.WithTokens(g.next))
			if permanent { // the source has no other, and says so
				if err == nil || len(g.refused) != 2 || g.refused[1] != "one" {
					t.Errorf("%s: %v, %q", reply, err, g.refused)
				}
				continue
			}
			problem(t, reply, err, false, "not available")
			if len(g.refused) != 1 {
				t.Errorf("%s: another token was asked for: %q", reply, g.refused)
			}
		}
	}
}

func TestI11_DovecotThatCanNotAskRefusesNoToken(t *testing.T) {
	t.Parallel()
	server := mailtest.OAuth(t, user().Name, mailtest.OAuthOptions{})
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{OAuth: server}, user())
	_, token := server.Grant()
	server.Close()
	g := &given{tokens: []string{token}}
	problem(t, "the tokens' server is gone", signIn(t, imapConfig(t, d, d.Addr(), "imap", "").WithTokens(g.next)), false, "not available")
}

func TestI11_TokensSignInToSMTP(t *testing.T) {
	t.Parallel()
	server := mailtest.OAuth(t, "u", mailtest.OAuthOptions{})
	for name, mechanisms := range map[string][]string{"both": nil, "xoauth2": {"PLAIN", "XOAUTH2"}, "oauthbearer": {"OAUTHBEARER"}} {
		t.Run(name, func(t *testing.T) {
			s := mailtest.SMTPWith(t, mailtest.SMTPOptions{Username: "u", Password: "not p", OAuth: server, Mechanisms: mechanisms})
			check := func(g *given) error {
				_, err := CheckSMTP(t.Context(), smtpConfig(t, s, "smtp", "?starttls=require").WithTokens(g.next))
				return err
			}
			_, token := server.Grant()
			if err := check(&given{tokens: []string{token}}); err != nil {
				t.Error(err)
			}
			again := &given{tokens: []string{"called back", token}}
			if err := check(again); err != nil || len(again.refused) != 2 || again.refused[1] != "called back" {
				t.Errorf("after one refusal: %v, %q", err, again.refused)
			}
			err := check(&given{tokens: []string{"no", "nor this"}})
			problem(t, "refused twice", err, true, "access token", "gateway mailbox authorise")
			for text, permanent := range map[string]bool{"454 4.7.0 too many logins": false, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant": true} {
				s.Script(func(at mailtest.Stage, _ mailtest.Received) *mailtest.Answer {
					if at != mailtest.AtAuth {
						return nil
					}
					code := 454
					if permanent {
						code = 535
					}
					return &mailtest.Answer{Code: code, Enhanced: [3]int{code / 100, 7, 139}, Text: text[10:]}
				})
				g := &given{tokens: []string{token}}
				err := check(g)
				problem(t, text, err, permanent)
				if p, ok := errors.AsType[*Problem](err); !ok || p.Token || len(g.refused) != 1 {
					t.Errorf("%s: %v, %q", text, err, g.refused)
				}
			}
		})
	}
}

// TestI11_TheSourcesOwnWordStands: what keeps a token from us is told as it is.
func TestI11_TheSourcesOwnWordStands(t *testing.T) {
	t.Parallel()
	want := &Problem{What: "nobody has authorised it", Do: "Do", Permanent: true}
	c := imapConfig(t, nil, "127.0.0.1:1", "imap", "").WithTokens(func(context.Context, string) (string, error) { return "", want })
	c.Timeout = time.Second
	if err := signIn(t, c); !errors.Is(err, want) || want.At != "" {
		t.Errorf("got %v", err)
	}
}
