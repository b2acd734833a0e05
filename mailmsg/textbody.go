package mailmsg

import (
	"bytes"
	"strings"

	"postern/desk"
)

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
