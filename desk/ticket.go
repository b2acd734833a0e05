package desk

import (
	"slices"
	"time"
	"unicode/utf8"
)

// Ticket is one matter a customer brought to us. It has one or more conversations.
type Ticket struct {
	ID             ID
	Number         int64 // counts up from 1; what people call the ticket by, never proof of anything
	Subject        string
	Pipeline       string // a key of Settings.Pipelines
	Status         string // a key of that pipeline's statuses
	MailboxID      ID     // empty until the ticket has a conversation in a mailbox
	ContactID      ID     // the requester
	CompanyID      ID     // the requester's primary company when the ticket was made; empty: none
	AssigneeID     ID     // the agent it is assigned to; empty: nobody
	Source         Source
	Form           string // the key of the portal's form that it was written in; empty: none
	Properties     map[string]string
	Participants   []Participant
	CreatedAt      time.Time
	LastActivityAt time.Time
	// Billed is set once the work was charged: the customer's answers open a new ticket.
	Billed bool
	// Follows is the ticket that this one goes on from, which was locked or closed long ago; empty: none. Who takes part in this one may
	// not see it.
	Follows ID
	// LastCustomer is set while the newest public message is the customer's: we are to answer.
	LastCustomer bool
}

// MaxSubject is how many characters of a subject are kept.
const MaxSubject = 1000

// CheckSubject refuses a subject that can't be kept whole.
func CheckSubject(s string) error {
	if n := utf8.RuneCountInString(s); n > MaxSubject {
		return Refuse("subject", "the subject has %d characters; use at most %d and put the rest into the text", n, MaxSubject)
	}
	return nil
}

// CutSubject shortens the subject of what can't be refused, such as a mail; an ellipsis shows it.
func CutSubject(s string) string {
	if utf8.RuneCountInString(s) <= MaxSubject {
		return s
	}
	return string([]rune(s)[:MaxSubject-1]) + "…"
}

// Role says what part somebody has in a ticket.
type Role string

// The roles of a participant. A requester, and those whom an agent lets take part, read the ticket in the portal and get its mail. A
// correspondent gets and writes mail alone, for mail never widens who may read. An address that was merely mentioned in a customer's Cc
// gets neither (REQUIREMENTS M13).
const (
	Requester     Role = "requester"
	Copied        Role = "copied"
	Correspondent Role = "correspondent"
	Mentioned     Role = "mentioned"
)

// Participant is somebody with a part in a ticket. ContactID is empty for a mentioned address that is no contact.
type Participant struct {
	ContactID ID       `json:"contact_id,omitempty"`
	Name      string   `json:"name"`
	Email     string   `json:"address"` // the one they wrote from, as long as it is theirs
	Role      Role     `json:"role"`
	Muted     bool     `json:"muted"` // they want no mail about the ticket
	Addresses []string `json:"-"`     // all of the contact's
}

// TakesPart tells whether email belongs to somebody who may add to the ticket.
func TakesPart(ps []Participant, email string) bool {
	for _, p := range ps {
		if p.Is(email) && p.Role != Mentioned {
			return true
		}
	}
	return false
}

// Of tells whether it is a contact's own part, in which they get mail: one that was only mentioned is none.
func (p Participant) Of(c Contact) bool {
	return p.Role != Mentioned && (p.ContactID != "" && p.ContactID == c.ID || slices.Contains(c.Addresses, p.Email))
}

// Is tells whether email is an address of the participant.
func (p Participant) Is(email string) bool {
	return p.Email == email || slices.Contains(p.Addresses, email)
}

// Conversation is one thread of messages of a ticket, in one channel.
type Conversation struct {
	ID        ID
	TicketID  ID
	MailboxID ID
	Channel   Source
	CreatedAt time.Time
}

// Source says where a message or ticket came from. It is an open set: readers must accept values they don't know.
type Source string

// The sources there are so far.
const (
	FromMail    Source = "mail"
	FromForm    Source = "form"
	FromPortal  Source = "portal"
	FromAPI     Source = "api"
	FromConsole Source = "console"
	FromCLI     Source = "cli"
)

// AuthorKind says on which side of the desk an author sits. It is an open set, as Source is.
type AuthorKind string

// The sides.
const (
	Customer AuthorKind = "customer"
	Agent    AuthorKind = "agent"
	System   AuthorKind = "system"
)

// Author is who wrote a message. ContactID is empty for agents and for us.
type Author struct {
	Kind      AuthorKind
	Name      string
	Email     string
	ContactID ID
}

