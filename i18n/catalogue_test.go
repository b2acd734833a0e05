package i18n

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"

	"postern/desk"
)

// forms are the plural forms of each language for whole numbers (Unicode CLDR).
var forms = map[string][]string{
	"en": {"one", "other"}, "de": {"one", "other"}, "da": {"one", "other"}, "nl": {"one", "other"}, "he": {"one", "two", "other"}, "th": {"other"},
	"fr": {"one", "many", "other"}, "es": {"one", "many", "other"}, "pt": {"one", "many", "other"}, "it": {"one", "many", "other"},
}

// catalogueOf reads one language's texts: by key, or by key and plural form.
func catalogueOf(t *testing.T, name string) (texts map[string]string, counted map[string]map[string]string) {
	t.Helper()
	b, err := catalogues.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := toml.Unmarshal(b, &top); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	texts, counted = map[string]string{}, map[string]map[string]string{}
	for key, v := range top {
		group, ok := v.(map[string]any)
		if !ok {
			texts[key] = fmt.Sprint(v)
			continue
		}
		_, counts := group["other"]
		for member, text := range group {
			if !counts {
				texts[key+"."+member] = fmt.Sprint(text)
				continue
			}
			if counted[key] == nil {
				counted[key] = map[string]string{}
			}
			counted[key][member] = fmt.Sprint(text)
		}
	}
	return texts, counted
}

var (
	placeholder = regexp.MustCompile(`\{\{\.\w+\}\}`)
	number      = regexp.MustCompile(`\d+`)
	thousands   = regexp.MustCompile(`(\d)[.,\x{a0}\x{202f} ](\d{3})`)
)

// held are the placeholders and numbers of a text, in no order.
func held(text string) []string {
	out := placeholder.FindAllString(text, -1)
	out = append(out, number.FindAllString(thousands.ReplaceAllString(placeholder.ReplaceAllString(text, ""), "$1$2"), -1)...)
	slices.Sort(out)
	return out
}

// TestB2_EveryTextInEveryLanguage: each language has every text of the English catalogue and no other, with the same placeholders and numbers, in its
// own words and its own script, and with the plural forms that it needs.
func TestB2_EveryTextInEveryLanguage(t *testing.T) {
	t.Parallel()
	english, counted := catalogueOf(t, "catalogues/en.toml")
	files, err := fs.Glob(catalogues, "catalogues/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]*unicode.RangeTable{"he": unicode.Hebrew, "th": unicode.Thai}
	var langs []string
	for _, name := range files {
		lang := strings.TrimSuffix(path.Base(name), ".toml")
		langs = append(langs, lang)
		texts, counts := catalogueOf(t, name)
		for _, key := range slices.Concat(missing(english, texts), missing(counted, counts)) {
			t.Errorf("%s lacks %s", lang, key)
		}
		for _, key := range slices.Concat(missing(texts, english), missing(counts, counted)) {
			t.Errorf("%s has %s, which is not in the English catalogue", lang, key)
		}
		check := func(key, text, en string) {
			if strings.TrimSpace(text) != text || text == "" {
				t.Errorf("%s: %s is empty, or has space around it", lang, key)
			}
			if !slices.Equal(held(text), held(en)) {
				t.Errorf("%s: %s has %q, in English %q", lang, key, held(text), held(en))
			}
			if lang == "en" {
				return
			}
			words := placeholder.ReplaceAllString(text, "")
			if text == en && len(words) > 12 {
				t.Errorf("%s: %s is in English", lang, key)
			}
			if script := scripts[lang]; script != nil && strings.ContainsFunc(words, unicode.IsLetter) && !strings.ContainsFunc(words, func(r rune) bool { return unicode.Is(script, r) }) {
				t.Errorf("%s: %s is in another script: %q", lang, key, text)
			}
		}
		for key, text := range texts {
			check(key, text, english[key])
		}
		for key, all := range counts {
			if got, want := slices.Sorted(maps.Keys(all)), slices.Sorted(slices.Values(forms[lang])); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the plural forms %v, the language has %v", lang, key, got, want)
			}
			for form, text := range all {
				check(key+"."+form, text, counted[key]["other"])
			}
		}
	}
	if want := desk.Languages(); !slices.Equal(slices.Sorted(slices.Values(langs)), slices.Sorted(slices.Values(want))) {
		t.Errorf("there are catalogues in %v; the languages are %v", langs, want)
	}
}

func missing[A, B any](of map[string]A, in map[string]B) (out []string) {
	for key := range of {
		if _, ok := in[key]; !ok {
			out = append(out, key)
		}
	}
	return out
}

// TestB2_EveryNumberHasItsForm: no count is without a form of its own language, up to what no portal has.
func TestB2_EveryNumberHasItsForm(t *testing.T) {
	t.Parallel()
	_, counted := catalogueOf(t, "catalogues/en.toml")
	for _, lang := range desk.Languages() {
		tag := language.MustParse(lang)
		bundle := i18n.NewBundle(tag) // without English behind it
		bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
		if _, err := bundle.LoadMessageFileFS(catalogues, "catalogues/"+lang+".toml"); err != nil {
			t.Fatal(err)
		}
		l := i18n.NewLocalizer(bundle, lang)
		for key := range counted {
			for _, n := range append([]int{100, 1000, 10_000, 100_000, 1_000_000, 2_000_000, 1_500_000}, numbersTo(60)...) {
				s, err := l.Localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: n, TemplateData: map[string]any{"N": n}})
				if err != nil || !strings.Contains(s, fmt.Sprint(n)) {
					t.Errorf("%s: %s for %d is %q: %v", lang, key, n, s, err)
				}
			}
		}
	}
}

func numbersTo(n int) (out []int) {
	for i := range n + 1 {
		out = append(out, i)
	}
	return out
}

// TestPseudoLanguage: no letter of the text is left as it was, and nothing else is offered to people.
func TestPseudoLanguage(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Match(nil, PseudoLanguage); got != "en" {
		t.Errorf("people get %s", got)
	}
	p := c.WithPseudo()
	if got := p.Match(nil, PseudoLanguage); got != PseudoLanguage {
		t.Fatalf("asked for, it is %s", got)
	}
	s, err := p.For(PseudoLanguage).T("sign_in")
	if err != nil || s != "Šîĝñ îñ~~" {
		t.Errorf("%q, %v", s, err)
	}
}
