package mailmsg

import (
	"strings"
)

// value is a header value with parameters, such as Content-Type has.
type value struct {
	main   string // lower-case
	params []field
}

// param gives a parameter's value, or "".
func (v value) param(name string) string {
	for _, p := range v.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// parseValue reads "main; name=value; …". It takes what mailers write: values with blanks or special characters without
// quotes, missing semicolons after them, RFC 2231 and RFC 2047 alike. What is behind maxValue is not read.
func parseValue(s string) value {
	s = clipValue(s)
	main, rest, _ := strings.Cut(s, ";")
	v := value{main: strings.ToLower(strings.TrimSpace(main))}
	var continued []field
	for n := 0; rest != "" && n < 100; n++ {
		var key, val string
		key, val, rest = nextParam(rest)
		if key == "" {
			continue
		}
		if strings.Contains(key, "*") {
			continued = append(continued, field{key, val})
			continue
		}
		if v.param(key) == "" {
			v.params = append(v.params, field{key, val})
		}
	}
	v.extended(continued)
	for i, p := range v.params {
		switch p.name {
		case "filename", "name":
			v.params[i].value = decodeWords(p.value)
		}
	}
	return v
}

// nextParam cuts one "name=value" off.
func nextParam(s string) (key, val, rest string) {
	s = strings.TrimLeft(s, " \t;")
	eq := strings.IndexAny(s, "=;")
	if eq < 0 {
		return "", "", ""
	}
	if s[eq] == ';' {
		return "", "", s[eq+1:]
	}
	key = strings.ToLower(strings.TrimSpace(s[:eq]))
	if i := strings.LastIndexAny(key, " \t"); i >= 0 {
		key = key[i+1:]
	}
	s = strings.TrimLeft(s[eq+1:], " \t")
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
				i++
				b.WriteByte(s[i])
			case s[i] == '"':
				return key, b.String(), s[i+1:]
			default:
				b.WriteByte(s[i])
			}
		}
		return key, b.String(), ""
	}
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	} else {
		rest = s[end+1:]
	}
	return key, strings.TrimSpace(s[:end]), rest
}

// extended joins the pieces of RFC 2231 ("name*0*=", "name*1=", …) and decodes them.
func (v *value) extended(pieces []field) {
	if len(pieces) == 0 {
		return
	}
	type joined struct {
		name    string
		charset string
		bytes   []byte
	}
	var out []*joined
	find := func(name string) *joined {
		for _, j := range out {
			if j.name == name {
				return j
			}
		}
		j := &joined{name: name}
		out = append(out, j)
		return j
	}
	// The pieces come in order from every mailer there is; one that sorts them wrongly gets its own order.
	for _, p := range pieces {
		name, _, _ := strings.Cut(p.name, "*")
		encoded := strings.HasSuffix(p.name, "*")
		j := find(name)
		val := p.value
		if encoded {
			if j.bytes == nil {
				if a := strings.SplitN(val, "'", 3); len(a) == 3 {
					j.charset, val = a[0], a[2]
				}
			}
			j.bytes = append(j.bytes, percentDecode(val)...)
		} else {
			j.bytes = append(j.bytes, val...)
		}
		if j.bytes == nil {
			j.bytes = []byte{}
		}
	}
	for _, j := range out {
		text := decodeText(j.bytes, j.charset)
		replaced := false
		for i := range v.params {
			if v.params[i].name == j.name {
				v.params[i].value, replaced = text, true
			}
		}
		if !replaced {
			v.params = append(v.params, field{j.name, text})
		}
	}
}

func percentDecode(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// mediaTypeToken gives "type/subtype" in lower case, or "" if s is none.
func mediaTypeToken(s string) string {
	s, _, _ = strings.Cut(s, ";")
	s = strings.ToLower(strings.TrimSpace(s))
	if i := strings.IndexAny(s, " \t("); i >= 0 {
		s = s[:i]
	}
	kind, sub, ok := strings.Cut(s, "/")
	if !ok || kind == "" || sub == "" || len(s) > 127 {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`()<>@,;:\"[]?=`, c) >= 0 {
			return ""
		}
	}
	return s
}

// firstToken gives what stands before the first blank, semicolon or comment, in lower case and without quotes.
func firstToken(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if i := strings.IndexAny(s, " \t;("); i >= 0 {
		s = s[:i]
	}
	return strings.Trim(s, `"'`)
}
