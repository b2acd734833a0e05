package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/desk"
)

// AddEffect stores an outbox row, due at once. It commits with what it is about or not at all.
func (tx *Tx) AddEffect(ctx context.Context, e desk.Effect) error {
	tx.outboxed = true
	if e.State == "" {
		e.State = desk.EffectPending
	}
	if e.NextTry.IsZero() {
		e.NextTry = e.CreatedAt
	}
	return tx.exec(ctx, `INSERT INTO outbox (id, kind, queue, mailbox_id, ticket_id, subject_id, contact_id, recipient, template, trust, message_id, created_at,
		state, attempt, owner, lease_until, epoch, next_try, last_error, fingerprint, wording, unknowns, done_at, bounce_token)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, '', 0, 0, $14, '', '', '', 0, 0, $15)`,
		e.ID, e.Kind, e.Kind.Queue(), e.MailboxID, e.TicketID, e.SubjectID, e.ContactID, e.Recipient, e.Template, e.Trust, storedID(e.MessageID), ms(e.CreatedAt),
		e.State, ms(e.NextTry), e.BounceToken)
}

const effectColumns = `id, kind, mailbox_id, ticket_id, subject_id, contact_id, recipient, template, trust, message_id, created_at,
	state, attempt, owner, lease_until, epoch, next_try, last_error, fingerprint, wording, unknowns, done_at, bounce_token, told, answer, arrived`

func scanEffect(row scanner) (e desk.Effect, err error) {
	err = row.Scan(&e.ID, &e.Kind, &e.MailboxID, &e.TicketID, &e.SubjectID, &e.ContactID, &e.Recipient, &e.Template, &e.Trust, &e.MessageID, millis{&e.CreatedAt},
		&e.State, &e.Attempt, &e.Owner, millis{&e.LeaseUntil}, &e.Epoch, millis{&e.NextTry}, &e.LastError, &e.Fingerprint, &e.Wording, &e.Unknowns, millis{&e.DoneAt}, &e.BounceToken, &e.Told, &e.Answer, &e.Arrived)
	return e, err
}

// DueEffects lists rows of a queue that are due, the longest-waiting first.
func (db *DB) DueEffects(ctx context.Context, queue string, limit int) ([]desk.ID, error) {
	return collect(ctx, db.x, scanID, dueSelect, queue, ms(db.Now()), limit)
}

// dueSelect walks the index outbox_open: what is not due costs nothing.
const dueSelect = `SELECT id FROM outbox WHERE queue = $1 AND done_at = 0 AND state IN ('pending', 'deferred', 'unknown') AND next_try <= $2
	AND NOT EXISTS (SELECT 1 FROM pauses WHERE queue = $1) ORDER BY next_try, id LIMIT $3`

// Claim takes up to limit due rows of a queue for owner, the longest-waiting first: they are sending until the lease ends.
// Rows that another process claims at the same moment are passed over.
func (db *DB) Claim(ctx context.Context, queue, owner string, limit int, lease time.Duration) ([]desk.Effect, error) {
	var out []desk.Effect
	err := db.single(ctx, func(tx *Tx) error {
		var err error
		now := tx.Now()
		// Materialized: a planner that ran the inner statement more than once would claim more than limit rows.
		out, err = collect(ctx, tx.x, scanEffect, `WITH due AS MATERIALIZED (`+dueSelect+tx.d.skipLocked+`)
			UPDATE outbox SET state = 'sending', attempt = attempt + 1, owner = $4, lease_until = $5, epoch = epoch + 1 WHERE id IN (SELECT id FROM due)
			RETURNING `+effectColumns, queue, ms(now), limit, owner, ms(now.Add(lease)))
		return err
	})
	// RETURNING promises no order.
	slices.SortFunc(out, func(a, b desk.Effect) int { return cmp.Or(a.NextTry.Compare(b.NextTry), cmp.Compare(a.ID, b.ID)) })
	return out, err
}

// Renew keeps the claims on rows for longer. One that was lost stays lost.
func (db *DB) Renew(ctx context.Context, es []desk.Effect, lease time.Duration) error {
	return db.Update(ctx, func(tx *Tx) error {
		until := ms(tx.Now().Add(lease))
		for _, e := range es {
			if err := tx.exec(ctx, `UPDATE outbox SET lease_until = $4 WHERE id = $1 AND owner = $2 AND epoch = $3 AND state = 'sending'`, e.ID, e.Owner, e.Epoch, until); err != nil {
				return err
			}
		}
		return nil
	})
}

