package tickets

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/safehtml"
	"postern/store"
)

// ReadMail is a mail that was read from a mailbox.
type ReadMail struct {
	Entry    desk.LedgerEntry
	Mail     desk.Mail
	compared *comparison // nil: Compare has not
}

// FileMails puts mails where they belong and settles their ledger rows, in their order, as part of the caller's
// transaction. Rows that somebody else has settled make it fail with Conflict.
func (d *Desk) FileMails(ctx context.Context, tx *store.Tx, org *store.Organisation, mails []ReadMail) error {
	mails = slices.Clone(mails)
	for i := range mails {
		mails[i] = submitted(org, mails[i])
	}
	twins, err := lookElsewhere(ctx, tx, org, mails)
	if err != nil {
		return err
	}
	k, err := lookUp(ctx, tx, mails)
	if err != nil {
		return err
	}
	k.elsewhere = twins
	for _, m := range mails {
		if err := d.fileMail(ctx, tx, org, k, m); err != nil {
			return err
		}
	}
	return nil
}

// submitted gives a form sender's mail as that of the person it was written for.
func submitted(org *store.Organisation, m ReadMail) ReadMail {
	if mb, ok := org.Mailbox(m.Entry.MailboxID); ok && m.Entry.Role == desk.Inbox {
		m.Mail = mb.Submitted(m.Mail, org.Inside)
	}
	return m
}

func (d *Desk) fileMail(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, m ReadMail) error {
	e, mail := m.Entry, m.Mail
	mb, ok := org.Mailbox(e.MailboxID)
	if !ok {
		return desk.Missing("mailbox of item " + string(e.ID))
	}
	mail.Subject = desk.CutSubject(mail.Subject) // the mail as it came keeps the whole
	facts, th, err := d.facts(ctx, tx, org, k, mb, e, mail)
	if err != nil {
		return err
	}
	if err := elsewhere(ctx, tx, k, e, mail, &facts, &th); err != nil {
		return err
	}
	facts.Verified, facts.Vouched = mb.Receiver.Vouches(mail)
	if facts.Flood, err = flood(ctx, tx, k, org.Settings.Budgets, mb, e, facts); err != nil {
		return err
	}
	facts.Astray = e.Role == desk.Inbox && mail.Form == "" && !mb.Policy.AnyRecipient && !mb.Reaches(mail)
	facts.Others, facts.Copying = mb.Others(mail, org.Inside), mb.Policy.Copying
	facts.At, facts.Late = arrived(e), tx.Now().Sub(e.InternalDate) > desk.RelayFor
	if e.Role == desk.Sent {
		facts.Begins = mb.Begins(mail, org.Inside)
	}
	for _, t := range []*desk.Ticket{facts.ByToken, facts.ByRef, facts.ByTie, facts.ByTag} {
		if t == nil {
			continue
		}
		facts.Closed = facts.Closed || desk.StatusOf(org.Settings.Pipelines, t.Pipeline, t.Status).Closed
		facts.Locked = cmp.Or(facts.Locked, desk.Locked(org.Settings, *t))
	}
	if facts.Answers, err = answered(ctx, tx, facts, mb, mail); err != nil {
		return err
	}
	decision := desk.Decide(facts)
	mail.Subject = mailmsg.WithoutTags(mail.Subject)
	e.Outcome, e.Reason, e.Subject, e.From = decision.Outcome, decision.Reason, mail.Subject, mail.From.Email
	if decision.Ticket != nil {
		e.TicketID = decision.Ticket.ID
	}
	switch decision.Outcome {
	case desk.NewTicket:
		mail = mailmsg.ShowMatter(mail)
	case desk.Appended:
		if facts.AtAgent != nil {
			break // what of it counts is known
		}
		if mail, err = foldKnown(ctx, tx, *decision.Ticket, mail, decision.Internal, m.compared); err != nil {
			return err
		}
	}
	msg := d.forReaders(org, messageOf(e, mail, decision))
	copied, mentioned := facts.Copies(decision)
	switch decision.Outcome {
	case desk.NewTicket:
		if decision.Author == desk.Agent {
			e.TicketID, err = d.fileBegun(ctx, tx, org, k, mb, decision.Adds, msg)
		} else {
			e.TicketID, err = d.fileNew(ctx, tx, org, k, mb, e, mail, msg, decision.Follows)
			if err == nil {
				err = d.takePart(ctx, tx, &desk.Ticket{ID: e.TicketID}, copied, desk.Correspondent, desk.ByCustomersMessage)
			}
		}
	case desk.Appended:
		if facts.AtAgent != nil {
			err = d.fileAgent(ctx, tx, org, mb, e, facts, decision, msg.ID)
			break
		}
		if err = k.add(ctx, tx, decision.Ticket, decision.Adds, msg); err == nil {
			err = d.inCopy(ctx, tx, decision, copied, mentioned)
		}
		if err == nil {
			err = d.fileAppended(ctx, tx, org, mb, decision.Ticket, msg)
		}
	case desk.Held:
		if decision.Relied {
			err = d.tellHeld(ctx, tx, org, mb, e, *facts.AtAgent.Agent, *decision.Ticket)
		}
	case desk.Ignored: // until what it answers is there, or somebody answers it
		err = tx.AddOrphan(ctx, e, append(ids(mail), mail.MessageID))
	case desk.Automated:
		if mail.BouncedMessageID != "" { // of an agent's mail, which lies in Sent a moment later
			err = tx.AddOrphan(ctx, e, []desk.MessageID{mail.BouncedMessageID})
		}
	case desk.Duplicate:
		switch {
		case facts.Elsewhere != nil:
			e.Reason += ", as message " + string(th.twin)
			err = d.fileElsewhere(ctx, tx, mb, facts.Elsewhere, msg, th.twin)
		case th.renamed: // customers may have it under this id
			err = aliasOf(ctx, tx, mb, th.copyOf, mail.MessageID)
		}
	case desk.OwnCopy:
		if err = th.alias(ctx, tx, mb, mail.MessageID); err == nil && e.Role == desk.Inbox {
			err = tx.NoteArrived(ctx, mb.ID, th.own.MessageID)
		}
	}
	if err != nil {
		return err
	}
	if decision.Outcome == desk.NewTicket || decision.Outcome == desk.Appended {
		if err := d.notifyOfMail(ctx, tx, org, mb, e, mail, msg); err != nil {
			return err
		}
	}
	if err := d.reached(ctx, tx, org, k, mb, e, mail, decision); err != nil {
		return err
	}
	if err := th.keep(ctx, tx, k, e, mail.MessageID); err != nil {
		return err
	}
	if err := tx.Settle(ctx, e); err != nil || e.Role != desk.Inbox || !mb.Policy.Follow.Used() {
		return err
	}
	return d.placeFiled(ctx, tx, org, mb, e, th, mail.MessageID, msg.ID)
}

