package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postern/internal/mailtest"
)

// prepare fills an installation with what a customer would find: tickets that are open, wait for her, and are closed.
func prepare(in *installation) ticket {
	in.t.Helper()
	for i, subject := range []string{"Invoice 2026-1187 shows the wrong VAT number", "Change of billing contact", "Label printer drops offline after firmware 3.2"} {
		in.dovecot.Append("support", "INBOX", mailFrom("Ingrid Halvorsen <ingrid@halvorsen.example>", support, subject, fmt.Sprintf("seed-%d@halvorsen.example", i), "",
			"Good morning,\n\nsince the update this weekend the label printer at the Hamburg depot loses its connection about every twenty minutes.\n\nIngrid"), nil, time.Now())
		in.ticketAbout(subject)
	}
	billing, printer := in.ticketAbout("Change of billing contact"), in.ticketAbout("Label printer drops offline after firmware 3.2")
	in.call("PATCH", "/tickets/"+billing.ID, map[string]any{"status": "closed"}, nil)
	answer := strings.Replace(string(mailFrom("Mette Lund <"+support+">", "Ingrid Halvorsen <ingrid@halvorsen.example>", "Re: "+printer.Subject, "answer-1@desk.example", "seed-2@halvorsen.example", "")),
		"Content-Type: text/plain; charset=utf-8\r\n\r\n\r\n", "Content-Type: multipart/mixed; boundary=x\r\n\r\n"+string(mailtest.Lines([]byte(
			"--x\nContent-Type: text/html; charset=utf-8\n\n<p>Two questions, so that I can rule out the network:</p><ol><li>Is the printer on Wi-Fi or on a cable?</li><li>What does this print?</li></ol>"+
				"<pre>printerctl status --since 24h --json --verbose --include-drivers --include-firmware --include-network-and-everything-else</pre>\n"+
				"--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"Firmware-3.2.1-release-notes-for-customers.pdf\"\n\n%PDF-1.4\n--x--\n"))), 1)
	in.dovecot.Append("support", "Sent", []byte(answer), nil, time.Now())
	in.messagesOf(printer.ID, 2)
	in.dovecot.Append("support", "INBOX", mailFrom("Ingrid Halvorsen <ingrid@halvorsen.example>", support, "Re: "+printer.Subject, "seed-answer@halvorsen.example", "answer-1@desk.example",
		"On a cable.\n\nOn Monday Mette Lund wrote:\n> Two questions, so that I can rule out the network:\n> 1. Is the printer on Wi-Fi or on a cable?"), nil, time.Now())
	in.messagesOf(printer.ID, 3)
	in.call("POST", "/tickets/"+printer.ID+"/messages", map[string]any{"text": "That log was exactly what we needed. Could you install 3.2.1 tonight?", "agent_name": "Mette Lund"}, nil)
	in.messagesOf(printer.ID, 4)
	return printer
}

