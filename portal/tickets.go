package portal

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

// What a page shows at once.
const (
	perThread      = 50      // messages
	bytesPerThread = 2 << 20 // of their texts, if one message alone is not larger
)

// tagOf shows a status as open, waiting for the customer, or closed; by its own name where the operator wants that.
func tagOf(t *i18n.Texts, org *store.Organisation, ticket desk.Ticket) (statusTag, error) {
	class, key := "open", "open"
	switch s := desk.StatusOf(org.Settings.Pipelines, ticket.Pipeline, ticket.Status); {
	case s.Closed:
		class, key = "shut", "closed"
	case s.Key == desk.Waiting:
		class, key = "wait", "waiting"
	}
	if org.Settings.Shown.OwnStatusNames {
		return statusTag{Class: class, Label: desk.StatusOf(org.Settings.Pipelines, ticket.Pipeline, ticket.Status).In(t.Lang())}, nil
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
func (p *portal) ticket(c *gin.Context, who visitor) (desk.Ticket, error) {
	number, err := strconv.ParseInt(c.Param("number"), 10, 64)
	if err != nil {
		return desk.Ticket{}, desk.Missing("ticket")
	}
	return p.DB.TicketByNumber(c.Request.Context(), who.scope, number)
}

func (p *portal) thread(c *gin.Context, who visitor) error {
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

func (p *portal) showThread(c *gin.Context, who visitor, ticket desk.Ticket, in *form, problems []problem) error {
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
		Nonce: store.NewID(), Draft: in.value("text"), Solved: in.value("solved") != "", limits: limitsOf(org.Settings),
		copying: copying{tickets.CopyingOf(org, ticket.MailboxID), in.value("copies")},
	}
	s := desk.StatusOf(org.Settings.Pipelines, ticket.Pipeline, ticket.Status)
	v.Locked, v.Billed = desk.Locked(org.Settings, ticket) != "", ticket.Billed
	v.Closed, v.Waiting = s.Closed, s.Key == desk.Waiting
	if v.Status, err = tagOf(t, org, ticket); err != nil {
		return err
	}
	before := c.Query("before")
	if _, err := uuid.Parse(before); before != "" && err != nil {
		return desk.Missing("page")
	}
	looked, err := p.DB.LastView(ctx, who.ID, ticket.ID)
	if err != nil {
		return err
	}
	said, earlier, err := p.DB.NewestMessages(ctx, who.scope, ticket.ID, desk.ID(before), perThread, bytesPerThread)
	if err != nil {
		return err
	}
	if before != "" && len(said) == 0 {
		return desk.Missing("page")
	}
	similar, err := p.similarTo(c, who)
	if err != nil {
		return err
	}
	if similar.ID != "" && similar.ID != ticket.ID {
		v.Similar, v.SimilarAt = similar.Number, momentOf(t, similar.CreatedAt)
	}
	if before != "" {
		v.LatestURL = ticketPath(ticket.Number)
	}
	if earlier {
		v.EarlierURL = ticketPath(ticket.Number) + "?before=" + string(said[0].ID)
	}
	for i, m := range said {
		shown, err := messageOf(t, org, who, m)
		if err != nil {
			return err
		}
		if laidOut(m) && p.Originals != nil {
			shown.Original, shown.Opened = ticketPath(ticket.Number)+"/messages/"+string(m.ID)+"/original", c.Query("pictures") == string(m.ID)
			if shown.Opened {
				shown.Original += "?pictures=1"
			}
			shown.Pictures = ticketPath(ticket.Number) + "?pictures=" + string(m.ID) + "#m-" + string(m.ID)
			if before != "" {
				shown.Pictures = ticketPath(ticket.Number) + "?before=" + before + "&pictures=" + string(m.ID) + "#m-" + string(m.ID)
			}
		}
		shown.Folded = len(said) > unfolded+2 && i < len(said)-unfolded && !m.CreatedAt.After(looked) && !shown.Opened && c.Query("all") == ""
		v.Folds = v.Folds || shown.Folded
		v.Messages = append(v.Messages, shown)
	}
	if err := p.happened(ctx, t, org, ticket, said, &v); err != nil {
		return err
	}
	if err := p.details(ctx, t, who, ticket, &v); err != nil {
		return err
	}
	if n := len(said); n > 0 && before == "" {
		v.Newest = said[n-1].ID
	}
	if n := len(said); n > 0 && before == "" && looks(c.Request) && !who.Seeing && looked.Before(said[n-1].CreatedAt) {
		if err := p.DB.Viewed(ctx, who.ID, ticket.ID, said[n-1].CreatedAt); err != nil {
			return err
		}
	}
	if v.People, err = peopleOf(t, org, ticket); err != nil {
		return err
	}
	if i := slices.IndexFunc(ticket.Participants, func(q desk.Participant) bool { return q.Of(who.Contact) }); i >= 0 && who.LoginAddress() != "" {
		v.TakesPart, v.Muted = true, ticket.Participants[i].Muted
	}
	return p.show(c, t, "thread", v, len(problems))
}

// looks tells whether a person is to see the answer: a browser that fetches pages ahead says so (Sec-Purpose, WHATWG Fetch).
func looks(r *http.Request) bool {
	return r.Method == http.MethodGet && !strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch")
}

func messageOf(t *i18n.Texts, org *store.Organisation, who visitor, m desk.Message) (message, error) {
	v := message{ID: m.ID, Team: m.Author.Kind != desk.Customer, Own: m.Author.ContactID != "" && m.Author.ContactID == who.ID, Author: authorOf(org, m.Author), At: momentOf(t, m.CreatedAt)}
	v.Initials, v.Line = initials(v.Author), firstLine(m.Reply)
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

// firstLine is the beginning of a text in one line.
func firstLine(s string) string {
	const most = 160
	r := []rune(strings.Join(strings.Fields(s[:min(len(s), 4*most)]), " "))
	return strings.ToValidUTF8(string(r[:min(len(r), most)]), "")
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
	earlier := m.Text
	if rest, ok := strings.CutPrefix(strings.TrimSpace(m.Text), strings.TrimSpace(m.Reply)); ok {
		earlier = strings.TrimLeft(rest, "\r\n")
	}
	return template.HTML(safehtml.FromText(m.Reply)), template.HTML(safehtml.FromText(earlier)) //nolint:gosec // escaped
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
		requester := "thread.requester"
		if ticket.Source == desk.FromAPI || ticket.Source == desk.FromCLI || ticket.Source == desk.FromConsole { // an agent has entered it for them
			requester = "col_requester"
		}
		key := map[desk.Role]string{desk.Requester: requester, desk.Copied: "thread.copied", desk.Correspondent: "thread.copied"}[q.Role]
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

func (p *portal) reply(c *gin.Context, who visitor) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	in, err := p.readForm(c, who, "text")
	if err != nil {
		return err
	}
	t := p.texts(c.Request, who)
	problems, err := in.problems(t, "text")
	if err != nil {
		return err
	}
	copies, wrong, err := in.copies(t)
	if err != nil {
		return err
	}
	if problems = append(problems, wrong...); len(problems) > 0 {
		return p.showThread(c, who, ticket, in, problems)
	}
	_, err = p.Desk.ReplyByCustomer(c.Request.Context(), tickets.CustomerReply{
		Contact: who.Contact, Ticket: ticket.ID, Text: in.value("text"), Files: in.files, Nonce: in.nonce(), Solved: in.value("solved") != "", Copies: copies,
	})
	if refusal, err := refusedText(c, t, err); err != nil || refusal != "" {
		if err != nil {
			return err
		}
		if c.Writer.Status() == http.StatusConflict {
			return p.showLate(c, who, ticket, in, refusal)
		}
		return p.showThread(c, who, ticket, in, []problem{{"text", refusal}})
	}
	return p.done(c, t, ticketPath(ticket.Number), "thread.got_it")
}

// showLate shows what was written for a ticket that was locked meanwhile, to be sent as a new one about it.
func (p *portal) showLate(c *gin.Context, who visitor, ticket desk.Ticket, in *form, reason string) error {
	t, h, err := p.page(c, who, "late.title")
	if err != nil {
		return err
	}
	v := lateView{head: h, Number: ticket.Number, Subject: ticket.Subject, Reason: reason, Nonce: store.NewID(), Text: in.value("text"), Files: in.names()}
	if forms := tickets.Forms(who.org); len(forms) > 0 {
		v.Form = forms[0].Key
		if f, ok := chosenForm(forms, ticket.Form); ok {
			v.Form = f.Key
		}
	}
	return p.show(c, t, "late", v, 0)
}

// refusedText is why something that was written is not taken, where the page can say so beside the text: somebody has written too much, or the ticket was
// locked meanwhile. The answer has that status then. Other errors are given back.
func refusedText(c *gin.Context, t *i18n.Texts, err error) (string, error) {
	e, ok := errors.AsType[*desk.Error](err)
	if !ok || e.Key == "" || e.Kind != desk.TooMany && e.Kind != desk.Conflict {
		return "", err
	}
	c.Status(web.Status(e))
	if e.Kind == desk.TooMany {
		comeBack(c.Writer)
	}
	return t.T(e.Key, e.Args...)
}

// done leaves a notice for the page that it sends the browser to, which begins reading there. Our script, which shows how far a form with files has come,
// is told where that is: it goes there itself, for a browser that follows a redirect for a script gives it the page, and the notice is gone.
func (p *portal) done(c *gin.Context, t *i18n.Texts, to, key string, pairs ...any) error {
	text, err := t.T(key, pairs...)
	if err != nil {
		return err
	}
	p.sessions.Notice(c.Request.Context(), text)
	if to += "#sent"; c.GetHeader("Postern-Send") != "" {
		c.Header("Location", to)
		c.Status(http.StatusNoContent)
		return nil
	}
	return redirect(c, to)
}

func (p *portal) solve(c *gin.Context, who visitor) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	err = p.Desk.CloseByCustomer(c.Request.Context(), who.Contact, ticket.ID)
	if desk.KindOf(err) == desk.Conflict { // it was locked meanwhile; the page says why
		return redirect(c, ticketPath(ticket.Number))
	}
	if err != nil {
		return err
	}
	return p.done(c, p.texts(c.Request, who), ticketPath(ticket.Number), "thread.marked_solved")
}

// wantMail stops the mails about a ticket to its reader, or has them go out again.
func (p *portal) wantMail(c *gin.Context, who visitor) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	want := c.PostForm("want") != ""
	err = p.Desk.WantMail(c.Request.Context(), who.Contact, ticket.ID, want)
	if desk.KindOf(err) == desk.Conflict { // they were taken out of it meanwhile
		return redirect(c, ticketPath(ticket.Number))
	}
	if err != nil {
		return err
	}
	key := "thread.mail_stopped"
	if want {
		key = "thread.mail_wanted"
	}
	return p.done(c, p.texts(c.Request, who), ticketPath(ticket.Number), key)
}

// rate keeps how the reader says that a closed ticket went.
func (p *portal) rate(c *gin.Context, who visitor) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	err = p.Desk.Rate(c.Request.Context(), who.Contact, ticket.ID, desk.Score(c.PostForm("score")))
	if err != nil && desk.KindOf(err) != desk.Conflict { // it was opened again meanwhile
		return err
	}
	t := p.texts(c.Request, who)
	if err != nil {
		return redirect(c, ticketPath(ticket.Number))
	}
	return p.done(c, t, ticketPath(ticket.Number), "thread.rated")
}
