package tickets

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// open makes a ticket from a customer's words that did not come by mail, puts it into the agents' inbox, and fills in what makes m a message of it.
func (d *Desk) open(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, pipeline string, c desk.Contact, from desk.Address, m *desk.Message, like desk.Ticket) (desk.Ticket, error) {
	t, err := newTicket(ctx, tx, org, pipeline, desk.Ticket{
		Subject: m.Subject, MailboxID: mb.ID, ContactID: c.ID, CompanyID: c.PrimaryCompany(), Source: m.Source, CreatedAt: m.CreatedAt, LastCustomer: true, Follows: like.Follows, Form: like.Form, Properties: like.Properties,
		Participants: []desk.Participant{{ContactID: c.ID, Name: first(from.Name, c.Name), Email: from.Email, Role: desk.Requester}},
	})
	if err != nil {
		return t, err
	}
	if err := tx.AddTicket(ctx, t); err != nil {
		return t, err
	}
	if m.ID == "" {
		m.ID = store.NewID()
	}
	m.TicketID, m.Subject = t.ID, t.Subject
	if m.ConversationID, err = d.startConversation(ctx, tx, &t, mb.ID, m.Source, m.CreatedAt); err != nil {
		return t, err
	}
	if err := d.ours(ctx, tx, mb, m); err != nil {
		return t, err
	}
	added, err := tx.AddMessage(ctx, *m)
	if err == nil && !added {
		err = errMeanwhile
	}
	if err != nil {
		return t, err
	}
	return t, d.putInInbox(ctx, tx, mb, *m)
}

// errMeanwhile says that another transaction has stored a message with the same nonce since this one began.
var errMeanwhile = &desk.Error{Kind: desk.Conflict, Text: "this was sent already; open the page again to write more"} //nolint:gochecknoglobals // never changes

// once runs fn in a transaction. If the same message was stored meanwhile it runs fn again, which finds that.
func (d *Desk) once(ctx context.Context, fn func(tx *store.Tx) error) error {
	err := d.db.Update(ctx, fn)
	if errors.Is(err, errMeanwhile) {
		err = d.db.Update(ctx, fn)
	}
	return err
}

// CustomerTicket is what a signed-in customer writes to open a ticket.
type CustomerTicket struct {
	Contact desk.Contact
	Subject string
	Text    string
	Files   []desk.Attachment
	// Nonce is an id that the page made: sent twice, it makes one ticket.
	Nonce desk.ID
	// Follows is a ticket that this one goes on from, which its writer may see; empty: none.
	Follows desk.ID
	// Form is the key of the form it was written in, Values what its fields for custom properties hold, by key.
	Form   string
	Values map[string]string
	// Copies are people who are to get the ticket's mail too, as far as the mailbox's policy has them (desk.Copying.Named).
	Copies []desk.Address
}

