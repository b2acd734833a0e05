package safehtml

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// TestNarrow: what is stored without the second opinion is of one form only.
func TestNarrow(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "text &amp; &lt;b&gt; é", "<p>a<br>b</p><hr>", "<table><tr><td colspan=\"2\" dir=\"rtl\">a</td></tr></table>", `<blockquote type="cite">a</blockquote>`,
		`<a href="https://example.com/?a=1&amp;b=2" rel="noopener noreferrer nofollow" target="_blank">a</a>`, `<a href="mailto:ann@example.com">a</a>`,
		`<img src="cid:a@example.com" width="10" height="20" alt="a">`, `<img src="data:image/png;base64,AAAA">`, `<ol start="3"><li>a</li></ol>`,
	} {
		if !narrow(s) {
			t.Errorf("%q is not narrow", s)
		}
	}
	for _, s := range []string{
		"<", ">", `"`, "'", "\x00", "\r", "<p", "<p ", "< p>", "</p", "</ p>", "<p/>", "<P>", "<p\n>", "<!--", "<!-- -->", "<!x>", "<?x>", "</br>", "</img>", "<>", "</>",
		"<script>", "<style>", "<svg>", "<math>", "<template>", "<title>", "<textarea>", "<form>", "<input>", "<iframe>", "<object>", "<base>", "<meta>", "<link>", "<x-y>", "<pp>",
		`<p onclick="x">`, `<p style="x">`, `<p class="x">`, `<p id="x">`, `<p dir="x">`, `<p dir="rtl>`, `<p dir=rtl>`, `<p dir='rtl'>`, `<p dir="rtl"x>`, `<p dir="rtl" >`, `<p  dir="rtl">`, `<p dir>`,
		`<a href="javascript:x">`, `<a href="/x">`, `<a href="">`, `<a href=" https://x">`, `<a href="HTTPS://x">`, `<a href="&#104;ttps://x">`, `<a href="data:text/html,x">`, `<a href="https://x" rel="opener">`, `<a href="https://x" target="x">`,
		`<img src="https://example.com/x">`, `<img src="/x">`, `<img src="data:image/svg+xml;base64,AAAA">`, `<img srcset="cid:a">`, `<img src="cid:a" onerror="x">`, `<img alt="<b>">`, `<img data-cid="a">`,
		`<td colspan="x">`, `<td colspan="">`, `<td colspan="1234567">`, `<p colspan="1">`, `<blockquote type="x">`, `<b type="cite">`,
	} {
		if narrow(s) {
			t.Errorf("%q is narrow", s)
		}
	}
}

// TestNarrowAndPolicyAllowTheSame holds three lists together that are written apart on purpose.
func TestNarrowAndPolicyAllowTheSame(t *testing.T) {
	t.Parallel()
	if len(narrowTags) != len(allowedTags) {
		t.Errorf("%d and %d elements", len(narrowTags), len(allowedTags))
	}
	for _, tag := range allowedTags {
		if s := "<" + tag.String() + ">"; !narrow(s) || policy().Sanitize(s) != s {
			t.Errorf("%s is not narrow, or the policy takes it away", s)
		}
	}
}

// FuzzNarrow: a browser's parser finds in what is narrow only elements and attributes that can do nothing.
func FuzzNarrow(f *testing.F) {
	f.Add(`<p dir="ltr">a<br><a href="https://example.com/&quot;" rel="noopener noreferrer nofollow" target="_blank">x &amp; y</a>`)
	f.Add(`<table><td colspan="2"><img src="cid:a" alt="&lt;script&gt;"></td></table>&#60;script>`)
	f.Add(`<pre></p></table><li><dd><h1></li>`)
	f.Fuzz(func(t *testing.T, s string) {
		if !narrow(s) {
			return
		}
		nodes, err := html.ParseFragment(strings.NewReader(s), &html.Node{Type: html.ElementNode, DataAtom: atom.Div, Data: "div"})
		if err != nil {
			t.Fatal(err)
		}
		for _, top := range nodes {
			for n := range top.Descendants() {
				checkNode(t, s, n)
			}
			checkNode(t, s, top)
		}
	})
}

func checkNode(t *testing.T, s string, n *html.Node) {
	t.Helper()
	switch n.Type {
	case html.TextNode:
		return
	case html.ElementNode:
	default:
		t.Errorf("%q holds a node of type %d", s, n.Type)
		return
	}
	if n.Namespace != "" || !allowed(n.DataAtom) && !slices.Contains([]atom.Atom{atom.Br, atom.Hr, atom.Img, atom.Colgroup}, n.DataAtom) {
		t.Errorf("%q holds <%s>", s, n.Data)
	}
	for _, a := range n.Attr {
		ok := slices.Contains([]string{"rel", "target", "alt", "width", "height", "colspan", "rowspan", "start", "type", "dir"}, a.Key)
		switch a.Key {
		case "href":
			ok = hasAnyPrefix(a.Val, "http://", "https://", "mailto:", "tel:")
		case "src":
			ok = hasAnyPrefix(a.Val, "cid:", "data:image/") && !strings.Contains(a.Val, "svg")
		}
		if !ok {
			t.Errorf("%q holds %s=%q", s, a.Key, a.Val)
		}
	}
}
