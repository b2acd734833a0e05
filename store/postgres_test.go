package store

import (
	"errors"
	"strings"
	"testing"

	"postern/desk"
)

// TestWhatFailsLaterFailsTheUpdate has statements fail whose results nobody waits for: nothing of their transaction may stay.
func TestWhatFailsLaterFailsTheUpdate(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		hit := func(tx *Tx, key string) error {
			return tx.exec(ctx, `INSERT INTO attempts (key, count, until) VALUES ($1, 1, 1)`, key)
		}
		twice := func(tx *Tx) error { return errors.Join(hit(tx, "a"), hit(tx, "b"), hit(tx, "a"), hit(tx, "c")) }
		for what, fn := range map[string]func(tx *Tx) error{
			"at the commit": twice,
			"at a question that is asked afterwards": func(tx *Tx) error {
				if err := twice(tx); err != nil {
					return err
				}
				_, err := tx.Settings(ctx)
				return err
			},
			"at a statement that is waited for": func(tx *Tx) error {
				if err := twice(tx); err != nil {
					return err
				}
				_, err := tx.changed(ctx, `DELETE FROM attempts WHERE key = 'x'`)
				return err
			},
			"where a look at the result says so": func(tx *Tx) error {
				return errors.Join(hit(tx, "a"), tx.Settle(ctx, desk.LedgerEntry{ID: "nothing"}))
			},
			"by itself": func(tx *Tx) error { return errors.Join(hit(tx, "a"), errors.New("no")) },
		} {
			for range 3 { // the connection is good for more
				err := db.Update(ctx, fn)
				if n := number(t, db, `SELECT count(*) FROM attempts`); err == nil || n != 0 {
					t.Errorf("it fails %s: error %v, %d rows stay", what, err, n)
				}
			}
		}
		if db.writer == nil {
			// An error that the caller passes over is found again by the commit; SQLite would keep the rest.
			err := db.Update(ctx, func(tx *Tx) error {
				_ = twice(tx)
				_, _ = tx.Settings(ctx)
				return nil
			})
			if n := number(t, db, `SELECT count(*) FROM attempts`); err == nil || n != 0 {
				t.Errorf("passed over: error %v, %d rows stay", err, n)
			}
			if n := db.postgres.Stat().NewConnsCount(); n > 3 {
				t.Errorf("%d connections were opened: failed transactions cost theirs", n)
			}
		}
	})
}

// TestWhatWaitsToBeSentIsBounded writes more in one transaction than may lie in memory.
func TestWhatWaitsToBeSentIsBounded(t *testing.T) {
	t.Parallel()
	db := open(t, engines["postgres"](t))
	large := strings.Repeat("x", mostWaiting/4)
	commit(t, db, func(tx *Tx) error {
		s, ok := tx.x.queryer.(*session)
		if !ok {
			t.Fatalf("the transaction runs on %T", tx.x.queryer)
		}
		most := 0
		for i := range 20 {
			if err := tx.exec(t.Context(), `INSERT INTO templates (version, subject, body) VALUES ($1, '', $2)`, string(rune('a'+i)), large); err != nil {
				return err
			}
			most = max(most, s.bytes)
		}
		if most == 0 || most > mostWaiting {
			t.Errorf("up to %d bytes wait, want some and at most %d", most, mostWaiting)
		}
		return nil
	})
	if n := number(t, db, `SELECT count(*) FROM templates`); n != 20 {
		t.Errorf("%d rows", n)
	}
}