// OpenByCustomer makes a ticket by one of the portal's forms, the first for none, in its mailbox, and puts it into the agents' inbox. The same Nonce again gives
// the ticket that is there.
func (d *Desk) OpenByCustomer(ctx context.Context, in CustomerTicket) (desk.Ticket, error) {
	if err := desk.CheckSubject(in.Subject); err != nil {
		return desk.Ticket{}, err
	}
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return desk.Ticket{}, err
	}
	form, mb, err := formOf(org, in.Form)
	if err != nil {
		return desk.Ticket{}, err
	}
	texts, err := d.texts()
	if err != nil {
		return desk.Ticket{}, err
	}
	values, lines, err := filled(org.Settings, form, in.Values, texts.For(mb.Policy.Language, org.Settings.DefaultLanguage))
	if err != nil {
		return desk.Ticket{}, err
	}
	var t desk.Ticket
	err = d.once(ctx, func(tx *store.Tx) error {
		email := in.Contact.LoginAddress()
		m := desk.Message{
			Nonce: in.Nonce, Author: desk.Author{Kind: desk.Customer, Name: in.Contact.Name, Email: email, ContactID: in.Contact.ID}, Source: desk.FromPortal,
			Subject: in.Subject, Attachments: in.Files, Trust: desk.V3, Reasons: []string{"written in the portal"}, CreatedAt: tx.Now(),
		}
		typed(&m, strings.TrimSpace(in.Text)+lines)
		sent, again, err := sentBefore(ctx, tx, &m)
		if err != nil {
			return err
		}
		if again { // it is their own, also where rules hide it from them
			t, err = tx.Ticket(ctx, desk.ScopeOfProgram(), sent.TicketID)
			return err
		}
		if err := mayWrite(ctx, tx, org, in.Contact, true); err != nil {
			return err
		}
		if in.Follows != "" {
			scope, err := scopeOf(ctx, tx, org, in.Contact)
			if err != nil {
				return err
			}
			former, err := tx.Ticket(ctx, scope, in.Follows)
			if err != nil {
				return err
			}
			in.Follows = former.ID
		}
		m.ID = store.NewID()
		copied, noted, err := named(ctx, tx, org, mb, []desk.Participant{{ContactID: in.Contact.ID, Email: email, Addresses: in.Contact.Addresses, Role: desk.Requester}}, in.Contact, in.Copies)
		if err != nil {
			return err
		}
		m.To, m.Cc = []desk.Address{{Name: mb.Name, Email: mb.Address}}, slices.Concat(copied, noted)
		if t, err = d.open(ctx, tx, org, mb, first(form.Pipeline, mb.Pipeline), in.Contact, desk.Address{Name: in.Contact.Name, Email: email}, &m, desk.Ticket{Follows: in.Follows, Form: form.Key, Properties: values}); err != nil {
			return err
		}
		if err := d.takeParts(ctx, tx, &t, copied, noted, desk.ByCustomersMessage); err != nil {
			return err
		}
		if mb.SMTP != "" {
			if err := d.mail(ctx, tx, mb, t, m, others(org, mb, t, m)); err != nil {
				return err
			}
		}
		return d.notifyAgents(ctx, tx, org, mb, t, m)
	})
	return t, err
}

// sentBefore finds m if its contact has sent it already, with the nonce that the page gave it: a double click. A nonce that
// is somebody else's, or that came with something else (a page that the browser kept), is replaced: nothing written is lost.
// The new one follows from the old one and from what is said, so that a double click on that page is known as well.
func sentBefore(ctx context.Context, tx *store.Tx, m *desk.Message) (desk.Message, bool, error) {
	for range 2 {
		if m.Nonce == "" {
			return desk.Message{}, false, nil
		}
		there, err := tx.MessageByNonce(ctx, m.Nonce)
		if desk.KindOf(err) == desk.NotFound {
			return desk.Message{}, false, nil
		}
		if err != nil {
			return desk.Message{}, false, err
		}
		if sameWords(there, *m) {
			return there, true, nil
		}
		m.Nonce = nonceAfter(m.Nonce, *m)
	}
	m.Nonce = ""
	return desk.Message{}, false, nil
}

// sameWords tells whether a stored message is m: by the same contact, in the same place, with the same text and files. m
// without a ticket is to open one.
func sameWords(stored, m desk.Message) bool {
	samePlace := stored.TicketID == m.TicketID
	if m.TicketID == "" {
		samePlace = stored.Subject == first(m.Subject)
	}
	return samePlace && stored.Author.ContactID == m.Author.ContactID && stored.Source == m.Source && stored.Text == m.Text &&
		slices.EqualFunc(stored.Attachments, m.Attachments, func(a, b desk.Attachment) bool { return a.SHA256 == b.SHA256 && a.Name == b.Name })
}

