package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postern/desk"
	"postern/i18n"
)

const ticketColumns = `t.id, t.number, t.subject, t.pipeline, t.status, t.mailbox_id, t.contact_id, t.company_id, t.assignee_id, t.source, t.form, t.properties,
	t.created_at, t.last_activity_at, t.last_customer, t.billed, t.follows`

func scanTicket(row scanner) (t desk.Ticket, err error) {
	err = row.Scan(ticketFields(&t)...)
	return t, err
}

func ticketFields(t *desk.Ticket) []any {
	return []any{
		&t.ID, &t.Number, &t.Subject, &t.Pipeline, &t.Status, &t.MailboxID, &t.ContactID, &t.CompanyID, &t.AssigneeID, &t.Source, &t.Form,
		packed[map[string]string]{&t.Properties}, millis{&t.CreatedAt}, millis{&t.LastActivityAt}, &t.LastCustomer, &t.Billed, &t.Follows,
	}
}

// Ticket finds a ticket in scope, with its participants; for one that was merged into another, that one. One that is out of
// scope is NotFound, as one that never was.
func (r reads) Ticket(ctx context.Context, s desk.Scope, id desk.ID) (desk.Ticket, error) {
	return r.ticket(ctx, s, id, "")
}

// Ticket is that of a DB, and whoever asks another transaction for the same ticket waits for this one's commit: ChangeTicket stores the
// whole of what was read here.
func (tx *Tx) Ticket(ctx context.Context, s desk.Scope, id desk.ID) (desk.Ticket, error) {
	return tx.ticket(ctx, s, id, tx.d.updateLock)
}

func (r reads) ticket(ctx context.Context, s desk.Scope, id desk.ID, lock string) (desk.Ticket, error) {
	args := arguments{id}
	cond := r.scoped(s, &args)
	find := func() (desk.Ticket, error) {
		return scanTicket(r.x.QueryRowContext(ctx, `SELECT `+ticketColumns+` FROM tickets t
			WHERE t.id = (SELECT `+current+` FROM tickets WHERE id = $1) AND t.merged_into = '' AND `+cond+lock, args...))
	}
	t, err := find()
	if lock != "" && errors.Is(err, sql.ErrNoRows) {
		t, err = find() // it may have been merged while this waited for it; a new statement sees that
	}
	if err != nil {
		return one("ticket", t, err)
	}
	t.Participants, err = r.participants(ctx, t.ID)
	return t, err
}

// current is the ticket that has what a ticket had.
const current = `CASE WHEN merged_into <> '' THEN merged_into ELSE id END`

// TicketByNumber is Ticket by the number people use.
func (r reads) TicketByNumber(ctx context.Context, s desk.Scope, number int64) (desk.Ticket, error) {
	args := arguments{number}
	cond := r.scoped(s, &args)
	t, err := scanTicket(r.x.QueryRowContext(ctx, `SELECT `+ticketColumns+` FROM tickets t WHERE t.id = (SELECT `+current+` FROM tickets WHERE number = $1) AND `+cond, args...))
	if err != nil {
		return one("ticket", t, err)
	}
	t.Participants, err = r.participants(ctx, t.ID)
	return t, err
}

// TicketNumbers finds the numbers of tickets. One that is not there is left out.
func (r reads) TicketNumbers(ctx context.Context, ids []desk.ID) (map[desk.ID]int64, error) {
	out := make(map[desk.ID]int64, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		var n int64
		err := row.Scan(&id, &n)
		out[id] = n
		return struct{}{}, err
	}, `SELECT id, number FROM tickets WHERE id IN (`+placeholders(1, len(ids))+`)`, anys(ids)...)
	return out, err
}

