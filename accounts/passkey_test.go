package accounts

import (
	"errors"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
)

// TestP9_PasskeysNeedAName: browsers offer passkeys over TLS or on localhost, and never for an IP address (Web Authentication Level 3, section 5.1.2).
func TestP9_PasskeysNeedAName(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]bool{
		"https://help.acme.example": true, "https://help.acme.example:8443": true, "http://localhost:8080": true, "": false, "http://help.acme.example": false, "http://127.0.0.1:8080": false,
		"https://192.0.2.7": false, "https://[2001:db8::1]": false, "://": false,
	} {
		if _, ok, err := (&Accounts{}).Passkeys(base, "Support"); ok != want || err != nil {
			t.Errorf("%q: %v, %v", base, ok, err)
		}
	}
}

// TestP9_PasskeysOfOthersAreNoneOfYours: a key that is known stays its owner's, can be removed by nobody else, and what proves nothing signs nobody in,
// as often as it is tried. The ceremony itself is TestP9_Passkeys of the end-to-end tests.
func TestP9_PasskeysOfOthersAreNoneOfYours(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		keys, ok, err := r.a.Passkeys("https://help.acme.example", "Support")
		if err != nil || !ok {
			r.t.Fatal(ok, err)
		}
		add := func(c desk.Contact) error {
			return r.db.Update(ctx, func(tx *store.Tx) error {
				return tx.AddPasskey(ctx, store.Passkey{ID: "one", ContactID: c.ID, Name: "Phone", Data: "{}", CreatedAt: tx.Now()})
			})
		}
		if err := add(r.ann); err != nil {
			r.t.Fatal(err)
		}
		if err := add(r.bob); desk.KindOf(err) != desk.Conflict {
			r.t.Errorf("a key that is known: %v", err)
		}
		if err := r.a.RemovePasskey(ctx, r.bob.ID, "one"); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("somebody else's: %v", err)
		}
		if got, err := r.db.Passkeys(ctx, r.ann.ID); err != nil || len(got) != 1 || got[0].Name != "Phone" || !got[0].UsedAt.IsZero() {
			r.t.Errorf("the owner has %+v, %v", got, err)
		}

		options, state, err := keys.BeginSigningIn(ctx, "192.0.2.1")
		if err != nil || strings.Contains(string(options), string(r.ann.ID)) || !strings.Contains(string(options), "help.acme.example") {
			r.t.Errorf("the options are %s, %v", options, err)
		}
		for _, answer := range []string{"", "{}", `{"id":"one","rawId":"b25l","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"` + string(r.ann.ID) + `"}}`} {
			for _, state := range [][]byte{state, nil, []byte("x")} {
				if c, err := keys.SignIn(ctx, state, []byte(answer), "192.0.2.1"); !errors.Is(err, ErrWrongPasskey) || c.ID != "" {
					r.t.Errorf("%q signs in %s: %v", answer, c.Name, err)
				}
				if err := keys.Add(ctx, r.bob.ID, state, []byte(answer), "x"); !errors.Is(err, ErrWrongPasskey) {
					r.t.Errorf("%q is added: %v", answer, err)
				}
			}
		}
		for range triesPerPlace {
			_, err = keys.SignIn(ctx, state, nil, "192.0.2.1")
		}
		if desk.KindOf(err) != desk.TooMany {
			r.t.Errorf("many tries: %v", err)
		}
		for range triesPerPlace {
			_, _, err = keys.BeginSigningIn(ctx, "192.0.2.1")
		}
		if desk.KindOf(err) != desk.TooMany {
			r.t.Errorf("many beginnings: %v", err)
		}
		if _, _, err := keys.BeginSigningIn(ctx, "192.0.2.2"); err != nil {
			r.t.Errorf("from another place: %v", err)
		}
		if err := r.a.RemovePasskey(ctx, r.ann.ID, "one"); err != nil {
			r.t.Error(err)
		}
	})
}
