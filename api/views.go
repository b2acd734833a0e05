package api

import (
	"time"

	"postern/desk"
)

type companyView struct {
	ID        desk.ID   `json:"id"`
	Name      string    `json:"name"`
	Domains   []string  `json:"domains"`
	CreatedAt time.Time `json:"created_at"`

	VerifiedDomains []string `json:"verified_domains"`
}

func viewCompany(c desk.Company) companyView {
	return companyView{c.ID, c.Name, orEmpty(c.Domains), c.CreatedAt, orEmpty(c.Verified)}
}

type contactView struct {
	ID        desk.ID   `json:"id"`
	Name      string    `json:"name"`
	Addresses []string  `json:"addresses" doc:"The first one is the login address."`
	CompanyID *desk.ID  `json:"company_id" doc:"The primary company."`
	Companies []desk.ID `json:"companies"`
	MainOf    []desk.ID `json:"main_of" doc:"Those of the companies whose main contact this is."`
	Language  string    `json:"language"`
	TimeZone  string    `json:"time_zone"`
	Username  string    `json:"username"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`

	Suppressed []desk.Suppression `json:"suppressed" doc:"Addresses that get no automatic mail. Reason is an open set: bounced (until mail comes from there, or the contact is changed), complained and unsubscribed (until that is lifted)."`
}

func viewContact(c desk.Contact) contactView {
	return contactView{c.ID, c.Name, orEmpty(c.Addresses), orNull(c.PrimaryCompany()), orEmpty(c.Companies), orEmpty(c.MainOf), c.Language, c.TimeZone, c.Username, c.Disabled, c.CreatedAt, orEmpty(c.Suppressed)}
}

type ticketView struct {
	ID             desk.ID            `json:"id"`
	Number         int64              `json:"number"`
	Subject        string             `json:"subject"`
	Pipeline       string             `json:"pipeline"`
	Status         string             `json:"status" doc:"A key of the pipeline's statuses; built in are open, waiting and closed."`
	MailboxID      *desk.ID           `json:"mailbox_id"`
	ContactID      desk.ID            `json:"contact_id"`
	CompanyID      *desk.ID           `json:"company_id"`
	AssigneeID     *desk.ID           `json:"assignee_id" doc:"The agent it is assigned to; null: nobody."`
	Source         desk.Source        `json:"source" doc:"An open set: mail, form, portal, api, console, cli, …"`
	Form           string             `json:"form" doc:"The key of the portal's form that it was written in; empty: none."`
	CreatedAt      time.Time          `json:"created_at"`
	LastActivityAt time.Time          `json:"last_activity_at"`
	Participants   []desk.Participant `json:"participants"`
	Properties     map[string]string  `json:"properties"`
	Billed         bool               `json:"billed" doc:"Customers can't add to it; their mail opens a new ticket."`
	Follows        *desk.ID           `json:"follows" doc:"The ticket that this one goes on from, which was locked or closed long ago."`
}

func viewTicket(t desk.Ticket) ticketView {
	v := ticketView{
		t.ID, t.Number, t.Subject, t.Pipeline, t.Status, orNull(t.MailboxID), t.ContactID, orNull(t.CompanyID), orNull(t.AssigneeID), t.Source, t.Form,
		t.CreatedAt, t.LastActivityAt, orEmpty(t.Participants), t.Properties, t.Billed, orNull(t.Follows),
	}
	if v.Properties == nil {
		v.Properties = map[string]string{}
	}
	return v
}

type authorView struct {
	Kind    desk.AuthorKind `json:"kind" doc:"An open set: customer, agent, system, …"`
	Name    string          `json:"name"`
	Address string          `json:"address"`
}

type deliveryView struct {
	State desk.EffectState `json:"state" doc:"The worst state among the mails that carry the message."`
	Error string           `json:"error"`
	To    []recipientView  `json:"recipients" doc:"What became of the mail to each."`
}

type recipientView struct {
	Recipient string           `json:"recipient"`
	State     desk.EffectState `json:"state" enum:"pending,sending,sent,deferred,failed,unknown"`
	Error     string           `json:"error"`
	NextTry   *time.Time       `json:"next_try" doc:"null: it is not tried again."`
}

func viewDelivery(d desk.Delivery) *deliveryView {
	v := &deliveryView{d.State, d.Error, []recipientView{}}
	for _, r := range d.To {
		to := recipientView{r.Email, r.State, r.Error, nil}
		if !r.NextTry.IsZero() {
			to.NextTry = &r.NextTry
		}
		v.To = append(v.To, to)
	}
	return v
}

