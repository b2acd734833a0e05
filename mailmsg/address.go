package mailmsg

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"postern/desk"
)

const (
	maxAddresses   = 1000
	maxAddressText = 256 << 10
)

// parseAddresses reads the addresses of a header value, and keeps what can be used of each. sure is false where a value can
// be read in more than one way, or is not written as RFC 5322 wants it (REQUIREMENTS A2).
func parseAddresses(s string) (list []desk.Address, sure bool) {
	sure = true
	if len(s) > maxAddressText {
		s, sure = s[:maxAddressText], false
	}
	for s != "" && len(list) < maxAddresses {
		item, rest, group := nextAddress(s)
		s = rest
		if group {
			sure = false
		}
		if strings.TrimSpace(item) == "" {
			continue
		}
		a, ok := parseAddress(item)
		if !ok {
			sure = false
		}
		if a.Email != "" {
			list = append(list, a)
		}
	}
	return list, sure
}

// nextAddress cuts off what stands before the next "," or ";" outside of quotes, comments and angle brackets. group is set
// where a group's name stood before it, or its end behind it.
func nextAddress(s string) (item, rest string, group bool) {
	quoted, comment, angle := false, 0, false
	start := len(s) - len(strings.TrimLeft(s, " \t\r\n"))
	// What is asked again and again is found once, so that no list takes time beyond its length.
	lastClose, looked, at := strings.LastIndexByte(s, '>'), start, false
	hasAt := func(end int) bool {
		at = at || looked < end && strings.IndexByte(s[looked:end], '@') >= 0
		looked = end
		return at
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\': // RFC 821 had it outside of quotes too
			i++
		case quoted:
			quoted = c != '"'
		case c == '(':
			comment++
		case comment > 0:
			if c == ')' {
				comment--
			}
		case c == '"':
			// a quote that is never closed is a character like any other
			quoted = strings.IndexByte(s[i+1:], '"') >= 0
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case angle:
			// a "<" that is not closed before the next address is a slip of the pen
			if c == ',' && (lastClose < i || hasAt(i)) {
				return s[start:i], s[i+1:], group
			}
		case c == ':' && !group:
			// "undisclosed-recipients:;", but not "mailto:ann@example.com"
			if !hasAt(i) && !strings.EqualFold(strings.TrimSpace(s[start:i]), "mailto") {
				group = true
				start, looked, at = i+1, i+1, false
			}
		case c == ',':
			return s[start:i], s[i+1:], group
		case c == ';':
			return s[start:i], s[i+1:], group
		}
	}
	return s[start:], "", group
}

