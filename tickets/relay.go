package tickets

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// agentFacts adds what is known of a mail that is from an agent, to an address that was made for one, or about a notification.
func (d *Desk) agentFacts(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, mail desk.Mail, f *desk.Facts) error {
	if len(org.Agents) == 0 || f.Role == desk.Sent {
		return nil
	}
	if a, ok := org.AgentAt(mail.From.Email); ok && !mail.FromUnsure {
		f.Agent = &a
	}
	var err error
	if f.AtAgent, err = d.agentAddress(ctx, tx, org, mb, mail); err != nil {
		return err
	}
	if f.AtAgent != nil && f.AtAgent.Agent != nil && f.AtAgent.Ticket != nil {
		f.Words, err = d.agentWords(ctx, tx, org, mb, *f.AtAgent, mail)
		return err
	}
	if f.AtAgent == nil && mail.Class != desk.Human && mail.Class != desk.List {
		f.OfNotice, err = d.ofNotice(ctx, tx, org, mb, mail)
	}
	return err
}

// agentAddress finds out for whom the address was made that a mail came to, by its token; nil: for no agent. Where a mail is to
// several addresses of one agent and ticket, and one of them is for notes, it is a note.
func (d *Desk) agentAddress(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, mail desk.Mail) (*desk.AgentAddress, error) {
	candidates := tokens(mb, mail)
	byID := ""
	if len(mail.InReplyTo) > 0 {
		if token, ok := mailmsg.NoticeToken(mail.InReplyTo[0]); ok {
			byID = token
			candidates = append(candidates, token)
		}
	}
	var at *desk.AgentAddress
	var first store.ReplyToken
	for _, token := range candidates {
		known, err := tx.ReplyToken(ctx, token)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		note, ok := d.forAgent(token, known)
		if !ok || (known.SubjectID != "") != (token == byID) || known.SubjectID != "" && at != nil {
			continue
		}
		if at == nil {
			at, first = &desk.AgentAddress{}, known
			if a, ok := org.Agent(known.AgentID); ok {
				at.Agent = &a
			}
			t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), known.TicketID)
			switch {
			case err == nil:
				at.Ticket = &t
				at.NotTheirs = at.Agent != nil && !(at.Agent.WorksOn(mb.ID) && at.Agent.WorksOn(t.MailboxID))
			case desk.KindOf(err) != desk.NotFound:
				return nil, err
			}
		}
		at.Note = at.Note || note
		at.Elsewhere = at.Elsewhere || known.MailboxID != mb.ID
		at.Several = at.Several || known.AgentID != first.AgentID || known.TicketID != first.TicketID
	}
	return at, nil
}

// forAgent tells whether a token was made for an agent, and whether for notes.
func (d *Desk) forAgent(token string, known store.ReplyToken) (note, ok bool) {
	parts := []string{string(known.MailboxID), string(known.TicketID), string(known.AgentID)}
	switch {
	case known.AgentID == "":
		return false, false
	case known.SubjectID != "":
		return false, d.keys.Verify(token, mailmsg.ForNotice, append(parts, string(known.SubjectID))...)
	case d.keys.Verify(token, mailmsg.ForNote, parts...):
		return true, true
	}
	return false, d.keys.Verify(token, mailmsg.ForAgent, parts...)
}

// ofNotice tells whether a machine's mail is about a notification.
func (d *Desk) ofNotice(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, mail desk.Mail) (bool, error) {
	if to, ok, err := d.bouncedTo(ctx, tx, mb, mail); err != nil || ok {
		_, agent := org.AgentAt(to)
		return agent, err
	}
	for _, mid := range append([]desk.MessageID{mail.BouncedMessageID}, mail.InReplyTo...) {
		sent, err := tx.SentAs(ctx, mb.ID, mid)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(sent, func(s store.Sending) bool { return s.Notice }) {
			return true, nil
		}
	}
	return false, nil
}

// agentWords gives what of an agent's mail would go out: what is new in it, without commands, private addresses and tokens.
func (d *Desk) agentWords(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, at desk.AgentAddress, mail desk.Mail) (w desk.AgentWords, err error) {
	defer func() {
		if r := recover(); r != nil { // it must cost no more than this mail
			err = fmt.Errorf("read an agent's mail: panic: %v", r)
		}
	}()
	texts, err := d.texts()
	if err != nil {
		return w, err
	}
	var said []desk.Said
	if canRepeat(mail) {
		for _, footer := range texts.NotificationFooters(at.Ticket.Number, "", "") {
			said = append(said, desk.Said{Reply: footer})
		}
		earlier, err := tx.Said(ctx, readers(at.Ticket.ContactID, false), at.Ticket.ID, mb.Address, recalled)
		if err != nil {
			return w, err
		}
		said = append(said, earlier...)
	}
	text, closed := mailmsg.WithoutArmour(mail.Text)
	if text != mail.Text {
		mail.Marks = nil // they say where something stands in the other
	}
	text = texts.WithoutFooters(freshWords(text, mail.Marks, said))
	w.Commands, text = desk.ReadCommands(text, at.Note)
	if w.Commands.Assign != "" && w.Commands.Problem == "" {
		to, err := desk.AgentCalled(org.Agents, w.Commands.Assign, at.Agent.ID)
		if err != nil {
			w.Commands.Problem = "its first lines assign the ticket to " + w.Commands.Assign + ", and not exactly one agent is called that"
		}
		w.Assignee = to.ID
	}
	s := scrubber{org: org, keys: d.keys, instead: mb.Address}
	w.Text = strings.TrimSpace(s.clean(text))
	if mailmsg.FoldNew(w.Text, nil, nil).Reply == "" {
		w.Text = "" // quotes alone
	}
	for _, file := range mail.Attachments {
		if signatureFile(file) {
			continue
		}
		if what := tellsOf(file); what != "" {
			w.Problem = what + " is attached to it, which may say what customers must not see"
		}
		// What goes out is text, which names no picture; and an id may have the domain of the agent's own address in it.
		file.Name, file.ContentID, file.Inline = s.clean(file.Name), "", false
		w.Files = append(w.Files, file)
	}
	if mailmsg.Forwards(text) {
		w.Problem = "a mail is forwarded in it, which may say what customers must not see"
	}
	if closed {
		w.Problem = "some of it is encrypted, or has a signature or key whose end is not there"
	}
	if mail.Notice != "" || mail.Truncated {
		w.Problem = "it is too large to be read whole"
	}
	if s.left(w.Text) {
		w.Problem = "an agent's own address is in it in a way that can't be cut out"
	}
	if to, ok := org.Mailbox(at.Ticket.MailboxID); ok && to.SMTP == "" {
		w.Problem = "the mailbox of its ticket has no SMTP server to send with"
	}
	return w, nil
}

