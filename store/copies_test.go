package store

import (
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
)

// TestM11_WhoFilesTheSameMailOfAnotherMailboxWaits, and sees then what has become of it. Two that have mails in common in another order don't
// wait for each other.
func TestM11_WhoFilesTheSameMailOfAnotherMailboxWaits(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		first, second := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		keep(t, db, takeLease(t, db, first.ID, "me", time.Hour), 7, 1)
		e := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), first.ID, "", 1))[0]
		ticket, like, _ := addTicket(t, db, first.ID, addContact(t, db, "ann@customer.example"))
		same, other := Likeness{"1@customer.example", "f1"}, Likeness{"2@customer.example", "f2"}
		type answer struct {
			copies map[Likeness]Copy
			err    error
		}
		done := make(chan answer, 1)
		like.ID, like.LedgerID, like.MessageID, like.Attachments = NewID(), e.ID, same.MessageID, nil
		commit(t, db, func(tx *Tx) error {
			if copies, err := tx.Elsewhere(t.Context(), first.ID, []Likeness{same, other, {"", "f1"}, {"3@customer.example", ""}}); err != nil || len(copies) != 0 {
				t.Errorf("before anybody files it: %v, %v", copies, err)
			}
			go func() {
				var a answer
				a.err = db.Update(t.Context(), func(tx *Tx) (err error) {
					a.copies, err = tx.Elsewhere(t.Context(), second.ID, []Likeness{other, same})
					return err
				})
				done <- a
			}()
			if db.d.copyLock != "" {
				mailtest.Until(t, "the other one waits", func() bool {
					return len(done) > 0 || number(t, db, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) > 0
				})
			}
			if err := tx.NoteSeen(t.Context(), e, same); err != nil {
				return err
			}
			_, err := tx.AddMessage(t.Context(), like)
			return err
		})
		got := <-done
		if want := (Copy{e.ID, ticket.ID, like.ID}); got.err != nil || len(got.copies) != 1 || got.copies[same] != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		commit(t, db, func(tx *Tx) error {
			for what, copies := range map[string]map[Likeness]Copy{
				"in its own mailbox":      must[map[Likeness]Copy](t)(tx.Elsewhere(t.Context(), first.ID, []Likeness{same})),
				"the Message-ID alone":    must[map[Likeness]Copy](t)(tx.Elsewhere(t.Context(), second.ID, []Likeness{{same.MessageID, "f3"}})),
				"the content alone":       must[map[Likeness]Copy](t)(tx.Elsewhere(t.Context(), second.ID, []Likeness{{"4@customer.example", same.Fingerprint}})),
				"no Message-ID and no id": must[map[Likeness]Copy](t)(tx.Elsewhere(t.Context(), second.ID, []Likeness{{}})),
			} {
				if len(copies) != 0 {
					t.Errorf("%s: %+v", what, copies)
				}
			}
			return nil
		})
	})
}

// TestM5_WhoeverWaitsForTheOtherCopyInSentSeesWhatItBecame: two programs file the two at the same moment, and they are one answer.
func TestM5_WhoeverWaitsForTheOtherCopyInSentSeesWhatItBecame(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		db, other := open(t, o), open(t, o)
		mb := addMailbox(t, db, "support@example.com")
		_, public, _ := addTicket(t, db, mb.ID, addContact(t, db, "ann@acme.example"))
		keep(t, db, takeLease(t, db, mb.ID, "a", time.Minute), 1, 1, 2)
		es := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), mb.ID, "", 2))
		var first desk.ID
		var waiter sync.WaitGroup
		commit(t, db, func(tx *Tx) error {
			if nobody, err := tx.FirstInSent(t.Context(), es[0], "alike"); err != nil || nobody != "" {
				t.Errorf("before the first there is %q, %v", nobody, err)
			}
			if err := tx.exec(t.Context(), `UPDATE messages SET ledger_id = $1 WHERE id = $2`, es[0].ID, public.ID); err != nil {
				return err
			}
			if err := tx.x.flush(t.Context()); err != nil {
				return err
			}
			waiter.Go(func() {
				err := other.Update(t.Context(), func(tx *Tx) (err error) {
					first, err = tx.FirstInSent(t.Context(), es[1], "alike")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
			if db.d.updateLock != "" {
				mailtest.Until(t, "the other one waits", func() bool { return number(t, db, waitingForLocks) > 0 })
			}
			return nil
		})
		waiter.Wait()
		if first != es[0].ID {
			t.Errorf("the first is %q, want %s", first, es[0].ID)
		}
	})
}