// nonceAfter gives the nonce for m in place of one that is taken: always the same for the same words.
func nonceAfter(taken desk.ID, m desk.Message) desk.ID {
	place := string(m.TicketID)
	if place == "" {
		place = first(m.Subject)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %q %q", taken, m.Author.ContactID, place, m.Text)
	for _, a := range m.Attachments {
		fmt.Fprintf(h, " %s %q", a.SHA256, a.Name)
	}
	return desk.ID(hex.EncodeToString(h.Sum(nil)))
}

// CustomerReply is what a signed-in customer answers.
type CustomerReply struct {
	Contact desk.Contact
	Ticket  desk.ID
	Text    string
	Files   []desk.Attachment
	Nonce   desk.ID // as in CustomerTicket
	Solved  bool    // the customer says that this closes the ticket
	Copies  []desk.Address
}

// ReplyByCustomer adds a customer's answer to a ticket they take part in, and puts it into the agents' inbox. A ticket
// that is in no mailbox goes to the default one. One that customers can't add to is a Conflict, more than the operator's budget TooMany: both say why
// by their keys. The same Nonce again is the answer that is there.
func (d *Desk) ReplyByCustomer(ctx context.Context, in CustomerReply) (desk.Message, error) {
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return desk.Message{}, err
	}
	var m desk.Message
	err = d.once(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, org, in.Contact)
		if err != nil {
			return err
		}
		t, err := tx.Ticket(ctx, scope, in.Ticket)
		if err != nil {
			return err
		}
		mb, ok := org.Mailbox(t.MailboxID)
		if !ok {
			if mb, ok = org.DefaultMailbox(); !ok {
				return &desk.Error{Kind: desk.Unavailable, Text: "answers can't be sent yet: no mailbox is connected"}
			}
			t.MailboxID = mb.ID
		}
		m = desk.Message{
			ID: store.NewID(), Nonce: in.Nonce, TicketID: t.ID, Source: desk.FromPortal, Subject: t.Subject, Attachments: in.Files, Trust: desk.V3,
			Author:  desk.Author{Kind: desk.Customer, Name: in.Contact.Name, Email: in.Contact.LoginAddress(), ContactID: in.Contact.ID},
			Reasons: []string{"written in the portal"}, CreatedAt: tx.Now(),
		}
		typed(&m, in.Text)
		sent, again, err := sentBefore(ctx, tx, &m)
		if err != nil {
			return err
		}
		if again {
			m = sent
			return nil
		}
		if err := cmp.Or(locked(org, t), mayWrite(ctx, tx, org, in.Contact, false)); err != nil {
			return err
		}
		if m.ConversationID, err = d.conversation(ctx, tx, &t, mb.ID, desk.FromPortal, m.CreatedAt); err != nil {
			return err
		}
		if err := joinByAnswer(ctx, tx, &t, in.Contact); err != nil {
			return err
		}
		copied, noted, err := named(ctx, tx, org, mb, t.Participants, in.Contact, in.Copies)
		if err != nil {
			return err
		}
		if err := d.takeParts(ctx, tx, &t, copied, noted, desk.ByCustomersMessage); err != nil {
			return err
		}
		also := others(org, mb, t, m)
		m.To, m.Cc = []desk.Address{{Name: mb.Name, Email: mb.Address}}, inCopyOf(also, noted)
		if err := d.ours(ctx, tx, mb, &m); err != nil {
			return err
		}
		added, err := d.addMessage(ctx, tx, org, &t, m)
		if err == nil && !added {
			err = errMeanwhile
		}
		if err != nil {
			return err
		}
		if in.Solved {
			before := t.Status
			if t.Status, err = closedStatus(org, t.Pipeline); err != nil {
				return err
			}
			if err := d.changed(ctx, tx, org, before, t, desk.ByCustomer, ""); err != nil {
				return err
			}
		}
		if err := d.notifyAgents(ctx, tx, org, mb, t, m); err != nil {
			return err
		}
		if mb.SMTP != "" {
			if err := d.mail(ctx, tx, mb, t, m, also); err != nil {
				return err
			}
		}
		return d.putInInbox(ctx, tx, mb, m)
	})
	return m, err
}

func closedStatus(org *store.Organisation, pipeline string) (string, error) {
	if key, ok := desk.FirstClosed(org.Settings.Pipelines, pipeline); ok {
		return key, nil
	}
	return "", desk.Refuse("status", "pipeline %q has no closed status", pipeline)
}

// AgentReply is what an agent writes elsewhere than in the mailbox.
type AgentReply struct {
	Ticket   desk.ID
	Agent    desk.Author // Kind is set here
	Source   desk.Source
	Text     string
	Internal bool
	Files    []desk.Attachment
}