// ExpireClaims turns rows whose lease is over into unknown: whoever had them may have sent them. It answers how many
// there were.
func (db *DB) ExpireClaims(ctx context.Context) (int64, error) {
	return db.expireClaims(ctx, `lease_until < $1`)
}

// ExpireOthers ends all claims but those of owner at once, for a process that knows to be alone.
func (db *DB) ExpireOthers(ctx context.Context, owner string) (int64, error) {
	return db.expireClaims(ctx, `owner <> $2`, owner)
}

// ExpireFormer ends the claims of the processes that ran before owner's as the same instance (see TakeLease).
func (db *DB) ExpireFormer(ctx context.Context, owner string) (int64, error) {
	instance := instanceOf(owner)
	if instance == "" {
		return 0, nil
	}
	return db.expireClaims(ctx, `owner <> $2 AND substr(owner, 1, length($3)) = $3`, owner, instance)
}

func (db *DB) expireClaims(ctx context.Context, which string, args ...any) (n int64, err error) {
	if err := db.setClock(ctx); err != nil {
		return 0, err
	}
	err = db.Update(ctx, func(tx *Tx) error {
		n, err = tx.changed(ctx, `UPDATE outbox SET state = 'unknown', unknowns = unknowns + 1, next_try = $1,
			last_error = 'a process ended, or lost the database, while it was being sent' WHERE done_at = 0 AND state = 'sending' AND `+which, append([]any{ms(tx.Now())}, args...)...)
		tx.outboxed = n > 0
		return err
	})
	return n, err
}

// NoteComposed stores the Fingerprint and the Wording of claimed rows. It must be durable before the first byte leaves.
func (db *DB) NoteComposed(ctx context.Context, es []desk.Effect) error {
	if len(es) == 0 {
		return nil
	}
	values := make([][]any, len(es))
	for i, e := range es {
		values[i] = []any{e.ID, e.Fingerprint, e.Wording}
	}
	list, args := rowsOf(values)
	return db.single(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `UPDATE outbox SET fingerprint = v.column2, wording = v.column3 FROM (VALUES `+list+`) AS v WHERE outbox.id = v.column1`, args...)
	})
}

// rowsOf writes rows for VALUES. Whole numbers are said to be such: PostgreSQL can't tell there.
func rowsOf(rows [][]any) (list string, args []any) {
	var b strings.Builder
	for i, row := range rows {
		for j, v := range row {
			args = append(args, v)
			switch {
			case j > 0:
				b.WriteString(", ")
			case i > 0:
				b.WriteString("), (")
			default:
				b.WriteString("(")
			}
			place := fmt.Sprintf("$%d", len(args))
			if _, whole := v.(int64); whole {
				place = "CAST(" + place + " AS BIGINT)"
			}
			b.WriteString(place)
		}
	}
	b.WriteString(")")
	return b.String(), args
}

// Release gives claimed rows back that nobody has begun to send, as if they had not been claimed.
func (db *DB) Release(ctx context.Context, es []desk.Effect) error {
	return db.Update(ctx, func(tx *Tx) error {
		for _, e := range es {
			if err := tx.exec(ctx, `UPDATE outbox SET state = CASE WHEN unknowns > 0 THEN 'unknown' WHEN attempt > 1 THEN 'deferred' ELSE 'pending' END,
				attempt = attempt - 1 WHERE id = $1 AND owner = $2 AND epoch = $3 AND state = 'sending'`, e.ID, e.Owner, e.Epoch); err != nil {
				return err
			}
			tx.outboxed = true
		}
		return nil
	})
}

// Own names what a mail of ours carries.
type Own struct {
	Kind      desk.EffectKind
	TicketID  desk.ID // empty: no ticket
	SubjectID desk.ID // the message; empty for what tells of one
	MessageID desk.MessageID
}

// carried is the message that a row's mail is known by. A notice or a notification tells of one, and is none of its copies.
const carried = `CASE WHEN kind IN ('mailbox.notice', 'mail.notification') THEN '' ELSE subject_id END`

// OwnMail tells whether a mail with one of these Message-IDs and this content was written by us for the mailbox, and what it
// carries.
func (r reads) OwnMail(ctx context.Context, mailbox desk.ID, mids []desk.MessageID, fingerprint string) (own Own, found bool, err error) {
	mids = usableIDs(mids)
	if len(mids) == 0 || fingerprint == "" {
		return own, false, nil
	}
	err = r.x.QueryRowContext(ctx, `SELECT kind, ticket_id, `+carried+`, message_id FROM outbox WHERE mailbox_id = $1 AND ' ' || fingerprint || ' ' LIKE '% ' || $2 || ' %' AND message_id IN (`+placeholders(3, len(mids))+`) LIMIT 1`,
		append([]any{mailbox, fingerprint}, anys(mids)...)...).Scan(&own.Kind, &own.TicketID, &own.SubjectID, &own.MessageID)
	if errors.Is(err, sql.ErrNoRows) {
		return own, false, nil
	}
	return own, err == nil, err
}