// placeFiled notes where a mail lies that was filed: as the message that it has become, or as another copy of one.
func (d *Desk) placeFiled(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, e desk.LedgerEntry, th thread, mid desk.MessageID, message desk.ID) error {
	switch e.Outcome {
	case desk.NewTicket, desk.Appended:
		return d.placed(ctx, tx, org, mb, e, mid, e.TicketID, message)
	case desk.OwnCopy:
		if th.own.Kind == desk.AcknowledgeMail {
			return nil // that lies here because a customer's mailbox sent it back
		}
		return d.placed(ctx, tx, org, mb, e, mid, th.own.TicketID, th.own.SubjectID)
	case desk.Duplicate:
		m, err := tx.MessageOf(ctx, th.copyOf)
		if desk.KindOf(err) == desk.NotFound {
			return nil // nobody has filed that one
		}
		if err != nil {
			return err
		}
		return d.placed(ctx, tx, org, mb, e, mid, m.TicketID, m.ID)
	}
	return nil
}

func (d *Desk) facts(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail) (desk.Facts, thread, error) {
	f := desk.Facts{Mail: mail, Role: e.Role, FromOurs: org.IsOurs(mail.From.Email), OurMark: mailmsg.OurMark(d.keys, mail)}
	var th thread
	var err error
	if th.own, f.OwnCopy, err = tx.OwnMail(ctx, mb.ID, maybeOurs(mb, mail), mail.Fingerprint); err != nil || f.OwnCopy {
		return f, th, err
	}
	if th.own, f.OwnCopy, err = d.ownRenamed(ctx, tx, mb, e, mail); err != nil || f.OwnCopy {
		return f, th, err
	}
	th.copyOf, f.SameID, err = seenBefore(ctx, tx, k, e, mail)
	if err == nil && th.copyOf == "" {
		th.copyOf, err = renamedInSent(ctx, tx, e, mail)
		th.renamed = th.copyOf != ""
	}
	if err != nil || th.copyOf != "" {
		f.Duplicate = th.copyOf != ""
		return f, th, err
	}
	if err := d.agentFacts(ctx, tx, org, mb, mail, &f); err != nil || f.AtAgent != nil {
		return f, th, err
	}
	if f.ByToken, f.Token, err = d.byToken(ctx, tx, mb, mail); err != nil || f.ByToken != nil {
		return f, th, err
	}
	if th, err = threadOf(ctx, tx, org, k, mb, mail); err == nil {
		err = th.find(ctx, tx, &f)
	}
	if err == nil && f.ByRef == nil && f.ByTie == nil {
		f.ByTag, err = d.byTag(ctx, tx, mb, mail)
	}
	return f, th, err
}