// ReplyByAgent adds an agent's answer and mails it to the customers of the ticket, or adds an internal note.
func (d *Desk) ReplyByAgent(ctx context.Context, in AgentReply) (desk.Message, error) {
	if err := something(in.Text, in.Files); err != nil {
		return desk.Message{}, err
	}
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return desk.Message{}, err
	}
	var m desk.Message
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), in.Ticket)
		if err != nil {
			return err
		}
		mb, inMailbox := org.Mailbox(t.MailboxID)
		if !inMailbox && !in.Internal {
			if mb, inMailbox = org.DefaultMailbox(); inMailbox {
				t.MailboxID = mb.ID
			}
		}
		in.Agent.Kind = desk.Agent
		if in.Agent.Name == "" {
			in.Agent.Name = first(mb.Name, org.Settings.PortalTitle)
		}
		m = desk.Message{
			ID: store.NewID(), TicketID: t.ID, Author: in.Agent, Source: in.Source, Internal: in.Internal, Subject: t.Subject,
			Attachments: in.Files, Trust: desk.V3, Reasons: []string{"written by an agent"}, CreatedAt: tx.Now(),
		}
		typed(&m, in.Text)
		if m.ConversationID, err = d.conversation(ctx, tx, &t, mb.ID, in.Source, m.CreatedAt); err != nil {
			return err
		}
		if !in.Internal {
			addressed(org, mb, t, &m)
		}
		if inMailbox {
			if err := d.ours(ctx, tx, mb, &m); err != nil {
				return err
			}
		}
		if _, err := d.addMessage(ctx, tx, org, &t, m); err != nil || in.Internal {
			return err
		}
		if mb.SMTP == "" {
			return &desk.Error{Kind: desk.Conflict, Text: "the answer can't be sent: the ticket's mailbox has no SMTP server; add one with gateway mailbox edit --smtp"}
		}
		return d.mailCustomers(ctx, tx, org, mb, t, m)
	})
	return m, err
}

// something refuses a message of nothing.
func something(text string, files []desk.Attachment) error {
	if strings.TrimSpace(text) == "" && len(files) == 0 {
		return desk.Refuse("text", "write what is to be said")
	}
	return nil
}

// AgentTicket is a ticket that an agent enters for a customer, such as a phone call.
type AgentTicket struct {
	Contact desk.ID
	Agent   desk.Author
	Source  desk.Source
	Subject string
	Text    string
	Mailbox desk.ID // where it is to go; "" with Mail: the default mailbox; "" without: none, until the customer answers
	Mail    bool    // send the text to the customer
	Files   []desk.Attachment
}

// OpenByAgent makes a ticket for a contact, and mails it to them if asked.
func (d *Desk) OpenByAgent(ctx context.Context, in AgentTicket) (desk.Ticket, desk.Message, error) {
	var t desk.Ticket
	var m desk.Message
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return t, m, err
	}
	mb, inMailbox := org.Mailbox(in.Mailbox)
	if err := errors.Join(desk.CheckSubject(in.Subject), something(in.Text, in.Files)); err != nil {
		return t, m, err
	}
	switch {
	case in.Mailbox != "" && !inMailbox:
		return t, m, desk.Refuse("mailbox_id", "there is no such mailbox")
	case in.Mail && !inMailbox:
		if mb, inMailbox = org.DefaultMailbox(); !inMailbox {
			return t, m, desk.Refuse("mail", "no mailbox is connected that could send the mail")
		}
	}
	if in.Mail && mb.SMTP == "" {
		return t, m, desk.Refuse("mail", "the mailbox %s has no SMTP server to send with", mb.Address)
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.Contact(ctx, in.Contact)
		if err != nil {
			return err
		}
		if in.Mail && c.LoginAddress() == "" {
			return desk.Refuse("mail", "the contact has no address to send a mail to")
		}
		now := tx.Now()
		if t, err = newTicket(ctx, tx, org, mb.Pipeline, desk.Ticket{
			Subject: in.Subject, MailboxID: mb.ID, ContactID: c.ID, CompanyID: c.PrimaryCompany(), Source: in.Source, CreatedAt: now,
			Participants: []desk.Participant{{ContactID: c.ID, Name: c.Name, Email: c.LoginAddress(), Role: desk.Requester}},
		}); err != nil {
			return err
		}
		if c.LoginAddress() == "" {
			t.Participants = nil
		}
		if err := tx.AddTicket(ctx, t); err != nil {
			return err
		}
		in.Agent.Kind = desk.Agent
		if in.Agent.Name == "" {
			in.Agent.Name = first(mb.Name, org.Settings.PortalTitle)
		}
		m = desk.Message{
			ID: store.NewID(), TicketID: t.ID, Author: in.Agent, Source: in.Source, Subject: t.Subject, Attachments: in.Files, Trust: desk.V3,
			Reasons: []string{"entered by an agent"}, CreatedAt: now,
		}
		typed(&m, in.Text)
		if m.ConversationID, err = d.startConversation(ctx, tx, &t, mb.ID, in.Source, now); err != nil {
			return err
		}
		if in.Mail {
			addressed(org, mb, t, &m)
		}
		if inMailbox {
			if err := d.ours(ctx, tx, mb, &m); err != nil {
				return err
			}
		}
		if _, err := tx.AddMessage(ctx, m); err != nil || !in.Mail {
			return err
		}
		return d.mailCustomers(ctx, tx, org, mb, t, m)
	})
	return t, m, err
}

