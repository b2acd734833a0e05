package portal

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"postern/desk"
	"postern/tickets"
)

func (r *rig) brandImage(w, h int) map[string]any {
	r.t.Helper()
	var b bytes.Buffer
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	m.Set(0, 0, color.Black)
	ok(r.t, png.Encode(&b, m))
	kept, err := tickets.KeepBrandImage(r.t.Context(), r.blobs, &b)
	ok(r.t, err)
	return tickets.BrandImageChange(kept)
}

var hrefCSS = regexp.MustCompile(`/brand/[0-9a-f]+\.css`)

// TestB1_OneBrandingForAllPages: colours from one, fonts and corners, logos for light and dark, favicon, menu, footer and main site are on every page,
// also where nobody is signed in, the portal is off or the page is an error.
func TestB1_OneBrandingForAllPages(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@example.com")
		in, out := r.signIn(ann), &browser{r: r, name: "anonymous"}
		out.saysNot("as Postern comes", out.get("/sign-in"), desk.BrandPath)
		r.sets(map[string]any{"branding": map[string]any{
			"color": "#ffe000", "tokens": map[string]any{"font": `"Fira Sans", sans-serif`, "r1": "0"}, "site": "https://www.acme.example/",
			"logo": r.brandImage(300, 60), "logo_dark": r.brandImage(200, 50), "favicon": r.brandImage(32, 32),
			"footer": "**Acme** Ltd, [imprint](https://acme.example/imprint) <script>alert(1)</script>", "footers": map[string]any{"de": "Acme **GmbH**"},
			"menu": "main", "menus": map[string]any{
				"main": []any{map[string]any{"to": "tickets"}, map[string]any{"to": "new"}, map[string]any{"to": "articles"}, map[string]any{"to": "https://status.acme.example/", "label": "Status", "labels": map[string]any{"de": "Zustand"}}},
				"bare": []any{map[string]any{"to": "/en/kb/prices", "label": "Prices"}},
			},
		}})
		for what, page := range map[string]answer{"the list": in.get("/tickets"), "signing in": out.get("/sign-in"), "no such page": out.get("/nowhere"), "an error": in.get("/tickets/424242")} {
			in.says(what, page, `width="300" height="60" alt="Support"`, `media="(prefers-color-scheme:dark)"`, `rel="icon" href="/brand/`, "<strong>Acme</strong> Ltd", `href="https://acme.example/imprint"`, ">acme.example</a>", `>Status</a>`)
			in.saysNot(what, page, "<script>alert", "mark.")
			if !hrefCSS.MatchString(page.body) {
				t.Errorf("%s has no style sheet of the branding", what)
			}
		}
		page := in.get("/tickets")
		in.says("the list", page, `<a href="/tickets" aria-current="page">Tickets</a><a href="/tickets/new">New ticket</a><a href="https://status.acme.example/">`)
		in.saysNot("a menu without articles", page, "Help articles")
		out.saysNot("signed out", out.get("/sign-in"), `href="/tickets/new"`)
		out.accept = "de"
		out.says("in German", out.get("/sign-in"), "Acme <strong>GmbH</strong>", ">Zustand</a>")

		// The files that the page names, and no others, whoever asks.
		css := hrefCSS.FindString(page.body)
		sheet := out.get(css)
		if sheet.status != http.StatusOK || sheet.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(sheet.header.Get("Cache-Control"), "immutable") {
			t.Errorf("the style sheet: %d %v", sheet.status, sheet.header)
		}
		out.says("the style sheet", sheet, `--font:"Fira Sans", sans-serif;--r1:0;`, ":root[data-theme=dark]{--accent:", "--on-accent:#ffffff")
		out.saysNot("yellow words can't be read", sheet, "--accent:#ffe000")
		for _, url := range regexp.MustCompile(`/brand/[0-9a-f]+\.png`).FindAllString(page.body, -1) {
			if a := out.get(url); a.status != http.StatusOK || a.header.Get("Content-Type") != "image/png" || !strings.Contains(a.header.Get("Cache-Control"), "immutable") || a.header.Get("Set-Cookie") != "" || a.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
				t.Errorf("%s: %d %v", url, a.status, a.header)
			}
		}
		file := r.file("secret.png", "image/png", aPNG, false)
		for _, other := range []string{"/brand/" + file.SHA256[:16] + ".png", "/brand/0000000000000000.css", css + "x"} {
			out.want("no file of the branding", out.get(other), http.StatusNotFound)
		}

		// What somebody has chosen for this device: the dark logo without asking the device.
		v := r.signIn(ann)
		a := v.post("/account", "name", "Ann", "zone", "", "theme", "dark")
		if cookie := a.header.Get("Set-Cookie"); !strings.Contains(cookie, "postern-theme=dark") || !strings.Contains(cookie, "HttpOnly") {
			t.Errorf("the theme is kept in %q", cookie)
		}
		dark := out.request("GET", "/sign-in", "", nil)
		dark.AddCookie(&http.Cookie{Name: themeCookie, Value: "dark"})
		page = (&browser{r: r}).do(dark)
		out.says("a dark page", page, `data-theme="dark"`, `width="200" height="50" alt="Support"`)
		out.saysNot("a dark page", page, `width="300"`)

		r.sets(map[string]any{"portal_on": false})
		out.says("off", out.get("/sign-in"), `width="300"`)
		out.want("off", out.get(css), http.StatusOK)
		r.sets(map[string]any{"portal_on": true, "branding": map[string]any{"menu": "bare", "logo": nil, "logo_dark": nil, "favicon": nil, "color": "", "tokens": map[string]any{"font": nil, "r1": nil}, "footers": map[string]any{"de": nil}}})
		page = out.get("/sign-in")
		out.says("taken back", page, `<a href="/en/kb/prices">Prices</a>`, "mark.", "<strong>Acme</strong>")
		if hrefCSS.MatchString(page.body) {
			t.Error("there is a style sheet with nothing in it")
		}
		out.want("no longer there", out.get(css), http.StatusNotFound)
	})
}

