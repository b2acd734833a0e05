package mailmsg

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"postern/desk"
)

// textPart reads a part that people read.
func (p *parser) textPart(r io.Reader, ct value, mediaType string, file desk.Attachment) ([]piece, error) {
	room := p.textLeft()
	if room == 0 {
		p.truncated("there is more text than is shown")
		return nil, p.attach(r, file)
	}
	raw, over, err := readUpTo(r, room)
	if err != nil {
		return nil, err
	}
	if over {
		// Cut at the end of a line, or at least of a character.
		cut := bytes.LastIndexByte(raw[:room], '\n') + 1
		if cut < room/2 {
			cut = runeEnd(raw[:room])
		}
		rest := bytes.Clone(raw[cut:])
		raw = raw[:cut]
		p.truncated("a text is longer than %d bytes", p.limits.Text)
		file.Name = "rest-of-text.txt"
		if mediaType == "text/html" {
			file.Name = "rest-of-text.html"
		}
		if err := p.attach(io.MultiReader(bytes.NewReader(rest), r), file); err != nil {
			return nil, err
		}
	}
	p.text += len(raw)
	charset := ct.param("charset")
	if charset == "" && mediaType == "text/html" && !utf8.Valid(raw) {
		charset = metaCharset(raw)
	}
	text := p.decoded(raw, charset)
	if mediaType == "text/html" {
		return []piece{{html: text}}, nil
	}
	if strings.EqualFold(ct.param("format"), "flowed") {
		text = unflow(text, strings.EqualFold(ct.param("delsp"), "yes"))
	}
	if strings.Contains(text, "begin ") {
		var err error
		if text, err = p.uuencoded(text); err != nil {
			return nil, err
		}
	}
	return []piece{{text: text}}, nil
}

// textFile keeps as a file what is text and not meant to be shown: of a kind that is not known, or marked as a file. A mail that
// has nothing else shows it (RFC 2046 section 4.1.4).
func (p *parser) textFile(r io.Reader, ct value, mediaType string, file desk.Attachment) error {
	var head bytes.Buffer
	if err := p.attach(&teeReader{r: r, keep: &head}, file); err != nil {
		return err
	}
	room := p.textLeft()
	raw := head.Bytes()[:min(head.Len(), room)]
	text := p.decoded(raw[:runeEnd(raw)], ct.param("charset"))
	p.text += len(text)
	switch mediaType {
	case "text/html":
		p.spareText(piece{html: text})
	case "text/rtf", "text/richtext":
		p.spareText(piece{text: rtfText(head.Bytes())})
	default:
		p.spareText(piece{text: text})
	}
	return nil
}

func (p *parser) textLeft() int { return max(0, min(p.limits.Text, 2*p.limits.Text-p.text)) }

// decoded makes text of bytes, with "\n" at the end of lines.
func (p *parser) decoded(raw []byte, charset string) string {
	if bytes.IndexByte(raw, 0) < 0 { // else it may be UTF-16
		raw = unixLines(raw)
	}
	text := decodeText(raw, charset)
	if strings.IndexByte(text, '\r') >= 0 {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	return text
}

// unixLines makes "\r\n" and "\r" a "\n", in place.
func unixLines(b []byte) []byte {
	i := bytes.IndexByte(b, '\r')
	if i < 0 {
		return b
	}
	out := i
	for i < len(b) {
		next := bytes.IndexByte(b[i:], '\r')
		if next < 0 {
			next = len(b) - i
		}
		out += copy(b[out:], b[i:i+next])
		i += next
		if i == len(b) {
			break
		}
		b[out] = '\n'
		out++
		i++
		if i < len(b) && b[i] == '\n' {
			i++
		}
	}
	return b[:out]
}

// runeEnd gives the length of b without the piece of a character that may stand at its end.
func runeEnd(b []byte) int {
	for k := 1; k < utf8.UTFMax && k < len(b); k++ {
		if utf8.RuneStart(b[len(b)-k]) {
			if !utf8.FullRune(b[len(b)-k:]) {
				return len(b) - k
			}
			break
		}
	}
	return len(b)
}

// readUpTo reads at most limit bytes; over tells that there are more.
func readUpTo(r io.Reader, limit int) (out []byte, over bool, err error) {
	out = make([]byte, 0, min(limit+1, 4<<10))
	for {
		if len(out) == cap(out) {
			out = slices.Grow(out, len(out))
		}
		n, err := r.Read(out[len(out):min(cap(out), limit+1)])
		out = out[:len(out)+n]
		switch {
		case len(out) > limit:
			return out, true, nil
		case err == io.EOF:
			return out, false, nil
		case err != nil:
			return nil, false, err
		}
	}
}

// unflow joins the lines of format=flowed text (RFC 3676): one that ends in a blank goes on in the next, if both are quoted
// equally deep.
func unflow(text string, delSp bool) string {
	var out strings.Builder
	out.Grow(len(text))
	flowing, flowDepth := false, 0
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		depth := 0
		for depth < len(line) && line[depth] == '>' {
			depth++
		}
		content := line[depth:]
		content = strings.TrimPrefix(content, " ")
		flows := strings.HasSuffix(content, " ") && content != "-- "
		if flows && delSp {
			content = content[:len(content)-1]
		}
		if flowing && depth == flowDepth && content != "-- " {
			out.WriteString(content)
		} else {
			if n > 0 {
				out.WriteByte('\n')
			}
			if depth > 0 {
				out.WriteString(strings.Repeat(">", depth))
				out.WriteByte(' ')
			}
			out.WriteString(content)
		}
		flowing, flowDepth = flows, depth
		n++
	}
	return out.String()
}

// uuencoded takes files out that stand in a text between "begin 644 name" and "end", and keeps them as attachments, as many
// as a mail may have parts.
func (p *parser) uuencoded(text string) (string, error) {
	lines := strings.Split(text, "\n")
	kept := lines[:0:0]
	for i := 0; i < len(lines); i++ {
		name, ok := uuBegin(lines[i])
		if !ok {
			kept = append(kept, lines[i])
			continue
		}
		end := i + 1
		for end < len(lines) && uuData(lines[end]) {
			end++
		}
		if end == i+1 || end == len(lines) || strings.TrimRight(lines[end], " \r") != "end" {
			kept = append(kept, lines[i])
			continue
		}
		if p.parts++; p.parts > p.limits.Parts {
			p.truncated("there are more than %d parts", p.limits.Parts)
			kept = append(kept, lines[i:]...)
			break
		}
		var content []byte
		for _, line := range lines[i+1 : end] {
			content = uuLine(content, []byte(line))
		}
		if err := p.attach(bytes.NewReader(content), desk.Attachment{Name: name, Type: "application/octet-stream"}); err != nil {
			return "", err
		}
		i = end
	}
	return strings.Join(kept, "\n"), nil
}

// uuBegin reads "begin 644 name".
func uuBegin(line string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "begin ")
	if !ok {
		return "", false
	}
	mode, name, ok := strings.Cut(rest, " ")
	if !ok || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" || strings.TrimSpace(name) == "" {
		return "", false
	}
	return name, true
}

// uuData tells whether a line can be uuencoded bytes: its first character says how long it is.
func uuData(line string) bool {
	line = strings.TrimRight(line, "\r")
	if line == "" || line == "end" || line[0] < ' ' || line[0] > '`' {
		return false
	}
	n := int(line[0]-' ') & 63
	return len(line) <= 1+(n+2)/3*4+2 && len(line) >= 1+(n*4+2)/3-2
}
