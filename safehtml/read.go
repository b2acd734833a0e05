package safehtml

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Kind says what a Span of a mail's text is.
type Kind int

// The kinds of spans.
const (
	Quote     Kind = iota // an earlier mail, with the line that introduces it where the mailer marks that
	Signature             // the sender's signature
)

// Span is a part of the text Read gives: text[Start:End]. It begins and ends at line ends.
type Span struct {
	Start, End int
	Kind       Kind
}

// Text gives the readable text of HTML, as Read does.
func Text(s string) string {
	text, _ := Read(s)
	return text
}

// Read gives the readable text of HTML, about as a browser shows it and without what a browser hides, and the spans that the
// mailer marked as quotes or as a signature: in order, none in another.
func Read(s string) (string, []Span) {
	r := reader{in: newTokens(s)}
	r.out.Grow(len(s) / 3)
	r.run()
	return r.out.String(), r.spans
}

// element is one that is open.
type element struct {
	tag    atom.Atom
	hidden bool
	pre    bool
	kind   Kind
	marks  bool // a span began with it
}

type reader struct {
	in     *tokens
	out    strings.Builder
	open   []element
	hidden int // how many of the open elements are
	pre    int

	breaks int  // line ends to be written before the next text
	blank  bool // a blank to be written before the next text

	spans   []Span
	inSpan  bool
	started bool // the open span has text
	rest    bool // the open span goes to the end
}

func (r *reader) run() {
	for {
		switch r.in.next() {
		case html.ErrorToken:
			r.endSpan()
			return
		case html.TextToken:
			if r.hidden == 0 {
				r.text(r.in.text())
			}
		case html.StartTagToken:
			r.start(r.in.tag)
		case html.EndTagToken:
			r.end(r.in.tag)
		}
	}
}

func (r *reader) text(s string) {
	if r.pre > 0 {
		for i, line := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
			if i > 0 {
				r.breaks = min(r.breaks+1, 3)
			}
			if line = strings.TrimRight(line, "\r"); line != "" {
				r.write(line)
			}
		}
		return
	}
	for s != "" {
		i := strings.IndexAny(s, " \t\r\n\f\x00")
		switch {
		case i < 0:
			r.write(s)
			return
		case i > 0:
			r.write(s[:i])
		}
		r.blank = true
		s = s[i+1:]
	}
}

// write puts a word, after the blank or the line ends that are due.
func (r *reader) write(word string) {
	switch {
	case r.out.Len() == 0:
	case r.breaks > 0:
		r.out.WriteString("\n\n\n"[:min(r.breaks, 3)])
	case r.blank:
		r.out.WriteByte(' ')
	}
	r.breaks, r.blank = 0, false
	if r.inSpan && !r.started {
		r.started = true
		r.spans[len(r.spans)-1].Start = r.out.Len()
	}
	r.out.WriteString(strings.ReplaceAll(word, "\x00", ""))
}

// block has the next word begin so many lines below. An element within a line, which asks for none, keeps the blank before it.
func (r *reader) block(lines int) {
	if lines > 0 {
		r.breaks, r.blank = max(r.breaks, lines), false
	}
}

func (r *reader) start(tag atom.Atom) {
	switch tag {
	case atom.Br:
		r.breaks, r.blank = min(r.breaks+1, 3), false
		return
	case atom.Hr:
		r.block(1)
		if id := get(r.in.attributes(), "id"); id == "zwchr" || id == "stopSpelling" {
			r.quoteRest()
		}
		return
	case atom.Img, atom.Input, atom.Meta, atom.Link, atom.Base, atom.Col, atom.Wbr, atom.Area, atom.Embed, atom.Source, atom.Param, atom.Track:
		return
	}
	r.block(linesAround(tag))
	if tag == atom.Li && r.hidden == 0 {
		r.write("- ")
		r.blank = false
	}
	if (tag == atom.Td || tag == atom.Th) && r.breaks == 0 {
		r.blank = true
	}
	if ends, within := implied(tag); ends != nil {
		for i := len(r.open) - 1; i >= 0 && !slices.Contains(within, r.open[i].tag); i-- {
			if slices.Contains(ends, r.open[i].tag) {
				r.closeFrom(i)
				break
			}
		}
	}
	if len(r.open) >= 500 {
		return // deeper elements lose their meaning, not their text
	}
	e := element{tag: tag, pre: tag == atom.Pre}
	if attrs := r.in.attributes(); len(attrs) > 0 {
		r.marks(&e, attrs)
	} else if tag == atom.Blockquote {
		r.begin(&e, Quote)
	}
	if e.hidden {
		r.hidden++
	}
	if e.pre {
		r.pre++
	}
	r.open = append(r.open, e)
}

