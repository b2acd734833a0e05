package portal

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/store"
	"postern/tickets"
)

const perPage = 20 // tickets

// listQuery is what the address of a list says: it can be bookmarked, and shared with whoever may see the same.
type listQuery struct {
	Shared bool // the company's tickets, else one's own
	Text   string
	Kind   store.ListingKind
	Sort   string
	Up     bool
	Page   int
	// From and To are days of creation, Since one of the last activity; as people of the web write them (2026-01-31).
	From, To, Since string
	// Form is the key of the form that the ticket was written in, Requester a part of what who asked is called.
	Form, Requester string
	Properties      map[string]string // filters by custom properties
}

// The most that is searched for: longer is no search.
const maxQuery = 200

func listQueryOf(c *gin.Context, org *store.Organisation) listQuery {
	settings := org.Settings
	q := listQuery{
		Shared: c.Query("view") == "company", Text: strings.TrimSpace(c.Query("q")), Kind: store.ListingKind(c.Query("status")), Sort: c.Query("sort"), Up: c.Query("dir") == "up",
		From: day(c.Query("from")), To: day(c.Query("to")), Since: day(c.Query("since")), Properties: map[string]string{},
	}
	q.Text = clipped(q.Text, maxQuery)
	if q.Shared { // one's own have one requester
		q.Requester = clipped(strings.TrimSpace(c.Query("requester")), maxQuery)
	}
	if key := c.Query("form"); slices.ContainsFunc(tickets.Forms(org), func(f desk.TicketForm) bool { return f.Key == key }) {
		q.Form = key
	}
	if !slices.Contains([]store.ListingKind{store.ListOpen, store.ListWaiting, store.ListClosed}, q.Kind) {
		q.Kind = store.ListAll
	}
	if !slices.Contains(sortable, q.Sort) {
		q.Sort = ""
	}
	if q.Page, _ = strconv.Atoi(c.Query("page")); q.Page < 1 || q.Page > 1_000_000 { // what is no number is the first page
		q.Page = 1
	}
	for _, p := range settings.Properties {
		if v, err := p.Normal(c.Query("p_" + p.Key)); p.Shown && err == nil && v != "" {
			q.Properties[p.Key] = v
		}
	}
	return q
}

// clipped keeps the first characters of a text.
func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// day keeps what is a day.
func day(s string) string {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return ""
	}
	return s
}

// sortable are the columns by which a list can be ordered.
var sortable = []string{"number", "subject", "status", "created", "last_activity"} //nolint:gochecknoglobals // never changes

// filtered tells whether the list may be empty because of what the reader chose.
func (q listQuery) filtered() bool {
	return q.Text != "" || q.Kind != store.ListAll || q.narrowed()
}

// narrowed tells whether one of the further filters is in use.
func (q listQuery) narrowed() bool {
	return q.From+q.To+q.Since+q.Form+q.Requester != "" || len(q.Properties) > 0
}