// answered finds the message that a mail answers, if that may decide who sees it.
func answered(ctx context.Context, tx *store.Tx, f desk.Facts, mb desk.Mailbox, mail desk.Mail) (*desk.Answered, error) {
	t := cmp.Or(f.ByToken, f.ByRef, f.ByTie, f.ByTag)
	if t == nil || !slices.ContainsFunc(t.Participants, func(p desk.Participant) bool { return p.Role == desk.Correspondent }) {
		return nil, nil
	}
	named := ids(mail)
	return tx.Answered(ctx, mb.ID, t.ID, named[:min(len(named), mostReferences)])
}

// byTag finds the ticket of a tag that we put into a subject.
func (d *Desk) byTag(ctx context.Context, tx *store.Tx, mb desk.Mailbox, mail desk.Mail) (*desk.Ticket, error) {
	for _, token := range slices.Backward(mailmsg.SubjectTokens(mail.Subject)) { // the newest is the last
		known, err := tx.ReplyToken(ctx, token)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if known.MailboxID != mb.ID || !d.keys.Verify(token, mailmsg.ForSubject, string(mb.ID), string(known.TicketID)) {
			continue
		}
		t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), known.TicketID)
		return &t, err
	}
	return nil, nil
}

// seenBefore names the ledger row of the same mail that the mailbox has already, if it has, and tells whether it has another one with its
// Message-ID. An agent who copies the support address has the answer arrive in the INBOX too, where it proves nothing and is held: then
// the one in Sent counts, and the held one is the copy.
func seenBefore(ctx context.Context, tx *store.Tx, k *known, e desk.LedgerEntry, mail desk.Mail) (same desk.ID, sameID bool, err error) {
	first, sameID, err := k.note(ctx, tx, e, mail)
	if err != nil || first == "" {
		return "", sameID, err
	}
	before, err := tx.Ledger(ctx, first)
	if err != nil || e.Role != desk.Sent || before.Role != desk.Inbox || before.Outcome != desk.Held && before.Outcome != desk.Ignored {
		return first, sameID, err
	}
	return "", sameID, tx.Supersede(ctx, first, "the Sent folder has the same mail")
}

// renamedInSent names the ledger row of a mail in Sent that this one is a copy of, under another Message-ID: what an agent's client has saved, and
// what the server has that sent it. They have all else in common, to the second.
func renamedInSent(ctx context.Context, tx *store.Tx, e desk.LedgerEntry, mail desk.Mail) (desk.ID, error) {
	if e.Role != desk.Sent || mail.Date.IsZero() {
		return "", nil
	}
	var to []string
	for _, a := range slices.Concat(mail.To, mail.Cc) {
		to = append(to, a.Email)
	}
	slices.Sort(to)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %q", mail.Fingerprint, strings.Join(to, " "), mail.InReplyTo))
	return tx.FirstInSent(ctx, e, hex.EncodeToString(sum[:]))
}

// aliasOf has answers to a mail under another Message-ID find the message that a ledger row has become.
func aliasOf(ctx context.Context, tx *store.Tx, mb desk.Mailbox, ledger desk.ID, mid desk.MessageID) error {
	m, err := tx.MessageOf(ctx, ledger)
	if err != nil {
		return err
	}
	return tx.AddMessageIDs(ctx, mb.ID, m.TicketID, m.ID, true, mid)
}

