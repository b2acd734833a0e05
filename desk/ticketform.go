package desk

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// TicketForm is a form of the portal by which customers open tickets. (A Form takes what other sites post.)
type TicketForm struct {
	Key   string            `json:"key"`
	Name  string            `json:"name"` // what it is about, where there are several
	Names map[string]string `json:"names,omitempty"`
	// Connected has the portal offer it. It takes a form that lacks nothing.
	Connected bool        `json:"connected"`
	Mailbox   ID          `json:"mailbox"`  // where its tickets go; empty: the default mailbox
	Pipeline  string      `json:"pipeline"` // empty: the mailbox's
	Fields    []FormField `json:"fields"`   // in their order
}

// FormField is one field of a TicketForm.
type FormField struct {
	// Property is subject, text or files, or one of the settings' properties as properties.KEY.
	Property string            `json:"property"`
	Label    string            `json:"label"` // empty: the property's own name
	Labels   map[string]string `json:"labels,omitempty"`
	Hint     string            `json:"hint"`
	Hints    map[string]string `json:"hints,omitempty"`
	Required bool              `json:"required"` // subject and text are in any case
	// Choices are the keys of those that are offered, in their order; empty: all the property has.
	Choices []string `json:"choices,omitempty"`
}

// The built-in properties that a form has fields for.
const (
	FieldSubject = "subject"
	FieldText    = "text"
	FieldFiles   = "files"
)

// SupportForm is the form that is ready from the first day.
func SupportForm() TicketForm {
	return TicketForm{
		Key: "support", Name: "Contact support", Connected: true,
		Names:  map[string]string{"de": "Support", "fr": "Assistance", "da": "Support", "nl": "Ondersteuning", "he": "תמיכה", "pt": "Apoio", "es": "Soporte", "th": "ฝ่ายสนับสนุน", "it": "Assistenza"},
		Fields: []FormField{{Property: FieldSubject, Required: true}, {Property: FieldText, Required: true}, {Property: FieldFiles}},
	}
}

// In gives the form's name in a language.
func (f TicketForm) In(lang string) string { return Named(f.Name, f.Names, lang) }

// LabelIn gives the field's label in a language; empty: the property's own name.
func (f FormField) LabelIn(lang string) string { return Named(f.Label, f.Labels, lang) }

// HintIn gives the field's hint in a language; empty: none, or the property's own.
func (f FormField) HintIn(lang string) string { return Named(f.Hint, f.Hints, lang) }

// Custom gives the field's property, if it is one of the settings' own and not built in.
func (f FormField) Custom(s Settings) (Property, bool) {
	key, ok := strings.CutPrefix(f.Property, CustomPrefix)
	i := slices.IndexFunc(s.Properties, func(p Property) bool { return p.Key == key })
	if !ok || i < 0 {
		return Property{}, false
	}
	return s.Properties[i], true
}

// Offered gives the choices of the property that the form offers.
func (f FormField) Offered(p Property) []Choice {
	if len(f.Choices) == 0 {
		return p.Choices
	}
	var out []Choice
	for _, key := range f.Choices {
		if i := slices.IndexFunc(p.Choices, func(c Choice) bool { return c.Key == key }); i >= 0 {
			out = append(out, p.Choices[i])
		}
	}
	return out
}

// Normal gives a value of the field as it is kept, "" for none. What the property or the form can't take, and none where one is required, is Invalid.
func (f FormField) Normal(p Property, v string) (string, error) {
	v, err := p.Normal(v)
	if err == nil && v == "" && f.Required {
		err = p.refuse("property_required", "fill in %s")
	}
	if err == nil && v != "" && p.Type == ChoiceProperty && !slices.ContainsFunc(f.Offered(p), func(c Choice) bool { return c.Key == v }) {
		err = p.refuse("property_choice", "choose one of the values of %s")
	}
	return v, err
}

// Missing lists what a form lacks before the portal can offer it, each with what to do; none: it is ready. mailboxes are those there are.
func (f TicketForm) Missing(s Settings, mailboxes []Mailbox) []string {
	var out []string
	has := func(property string) bool {
		return slices.ContainsFunc(f.Fields, func(field FormField) bool { return field.Property == property })
	}
	for _, property := range []string{FieldSubject, FieldText} {
		if !has(property) {
			out = append(out, "it has no field for "+property+": add one with the property "+property)
		}
	}
	for _, field := range f.Fields {
		p, custom := field.Custom(s)
		if !custom {
			if strings.HasPrefix(field.Property, CustomPrefix) {
				out = append(out, "there is no property "+strings.TrimPrefix(field.Property, CustomPrefix)+": add it to the settings' properties, or take the field away")
			}
			continue
		}
		if len(field.Offered(p)) < len(field.Choices) || p.Type != ChoiceProperty && len(field.Choices) > 0 {
			out = append(out, "the property "+p.Key+" lacks a choice that the field offers")
		}
	}
	if f.Pipeline != "" && !slices.ContainsFunc(s.Pipelines, func(p Pipeline) bool { return p.Key == f.Pipeline }) {
		out = append(out, "there is no pipeline "+f.Pipeline)
	}
	switch {
	case len(mailboxes) == 0:
		out = append(out, "no mailbox is connected: gateway mailbox add")
	case f.Mailbox != "" && !slices.ContainsFunc(mailboxes, func(m Mailbox) bool { return m.ID == f.Mailbox }):
		out = append(out, "there is no mailbox "+string(f.Mailbox)+"; leave it empty for the default one")
	}
	return out
}

var formKey = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`) //nolint:gochecknoglobals // never changes

// maxFormFields is how many fields a form has at most.
const maxFormFields = 40

// checkTicketForms refuses forms that could not be told apart or shown. What only keeps one from being connected is Missing.
func checkTicketForms(s Settings) error {
	seen := map[string]bool{}
	for i, f := range s.TicketForms {
		at := "ticket_forms[" + strconv.Itoa(i) + "]"
		switch {
		case !formKey.MatchString(f.Key):
			return Refuse(at+".key", "%q is no key: use small letters, digits, - and _, a letter first", f.Key)
		case seen[f.Key]:
			return Refuse(at+".key", "there are two forms with the key %q", f.Key)
		case strings.TrimSpace(f.Name) == "" || strings.ContainsFunc(f.Name, Unseen):
			return Refuse(at+".name", "the form %s needs a name, in one line", f.Key)
		case len(f.Fields) > maxFormFields:
			return Refuse(at+".fields", "a form has at most %d fields", maxFormFields)
		}
		seen[f.Key] = true
		fields := map[string]bool{}
		for _, field := range f.Fields {
			known := field.Property == FieldSubject || field.Property == FieldText || field.Property == FieldFiles
			if !known && !PropertyKey(strings.TrimPrefix(field.Property, CustomPrefix)) || !known && !strings.HasPrefix(field.Property, CustomPrefix) {
				return Refuse(at+".fields", "%q is none of subject, text, files and properties.KEY", field.Property)
			}
			if fields[field.Property] {
				return Refuse(at+".fields", "the form %s has two fields for %s", f.Key, field.Property)
			}
			fields[field.Property] = true
		}
	}
	return nil
}