func (q listQuery) url() string {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	if q.Shared {
		v.Set("view", "company")
	}
	set("q", q.Text)
	set("status", string(q.Kind))
	set("sort", q.Sort)
	if q.Up {
		v.Set("dir", "up")
	}
	set("from", q.From)
	set("to", q.To)
	set("since", q.Since)
	set("form", q.Form)
	set("requester", q.Requester)
	for k, value := range q.Properties {
		set("p_"+k, value)
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if len(v) == 0 {
		return home
	}
	return home + "?" + v.Encode()
}

// with gives the address of another list: the first page of this one, after a change.
func (q listQuery) with(change func(*listQuery)) string {
	q.Page = 1
	change(&q)
	return q.url()
}

// listing is the query as the store takes it.
func (q listQuery) listing() store.Listing {
	l := store.Listing{Kind: q.Kind, Sort: q.Sort, Up: q.Up, Offset: (q.Page - 1) * perPage, Limit: perPage, Words: i18n.Words(q.Text)}
	if n, err := strconv.ParseInt(strings.TrimPrefix(q.Text, "#"), 10, 64); err == nil && n > 0 {
		l.Number = n
	}
	where := func(property string, op desk.Operator, value string) {
		if value != "" {
			l.Where = append(l.Where, desk.Condition{Property: property, Operator: op, Values: []string{value}})
		}
	}
	where("created_at", desk.After, q.From)
	if at, err := time.Parse(time.DateOnly, q.To); err == nil {
		where("created_at", desk.Before, at.AddDate(0, 0, 1).Format(time.DateOnly))
	}
	where("last_activity_at", desk.After, q.Since)
	where("form", desk.Is, q.Form)
	where("requester", desk.Contains, q.Requester)
	for k, v := range q.Properties {
		where(desk.CustomPrefix+k, desk.Is, v)
	}
	return l
}

func (p *portal) list(c *gin.Context, who visitor) error {
	ctx := c.Request.Context()
	settings := who.org.Settings
	t, h, err := p.page(c, who, "tickets")
	if err != nil {
		return err
	}
	h.Active = "tickets"
	q, closed := listQueryOf(c, who.org), desk.ClosedStatuses(settings.Pipelines)
	shares := len(who.scope.Companies()) > 0
	if q.Shared && !shares {
		return desk.Missing("page")
	}
	mine, shared := who.scope.Own(), who.scope.Shared()
	scope := mine
	if q.Shared {
		scope = shared
	}
	lines, counts, err := p.DB.TicketLines(ctx, scope, q.listing(), closed)
	if err != nil {
		return err
	}
	if total := counts.Of(q.Kind); len(lines) == 0 && total > 0 && q.Page > 1 { // an old link, or somebody has closed some meanwhile
		q.Page = (total + perPage - 1) / perPage
		return redirect(c, q.url())
	}
	v := listView{head: h, Query: q, Total: counts.Of(q.Kind), From: (q.Page-1)*perPage + 1, To: (q.Page-1)*perPage + len(lines), ClearURL: listQuery{Shared: q.Shared}.url()}
	v.Waiting = counts.Waiting
	all := counts
	if q.Text != "" || q.narrowed() { // what the tabs count is all there is
		if all, err = p.DB.CountTickets(ctx, scope, store.Listing{}, closed); err != nil {
			return err
		}
		v.Waiting = all.Waiting
	}
	v.Empty = all.All == 0 && !q.filtered()
	if shares {
		if err := p.tabs(c, t, &v, all.All, mine, shared, closed); err != nil {
			return err
		}
		v.Empty = v.Empty && v.Tabs[0].N+v.Tabs[1].N == 0
		if other := q.with(func(q *listQuery) { q.Shared = true }); !q.Shared && q.Text != "" {
			v.OtherURL = other
		}
	}
	if v.Columns, err = columnsOf(t, settings, q); err != nil {
		return err
	}
	if v.Filters, err = filtersOf(t, who.org, q); err != nil {
		return err
	}
	for _, l := range lines {
		r, err := rowOf(t, who, l, v.Columns, i18n.Words(q.Text))
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, r)
	}
	if v.Pills, err = pillsOf(t, q, counts); err != nil {
		return err
	}
	v.Pages = pagesOf(q, v.Total)
	return p.show(c, t, "list", v, 0)
}

// tabs gives the ways to one's own tickets and to the company's, with how many there are.
func (p *portal) tabs(c *gin.Context, t *i18n.Texts, v *listView, shown int, mine, shared desk.Scope, closed []string) error {
	for _, tab := range []struct {
		key    string
		scope  desk.Scope
		shared bool
	}{{"list.mine", mine, false}, {"list.company", shared, true}} {
		label, err := t.T(tab.key)
		if err != nil {
			return err
		}
		n := shown
		if tab.shared != v.Query.Shared {
			counts, err := p.DB.CountTickets(c.Request.Context(), tab.scope, store.Listing{}, closed)
			if err != nil {
				return err
			}
			n = counts.All
		}
		v.Tabs = append(v.Tabs, pill{URL: listQuery{Shared: tab.shared}.url(), Label: label, N: n, On: tab.shared == v.Query.Shared})
	}
	return nil
}

func pillsOf(t *i18n.Texts, q listQuery, counts store.Counts) ([]pill, error) {
	var out []pill
	for _, k := range []struct {
		kind store.ListingKind
		key  string
	}{{store.ListAll, "all"}, {store.ListWaiting, "status_waiting"}, {store.ListOpen, "open"}, {store.ListClosed, "closed"}} {
		label, err := t.T(k.key)
		if err != nil {
			return nil, err
		}
		out = append(out, pill{URL: q.with(func(q *listQuery) { q.Kind = k.kind }), Label: label, N: counts.Of(k.kind), On: q.Kind == k.kind})
	}
	return out, nil
}

// columnsOf gives the columns that the operator has chosen, with the way to have the list ordered by each.
func columnsOf(t *i18n.Texts, settings desk.Settings, q listQuery) ([]column, error) {
	var out []column
	for _, key := range settings.Shown.Columns {
		col := column{Key: key}
		if name, custom := strings.CutPrefix(key, desk.CustomPrefix); custom {
			i := slices.IndexFunc(settings.Properties, func(p desk.Property) bool { return p.Key == name })
			if i < 0 {
				continue
			}
			col.Key, col.Property, col.Label = "property", settings.Properties[i], settings.Properties[i].In(t.Lang())
			out = append(out, col)
			continue
		}
		var err error
		if col.Label, err = t.T("col_" + key); err != nil {
			return nil, err
		}
		if slices.Contains(sortable, key) {
			by := q.Sort
			if by == "" {
				by = "last_activity"
			}
			if by == key {
				col.Order = "descending"
				if q.Up {
					col.Order = "ascending"
				}
			}
			// What is written begins with A, what is counted or dated with the newest; once more turns it round.
			col.URL = q.with(func(n *listQuery) {
				n.Sort, n.Up = key, (key == "subject" || key == "status") != (by == key && q.Up == (key == "subject" || key == "status"))
			})
		}
		out = append(out, col)
	}
	return out, nil
}

