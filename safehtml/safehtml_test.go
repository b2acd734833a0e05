package safehtml

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func ours(id string) (string, bool) { return "/files/" + id, id != "gone@example.com" }

func TestP12_Clean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"script":            {`a<script>alert(1)</script>b`, `ab`},
		"nested tags":       {`<scr<script>ipt>alert(1)</script>`, `ipt&gt;alert(1)`},
		"style":             {`<style>p{}</style><p style="position:fixed" class="x">a</p>`, `<p>a</p>`},
		"svg":               {`a<svg><a href="javascript:1">x</a></svg>b`, `ab`},
		"form":              {`<form action="https://e.example"><input name="p">go</form>`, `go`},
		"handler":           {`<b onclick="x()">a</b>`, `<b>a</b>`},
		"link":              {`<a href="https://example.com/a?b=1&amp;c=2" onclick="x">l</a>`, `<a href="https://example.com/a?b=1&amp;c=2" rel="noopener noreferrer nofollow" target="_blank">l</a>`},
		"script link":       {`<a href="java&#10;script:alert(1)">l</a>`, `l`},
		"relative link":     {`<a href="/console/delete">l</a>`, `l`},
		"mail link":         {`<a href="mailto:ann@example.com">l</a>`, `<a href="mailto:ann@example.com" rel="noopener noreferrer nofollow" target="_blank">l</a>`},
		"inline picture":    {`<img src="cid:logo@example.com" alt="Logo" onerror="x">`, `<img src="/files/logo@example.com" data-cid="logo@example.com" alt="Logo">`},
		"unknown picture":   {`<img src="cid:gone@example.com" alt="Logo">`, `[Logo]`},
		"remote picture":    {`<img src="https://example.com/a.png">`, `<a href="https://example.com/a.png" rel="noopener noreferrer nofollow" target="_blank">[picture]</a>`},
		"counting picture":  {`a<img src="https://example.com/a.png" width="1" height="1">b`, `ab`},
		"our own address":   {`<img src="/console/delete?id=1" alt="x">`, `[x]`},
		"data picture":      {`<img src="data:image/png;base64,iVBORw0KGgo=">`, `<img src="data:image/png;base64,iVBORw0KGgo=">`},
		"data svg":          {`<img src="data:image/svg+xml;base64,iVBORw0KGgo=" alt="x">`, `[x]`},
		"unclosed":          {`<div><b>a`, `<div><b>a</b></div>`},
		"paragraphs":        {`<p>a<p>b<ul><li>c<li>d</ul>`, `<p>a</p><p>b</p><ul><li>c</li><li>d</li></ul>`},
		"link in link":      {`<a href="https://a.example">x<a href="https://b.example">y</a></a>`, `<a href="https://a.example" rel="noopener noreferrer nofollow" target="_blank">xy</a>`},
		"table":             {`<table width="9"><tr><td colspan="2" bgcolor=red>a<td>b</table>`, `<table><tr><td colspan="2">a</td><td>b</td></tr></table>`},
		"quote":             {`<blockquote type="cite" class="x">a</blockquote>`, `<blockquote type="cite">a</blockquote>`},
		"direction":         {`<p dir="RTL">a</p>`, `<p dir="rtl">a</p>`},
		"conditional":       {`<!--[if mso]><p>x</p><![endif]-->a`, `a`},
		"entities":          {`&lt;script&gt; &amp;lt; &quot;`, `&lt;script&gt; &amp;lt; &#34;`},
		"forged cid marker": {`<img src="https://evil.example/x" data-cid="logo@example.com">`, `<img src="/files/logo@example.com" data-cid="logo@example.com">`},
	} {
		if got := Clean(c.in, Options{CID: ours}); got != c.want {
			t.Errorf("%s: Clean(%q)\n got %s\nwant %s", name, c.in, got, c.want)
		}
	}
}

func TestCleanKeepsCIDForLater(t *testing.T) {
	t.Parallel()
	stored := Clean(`<p><img src="cid:a@example.com" alt="A"></p>`, Options{KeepCID: true})
	if want := `<p><img src="cid:a@example.com" alt="A"></p>`; stored != want {
		t.Fatalf("stored %q, want %q", stored, want)
	}
	if shown, want := Clean(stored, Options{CID: ours}), `<p><img src="/files/a@example.com" data-cid="a@example.com" alt="A"></p>`; shown != want {
		t.Errorf("shown %q, want %q", shown, want)
	}
}