// Requesters names the requesters of tickets. One that is not there, or was merged into another, is left out.
func (r reads) Requesters(ctx context.Context, tickets []desk.ID) (map[desk.ID]desk.ID, error) {
	out := make(map[desk.ID]desk.ID, len(tickets))
	for part := range parts(tickets) {
		_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
			var id, contact desk.ID
			err := row.Scan(&id, &contact)
			out[id] = contact
			return struct{}{}, err
		}, `SELECT id, contact_id FROM tickets WHERE id IN (`+placeholders(1, len(part))+`) AND merged_into = ''`, anys(part)...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r reads) participants(ctx context.Context, ticket desk.ID) ([]desk.Participant, error) {
	return collect(ctx, r.x, func(row scanner) (p desk.Participant, err error) {
		var theirs string
		err = row.Scan(&p.ContactID, &p.Name, &p.Email, &p.Role, &p.Muted, &theirs)
		if p.Addresses = strings.Fields(theirs); len(p.Addresses) > 0 && !slices.Contains(p.Addresses, p.Email) {
			p.Email = p.Addresses[0] // the operator has corrected it
		}
		return p, err
	}, `SELECT contact_id, name, email, role, muted,
		COALESCE((SELECT string_agg(a.email, ' ' ORDER BY a.position) FROM contact_addresses a WHERE a.contact_id = participants.contact_id AND participants.contact_id <> ''), '')
		FROM participants WHERE ticket_id = $1 ORDER BY role DESC, email`, ticket)
}

