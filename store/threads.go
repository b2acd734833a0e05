package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"strings"

	"postern/desk"
)

// AddMessageIDs makes ids known under which a reply to the message may name it; ours tells that it was sent by us or by an
// agent, so that it may bounce. Empty ones are passed over.
func (tx *Tx) AddMessageIDs(ctx context.Context, mailbox, ticket, message desk.ID, ours bool, mids ...desk.MessageID) error {
	for _, mid := range usableIDs(mids) {
		if err := tx.exec(ctx, `INSERT INTO message_ids (mailbox_id, mid, ticket_id, subject_id, seen, ours, people) VALUES ($1, $2, $3, $4, TRUE, $5, '')
			ON CONFLICT (mailbox_id, mid, ticket_id) DO UPDATE SET seen = TRUE, subject_id = $4, ours = $5 WHERE NOT message_ids.seen`, mailbox, mid, ticket, message, ours); err != nil {
			return err
		}
	}
	return nil
}

// ForgetHeldID undoes what AddMessageIDs did for a held mail, about which an agent has decided.
func (tx *Tx) ForgetHeldID(ctx context.Context, e desk.LedgerEntry, mid desk.MessageID) error {
	return tx.exec(ctx, `DELETE FROM message_ids WHERE mailbox_id = $1 AND mid = $2 AND ticket_id = $3 AND subject_id = ''`, e.MailboxID, storedID(mid), e.TicketID)
}

// AddReferences notes mails that a mail of the ticket names and that nobody has seen here. people are those it is from and
// to: others who name the same mail belong to the ticket if they have one of them in common.
func (tx *Tx) AddReferences(ctx context.Context, mailbox, ticket desk.ID, people []string, mids []desk.MessageID) error {
	for _, mid := range usableIDs(mids) {
		if err := tx.exec(ctx, `INSERT INTO message_ids (mailbox_id, mid, ticket_id, subject_id, seen, ours, people) VALUES ($1, $2, $3, '', FALSE, FALSE, $4) ON CONFLICT DO NOTHING`,
			mailbox, mid, ticket, clip(strings.Join(people, " "), 4000)); err != nil {
			return err
		}
	}
	return nil
}

// KnownID is a Message-ID that belongs to a ticket.
type KnownID struct {
	MessageID desk.MessageID
	TicketID  desk.ID
	Seen      bool     // the ticket has the mail; else a mail of the ticket only names it
	Ours      bool     // it was sent by us or by an agent
	People    []string // whom that mail was from and to
}

// MessageIDsOf lists under which Message-IDs a message of ours is known in a mailbox.
func (r reads) MessageIDsOf(ctx context.Context, mailbox, ticket, message desk.ID) ([]desk.MessageID, error) {
	return collect(ctx, r.x, func(row scanner) (m desk.MessageID, err error) {
		err = row.Scan(&m)
		return m, err
	}, `SELECT mid FROM message_ids WHERE mailbox_id = $1 AND ticket_id = $2 AND subject_id = $3 AND subject_id <> '' AND ours ORDER BY mid`, mailbox, ticket, message)
}

// KnownIDs tells which of the ids belong to tickets of the mailbox, in the order of mids.
func (r reads) KnownIDs(ctx context.Context, mailbox desk.ID, mids []desk.MessageID) ([]KnownID, error) {
	mids = usableIDs(mids)
	if len(mids) == 0 {
		return nil, nil
	}
	found, err := collect(ctx, r.x, func(row scanner) (k KnownID, err error) {
		var people string
		err = row.Scan(&k.MessageID, &k.TicketID, &k.Seen, &k.Ours, &people)
		k.People = strings.Fields(people)
		return k, err
	}, `SELECT mid, ticket_id, seen, ours, people FROM message_ids WHERE mailbox_id = $1 AND mid IN (`+placeholders(2, len(mids))+`) ORDER BY ticket_id`,
		append([]any{mailbox}, anys(mids)...)...)
	if err != nil {
		return nil, err
	}
	of := make(map[desk.MessageID][]KnownID, len(found))
	for _, k := range found {
		of[k.MessageID] = append(of[k.MessageID], k)
	}
	var out []KnownID
	for _, mid := range mids {
		out = append(out, of[mid]...)
	}
	return out, nil
}

