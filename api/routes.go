package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postern/desk"
	"postern/mailmsg"
	"postern/tickets"
)

func get(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary}
}

func post(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, BodyReadTimeout: bodyWithin}
}

func patch(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPatch, Path: path, Summary: summary, BodyReadTimeout: bodyWithin}
}

// What a request may hold, and how long it may take to come: 25 MB of files in base64, over a slow line.
const (
	maxBody    = 36 << 20
	bodyWithin = 10 * time.Minute
)

func (s *server) routes(h huma.API) {
	handle(s, h, get("list-companies", "/companies", "List companies"), desk.ScopeRead, s.companies)
	handle(s, h, get("get-company", "/companies/{id}", "Read a company"), desk.ScopeRead, s.company)
	handle(s, h, post("add-company", "/companies", "Add a company"), desk.ScopeWrite, s.addCompany)
	handle(s, h, patch("change-company", "/companies/{id}", "Change a company"), desk.ScopeWrite, s.changeCompany)

	handle(s, h, get("list-contacts", "/contacts", "List contacts"), desk.ScopeRead, s.contacts)
	handle(s, h, get("get-contact", "/contacts/{id}", "Read a contact"), desk.ScopeRead, s.contact)
	handle(s, h, post("add-contact", "/contacts", "Add a contact"), desk.ScopeWrite, s.addContact)
	handle(s, h, patch("change-contact", "/contacts/{id}", "Change a contact"), desk.ScopeWrite, s.changeContact)

	handle(s, h, get("list-tickets", "/tickets", "List tickets"), desk.ScopeRead, s.tickets)
	handle(s, h, get("get-ticket", "/tickets/{id}", "Read a ticket, by id or number"), desk.ScopeRead, s.ticket)
	handle(s, h, post("add-ticket", "/tickets", "Enter a ticket for a contact"), desk.ScopeWrite, s.addTicket)
	handle(s, h, patch("change-ticket", "/tickets/{id}", "Change a ticket"), desk.ScopeWrite, s.changeTicket)
	handle(s, h, decide("merge-ticket", "/tickets/{id}/merge", "Have another ticket take over all that this one has"), desk.ScopeWrite, s.mergeTicket)
	handle(s, h, post("split-ticket", "/tickets/{id}/split", "Make some messages a ticket of their own"), desk.ScopeWrite, s.splitTicket)
	handle(s, h, decide("add-participant", "/tickets/{id}/participants", "Have somebody take part in a ticket"), desk.ScopeWrite, s.addParticipant)
	handle(s, h, decide("drop-participant", "/tickets/{id}/participants/drop", "Have somebody take no more part in a ticket"), desk.ScopeWrite, s.dropParticipant)
	handle(s, h, get("list-messages", "/tickets/{id}/messages", "List a ticket's messages"), desk.ScopeRead, s.messages)
	handle(s, h, get("list-ticket-events", "/tickets/{id}/events", "List what has happened to a ticket beside its messages"), desk.ScopeRead, s.ticketEvents)
	handle(s, h, post("add-message", "/tickets/{id}/messages", "Answer a ticket, or add an internal note"), desk.ScopeWrite, s.addMessage)
	handle(s, h, get("get-file", "/files/{id}", "Read an attachment's bytes"), desk.ScopeRead, s.file)

	s.heldRoutes(h)
	s.quarantineRoutes(h)
	s.queueRoutes(h)
	s.articleRoutes(h)
	handle(s, h, get("list-outbox", "/outbox", "List what is sent, and how that went"), desk.ScopeRead, s.outbox)
	handle(s, h, get("list-mailboxes", "/mailboxes", "List mailboxes"), desk.ScopeRead, s.mailboxes)
	handle(s, h, get("list-agents", "/agents", "List the agents that a ticket can be assigned to"), desk.ScopeRead, s.agents)
	handle(s, h, get("list-forms", "/forms", "List forms"), desk.ScopeRead, s.forms)
	s.accessRoutes(h)
	s.brandingRoutes(h)
	handle(s, h, get("get-settings", "/settings", "Read the settings"), desk.ScopeRead, s.settings)
	handle(s, h, patch("change-settings", "/settings", "Change settings"), desk.ScopeSettings, s.changeSettings)
}

