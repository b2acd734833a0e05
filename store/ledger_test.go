package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
)

func pending(t testing.TB, db *DB, mailbox desk.ID) []uint32 {
	t.Helper()
	var uids []uint32
	for _, e := range must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), mailbox, "", 1000)) {
		uids = append(uids, e.UID)
	}
	return uids
}

func wantFolder(t testing.TB, db *DB, mailbox desk.ID, validity, last uint32, seen int64) {
	t.Helper()
	f := must[desk.Folder](t)(db.Folder(t.Context(), mailbox, "INBOX"))
	if f.UIDValidity != validity || f.LastUID != last || f.Seen != seen {
		t.Errorf("folder %+v, want UIDVALIDITY %d, last UID %d, %d seen", f, validity, last, seen)
	}
}

func TestI2_BatchThatComesTwiceIsKeptOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		keep(t, db, l, 7, 1, 2, 5)
		keep(t, db, l, 7, 1, 2, 5)
		keep(t, db, l, 7, 2, 5, 9) // overlaps
		if got := pending(t, db, m.ID); !slices.Equal(got, []uint32{1, 2, 5, 9}) {
			t.Errorf("kept %v", got)
		}
		wantFolder(t, db, m.ID, 7, 9, 4)
		raws := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 10))
		bytes := must[map[desk.ID][]byte](t)(db.Raws(t.Context(), []desk.ID{raws[3].ID}))
		if string(bytes[raws[3].ID]) != "mail 9" {
			t.Errorf("bytes %q", bytes)
		}
	})
}

func TestI2_TheSameBatchFromManyAtOnceIsKeptOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				b, raws := batch(m.ID, 7, 1, 2, 3)
				if i%2 == 1 { // reads on
					b, raws = batch(m.ID, 7, 1, 2, 3, 4)
				}
				if err := db.Update(t.Context(), func(tx *Tx) error { return tx.Keep(t.Context(), l, b, raws) }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := pending(t, db, m.ID); !slices.Equal(got, []uint32{1, 2, 3, 4}) {
			t.Errorf("kept %v", got)
		}
		wantFolder(t, db, m.ID, 7, 4, 4)
	})
}

func TestI2_BatchOutOfOrderIsRefusedWhole(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		b, raws := batch(m.ID, 7, 1, 3, 2)
		if err := db.Update(t.Context(), func(tx *Tx) error { return tx.Keep(t.Context(), l, b, raws) }); err == nil {
			t.Error("taken")
		}
		if got := pending(t, db, m.ID); len(got) != 0 {
			t.Errorf("kept %v", got)
		}
		wantFolder(t, db, m.ID, 0, 0, 0)
	})
}

func TestI5_UIDValidityChangeStartsAnewAndKeepsTheCount(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		keep(t, db, l, 7, 1, 2, 3)
		keep(t, db, l, 8, 1, 2)
		wantFolder(t, db, m.ID, 8, 2, 5)
		keep(t, db, l, 7, 1, 2, 3, 4) // a backup of the mailbox was put back: three of these are known
		wantFolder(t, db, m.ID, 7, 4, 6)
		wantClean(t, db)
	})
}

func TestI5_ANewGenerationTakesUIDsOnceMore(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		keep(t, db, l, 7, 1, 2, 3)
		b, raws := batch(m.ID, 7, 1, 2)
		b.Generation, b.Account = 1, "support at mail.example.com"
		for range 2 { // a batch may come twice
			commit(t, db, func(tx *Tx) error { return tx.Keep(t.Context(), l, b, raws) })
		}
		wantFolder(t, db, m.ID, 7, 2, 5)
		if got := pending(t, db, m.ID); !slices.Equal(got, []uint32{1, 2, 3, 1, 2}) {
			t.Errorf("kept %v", got)
		}
		f := must[desk.Folder](t)(db.Folder(t.Context(), m.ID, "INBOX"))
		if f.Generation != 1 || f.Account != b.Account {
			t.Errorf("folder %+v", f)
		}
		wantClean(t, db)
	})
}

