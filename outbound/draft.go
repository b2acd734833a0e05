package outbound

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/palette"
	"postern/safehtml"
	"postern/store"
	"postern/tickets"
)

//go:embed mail.html
var layouts embed.FS

var layout = template.Must(template.New("mail.html").Option("missingkey=error").ParseFS(layouts, "mail.html")) //nolint:gochecknoglobals // never changes

// page is what the HTML of our mails is made of.
type page struct {
	Lang   string
	Dir    string
	Title  string
	Portal string
	Logo   string // its address; empty: the portal's title stands there
	Color  template.CSS
	Body   template.HTML // harmless: from safehtml
	Button string
	Link   string
	Footer string
}

// wording is what a mail says that may change between two attempts at it: names, and where the portal is. The first
// attempt settles it.
type wording struct {
	From       string `json:"from"`    // the sender's name
	Mailbox    string `json:"mailbox"` // the mailbox's own name
	Portal     string `json:"portal"`
	Language   string `json:"language"`
	BaseURL    string `json:"base_url"`
	Color      string `json:"color,omitempty"` // behind the words of the button
	Logo       string `json:"logo,omitempty"`  // the address of the portal's
	SubAddress bool   `json:"sub_address,omitempty"`
	SubjectTag bool   `json:"subject_tag,omitempty"`
	// Address is the sender's, one of the mailbox's; empty: the main one.
	Address string `json:"address,omitempty"`
	// Below stands under what an agent wrote.
	Below string `json:"below,omitempty"`
	// To is whom a copy in Sent names.
	To []string `json:"to,omitempty"`
	// MaxAttached is how many bytes of files go along; zero: all.
	MaxAttached int64 `json:"max_attached,omitempty"`
	// Values are the snippets of a template, but for the link, which is a secret.
	Values map[string]string `json:"values,omitempty"`
	// Signature is the DKIM-Signature field of the mail, which has the time of its making in it; empty: it is not signed.
	Signature string `json:"signature,omitempty"`
}

func (t wording) pack() (string, error) {
	b, err := json.Marshal(t)
	return string(b), err
}

// wording gives what the row settled, or else what holds now.
func (w *Worker) wording(ctx context.Context, org *store.Organisation, mb desk.Mailbox, n named, row desk.Effect) (t wording, err error) {
	if row.Wording != "" {
		return t, json.Unmarshal([]byte(row.Wording), &t)
	}
	t = wording{From: mb.Name, Mailbox: mb.Name, Portal: org.Settings.PortalTitle, Language: cmp.Or(mb.Policy.Language, org.Settings.DefaultLanguage), BaseURL: w.BaseURL, SubAddress: mb.SubAddress, SubjectTag: mb.SubjectTag, MaxAttached: mb.Policy.AttachLimit()}
	if t.From == "" {
		t.From = t.Portal
	}
	if err = t.brand(org.Settings.Branding); err != nil {
		return t, err
	}
	if t.Language, err = w.language(ctx, org, mb, n, row); err != nil {
		return t, err
	}
	switch row.Kind {
	case desk.ReplyMail:
		if n.messages[row.SubjectID].Author.Kind == desk.Agent {
			t.Below = mb.Policy.Signature
		}
		t.Address, err = w.wroteTo(ctx, mb, row)
	case desk.SentCopy:
		t.Below = mb.Policy.Signature
		if t.Address, err = w.wroteTo(ctx, mb, row); err == nil {
			t.To, err = w.copiedTo(ctx, row)
		}
	case desk.PutInInbox:
		t.Language = w.Texts.For(mb.Policy.Language, org.Settings.DefaultLanguage).Lang // agents read it
	case desk.WelcomeMail, desk.InviteMail:
		t.Values, err = w.snippets(ctx, t, row)
	case desk.AcknowledgeMail:
		if m, ok := n.messages[row.SubjectID]; ok {
			t.Address = ownAddress(mb, [][]desk.Address{append(slices.Clone(m.To), m.Cc...)})
		}
		if t.Values, err = w.snippets(ctx, t, row); err == nil {
			err = ticketSnippets(t, n, row)
		}
	}
	return t, err
}

// language gives the language of a mail: that of its text, where that was chosen when it was decided; else the reader's, the mailbox's or the
// organisation's, as far as there are texts in it.
func (w *Worker) language(ctx context.Context, org *store.Organisation, mb desk.Mailbox, n named, row desk.Effect) (string, error) {
	if row.Template != "" {
		text, err := w.DB.Template(ctx, row.Template)
		if err != nil || text.Language != "" {
			return text.Language, err
		}
	}
	return w.Texts.For(n.langs[row.ContactID], mb.Policy.Language, org.Settings.DefaultLanguage).Lang, nil
}