func (s *server) companies(ctx context.Context, in *PageParams) (*listOutput[companyView], error) {
	found, err := s.DB.Companies(ctx, in.page())
	return listed(*in, found, func(c desk.Company) desk.ID { return c.ID }, viewCompany), err
}

func (s *server) company(ctx context.Context, in *IDParam) (*output[companyView], error) {
	c, err := s.DB.Company(ctx, desk.ID(in.ID))
	return &output[companyView]{viewCompany(c)}, err
}

type newCompany struct {
	Body struct {
		Name    string   `json:"name" minLength:"1" maxLength:"200"`
		Domains []string `json:"domains,omitempty" doc:"Mail domains of its people; their sub-domains count too."`

		VerifiedDomains []string `json:"verified_domains,omitempty" doc:"Those of its domains that you know to be the company's: who has proved an address right there may see the company's tickets, if the settings share them."`
	}
}

func (s *server) addCompany(ctx context.Context, in *newCompany) (*output[companyView], error) {
	c, err := s.Desk.AddCompany(ctx, in.Body.Name, in.Body.Domains, in.Body.VerifiedDomains...)
	return &output[companyView]{viewCompany(c)}, err
}

type companyPatch struct {
	IDParam
	Body struct {
		Name    *string   `json:"name,omitempty" minLength:"1" maxLength:"200"`
		Domains *[]string `json:"domains,omitempty"`

		VerifiedDomains *[]string `json:"verified_domains,omitempty"`
	}
}

func (s *server) changeCompany(ctx context.Context, in *companyPatch) (*output[companyView], error) {
	c, err := s.Desk.ChangeCompany(ctx, desk.ID(in.ID), tickets.CompanyChange{Name: in.Body.Name, Domains: in.Body.Domains, Verified: in.Body.VerifiedDomains})
	return &output[companyView]{viewCompany(c)}, err
}

func (s *server) contacts(ctx context.Context, in *contactsInput) (*listOutput[contactView], error) {
	if in.Address != "" {
		email, _ := desk.NormalizeEmail(in.Address)
		c, err := s.DB.ContactByEmail(ctx, email)
		found := []desk.Contact{c}
		if desk.KindOf(err) == desk.NotFound {
			found, err = nil, nil
		}
		return listed(PageParams{Limit: 2}, found, func(c desk.Contact) desk.ID { return c.ID }, viewContact), err
	}
	found, err := s.DB.Contacts(ctx, in.page())
	return listed(in.PageParams, found, func(c desk.Contact) desk.ID { return c.ID }, viewContact), err
}

type contactsInput struct {
	PageParams
	Address string `query:"address" maxLength:"254" doc:"Only the contact that has this address."`
}

func (s *server) contact(ctx context.Context, in *IDParam) (*output[contactView], error) {
	c, err := s.DB.Contact(ctx, desk.ID(in.ID))
	return &output[contactView]{viewContact(c)}, err
}

type newContact struct {
	Body struct {
		Name      string    `json:"name,omitempty" maxLength:"200"`
		Addresses []string  `json:"addresses,omitempty" maxItems:"20" doc:"The first one is the login address."`
		Companies []desk.ID `json:"companies,omitempty" maxItems:"50" doc:"The first one is the primary company. Left out: the one that owns the address's domain."`
		MainOf    []desk.ID `json:"main_of,omitempty" maxItems:"50" doc:"Those of the companies whose main contact this is."`
		Language  string    `json:"language,omitempty" maxLength:"35"`
		TimeZone  string    `json:"time_zone,omitempty" maxLength:"64" doc:"An IANA name such as Europe/Oslo. Left out: the portal's."`
		Username  string    `json:"username,omitempty" maxLength:"64"`
		Welcome   *bool     `json:"welcome,omitempty" doc:"Whether the welcome mail goes out, if it is switched on. Left out: yes."`
	}
}

