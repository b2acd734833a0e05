package store

import (
	"sync"
	"testing"
	"time"

	"postern/desk"
)

func TestRowsThatEndTogetherEachHearTheirOwnEnd(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		const n = 60
		addEffects(t, db, n, nil)
		rows := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", n, time.Minute))
		var wg sync.WaitGroup
		errs := make([]error, len(rows))
		for i, e := range rows {
			e.State, e.DoneAt, e.LastError = desk.EffectSent, db.Now(), string(e.ID)
			if i%3 == 0 {
				e.Epoch++ // as if another process had it now
			}
			wg.Go(func() { errs[i] = db.Finish(t.Context(), e) })
		}
		wg.Wait()
		for i, err := range errs {
			if i%3 == 0 {
				wantKind(t, err, desk.Conflict)
			} else if err != nil {
				t.Error(err)
			}
		}
		for _, e := range must[[]desk.Effect](t)(db.Effects(t.Context(), desk.EffectSent, Page{Limit: n})) {
			if e.LastError != string(e.ID) || e.DoneAt.IsZero() {
				t.Errorf("%+v", e)
			}
		}
		if counts := must[map[desk.EffectState]int64](t)(db.EffectCounts(t.Context())); counts[desk.EffectSent] != n*2/3 || counts[desk.EffectSending] != n/3 {
			t.Errorf("%v", counts)
		}
		if db.finisher.busy || len(db.finisher.waiting) != 0 {
			t.Error("the turn was not given back")
		}
	})
}

// TestLeasesAreJudgedByTheDatabasesClock has a machine whose clock is an hour ahead.
func TestLeasesAreJudgedByTheDatabasesClock(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		if o.URL == "" {
			return // one machine, one clock
		}
		here, ahead := open(t, o), open(t, o)
		ahead.clock.local = func() time.Time { return time.Now().Add(time.Hour) }
		addEffects(t, here, 1, nil)
		if es := must[[]desk.Effect](t)(here.Claim(t.Context(), desk.QueueMail, "here", 1, 30*time.Second)); len(es) != 1 {
			t.Fatalf("claimed %v", ids(es))
		}
		if n := must[int64](t)(ahead.ExpireClaims(t.Context())); n != 0 {
			t.Errorf("%d claims were ended that hold", n)
		}
		if d := ahead.Now().Sub(here.Now()); d.Abs() > 20*time.Second {
			t.Errorf("the clocks are %s apart", d)
		}
	})
}