// brand has the mail look as the portal does. A picture shows where others reach it: a portal on this machine alone has none in its mails.
func (t *wording) brand(b desk.Branding) error {
	if b.Color != "" {
		p, err := palette.Of(b.Color)
		if err != nil {
			return err
		}
		t.Color = p.Light.Accent
	}
	if b.Logo != nil && !desk.OnlyHere(t.BaseURL) {
		t.Logo = t.BaseURL + b.Logo.Path()
	}
	return nil
}

// mostAddressed is how many of a ticket's mails are asked which of our addresses they came to.
const mostAddressed = 20

// wroteTo gives the address of the mailbox that the customers of a ticket last wrote to: answers come from there.
func (w *Worker) wroteTo(ctx context.Context, mb desk.Mailbox, row desk.Effect) (string, error) {
	if len(mb.Aliases) == 0 {
		return "", nil
	}
	mails, err := w.DB.Addressed(ctx, mb.ID, row.TicketID, mostAddressed)
	return ownAddress(mb, mails), err
}

// ownAddress gives the first address among those that is one of the mailbox's, as it is: our reply addresses are the main one's, and say
// nothing of where somebody wrote.
func ownAddress(mb desk.Mailbox, mails [][]desk.Address) string {
	for _, to := range mails {
		for _, a := range to {
			if a.Email == mb.Address || slices.Contains(mb.Aliases, a.Email) {
				return a.Email
			}
		}
	}
	return ""
}

// ticketSnippets adds what an acknowledgement says about its ticket. Who is not proved is told nothing that the sender wrote,
// whatever the template asks for (REQUIREMENTS L9).
func ticketSnippets(t wording, n named, row desk.Effect) error {
	m, err := n.message(row)
	if err != nil {
		return err
	}
	number, ok := n.numbers[row.TicketID]
	if !ok {
		return desk.Missing("ticket")
	}
	t.Values["ticket.number"] = strconv.FormatInt(number, 10)
	t.Values["ticket.link"] = t.ticket(number)
	t.Values["ticket.subject"] = withoutRe(m.Subject)
	if row.Trust < desk.V1 {
		maps.DeleteFunc(t.Values, func(name, _ string) bool { return !desk.NeutralSnippet(name) })
	}
	return nil
}

// ticket gives a ticket's page in the portal.
func (t wording) ticket(number int64) string {
	return t.BaseURL + "/tickets/" + strconv.FormatInt(number, 10)
}

// snippets are what a mail says about its reader.
func (w *Worker) snippets(ctx context.Context, t wording, row desk.Effect) (map[string]string, error) {
	c, err := w.DB.Contact(ctx, row.ContactID)
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		"portal.name": t.Portal, "portal.url": t.BaseURL, "portal.username": c.LoginAddress(), "contact.name": nameOf(c), "contact.first_name": firstName(c),
	}
	if c.Username != "" {
		values["portal.username"] = c.Username
	}
	if company := c.PrimaryCompany(); company != "" {
		co, err := w.DB.Company(ctx, company)
		if err != nil && desk.KindOf(err) != desk.NotFound {
			return nil, err
		}
		values["company.name"] = co.Name
	}
	return values, nil
}

