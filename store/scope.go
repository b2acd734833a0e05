package store

import (
	"slices"
	"strconv"
	"strings"

	"postern/desk"
)

// arguments collects what a statement's placeholders stand for.
type arguments []any

// add gives the placeholder of a value.
func (a *arguments) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

// list gives placeholders of values, with commas.
func (a *arguments) list(vs []any) string {
	at := len(*a) + 1
	*a = append(*a, vs...)
	return placeholders(at, len(vs))
}

// scoped gives the condition that a ticket (alias t) is in scope, and adds its arguments. It is the only place where a scope becomes SQL.
func (r reads) scoped(s desk.Scope, args *arguments) string {
	if s.Everything() {
		return `TRUE`
	}
	var one []string
	if s.Contact() != "" {
		me := args.add(s.Contact())
		one = append(one, `t.contact_id = `+me, `EXISTS (SELECT 1 FROM participants p WHERE p.ticket_id = t.id AND p.contact_id = `+me+` AND p.role IN ('requester', 'copied'))`)
	}
	if len(s.Companies()) > 0 {
		one = append(one, `t.company_id IN (`+args.list(anys(s.Companies()))+`)`)
	}
	if len(one) == 0 {
		return `FALSE`
	}
	all := []string{`(` + strings.Join(one, ` OR `) + `)`}
	for _, key := range s.Shown().HiddenStatuses {
		all = append(all, `t.status <> `+args.add(key))
	}
	for _, c := range s.Shown().Rules {
		all = append(all, r.holds(s, c, args))
	}
	return `(` + strings.Join(all, ` AND `) + `)`
}

// candidates gives a condition that every ticket in scope meets, and that indexes answer: lists are made from these tickets. It says nothing by itself;
// scoped stands beside it always.
func candidates(s desk.Scope, args *arguments) string {
	var of []string
	if s.Contact() != "" {
		me := args.add(s.Contact())
		of = append(of, `SELECT id FROM tickets WHERE contact_id = `+me, `SELECT ticket_id FROM participants WHERE contact_id = `+me+` AND role IN ('requester', 'copied')`)
	}
	if len(s.Companies()) > 0 {
		of = append(of, `SELECT id FROM tickets WHERE company_id <> '' AND company_id IN (`+args.list(anys(s.Companies()))+`)`) // the index leaves out tickets without a company
	}
	if s.Everything() || len(of) == 0 {
		return `TRUE`
	}
	return `t.id IN (` + strings.Join(of, ` UNION `) + `)`
}

// seen gives the condition that a message (alias m) may be seen in the scope, if its ticket may.
func seen(s desk.Scope) string {
	switch {
	case s.Everything():
		return `TRUE`
	case s.Shown().Conversations == desk.NewestConversation:
		return `(NOT m.internal AND m.conversation_id = (SELECT c.id FROM conversations c WHERE c.ticket_id = m.ticket_id
			AND EXISTS (SELECT 1 FROM messages x WHERE x.conversation_id = c.id AND NOT x.internal) ORDER BY c.id DESC LIMIT 1))`
	default:
		return `NOT m.internal`
	}
}

// holds gives the condition that an operator's rule holds for a ticket. What desk.CheckConditions refuses holds for none.
func (r reads) holds(s desk.Scope, c desk.Condition, args *arguments) string {
	column, kind, ok := r.compared(c.Property)
	if !ok {
		return `FALSE`
	}
	if c.Property == "status_kind" {
		closed := isIn(s.ClosedStatuses(), args)
		if slices.Contains(c.Values, desk.Closed) == (c.Operator == desk.Is) {
			return closed
		}
		return `NOT (` + closed + `)`
	}
	if kind == desk.DateProperty && !strings.HasPrefix(c.Property, desk.CustomPrefix) {
		return r.holdsTime(s, c, column, args)
	}
	switch c.Operator {
	case desk.Known:
		return column + ` <> ''`
	case desk.Unknown:
		return column + ` = ''`
	case desk.Is:
		return column + ` IN (` + args.list(anys(c.Values)) + `)`
	case desk.IsNot:
		return column + ` NOT IN (` + args.list(anys(c.Values)) + `)`
	}
	if len(c.Values) != 1 {
		return `FALSE`
	}
	value := c.Values[0]
	if at, ok := desk.ParseDay(value, s.Now()); ok && kind == desk.DateProperty {
		value = at.Format("2006-01-02")
	}
	switch c.Operator {
	case desk.Contains:
		return `lower(` + column + `) LIKE lower(` + args.add(contains(value)) + `) ESCAPE '\'`
	case desk.Before:
		return `(` + column + ` <> '' AND ` + column + ` < ` + args.add(value) + `)`
	case desk.After:
		return column + ` >= ` + args.add(value)
	case desk.AtLeast, desk.AtMost:
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return `FALSE`
		}
		compare := map[desk.Operator]string{desk.AtLeast: ` >= `, desk.AtMost: ` <= `}[c.Operator]
		return `COALESCE(` + r.d.number(column) + compare + args.add(n) + `, FALSE)`
	}
	return `FALSE`
}

func (r reads) holdsTime(s desk.Scope, c desk.Condition, column string, args *arguments) string {
	if c.Operator == desk.Known {
		return `TRUE`
	}
	if len(c.Values) != 1 {
		return `FALSE`
	}
	at, ok := desk.ParseDay(c.Values[0], s.Now())
	if !ok {
		return `FALSE`
	}
	switch c.Operator {
	case desk.Before:
		return column + ` < ` + args.add(ms(at))
	case desk.After:
		return column + ` >= ` + args.add(ms(at))
	case desk.Is:
		return `(` + column + ` >= ` + args.add(ms(at)) + ` AND ` + column + ` < ` + args.add(ms(at.AddDate(0, 0, 1))) + `)`
	}
	return `FALSE`
}

// compared gives the column of a property that a rule names, and what sort of value it has.
func (r reads) compared(property string) (string, desk.PropertyType, bool) {
	if key, ok := strings.CutPrefix(property, desk.CustomPrefix); ok {
		return `COALESCE(` + r.d.property(key) + `, '')`, desk.DateProperty, desk.PropertyKey(key)
	}
	column, ok := map[string]string{
		"pipeline": "t.pipeline", "status": "t.status", "status_kind": "", "mailbox": "t.mailbox_id", "source": "t.source", "form": "t.form", "requester": requester, "company": "t.company_id",
		"assignee": "t.assignee_id", "subject": "t.subject", "created_at": "t.created_at", "last_activity_at": "t.last_activity_at",
		"billed": "CASE WHEN t.billed THEN 'true' ELSE 'false' END",
	}[property]
	kind := desk.TextProperty
	if property == "created_at" || property == "last_activity_at" {
		kind = desk.DateProperty
	}
	return column, kind, ok
}

// requester is what a ticket's requester is called in lists: the name, or else where their mail goes.
const requester = `COALESCE((SELECT CASE WHEN c.name <> '' THEN c.name ELSE COALESCE((SELECT a.email FROM contact_addresses a WHERE a.contact_id = c.id AND a.position = 0), '') END FROM contacts c WHERE c.id = t.contact_id), '')`

// contains gives the pattern of LIKE (with ESCAPE '\') for what has a text in it.
func contains(text string) string {
	return `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + `%`
}