// Message is one thing said in a ticket. Text, Reply and HTML are as Mail describes them.
type Message struct {
	ID             ID
	TicketID       ID
	ConversationID ID
	MailboxID      ID // empty for a message of a ticket that has no mailbox
	Author         Author
	Source         Source
	Internal       bool // only for agents: never in the portal, never in outgoing mail
	Subject        string
	Text           string
	Reply          string
	HTML           string
	To, Cc         []Address
	MessageID      MessageID
	References     []MessageID // References and In-Reply-To, oldest first
	ThreadIndex    string      // what Outlook groups it by, as Mail describes it; empty if it came without
	Class          Class
	Trust          Trust
	Reasons        []string // why it is in this ticket, and why with this trust
	Attachments    []Attachment
	Delivery       Delivery
	LedgerID       ID // the inbound item it was made from; empty for what was written here
	Nonce          ID // what the page that sent it is known by: one message each. Set when it is stored, and not read back
	CreatedAt      time.Time
}

// Delivery sums up the mails that carry a message: the worst state of them, and its reason. One that bounced has failed.
type Delivery struct {
	State EffectState // empty: nothing to deliver
	Error string
	To    []Recipient // what became of each mail
	Inbox EffectState // of the one into the agents' inbox alone; empty: none goes there
}

// Recipient is what became of the mail to one of those to whom a message goes.
type Recipient struct {
	Email   string      `json:"recipient"`
	State   EffectState `json:"state"`
	Error   string      `json:"error"`
	NextTry time.Time   `json:"next_try"` // zero: it is not tried again
}

// Pipeline is a way tickets go, with its own statuses. The first status is the one new tickets get.
type Pipeline struct {
	Key      string            `json:"key"`
	Name     string            `json:"name"`
	Names    map[string]string `json:"names,omitempty"` // in further languages, by tag
	Statuses []Status          `json:"statuses"`
}

// Status is a step of a pipeline.
type Status struct {
	Key    string            `json:"key"`
	Name   string            `json:"name"`
	Names  map[string]string `json:"names,omitempty"` // in further languages, by tag
	Closed bool              `json:"closed"`
}

// In gives the status's name in a language.
func (s Status) In(lang string) string { return Named(s.Name, s.Names, lang) }

// The built-in statuses.
const (
	Open    = "open"
	Waiting = "waiting" // for the customer
	Closed  = "closed"
)

// DefaultPipeline is the one there is until the operator makes others.
const DefaultPipeline = "support"

// BuiltInPipelines gives the pipeline every installation starts with.
func BuiltInPipelines() []Pipeline {
	return []Pipeline{{Key: DefaultPipeline, Name: "Support", Statuses: []Status{
		{Key: Open, Name: "Open"}, {Key: Waiting, Name: "Waiting for you"}, {Key: Closed, Name: "Closed", Closed: true},
	}}}
}

// StatusOf finds a status of a pipeline; a key that is not (or no longer) there counts as open.
func StatusOf(ps []Pipeline, pipeline, key string) Status {
	for _, p := range ps {
		if p.Key != pipeline {
			continue
		}
		for _, s := range p.Statuses {
			if s.Key == key {
				return s
			}
		}
	}
	return Status{Key: key, Name: key}
}

// CheckStatus tells whether a ticket of the pipeline may have the status key.
func CheckStatus(ps []Pipeline, pipeline, key string) error {
	for _, p := range ps {
		if p.Key != pipeline {
			continue
		}
		for _, s := range p.Statuses {
			if s.Key == key {
				return nil
			}
		}
		return Refuse("status", "there is no status %q in pipeline %q", key, pipeline)
	}
	return Refuse("pipeline", "there is no pipeline %q", pipeline)
}

// Locked tells why customers can't add to a ticket: it was billed, or closed where closed tickets stay so. "" if they can.
func Locked(s Settings, t Ticket) string {
	switch {
	case t.Billed:
		return "billed"
	case s.KeepClosed && StatusOf(s.Pipelines, t.Pipeline, t.Status).Closed:
		return "closed, and closed tickets stay so here"
	}
	return ""
}

// StatusAfter tells which status a ticket has once a message is added: a customer's mail opens it, an agent's public
// answer makes it wait for the customer; notes, automatic mail and statuses of the operator's own change nothing,
// but for a closed ticket that a customer writes to.
func StatusAfter(ps []Pipeline, t Ticket, m Message) string {
	if m.Internal || m.Class == Automatic || m.Class == Bounce || m.Class == Receipt || m.Class == Complaint {
		return t.Status
	}
	now := StatusOf(ps, t.Pipeline, t.Status)
	switch m.Author.Kind {
	case Customer:
		if now.Closed || t.Status == Waiting {
			return FirstOpen(ps, t.Pipeline)
		}
	case Agent:
		if t.Status == Open && CheckStatus(ps, t.Pipeline, Waiting) == nil {
			return Waiting
		}
	}
	return t.Status
}

// FirstOpen gives the first status of a pipeline that is not closed.
func FirstOpen(ps []Pipeline, pipeline string) string {
	for _, p := range ps {
		if p.Key != pipeline {
			continue
		}
		for _, s := range p.Statuses {
			if !s.Closed {
				return s.Key
			}
		}
	}
	return Open
}
