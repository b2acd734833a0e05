package portal

import (
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/store"
	"postern/web"
)

// TestP14_TheTitleIsText: whatever the settings hold, from before it was checked, is text on a page and nothing in a header.
func TestP14_TheTitleIsText(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	settings := desk.DefaultSettings()
	settings.PortalTitle = "Acme\r\nSet-Cookie: canary=1\r\n\r\n</title><script>canary()</script>\" onload=canary()"
	ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutSettings(t.Context(), settings) }))
	ann := r.contact("Ann", "ann@acme.example")
	r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	for _, path := range []string{"/tickets", "/tickets/1", "/sign-in", "/nope"} {
		a := in.get(path)
		if !strings.Contains(a.body, "canary()") || strings.Contains(a.body, "<script>canary") || strings.Contains(a.body, `" onload`) || strings.Contains(shape(a.header), "canary") {
			t.Errorf("%s: %v %s", path, a.header, a.body)
		}
	}
}

// TestEveryPageInEveryLanguage renders each page with everything on it: no text is missing, and no template names a field
// that is not there.
func TestEveryPageInEveryLanguage(t *testing.T) {
	t.Parallel()
	texts, err := i18n.Load()
	ok(t, err)
	assets, err := web.LoadAssets()
	ok(t, err)
	p, err := parsePages(texts, assets, nil)
	ok(t, err)
	views := everyView(t, texts.For("en"))
	for _, page := range p.byLang["en"].Templates() {
		if page.Tree != nil && views[page.Name()] == nil && strings.HasPrefix(page.Tree.Root.String(), `{{template "top"`) {
			t.Errorf("the page %q is not looked at", page.Name())
		}
	}
	for _, lang := range texts.Languages() {
		for name, view := range everyView(t, texts.For(lang)) {
			w := httptest.NewRecorder()
			if err := p.write(w, http.StatusOK, lang, name, view); err != nil {
				t.Errorf("%s in %s: %v", name, lang, err)
			}
			if body := w.Body.String(); strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "onclick") || strings.Contains(body, "&lt;no value") {
				t.Errorf("%s in %s has inline style or script, or lacks a value", name, lang)
			}
		}
	}
	for _, key := range []string{"not_found", "too_large", "too_many", "unavailable", "forbidden", "refused", "internal", "broken", "form_too_large", "text_too_long"} {
		for _, lang := range texts.Languages() {
			if _, err := texts.For(lang).T("oops."+key+"_title", "Ref", "r"); err != nil {
				t.Error(err)
			}
		}
	}
}

// everyView has a sample of each page, by its template, for somebody who is signed in.
func everyView(t *testing.T, texts *i18n.Texts) map[string]any {
	t.Helper()
	h := head{
		Title: "T", Portal: "P", Seeing: "S", Idle: 60, Help: "a@b.example", User: &user{"N", "N", "m"}, Here: "/", Languages: languagesOf([]string{"en", "he"}, "en"), Knowledge: "/en/kb", Footer: "F",
		Menu: []menuLink{{home, "", "tickets"}, {"/tickets/new", "", "new"}, {"/en/kb", "", "kb"}, {"https://a.example", "L", ""}}, Brand: &brand{CSS: "/c.css", Favicon: &brandPicture{"/f", 1, 1}, Site: "https://a.example", SiteName: "A"},
	}
	all, err := samples(texts, h, h)
	ok(t, err)
	out := map[string]any{}
	for _, s := range all {
		out[s.Name] = s.View
	}
	return out
}

// TestCustomersReadTheCatalogue: what an operator or a program is told of an error is not for customers: they read the text of
// its key, in their language, or what the page says to everybody.
func TestCustomersReadTheCatalogue(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	texts, err := i18n.Load()
	ok(t, err)
	has := func(what string, a answer, status int, key string, pairs ...any) {
		t.Helper()
		want, err := texts.For("en").T(key, pairs...)
		ok(t, err)
		in.want(what, a, status)
		if !strings.Contains(a.body, html.EscapeString(want)) {
			t.Errorf("%s: the page lacks %q: %s", what, want, textOf(a.body))
		}
	}
	has("a wrong password", (&browser{r: r}).post("/sign-in", "email", "ann", "password", "wrong"), 422, "wrong_pair")
	link := "/password/" + r.link(ann, desk.LinkSetPassword, time.Hour)
	has("a short password", in.post(link, "password", "short"), 422, "password_short", "Limit", accounts.MinPassword)
	has("a long password", in.post(link, "password", strings.Repeat("x", 300)), 422, "password_long", "Limit", accounts.MaxPassword)
	has("a known password", in.post(link, "password", "password1"), 422, "password_common")
	for range 20 {
		in.post("/forgot", "email", "ann")
	}
	has("many links", in.post("/forgot", "email", "ann"), 429, "too_many_links")

	settings := desk.DefaultSettings()
	settings.Pipelines[0].Statuses = settings.Pipelines[0].Statuses[:1] // as nobody can set it
	ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutSettings(t.Context(), settings) }))
	a := in.post(ticketPath(mine.Number) + "/solved")
	has("no closed status", a, 422, "oops.refused")
	if strings.Contains(a.body, "pipeline") {
		t.Errorf("a customer is told %s", textOf(a.body))
	}
}
