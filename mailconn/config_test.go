package mailconn

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParseIMAP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, user, password, addr, safe string }{
		{"imaps://ann%40example.com:s%2Fe%25c@mail.example.com", "ann@example.com", "s/e%c", "mail.example.com:993", "imaps://ann%40example.com@mail.example.com:993"},
		{"imap://ann@example.com:secret@mail.example.com", "ann@example.com", "secret", "mail.example.com:143", "imap://ann%40example.com@mail.example.com:143?starttls=require"},
		{"imap://u:p@127.0.0.1:1143", "u", "p", "127.0.0.1:1143", "imap://u@127.0.0.1:1143?starttls=never"},
		{"imap://u:p@localhost?starttls=try", "u", "p", "localhost:143", "imap://u@localhost:143?starttls=try"},
		{"imap://u@[::1]:1143?starttls=require&insecure=1", "u", "", "[::1]:1143", "imap://u@[::1]:1143?insecure=1&starttls=require"},
		{"imaps://u:p@büro.example/?insecure=0", "u", "p", "xn--bro-hoa.example:993", "imaps://u@xn--bro-hoa.example:993"},
	} {
		got, err := ParseIMAP(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if got.User != c.user || got.Password() != c.password || got.Addr() != c.addr || got.URL() != c.safe {
			t.Errorf("%s: user %q, password %q, addr %q, URL %q", c.url, got.User, got.Password(), got.Addr(), got.URL())
		}
		again, err := ParseIMAP(got.URL())
		if err != nil || again.URL() != got.URL() || again.Security != got.Security || again.WithPassword("x").Password() != "x" {
			t.Errorf("%s does not survive its own URL: %v, %v", c.url, again, err)
		}
	}
}

func TestParseSMTPDefaults(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"smtp://mail.example.com":        "smtp://mail.example.com:587?starttls=require",
		"smtps://u:p@mail.example.com":   "smtps://u@mail.example.com:465",
		"smtp://u:p@127.0.0.1:2525":      "smtp://u@127.0.0.1:2525?starttls=never",
		"smtp://10.0.0.1?starttls=never": "smtp://10.0.0.1:587?starttls=never",
	} {
		if got, err := ParseSMTP(url); err != nil || got.URL() != want {
			t.Errorf("%s: %v, %v", url, got, err)
		}
	}
}

func TestParseRefusesWithoutQuotingThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "mail.example.com", "http://u:hunter2@mail.example.com", "imap://u:hunter2@", "imap://u:hun/ter2@mail.example.com",
		"imap://u:hunter2%zz@mail.example.com", "imap://u:hunter2@mail.example.com:99999", "imap://u:hunter2@mail.example.com:x",
		"imap://u:hunter2@mail.example.com?starttls=maybe", "imaps://u:hunter2@mail.example.com?starttls=never",
		"imap://u:hunter2@mail.example.com?colour=red", "imap://mail.example.com", "imap://u:hunter2@mail.example.com/INBOX",
		"imap://u:hunter2@a b.example", "imap://u%0d%0aA:hunter2@mail.example.com", "imap:u:hunter2@mail.example.com",
	} {
		got, err := ParseIMAP(url)
		if err == nil {
			t.Errorf("%s: taken as %v", url, got)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestI11_PlainTextOnlyOnLoopbackOrWhenAsked(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]Security{
		"imap://u@mail.example.com":                 StartTLS,
		"imap://u@127.0.0.1":                        Plaintext,
		"imap://u@localhost":                        Plaintext,
		"imap://u@[::1]":                            Plaintext,
		"imap://u@127.example.com":                  StartTLS,
		"imap://u@192.168.1.1":                      StartTLS,
		"imap://u@192.168.1.1?starttls=never":       Plaintext,
		"imap://u@localhost.example.com?insecure=1": StartTLS,
	} {
		if got, err := ParseIMAP(url); err != nil || got.Security != want {
			t.Errorf("%s: %q, %v; want %q", url, got.Security, err, want)
		}
	}
}

func TestG6_NothingPrintsThePassword(t *testing.T) {
	t.Parallel()
	c, err := ParseIMAP("imaps://u:hunter2@mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		C     IMAPConfig
		inner IMAPConfig
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", slog.Any("config", c), slog.Any("holder", holder{C: c}))
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("config", c), slog.Any("holder", holder{C: c, inner: c}))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb, c)
		fmt.Fprintf(&out, verb, holder{C: c, inner: c})
		fmt.Fprintf(&out, verb, &c.Server)
	}
	for _, secret := range []string{"hunter2", fmt.Sprintf("%x", "hunter2")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s shows the password", out.String())
		}
	}
}
