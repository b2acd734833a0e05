package mailmsg

import (
	"slices"
	"strings"

	"postern/desk"
)

const (
	maxIDs   = 50  // of a References header (REQUIREMENTS M9)
	maxIDLen = 998 // a line of a mail
)

// ParseMessageID reads the one id of a Message-ID header. It answers false for an empty one (REQUIREMENTS M8).
func ParseMessageID(s string) (desk.MessageID, bool) {
	ids := bracketed(s, 1)
	if len(ids) == 0 {
		id := cleanID(strings.Trim(s, "<> \t\r\n"))
		return id, id != ""
	}
	return ids[0], true
}

// ParseMessageIDs reads the ids of a References or In-Reply-To header, oldest first, each once, none empty. Of more than 50
// it keeps the first, which names the thread, and the last ones. Some clients write "Your message of Tuesday <a@b>"
// (RFC 5322 section 4.5.4): what is in the brackets counts, and only without any brackets what looks like an id.
func ParseMessageIDs(s string) []desk.MessageID {
	ids := bracketed(s, 10*maxIDs)
	if len(ids) == 0 {
		for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r <= ' ' || r == ',' || r == '<' || r == '>' }) {
			if id := cleanID(word); id != "" && strings.Contains(word, "@") && len(ids) < 10*maxIDs {
				ids = append(ids, id)
			}
		}
	}
	seen := make(map[desk.MessageID]bool, len(ids))
	ids = slices.DeleteFunc(ids, func(id desk.MessageID) bool {
		had := seen[id]
		seen[id] = true
		return had
	})
	if len(ids) > maxIDs {
		ids = append(ids[:1:1], ids[len(ids)-maxIDs+1:]...)
	}
	return ids
}

// bracketed gives up to limit ids that stand between angle brackets.
func bracketed(s string, limit int) []desk.MessageID {
	var out []desk.MessageID
	for len(out) < limit {
		_, after, ok := strings.Cut(s, "<")
		if !ok {
			break
		}
		inner, rest, ok := strings.Cut(after, ">")
		if !ok {
			break
		}
		if i := strings.LastIndexByte(inner, '<'); i >= 0 {
			inner = inner[i+1:]
		}
		if id := cleanID(inner); id != "" {
			out = append(out, id)
		}
		s = rest
	}
	return out
}

// cleanID takes out what folding and bad mailers put into an id; "" if nothing is left, or far too much.
func cleanID(s string) desk.MessageID {
	if len(s) > maxIDLen {
		return ""
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' }
	s = strings.ToValidUTF8(s, "")
	if strings.ContainsFunc(s, bad) {
		s = strings.Map(func(r rune) rune {
			if bad(r) {
				return -1
			}
			return r
		}, s)
	}
	if strings.Trim(s, "@") == "" {
		return ""
	}
	return desk.MessageID(s)
}

// originalIDs gives the ids our mail had before a provider put its own in their place (REQUIREMENTS M5).
func originalIDs(h header) []desk.MessageID {
	var out []desk.MessageID
	for i := range h {
		switch h[i].name {
		case "x-microsoft-original-message-id", "x-google-original-message-id", strings.ToLower(IDField):
			if id, ok := ParseMessageID(h[i].value); ok && len(out) < maxIDs {
				out = append(out, id)
			}
		}
	}
	return out
}
