package mailmsg

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"postern/desk"
)

const (
	lineGoal    = 76  // where header lines are folded
	longestWord = 900 // what may stand unfolded in a line of at most 998 octets
)

// headerWriter builds a header. Its first error stays.
type headerWriter struct {
	buf bytes.Buffer
	err error
}

// field writes a value that is safe already, folded at its spaces.
func (h *headerWriter) field(name, value string) {
	h.buf.WriteString(name)
	h.buf.WriteString(":")
	col := len(name) + 1
	for word := range strings.SplitSeq(value, " ") {
		if col+1+len(word) > lineGoal && col > 1 && word != "" {
			h.buf.WriteString("\r\n")
			col = 0
		}
		h.buf.WriteString(" ")
		h.buf.WriteString(word)
		col += 1 + len(word)
	}
	h.buf.WriteString("\r\n")
}

// text writes a value that anybody may have chosen.
func (h *headerWriter) text(name, value string) { h.field(name, headerText(value)) }

func (h *headerWriter) extra(f HeaderField) {
	if f.Name == "" || len(f.Name) > 76 {
		h.fail(fmt.Errorf("header name %q", f.Name))
		return
	}
	for _, c := range []byte(f.Name) {
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			h.fail(fmt.Errorf("header name %q", f.Name))
			return
		}
	}
	switch strings.ToLower(f.Name) {
	case "from", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "sender",
		"mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "dkim-signature":
		h.fail(fmt.Errorf("header %s is not an extra one", f.Name))
		return
	}
	h.text(f.Name, f.Value)
}

func (h *headerWriter) addresses(name string, list []desk.Address) {
	if len(list) == 0 {
		return
	}
	out := make([]string, 0, len(list))
	for _, a := range list {
		s, err := headerAddress(a)
		if err != nil {
			h.fail(err)
			return
		}
		out = append(out, s)
	}
	h.field(name, strings.Join(out, ", "))
}

// ids writes the ids that can be written, and nothing if there are none.
func (h *headerWriter) ids(name string, ids ...desk.MessageID) {
	var out []string
	for _, id := range ids {
		if writableID(id) {
			out = append(out, "<"+string(id)+">")
		}
	}
	if len(out) > 0 {
		h.field(name, strings.Join(out, " "))
	}
}

// parameters writes a value with parameters, as RFC 2045 and, for what is not plain, RFC 2231 have them.
func (h *headerWriter) parameters(name, value string, pairs ...string) {
	out := value
	for i := 0; i+1 < len(pairs); i += 2 {
		key, val := pairs[i], pairs[i+1]
		if printable(val) && len(val) <= 60 {
			out += "; " + key + "=" + quoteString(val)
			continue
		}
		encoded := "utf-8''" + percentEncode(val)
		if len(encoded) <= 60 {
			out += "; " + key + "*=" + encoded
			continue
		}
		for n := 0; encoded != ""; n++ {
			cut := min(50, len(encoded))
			// a "%XX" stays in one piece
			if cut < len(encoded) {
				if at := strings.LastIndexByte(encoded[:cut], '%'); at > cut-3 {
					cut = at
				}
			}
			out += fmt.Sprintf("; %s*%d*=%s", key, n, encoded[:cut])
			encoded = encoded[cut:]
		}
	}
	h.field(name, out)
}

func (h *headerWriter) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}

// headerAddress writes an address for a header.
func headerAddress(a desk.Address) (string, error) {
	spec, err := addrSpec(a.Email)
	if err != nil {
		return "", err
	}
	name := cleanLine(a.Name)
	switch {
	case name == "":
		return spec, nil
	case needsEncoding(name) || len(name) > 200:
		name = encodeWords(name)
	case !atomPhrase(name):
		name = quoteString(name)
	}
	return name + " <" + spec + ">", nil
}