// TestPortalInABrowser is a customer's way through the portal: from the link in the welcome mail to signing out and in
// again. Every stop is looked at in several sizes, and by axe.
func TestPortalInABrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	p := openTab(t, in.url)

	// The link in the welcome mail; a password that is too short; one that will do.
	p.open(link(t, in.sentTo("ingrid@halvorsen.example", 1)))
	p.stop("set-password")
	p.fill("#password", "short")
	p.leads("send a short password", submit("#password"))
	p.problem("#password")
	p.stop("set-password-error")
	p.fill("#password", password)
	p.leads("set the password", submit("#password"))
	if p.path() != "/tickets" {
		t.Fatalf("the password leads to %s", p.path())
	}
	p.stop("list")
	if got := p.text("h1 + .sub"); got != "1 ticket is waiting for your answer" {
		t.Errorf("the list says %q", got)
	}
	if rel := p.text("time[data-rel]"); !strings.Contains(rel, "ago") && rel != "now" {
		t.Errorf("a fresh time is shown as %q", rel)
	}
	p.leads("only the closed", click(".pills a:last-child"))
	if got := p.text("tbody"); !strings.Contains(got, "Change of billing contact") || strings.Contains(got, "Label printer") {
		t.Errorf("the closed tickets are %q", got)
	}
	p.open("/tickets")

	p.menu()
	p.leads("open the ticket", click(fmt.Sprintf(`.subj a[href="/tickets/%d"]`, printer.Number)))
	p.stop("thread")
	p.do("show the quoted text", click(".quote summary"))
	if got := p.text(".quote blockquote"); !strings.Contains(got, "rule out the network") {
		t.Errorf("the quoted text is %q", got)
	}
	p.reply(in, printer)
	p.newTicket(in)
	p.solve(in, printer)
	p.systemPages()

	// Out, and in again by a mailed link.
	p.open("/tickets")
	p.do("open the menu", click(".menu:last-child summary"))
	p.leads("sign out", click(`.menu [action="/sign-out"] button`))
	p.stop("signed-out")
	p.leads("sign in without anything", click(".btn.primary"))
	p.problem("#email")
	p.stop("sign-in-error")
	p.fill("#email", "ingrid@halvorsen.example")
	p.leads("ask for a link", click(`[formaction="/sign-in/link"]`))
	p.stop("check-mail")
	mailed := link(t, in.sentTo("ingrid@halvorsen.example", 3)) // after the welcome and the answer
	p.open(mailed)
	p.stop("link")
	p.leads("sign in by link", click(".btn.primary"))
	if p.path() != "/tickets" {
		t.Fatalf("the link leads to %s", p.path())
	}
	p.open(mailed)
	p.stop("link-expired")
	p.open("/forgot")
	p.stop("forgot")
}

// problem checks that the page is about a mistake: its summary has the focus, its link leads to the field, and the title
// says so.
func (p *tab) problem(field string) {
	p.t.Helper()
	if !p.bool("document.activeElement.id === 'errs'") {
		p.t.Errorf("the focus is on %s, want the summary of the problems", p.text(":focus"))
	}
	if !p.bool("document.title.startsWith('Error:')") {
		p.t.Error("the title does not tell of the problem")
	}
	p.do("go to the field", click("#errs a"))
	if !p.bool(fmt.Sprintf("document.activeElement === document.querySelector(%q)", field)) {
		p.t.Errorf("the link in the summary does not lead to %s", field)
	}
	if !p.bool(fmt.Sprintf("(f => f.getAttribute('aria-invalid') === 'true' && f.getAttribute('aria-describedby').split(' ').some(id => document.getElementById(id).textContent.startsWith('Error:')))(document.querySelector(%q))", field)) {
		p.t.Errorf("%s does not say what is wrong with it", field)
	}
}

// menu opens the account menu and closes it by Escape and by a click elsewhere.
func (p *tab) menu() {
	p.t.Helper()
	p.do("open the menu", click(".menu:last-child summary"), appears(`.menu [action="/sign-out"] button`))
	p.stop("account-menu")
	p.do("Escape", chromedp.KeyEvent(kb.Escape))
	p.until("!document.querySelector('.menu').open && document.activeElement.matches('.menu summary')")
	p.do("open the menu and click elsewhere", click(".menu:last-child summary"), click("h1"))
	p.until("!document.querySelector('.menu').open")
}

