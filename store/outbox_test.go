package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
)

func ids(es []desk.Effect) []desk.ID {
	var out []desk.ID
	for _, e := range es {
		out = append(out, e.ID)
	}
	return out
}

// withClock opens a database whose time the test moves.
func withClock(t *testing.T, check func(t *testing.T, db *DB, c *clock)) {
	t.Helper()
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		check(t, open(t, o), c)
	})
}

func TestO2_RowIsClaimedByOneOfMany(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		const rows, workers = 200, 8
		addEffects(t, db, rows, nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		claimed := map[desk.ID]int{}
		for w := range workers {
			wg.Go(func() {
				for {
					es, err := db.Claim(t.Context(), desk.QueueMail, fmt.Sprint(w), 7, time.Minute)
					if err != nil {
						t.Error(err)
						return
					}
					if len(es) == 0 {
						return
					}
					if len(es) > 7 {
						t.Errorf("claimed %d rows, asked for 7", len(es))
					}
					mu.Lock()
					for _, e := range es {
						claimed[e.ID]++
						if e.Owner != fmt.Sprint(w) || e.State != desk.EffectSending || e.Attempt != 1 {
							t.Errorf("claimed %+v", e)
						}
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(claimed) != rows {
			t.Errorf("%d of %d rows were claimed", len(claimed), rows)
		}
		for id, n := range claimed {
			if n != 1 {
				t.Errorf("row %s was claimed %d times", id, n)
			}
		}
	})
}

func TestO2_ClaimTakesTheLongestWaitingOfItsQueueFirst(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		es := addEffects(t, db, 12, func(i int, e *desk.Effect) {
			e.NextTry = c.now().Add(-time.Duration(i%4) * time.Minute)
			if i >= 8 {
				e.Kind = desk.PutInInbox
			}
		})
		order := []desk.ID{es[3].ID, es[7].ID, es[2].ID, es[6].ID, es[1].ID, es[5].ID, es[0].ID, es[4].ID}
		sameIDs(t, "due", must[[]desk.ID](t)(db.DueEffects(t.Context(), desk.QueueMail, 5)), order[:5]...)
		sameIDs(t, "claimed", ids(must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 3, time.Minute))), order[:3]...)
		sameIDs(t, "claimed next", ids(must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 30, time.Minute))), order[3:]...)
		if n := len(must[[]desk.ID](t)(db.DueEffects(t.Context(), desk.QueueMailbox, 50))); n != 4 {
			t.Errorf("%d rows of the other queue are due, want 4", n)
		}
	})
}

func TestO2_LostClaimCannotFinish(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		addEffects(t, db, 1, nil)
		old := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "old", 1, 30*time.Second))[0]
		c.pass(31 * time.Second)
		if n := must[int64](t)(db.ExpireClaims(t.Context())); n != 1 {
			t.Errorf("%d claims expired", n)
		}
		now := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "new", 1, 30*time.Second))[0]
		old.State, old.DoneAt = desk.EffectFailed, c.now()
		wantKind(t, db.Finish(t.Context(), old), desk.Conflict)
		if err := db.Release(t.Context(), []desk.Effect{old}); err != nil {
			t.Error(err)
		}
		if err := db.Renew(t.Context(), []desk.Effect{old}, time.Hour); err != nil {
			t.Error(err)
		}
		if e := effect(t, db, old.ID); e.State != desk.EffectSending || e.Owner != "new" || !e.LeaseUntil.Equal(now.LeaseUntil) {
			t.Errorf("the old owner touched the row: %+v", e)
		}
		now.State, now.DoneAt = desk.EffectSent, c.now()
		if err := db.Finish(t.Context(), now); err != nil {
			t.Error(err)
		}
		if e := effect(t, db, old.ID); e.State != desk.EffectSent || e.Unknowns != 1 || e.Attempt != 2 {
			t.Errorf("%+v", e)
		}
	})
}

