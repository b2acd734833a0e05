package store

import (
	"context"
	"time"

	"postern/desk"
)

// AddToken stores an API token by the SHA-256 of its secret.
func (tx *Tx) AddToken(ctx context.Context, t desk.Token, hash [32]byte) error {
	return tx.exec(ctx, `INSERT INTO tokens (id, name, hash, scopes, created_at, last_used) VALUES ($1, $2, $3, $4, $5, 0)`,
		t.ID, clip(t.Name, 200), hash[:], pack(t.Scopes), ms(t.CreatedAt))
}

const tokenColumns = `id, name, scopes, created_at, last_used`

func scanToken(row scanner) (t desk.Token, err error) {
	err = row.Scan(&t.ID, &t.Name, packed[[]string]{&t.Scopes}, millis{&t.CreatedAt}, millis{&t.LastUsed})
	return t, err
}

// TokenByHash finds an API token by the SHA-256 of its secret.
func (r reads) TokenByHash(ctx context.Context, hash [32]byte) (desk.Token, error) {
	t, err := scanToken(r.x.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE hash = $1`, hash[:]))
	return one("token", t, err)
}

// Tokens lists the API tokens, newest first.
func (r reads) Tokens(ctx context.Context) ([]desk.Token, error) {
	return collect(ctx, r.x, scanToken, `SELECT `+tokenColumns+` FROM tokens ORDER BY id DESC`)
}

// UsedToken notes when a token was last used.
func (tx *Tx) UsedToken(ctx context.Context, id desk.ID, at time.Time) error {
	return tx.exec(ctx, `UPDATE tokens SET last_used = $2 WHERE id = $1`, id, ms(at))
}

// DeleteToken ends an API token. One that is not there is NotFound.
func (tx *Tx) DeleteToken(ctx context.Context, id desk.ID) error {
	n, err := tx.changed(ctx, `DELETE FROM tokens WHERE id = $1`, id)
	if err == nil && n == 0 {
		return desk.Missing("token")
	}
	return err
}
