package tickets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	_, settings, err := d.Apply(ctx, nil, patch, false)
	return settings, err
}

// errDry ends a transaction of a dry run.
var errDry = errors.New("it was a dry run") //nolint:gochecknoglobals // never changes

// Apply puts lists of contacts there as they are given, by their ids, and changes settings as ChangeSettings does, all or nothing. It gives the
// lists that are other now, and the new settings. dry has it only tell.
func (d *Desk) Apply(ctx context.Context, lists []desk.ContactList, patch map[string]any, dry bool) (changed []desk.ContactList, settings desk.Settings, err error) {
	if field := unknownKey(patch, reflect.TypeFor[desk.Settings]()); field != "" {
		return nil, settings, desk.Refuse(field, "there is no such setting")
	}
	change, err := json.Marshal(patch)
	if err != nil {
		return nil, settings, err
	}
	org, err := d.db.FreshOrganisation(ctx)
	if err != nil {
		return nil, settings, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if changed, err = putLists(ctx, tx, lists); err != nil {
			return err
		}
		if settings, err = tx.Settings(ctx); err != nil {
			return err
		}
		before := copied(settings)
		replaceLists(&settings, patch)
		if err := read(change, &settings); err != nil {
			return err
		}
		for _, t := range []*desk.Template{&settings.Welcome, &settings.Invitation, &settings.Acknowledgement} { // null takes a language away
			maps.DeleteFunc(t.Languages, func(_ string, w desk.Words) bool { return w == desk.Words{} })
		}
		maps.DeleteFunc(settings.Access.Consent.Texts, func(_ string, t desk.ConsentText) bool { return t == desk.ConsentText{} })
		b := &settings.Branding // the same
		maps.DeleteFunc(b.Footers, func(_, text string) bool { return text == "" })
		maps.DeleteFunc(b.Tokens, func(_, value string) bool { return value == "" })
		maps.DeleteFunc(b.Menus, func(_ string, items []desk.MenuItem) bool { return len(items) == 0 })
		if err := desk.CheckSettings(settings); err != nil {
			return err
		}
		if err := errors.Join(namesThatAre(ctx, tx, settings), formsThatWork(org, before, settings)); err != nil {
			return err
		}
		if changes := desk.Differences(before, settings); len(changes) > 0 {
			if err := tx.PutSettings(ctx, settings); err != nil {
				return err
			}
			if err := tx.Audit(ctx, desk.SettingsChanged, "settings", changes); err != nil {
				return err
			}
		}
		if dry {
			return errDry
		}
		return nil
	})
	if errors.Is(err, errDry) {
		return changed, settings, nil
	}
	if err == nil {
		err = d.InviteListed(ctx, nil)
	}
	return changed, settings, err
}

// replaceLists empties the lists that a patch names: they are replaced as a whole, else their new elements would take what they leave out
// from the former ones in their place.
func replaceLists(settings *desk.Settings, patch map[string]any) {
	if _, given := patch["pipelines"]; given {
		settings.Pipelines = nil
	}
	if _, given := patch["properties"]; given {
		settings.Properties = nil
	}
	if _, given := patch["ticket_forms"]; given {
		settings.TicketForms = nil
	}
	if shown, ok := patch["shown"].(map[string]any); ok && shown["rules"] != nil {
		settings.Shown.Rules = nil
	}
}

// putLists stores the lists that are not there as they are given.
func putLists(ctx context.Context, tx *store.Tx, lists []desk.ContactList) (changed []desk.ContactList, err error) {
	for _, l := range lists {
		if l.Rule == nil {
			l.Rule = []desk.Condition{}
		}
		if err := l.Check(); err != nil {
			return nil, err
		}
		before, err := tx.ContactList(ctx, string(l.ID))
		switch {
		case desk.KindOf(err) == desk.NotFound:
			if before = (desk.ContactList{}); l.CreatedAt.IsZero() {
				l.CreatedAt = tx.Now()
			}
		case err != nil:
			return nil, err
		default:
			l.CreatedAt = before.CreatedAt
		}
		changes := desk.Differences(before, l)
		if len(changes) == 0 {
			continue
		}
		if err := tx.PutContactList(ctx, l); err != nil {
			return nil, err
		}
		if err := tx.Audit(ctx, desk.ListChanged, string(l.ID), changes); err != nil {
			return nil, err
		}
		changed = append(changed, l)
	}
	return changed, nil
}

// copied is settings that share nothing with others.
func copied(s desk.Settings) desk.Settings {
	b, err := json.Marshal(s)
	var out desk.Settings
	if err = errors.Join(err, json.Unmarshal(b, &out)); err != nil {
		panic(err) // settings are plain values, which come from JSON
	}
	return out
}

// namesThatAre refuses settings that name a list or a person who is not there: nobody would notice that it means nobody.
func namesThatAre(ctx context.Context, tx *store.Tx, s desk.Settings) error {
	lists, err := tx.ContactLists(ctx)
	if err != nil {
		return err
	}
	for field, ids := range map[string][]desk.ID{"access.lists": s.Access.Lists, "sharing.lists": s.Sharing.Lists} {
		for _, id := range ids {
			if !slices.ContainsFunc(lists, func(l desk.ContactList) bool { return l.ID == id }) {
				return desk.Refuse(field, "there is no list %s; gateway list list tells the ids", id)
			}
		}
	}
	for _, id := range s.Sharing.People {
		if _, err := tx.Contact(ctx, id); err != nil {
			if desk.KindOf(err) == desk.NotFound {
				return desk.Refuse("sharing.people", "there is no contact %s", id)
			}
			return err
		}
	}
	return nil
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
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
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
			i := slices.IndexFunc(fields, func(f reflect.StructField) bool {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				return name == k
			})
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

// formsThatWork refuses to connect a form that lacks something, and tells all it lacks. One that is connected already may come to lack something: it is
// not offered until that is there again, and nothing else waits for it.
func formsThatWork(org *store.Organisation, before, s desk.Settings) error {
	for i, f := range s.TicketForms {
		same := slices.ContainsFunc(before.TicketForms, func(b desk.TicketForm) bool { return reflect.DeepEqual(b, f) })
		if !f.Connected || same {
			continue
		}
		if missing := f.Missing(s, org.Mailboxes); len(missing) > 0 {
			return desk.Refuse(fmt.Sprintf("ticket_forms[%d]", i), "the form %s can't be connected yet: %s", f.Key, strings.Join(missing, "; "))
		}
	}
	return nil
}