// danger finds what must never be in clean HTML, whatever went in.
var danger = regexp.MustCompile(`(?i)<(script|style|svg|math|form|base|meta|link|object|embed|iframe|input|button|textarea|title)\b|<[^>]*\son[a-z]+=|(href|src)="\s*(javascript|vbscript|data:text|data:image/svg)`)

func checkClean(t *testing.T, in string, o Options) {
	t.Helper()
	once := Clean(in, o)
	if twice := Clean(once, o); twice != once {
		t.Errorf("not a fixed point of %q:\n once %q\ntwice %q", in, once, twice)
	}
	if other := policy().Sanitize(once); other != once || o.KeepCID && !narrow(once) {
		t.Errorf("the second opinion of %q differs:\n one %q\n two %q, narrow: %v", in, once, other, narrow(once))
	}
	if m := danger.FindString(once); m != "" {
		t.Errorf("Clean(%q) holds %q", in, m)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{
		`<p>Hello <b>Ann</b><br>`, `<a href="https://example.com/?a=1&b=2">x</a>`, `<img src=cid:a@b><img src=https://example.com/x.png>`,
		`<svg><style><img src=x onerror=1></style></svg>`, `<table><tr><td>a<td>b</table>`, `<blockquote type=cite><div dir=rtl>x`, `<math><mtext><table><mglyph><style><img src onerror=1>`,
		`<p><a href="http://a.example/%zz">x</a>`, `<a href="https://e.example/é ü">x`, `&#0;&#x80;<b>&notin;`, `<img alt="&quot;&gt;<script>" src=data:image/png;base64,AAAA>`,
		`a<svg><style><p>b`, `<!-- <!-- <p>x`, `<select><math><textarea>y<!--`, `<a href="x>y</a> <b c='z> d <e f`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		checkClean(t, in, Options{CID: ours})
		checkClean(t, in, Options{KeepCID: true})
	})
}

func FuzzRead(f *testing.F) {
	f.Add(`<div>Hello</div><div class="gmail_quote">On Monday Ann wrote:<blockquote>x</blockquote></div>`)
	f.Add(`<div id="divRplyFwdMsg">From: Ann</div>x`)
	f.Add(`a<div class=gmail_signature>b<blockquote>c</div>d`)
	f.Fuzz(func(t *testing.T, in string) {
		text, spans := Read(in)
		last := 0
		for _, s := range spans {
			if s.Start < last || s.End <= s.Start || s.End > len(text) {
				t.Fatalf("spans %v of %d bytes", spans, len(text))
			}
			last = s.End
		}
	})
}

