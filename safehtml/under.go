package safehtml

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// addressed are the attributes of our pages that hold an address.
var addressed = []string{"href", "src", "action", "formaction", "data-news", "data-suggest", "data-passkey", "data-stay"} //nolint:gochecknoglobals // never changes

// Under gives a page as it is for a portal that lives under a path: what begins with a slash is an address of the host, and gets the path before it. All else
// stays as it is, byte by byte. An empty path changes nothing.
func Under(path string, page []byte) []byte {
	if path == "" {
		return page
	}
	out := bytes.NewBuffer(make([]byte, 0, len(page)+len(page)/16))
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		kind := z.Next()
		if kind == html.ErrorToken { // the end: what is read from memory fails in no other way
			out.Write(z.Raw())
			return out.Bytes()
		}
		raw := slices.Clone(z.Raw()) // Token overwrites it
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			out.Write(raw)
			continue
		}
		tag, changed := z.Token(), false
		for i, a := range tag.Attr {
			if slices.Contains(addressed, a.Key) && strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") {
				tag.Attr[i].Val, changed = path+a.Val, true
			}
		}
		if changed {
			raw = []byte(tag.String())
		}
		out.Write(raw)
	}
}
