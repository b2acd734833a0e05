package safehtml

import (
	"strings"
	"testing"
)

func shown(source string) Article {
	return Markdown(source, ArticleOptions{
		Picture: func(name string) (string, bool) { return "/kb/files/1/" + name, name == "a.png" },
		Link:    func(slug string) string { return "/en/kb/" + slug },
	})
}

func TestB4_MarkdownIsShown(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"# One\n\n## Two\n\n# One":            `<h2 id="s-one">One</h2><h3 id="s-two">Two</h3><h2 id="s-one-2">One</h2>`,
		"## שלום עולם":                        `<h2 id="s-שלום-עולם">שלום עולם</h2>`,
		"## การคืนเงิน":                       `<h2 id="s-การคืนเงิน">การคืนเงิน</h2>`,
		"~~no~~ **yes**":                      `<p><del>no</del> <strong>yes</strong></p>`,
		"| a | b |\n|---|---|\n| 1 | 2 |":     `<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>`,
		"see https://other.example/x":         `<p>see <a href="https://other.example/x" rel="noopener noreferrer nofollow" target="_blank">https://other.example/x</a></p>`,
		"[more](refunds.md)":                  `<p><a href="/en/kb/refunds">more</a></p>`,
		"[more](../billing/refunds.de.md#x)":  `<p><a href="/en/kb/refunds">more</a></p>`,
		"[up](#s-one) [list](/tickets/new)":   `<p><a href="#s-one">up</a> <a href="/tickets/new">list</a></p>`,
		"![A](a.png)":                         `<p><img src="/kb/files/1/a.png" data-cid="a.png" alt="A"></p>`,
		"![B](b.png)":                         `<p>[B]</p>`,
		"![C](https://other.example/pic.png)": `<p><a href="https://other.example/pic.png" rel="noopener noreferrer nofollow" target="_blank">[C]</a></p>`,
	} {
		if got := strings.ReplaceAll(shown(source).HTML, "\n", ""); got != want {
			t.Errorf("%q is shown as\n%s, want\n%s", source, got, want)
		}
	}
}

func TestB4_HostileMarkdownDoesNothing(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](&#106;avascript:alert(1))",
		"[x](java\tscript:alert(1))", "<javascript:alert(1)>", "![x](javascript:alert(1))", "![x](data:image/svg+xml;base64,PHN2Zz4=)", "![x](data:image/png;base64,AAAA)",
		"[x](data:text/html,<script>alert(1)</script>)", "[x](vbscript:x)", "[x](//evil.example/x)", "[x](/\\evil.example)", "[x](/%09/evil.example)", "[x](\\\\evil.example)",
		"# x {#main onclick=alert(1)}", "<svg/onload=alert(1)>", "<style>*{display:none}</style>", "<iframe src=//x></iframe>", "<form action=//x><input name=password>",
		"[a]: javascript:alert(1)\n\n[a]", "![\"onerror=alert(1)](a.png)", "![x](a.png \"\\\" onerror=alert(1)\")", "```\"onclick=alert(1)\nx\n```", "<a id=main href=/x style=position:fixed>x</a>",
		"![x](../../files/secret)", "![x](a.png?\"onerror=alert(1))",
	} {
		html := shown(source).HTML
		in := newTokens(html)
		for k := in.next(); k != 0 && len(html) > 0; k = in.next() {
			if leftOut(in.tag) {
				t.Errorf("%q gives %s", source, html)
			}
			for _, a := range in.attributes() {
				v := strings.ToLower(a.Val)
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "id" && !strings.HasPrefix(a.Val, "s-") ||
					a.Key == "href" && !hasAnyPrefix(v, "https://", "http://", "mailto:", "#s-", "/%09", "/x") ||
					a.Key == "src" && !strings.HasPrefix(v, "/kb/files/1/a.png") || strings.HasPrefix(v, "//") || strings.Contains(v, "script:") {
					t.Errorf("%q gives %s", source, html)
				}
			}
		}
	}
}

// TestB4_NestingHasAnEnd: what lies deeper than anybody reads is text.
func TestB4_NestingHasAnEnd(t *testing.T) {
	t.Parallel()
	for source, tag := range map[string]string{strings.Repeat(">", 90) + "a": "<blockquote>", strings.Repeat("- ", 90) + "a": "<ul>", strings.Repeat("1. ", 90) + "a": "<ol>"} {
		html := Markdown(source, ArticleOptions{}).HTML
		if n := strings.Count(html, tag); n > maxNested || n < maxNested/2 || !strings.Contains(html, "a") {
			t.Errorf("%s is %d deep: %s", tag, n, html)
		}
	}
	if n := strings.Count(shown(strings.Repeat("[a](b.md)\n", 2*maxLinks)).HTML, "<a "); n != maxLinks {
		t.Errorf("a paragraph has %d links", n)
	}
}

// TestB4_HugeNestingEnds: each is as large as an article may be. Read as it stands, some of them would take longer than the test may.
func TestB4_HugeNestingEnds(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	fill := func(part string) string { return strings.Repeat(part, size/len(part)) }
	for name, source := range map[string]string{
		"quotes": fill(">"), "quotes apart": fill("> "), "lists": fill("- "), "numbers": fill("1. "), "mixed": fill("> - "), "brackets": fill("["), "links": fill("[a]("), "pictures": fill("![a]("),
		"stars": fill("*a "), "strong": fill("**a"), "under": fill("_a"), "tildes": fill("~~a"), "ticks": fill("`a``"), "tags": fill("<a "), "autolinks": fill("<http://"), "tables": fill("|") + "\n" + fill("-|"),
		"columns": "|a" + fill("|a") + "\n|-" + fill("|-"), "headings": fill("# a\n"), "same headings": fill("#\n"), "indents": strings.Repeat(" ", 1000) + fill("\t- a\n  "), "steps": steps(500), "entities": fill("&amp"), "brackets closed": strings.Repeat("[", size/2) + strings.Repeat("]", size/2),
		"definitions": fill("[a]: b\n"), "urls": fill("http://a.b/ "), "backslash": fill("\\"),
	} {
		if len(source) > 2*size+100 {
			t.Fatalf("%s are %d bytes", name, len(source))
		}
		if a := Markdown(source, ArticleOptions{}); len(a.HTML) > 60*size {
			t.Errorf("%s became %d bytes", name, len(a.HTML))
		}
	}
}

func steps(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", 2*i) + "- a\n")
	}
	return b.String()
}
