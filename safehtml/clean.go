package safehtml

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Options say what Clean does with pictures.
type Options struct {
	// CID gives our own URL of the picture a mail calls "cid:contentID"; false: there is none, its text stands for it.
	CID func(contentID string) (url string, ok bool)
	// KeepCID leaves "cid:" pictures as they are: for HTML that is stored. The portal cleans it again, with CID.
	KeepCID bool
	// article keeps the anchors of headings, and has links to our own pages stay in theirs: for what operators write.
	article bool
}

// Clean gives the part of a mail's HTML that is harmless to show: text, structure, links and pictures. Links lead to http,
// https, mailto and tel only, open a page of their own and tell it nothing. Pictures are those that came with the mail;
// remote ones become links, so that reading a mail tells nobody. No style, script, form, frame or drawing is left, and no
// attribute that could act. The result is balanced, and clean already: cleaning it again with the same options changes
// nothing.
func Clean(s string, o Options) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	c := cleaner{o: o, in: newTokens(s)}
	c.out.Grow(len(s))
	c.run()
	out := c.out.String()
	// What the cleaner writes is from its own short list. The policy is the second opinion, by another hand: it sees all that
	// the portal shows, which cleans stored HTML again. The API and our mails give stored HTML as it is: of that it has seen what
	// is not narrow.
	if o.KeepCID && narrow(out) {
		return out
	}
	return policy().Sanitize(out)
}

// maxDepth is how deep elements may lie in each other; those deeper lose their tags, not their text.
const maxDepth = 100

type cleaner struct {
	o     Options
	in    *tokens
	out   strings.Builder
	open  []atom.Atom // the elements that are open, outermost first
	links int         // how many of them are links: 0 or 1
}

func (c *cleaner) run() {
	for {
		switch c.in.next() {
		case html.ErrorToken:
			for len(c.open) > 0 {
				c.pop()
			}
			return
		case html.TextToken:
			c.text(c.in.text())
		case html.StartTagToken:
			c.start(c.in.tag)
		case html.EndTagToken:
			c.end(c.in.tag)
		}
	}
}

func (c *cleaner) text(s string) {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	escape(&c.out, s)
}

func (c *cleaner) start(tag atom.Atom) {
	tag = renamed(tag)
	if ends, within := implied(tag); ends != nil {
		for i := len(c.open) - 1; i >= 0 && !slices.Contains(within, c.open[i]); i-- {
			if slices.Contains(ends, c.open[i]) {
				for len(c.open) > i {
					c.pop()
				}
				break
			}
		}
	}
	switch {
	case tag == atom.Img:
		c.picture(c.in.attributes())
		return
	case tag == atom.Br || tag == atom.Hr:
		c.tag(tag, nil)
		return
	case !allowed(tag) || len(c.open) >= maxDepth || tag == atom.A && c.links > 0:
		return
	}
	attrs := c.in.attributes()
	if tag == atom.A {
		to := get(attrs, "href")
		if c.o.article && withinSite(to) {
			c.links++
			c.push(tag, []html.Attribute{{Key: "href", Val: to}})
			return
		}
		href, ok := safeLink(to)
		if !ok {
			return
		}
		c.links++
		c.push(tag, []html.Attribute{{Key: "href", Val: href}, {Key: "rel", Val: linkRel}, {Key: "target", Val: "_blank"}})
		return
	}
	kept := keptAttributes(tag, attrs)
	if id := get(attrs, "id"); c.o.article && headings[tag] && anchors().MatchString(id) {
		kept = append(kept, html.Attribute{Key: "id", Val: id})
	}
	c.push(tag, kept)
}

var headings = map[atom.Atom]bool{atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true}

// withinSite tells whether a link leads to a heading of its page or to a page of our own, and can be read in one way only.
func withinSite(to string) bool {
	if anchor, ok := strings.CutPrefix(to, "#"); ok {
		un, err := url.PathUnescape(anchor)
		return err == nil && anchors().MatchString(un)
	}
	return ownPaths().MatchString(to)
}

const linkRel = "noopener noreferrer nofollow"

func (c *cleaner) push(tag atom.Atom, attrs []html.Attribute) {
	c.open = append(c.open, tag)
	c.tag(tag, attrs)
}

func (c *cleaner) tag(tag atom.Atom, attrs []html.Attribute) {
	c.out.WriteByte('<')
	c.out.WriteString(tag.String())
	for _, a := range attrs {
		c.out.WriteByte(' ')
		c.out.WriteString(a.Key)
		c.out.WriteString(`="`)
		escape(&c.out, a.Val)
		c.out.WriteByte('"')
	}
	c.out.WriteByte('>')
}

