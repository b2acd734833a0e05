package mailmsg

import (
	"slices"
	"strings"

	"postern/desk"
	"postern/safehtml"
)

// piece is what one part adds to the body: text, HTML, or the two as alternatives.
type piece struct{ text, html string }

// flatten makes the body of a multipart of the bodies of its parts.
func flatten(children [][]piece, mediaType string) []piece {
	if mediaType != "multipart/alternative" {
		return slices.Concat(children...)
	}
	// The first that is text and the last that is HTML are the same body twice. What says something else is shown as well.
	var out piece
	var others []piece
	for _, pieces := range children {
		m := merge(pieces)
		switch {
		case m.html != "":
			if out.html != "" && saysMore(safehtml.Text(out.html), safehtml.Text(m.html)) {
				others = append(others, piece{html: out.html})
			}
			out.html = m.html
			if strings.TrimSpace(out.text) == "" { // else the outer multiparts would make it of the HTML again, each of them
				out.text = m.text
			}
		case strings.TrimSpace(out.text) == "":
			out.text = m.text
		case saysMore(m.text, out.text):
			others = append(others, m)
		}
	}
	if out == (piece{}) {
		return nil
	}
	return append([]piece{out}, others...)
}

// saysMore tells whether a text has words that another has not.
func saysMore(text, other string) bool {
	_, missing := compareWords(text, other)
	return missing > 0
}

// merge puts pieces one after the other, as one.
func merge(pieces []piece) piece {
	switch len(pieces) {
	case 0:
		return piece{}
	case 1:
		return pieces[0]
	}
	html, text := false, false
	for _, x := range pieces {
		html = html || x.html != ""
		text = text || strings.TrimSpace(x.text) != ""
	}
	var out piece
	var texts, htmls []string
	for _, x := range pieces {
		if html {
			if x.html == "" {
				htmls = append(htmls, safehtml.FromText(x.text))
			} else {
				htmls = append(htmls, x.html)
			}
		}
		if !text {
			continue
		}
		if strings.TrimSpace(x.text) == "" && x.html != "" {
			x.text = safehtml.Text(x.html)
		}
		if x.text = strings.Trim(x.text, "\n"); x.text != "" {
			texts = append(texts, x.text)
		}
	}
	out.text, out.html = strings.Join(texts, "\n\n"), strings.Join(htmls, "\n")
	return out
}

// compose makes text and HTML of what the parts gave, each from the other if there is only one.
func (p *parser) compose(body piece) {
	m := &p.mail
	var spans []safehtml.Span
	m.Text = strings.Trim(body.text, "\n")
	p.html = body.html
	if body.html != "" {
		m.Text, spans = p.readAlternatives(m.Text, body.html)
	}
	if p.textOnly {
		return
	}
	if body.html != "" {
		m.HTML = strings.TrimSpace(safehtml.Clean(body.html, safehtml.Options{KeepCID: true}))
	} else {
		m.HTML = safehtml.FromText(m.Text)
	}
	m.Marks = marks(spans)
	f := Fold(m.Text, m.Marks, nil)
	m.Reply, m.Quoted, m.Signature = f.Reply, f.Quoted, f.Signature
}

func marks(spans []safehtml.Span) []desk.Mark {
	var out []desk.Mark
	for _, s := range spans {
		out = append(out, desk.Mark{Start: s.Start, End: s.End, Signature: s.Kind != safehtml.Quote})
	}
	return out
}

// spareText notes what a file says, for a mail that has no text of its own; the same thing once.
func (p *parser) spareText(x piece) {
	if !slices.Contains(p.spare, x) {
		p.spare = append(p.spare, x)
	}
}

// orSpare gives the mail's body, or what its files say if that shows nothing.
func (p *parser) orSpare(body piece) piece {
	if len(p.spare) == 0 || strings.TrimSpace(body.text) != "" {
		return body
	}
	if body.html != "" && (strings.TrimSpace(safehtml.Text(body.html)) != "" || strings.Contains(strings.ToLower(body.html), "<img")) {
		return body
	}
	return merge(p.spare)
}
