package store

import (
	"context"
	"time"

	"postern/desk"
)

// AutomaticMail counts the automatic mail to an address and for a ticket.
func (tx *Tx) AutomaticMail(ctx context.Context, email string, ticket desk.ID) (n desk.AutomaticCount, err error) {
	hour, day := ms(tx.Now().Add(-time.Hour)), ms(tx.Now().Add(-24*time.Hour))
	err = tx.x.QueryRowContext(ctx, `SELECT count(*), COALESCE(SUM(CASE WHEN created_at > $2 THEN 1 ELSE 0 END), 0),
			(SELECT count(*) FROM outbox WHERE ticket_id = $4 AND queue = 'automatic' AND created_at > $2), EXISTS (SELECT 1 FROM suppressions WHERE email = $1)
		FROM outbox WHERE queue = 'automatic' AND recipient = $1 AND created_at > $3`, email, hour, day, ticket).
		Scan(&n.AddressDay, &n.AddressHour, &n.TicketHour, &n.Suppressed)
	return n, err
}

// CountAutomatic counts one more automatic mail, and tells how many there are in this hour and how many there were in the
// seven days before it.
func (tx *Tx) CountAutomatic(ctx context.Context) (hour, week int, err error) {
	this := tx.Now().Unix() / 3600
	err = tx.x.QueryRowContext(ctx, `INSERT INTO automatic_hours (hour, count) VALUES ($1, 1)
		ON CONFLICT (hour) DO UPDATE SET count = automatic_hours.count + 1
		RETURNING count, (SELECT COALESCE(SUM(h.count), 0) FROM automatic_hours h WHERE h.hour >= $2 AND h.hour < $1)`, this, this-7*24).Scan(&hour, &week)
	return hour, week, err
}

// PauseQueue has a queue's rows wait. It answers false if they did already.
func (tx *Tx) PauseQueue(ctx context.Context, queue, reason string) (bool, error) {
	n, err := tx.changed(ctx, `INSERT INTO pauses (queue, reason, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, queue, clip(reason, 1000), ms(tx.Now()))
	return n > 0, err
}

// ResumeQueue has a queue's rows go out again. What was counted in this hour is forgotten: whoever resumes has looked at it.
func (tx *Tx) ResumeQueue(ctx context.Context, queue string) error {
	tx.outboxed = true
	if queue == desk.QueueAutomatic {
		if err := tx.exec(ctx, `DELETE FROM automatic_hours WHERE hour = $1`, tx.Now().Unix()/3600); err != nil {
			return err
		}
	}
	return tx.exec(ctx, `DELETE FROM pauses WHERE queue = $1`, queue)
}

// Pauses lists the queues whose rows wait.
func (r reads) Pauses(ctx context.Context) ([]desk.Pause, error) {
	return collect(ctx, r.x, func(row scanner) (p desk.Pause, err error) {
		err = row.Scan(&p.Queue, &p.Reason, millis{&p.Since})
		return p, err
	}, `SELECT queue, reason, since FROM pauses ORDER BY queue`)
}
