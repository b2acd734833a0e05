package safehtml

import (
	"html"
	"strings"
	"unicode/utf8"
)

// FromText gives text as HTML: a paragraph where there are empty lines, a line where there is a line, and links where there
// are web and mail addresses. All else is escaped.
func FromText(text string) string {
	if strings.IndexByte(text, '\r') >= 0 || strings.IndexByte(text, 0) >= 0 {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(text)
	}
	text = strings.Trim(text, "\n")
	if strings.TrimSpace(text) == "" {
		return ""
	}
	var b strings.Builder
	b.Grow(len(text) + len(text)/4 + 16)
	colon := strings.IndexByte(text, ':') >= 0
	links := colon && strings.Contains(text, "://") || strings.Contains(text, "www.") || colon && strings.Contains(text, "mailto:")
	open := false
	for text != "" {
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			end = len(text)
		}
		line := text[:end]
		text = text[min(end+1, len(text)):]
		for line != "" && (line[len(line)-1] == ' ' || line[len(line)-1] == '\t') {
			line = line[:len(line)-1]
		}
		switch {
		case line == "":
			if open {
				b.WriteString("</p>\n")
			}
			open = false
			continue
		case open:
			b.WriteString("<br>\n")
		default:
			b.WriteString("<p>")
			open = true
		}
		if links {
			writeLinked(&b, line)
		} else {
			escape(&b, line)
		}
	}
	if open {
		b.WriteString("</p>")
	}
	return strings.TrimRight(b.String(), "\n")
}

// escape writes text as html.EscapeString does.
func escape(b *strings.Builder, s string) {
	start := 0
	for i := range len(s) {
		entity := entities[s[i]]
		if entity == "" {
			continue
		}
		b.WriteString(s[start:i])
		b.WriteString(entity)
		start = i + 1
	}
	b.WriteString(s[start:])
}

// entities holds what stands for the characters that mean something in HTML, and for a carriage return, which would else be
// read as a line end.
var entities = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&#34;", '\'': "&#39;", '\r': "&#13;"}

// maxLink is the longest word that links are looked for in.
const maxLink = 2000

// writeLinked writes a line with its links.
func writeLinked(b *strings.Builder, line string) {
	if !strings.Contains(line, "://") && !strings.Contains(line, "www.") && !strings.Contains(line, "mailto:") {
		escape(b, line)
		return
	}
	for line != "" {
		end := strings.IndexAny(line, " \t")
		switch end {
		case -1:
			end = len(line)
		case 0:
			end = 1
		}
		writeWord(b, line[:end])
		line = line[end:]
	}
}

func writeWord(b *strings.Builder, word string) {
	i := -1
	if len(word) <= maxLink {
		i = linkStart(word)
	}
	if i < 0 {
		escape(b, word)
		return
	}
	end := i + linkEnd(word[i:])
	shown := word[i:end]
	target := shown
	if strings.HasPrefix(target, "www.") {
		target = "https://" + target
	}
	b.WriteString(html.EscapeString(word[:i]))
	if href, ok := safeLink(target); ok {
		b.WriteString(`<a href="` + html.EscapeString(href) + `" rel="` + linkRel + `" target="_blank">`)
		b.WriteString(html.EscapeString(shown) + "</a>")
	} else {
		b.WriteString(html.EscapeString(shown))
	}
	b.WriteString(html.EscapeString(word[end:]))
}

// linkStart finds where a link begins: not in the middle of a word.
func linkStart(s string) int {
	best := -1
	for _, prefix := range []string{"http://", "https://", "www.", "mailto:"} {
		if i := strings.Index(s, prefix); i >= 0 && (best < 0 || i < best) && (i == 0 || !wordByte(s[i-1])) {
			best = i
		}
	}
	return best
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
}

// linkEnd finds where a link ends: before a blank, a quote or a bracket, and before the full stop of its sentence.
func linkEnd(s string) int {
	end := strings.IndexAny(s, " \t<>\"\u00a0")
	if end < 0 {
		end = len(s)
	}
	for end > 0 {
		c := s[end-1]
		if strings.IndexByte(".,;:!?'*]}", c) >= 0 || c == ')' && strings.Count(s[:end], "(") < strings.Count(s[:end], ")") {
			end--
			continue
		}
		break
	}
	return max(end, 1)
}
