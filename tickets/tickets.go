// Package tickets makes every change to a ticket: filing what came in, answering, opening, changing. Each change is one
// transaction together with the outbox rows it causes, so that either all of it happens or nothing.
package tickets

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/safehtml"
	"postern/store"
)

// Desk makes changes to tickets. It may be used by many goroutines.
type Desk struct {
	db   *store.DB
	keys *mailmsg.Keyring
	// texts are those of our mails, read when they are first needed.
	texts func() (*i18n.Mails, error)
	hash  func(ctx context.Context, password string) (string, error) // nil: mails have no passwords
	base  string                                                     // the portal's address; empty: nobody has said
}

// New makes a Desk on a database; keys sign what it gives out.
func New(db *store.DB, keys *mailmsg.Keyring) *Desk {
	return &Desk{db: db, keys: keys, texts: sync.OnceValues(i18n.LoadMails)}
}

// PortalAt says at which address the portal is: nobody is invited to one that only this machine reaches. It is called before the Desk is used.
func (d *Desk) PortalAt(base string) { d.base = base }

// HashBy gives the Desk what makes hashes of passwords, for mails that have one in them. It is called before the Desk is used.
func (d *Desk) HashBy(hash func(ctx context.Context, password string) (string, error)) { d.hash = hash }

// addMessage stores a message in a ticket and brings the ticket up to date. It answers false if it is there already.
func (d *Desk) addMessage(ctx context.Context, tx *store.Tx, org *store.Organisation, t *desk.Ticket, m desk.Message) (bool, error) {
	added, err := tx.AddMessage(ctx, m)
	if err != nil || !added {
		return false, err
	}
	before := t.Status
	t.Status = desk.StatusAfter(org.Settings.Pipelines, *t, m)
	if m.CreatedAt.After(t.LastActivityAt) && !m.Internal {
		t.LastActivityAt = m.CreatedAt
		t.LastCustomer = m.Author.Kind == desk.Customer
	}
	cause := desk.ByCustomersMessage
	if m.Author.Kind != desk.Customer {
		cause = desk.ByAgentsMessage
	}
	return true, d.changed(ctx, tx, org, before, *t, cause, "")
}

// conversation finds the ticket's conversation in the mailbox, or starts one. mailbox may be "": a conversation that is
// in no mailbox.
func (d *Desk) conversation(ctx context.Context, tx *store.Tx, t *desk.Ticket, mailbox desk.ID, channel desk.Source, at time.Time) (desk.ID, error) {
	cs, err := tx.Conversations(ctx, t.ID)
	if err != nil {
		return "", err
	}
	for i := len(cs) - 1; i >= 0; i-- {
		if cs[i].MailboxID == mailbox {
			return cs[i].ID, nil
		}
	}
	return d.startConversation(ctx, tx, t, mailbox, channel, at)
}

func (d *Desk) startConversation(ctx context.Context, tx *store.Tx, t *desk.Ticket, mailbox desk.ID, channel desk.Source, at time.Time) (desk.ID, error) {
	c := desk.Conversation{ID: store.NewID(), TicketID: t.ID, MailboxID: mailbox, Channel: channel, CreatedAt: at}
	return c.ID, tx.AddConversation(ctx, c)
}

// newTicket fills in what every new ticket has.
func newTicket(ctx context.Context, tx *store.Tx, org *store.Organisation, pipeline string, t desk.Ticket) (desk.Ticket, error) {
	if pipeline == "" {
		pipeline = org.Settings.Pipelines[0].Key
	}
	t.ID, t.Pipeline, t.LastActivityAt = store.NewID(), pipeline, t.CreatedAt
	t.Status = desk.Open
	for _, p := range org.Settings.Pipelines {
		if p.Key == pipeline && len(p.Statuses) > 0 {
			t.Status = p.Statuses[0].Key
		}
	}
	if t.Subject = strings.TrimSpace(t.Subject); t.Subject == "" {
		t.Subject = "(no subject)"
	}
	var err error
	t.Number, err = tx.NextNumber(ctx)
	return t, err
}

// typed fills Text, Reply and HTML of a message that was typed in plain text.
func typed(m *desk.Message, text string) {
	m.Text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	m.Reply = m.Text
	m.HTML = safehtml.FromText(m.Text)
	m.Class = desk.Human
}

// longestChain is how many ids of a conversation a mail of ours names beside the ticket's root: enough for every mail
// client to group by, and a header that no server cuts.
const longestChain = 20

