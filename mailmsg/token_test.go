package mailmsg

import (
	"bytes"
	"strings"
	"testing"

	"postern/desk"
)

func keys(t testing.TB) *Keyring {
	t.Helper()
	k, err := NewKeyring(map[byte][]byte{1: bytes.Repeat([]byte{1}, 32), 2: bytes.Repeat([]byte{2}, 32)}, 2)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestM2_Tokens(t *testing.T) {
	t.Parallel()
	k := keys(t)
	token := k.Token(ForReply, "mailbox", "ticket", "ann@example.net")
	if len(token) != TokenLen || token != strings.ToLower(token) || token != k.Token(ForReply, "mailbox", "ticket", "ann@example.net") {
		t.Errorf("token %q", token)
	}
	if !k.Verify(token, ForReply, "mailbox", "ticket", "ann@example.net") || !k.Verify(strings.ToUpper(token), ForReply, "mailbox", "ticket", "ann@example.net") {
		t.Error("a token doesn't verify")
	}
	for i := range token {
		for _, c := range "ab27" {
			flipped := token[:i] + string(c) + token[i+1:]
			if flipped != token && k.Verify(flipped, ForReply, "mailbox", "ticket", "ann@example.net") {
				t.Errorf("%q verifies as %q", flipped, token)
			}
		}
	}
	for name, ok := range map[string]bool{
		"purpose": k.Verify(token, ForRoot, "mailbox", "ticket", "ann@example.net"), "parts": k.Verify(token, ForReply, "mailbox", "ticket", "bob@example.net"),
		"split": k.Verify(token, ForReply, "mailboxt", "icket", "ann@example.net"), "fewer": k.Verify(token, ForReply, "mailbox", "ticket"), "empty": k.Verify("", ForReply),
	} {
		if ok {
			t.Errorf("verifies with other %s", name)
		}
	}
}

func TestM2_OldKeysVerify(t *testing.T) {
	t.Parallel()
	old, err := NewKeyring(map[byte][]byte{1: bytes.Repeat([]byte{1}, 32)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	token := old.Token(ForMessage, "a")
	if !keys(t).Verify(token, ForMessage, "a") || keys(t).Token(ForMessage, "a") == token {
		t.Error("an old key's token doesn't verify, or is still made")
	}
	if old.Verify(keys(t).Token(ForMessage, "a"), ForMessage, "a") {
		t.Error("an unknown key's token verifies")
	}
	for name, f := range map[string]map[byte][]byte{"no current": {1: bytes.Repeat([]byte{1}, 32)}, "short": {2: {1, 2, 3}}} {
		if _, err := NewKeyring(f, 2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDeriveIsNoToken(t *testing.T) {
	t.Parallel()
	k := keys(t)
	a, b := k.Derive("login", "x"), k.Derive("login", "y")
	if a == b || a == k.Derive("reset", "x") || a != k.Derive("login", "x") {
		t.Error("derived bytes are the same for others, or not the same for the same")
	}
	if raw, err := tokenEncoding.DecodeString(k.Token("login", "x")); err != nil || bytes.Equal(raw[1:], a[:macLen]) {
		t.Error("a token shows what is derived")
	}
}

func TestM6_ReplyAddress(t *testing.T) {
	t.Parallel()
	token := keys(t).Token(ForReply, "m", "t", "r")
	address, ok := ReplyAddress("Support@example.com", token)
	if !ok || address != "Support+"+token+"@example.com" {
		t.Fatalf("%q %v", address, ok)
	}
	for _, a := range []string{address, strings.ToUpper(address), " " + address} {
		if got, ok := TokenIn(a, "support@example.com"); !ok || got != token {
			t.Errorf("%q: %q %v", a, got, ok)
		}
	}
	for _, a := range []string{"support@example.com", "support+x@example.com", "other+" + token + "@example.com", "support+" + token + "@example.org", "support+" + token, "support+" + token[1:] + "!@example.com", ""} {
		if got, ok := TokenIn(a, "support@example.com"); ok {
			t.Errorf("%q: %q", a, got)
		}
	}
	if _, ok := ReplyAddress(strings.Repeat("x", 35)+"@example.com", token); !ok {
		t.Error("a local part of 64 octets is refused")
	}
	if _, ok := ReplyAddress(strings.Repeat("x", 36)+"@example.com", token); ok {
		t.Error("a local part of 65 octets is not")
	}
}

func TestM1_MessageIDs(t *testing.T) {
	t.Parallel()
	k := keys(t)
	id := MessageIDFor(k, "mailbox", "ticket", "message", "example.com")
	if id != MessageIDFor(k, "mailbox", "ticket", "message", "example.com") || !writableID(id) {
		t.Errorf("id %q", id)
	}
	seen := map[desk.MessageID]bool{id: true}
	for _, other := range []desk.MessageID{MessageIDFor(k, "mailbox2", "ticket", "message", "example.com"), MessageIDFor(k, "mailbox", "ticket", "message2", "example.com"), RootID(k, "mailbox", "ticket", "example.com")} {
		if seen[other] {
			t.Errorf("%q twice", other)
		}
		seen[other] = true
	}
}

func FuzzToken(f *testing.F) {
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ticket")
	f.Add(keys(f).Token(ForReply, "t"), "t")
	f.Add("a"+strings.Repeat("\n", TokenLen-1), "t")
	f.Fuzz(func(t *testing.T, token, part string) {
		k := keys(t)
		want := k.Token(ForReply, part)
		old, err := NewKeyring(map[byte][]byte{1: bytes.Repeat([]byte{1}, 32)}, 1)
		if err != nil {
			t.Fatal(err)
		}
		low := strings.ToLower(token)
		if k.Verify(token, ForReply, part) != (low == want || low == old.Token(ForReply, part)) {
			t.Errorf("Verify(%q) of %q", token, part)
		}
		if address, ok := ReplyAddress("support@example.com", token); ok {
			if got, ok := TokenIn(address, "support@example.com"); !ok || got != low {
				t.Errorf("%q came back as %q", token, got)
			}
		}
	})
}

func TestM5_RenamedTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ reply, host, want string }{
		{"OK <DB7PR01@EURPRD01.PROD.OUTLOOK.example> [Hostname=x]", "smtp.office365.example", "DB7PR01@EURPRD01.PROD.OUTLOOK.example"},
		{"Ok 0102018f-0000-1111", "email-smtp.eu-west-1.amazonaws.com", "0102018f-0000-1111@eu-west-1.amazonses.com"},
		{"Ok 0100018f-0000-1111", "Email-SMTP.us-east-1.amazonaws.com", "0100018f-0000-1111@email.amazonses.com"},
		{"Ok 0100018f-0000-1111", "mx.example", ""},
		{"Ok: queued as 4F2A", "email-smtp.eu-west-1.amazonaws.com", ""},
		{"queued as <4F2A>", "mx.example", ""}, {"queued <a@b", "mx.example", ""}, {"", "mx.example", ""}, {"ok <> x@y", "mx.example", ""},
	} {
		if got, ok := RenamedTo(c.reply, c.host); string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%q of %s: %q, %t", c.reply, c.host, got, ok)
		}
	}
}