// draft composes the mail of a row. It depends on the row, on what the row names and on its wording, on nothing else: the
// same row gives the same bytes.
func (w *Worker) draft(ctx context.Context, t wording, mb desk.Mailbox, n named, row desk.Effect) (mailmsg.Draft, error) {
	d := mailmsg.Draft{
		From: desk.Address{Name: t.From, Email: cmp.Or(t.Address, mb.Address)}, Date: row.CreatedAt, MessageID: row.MessageID, Seed: string(row.ID),
		Headers: []mailmsg.HeaderField{{Name: mailmsg.LoopField, Value: mailmsg.LoopMark(w.Keys, row.MessageID)}},
	}
	if putBySMTP(mb, row) {
		d.Headers = append(d.Headers, mailmsg.HeaderField{Name: mailmsg.IDField, Value: "<" + string(row.MessageID) + ">"})
	}
	words := w.Texts.For(t.Language)
	switch row.Kind {
	case desk.PutInInbox:
		return d, w.customerMessage(ctx, &d, t, mb, n, row)
	case desk.ReplyMail:
		return d, w.reply(ctx, &d, t, mb, n, row)
	case desk.SentCopy:
		return d, w.sentCopy(ctx, &d, t, mb, n, row)
	case desk.NotifyMail:
		return d, w.notification(&d, t, mb, n, row)
	case desk.WelcomeMail:
		return d, w.access(ctx, &d, t, row, words.Welcome.Button)
	case desk.AcknowledgeMail:
		return d, w.acknowledgement(ctx, &d, t, mb, n, row)
	case desk.NoticeInInbox:
		return d, w.notice(ctx, &d, t, mb, n, row)
	case desk.SignInMail:
		return d, w.link(&d, t, row, words.SignIn, "/sign-in/link/")
	case desk.PasswordMail:
		return d, w.link(&d, t, row, words.Password, "/password/")
	case desk.RegisterMail:
		return d, w.link(&d, t, row, words.Registration, "/register/")
	case desk.KnownMail:
		return d, w.link(&d, t, row, words.Known, "/sign-in/link/")
	case desk.InviteMail:
		return d, w.access(ctx, &d, t, row, words.Invitation.Button)
	}
	return d, fmt.Errorf("%w: nobody knows what %q is", mailmsg.ErrDraft, row.Kind)
}

// automatic marks a mail that no human wrote, as auto-generated or auto-replied (RFC 3834 section 5). The second field asks for
// no answers by machines, but not for silence about bounces (REQUIREMENTS L3).
func automatic(d *mailmsg.Draft, how string) {
	d.Headers = append(d.Headers, mailmsg.HeaderField{Name: "Auto-Submitted", Value: how},
		mailmsg.HeaderField{Name: "X-Auto-Response-Suppress", Value: "DR, RN, NRN, OOF, AutoReply"})
}