// TestB1_TheThemeOfThisDevice: pages are as the device is, or as their reader has chosen for it.
func TestB1_TheThemeOfThisDevice(t *testing.T) {
	t.Parallel()
	for cookie, want := range map[string]string{"": "", "dark": "dark", "light": "light", "pink": ""} {
		r, _ := http.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: themeCookie, Value: cookie})
		if got := themeOf(r); got != want {
			t.Errorf("with %q pages are %q, want %q", cookie, got, want)
		}
	}
	light, dark := &brandPicture{"/l", 1, 1}, &brandPicture{"/d", 1, 1}
	for _, c := range []struct {
		b          brand
		theme      string
		logo, also *brandPicture
	}{
		{brand{}, "", nil, nil}, {brand{Logo: light}, "", light, nil}, {brand{Logo: light, LogoDark: dark}, "", light, dark},
		{brand{Logo: light, LogoDark: dark}, "dark", dark, nil}, {brand{Logo: light, LogoDark: dark}, "light", light, nil}, {brand{Logo: light}, "dark", light, nil},
		{brand{LogoDark: dark}, "light", nil, nil}, {brand{LogoDark: dark}, "", nil, nil}, {brand{LogoDark: dark}, "dark", dark, nil},
	} {
		if logo, also := c.b.shown(c.theme); logo != c.logo || also != c.also {
			t.Errorf("%+v in %q shows %v and %v", c.b, c.theme, logo, also)
		}
	}
}

// TestB1_WhatCannotBeShownIsRefused: with the place and what to do, and without anything that could get out of the style sheet or the page.
func TestB1_WhatCannotBeShownIsRefused(t *testing.T) {
	t.Parallel()
	many := make([]any, 13)
	for i := range many {
		many[i] = map[string]any{"to": "tickets"}
	}
	r := newRig(t, nil)
	for field, b := range map[string]map[string]any{
		"branding.color": {"color": "#0b6a5d;}body{display:none"}, "branding.site": {"site": "javascript:alert(1)"}, "branding.logo": {"logo": map[string]any{"sha256": "../../etc/passwd", "type": "image/png", "width": 1, "height": 1, "size": 1}},
		"branding.favicon": {"favicon": map[string]any{"sha256": strings.Repeat("a", 64), "type": "image/svg+xml", "width": 1, "height": 1, "size": 1}},
		"branding.footer":  {"footer": strings.Repeat("x", 4001)}, "branding.footers": {"footers": map[string]any{"xx": "y"}},
		"branding.menu": {"menu": "gone"}, "branding.menus.a": {"menus": map[string]any{"a": []any{map[string]any{"to": "javascript:alert(1)", "label": "x"}}}},
		"branding.menus.b": {"menus": map[string]any{"b": []any{map[string]any{"to": "https://acme.example"}}}}, "branding.menus.c": {"menus": map[string]any{"c": []any{map[string]any{"to": "//evil.example", "label": "x"}}}},
		"branding.menus.d": {"menus": map[string]any{"d": many}}, "branding.tokens": {"tokens": map[string]any{"accent": "red"}},
		"branding.tokens.font": {"tokens": map[string]any{"font": `x;}body{background:url(https://evil.example)`}}, "branding.tokens.r1": {"tokens": map[string]any{"r1": "calc(1px)"}},
		"branding.tokens.mono": {"tokens": map[string]any{"mono": `"x`}},
	} {
		_, err := r.desk.ChangeSettings(t.Context(), map[string]any{"branding": b})
		if e, ok := err.(*desk.Error); !ok || e.Field != field || e.Kind != desk.Invalid { //nolint:errorlint // it is not wrapped
			t.Errorf("%s: %v", field, err)
		}
	}
	for what, content := range map[string]string{
		"SVG": `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "HTML": "<!doctype html>", "nothing": "", "damaged": aPNG, "too large": "\x89PNG\r\n\x1a\n" + strings.Repeat("x", desk.MaxBrandImage),
	} {
		if b, err := tickets.KeepBrandImage(t.Context(), r.blobs, strings.NewReader(content)); err == nil || desk.KindOf(err) != desk.Invalid && desk.KindOf(err) != desk.TooLarge {
			t.Errorf("%s is kept: %+v, %v", what, b, err)
		}
	}
}
