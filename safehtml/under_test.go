package safehtml

import "testing"

// TestB1_UnderAPath: a page's own addresses get the path, and nothing else changes.
func TestB1_UnderAPath(t *testing.T) {
	t.Parallel()
	page := `<!doctype html><html lang="en"><script src="/assets/app.js" defer></script><svg viewBox="0 0 1 1"><use href="#x"/></svg><a  class='x' href="/tickets?a=1&amp;b=2">/not this</a>` +
		`<a href="https://acme.example/x">y</a><a href="//evil.example">z</a><form action="/"><button formaction="/sign-in/link">&#34; href="/x"</button></form><ol data-news="/tickets/1/events"></ol>` +
		`<textarea><a href="/tickets"></textarea><!-- <a href="/x"> --><img src="data:image/png;base64,x" title="/title"><p>a < b & c`
	want := `<!doctype html><html lang="en"><script src="/help/assets/app.js" defer=""></script><svg viewBox="0 0 1 1"><use href="#x"/></svg><a class="x" href="/help/tickets?a=1&amp;b=2">/not this</a>` +
		`<a href="https://acme.example/x">y</a><a href="//evil.example">z</a><form action="/help/"><button formaction="/help/sign-in/link">&#34; href="/x"</button></form><ol data-news="/help/tickets/1/events"></ol>` +
		`<textarea><a href="/tickets"></textarea><!-- <a href="/x"> --><img src="data:image/png;base64,x" title="/title"><p>a < b & c`
	if got := string(Under("/help", []byte(page))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(Under("", []byte(page))); got != page {
		t.Errorf("without a path: %s", got)
	}
}
