package tickets

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/store"
)

// occasion is a new ticket that may be answered automatically.
type occasion struct {
	ticket  desk.Ticket
	message desk.Message
	contact desk.Contact
	isNew   bool   // nobody knew the contact before
	source  string // the sending host, or the form, whose budget of new contacts it takes
}

// answer sends the one automatic mail that a new ticket causes: the welcome mail to whom nobody knew before, an acknowledgement
// to others. It sends nothing where that would make us a tool: against a budget, to machines, or to whom we wrote today. It
// is part of the caller's transaction.
func (d *Desk) answer(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, o occasion) error {
	email := o.message.Author.Email
	if !answerable(org, mb, email) || o.contact.Disabled {
		return nil
	}
	if ok, err := withinBudgets(ctx, tx, org.Settings.Budgets, email, o); err != nil || !ok {
		return err
	}
	sent, err := false, error(nil)
	if o.isNew {
		sent, err = d.welcome(ctx, tx, org, mb, o.contact, o.message.Trust)
	}
	if err == nil && !sent {
		sent, err = d.acknowledge(ctx, tx, org, mb, o)
	}
	if err != nil || !sent {
		return err
	}
	return d.watchSurge(ctx, tx, org, mb)
}

// withinBudgets tells whether a ticket may be answered automatically, and counts it. Counting is what keeps two mailboxes that
// get the same mail at the same moment from answering both.
func withinBudgets(ctx context.Context, tx *store.Tx, b desk.Budgets, email string, o occasion) (bool, error) {
	if suppressed, err := tx.Suppressed(ctx, email); err != nil || suppressed {
		return false, err
	}
	if o.isNew {
		if n, err := tx.Hit(ctx, "new contacts by "+o.source, time.Hour); err != nil || n > b.NewContacts {
			return false, err
		}
	}
	// ann+1@ and ann+2@ are one mailbox mostly.
	n, err := tx.Hit(ctx, "automatic mail to "+desk.LocalPart(email)+"@"+desk.DomainOf(email), desk.AutomaticEvery)
	return n == 1, err
}

// watchSurge ends all automatic mail where there is more than can be right, and tells the agents. Nothing is lost: what was decided
// on waits, and what people write goes on.
func (d *Desk) watchSurge(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox) error {
	hour, week, err := tx.CountAutomatic(ctx)
	if err != nil || !org.Settings.Budgets.Surge(hour, week) {
		return err
	}
	reason := fmt.Sprintf("%d automatic mails in this hour, %d in the seven days before", hour, week)
	first, err := tx.PauseQueue(ctx, desk.QueueAutomatic, reason)
	if err != nil || !first {
		return err
	}
	return d.notify(ctx, tx, org, mb, desk.Effect{}, func(t i18n.MailTexts) i18n.NoticeTexts { return t.Surge }, map[string]string{"hour": strconv.Itoa(hour), "week": strconv.Itoa(week)})
}

// notify puts a notice for agents into the mailbox, in its language; e may name the ticket and the message that it is about. It is part of the
// caller's transaction.
func (d *Desk) notify(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, e desk.Effect, which func(i18n.MailTexts) i18n.NoticeTexts, values map[string]string) error {
	texts, err := d.texts()
	if err != nil {
		return err
	}
	words := texts.For(mb.Policy.Language, org.Settings.DefaultLanguage)
	notice := which(words)
	version, err := tx.KeepTemplate(ctx, store.Template{Subject: desk.Expand(notice.Headline, values), Body: desk.Expand(notice.Text, values) + "\n", Language: words.Lang})
	if err != nil {
		return err
	}
	e.ID, e.Kind, e.MailboxID, e.Recipient, e.Template, e.CreatedAt = store.NewID(), desk.NoticeInInbox, mb.ID, mb.Address, version, tx.Now()
	e.MessageID = mailmsg.MessageIDFor(d.keys, mb.ID, e.TicketID, e.ID, mb.MIDDomain)
	return tx.AddEffect(ctx, e)
}

// Welcome sends a contact the welcome mail, if that is switched on, the mailbox can send and the address never had one.
// How sure we are of the address decides which text it gets (REQUIREMENTS L9). It is part of the caller's transaction.
func (d *Desk) Welcome(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, c desk.Contact, trust desk.Trust) (bool, error) {
	email := c.LoginAddress()
	if !answerable(org, mb, email) || c.Disabled {
		return false, nil
	}
	if suppressed, err := tx.Suppressed(ctx, email); err != nil || suppressed {
		return false, err
	}
	return d.welcome(ctx, tx, org, mb, c, trust)
}

// welcome is Welcome to whom automatic mail may be sent.
func (d *Desk) welcome(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, c desk.Contact, trust desk.Trust) (bool, error) {
	text, on, err := d.wordsFor(org, mb, c, org.Settings.Welcome, desk.DefaultSettings().Welcome, func(t i18n.MailTexts) i18n.MailWords { return t.Welcome }, trust)
	if err != nil {
		return false, err
	}
	if !on || c.LoginAddress() == "" {
		return false, nil
	}
	if org.Settings.Access.Entry == desk.EntryLists { // who may not enter is not called in; who may needs no invitation besides
		v, err := tx.Visitor(ctx, c.ID, tx.Now())
		if err != nil || !org.Settings.Access.MayEnter(v, org.Lists, tx.Now()) {
			return false, err
		}
		if _, err := tx.Invite(ctx, c.ID); err != nil {
			return false, err
		}
	}
	first, err := tx.Welcomed(ctx, c.LoginAddress())
	if err != nil || !first {
		return false, err
	}
	return true, d.sendAccess(ctx, tx, mb, c, desk.WelcomeMail, text)
}

