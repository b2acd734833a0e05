package portal

import (
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
	"postern/store"
	"postern/tickets"
)

// What a page shows at once.
const (
	perPage        = 20      // tickets
	perThread      = 50      // messages
	bytesPerThread = 2 << 20 // of their texts, if one message alone is not larger
)

// closedKeys lists the statuses that count as closed.
func closedKeys(org *store.Organisation) []string {
	var keys []string
	for _, p := range org.Settings.Pipelines {
		for _, s := range p.Statuses {
			if s.Closed {
				keys = append(keys, s.Key)
			}
		}
	}
	return keys
}

func (p *portal) list(c *gin.Context, who desk.Contact) error {
	ctx := c.Request.Context()
	org, err := p.DB.Organisation(ctx)
	if err != nil {
		return err
	}
	t, h, err := p.page(c, who, "tickets")
	if err != nil {
		return err
	}
	h.Active = "tickets"
	v := listView{head: h}
	scope := desk.ScopeOfContact(who)
	filter := c.Query("status")
	var statuses []string
	if filter == "open" || filter == "closed" {
		statuses = closedKeys(org)
	}
	number, err := strconv.Atoi(c.DefaultQuery("page", "1"))
	if err != nil || number < 1 || number > 1_000_000 {
		number = 1
	}
	lines, total, err := p.DB.TicketLines(ctx, scope, statuses, filter == "closed", (number-1)*perPage, perPage)
	if err != nil {
		return err
	}
	if v.Waiting, err = p.DB.CountWithStatus(ctx, scope, desk.Waiting); err != nil {
		return err
	}
	v.Total, v.From, v.To = total, (number-1)*perPage+1, (number-1)*perPage+len(lines)
	v.Empty = total == 0 && statuses == nil
	for _, l := range lines {
		r, err := rowOf(t, org, who, l)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, r)
	}
	for _, key := range []string{"all", "open", "closed"} {
		label, err := t.T(key)
		if err != nil {
			return err
		}
		on := key == filter || key == "all" && statuses == nil
		v.Pills = append(v.Pills, pill{URL: listURL(key, 1), Label: label, On: on})
	}
	if number > 1 {
		v.NewerURL = listURL(filter, number-1)
	}
	if v.To < total && len(lines) > 0 {
		v.OlderURL = listURL(filter, number+1)
	}
	return p.show(c, t, "list", v, 0)
}

func listURL(status string, page int) string {
	q := url.Values{}
	if status == "open" || status == "closed" {
		q.Set("status", status)
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return "/tickets"
	}
	return "/tickets?" + q.Encode()
}

func rowOf(t *i18n.Texts, org *store.Organisation, who desk.Contact, l store.TicketLine) (row, error) {
	tag, err := tagOf(t, org, l.Ticket)
	by := authorOf(org, l.LastAuthor)
	if err == nil && l.LastAuthor.ContactID == who.ID {
		by, err = t.T("you")
	}
	return row{
		Number: l.Number, Subject: l.Subject, Files: l.HasFiles, By: by, Snippet: strings.Join(strings.Fields(l.LastReply), " "), Status: tag,
		Created: momentOf(t, l.CreatedAt), Last: momentOf(t, l.LastActivityAt),
	}, err
}

// tagOf shows a status as open, waiting for the customer, or closed.
func tagOf(t *i18n.Texts, org *store.Organisation, ticket desk.Ticket) (statusTag, error) {
	class, key := "open", "open"
	switch s := desk.StatusOf(org.Settings.Pipelines, ticket.Pipeline, ticket.Status); {
	case s.Closed:
		class, key = "shut", "closed"
	case s.Key == desk.Waiting:
		class, key = "wait", "waiting"
	}
	label, err := t.T("status_" + key)
	return statusTag{Class: class, Label: label}, err
}

// authorOf names an author for customers: agents by name, never by their address.
func authorOf(org *store.Organisation, a desk.Author) string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Kind == desk.Customer && a.Email != "":
		return desk.Address{Email: a.Email}.String()
	}
	return org.Settings.PortalTitle
}

// ticket finds the ticket that the path names, if it is in the person's scope.
func (p *portal) ticket(c *gin.Context, who desk.Contact) (desk.Ticket, error) {
	number, err := strconv.ParseInt(c.Param("number"), 10, 64)
	if err != nil {
		return desk.Ticket{}, desk.Missing("ticket")
	}
	return p.DB.TicketByNumber(c.Request.Context(), desk.ScopeOfContact(who), number)
}