func TestI10_LeaseThatWasTakenOverShutsTheOldOwnerOut(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		db := open(t, o)
		m := addMailbox(t, db, "support@example.com")
		old := takeLease(t, db, m.ID, "old", 30*time.Second)
		takes := func(owner string) bool {
			var ok bool
			commit(t, db, func(tx *Tx) error {
				var err error
				_, ok, err = tx.TakeLease(t.Context(), m.ID, owner, 30*time.Second)
				return err
			})
			return ok
		}
		if takes("new") {
			t.Error("a lease that holds was taken over")
		}
		c.pass(20 * time.Second)
		if again := takeLease(t, db, m.ID, "old", 30*time.Second); again.Epoch != old.Epoch {
			t.Errorf("renewing changed the epoch from %d to %d", old.Epoch, again.Epoch)
		}
		c.pass(20 * time.Second)
		if takes("new") {
			t.Error("a renewed lease was taken over")
		}
		c.pass(11 * time.Second)
		now := takeLease(t, db, m.ID, "new", 30*time.Second)
		if now.Epoch <= old.Epoch {
			t.Errorf("epoch %d after %d", now.Epoch, old.Epoch)
		}
		b, raws := batch(m.ID, 7, 1)
		wantKind(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Keep(t.Context(), old, b, raws) }), desk.Conflict)
		keep(t, db, now, 7, 1)
		wantFolder(t, db, m.ID, 7, 1, 1)

		commit(t, db, func(tx *Tx) error { return tx.DropLease(t.Context(), old) }) // not the old one's to drop
		if takes("third") {
			t.Error("a stranger dropped the lease")
		}
		commit(t, db, func(tx *Tx) error { return tx.DropLease(t.Context(), now) })
		if back := takeLease(t, db, m.ID, "old", 30*time.Second); back.Epoch <= now.Epoch {
			t.Errorf("epoch %d after %d", back.Epoch, now.Epoch)
		}
	})
}

func TestI10_OneOfManyTakesALease(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		var wg sync.WaitGroup
		var mu sync.Mutex
		owners := 0
		for i := range 20 {
			wg.Go(func() {
				var ok bool
				err := db.Update(t.Context(), func(tx *Tx) error {
					var err error
					_, ok, err = tx.TakeLease(t.Context(), m.ID, fmt.Sprint(i), time.Hour)
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if ok {
					owners++
				}
			})
		}
		wg.Wait()
		if owners != 1 {
			t.Errorf("%d owners", owners)
		}
	})
}

// TestI7_ADeathWhileManyAreReadCountsOnce, at each of those that were read, and only if it was one.
func TestI7_ADeathWhileManyAreReadCountsOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		l := takeLease(t, db, m.ID, "place/0", time.Hour)
		var uids []uint32
		for uid := range uint32(desk.MaxUnderWay + 2) {
			uids = append(uids, uid+1)
		}
		keep(t, db, l, 7, uids...)
		keep(t, db, takeLease(t, db, other.ID, "place/0", time.Hour), 7, 1)
		attempts := func(mailbox desk.ID) (counts [3]int) {
			for _, e := range must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), mailbox, "", 1000)) {
				counts[e.Attempts]++
			}
			return counts
		}
		want := func(when string, none, one, two int) {
			t.Helper()
			if got := attempts(m.ID); got != [3]int{none, one, two} {
				t.Errorf("%s: %v mails have no, one and two attempts; want %d, %d and %d", when, got, none, one, two)
			}
		}
		next := 0
		another := func() {
			next++
			l = takeLease(t, db, m.ID, fmt.Sprintf("place/%d", next), time.Hour)
		}
		many := func() {
			commit(t, db, func(tx *Tx) error { return tx.ReadsManyAtOnce(t.Context(), l) })
		}
		all := len(uids)
		another()
		want("after a process that has not read many at once", all, 0, 0)
		many()
		takeLease(t, db, m.ID, l.Owner, time.Hour)
		want("when the lease is renewed", all, 0, 0)
		commit(t, db, func(tx *Tx) error { return tx.DropLease(t.Context(), l) })
		another()
		want("after one that has ended as it should", all, 0, 0)
		many()
		former := l
		another()
		want("after one that has died", 2, desk.MaxUnderWay, 0)
		first := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 1))[0]
		commit(t, db, func(tx *Tx) error { return tx.CountAttempt(t.Context(), first.ID, 1) })
		commit(t, db, func(tx *Tx) error { return tx.ReadsManyAtOnce(t.Context(), former) }) // it was alive after all
		another()
		want("after one that has died over the first", 2, desk.MaxUnderWay-1, 1)
		for range 4 {
			many()
			another()
		}
		want("after some more", 2, desk.MaxUnderWay-1, 1)
		if got := attempts(other.ID); got != [3]int{1, 0, 0} {
			t.Errorf("of another mailbox: %v", got)
		}
	})
}