// renamedFor is how long after we wrote a mail its copy in Sent is known under an id that we did not give it.
const renamedFor = 14 * 24 * time.Hour

// ownRenamed finds what we wrote in a copy in Sent to which the server gave another Message-ID, keeping ours nowhere: it has the content
// of a mail of ours, and the mark of that very mail.
func (d *Desk) ownRenamed(ctx context.Context, tx *store.Tx, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail) (store.Own, bool, error) {
	if e.Role != desk.Sent || mail.LoopMark == "" {
		return store.Own{}, false, nil
	}
	written, err := tx.OwnByContent(ctx, mb.ID, mail.Fingerprint, tx.Now().Add(-renamedFor))
	for mid, own := range written {
		mail.MessageID = mid
		if mailmsg.OurMark(d.keys, mail) {
			return own, true, err
		}
	}
	return store.Own{}, false, err
}

// maybeOurs lists the ids of a mail that we may have given it: those of our own domain.
func maybeOurs(mb desk.Mailbox, mail desk.Mail) []desk.MessageID {
	var out []desk.MessageID
	for _, mid := range append([]desk.MessageID{mail.MessageID}, mail.OriginalIDs...) {
		if strings.HasSuffix(string(mid), "@"+mb.MIDDomain) {
			out = append(out, mid)
		}
	}
	return out
}

// ids lists what a mail answers, the most telling first: In-Reply-To, then References from the newest back; for a report
// about a mail of ours, that mail. Of In-Reply-To the first id counts: old mailers put sentences there, with the addresses of
// people in them (RFC 2822 section 4.5.4).
func ids(mail desk.Mail) []desk.MessageID {
	out := make([]desk.MessageID, 0, len(mail.InReplyTo)+len(mail.References)+1)
	if mail.BouncedMessageID != "" {
		out = append(out, mail.BouncedMessageID)
	}
	out = append(out, mail.InReplyTo[:min(1, len(mail.InReplyTo))]...)
	for i := len(mail.References) - 1; i >= 0; i-- {
		out = append(out, mail.References[i])
	}
	return out
}

// byToken finds the ticket of a reply address that we signed, among the addresses the mail was sent to.
func (d *Desk) byToken(ctx context.Context, tx *store.Tx, mb desk.Mailbox, mail desk.Mail) (*desk.Ticket, string, error) {
	for _, token := range tokens(mb, mail) {
		known, err := tx.ReplyToken(ctx, token)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if known.MailboxID != mb.ID || !d.keys.Verify(token, mailmsg.ForReply, string(mb.ID), string(known.TicketID), known.Email) {
			continue
		}
		t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), known.TicketID)
		return &t, known.Email, err
	}
	return nil, "", nil
}

// tokens lists what stands behind a "+" in the addresses that a mail was sent to.
func tokens(mb desk.Mailbox, mail desk.Mail) []string {
	addresses := append([]string(nil), mail.DeliveredTo...)
	for _, a := range append(append([]desk.Address(nil), mail.To...), mail.Cc...) {
		addresses = append(addresses, a.Email)
	}
	var out []string
	for _, a := range addresses {
		if token, ok := mailmsg.TokenIn(a, mb.Address); ok && !slices.Contains(out, token) {
			out = append(out, token)
		}
	}
	return out
}

func messageOf(e desk.LedgerEntry, mail desk.Mail, decision desk.Decision) desk.Message {
	m := desk.Message{
		ID: store.NewID(), MailboxID: e.MailboxID, Source: desk.FromMail, Internal: decision.Internal, Subject: mail.Subject,
		Author: desk.Author{Kind: decision.Author, Name: mail.From.Name, Email: mail.From.Email},
		Text:   mail.Text, Reply: mail.Reply, HTML: mail.HTML, To: mail.To, Cc: mail.Cc, MessageID: mail.MessageID, ThreadIndex: mail.ThreadIndex,
		Class: mail.Class, Trust: decision.Trust, Reasons: decision.Reasons, Attachments: mail.Attachments, LedgerID: e.ID, CreatedAt: arrived(e),
	}
	m.References = append(append(m.References, mail.References...), mail.InReplyTo...)
	if mail.Notice != "" {
		m.Text, m.Reply = paragraph(m.Text, mail.Notice), paragraph(m.Reply, mail.Notice)
		m.HTML = safehtml.FromText(m.Text)
	}
	return m
}

