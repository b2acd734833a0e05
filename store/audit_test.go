package store

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"postern/desk"
)

// TestG5_TheAuditLogShowsThatItWasChanged: each entry follows from the one before it, whoever writes at the same moment.
func TestG5_TheAuditLogShowsThatItWasChanged(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx := desk.As(t.Context(), desk.Actor{Kind: desk.ActorToken, ID: "t-1", Name: "deploy"})
		add := func(subject string) error {
			return db.Update(ctx, func(tx *Tx) error {
				return tx.Audit(ctx, desk.SettingsChanged, subject, map[string]desk.Changed{"budgets.per_hour": {Was: 3, Is: 4.5}, "title": {Was: "a\x00", Is: nil}})
			})
		}
		var all sync.WaitGroup
		errs := make([]error, 12)
		for i := range errs {
			all.Go(func() { errs[i] = add("settings") })
		}
		all.Wait()
		if err := errors.Join(append(errs, add("else"))...); err != nil {
			t.Fatal(err)
		}
		if wrong := must[string](t)(db.CheckAudit(ctx)); wrong != "" {
			t.Error(wrong)
		}
		entries := must[[]desk.AuditEntry](t)(db.AuditLog(ctx, "settings", Page{Limit: 5}))
		if len(entries) != 5 || entries[0].Actor.Name != "deploy" || entries[0].Changes["budgets.per_hour"].Is != 4.5 || entries[0].Changes["title"].Was != "a\x00" && entries[0].Changes["title"].Was != "a" {
			t.Errorf("the newest: %+v", entries)
		}
		if older := must[[]desk.AuditEntry](t)(db.AuditLog(ctx, "settings", Page{Before: entries[4].ID})); len(older) != 7 {
			t.Errorf("%d are older than the fifth, want 7", len(older))
		}
		for what, change := range map[string]string{
			"one was taken away":    `DELETE FROM audit WHERE position = 4`,
			"one says another name": `UPDATE audit SET actor = '{"kind":"token","id":"t-1","name":"other"}' WHERE position = 4`,
			"the newest is gone":    `DELETE FROM audit WHERE position = 13`,
			"the end was set back":  `UPDATE audit_end SET position = 12`,
		} {
			broken := errors.New("undone")
			err := db.Update(ctx, func(tx *Tx) error {
				if err := tx.exec(ctx, change); err != nil {
					return err
				}
				if wrong, err := tx.CheckAudit(ctx); err != nil || !strings.Contains(wrong, "was changed") {
					t.Errorf("%s: it says %q, %v", what, wrong, err)
				}
				return broken
			})
			if !errors.Is(err, broken) {
				t.Fatal(err)
			}
		}
	})
}
