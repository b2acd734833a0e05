package desk

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Condition is one line of an operator's rule: a property of a ticket or a contact, how it is compared, and with what. Several in one
// rule must all hold.
type Condition struct {
	Property string   `json:"property"`
	Operator Operator `json:"operator"`
	Values   []string `json:"values"` // any of them; one for Before, After, AtLeast, AtMost and Contains, none for Known and Unknown
}

// Operator is how a Condition compares.
type Operator string

// The operators. Before and After are for times: a day such as 2026-01-31, or days ago such as 30d. AtLeast and AtMost are for numbers.
const (
	Is       Operator = "is"
	IsNot    Operator = "is_not"
	Contains Operator = "contains"
	Before   Operator = "before"
	After    Operator = "after"
	AtLeast  Operator = "at_least"
	AtMost   Operator = "at_most"
	Known    Operator = "known"
	Unknown  Operator = "unknown"
)

// operators lists what a property of a type can be compared by.
func operators(t PropertyType) []Operator {
	switch t {
	case NumberProperty:
		return []Operator{Is, IsNot, AtLeast, AtMost, Known, Unknown}
	case DateProperty:
		return []Operator{Is, Before, After, Known, Unknown}
	case ChoiceProperty:
		return []Operator{Is, IsNot, Known, Unknown}
	case BooleanProperty:
		return []Operator{Is}
	case TextProperty:
	}
	return []Operator{Is, IsNot, Contains, Known, Unknown}
}

// CustomPrefix stands before the key of a custom property where built-in ones are named beside it.
const CustomPrefix = "properties."

// TicketProperties are the built-in properties of tickets that conditions, columns and filters can name.
func TicketProperties() []Property {
	return []Property{
		{Key: "pipeline", Type: ChoiceProperty}, {Key: "status", Type: ChoiceProperty}, {Key: "status_kind", Type: ChoiceProperty, Choices: []Choice{{Key: Open}, {Key: Closed}}},
		{Key: "mailbox", Type: ChoiceProperty}, {Key: "source", Type: ChoiceProperty}, {Key: "form", Type: ChoiceProperty}, {Key: "company", Type: ChoiceProperty}, {Key: "assignee", Type: ChoiceProperty},
		{Key: "requester", Type: TextProperty}, {Key: "subject", Type: TextProperty}, {Key: "created_at", Type: DateProperty}, {Key: "last_activity_at", Type: DateProperty}, {Key: "billed", Type: BooleanProperty},
	}
}

// ContactProperties are the properties of contacts that the rules of lists can name.
func ContactProperties() []Property {
	return []Property{
		{Key: "email", Type: TextProperty}, {Key: "domain", Type: ChoiceProperty}, {Key: "name", Type: TextProperty}, {Key: "language", Type: ChoiceProperty},
		{Key: "company", Type: ChoiceProperty}, {Key: "main_contact", Type: BooleanProperty}, {Key: "created_at", Type: DateProperty},
	}
}

// property finds what a condition names among the built-in properties, and custom ones by CustomPrefix.
func property(key string, builtIn, custom []Property) (Property, bool) {
	if name, ok := strings.CutPrefix(key, CustomPrefix); ok {
		builtIn, key = custom, name
	}
	i := slices.IndexFunc(builtIn, func(p Property) bool { return p.Key == key })
	if i < 0 {
		return Property{}, false
	}
	return builtIn[i], true
}

// CheckConditions refuses conditions that could never mean anything. field names them to people.
func CheckConditions(field string, cs []Condition, builtIn, custom []Property) error {
	for i, c := range cs {
		at := field + "[" + strconv.Itoa(i) + "]"
		p, ok := property(c.Property, builtIn, custom)
		if !ok {
			return Refuse(at+".property", "there is no property %q", c.Property)
		}
		if !slices.Contains(operators(p.Type), c.Operator) {
			return Refuse(at+".operator", "%s can't be compared by %q; it can by %s", c.Property, c.Operator, joined(operators(p.Type)))
		}
		switch c.Operator {
		case Known, Unknown:
			if len(c.Values) > 0 {
				return Refuse(at+".values", "%q takes no value", c.Operator)
			}
			continue
		case Is, IsNot:
			if len(c.Values) == 0 {
				return Refuse(at+".values", "say what %s is compared with", c.Property)
			}
		case Contains, Before, After, AtLeast, AtMost:
			if len(c.Values) != 1 || c.Values[0] == "" {
				return Refuse(at+".values", "%q takes one value", c.Operator)
			}
		}
		for _, v := range c.Values {
			if err := checkCompared(p, v); err != nil {
				return Refuse(at+".values", "%s", TextOf(err))
			}
		}
	}
	return nil
}

func joined[S ~string](ss []S) string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

func checkCompared(p Property, v string) error {
	switch p.Type {
	case DateProperty:
		if _, ok := ParseDay(v, time.Time{}); !ok {
			return Refuse("", "%q is no day such as 2026-01-31 and no number of days ago such as 30d", v)
		}
	case NumberProperty, BooleanProperty:
		_, err := p.Normal(v)
		return err
	case ChoiceProperty:
		if len(p.Choices) > 0 {
			_, err := p.Normal(v)
			return err
		}
	case TextProperty:
	}
	return nil
}

// ParseDay gives the beginning of a day in UTC: of a date such as 2026-01-31, or so many days before now ("30d").
func ParseDay(s string, now time.Time) (time.Time, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 100_000 {
			return time.Time{}, false
		}
		return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -n), true
	}
	at, err := time.Parse(time.DateOnly, s)
	return at, err == nil
}

// Holds tells whether a contact meets all conditions of a list's rule. A rule without conditions holds for nobody.
func (c Contact) Holds(rule []Condition, now time.Time) bool {
	for _, cond := range rule {
		if !c.holds(cond, now) {
			return false
		}
	}
	return len(rule) > 0
}

func (c Contact) holds(cond Condition, now time.Time) bool {
	var have []string
	switch cond.Property {
	case "email":
		have = c.Addresses
	case "domain":
		for _, a := range c.Addresses {
			have = append(have, DomainOf(a))
		}
	case "name":
		have = known(c.Name)
	case "language":
		have = known(c.Language)
	case "company":
		have = asStrings(c.Companies)
	case "main_contact":
		have = []string{strconv.FormatBool(len(c.MainOf) > 0)}
	case "created_at":
		at, ok := ParseDay(first(cond.Values), now)
		switch cond.Operator {
		case Before:
			return ok && c.CreatedAt.Before(at)
		case After:
			return ok && !c.CreatedAt.Before(at)
		case Is:
			return ok && !c.CreatedAt.Before(at) && c.CreatedAt.Before(at.AddDate(0, 0, 1))
		default:
			return cond.Operator == Known
		}
	default:
		return false
	}
	equal := slices.ContainsFunc(have, func(h string) bool {
		return slices.ContainsFunc(cond.Values, func(v string) bool { return strings.EqualFold(h, v) })
	})
	switch cond.Operator {
	case Is:
		return equal
	case IsNot:
		return !equal
	case Contains:
		return slices.ContainsFunc(have, func(h string) bool { return strings.Contains(strings.ToLower(h), strings.ToLower(first(cond.Values))) })
	case Known:
		return len(have) > 0
	case Unknown:
		return len(have) == 0
	default:
		return false
	}
}

func known(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func first(vs []string) string {
	if len(vs) == 0 {
		return ""
	}
	return vs[0]
}

func asStrings[S ~string](ss []S) []string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = string(s)
	}
	return out
}
