package safehtml

import "strings"

// narrow tells whether s is HTML of the one form in which the cleaner writes what is stored: text, and tags of its list with
// their attributes in double quotes, each of them known to be harmless, with an entity for each character that could be read
// as anything else. All that reads HTML finds the same elements there, for it has no comment, no raw text, no drawing and no
// broken tag. It shares no code with the cleaner and knows no HTML but this, so what the cleaner should let slip is not narrow.
func narrow(s string) bool {
	for {
		text, rest := upToSpecial(s)
		if rest == "" {
			return true
		}
		if rest[0] != '<' {
			return false
		}
		s = s[len(text)+1:]
		var ok bool
		if strings.HasPrefix(s, "/") {
			var tag string
			tag, s = upToNoName(s[1:])
			ok = narrowTags[tag]
		} else {
			s, ok = narrowStart(s)
		}
		if s, ok = cutAfter(s, ">", ok); !ok {
			return false
		}
	}
}

// narrowStart reads a start tag behind its "<", up to its ">".
func narrowStart(s string) (rest string, ok bool) {
	tag, s := upToNoName(s)
	if !narrowTags[tag] && tag != "img" && tag != "br" && tag != "hr" {
		return s, false
	}
	for strings.HasPrefix(s, " ") {
		var key, value string
		key, s = upToNoName(s[1:])
		if s, ok = cutAfter(s, `="`, true); !ok {
			return s, false
		}
		value, s = upToSpecial(s)
		if s, ok = cutAfter(s, `"`, narrowAttribute(tag, key, value)); !ok {
			return s, false
		}
	}
	return s, true
}

func narrowAttribute(tag, key, value string) bool {
	switch tag + " " + key {
	case "a href":
		return hasAnyPrefix(value, "https://", "http://", "mailto:", "tel:")
	case "a rel":
		return value == "noopener noreferrer nofollow"
	case "a target":
		return value == "_blank"
	case "img src":
		return hasAnyPrefix(value, "cid:", "data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,", "data:image/webp;base64,")
	case "img alt":
		return true
	case "img width", "img height", "td colspan", "td rowspan", "th colspan", "th rowspan", "ol start":
		return value != "" && len(value) <= 6 && strings.Trim(value, "0123456789") == ""
	case "blockquote type":
		return value == "cite"
	}
	return key == "dir" && (value == "rtl" || value == "ltr" || value == "auto")
}

// narrowTags are the elements that hold others or text. None of them can act, and none changes how the text in it is read.
var narrowTags = map[string]bool{
	"p": true, "div": true, "b": true, "strong": true, "i": true, "em": true, "u": true, "s": true, "strike": true, "del": true, "ins": true, "sub": true, "sup": true, "small": true,
	"code": true, "pre": true, "kbd": true, "samp": true, "tt": true, "blockquote": true, "q": true, "cite": true, "ul": true, "ol": true, "li": true, "dl": true, "dt": true, "dd": true,
	"table": true, "caption": true, "thead": true, "tbody": true, "tfoot": true, "tr": true, "th": true, "td": true, "a": true, "h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true,
	"abbr": true, "mark": true,
}

// upToSpecial cuts s before the first character that needs an entity.
func upToSpecial(s string) (plain, rest string) {
	for i := range len(s) {
		if entities[s[i]] != "" && s[i] != '&' || s[i] == 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// upToNoName cuts s behind the name of an element or an attribute.
func upToNoName(s string) (name, rest string) {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '1' || c > '6') {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func cutAfter(s, prefix string, ok bool) (string, bool) {
	rest, found := strings.CutPrefix(s, prefix)
	return rest, ok && found
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
