package accounts

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

func TestP7_APlaceIsANetwork(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64",
		"2001:db8:1:3::9": "2001:db8:1:3::/64", "fe80::1%eth0": "fe80::/64", "": "", "pipe": "pipe",
	} {
		if got := placeOf(ip); got != want {
			t.Errorf("%q is at %q, want %q", ip, got, want)
		}
	}
}

// TestP7_ManyPlacesTryOneName: what all of them may try is bounded, also over the addresses of one network; what is right counts for nothing.
func TestP7_ManyPlacesTryOneName(t *testing.T) {
	both(t, func(r *rig) {
		try := func(secret, ip string) error { _, err := r.a.SignIn(r.t.Context(), "ann", secret, ip); return err }
		for i := range freeTries {
			if err := try("wrong", fmt.Sprintf("2001:db8::%d", i)); !errors.Is(err, ErrWrongPair) {
				r.t.Fatal(err)
			}
		}
		if err := try(password, "2001:db8::ffff"); desk.KindOf(err) != desk.TooMany {
			r.t.Errorf("the same network: %v", err)
		}
		for i := range triesPerName - freeTries {
			if err := try(password, fmt.Sprintf("198.51.100.%d", i)); err != nil {
				r.t.Fatalf("the right one, after %d wrong ones elsewhere: %v", freeTries+i, err)
			}
			if err := try("wrong", fmt.Sprintf("198.51.100.%d", i)); !errors.Is(err, ErrWrongPair) {
				r.t.Fatal(err)
			}
		}
		if err := try("wrong", "203.0.113.1"); desk.KindOf(err) != desk.TooMany {
			r.t.Errorf("%d wrong tries from everywhere: %v", triesPerName, err)
		}
		if _, err := r.a.SignIn(r.t.Context(), "bob@customer.example", "wrong", "203.0.113.1"); !errors.Is(err, ErrWrongPair) {
			r.t.Errorf("another name: %v", err)
		}
		r.ahead.Store(int64(tryWindow + time.Second))
		if err := try(password, "203.0.113.1"); err != nil {
			r.t.Errorf("nobody is locked out for good: %v", err)
		}
	})
}

// TestP7_CodesAreCountedForThePerson, by whichever of their names they are tried; and for a name that is nobody's alike.
func TestP7_CodesAreCountedForThePerson(t *testing.T) {
	both(t, func(r *rig) {
		for what, names := range map[string][]string{"somebody's": {"ann", "ann@customer.example"}, "nobody's": {"nobody@customer.example", "nobody@customer.example"}} {
			for i := range codesPerName {
				if _, err := r.a.SignInByCode(r.t.Context(), names[i%2], "000000", fmt.Sprintf("192.0.2.%d", i)); !errors.Is(err, ErrWrongCode) {
					r.t.Fatalf("%s, code %d: %v", what, i, err)
				}
			}
			if _, err := r.a.SignInByCode(r.t.Context(), names[0], "000000", "198.51.100.1"); desk.KindOf(err) != desk.TooMany {
				r.t.Errorf("%s: %d codes may be tried: %v", what, codesPerName+1, err)
			}
		}
	})
}

// TestP7_TheFormerPasswordIsNotGuessed by whoever has come into a session.
func TestP7_TheFormerPasswordIsNotGuessed(t *testing.T) {
	both(t, func(r *rig) {
		const next = "quite another long one"
		for i := range freeTries {
			if err := r.a.ChangePassword(r.t.Context(), r.ann, "wrong", next); desk.KindOf(err) != desk.Invalid {
				r.t.Fatalf("try %d: %v", i, err)
			}
		}
		if err := r.a.ChangePassword(r.t.Context(), r.ann, password, next); desk.KindOf(err) != desk.TooMany {
			r.t.Errorf("the right one, too late: %v", err)
		}
		r.ahead.Store(int64(tryWindow + time.Second))
		for range freeTries - 1 {
			if err := r.a.ChangePassword(r.t.Context(), r.ann, "wrong", next); desk.KindOf(err) != desk.Invalid {
				r.t.Fatal(err)
			}
		}
		if err := r.a.ChangePassword(r.t.Context(), r.ann, password, next); err != nil {
			r.t.Error(err)
		}
	})
}

// TestP3_AWayThatIsSwitchedOff is closed, and not only hidden.
func TestP3_AWayThatIsSwitchedOff(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		ways := map[string]func() error{
			"password":        func() error { _, err := r.a.SignIn(ctx, "ann", password, "192.0.2.1"); return err },
			"forgotten":       func() error { return r.a.RequestPassword(ctx, "ann", "192.0.2.1") },
			"change password": func() error { return r.a.ChangePassword(ctx, r.ann, password, "quite another long one") },
			"link":            func() error { return r.a.RequestSignIn(ctx, "ann", "192.0.2.1") },
			"code":            func() error { _, err := r.a.SignInByCode(ctx, "ann", "000000", "192.0.2.1"); return err },
		}
		set := func(byPassword, byLink bool) {
			s, err := r.db.Settings(ctx)
			if err != nil {
				r.t.Fatal(err)
			}
			s.Access.Password, s.Access.Link = byPassword, byLink
			r.update(func(tx *store.Tx) error { return tx.PutSettings(ctx, s) })
		}
		for _, off := range []struct {
			password, link bool
			closed         []string
		}{{false, true, []string{"password", "forgotten", "change password"}}, {true, false, []string{"link", "code"}}} {
			set(off.password, off.link)
			closed := map[string]bool{}
			for _, name := range off.closed {
				closed[name] = true
			}
			for name, way := range ways {
				if err := way(); (desk.KindOf(err) == desk.NotFound) != closed[name] {
					r.t.Errorf("password %v, link %v: %s gives %v", off.password, off.link, name, err)
				}
			}
		}
	})
}
