package i18n

import (
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// LanguageName is what a language is called in the language of the texts; its tag, if nobody has named it.
func (t *Texts) LanguageName(tag string) string {
	names := display.Languages(language.Make(t.lang))
	if names == nil {
		return tag
	}
	if name := names.Name(language.Make(tag)); name != "" {
		return name
	}
	return tag
}

// OwnName is what a language calls itself; its tag, if nobody has named it.
func OwnName(tag string) string {
	if name := display.Self.Name(language.Make(tag)); name != "" {
		return name
	}
	return tag
}