func (p *portal) thread(c *gin.Context, who desk.Contact) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	if c.Param("number") != strconv.FormatInt(ticket.Number, 10) { // it was merged into another one
		c.Redirect(http.StatusSeeOther, ticketPath(ticket.Number))
		return nil
	}
	return p.showThread(c, who, ticket, &form{}, nil)
}

func (p *portal) showThread(c *gin.Context, who desk.Contact, ticket desk.Ticket, in *form, problems []problem) error {
	ctx := c.Request.Context()
	org, err := p.DB.Organisation(ctx)
	if err != nil {
		return err
	}
	t, h, err := p.page(c, who, "tickets")
	if err != nil {
		return err
	}
	h.Title, h.Problems = ticket.Subject, problems
	v := threadView{
		head: h, Number: ticket.Number, Subject: ticket.Subject, Created: momentOf(t, ticket.CreatedAt), Last: momentOf(t, ticket.LastActivityAt),
		Nonce: store.NewID(), Draft: in.value("text"), Solved: in.value("solved") != "", limits: theLimits,
	}
	s := desk.StatusOf(org.Settings.Pipelines, ticket.Pipeline, ticket.Status)
	v.Locked = desk.Locked(org.Settings, ticket) != ""
	v.Closed, v.Waiting = s.Closed, s.Key == desk.Waiting
	if v.Status, err = tagOf(t, org, ticket); err != nil {
		return err
	}
	before := c.Query("before")
	if _, err := uuid.Parse(before); before != "" && err != nil {
		return desk.Missing("page")
	}
	said, earlier, err := p.DB.NewestMessages(ctx, desk.ScopeOfContact(who), ticket.ID, desk.ID(before), perThread, bytesPerThread)
	if err != nil {
		return err
	}
	if before != "" && len(said) == 0 {
		return desk.Missing("page")
	}
	if before != "" {
		v.LatestURL = ticketPath(ticket.Number)
	}
	if earlier {
		v.EarlierURL = ticketPath(ticket.Number) + "?before=" + string(said[0].ID)
	}
	for _, m := range said {
		shown, err := messageOf(t, org, who, m)
		if err != nil {
			return err
		}
		v.Messages = append(v.Messages, shown)
	}
	if v.People, err = peopleOf(t, org, ticket); err != nil {
		return err
	}
	return p.show(c, t, "thread", v, len(problems))
}

func messageOf(t *i18n.Texts, org *store.Organisation, who desk.Contact, m desk.Message) (message, error) {
	v := message{ID: m.ID, Team: m.Author.Kind != desk.Customer, Author: authorOf(org, m.Author), At: momentOf(t, m.CreatedAt)}
	v.Initials = initials(v.Author)
	v.Unverified = m.Author.Kind == desk.Customer && m.Trust == desk.V0
	var err error
	switch m.Source {
	case desk.FromMail:
		v.Via, err = t.T("thread.via_mail")
	case desk.FromForm:
		v.Via, err = t.T("thread.via_form")
	}
	if err != nil {
		return v, err
	}
	v.Body, v.Quoted = bodyOf(m)
	for _, a := range m.Attachments {
		if !strings.Contains(string(v.Body), filePath(a)) { // a picture that is seen where it belongs is not listed once more
			v.Files = append(v.Files, fileOf(a))
		}
	}
	if m.Source == desk.FromPortal && m.Author.ContactID == who.ID {
		v.Delivery, err = deliveryOf(t, m.Delivery.Inbox)
	}
	return v, err
}

// deliveryOf says whether the agents have a message. What became of the mails to people in copy is theirs to know.
func deliveryOf(t *i18n.Texts, inbox desk.EffectState) (string, error) {
	switch inbox {
	case "":
		return "", nil
	case desk.EffectSent:
		return t.T("thread.sent")
	case desk.EffectPending, desk.EffectSending:
		return t.T("thread.sending")
	case desk.EffectDeferred, desk.EffectFailed, desk.EffectUnknown:
	}
	return t.T("thread.waiting_delivery")
}

// bodyOf is what a message says, and what it repeats of earlier ones. A mail without history is shown with its own
// formatting, cleaned once more: the stored HTML is from a time whose rules may have been weaker.
func bodyOf(m desk.Message) (body, quoted template.HTML) {
	if m.Reply == m.Text || strings.TrimSpace(m.Reply) == strings.TrimSpace(m.Text) {
		return template.HTML(safehtml.Clean(m.HTML, safehtml.Options{CID: pictures(m)})), "" //nolint:gosec // that is what Clean is for
	}
	return template.HTML(safehtml.FromText(m.Reply)), template.HTML(safehtml.FromText(m.Text)) //nolint:gosec // escaped
}