// Change says what to change of a ticket; nil leaves it as it is.
type Change struct {
	Status     *string
	Subject    *string
	Assignee   *desk.ID          // an agent's; "" is nobody
	Properties map[string]string // merged; an empty value removes the property
	Billed     *bool
	Cause      desk.Cause // of another status; empty: an agent
}

// Change changes a ticket that the scope sees.
func (d *Desk) Change(ctx context.Context, scope desk.Scope, ticket desk.ID, c Change) (desk.Ticket, error) {
	var t desk.Ticket
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return t, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if t, err = tx.Ticket(ctx, scope, ticket); err != nil {
			return err
		}
		before := t.Status
		if c.Status != nil {
			if err := desk.CheckStatus(org.Settings.Pipelines, t.Pipeline, *c.Status); err != nil {
				return err
			}
			t.Status = *c.Status
		}
		if c.Cause == "" {
			c.Cause = desk.ByAgent
		}
		if c.Subject != nil {
			if t.Subject = *c.Subject; first(t.Subject) == "" {
				return desk.Refuse("subject", "a ticket needs a subject")
			}
			if err := desk.CheckSubject(t.Subject); err != nil {
				return err
			}
		}
		if c.Assignee != nil {
			if _, ok := org.Agent(*c.Assignee); !ok && *c.Assignee != "" {
				return desk.Refuse("assignee_id", "there is no such agent; gateway agent list tells the ids")
			}
			t.AssigneeID = *c.Assignee
		}
		if c.Billed != nil {
			t.Billed = *c.Billed
		}
		if c.Properties, err = desk.NormalProperties(org.Settings.Properties, c.Properties); err != nil {
			return err
		}
		for k, v := range c.Properties {
			if t.Properties == nil {
				t.Properties = map[string]string{}
			}
			if t.Properties[k] = v; v == "" {
				delete(t.Properties, k)
			}
		}
		if err := tx.MarkWorked(ctx, t.ID); err != nil {
			return err
		}
		return d.changed(ctx, tx, org, before, t, c.Cause, "")
	})
	return t, err
}

// CloseByCustomer closes a ticket for a customer who may see it. One that is closed stays as it is; one that customers can't add to is a Conflict.
func (d *Desk) CloseByCustomer(ctx context.Context, c desk.Contact, ticket desk.ID) error {
	return d.onSeen(ctx, c, ticket, func(tx *store.Tx, org *store.Organisation, t desk.Ticket) error {
		if desk.StatusOf(org.Settings.Pipelines, t.Pipeline, t.Status).Closed {
			return nil
		}
		if err := locked(org, t); err != nil {
			return err
		}
		before := t.Status
		var err error
		if t.Status, err = closedStatus(org, t.Pipeline); err != nil {
			return err
		}
		if err := tx.MarkWorked(ctx, t.ID); err != nil {
			return err
		}
		return d.changed(ctx, tx, org, before, t, desk.ByCustomer, "")
	})
}

// locked is a Conflict for a ticket that customers can't add to.
func locked(org *store.Organisation, t desk.Ticket) error {
	why := desk.Locked(org.Settings, t)
	if why == "" {
		return nil
	}
	key := "thread.locked"
	if t.Billed {
		key = "thread.billed"
	}
	return &desk.Error{Kind: desk.Conflict, Text: fmt.Sprintf("ticket #%d is %s; open a new one", t.Number, why), Key: key}
}