// paragraph adds one to a text.
func paragraph(text, last string) string {
	return strings.TrimSpace(strings.TrimRight(text, " \r\n") + "\n\n" + last)
}

// arrived is when a mail came. INTERNALDATE has whole seconds, in which a conversation can go to and fro; where we saw
// the mail come, our own clock tells more.
func arrived(e desk.LedgerEntry) time.Time {
	if d := e.ReceivedAt.Sub(e.InternalDate); e.InternalDate.IsZero() || d >= 0 && d < time.Minute {
		return e.ReceivedAt
	}
	return e.InternalDate
}

func (d *Desk) fileNew(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail, m desk.Message, follows desk.ID) (desk.ID, error) {
	c, isNew, err := contactFor(ctx, tx, k.senders, mail.From, m.CreatedAt)
	if err != nil {
		return "", err
	}
	t, err := newTicket(ctx, tx, org, mb.Pipeline, desk.Ticket{
		Subject: mail.Subject, MailboxID: mb.ID, ContactID: c.ID, CompanyID: c.PrimaryCompany(), Source: desk.FromMail, CreatedAt: m.CreatedAt, LastCustomer: true, Follows: follows,
	})
	if err != nil {
		return "", err
	}
	if tx.Now().Sub(t.CreatedAt) < time.Hour {
		k.opened[c.ID]++
	}
	t.Participants = participants(org, c, mail)
	if err := tx.AddTicket(ctx, t); err != nil {
		return "", err
	}
	m.TicketID, m.Author.ContactID = t.ID, c.ID
	if m.ConversationID, err = d.startConversation(ctx, tx, &t, mb.ID, desk.FromMail, m.CreatedAt); err != nil {
		return "", err
	}
	if _, err := tx.AddMessage(ctx, m); err != nil {
		return "", err
	}
	if err := tx.ReopenOrphans(ctx, mb.ID, slices.Concat([]desk.MessageID{m.MessageID}, mail.OriginalIDs, mail.InReplyTo[:min(1, len(mail.InReplyTo))])); err != nil {
		return "", err
	}
	if mayAnswer(tx.Now(), mb, e, mail) {
		// Where no server tells, all such mail of the mailbox shares a budget.
		source := "host " + cmp.Or(mb.Receiver.SendingHost(mail), "unknown to "+string(mb.ID))
		if mail.Form != "" {
			source = "form " + mail.Form + " to " + string(mb.ID)
		}
		err = d.answer(ctx, tx, org, mb, occasion{ticket: t, message: m, contact: c, isNew: isNew, source: source})
	}
	return t.ID, err
}

// flood tells how many tickets the sender of a mail that belongs to none has opened of late, if those are too many. What is
// imported does not count, and to a proved sender not what others wrote under their address.
func flood(ctx context.Context, tx *store.Tx, k *known, b desk.Budgets, mb desk.Mailbox, e desk.LedgerEntry, f desk.Facts) (int, error) {
	sender := k.senders[f.Mail.From.Email].ID
	opened := k.opened[sender]
	if opened < b.NewTickets || f.ByToken != nil || f.ByRef != nil || f.ByTie != nil || f.ByTag != nil || !live(tx.Now(), mb, e) {
		return 0, nil
	}
	if f.Verified {
		var err error
		if opened, err = tx.ProvedSince(ctx, sender, tx.Now().Add(-time.Hour)); err != nil || opened < b.NewTickets {
			return 0, err
		}
	}
	return opened, nil
}

// live tells whether a mail has just come; others belong to an import or a resync (REQUIREMENTS L11).
func live(now time.Time, mb desk.Mailbox, e desk.LedgerEntry) bool {
	return now.Sub(e.InternalDate) < desk.LiveFor && !e.InternalDate.Before(mb.Since)
}

// mayAnswer tells whether a mail may cause automatic mail (REQUIREMENTS L1, L2, L4, L11).
func mayAnswer(now time.Time, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail) bool {
	return live(now, mb, e) && mail.Class.AnswersAllowed() && !mail.SuppressAnswers && !mail.NullReturnPath
}

