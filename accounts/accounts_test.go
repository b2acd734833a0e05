package accounts

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
	"postern/tickets"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

const password = "correct horse battery staple"

type rig struct {
	t    *testing.T
	db   *store.DB
	a    *Accounts
	desk *tickets.Desk
	ann  desk.Contact // with a password
	bob  desk.Contact // without

	ahead atomic.Int64 // nanoseconds
}

func both(t *testing.T, check func(r *rig)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) { check(newRig(t, o)) })
}

func newRig(t *testing.T, o store.Options) *rig {
	t.Helper()
	r := &rig{t: t}
	o.Now = func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
	in := desktest.New(t, o)
	r.db, r.desk = in.DB, in.Desk
	var err error
	if r.a, err = New(r.db, r.desk); err != nil {
		t.Fatal(err)
	}
	r.a.params.Memory, r.a.params.Iterations = 64, 1 // what is tested is not argon2id
	r.update(func(tx *store.Tx) error {
		return tx.PutMailbox(t.Context(), desk.Mailbox{ID: store.NewID(), Address: "support@acme.example", SMTP: "smtps://x", MIDDomain: "acme.example"})
	})
	for _, c := range []struct {
		to   *desk.Contact
		name string
	}{{&r.ann, "ann"}, {&r.bob, "bob"}} {
		if *c.to, _, err = r.desk.AddContact(t.Context(), tickets.NewContact{Name: c.name, Username: c.name, Addresses: []string{c.name + "@customer.example"}}); err != nil {
			t.Fatal(err)
		}
	}
	hash, err := r.a.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	r.update(func(tx *store.Tx) error {
		return tx.PutPassword(t.Context(), r.ann.ID, store.Password{Hash: hash, ChangedAt: tx.Now()})
	})
	return r
}