func TestO4_ExpiredClaimsBecomeUnknown(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		addEffects(t, db, 3, nil)
		claim := func(owner string) desk.Effect {
			return must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, owner, 1, 30*time.Second))[0]
		}
		dead, busy, mine := claim("dead"), claim("busy"), claim("me")
		c.pass(20 * time.Second)
		if err := db.Renew(t.Context(), []desk.Effect{busy}, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		c.pass(11 * time.Second)
		select {
		case <-db.Outboxed():
		default:
		}
		// A claim of one's own that nobody renews is as lost as any other: its end could not be written down.
		if n := must[int64](t)(db.ExpireClaims(t.Context())); n != 2 {
			t.Errorf("%d claims expired, want 2", n)
		}
		select {
		case <-db.Outboxed():
		default:
			t.Error("nobody was told that rows are due")
		}
		for id, want := range map[desk.ID]desk.EffectState{dead.ID: desk.EffectUnknown, busy.ID: desk.EffectSending, mine.ID: desk.EffectUnknown} {
			if e := effect(t, db, id); e.State != want {
				t.Errorf("%s, want %s", e.State, want)
			}
		}
		if n := must[int64](t)(db.ExpireOthers(t.Context(), "busy")); n != 0 {
			t.Errorf("%d of my own claims ended", n)
		}
		if n := must[int64](t)(db.ExpireOthers(t.Context(), "me")); n != 1 {
			t.Errorf("%d claims of others ended, want 1", n)
		}
		if n := len(must[[]desk.ID](t)(db.DueEffects(t.Context(), desk.QueueMail, 10))); n != 3 {
			t.Errorf("%d unknown rows are due, want 3", n)
		}
	})
}

func TestO10_ReleasedRowsAreAsIfNeverClaimed(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		row := addEffects(t, db, 1, nil)[0]
		for _, want := range []desk.EffectState{desk.EffectPending, desk.EffectDeferred, desk.EffectUnknown} {
			before := effect(t, db, row.ID)
			es := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 1, time.Minute))
			if err := db.Release(t.Context(), es); err != nil {
				t.Fatal(err)
			}
			if e := effect(t, db, row.ID); e.State != want || e.Attempt != before.Attempt || e.Unknowns != before.Unknowns || !e.NextTry.Equal(before.NextTry) {
				t.Errorf("released: %+v, want %s as before: %+v", e, want, before)
			}
			if n := len(must[[]desk.ID](t)(db.DueEffects(t.Context(), desk.QueueMail, 10))); n != 1 {
				t.Errorf("%d rows due after the release", n)
			}
			// on to the next state
			e := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 1, time.Minute))[0]
			e.State, e.NextTry = desk.EffectDeferred, c.now()
			if want == desk.EffectDeferred {
				e.State, e.Unknowns = desk.EffectUnknown, 1
			}
			if err := db.Finish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestO5_DeferredRowWaitsForItsTime(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		addEffects(t, db, 1, nil)
		e := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 1, time.Minute))[0]
		e.State, e.NextTry, e.LastError = desk.EffectDeferred, c.now().Add(10*time.Second), strings.Repeat("ü", 2000)+"\x00\xff"
		if err := db.Finish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if es := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 1, time.Minute)); len(es) != 0 {
			t.Errorf("claimed too early: %v", ids(es))
		}
		c.pass(10 * time.Second)
		if es := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 1, time.Minute)); len(es) != 1 || es[0].Attempt != 2 || len(es[0].LastError) != 1000 {
			t.Errorf("claimed %+v", es)
		}
	})
}