func TestW4_DeliveryThatComesAgainIsKeptOnce(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		db := open(t, o)
		m := addMailbox(t, db, "support@example.com")
		form := desk.Form{ID: NewID(), Key: "contact", MailboxID: m.ID}
		commit(t, db, func(tx *Tx) error { return tx.PutForm(t.Context(), form) })
		deliver := func(id string, within time.Duration) (e desk.LedgerEntry, fresh bool) {
			commit(t, db, func(tx *Tx) error {
				var err error
				e, fresh, err = tx.KeepDelivery(t.Context(), desk.LedgerEntry{MailboxID: m.ID, FormID: form.ID, DeliveryID: id}, []byte("body"), within)
				return err
			})
			return e, fresh
		}
		first, fresh := deliver("evt-1", 0)
		if !fresh {
			t.Error("the first was known")
		}
		c.pass(80 * time.Hour)
		if again, fresh := deliver("evt-1", 0); fresh || again.ID != first.ID {
			t.Errorf("three days later it was kept again: %+v", again)
		}
		if _, fresh := deliver("hash", 24*time.Hour); !fresh {
			t.Error("another one was known")
		}
		c.pass(23 * time.Hour)
		if _, fresh := deliver("hash", 24*time.Hour); fresh {
			t.Error("kept twice within a day")
		}
		c.pass(2 * time.Hour)
		if _, fresh := deliver("hash", 24*time.Hour); !fresh {
			t.Error("not kept a day later")
		}
		if _, fresh := deliver("hash", 24*time.Hour); fresh {
			t.Error("the one a day later was kept twice")
		}
		if n := len(must[[]desk.LedgerEntry](t)(db.PendingForms(t.Context(), "", 10))); n != 3 {
			t.Errorf("%d posts wait, want 3", n)
		}
	})
}

func TestI6_DuplicateMessageIDFilesOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		first, second := NewID(), NewID()
		var others []bool
		seen := func(mailbox desk.ID, mid desk.MessageID, fingerprint string, ledger desk.ID) (found desk.ID) {
			commit(t, db, func(tx *Tx) error {
				mail := Likeness{mid, fingerprint}
				before, err := tx.SeenBefore(t.Context(), mailbox, []Likeness{mail, {"unknown@example.com", "f"}})
				if err != nil || before[Likeness{"unknown@example.com", "f"}] != (Seen{}) {
					t.Errorf("a mail that never was: %+v, %v", before, err)
				}
				found = before[mail].Ledger
				others = append(others, before[mail].OtherContent)
				if err != nil || found != "" {
					return err
				}
				return tx.NoteSeen(t.Context(), desk.LedgerEntry{ID: ledger, MailboxID: mailbox}, mail)
			})
			return found
		}
		long := desk.MessageID(strings.Repeat("x", 2000) + "@example.com")
		for _, mid := range []desk.MessageID{"a@example.com", "", long} {
			sameIDs(t, "first, a copy, other content, other mailbox", []desk.ID{
				seen(m.ID, mid, "f1", first), seen(m.ID, mid, "f1", second), seen(m.ID, mid, "f2", second), seen(other.ID, mid, "f1", second),
			}, "", first, "", "")
			seen(m.ID, mid, "f1", first)
			if want := []bool{false, false, true, false, true}; !slices.Equal(others, want) {
				t.Errorf("%.20q: another mail with the id: %v, want %v", mid, others, want)
			}
			others = nil
			wantKind(t, db.Update(t.Context(), func(tx *Tx) error {
				return tx.NoteSeen(t.Context(), desk.LedgerEntry{ID: NewID(), MailboxID: m.ID}, Likeness{mid, "f1"})
			}), desk.Conflict)
		}
	})
}

func TestINV1_ItemIsSettledOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		keep(t, db, takeLease(t, db, m.ID, "me", time.Hour), 7, 1)
		e := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 1))[0]
		var wg sync.WaitGroup
		won := make(chan desk.Outcome, 10)
		for i := range 10 {
			wg.Go(func() {
				e := e
				e.Outcome = []desk.Outcome{desk.Held, desk.Ignored}[i%2]
				err := db.Update(t.Context(), func(tx *Tx) error { return tx.Settle(t.Context(), e) })
				if err == nil {
					won <- e.Outcome
				} else if desk.KindOf(err) != desk.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(won)
		if len(won) != 1 {
			t.Fatalf("settled %d times", len(won))
		}
		if got := must[desk.LedgerEntry](t)(db.Ledger(t.Context(), e.ID)); got.Outcome != <-won {
			t.Errorf("outcome %s", got.Outcome)
		}
	})
}

