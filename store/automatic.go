package store

import (
	"context"

	"postern/desk"
)

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

// ResumeQueue has a paused queue's rows go out again. It answers false if it was not paused. What was counted in this hour is
// forgotten: whoever resumes has looked at it. The links in welcome mails that waited live from now on.
func (tx *Tx) ResumeQueue(ctx context.Context, queue string) (bool, error) {
	n, err := tx.changed(ctx, `DELETE FROM pauses WHERE queue = $1`, queue)
	if err != nil || n == 0 {
		return false, err
	}
	tx.outboxed = true
	now := ms(tx.Now())
	if err := tx.forgetSurge(ctx, queue); err != nil {
		return false, err
	}
	if err := tx.exec(ctx, `UPDATE one_time SET expires_at = expires_at + ($1 - created_at), created_at = $1
		WHERE EXISTS (SELECT 1 FROM outbox o WHERE o.queue = $2 AND o.done_at = 0 AND o.attempt = 0 AND o.kind = $3 AND o.contact_id = one_time.contact_id AND o.created_at = one_time.created_at)`,
		now, queue, desk.WelcomeMail); err != nil {
		return false, err
	}
	return true, tx.exec(ctx, `UPDATE outbox SET created_at = $1 WHERE queue = $2 AND done_at = 0 AND attempt = 0 AND kind = $3`, now, queue, desk.WelcomeMail)
}

// DiscardAutomatic ends the automatic mail that waits while its queue is paused, and tells how much it was. Those who were to be
// welcomed may be welcomed another time. It fails with Conflict if the queue is not paused: then mail is on its way.
func (tx *Tx) DiscardAutomatic(ctx context.Context) (int64, error) {
	const queue = desk.QueueAutomatic
	paused, err := tx.changed(ctx, `UPDATE pauses SET since = since WHERE queue = $1`, queue)
	if err != nil {
		return 0, err
	}
	if paused == 0 {
		return 0, &desk.Error{Kind: desk.Conflict, Text: "automatic mail is not paused; pause it first"}
	}
	if err := tx.forgetSurge(ctx, queue); err != nil {
		return 0, err
	}
	const waiting = ` queue = $1 AND done_at = 0 AND attempt = 0`
	if err := tx.exec(ctx, `DELETE FROM welcomes WHERE email IN (SELECT recipient FROM outbox WHERE kind = $2 AND`+waiting+`)`, queue, desk.WelcomeMail); err != nil {
		return 0, err
	}
	return tx.changed(ctx, `UPDATE outbox SET state = 'failed', last_error = 'discarded by an operator', done_at = $2 WHERE`+waiting, queue, ms(tx.Now()))
}

// forgetSurge forgets what was counted in this hour.
func (tx *Tx) forgetSurge(ctx context.Context, queue string) error {
	if queue != desk.QueueAutomatic {
		return nil
	}
	return tx.exec(ctx, `DELETE FROM automatic_hours WHERE hour = $1`, tx.Now().Unix()/3600)
}

// Pauses lists the queues whose rows wait.
func (r reads) Pauses(ctx context.Context) ([]desk.Pause, error) {
	return collect(ctx, r.x, func(row scanner) (p desk.Pause, err error) {
		err = row.Scan(&p.Queue, &p.Reason, millis{&p.Since})
		return p, err
	}, `SELECT queue, reason, since FROM pauses ORDER BY queue`)
}
