package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"postern/desk"
)

// Welcomed notes that an address gets its welcome mail now. It answers false if it ever had one (REQUIREMENTS L9).
func (tx *Tx) Welcomed(ctx context.Context, email string) (bool, error) {
	n, err := tx.changed(ctx, `INSERT INTO welcomes (email, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, email, ms(tx.Now()))
	return n == 1, err
}

// Password is a contact's stored password: an argon2id hash in its own text form.
type Password struct {
	Hash       string
	MustChange bool
	ChangedAt  time.Time
}

// Password finds a contact's password.
func (r reads) Password(ctx context.Context, contact desk.ID) (Password, error) {
	var p Password
	err := r.x.QueryRowContext(ctx, `SELECT hash, must_change, changed_at FROM passwords WHERE contact_id = $1`, contact).Scan(&p.Hash, &p.MustChange, millis{&p.ChangedAt})
	return one("password", p, err)
}

// PutPassword sets a contact's password, ends the contact's sessions and voids the one-time links (REQUIREMENTS P3, P8).
func (tx *Tx) PutPassword(ctx context.Context, contact desk.ID, p Password) error {
	if err := tx.exec(ctx, `INSERT INTO passwords (contact_id, hash, must_change, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (contact_id) DO UPDATE SET hash = $2, must_change = $3, changed_at = $4`, contact, p.Hash, p.MustChange, ms(p.ChangedAt)); err != nil {
		return err
	}
	if err := tx.exec(ctx, `UPDATE one_time SET used_at = $2 WHERE contact_id = $1 AND used_at = 0`, contact, ms(tx.Now())); err != nil {
		return err
	}
	return tx.EndSessions(ctx, contact)
}

// OneTime is a link that can be used once. Only the SHA-256 of its secret is stored.
type OneTime struct {
	Hash      [32]byte
	Purpose   string
	ContactID desk.ID
	Email     string // where it was sent: using it proves this address
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// AddOneTime stores a one-time link.
func (tx *Tx) AddOneTime(ctx context.Context, o OneTime) error {
	return tx.exec(ctx, `INSERT INTO one_time (hash, purpose, contact_id, email, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT DO NOTHING`,
		o.Hash[:], o.Purpose, o.ContactID, o.Email, ms(o.CreatedAt), ms(o.ExpiresAt))
}

// OneTime finds a one-time link, used or not.
func (r reads) OneTime(ctx context.Context, hash [32]byte) (OneTime, error) {
	o := OneTime{Hash: hash}
	err := r.x.QueryRowContext(ctx, `SELECT purpose, contact_id, email, created_at, expires_at, used_at FROM one_time WHERE hash = $1`, hash[:]).
		Scan(&o.Purpose, &o.ContactID, &o.Email, millis{&o.CreatedAt}, millis{&o.ExpiresAt}, millis{&o.UsedAt})
	return one("link", o, err)
}

// SpendOneTime uses a link up. It answers false if it was used or has expired.
func (tx *Tx) SpendOneTime(ctx context.Context, hash [32]byte) (bool, error) {
	n, err := tx.changed(ctx, `UPDATE one_time SET used_at = $2 WHERE hash = $1 AND used_at = 0 AND expires_at > $2`, hash[:], ms(tx.Now()))
	return n == 1, err
}

// OneTimesSince counts the links of a purpose that were made for a contact.
func (r reads) OneTimesSince(ctx context.Context, contact desk.ID, purpose string, since time.Time) (int, error) {
	var n int
	err := r.x.QueryRowContext(ctx, `SELECT count(*) FROM one_time WHERE contact_id = $1 AND purpose = $2 AND created_at >= $3`, contact, purpose, ms(since)).Scan(&n)
	return n, err
}

// Session finds the data of a session that has not expired; found is false for any other.
func (db *DB) Session(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = db.x.QueryRowContext(ctx, `SELECT data FROM sessions WHERE token = $1 AND expires_at > $2`, token, ms(db.Now())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// PutSession stores a session's data; contact is whose it is, or "".
func (db *DB) PutSession(ctx context.Context, token string, contact desk.ID, data []byte, expires time.Time) error {
	return db.Update(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `INSERT INTO sessions (token, contact_id, data, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (token) DO UPDATE SET contact_id = $2, data = $3, expires_at = $4`, token, contact, data, ms(expires))
	})
}

// DropSession ends one session.
func (db *DB) DropSession(ctx context.Context, token string) error {
	return db.Update(ctx, func(tx *Tx) error { return tx.exec(ctx, `DELETE FROM sessions WHERE token = $1`, token) })
}

// EndSessions ends all sessions of a contact.
func (tx *Tx) EndSessions(ctx context.Context, contact desk.ID) error {
	return tx.exec(ctx, `DELETE FROM sessions WHERE contact_id = $1`, contact)
}

// Tidy deletes what has run out: sessions, links that ended a month ago, counts of attempts.
func (db *DB) Tidy(ctx context.Context) error {
	return db.Update(ctx, func(tx *Tx) error {
		now := tx.Now()
		if err := tx.exec(ctx, `DELETE FROM sessions WHERE expires_at <= $1`, ms(now)); err != nil {
			return err
		}
		if err := tx.exec(ctx, `DELETE FROM one_time WHERE expires_at <= $1`, ms(now.AddDate(0, -1, 0))); err != nil {
			return err
		}
		return tx.exec(ctx, `DELETE FROM attempts WHERE until <= $1`, ms(now))
	})
}

// Hits tells how often key was hit in its current window, and when the window ends.
func (r reads) Hits(ctx context.Context, key string, now time.Time) (n int, until time.Time, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT count, until FROM attempts WHERE key = $1 AND until > $2`, key, ms(now)).Scan(&n, millis{&until})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return n, until, err
}

// Hit counts one more for key and answers the count. A window starts with its first hit and lasts for window; extend
// starts it anew with each.
func (tx *Tx) Hit(ctx context.Context, key string, window time.Duration, extend bool) (n int, err error) {
	now := tx.Now()
	err = tx.x.QueryRowContext(ctx, `INSERT INTO attempts (key, count, until) VALUES ($1, 1, $2)
		ON CONFLICT (key) DO UPDATE SET count = CASE WHEN attempts.until <= $3 THEN 1 ELSE attempts.count + 1 END,
			until = CASE WHEN attempts.until <= $3 OR $4 THEN $2 ELSE attempts.until END
		RETURNING count`, key, ms(now.Add(window)), ms(now), extend).Scan(&n)
	return n, err
}

// ForgetHits clears key's count.
func (tx *Tx) ForgetHits(ctx context.Context, key string) error {
	return tx.exec(ctx, `DELETE FROM attempts WHERE key = $1`, key)
}
