package portal

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"postern/desk"
	"postern/i18n"
	"postern/store"
	"postern/web"
)

// speaks tells whether a page is in a language, in its direction.
func (v *browser) speaks(what string, a answer, lang, dir, words string) {
	v.r.t.Helper()
	if !strings.Contains(a.body, `<html lang="`+lang+`" dir="`+dir+`"`) || !strings.Contains(a.body, words) {
		v.r.t.Errorf("%s is not in %s: %s", what, lang, textOf(a.body))
	}
}

// TestB2_TheLanguageOfAPage: what the person has chosen, then what was chosen in this browser, then what the browser asks for, then the portal's; and
// only what is offered.
func TestB2_TheLanguageOfAPage(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.sets(map[string]any{"default_language": "da"})
		v := &browser{r: r, name: "anonymous"}
		v.speaks("no wish", v.get("/sign-in"), "da", "ltr", "Se dine sager")
		v.accept = "sw, fr-CA;q=0.8, de;q=0.5"
		v.speaks("the browser's wish", v.get("/sign-in"), "fr", "ltr", "Se connecter")
		a := v.post("/language", "language", "he", "to", "/sign-in?why=out")
		v.want("choose", a, http.StatusSeeOther)
		if a.location != "/sign-in?why=out" || v.language == nil || !v.language.HttpOnly || v.language.SameSite != http.SameSiteLaxMode {
			t.Errorf("leads to %s with %+v", a.location, v.language)
		}
		v.speaks("chosen in this browser", v.get("/sign-in"), "he", "rtl", "כניסה")

		// What was chosen goes with who comes in, and not to the next one at this browser.
		ann := r.contact("Ann", "ann@example.com")
		a = v.post("/sign-in/link/"+r.link(ann, desk.LinkSignIn, 1e12), "zone", "Asia/Jerusalem")
		v.want("sign in", a, http.StatusSeeOther)
		if v.language != nil {
			t.Error("the browser still has the choice")
		}
		v.speaks("signed in", v.get("/tickets"), "he", "rtl", "עוד אין פניות")
		c, err := r.db.Contact(t.Context(), ann.ID)
		if err != nil || c.Language != "he" || c.TimeZone != "Asia/Jerusalem" {
			t.Errorf("kept: %+v, %v", c, err)
		}
		v.want("sign out", v.post("/sign-out"), http.StatusSeeOther)
		v.speaks("signed out", v.get("/sign-in"), "fr", "ltr", "Se connecter")

		// The profile goes before the browser; a zone that is there stays.
		v.accept = "de"
		v.post("/sign-in/link/"+r.link(ann, desk.LinkSignIn, 1e12), "zone", "Europe/Oslo")
		v.speaks("by profile", v.get("/tickets"), "he", "rtl", "פנייה חדשה")
		a = v.post("/language", "language", "th", "to", "/account")
		if a.location != "/account" || v.language != nil {
			t.Errorf("leads to %s with %+v", a.location, v.language)
		}
		v.speaks("chosen anew", v.get("/account"), "th", "ltr", "บัญชีของคุณ")
		v.want("by the account", v.post("/account", "name", "Ann", "zone", "Asia/Jerusalem", "language", "it"), http.StatusSeeOther)
		v.speaks("by the account", v.get("/account"), "it", "ltr", "Salvato.")
		v.want("not there", v.post("/language", "language", "sw", "to", "/account"), http.StatusUnprocessableEntity)
		v.want("not there", v.post("/account", "name", "Ann", "zone", "", "language", "<b>"), http.StatusSeeOther)
		if c, err = r.db.Contact(t.Context(), ann.ID); err != nil || c.Language != "it" {
			t.Errorf("kept: %+v, %v", c, err)
		}

		// Only what is offered: to who chose another one before, the portal's.
		r.sets(map[string]any{"languages": []string{"nl", "da", "en"}})
		v.speaks("no longer offered", v.get("/tickets"), "da", "ltr", "Ingen sager endnu")
		v.want("not offered", v.post("/language", "language", "it", "to", "/account"), http.StatusUnprocessableEntity)
		page := v.get("/account").body
		if !strings.Contains(page, `value="nl"`) || strings.Contains(page, `value="it"`) {
			t.Error("the picker does not offer what is offered")
		}
		r.sets(map[string]any{"languages": []string{"da"}})
		if strings.Contains(v.get("/account").body, `/language"`) {
			t.Error("there is a picker with nothing to pick")
		}
	})
}