// Tickets lists the tickets in scope, newest first, with their participants.
func (r reads) Tickets(ctx context.Context, s desk.Scope, p Page) ([]desk.Ticket, error) {
	var args arguments
	cond := candidates(s, &args) + ` AND ` + r.scoped(s, &args)
	cond += ` AND t.merged_into = '' AND t.id < ` + args.add(p.before()) + ` ORDER BY t.id DESC LIMIT ` + args.add(p.limit())
	ts, err := collect(ctx, r.x, scanTicket, `SELECT `+ticketColumns+` FROM tickets t WHERE `+cond, args...)
	if err != nil {
		return nil, err
	}
	for i := range ts {
		if ts[i].Participants, err = r.participants(ctx, ts[i].ID); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

// OpenedSince counts the tickets that contacts have opened since a time. Who has opened none is left out.
func (r reads) OpenedSince(ctx context.Context, contacts []desk.ID, since time.Time) (map[desk.ID]int, error) {
	out := map[desk.ID]int{}
	for part := range parts(contacts) {
		_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
			var id desk.ID
			var n int
			err := row.Scan(&id, &n)
			out[id] = n
			return struct{}{}, err
		}, `SELECT contact_id, count(*) FROM tickets WHERE last_activity_at >= $1 AND created_at >= $1 AND contact_id IN (`+placeholders(2, len(part))+`) GROUP BY contact_id`,
			append([]any{ms(since)}, anys(part)...)...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ProvedSince counts the tickets that a contact has opened since a time by mail that was proved to be theirs.
func (r reads) ProvedSince(ctx context.Context, contact desk.ID, since time.Time) (n int, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT count(DISTINCT t.id) FROM tickets t JOIN messages m ON m.ticket_id = t.id
		WHERE t.contact_id = $1 AND t.last_activity_at >= $2 AND t.created_at >= $2 AND m.author_kind = $3 AND m.trust >= $4`, contact, ms(since), desk.Customer, desk.V1).Scan(&n)
	return n, err
}

const maxSubject = desk.MaxSubject * utf8.UTFMax // bytes

// NextNumber takes the next ticket number.
func (tx *Tx) NextNumber(ctx context.Context) (n int64, err error) {
	if tx.d.nextNumber != "" {
		err = tx.x.QueryRowContext(ctx, tx.d.nextNumber).Scan(&n)
		return n, err
	}
	if tx.number == 0 {
		if err := tx.x.QueryRowContext(ctx, `SELECT last FROM ticket_number`).Scan(&tx.number); err != nil {
			return 0, err
		}
	}
	tx.number++
	return tx.number, nil
}

// keepNumber writes down which ticket numbers the transaction has taken: once for all of them.
func (tx *Tx) keepNumber(ctx context.Context) error {
	if tx.number == 0 {
		return nil
	}
	return tx.exec(ctx, `UPDATE ticket_number SET last = $1`, tx.number)
}

// AddTicket stores a new ticket with its participants.
func (tx *Tx) AddTicket(ctx context.Context, t desk.Ticket) error {
	if t.Properties == nil {
		t.Properties = map[string]string{}
	}
	if err := tx.exec(ctx, `INSERT INTO tickets (id, number, subject, pipeline, status, mailbox_id, contact_id, company_id, source, properties,
		created_at, last_activity_at, last_customer, assignee_id, billed, follows, folded, form, worked, merged_into) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, FALSE, '')`,
		t.ID, t.Number, clip(t.Subject, maxSubject), t.Pipeline, t.Status, t.MailboxID, t.ContactID, t.CompanyID, t.Source, pack(t.Properties),
		ms(t.CreatedAt), ms(t.LastActivityAt), t.LastCustomer, t.AssigneeID, t.Billed, t.Follows, clip(i18n.Fold(t.Subject), maxSubject), t.Form); err != nil {
		return err
	}
	for _, p := range t.Participants {
		if err := tx.AddParticipant(ctx, t.ID, p); err != nil {
			return err
		}
	}
	return nil
}

// AddParticipant gives somebody a part in a ticket. Who has a lesser part gets the new role; others keep theirs.
func (tx *Tx) AddParticipant(ctx context.Context, ticket desk.ID, p desk.Participant) error {
	return tx.exec(ctx, `INSERT INTO participants (ticket_id, email, contact_id, name, role, muted) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (ticket_id, email) DO UPDATE SET role = $5, contact_id = $3 WHERE participants.role = 'mentioned' AND $5 <> 'mentioned' OR participants.role = 'correspondent' AND $5 IN ('requester', 'copied')`,
		ticket, p.Email, p.ContactID, clip(p.Name, 200), p.Role, p.Muted)
}

// MuteParticipant says whether a contact wants no mail about a ticket, under whichever of their addresses they take part.
func (tx *Tx) MuteParticipant(ctx context.Context, ticket desk.ID, c desk.Contact, muted bool) error {
	args := arguments{ticket, muted, c.ID}
	theirs := `contact_id = $3`
	if len(c.Addresses) > 0 {
		theirs += ` OR email IN (` + args.list(anys(c.Addresses)) + `)`
	}
	return tx.exec(ctx, `UPDATE participants SET muted = $2 WHERE ticket_id = $1 AND (`+theirs+`)`, args...)
}

// DropParticipant has somebody take no more part in a ticket, under whichever address they got it; the requester does. It fails with
// NotFound if they have none.
func (tx *Tx) DropParticipant(ctx context.Context, ticket desk.ID, p desk.Participant) error {
	n, err := tx.changed(ctx, `DELETE FROM participants WHERE ticket_id = $1 AND (email = $2 OR contact_id = $3 AND contact_id <> '') AND role <> 'requester'`, ticket, p.Email, p.ContactID)
	if err == nil && n == 0 {
		err = desk.Missing("participant " + p.Email)
	}
	return err
}

// ChangeTicket stores a ticket's subject, pipeline, status, mailbox, assignee, properties and times, and whether it was billed.
func (tx *Tx) ChangeTicket(ctx context.Context, t desk.Ticket) error {
	if t.Properties == nil {
		t.Properties = map[string]string{}
	}
	return tx.exec(ctx, `UPDATE tickets SET subject = $2, pipeline = $3, status = $4, mailbox_id = $5, properties = $6, last_activity_at = $7, last_customer = $8, assignee_id = $9, billed = $10, folded = $11 WHERE id = $1`,
		t.ID, clip(t.Subject, maxSubject), t.Pipeline, t.Status, t.MailboxID, pack(t.Properties), ms(t.LastActivityAt), t.LastCustomer, t.AssigneeID, t.Billed, clip(i18n.Fold(t.Subject), maxSubject))
}

// AddConversation stores a new conversation.
func (tx *Tx) AddConversation(ctx context.Context, c desk.Conversation) error {
	return tx.exec(ctx, `INSERT INTO conversations (id, ticket_id, mailbox_id, channel, created_at) VALUES ($1, $2, $3, $4, $5)`,
		c.ID, c.TicketID, c.MailboxID, c.Channel, ms(c.CreatedAt))
}

// Conversations lists a ticket's conversations, oldest first.
func (r reads) Conversations(ctx context.Context, ticket desk.ID) ([]desk.Conversation, error) {
	return collect(ctx, r.x, func(row scanner) (c desk.Conversation, err error) {
		err = row.Scan(&c.ID, &c.TicketID, &c.MailboxID, &c.Channel, millis{&c.CreatedAt})
		return c, err
	}, `SELECT id, ticket_id, mailbox_id, channel, created_at FROM conversations WHERE ticket_id = $1 ORDER BY id`, ticket)
}

const messageColumns = `m.id, m.ticket_id, m.conversation_id, m.mailbox_id, m.author_kind, m.author_name, m.author_email, m.contact_id, m.source, m.internal,
	m.subject, m.text, m.reply, m.html, m.recipients, m.message_id, m.refs, m.thread_index, m.class, m.trust, m.reasons, COALESCE(m.ledger_id, ''), m.created_at`

type recipients struct{ To, Cc []desk.Address }

func scanMessage(row scanner) (m desk.Message, err error) {
	var rs recipients
	err = row.Scan(&m.ID, &m.TicketID, &m.ConversationID, &m.MailboxID, &m.Author.Kind, &m.Author.Name, &m.Author.Email, &m.Author.ContactID, &m.Source, &m.Internal,
		&m.Subject, &m.Text, &m.Reply, &m.HTML, packed[recipients]{&rs}, &m.MessageID, packed[[]desk.MessageID]{&m.References}, &m.ThreadIndex, &m.Class, &m.Trust,
		packed[[]string]{&m.Reasons}, &m.LedgerID, millis{&m.CreatedAt})
	m.To, m.Cc = rs.To, rs.Cc
	return m, err
}

// Messages lists a ticket's messages in scope, oldest first, with attachments and delivery.
func (r reads) Messages(ctx context.Context, s desk.Scope, ticket desk.ID) ([]desk.Message, error) {
	return r.messages(ctx, s, ticket, ` ORDER BY m.created_at, m.id`)
}

// Said gives what the newest of a ticket's messages in scope say to a mail by author, the newest first, each text up to a length.
// The whole texts are those of the newest three alone, where they say more: they have most of what older ones say.
func (r reads) Said(ctx context.Context, s desk.Scope, ticket desk.ID, author string, most int) ([]desk.Said, error) {
	args := arguments{ticket, most, author}
	cond := r.scoped(s, &args)
	return collect(ctx, r.x, func(row scanner) (said desk.Said, err error) {
		err = row.Scan(&said.MessageID, &said.Reply, &said.Text, &said.SameAuthor)
		return said, err
	}, `SELECT m.id, substr(m.reply, 1, 30000), CASE WHEN m.text <> m.reply
			AND m.id IN (SELECT m.id FROM messages m WHERE m.ticket_id = $1 AND `+seen(s)+` ORDER BY m.created_at DESC, m.id DESC LIMIT 3) THEN substr(m.text, 1, 30000) ELSE '' END, m.author_email = $3
		FROM messages m JOIN tickets t ON t.id = m.ticket_id
		WHERE m.ticket_id = $1 AND `+cond+` AND `+seen(s)+` ORDER BY m.created_at DESC, m.id DESC LIMIT $2`, args...)
}

// Newest names the newest of a ticket's messages in scope, the newest first.
func (r reads) Newest(ctx context.Context, s desk.Scope, ticket desk.ID, most int) ([]desk.ID, error) {
	args := arguments{ticket, most}
	cond := r.scoped(s, &args)
	return collect(ctx, r.x, scanID, `SELECT m.id FROM messages m JOIN tickets t ON t.id = m.ticket_id
		WHERE m.ticket_id = $1 AND `+cond+` AND `+seen(s)+` ORDER BY m.created_at DESC, m.id DESC LIMIT $2`, args...)
}

// MessageByNonce finds the message that came with a nonce, for Postern itself; NotFound if none did.
func (r reads) MessageByNonce(ctx context.Context, nonce desk.ID) (desk.Message, error) {
	ids, err := collect(ctx, r.x, scanID, `SELECT id FROM messages WHERE nonce = $1`, nonce)
	if err != nil {
		return desk.Message{}, err
	}
	found, err := r.MessagesByID(ctx, ids)
	if err == nil && len(found) == 0 {
		return desk.Message{}, desk.Missing("message")
	}
	for _, m := range found {
		return m, err
	}
	return desk.Message{}, err
}

// MessagesByID finds messages with their attachments, for Postern itself. One that is not there is left out.
func (r reads) MessagesByID(ctx context.Context, ids []desk.ID) (map[desk.ID]desk.Message, error) {
	out := make(map[desk.ID]desk.Message, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	found, err := collect(ctx, r.x, scanMessage, `SELECT `+messageColumns+` FROM messages m WHERE m.id IN (`+placeholders(1, len(ids))+`)`, anys(ids)...)
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		out[m.ID] = m
	}
	_, err = collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		a, err := scanAttachment(row, &id)
		m := out[id]
		m.Attachments = append(m.Attachments, a)
		out[id] = m
		return struct{}{}, err
	}, `SELECT a.message_id, `+attachmentColumns+` FROM attachments a WHERE a.message_id IN (`+placeholders(1, len(ids))+`) ORDER BY a.message_id, a.position`, anys(ids)...)
	return out, err
}

// MessagePage lists a ticket's messages in scope, those that were added last first.
func (r reads) MessagePage(ctx context.Context, s desk.Scope, ticket desk.ID, p Page) ([]desk.Message, error) {
	return r.messages(ctx, s, ticket, ` AND m.id < $2 ORDER BY m.id DESC LIMIT $3`, p.before(), p.limit())
}

// Message finds a message of a ticket, both in scope, with its attachments.
func (r reads) Message(ctx context.Context, s desk.Scope, ticket, id desk.ID) (desk.Message, error) {
	found, err := r.messages(ctx, s, ticket, ` AND m.id = $2`, id)
	if err == nil && len(found) == 0 {
		err = desk.Missing("message")
	}
	if err != nil {
		return desk.Message{}, err
	}
	return found[0], nil
}

// NewestMessages lists the newest of a ticket's messages in scope, oldest first: those before the message before, or all if
// that is "". There are at most as many as most says, and only the first one may bring their texts above bytes, so that what
// is read stays within bounds whatever customers send. earlier tells that there are more.
func (r reads) NewestMessages(ctx context.Context, s desk.Scope, ticket, before desk.ID, most int, bytes int64) (_ []desk.Message, earlier bool, err error) {
	args := arguments{ticket, before, most + 1}
	cond := r.scoped(s, &args)
	var ids []any
	_, err = collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		var size int64
		err := row.Scan(&id, &size)
		if bytes -= size; len(ids) == most || bytes < 0 && len(ids) > 0 {
			earlier = true
		} else if !earlier {
			ids = append(ids, id)
		}
		return struct{}{}, err
	}, `SELECT m.id, octet_length(m.text) + octet_length(m.reply) + octet_length(m.html) FROM messages m JOIN tickets t ON t.id = m.ticket_id
		WHERE m.ticket_id = $1 AND `+cond+` AND `+seen(s)+` AND ($2 = '' OR (m.created_at, m.id) < ((SELECT b.created_at FROM messages b WHERE b.id = $2 AND b.ticket_id = $1), $2))
		ORDER BY m.created_at DESC, m.id DESC LIMIT $3`, args...)
	if err != nil || len(ids) == 0 {
		return nil, false, err
	}
	ms, err := r.messages(ctx, s, ticket, ` AND m.id IN (`+placeholders(2, len(ids))+`) ORDER BY m.created_at, m.id`, ids...)
	return ms, earlier, err
}

// messages lists a ticket's messages in scope; which, and in which order, is the end of the statement, whose arguments more
// count from $2.
func (r reads) messages(ctx context.Context, s desk.Scope, ticket desk.ID, end string, more ...any) ([]desk.Message, error) {
	args := append(arguments{ticket}, more...)
	cond := r.scoped(s, &args)
	ms, err := collect(ctx, r.x, scanMessage, `SELECT `+messageColumns+` FROM messages m JOIN tickets t ON t.id = m.ticket_id
		WHERE m.ticket_id = $1 AND `+cond+` AND `+seen(s)+end, args...)
	if err != nil || len(ms) == 0 {
		return nil, err
	}
	at := make(map[desk.ID]int, len(ms))
	for i, m := range ms {
		at[m.ID] = i
	}
	_, err = collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		a, err := scanAttachment(row, &id)
		if i, ok := at[id]; ok {
			ms[i].Attachments = append(ms[i].Attachments, a)
		}
		return struct{}{}, err
	}, `SELECT a.message_id, `+attachmentColumns+` FROM attachments a JOIN messages m ON m.id = a.message_id WHERE m.ticket_id = $1 ORDER BY a.message_id, a.position`, ticket)
	if err != nil {
		return nil, err
	}
	_, err = collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		var to desk.Recipient
		var inbox bool
		err := row.Scan(&id, &to.Email, &to.State, &to.Error, millis{&to.NextTry}, &inbox)
		if i, ok := at[id]; ok {
			if ms[i].Delivery = worse(ms[i].Delivery, to); inbox {
				ms[i].Delivery.Inbox = to.State
			}
		}
		return struct{}{}, err
	}, `SELECT o.subject_id, o.recipient, o.state, o.last_error, CASE WHEN o.done_at = 0 THEN o.next_try ELSE 0 END, o.kind = 'mailbox.append' FROM outbox o WHERE o.ticket_id = $1 AND o.subject_id <> '' AND o.kind NOT IN ('mailbox.sent', 'mailbox.notice', 'mail.notification')
		UNION ALL SELECT b.message_id, b.recipient, CAST($2 AS TEXT), b.reason, 0, FALSE FROM bounces b JOIN messages m ON m.id = b.message_id WHERE m.ticket_id = $1 ORDER BY 1, 2`, ticket, desk.EffectFailed)
	return ms, err
}

// worse adds what became of one mail to what became of all: the worst counts, for the whole and for each recipient.
func worse(d desk.Delivery, to desk.Recipient) desk.Delivery {
	rank := map[desk.EffectState]int{
		desk.EffectSent: 1, desk.EffectSending: 2, desk.EffectPending: 3, desk.EffectDeferred: 4, desk.EffectUnknown: 5, desk.EffectFailed: 6,
	}
	if rank[to.State] > rank[d.State] {
		d.State, d.Error = to.State, to.Error
	}
	i := slices.IndexFunc(d.To, func(r desk.Recipient) bool { return r.Email == to.Email })
	switch {
	case i < 0:
		d.To = append(d.To, to)
	case rank[to.State] > rank[d.To[i].State]:
		d.To[i] = to
	}
	return d
}

// Addressed lists to whom customers' mails of a ticket were, as they came to a mailbox: those of the newest mail first.
func (r reads) Addressed(ctx context.Context, mailbox, ticket desk.ID, most int) ([][]desk.Address, error) {
	return collect(ctx, r.x, func(row scanner) ([]desk.Address, error) {
		var rs recipients
		err := row.Scan(packed[recipients]{&rs})
		return append(rs.To, rs.Cc...), err
	}, `SELECT m.recipients FROM messages m WHERE m.ticket_id = $1 AND m.mailbox_id = $2 AND m.author_kind = 'customer' AND m.source = $3 AND NOT m.internal
		ORDER BY m.created_at DESC, m.id DESC LIMIT $4`, ticket, mailbox, desk.FromMail, most)
}

const attachmentColumns = `a.id, a.name, a.type, a.size, a.sha256, a.inline, a.content_id`

func scanAttachment(row scanner, message *desk.ID) (a desk.Attachment, err error) {
	err = row.Scan(message, &a.ID, &a.Name, &a.Type, &a.Size, &a.SHA256, &a.Inline, &a.ContentID)
	return a, err
}

// Attachment finds a file of a message in scope.
func (r reads) Attachment(ctx context.Context, s desk.Scope, id desk.ID) (desk.Attachment, error) {
	args := arguments{id}
	cond := r.scoped(s, &args)
	var message desk.ID
	a, err := scanAttachment(r.x.QueryRowContext(ctx, `SELECT a.message_id, `+attachmentColumns+` FROM attachments a
		JOIN messages m ON m.id = a.message_id JOIN tickets t ON t.id = m.ticket_id WHERE a.id = $1 AND `+cond+` AND `+seen(s), args...), &message)
	return one("file", a, err)
}

// AddMessage stores a message with its attachments, and makes its Message-ID known for replies. It answers false, and
// stores nothing, if a message with its Nonce is there already (a form sent twice). If there is one of its inbound item the
// transaction fails with Conflict, here or when it commits.
func (tx *Tx) AddMessage(ctx context.Context, m desk.Message) (bool, error) {
	added := true
	inserted := func(n int64) error {
		if added = n == 1; !added && m.Nonce == "" {
			return &desk.Error{Kind: desk.Conflict, Text: "item " + string(m.LedgerID) + " was filed by somebody else"}
		}
		return nil
	}
	err := tx.x.later(ctx, inserted, `INSERT INTO messages (id, ticket_id, conversation_id, mailbox_id, author_kind, author_name, author_email, contact_id, source, internal,
		subject, text, reply, html, recipients, message_id, refs, thread_index, class, trust, reasons, ledger_id, nonce, created_at, folded)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25) ON CONFLICT DO NOTHING`,
		m.ID, m.TicketID, m.ConversationID, m.MailboxID, m.Author.Kind, clip(m.Author.Name, 200), m.Author.Email, m.Author.ContactID, m.Source, m.Internal,
		clip(m.Subject, maxSubject), m.Text, m.Reply, m.HTML, pack(recipients{m.To, m.Cc}), storedID(m.MessageID),
		pack(m.References), m.ThreadIndex, m.Class, m.Trust, pack(m.Reasons), nullable(string(m.LedgerID)), nullable(string(m.Nonce)), ms(m.CreatedAt), folded(m))
	if m.Nonce != "" { // the caller goes on if it is there
		err = cmp.Or(err, tx.x.flush(ctx))
	}
	if err != nil || !added {
		return false, err
	}
	for i, a := range m.Attachments {
		if a.ID == "" {
			a.ID = NewID()
		}
		if err := tx.exec(ctx, `INSERT INTO attachments (id, message_id, position, name, type, size, sha256, inline, content_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			a.ID, m.ID, i, clip(a.Name, 255), clip(a.Type, 255), a.Size, a.SHA256, a.Inline, clip(a.ContentID, 998)); err != nil {
			return false, err
		}
	}
	if m.MailboxID == "" {
		return true, nil
	}
	return true, tx.AddMessageIDs(ctx, m.MailboxID, m.TicketID, m.ID, m.Author.Kind == desk.Agent || m.Source != desk.FromMail, m.MessageID)
}

