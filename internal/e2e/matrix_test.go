package e2e

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postern/desk"
)

// preview is an installation that shows every page with everything on it, as gateway portal preview does.
func preview(t *testing.T) *installation {
	t.Helper()
	in := install(t, mode{})
	in.gateway("settings", "set", "branding.color=#ffe000", "branding.footer=Acme Ltd, [imprint](https://acme.example/imprint)", "branding.site=https://www.acme.example")
	addr := freeAddr(t)
	in.url = "http://" + addr
	in.run("gateway", "portal", "preview", "--preview-listen", addr)
	in.until("the preview is there", func() (bool, error) {
		resp, err := direct.Get(in.url)
		if err != nil {
			return false, err
		}
		return resp.StatusCode == http.StatusOK, resp.Body.Close()
	})
	return in
}

// previewed lists the paths of the pages that a preview has.
func (in *installation) previewed() []string {
	in.t.Helper()
	var pages []string
	for _, found := range regexp.MustCompile(`href="(/page/[a-z-]+)`).FindAllStringSubmatch(in.visitor().get("/").body, -1) {
		if !slices.Contains(pages, found[1]) {
			pages = append(pages, found[1])
		}
	}
	if len(pages) < 20 {
		in.t.Fatalf("only %d pages", len(pages))
	}
	return pages
}

// TestB5_EveryPageInEveryLook looks at every page that there is, with everything on it, as gateway portal preview shows them: each language in each width
// and theme in make test-long; in make test light and dark, wide and narrow, from left to right and from right to left, with a branding of its own.
func TestB5_EveryPageInEveryLook(t *testing.T) {
	t.Parallel()
	in := preview(t)
	p := openTab(t, in.url)
	pages := in.previewed()
	type way struct {
		lang string
		look
	}
	ways := []way{{"de", look{false, 390}}, {"he", look{true, 1280}}, {"en", look{false, 320}}, {"en", look{true, 390}}}
	if long {
		ways = nil
		for _, lang := range desk.Languages() {
			for _, l := range looks() {
				ways = append(ways, way{lang, l})
			}
		}
	}
	for _, w := range ways {
		theme := map[bool]string{false: "light", true: "dark"}[w.dark]
		p.do("look", see(w.look))
		for _, page := range pages {
			where := w.lang + "-" + strings.TrimPrefix(page, "/page/") + "-" + w.String()
			p.open(page + "?lang=" + w.lang + "&theme=" + theme)
			p.do("load axe", chromedp.Evaluate[chromedp.Void](p.axe+";undefined"))
			p.accessible(where)
			if wide := eval[[2]float64](p, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
				t.Errorf("%s: the page is %g px wide in a window of %g", where, wide[0], wide[1])
			}
			if ids := eval[[]string](p, "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)"); len(ids) > 0 {
				t.Errorf("%s: these ids are there twice: %v", where, ids)
			}
			p.shoot("page-" + where)
			p.clean(where)
		}
	}
}