// upload makes a file to send.
func upload(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reply sends an answer with two files, after an empty one; a double click sends once.
func (p *tab) reply(in *installation, to ticket) {
	p.t.Helper()
	p.leads("send nothing", click(".compose .btn.primary"))
	p.problem("#text")
	p.stop("thread-error")
	log := bytes.Repeat([]byte("log line\n"), 4000)
	p.do("choose files", choose("#files", []string{upload(p.t, "printerctl-hamburg-depot.json", log), upload(p.t, "note.txt", []byte("hi"))}))
	if got := p.text(".ups"); !strings.Contains(got, "printerctl-hamburg-depot.json") || !strings.Contains(got, "note.txt") {
		p.t.Errorf("the page shows the chosen files as %q", got)
	}
	p.fill("#text", "It is installed.\nSo far so good.")
	p.stop("thread-compose")
	p.do("reload", chromedp.Reload())
	if p.bool("document.querySelector('#text').value !== 'It is installed.\\nSo far so good.'") {
		p.t.Error("the draft does not survive a reload")
	}
	p.do("choose files", choose("#files", []string{upload(p.t, "printerctl-hamburg-depot.json", log)}))
	p.leads("double click", doubleClick(".compose .btn.primary"))
	if got := p.text(".note.ok"); !strings.Contains(got, "We got it") {
		p.t.Errorf("after the reply the page says %q", got)
	}
	p.stop("thread-sent")
	said := in.messagesOf(to.ID, 5)
	if m := said[4]; m.Source != "portal" || len(m.Attachments) != 1 || m.Attachments[0].Size != int64(len(log)) || m.Text != "It is installed.\nSo far so good." {
		p.t.Errorf("the reply is %+v", m)
	}
	if p.bool("document.querySelector('#text').value !== ''") {
		p.t.Error("what was sent is still in the box")
	}
	// Somebody presses Stop while a form is sent: the page stays, and sends what is written in it later.
	p.bool("addEventListener('submit', e => e.preventDefault(), {once: true}), true")
	p.fill("#text", "Stopped.")
	p.do("send and stop", click(".compose .btn.primary"))
	if !p.bool("document.querySelector('.compose').dataset.sent === '1'") {
		p.t.Error("the page does not note that the form was sent")
	}
	p.until("!document.querySelector('.compose').dataset.sent && !document.querySelector('[aria-busy]')")
	p.fill("#text", "")
	p.do("write and press Ctrl+Enter", typed("#text", "One more thing."))
	p.leads("Ctrl+Enter", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	in.messagesOf(to.ID, 6)
	p.clean("reply")
}

// newTicket opens a ticket after forgetting the subject.
func (p *tab) newTicket(in *installation) {
	p.t.Helper()
	p.open("/tickets")
	p.leads("new ticket", click(`a[href="/tickets/new"]`))
	p.stop("new")
	p.fill("#text", "The scanner beeps twice.")
	p.leads("send without a subject", click(".form .btn.primary"))
	p.problem("#subject")
	p.stop("new-error")
	if !p.bool("document.querySelector('#text').value === 'The scanner beeps twice.'") {
		p.t.Error("the text is lost after the mistake")
	}
	p.fill("#subject", "Scanner beeps twice")
	p.leads("double click", doubleClick(".form .btn.primary"))
	made := in.ticketAbout("Scanner beeps twice")
	if p.path() != fmt.Sprintf("/tickets/%d", made.Number) || !strings.Contains(p.text(".note.ok"), fmt.Sprint("#", made.Number)) {
		p.t.Errorf("a new ticket leads to %s, which says %q", p.path(), p.text(".note.ok"))
	}
	p.stop("new-sent")
	all, err := in.tickets()
	if err != nil || len(all) != 4 {
		p.t.Errorf("there are %d tickets, want 4: %v", len(all), err)
	}
}

func (p *tab) solve(in *installation, to ticket) {
	p.t.Helper()
	p.open(fmt.Sprintf("/tickets/%d", to.Number))
	p.leads("mark as solved", click(".acts .btn"))
	p.stop("thread-closed")
	var now ticket
	in.call("GET", "/tickets/"+to.ID, nil, &now)
	if now.Status != "closed" || p.bool("!!document.querySelector('.acts .btn')") || !strings.Contains(p.text(".compose"), "opens it again") {
		p.t.Errorf("after marking as solved the status is %s, the composer %q", now.Status, p.text(".compose"))
	}
}

func (p *tab) systemPages() {
	p.t.Helper()
	p.open("/tickets/99999")
	p.stop("not-found")
}

// TestPortalEmptyInABrowser is a customer's first visit without a ticket.
func TestPortalEmptyInABrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.gateway("contact", "add", "--name", "Noa", "--email", "noa@new.example")
	in.start()
	p := openTab(t, in.url)
	cookies := func(blocked, told bool) {
		t.Helper()
		p.do("cookies", call(emulation.SetDocumentCookieDisabled, emulation.SetDocumentCookieDisabledParams{Disabled: blocked}))
		p.open("/sign-in")
		if got := p.text("[data-cookies]") != "" && p.bool("document.querySelector('[data-cookies]').checkVisibility()"); got != told {
			t.Errorf("with cookies blocked %v the page says so: %v", blocked, got)
		}
	}
	cookies(true, true)
	p.stop("no-cookies")
	cookies(false, false)
	p.arrives(in, "noa@new.example")
	p.stop("empty")
}

// TestPortalWithoutScript signs in, reads and answers with a file where scripts are off.
func TestPortalWithoutScript(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	p := openTab(t, in.url)
	p.do("switch scripts off", call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	p.open(link(t, in.sentTo("ingrid@halvorsen.example", 1)))
	p.fill("#password", password)
	p.leads("set the password", click(".btn.primary"))
	p.do("open the menu", click(".menu:last-child summary"), appears(`.menu [action="/sign-out"] button`))
	p.leads("sign out", click(`.menu [action="/sign-out"] button`))
	p.fill("#email", "ingrid@halvorsen.example")
	p.fill("#password", password)
	p.leads("sign in", click(".btn.primary"))
	p.leads("open the ticket", click(fmt.Sprintf(`.subj a[href="/tickets/%d"]`, printer.Number)))
	if !strings.Contains(p.text(".thread"), "exactly what we needed") {
		t.Errorf("the thread is %q", p.text(".thread"))
	}
	p.leads("send nothing", click(".compose .btn.primary"))
	if !strings.Contains(p.text("#errs"), "Write what you want to say") {
		t.Errorf("an empty reply gives %q", p.text("main"))
	}
	p.fill("#text", "Sent without a script.")
	p.do("choose a file", choose("#files", []string{upload(t, "note.txt", []byte("hi"))}))
	p.shoot("thread-no-script")
	if !p.bool("(r => r.width > 100 && r.height > 20)(document.querySelector('#files').getBoundingClientRect())") {
		t.Error("without a script nothing shows which file was chosen")
	}
	p.leads("send", click(".compose .btn.primary"))
	if m := in.messagesOf(printer.ID, 5)[4]; m.Text != "Sent without a script." || len(m.Attachments) != 1 {
		t.Errorf("the reply is %+v", m)
	}
	p.clean("without script")
}

// TestPortalByKeyboard signs in and answers without a mouse.
func TestPortalByKeyboard(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	if page := in.visitor().post(link(t, in.sentTo("ingrid@halvorsen.example", 1)), "application/x-www-form-urlencoded", []byte("password="+strings.ReplaceAll(password, " ", "+"))); page.status != http.StatusSeeOther {
		t.Fatalf("setting the password gives %d", page.status)
	}
	p := openTab(t, in.url)
	p.open("/sign-in")
	p.tabTo("#email")
	p.do("type the address", chromedp.KeyEvent("ingrid@halvorsen.example"), chromedp.KeyEvent(kb.Tab))
	p.do("type the password", chromedp.KeyEvent(password))
	p.leads("Enter", chromedp.KeyEvent(kb.Enter))
	p.singleKeysDoNothing()
	p.tabTo(fmt.Sprintf(`.subj a[href="/tickets/%d"]`, printer.Number))
	p.leads("Enter", chromedp.KeyEvent(kb.Enter))
	p.singleKeysDoNothing()
	p.tabTo("#text")
	p.do("type", chromedp.KeyEvent("By keyboard."))
	p.tabTo(".cc summary")
	p.do("open it", chromedp.KeyEvent(kb.Enter))
	p.tabTo("#copies")
	p.do("name somebody", chromedp.KeyEvent("bo@halvorsen.example"))
	p.do("Tab", chromedp.KeyEvent(kb.Tab))
	if !p.bool("document.activeElement.id === 'files' && getComputedStyle(document.querySelector('.drop label')).outlineStyle === 'solid'") {
		t.Error("the choice of files is not reached by Tab, or does not show it")
	}
	p.tabTo(".compose .btn.primary")
	p.leads("Enter", chromedp.KeyEvent(kb.Enter))
	if m := in.messagesOf(printer.ID, 5)[4]; m.Text != "By keyboard." {
		t.Errorf("the reply is %+v", m)
	}
	p.draftOutlivesTheSession(printer)
	p.draftsAreForTheirAuthor(in, printer)
	// The skip link is the first stop, and every stop can be seen.
	p.open("/tickets")
	p.do("Tab", chromedp.KeyEvent(kb.Tab))
	if !p.bool("document.activeElement.matches('.skip') && document.activeElement.getBoundingClientRect().top >= 0") {
		t.Error("the first Tab does not show the skip link")
	}
	p.do("Enter", chromedp.KeyEvent(kb.Enter))
	p.until("document.activeElement.id === 'main' || location.hash === '#main'")

	// Search and filters, a new ticket after a mistake, the account, the language, and out.
	p.tabTo("#q")
	p.do("search", chromedp.KeyEvent("firmware"), chromedp.KeyEvent(kb.Enter))
	p.until("document.querySelectorAll('.tbl tbody tr').length === 1 && document.activeElement.id === 'q'")
	p.tabTo(".pills a:last-child")
	p.do("only the closed", chromedp.KeyEvent(kb.Enter))
	p.until("new URL(location).searchParams.get('status') === 'closed' && document.activeElement.matches('.pills a:last-child')")
	p.open("/tickets")
	p.tabTo(`.head a[href="/tickets/new"]`)
	p.leads("Enter", chromedp.KeyEvent(kb.Enter))
	p.tabTo("#text")
	p.do("type", chromedp.KeyEvent("Without a mouse."))
	p.tabTo(".form .btn.primary")
	p.leads("Enter", chromedp.KeyEvent(kb.Enter))
	p.tabTo("#errs a")
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} { // no character, as after a key that a link has taken
		p.do("go to the field", call(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, NativeVirtualKeyCode: 13}))
	}
	p.until("document.activeElement.id === 'subject'")
	p.do("type", chromedp.KeyEvent("No mouse"))
	p.leads("Enter in the field", chromedp.KeyEvent(kb.Enter))
	in.ticketAbout("No mouse")
	p.tabTo(".acts .btn")
	p.leads("mark it as solved", chromedp.KeyEvent(kb.Enter))
	p.tabTo(".rate .btn")
	p.leads("say how it went", chromedp.KeyEvent(kb.Enter))
	p.open("/account")
	p.tabTo("#name")
	p.leads("save the account", chromedp.KeyEvent(kb.Enter))
	if got := p.text(".note.ok"); got == "" {
		t.Errorf("saved, the account says %s", p.text("main"))
	}
	p.tabTo(picker + " summary")
	p.do("open the picker", chromedp.KeyEvent(kb.Enter))
	p.tabTo(picker + ` [value="de"]`)
	p.leads("pick German", chromedp.KeyEvent(kb.Enter))
	if lang := eval[string](p, "document.documentElement.lang"); lang != "de" {
		t.Errorf("the page is in %s", lang)
	}
	p.tabTo(".menu:last-child summary")
	p.do("open the menu", chromedp.KeyEvent(kb.Enter))
	p.tabTo(`.menu [action="/sign-out"] button`)
	p.leads("sign out", chromedp.KeyEvent(kb.Enter))
	if !strings.HasPrefix(p.path(), "/sign-in") {
		t.Errorf("signed out at %s", p.path())
	}
	p.clean("by keyboard")
}

