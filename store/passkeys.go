package store

import (
	"context"
	"time"

	"postern/desk"
)

// Passkey is a public key that somebody signs in with (Web Authentication, W3C).
type Passkey struct {
	ID        string // the credential's id, in base64url
	ContactID desk.ID
	Name      string // what its owner calls it
	Data      string // the credential, as package accounts writes it
	CreatedAt time.Time
	UsedAt    time.Time // the zero time: never
}

const passkeySelect = `SELECT id, contact_id, name, data, created_at, used_at FROM passkeys`

func scanPasskey(row scanner) (k Passkey, err error) {
	err = row.Scan(&k.ID, &k.ContactID, &k.Name, &k.Data, millis{&k.CreatedAt}, millis{&k.UsedAt})
	return k, err
}

// Passkeys lists a contact's passkeys, the oldest first.
func (r reads) Passkeys(ctx context.Context, contact desk.ID) ([]Passkey, error) {
	return collect(ctx, r.x, scanPasskey, passkeySelect+` WHERE contact_id = $1 ORDER BY created_at, id`, contact)
}

// AddPasskey stores a passkey. One with its id that is there already, whoever's, is a Conflict.
func (tx *Tx) AddPasskey(ctx context.Context, k Passkey) error {
	n, err := tx.changed(ctx, `INSERT INTO passkeys (id, contact_id, name, data, created_at, used_at) VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT DO NOTHING`, k.ID, k.ContactID, k.Name, k.Data, ms(k.CreatedAt))
	if err == nil && n == 0 {
		err = &desk.Error{Kind: desk.Conflict, Text: "this passkey is known already"}
	}
	return err
}

// UsePasskey keeps what a sign-in has changed of a contact's passkey.
func (tx *Tx) UsePasskey(ctx context.Context, k Passkey) error {
	return tx.exec(ctx, `UPDATE passkeys SET data = $3, used_at = $4 WHERE id = $1 AND contact_id = $2`, k.ID, k.ContactID, k.Data, ms(k.UsedAt))
}

// RemovePasskey takes a contact's passkey away; false: it is not theirs.
func (tx *Tx) RemovePasskey(ctx context.Context, contact desk.ID, id string) (bool, error) {
	n, err := tx.changed(ctx, `DELETE FROM passkeys WHERE id = $1 AND contact_id = $2`, id, contact)
	return n > 0, err
}
