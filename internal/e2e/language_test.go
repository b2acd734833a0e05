package e2e

import (
	"fmt"
	"testing"
)

// TestB2_LanguagesInABrowser: a customer picks a language before and after signing in, and reads the portal from right to left.
func TestB2_LanguagesInABrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	p := openTab(t, in.url)

	p.open("/sign-in?why=out")
	p.do("open the picker", click(picker+" summary"))
	p.stop("picker")
	p.do("close the picker", click(picker+" summary"))
	p.picks("he")
	if got := p.path(); got != "/sign-in?why=out" {
		t.Errorf("the picker leads to %s", got)
	}
	p.stop("he-sign-in")
	p.open(link(t, in.sentTo("ingrid@halvorsen.example", 1)))
	p.stop("he-set-password")
	p.fill("#password", password)
	p.leads("set the password", submit("#password"))
	if !p.bool("document.documentElement.lang === 'he' && document.querySelector('.brand').getBoundingClientRect().left > innerWidth / 2") {
		t.Error("the list is not from right to left")
	}
	p.stop("he-list")
	for _, lang := range []string{"he", "de"} {
		if lang != "he" {
			p.open("/tickets")
			p.picks(lang)
			p.stop(lang + "-list")
		}
		for name, path := range map[string]string{"thread": fmt.Sprintf("/tickets/%d", printer.Number), "new": "/tickets/new", "account": "/account", "missing": "/tickets/999999"} {
			p.open(path)
			if got := eval[string](p, "document.documentElement.lang"); got != lang {
				t.Errorf("%s is in %s, want %s", path, got, lang)
			}
			p.stop(lang + "-" + name)
		}
	}
	if !p.bool("document.documentElement.dir === 'ltr'") {
		t.Error("German is not from left to right")
	}
}

const picker = ".tools details:first-child"

// picks chooses a language in the picker at the top of the page.
func (p *tab) picks(lang string) {
	p.t.Helper()
	p.do("open the picker", click(picker+" summary"))
	p.leads("pick "+lang, click(picker+` [value="`+lang+`"]`))
}