// unsubscribe says how to end automatic mail, with a link that mail programs show as a button of their own (RFC 2369, RFC 8058). It
// takes https.
func (w *Worker) unsubscribe(d *mailmsg.Draft, t wording, row desk.Effect) {
	if row.ContactID == "" || !strings.HasPrefix(t.BaseURL, "https://") {
		return
	}
	d.Headers = append(d.Headers, mailmsg.HeaderField{Name: "List-Unsubscribe", Value: "<" + t.BaseURL + tickets.StopPath(w.Keys, row.ContactID, row.Recipient) + ">"},
		mailmsg.HeaderField{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"})
}

// customerMessage is a customer's own message, as it appears in the agents' inbox: "Reply" goes to the customer. Where it comes by SMTP it is
// from the mailbox, under the customer's name: a server that checks senders lets us write as nobody else.
func (w *Worker) customerMessage(ctx context.Context, d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	m, err := n.message(row)
	if err != nil {
		return err
	}
	customer := desk.Address{Name: m.Author.Name, Email: m.Author.Email}
	if customer.Email == "" {
		// Nobody to answer by mail; the agents still see who it is.
		customer.Email = mb.Address
	} else {
		d.ReplyTo = []desk.Address{customer}
	}
	d.From, d.To, d.Cc = customer, []desk.Address{{Name: t.Mailbox, Email: mb.Address}}, m.Cc
	if putBySMTP(mb, row) {
		d.From.Email = mb.Address
	}
	d.Date, d.Text, d.HTML = m.CreatedAt, m.Text, m.HTML
	w.thread(d, m)
	if left := w.files(ctx, d, t, m.Attachments); len(left) > 0 {
		until := tickets.FileLinkEnds(row.CreatedAt)
		w.name(d, desk.Expand(w.Texts.For(t.Language).Files.Inbox, map[string]string{"ticket.number": strconv.FormatInt(n.numbers[row.TicketID], 10), "until": until}),
			listed(left))
		d.Attachments = append(d.Attachments, w.links(t, left, until))
	}
	return nil
}

// thread puts a mail of ours into its conversation in every mail client: ids for most, the unchanged subject for the rest
// (REQUIREMENTS M10).
func (w *Worker) thread(d *mailmsg.Draft, m desk.Message) {
	d.Subject, d.References = m.Subject, m.References
	if len(m.References) > 1 { // the first one is the ticket's root, which is no mail
		d.InReplyTo = m.References[len(m.References)-1]
		d.Subject = "Re: " + withoutRe(m.Subject)
	}
	d.Headers = append(d.Headers, mailmsg.ThreadFields(m.Subject, m.ThreadIndex)...)
}

func withoutRe(subject string) string {
	for {
		rest := strings.TrimSpace(subject)
		if len(rest) < 3 || !strings.EqualFold(rest[:3], "re:") {
			return rest
		}
		subject = rest[3:]
	}
}

// reply is an agent's answer, to one customer.
func (w *Worker) reply(ctx context.Context, d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	m, err := n.message(row)
	if err != nil {
		return err
	}
	addressed(d, m, row.Recipient)
	if m.Author.Kind == desk.Customer { // written in the portal, for those in copy too
		d.From.Name = m.Author.Name + " via " + t.From
	}
	w.replyTo(d, t, mb, row)
	return w.answer(ctx, d, t, mb, n, row)
}

// addressed has each recipient's mail name all of them, so that "Reply all" reaches them. What is addressed to us, or to none of them, goes
// to its recipient.
func addressed(d *mailmsg.Draft, m desk.Message, recipient string) {
	d.To, d.Cc = m.To, m.Cc
	is := func(a desk.Address) bool { return a.Email == recipient }
	if m.Author.Kind == desk.Customer || !slices.ContainsFunc(m.To, is) && !slices.ContainsFunc(m.Cc, is) {
		d.To = []desk.Address{{Email: recipient}}
		d.Cc = slices.DeleteFunc(slices.Clone(m.Cc), is)
	}
}

// answer is what an agent's answer says, to whomever it goes.
func (w *Worker) answer(ctx context.Context, d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	m, err := n.message(row)
	if err != nil {
		return err
	}
	if m.Internal {
		return fmt.Errorf("%w: an internal note is never mailed to a customer", mailmsg.ErrDraft)
	}
	number, ok := n.numbers[row.TicketID]
	if !ok {
		return desk.Missing("ticket")
	}
	w.thread(d, m)
	if t.SubjectTag {
		d.Subject += " " + mailmsg.SubjectTag(w.Keys.Token(mailmsg.ForSubject, string(mb.ID), string(row.TicketID)))
	}
	link := t.ticket(number)
	words := w.Texts.For(t.Language).Answer
	body, below := m.HTML, m.Author.Name
	if t.Below != "" {
		below += "\n" + t.Below + "\n"
		body += safehtml.FromText(t.Below)
	}
	said := mailmsg.Draft{Text: m.Text, HTML: body}
	if left := w.files(ctx, d, t, m.Attachments); len(left) > 0 {
		w.name(&said, w.Texts.For(t.Language).Files.Portal, append(listed(left), link))
	}
	d.Text = said.Text + "\n\n--\n" + below + "\n" + words.Footer + "\n" + link + "\n"
	d.HTML, err = render(t, page{
		Title: m.Subject, Body: template.HTML(said.HTML), //nolint:gosec // stored HTML is safehtml's, and so is the signature
		Button: words.Button, Link: link, Footer: m.Author.Name + " · " + words.Hint,
	})
	return err
}

// replyTo has the recipient's answer carry a token of the ticket, where the mailbox takes such addresses.
func (w *Worker) replyTo(d *mailmsg.Draft, t wording, mb desk.Mailbox, row desk.Effect) {
	if !t.SubAddress {
		return
	}
	token := w.Keys.Token(mailmsg.ForReply, string(mb.ID), string(row.TicketID), row.Recipient)
	if address, ok := mailmsg.ReplyAddress(mb.Address, token); ok {
		d.ReplyTo = []desk.Address{{Name: d.From.Name, Email: address}}
	}
}

// acknowledgement says that a ticket has come, in the words that were set when it was decided.
func (w *Worker) acknowledgement(ctx context.Context, d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	m, err := n.message(row)
	if err != nil {
		return err
	}
	text, err := w.DB.Template(ctx, row.Template)
	if err != nil {
		return err
	}
	d.To, d.Subject, d.Text = []desk.Address{{Email: row.Recipient}}, desk.Expand(text.Subject, t.Values), desk.Expand(text.Body, t.Values)
	w.replyTo(d, t, mb, row)
	automatic(d, "auto-replied")
	w.unsubscribe(d, t, row)
	d.References = []desk.MessageID{mailmsg.RootID(w.Keys, mb.ID, row.TicketID, mb.MIDDomain)}
	if m.MessageID != "" && row.Trust >= desk.V1 {
		d.InReplyTo = m.MessageID
		d.References = append(d.References, m.MessageID)
	}
	number := n.numbers[row.TicketID]
	d.HTML, err = render(t, page{
		Title: d.Subject, Body: template.HTML(safehtml.FromText(d.Text)), //nolint:gosec // escaped
		Button: w.Texts.For(t.Language).Acknowledgement.Button, Link: t.ticket(number),
	})
	return err
}

// notice is what agents and operators must know.
func (w *Worker) notice(ctx context.Context, d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	text, err := w.DB.Template(ctx, row.Template)
	if err != nil {
		return err
	}
	link, title := t.BaseURL, text.Subject
	d.From.Name = "Postern"
	d.To, d.Subject, d.Text = []desk.Address{{Name: t.Mailbox, Email: mb.Address}}, text.Subject, text.Body
	automatic(d, "auto-generated")
	if row.SubjectID != "" { // it is about a message, and lies in that conversation
		m, err := n.message(row)
		if err != nil {
			return err
		}
		w.thread(d, m)
		d.InReplyTo = m.MessageID
		d.References = append(slices.Clone(m.References), m.MessageID)
		d.Subject = "Re: " + withoutRe(m.Subject)
		d.Text = title + "\n\n" + d.Text
		link = t.ticket(n.numbers[row.TicketID])
	}
	d.HTML, err = render(t, page{
		Title: d.Subject, Body: template.HTML(safehtml.FromText(d.Text)), //nolint:gosec // escaped
		Button: w.Texts.For(t.Language).OpenPortal, Link: link,
	})
	return err
}

// access is the mail by which somebody first gets in, welcome or invitation, in the words that were set when it was decided.
func (w *Worker) access(ctx context.Context, d *mailmsg.Draft, t wording, row desk.Effect, button string) error {
	text, err := w.DB.Template(ctx, row.Template)
	if err != nil {
		return err
	}
	link := t.BaseURL + "/password/" + mailmsg.OneTimeSecret(w.Keys, row.ID)
	values := maps.Clone(t.Values)
	values["portal.set_password_link"] = link
	values["portal.password"] = mailmsg.MadePassword(w.Keys, row.ID)
	d.To, d.Subject, d.Text = []desk.Address{{Email: row.Recipient}}, desk.Expand(text.Subject, values), desk.Expand(text.Body, values)
	automatic(d, "auto-generated")
	d.HTML, err = render(t, page{
		Title: d.Subject, Body: template.HTML(safehtml.FromText(d.Text)), //nolint:gosec // escaped
		Button: button, Link: link,
	})
	return err
}

func nameOf(c desk.Contact) string {
	if c.Name != "" {
		return c.Name
	}
	return c.LoginAddress()
}

func firstName(c desk.Contact) string {
	name, _, _ := strings.Cut(nameOf(c), " ")
	return name
}

// link is a mail that holds a one-time link and nothing else.
func (w *Worker) link(d *mailmsg.Draft, t wording, row desk.Effect, words i18n.LinkTexts, path string) error {
	link := t.BaseURL + path + mailmsg.OneTimeSecret(w.Keys, row.ID)
	name := map[string]string{"portal.name": t.Portal}
	said, code := desk.Expand(words.Text, name), ""
	if words.Code != "" {
		digits := mailmsg.OneTimeCode(w.Keys, row.ID)
		code = words.Code + "\n\n" + digits[:3] + " " + digits[3:]
	}
	d.To, d.Subject = []desk.Address{{Email: row.Recipient}}, desk.Expand(words.Subject, name)
	d.Text = strings.Join(slices.DeleteFunc([]string{said, link, code, words.Note, t.Portal}, func(part string) bool { return part == "" }), "\n\n") + "\n"
	automatic(d, "auto-generated")
	body := strings.TrimRight(said, ": \u00a0") + "."
	if code != "" {
		body += "\n\n" + code
	}
	var err error
	d.HTML, err = render(t, page{
		Title: d.Subject, Body: template.HTML(safehtml.FromText(body)), //nolint:gosec // escaped
		Button: words.Button, Link: link, Footer: words.Note,
	})
	return err
}

func render(t wording, p page) (string, error) {
	p.Lang, p.Dir, p.Portal, p.Logo, p.Color = t.Language, i18n.DirOf(t.Language), t.Portal, t.Logo, template.CSS(cmp.Or(t.Color, palette.Default)) //nolint:gosec // #rrggbb, made by palette
	var b bytes.Buffer
	err := layout.Execute(&b, p)
	return b.String(), err
}
