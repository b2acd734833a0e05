package app

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shopZone is DNS in which shop.example's mail is at Google, and away.example names another domain's servers.
type shopZone struct{}

func (shopZone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	if name == "shop.example" {
		return []*net.MX{{Host: "aspmx.l.google.com."}}, nil
	}
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

func (shopZone) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	if name == "away.example" && service == "imaps" {
		return "", []*net.SRV{{Target: "mail.hoster.example.", Port: 993}}, nil
	}
	return "", nil, &net.DNSError{Name: name, IsNotFound: true}
}

// TestI11_AnAddressIsEnoughToAddAMailbox where its provider is known; flags win.
func TestI11_AnAddressIsEnoughToAddAMailbox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := func(status int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if code := Gateway(t.Context(), args, Env{Environ: []string{"POSTERN_DATA=" + filepath.Join(dir, "data")}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Resolver: shopZone{}}, nil); code != status {
			t.Fatalf("%v: exit status %d: %s", args, code, &out)
		}
		return out.String()
	}
	says := func(out string, wants ...string) {
		t.Helper()
		for _, w := range wants {
			if !strings.Contains(out, w) {
				t.Errorf("it does not say %q: %s", w, out)
			}
		}
	}
	says(gateway(1, "mailbox", "add", "support@shop.example"), "Google wants OAuth", "--oauth-client-id", "docs/operations.md")
	says(gateway(0, "mailbox", "add", "support@shop.example", "--oauth-client-id", "ID", "--oauth-client-secret-file", secret),
		"Google, known by the MX records", "read at imaps://support%40shop.example@imap.gmail.com", "sent by smtps://support%40shop.example@smtp.gmail.com", "saves what is sent", "Next: gateway mailbox authorise support@shop.example")
	says(gateway(0, "mailbox", "add", "support@posteo.de", "--imap-password-file", secret, "--smtp", "smtps://relay.example", "--no-check"), "Posteo")
	says(gateway(0, "mailbox", "list", "--json"), `"smtp": "smtps://relay.example"`, `"imap": "imaps://support%40posteo.de@posteo.de"`, `"provider": "google"`)
	says(gateway(1, "mailbox", "add", "inbox@posteo.de", "--imap-password-file", secret, "--smtp", "", "--put-by", "smtp", "--no-check"), "inbox@posteo.de has no SMTP server to put mail into its inbox by", "--put-by append")
	says(gateway(1, "mailbox", "edit", "support@posteo.de", "--connections", "0", "--no-check"), "0 is not between 1 and 20")
	gateway(0, "mailbox", "edit", "support@posteo.de", "--connections", "2", "--no-check")
	says(gateway(0, "mailbox", "list", "--json"), `"connections": 2`)
	says(gateway(1, "mailbox", "edit", "support@posteo.de", "--put-by", "post", "--no-check"), "neither append nor smtp")
	gateway(0, "mailbox", "edit", "support@posteo.de", "--put-by", "smtp", "--no-check")
	says(gateway(1, "mailbox", "edit", "support@posteo.de", "--smtp", "", "--no-check"), "has no SMTP server to put mail into its inbox by")
	says(gateway(1, "mailbox", "add", "support@away.example"), "--imap 'imaps://support%40away.example@mail.hoster.example:993'")
	says(gateway(1, "mailbox", "add", "support@desk.example"), "neither a provider is known")
	says(gateway(2, "mailbox", "add"), "gateway mailbox add support@example.com")
	says(gateway(2, "mailbox", "add", "support@desk.example", "--address", "support@desk.example"), "once")
}