// ours gives a message that was written here its Message-ID in the mailbox and the ids it answers, and makes the
// ticket's root known there.
func (d *Desk) ours(ctx context.Context, tx *store.Tx, mb desk.Mailbox, m *desk.Message) error {
	m.MailboxID = mb.ID
	m.MessageID = mailmsg.MessageIDFor(d.keys, mb.ID, m.TicketID, m.ID, mb.MIDDomain)
	chain, err := tx.ThreadIDs(ctx, m.ConversationID, longestChain)
	if err != nil {
		return err
	}
	root := mailmsg.RootID(d.keys, mb.ID, m.TicketID, mb.MIDDomain)
	m.References = append([]desk.MessageID{root}, chain...)
	if err := d.threadIndex(ctx, tx, root, m); err != nil {
		return err
	}
	return tx.AddMessageIDs(ctx, mb.ID, m.TicketID, "", true, root)
}

// threadIndex gives a message of ours its place in the conversation as Outlook sees it: below the newest mail that has one, else below one that
// begins with the ticket's root. An internal note is mailed to nobody.
func (d *Desk) threadIndex(ctx context.Context, tx *store.Tx, root desk.MessageID, m *desk.Message) error {
	if m.Internal {
		return nil
	}
	parent, err := tx.ThreadIndexOf(ctx, m.ConversationID)
	if err != nil {
		return err
	}
	if m.ThreadIndex = mailmsg.ThreadIndexChild(parent, string(m.ID), m.CreatedAt); m.ThreadIndex == "" {
		if m.ThreadIndex = mailmsg.NewThreadIndex(string(root), m.CreatedAt); len(m.References) > 1 {
			m.ThreadIndex = mailmsg.ThreadIndexChild(m.ThreadIndex, string(m.ID), m.CreatedAt)
		}
	}
	return nil
}

// putInInbox has a customer's message appear in the agents' mailbox.
func (d *Desk) putInInbox(ctx context.Context, tx *store.Tx, mb desk.Mailbox, m desk.Message) error {
	return tx.AddEffect(ctx, desk.Effect{
		ID: store.NewID(), Kind: desk.PutInInbox, MailboxID: mb.ID, TicketID: m.TicketID, SubjectID: m.ID, ContactID: m.Author.ContactID,
		Recipient: mb.Address, Trust: m.Trust, MessageID: m.MessageID, CreatedAt: m.CreatedAt,
	})
}

// mailCustomers sends an agent's message to the customers who take part in the ticket, and has it appear in Sent, where colleagues look for
// what was answered.
func (d *Desk) mailCustomers(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, t desk.Ticket, m desk.Message) error {
	if mb.SubjectTag {
		token := d.keys.Token(mailmsg.ForSubject, string(mb.ID), string(t.ID))
		if err := tx.AddReplyToken(ctx, store.ReplyToken{Token: token, MailboxID: mb.ID, TicketID: t.ID}); err != nil {
			return err
		}
	}
	to := mb.Policy.Copying.Recipients(t, org.Inside)
	if err := d.mail(ctx, tx, mb, t, m, to); err != nil {
		return err
	}
	if len(to) == 0 || mb.IMAP == "" || mb.Policy.SaveSent == desk.SaveSentNever {
		return nil
	}
	return tx.AddEffect(ctx, desk.Effect{
		ID: store.NewID(), Kind: desk.SentCopy, MailboxID: mb.ID, TicketID: t.ID, SubjectID: m.ID, Recipient: mb.Address, MessageID: m.MessageID,
		CreatedAt: m.CreatedAt, NextTry: m.CreatedAt.Add(copiedAfter),
	})
}

// mail sends a message to people who take part in its ticket.
func (d *Desk) mail(ctx context.Context, tx *store.Tx, mb desk.Mailbox, t desk.Ticket, m desk.Message, to []desk.Participant) error {
	for _, p := range to {
		if err := d.rememberReplyAddress(ctx, tx, mb, t.ID, p.Email); err != nil {
			return err
		}
		if err := d.send(ctx, tx, mb, desk.Effect{
			ID: store.NewID(), Kind: desk.ReplyMail, MailboxID: mb.ID, TicketID: t.ID, SubjectID: m.ID, ContactID: p.ContactID,
			Recipient: p.Email, MessageID: m.MessageID, CreatedAt: m.CreatedAt,
		}); err != nil {
			return err
		}
	}
	return nil
}

// addressed notes whom an agent's message goes to: each recipient's mail shows all of them, so that "Reply all" reaches them.
func addressed(org *store.Organisation, mb desk.Mailbox, t desk.Ticket, m *desk.Message) {
	for i, p := range mb.Policy.Copying.Recipients(t, org.Inside) {
		a := desk.Address{Name: p.Name, Email: p.Email}
		if i == 0 {
			m.To = []desk.Address{a}
		} else {
			m.Cc = append(m.Cc, a)
		}
	}
}

