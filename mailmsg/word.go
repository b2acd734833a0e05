package mailmsg

import (
	"strings"
)

// maxValue is how much of a header value is decoded, in bytes. What people write is far shorter.
const maxValue = 64 << 10

func clipValue(s string) string { return s[:min(len(s), maxValue)] }

// decodeWords decodes a header value for people: encoded words (RFC 2047) wherever they stand, and plain bytes beyond ASCII.
// Neighbouring words in one charset are decoded together, because mailers cut characters in two.
func decodeWords(s string) string {
	s = clipValue(s)
	if !strings.Contains(s, "=?") {
		return decodePlain(s)
	}
	tail := len(s) - strings.LastIndex(s, "?=") // in fewer bytes no word ends
	var out strings.Builder
	var pending []byte
	pendingCharset := ""
	flush := func() {
		if pending != nil {
			out.WriteString(decodeText(pending, pendingCharset))
			pending = nil
		}
	}
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		name, raw, rest, ok := cutWord(s[i:])
		if !ok {
			flush()
			out.WriteString(decodePlain(s[:i+2]))
			s = s[i+2:]
			if len(s) < tail {
				break
			}
			continue
		}
		between := s[:i]
		if pending == nil || strings.Trim(between, " \t\r\n") != "" {
			flush()
			out.WriteString(decodePlain(between))
		}
		if pending != nil && name != pendingCharset {
			flush()
		}
		if pending == nil {
			pending = []byte{}
		}
		pendingCharset = name
		pending = append(pending, raw...)
		s = rest
	}
	flush()
	out.WriteString(decodePlain(s))
	return out.String()
}

// maxWord is how long a word may be (RFC 2047 section 2), as far as we have to guess where it ends.
const maxWord = 77

// cutWord takes the encoded word that s begins with.
func cutWord(s string) (charset string, raw []byte, rest string, ok bool) {
	body := s[2:]
	q := strings.IndexByte(body, '?')
	if q <= 0 || q > 64 || q+2 >= len(body) || body[q+2] != '?' {
		return "", nil, "", false
	}
	charset = strings.ToLower(body[:q])
	charset, _, _ = strings.Cut(charset, "*") // RFC 2231 section 5 adds the language
	if strings.ContainsAny(charset, " \t\"<>@") {
		return "", nil, "", false
	}
	encoding, text := body[q+1]|0x20, body[q+3:]
	if encoding != 'b' && encoding != 'q' {
		return "", nil, "", false
	}
	end := strings.Index(text, "?=")
	if end < 0 {
		return "", nil, "", false
	}
	// "=?utf-8?q?a?=3D?=": the first "?=" may belong to a badly written "?" before an encoded character.
	if encoding == 'q' {
		for end+3 < len(text) && unhex(text[end+2]) >= 0 && unhex(text[end+3]) >= 0 {
			next := strings.Index(text[end+2:min(end+2+maxWord, len(text))], "?=")
			if next < 0 || strings.Contains(text[end+2:end+2+next], "=?") {
				break
			}
			end += 2 + next
		}
	}
	rest = text[end+2:]
	text = text[:end]
	if encoding == 'b' {
		return charset, cleanBase64(text), rest, true
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '_':
			out = append(out, ' ')
		case text[i] == '=' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0:
			out = append(out, byte(unhex(text[i+1])<<4|unhex(text[i+2])))
			i += 2
		default:
			out = append(out, text[i])
		}
	}
	return charset, out, rest, true
}

// decodePlain decodes what is not an encoded word.
func decodePlain(s string) string {
	if printable(s) {
		return s
	}
	return decodeText([]byte(s), "")
}

// headerLine decodes a header value into one line for people.
func headerLine(s string) string {
	s = decodeWords(s)
	if printable(s) && !strings.Contains(s, "  ") {
		return strings.TrimSpace(s)
	}
	return strings.Join(strings.Fields(cleanLine(s)), " ")
}