// parseAddress reads one address. What can't be read for sure gives the address that a person sees there, if it is the
// only one, or none: never a part of another one, or it would be somebody else's.
func parseAddress(s string) (a desk.Address, sure bool) {
	sure = true
	display, spec := "", s
	open := unquotedIndex(s, '<')
	if open >= 0 {
		display, spec = s[:open], s[open+1:]
		if end := unquotedIndex(spec, '>'); end >= 0 && strings.TrimSpace(spec[end+1:]) == "" {
			spec = spec[:end]
		} else {
			sure = false
		}
	}
	spec, comment, joined := stripComments(spec)
	if comment != "" {
		first, last := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
		if open >= 0 || strings.TrimSpace(s[:first]) != "" && strings.TrimSpace(s[last+1:]) != "" {
			sure = false // a comment in the middle
		} else if strings.Contains(spec, "@") {
			display = comment
		}
	}
	spec = strings.TrimSpace(spec)
	if rest, ok := cutPrefixFold(spec, "mailto:"); ok {
		spec, sure = rest, false
	}
	if strings.HasPrefix(spec, "@") {
		if _, after, ok := strings.Cut(spec, ":"); ok { // an obsolete route: <@relay:ann@example.com>
			spec, sure = after, false
		}
	}
	if local, domain, ok := cutQuoted(spec); ok && strings.HasPrefix(domain, "@") {
		// a local part in quotes: allowed, used by nobody honest
		a.Name = displayName(display)
		if whole := strings.ToLower(local + domain); utf8.ValidString(local) && roughEmail(whole) == whole {
			a.Email = whole
		}
		return a, false
	}
	if open >= 0 && strings.ContainsAny(spec, blanks) && !strings.ContainsAny(spec, "<>") {
		spec, sure = blanksRoundDots.ReplaceAllString(spec, "$1"), false // RFC 5322 section 4.4
	} else if strings.ContainsAny(spec, blanks+"<>") {
		words := spec
		spec, sure = onlyAddress(words), false
		if open < 0 && display == "" {
			display, _, _ = strings.Cut(words, spec)
		}
	}
	if strings.Contains(spec, "=?") || strings.ContainsAny(spec, `"()\`) {
		sure = false
	}
	a.Name = displayName(display)
	if joined || strings.ContainsRune(spec, utf8.RuneError) {
		return a, false
	}
	if email, ok := desk.NormalizeEmail(shortForm(spec)); ok {
		a.Email = email
		sure = sure && oneScript(desk.DomainOf(email))
	} else {
		sure = false
		a.Email = networkForm(roughEmail(shortForm(spec)))
	}
	return a, sure
}

// networkForm writes the domain of an address that breaks other rules as it goes over the network, if it can be.
func networkForm(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if normal, valid := desk.NormalizeDomain(domain); ok && valid && !ascii([]byte(domain)) {
		return local + "@" + normal
	}
	return email
}

// shortForm writes the domain of an address with as few characters as it can be written with.
func shortForm(spec string) string {
	local, domain, ok := strings.Cut(spec, "@")
	if !ok || ascii([]byte(domain)) {
		return spec
	}
	return local + "@" + norm.NFC.String(domain)
}

// oneScript tells whether no label of a domain has Latin letters and such that look like them: nobody honest does that.
func oneScript(domain string) bool {
	if !strings.Contains(domain, "xn--") {
		return true
	}
	letters, err := idna.Punycode.ToUnicode(domain)
	return err == nil && !slices.ContainsFunc(strings.Split(letters, "."), mixesScripts)
}

func mixesScripts(label string) bool {
	return strings.ContainsFunc(label, func(r rune) bool { return unicode.Is(unicode.Latin, r) }) &&
		strings.ContainsFunc(label, func(r rune) bool {
			return unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee)
		})
}

const blanks = " \t\r\n"

var blanksRoundDots = regexp.MustCompile(`\s*([.@])\s*`)

// roughEmail keeps an address that breaks the rules but may work, such as one with two dots in its local part; "" if it
// can't be one. It takes away what stands around an address by mistake, never what is in it.
func roughEmail(spec string) string {
	hidden := func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf)
	}
	spec = strings.TrimRightFunc(strings.ToLower(spec), func(r rune) bool { return hidden(r) || strings.ContainsRune(">,;", r) })
	for _, quote := range []string{"'", `"`} {
		if inner, ok := strings.CutSuffix(spec, quote); ok {
			spec = strings.TrimPrefix(inner, quote)
		}
	}
	spec = strings.TrimLeft(spec, `<"`)
	at := strings.LastIndexByte(spec, '@')
	if at <= 0 || at == len(spec)-1 || len(spec) > 254 || strings.ContainsAny(spec[:at], "@") || strings.ContainsAny(spec, `<>()[]",;:\`) || strings.ContainsFunc(spec, hidden) {
		return ""
	}
	return spec
}

// cutQuoted takes a quoted string off the front, and its quotes and backslashes off that.
func cutQuoted(s string) (content, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unquote(s[:i+1]), s[i+1:], true
		}
	}
	return "", s, false
}

// displayName decodes a name: quotes and comments off, encoded words read even inside quotes, nothing invisible left.
func displayName(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, `"\`) {
		s = unquote(s)
	}
	s = headerLine(s)
	// "'Ann'" and encoded quotes around the whole name
	for len(s) >= 2 && (s[0] == '"' && s[len(s)-1] == '"' || s[0] == '\'' && s[len(s)-1] == '\'') {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	return visible(s)
}

// visible takes away what nobody sees, and what is too much for a name.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		if bidiOrZeroWidth(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "")
	}
	return strings.TrimSpace(s)
}

// bidiOrZeroWidth covers what makes a text look like another one. The joiners are left: Persian and emoji need them.
func bidiOrZeroWidth(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x200B || r == 0x200E || r == 0x200F || r == 0x2060 || r == 0xFEFF || r == 0x061C
}

// unquote takes quotes and backslashes away.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func unquotedIndex(s string, c byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted && strings.IndexByte(s[i+1:], '"') >= 0
		case s[i] == c && !quoted:
			return i
		}
	}
	return -1
}

// stripComments takes "(…)" out and gives the first one's content. joined tells that a comment stood in the middle of a
// word: without it, the halves would be another word.
func stripComments(s string) (without, comment string, joined bool) {
	if strings.IndexByte(s, '(') < 0 {
		return s, "", false
	}
	var out, in strings.Builder
	depth, seen, quoted, ended := 0, 0, false, false
	put := func(c byte) {
		if ended && out.Len() > 0 && wordByte(out.String()[out.Len()-1]) && wordByte(c) {
			joined = true
		}
		ended = false
		out.WriteByte(c)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			i++
			if depth == 0 {
				put(c)
				put(s[i])
			} else if seen == 1 {
				in.WriteByte(s[i])
			}
		case c == '"' && depth == 0:
			quoted = !quoted
			put(c)
		case c == '(' && !quoted:
			if depth == 0 {
				seen++
			} else if seen == 1 {
				in.WriteByte(c)
			}
			depth++
		case c == ')' && depth > 0:
			depth--
			if depth > 0 && seen == 1 {
				in.WriteByte(c)
			}
			ended = depth == 0
		case depth > 0:
			if seen == 1 {
				in.WriteByte(c)
			}
		default:
			put(c)
		}
	}
	return out.String(), in.String(), joined
}