func FuzzFromText(f *testing.F) {
	f.Add("Hello\n\nsee https://example.com/a_(b). <b>")
	f.Fuzz(func(t *testing.T, in string) {
		checkClean(t, FromText(in), Options{})
	})
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"blocks":     {"<div>a</div>\n<div>b</div>", "a\nb"},
		"paragraphs": {"<p>a</p>\n<p>b\n c</p>", "a\n\nb c"},
		"empty line": {"<div>a</div><div><br></div><div>b</div>", "a\n\nb"},
		"list":       {"<ul><li>a<li>b</ul>c", "- a\n- b\n\nc"},
		"table":      {"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		"hidden":     {`<div style="display: none">x</div><style>y</style><title>z</title>a`, "a"},
		"head":       {`<html><head><title>t</title><meta x><body>a</body></html>`, "a"},
		"in a line":  {"<p>a <b>b</b> <i>c</i>d<span> e</span></p>", "a b cd e"},
		"pre":        {"<pre>a  b\n c</pre>", "a  b\n c"},
		"entities":   {"a&nbsp;&amp;&lt;b", "a\u00a0&<b"},
	} {
		if got, _ := Read(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestReadFindsQuotes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, quote, signature string }{
		"gmail":   {`<div dir="ltr">new</div><div class="gmail_quote"><div class="gmail_attr">On Monday, Ann wrote:<br></div><blockquote class="gmail_quote">old</blockquote></div>`, "On Monday, Ann wrote:\nold", ""},
		"outlook": {`<p>new</p><div id="divRplyFwdMsg">From: Ann</div><div>old</div>`, "From: Ann\nold", ""},
		"apple":   {`new<br><blockquote type="cite"><div>On Monday, Ann wrote:</div><div>old</div></blockquote>`, "On Monday, Ann wrote:\nold", ""},
		"word":    {`<p>new</p><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p>From: Ann</p></div><p>old</p>`, "From: Ann\n\nold", ""},
		"signed":  {`<div>new</div><div class="gmail_signature">Ann</div>`, "", "Ann"},
		"indent":  {`<blockquote style="margin:0 0 0 40px;border:none;padding:0px">new</blockquote>`, "", ""},
	} {
		text, spans := Read(c.in)
		var quote, signature string
		for _, s := range spans {
			if s.Kind == Quote {
				quote += text[s.Start:s.End]
			} else {
				signature += text[s.Start:s.End]
			}
		}
		if quote != c.quote || signature != c.signature {
			t.Errorf("%s: quote %q, signature %q in %q", name, quote, signature, text)
		}
	}
}

func TestFromText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\nb\n\nc <d>":                   "<p>a<br>\nb</p>\n<p>c &lt;d&gt;</p>",
		"see https://example.com/a_(b). ": `<p>see <a href="https://example.com/a_(b)" rel="noopener noreferrer nofollow" target="_blank">https://example.com/a_(b)</a>.</p>`,
		"(www.example.com)":               `<p>(<a href="https://www.example.com" rel="noopener noreferrer nofollow" target="_blank">www.example.com</a>)</p>`,
		"javascript:alert(1)":             "<p>javascript:alert(1)</p>",
		"":                                "",
	} {
		if got := FromText(in); got != want {
			t.Errorf("FromText(%q)\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestHostileLengthsTakeNoTime(t *testing.T) {
	t.Parallel()
	const n = 100_000
	for name, in := range map[string]string{
		"deep":        strings.Repeat("<div>", n),
		"deep quotes": strings.Repeat("<blockquote>", n) + "x",
		"end tags":    strings.Repeat("<b>", 400) + strings.Repeat("</p>", n),
		"attributes":  "<p " + strings.Repeat("a=b ", n) + ">x",
		"open":        strings.Repeat("<", n),
		"pictures":    strings.Repeat("<img src=https://example.com/a>", n/10),
		"links":       strings.Repeat("<a href=https://example.com>", n/10),
		"comment":     strings.Repeat("<!--", n),
		"comments":    strings.Repeat("<!", n) + strings.Repeat("--", n),
		"drawings":    strings.Repeat("<svg>", n),
		"in drawings": strings.Repeat("<svg><style><title>", n/4),
		"unclosed":    strings.Repeat("<svg><math><style><script><title><textarea><template><select><noscript><xmp><plaintext>", n/20),
		"breaks":      strings.Repeat("<svg><p>", n/4) + strings.Repeat("<svg>", n/4) + "<p>",
		"quotes":      strings.Repeat(`<a b="><a b='>`, n/4) + `"`,
		"tags":        strings.Repeat("<a ", n),
		"brackets":    "http://" + strings.Repeat(")", n),
		"words":       strings.Repeat("www.", n),
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				checkClean(t, in, Options{})
				Read(in)
				FromText(in)
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Minute): // it takes a small part of that
				t.Fatal("it is still being read")
			}
		})
	}
}

func TestCorpusOfHostileHTMLIsInert(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("POSTERN_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "expected", "xss_*.jsonl"))
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var row struct{ Payload string }
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			checkClean(t, row.Payload, Options{CID: ours})
		}
	}
}

func BenchmarkClean(b *testing.B) {
	in := strings.Repeat(`<div class="x" style="color:red"><p>Hello <b>Ann</b>, see <a href="https://example.com/a?b=c&amp;d=e">this</a> &amp; that<br><img src="cid:a@b"></p></div>`, 100)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		Clean(in, Options{KeepCID: true})
	}
}
