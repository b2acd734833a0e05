package mailmsg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"postern/desk"
)

// Bounds of what is read of DKIM signatures. Without them, what a sender writes into a signature and its key would decide how
// long it takes.
const (
	maxDKIM      = 5
	maxDKIMField = 8 << 10 // bytes of a DKIM-Signature field
	maxKeyRecord = 2 << 10 // bytes of a key in DNS: enough for RSA with 8192 bits
)

// signers gives the domains that a mail's DKIM-Signature fields name (RFC 6376 section 3.5, "d="); none where a signature is
// longer than is read. Of more than maxDKIM the topmost count.
func signers(h header) []string {
	var out []string
	n := 0
	for i := range h {
		if h[i].name != "dkim-signature" {
			continue
		}
		if n++; len(h[i].value) > maxDKIMField {
			return nil
		}
		if n > maxDKIM {
			continue
		}
		if d := lowerASCII(tag(h[i].value, "d")); !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// tag gives a value of a tag list (RFC 6376 section 3.2), without its blanks.
func tag(list, name string) string {
	for item := range strings.SplitSeq(list, ";") {
		if key, val, ok := strings.Cut(item, "="); ok && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(val), "")
		}
	}
	return ""
}

// LookupTXT gives the TXT records of a name, as net.Resolver does. Trouble that may pass is a net.Error that says so.
type LookupTXT func(ctx context.Context, name string) ([]string, error)

// VerifyDKIM looks at the DKIM signatures (RFC 6376) of a mail that Parse has read from the same bytes. One holds if it is of the
// From line's own domain, signs the From line and the whole body, and its key is not one for tests. Only keys of that domain are
// looked up. It fails only where raw does; that a key can't be had now is a reason, not a failure.
func VerifyDKIM(ctx context.Context, raw io.Reader, m desk.Mail, lookup LookupTXT) (desk.DKIM, error) {
	domain := desk.DomainOf(m.From.Email)
	if !slices.Contains(m.Signers, domain) {
		return desk.DKIM{Reason: "it has no DKIM signature of " + domain}, nil
	}
	src := &careful{r: raw}
	away := false
	found, err := dkim.VerifyWithOptions(src, &dkim.VerifyOptions{
		MaxVerifications: maxDKIM,
		LookupTXT:        func(name string) ([]string, error) { return keyRecord(ctx, name, domain, lookup) },
	})
	if src.err != nil {
		return desk.DKIM{}, fmt.Errorf("verify DKIM: %w", src.err)
	}
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return desk.DKIM{Reason: "its DKIM signatures can't be read"}, nil
	}
	for _, v := range found {
		if lowerASCII(v.Domain) != domain {
			continue
		}
		if v.Err == nil {
			return desk.DKIM{Holds: true, Reason: "a DKIM signature of " + domain + " holds"}, nil
		}
		away = away || dkim.IsTempFail(v.Err)
	}
	if away {
		return desk.DKIM{Reason: "the key of its DKIM signature could not be looked up when it came"}, nil
	}
	return desk.DKIM{Reason: "its DKIM signature of " + domain + " does not hold"}, nil
}

// keyRecord looks a key up, if it is one of the domain that counts. What the verifier would let pass and RFC 6376 section 3.6.1
// does not is left out: a key for tests ("t=y").
func keyRecord(ctx context.Context, name, domain string, lookup LookupTXT) ([]string, error) {
	if !strings.HasSuffix(lowerASCII(name), "._domainkey."+domain) {
		return nil, errors.New("not the domain of the From line")
	}
	records, err := lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if len(r) > maxKeyRecord || slices.Contains(strings.Split(tag(r, "t"), ":"), "y") {
			return nil, errors.New("a key that is too long, or one for tests")
		}
	}
	return records, nil
}

// careful ends where its reader fails, and remembers that: the verifier leaves goroutines behind when a read fails.
type careful struct {
	r   io.Reader
	err error
}

// Read reads on.
func (c *careful) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err, err = err, io.EOF
	}
	return n, err
}