// marks reads what the attributes of an element say about it.
func (r *reader) marks(e *element, attrs []html.Attribute) {
	class, id, style := get(attrs, "class"), get(attrs, "id"), strings.ToLower(get(attrs, "style"))
	tight := strings.ReplaceAll(style, " ", "")
	if strings.Contains(tight, "display:none") || strings.Contains(tight, "mso-hide:all") {
		e.hidden = true
		return
	}
	switch {
	case startsRest(class, id, tight):
		r.quoteRest()
	case e.tag == atom.Blockquote && !strings.Contains(tight, "border:none"), quoteClass(class, id):
		r.begin(e, Quote)
	case signatureClass(class, id) || get(attrs, "data-smartmail") == "gmail_signature":
		r.begin(e, Signature)
	}
}

// startsRest tells whether an element stands at the top of the history: Outlook's and its relatives' mails have nothing
// around the quote, only something before it.
func startsRest(class, id, style string) bool {
	switch strings.TrimPrefix(id, "x_") {
	case "divRplyFwdMsg", "appendonsend", "mail-editor-reference-message-container", "OLK_SRC_BODY_SECTION", "ms-outlook-mobile-body-separator-line":
		return true
	}
	if hasClass(class, "OutlookMessageHeader") || hasClass(class, "ms-outlook-mobile-reference-message") {
		return true
	}
	// <div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'>
	return strings.Contains(style, "border-top:solid#e1e1e11.0pt") || strings.Contains(style, "border-top:solid#b5c4df1.0pt")
}

func quoteClass(class, id string) bool {
	for _, name := range []string{
		"gmail_quote", "gmail_quote_container", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "zmail_extra", "tutanota_quote", "ymail_android_quoted",
		"reply-intro", "history_container", "acoustic_quote", "WPQuote", "mailcontent_quote", "iCloudQuote", "front-blockquote",
	} {
		if hasClass(class, name) {
			return true
		}
	}
	return strings.TrimPrefix(id, "x_") == "reply-intro"
}

func signatureClass(class, id string) bool {
	for _, name := range []string{"gmail_signature", "gmail_signature_prefix", "moz-signature", "protonmail_signature_block", "ms-outlook-mobile-signature", "tutanota_signature"} {
		if hasClass(class, name) {
			return true
		}
	}
	switch strings.TrimPrefix(id, "x_") {
	case "Signature", "AppleMailSignature", "ms-outlook-mobile-signature", "lineBreakAtBeginningOfSignature":
		return true
	}
	return false
}

// hasClass tells whether class names name, also as webmailers rename it ("x_gmail_quote").
func hasClass(class, name string) bool {
	if !strings.Contains(class, name) {
		return false
	}
	for c := range strings.FieldsSeq(class) {
		if strings.TrimPrefix(c, "x_") == name {
			return true
		}
	}
	return false
}

// begin starts a span with an element, unless there is one already.
func (r *reader) begin(e *element, kind Kind) {
	if r.inSpan && (kind == Signature || r.spans[len(r.spans)-1].Kind == Quote) {
		return
	}
	r.endSpan() // a quote in a signature
	r.block(1)
	r.inSpan, r.started = true, false
	r.spans = append(r.spans, Span{Kind: kind})
	e.marks, e.kind = true, kind
}

func (r *reader) quoteRest() {
	if !r.inSpan || r.spans[len(r.spans)-1].Kind != Quote {
		r.begin(&element{}, Quote)
	}
	r.rest = true
}

func (r *reader) endSpan() {
	if !r.inSpan {
		return
	}
	last := len(r.spans) - 1
	if r.started {
		r.spans[last].End = r.out.Len()
	} else {
		r.spans = r.spans[:last]
	}
	r.inSpan = false
	r.block(1)
}

func (r *reader) end(tag atom.Atom) {
	if tag == atom.P && len(r.open) == 0 {
		r.block(1)
		return
	}
	i := len(r.open) - 1
	for i >= 0 && r.open[i].tag != tag {
		i--
	}
	if i < 0 {
		return
	}
	r.closeFrom(i)
	r.block(linesAround(tag))
}

// closeFrom ends the open elements from the i-th on.
func (r *reader) closeFrom(i int) {
	for k := len(r.open) - 1; k >= i; k-- {
		e := r.open[k]
		if e.hidden {
			r.hidden--
		}
		if e.pre {
			r.pre--
		}
		if e.marks && r.inSpan && !r.rest && r.spans[len(r.spans)-1].Kind == e.kind {
			r.endSpan()
		}
	}
	r.open = r.open[:i]
}

// linesAround gives the line ends that stand around an element.
func linesAround(tag atom.Atom) int {
	switch tag {
	case atom.P, atom.Ul, atom.Ol, atom.Dl, atom.Pre, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return 2
	case atom.Div, atom.Blockquote, atom.Table, atom.Tr, atom.Li, atom.Dt, atom.Dd, atom.Center, atom.Form, atom.Address, atom.Section, atom.Article,
		atom.Header, atom.Footer, atom.Main, atom.Nav, atom.Aside, atom.Fieldset, atom.Figure, atom.Figcaption, atom.Caption, atom.Title, atom.Body, atom.Html:
		return 1
	}
	return 0
}
