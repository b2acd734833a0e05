package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"postern/internal/mailtest"
)

// TestM6_SubAddressingIsTriedOut: a signed reply address that does not come back would lose the customer's answer.
func TestM6_SubAddressingIsTriedOut(t *testing.T) {
	t.Parallel()
	const support = "support@desk.example"
	for _, c := range []struct {
		name, delimiter string
		strip           bool // the server takes the token out of header and envelope
		lose            bool // the server takes the mail and delivers none
		works           bool
		says            string
	}{
		{name: "the server knows them", delimiter: "+", works: true, says: "It works"},
		{name: "the server refuses them", says: "does not take mail"},
		{name: "the server loses them", lose: true, says: "No mail for"},
		{name: "the server strips them", delimiter: "+", strip: true, says: "without its address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesktop(t)
			imap := mailtest.DovecotWith(t, mailtest.DovecotOptions{LMTP: true, Delimiter: c.delimiter}, mailtest.User{Name: support, Password: "secret"})
			relay := mailtest.SMTP(t)
			relay.Script(func(stage mailtest.Stage, m mailtest.Received) *mailtest.Answer {
				if c.lose || len(m.To) == 0 {
					return nil
				}
				var err error
				switch to := m.To[0]; stage {
				case mailtest.AtRcpt:
					err = imap.Takes(m.From, to)
				case mailtest.AfterDot:
					raw := m.Raw
					if c.strip {
						raw, to = bytes.ReplaceAll(raw, []byte(to), []byte(support)), support
					}
					err = imap.Deliver(m.From, to, raw)
				}
				if refusal, ok := errors.AsType[*smtp.SMTPError](err); ok {
					return &mailtest.Answer{Code: refusal.Code, Enhanced: refusal.EnhancedCode, Text: refusal.Message}
				}
				if err != nil {
					t.Error(err)
				}
				return nil
			})
			wait := "--wait=1m"
			if c.lose {
				wait = "--wait=3s"
			}
			d.want(0, "", "mailbox", "edit", support, "--imap", imap.IMAPURL(support), "--smtp", relay.URL(), "--sub-address="+map[bool]string{true: "false", false: "true"}[c.works])
			out, told, code := d.gateway("mailbox", "probe", support, "--json", wait)
			var got probed
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != map[bool]int{true: 1, false: 0}[c.lose] || got.SubAddress != c.works || !strings.Contains(got.Text, c.says) {
				t.Fatalf("%v, exit status %d, %q, %q", err, code, out, told)
			}
			d.want(2, "too short", "mailbox", "probe", support, "--wait=1ms")
			d.with(func(p *parts) {
				org, err := p.db.FreshOrganisation(t.Context())
				d.ok(err)
				if org.Mailboxes[0].SubAddress != c.works {
					t.Errorf("the mailbox has sub-addresses: %v", !c.works)
				}
			})
		})
	}
}
