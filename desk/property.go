package desk

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Property is something that a ticket has beside what every ticket has: an operator's own, filled by forms, the API and agents.
type Property struct {
	Key     string            `json:"key"`
	Name    string            `json:"name"`
	Names   map[string]string `json:"names"` // in further languages, by tag
	Type    PropertyType      `json:"type"`
	Choices []Choice          `json:"choices"` // of ChoiceProperty
	// Shown has customers see it on their tickets, and use it as a filter.
	Shown bool `json:"shown"`
}

// Choice is one of the values of a ChoiceProperty.
type Choice struct {
	Key   string            `json:"key"`
	Name  string            `json:"name"`
	Names map[string]string `json:"names"`
}

// PropertyType is what values a property takes.
type PropertyType string

// The types. Values are kept as text: a number as Go writes it, a date as 2026-01-31, yes and no as true and false.
const (
	TextProperty    PropertyType = "text"
	NumberProperty  PropertyType = "number"
	ChoiceProperty  PropertyType = "choice"
	DateProperty    PropertyType = "date"
	BooleanProperty PropertyType = "yes_no"
)

// MaxPropertyText is how many characters a text property takes.
const MaxPropertyText = 2000

// Normal gives a value as it is kept; "" stays "", which means that there is none. What the property can't have is Invalid.
func (p Property) Normal(v string) (string, error) {
	v = strings.TrimSpace(v)
	if v == "" {
		return "", nil
	}
	switch p.Type {
	case NumberProperty:
		n, err := strconv.ParseFloat(strings.ReplaceAll(v, ",", "."), 64)
		if err != nil || n != n || n > 1e15 || n < -1e15 {
			return "", p.refuse("property_number", "%s is a number such as 12.5")
		}
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	case DateProperty:
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			return "", p.refuse("property_date", "%s is a date such as 2026-01-31")
		}
	case BooleanProperty:
		switch strings.ToLower(v) {
		case "true", "yes", "1", "on":
			return "true", nil
		case "false", "no", "0", "off":
			return "false", nil
		}
		return "", p.refuse("property_yes_no", "%s is yes or no")
	case ChoiceProperty:
		if !slices.ContainsFunc(p.Choices, func(c Choice) bool { return c.Key == v }) {
			return "", p.refuse("property_choice", "choose one of the values of %s")
		}
	case TextProperty:
		if utf8.RuneCountInString(v) > MaxPropertyText {
			return "", p.refuse("property_long", "%s is too long")
		}
	}
	return v, nil
}

func (p Property) refuse(key, text string) error {
	name := p.Name
	if name == "" {
		name = p.Key
	}
	return &Error{Kind: Invalid, Field: CustomPrefix + p.Key, Text: strings.ReplaceAll(text, "%s", name), Key: key, Args: []any{"Name", name}}
}

// Named gives a name in a language: that of the language, of its base, or the one there is for all.
func Named(name string, names map[string]string, lang string) string {
	if n := names[lang]; n != "" {
		return n
	}
	base, _, _ := strings.Cut(lang, "-")
	if n := names[base]; n != "" {
		return n
	}
	return name
}

// In gives the property's name in a language.
func (p Property) In(lang string) string { return Named(p.Name, p.Names, lang) }

// In gives the choice's name in a language.
func (c Choice) In(lang string) string { return Named(c.Name, c.Names, lang) }

var propertyKey = regexp.MustCompile(`^[a-z][a-z0-9_]{0,59}$`)

// PropertyKey tells whether a key is one that a property may have: no letter of it means anything in SQL or JSON.
func PropertyKey(key string) bool { return propertyKey.MatchString(key) }

// CheckProperties refuses properties that could not be told apart or filled.
func CheckProperties(ps []Property) error {
	seen := map[string]bool{}
	for i, p := range ps {
		at := "properties[" + strconv.Itoa(i) + "]"
		switch {
		case !propertyKey.MatchString(p.Key):
			return Refuse(at+".key", "%q is no key: use small letters, digits and _, a letter first", p.Key)
		case seen[p.Key]:
			return Refuse(at+".key", "there are two properties with the key %q", p.Key)
		case strings.TrimSpace(p.Name) == "":
			return Refuse(at+".name", "the property %s needs a name", p.Key)
		case !slices.Contains([]PropertyType{TextProperty, NumberProperty, ChoiceProperty, DateProperty, BooleanProperty}, p.Type):
			return Refuse(at+".type", "there is no type %q; there are text, number, choice, date and yes_no", p.Type)
		case p.Type == ChoiceProperty && len(p.Choices) == 0:
			return Refuse(at+".choices", "the property %s needs choices", p.Key)
		case p.Type != ChoiceProperty && len(p.Choices) > 0:
			return Refuse(at+".choices", "only a property of the type choice has choices")
		}
		seen[p.Key] = true
		keys := map[string]bool{}
		for _, c := range p.Choices {
			if c.Key == "" || c.Name == "" || keys[c.Key] {
				return Refuse(at+".choices", "each choice of %s needs a key of its own and a name", p.Key)
			}
			keys[c.Key] = true
		}
	}
	return nil
}

// NormalProperties gives properties as they are kept; those that are to be taken away are "". A key that the settings lack stays as it is:
// forms may have filled it before.
func NormalProperties(custom []Property, values map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(values))
	for k, v := range values {
		out[k] = v
		if p, ok := property(CustomPrefix+k, nil, custom); ok {
			n, err := p.Normal(v)
			if err != nil {
				return nil, err
			}
			out[k] = n
		}
	}
	return out, nil
}
