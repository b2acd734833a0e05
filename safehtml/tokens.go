package safehtml

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// tokens reads HTML token by token, without comments and without the elements that go with all they hold. Where a browser
// would take the rest of the document for the inside of something that is never closed (a style, a comment, a quoted
// attribute), the rest is read as if that had not begun: what a customer wrote is shown, whatever stands before it.
type tokens struct {
	s    string // what z reads
	z    *html.Tokenizer
	pos  int // how much of s the tokens so far take
	tag  atom.Atom
	more bool   // the tag has attributes
	rest string // the text of a token that is none in HTML

	skipped atom.Atom // the element that is being left out
	nested  int       // how many of the same are open in it
	inside  int       // where in s its inside begins
	broken  int       // to where in s drawings and formulas are none: an element of the text stands there
	never   map[atom.Atom]bool
}

func newTokens(s string) *tokens {
	t := &tokens{never: map[atom.Atom]bool{}}
	t.restart(s)
	return t
}

func (t *tokens) restart(s string) {
	t.s, t.pos, t.skipped, t.broken = s, 0, 0, 0
	t.z = html.NewTokenizer(strings.NewReader(s))
}

// next gives a text, a start tag, an end tag or, at the end, an error.
func (t *tokens) next() html.TokenType {
	t.rest = ""
	for {
		kind := t.z.Next()
		at := t.pos
		t.pos += len(t.z.Raw())
		if kind == html.ErrorToken || t.pos == len(t.s) && unclosed(t.s[at:]) {
			if again, token := t.atEnd(t.s[at:]); !again {
				return token
			}
			continue
		}
		switch kind {
		case html.TextToken:
			if t.skipped == 0 {
				return kind
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			if t.start(kind == html.SelfClosingTagToken) {
				return html.StartTagToken
			}
		case html.EndTagToken:
			if t.end() {
				return kind
			}
		}
	}
}

// text gives the characters of a text token.
func (t *tokens) text() string {
	if t.rest != "" {
		return t.rest
	}
	return string(t.z.Text())
}

// attributes gives those of a start tag, once.
func (t *tokens) attributes() []html.Attribute {
	var out []html.Attribute
	for t.more && len(out) < 50 {
		var k, v []byte
		k, v, t.more = t.z.TagAttr()
		out = append(out, html.Attribute{Key: string(k), Val: string(v)})
	}
	return out
}

func (t *tokens) start(closed bool) bool {
	var name []byte
	name, t.more = t.z.TagName()
	t.tag = atom.Lookup(name)
	if t.foreign() {
		t.z.NextIsNotRawText() // a style in a drawing holds elements
		if breaksOut(t.tag) {
			t.breakOut()
			return false
		}
	}
	switch {
	case t.skipped != 0:
		if t.tag == t.skipped && !closed {
			t.nested++
		}
		return false
	case !leftOut(t.tag):
		return true
	case t.never[t.tag] || t.pos <= t.broken && (t.tag == atom.Svg || t.tag == atom.Math):
		t.z.NextIsNotRawText()
	case !closed || t.tag != atom.Svg && t.tag != atom.Math:
		t.skipped, t.nested, t.inside = t.tag, 1, t.pos
	}
	return false
}

func (t *tokens) end() bool {
	name, _ := t.z.TagName()
	t.tag = atom.Lookup(name)
	if t.foreign() && (t.tag == atom.P || t.tag == atom.Br) {
		t.breakOut()
		return false
	}
	if t.tag == t.skipped {
		if t.nested--; t.nested == 0 {
			t.skipped = 0
		}
		return false
	}
	return t.skipped == 0
}

// foreign tells whether a drawing or a formula is left out, which HTML ends with the first tag that can't be in one.
func (t *tokens) foreign() bool { return t.skipped == atom.Svg || t.skipped == atom.Math }

// breakOut goes back to where a drawing or formula seemed to begin: what follows is text, as the tag that was read last tells.
func (t *tokens) breakOut() {
	to := t.pos - t.inside
	t.restart(t.s[t.inside:])
	t.broken = to
}

// atEnd is called where nothing more can be read: last is what does not come to its end, if anything. It answers true after
// it has found a place to go on from, and else gives the last token.
func (t *tokens) atEnd(last string) (again bool, token html.TokenType) {
	switch {
	case t.skipped != 0:
		t.never[t.skipped] = true
		t.restart(t.s[t.inside:])
		return true, 0
	case strings.HasPrefix(last, "<!--"):
		// No other comment ends either. A blank for each: removed, they could leave another one.
		t.restart(strings.ReplaceAll(last[len("<!--"):], "<!--", " "))
		return true, 0
	}
	if end := strings.IndexByte(last, '>'); end >= 0 { // a quote in the tag is not closed
		t.restart(last[end+1:])
		return true, 0
	}
	t.restart("")
	// What has no blank, or has attributes, is a tag that was cut short, not "if a <b and b <c".
	if !strings.Contains(last, " ") || strings.Contains(last, "=") {
		return false, html.ErrorToken
	}
	t.rest = last
	return false, html.TextToken
}

// unclosed tells whether a token, the last one there is, is a comment without its end.
func unclosed(last string) bool {
	switch {
	case strings.HasPrefix(last, "<!--"):
		return !strings.HasSuffix(last, "-->") && !strings.HasSuffix(last, "--!>") || len(last) < len("<!-->")
	case strings.HasPrefix(last, "<!"), strings.HasPrefix(last, "<?"), strings.HasPrefix(last, "</"):
		return !strings.HasSuffix(last, ">")
	}
	return false
}

// breaksOut tells which start tags end a drawing or formula they stand in (HTML, section 13.2.6.5).
func breaksOut(tag atom.Atom) bool {
	switch tag {
	case atom.B, atom.Big, atom.Blockquote, atom.Body, atom.Br, atom.Center, atom.Code, atom.Dd, atom.Div, atom.Dl, atom.Dt, atom.Em, atom.Embed,
		atom.Font, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Head, atom.Hr, atom.I, atom.Img, atom.Li, atom.Listing, atom.Menu,
		atom.Meta, atom.Nobr, atom.Ol, atom.P, atom.Pre, atom.Ruby, atom.S, atom.Small, atom.Span, atom.Strong, atom.Strike, atom.Sub, atom.Sup,
		atom.Table, atom.Tt, atom.U, atom.Ul, atom.Var:
		return true
	}
	return false
}