func (r *rig) update(fn func(tx *store.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) disable(c desk.Contact) {
	r.t.Helper()
	yes := true
	if _, err := r.desk.ChangeContact(r.t.Context(), c.ID, tickets.ContactChange{Disabled: &yes}); err != nil {
		r.t.Fatal(err)
	}
}

// link makes a link as a mail would carry it.
func (r *rig) link(c desk.Contact, secret, purpose string, life time.Duration) {
	r.t.Helper()
	r.update(func(tx *store.Tx) error {
		return tx.AddOneTime(r.t.Context(), store.OneTime{Hash: sha256.Sum256([]byte(secret)), Purpose: purpose, ContactID: c.ID, Email: c.LoginAddress(), CreatedAt: tx.Now(), ExpiresAt: time.Now().Add(life)})
	})
}

func TestP2_EveryWrongSignInIsAnsweredAlikeForTheSameWork(t *testing.T) {
	both(t, func(r *rig) {
		cy, _, err := r.desk.AddContact(r.t.Context(), tickets.NewContact{Addresses: []string{"cy@customer.example"}})
		if err != nil {
			r.t.Fatal(err)
		}
		r.update(func(tx *store.Tx) error {
			return tx.PutPassword(r.t.Context(), cy.ID, store.Password{Hash: r.a.dummy, ChangedAt: tx.Now()})
		})
		r.disable(cy)
		for name, login := range map[string]string{
			"wrong password": "ann@customer.example", "by user name": "ANN", "no password set": "bob@customer.example", "disabled": "cy@customer.example", "unknown": "nobody@customer.example",
			"unknown name": "nobody", "empty": "", "NUL": "a\x00b", "no UTF-8": "\xff\xfe", "long": strings.Repeat("x", 5000),
		} {
			before := r.a.hashes.Load()
			c, err := r.a.SignIn(r.t.Context(), login, "wrong "+password, "192.0.2."+name)
			if !errors.Is(err, ErrWrongPair) || err.Error() != ErrWrongPair.Error() || c.ID != "" {
				r.t.Errorf("%s: %+v, %v", name, c, err)
			}
			if n := r.a.hashes.Load() - before; n != 1 {
				r.t.Errorf("%s: %d hashes", name, n)
			}
		}
		for _, login := range []string{"ann@customer.example", " Ann@Customer.example ", "ann"} {
			if c, err := r.a.SignIn(r.t.Context(), login, password, "198.51.100.1"); err != nil || c.ID != r.ann.ID {
				r.t.Errorf("%q: %+v, %v", login, c, err)
			}
		}
		for _, p := range []string{"", " " + password, password + " ", strings.ToUpper(password), password[:20]} { // P1: exactly as typed
			if _, err := r.a.SignIn(r.t.Context(), "ann", p, "198.51.100.2"+p); !errors.Is(err, ErrWrongPair) {
				r.t.Errorf("%q: %v", p, err)
			}
		}
	})
}

func TestP7_WrongTriesAreLimitedEvenAtOnce(t *testing.T) {
	both(t, func(r *rig) {
		var wg sync.WaitGroup
		var wrong, tooMany atomic.Int64
		for range 30 {
			wg.Go(func() {
				_, err := r.a.SignIn(r.t.Context(), "ann", "wrong", "192.0.2.1")
				switch {
				case errors.Is(err, ErrWrongPair):
					wrong.Add(1)
				case desk.KindOf(err) == desk.TooMany:
					tooMany.Add(1)
				default:
					r.t.Error(err)
				}
			})
		}
		wg.Wait()
		if wrong.Load() != freeTries || tooMany.Load() != 30-freeTries {
			r.t.Errorf("%d tries were made, %d were refused", wrong.Load(), tooMany.Load())
		}
		signIn := func(login, ip string) error { _, err := r.a.SignIn(r.t.Context(), login, password, ip); return err }
		if err := signIn(" ANN ", "192.0.2.1"); desk.KindOf(err) != desk.TooMany {
			r.t.Errorf("the right password, too late: %v", err)
		}
		if err := errors.Join(signIn("ann", "192.0.2.2"), signIn("ann@customer.example", "192.0.2.1")); err != nil {
			r.t.Errorf("another place, another name: %v", err)
		}
		r.ahead.Store(int64(tryWindow + time.Second))
		if err := signIn("ann", "192.0.2.1"); err != nil {
			r.t.Errorf("nobody is locked out for good: %v", err)
		}
		for range 3 * freeTries { // a right one clears the count
			if err := signIn("ann", "192.0.2.1"); err != nil {
				r.t.Fatal(err)
			}
		}
	})
}

func TestP7_OnePlaceCannotTryManyNames(t *testing.T) {
	both(t, func(r *rig) {
		try := func(login, secret, ip string) error {
			_, err := r.a.SignIn(r.t.Context(), login, secret, ip)
			return err
		}
		for i := range triesPerPlace {
			if err := errors.Join(try("ann", password, "192.0.2.1"), try("ann", password, "192.0.2.1")); err != nil {
				r.t.Fatalf("what is right counts, the %d. time: %v", i, err)
			}
			if err := try("nobody-"+strconv.Itoa(i), "wrong", "192.0.2.1"); !errors.Is(err, ErrWrongPair) {
				r.t.Fatalf("wrong try %d: %v", i, err)
			}
		}
		before := r.a.hashes.Load()
		for _, login := range []string{"nobody", "ann"} {
			if err := try(login, password, "192.0.2.1"); desk.KindOf(err) != desk.TooMany {
				r.t.Errorf("after %d wrong tries %s gives %v", triesPerPlace, login, err)
			}
			if n, _, err := r.db.Hits(r.t.Context(), tryOf("sign-in", login, "192.0.2.1", 0).here, r.db.Now()); err != nil || n != 0 {
				r.t.Errorf("a refused try leaves a count of %d for %s, %v", n, login, err)
			}
		}
		if n := r.a.hashes.Load() - before; n != 0 {
			r.t.Errorf("refused tries take %d hashes", n)
		}
		if err := try("ann", password, "192.0.2.2"); err != nil {
			r.t.Errorf("another place: %v", err)
		}
		r.ahead.Store(int64(tryWindow + time.Second))
		if err := try("ann", password, "192.0.2.1"); err != nil {
			r.t.Errorf("nobody is locked out for good: %v", err)
		}
	})
}

func TestP2_AskingForALinkTellsNothingAndIsLimited(t *testing.T) {
	both(t, func(r *rig) {
		r.disable(r.bob)
		for _, login := range []string{"ann@customer.example", "bob@customer.example", "nobody@customer.example", "nobody", "", "a\x00"} {
			if err := errors.Join(r.a.RequestSignIn(r.t.Context(), login, "192.0.2.1"), r.a.RequestPassword(r.t.Context(), login, "192.0.2.1")); err != nil {
				r.t.Errorf("%q: %v", login, err)
			}
		}
		mails := func(kind desk.EffectKind) (n int) {
			es, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
			if err != nil {
				r.t.Fatal(err)
			}
			for _, e := range es {
				if e.Kind == kind {
					if n++; e.Recipient != "ann@customer.example" {
						r.t.Errorf("mail to %s", e.Recipient)
					}
				}
			}
			return n
		}
		if mails(desk.SignInMail) != 1 || mails(desk.PasswordMail) != 1 {
			r.t.Errorf("%d and %d mails", mails(desk.SignInMail), mails(desk.PasswordMail))
		}
		for range 5 {
			if err := r.a.RequestPassword(r.t.Context(), "ann", "192.0.2.2"); err != nil {
				r.t.Error(err)
			}
		}
		if n := mails(desk.PasswordMail); n != 1+mailsHour {
			r.t.Errorf("P7: %d mails in an hour, one of them asked for elsewhere", n)
		}
		for place := range 10 {
			for range 2 * mailsHour {
				if err := r.a.RequestPassword(r.t.Context(), []string{"ann", "ann@customer.example"}[place%2], fmt.Sprintf("203.0.113.%d", place)); err != nil {
					r.t.Error(err)
				}
			}
		}
		if n := mails(desk.PasswordMail); n != mailsEverywhere {
			r.t.Errorf("P7: %d mails in an hour from many places", n)
		}
		var last error
		for range linksPerPlace {
			last = r.a.RequestSignIn(r.t.Context(), "nobody", "192.0.2.1")
		}
		if desk.KindOf(last) != desk.TooMany {
			r.t.Errorf("from one place: %v", last)
		}
		if err := r.a.RequestSignIn(r.t.Context(), "nobody", "192.0.2.3"); err != nil {
			r.t.Errorf("from another place: %v", err)
		}
	})
}

func TestP4_ReadingALinkDoesNotSpendIt(t *testing.T) {
	both(t, func(r *rig) {
		r.link(r.ann, "secret", desk.LinkSignIn, time.Hour)
		for range 5 {
			if c, err := r.a.Link(r.t.Context(), "secret", desk.LinkSignIn); err != nil || c.ID != r.ann.ID {
				r.t.Fatalf("%+v, %v", c, err)
			}
		}
		var wg sync.WaitGroup
		var ok atomic.Int64
		for range 20 {
			wg.Go(func() {
				if _, err := r.a.SignInByLink(r.t.Context(), "secret"); err == nil {
					ok.Add(1)
				} else if !errors.Is(err, ErrLink) {
					r.t.Error(err)
				}
			})
		}
		wg.Wait()
		if ok.Load() != 1 {
			r.t.Errorf("signed in %d times", ok.Load())
		}
		if _, err := r.a.Link(r.t.Context(), "secret", desk.LinkSignIn); !errors.Is(err, ErrLink) {
			r.t.Errorf("a used link: %v", err)
		}
	})
}

func TestP3_LinksThatAreOfNoUse(t *testing.T) {
	both(t, func(r *rig) {
		r.link(r.ann, "expired", desk.LinkSignIn, -time.Second)
		r.link(r.ann, "password", desk.LinkSetPassword, time.Hour)
		r.link(r.bob, "disabled", desk.LinkSignIn, time.Hour)
		cy, _, err := r.desk.AddContact(r.t.Context(), tickets.NewContact{Addresses: []string{"cy@customer.example"}})
		if err != nil {
			r.t.Fatal(err)
		}
		r.link(cy, "moved", desk.LinkSignIn, time.Hour)
		r.link(cy, "moved password", desk.LinkSetPassword, time.Hour)
		if _, err := r.desk.ChangeContact(r.t.Context(), cy.ID, tickets.ContactChange{Addresses: &[]string{"new@customer.example"}}); err != nil {
			r.t.Fatal(err)
		}
		r.disable(r.bob)
		for _, secret := range []string{"", "unknown", "expired", "password", "disabled", "moved", "a\x00b"} {
			if _, err := r.a.SignInByLink(r.t.Context(), secret); !errors.Is(err, ErrLink) {
				r.t.Errorf("%q: %v", secret, err)
			}
		}
		for _, secret := range []string{"", "unknown", "expired", "disabled", "moved", "moved password"} {
			if _, err := r.a.SetPasswordByLink(r.t.Context(), secret, "another good one"); !errors.Is(err, ErrLink) {
				r.t.Errorf("%q sets a password: %v", secret, err)
			}
		}
		if _, err := r.a.SetPasswordByLink(r.t.Context(), "password", "short"); desk.KindOf(err) != desk.Invalid {
			r.t.Errorf("a short password: %v", err)
		}
		r.link(r.ann, "other", desk.LinkSignIn, time.Hour)
		if err := r.db.PutSession(r.t.Context(), "session", r.ann.ID, []byte("x"), time.Now().Add(time.Hour)); err != nil {
			r.t.Fatal(err)
		}
		if c, err := r.a.SetPasswordByLink(r.t.Context(), "password", "another good one"); err != nil || c.ID != r.ann.ID {
			r.t.Errorf("a refused password spent the link: %v", err)
		}
		if _, err := r.a.SignIn(r.t.Context(), "ann", "another good one", "x"); err != nil {
			r.t.Error(err)
		}
		if _, err := r.a.SignIn(r.t.Context(), "ann", password, "x"); !errors.Is(err, ErrWrongPair) {
			r.t.Errorf("the old password: %v", err)
		}
		if _, found, err := r.db.Session(r.t.Context(), "session"); found || err != nil {
			r.t.Errorf("P8: a session outlives the password: %v", err)
		}
		if _, err := r.a.SignInByLink(r.t.Context(), "other"); !errors.Is(err, ErrLink) {
			r.t.Errorf("a link outlives the password: %v", err)
		}
	})
}

func TestP1_Passwords(t *testing.T) {
	t.Parallel()
	c := desk.Contact{Addresses: []string{"ann.lee@customer.example"}, Username: "annlee77"}
	for p, want := range map[string]bool{
		"1234567": false, "12345678": false, "password": false, "Password1!": false, "p4ssw0rd123": false, "qwertyuiop": false, "aaaaaaaaaa": false, "abcabcabc": false, "87654321": false,
		"ann.lee@customer.example": false, "AnnLee77": false, "letmein2024": false, strings.Repeat("x1", 200): false,
		"correct horse battery staple": true, "zR7!kq_9": true, "ünïcödé wörds": true, strings.Repeat("long but fine ", 10): true, "пароль на русском": true,
	} {
		if err := CheckPassword(p, c); (err == nil) != want {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// TestHashesAreBounded: each one takes 19 MiB while it is computed.
func TestHashesAreBounded(t *testing.T) {
	t.Parallel()
	a := &Accounts{slots: make(chan struct{}, 3)}
	var running, most atomic.Int64
	var wg sync.WaitGroup
	full, free := make(chan struct{}, 50), make(chan struct{})
	for range 20 {
		wg.Go(func() {
			err := a.inSlot(t.Context(), func() error {
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				full <- struct{}{}
				<-free
				running.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range cap(a.slots) {
		<-full
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.inSlot(ctx, func() error { t.Error("one too many"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever waits and loses patience: %v", err)
	}
	close(free)
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d at the same time, want 3", most.Load())
	}
}

func TestTokens(t *testing.T) {
	both(t, func(r *rig) {
		secret, err := r.a.CreateToken(r.t.Context(), "script", []string{desk.ScopeRead})
		if err != nil || !strings.HasPrefix(secret, tokenPrefix) {
			r.t.Fatalf("%q, %v", secret, err)
		}
		token, err := r.a.Token(r.t.Context(), secret)
		if err != nil || token.Name != "script" || !token.Allows(desk.ScopeRead) || token.Allows(desk.ScopeWrite) {
			r.t.Errorf("%+v, %v", token, err)
		}
		for _, s := range []string{"", tokenPrefix, secret[:len(secret)-1], secret + "x", strings.TrimPrefix(secret, tokenPrefix), "\x00"} {
			if _, err := r.a.Token(r.t.Context(), s); desk.KindOf(err) != desk.Unauthenticated {
				r.t.Errorf("%q: %v", s, err)
			}
		}
		if all, err := r.db.Tokens(r.t.Context()); err != nil || len(all) != 1 || all[0].LastUsed.IsZero() {
			r.t.Errorf("after use: %+v, %v", all, err)
		}
		if err := r.a.RevokeToken(r.t.Context(), token.ID); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.a.Token(r.t.Context(), secret); desk.KindOf(err) != desk.Unauthenticated {
			r.t.Errorf("a revoked token: %v", err)
		}
		if _, err := r.a.CreateToken(r.t.Context(), " ", nil); desk.KindOf(err) != desk.Invalid {
			r.t.Errorf("a token without a name: %v", err)
		}
		if _, err := r.a.CreateToken(r.t.Context(), "x", []string{"root"}); desk.KindOf(err) != desk.Invalid {
			r.t.Errorf("a scope of fancy: %v", err)
		}
	})
}
