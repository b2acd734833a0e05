package mailmsg

import (
	"bytes"
	"io"
	"strings"

	"postern/desk"
)

// entity reads one part, whose header has been read, up to the boundary that ends it.
func (p *parser) entity(h header, depth int, parent string) ([]piece, error) {
	var ct value
	if raw := h.get("content-type"); raw != "" {
		ct = parseValue(raw)
	}
	mediaType := mediaTypeToken(ct.main)
	switch {
	case mediaType == "" && parent == "multipart/digest":
		mediaType = "message/rfc822"
	case mediaType == "":
		mediaType = "text/plain"
		if h.get("content-type") != "" && ct.main != "text" {
			p.defect("a content type can't be read")
			if parent != "" && ct.main != "" {
				mediaType = "application/octet-stream"
			}
		}
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		return p.leaf(h, ct, mediaType, parent)
	}
	if depth >= p.limits.Depth {
		p.truncated("parts are nested deeper than %d", p.limits.Depth)
		return nil, p.attach(p.src.open(), desk.Attachment{Name: "nested-parts.bin", Type: "application/octet-stream"})
	}
	if mediaType == "multipart/report" {
		p.reports.kind(ct.param("report-type"))
	}
	return p.multipart(h, ct, mediaType, depth)
}

func (p *parser) multipart(h header, ct value, mediaType string, depth int) ([]piece, error) {
	boundary := strings.TrimRight(ct.param("boundary"), " \t\r\n")
	if boundary == "" || len(boundary) > maxBoundary/2 {
		if boundary = p.guessBoundary(); boundary == "" {
			p.defect("a multipart has no boundary")
			return p.leaf(h, value{main: "text/plain"}, "text/plain", "")
		}
		p.defect("a multipart doesn't say its boundary")
	}
	if by := p.encodedParts(h.get("content-transfer-encoding"), boundary); by != nil {
		return p.readEncoded(by, boundary, mediaType, depth)
	}
	return p.readParts(boundary, mediaType, depth)
}

// leaf reads a part that is no multipart.
func (p *parser) leaf(h header, ct value, mediaType, parent string) ([]piece, error) {
	b := p.src.open()
	text := mediaType == "text/plain" || mediaType == "text/html"
	r, known := decoder(b, h.get("content-transfer-encoding"), text)
	if !known {
		p.defect("a part's encoding is unknown")
	}
	disposition := parseValue(h.get("content-disposition"))
	name := disposition.param("filename")
	if name == "" {
		name = ct.param("name")
	}
	file := desk.Attachment{
		Name:   name,
		Type:   mediaType,
		Inline: firstToken(disposition.main) == "inline" || disposition.main == "" && (parent == "multipart/related" || h.has("content-id")),
	}
	if id, ok := ParseMessageID(h.get("content-id")); ok {
		file.ContentID = string(id)
	}
	attached := firstToken(disposition.main) == "attachment"
	switch {
	case isTNEF(mediaType, name):
		return nil, p.tnefPart(r, file)
	case text && !attached && (name == "" || parent == ""):
		return p.textPart(r, ct, mediaType, file)
	case isCalendar(mediaType, name):
		return nil, p.calendarPart(r, ct, file)
	case mediaType == "message/rfc822" || mediaType == "message/global":
		return nil, p.enclosedMail(r, mediaType, file)
	case reportType(mediaType):
		return nil, p.report(r, mediaType, file)
	case strings.HasPrefix(mediaType, "text/") && (!attached || parent == ""):
		return nil, p.textFile(r, ct, mediaType, file)
	}
	return nil, p.attach(r, file)
}

// readParts reads the parts of a multipart, up to its last boundary or that of an outer one.
func (p *parser) readParts(boundary, mediaType string, depth int) ([]piece, error) {
	src := p.src
	level := src.enter(boundary)
	preamble, over, err := readUpTo(src.open(), p.textLeft())
	if err != nil {
		return nil, err
	}
	if src.level != level && !over {
		src.leave(level)
		if len(bytes.TrimSpace(preamble)) == 0 {
			p.defect("a multipart has no parts")
			return nil, nil
		}
		if pieces, ok, err := p.misnamed(preamble, mediaType, depth); ok {
			return pieces, err
		}
		p.defect("a multipart's boundary never appears")
		return []piece{{text: p.decoded(preamble, "")}}, nil
	}
	if over {
		p.truncated("the text before a multipart's first part is too long")
	}
	if over || !usualPreamble(preamble) {
		p.defect("there is text before a multipart's first part")
		rest := io.Reader(bytes.NewReader(preamble))
		if over {
			rest = io.MultiReader(rest, &body{s: src})
		}
		if err := p.attach(rest, desk.Attachment{Name: "preamble.txt", Type: "text/plain"}); err != nil {
			return nil, err
		}
	}
	var children [][]piece
	ended := false
	for src.level == level {
		if src.closing {
			// Behind the last boundary there is an epilogue, and rarely, where mails were glued together, another part.
			ended = true
			if err := p.epilogue(); err != nil {
				return nil, err
			}
			continue
		}
		if p.parts++; p.parts > p.limits.Parts {
			p.truncated("there are more than %d parts", p.limits.Parts)
			return flatten(children, mediaType), p.attachRest()
		}
		if p.work > p.limits.Work {
			p.truncated("there are more than %d bytes of headers and reports", p.limits.Work)
			return flatten(children, mediaType), p.attachRest()
		}
		src.level = -1
		partHeader, err := p.header(false)
		if err != nil {
			return nil, err
		}
		pieces, err := p.entity(partHeader, depth+1, mediaType)
		if err != nil {
			return nil, err
		}
		children = append(children, pieces)
	}
	if !ended {
		p.defect("a multipart ends before its last boundary")
	}
	src.leave(level)
	return flatten(children, mediaType), nil
}

// misnamed reads a multipart whose lines have another boundary than its header says. It answers false if that is none.
func (p *parser) misnamed(content []byte, mediaType string, depth int) (pieces []piece, ok bool, err error) {
	outer := p.src
	defer func() { p.src = outer }()
	p.src = newSource(bytes.NewReader(content), int64(len(content)))
	boundary := p.guessBoundary()
	if boundary == "" {
		return nil, false, nil
	}
	p.defect("a multipart doesn't say its boundary")
	pieces, err = p.readParts(boundary, mediaType, depth)
	return pieces, true, err
}

// attachRest keeps what is left of the mail as one file.
func (p *parser) attachRest() error {
	p.src.leave(0)
	return p.attach(p.src.open(), restOfMessage())
}

// guessBoundary finds the boundary of a multipart that doesn't tell it: a "--" line with a part's header behind.
func (p *parser) guessBoundary() string {
	src := p.src
	have := src.peek(sourceBuffer / 2)
	for n := 0; n < 200 && len(have) > 0; n++ {
		line, rest, _ := bytes.Cut(have, []byte("\n"))
		if src.boundaryAt(line) { // an outer multipart goes on
			break
		}
		line = bytes.TrimRight(line, " \t\r")
		if len(line) > 2 && len(line) < 100 && bytes.HasPrefix(line, []byte("--")) && len(rest) > 8 && strings.EqualFold(string(rest[:8]), "content-") {
			return string(line[2:])
		}
		have = rest
	}
	return ""
}
