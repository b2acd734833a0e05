package store

import (
	"context"
	"time"

	"postern/desk"
)

// Sending is a mail of ours to one recipient.
type Sending struct {
	SubjectID desk.ID // the message it carried; empty for mail about a person
	Recipient string
	Notice    bool // it told an agent of a customer's message
	Token     bool // under an envelope sender of its own: what is reported about it comes there
}

// BounceToken is what the envelope sender of our mail to one recipient carries.
type BounceToken struct {
	Token     string
	MailboxID desk.ID
	Email     string
}

// AddBounceToken stores a token before mail goes out under it.
func (tx *Tx) AddBounceToken(ctx context.Context, t BounceToken) error {
	return tx.exec(ctx, `INSERT INTO bounce_tokens (token, mailbox_id, email) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t.Token, t.MailboxID, t.Email)
}

// SendPlain notes that a mail goes out under the mailbox's own address: what is reported about it comes there.
func (tx *Tx) SendPlain(ctx context.Context, effect desk.ID) error {
	return tx.exec(ctx, `UPDATE outbox SET bounce_token = '' WHERE id = $1`, effect)
}

// BounceToken finds a token that mail has gone out under. The caller verifies its signature.
func (r reads) BounceToken(ctx context.Context, token string) (BounceToken, error) {
	t := BounceToken{Token: token}
	err := r.x.QueryRowContext(ctx, `SELECT mailbox_id, email FROM bounce_tokens WHERE token = $1`, token).Scan(&t.MailboxID, &t.Email)
	return one("token", t, err)
}

// SentAs tells to whom a mail with this Message-ID was sent from the mailbox, by us or by an agent's mail client. What nobody
// has begun to send is left out, and so is what customers wrote.
func (r reads) SentAs(ctx context.Context, mailbox desk.ID, mid desk.MessageID) ([]Sending, error) {
	if len(usableIDs([]desk.MessageID{mid})) == 0 {
		return nil, nil
	}
	out, err := collect(ctx, r.x, func(row scanner) (s Sending, err error) {
		err = row.Scan(&s.SubjectID, &s.Recipient, &s.Token, &s.Notice)
		return s, err
	}, `SELECT subject_id, recipient, bounce_token <> '', kind = $4 FROM outbox WHERE mailbox_id = $1 AND message_id = $2 AND attempt > 0 AND queue <> $3
		UNION SELECT o.subject_id, o.recipient, o.bounce_token <> '', FALSE FROM message_ids k JOIN outbox o ON o.ticket_id = k.ticket_id AND o.subject_id = k.subject_id
			WHERE k.mailbox_id = $1 AND k.mid = $2 AND k.ours AND k.subject_id <> '' AND o.attempt > 0 AND o.queue <> $3 AND o.kind <> $4`, mailbox, storedID(mid), desk.QueueMailbox, desk.NotifyMail)
	if err != nil {
		return nil, err
	}
	_, err = collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		var rs recipients
		err := row.Scan(&id, packed[recipients]{&rs})
		for _, a := range append(rs.To, rs.Cc...) {
			out = append(out, Sending{SubjectID: id, Recipient: a.Email})
		}
		return struct{}{}, err
	}, `SELECT m.id, m.recipients FROM message_ids k JOIN messages m ON m.id = k.subject_id
		WHERE k.mailbox_id = $1 AND k.mid = $2 AND k.ours AND m.author_kind = 'agent' AND m.source = $3`, mailbox, storedID(mid), desk.FromMail)
	return out, err
}

// NoteBounce stores that a mail did not reach its recipient. Of several reports about one the last counts.
func (tx *Tx) NoteBounce(ctx context.Context, s Sending, reason string, at time.Time) error {
	if s.SubjectID == "" || s.Notice {
		return nil
	}
	return tx.exec(ctx, `INSERT INTO bounces (message_id, recipient, reason, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (message_id, recipient) DO UPDATE SET reason = $3, at = $4`, s.SubjectID, s.Recipient, clip(reason, 1000), ms(at))
}

// Suppress stores that an address gets no automatic mail.
func (tx *Tx) Suppress(ctx context.Context, s desk.Suppression) error {
	return tx.exec(ctx, `INSERT INTO suppressions (email, reason, status, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (email, reason) DO UPDATE SET status = $3, at = $4 WHERE suppressions.at < $4`, s.Address, s.Reason, s.Status, ms(s.At))
}

// Reached forgets that mail to an address bounced up to at. A complaint stays.
func (tx *Tx) Reached(ctx context.Context, email string, at time.Time) error {
	return tx.exec(ctx, `DELETE FROM suppressions WHERE email = $1 AND reason = $2 AND at <= $3`, email, desk.Bounced, ms(at))
}

// Unsuppress forgets all that keeps automatic mail from an address.
func (tx *Tx) Unsuppress(ctx context.Context, email string) error {
	return tx.exec(ctx, `DELETE FROM suppressions WHERE email = $1`, email)
}

// Suppressed tells whether an address gets no automatic mail (REQUIREMENTS L4).
func (r reads) Suppressed(ctx context.Context, email string) (bool, error) {
	var n int
	err := r.x.QueryRowContext(ctx, `SELECT count(*) FROM suppressions WHERE email = $1`, email).Scan(&n)
	return n > 0, err
}

// BouncedAmong tells to which of the addresses mail bounced.
func (r reads) BouncedAmong(ctx context.Context, emails []string) (map[string]bool, error) {
	out := map[string]bool{}
	for part := range parts(emails) {
		found, err := collect(ctx, r.x, scanString, `SELECT email FROM suppressions WHERE reason = 'bounced' AND email IN (`+placeholders(1, len(part))+`)`, anys(part)...)
		if err != nil {
			return nil, err
		}
		for _, email := range found {
			out[email] = true
		}
	}
	return out, nil
}

func (r reads) suppressions(ctx context.Context, contact desk.ID) ([]desk.Suppression, error) {
	return collect(ctx, r.x, func(row scanner) (s desk.Suppression, err error) {
		err = row.Scan(&s.Address, &s.Reason, &s.Status, millis{&s.At})
		return s, err
	}, `SELECT s.email, s.reason, s.status, s.at FROM contact_addresses a JOIN suppressions s ON s.email = a.email WHERE a.contact_id = $1 ORDER BY a.position, s.reason`, contact)
}