// freshWords gives what is new in an agent's text. Who writes once more what they wrote before, and nothing else, means it.
func freshWords(text string, marks []desk.Mark, said []desk.Said) string {
	fresh := mailmsg.FoldNew(text, marks, said).Reply
	if fresh != "" {
		return fresh
	}
	again := strings.TrimSpace(mailmsg.FoldNew(text, marks, nil).Reply)
	if slices.ContainsFunc(said, func(s desk.Said) bool { return s.SameAuthor && strings.TrimSpace(s.Reply) == again }) {
		return again
	}
	return ""
}

// fileAgent does what an agent's mail asks for: the commands first, then the answer or the note.
func (d *Desk) fileAgent(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, e desk.LedgerEntry, f desk.Facts, decision desk.Decision, id desk.ID) error {
	t, w := *decision.Ticket, f.Words
	if its, ok := org.Mailbox(t.MailboxID); ok {
		mb = its
	} else {
		t.MailboxID = mb.ID
	}
	m := desk.Message{
		ID: id, TicketID: t.ID, Source: desk.FromMail, Internal: decision.Internal, Subject: t.Subject, Attachments: w.Files, LedgerID: e.ID,
		Author: desk.Author{Kind: desk.Agent, Name: f.AtAgent.Agent.Name, Email: mb.Address}, Trust: decision.Trust, Reasons: decision.Reasons, CreatedAt: arrived(e),
	}
	did := w.Commands.Did(w.Assignee, org.Agents)
	if typed(&m, w.Text); w.Text == "" && len(w.Files) == 0 {
		typed(&m, did)
	} else if did != "" {
		m.Reasons = append(slices.Clone(m.Reasons), did)
	}
	var err error
	if m.ConversationID, err = d.conversation(ctx, tx, &t, mb.ID, desk.FromMail, m.CreatedAt); err != nil {
		return err
	}
	if !m.Internal {
		addressed(org, mb, t, &m)
	}
	if err := d.ours(ctx, tx, mb, &m); err != nil {
		return err
	}
	if _, err := d.addMessage(ctx, tx, org, &t, m); err != nil {
		return err
	}
	if err := d.command(ctx, tx, org, &t, w); err != nil || m.Internal {
		return err
	}
	return d.mailCustomers(ctx, tx, org, mb, t, m)
}

// command does what the first lines of an agent's mail ask for.
func (d *Desk) command(ctx context.Context, tx *store.Tx, org *store.Organisation, t *desk.Ticket, w desk.AgentWords) (err error) {
	if w.Commands.Status == "" && w.Assignee == "" {
		return nil
	}
	before := t.Status
	switch now := desk.StatusOf(org.Settings.Pipelines, t.Pipeline, t.Status); {
	case w.Commands.Status == desk.Closed && !now.Closed:
		t.Status, err = closedStatus(org, t.Pipeline)
	case w.Commands.Status == desk.Open && (now.Closed || t.Status == desk.Waiting):
		t.Status = desk.FirstOpen(org.Settings.Pipelines, t.Pipeline)
	}
	if err != nil {
		return err
	}
	if w.Assignee != "" {
		t.AssigneeID = w.Assignee
	}
	if err := tx.MarkWorked(ctx, t.ID); err != nil {
		return err
	}
	return d.changed(ctx, tx, org, before, *t, desk.ByAgentsMessage, "")
}

// ForReaders takes out of a text, or of what was cleaned, what is for the one alone whom a mail of ours was to: reply tokens and one-time links.
func (d *Desk) ForReaders(s string) string { return d.keys.WithoutTokens(s, true) }

// forReaders takes the tokens out of the addresses in a message: each is for the one whom the mail was to, and others read the
// message too (REQUIREMENTS M2). An address with a token is left out of To and Cc as a whole: nobody has chosen to write to the
// mailbox's main address. Agents who were copied under an address of their own are not named.
func (d *Desk) forReaders(org *store.Organisation, m desk.Message) desk.Message {
	clean := func(list []desk.Address) []desk.Address {
		list = slices.DeleteFunc(slices.Clone(list), func(a desk.Address) bool {
			_, agent := org.AgentAt(a.Email)
			return agent || d.keys.WithoutTokens(a.Email, false) != a.Email
		})
		for i := range list {
			list[i].Name = d.keys.WithoutTokens(list[i].Name, false)
		}
		return list
	}
	m.To, m.Cc = clean(m.To), clean(m.Cc)
	for _, s := range []*string{&m.Subject, &m.Text, &m.Reply, &m.HTML} {
		*s = d.keys.WithoutTokens(*s, false)
	}
	return m
}
