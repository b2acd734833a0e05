package store

import (
	"context"
	"encoding/json"
	"time"

	"postern/desk"
)

// Grant gives a mailbox's leave to sign in by OAuth. One that nobody has authorised is NotFound.
func (db *DB) Grant(ctx context.Context, mailbox desk.ID) (desk.Grant, error) {
	gs, err := db.grants(ctx, `WHERE mailbox_id = $1`, mailbox)
	if err == nil && len(gs) == 0 {
		return desk.Grant{}, desk.Missing("grant")
	}
	if err != nil {
		return desk.Grant{}, err
	}
	return gs[0], nil
}

// Grants gives those of all mailboxes.
func (db *DB) Grants(ctx context.Context) ([]desk.Grant, error) {
	return db.grants(ctx, `ORDER BY mailbox_id`)
}

func (db *DB) grants(ctx context.Context, which string, args ...any) ([]desk.Grant, error) {
	return collect(ctx, db.x, func(row scanner) (g desk.Grant, err error) {
		var tokens []byte
		if err = row.Scan(&g.MailboxID, &tokens, &g.Version, millis{&g.Expires}, millis{&g.RenewAt}, &g.Forced, &g.Problem, &g.Ended,
			millis{&g.RetryAt}, &g.Failures, millis{&g.AuthorisedAt}, millis{&g.RenewedAt}); err != nil {
			return g, err
		}
		plain, err := db.unseal(tokens)
		if err != nil {
			return g, err
		}
		return g, json.Unmarshal(plain, &g.Tokens)
	}, `SELECT mailbox_id, tokens, version, expires, renew_at, forced, problem, ended, retry_at, failures, authorised_at, renewed_at FROM oauth_grants `+which, args...)
}

// PutGrant stores what somebody has authorised, in place of what was there.
func (tx *Tx) PutGrant(ctx context.Context, g desk.Grant) error {
	tokens, err := json.Marshal(g.Tokens)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO oauth_grants (mailbox_id, tokens, version, expires, renew_at, forced, problem, ended, retry_at, failures, authorised_at, renewed_at, renewer, renewer_until)
		VALUES ($1, $2, 1, $3, $4, FALSE, '', FALSE, 0, 0, $5, $5, '', 0)
		ON CONFLICT (mailbox_id) DO UPDATE SET tokens = $2, version = oauth_grants.version + 1, expires = $3, renew_at = $4, forced = FALSE, problem = '', ended = FALSE,
			retry_at = 0, failures = 0, authorised_at = $5, renewed_at = $5, renewer = '', renewer_until = 0`,
		g.MailboxID, tx.db.seal(tokens), ms(g.Expires), ms(g.RenewAt), ms(g.AuthorisedAt))
}

// DropGrant forgets what was authorised: it was for another client or provider.
func (tx *Tx) DropGrant(ctx context.Context, mailbox desk.ID) error {
	return tx.exec(ctx, `DELETE FROM oauth_grants WHERE mailbox_id = $1`, mailbox)
}

// TryGrant has a mailbox's tokens renewed at the next occasion, whatever kept them from that.
func (tx *Tx) TryGrant(ctx context.Context, mailbox desk.ID) error {
	return tx.exec(ctx, `UPDATE oauth_grants SET ended = FALSE, forced = FALSE, retry_at = 0, failures = 0 WHERE mailbox_id = $1`, mailbox)
}

// ClaimGrant gives renewer, a name that is used once, the right to have the tokens of g renewed until now plus d, if nobody else has it
// and they are still those.
func (db *DB) ClaimGrant(ctx context.Context, g desk.Grant, renewer string, d time.Duration) (ok bool, err error) {
	now := db.Now()
	err = db.Update(ctx, func(tx *Tx) error {
		n, err := tx.changed(ctx, `UPDATE oauth_grants SET renewer = $3, renewer_until = $4 WHERE mailbox_id = $1 AND version = $2 AND renewer_until < $5`,
			g.MailboxID, g.Version, renewer, ms(now.Add(d)), ms(now))
		ok = n == 1
		return err
	})
	return ok && err == nil, err
}

// RenewedGrant stores new tokens in place of those that g, by its version, had before, and ends the claim. A Conflict: they were
// replaced meanwhile.
func (db *DB) RenewedGrant(ctx context.Context, g desk.Grant) error {
	tokens, err := json.Marshal(g.Tokens)
	if err != nil {
		return err
	}
	return db.settleGrant(ctx, `UPDATE oauth_grants SET tokens = $3, version = version + 1, expires = $4, renew_at = $5, forced = $6, problem = '', ended = FALSE,
		retry_at = 0, failures = 0, renewed_at = $7, renewer = '', renewer_until = 0 WHERE mailbox_id = $1 AND version = $2`,
		g.MailboxID, g.Version, db.seal(tokens), ms(g.Expires), ms(g.RenewAt), g.Forced, ms(g.RenewedAt))
}

// FailedGrant stores why tokens could not be renewed, and ends the renewer's claim. A Conflict: they were replaced meanwhile, or
// somebody else is at it.
func (db *DB) FailedGrant(ctx context.Context, g desk.Grant, renewer string) error {
	return db.settleGrant(ctx, `UPDATE oauth_grants SET problem = $4, ended = $5, retry_at = $6, failures = $7, renewer = '', renewer_until = 0
		WHERE mailbox_id = $1 AND version = $2 AND renewer = $3`, g.MailboxID, g.Version, renewer, clip(g.Problem, 1000), g.Ended, ms(g.RetryAt), g.Failures)
}

func (db *DB) settleGrant(ctx context.Context, query string, args ...any) error {
	return db.Update(ctx, func(tx *Tx) error {
		n, err := tx.changed(ctx, query, args...)
		if err == nil && n == 0 {
			return &desk.Error{Kind: desk.Conflict, Text: "the mailbox's tokens were replaced meanwhile"}
		}
		return err
	})
}
