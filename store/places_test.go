package store

import (
	"testing"
	"time"

	"postern/desk"
)

// TestI5_WherePastMailsLieIsAskedOnce, a few at a time, and again once following was switched off meanwhile; the last day's are asked about each time.
func TestI5_WherePastMailsLieIsAskedOnce(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		ahead := time.Duration(0)
		o.Now = func() time.Time { return time.Now().Add(ahead) }
		db := open(t, o)
		m := addMailbox(t, db, "support@example.com")
		m.Policy.Follow = desk.Follow{ClosedFolder: "Done", FromMailbox: desk.On}
		put := func() { commit(t, db, func(tx *Tx) error { return tx.PutMailbox(t.Context(), m) }) }
		put()
		keep(t, db, takeLease(t, db, m.ID, "me", time.Hour), 1, 1, 2, 3, 4, 5)
		ann := addContact(t, db, "ann@example.com")
		for _, id := range must[[]desk.ID](t)(collect(t.Context(), db.x, scanID, `SELECT id FROM ledger ORDER BY id`)) {
			_, public, _ := addTicket(t, db, m.ID, ann)
			commit(t, db, func(tx *Tx) error {
				return tx.exec(t.Context(), `UPDATE messages SET ledger_id = $1 WHERE id = $2`, id, public.ID)
			})
		}
		ask := func(wantParts, wantPlaces int) {
			t.Helper()
			commit(t, db, func(tx *Tx) error { return tx.exec(t.Context(), `DELETE FROM places`) })
			parts := 0
			for all := false; !all; parts++ {
				commit(t, db, func(tx *Tx) (err error) {
					all, err = tx.PlaceKnown(t.Context(), m.ID, 2)
					return err
				})
			}
			if places := number(t, db, `SELECT count(*) FROM places`); parts != wantParts || places != wantPlaces {
				t.Errorf("%d places are known after %d parts, want %d after %d", places, parts, wantPlaces, wantParts)
			}
		}
		ask(3, 5)
		ask(3, 5) // of the last day
		ahead = 48 * time.Hour
		ask(3, 5)
		ask(1, 0)
		m.Name = "Acme"
		put()
		ask(1, 0)
		follow := m.Policy.Follow
		m.Policy.Follow.FromMailbox = desk.Off
		put()
		m.Policy.Follow = follow
		put()
		ask(3, 5)
		wantKind(t, db.Update(t.Context(), func(tx *Tx) error { _, err := tx.PlaceKnown(t.Context(), "none", 2); return err }), desk.NotFound)
	})
}
