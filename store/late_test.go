package store

import (
	"slices"
	"testing"
	"time"

	"postern/desk"
)

// TestI3_AMailThatCouldNotBeFetchedIsAskedForAgain less and less often, for a week.
func TestI3_AMailThatCouldNotBeFetchedIsAskedForAgain(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		db := open(t, o)
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", 1000*time.Hour)
		b, raws := batch(m.ID, 7, 1, 2, 3)
		b.Items[1].Outcome, b.Items[1].Reason, b.Items[1].Later, raws[1] = desk.Unfetched, "for the test", true, nil
		b.Items[2].Outcome, b.Items[2].Reason, raws[2] = desk.Unfetched, "vanished", nil
		commit(t, db, func(tx *Tx) error { return tx.Keep(t.Context(), l, b, raws) })

		due := func() []desk.LedgerEntry { return must[[]desk.LedgerEntry](t)(db.UnfetchedOf(t.Context(), m.ID, 10)) }
		start, asked := c.now(), []int{}
		for c.now().Before(start.Add(30 * 24 * time.Hour)) {
			for _, e := range due() {
				if e.UID != 2 {
					t.Errorf("UID %d is due", e.UID)
				}
				asked = append(asked, int(c.now().Sub(start)/time.Hour))
				commit(t, db, func(tx *Tx) error { return tx.AskAgain(t.Context(), l, e) })
			}
			c.pass(time.Hour)
		}
		if want := []int{1, 3, 7, 15, 31, 55, 79, 103, 127, 151}; !slices.Equal(asked, want) {
			t.Errorf("it was asked for after hours %v, want %v", asked, want)
		}
	})
}

func TestI3_AMailThatComesLateIsKeptOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		b, raws := batch(m.ID, 7, 1, 2)
		b.Items[0].Outcome, b.Items[0].Later, raws[0] = desk.Unfetched, true, nil
		commit(t, db, func(tx *Tx) error { return tx.Keep(t.Context(), l, b, raws) })
		e := must[[]desk.LedgerEntry](t)(db.LedgerWith(t.Context(), desk.Unfetched, Page{Limit: 10}))[0]
		commit(t, db, func(tx *Tx) error { return tx.RetryUnfetched(t.Context(), e.ID) })
		if due := must[[]desk.LedgerEntry](t)(db.UnfetchedOf(t.Context(), m.ID, 10)); len(due) != 1 || due[0].ID != e.ID {
			t.Errorf("due is %+v", due)
		}

		late := func(l desk.Lease, it desk.FolderItem, raw string) error {
			return db.Update(t.Context(), func(tx *Tx) error { return tx.KeepLate(t.Context(), l, e.ID, it, []byte(raw)) })
		}
		it := desk.FolderItem{InternalDate: time.Unix(1700000000, 0), Size: 4}
		old := l
		commit(t, db, func(tx *Tx) error { return tx.DropLease(t.Context(), l) })
		l = takeLease(t, db, m.ID, "another", time.Hour)
		if err := late(old, it, "lost"); desk.KindOf(err) != desk.Conflict {
			t.Errorf("without the lease: %v", err)
		}
		if err := db.Update(t.Context(), func(tx *Tx) error { return tx.AskAgain(t.Context(), old, e) }); desk.KindOf(err) != desk.Conflict {
			t.Errorf("without the lease it was asked for: %v", err)
		}
		for _, raw := range []string{"late", "twice"} {
			if err := late(l, it, raw); err != nil {
				t.Error(err)
			}
		}
		now := must[desk.LedgerEntry](t)(db.Ledger(t.Context(), e.ID))
		if now.Outcome != desk.Pending || now.Reason != "" || now.Size != 4 || now.Attempts != 0 || !now.RetryAt.IsZero() || !now.DoneAt.IsZero() || !now.ReceivedAt.Equal(e.ReceivedAt) {
			t.Errorf("the row is %+v", now)
		}
		if got := must[map[desk.ID][]byte](t)(db.Raws(t.Context(), []desk.ID{e.ID})); string(got[e.ID]) != "late" {
			t.Errorf("its bytes are %q", got[e.ID])
		}
		if got := pending(t, db, m.ID); len(got) != 2 {
			t.Errorf("pending are %v", got)
		}
		wantFolder(t, db, m.ID, 7, 2, 2)
		if err := db.Update(t.Context(), func(tx *Tx) error { return tx.RetryUnfetched(t.Context(), e.ID) }); desk.KindOf(err) != desk.NotFound {
			t.Errorf("a mail that is there was asked for: %v", err)
		}
	})
}