// draftOutlivesTheSession sends a reply after the session has ended: after signing in the text is there again.
func (p *tab) draftOutlivesTheSession(to ticket) {
	p.t.Helper()
	p.fill("#text", "Typed for an hour.")
	p.do("lose the session", call(network.ClearBrowserCookies, cdp.Empty{}))
	p.leads("send", click(".compose .btn.primary"))
	if !strings.HasPrefix(p.path(), "/sign-in?to=") {
		p.t.Fatalf("without a session a reply leads to %s", p.path())
	}
	p.fill("#email", "ingrid@halvorsen.example")
	p.fill("#password", password)
	p.leads("sign in", submit("#password"))
	if p.path() != fmt.Sprintf("/tickets/%d", to.Number) || !p.bool("document.querySelector('#text').value === 'Typed for an hour.'") {
		p.t.Errorf("after signing in again at %s the text is gone", p.path())
	}
}

// draftsAreForTheirAuthor has somebody else sign in where a session has ended: nothing that was typed before is there for
// them, and nothing is left of it.
func (p *tab) draftsAreForTheirAuthor(in *installation, to ticket) {
	p.t.Helper()
	in.gateway("contact", "add", "--name", "Bob", "--email", "bob@halvorsen.example")
	invitation := link(p.t, in.sentTo("bob@halvorsen.example", 1))
	p.open("/tickets/new")
	p.fill("#subject", "Nobody else's business")
	p.fill("#text", "Ingrid's words.")
	kept := "Object.values(sessionStorage).some(v => v.includes('words') || v.includes('hour') || v.includes('business'))"
	if !p.bool(kept) {
		p.t.Error("no draft is kept")
	}
	p.do("lose the session", call(network.ClearBrowserCookies, cdp.Empty{}))
	p.open(invitation)
	p.fill("#password", password)
	p.leads("set the password", submit("#password"))
	p.open("/tickets/new")
	if got := eval[string](p, "document.querySelector('#subject').value + document.querySelector('#text').value"); got != "" {
		p.t.Errorf("Bob finds %q in his form", got)
	}
	if p.bool(kept) || p.bool("/[0-9a-f]{8}-[0-9a-f]{4}-7/.test(document.documentElement.dataset.whose)") {
		p.t.Errorf("Bob's tab holds %s", eval[string](p, "JSON.stringify(sessionStorage)"))
	}
	p.do("lose the session", call(network.ClearBrowserCookies, cdp.Empty{}))
	p.open("/sign-in")
	p.fill("#email", "ingrid@halvorsen.example")
	p.fill("#password", password)
	p.leads("sign in", submit("#password"))
	p.open(fmt.Sprintf("/tickets/%d", to.Number))
}