// mayWrite counts what somebody writes in the portal, and is TooMany for what is over the operator's budget. That is not counted.
func mayWrite(ctx context.Context, tx *store.Tx, org *store.Organisation, c desk.Contact, opens bool) error {
	budgets := org.Settings.Budgets
	n, err := tx.Hit(ctx, "written by "+string(c.ID), time.Hour)
	if err == nil && n <= budgets.Written && opens {
		n, err = tx.Hit(ctx, "tickets of "+string(c.ID), time.Hour)
		budgets.Written = budgets.NewTickets
	}
	if err != nil || n <= budgets.Written {
		return err
	}
	return &desk.Error{Kind: desk.TooMany, Text: "too many messages were sent in the last hour; try again later", Key: "thread.too_many"}
}

// Rate keeps how a customer says that a closed ticket went. They may say otherwise later.
func (d *Desk) Rate(ctx context.Context, c desk.Contact, ticket desk.ID, score desk.Score) error {
	if !score.Known() {
		return desk.Refuse("score", "say good, fair or bad")
	}
	return d.onSeen(ctx, c, ticket, func(tx *store.Tx, org *store.Organisation, t desk.Ticket) error {
		if !desk.StatusOf(org.Settings.Pipelines, t.Pipeline, t.Status).Closed {
			return &desk.Error{Kind: desk.Conflict, Text: "the ticket is open; it is rated once it is closed"}
		}
		if err := tx.PutRating(ctx, desk.Rating{TicketID: t.ID, ContactID: c.ID, Score: score, At: tx.Now()}); err != nil {
			return err
		}
		return tx.AddEvent(ctx, desk.Event{TicketID: t.ID, MailboxID: t.MailboxID, Kind: desk.Rated, To: string(score), Cause: desk.ByCustomer})
	})
}

// onSeen runs fn in one transaction with a ticket that a signed-in contact may see now. It fails with NotFound for any other.
func (d *Desk) onSeen(ctx context.Context, c desk.Contact, ticket desk.ID, fn func(tx *store.Tx, org *store.Organisation, t desk.Ticket) error) error {
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return err
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, org, c)
		if err != nil {
			return err
		}
		t, err := tx.Ticket(ctx, scope, ticket)
		if err != nil {
			return err
		}
		return fn(tx, org, t)
	})
}

// visitors finds what decides what a contact may see: a database, or a transaction.
type visitors interface {
	Visitor(ctx context.Context, id desk.ID, now time.Time) (desk.Visitor, error)
	Now() time.Time
}

// scopeOf is what a signed-in contact may see and answer now, whatever was so when their page was made.
func scopeOf(ctx context.Context, r visitors, org *store.Organisation, c desk.Contact) (desk.Scope, error) {
	v, err := r.Visitor(ctx, c.ID, r.Now())
	if desk.KindOf(err) == desk.NotFound {
		return desk.Scope{}, nil
	}
	return desk.ScopeOfVisitor(org.Settings, org.Lists, v, r.Now()), err
}

// ScopeOf is what a contact would see in the portal now; nothing, if there is no such contact.
func (d *Desk) ScopeOf(ctx context.Context, contact desk.ID) (desk.Scope, error) {
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return desk.Scope{}, err
	}
	return scopeOf(ctx, d.db, org, desk.Contact{ID: contact})
}

// joinByAnswer has somebody who answers a colleague's ticket get its mail from then on. It gives them no more to read than their company shares
// with them.
func joinByAnswer(ctx context.Context, tx *store.Tx, t *desk.Ticket, c desk.Contact) error {
	if c.LoginAddress() == "" || slices.ContainsFunc(t.Participants, func(p desk.Participant) bool { return p.ContactID == c.ID && p.Role != desk.Mentioned }) {
		return nil
	}
	p := desk.Participant{ContactID: c.ID, Name: c.Name, Email: c.LoginAddress(), Role: desk.Correspondent}
	if err := tx.AddParticipant(ctx, t.ID, p); err != nil {
		return err
	}
	t.Participants = append(t.Participants, p)
	return nil
}