// TestB2_MailIsInTheLanguageThatWasChosen: what somebody picks in the portal is the language of their mails too (FEATURES B2).
func TestB2_MailIsInTheLanguageThatWasChosen(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@example.com")
		v := r.signIn(ann)
		v.want("choose", v.post("/language", "language", "de", "to", "/tickets"), http.StatusSeeOther)
		ok(t, r.desk.Invite(t.Context(), ann.ID))
		var said []string
		es, err := r.db.Effects(t.Context(), desk.EffectPending, store.Page{Limit: 50})
		ok(t, err)
		for _, e := range es {
			if e.ContactID == ann.ID && e.Template != "" {
				text, err := r.db.Template(t.Context(), e.Template)
				ok(t, err)
				said = append(said, text.Language)
			}
		}
		if len(said) == 0 || slices.ContainsFunc(said, func(l string) bool { return l != "de" }) {
			t.Errorf("mails are in %v", said)
		}
	})
}

// TestP11_ThePickerLeadsToOurPagesOnly: whatever is sent as the page to come back to.
func TestP11_ThePickerLeadsToOurPagesOnly(t *testing.T) {
	t.Parallel()
	offered := []string{"en", "de"}
	for to, want := range map[string]string{
		"/tickets?q=a&sort=number": "/tickets?q=a&sort=number", "/en/kb/printer": "/de/kb/printer", "/en/kb/search?q=x": "/de/kb/search?q=x", "/sign-in": "/sign-in", "": home,
		"https://evil.example/": home, "//evil.example/x": home, "/\\evil.example": home, "/%5Cevil.example": home, "javascript:alert(1)": home, "tickets": home, "/../..//evil.example": "/evil.example",
		"///evil.example": "/evil.example", "/%2F%2Fevil.example": "/evil.example", "/a\tb": home, "/english/kb": "/english/kb", "\x00": home,
	} {
		if got := inLanguage(pageOf(to), offered, "de"); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

// TestB2_AnOperatorWhoLooksOnChoosesNothing: looking at the portal as a contact changes nothing of theirs.
func TestB2_AnOperatorWhoLooksOnChoosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@example.com")
	secret, _, err := r.accounts.ViewAs(desk.As(t.Context(), desk.Actor{Kind: desk.ActorToken, Name: "mia"}), ann.ID)
	ok(t, err)
	v := &browser{r: r}
	v.want("look on", v.post("/view/"+secret), http.StatusSeeOther)
	if strings.Contains(v.get("/tickets").body, `action="/language"`) {
		t.Error("there is a picker")
	}
	v.post("/language", "language", "de", "to", "/tickets")
	if c, err := r.db.Contact(t.Context(), ann.ID); err != nil || c.Language != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestPseudoLanguageShowsNoRawText renders every page in the pseudo-language: each word on it comes from a catalogue or from what it was given to show.
func TestPseudoLanguageShowsNoRawText(t *testing.T) {
	t.Parallel()
	texts, err := i18n.Load()
	ok(t, err)
	assets, err := web.LoadAssets()
	ok(t, err)
	pseudo := texts.WithPseudo()
	p, err := parsePages(pseudo, assets, nil)
	ok(t, err)
	for name, view := range everyView(t, pseudo.For(i18n.PseudoLanguage)) {
		given := givenTo(reflect.ValueOf(view))
		var b strings.Builder
		w := &recorder{&b, http.Header{}}
		ok(t, p.write(w, http.StatusOK, i18n.PseudoLanguage, name, view))
		found := 0
		for _, text := range textsOf(t, b.String()) {
			if strings.ContainsAny(text, "Åƀçðéîĵļñöþšţûý") {
				found++
			}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && r != '@' && r != '.' }) {
				if plain.MatchString(word) && !slices.ContainsFunc(given, func(g string) bool { return strings.Contains(g, word) }) {
					t.Errorf("%s: %q in %q is in no catalogue", name, word, text)
				}
			}
		}
		if found < 3 {
			t.Errorf("%s: only %d texts of the catalogue were seen", name, found)
		}
	}
}