func TestM8_EmptyIDsAreNeverStoredNorMatched(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		ann := addContact(t, db, "ann@example.com")
		ticket, _, _ := addTicket(t, db, m.ID, ann)
		commit(t, db, func(tx *Tx) error {
			return errors.Join(
				tx.AddMessageIDs(t.Context(), m.ID, ticket.ID, NewID(), true, "", " ", "\t", "\x00"),
				tx.AddOrphan(t.Context(), desk.LedgerEntry{ID: NewID(), MailboxID: m.ID}, []desk.MessageID{"", " "}),
			)
		})
		if n := number(t, db, `SELECT count(*) FROM message_ids WHERE trim(mid) = ''`) + number(t, db, `SELECT count(*) FROM orphans`); n != 0 {
			t.Errorf("%d empty ids are stored", n)
		}
		if got := must[[]KnownID](t)(db.KnownIDs(t.Context(), m.ID, []desk.MessageID{"", " ", "\x00"})); len(got) != 0 {
			t.Errorf("empty ids match %v", got)
		}
		if _, own, err := db.OwnMail(t.Context(), m.ID, []desk.MessageID{""}, ""); own || err != nil {
			t.Error("a mail without an id is ours")
		}
	})
}

func TestM7_KnownIDsComeInTheOrderAskedAndOfOneMailbox(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		ann := addContact(t, db, "ann@example.com")
		one, first, _ := addTicket(t, db, m.ID, ann)
		two, second, _ := addTicket(t, db, m.ID, ann)
		long := desk.MessageID(strings.Repeat("x", 2000) + "@example.com")
		commit(t, db, func(tx *Tx) error { return tx.AddMessageIDs(t.Context(), m.ID, one.ID, first.ID, true, long) })
		mids := []desk.MessageID{"stranger@example.com", second.MessageID, long, first.MessageID}
		var got []desk.ID
		for _, k := range must[[]KnownID](t)(db.KnownIDs(t.Context(), m.ID, mids)) {
			got = append(got, k.TicketID)
		}
		sameIDs(t, "tickets", got, two.ID, one.ID, one.ID)
		if got := must[[]KnownID](t)(db.KnownIDs(t.Context(), other.ID, mids)); len(got) != 0 {
			t.Errorf("H8: another mailbox knows %v", got)
		}
	})
}

func TestOrphansAreReadAgainWhenTheirParentComes(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		keep(t, db, takeLease(t, db, m.ID, "me", time.Hour), 7, 1, 2)
		es := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 2))
		commit(t, db, func(tx *Tx) error {
			for _, e := range es {
				e.Outcome = desk.Ignored
				if err := tx.Settle(t.Context(), e); err != nil {
					return err
				}
			}
			return tx.AddOrphan(t.Context(), es[0], []desk.MessageID{"parent@example.com", "grandparent@example.com"})
		})
		reopen := func(mailbox desk.ID, mid desk.MessageID) {
			commit(t, db, func(tx *Tx) error { return tx.ReopenOrphans(t.Context(), mailbox, []desk.MessageID{mid}) })
		}
		reopen(m.ID, "stranger@example.com")
		reopen(other.ID, "parent@example.com")
		if got := pending(t, db, m.ID); len(got) != 0 {
			t.Errorf("%v wait too early", got)
		}
		reopen(m.ID, "grandparent@example.com")
		if got := pending(t, db, m.ID); !slices.Equal(got, []uint32{1}) {
			t.Errorf("%v wait", got)
		}
	})
}

