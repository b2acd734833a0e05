package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestNewTicketInABrowser: a form of the operator's own, an article suggested while the subject is written, what is missing said at its field, and one
// ticket for two clicks (UX, journey 6); the thread on paper and in forced colours (journeys 14 and 15).
func TestNewTicketInABrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "printers"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "printers", "offline.md"), []byte("# When a printer is offline\n\nSwitch it off and on.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.gateway("kb", "import", folder)
	in.gateway("settings", "set", `properties=[{"key":"serial","name":"Serial number","type":"text","shown":true}]`,
		`ticket_forms=[{"key":"printer","name":"Printers","connected":true,"fields":[{"property":"subject"},{"property":"properties.serial","required":true},{"property":"text"},{"property":"files"}]}]`)
	in.start()
	prepare(in)
	p := openTab(t, in.url)
	p.arrives(in, "ingrid@halvorsen.example")

	p.open("/tickets/new")
	p.fill("#subject", "Our printer went offline")
	p.until("!document.querySelector('.suggest').hidden")
	if got := p.text(".suggest"); !strings.Contains(got, "When a printer is offline") {
		t.Errorf("suggested: %s", got)
	}
	p.stop("new-suggest")
	p.leads("send it without the rest", click("form.form .btn.primary"))
	if got := p.text("#errs"); !strings.Contains(got, "Fill in: Serial number") || !strings.Contains(got, "Write what you want to say") {
		t.Errorf("missing: %s", got)
	}
	p.fill("#p_serial", "X-12")
	p.fill("#text", "Since this morning.")
	p.leads("send it, twice", doubleClick("form.form .btn.primary"))
	if got := p.text("main"); !strings.Contains(got, "Since this morning.") || !strings.Contains(got, "X-12") || !strings.Contains(got, "We got it") {
		t.Fatalf("sent, the page is %s", got)
	}
	number := p.text(".kv .mono")
	p.open("/tickets")
	if n := eval[int](p, "[...document.querySelectorAll('.tbl tbody tr')].filter(r => r.innerText.includes('Our printer went offline')).length"); n != 1 {
		t.Errorf("%d tickets by two clicks", n)
	}

	p.open("/tickets/" + strings.TrimPrefix(number, "#"))
	media := func(what string, params emulation.SetEmulatedMediaParams) {
		p.do(what, call(emulation.SetEmulatedMedia, params))
	}
	media("print", emulation.SetEmulatedMediaParams{Media: "print"})
	if got := eval[string](p, "['#reply', '.top', '.foot', '[data-print]'].filter(s => document.querySelector(s).checkVisibility()).join()"); got != "" {
		t.Errorf("on paper there is %s", got)
	}
	if !p.bool("document.querySelector('.thread').checkVisibility() && document.querySelector('h1').checkVisibility()") {
		t.Error("what was said is not on paper")
	}
	p.shoot("thread-print")
	media("forced colours", emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}})
	if !p.bool("matchMedia('(forced-colors: active)').matches") {
		t.Error("the colours are not forced")
	}
	p.do("load axe", chromedp.Evaluate[chromedp.Void](p.axe+";undefined"))
	p.accessible("thread in forced colours")
	p.shoot("thread-forced-colours")
	p.clean(fmt.Sprintf("ticket %s", number))
}
