package store

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
)

// waitingForLocks counts those in PostgreSQL who wait for a lock that somebody has.
const waitingForLocks = `SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND l.pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`

// TestChangesOfATicketAreNotLost: whoever changes a ticket stores the whole of it, as no other has changed it meanwhile.
func TestChangesOfATicketAreNotLost(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		const rounds = 20
		db := open(t, o)
		ticket, _, _ := addTicket(t, db, addMailbox(t, db, "support@example.com").ID, addContact(t, db, "ann@acme.example"))
		var wg sync.WaitGroup
		processes := []*DB{db, open(t, o), open(t, o)} // one process has one transaction at a time
		for _, p := range processes {
			wg.Go(func() {
				for range rounds {
					err := p.Update(t.Context(), func(tx *Tx) error {
						now, err := tx.Ticket(t.Context(), desk.ScopeOfProgram(), ticket.ID)
						if err != nil {
							return err
						}
						n, _ := strconv.Atoi(now.Properties["n"]) // none is 0
						now.Properties = map[string]string{"n": strconv.Itoa(n + 1)}
						return tx.ChangeTicket(t.Context(), now)
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		now, err := db.Ticket(t.Context(), desk.ScopeOfProgram(), ticket.ID)
		if want := strconv.Itoa(len(processes) * rounds); err != nil || now.Properties["n"] != want {
			t.Errorf("%s of %s changes are there: %v", now.Properties["n"], want, err)
		}
	})
}

// TestI5_KeywordsAreComparedAsTheyAre: they may hold what a pattern takes for something else.
func TestI5_KeywordsAreComparedAsTheyAre(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		mb := addMailbox(t, db, "support@example.com")
		ticket, public, _ := addTicket(t, db, mb.ID, addContact(t, db, "ann@acme.example"))
		keep(t, db, takeLease(t, db, mb.ID, "a", time.Minute), 1, 1)
		e := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), mb.ID, "", 1))[0]
		commit(t, db, func(tx *Tx) error {
			if _, err := tx.AddPlace(t.Context(), e, public.ID, "", false); err != nil {
				return err
			}
			return tx.PlaceMarked(t.Context(), Place{LedgerID: e.ID}, []string{`\Flagged`, "$my_label"})
		})
		for mark, want := range map[string]bool{`\Flagged`: true, "$my_label": true, "$my-label": false, "Flagged": false, "%": false} {
			if got, err := db.MarkedIn(t.Context(), ticket.ID, mb.ID, mark); err != nil || got != want {
				t.Errorf("%s: %v, %v; want %v", mark, got, err, want)
			}
		}
	})
}

// TestWhoeverWaitsForAMergedTicketGetsTheOneThatStays: what they have to add goes there (INV1).
func TestWhoeverWaitsForAMergedTicketGetsTheOneThatStays(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		db, other := open(t, o), open(t, o)
		mb, ann := addMailbox(t, db, "support@example.com"), addContact(t, db, "ann@acme.example")
		goes, _, _ := addTicket(t, db, mb.ID, ann)
		stays, _, _ := addTicket(t, db, mb.ID, ann)
		var got desk.ID
		var waiter sync.WaitGroup
		commit(t, db, func(tx *Tx) error {
			if err := tx.MergeTicket(t.Context(), goes.ID, stays.ID); err != nil {
				return err
			}
			if err := tx.x.flush(t.Context()); err != nil {
				return err
			}
			waiter.Go(func() {
				err := other.Update(t.Context(), func(tx *Tx) error {
					ticket, err := tx.Ticket(t.Context(), desk.ScopeOfProgram(), goes.ID)
					got = ticket.ID
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
			if db.d.updateLock != "" {
				mailtest.Until(t, "the other one waits", func() bool {
					return number(t, db, waitingForLocks) > 0
				})
			}
			return nil
		})
		waiter.Wait()
		if got != stays.ID {
			t.Errorf("it gets %s, not the ticket that stays", got)
		}
	})
}

// TestI5_ACopyThatIsMarkedDeletedIsNotMoved with its conversation: it is as good as gone.
func TestI5_ACopyThatIsMarkedDeletedIsNotMoved(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		mb := addMailbox(t, db, "support@example.com")
		ticket, public, _ := addTicket(t, db, mb.ID, addContact(t, db, "ann@acme.example"))
		keep(t, db, takeLease(t, db, mb.ID, "a", time.Minute), 1, 1, 2)
		es := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), mb.ID, "", 2))
		located := func() (uids []uint32) {
			for _, l := range must[[]desk.Located](t)(db.Locate(t.Context(), ticket.ID, mb.ID, 10)) {
				uids = append(uids, l.UID)
			}
			return uids
		}
		commit(t, db, func(tx *Tx) error {
			for _, e := range es {
				if _, err := tx.AddPlace(t.Context(), e, public.ID, "", false); err != nil {
					return err
				}
			}
			return nil
		})
		for marked, want := range map[int][]uint32{0: {2}, 1: {1}} {
			for i, e := range es {
				marks := []string{}
				if i == marked {
					marks = append(marks, desk.Deleted)
				}
				commit(t, db, func(tx *Tx) error { return tx.PlaceMarked(t.Context(), Place{LedgerID: e.ID}, marks) })
			}
			if got := located(); !slices.Equal(got, want) {
				t.Errorf("with the copy %d deleted: UIDs %v, want %v", marked+1, got, want)
			}
		}
	})
}
