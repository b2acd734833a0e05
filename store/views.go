package store

import (
	"context"
	"time"

	"postern/desk"
)

// LastView tells up to what time a contact has looked at a ticket; the zero time: never.
func (r reads) LastView(ctx context.Context, contact, ticket desk.ID) (at time.Time, err error) {
	known, err := collect(ctx, r.x, func(row scanner) (at time.Time, err error) { err = row.Scan(millis{&at}); return at, err },
		`SELECT at FROM ticket_views WHERE contact_id = $1 AND ticket_id = $2`, contact, ticket)
	if err != nil || len(known) == 0 {
		return at, err
	}
	return known[0], nil
}

// Viewed notes that a contact has looked at a ticket, up to a time. An earlier one than is known changes nothing.
func (db *DB) Viewed(ctx context.Context, contact, ticket desk.ID, until time.Time) error {
	return db.Update(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `INSERT INTO ticket_views (contact_id, ticket_id, at) VALUES ($1, $2, $3)
			ON CONFLICT (contact_id, ticket_id) DO UPDATE SET at = $3 WHERE ticket_views.at < $3`, contact, ticket, ms(until))
	})
}

// PutRating keeps how a contact says that a ticket went, in place of what they said before.
func (tx *Tx) PutRating(ctx context.Context, r desk.Rating) error {
	return tx.exec(ctx, `INSERT INTO ratings (ticket_id, contact_id, score, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (ticket_id, contact_id) DO UPDATE SET score = $3, at = $4`, r.TicketID, r.ContactID, r.Score, ms(r.At))
}

// Ratings lists how a ticket's customers say that it went, the newest first.
func (r reads) Ratings(ctx context.Context, ticket desk.ID) ([]desk.Rating, error) {
	return collect(ctx, r.x, func(row scanner) (x desk.Rating, err error) {
		err = row.Scan(&x.TicketID, &x.ContactID, &x.Score, millis{&x.At})
		return x, err
	}, `SELECT ticket_id, contact_id, score, at FROM ratings WHERE ticket_id = $1 ORDER BY at DESC, contact_id`, ticket)
}
