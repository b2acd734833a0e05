package desk

import (
	"slices"
	"strings"
)

// Languages lists the languages that Postern speaks on pages and in mails, English first.
func Languages() []string {
	return []string{"en", "da", "de", "es", "fr", "he", "it", "nl", "pt", "th"}
}

// Offered lists the languages that visitors of the portal may choose, the default one first.
func (s Settings) Offered() []string {
	out := []string{s.DefaultLanguage}
	all := s.Languages
	if len(all) == 0 {
		all = Languages()
	}
	for _, lang := range all {
		if !slices.Contains(out, lang) {
			out = append(out, lang)
		}
	}
	return out
}

// checkLanguageSettings refuses languages that there are no texts in, and to offer others than the default one without it.
func checkLanguageSettings(s Settings) error {
	known := strings.Join(Languages(), ", ")
	if !slices.Contains(Languages(), s.DefaultLanguage) {
		return Refuse("default_language", "there are no texts in %q; choose one of %s", s.DefaultLanguage, known)
	}
	for _, lang := range s.Languages {
		if !slices.Contains(Languages(), lang) {
			return Refuse("languages", "there are no texts in %q; choose from %s", lang, known)
		}
	}
	if len(s.Languages) > 0 && !slices.Contains(s.Languages, s.DefaultLanguage) {
		return Refuse("languages", "the default language, %q, is not among them; add it, or choose another default_language", s.DefaultLanguage)
	}
	return nil
}
