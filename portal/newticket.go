package portal

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"postern/desk"
	"postern/i18n"
	"postern/store"
	"postern/tickets"
)

type newView struct {
	head
	Nonce   desk.ID
	Form    string // its key
	Named   string // what it is about, where there are several; empty: there is one
	Fields  []formField
	Follows int64 // the ticket that it goes on from; 0: none
	Suggest bool  // there are articles to suggest
	copying
	limits
}

// TakesFiles tells whether the form asks for files.
func (v newView) TakesFiles() bool {
	return slices.ContainsFunc(v.Fields, func(f formField) bool { return f.Kind == desk.FieldFiles })
}

// ownText is the Kind of a field for a text property: FieldText is the customer's message.
const ownText = "line"

// formField is a field of a form as a page shows it: Kind is a built-in property, ownText or the type of one of the settings'. Name is its id too.
type formField struct {
	Kind, Name, Label, Hint, Value string
	Required                       bool
	Choices                        []choice
}

// chooseView asks what a ticket is about, where there are several forms.
type chooseView struct {
	head
	Forms []pill
}

// ownField is what the fields of custom properties are called in a form.
const ownField = "p_"

// chosenForm finds the form that a request names, or the only one where it names none; all are those that are offered.
func chosenForm(all []desk.TicketForm, key string) (desk.TicketForm, bool) {
	i := slices.IndexFunc(all, func(f desk.TicketForm) bool { return f.Key == key })
	if key == "" && len(all) == 1 {
		i = 0
	}
	if i < 0 {
		return desk.TicketForm{}, false
	}
	return all[i], true
}

// noForm answers where no form is connected: customers write by mail then. What was sent is shown, to be sent again or copied.
func noForm(c *gin.Context) error {
	status := http.StatusNotFound
	if c.Request.Method == http.MethodPost {
		status = http.StatusServiceUnavailable
	}
	return &refused{status, "new.closed", errors.New("no form is connected")}
}

func (p *portal) newPage(c *gin.Context, who visitor) error {
	all := tickets.Forms(who.org)
	if len(all) == 0 {
		return noForm(c)
	}
	former, err := p.former(c.Request.Context(), who, c.Query("follows"))
	if err != nil {
		return err
	}
	f, ok := chosenForm(all, cmp.Or(c.Query("form"), former.Form))
	if !ok && len(all) > 1 {
		return p.choose(c, who, all)
	}
	if !ok { // an old link
		f = all[0]
	}
	about, err := p.articleTitle(c, who)
	if err != nil {
		return err
	}
	values := map[string]string{desk.FieldSubject: about}
	if former.ID != "" {
		values[desk.FieldSubject] = former.Subject
		for _, property := range who.org.Settings.Properties {
			if property.Shown { // what others are not to see came from agents
				values[ownField+property.Key] = former.Properties[property.Key]
			}
		}
	}
	return p.showNew(c, who, f, values, former, nil)
}

func (p *portal) choose(c *gin.Context, who visitor, all []desk.TicketForm) error {
	t, h, err := p.page(c, who, "new.title")
	if err != nil {
		return err
	}
	h.Active = "new"
	v := chooseView{head: h}
	for _, f := range all {
		q := url.Values{"form": {f.Key}}
		for _, name := range []string{"article", "follows"} { // what the ticket is about goes on
			if value := c.Query(name); value != "" {
				q.Set(name, value)
			}
		}
		v.Forms = append(v.Forms, pill{URL: "/tickets/new?" + q.Encode(), Label: f.In(t.Lang())})
	}
	return p.show(c, t, "choose-form", v, 0)
}