// addrSpec checks an address and gives it as it is written: the domain in ASCII, a local part with odd dots in quotes.
func addrSpec(email string) (string, error) {
	bad := fmt.Errorf("address %q", email)
	at := strings.LastIndexByte(email, '@')
	if at <= 0 || at == len(email)-1 || len(email) > 320 || !utf8.ValidString(email) {
		return "", bad
	}
	local, domain := email[:at], email[at+1:]
	for _, r := range local {
		if unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf) || strings.ContainsRune(`()<>[]:;@\,"`, r) {
			return "", bad
		}
	}
	domain, err := ASCIIDomain(domain)
	if err != nil {
		return "", bad
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		local = `"` + local + `"`
	}
	return local + "@" + domain, nil
}

// ASCIIDomain writes a domain as the network knows it (RFC 5890). One that is ASCII already stays as it is: there are such
// that IDNA would refuse to make, and mail comes from them.
func ASCIIDomain(domain string) (string, error) {
	var err error
	if strings.IndexFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return "", err
		}
	}
	for _, c := range []byte(domain) {
		if c != '-' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", errDomain
		}
	}
	if slices.Contains(strings.Split(domain, "."), "") {
		return "", errDomain
	}
	return domain, nil
}

var errDomain = errors.New("not a domain")

// writableID tells whether an id can stand between angle brackets.
func writableID(id desk.MessageID) bool {
	if id == "" || len(id) > longestWord {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// headerText makes text fit to stand in a header: on one line, and encoded where it has to be.
func headerText(s string) string {
	s = cleanLine(s)
	if needsEncoding(s) {
		return encodeWords(s)
	}
	return s
}

// cleanLine makes any text one line of valid UTF-8 without control characters and byte order marks, which nobody sees and readers
// take off.
func cleanLine(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		if r == '\uFEFF' {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func needsEncoding(s string) bool {
	if !printable(s) || strings.Contains(s, "=?") || strings.Contains(s, "  ") {
		return true
	}
	for word := range strings.SplitSeq(s, " ") {
		if len(word) > longestWord {
			return true
		}
	}
	return false
}

// printable tells whether s is ASCII without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// encodeWords gives s as encoded words (RFC 2047) of at most 75 characters with spaces between, cut between characters.
func encodeWords(s string) string {
	const room = 75 - len("=?utf-8?q??=")
	quoted, plain := 0, 0
	for i := range len(s) {
		if qPlain(s[i]) || s[i] == ' ' {
			plain++
		} else {
			quoted++
		}
	}
	useQ := 2*quoted <= plain // readable as it is, if most of it is ASCII
	var words []string
	var b strings.Builder
	flush := func(start, end int) {
		if start == end {
			return
		}
		b.Reset()
		if useQ {
			b.WriteString("=?utf-8?q?")
			writeQ(&b, s[start:end])
		} else {
			b.WriteString("=?utf-8?b?")
			b.WriteString(base64.StdEncoding.EncodeToString([]byte(s[start:end])))
		}
		b.WriteString("?=")
		words = append(words, b.String())
	}
	start, cost := 0, 0
	for i, r := range s {
		size := utf8.RuneLen(r)
		c := 0
		if useQ {
			for k := range size {
				if qPlain(s[i+k]) || s[i+k] == ' ' {
					c++
				} else {
					c += 3
				}
			}
			if cost+c > room {
				flush(start, i)
				start, cost = i, 0
			}
			cost += c
			continue
		}
		if cost+size > room/4*3 {
			flush(start, i)
			start, cost = i, 0
		}
		cost += size
	}
	flush(start, len(s))
	return strings.Join(words, " ")
}

// qPlain tells which characters the "Q" encoding leaves alone anywhere, a display name included (RFC 2047 section 5).
func qPlain(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

func writeQ(b *strings.Builder, s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case qPlain(c):
			b.WriteByte(c)
		default:
			fmt.Fprintf(b, "=%02X", c)
		}
	}
}

// atomPhrase tells whether a name can stand without quotes.
func atomPhrase(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != ' ' && !qPlain(c) && !strings.ContainsRune("#$%&'^_`{|}~?", rune(c)) {
			return false
		}
	}
	return true
}

func quoteString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// percentEncode encodes all but RFC 2231's attribute characters.
func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '.' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