// TestThereIsOneSentFolder: the one of which was heard last, whether it can be read or not.
func TestThereIsOneSentFolder(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		lease := takeLease(t, db, m.ID, "me", time.Hour)
		note := func(l desk.Lease, name string, role desk.FolderRole, problem string) {
			t.Helper()
			commit(t, db, func(tx *Tx) error { return tx.SetProblem(t.Context(), l, name, role, problem) })
		}
		keepSent := func(name string) {
			t.Helper()
			commit(t, db, func(tx *Tx) error {
				return tx.Keep(t.Context(), lease, desk.FolderBatch{MailboxID: m.ID, Folder: name, Role: desk.Sent, UIDValidity: 7}, nil)
			})
		}
		want := func(sent string, reads ...string) {
			t.Helper()
			if got := must[string](t)(db.SentFolder(t.Context(), m.ID)); got != sent {
				t.Errorf("it is %q, not %q", got, sent)
			}
			var got []string
			for _, f := range must[[]desk.Folder](t)(db.Folders(t.Context())) {
				if f.MailboxID == m.ID && m.Reads(f) {
					got = append(got, f.Name)
				}
			}
			if !slices.Equal(got, reads) {
				t.Errorf("%q are read, not %q", got, reads)
			}
		}
		want("")
		note(takeLease(t, db, other.ID, "me", time.Hour), "Sent", desk.Sent, "of another mailbox")
		note(lease, "INBOX", desk.Inbox, "it is broken")
		want("", "INBOX")
		keepSent("A")
		want("A", "A", "INBOX")
		note(lease, "A", desk.Sent, "it is gone")
		keepSent("B")
		want("B", "B", "INBOX")
		if f := must[desk.Folder](t)(db.Folder(t.Context(), m.ID, "A")); f.Role != desk.FormerSent || f.Problem != "" {
			t.Errorf("%+v", f)
		}
		note(lease, "A", desk.Sent, "") // it is back, without new mail
		want("A", "A", "INBOX")
		note(lease, "B", desk.Sent, "nobody may look at it")
		want("B", "B", "INBOX")
		note(lease, "B", desk.Inbox, "") // the operator has it read like INBOX
		want("", "INBOX")
		if f := must[desk.Folder](t)(db.Folder(t.Context(), other.ID, "Sent")); f.Role != desk.Sent || f.Problem == "" {
			t.Errorf("%+v", f)
		}
	})
}

func TestQuarantinedItemCanBeReadAgainAndNoOther(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		keep(t, db, takeLease(t, db, m.ID, "me", time.Hour), 7, 1, 2)
		es := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 2))
		es[0].Outcome, es[0].Reason, es[1].Outcome = desk.Quarantined, "broken\x00\xff", desk.Held
		commit(t, db, func(tx *Tx) error {
			for _, e := range es {
				if err := tx.CountAttempt(t.Context(), e.ID, 1); err != nil {
					return err
				}
				if err := tx.Settle(t.Context(), e); err != nil {
					return err
				}
			}
			return nil
		})
		if e := must[desk.LedgerEntry](t)(db.Ledger(t.Context(), es[0].ID)); e.Reason != "broken\uFFFD" || e.Attempts != 1 {
			t.Errorf("%+v", e)
		}
		commit(t, db, func(tx *Tx) error { return tx.Reopen(t.Context(), es[0].ID) })
		if e := must[desk.LedgerEntry](t)(db.Ledger(t.Context(), es[0].ID)); e.Outcome != desk.Pending || e.Attempts != 0 {
			t.Errorf("%+v", e)
		}
		for _, id := range []desk.ID{es[0].ID, es[1].ID, NewID()} {
			wantKind(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Reopen(t.Context(), id) }), desk.NotFound)
		}
	})
}

func wantClean(t testing.TB, db *DB) {
	t.Helper()
	r := must[Report](t)(db.Verify(t.Context(), everyBlob))
	for _, v := range r.Violations {
		t.Errorf("verify: %s", v)
	}
}

func everyBlob(context.Context, string) (bool, error) { return true, nil }

