package desk

import (
	"slices"
	"strings"
	"time"
)

// ContactList is a list of contacts: fixed, or all who meet a rule. It says who gets in and who sees what.
type ContactList struct {
	ID        ID          `json:"id"`
	Name      string      `json:"name"`
	Rule      []Condition `json:"rule"` // empty: a fixed list, whose members an operator names
	CreatedAt time.Time   `json:"created_at"`
}

// Has tells whether a contact is on the list; fixed are the fixed lists the contact was put on.
func (l ContactList) Has(c Contact, fixed []ID, now time.Time) bool {
	if len(l.Rule) == 0 {
		return slices.Contains(fixed, l.ID)
	}
	return c.Holds(l.Rule, now)
}

// Check refuses a list that can't be.
func (l ContactList) Check() error {
	if strings.TrimSpace(l.Name) == "" {
		return Refuse("name", "a list needs a name")
	}
	return CheckConditions("rule", l.Rule, ContactProperties(), nil)
}