type messageView struct {
	ID          desk.ID           `json:"id"`
	TicketID    desk.ID           `json:"ticket_id"`
	Author      authorView        `json:"author"`
	Source      desk.Source       `json:"source" doc:"An open set: mail, form, portal, api, console, cli, …"`
	Internal    bool              `json:"internal" doc:"For agents only."`
	Subject     string            `json:"subject"`
	Text        string            `json:"text" doc:"The whole readable text."`
	Reply       string            `json:"reply" doc:"What of the text is new."`
	HTML        string            `json:"html" doc:"Harmless HTML; its pictures are cid: references to attachments."`
	To          []desk.Address    `json:"to"`
	Cc          []desk.Address    `json:"cc"`
	MessageID   desk.MessageID    `json:"message_id"`
	CreatedAt   time.Time         `json:"created_at"`
	Class       desk.Class        `json:"class"`
	Trust       string            `json:"trust" enum:"V0,V1,V2,V3" doc:"How sure it is who wrote it."`
	Reasons     []string          `json:"reasons" doc:"Why it is in this ticket, and why with this trust."`
	Delivery    *deliveryView     `json:"delivery" doc:"null: it needs no delivery."`
	Attachments []desk.Attachment `json:"attachments"`
}

func viewMessage(m desk.Message) messageView {
	v := messageView{
		ID: m.ID, TicketID: m.TicketID, Author: authorView{m.Author.Kind, m.Author.Name, m.Author.Email}, Source: m.Source, Internal: m.Internal, Subject: m.Subject,
		Text: m.Text, Reply: m.Reply, HTML: m.HTML, To: orEmpty(m.To), Cc: orEmpty(m.Cc), MessageID: m.MessageID, CreatedAt: m.CreatedAt, Class: m.Class,
		Trust: m.Trust.String(), Reasons: orEmpty(m.Reasons), Attachments: orEmpty(m.Attachments),
	}
	if m.Delivery.State != "" {
		v.Delivery = viewDelivery(m.Delivery)
	}
	return v
}

type itemView struct {
	ID         desk.ID      `json:"id"`
	MailboxID  desk.ID      `json:"mailbox_id"`
	Folder     string       `json:"folder"`
	FormID     *desk.ID     `json:"form_id"`
	Subject    string       `json:"subject"`
	From       string       `json:"from"`
	Size       int64        `json:"size" doc:"Bytes."`
	Outcome    desk.Outcome `json:"outcome"`
	Reason     string       `json:"reason"`
	TicketID   *desk.ID     `json:"ticket_id" doc:"For a held item: the ticket it would have joined."`
	ReceivedAt time.Time    `json:"received_at"`
}

func viewItem(e desk.LedgerEntry) itemView {
	return itemView{e.ID, e.MailboxID, e.Folder, orNull(e.FormID), e.Subject, e.From, e.Size, e.Outcome, e.Reason, orNull(e.TicketID), e.ReceivedAt}
}

type effectView struct {
	ID        desk.ID          `json:"id"`
	Kind      desk.EffectKind  `json:"kind" doc:"An open set: mail.welcome, mail.reply, mailbox.append, …"`
	State     desk.EffectState `json:"state" enum:"pending,sending,sent,deferred,failed,unknown"`
	MailboxID desk.ID          `json:"mailbox_id"`
	TicketID  *desk.ID         `json:"ticket_id"`
	Message   *desk.ID         `json:"subject_id" doc:"The message it carries."`
	Recipient string           `json:"recipient"`
	MessageID desk.MessageID   `json:"message_id"`
	Attempt   int              `json:"attempt"`
	Unknowns  int              `json:"unknowns" doc:"How often nobody knew whether the server had it: only then can there be a second copy."`
	NextTry   time.Time        `json:"next_try"`
	LastError string           `json:"last_error"`
	Answer    string           `json:"answer" doc:"What the server said as it took the mail, often with the id it queued it under; of mail put into a folder APPENDUID with the UIDVALIDITY and UID it was given."`
	CreatedAt time.Time        `json:"created_at"`
}

func viewEffect(e desk.Effect) effectView {
	return effectView{
		e.ID, e.Kind, e.State, e.MailboxID, orNull(e.TicketID), orNull(e.SubjectID), e.Recipient, e.MessageID, e.Attempt, e.Unknowns, e.NextTry, e.LastError, e.Answer, e.CreatedAt,
	}
}