func wordByte(c byte) bool { return strings.IndexByte(" \t\r\n.@<>:", c) < 0 }

// onlyAddress gives the word that has an "@", if all that have one are the same. Words end at blanks and angle brackets; a
// quoted string is a part of its word, and is a name if it is all of it. A word with a dot or an "@" at its end goes on
// behind the blank.
func onlyAddress(words string) string {
	only, quoted, start, dangling := "", false, 0, false
	for i := 0; i <= len(words); i++ {
		if i < len(words) {
			switch c := words[i]; {
			case c == '\\':
				i++
				continue
			case c == '"':
				quoted = !quoted && strings.IndexByte(words[i+1:], '"') >= 0
				continue
			case quoted || strings.IndexByte(blanks+"<>", c) < 0:
				continue
			}
		}
		word := strings.Trim(words[start:min(i, len(words))], "()")
		start = min(i+1, len(words))
		if word == "" {
			continue
		}
		if _, rest, isName := cutQuoted(word); strings.Contains(word, "@") && !(isName && rest == "") {
			if only != "" && !strings.EqualFold(only, word) || dangling {
				return ""
			}
			only = word
		} else if only != "" && strings.HasPrefix(word, ".") {
			return ""
		}
		dangling = strings.HasSuffix(word, ".") || strings.HasSuffix(word, "@")
		if only == word && (dangling || strings.HasPrefix(word, ".") || strings.HasPrefix(word, "@")) {
			return ""
		}
	}
	return only
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// sender decides who a mail is from: the one address of its one From field (REQUIREMENTS A1, A2). unsure is set where
// anything about that is in doubt; the address is then for reading only. It reads other fields of that kind as well.
func sender(h header, field string) (from desk.Address, unsure bool) {
	fields := h.all(field)
	if len(fields) == 0 {
		return desk.Address{}, true
	}
	list, sure := parseAddresses(fields[0])
	if len(list) == 0 {
		name := displayName(fields[0])
		if strings.Contains(name, "@") { // as it was written: a part of it must not look like an address
			name = visible(headerLine(fields[0]))
		}
		if strings.Trim(name, "<> ") == "" {
			name = ""
		}
		return desk.Address{Name: name}, true
	}
	if len(fields) > 1 || len(list) > 1 {
		return desk.Address{}, true
	}
	if !sure || len(fields[0]) > 4096 || hasHiddenCharacters(fields[0]) {
		return list[0], true
	}
	if plainAddress(fields[0], list[0].Email) {
		return list[0], false
	}
	// A second reader, written by others: where both understand the value they have to agree.
	if others, err := mail.ParseAddressList(fields[0]); err == nil {
		if len(others) != 1 || !sameAddress(others[0].Address, list[0].Email) {
			return list[0], true
		}
	}
	return list[0], false
}

// plainAddress tells whether a field is words and one address in angle brackets, with nothing in it that readers differ about.
func plainAddress(field, email string) bool {
	i := strings.IndexByte(field, '<')
	return i >= 0 && strings.Count(field, "@") == 1 && !strings.ContainsAny(field, `",;:()[]\`) &&
		strings.EqualFold(strings.TrimSpace(field[i:]), "<"+email+">")
}

// sameAddress tells whether another reader found the address that we have normalised.
func sameAddress(other, email string) bool {
	if strings.EqualFold(other, email) {
		return true
	}
	normal, ok := desk.NormalizeEmail(shortForm(other))
	return ok && normal == email
}

// hasHiddenCharacters tells of control and bidirectional characters, also inside encoded words.
func hasHiddenCharacters(s string) bool {
	hidden := func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' || bidiOrZeroWidth(r)
	}
	return strings.ContainsFunc(s, hidden) || strings.Contains(s, "=?") && strings.ContainsFunc(decodeWords(s), hidden)
}

// deliveredTo gives the addresses the mail was delivered to, as the servers on the way noted them.
func deliveredTo(h header) []string {
	var out []string
	for i := range h {
		switch h[i].name {
		case "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to":
			list, _ := parseAddresses(h[i].value)
			for _, a := range list {
				if len(out) < 100 {
					out = append(out, a.Email)
				}
			}
		}
	}
	return out
}
