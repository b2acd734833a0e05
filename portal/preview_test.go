package portal

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"postern/i18n"
	"postern/web"
)

func own(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, content := range files {
		out[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return out
}

// TestB1_OwnTemplatesTakeTheirBlocks: what a folder defines takes the place of ours of that name, and the rest stays.
func TestB1_OwnTemplatesTakeTheirBlocks(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) {
		o.Templates = own(map[string]string{"any-name.html": `{{define "footer"}}<div class="wrap">Acme <b>{{.Portal}}</b> {{t "help"}}</div>{{end}}{{define "stopped"}}{{template "top" .}}<main class="main" id="main"><h1>Gone</h1></main>{{template "foot" .}}{{end}}`, "readme.txt": "{{"})
	})
	v := r.signIn(r.contact("Ann", "ann@example.com"))
	page := v.get("/tickets")
	v.says("the list", page, "Acme <b>Support</b> Need a person?", "No tickets yet")
	v.says("no such page", v.get("/tickets/424242"), "Acme <b>Support</b>", "find that page")
}

// TestB1_TemplatesThatFailAreFoundBeforeTheyAreLive: each is named with its place, and no portal comes up with it.
func TestB1_TemplatesThatFailAreFoundBeforeTheyAreLive(t *testing.T) {
	t.Parallel()
	texts, err := i18n.Load()
	ok(t, err)
	for content, want := range map[string]string{
		`{{define "footer"}}{{.Nothing}}{{end}}`:                   "own.html:1",
		"\n\n{{define \"footer\"}}{{if}}{{end}}":                   "own.html:3",
		`{{define "footer"}}{{t "no.such.text"}}{{end}}`:           "no.such.text",
		`{{define "footer"}}<a href="{{.Title}}{{end}}`:            "in attribute name",
		`{{define "thread"}}{{template "gone" .}}{{end}}`:          "gone",
		`{{define "list"}}{{range .Rows}}{{.Money}}{{end}}{{end}}`: "Money",
	} {
		_, err := New(Options{Texts: texts, Web: web.Options{Log: slog.New(slog.DiscardHandler)}, Templates: own(map[string]string{"own.html": content})})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "own templates") {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
	}
}

// TestB1_ThePreviewShowsEveryPage: with the operator's own branding, in each language that is offered, light and dark, and tells of templates that fail.
func TestB1_ThePreviewShowsEveryPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.sets(map[string]any{"portal_title": "Acme Help", "languages": []string{"en", "he"}, "branding": map[string]any{"color": "#7c0040", "logo": r.brandImage(30, 10), "footer": "Imprint"}})
	_, err := r.db.FreshOrganisation(t.Context())
	ok(t, err)
	files := own(map[string]string{"own.html": `{{define "nav"}}<nav>NAV</nav>{{end}}`})
	texts, err := i18n.Load()
	ok(t, err)
	h, err := Preview(Options{DB: r.db, Blobs: r.blobs, Texts: texts, Web: web.Options{Log: slog.New(slog.DiscardHandler)}, Templates: files})
	ok(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	get := func(path string) (int, string) {
		t.Helper()
		a, err := server.Client().Get(server.URL + path)
		ok(t, err)
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		ok(t, err)
		return a.StatusCode, string(b)
	}
	_, index := get("/?lang=he&theme=dark")
	seen := 0
	for name := range everyView(t, texts.For("en")) {
		if !strings.Contains(index, `href="/page/`+name+`?lang=he&amp;theme=dark"`) {
			t.Errorf("the index lacks %s", name)
		}
		status, page := get("/page/" + name + "?lang=he&theme=dark")
		if status != http.StatusOK || !strings.Contains(page, `<html lang="he" dir="rtl"`) || !strings.Contains(page, `data-theme="dark"`) || !strings.Contains(page, "NAV") || !strings.Contains(page, "Imprint") || !strings.Contains(page, "/brand/") {
			t.Errorf("%s: %d %s", name, status, textOf(page))
		}
		seen++
	}
	if seen < 20 {
		t.Errorf("only %d pages", seen)
	}
	for path, want := range map[string]int{"/page/gone": 404, "/?lang=de": 404, "/?theme=pink": 404, "/tickets/4821": 200} { // the last leads to the index
		if status, _ := get(path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	files["own.html"].Data = []byte(`{{define "nav"}}{{.Oops}}{{end}}`)
	if status, index := get("/"); status != http.StatusOK || !strings.Contains(index, "do not work yet") || !strings.Contains(index, "own.html:1") {
		t.Errorf("a template that fails: %d %s", status, textOf(index))
	}
	if status, page := get("/page/list"); status != http.StatusInternalServerError || !strings.Contains(page, "own.html:1") {
		t.Errorf("its page: %d %s", status, page)
	}
}
