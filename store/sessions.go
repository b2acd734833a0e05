package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"postern/desk"
)

// Session finds the data of a session that has not expired; found is false for any other.
func (db *DB) Session(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = db.x.QueryRowContext(ctx, `SELECT data FROM sessions WHERE token = $1 AND expires_at > $2`, token, ms(db.Now())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// PutSession stores a session's data; contact is whose it is, or "". A session that was ended stays ended: a request that
// began before does not bring it back. Its row stays, with a negative expires_at, until it would have expired.
func (db *DB) PutSession(ctx context.Context, token string, contact desk.ID, data []byte, expires time.Time) error {
	return db.Update(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `INSERT INTO sessions (token, contact_id, data, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (token) DO UPDATE SET contact_id = $2, data = $3, expires_at = $4 WHERE sessions.expires_at > 0`, token, contact, data, ms(expires))
	})
}

// DropSession ends one session.
func (db *DB) DropSession(ctx context.Context, token string) error {
	return db.Update(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `UPDATE sessions SET data = $2, expires_at = -abs(expires_at) WHERE token = $1`, token, []byte{})
	})
}

// EndSessions ends all sessions of a contact.
func (tx *Tx) EndSessions(ctx context.Context, contact desk.ID) error {
	return tx.exec(ctx, `UPDATE sessions SET data = $2, expires_at = -abs(expires_at) WHERE contact_id = $1`, contact, []byte{})
}

// SessionsOf finds the sessions of a contact that have not ended, by their stored tokens.
func (r reads) SessionsOf(ctx context.Context, contact desk.ID, now time.Time) (map[string][]byte, error) {
	out := map[string][]byte{}
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var token string
		var data []byte
		err := row.Scan(&token, &data)
		out[token] = data
		return struct{}{}, err
	}, `SELECT token, data FROM sessions WHERE contact_id = $1 AND expires_at > $2`, contact, ms(now))
	return out, err
}

// EndSession ends one session of a contact, or all but one if others is set.
func (tx *Tx) EndSession(ctx context.Context, contact desk.ID, token string, others bool) error {
	which := `token = $2`
	if others {
		which = `token <> $2`
	}
	return tx.exec(ctx, `UPDATE sessions SET data = $3, expires_at = -abs(expires_at) WHERE contact_id = $1 AND `+which, contact, token, []byte{})
}

// SessionThere tells whether a session, by its stored token, has not ended.
func (r reads) SessionThere(ctx context.Context, token string) (there bool, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sessions WHERE token = $1 AND expires_at > 0)`, token).Scan(&there)
	return there, err
}