// sendAccess mails a contact how they first get in: by a link, and by a password where the operator's words have one.
func (d *Desk) sendAccess(ctx context.Context, tx *store.Tx, mb desk.Mailbox, c desk.Contact, kind desk.EffectKind, text store.Template) error {
	template, err := tx.KeepTemplate(ctx, text)
	if err != nil {
		return err
	}
	e := d.linkMail(tx, mb, c, kind, template)
	if slices.Contains(desk.Snippets(text.Body), "portal.password") && d.hash != nil {
		hash, err := d.hash(ctx, mailmsg.MadePassword(d.keys, e.ID))
		if err != nil {
			return err
		}
		if err := tx.PutPassword(ctx, c.ID, store.Password{Hash: hash, MustChange: true, ChangedAt: tx.Now()}); err != nil {
			return err
		}
	}
	return d.sendLink(ctx, tx, mb, c, e, desk.LinkSetPassword)
}

// acknowledge tells who wrote that a ticket has come, if that is switched on.
func (d *Desk) acknowledge(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, o occasion) (bool, error) {
	text, on, err := d.wordsFor(org, mb, o.contact, org.Settings.Acknowledgement, desk.DefaultSettings().Acknowledgement,
		func(t i18n.MailTexts) i18n.MailWords { return t.Acknowledgement }, o.message.Trust)
	if err != nil {
		return false, err
	}
	if !on {
		return false, nil
	}
	template, err := tx.KeepTemplate(ctx, text)
	if err != nil {
		return false, err
	}
	e := desk.Effect{
		ID: store.NewID(), Kind: desk.AcknowledgeMail, MailboxID: mb.ID, TicketID: o.ticket.ID, SubjectID: o.message.ID, ContactID: o.contact.ID,
		Recipient: o.message.Author.Email, Template: template, Trust: o.message.Trust, CreatedAt: tx.Now(),
	}
	e.MessageID = mailmsg.MessageIDFor(d.keys, mb.ID, o.ticket.ID, e.ID, mb.MIDDomain)
	if err := d.rememberReplyAddress(ctx, tx, mb, o.ticket.ID, e.Recipient); err != nil {
		return false, err
	}
	root := mailmsg.RootID(d.keys, mb.ID, o.ticket.ID, mb.MIDDomain)
	if err := tx.AddMessageIDs(ctx, mb.ID, o.ticket.ID, "", true, root, e.MessageID); err != nil {
		return false, err
	}
	return true, d.send(ctx, tx, mb, e)
}

// wordsFor chooses a mail's text by how sure we are who reads it and by the reader's language, and tells whether it is switched on. Who is not
// proved reads the mailbox's language: the contact's may be what a sender chose (REQUIREMENTS L9). In each language the operator's words go
// before ours, and ours stand only for default words that are as they came.
func (d *Desk) wordsFor(org *store.Organisation, mb desk.Mailbox, c desk.Contact, t, asItCame desk.Template, ours func(i18n.MailTexts) i18n.MailWords, trust desk.Trust) (store.Template, bool, error) {
	texts, err := d.texts()
	if err != nil {
		return store.Template{}, false, err
	}
	neutral := trust < desk.V1
	pick := func(t desk.Template, lang string) store.Template {
		if neutral {
			return store.Template{Subject: t.NeutralSubject, Body: t.NeutralBody, Language: lang}
		}
		return store.Template{Subject: t.Subject, Body: t.Body, Language: lang}
	}
	on := t.Enabled && (!neutral || t.NeutralEnabled)
	standard := org.Settings.DefaultLanguage
	languages := []string{c.Language, mb.Policy.Language, standard}
	if neutral {
		languages = languages[1:]
	}
	for _, lang := range languages {
		if in, ok := t.In(lang); ok && pick(in, lang).Body != "" {
			return pick(in, lang), on, nil
		}
		words, ok := texts.Find(lang)
		if ok && pick(t, "") == pick(asItCame, "") {
			w := ours(words)
			return pick(desk.Template{Subject: w.Subject, Body: w.Body, NeutralSubject: w.NeutralSubject, NeutralBody: w.NeutralBody}, words.Lang), on, nil
		}
		if own, known := texts.Find(standard); ok && known && own.Lang == words.Lang {
			break // the default words are in this language
		}
	}
	return pick(t, standard), on, nil
}

// answerable tells whether automatic mail may go from the mailbox to an address, as far as the address itself tells (REQUIREMENTS
// L4).
func answerable(org *store.Organisation, mb desk.Mailbox, email string) bool {
	return email != "" && mb.SMTP != "" && !org.Inside(email) && !desk.RoleAddress(email)
}
