package mailmsg

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TestO7_KeysOfAllKinds: those that other programs have made sign as well as ours.
func TestO7_KeysOfAllKinds(t *testing.T) {
	t.Parallel()
	own, err := NewDKIMKey()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := x509.MarshalPKCS8PrivateKey(edKey)
	for name, text := range map[string]string{
		"ours": own, "RSA as PKCS #1": pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), "Ed25519": pemOf(t, "PRIVATE KEY", ed, err),
	} {
		key, err := ParseDKIMKey("acme.example", "s", text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		mail := func(w io.Writer) error {
			_, err := io.WriteString(w, "From: support@acme.example\r\nSubject: x\r\n\r\nHello\r\n")
			return err
		}
		field, err := key.Sign(mail)
		if err != nil || !strings.HasPrefix(field, "DKIM-Signature: ") || !strings.HasSuffix(field, "\r\n") {
			t.Errorf("%s: %q, %v", name, field, err)
		}
		if ok, err := key.Holds(field, mail); !ok || err != nil {
			t.Errorf("%s: it does not hold, %v", name, err)
		}
		if ok, err := key.Holds(field, func(w io.Writer) error {
			_, err := io.WriteString(w, "From: x@acme.example\r\n\r\nHello\r\n")
			return err
		}); ok || err != nil {
			t.Errorf("%s: it holds for another mail, %v", name, err)
		}
		if !key.PublishedIn([]string{"v=spf1 -all", strings.ReplaceAll(key.Record(), "p=", "p= ")}) || key.PublishedIn([]string{"v=DKIM1; p="}) || key.PublishedIn(nil) {
			t.Errorf("%s: its record is not known from others", name)
		}
		for _, shown := range []string{fmt.Sprintf("%v", key), fmt.Sprintf("%+v", key), fmt.Sprintf("%#v", key)} {
			if len(shown) > 200 {
				t.Errorf("%s: it is shown as %s", name, shown)
			}
		}
	}
}

// TestO7_KeysThatAreNone: the error says what is wrong and shows nothing of the key.
func TestO7_KeysThatAreNone(t *testing.T) {
	short, err := x509.ParsePKCS1PrivateKey(shortKey(t))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":           "no PEM file",
		"0123456789": "no PEM file",
		pemOf(t, "PRIVATE KEY", []byte("0123456789"), nil):                   "can't be read",
		pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short), nil): "bits",
	} {
		if _, err := ParseDKIMKey("acme.example", "s", text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestO4_SigningTellsWhyItFails: a file that can't be read is no reason to send half a mail.
func TestO4_SigningTellsWhyItFails(t *testing.T) {
	t.Parallel()
	text, err := NewDKIMKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseDKIMKey("acme.example", "s", text)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("the disk is gone")
	broken := func(w io.Writer) error {
		if _, err := io.WriteString(w, "From: support@acme.example\r\n\r\nHel"); err != nil {
			return err
		}
		return gone
	}
	if _, err := key.Sign(broken); !errors.Is(err, gone) {
		t.Error(err)
	}
	if _, err := key.Holds("DKIM-Signature: v=1\r\n", broken); !errors.Is(err, gone) {
		t.Error(err)
	}
}

// shortKey is an RSA key of fewer bits than anybody takes; crypto/rsa makes none by itself.
func shortKey(t *testing.T) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 768)
	if err != nil {
		t.Fatal(err)
	}
	return x509.MarshalPKCS1PrivateKey(key)
}
