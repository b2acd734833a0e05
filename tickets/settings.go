package tickets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"postern/desk"
	"postern/store"
)

// ChangeSettings changes the organisation's settings and gives the new ones. patch has the shape that desk.Settings has as
// JSON; what it leaves out stays as it is, and a list that it names is replaced as a whole. What can't be taken is refused
// by its place, and nothing is changed.
func (d *Desk) ChangeSettings(ctx context.Context, patch map[string]any) (desk.Settings, error) {
	if field := unknownKey(patch, reflect.TypeFor[desk.Settings]()); field != "" {
		return desk.Settings{}, desk.Refuse(field, "there is no such setting")
	}
	change, err := json.Marshal(patch)
	if err != nil {
		return desk.Settings{}, err
	}
	var settings desk.Settings
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if settings, err = tx.Settings(ctx); err != nil {
			return err
		}
		if _, given := patch["pipelines"]; given {
			settings.Pipelines = nil // or its new elements would take what they leave out from the former ones in their place
		}
		if err := read(change, &settings); err != nil {
			return err
		}
		for _, t := range []*desk.Template{&settings.Welcome, &settings.Acknowledgement} { // null takes a language away
			maps.DeleteFunc(t.Languages, func(_ string, w desk.Words) bool { return w == desk.Words{} })
		}
		if err := desk.CheckSettings(settings); err != nil {
			return err
		}
		return tx.PutSettings(ctx, settings)
	})
	return settings, err
}

func read(change []byte, settings *desk.Settings) error {
	err := json.NewDecoder(bytes.NewReader(change)).Decode(settings)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(wrong.Value, " ")
		return desk.Refuse(wrong.Field, "this can't be of the type %s; look at the settings there are for what it is", kind)
	}
	return err
}

// unknownKey finds a key that type t lacks, or writes in another case, and gives its place; "" if there is none. The
// decoder itself would take any case.
func unknownKey(v any, t reflect.Type) string {
	switch v := v.(type) {
	case map[string]any:
		if t.Kind() == reflect.Map {
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if inner := unknownKey(v[k], t.Elem()); inner != "" {
					return k + "." + inner
				}
			}
			return ""
		}
		if t.Kind() != reflect.Struct {
			return "" // the decoder says that it is of the wrong type
		}
		fields := reflect.VisibleFields(t)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("json") == k })
			if i < 0 {
				return k
			}
			if inner := unknownKey(v[k], fields[i].Type); inner != "" {
				return k + "." + inner
			}
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return ""
		}
		for _, element := range v {
			if inner := unknownKey(element, t.Elem()); inner != "" {
				return inner
			}
		}
	}
	return ""
}