// showNew shows a form with what its fields hold, by their names.
func (p *portal) showNew(c *gin.Context, who visitor, f desk.TicketForm, values map[string]string, former desk.Ticket, problems []problem) error {
	t, h, err := p.page(c, who, "new.title")
	if err != nil {
		return err
	}
	h.Active, h.Problems = "new", problems
	v := newView{head: h, Nonce: store.NewID(), Form: f.Key, Follows: former.Number, Suggest: who.org.HasArticles(who.scope), limits: limitsOf(who.org.Settings)}
	if len(tickets.Forms(who.org)) > 1 {
		v.Named = f.In(t.Lang())
	}
	v.Fields = fieldsOf(who.org.Settings, f, t.Lang(), values)
	v.copying = copying{tickets.CopyingOf(who.org, f.Mailbox), values["copies"]}
	return p.show(c, t, "new", v, len(problems))
}

// fieldsOf gives a form's fields with what they hold.
func fieldsOf(s desk.Settings, f desk.TicketForm, lang string, values map[string]string) (out []formField) {
	for _, field := range f.Fields {
		shown := formField{Kind: field.Property, Name: field.Property, Label: field.LabelIn(lang), Hint: field.HintIn(lang), Value: values[field.Property]}
		shown.Required = field.Required || field.Property == desk.FieldSubject || field.Property == desk.FieldText
		if property, own := field.Custom(s); own {
			shown.Kind, shown.Name = string(property.Type), ownField+property.Key
			if property.Type == desk.TextProperty {
				shown.Kind = ownText
			}
			shown.Value = values[shown.Name]
			if shown.Label == "" {
				shown.Label = property.In(lang)
			}
			for _, o := range field.Offered(property) {
				shown.Choices = append(shown.Choices, choice{Key: o.Key, Label: o.In(lang), On: o.Key == shown.Value})
			}
		}
		out = append(out, shown)
	}
	return out
}

func (p *portal) create(c *gin.Context, who visitor) error {
	in, err := p.readForm(c, who, desk.FieldSubject, desk.FieldText)
	if err != nil {
		return err
	}
	t := p.texts(c.Request, who)
	all := tickets.Forms(who.org)
	if len(all) == 0 {
		return noForm(c)
	}
	f, ok := chosenForm(all, in.value("form"))
	if !ok { // it was taken away while somebody wrote; the first one holds what they wrote
		f = all[0]
	}
	problems, err := in.problems(t, desk.FieldSubject, desk.FieldText)
	if err != nil {
		return err
	}
	if !ok {
		text, err := t.T("new.other_form")
		if err != nil {
			return err
		}
		lines, err := unplaced(t, who.org.Settings, f, in)
		if err != nil {
			return err
		}
		in.values[desk.FieldText] += lines
		problems = append([]problem{{desk.FieldText, text}}, problems...)
	}
	values, wrong, err := ownValues(t, who.org.Settings, f, in)
	if err != nil {
		return err
	}
	problems = append(problems, wrong...)
	copies, wrong, err := in.copies(t)
	if err != nil {
		return err
	}
	problems = append(problems, wrong...)
	former, err := p.former(c.Request.Context(), who, in.value("follows"))
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return p.showNew(c, who, f, in.values, former, problems)
	}
	ticket, err := p.Desk.OpenByCustomer(c.Request.Context(), tickets.CustomerTicket{
		Contact: who.Contact, Subject: in.subject(), Text: in.value(desk.FieldText), Files: in.files, Nonce: in.nonce(), Follows: former.ID, Form: f.Key, Values: values, Copies: copies,
	})
	if refusal, err := refusedText(c, t, err); err != nil || refusal != "" {
		if err != nil {
			return err
		}
		return p.showNew(c, who, f, in.values, former, []problem{{desk.FieldText, refusal}})
	}
	number := "#" + strconv.FormatInt(ticket.Number, 10)
	if _, err := p.DB.Ticket(c.Request.Context(), who.scope, ticket.ID); desk.KindOf(err) == desk.NotFound { // the operator's rules hide it from them
		return p.done(c, t, home, "thread.got_ticket", "Number", number)
	} else if err != nil {
		return err
	}
	to := ticketPath(ticket.Number)
	similar, err := p.similar(c, who, ticket)
	if err != nil {
		return err
	}
	if similar.ID != "" {
		to += "?similar=" + strconv.FormatInt(similar.Number, 10)
	}
	return p.done(c, t, to, "thread.got_ticket", "Number", number)
}