// pictures finds the URL of a picture that a mail carries.
func pictures(m desk.Message) func(string) (string, bool) {
	return func(cid string) (string, bool) {
		for _, a := range m.Attachments {
			if a.ContentID == cid && picture(a.Type) {
				return fileURL(a), true
			}
		}
		return "", false
	}
}

func filePath(a desk.Attachment) string { return "/files/" + string(a.ID) + "/" }

func fileURL(a desk.Attachment) string { return filePath(a) + url.PathEscape(a.Name) }

func fileOf(a desk.Attachment) file {
	ext := strings.ToUpper(strings.TrimPrefix(path.Ext(a.Name), "."))
	if ext == "" || len(ext) > 4 {
		ext = "FILE"
	}
	f := file{URL: fileURL(a), Name: a.Name, Ext: ext, Size: a.Size}
	switch {
	case picture(a.Type):
		f.Class = "img"
	case a.Type == "application/pdf":
		f.Class = "pdf"
	}
	return f
}

func peopleOf(t *i18n.Texts, org *store.Organisation, ticket desk.Ticket) ([]person, error) {
	var out []person
	for _, q := range ticket.Participants {
		key := map[desk.Role]string{desk.Requester: "thread.requester", desk.Copied: "thread.copied", desk.Correspondent: "thread.copied"}[q.Role]
		if key == "" {
			continue
		}
		role, err := t.T(key)
		if err != nil {
			return nil, err
		}
		name := authorOf(org, desk.Author{Kind: desk.Customer, Name: q.Name, Email: q.Email})
		out = append(out, person{Name: name, Initials: initials(name), Role: role})
	}
	return out, nil
}

func (p *portal) reply(c *gin.Context, who desk.Contact) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	in, err := p.readForm(c, "text")
	if err != nil {
		return err
	}
	t := p.Texts.For(p.lang(c.Request, who))
	problems, err := in.problems(t, "text")
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return p.showThread(c, who, ticket, in, problems)
	}
	_, err = p.Desk.ReplyByCustomer(c.Request.Context(), tickets.CustomerReply{
		Contact: who, Ticket: ticket.ID, Text: in.value("text"), Files: in.files, Nonce: in.nonce(), Solved: in.value("solved") != "",
	})
	if err != nil {
		return err
	}
	return p.done(c, t, ticketPath(ticket.Number), "thread.got_it")
}

// done leaves a notice for the page that it sends the browser to, which begins reading there.
func (p *portal) done(c *gin.Context, t *i18n.Texts, to, key string, pairs ...any) error {
	text, err := t.T(key, pairs...)
	if err != nil {
		return err
	}
	p.sessions.Notice(c.Request.Context(), text)
	return redirect(c, to+"#sent")
}

func (p *portal) solve(c *gin.Context, who desk.Contact) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	if _, err := p.Desk.CloseByCustomer(c.Request.Context(), who, ticket.ID); err != nil {
		return err
	}
	return p.done(c, p.Texts.For(p.lang(c.Request, who)), ticketPath(ticket.Number), "thread.marked_solved")
}

func (p *portal) newPage(c *gin.Context, who desk.Contact) error {
	return p.showNew(c, who, "", "", nil)
}

func (p *portal) showNew(c *gin.Context, who desk.Contact, subject, draft string, problems []problem) error {
	t, h, err := p.page(c, who, "new.title")
	if err != nil {
		return err
	}
	h.Active, h.Problems = "tickets", problems
	return p.show(c, t, "new", newView{head: h, Nonce: store.NewID(), Subject: subject, Draft: draft, limits: theLimits}, len(problems))
}

func (p *portal) create(c *gin.Context, who desk.Contact) error {
	in, err := p.readForm(c, "subject", "text")
	if err != nil {
		return err
	}
	t := p.Texts.For(p.lang(c.Request, who))
	problems, err := in.problems(t, "subject", "text")
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return p.showNew(c, who, in.value("subject"), in.value("text"), problems)
	}
	ticket, err := p.Desk.OpenByCustomer(c.Request.Context(), tickets.CustomerTicket{
		Contact: who, Subject: in.subject(), Text: in.value("text"), Files: in.files, Nonce: in.nonce(),
	})
	if err != nil {
		return err
	}
	return p.done(c, t, ticketPath(ticket.Number), "thread.got_ticket", "Number", "#"+strconv.FormatInt(ticket.Number, 10))
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
