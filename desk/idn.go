package desk

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// acePrefix begins a label of a domain that stands for letters beyond ASCII (RFC 5890 section 2.3.2.1).
const acePrefix = "xn--"

// asciiDomain gives a domain, in lower case, as it goes over the network (RFC 5891). One that others would take for another, such
// as one with "ﬁ" for "fi" or with "u" and a mark above it for "ü", is none.
func asciiDomain(domain string) (string, bool) {
	if isASCII(domain) {
		return domain, true
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !validDomain(ascii) { // its labels are longer now
		return "", false
	}
	again, err := idna.Punycode.ToUnicode(ascii)
	return ascii, err == nil && again == domain
}

// readableDomain gives a domain with the Latin letters that it stands for. Those of other scripts look like them, so there it stays.
func readableDomain(domain string) string {
	if !strings.Contains(domain, acePrefix) {
		return domain
	}
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		letters, err := idna.Punycode.ToUnicode(label)
		if err != nil || letters == label || !latin(letters) {
			continue
		}
		labels[i] = letters
	}
	// What people see has to lead back to the domain.
	shown := strings.Join(labels, ".")
	if again, ok := asciiDomain(shown); !ok || again != domain {
		return domain
	}
	return shown
}

// latin tells whether all letters are such as no others look like: ASCII's, and those with marks of Western and Central Europe.
func latin(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 0xDF || r > 0x17E || r == '÷' || r == 'ı' || r == 'ĸ')
	}) && strings.ToLower(s) == s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
