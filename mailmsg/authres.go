package mailmsg

import (
	"strings"

	"postern/desk"
)

// Bounds of what is read of Authentication-Results. A receiver writes one to three fields, at the top.
const (
	maxAuthFields  = 20
	maxAuthResults = 100 // of one field
	maxAuthProps   = 50  // of one result
)

// authResults gives the topmost Authentication-Results fields, each with how many Received fields stand above it.
func authResults(h header) []desk.AuthResults {
	var out []desk.AuthResults
	received := 0
	for i := range h {
		switch h[i].name {
		case "received":
			received++
		case "authentication-results":
			if len(out) == maxAuthFields {
				return out
			}
			a := parseAuthResults(h[i].value)
			a.Below = received
			out = append(out, a)
		}
	}
	return out
}

// parseAuthResults reads an Authentication-Results value (RFC 8601 section 2.2). It takes what servers write beside that: no
// authserv-id, words that belong to nothing, values with any characters. A comment or a quote that doesn't end makes the field
// Broken: where it was to end, nobody knows.
func parseAuthResults(s string) (a desk.AuthResults) {
	r := authReader{s: strings.ToValidUTF8(strings.Map(noControl, clipValue(s)), "\uFFFD")}
	a.Broken = len(s) > maxValue
	for first := true; r.at < len(r.s); first = false {
		result, words := r.resinfo(&a)
		switch {
		case result.Method != "" && len(a.Results) == maxAuthResults:
			a.Broken = true
		case result.Method != "":
			a.Results = append(a.Results, result)
		}
		if first && len(words) > 0 {
			a.ServID = lowerASCII(words[0])
			if len(words) > 1 && strings.Trim(words[1], "0123456789") == "" && words[1] != "1" {
				a.Broken = true
			}
		}
	}
	a.Broken = a.Broken || r.open
	return a
}

func noControl(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// authReader goes once over a value.
type authReader struct {
	s    string
	at   int
	open bool // a comment or a quote has no end
}

// resinfo reads up to and with the next ";". words are those before the method: in the first resinfo the authserv-id and the
// version.
func (r *authReader) resinfo(a *desk.AuthResults) (result desk.AuthResult, words []string) {
	for {
		r.skip()
		switch {
		case r.at == len(r.s):
			return result, words
		case r.s[r.at] == ';':
			r.at++
			return result, words
		}
		key := r.key()
		if !r.take('=') {
			if result.Method == "" && len(words) < 2 {
				words = append(words, key)
			}
			continue
		}
		val := r.value()
		switch key = lowerASCII(key); {
		case result.Method == "":
			result.Method, result.Result = strings.TrimSuffix(key, "/1"), lowerASCII(val)
		case key == "reason":
			result.Reason = val
		case len(result.Props) == maxAuthProps:
			a.Broken = true
		default:
			result.Props = append(result.Props, desk.AuthProp{Name: key, Value: val})
		}
	}
}

// skip passes over blanks and comments.
func (r *authReader) skip() {
	depth := 0
	for ; r.at < len(r.s); r.at++ {
		switch c := r.s[r.at]; {
		case c == '(':
			depth++
		case depth > 0 && c == ')':
			depth--
		case depth > 0 && c == '\\':
			r.at++
		case depth == 0 && c > ' ':
			return
		}
	}
	r.at = min(r.at, len(r.s))
	r.open = r.open || depth > 0
}

// take passes over c, if it comes next.
func (r *authReader) take(c byte) bool {
	r.skip()
	if r.at < len(r.s) && r.s[r.at] == c {
		r.at++
		return true
	}
	return false
}

// key reads a word up to "=", with the blanks and comments that RFC 8601 allows round its "." and "/" left out.
func (r *authReader) key() string {
	if r.at < len(r.s) && r.s[r.at] == '"' {
		return r.quoted()
	}
	var b strings.Builder
	for {
		from := r.at
		r.until("=")
		b.WriteString(r.s[from:r.at])
		joined := r.at > from && strings.IndexByte("./", r.s[r.at-1]) >= 0
		r.skip()
		if r.at == len(r.s) || r.s[r.at] == ';' || r.s[r.at] == '=' || !joined && strings.IndexByte("./", r.s[r.at]) < 0 {
			return b.String()
		}
	}
}

// value reads what stands behind "=": a word, a quoted string, or one with more behind it, as local parts in quotes have.
func (r *authReader) value() string {
	r.skip()
	head := ""
	if r.at < len(r.s) && r.s[r.at] == '"' {
		head = r.quoted()
	}
	from := r.at
	r.until("")
	return head + r.s[from:r.at]
}

// until goes to the next blank, comment or ";", or one of the stops.
func (r *authReader) until(stops string) {
	for ; r.at < len(r.s); r.at++ {
		if c := r.s[r.at]; c <= ' ' || c == ';' || c == '(' || strings.IndexByte(stops, c) >= 0 {
			return
		}
	}
}

func (r *authReader) quoted() string {
	var b strings.Builder
	for r.at++; r.at < len(r.s); r.at++ {
		switch c := r.s[r.at]; {
		case c == '\\' && r.at+1 < len(r.s):
			r.at++
			b.WriteByte(r.s[r.at])
		case c == '"':
			r.at++
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	r.open = true
	return b.String()
}

// lowerASCII leaves other letters alone: some of them have a plain one as their lower case.
func lowerASCII(s string) string {
	b := []byte(s)
	lower(b)
	return string(b)
}