func (s *server) addContact(ctx context.Context, in *newContact) (*output[contactView], error) {
	b := in.Body
	c, _, err := s.Desk.AddContact(ctx, tickets.NewContact{
		Name: b.Name, Addresses: b.Addresses, Companies: b.Companies, MainOf: b.MainOf, Language: b.Language, TimeZone: b.TimeZone, Username: b.Username, Welcome: b.Welcome == nil || *b.Welcome,
	})
	return &output[contactView]{viewContact(c)}, err
}

type contactPatch struct {
	IDParam
	Body struct {
		Name      *string    `json:"name,omitempty" maxLength:"200"`
		Addresses *[]string  `json:"addresses,omitempty" maxItems:"20"`
		Companies *[]desk.ID `json:"companies,omitempty" maxItems:"50"`
		MainOf    *[]desk.ID `json:"main_of,omitempty" maxItems:"50"`
		Language  *string    `json:"language,omitempty" maxLength:"35"`
		TimeZone  *string    `json:"time_zone,omitempty" maxLength:"64"`
		Username  *string    `json:"username,omitempty" maxLength:"64"`
		Disabled  *bool      `json:"disabled,omitempty"`
		// Suppressed can only be emptied.
		Suppressed *[]desk.Suppression `json:"suppressed,omitempty" maxItems:"0" doc:"Empty: its addresses get automatic mail again, even if somebody complained or unsubscribed."`
	}
}

func (s *server) changeContact(ctx context.Context, in *contactPatch) (*output[contactView], error) {
	b := in.Body
	c, err := s.Desk.ChangeContact(ctx, desk.ID(in.ID), tickets.ContactChange{
		Name: b.Name, Addresses: b.Addresses, Companies: b.Companies, MainOf: b.MainOf, Language: b.Language, TimeZone: b.TimeZone, Username: b.Username, Disabled: b.Disabled,
		Unsuppress: b.Suppressed != nil,
	})
	return &output[contactView]{viewContact(c)}, err
}

func (s *server) tickets(ctx context.Context, in *PageParams) (*listOutput[ticketView], error) {
	found, err := s.DB.Tickets(ctx, desk.ScopeOfProgram(), in.page())
	return listed(*in, found, func(t desk.Ticket) desk.ID { return t.ID }, viewTicket), err
}

// find reads the ticket that a path names by its id or its number.
func (s *server) find(ctx context.Context, name string) (desk.Ticket, error) {
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		return s.DB.TicketByNumber(ctx, desk.ScopeOfProgram(), n)
	}
	return s.DB.Ticket(ctx, desk.ScopeOfProgram(), desk.ID(name))
}

func (s *server) ticket(ctx context.Context, in *IDParam) (*output[ticketView], error) {
	t, err := s.find(ctx, in.ID)
	return &output[ticketView]{viewTicket(t)}, err
}

// newFile is an attachment in a request.
type newFile struct {
	Name    string `json:"name" minLength:"1" maxLength:"255"`
	Type    string `json:"type,omitempty" maxLength:"255" doc:"Media type."`
	Content []byte `json:"content" doc:"The bytes, in base64."`
}

func (s *server) keepFiles(ctx context.Context, files []newFile) ([]desk.Attachment, error) {
	var out []desk.Attachment
	for _, f := range files {
		media, _, err := mime.ParseMediaType(f.Type)
		if err != nil {
			media = "application/octet-stream"
		}
		sha, size, err := s.Blobs.Put(ctx, bytes.NewReader(f.Content))
		if err != nil {
			return nil, fmt.Errorf("keep %s: %w", f.Name, err)
		}
		out = append(out, desk.Attachment{Name: mailmsg.SafeFileName(f.Name), Type: media, Size: size, SHA256: sha})
	}
	return out, nil
}