func TestH7_OwnMailNeedsIdAndContentAndMailbox(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		e := addEffects(t, db, 1, func(_ int, e *desk.Effect) { e.MailboxID = m.ID })[0]
		own := func(mailbox desk.ID, mids []desk.MessageID, fingerprint string) bool {
			t.Helper()
			carries, found, err := db.OwnMail(t.Context(), mailbox, mids, fingerprint)
			if err != nil || found && carries != (Own{e.Kind, e.TicketID, e.SubjectID, e.MessageID}) {
				t.Errorf("%v %q: carries %+v, %v", mids, fingerprint, carries, err)
			}
			return found
		}
		if got := own(m.ID, []desk.MessageID{e.MessageID}, ""); got {
			t.Error("a mail that was not composed yet is known by nothing")
		}
		e.Fingerprint, e.Wording = "f1 f3", "words"
		if err := db.NoteComposed(t.Context(), []desk.Effect{e}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			mailbox     desk.ID
			mids        []desk.MessageID
			fingerprint string
			want        bool
		}{
			{m.ID, []desk.MessageID{e.MessageID}, "f1", true},
			{m.ID, []desk.MessageID{"rewritten@provider.example", e.MessageID}, "f1", true},
			{m.ID, []desk.MessageID{e.MessageID}, "f3", true},
			{m.ID, []desk.MessageID{e.MessageID}, "f1 f3", true},
			{m.ID, []desk.MessageID{e.MessageID}, "f2", false},
			{m.ID, []desk.MessageID{e.MessageID}, "f", false},
			{m.ID, []desk.MessageID{e.MessageID}, "", false},
			{m.ID, []desk.MessageID{"x@example.com"}, "f1", false},
			{other.ID, []desk.MessageID{e.MessageID}, "f1", false},
		} {
			if got := own(c.mailbox, c.mids, c.fingerprint); got != c.want {
				t.Errorf("%v %q: %t", c.mids, c.fingerprint, got)
			}
		}
	})
}

// TestH7_WhatTellsOfAMessageIsNoCopyOfIt, by whichever way it is known.
func TestH7_WhatTellsOfAMessageIsNoCopyOfIt(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		for kind, copied := range map[desk.EffectKind]bool{
			desk.ReplyMail: true, desk.PutInInbox: true, desk.SentCopy: true, desk.NoticeInInbox: false, desk.NotifyMail: false,
		} {
			e := addEffects(t, db, 1, func(_ int, e *desk.Effect) { e.MailboxID, e.Kind, e.SubjectID = m.ID, kind, "subject" })[0]
			e.Fingerprint = "f-" + string(kind)
			if err := db.NoteComposed(t.Context(), []desk.Effect{e}); err != nil {
				t.Fatal(err)
			}
			want := Own{Kind: kind, TicketID: e.TicketID, MessageID: e.MessageID}
			if copied {
				want.SubjectID = e.SubjectID
			}
			if own, found, err := db.OwnMail(t.Context(), m.ID, []desk.MessageID{e.MessageID}, e.Fingerprint); err != nil || !found || own != want {
				t.Errorf("%s by its id: %+v, %t, %v", kind, own, found, err)
			}
			if owns := must[map[desk.MessageID]Own](t)(db.OwnByContent(t.Context(), m.ID, e.Fingerprint, time.Time{})); len(owns) != 1 || owns[e.MessageID] != want {
				t.Errorf("%s by its content: %+v", kind, owns)
			}
		}
	})
}

func TestTemplateVersionNamesItsTextForEver(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		var versions []string
		commit(t, db, func(tx *Tx) error {
			for _, text := range []Template{{Subject: "a", Body: "b"}, {Subject: "a", Body: "c"}, {Subject: "a", Body: "b"}} {
				v, err := tx.KeepTemplate(t.Context(), text)
				if err != nil {
					return err
				}
				versions = append(versions, v)
			}
			return nil
		})
		if versions[0] == versions[1] || versions[0] != versions[2] {
			t.Errorf("versions %v", versions)
		}
		if got := must[Template](t)(db.Template(t.Context(), versions[0])); got != (Template{Subject: "a", Body: "b"}) {
			t.Errorf("%+v", got)
		}
		_, err := db.Template(t.Context(), "none")
		wantKind(t, err, desk.NotFound)
	})
}