type mailboxView struct {
	ID          desk.ID      `json:"id"`
	Address     string       `json:"address"`
	Aliases     []string     `json:"aliases"`
	Name        string       `json:"name"`
	Paused      bool         `json:"paused"`
	CreatedAt   time.Time    `json:"created_at"`
	SubAddress  bool         `json:"sub_address" doc:"Whether reply addresses and envelope senders carry a signed token."`
	SubjectTag  bool         `json:"subject_tag" doc:"Whether the subjects of answers carry a signed tag."`
	SentOpens   bool         `json:"sent_opens" doc:"Whether a conversation that an agent begins in the mail client becomes a ticket."`
	Policy      desk.Policy  `json:"policy" doc:"How it works with agents and customers."`
	FormSenders []string     `json:"form_senders" doc:"Under which addresses web forms elsewhere mail what people typed: their Reply-To counts as the sender."`
	Receiver    receiverView `json:"receiver" doc:"On whose word senders count as proved."`
	Folders     []folderView `json:"folders" doc:"Those that are read, or were."`
}

type receiverView struct {
	Profile      desk.ReceiverProfile `json:"profile" doc:"How the receiver writes Authentication-Results; empty: nobody is believed."`
	AuthServID   string               `json:"authserv_id"`
	Hops         int                  `json:"hops" doc:"How many Received fields may stand above what it writes."`
	DKIM         bool                 `json:"dkim_fallback" doc:"Whether signatures are verified where it writes nothing."`
	CalibratedAt *time.Time           `json:"calibrated_at" doc:"When a forged result was told apart; null: never, or set by hand."`
}

func viewReceiver(r desk.Receiver) receiverView {
	v := receiverView{r.Profile, r.AuthServID, r.Hops, r.DKIM, nil}
	if !r.CalibratedAt.IsZero() {
		v.CalibratedAt = &r.CalibratedAt
	}
	return v
}

type folderView struct {
	Name       string          `json:"name"`
	Role       desk.FolderRole `json:"role" enum:"inbox,sent,also-sent,former-sent" doc:"also-sent: a further folder that is read like Sent. former-sent: it was the Sent folder until another one became it."`
	Read       bool            `json:"read" doc:"false: it was read once, and is no longer among those that are."`
	Seen       int64           `json:"seen" doc:"How many mails the server has shown so far."`
	PassedOver int64           `json:"passed_over" doc:"How many of them it did not show in their turn."`
	Replaced   int64           `json:"replaced" doc:"How often the folder was replaced on the server, and read anew."`
	Problem    string          `json:"problem" doc:"Why it can't be read now and what to do; empty: it can."`
}

func viewMailbox(m desk.Mailbox, folders []desk.Folder) mailboxView {
	m.Policy.AlsoSent = orEmpty(m.Policy.AlsoSent)
	v := mailboxView{m.ID, m.Address, orEmpty(m.Aliases), m.Name, m.Paused, m.CreatedAt, m.SubAddress, m.SubjectTag, m.SentOpens, m.Policy, orEmpty(m.FormSenders), viewReceiver(m.Receiver), []folderView{}}
	for _, f := range folders {
		if f.MailboxID == m.ID {
			v.Folders = append(v.Folders, folderView{f.Name, f.Role, m.Reads(f), f.Seen, f.PassedOver, f.Generation, f.Problem})
		}
	}
	return v
}

// agentView is without the agent's addresses: they are private, and what reads the API may show what it reads.
type agentView struct {
	ID        desk.ID     `json:"id"`
	Name      string      `json:"name" doc:"What customers see."`
	Mailboxes []desk.ID   `json:"mailboxes" doc:"Whose tickets they work on; none: every mailbox's."`
	Notify    desk.Notify `json:"notify" enum:"nothing,assigned,everything"`
	Disabled  bool        `json:"disabled"`
	CreatedAt time.Time   `json:"created_at"`
}

func viewAgent(a desk.KnownAgent) agentView {
	return agentView{a.ID, a.Name, orEmpty(a.Mailboxes), a.Notify, a.Disabled, a.CreatedAt}
}

type formView struct {
	ID        desk.ID           `json:"id"`
	Name      string            `json:"name"`
	MailboxID desk.ID           `json:"mailbox_id"`
	Auth      desk.FormAuth     `json:"auth"`
	Mapping   map[string]string `json:"mapping"`
	Disabled  bool              `json:"disabled"`
	CreatedAt time.Time         `json:"created_at"`
}

func viewForm(f desk.Form) formView {
	return formView{f.ID, f.Name, f.MailboxID, f.Auth, f.Mapping, f.Disabled, f.CreatedAt}
}