// NoteArrived takes down that a mail which was to be put into a mailbox's inbox was seen there.
func (tx *Tx) NoteArrived(ctx context.Context, mailbox desk.ID, mid desk.MessageID) error {
	return tx.exec(ctx, `UPDATE outbox SET arrived = TRUE WHERE mailbox_id = $1 AND message_id = $2 AND queue = 'mailbox' AND kind IN ('mailbox.append', 'mailbox.notice') AND NOT arrived`,
		mailbox, storedID(mid))
}

// OwnByContent gives what we wrote for a mailbox with this content since a time, by Message-ID: for those who can prove a copy
// ours that was given another one.
func (r reads) OwnByContent(ctx context.Context, mailbox desk.ID, fingerprint string, since time.Time) (map[desk.MessageID]Own, error) {
	out := map[desk.MessageID]Own{}
	if fingerprint == "" {
		return out, nil
	}
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var mid desk.MessageID
		var own Own
		err := row.Scan(&mid, &own.Kind, &own.TicketID, &own.SubjectID)
		own.MessageID = mid
		out[mid] = own
		return struct{}{}, err
	}, `SELECT message_id, kind, ticket_id, `+carried+` FROM outbox WHERE id >= $3 AND mailbox_id = $1 AND ' ' || fingerprint || ' ' LIKE '% ' || $2 || ' %' AND message_id <> ''`,
		mailbox, fingerprint, firstID(since))
	return out, err
}

// firstID stands before all ids that are made from a time on (RFC 9562 section 5.7).
func firstID(from time.Time) string {
	at := from.UnixMilli()
	return fmt.Sprintf("%08x-%04x", at>>16, at&0xffff)
}

// Effects lists outbox rows, newest first; an empty state lists all.
func (r reads) Effects(ctx context.Context, state desk.EffectState, p Page) ([]desk.Effect, error) {
	return collect(ctx, r.x, scanEffect, `SELECT `+effectColumns+` FROM outbox WHERE ($1 = '' OR state = $1) AND id < $2 ORDER BY id DESC LIMIT $3`, state, p.before(), p.limit())
}

// EffectsOf lists the outbox rows of some kinds that carry a message of a ticket, in the order they were added.
func (r reads) EffectsOf(ctx context.Context, ticket, message desk.ID, kinds ...desk.EffectKind) ([]desk.Effect, error) {
	return collect(ctx, r.x, scanEffect, `SELECT `+effectColumns+` FROM outbox WHERE ticket_id = $1 AND subject_id = $2 AND kind IN (`+placeholders(3, len(kinds))+`) ORDER BY id`,
		append([]any{ticket, message}, anys(kinds)...)...)
}

// EffectCounts counts the outbox rows by state.
func (r reads) EffectCounts(ctx context.Context) (map[desk.EffectState]int64, error) {
	counts := map[desk.EffectState]int64{}
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var s desk.EffectState
		var n int64
		err := row.Scan(&s, &n)
		counts[s] = n
		return struct{}{}, err
	}, `SELECT state, count(*) FROM outbox GROUP BY state`)
	if err != nil {
		return nil, fmt.Errorf("count the outbox: %w", err)
	}
	return counts, nil
}

// Template is a text that mails are made from. Its version names exactly this text for ever.
type Template struct{ Subject, Body, Language string }

// KeepTemplate stores a template under its version, so that a row that names it sends the same text whenever it is tried.
func (tx *Tx) KeepTemplate(ctx context.Context, t Template) (version string, err error) {
	sum := sha256.Sum256([]byte(t.Language + "\x00" + t.Subject + "\x00" + t.Body))
	version = hex.EncodeToString(sum[:16])
	return version, tx.exec(ctx, `INSERT INTO templates (version, subject, body, language) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, version, t.Subject, t.Body, t.Language)
}

// Template finds the text of a version.
func (r reads) Template(ctx context.Context, version string) (Template, error) {
	var t Template
	err := r.x.QueryRowContext(ctx, `SELECT subject, body, language FROM templates WHERE version = $1`, version).Scan(&t.Subject, &t.Body, &t.Language)
	return one("template", t, err)
}
