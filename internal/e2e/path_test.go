package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestB1_APortalUnderAPath: a portal that shares its host lives under a path. Mails lead there, and every page, file and script stays there.
func TestB1_APortalUnderAPath(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	const path = "/help/desk"
	in.env = append(in.env, "POSTERN_BASE_URL="+in.url+path)
	in.start()
	printer := prepare(in)
	p := openTab(t, in.url)
	stays := func(where string) {
		t.Helper()
		if !strings.HasPrefix(p.path(), path+"/") {
			t.Errorf("%s: the page is %s", where, p.path())
		}
		if out := eval[[]string](p, `[...document.querySelectorAll('[href], [src], [action], [formaction]')].flatMap(e => ['href', 'src', 'action', 'formaction'].map(a => e.getAttribute(a)))
			.concat(performance.getEntriesByType('resource').map(r => new URL(r.name)).filter(u => u.origin === location.origin).map(u => u.pathname)).filter(a => a?.startsWith('/') && !a.startsWith('`+path+`/'))`); len(out) > 0 {
			t.Errorf("%s: these lead elsewhere: %v", where, out)
		}
		p.clean(where)
	}
	mailed := link(t, in.sentTo("ingrid@halvorsen.example", 1))
	if !strings.HasPrefix(mailed, path+"/password/") {
		t.Fatalf("the welcome mail leads to %s", mailed)
	}
	p.open(mailed)
	stays("set the password")
	p.fill("#password", password)
	p.leads("set the password", submit("#password"))
	stays("list")
	if got := p.text(".tbl"); !strings.Contains(got, "Label printer") {
		t.Errorf("the list is %s", got)
	}
	p.fill("#q", "firmware")
	p.do("search", typed("#q", kb.Enter))
	p.until("document.querySelectorAll('.tbl tbody tr').length === 1")
	stays("search")
	p.leads("open the ticket", click(fmt.Sprintf(`.subj a[href="%s/tickets/%d"]`, path, printer.Number)))
	stays("thread")
	p.do("choose a file", choose("#files", []string{upload(t, "note.txt", []byte("hi"))}))
	p.fill("#text", "From under a path.")
	p.leads("send", click(".compose .btn.primary"))
	stays("sent")
	if m := in.messagesOf(printer.ID, 5)[4]; m.Text != "From under a path." || len(m.Attachments) != 1 {
		t.Errorf("sent: %+v", m)
	}
	if !p.bool("fetch(document.querySelector('.thread a.file[href$=\"/note.txt\"]').href).then(r => r.text()).then(s => s === 'hi')") {
		t.Error("the file is not there")
	}
	in.call("POST", "/tickets/"+printer.ID+"/messages", map[string]any{"text": "And back.", "agent_name": "Mette Lund"}, nil)
	p.until("document.querySelector('.thread').textContent.includes('And back.')")
	stays("an answer arrives")
	p.picks("de")
	stays("another language")
	p.signsOut()
	stays("signed out")
	p.leads("sign in without anything", click(".btn.primary"))
	stays("a mistake")

	// A proxy that takes the path away gets the same pages; the bare host leads to them.
	v := in.visitor()
	if with, without := v.get(path+"/sign-in"), v.get("/sign-in"); with.status != http.StatusOK || with.body != without.body {
		t.Errorf("with the path %d, without it %d", with.status, without.status)
	}
	if a := v.get(path); a.status != http.StatusPermanentRedirect || a.location != path+"/" {
		t.Errorf("the path alone: %d %s", a.status, a.location)
	}
	if a := v.get("/tickets"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, path+"/sign-in") {
		t.Errorf("a page for people who are signed in: %d %s", a.status, a.location)
	}
}
