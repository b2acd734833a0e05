package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"postern/desk"
)

// Copy is the message that a mail has become which came to another mailbox too.
type Copy struct {
	Ledger    desk.ID
	TicketID  desk.ID
	MessageID desk.ID // the message's, not the mail's
}

// Elsewhere tells which of the mails, of those that came to the mailbox's INBOX, are a customer's messages already because they came to that
// of another mailbox: the same Message-ID with the same content, never one of the two alone (REQUIREMENTS H8). Until the commit nobody else
// files any of them under another mailbox, if they ask here too, so this has to be what a transaction begins with.
func (tx *Tx) Elsewhere(ctx context.Context, mailbox desk.ID, mails []Likeness) (map[Likeness]Copy, error) {
	mails = slices.DeleteFunc(slices.Clone(mails), func(m Likeness) bool { return strings.TrimSpace(string(m.MessageID)) == "" || m.Fingerprint == "" })
	if err := tx.lockCopies(ctx, mails); err != nil {
		return nil, err
	}
	out := make(map[Likeness]Copy, len(mails))
	for part := range parts(mails) {
		rows := make([][]any, len(part))
		for i, m := range part {
			rows[i] = []any{int64(i), storedID(m.MessageID), m.Fingerprint}
		}
		values, args := rowsOf(rows)
		if _, err := collect(ctx, tx.x, func(row scanner) (struct{}, error) {
			var i int
			var c Copy
			err := row.Scan(&i, &c.Ledger, &c.TicketID, &c.MessageID)
			if _, earlier := out[part[i]]; err == nil && !earlier {
				out[part[i]] = c
			}
			return struct{}{}, err
		}, `SELECT v.column1, l.id, m.ticket_id, m.id FROM (VALUES `+values+`) AS v
			JOIN mailboxes b ON b.id <> `+fmt.Sprintf("$%d", len(args)+1)+`
			JOIN fingerprints f ON f.mailbox_id = b.id AND f.message_id = v.column2 AND f.fingerprint = v.column3
			JOIN ledger l ON l.id = f.ledger_id AND l.role = 'inbox'
			JOIN messages m ON m.ledger_id = l.id AND m.author_kind = 'customer' AND NOT m.internal ORDER BY l.id`, append(args, mailbox)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lockCopies takes the locks in one order, so that two batches that have mails in common don't wait for each other.
func (tx *Tx) lockCopies(ctx context.Context, mails []Likeness) error {
	if tx.d.copyLock == "" {
		return nil
	}
	var keys []int64
	for _, m := range mails {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\x00%s", storedID(m.MessageID), m.Fingerprint)
		keys = append(keys, int64(h.Sum64())) //nolint:gosec // any number will do
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		if err := tx.exec(ctx, tx.d.copyLock, k); err != nil {
			return err
		}
	}
	return tx.x.flush(ctx)
}
