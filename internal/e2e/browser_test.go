package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// step is something that is done in a page.
type step = chromedp.Action[chromedp.Void]

// call is a command of the DevTools protocol, as a step.
func call[P, R any](command cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// chromium starts a browser of its own; its context ends with the test.
func chromium(t testing.TB) context.Context {
	t.Helper()
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(firstProgram(t, "chromium", "chromium-browser", "google-chrome")), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en"))
	ctx, cancel := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("the browser ends with: %v", err)
		}
		cancel()
		stop()
	})
	return ctx
}

func firstProgram(t testing.TB, names ...string) string {
	t.Helper()
	for _, n := range names {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if _, err := os.Stat(filepath.Join(dir, n)); err == nil {
				return filepath.Join(dir, n)
			}
		}
	}
	t.Fatalf("none of %v is installed; script/setup installs them", names)
	return ""
}

// look is how a page is seen.
type look struct {
	dark  bool
	width int64
}

func (l look) String() string {
	theme := "light"
	if l.dark {
		theme = "dark"
	}
	return fmt.Sprintf("%s-%d", theme, l.width)
}

// looks are the ways every stop of a journey is looked at.
func looks() []look {
	if !long {
		return []look{{width: 1280}, {width: 390}}
	}
	var all []look
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{1280, 390, 320} {
			all = append(all, look{dark, width})
		}
	}
	return all
}

// tab is one page of a browser, with cookies of its own. It takes note of everything that should not happen in a page of
// ours: a script that fails, something the content security policy stops, a dialog, a request that goes elsewhere.
type tab struct {
	t      testing.TB
	ctx    context.Context
	origin string
	shots  string
	axe    string

	mu        sync.Mutex // guards the rest
	faults    []string
	elsewhere []string
}

func openTab(t testing.TB, browser context.Context, origin string) *tab {
	t.Helper()
	b, err := os.ReadFile("../../node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v; script/setup installs it", err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx, origin: origin, axe: string(b), shots: os.Getenv("POSTERN_SHOTS")}
	if p.shots == "" {
		p.shots = t.TempDir()
	}
	if err := os.MkdirAll(p.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	p.do("open a tab", call(network.Enable, network.EnableParams{}), call(cdplog.Enable, cdp.Empty{}), call(cdppage.Enable, cdppage.EnableParams{}), see(look{width: 1280}))
	return p
}

// hear notes what goes wrong in the page.
func (p *tab) hear(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "a script failed: "+(&chromedp.ExceptionError{ExceptionDetails: ev.ExceptionDetails}).Error())
	case *cdplog.EventEntryAdded:
		// a status of 4xx is what some tests want; the console calls it an error
		if ev.Entry.Level == cdplog.EntryLevelError && ev.Entry.Source != cdplog.EntrySourceNetwork {
			p.faults = append(p.faults, "the console says: "+ev.Entry.Text)
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.faults = append(p.faults, "a dialog opened: "+ev.Message)
		go func() {
			_ = chromedp.Do(p.ctx, call(cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: true}))
		}() // a listener must not wait
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(ev.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Scheme != "about" && u.Scheme+"://"+u.Host != p.origin {
			p.elsewhere = append(p.elsewhere, ev.Request.URL)
		}
	}
}

// clean fails the test if something happened that should not, and forgets it.
func (p *tab) clean(where string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Errorf("%s: %s", where, f)
	}
	for _, u := range p.elsewhere {
		p.t.Errorf("%s: the page asked for %s", where, u)
	}
	p.faults, p.elsewhere = nil, nil
}

// do runs steps, which get half a minute.
func (p *tab) do(what string, steps ...step) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.shoot("failed")
		p.t.Fatalf("%s: %v; the page is %s", what, err, p.text("body"))
	}
}

// eval gives the value of an expression, after its promise if it is one.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (p *tab) bool(expression string) bool {
	p.t.Helper()
	return eval[bool](p, expression)
}

// text reads the text of an element as people see it; "" if there is none, also when the page is in trouble.
func (p *tab) text(selector string) string {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return s
}

// path is where the tab is.
func (p *tab) path() string {
	p.t.Helper()
	return eval[string](p, "location.pathname + location.search")
}

// open goes to a page.
func (p *tab) open(path string) {
	p.t.Helper()
	p.do("open "+path, chromedp.Navigate(p.origin+path))
}

// leads does something that loads another page, and waits until that one is there.
func (p *tab) leads(what string, steps ...step) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		p.shoot("failed")
		p.t.Fatalf("%s: %v; the page is %s", what, err, p.text("body"))
	}
}

// fill types into a field, in place of what it holds.
func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.bool(fmt.Sprintf("document.querySelector(%q).value = '', true", selector))
	p.do("fill "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// until waits until an expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		p.shoot("failed")
		p.t.Fatalf("waited in vain for %s: %v", expression, err)
	}
}

// see changes how the page is looked at.
func see(l look) step {
	theme := "light"
	if l.dark {
		theme = "dark"
	}
	media := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	return chromedp.Steps(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media}),
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 900, DeviceScaleFactor: 1}))
}

// shoot takes a picture of the whole page for people to look at.
func (p *tab) shoot(name string) {
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Logf("no picture of %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(p.shots, name+".png"), png, 0o644); err != nil {
		p.t.Error(err)
	}
}

// stop looks at the page in every look: axe finds nothing, nothing is cut off at the side, nothing happened that should
// not. Afterwards the page is wide and light.
func (p *tab) stop(name string) {
	p.t.Helper()
	p.do("load axe", chromedp.Evaluate[chromedp.Void](p.axe+";undefined"))
	for _, l := range looks() {
		p.do("look", see(l))
		p.accessible(name + " " + l.String())
		wide := eval[[2]float64](p, "[document.documentElement.scrollWidth, innerWidth]")
		if wide[0] > wide[1] {
			p.t.Errorf("%s %s: the page is %g px wide in a window of %g", name, l, wide[0], wide[1])
		}
		p.shoot(name + "-" + l.String())
	}
	p.do("look", see(look{width: 1280}))
	p.clean(name)
}

// accessible runs axe over the page.
func (p *tab) accessible(where string) {
	p.t.Helper()
	found := eval[string](p, `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations']})
		.then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + ' ' + (n.failureSummary || ''))}))))`)
	var violations []struct {
		ID    string
		Help  string
		Nodes []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		p.t.Fatalf("axe says %q: %v", found, err)
	}
	for _, v := range violations {
		p.t.Errorf("%s: axe %s: %s\n%s", where, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}