func (c *cleaner) pop() {
	last := len(c.open) - 1
	tag := c.open[last]
	c.open = c.open[:last]
	if tag == atom.A {
		c.links--
	}
	c.out.WriteString("</")
	c.out.WriteString(tag.String())
	c.out.WriteByte('>')
}

// end closes an element, and those in it that were forgotten.
func (c *cleaner) end(tag atom.Atom) {
	tag = renamed(tag)
	i := len(c.open) - 1
	for i >= 0 && c.open[i] != tag {
		if c.open[i] == atom.Td || c.open[i] == atom.Th {
			if tag != atom.Table && tag != atom.Tr && tag != atom.Tbody && tag != atom.Thead && tag != atom.Tfoot {
				return // a stray end tag in a cell doesn't end the cell
			}
		}
		i--
	}
	if i < 0 {
		return
	}
	for len(c.open) > i {
		c.pop()
	}
}

// picture writes a picture that came with the mail, and a link or the text in place of any other.
func (c *cleaner) picture(attrs []html.Attribute) {
	src := strings.TrimSpace(get(attrs, "src"))
	alt := strings.Join(strings.Fields(strings.ReplaceAll(get(attrs, "alt"), "\x00", "")), " ")
	kept := sizes(attrs)
	if alt != "" {
		kept = append(kept, html.Attribute{Key: "alt", Val: alt})
	}
	id := get(attrs, "data-cid") // what an earlier cleaning found
	if rest, ok := cutPrefixFold(src, "cid:"); ok {
		id = rest
		if un, err := url.PathUnescape(rest); err == nil {
			id = un
		}
	}
	switch {
	case id != "" && plainID(id):
		if c.o.KeepCID {
			c.tag(atom.Img, append([]html.Attribute{{Key: "src", Val: "cid:" + id}}, kept...))
			return
		}
		if c.o.CID != nil {
			if to, ok := c.o.CID(id); ok {
				c.tag(atom.Img, append([]html.Attribute{{Key: "src", Val: to}, {Key: "data-cid", Val: id}}, kept...))
				return
			}
		}
	default:
		if data, ok := dataPicture(src); ok {
			c.tag(atom.Img, append([]html.Attribute{{Key: "src", Val: data}}, kept...))
			return
		}
	}
	if tiny(attrs) {
		return
	}
	link, ok := safeLink(src)
	if ok && c.links == 0 && (strings.HasPrefix(link, "http:") || strings.HasPrefix(link, "https:")) && len(c.open) < maxDepth {
		if alt == "" {
			alt = "picture"
		}
		c.links++
		c.push(atom.A, []html.Attribute{{Key: "href", Val: link}, {Key: "rel", Val: linkRel}, {Key: "target", Val: "_blank"}})
		c.text("[" + alt + "]")
		c.pop()
		return
	}
	if alt != "" {
		c.text("[" + alt + "]")
	}
}

// plainID tells whether a Content-ID is one, so that it can stand in a URL as it is.
func plainID(id string) bool {
	if len(id) > 250 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte("@.-_$+=!~", c) < 0 {
			return false
		}
	}
	return true
}

// dataPicture gives a URL that holds a picture of a kind that can't act, in base64.
func dataPicture(src string) (string, bool) {
	rest, ok := cutPrefixFold(src, "data:image/")
	if !ok {
		return "", false
	}
	kind, content, ok := strings.Cut(rest, ";base64,")
	kind = strings.ToLower(kind)
	if !ok || kind != "png" && kind != "jpeg" && kind != "gif" && kind != "webp" || content == "" {
		return "", false
	}
	content = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, content)
	if _, err := base64.StdEncoding.DecodeString(content); err != nil {
		return "", false
	}
	return "data:image/" + kind + ";base64," + content, true
}

// sizes keeps the width and height of a picture, where they are plain numbers.
func sizes(attrs []html.Attribute) []html.Attribute {
	var out []html.Attribute
	for _, key := range []string{"width", "height"} {
		if n, err := strconv.Atoi(get(attrs, key)); err == nil && n > 0 && n <= 4000 {
			out = append(out, html.Attribute{Key: key, Val: strconv.Itoa(n)})
		}
	}
	return out
}

// tiny tells of pictures that are there to count readers or to fill space.
func tiny(attrs []html.Attribute) bool {
	for _, key := range []string{"width", "height"} {
		if n, err := strconv.Atoi(strings.TrimSuffix(get(attrs, key), "px")); err == nil && n <= 2 {
			return true
		}
	}
	return false
}

