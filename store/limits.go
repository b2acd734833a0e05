package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Hits tells how often key was hit in its current window, and when the window ends.
func (r reads) Hits(ctx context.Context, key string, now time.Time) (n int, until time.Time, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT count, until FROM attempts WHERE key = $1 AND until > $2`, key, ms(now)).Scan(&n, millis{&until})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return n, until, err
}

// Hit counts one more for key and answers the count. A window starts with its first hit and lasts for window.
func (tx *Tx) Hit(ctx context.Context, key string, window time.Duration) (n int, err error) {
	now := tx.Now()
	err = tx.x.QueryRowContext(ctx, `INSERT INTO attempts (key, count, until) VALUES ($1, 1, $2)
		ON CONFLICT (key) DO UPDATE SET count = CASE WHEN attempts.until <= $3 THEN 1 ELSE attempts.count + 1 END,
			until = CASE WHEN attempts.until <= $3 THEN $2 ELSE attempts.until END
		RETURNING count`, key, ms(now.Add(window)), ms(now)).Scan(&n)
	return n, err
}

// TakeBackHit counts one less for key.
func (tx *Tx) TakeBackHit(ctx context.Context, key string) error {
	return tx.exec(ctx, `UPDATE attempts SET count = count - 1 WHERE key = $1 AND count > 0`, key)
}

// ForgetHits clears key's count.
func (tx *Tx) ForgetHits(ctx context.Context, key string) error {
	return tx.exec(ctx, `DELETE FROM attempts WHERE key = $1`, key)
}
