package safehtml

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// harmful finds in an original what it must never have, by reading it as a browser does.
func harmful(t testing.TB, doc string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.CommentToken, html.DoctypeToken:
			t.Errorf("a comment or a doctype: %q", z.Raw())
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			if _, ok := kept[tok.DataAtom]; !ok {
				t.Errorf("an element <%s> in %q", tok.Data, doc)
			}
			for _, a := range tok.Attr {
				low := strings.ToLower(strings.Join(strings.Fields(a.Val), ""))
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "srcset", a.Key == "background", a.Key == "id", a.Key == "name":
					t.Errorf("an attribute %s=%q in %q", a.Key, a.Val, doc)
				case a.Key == "href" && !strings.HasPrefix(low, "http://") && !strings.HasPrefix(low, "https://") && !strings.HasPrefix(low, "mailto:") && !strings.HasPrefix(low, "tel:"):
					t.Errorf("a link to %q", a.Val)
				case a.Key == "src" && !strings.HasPrefix(low, "/own/") && !strings.HasPrefix(low, "data:image/"):
					t.Errorf("a picture from %q", a.Val)
				case a.Key == "style" && (strings.Contains(low, "url") || strings.Contains(low, "position") || strings.Contains(low, "expression") || strings.Contains(low, "@")):
					t.Errorf("a style %q", a.Val)
				}
			}
		}
	}
}

func withPictures() OriginalOptions {
	return OriginalOptions{CID: func(id string) (string, bool) {
		return "/own/" + regexp.MustCompile(`[^a-z]`).ReplaceAllString(id, ""), true
	}, Remote: func(int) string { return "/own/remote" }}
}

func TestP13_OriginalsKeepTheirLooksAndNothingThatActs(t *testing.T) {
	t.Parallel()
	in := `<style>p{color:red}</style><div style="color:#333;position:fixed;top:0;background:url(http://x/y);font-size:14px;width:99999px;margin-top:-900px"><table bgcolor="#eee" width=600><tr><td onclick=x()>` +
		`Hi <a href="https://acme.example/?a=1&b=2" onmouseover=x>link</a><a href="javascript:x()">no</a><img src="https://track.example/p.gif" width=1 height=1><img src="cid:logo" alt="Logo"><img src="data:image/svg+xml;base64,AAAA" alt="svg">` +
		`<form action=https://evil.example><input name=p>Text<button>Send</button></form><script>alert(1)</script><iframe src=//x></iframe></td></tr></table></div>`
	doc, remote := Original(in, withPictures())
	harmful(t, doc)
	for _, want := range []string{`style="color: #333; font-size: 14px"`, `bgcolor="#eee"`, `width="600"`, "a=1&amp;b=2", `rel="noopener noreferrer nofollow" target="_blank"`, "/own/remote", "/own/logo", "Text"} {
		if !strings.Contains(doc, want) {
			t.Errorf("it lacks %q: %s", want, doc)
		}
	}
	if len(remote) != 1 || remote[0] != "https://track.example/p.gif" || strings.Contains(doc, "alert") || strings.Contains(doc, "p{color") {
		t.Errorf("remote %q in %s", remote, doc)
	}
	if doc, _ := Original(in, OriginalOptions{}); strings.Contains(doc, "<img") || !strings.Contains(doc, "Logo") {
		t.Errorf("without pictures: %s", doc)
	}
}

// TestP13_OriginalsOfHostileMail goes over the collection's snippets, where it is at hand, and over our own.
func TestP13_OriginalsOfHostileMail(t *testing.T) {
	t.Parallel()
	snippets := []string{
		`<p style="width:expression(alert(1))">`, `<p style="background:\75rl(http://x)">`, `<p style="color:red;/*">x*/position:absolute">`, `<img src=x onerror=alert(1)>`, `<svg><script>alert(1)</script></svg>`,
		`<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>`, `<a href="java&#10;script:alert(1)">x</a>`, `<a href=" javascript:alert(1)">x</a>`, `<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>`,
		`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<div style="height:100vh">`, strings.Repeat("<div>", 5000), `<img src="https://u:p@evil.example/x">`, `<td background=http://x>`, `<a href="data:text/html,<script>alert(1)</script>">x`,
	}
	if root := os.Getenv("POSTERN_CORPUS"); root != "" {
		f, err := os.Open(filepath.Join(root, "expected", "xss_bluemonday.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // it was only read
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var row map[string]any
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			for _, v := range row {
				if s, ok := v.(string); ok {
					snippets = append(snippets, s)
				}
			}
		}
	}
	for _, s := range snippets {
		doc, _ := Original(s, withPictures())
		harmful(t, doc)
	}
}

func FuzzOriginal(f *testing.F) {
	f.Add(`<table style="color:red"><td><img src=cid:a><a href=https://x>y`)
	f.Add(`<p style="a:b;color:\75rl(x)"><svg><style><!--</style>`)
	f.Fuzz(func(t *testing.T, s string) {
		doc, _ := Original(s, withPictures())
		harmful(t, doc)
	})
}