func TestY1_VerifyFindsEachViolationAndNothingOnGoodData(t *testing.T) {
	for name, plant := range map[string]struct{ sql, want string }{
		"a row is missing":          {`DELETE FROM ledger WHERE uid = 2`, "INV1: folder INBOX has another number"},
		"a row is too many":         {`UPDATE folders SET seen = seen - 1`, "INV1: folder INBOX has another number"},
		"an outcome of fancy":       {`UPDATE ledger SET outcome = 'eaten' WHERE uid = 2`, "has an outcome that does not exist"},
		"a ticket that never was":   {`UPDATE ledger SET outcome = 'new-ticket' WHERE uid = 2`, "but there is none"},
		"a message of a held item":  {`UPDATE messages SET ledger_id = (SELECT id FROM ledger WHERE uid = 3) WHERE internal`, "made none by its outcome"},
		"lost bytes":                {`DELETE FROM raws`, "its bytes are not there"},
		"a ticket without messages": {`DELETE FROM messages`, "has no message"},
		"one message twice": {`INSERT INTO outbox SELECT 'copy', kind, queue, mailbox_id, ticket_id, subject_id, contact_id, recipient, template, trust, message_id, bounce_token, created_at,
			state, attempt, owner, lease_until, epoch, next_try, last_error, fingerprint, wording, unknowns, done_at, told, answer, arrived FROM outbox WHERE subject_id <> ''`, "same recipient twice"},
		"sent without an id":      {`UPDATE outbox SET state = 'sent', message_id = ''`, "sent but has no Message-ID"},
		"a state of fancy":        {`UPDATE outbox SET state = 'eaten'`, "state that does not exist"},
		"one id for two messages": {`UPDATE outbox SET message_id = 'one@example.com'`, "on mails for different messages"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, db *DB) {
				m := addMailbox(t, db, "support@example.com")
				ann := addContact(t, db, "ann@example.com")
				_, public, _ := addTicket(t, db, m.ID, ann)
				keep(t, db, takeLease(t, db, m.ID, "me", time.Hour), 7, 1, 2, 3)
				es := must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 3))
				es[2].Outcome = desk.Held
				commit(t, db, func(tx *Tx) error { return tx.Settle(t.Context(), es[2]) })
				addEffects(t, db, 2, func(i int, e *desk.Effect) {
					if i == 0 {
						e.Kind, e.SubjectID, e.MessageID = desk.ReplyMail, public.ID, public.MessageID
					}
				})
				wantClean(t, db)
				commit(t, db, func(tx *Tx) error { return tx.exec(t.Context(), plant.sql) })
				r := must[Report](t)(db.Verify(t.Context(), everyBlob))
				if !slices.ContainsFunc(r.Violations, func(v string) bool { return strings.Contains(v, plant.want) }) {
					t.Errorf("found %q, want %q", r.Violations, plant.want)
				}
			})
		})
	}
	t.Run("a blob is missing", func(t *testing.T) {
		both(t, func(t *testing.T, db *DB) {
			addTicket(t, db, addMailbox(t, db, "support@example.com").ID, addContact(t, db, "ann@example.com"))
			r := must[Report](t)(db.Verify(t.Context(), func(context.Context, string) (bool, error) { return false, nil }))
			if len(r.Violations) != 1 || !strings.Contains(r.Violations[0], "blob aaaa") {
				t.Errorf("found %q", r.Violations)
			}
		})
	})
}

// TestINV1_WhatWaitsLongIsTold, and is no broken promise.
func TestINV1_WhatWaitsLongIsTold(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		db := open(t, o)
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		form := desk.Form{ID: NewID(), Key: "contact", MailboxID: m.ID}
		commit(t, db, func(tx *Tx) error { return tx.PutForm(t.Context(), form) })
		commit(t, db, func(tx *Tx) error {
			return tx.ChangeMailbox(t.Context(), other.ID, func(m *desk.Mailbox) error { m.Paused = true; return nil })
		})
		mine, others := takeLease(t, db, m.ID, "me", 1000*time.Hour), takeLease(t, db, other.ID, "me", 1000*time.Hour)
		first := c.now()
		keep(t, db, mine, 7, 1)
		keep(t, db, others, 7, 1)
		c.pass(10 * time.Minute)
		keep(t, db, mine, 7, 2)
		commit(t, db, func(tx *Tx) error {
			_, _, err := tx.KeepDelivery(t.Context(), desk.LedgerEntry{MailboxID: m.ID, FormID: form.ID, DeliveryID: "1"}, []byte("body"), 0)
			return err
		})
		c.pass(40 * time.Minute)
		keep(t, db, mine, 7, 3)
		verify := func(want ...Waiting) {
			t.Helper()
			r := must[Report](t)(db.Verify(t.Context(), everyBlob))
			for i := range r.Waiting {
				r.Waiting[i].Since = r.Waiting[i].Since.UTC()
			}
			if !slices.Equal(r.Waiting, want) || len(r.Violations) > 0 {
				t.Errorf("waiting are %+v, want %+v; broken is %v", r.Waiting, want, r.Violations)
			}
		}
		verify()
		c.pass(30 * time.Minute)
		verify(Waiting{"sales@example.com", false, true, 1, first}, Waiting{"support@example.com", false, false, 2, first}, Waiting{"support@example.com", true, false, 1, first.Add(10 * time.Minute)})
		for _, e := range must[[]desk.LedgerEntry](t)(db.PendingOf(t.Context(), m.ID, "", 10)) {
			commit(t, db, func(tx *Tx) error { e.Outcome = desk.Ignored; return tx.Settle(t.Context(), e) })
		}
		verify(Waiting{"sales@example.com", false, true, 1, first}, Waiting{"support@example.com", true, false, 1, first.Add(10 * time.Minute)})
	})
}
