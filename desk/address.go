package desk

import (
	"log/slog"
	"strings"
	"unicode"
)

// Address is a mail address with the name that came beside it. Email is as normalised by NormalizeEmail.
type Address struct {
	Name  string `json:"name"`
	Email string `json:"address"`
}

// String gives the address as people read it, not as a mail header needs it.
func (a Address) String() string {
	email := a.Email
	if local, domain, ok := strings.Cut(email, "@"); ok {
		email = local + "@" + readableDomain(domain)
	}
	if a.Name == "" {
		return email
	}
	return a.Name + " <" + email + ">"
}

// LogValue hides most of the local part: a log needs to tell addresses apart, not to list customers.
func (a Address) LogValue() slog.Value { return slog.StringValue(MaskEmail(a.Email)) }

// MaskEmail leaves the first character of the local part and the domain.
func MaskEmail(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || local == "" {
		return "…"
	}
	for _, r := range local {
		return string(r) + "…@" + domain
	}
	return "…"
}

// NormalizeEmail gives the form under which an address is stored and compared: trimmed and lower-case, its domain as it goes
// over the network (xn--bcher-kva.example for bücher.example).
// RFC 5321 section 2.4 lets a server tell the cases of a local part apart; none that people use does.
// It answers false for what is not one plain addr-spec with a dot-atom local part and a domain.
func NormalizeEmail(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || len(s) > 254 || len(local) > 64 {
		return "", false
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", false
	}
	for _, r := range local {
		if unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf) || strings.ContainsRune(`()<>[]:;@\,"`, r) {
			return "", false
		}
	}
	if domain, ok = normalDomain(domain); !ok || len(local)+1+len(domain) > 254 {
		return "", false
	}
	return local + "@" + domain, true
}

// NormalizeDomain gives the form under which a company's domain is stored: lower-case, without a leading "@" or
// a trailing dot, as it goes over the network. It answers false for what is no domain of at least two labels.
func NormalizeDomain(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimSuffix(strings.TrimPrefix(s, "@"), ".")
	if !strings.Contains(s, ".") {
		return "", false
	}
	return normalDomain(s)
}

func normalDomain(s string) (string, bool) {
	if !validDomain(s) {
		return "", false
	}
	return asciiDomain(s)
}

func validDomain(domain string) bool {
	if len(domain) > 253 {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, r := range label {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
				return false
			}
		}
	}
	return true
}

// DomainOf gives the part after the "@", or "".
func DomainOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return domain
}

// LocalPart gives the part before the "@" and before any sub-address ("+…").
func LocalPart(email string) string {
	local, _, _ := strings.Cut(email, "@")
	local, _, _ = strings.Cut(local, "+")
	return local
}
