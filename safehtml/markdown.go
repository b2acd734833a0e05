package safehtml

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// ArticleOptions say what an article's pictures and links lead to.
type ArticleOptions struct {
	// Picture gives our own URL of a picture that the text names; false: there is none, its text stands for it. No other picture is shown.
	Picture func(name string) (url string, ok bool)
	// Link gives the URL of another article, which the text names by its file: "refunds.md" is "refunds". nil: such links lead nowhere.
	Link func(slug string) string
}

// Article is Markdown made HTML.
type Article struct {
	HTML     string
	Headings []Heading
}

// Heading is a heading of an article, which can be linked to by its ID.
type Heading struct {
	Level    int // from 2: the page's own heading is 1
	ID, Text string
}

// What nobody reads, and what takes a time to read that grows with its square, is left out: more marks of quotes and lists than maxNested at the
// beginning of a line, deeper indents, and more links than maxLinks in a paragraph.
const (
	maxNested = 40
	maxIndent = 2 * maxNested
	maxLinks  = 1000
)

var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify))
})

// Markdown makes an article's text HTML that is harmless to show, by the rules of Clean: HTML in it is left out. Links to other sites open a page of
// their own; those to headings ("#…") and to our own pages ("/…") do not. The largest headings are of level 2.
func Markdown(source string, o ArticleOptions) Article {
	b := []byte(shallow(source))
	doc := markdown().Parser().Parse(text.NewReader(b))
	a := Article{Headings: number(doc, b)}
	walk(doc, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.Link:
			if slug, ok := articleLink(string(n.Destination)); ok {
				n.Destination = nil
				if o.Link != nil {
					n.Destination = []byte(o.Link(slug))
				}
			}
		case *ast.Image:
			n.Destination = []byte(pictureSource(string(n.Destination)))
		}
	})
	var out strings.Builder
	if err := markdown().Renderer().Render(&out, b, doc); err != nil {
		return Article{HTML: FromText(source)} // a Builder takes everything, so it never happens
	}
	a.HTML = Clean(out.String(), Options{CID: o.Picture, article: true})
	return a
}

// MarkdownText is what an article says, without the marks.
func MarkdownText(source string) string { return Text(Markdown(source, ArticleOptions{}).HTML) }

// MarkdownPictures lists the pictures that an article names and that it should have: all but those on other sites.
func MarkdownPictures(source string) (names []string) {
	walk(markdown().Parser().Parse(text.NewReader([]byte(shallow(source)))), func(n ast.Node) {
		if img, ok := n.(*ast.Image); ok && !strings.Contains(string(img.Destination), ":") {
			names = append(names, string(img.Destination))
		}
	})
	return names
}

func walk(doc ast.Node, see func(ast.Node)) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // see can't fail
		if entering {
			see(n)
		}
		return ast.WalkContinue, nil
	})
}

// number gives each heading its place: an id of its own, and a level below the page's own heading.
func number(doc ast.Node, source []byte) []Heading {
	var nodes []*ast.Heading
	top := 6
	walk(doc, func(n ast.Node) {
		if h, ok := n.(*ast.Heading); ok {
			nodes = append(nodes, h)
			top = min(top, h.Level)
		}
	})
	taken := map[string]int{}
	var out []Heading
	for _, n := range nodes {
		h := Heading{Level: min(n.Level-top+2, 6), Text: strings.Join(strings.Fields(said(n, source)), " ")}
		h.ID = anchor(h.Text)
		for taken[h.ID] > 0 {
			taken[h.ID]++
			h.ID = fmt.Sprintf("%s-%d", h.ID, taken[h.ID])
		}
		taken[h.ID] = 1
		n.Level = h.Level
		n.SetAttributeString("id", []byte(h.ID))
		out = append(out, h)
	}
	return out
}

// said is the text in a node.
func said(n ast.Node, source []byte) string {
	var b strings.Builder
	walk(n, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
	})
	return b.String()
}

// anchor makes a heading's id of its text, in whatever script. No other id of a page begins like it.
func anchor(heading string) string {
	words := strings.FieldsFunc(strings.ToLower(heading), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)
	})
	id := anchorPrefix + strings.Join(words, "-")
	if runes := []rune(id); len(runes) > 80 {
		id = string(runes[:80])
	}
	return id
}

const anchorPrefix = "s-"

// articleLink tells whether a link names another article by its file, and which: "refunds.md", "../billing/refunds.de.md".
func articleLink(to string) (slug string, ok bool) {
	if strings.Contains(to, ":") || strings.HasPrefix(to, "/") || strings.HasPrefix(to, "#") {
		return "", false
	}
	to, _, _ = strings.Cut(to, "#")
	name, ok := strings.CutSuffix(path.Base(to), ".md")
	slug, _, _ = strings.Cut(name, ".")
	return slug, ok && slug != ""
}

// pictureSource is a picture's address as the cleaner reads it: a name becomes one of our own pictures, a page elsewhere stays and becomes a link,
// and nothing else is anything.
func pictureSource(to string) string {
	switch {
	case !strings.Contains(to, ":"):
		return "cid:" + to
	case strings.HasPrefix(to, "http://"), strings.HasPrefix(to, "https://"):
		return to
	}
	return ""
}

// shallow gives a text that is read in a time that grows with its length.
func shallow(source string) string {
	var out strings.Builder
	out.Grow(len(source))
	links := 0
	for line := range strings.Lines(source) {
		if strings.TrimSpace(line) == "" {
			links = 0
		}
		line = atMostNested(line)
		if links += strings.Count(line, "["); links > maxLinks {
			line = strings.ReplaceAll(line, "[", "(")
		}
		out.WriteString(line)
	}
	return out.String()
}

// atMostNested cuts the marks that begin a line, and its indent.
func atMostNested(line string) string {
	const nesting = " \t>-*+.)0123456789"
	rest := strings.TrimLeft(line, nesting)
	start := line[:len(line)-len(rest)]
	marks := 0
	for i, c := range start {
		if strings.ContainsRune(">-*+.)", c) {
			marks++
		}
		if marks > maxNested {
			return start[:i] + strings.TrimLeft(line[i:], nesting)
		}
	}
	if indent := len(line) - len(strings.TrimLeft(line, " \t")); indent > maxIndent {
		return line[indent-maxIndent:]
	}
	return line
}
