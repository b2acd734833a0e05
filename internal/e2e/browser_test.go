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
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
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

// openBrowser starts a browser with a tab in which nothing is remembered; both are closed with the test. It gives the tab's context.
func openBrowser(t testing.TB, hear func(any)) (context.Context, error) {
	t.Helper()
	all, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(firstProgram(t, "chromium", "chromium-browser", "google-chrome")), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en"))
	browser, cancel := chromedp.NewContext(all)
	t.Cleanup(func() {
		err := soon(patience, func() error { return chromedp.Cancel(browser) })
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("the browser does not end as it should: %v", err)
		}
		if err := soon(patience, func() error { stop(); cancel(); return nil }); err != nil {
			t.Logf("the browser's driver does not let go of it: %v", err)
		}
	})
	if err := soon(time.Minute, func() error { return chromedp.Do(browser) }); err != nil {
		return nil, fmt.Errorf("it does not start: %w", err)
	}
	ctx, cancelTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(func() {
		if err := soon(patience, func() error { cancelTab(); return nil }); err != nil {
			t.Logf("the tab is not closed: %v", err)
		}
	})
	if err := soon(patience, func() error { return chromedp.Listen(ctx, hear) }); err != nil {
		return nil, fmt.Errorf("it opens no tab: %w", err)
	}
	return ctx, nil
}

var errLate = errors.New("the browser's driver does not come back")

// soon gives f its time and no more. What f waits for then may never come: it is left to itself.
func soon(limit time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return errLate
	}
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

	crashed chan struct{} // closed by crash when the page's process has ended
	crash   func()
}

// openTab opens a browser with one tab. A browser that does not come up is no fault of ours: another one is tried, twice.
func openTab(t testing.TB, origin string) *tab {
	t.Helper()
	b, err := os.ReadFile("../../node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v; script/setup installs it", err)
	}
	p := &tab{t: t, origin: origin, axe: string(b), shots: os.Getenv("POSTERN_SHOTS"), crashed: make(chan struct{})}
	p.crash = sync.OnceFunc(func() { close(p.crashed) })
	if p.shots == "" {
		p.shots = t.TempDir()
	}
	if err := os.MkdirAll(p.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if p.ctx, err = openBrowser(t, p.hear); err == nil {
			break
		}
		t.Logf("the browser: %v", err)
	}
	if err != nil {
		t.Fatalf("the browser: %v", err)
	}
	p.do("open a tab", call(css.Disable, cdp.Empty{}), call(dom.Disable, cdp.Empty{}), // see hands_test.go
		call(network.Enable, network.EnableParams{}), call(cdplog.Enable, cdp.Empty{}), call(cdppage.Enable, cdppage.EnableParams{}), see(look{width: 1280}))
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
	case *inspector.EventTargetCrashed:
		p.crash()
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

// patience is how long a page may take for what is done in it.
const patience = 30 * time.Second

// run runs an action, which gets its time and no more, whatever the browser and its driver do.
func run[T any](p *tab, limit time.Duration, action func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := action(ctx)
		done <- outcome{v, err}
	}()
	late := time.NewTimer(limit + 5*time.Second)
	defer late.Stop()
	var none T
	select {
	case o := <-done:
		return o.v, o.err
	case <-p.crashed:
		return none, errors.New("the page's process has ended")
	case <-late.C:
		return none, errLate
	}
}

// do runs steps.
func (p *tab) do(what string, steps ...step) {
	p.t.Helper()
	if _, err := run(p, patience, func(ctx context.Context) (chromedp.Void, error) { return chromedp.Void{}, chromedp.Do(ctx, steps...) }); err != nil {
		p.shoot("failed")
		p.t.Fatalf("%s: %v; the page is %s", what, err, p.text("body"))
	}
}

// eval gives the value of an expression, after its promise if it is one.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := run(p, patience, func(ctx context.Context) (T, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	})
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
	s, err := run(p, 10*time.Second, func(ctx context.Context) (string, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
	})
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
	if _, err := run(p, patience, func(ctx context.Context) (*network.Response, error) { return chromedp.RunResponse(ctx, steps...) }); err != nil {
		p.shoot("failed")
		p.t.Fatalf("%s: %v; the page is %s", what, err, p.text("body"))
	}
}

// fill types into a field, in place of what it holds.
func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.bool(fmt.Sprintf("document.querySelector(%q).value = '', true", selector))
	p.do("fill "+selector, typed(selector, text))
}

// until waits until an expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	if _, err := run(p, patience, func(ctx context.Context) (bool, error) {
		for {
			yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
			if yes {
				return true, nil
			}
			if ctx.Err() != nil {
				return false, errors.Join(ctx.Err(), err)
			}
			wait(10 * time.Millisecond)
		}
	}); err != nil {
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
	png, err := run(p, 20*time.Second, func(ctx context.Context) ([]byte, error) { return chromedp.Run(ctx, chromedp.FullScreenshot(100)) })
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
