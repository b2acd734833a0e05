package i18n

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"postern/desk"
)

// said lists the texts of a language by their place.
func said(prefix string, v reflect.Value, out map[string]string) {
	for i := range v.NumField() {
		name := prefix + v.Type().Field(i).Name
		if f := v.Field(i); f.Kind() == reflect.Struct {
			said(name+".", f, out)
		} else if name != "Lang" {
			out[name] = f.String()
		}
	}
}

// TestO5_MailsSayTheSameInAllLanguages: every text is there, with the same snippets, and with nothing that the English one lacks.
func TestO5_MailsSayTheSameInAllLanguages(t *testing.T) {
	t.Parallel()
	m, err := LoadMails()
	if err != nil {
		t.Fatal(err)
	}
	english := map[string]string{}
	said("", reflect.ValueOf(m.All()[0]), english)
	var langs []string
	for _, texts := range m.All() {
		langs = append(langs, texts.Lang)
		got := map[string]string{}
		said("", reflect.ValueOf(texts), got)
		for place, en := range english {
			want, has := desk.Snippets(en), desk.Snippets(got[place])
			slices.Sort(want)
			slices.Sort(has)
			if !slices.Equal(want, has) || (got[place] == "") != (en == "") {
				t.Errorf("%s: %s says %q, in English %q", texts.Lang, place, got[place], en)
			}
			if texts.Lang != "en" && got[place] == en && len(desk.Expand(en, nil)) > 20 && !strings.HasPrefix(en, "Re: ") {
				t.Errorf("%s: %s is in English", texts.Lang, place)
			}
		}
		settings := desk.DefaultSettings()
		settings.Welcome.Subject, settings.Welcome.Body, settings.Welcome.NeutralSubject, settings.Welcome.NeutralBody = texts.Welcome.Subject, texts.Welcome.Body, texts.Welcome.NeutralSubject, texts.Welcome.NeutralBody
		a := texts.Acknowledgement
		settings.Acknowledgement.Subject, settings.Acknowledgement.Body, settings.Acknowledgement.NeutralSubject, settings.Acknowledgement.NeutralBody = a.Subject, a.Body, a.NeutralSubject, a.NeutralBody
		if err := desk.CheckSettings(settings); err != nil {
			t.Errorf("%s: %v", texts.Lang, err)
		}
		if texts.Lang == "en" && !reflect.DeepEqual(settings, desk.DefaultSettings()) {
			t.Error("the English texts are not those of desk.DefaultSettings")
		}
	}
	slices.Sort(langs)
	if want := []string{"da", "de", "en", "es", "fr", "he", "it", "nl", "pt", "th"}; !slices.Equal(langs, want) {
		t.Errorf("languages %v, want %v", langs, want)
	}
	for wanted, lang := range map[string]string{"de-AT": "de", "pt-BR": "pt", "he": "he", "xx": "en", "": "en", "ja": "en", "en-GB": "en"} {
		if got := m.For(wanted).Lang; got != lang {
			t.Errorf("for %q: %s, want %s", wanted, got, lang)
		}
	}
	if got := m.For("ja", "de", "fr").Lang; got != "de" {
		t.Errorf("for ja, de, fr: %s", got)
	}
}