// singleKeysDoNothing strikes each key that other programs have a command on: people who speak to their machine, or whose
// hands slip, must not set anything off, as long as nobody can switch it off (WCAG 2.1.4).
func (p *tab) singleKeysDoNothing() {
	p.t.Helper()
	at := "location.href + ' ' + document.activeElement.outerHTML"
	before := eval[string](p, at)
	for _, key := range []string{"/", "?", "e", "j", "k", "n", "o", "r", "u", "g", "s"} {
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			p.do("press "+key, call(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key, Code: "Key" + strings.ToUpper(key)}))
		}
		if after := eval[string](p, at); after != before {
			p.t.Fatalf("WCAG 2.1.4: %s leads from %s to %s", key, before, after)
		}
	}
}

// tabTo presses Tab until an element has the focus.
func (p *tab) tabTo(selector string) {
	p.t.Helper()
	for range 60 {
		if p.bool(fmt.Sprintf("document.activeElement === document.querySelector(%q)", selector)) {
			if !p.bool("(r => r.bottom > 0 && r.top < innerHeight)(document.activeElement.getBoundingClientRect())") {
				p.t.Errorf("%s has the focus but is not in sight", selector)
			}
			return
		}
		p.do("Tab", chromedp.KeyEvent(kb.Tab))
	}
	p.t.Fatalf("Tab does not reach %s", selector)
}
