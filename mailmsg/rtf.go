package mailmsg

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// rtfDictionary is what the window of compressed RTF begins with (MS-OXRTFCP section 2.1.2.1).
const rtfDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` +
	"\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// decompressRTF gives the RTF of a message as it was (MS-OXRTFCP section 3.1), at most limit bytes; over tells that there is
// more. What is cut off or no RTF gives what there is.
func decompressRTF(b []byte, limit int) (out []byte, over bool) {
	if len(b) < 16 {
		return nil, false
	}
	kind, b := string(b[8:12]), b[16:]
	switch kind {
	case "MELA":
		return b[:min(len(b), limit)], len(b) > limit
	case "LZFu":
	default:
		return nil, false
	}
	const size = 4096
	var window [size]byte
	at := copy(window[:], rtfDictionary)
	put := func(c byte) {
		out = append(out, c)
		window[at] = c
		at = (at + 1) % size
	}
	for len(b) > 0 {
		flags := b[0]
		b = b[1:]
		for bit := range 8 {
			if len(out) >= limit {
				return out[:limit], true
			}
			if flags>>bit&1 == 0 {
				if len(b) == 0 {
					return out, false
				}
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out, false
			}
			ref := binary.BigEndian.Uint16(b)
			b = b[2:]
			from := int(ref >> 4)
			if from == at {
				return out, false
			}
			for range ref&15 + 2 {
				put(window[from])
				from = (from + 1) % size
			}
		}
	}
	return out, false
}

// maxRTFDepth is how deep groups are followed.
const maxRTFDepth = 1000

// rtf reads the text of an RTF document.
type rtf struct {
	out      strings.Builder
	bytes    []byte   // characters in the document's code page, not yet decoded
	units    []uint16 // characters of \u, not yet decoded
	codepage string
	group    rtfGroup
	outer    []rtfGroup
}

type rtfGroup struct {
	hidden bool // its text is none of the document's
	after  int  // characters behind a \u that stand for it where Unicode is unknown
}

// rtfText gives the text of an RTF document, without its forms. HTML that is wrapped in RTF (MS-OXRTFEX) is text as well, as
// for every reader that doesn't know of it.
func rtfText(b []byte) string {
	d := rtf{group: rtfGroup{after: 1}}
	skip := 0 // characters that stand for one that was read
	for len(b) > 0 {
		c := b[0]
		b = b[1:]
		switch c {
		case '{':
			if len(d.outer) == maxRTFDepth {
				b = nil
				continue
			}
			d.outer = append(d.outer, d.group)
			skip = 0
		case '}':
			if n := len(d.outer); n > 0 {
				d.group, d.outer = d.outer[n-1], d.outer[:n-1]
			}
			skip = 0
		case '\r', '\n', 0:
		case '\\':
			var word string
			var n int
			word, n, b = rtfControl(b)
			switch {
			case word == "'":
				if skip > 0 {
					skip--
				} else {
					d.char(byte(n))
				}
			case word == "u":
				d.unit(uint16(n))
				skip = d.group.after
			case word == "bin":
				b = b[min(max(n, 0), len(b)):]
			case len(word) == 1 && strings.Contains(`\{}`, word):
				if skip > 0 {
					skip--
				} else {
					d.char(word[0])
				}
			default:
				d.control(word, n)
			}
		default:
			if skip > 0 {
				skip--
			} else {
				d.char(c)
			}
		}
	}
	d.flush()
	return stripNUL(d.out.String())
}

// rtfControl reads what stands behind a "\": a word with its number, or one character.
func rtfControl(b []byte) (word string, n int, rest []byte) {
	if len(b) == 0 {
		return "", 0, nil
	}
	end := 0
	for end < len(b) && end < 32 && (b[end]|0x20 >= 'a' && b[end]|0x20 <= 'z') {
		end++
	}
	if end == 0 {
		if b[0] == '\'' && len(b) >= 3 && unhex(b[1]) >= 0 && unhex(b[2]) >= 0 {
			return "'", unhex(b[1])<<4 | unhex(b[2]), b[3:]
		}
		return string(b[:1]), 0, b[1:]
	}
	word, b = string(b[:end]), b[end:]
	end = 0
	for end < len(b) && end < 11 && (b[end] >= '0' && b[end] <= '9' || end == 0 && b[end] == '-') {
		end++
	}
	n, err := strconv.Atoi(string(b[:end]))
	if err != nil {
		n = 0
	}
	b = b[end:]
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return word, n, b
}

// control does what a control word says.
func (d *rtf) control(word string, n int) {
	switch word {
	case "ansicpg":
		d.flush()
		d.codepage = codepageName(uint32(max(n, 0)))
	case "uc":
		d.group.after = min(max(n, 0), 16)
	case "*", "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "headerl", "headerr", "footerl",
		"footerr", "listtable", "listoverridetable", "filetbl", "revtbl", "rsidtbl", "generator", "themedata", "xmlnstbl":
		d.group.hidden = true
	case "par", "line", "sect", "page", "row", "\r", "\n":
		d.write('\n')
	case "tab", "cell":
		d.write('\t')
	case "~":
		d.write('\u00A0')
	case "_":
		d.write('-')
	case "emdash":
		d.write('—')
	case "endash":
		d.write('–')
	case "bullet":
		d.write('•')
	case "lquote":
		d.write('‘')
	case "rquote":
		d.write('’')
	case "ldblquote":
		d.write('“')
	case "rdblquote":
		d.write('”')
	}
}

func (d *rtf) write(r rune) {
	if !d.group.hidden {
		d.flush()
		d.out.WriteRune(r)
	}
}

// char takes a character of the code page.
func (d *rtf) char(c byte) {
	if d.group.hidden {
		return
	}
	if len(d.units) > 0 {
		d.flush()
	}
	if c < utf8.RuneSelf && len(d.bytes) == 0 {
		d.out.WriteByte(c)
		return
	}
	d.bytes = append(d.bytes, c) // also ASCII: it may be the second half of a character
}

// unit takes a character, or half of one, of \u.
func (d *rtf) unit(u uint16) {
	if d.group.hidden {
		return
	}
	if len(d.bytes) > 0 {
		d.flush()
	}
	d.units = append(d.units, u)
}

func (d *rtf) flush() {
	if len(d.bytes) > 0 {
		d.out.WriteString(decodeText(d.bytes, d.codepage))
		d.bytes = d.bytes[:0]
	}
	if len(d.units) > 0 {
		d.out.WriteString(string(utf16.Decode(d.units)))
		d.units = d.units[:0]
	}
}