// safeLink gives a URL that a reader may follow, as it is to be written.
func safeLink(raw string) (string, bool) {
	raw = strings.TrimSpace(raw)
	if raw == "" || len(raw) > 8000 {
		return "", false
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] == 0x7f {
			raw = strings.Map(func(r rune) rune {
				switch {
				case r == '\n' || r == '\r' || r == '\t':
					return -1
				case r < ' ' || r == 0x7f:
					return 0xFFFD
				}
				return r
			}, raw)
			break
		}
	}
	raw = strings.ReplaceAll(raw, " ", "%20")
	u, err := url.Parse(raw)
	if err != nil {
		return "", false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		if u.Host == "" {
			return "", false
		}
	case "mailto", "tel":
		if u.Opaque == "" {
			return "", false
		}
	default:
		return "", false
	}
	out := u.String()
	// A URL that changes when it is read again is one that two programs may read in two ways.
	again, err := url.Parse(out)
	if err != nil || again.String() != out || strings.ContainsAny(out, "<>\"\\^`{|} \t\r\n") {
		return "", false
	}
	return out, true
}

func get(attrs []html.Attribute, key string) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// keptAttributes picks those that say something to a reader and can do nothing.
func keptAttributes(tag atom.Atom, attrs []html.Attribute) []html.Attribute {
	var out []html.Attribute
	keep := func(key, val string) { out = append(out, html.Attribute{Key: key, Val: val}) }
	if dir := strings.ToLower(get(attrs, "dir")); dir == "rtl" || dir == "ltr" || dir == "auto" {
		keep("dir", dir)
	}
	switch tag {
	case atom.Td, atom.Th:
		for _, key := range []string{"colspan", "rowspan"} {
			if n, err := strconv.Atoi(get(attrs, key)); err == nil && n > 1 && n <= 100 {
				keep(key, strconv.Itoa(n))
			}
		}
	case atom.Ol:
		if n, err := strconv.Atoi(get(attrs, "start")); err == nil && n >= 0 && n < 1e6 {
			keep("start", strconv.Itoa(n))
		}
	case atom.Blockquote:
		if strings.EqualFold(get(attrs, "type"), "cite") {
			keep("type", "cite")
		}
	}
	return out
}

// leftOut tells which elements go with all they hold.
func leftOut(tag atom.Atom) bool {
	switch tag {
	case atom.Script, atom.Style, atom.Svg, atom.Math, atom.Title, atom.Iframe, atom.Template, atom.Noscript, atom.Noembed,
		atom.Noframes, atom.Textarea, atom.Select, atom.Xmp, atom.Plaintext, atom.Datalist, atom.Frameset:
		return true
	}
	return false
}

// renamed gives the element of today for one of yesterday.
func renamed(tag atom.Atom) atom.Atom {
	switch tag {
	case atom.Center:
		return atom.Div
	case atom.Image:
		return atom.Img
	}
	return tag
}

var allowedTags = []atom.Atom{
	atom.P, atom.Div, atom.B, atom.Strong, atom.I, atom.Em, atom.U, atom.S, atom.Strike, atom.Del, atom.Ins, atom.Sub, atom.Sup, atom.Small,
	atom.Code, atom.Pre, atom.Kbd, atom.Samp, atom.Tt, atom.Blockquote, atom.Q, atom.Cite, atom.Ul, atom.Ol, atom.Li, atom.Dl, atom.Dt, atom.Dd,
	atom.Table, atom.Caption, atom.Thead, atom.Tbody, atom.Tfoot, atom.Tr, atom.Th, atom.Td, atom.A, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
	atom.Abbr, atom.Mark,
}

func allowed(tag atom.Atom) bool { return slices.Contains(allowedTags, tag) }

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

var (
	pScope    = []atom.Atom{atom.Table, atom.Td, atom.Th, atom.Caption, atom.Blockquote, atom.Div, atom.Li, atom.Ul, atom.Ol, atom.Dd, atom.Dt}
	listScope = []atom.Atom{atom.Ul, atom.Ol, atom.Table, atom.Dl, atom.Blockquote}
	rowScope  = []atom.Atom{atom.Table}
	endsP     = []atom.Atom{atom.P}
	endsLi    = []atom.Atom{atom.Li}
	endsDt    = []atom.Atom{atom.Dt, atom.Dd}
	endsCell  = []atom.Atom{atom.Td, atom.Th}
	endsRow   = []atom.Atom{atom.Tr}
)

// implied gives the elements that the start of tag ends, because nobody writes their end tags: the innermost of ends, if
// none of within lies in between.
func implied(tag atom.Atom) (ends, within []atom.Atom) {
	switch tag {
	case atom.P, atom.Div, atom.Table, atom.Ul, atom.Ol, atom.Dl, atom.Blockquote, atom.Pre, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Hr:
		return endsP, pScope
	case atom.Li:
		return endsLi, listScope
	case atom.Dt, atom.Dd:
		return endsDt, listScope
	case atom.Td, atom.Th:
		return endsCell, rowScope
	case atom.Tr:
		return endsRow, rowScope
	}
	return nil, nil
}