// Answered finds the first of the ids that is a message of the ticket; nil if none is.
func (r reads) Answered(ctx context.Context, mailbox, ticket desk.ID, mids []desk.MessageID) (*desk.Answered, error) {
	for _, mid := range usableIDs(mids) {
		var a desk.Answered
		err := r.x.QueryRowContext(ctx, `SELECT m.author_email, m.internal FROM message_ids i JOIN messages m ON m.id = i.subject_id WHERE i.mailbox_id = $1 AND i.ticket_id = $2 AND i.mid = $3`,
			mailbox, ticket, mid).Scan(&a.By, &a.Internal)
		if !errors.Is(err, sql.ErrNoRows) {
			return &a, err
		}
	}
	return nil, nil //nolint:nilnil // none is an answer
}

// Mentioned tells which of the ids belong to tickets of the mailbox in any way.
func (r reads) Mentioned(ctx context.Context, mailbox desk.ID, mids []desk.MessageID) (map[desk.MessageID]bool, error) {
	out := map[desk.MessageID]bool{}
	for part := range parts(usableIDs(mids)) {
		found, err := collect(ctx, r.x, scanString, `SELECT mid FROM message_ids WHERE mailbox_id = $1 AND mid IN (`+placeholders(2, len(part))+`)`, append([]any{mailbox}, anys(part)...)...)
		if err != nil {
			return nil, err
		}
		for _, mid := range found {
			out[desk.MessageID(mid)] = true
		}
	}
	return out, nil
}

// Imported tells how many messages a ticket has, and whether all of it came from mails that were old when they came, so that
// nobody has been told of it or has worked on it.
func (r reads) Imported(ctx context.Context, ticket desk.ID) (messages int, all bool, err error) {
	var live int
	err = r.x.QueryRowContext(ctx, `SELECT count(*), COALESCE(SUM(CASE WHEN l.id IS NULL OR l.received_at - l.internal_date < $2 THEN 1 ELSE 0 END), 0)
			+ (SELECT count(*) FROM outbox WHERE ticket_id = $1) + (SELECT count(*) FROM tickets WHERE id = $1 AND worked)
		FROM messages m LEFT JOIN ledger l ON l.id = m.ledger_id WHERE m.ticket_id = $1`, ticket, desk.LiveFor.Milliseconds()).Scan(&messages, &live)
	return messages, messages > 0 && live == 0, err
}

// MarkWorked notes that somebody has decided something about a ticket: it is not taken apart any more.
func (tx *Tx) MarkWorked(ctx context.Context, ticket desk.ID) error {
	return tx.exec(ctx, `UPDATE tickets SET worked = TRUE WHERE id = $1`, ticket)
}

// Refile takes a ticket apart whose mails turn out to belong to another one. What it had, and what was held for it, waits to
// be read once more; its Message-IDs lead to the other ticket until then.
func (tx *Tx) Refile(ctx context.Context, ticket, other desk.ID) error {
	const again = `UPDATE ledger SET outcome = 'pending', reason = '', done_at = 0, ticket_id = '' WHERE `
	if err := tx.exec(ctx, again+`id IN (SELECT ledger_id FROM messages WHERE ticket_id = $1) AND outcome IN ('new-ticket', 'appended')`, ticket); err != nil {
		return err
	}
	if err := tx.exec(ctx, again+`outcome = 'held' AND ticket_id = $1`, ticket); err != nil {
		return err
	}
	if err := tx.exec(ctx, `INSERT INTO message_ids (mailbox_id, mid, ticket_id, subject_id, seen, ours, people)
		SELECT mailbox_id, mid, $2, '', FALSE, FALSE, people FROM message_ids WHERE ticket_id = $1 ON CONFLICT DO NOTHING`, ticket, other); err != nil {
		return err
	}
	return tx.exec(ctx, `DELETE FROM tickets WHERE id = $1`, ticket)
}

