package safehtml

import (
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// OriginalOptions say what the pictures of an original lead to.
type OriginalOptions struct {
	// CID gives our own URL of the picture a mail calls "cid:contentID"; false: there is none.
	CID func(contentID string) (url string, ok bool)
	// Remote gives our own URL of the n-th remote picture, from 0; nil: they stay out, and their text stands for them.
	Remote func(n int) string
}

// Original gives a mail's HTML much as its sender laid it out, for a frame that may run no script and load nothing from elsewhere: it keeps colours,
// sizes and tables, and leaves out all that could act, be sent or lie over something else. remote lists the remote pictures, as Remote counts them.
// The frame's own rules are the second and third layer (REQUIREMENTS P12, P13); nothing here relies on them.
func Original(s string, o OriginalOptions) (doc string, remote []string) {
	w := original{o: o, in: newTokens(strings.ToValidUTF8(s, "\uFFFD"))}
	w.out.Grow(len(s))
	w.run()
	return w.out.String(), w.remote
}

// kept are the elements of an original, with what they may have beside the attributes that all may have.
var kept = func() map[atom.Atom]string { //nolint:gochecknoglobals // never changes
	m := map[atom.Atom]string{atom.A: "href", atom.Img: "src alt width height border hspace vspace", atom.Font: "color face size", atom.Table: "width height border cellpadding cellspacing bgcolor summary",
		atom.Td: "width height colspan rowspan bgcolor nowrap", atom.Th: "width height colspan rowspan bgcolor nowrap scope", atom.Tr: "height bgcolor", atom.Col: "width span", atom.Colgroup: "width span",
		atom.Ol: "start type", atom.Ul: "type", atom.Li: "value type", atom.Hr: "width size noshade color"}
	for name := range strings.FieldsSeq("abbr address b big blockquote br caption center cite code dd del dfn div dl dt em h1 h2 h3 h4 h5 h6 i ins kbd p pre q s samp small span strike strong sub sup tbody tfoot thead tt u var") {
		m[atom.Lookup([]byte(name))] = ""
	}
	return m
}()

// everywhere are the attributes that every kept element may have.
const everywhere = " align valign title dir lang style "

type original struct {
	o      OriginalOptions
	in     *tokens
	out    strings.Builder
	open   []atom.Atom
	remote []string
}

func (w *original) run() {
	for {
		switch w.in.next() {
		case html.ErrorToken:
			for len(w.open) > 0 {
				w.pop()
			}
			return
		case html.TextToken:
			escape(&w.out, strings.ReplaceAll(w.in.text(), "\x00", ""))
		case html.StartTagToken:
			w.start(w.in.tag, w.in.attributes())
		case html.EndTagToken:
			w.end(w.in.tag)
		}
	}
}

func (w *original) start(tag atom.Atom, attrs []html.Attribute) {
	own, ok := kept[tag]
	if !ok || len(w.open) >= maxDepth {
		return
	}
	if tag == atom.Img && !w.picture(&attrs) {
		escape(&w.out, get(attrs, "alt"))
		return
	}
	w.out.WriteByte('<')
	w.out.WriteString(tag.String())
	seen := map[string]bool{}
	for _, a := range attrs {
		if a.Namespace != "" || seen[a.Key] || !strings.Contains(everywhere+own+" ", " "+a.Key+" ") {
			continue
		}
		seen[a.Key] = true
		switch a.Key {
		case "style":
			a.Val = inlineStyle(a.Val)
		case "href":
			link, ok := safeLink(a.Val)
			if !ok {
				continue
			}
			a.Val = link
		case "src": // picture has made it
		default:
			a.Val = strings.ReplaceAll(a.Val, "\x00", "")
		}
		w.attribute(a.Key, a.Val)
	}
	if tag == atom.A {
		w.attribute("rel", linkRel)
		w.attribute("target", "_blank")
	}
	w.out.WriteByte('>')
	if tag != atom.Img && tag != atom.Br && tag != atom.Hr && tag != atom.Col {
		w.open = append(w.open, tag)
	}
}

func (w *original) attribute(key, value string) {
	w.out.WriteString(" " + key + `="`)
	escape(&w.out, value)
	w.out.WriteByte('"')
}

// picture gives an image the address from which it may be loaded; false: there is none.
func (w *original) picture(attrs *[]html.Attribute) bool {
	src := strings.TrimSpace(get(*attrs, "src"))
	to := ""
	if id, ok := cutPrefixFold(src, "cid:"); ok {
		if un, err := url.PathUnescape(id); err == nil {
			id = un
		}
		if w.o.CID != nil {
			to, _ = w.o.CID(id)
		}
	} else if own, ok := dataPicture(src); ok {
		to = own
	} else if u, err := url.Parse(src); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(src) <= 2000 {
		w.remote = append(w.remote, src)
		if w.o.Remote != nil {
			to = w.o.Remote(len(w.remote) - 1)
		}
	}
	out := []html.Attribute{{Key: "src", Val: to}}
	for _, a := range *attrs {
		if a.Key != "src" {
			out = append(out, a)
		}
	}
	*attrs = out
	return to != ""
}

func (w *original) pop() {
	last := len(w.open) - 1
	w.out.WriteString("</" + w.open[last].String() + ">")
	w.open = w.open[:last]
}

// end closes an element, and those in it that were forgotten; never out of the cell it stands in.
func (w *original) end(tag atom.Atom) {
	for i := len(w.open) - 1; i >= 0; i-- {
		if w.open[i] == tag {
			for len(w.open) > i {
				w.pop()
			}
			return
		}
		if (w.open[i] == atom.Td || w.open[i] == atom.Th) && tag != atom.Table && tag != atom.Tr && tag != atom.Tbody && tag != atom.Thead && tag != atom.Tfoot {
			return
		}
	}
}

// styles are the properties that an original keeps: how things look, never where they lie.
var styles = func() map[string]bool { //nolint:gochecknoglobals // never changes
	m := map[string]bool{}
	for p := range strings.FieldsSeq(`color background-color background font font-family font-size font-style font-weight font-variant line-height letter-spacing word-spacing
		text-align text-decoration text-indent text-transform vertical-align white-space direction unicode-bidi word-break word-wrap overflow-wrap list-style list-style-type
		margin margin-top margin-right margin-bottom margin-left padding padding-top padding-right padding-bottom padding-left
		border border-top border-right border-bottom border-left border-color border-style border-width border-radius border-collapse border-spacing
		border-top-color border-right-color border-bottom-color border-left-color border-top-style border-right-style border-bottom-style border-left-style
		border-top-width border-right-width border-bottom-width border-left-width
		width max-width min-width height max-height display float clear table-layout caption-side empty-cells`) {
		m[p] = true
	}
	return m
}()

// inlineStyle keeps the declarations that only change how something looks. A value that could load something, or mean something else to another
// reader of CSS, goes as a whole.
func inlineStyle(s string) string {
	var out []string
	for declaration := range strings.SplitSeq(s, ";") {
		property, value, ok := strings.Cut(declaration, ":")
		property, value = strings.ToLower(strings.TrimSpace(property)), strings.TrimSpace(value)
		low := strings.ToLower(value)
		if !ok || !styles[property] || value == "" || strings.ContainsAny(value, "\\@<>{}\x00") || strings.Contains(low, "url") || strings.Contains(low, "expression") ||
			strings.Contains(low, "image") || strings.Contains(low, "/*") || strings.Contains(low, "vh") || strings.Contains(low, "var(") || tooFar(low) {
			continue
		}
		out = append(out, property+": "+value)
	}
	return strings.Join(out, "; ")
}

// tooFar tells whether a value has a number that moves or blows something up beyond its page.
func tooFar(value string) bool {
	for field := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ' ' || r == ',' || r == '(' || r == ')' }) {
		if strings.HasPrefix(field, "-") {
			return true
		}
		if n, err := strconv.ParseFloat(strings.TrimRight(field, "pxemrt%incvwdh!"), 64); err == nil && n > 3000 {
			return true
		}
	}
	return false
}
