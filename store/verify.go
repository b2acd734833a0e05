package store

import (
	"context"
	"fmt"
	"time"

	"postern/desk"
)

// Report is what Verify found. Violations break a promise; Notes are what an operator should know of.
type Report struct {
	Ledger     map[desk.Outcome]int64     `json:"ledger"`
	Outbox     map[desk.EffectState]int64 `json:"outbox"`
	Unknown    []desk.Effect              `json:"-"` // rows that were unknown once: the only ones that may have been sent twice
	Waiting    []Waiting                  `json:"waiting"`
	Violations []string                   `json:"violations"`
	Notes      []string                   `json:"notes"`
}

// Waiting are inbound items of a mailbox that came more than an hour ago and are not read. They are late, not lost.
type Waiting struct {
	Mailbox string    `json:"mailbox"` // its address
	Forms   bool      `json:"forms"`   // they are form posts, else mails
	Paused  bool      `json:"paused"`  // so is the mailbox: its mails are not read
	Items   int64     `json:"items"`
	Since   time.Time `json:"since"` // when the first of them came
}

// waitsLong is after what time an item that waits is told of: nothing that passes by itself takes as long.
const waitsLong = time.Hour

func (db *DB) waiting(ctx context.Context) ([]Waiting, error) {
	ws, err := collect(ctx, db.x, func(row scanner) (w Waiting, err error) {
		err = row.Scan(&w.Mailbox, &w.Forms, &w.Paused, &w.Items, millis{&w.Since})
		return w, err
	}, `SELECT m.address, l.form_id <> '', m.paused, count(*), min(l.received_at) FROM ledger l JOIN mailboxes m ON m.id = l.mailbox_id
		WHERE l.outcome = 'pending' AND l.received_at < $1 GROUP BY 1, 2, 3 ORDER BY 1, 2`, ms(db.Now().Add(-waitsLong)))
	return append([]Waiting{}, ws...), err
}

// Verify checks the invariants of ledger and outbox (REQUIREMENTS INV1, INV2). hasBlob tells whether the blob store has
// bytes that a row names.
func (db *DB) Verify(ctx context.Context, hasBlob func(ctx context.Context, sha256 string) (bool, error)) (Report, error) {
	r := Report{Violations: []string{}, Notes: []string{}}
	var err error
	if r.Ledger, err = db.LedgerCounts(ctx); err != nil {
		return r, err
	}
	if r.Outbox, err = db.EffectCounts(ctx); err != nil {
		return r, err
	}
	if r.Unknown, err = collect(ctx, db.x, scanEffect, `SELECT `+effectColumns+` FROM outbox WHERE unknowns > 0 ORDER BY id`); err != nil {
		return r, err
	}
	if r.Waiting, err = db.waiting(ctx); err != nil {
		return r, err
	}
	for _, c := range []struct{ promise, query string }{
		{"INV1: folder %s has another number of ledger rows than UIDs seen", `SELECT f.name FROM folders f
			WHERE f.seen <> (SELECT count(*) FROM ledger l WHERE l.mailbox_id = f.mailbox_id AND l.folder = f.name AND l.form_id = '')`},
		{"INV1: ledger row %s has an outcome that does not exist", `SELECT id FROM ledger WHERE outcome NOT IN (` + outcomesSQL() + `)`},
		{"INV1: ledger row %s made a message by its outcome, but there is none", `SELECT l.id FROM ledger l WHERE l.outcome IN ('new-ticket', 'appended')
			AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.ledger_id = l.id)`},
		{"INV1: message %s comes from an item that made none by its outcome", `SELECT m.id FROM messages m LEFT JOIN ledger l ON l.id = m.ledger_id
			WHERE m.ledger_id IS NOT NULL AND COALESCE(l.outcome, '') NOT IN ('new-ticket', 'appended')`},
		{"INV1: ledger row %s waits to be read, but its bytes are not there", `SELECT l.id FROM ledger l WHERE l.outcome IN ('pending', 'held', 'quarantined')
			AND l.raw_sha256 = '' AND NOT EXISTS (SELECT 1 FROM raws r WHERE r.ledger_id = l.id)`},
		{"INV1: ticket %s has no message", `SELECT t.id FROM tickets t WHERE t.merged_into = '' AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.ticket_id = t.id)`},
		{"INV1: ticket %s was merged, but has messages", `SELECT t.id FROM tickets t WHERE t.merged_into <> '' AND EXISTS (SELECT 1 FROM messages m WHERE m.ticket_id = t.id)`},
		{"INV1: ticket %s was merged into one that is not there", `SELECT t.id FROM tickets t WHERE t.merged_into <> '' AND NOT EXISTS (SELECT 1 FROM tickets o WHERE o.id = t.merged_into AND o.merged_into = '')`},
		{"INV2: message %s is due to the same recipient twice", `SELECT subject_id FROM outbox WHERE subject_id <> '' AND kind <> 'mailbox.notice' GROUP BY subject_id, kind, recipient HAVING count(*) > 1`},
		{"INV2: outbox row %s is sent but has no Message-ID", `SELECT id FROM outbox WHERE state = 'sent' AND message_id = '' AND kind <> 'mailbox.follow'`},
		{"INV2: outbox row %s is in a state that does not exist", `SELECT id FROM outbox WHERE state NOT IN ('pending', 'sending', 'sent', 'deferred', 'failed', 'unknown')`},
		{"INV2: the Message-ID %s is on mails for different messages", `SELECT message_id FROM outbox WHERE message_id <> '' GROUP BY message_id HAVING count(DISTINCT subject_id) > 1`},
	} {
		found, err := collect(ctx, db.x, scanString, c.query+` LIMIT 100`)
		if err != nil {
			return r, err
		}
		for _, id := range found {
			r.Violations = append(r.Violations, fmt.Sprintf(c.promise, id))
		}
	}
	if err := db.verifyBlobs(ctx, hasBlob, &r); err != nil {
		return r, err
	}
	changed, err := db.CheckAudit(ctx)
	if err != nil {
		return r, err
	}
	if changed != "" {
		r.Violations = append(r.Violations, changed)
	}
	if n := r.Outbox[desk.EffectFailed]; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d outbox rows failed for good; see their reasons with GET /api/v1/outbox?state=failed", n))
	}
	if n := r.Ledger[desk.Quarantined]; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d inbound items are in quarantine; see GET /api/v1/quarantine", n))
	}
	return r, nil
}

func (db *DB) verifyBlobs(ctx context.Context, hasBlob func(context.Context, string) (bool, error), r *Report) error {
	shas, err := collect(ctx, db.x, scanString, `SELECT sha256 FROM attachments UNION SELECT raw_sha256 FROM ledger WHERE raw_sha256 <> ''
		UNION SELECT sha256 FROM article_pictures`)
	if err != nil {
		return err
	}
	for _, sha := range shas {
		ok, err := hasBlob(ctx, sha)
		if err != nil {
			return err
		}
		if !ok {
			r.Violations = append(r.Violations, "blob "+sha+" is named by a row but is not there")
		}
	}
	return nil
}

func outcomesSQL() string {
	s := ""
	for i, o := range desk.Outcomes() {
		if i > 0 {
			s += ", "
		}
		s += "'" + string(o) + "'"
	}
	return s
}