// ThreadIDs gives the Message-IDs of the newest public messages of a conversation, oldest first: what a mail that
// carries the conversation on puts into References.
func (r reads) ThreadIDs(ctx context.Context, conversation desk.ID, most int) ([]desk.MessageID, error) {
	mids, err := collect(ctx, r.x, func(row scanner) (m desk.MessageID, err error) {
		err = row.Scan(&m)
		return m, err
	}, `SELECT m.message_id FROM messages m WHERE m.conversation_id = $1 AND m.message_id <> '' AND NOT m.internal ORDER BY m.created_at DESC, m.id DESC LIMIT $2`, conversation, most)
	slices.Reverse(mids)
	return mids, err
}

// ThreadIndexOf gives the Thread-Index of the newest public message of a conversation that has one; "" if none has.
func (r reads) ThreadIndexOf(ctx context.Context, conversation desk.ID) (index string, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT m.thread_index FROM messages m WHERE m.conversation_id = $1 AND m.thread_index <> '' AND NOT m.internal ORDER BY m.created_at DESC, m.id DESC LIMIT 1`, conversation).Scan(&index)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return index, err
}

// ReplyToken is a signed reply address that we gave out, or a subject tag: then Email is "".
type ReplyToken struct {
	Token     string
	MailboxID desk.ID
	TicketID  desk.ID
	Email     string
	AgentID   desk.ID // of an agent's address
	SubjectID desk.ID // of one that is the Message-ID of a notification: the message that it is about
}

// AddReplyToken stores a token that a reply address carries.
func (tx *Tx) AddReplyToken(ctx context.Context, t ReplyToken) error {
	return tx.exec(ctx, `INSERT INTO reply_tokens (token, mailbox_id, ticket_id, email, agent_id, subject_id) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		t.Token, t.MailboxID, t.TicketID, t.Email, t.AgentID, t.SubjectID)
}

// ReplyToken finds a token that we gave out. The caller verifies its signature.
func (r reads) ReplyToken(ctx context.Context, token string) (ReplyToken, error) {
	t := ReplyToken{Token: token}
	err := r.x.QueryRowContext(ctx, `SELECT mailbox_id, ticket_id, email, agent_id, subject_id FROM reply_tokens WHERE token = $1`, token).
		Scan(&t.MailboxID, &t.TicketID, &t.Email, &t.AgentID, &t.SubjectID)
	return one("token", t, err)
}