// plain is what the pseudo-language never has: letters of English.
var plain = regexp.MustCompile(`^[A-Za-z]{2,}$`)

type recorder struct {
	*strings.Builder
	header http.Header
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}

// textsOf lists what people read or hear of a page.
func textsOf(t *testing.T, page string) (out []string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	ok(t, err)
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && !slices.Contains([]string{"script", "style", "kbd"}, n.Parent.Data) {
			out = append(out, n.Data)
		}
		for _, a := range n.Attr {
			read := a.Key == "title" || a.Key == "alt" || a.Key == "placeholder" || strings.HasPrefix(a.Key, "aria-label") && a.Key != "aria-labelledby"
			if read || a.Key == "value" && n.Data == "input" && slices.Contains([]string{"submit", "button"}, attribute(n, "type")) {
				out = append(out, a.Val)
			}
		}
	}
	return out
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// givenTo lists all texts in a view.
func givenTo(v reflect.Value) (out []string) {
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return givenTo(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			out = append(out, givenTo(v.Field(i))...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, givenTo(v.Index(i))...)
		}
	}
	return out
}

var (
	inTemplate = regexp.MustCompile(`\b[tn] "([a-z_.]+)"`)
	inGo       = regexp.MustCompile(`"([a-z_]+(?:\.[a-z_]+)?)"`)
	begun      = regexp.MustCompile(`"([a-z_.]+[_.])(?:%s)?"`)
	joined     = regexp.MustCompile(`\+ "(_[a-z]+)"`)
)

// TestEveryTextIsUsed: what a template asks for is in the catalogue, and what is in the catalogue is asked for.
func TestEveryTextIsUsed(t *testing.T) {
	t.Parallel()
	texts, err := i18n.Load()
	ok(t, err)
	known := texts.Keys()
	used, prefixes, suffixes := map[string]bool{}, []string{}, []string{}
	for _, pattern := range []string{"templates/*.html", "*.go", "../accounts/*.go", "../desk/*.go", "../tickets/*.go"} {
		files, err := filepath.Glob(pattern)
		ok(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			ok(t, err)
			for _, m := range inTemplate.FindAllStringSubmatch(string(b), -1) {
				if used[m[1]] = true; !slices.Contains(known, m[1]) {
					t.Errorf("%s asks for %q, which is in no catalogue", name, m[1])
				}
			}
			for _, m := range inGo.FindAllStringSubmatch(string(b), -1) {
				used[m[1]] = true
			}
			for _, m := range begun.FindAllStringSubmatch(string(b), -1) {
				prefixes = append(prefixes, m[1])
			}
			for _, m := range joined.FindAllStringSubmatch(string(b), -1) {
				suffixes = append(suffixes, m[1])
			}
		}
	}
	if len(known) < 250 {
		t.Fatalf("only %d texts", len(known))
	}
	for _, key := range known {
		begins := func(p string) bool { return strings.HasPrefix(key, p) }
		ends := func(s string) bool { return strings.HasSuffix(key, s) && used[strings.TrimSuffix(key, s)] }
		if !used[key] && !slices.ContainsFunc(prefixes, begins) && !slices.ContainsFunc(suffixes, ends) {
			t.Errorf("nothing asks for %q", key)
		}
	}
}