// others lists who takes part in a ticket beside the customer who has written a message.
func others(org *store.Organisation, mb desk.Mailbox, t desk.Ticket, m desk.Message) []desk.Participant {
	if mb.Policy.Copying == desk.CopyNobody {
		return nil
	}
	return slices.DeleteFunc(mb.Policy.Copying.Recipients(t, org.Inside), func(p desk.Participant) bool {
		return p.Is(m.Author.Email) || p.ContactID != "" && p.ContactID == m.Author.ContactID
	})
}

// inCopyOf are the addresses in the Cc of what a customer has written in the portal: of those who get it by mail, and of those who are only noted.
func inCopyOf(also []desk.Participant, noted []desk.Address) (cc []desk.Address) {
	for _, p := range also {
		cc = append(cc, desk.Address{Name: p.Name, Email: p.Email})
	}
	return append(cc, noted...)
}

// copiedAfter is when a copy of an answer in Sent is seen to first: by then the answer itself has left mostly.
const copiedAfter = 10 * time.Second

// rememberReplyAddress stores the token that a mail about a ticket carries in its Reply-To, before it goes out.
func (d *Desk) rememberReplyAddress(ctx context.Context, tx *store.Tx, mb desk.Mailbox, ticket desk.ID, email string) error {
	if !mb.SubAddress {
		return nil
	}
	token := d.keys.Token(mailmsg.ForReply, string(mb.ID), string(ticket), email)
	return tx.AddReplyToken(ctx, store.ReplyToken{Token: token, MailboxID: mb.ID, TicketID: ticket, Email: email})
}

// SendLink mails a contact a one-time link from the mailbox. kind says which mail it is. It is part of the caller's
// transaction.
func (d *Desk) SendLink(ctx context.Context, tx *store.Tx, mb desk.Mailbox, c desk.Contact, kind desk.EffectKind, purpose string) error {
	return d.sendLink(ctx, tx, mb, c, d.linkMail(tx, mb, c, kind, ""), purpose)
}

// linkMail is the outbox row of a mail with a one-time link.
func (d *Desk) linkMail(tx *store.Tx, mb desk.Mailbox, c desk.Contact, kind desk.EffectKind, template string) desk.Effect {
	e := desk.Effect{ID: store.NewID(), Kind: kind, MailboxID: mb.ID, ContactID: c.ID, Recipient: c.LoginAddress(), Template: template, CreatedAt: tx.Now()}
	e.MessageID = mailmsg.MessageIDFor(d.keys, mb.ID, "", e.ID, mb.MIDDomain)
	return e
}

func (d *Desk) sendLink(ctx context.Context, tx *store.Tx, mb desk.Mailbox, c desk.Contact, e desk.Effect, purpose string) error {
	o := store.OneTime{
		Hash: sha256.Sum256([]byte(mailmsg.OneTimeSecret(d.keys, e.ID))), Purpose: purpose, ContactID: c.ID, Email: e.Recipient, CreatedAt: e.CreatedAt, ExpiresAt: e.CreatedAt.Add(e.Kind.LinkLife()),
	}
	if e.Kind == desk.SignInMail {
		o.Code = store.HashCode(o.Hash, mailmsg.OneTimeCode(d.keys, e.ID))
	}
	if err := tx.AddOneTime(ctx, o); err != nil {
		return err
	}
	return d.send(ctx, tx, mb, e)
}

// SendConfirmation mails the link by which a registration is confirmed, in its language, and stores it. It says nothing that the applicant has
// written (REQUIREMENTS L9), and is part of the caller's transaction.
func (d *Desk) SendConfirmation(ctx context.Context, tx *store.Tx, mb desk.Mailbox, r store.Registration) error {
	now := tx.Now()
	texts, err := d.texts()
	if err != nil {
		return err
	}
	template, err := tx.KeepTemplate(ctx, store.Template{Language: texts.For(r.Language, mb.Policy.Language).Lang})
	if err != nil {
		return err
	}
	e := desk.Effect{ID: store.NewID(), Kind: desk.RegisterMail, MailboxID: mb.ID, Recipient: r.Email, Template: template, CreatedAt: now}
	e.MessageID = mailmsg.MessageIDFor(d.keys, mb.ID, "", e.ID, mb.MIDDomain)
	r.Hash, r.CreatedAt, r.ExpiresAt = sha256.Sum256([]byte(mailmsg.OneTimeSecret(d.keys, e.ID))), now, now.Add(e.Kind.LinkLife())
	if err := tx.AddRegistration(ctx, r); err != nil {
		return err
	}
	return d.send(ctx, tx, mb, e)
}
