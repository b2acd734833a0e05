// Package i18n holds the texts that people read on pages, by language.
package i18n

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
)

//go:embed catalogues/*.toml
var catalogues embed.FS

// Catalogue holds the texts of all languages. It does not change once loaded.
type Catalogue struct {
	bundle  *i18n.Bundle
	langs   []language.Tag // the first one is the fallback
	matcher language.Matcher
}

// Load reads the catalogues that are compiled in.
func Load() (*Catalogue, error) {
	c := &Catalogue{bundle: i18n.NewBundle(language.English), langs: []language.Tag{language.English}}
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
		}
	}
	c.matcher = language.NewMatcher(c.langs)
	return c, nil
}

// Languages lists the languages there are, the fallback first.
func (c *Catalogue) Languages() []string {
	out := make([]string, len(c.langs))
	for i, l := range c.langs {
		out[i] = l.String()
	}
	return out
}

// Match finds the best language for what is wanted, the most wanted first. Each may be a tag or an Accept-Language header.
func (c *Catalogue) Match(wanted ...string) string {
	_, i := language.MatchStrings(c.matcher, wanted...)
	return c.langs[i].String()
}

// Texts are the texts of one language.
type Texts struct {
	lang      string
	localizer *i18n.Localizer
}

// For gives the texts of a language, those that it lacks in the fallback's.
func (c *Catalogue) For(lang string) *Texts {
	return &Texts{lang: lang, localizer: i18n.NewLocalizer(c.bundle, lang, c.langs[0].String())}
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
	return s, nil
}

func data(pairs []any) map[string]any {
	d := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return d
}

// Date writes a time as people read it. Only the server writes dates, so that all pages agree.
func (t *Texts) Date(at time.Time) string { return at.Format("2 Jan 2006, 15:04") }

// Day writes a date without the time.
func (t *Texts) Day(at time.Time) string { return at.Format("2 Jan 2006") }

// Bytes writes a size. The number and its unit are kept together, also where text runs from right to left.
func (t *Texts) Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("\u2066%d B\u2069", n)
	case n < 1000*1000:
		return fmt.Sprintf("\u2066%d KB\u2069", (n+500)/1000)
	}
	return "\u2066" + strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1e6), ".0") + " MB\u2069"
}