func filtersOf(t *i18n.Texts, org *store.Organisation, q listQuery) ([]field, error) {
	var out []field
	for _, d := range []struct{ name, key, value string }{{"from", "list.from", q.From}, {"to", "list.to", q.To}, {"since", "list.since", q.Since}} {
		label, err := t.T(d.key)
		if err != nil {
			return nil, err
		}
		out = append(out, field{Name: d.name, Label: label, Type: desk.DateProperty, Value: d.value})
	}
	if q.Shared {
		label, err := t.T("col_requester")
		if err != nil {
			return nil, err
		}
		out = append(out, field{Name: "requester", Label: label, Type: desk.TextProperty, Value: q.Requester})
	}
	if offered := tickets.Forms(org); len(offered) > 1 {
		label, err := t.T("list.form")
		if err != nil {
			return nil, err
		}
		forms := field{Name: "form", Label: label, Type: desk.ChoiceProperty}
		for _, f := range offered {
			forms.Choices = append(forms.Choices, choice{Key: f.Key, Label: f.In(t.Lang()), On: f.Key == q.Form})
		}
		out = append(out, forms)
	}
	for _, p := range org.Settings.Properties {
		if p.Shown {
			out = append(out, fieldOf(p, t.Lang(), "p_"+p.Key, q.Properties[p.Key]))
		}
	}
	return out, nil
}

// fieldOf is a form's field for a property.
func fieldOf(p desk.Property, lang, name, value string) field {
	f := field{Name: name, Label: p.In(lang), Type: p.Type, Value: value}
	for _, c := range p.Choices {
		f.Choices = append(f.Choices, choice{Key: c.Key, Label: c.In(lang), On: c.Key == value})
	}
	return f
}

// pagesOf gives the numbered pages near this one, and the first and the last.
func pagesOf(q listQuery, total int) []pageLink {
	last := (total + perPage - 1) / perPage
	if last < 2 {
		return nil
	}
	var out []pageLink
	for n := 1; n <= last; n++ {
		if near := n >= q.Page-2 && n <= q.Page+2; n == 1 || n == last || near {
			at := q
			at.Page = n
			out = append(out, pageLink{N: n, URL: at.url(), On: n == q.Page})
		} else if out[len(out)-1].N > 0 {
			out = append(out, pageLink{}) // pages are left out
		}
	}
	return out
}

func rowOf(t *i18n.Texts, who visitor, l store.TicketLine, columns []column, words []string) (row, error) {
	org := who.org
	tag, err := tagOf(t, org, l.Ticket)
	if err != nil {
		return row{}, err
	}
	r := row{Number: l.Number, Subject: i18n.Marked(l.Subject, words), Files: l.HasFiles, Unread: l.Unread, Status: tag, Created: momentOf(t, l.CreatedAt), Last: momentOf(t, l.LastActivityAt)}
	by, snippet := l.LastAuthor, l.LastReply
	if l.Hit != "" {
		by, snippet = l.HitAuthor, i18n.Around(l.Hit, words, 160)
	}
	r.Snippet = i18n.Marked(strings.Join(strings.Fields(snippet), " "), words)
	r.By = authorOf(org, by)
	if by.ContactID != "" && by.ContactID == who.ID {
		if r.By, err = t.T("you"); err != nil {
			return r, err
		}
	}
	for _, col := range columns {
		cell := cell{Column: col}
		switch col.Key {
		case "requester":
			cell.Text = authorOf(org, desk.Author{Kind: desk.Customer, Name: l.Requester, Email: l.RequesterEmail})
			if l.ContactID == who.ID {
				cell.Text, err = t.T("you")
			}
		case "property":
			cell.Text, err = propertyText(t, col.Property, l.Properties[col.Property.Key])
		}
		if err != nil {
			return r, err
		}
		r.Cells = append(r.Cells, cell)
	}
	return r, nil
}

// propertyText is a custom property's value as people read it; "" if there is none.
func propertyText(t *i18n.Texts, p desk.Property, value string) (string, error) {
	if value == "" {
		return "", nil
	}
	switch p.Type {
	case desk.ChoiceProperty:
		if i := slices.IndexFunc(p.Choices, func(c desk.Choice) bool { return c.Key == value }); i >= 0 {
			return p.Choices[i].In(t.Lang()), nil
		}
	case desk.BooleanProperty:
		return t.T(map[string]string{"true": "yes", "false": "no"}[value])
	case desk.DateProperty:
		if at, err := time.Parse(time.DateOnly, value); err == nil {
			return t.Calendar(at), nil
		}
	case desk.NumberProperty, desk.TextProperty:
	}
	return value, nil
}
