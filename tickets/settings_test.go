package tickets_test

import (
	"maps"
	"reflect"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// TestSettingsChangeAsAWholeOrNotAtAll: what a patch names is changed, all else stays, and what can't be taken is refused by
// its place.
func TestSettingsChangeAsAWholeOrNotAtAll(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		in := desktest.New(t, o)
		status := func(key string, more ...any) map[string]any {
			m := map[string]any{"key": key, "name": key}
			for i := 0; i+1 < len(more); i += 2 {
				m[more[i].(string)] = more[i+1]
			}
			return m
		}
		pipelines := func(statuses ...any) []any {
			return []any{map[string]any{"key": "support", "name": "Support", "statuses": statuses}}
		}
		for field, patch := range map[string]map[string]any{
			"colour":                    {"colour": "red"},
			"Pipelines":                 {"Pipelines": pipelines(status("open"), status("closed", "closed", true))},
			"welcome.Enabled":           {"welcome": map[string]any{"Enabled": false}},
			"pipelines.statuses.Closed": {"pipelines": pipelines(status("open"), status("closed", "Closed", true))},
			"portal_title":              {"portal_title": 4711},
			"welcome.enabled":           {"welcome": map[string]any{"enabled": "no"}},
			"welcome":                   {"welcome": []any{map[string]any{"enabled": true}}},
			"welcome.languages.de.body": {"welcome": map[string]any{"languages": map[string]any{"de": map[string]any{"subject": "Hallo", "body": "ohne Link"}}}},
			"acknowledgement.languages.de.neutral_body": {"acknowledgement": map[string]any{"languages": map[string]any{"de": map[string]any{"neutral_subject": "Hallo", "neutral_body": "{{contact.name}}"}}}},
			"acknowledgement.languages.{de}":            {"acknowledgement": map[string]any{"languages": map[string]any{"{de}": map[string]any{"subject": "Hallo", "body": "x"}}}},
			"welcome.languages.de.text":                 {"welcome": map[string]any{"languages": map[string]any{"de": map[string]any{"text": "x"}}}},
			"pipelines":                                 {"portal_title": "Half", "pipelines": []any{}},
		} {
			_, err := in.Desk.ChangeSettings(t.Context(), patch)
			if e, ok := err.(*desk.Error); !ok || e.Kind != desk.Invalid || e.Field != field { //nolint:errorlint // it is not wrapped
				t.Errorf("%v: %v", patch, err)
			}
		}
		if s, err := in.DB.Settings(t.Context()); err != nil || s.PortalTitle != desk.DefaultSettings().PortalTitle || !s.Welcome.Enabled {
			t.Errorf("a refused patch left %+v, %v", s, err)
		}

		if _, err := in.Desk.ChangeSettings(t.Context(), map[string]any{"pipelines": pipelines(status("open"), status("shut", "closed", true))}); err != nil {
			t.Fatal(err)
		}
		s, err := in.Desk.ChangeSettings(t.Context(), map[string]any{"portal_title": "Acme Help", "pipelines": pipelines(status("new"), status("open"), status("shut", "closed", true))})
		if err != nil || s.PortalTitle != "Acme Help" || !reflect.DeepEqual(s.Welcome, desk.DefaultSettings().Welcome) {
			t.Errorf("%+v, %v", s, err)
		}
		german := desk.Words{Subject: "Hallo", Body: "{{ticket.link}}"}
		for _, c := range []struct {
			words any
			want  map[string]desk.Words
		}{
			{map[string]any{"subject": "Hallo", "body": "{{ticket.link}}"}, map[string]desk.Words{"de": german}},
			{nil, map[string]desk.Words{}},
		} {
			s, err := in.Desk.ChangeSettings(t.Context(), map[string]any{"acknowledgement": map[string]any{"languages": map[string]any{"de": c.words}}})
			if err != nil || !maps.Equal(s.Acknowledgement.Languages, c.want) || s.Acknowledgement.Body != desk.DefaultSettings().Acknowledgement.Body {
				t.Errorf("%v: %+v, %v", c.words, s.Acknowledgement.Languages, err)
			}
		}
		if got := s.Pipelines[0].Statuses; len(got) != 3 || got[0].Closed || got[1].Closed || !got[2].Closed {
			t.Errorf("the statuses are %+v", got)
		}
		if stored, err := in.DB.Settings(t.Context()); err != nil || stored.PortalTitle != "Acme Help" || len(stored.Pipelines[0].Statuses) != 3 {
			t.Errorf("stored is %+v, %v", stored, err)
		}
	})
}