// participants are the requester, and those a customer merely named in Cc or To.
func participants(org *store.Organisation, c desk.Contact, mail desk.Mail) []desk.Participant {
	ps := []desk.Participant{{ContactID: c.ID, Name: c.Name, Email: mail.From.Email, Role: desk.Requester}}
	for _, a := range append(append([]desk.Address(nil), mail.To...), mail.Cc...) {
		if a.Email != mail.From.Email && a.Email != "" && !org.Inside(a.Email) && len(ps) < 50 {
			ps = append(ps, desk.Participant{Name: a.Name, Email: a.Email, Role: desk.Mentioned})
		}
	}
	return ps
}

func (d *Desk) fileAppended(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, t *desk.Ticket, m desk.Message) error {
	m.TicketID = t.ID
	for _, p := range t.Participants {
		if p.Is(m.Author.Email) && m.Author.Kind == desk.Customer {
			m.Author.ContactID = p.ContactID
		}
	}
	var err error
	if m.ConversationID, err = d.conversation(ctx, tx, t, mb.ID, desk.FromMail, m.CreatedAt); err != nil {
		return err
	}
	if _, err := d.addMessage(ctx, tx, org, t, m); err != nil {
		return err
	}
	return tx.ReopenOrphans(ctx, mb.ID, []desk.MessageID{m.MessageID})
}

// Submission is what a form post says, once its body is read and its fields are mapped.
type Submission struct {
	Email       string // normalised
	Name        string
	Subject     string
	Text        string
	Attachments []desk.Attachment
	Reasons     []string
	Quiet       bool // it causes no automatic mail
}

// FileForm makes a ticket of a form post and settles its ledger row, as part of the caller's transaction. Whoever typed
// the address is not proved to own it, whatever signed the post (REQUIREMENTS W9).
func (d *Desk) FileForm(ctx context.Context, tx *store.Tx, org *store.Organisation, e desk.LedgerEntry, form desk.Form, s Submission) error {
	e, err := d.openForm(ctx, tx, org, e, form, s)
	if err != nil {
		return err
	}
	return tx.Settle(ctx, e)
}

func (d *Desk) openForm(ctx context.Context, tx *store.Tx, org *store.Organisation, e desk.LedgerEntry, form desk.Form, s Submission) (desk.LedgerEntry, error) {
	mb, ok := org.Mailbox(form.MailboxID)
	if !ok {
		return e, desk.Missing("mailbox of form " + form.Name)
	}
	senders, err := tx.Senders(ctx, []string{s.Email})
	if err != nil {
		return e, err
	}
	c, isNew, err := contactFor(ctx, tx, senders, desk.Address{Name: s.Name, Email: s.Email}, e.ReceivedAt)
	if err != nil {
		return e, err
	}
	s.Subject = desk.CutSubject(s.Subject) // the post as it came keeps the whole
	pipeline := form.Pipeline
	if pipeline == "" {
		pipeline = mb.Pipeline
	}
	m := desk.Message{
		ID: store.NewID(), Author: desk.Author{Kind: desk.Customer, Name: first(s.Name, c.Name), Email: s.Email, ContactID: c.ID}, Source: desk.FromForm, Subject: s.Subject,
		Attachments: s.Attachments, LedgerID: e.ID, CreatedAt: e.ReceivedAt, Trust: desk.V0,
		Reasons: append([]string{"posted to form " + form.Name, "sender not verified: the address was typed into a form"}, s.Reasons...),
	}
	typed(&m, s.Text)
	t, err := d.open(ctx, tx, org, mb, pipeline, c, desk.Address{Name: m.Author.Name, Email: s.Email}, &m, desk.Ticket{})
	if err != nil {
		return e, err
	}
	m.TicketID = t.ID
	if tx.Now().Sub(e.ReceivedAt) < desk.LiveFor && !s.Quiet {
		if err := d.notifyAgents(ctx, tx, org, mb, t, m); err != nil {
			return e, err
		}
		err = d.answer(ctx, tx, org, mb, occasion{ticket: t, message: m, contact: c, isNew: isNew, source: "form " + string(form.ID)})
	}
	if err != nil {
		return e, err
	}
	e.Outcome, e.Reason, e.TicketID, e.Subject, e.From = desk.NewTicket, "posted to form "+form.Name, t.ID, s.Subject, s.Email
	return e, nil
}

func first(names ...string) string {
	for _, n := range names {
		if n = strings.TrimSpace(n); n != "" {
			return n
		}
	}
	return ""
}
