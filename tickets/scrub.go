package tickets

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// signatureFile tells whether a file is made by a mail client to say who wrote the mail: it has the address in it, and customers need it not.
func signatureFile(a desk.Attachment) bool {
	return isOneOf(a, []string{"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature", "application/pgp-keys", "text/vcard", "text/x-vcard", "text/directory"},
		".vcf", ".p7s") || strings.EqualFold(a.Name, "signature.asc")
}

// tellsOf says what a file is that tells programs who wrote it, or what others wrote, and that a customer may need all the same; empty: it is
// no such file.
func tellsOf(a desk.Attachment) string {
	switch {
	case strings.HasPrefix(a.Type, "message/"), isOneOf(a, []string{"text/rfc822-headers", "application/mbox", "application/vnd.ms-outlook", "multipart/related"}, ".eml", ".emlx", ".msg", ".oft", ".mbox", ".mht", ".mhtml"):
		return "a mail"
	case isOneOf(a, []string{"application/ms-tnef", "application/vnd.ms-tnef"}, "winmail.dat"):
		return "a file of Outlook's that can't be read"
	case isOneOf(a, []string{"text/calendar", "application/ics"}, ".ics", ".vcs"):
		return "an invitation"
	case isOneOf(a, []string{"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}, ".p7m", ".pgp", ".gpg", ".asc", ".sig"):
		return "something encrypted or signed"
	}
	return ""
}

func isOneOf(a desk.Attachment, types []string, endings ...string) bool {
	name := strings.ToLower(a.Name)
	return slices.Contains(types, a.Type) || slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(name, ending) })
}

// scrubber cuts what customers must not see out of an agent's words.
type scrubber struct {
	org     *store.Organisation
	keys    *mailmsg.Keyring
	instead string // stands where a private address stood
}

// addressLike finds what may be an address, in text and in links.
var addressLike = regexp.MustCompile(`(?i)[\pL\pN._+'-]+(?:@|%40)[\pL\pN-]+(?:\.[\pL\pN-]+)+`)

func (s scrubber) clean(text string) string {
	text = s.keys.WithoutTokens(text, true)
	text = addressLike.ReplaceAllStringFunc(text, func(found string) string {
		email, ok := desk.NormalizeEmail(strings.Replace(strings.TrimLeft(found, ".'-"), "%40", "@", 1))
		if _, private := s.org.AgentAt(email); ok && private {
			return s.instead
		}
		return found
	})
	for _, private := range s.private() {
		text = replaceFold(text, private, s.instead)
	}
	return text
}

// private lists the agents' addresses in the ways in which they are written.
func (s scrubber) private() (out []string) {
	for _, a := range s.org.Agents {
		for _, email := range a.Addresses {
			out = append(out, email)
			if readable := (desk.Address{Email: email}).String(); readable != email {
				out = append(out, readable)
			}
		}
	}
	return out
}

// left tells whether an agent's address can still be read.
func (s scrubber) left(text string) bool {
	bare := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf) || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	return slices.ContainsFunc(s.private(), func(email string) bool { return strings.Contains(bare, email) })
}

// replaceFold replaces old in any case. old is in lower case.
func replaceFold(s, old, by string) string {
	lower := strings.ToLower(s)
	if len(lower) != len(s) || !strings.Contains(lower, old) { // a letter that changes its length: what is left is noticed
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(lower, old)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i] + by)
		s, lower = s[i+len(old):], lower[i+len(old):]
	}
}
