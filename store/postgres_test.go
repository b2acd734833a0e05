package store

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

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

// TestAFailedQueryCostsNoConnection has rows break off in the middle, and a Scan that does not fit.
func TestAFailedQueryCostsNoConnection(t *testing.T) {
	t.Parallel()
	db := open(t, engines["postgres"](t))
	commit(t, db, hit("x"))
	before := db.postgres.Stat().NewConnsCount()
	for range 5 {
		for what, scan := range map[string]func(row scanner) (int, error){
			"a division by zero": func(row scanner) (n int, err error) { err = row.Scan(&n); return n, err },
			"a scan":             func(row scanner) (int, error) { return 0, row.Scan(new(map[string]int)) },
		} {
			err := db.Update(t.Context(), func(tx *Tx) error {
				if err := hit("during")(tx); err != nil {
					return err
				}
				_, err := collect(t.Context(), tx.x, scan, `SELECT 1 / (3 - n) FROM generate_series(1, 4) n`)
				if _, again := tx.Settings(t.Context()); err == nil || again == nil || !errors.Is(again, err) && desk.KindOf(again) == desk.Unavailable {
					t.Errorf("%s: error %v, and then %v", what, err, again)
				}
				return nil
			})
			if err == nil {
				t.Errorf("%s: committed", what)
			}
		}
	}
	if n := db.postgres.Stat().NewConnsCount() - before; n != 0 {
		t.Errorf("%d new connections", n)
	}
	if n := number(t, db, `SELECT count(*) FROM attempts WHERE key = 'during'`); n != 0 {
		t.Errorf("%d rows stay", n)
	}
}

// TestAnUpdateThatFailsLeftNothing cancels updates at all moments: what is reported as failed must not be there.
func TestAnUpdateThatFailsLeftNothing(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		for i := range 200 {
			key := string(NewID())
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				for range i * 200 { // a little later each time
					runtime.Gosched()
				}
			}()
			err := db.Update(ctx, hit(key))
			<-ctx.Done()
			if n := number(t, db, `SELECT count(*) FROM attempts WHERE key = $1`, key); n == 1 != (err == nil) {
				t.Errorf("error %v, %d rows", err, n)
			}
		}
	})
}

// TestATakenNameIsNotBlamedOnAnother has an earlier statement fail over a unique index, and then one that looks for that.
func TestATakenNameIsNotBlamedOnAnother(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		err := db.Update(t.Context(), func(tx *Tx) error {
			const once = `INSERT INTO attempts (key, count, until) VALUES ('x', 1, 1)`
			if err := errors.Join(tx.exec(t.Context(), once), tx.exec(t.Context(), once)); err != nil {
				return err
			}
			_, err := tx.AddContact(t.Context(), desk.Contact{ID: NewID(), Name: "Ann", Username: "ann"})
			return err
		})
		if err == nil || desk.KindOf(err) == desk.Conflict {
			t.Errorf("error %v", err)
		}
	})
}

// TestI10_AMachineThatSleepsInATransactionHoldsUpNobody: it has the lease's row locked when it stops. Another one takes the
// lease all the same, and what the first one wanted to write is refused when it wakes up, as something that passes.
func TestI10_AMachineThatSleepsInATransactionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	o := engines["postgres"](t)
	other := open(t, o)
	o.Rest = 200 * time.Millisecond
	sleeper := open(t, o)
	m := addMailbox(t, other, "support@example.com")
	var lease desk.Lease
	commit(t, sleeper, func(tx *Tx) (err error) {
		lease, _, err = tx.TakeLease(t.Context(), m.ID, "sleeper", time.Nanosecond)
		return err
	})
	locked, awake, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- sleeper.Update(t.Context(), func(tx *Tx) error {
			if err := tx.HoldLease(t.Context(), lease); err != nil {
				return err
			}
			close(locked)
			<-awake
			return tx.SetProblem(t.Context(), lease, "INBOX", desk.Inbox, "written after a sleep")
		})
	}()
	<-locked
	commit(t, other, func(tx *Tx) error {
		_, taken, err := tx.TakeLease(t.Context(), m.ID, "other", time.Hour)
		if err == nil && !taken {
			t.Error("no lease")
		}
		return err
	})
	close(awake)
	if err := <-done; desk.KindOf(err) != desk.Unavailable {
		t.Errorf("the sleeper wakes up to %v", err)
	}
	if f, err := other.Folder(t.Context(), m.ID, "INBOX"); err != nil || f.Problem != "" {
		t.Errorf("%+v, %v", f, err)
	}
	commit(t, sleeper, func(tx *Tx) error { _, err := tx.Settings(t.Context()); return err }) // it goes on
}
