// Package i18n holds the texts that people read on pages, by language.
package i18n

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/locales"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
)

//go:embed catalogues/*.toml
var catalogues embed.FS

// Catalogue holds the texts of all languages. They do not change once loaded.
type Catalogue struct {
	bundle  *i18n.Bundle
	langs   []language.Tag // the first one is the fallback
	keys    []string       // of all texts, sorted
	choices *sync.Map      // a choice by the languages that are offered, of which there are few: to make one costs more than a page's texts
}

// choice is made among some languages, the first of which is for who wants none of them.
type choice struct {
	langs   []language.Tag
	matcher language.Matcher
}

// Load reads the catalogues that are compiled in.
func Load() (*Catalogue, error) {
	c := &Catalogue{bundle: i18n.NewBundle(language.English), langs: []language.Tag{language.English}, choices: &sync.Map{}}
	c.bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	files, err := fs.Glob(catalogues, "catalogues/*.toml")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		b, err := catalogues.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := c.bundle.ParseMessageFileBytes(b, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if f.Tag != language.English {
			c.langs = append(c.langs, f.Tag)
			continue
		}
		for _, m := range f.Messages {
			c.keys = append(c.keys, m.ID)
		}
		slices.Sort(c.keys)
	}
	return c, nil
}

// PseudoLanguage is English with every letter replaced by one that looks like it, a third longer: in it, what has not come from a catalogue is seen
// at once, and so is what has no room for longer words.
const PseudoLanguage = "en-XA"

// WithPseudo gives the same catalogue with PseudoLanguage as one more language, for tests of pages.
func (c *Catalogue) WithPseudo() *Catalogue {
	out := *c
	out.langs = append(slices.Clone(c.langs), language.MustParse(PseudoLanguage))
	out.choices = &sync.Map{}
	return &out
}

// Languages lists the languages there are, the fallback first.
func (c *Catalogue) Languages() []string {
	out := make([]string, len(c.langs))
	for i, l := range c.langs {
		out[i] = l.String()
	}
	return out
}

// Keys lists the keys of all texts, sorted.
func (c *Catalogue) Keys() []string { return slices.Clone(c.keys) }

// Match finds the best of the languages that are offered, of all for none, for what is wanted, the most wanted first. Each may be a tag or an
// Accept-Language header. What nobody wanted is the first that is offered.
func (c *Catalogue) Match(offered []string, wanted ...string) string {
	among := c.among(offered)
	_, i := language.MatchStrings(among.matcher, wanted...)
	return among.langs[i].String()
}

// among gives the choice among the languages that are offered, of those there are: all, if it is none of them.
func (c *Catalogue) among(offered []string) choice {
	key := strings.Join(offered, " ")
	if known, ok := c.choices.Load(key); ok {
		return known.(choice) //nolint:forcetypeassert // nothing else is stored there
	}
	langs := slices.DeleteFunc(slices.Clone(c.langs), func(t language.Tag) bool { return !slices.Contains(offered, t.String()) })
	slices.SortStableFunc(langs, func(a, b language.Tag) int {
		return cmp.Compare(slices.Index(offered, a.String()), slices.Index(offered, b.String()))
	})
	if len(langs) == 0 {
		langs = c.langs
	}
	made, _ := c.choices.LoadOrStore(key, choice{langs, language.NewMatcher(langs)})
	return made.(choice) //nolint:forcetypeassert // the same
}

// Texts are the texts of one language.
type Texts struct {
	lang      string
	localizer *i18n.Localizer
	place     locales.Translator
	zone      *time.Location
}

// For gives the texts of a language, those that it lacks in the fallback's, with dates and numbers as they are written where it is spoken. Times
// are in UTC; In gives those of another zone.
func (c *Catalogue) For(lang string) *Texts {
	return &Texts{lang: lang, localizer: i18n.NewLocalizer(c.bundle, lang, c.langs[0].String()), place: placeOf(lang), zone: time.UTC}
}

// Lang is the language's tag, for the lang attribute.
func (t *Texts) Lang() string { return t.lang }

// Dir is the direction the language is written in, for the dir attribute.
func (t *Texts) Dir() string {
	base, _, _ := strings.Cut(t.lang, "-")
	switch base {
	case "he", "ar", "fa", "ur", "yi":
		return "rtl"
	}
	return "ltr"
}

// T gives the text of a key; pairs are names and values for what stands in {{.Name}} in it. A key that is not there is
// an error, which ends the rendering of a page: a test renders them all.
func (t *Texts) T(key string, pairs ...any) (string, error) {
	return t.text(&i18n.LocalizeConfig{MessageID: key, TemplateData: data(pairs)})
}

// N is T for a text that counts: n chooses the plural form and stands in {{.N}}.
func (t *Texts) N(key string, n int, pairs ...any) (string, error) {
	d := data(pairs)
	d["N"] = n
	return t.text(&i18n.LocalizeConfig{MessageID: key, TemplateData: d, PluralCount: n})
}

func (t *Texts) text(lc *i18n.LocalizeConfig) (string, error) {
	s, err := t.localizer.Localize(lc)
	if err != nil {
		return "", fmt.Errorf("text %q in %s: %w", lc.MessageID, t.lang, err)
	}
	if t.lang == PseudoLanguage {
		return pseudo(s), nil
	}
	return s, nil
}

// pseudo writes a text in PseudoLanguage.
func pseudo(s string) string {
	const plain, alike = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "ÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž"
	to := []rune(alike)
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune(plain, r); i >= 0 {
			return to[i]
		}
		return r
	}, s) + strings.Repeat("~", len(s)/3)
}

func data(pairs []any) map[string]any {
	d := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return d
}