type newTicket struct {
	Body struct {
		ContactID   desk.ID   `json:"contact_id,omitempty" doc:"Whose ticket it is; or address."`
		Address     string    `json:"address,omitempty" maxLength:"254" doc:"An address of the contact, instead of contact_id."`
		Subject     string    `json:"subject" minLength:"1" maxLength:"1000"`
		Text        string    `json:"text" minLength:"1"`
		MailboxID   desk.ID   `json:"mailbox_id,omitempty" doc:"The mailbox it goes to. Left out: none until the customer answers, or the default one with mail."`
		Mail        bool      `json:"mail,omitempty" doc:"Send the text to the contact."`
		Attachments []newFile `json:"attachments,omitempty" maxItems:"20"`
	}
}

func (s *server) addTicket(ctx context.Context, in *newTicket) (*output[ticketView], error) {
	b := in.Body
	contact := b.ContactID
	if contact == "" {
		email, ok := desk.NormalizeEmail(b.Address)
		if !ok {
			return nil, desk.Refuse("contact_id", "name the contact by contact_id or address")
		}
		c, err := s.DB.ContactByEmail(ctx, email)
		if desk.KindOf(err) == desk.NotFound {
			return nil, desk.Refuse("address", "no contact has the address %s; add one with POST %s/contacts", email, root)
		}
		if err != nil {
			return nil, err
		}
		contact = c.ID
	}
	// What can be refused is refused before the files are kept: nothing would ever name them.
	if err := desk.CheckSubject(b.Subject); err != nil {
		return nil, err
	}
	if _, err := s.DB.Contact(ctx, contact); err != nil {
		return nil, err
	}
	org, err := s.DB.Organisation(ctx)
	if err != nil {
		return nil, err
	}
	if _, ok := org.Mailbox(b.MailboxID); b.MailboxID != "" && !ok {
		return nil, desk.Refuse("mailbox_id", "there is no such mailbox")
	}
	files, err := s.keepFiles(ctx, b.Attachments)
	if err != nil {
		return nil, err
	}
	t, _, err := s.Desk.OpenByAgent(ctx, tickets.AgentTicket{
		Contact: contact, Source: desk.FromAPI, Subject: b.Subject, Text: b.Text, Mailbox: b.MailboxID, Mail: b.Mail, Files: files,
	})
	return &output[ticketView]{viewTicket(t)}, err
}

type ticketPatch struct {
	IDParam
	Body struct {
		Status     *string           `json:"status,omitempty" maxLength:"64"`
		Subject    *string           `json:"subject,omitempty" maxLength:"1000"`
		AssigneeID *desk.ID          `json:"assignee_id,omitempty" maxLength:"36" doc:"An agent's id; \"\" is nobody."`
		Properties map[string]string `json:"properties,omitempty" doc:"Merged into those there are; an empty value removes one."`
		Billed     *bool             `json:"billed,omitempty" doc:"Whether the work was charged: then customers can't add to the ticket, and their mail opens a new one."`
	}
}

