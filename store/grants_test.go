package store

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"postern/desk"
)

func TestI11_AGrantIsRenewedByOneAtATime(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		db := open(t, o)
		m := addMailbox(t, db, "support@example.com")
		_, err := db.Grant(t.Context(), m.ID)
		wantKind(t, err, desk.NotFound)
		want := desk.Grant{MailboxID: m.ID, Tokens: desk.GrantTokens{Refresh: "r1", Access: "a1"}, Version: 1, Expires: c.now().Add(time.Hour), RenewAt: c.now().Add(50 * time.Minute), AuthorisedAt: c.now(), RenewedAt: c.now()}
		commit(t, db, func(tx *Tx) error { return tx.PutGrant(t.Context(), want) })
		check := func() {
			t.Helper()
			if got := must[desk.Grant](t)(db.Grant(t.Context(), m.ID)); !reflect.DeepEqual(got, want) || got.Tokens.Refresh != want.Tokens.Refresh {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		check()
		claim := func(who string, ok bool) {
			t.Helper()
			if got := must[bool](t)(db.ClaimGrant(t.Context(), want, who, time.Minute)); got != ok {
				t.Errorf("%s: claimed is %v", who, got)
			}
		}
		claim("one", true)
		claim("two", false)
		failed := want
		failed.Problem, failed.Failures, failed.RetryAt = "busy", 1, c.now().Add(time.Second)
		wantKind(t, db.FailedGrant(t.Context(), failed, "two"), desk.Conflict)
		if err := db.FailedGrant(t.Context(), failed, "one"); err != nil {
			t.Fatal(err)
		}
		want = failed
		check()
		claim("three", true)
		c.pass(time.Minute + time.Millisecond)
		claim("four", true) // the third has died
		renewed := want
		renewed.Tokens, renewed.Forced, renewed.RenewedAt = desk.GrantTokens{Refresh: "r2", Access: "a2"}, true, c.now()
		if err := db.RenewedGrant(t.Context(), renewed); err != nil {
			t.Fatal(err)
		}
		wantKind(t, db.RenewedGrant(t.Context(), renewed), desk.Conflict) // one that was late
		wantKind(t, db.FailedGrant(t.Context(), failed, "four"), desk.Conflict)
		claim("five", false) // those tokens are gone
		want = renewed
		want.Version, want.Problem, want.Failures, want.RetryAt = 2, "", 0, time.Time{}
		check()
		claim("six", true)
		want.Problem, want.Ended = "called back", true
		if err := db.FailedGrant(t.Context(), want, "six"); err != nil {
			t.Fatal(err)
		}
		check()
		commit(t, db, func(tx *Tx) error { return tx.TryGrant(t.Context(), m.ID) })
		want.Ended, want.Forced = false, false
		check()
		if all := must[[]desk.Grant](t)(db.Grants(t.Context())); len(all) != 1 || all[0].MailboxID != m.ID {
			t.Errorf("%+v", all)
		}
		commit(t, db, func(tx *Tx) error { return tx.DropGrant(t.Context(), m.ID) })
		_, err = db.Grant(t.Context(), m.ID)
		wantKind(t, err, desk.NotFound)
	})
}

// TestG6_TokensAreStoredEncrypted with the installation key, as passwords are.
func TestG6_TokensAreStoredEncrypted(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m := addMailbox(t, db, "support@example.com")
		commit(t, db, func(tx *Tx) error {
			return tx.PutGrant(t.Context(), desk.Grant{MailboxID: m.ID, Tokens: desk.GrantTokens{Refresh: "hunter2", Access: "hunter3"}})
		})
		var stored []byte
		if err := db.x.QueryRowContext(t.Context(), `SELECT tokens FROM oauth_grants`).Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if len(stored) < 20 || bytes.Contains(stored, []byte("hunter")) || bytes.Contains(stored, []byte("Refresh")) {
			t.Errorf("stored as %q", stored)
		}
	})
}