// ownValues reads the fields of custom properties, by their keys, and says what is wrong with them in the words of the page.
func ownValues(t *i18n.Texts, s desk.Settings, f desk.TicketForm, in *form) (values map[string]string, wrong []problem, err error) {
	values = map[string]string{}
	for _, field := range f.Fields {
		property, own := field.Custom(s)
		if !own {
			continue
		}
		name := ownField + property.Key
		v, err := field.Normal(property, in.value(name))
		if e, ok := errors.AsType[*desk.Error](err); ok && e.Key != "" {
			label := field.LabelIn(t.Lang())
			if label == "" {
				label = property.In(t.Lang())
			}
			text, err := t.T(e.Key, "Name", label, "Limit", desk.MaxPropertyText)
			if err != nil {
				return nil, nil, err
			}
			wrong = append(wrong, problem{name, text})
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		values[property.Key] = v
	}
	return values, wrong, nil
}

// unplaced are, as lines of text, the values of custom properties that a form has no field for.
func unplaced(t *i18n.Texts, s desk.Settings, f desk.TicketForm, in *form) (string, error) {
	var b strings.Builder
	for _, property := range s.Properties {
		placed := slices.ContainsFunc(f.Fields, func(field desk.FormField) bool { return field.Property == desk.CustomPrefix+property.Key })
		value := in.value(ownField + property.Key)
		if placed || value == "" {
			continue
		}
		if normal, err := (desk.FormField{}).Normal(property, value); err == nil { // else it stands as it was typed
			if value, err = propertyText(t, property, normal); err != nil {
				return "", err
			}
		}
		b.WriteString("\n" + property.In(t.Lang()) + ": " + value)
	}
	if b.Len() == 0 {
		return "", nil
	}
	return "\n" + b.String(), nil
}

// How far back, and among how many of somebody's latest open tickets, one is looked for that is about the same.
const (
	similarWithin = 7 * 24 * time.Hour
	similarAmong  = 30
)

// answered is what mail clients write before the subject of what they answer.
var answered = regexp.MustCompile(`^(?:\p{L}{1,4}\s*:\s*)+`)

// aboutOf is a subject as it is compared.
func aboutOf(subject string) string {
	return answered.ReplaceAllString(i18n.Fold(oneLine(subject)), "")
}

// similar finds an open ticket of the same person's that they opened a short while before, with the same subject; the zero value: none.
func (p *portal) similar(c *gin.Context, who visitor, ticket desk.Ticket) (desk.Ticket, error) {
	lines, _, err := p.DB.TicketLines(c.Request.Context(), who.scope.Own(), store.Listing{Kind: store.ListOpen, Sort: "created", Limit: similarAmong}, desk.ClosedStatuses(who.org.Settings.Pipelines))
	for _, l := range lines {
		if l.ID != ticket.ID && l.ContactID == who.ID && ticket.CreatedAt.Sub(l.CreatedAt) < similarWithin && aboutOf(l.Subject) == aboutOf(ticket.Subject) {
			return l.Ticket, nil
		}
	}
	return desk.Ticket{}, err
}

// nonce is what the page that was sent is known by, so that a double click sends once. One that we did not make gives way
// to a new one.
func (f *form) nonce() desk.ID {
	id, err := uuid.Parse(f.value("nonce"))
	if err != nil {
		return store.NewID()
	}
	return desk.ID(id.String())
}

// similarTo finds what the page of a new ticket was told is about the same, if its reader opened it: the address could name any.
func (p *portal) similarTo(c *gin.Context, who visitor) (desk.Ticket, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(c.Query("similar")), 10, 64)
	if err != nil {
		return desk.Ticket{}, nil //nolint:nilerr // what is no number names no ticket
	}
	found, err := p.DB.TicketByNumber(c.Request.Context(), who.scope, n)
	if desk.KindOf(err) == desk.NotFound || err == nil && found.ContactID != who.ID {
		return desk.Ticket{}, nil
	}
	return found, err
}