func (s *server) changeTicket(ctx context.Context, in *ticketPatch) (*output[ticketView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err = s.Desk.Change(ctx, desk.ScopeOfProgram(), t.ID, tickets.Change{Status: in.Body.Status, Subject: in.Body.Subject, Assignee: in.Body.AssigneeID, Properties: in.Body.Properties, Billed: in.Body.Billed})
	return &output[ticketView]{viewTicket(t)}, err
}

type participantAdd struct {
	IDParam
	Body struct {
		Address string `json:"address" minLength:"1" maxLength:"320"`
		Name    string `json:"name,omitempty" maxLength:"200"`
		Reads   bool   `json:"reads,omitempty" doc:"They read the ticket in the portal too, all that its customers see. Else they get and write mail alone."`
	}
}

func (s *server) addParticipant(ctx context.Context, in *participantAdd) (*output[ticketView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err = s.Desk.AddParticipant(ctx, t.ID, desk.Address{Name: in.Body.Name, Email: in.Body.Address}, in.Body.Reads)
	return &output[ticketView]{viewTicket(t)}, err
}

type participantDrop struct {
	IDParam
	Body struct {
		Address string `json:"address" minLength:"1" maxLength:"320" doc:"The requester can't be dropped."`
	}
}

func (s *server) dropParticipant(ctx context.Context, in *participantDrop) (*output[ticketView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err = s.Desk.DropParticipant(ctx, t.ID, in.Body.Address)
	return &output[ticketView]{viewTicket(t)}, err
}

type merging struct {
	IDParam
	Body struct {
		Into string `json:"into" minLength:"1" maxLength:"36" doc:"The id or number of the ticket that stays. Who takes part in the one takes part in the other, and reads all of it."`
	}
}

func (s *server) mergeTicket(ctx context.Context, in *merging) (*output[ticketView], error) {
	from, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	into, err := s.find(ctx, in.Body.Into)
	if err != nil {
		return nil, err
	}
	t, err := s.Desk.Merge(ctx, from.ID, into.ID)
	return &output[ticketView]{viewTicket(t)}, err
}

type splittingTicket struct {
	IDParam
	Body struct {
		Messages []desk.ID `json:"messages" minItems:"1" maxItems:"200" doc:"The ids of the messages that move. One at least stays."`
		Subject  string    `json:"subject,omitempty" maxLength:"1000" doc:"Left out: that of the first message."`
	}
}

func (s *server) splitTicket(ctx context.Context, in *splittingTicket) (*output[ticketView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err = s.Desk.Split(ctx, t.ID, in.Body.Messages, in.Body.Subject)
	return &output[ticketView]{viewTicket(t)}, err
}

type messagesInput struct {
	IDParam
	PageParams
}

func (s *server) messages(ctx context.Context, in *messagesInput) (*listOutput[messageView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := s.DB.MessagePage(ctx, desk.ScopeOfProgram(), t.ID, in.page())
	return listed(in.PageParams, found, func(m desk.Message) desk.ID { return m.ID }, viewMessage), err
}

type eventView struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	MailboxID string    `json:"mailbox_id,omitempty" doc:"The mailbox in which it happened; left out if in none."`
	Kind      string    `json:"kind" doc:"Such as status-changed, person-added, person-dropped, mail-moved. More kinds may come."`
	From      string    `json:"from,omitempty" doc:"The status, folder, keyword or role that was; of person-dropped the address."`
	To        string    `json:"to,omitempty" doc:"The status, folder or keyword that is; of person-added and person-noted the address."`
	Cause     string    `json:"cause" doc:"Why, such as customer-message, agent, moved. More causes may come."`
}

func viewEvent(e desk.Event) eventView {
	return eventView{string(e.ID), e.At, string(e.MailboxID), string(e.Kind), e.From, e.To, string(e.Cause)}
}

func (s *server) ticketEvents(ctx context.Context, in *messagesInput) (*listOutput[eventView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := s.DB.TicketEvents(ctx, t.ID, in.page())
	return listed(in.PageParams, found, func(e desk.Event) desk.ID { return e.ID }, viewEvent), err
}

type newMessage struct {
	IDParam
	Body struct {
		Text        string    `json:"text" minLength:"1"`
		Internal    bool      `json:"internal,omitempty" doc:"A note for agents; otherwise the customers of the ticket get it by mail."`
		AgentName   string    `json:"agent_name,omitempty" maxLength:"200" doc:"Who answers, as customers see it. Left out: the mailbox's name."`
		Attachments []newFile `json:"attachments,omitempty" maxItems:"20"`
	}
}

func (s *server) addMessage(ctx context.Context, in *newMessage) (*output[messageView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Body.Text) == "" {
		return nil, desk.Refuse("text", "write something")
	}
	files, err := s.keepFiles(ctx, in.Body.Attachments)
	if err != nil {
		return nil, err
	}
	m, err := s.Desk.ReplyByAgent(ctx, tickets.AgentReply{
		Ticket: t.ID, Agent: desk.Author{Name: in.Body.AgentName}, Source: desk.FromAPI, Text: in.Body.Text, Internal: in.Body.Internal, Files: files,
	})
	return &output[messageView]{viewMessage(m)}, err
}

func (s *server) file(ctx context.Context, in *IDParam) (*huma.StreamResponse, error) {
	a, err := s.DB.Attachment(ctx, desk.ScopeOfProgram(), desk.ID(in.ID))
	if err != nil {
		return nil, err
	}
	r, err := s.Blobs.Open(ctx, a.SHA256)
	if err != nil {
		return nil, err
	}
	return download(r, a.Name, a.Size), nil
}

// download answers with bytes to be saved under a name; zero size: nobody knows it. It closes r.
func download(r io.ReadCloser, name string, size int64) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer r.Close() //nolint:errcheck // it was only read
		c.SetHeader("Content-Type", "application/octet-stream")
		c.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		if size > 0 {
			c.SetHeader("Content-Length", strconv.FormatInt(size, 10))
		}
		_, _ = io.Copy(c.BodyWriter(), r) // the client has gone, or the bytes are short: the length tells
	}}
}

func (s *server) ledger(outcome desk.Outcome) func(context.Context, *PageParams) (*listOutput[itemView], error) {
	return func(ctx context.Context, in *PageParams) (*listOutput[itemView], error) {
		found, err := s.DB.LedgerWith(ctx, outcome, in.page())
		return listed(*in, found, func(e desk.LedgerEntry) desk.ID { return e.ID }, viewItem), err
	}
}

type outboxInput struct {
	PageParams
	State desk.EffectState `query:"state" enum:"pending,sending,sent,deferred,failed,unknown" doc:"Only rows in this state."`
}

func (s *server) outbox(ctx context.Context, in *outboxInput) (*listOutput[effectView], error) {
	found, err := s.DB.Effects(ctx, in.State, in.page())
	return listed(in.PageParams, found, func(e desk.Effect) desk.ID { return e.ID }, viewEffect), err
}

func (s *server) mailboxes(ctx context.Context, _ *struct{}) (*listOutput[mailboxView], error) {
	org, err := s.DB.Organisation(ctx)
	if err != nil {
		return nil, err
	}
	folders, err := s.DB.Folders(ctx)
	if err != nil {
		return nil, err
	}
	view := func(m desk.Mailbox) mailboxView { return viewMailbox(m, folders) }
	return listed(PageParams{Limit: len(org.Mailboxes) + 1}, org.Mailboxes, func(m desk.Mailbox) desk.ID { return m.ID }, view), nil
}

func (s *server) agents(ctx context.Context, _ *struct{}) (*listOutput[agentView], error) {
	org, err := s.DB.Organisation(ctx)
	if err != nil {
		return nil, err
	}
	return listed(PageParams{Limit: len(org.Agents) + 1}, org.Agents, func(a desk.KnownAgent) desk.ID { return a.ID }, viewAgent), nil
}

func (s *server) forms(ctx context.Context, _ *struct{}) (*listOutput[formView], error) {
	org, err := s.DB.Organisation(ctx)
	if err != nil {
		return nil, err
	}
	return listed(PageParams{Limit: len(org.Forms) + 1}, org.Forms, func(f desk.Form) desk.ID { return f.ID }, viewForm), nil
}

func (s *server) settings(ctx context.Context, _ *struct{}) (*output[desk.Settings], error) {
	settings, err := s.DB.Settings(ctx)
	return &output[desk.Settings]{settings}, err
}

type settingsPatch struct {
	Body map[string]any `doc:"What is to change, in the shape GET /settings shows."`
}

func (s *server) changeSettings(ctx context.Context, in *settingsPatch) (*output[desk.Settings], error) {
	settings, err := s.Desk.ChangeSettings(ctx, in.Body)
	return &output[desk.Settings]{settings}, err
}