// MergeTicket has a ticket take over all that another one has; who took part in that one takes part in this. The other one's
// id, number and reply addresses lead here from now on.
func (tx *Tx) MergeTicket(ctx context.Context, from, into desk.ID) error {
	for _, statement := range []string{
		`UPDATE ledger SET ticket_id = $2 WHERE outcome = 'held' AND ticket_id = $1`,
		`UPDATE ledger SET ticket_id = $2 WHERE id IN (SELECT ledger_id FROM messages WHERE ticket_id = $1)`,
		`UPDATE conversations SET ticket_id = $2 WHERE ticket_id = $1`,
		`UPDATE messages SET ticket_id = $2 WHERE ticket_id = $1`,
		`UPDATE outbox SET ticket_id = $2 WHERE ticket_id = $1`,
		`INSERT INTO message_ids (mailbox_id, mid, ticket_id, subject_id, seen, ours, people)
			SELECT mailbox_id, mid, $2, subject_id, seen, ours, people FROM message_ids WHERE ticket_id = $1
			ON CONFLICT (mailbox_id, mid, ticket_id) DO UPDATE SET seen = TRUE, subject_id = excluded.subject_id, ours = excluded.ours WHERE excluded.seen AND NOT message_ids.seen`,
		`INSERT INTO participants (ticket_id, email, contact_id, name, role, muted)
			SELECT $2, email, contact_id, name, CASE WHEN role = 'requester' THEN 'copied' ELSE role END, muted FROM participants WHERE ticket_id = $1
			ON CONFLICT (ticket_id, email) DO UPDATE SET role = excluded.role, contact_id = excluded.contact_id WHERE participants.role = 'mentioned' AND excluded.role <> 'mentioned' OR participants.role = 'correspondent' AND excluded.role = 'copied'`,
		`UPDATE tickets SET last_customer = (SELECT f.last_customer FROM tickets f WHERE f.id = $1), last_activity_at = (SELECT f.last_activity_at FROM tickets f WHERE f.id = $1)
			WHERE id = $2 AND last_activity_at < (SELECT f.last_activity_at FROM tickets f WHERE f.id = $1)`,
		`UPDATE tickets SET merged_into = $2 WHERE id = $1 OR merged_into = $1`,
	} {
		if err := tx.exec(ctx, statement, from, into); err != nil {
			return err
		}
	}
	if err := tx.exec(ctx, `DELETE FROM message_ids WHERE ticket_id = $1`, from); err != nil {
		return err
	}
	return tx.MarkWorked(ctx, into)
}

// MoveMessages takes messages out of a ticket into another one, into its conversation. The transaction fails with NotFound if
// the ticket does not have them all, here or when it commits.
func (tx *Tx) MoveMessages(ctx context.Context, from, into, conversation desk.ID, messages []desk.ID) error {
	list := placeholders(4, len(messages))
	args := append([]any{from, into, conversation}, anys(messages)...)
	all := func(n int64) error {
		if int(n) != len(messages) {
			return desk.Missing("message of the ticket")
		}
		return nil
	}
	if err := tx.x.later(ctx, all, `UPDATE messages SET ticket_id = $2, conversation_id = $3 WHERE ticket_id = $1 AND id IN (`+list+`)`, args...); err != nil {
		return err
	}
	list = placeholders(3, len(messages))
	args = append([]any{from, into}, anys(messages)...)
	for _, statement := range []string{
		`UPDATE ledger SET ticket_id = $2 WHERE ticket_id = $1 AND id IN (SELECT ledger_id FROM messages WHERE id IN (` + list + `))`,
		`UPDATE outbox SET ticket_id = $2 WHERE ticket_id = $1 AND subject_id IN (` + list + `)`,
		`UPDATE message_ids SET ticket_id = $2 WHERE ticket_id = $1 AND subject_id IN (` + list + `)`,
	} {
		if err := tx.exec(ctx, statement, args...); err != nil {
			return err
		}
	}
	return cmp.Or(tx.MarkWorked(ctx, from), tx.MarkWorked(ctx, into))
}
