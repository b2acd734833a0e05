package mailmsg

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-msgauth/dkim"

	"postern/desk"
)

// signedMail signs a mail as customer.example does, from a key that zone publishes.
func signedMail(t *testing.T, raw, domain string, keys ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := dkim.Sign(&out, strings.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: "s1", Signer: signer(), Hash: crypto.SHA256, HeaderKeys: append(keys, "From", "Subject"),
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte("k"), 32)) }

// zone is a name server that knows some names, and what it was asked.
type zone struct {
	records map[string]string
	err     error
	mu      sync.Mutex
	asked   []string
}

func newZone(more string, domains ...string) *zone {
	z := &zone{records: map[string]string{}}
	for _, d := range domains {
		z.records["s1._domainkey."+d] = "v=DKIM1; k=ed25519; " + more + "p=" + base64.StdEncoding.EncodeToString(signer().Public().(ed25519.PublicKey))
	}
	return z
}

func (z *zone) lookup(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, name)
	if z.err != nil {
		return nil, z.err
	}
	if r, ok := z.records[name]; ok {
		return []string{r}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func verify(t *testing.T, raw string, z *zone) desk.DKIM {
	t.Helper()
	d, err := VerifyDKIM(t.Context(), strings.NewReader(raw), parse(t, raw), z.lookup)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestA7_OnlyAWholeSignatureOfTheFromLinesDomainHolds(t *testing.T) {
	t.Parallel()
	const own, other, below = "customer.example", "mailer.example", "x._domainkey.customer.example"
	mail := func(from string) string {
		return "From: Ann <" + from + ">\r\nReply-To: eve@evil.example\r\nSubject: Printer\r\n\r\nIt is broken.\r\n"
	}
	good := signedMail(t, mail("ann@customer.example"), own)
	others := signedMail(t, mail("ann@customer.example"), other)
	short := strings.Replace(good, "c=relaxed/relaxed;", "c=relaxed/relaxed; l=13;", 1)
	if short == good {
		t.Fatal("there is no place for l=")
	}
	for name, c := range map[string]struct {
		raw   string
		zone  *zone
		holds bool
		says  string
	}{
		"its own":                        {good, newZone("", own), true, "customer.example holds"},
		"its own, beside another's":      {signedMail(t, good, other), newZone("", own, other), true, "customer.example holds"},
		"in capitals":                    {signedMail(t, mail("Ann@Customer.Example"), "Customer.example"), newZone("", own, "Customer.example"), true, "holds"},
		"another domain's":               {others, newZone("", own, other), false, "no DKIM signature of customer.example"},
		"the parent's":                   {signedMail(t, mail("ann@mail.customer.example"), own), newZone("", own), false, "no DKIM signature of mail.customer.example"},
		"none":                           {mail("ann@customer.example"), newZone("", own), false, "no DKIM signature"},
		"a name below its keys":          {signedMail(t, strings.Replace(good, "broken", "fine", 1), below), newZone("", own, below), false, "does not hold"},
		"another text":                   {strings.Replace(good, "broken", "fine", 1), newZone("", own), false, "does not hold"},
		"another subject":                {strings.Replace(good, "Printer", "Invoice", 1), newZone("", own), false, "does not hold"},
		"another person of the domain":   {strings.Replace(good, "ann@", "bob@", 1), newZone("", own), false, "does not hold"},
		"a part of the text (l=)":        {short, newZone("", own), false, "does not hold"},
		"a key that is not there":        {good, newZone(""), false, "does not hold"},
		"a key for tests":                {good, newZone("t=s:y; ", own), false, "does not hold"},
		"a key that is far too long":     {good, newZone("n="+strings.Repeat("x", maxKeyRecord)+"; ", own), false, "does not hold"},
		"a name server that is away":     {good, &zone{err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, false, "could not be looked up"},
		"a name server that is too slow": {good, &zone{err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, false, "could not be looked up"},
		"a signature without From":       {strings.Replace(good, "h=From:", "h=", 1), newZone("", own), false, "does not hold"},
		"a signature longer than read":   {strings.Replace(good, "c=relaxed/relaxed;", "c=relaxed/relaxed; n="+strings.Repeat("x", maxDKIMField)+";", 1), newZone("", own), false, "no DKIM signature"},
		"a signature behind many others": {strings.Repeat("DKIM-Signature: v=1; d=a.example\r\n", maxDKIM) + good, newZone("", own), false, "no DKIM signature"},
	} {
		if d := verify(t, c.raw, c.zone); d.Holds != c.holds || !strings.Contains(d.Reason, c.says) {
			t.Errorf("%s: holds: %t, %q", name, d.Holds, d.Reason)
		}
	}
}

// TestA7_OnlyTheFromLinesDomainIsAsked: a mail must not make us ask name servers of its choice.
func TestA7_OnlyTheFromLinesDomainIsAsked(t *testing.T) {
	t.Parallel()
	raw := "From: ann@customer.example\r\nSubject: x\r\n\r\nx\r\n"
	raw = signedMail(t, signedMail(t, raw, "tracker.example"), "customer.example")
	z := newZone("")
	verify(t, raw, z)
	if !slices.Equal(z.asked, []string{"s1._domainkey.customer.example"}) {
		t.Errorf("asked %q", z.asked)
	}
}

func TestA7_BytesThatCantBeReadAreNoVerdict(t *testing.T) {
	t.Parallel()
	raw := signedMail(t, signedMail(t, "From: ann@customer.example\r\nSubject: x\r\n\r\nx\r\n", "customer.example"), "customer.example")
	away := errors.New("input/output error")
	for _, r := range []io.Reader{iotest.ErrReader(away), io.MultiReader(strings.NewReader(raw[:len(raw)-3]), iotest.ErrReader(away))} {
		if d, err := VerifyDKIM(t.Context(), r, parse(t, raw), newZone("", "customer.example").lookup); !errors.Is(err, away) || d.Reason != "" {
			t.Errorf("a reader that fails: %+v, %v", d, err)
		}
	}
}
