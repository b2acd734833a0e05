package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
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
	Code      string // as HashCode gives it: what does the same as the link; empty: nothing does
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// AddOneTime stores a one-time link.
func (tx *Tx) AddOneTime(ctx context.Context, o OneTime) error {
	return tx.exec(ctx, `INSERT INTO one_time (hash, purpose, contact_id, email, created_at, expires_at, used_at, code) VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT DO NOTHING`,
		o.Hash[:], o.Purpose, o.ContactID, o.Email, ms(o.CreatedAt), ms(o.ExpiresAt), o.Code)
}

// HashCode gives how a code is stored beside its link, the hash of whose secret salts it.
func HashCode(link [32]byte, code string) string {
	sum := sha256.Sum256(append(link[:], code...))
	return hex.EncodeToString(sum[:])
}

// OneTimeByCode finds the unused link of a contact that a code stands for; NotFound if there is none that has not run out.
func (r reads) OneTimeByCode(ctx context.Context, contact desk.ID, purpose, code string, now time.Time) (OneTime, error) {
	open, err := collect(ctx, r.x, func(row scanner) (o OneTime, err error) {
		var hash []byte
		err = row.Scan(&hash, &o.Email, &o.Code, millis{&o.CreatedAt}, millis{&o.ExpiresAt})
		copy(o.Hash[:], hash)
		o.Purpose, o.ContactID = purpose, contact
		return o, err
	}, `SELECT hash, email, code, created_at, expires_at FROM one_time WHERE contact_id = $1 AND purpose = $2 AND used_at = 0 AND expires_at > $3 AND code <> ''`, contact, purpose, ms(now))
	if err != nil {
		return OneTime{}, err
	}
	for _, o := range open {
		if subtle.ConstantTimeCompare([]byte(HashCode(o.Hash, code)), []byte(o.Code)) == 1 {
			return o, nil
		}
	}
	return OneTime{}, desk.Missing("code")
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

// Tidy deletes what has run out: sessions, links that ended a month ago, counts of attempts and of automatic mail.
func (db *DB) Tidy(ctx context.Context) error {
	return db.Update(ctx, func(tx *Tx) error {
		now := tx.Now()
		if err := tx.exec(ctx, `DELETE FROM sessions WHERE abs(expires_at) <= $1`, ms(now)); err != nil {
			return err
		}
		if err := tx.exec(ctx, `DELETE FROM one_time WHERE expires_at <= $1`, ms(now.AddDate(0, -1, 0))); err != nil {
			return err
		}
		if err := tx.exec(ctx, `DELETE FROM registrations WHERE expires_at <= $1`, ms(now)); err != nil {
			return err
		}
		if err := tx.exec(ctx, `DELETE FROM automatic_hours WHERE hour < $1`, now.AddDate(0, 0, -8).Unix()/3600); err != nil {
			return err
		}
		return tx.exec(ctx, `DELETE FROM attempts WHERE until <= $1`, ms(now))
	})
}
