package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestAnAnswerAppearsWithoutReload: an agent answers in the mail client while the customer has the thread open (UX, journey 7).
func TestAnAnswerAppearsWithoutReload(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	p := openTab(t, in.url)
	p.arrives(in, "ingrid@halvorsen.example")
	p.open(fmt.Sprintf("/tickets/%d", printer.Number))
	p.fill("#text", "Half an ans")
	title := eval[string](p, "document.title")
	in.dovecot.Append("support", "Sent", mailFrom("Mette Lund <"+support+">", "Ingrid Halvorsen <ingrid@halvorsen.example>", "Re: "+printer.Subject, "answer-2@desk.example", "seed-answer@halvorsen.example",
		"The firmware 3.2.2 mends it."), nil, time.Now())
	p.until("!document.getElementById('news').hidden")
	if got := p.text(".thread > li:last-child"); !strings.Contains(got, "3.2.2 mends it") {
		t.Errorf("the newest message is %q", got)
	}
	if got := eval[string](p, "document.title"); got != "(1) "+title {
		t.Errorf("the title is %q", got)
	}
	if !p.bool("document.getElementById('text').value === 'Half an ans'") {
		t.Error("what was being typed is gone")
	}
	p.stop("thread-news")
	p.do("look at it", click("#news a"))
	p.until("document.getElementById('news').hidden && document.title === " + fmt.Sprintf("%q", title))
}

// TestRegisterInABrowser: register with consent, the consent changes, the account page (UX, journey 2); the list changes in place and the way back works
// (journey 3).
func TestRegisterInABrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.gateway("settings", "set", "access.registration=open", `access.consent.texts.en={"text":"We keep what you write, to **help you**.","label":"I agree to that"}`, "access.consent.enabled=true")
	in.start()
	p := openTab(t, in.url)
	p.open("/sign-in")
	p.leads("register", click(`a[href="/register"]`))
	p.stop("register")
	p.leads("send nothing", click(".btn.primary"))
	p.problem("#name")
	p.stop("register-error")
	p.fill("#name", "Noa New")
	p.fill("#email", "noa@new.example")
	p.fill("#password", password)
	p.do("agree", click("#consent"))
	p.leads("send", click(".btn.primary"))
	p.stop("register-sent")
	p.open(link(t, in.sentTo("noa@new.example", 1)))
	p.stop("confirm")
	p.leads("confirm", click(".btn.primary"))
	if p.path() != "/tickets" {
		t.Fatalf("confirming leads to %s", p.path())
	}
	p.open("/account")
	p.stop("account")
	in.gateway("settings", "set", `access.consent.texts.en={"text":"We keep what you write for a year.","label":"I agree to that"}`)
	in.until("the new text is asked for", func() (bool, error) { p.open("/tickets"); return strings.HasPrefix(p.path(), "/consent"), nil })
	p.stop("consent")
	p.do("agree", click("#consent"))
	p.leads("go on", click(".btn.primary"))
	if p.path() != "/tickets" {
		t.Fatalf("agreeing leads to %s", p.path())
	}

	for i, subject := range []string{"Printer", "Invoice", "Login"} {
		in.dovecot.Append("support", "INBOX", mailFrom("Noa New <noa@new.example>", support, subject, fmt.Sprintf("noa-%d@new.example", i), "", "It is about the "+subject+", as always."), nil, time.Now())
		in.ticketAbout(subject)
	}
	p.open("/tickets")
	p.bool("window.same = true")
	p.fill("#q", "invoice always")
	p.do("search", typed("#q", kb.Enter))
	p.until("document.querySelectorAll('.tbl tbody tr').length === 1 && document.querySelectorAll('mark').length > 1")
	p.stop("list-search")
	p.do("only the closed", click(".pills a:last-child"))
	p.until("new URL(location).searchParams.get('status') === 'closed' && document.querySelectorAll('.tbl tbody tr').length === 0")
	p.do("back", chromedp.NavigateBack())
	p.until("new URL(location).searchParams.get('q') === 'invoice always' && !new URL(location).searchParams.has('status') && document.querySelectorAll('.tbl tbody tr').length === 1")
	if !p.bool("window.same === true") {
		t.Error("the list changes by loading whole pages")
	}
	p.fill("#q", "nothing like it")
	p.do("search in vain", typed("#q", kb.Enter))
	p.until("document.querySelector('#results .empty')?.textContent.includes('nothing like it')")
	p.stop("list-no-hit")
	in.gateway("portal", "off")
	in.until("the portal is off", func() (bool, error) { p.open("/"); return strings.Contains(p.text("main"), "closed for now"), nil })
	p.stop("off")
}
