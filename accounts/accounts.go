// Package accounts is about people who sign in and programs that hold a token: passwords, one-time links, API tokens.
package accounts

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"postern/desk"
	"postern/store"
)

// Mailer sends a contact a mail with a one-time link, as part of a transaction.
type Mailer interface {
	SendLink(ctx context.Context, tx *store.Tx, mb desk.Mailbox, c desk.Contact, kind desk.EffectKind, purpose string) error
	// SendConfirmation mails the link by which a registration is confirmed, and stores it.
	SendConfirmation(ctx context.Context, tx *store.Tx, mb desk.Mailbox, r store.Registration) error
}

// Accounts signs people and programs in.
type Accounts struct {
	db     *store.DB
	mailer Mailer
	params *argon2id.Params
	dummy  string        // a hash that nobody's password has
	slots  chan struct{} // one for each hash that may be computed at the same time
	hashes atomic.Int64  // computed so far: an unknown name must cost as many as a known one
}

// hashesAtOnce bounds the memory that sign-ins take: each hash needs 19 MiB while it is computed.
const hashesAtOnce = 4

// New makes Accounts. It costs one hash.
func New(db *store.DB, mailer Mailer) (*Accounts, error) {
	// OWASP's second choice for argon2id: 19 MiB, two passes, one lane; enough, and small machines stay responsive.
	params := &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	a := &Accounts{db: db, mailer: mailer, params: params, slots: make(chan struct{}, min(hashesAtOnce, runtime.GOMAXPROCS(0)))}
	var err error
	a.dummy, err = a.hash(context.Background(), rand.Text())
	return a, err
}

// Hash makes the hash by which a password is stored.
func (a *Accounts) Hash(ctx context.Context, password string) (string, error) {
	return a.hash(ctx, password)
}

func (a *Accounts) hash(ctx context.Context, password string) (hash string, err error) {
	err = a.inSlot(ctx, func() error { hash, err = argon2id.CreateHash(password, a.params); return err })
	return hash, err
}

func (a *Accounts) matches(ctx context.Context, password, hash string) (match bool, err error) {
	err = a.inSlot(ctx, func() error { match, err = argon2id.ComparePasswordAndHash(password, hash); return err })
	return match, err
}

// inSlot calls f when few enough others are at it.
func (a *Accounts) inSlot(ctx context.Context, f func() error) error {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-a.slots }()
	a.hashes.Add(1)
	return f()
}

// The bounds of a password (REQUIREMENTS P1). Any characters will do, and it is checked exactly as typed.
const (
	MinPassword = 8
	MaxPassword = 256
)

// CheckPassword refuses what would be guessed first. It takes the contact's own names into account.
func CheckPassword(password string, c desk.Contact) error {
	switch n := len([]rune(password)); {
	case n < MinPassword:
		return weak("password_short", "Choose a password of at least %d characters", MinPassword)
	case n > MaxPassword:
		return weak("password_long", "Choose a password of at most %d characters", MaxPassword)
	}
	low := strings.ToLower(password)
	if common(low) || slices.Contains(c.Addresses, low) || c.Username != "" && low == c.Username {
		return weak("password_common", "This password is too easy to guess. Choose another one")
	}
	return nil
}

// weak is the error for a password that is refused; limit is the number in its text, if it has one.
func weak(key, text string, limit ...any) error {
	e := &desk.Error{Kind: desk.Invalid, Field: "password", Text: fmt.Sprintf(text, limit...), Key: key}
	for _, n := range limit {
		e.Args = append(e.Args, "Limit", n)
	}
	return e
}

// ErrWrongPair says that name and password don't belong together; which of them is wrong is not said.
var ErrWrongPair = &desk.Error{Kind: desk.Unauthenticated, Text: "The address or the password is not right", Key: "wrong_pair"} //nolint:gochecknoglobals // never changes

// SignIn finds the contact that has the address or user name and the password. The answer for an unknown name is the
// same as for a wrong password, and takes the same work. Too many wrong tries from one place, for one name or for very many,
// are TooMany for some minutes. Where nobody signs in by password, it is NotFound.
func (a *Accounts) SignIn(ctx context.Context, login, password, ip string) (desk.Contact, error) {
	if err := a.offered(ctx, byPassword); err != nil {
		return desk.Contact{}, err
	}
	try := tryOf("sign-in", login, ip, triesPerName)
	if err := a.db.Update(ctx, func(tx *store.Tx) error { return try.count(ctx, tx) }); err != nil {
		return desk.Contact{}, err
	}
	c, hash, err := a.credentials(ctx, login)
	if err != nil {
		return desk.Contact{}, err
	}
	match, err := a.matches(ctx, password, hash)
	if err != nil {
		return desk.Contact{}, err
	}
	if !match || c.ID == "" {
		return desk.Contact{}, cmp.Or(a.audit(ctx, desk.SignInFailed, c.ID, ip), error(ErrWrongPair))
	}
	return c, a.db.Update(ctx, func(tx *store.Tx) error { return try.takeBack(ctx, tx) })
}

// The ways in that an operator can switch off.
func byPassword(a desk.Access) bool { return a.Password }
func byLink(a desk.Access) bool     { return a.Link }

// offered is NotFound where a way in is switched off: hiding its form would close nothing.
func (a *Accounts) offered(ctx context.Context, way func(desk.Access) bool) error {
	s, err := a.db.Settings(ctx)
	if err == nil && !way(s.Access) {
		err = desk.Missing("way in")
	}
	return err
}

// Entered writes down that somebody has signed in, and how.
func (a *Accounts) Entered(ctx context.Context, c desk.Contact, way, ip string) error {
	ctx = desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: c.ID, IP: truncated(ip)})
	return a.db.Update(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, desk.SignedIn, string(c.ID), map[string]desk.Changed{"way": {Is: way}})
	})
}

// audit writes down what somebody tried; c is "" where the name is nobody's, which is written down too.
func (a *Accounts) audit(ctx context.Context, action desk.Action, c desk.ID, ip string) error {
	ctx = desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: c, IP: truncated(ip)})
	return a.db.Update(ctx, func(tx *store.Tx) error { return tx.Audit(ctx, action, cmp.Or(string(c), "unknown"), nil) })
}

// credentials gives a contact that may sign in and its hash; or nobody, and a hash to compare with all the same.
func (a *Accounts) credentials(ctx context.Context, login string) (desk.Contact, string, error) {
	c, err := a.db.ContactByLogin(ctx, login)
	if desk.KindOf(err) == desk.NotFound || err == nil && c.Disabled {
		return desk.Contact{}, a.dummy, nil
	}
	if err != nil {
		return c, "", err
	}
	p, err := a.db.Password(ctx, c.ID)
	if desk.KindOf(err) == desk.NotFound || err == nil && p.MustChange && a.db.Now().Sub(p.ChangedAt) > MadeLife {
		return desk.Contact{}, a.dummy, nil
	}
	return c, p.Hash, err
}

// SignInByCode signs in whoever types the code of a sign-in mail, where they asked for it. It answers as SignIn does, and counts tries as that does:
// the codes are short, and however many places and names of theirs are tried, few may be tried for one person.
func (a *Accounts) SignInByCode(ctx context.Context, login, code, ip string) (desk.Contact, error) {
	if err := a.offered(ctx, byLink); err != nil {
		return desk.Contact{}, err
	}
	code = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, code)
	c, err := a.db.ContactByLogin(ctx, login)
	if err != nil && desk.KindOf(err) != desk.NotFound {
		return desk.Contact{}, err
	}
	try := tryOf("code", cmp.Or(string(c.ID), login), ip, codesPerName)
	if err := a.db.Update(ctx, func(tx *store.Tx) error { return try.count(ctx, tx) }); err != nil {
		return desk.Contact{}, err
	}
	err = a.db.Update(ctx, func(tx *store.Tx) error {
		o, err := tx.OneTimeByCode(ctx, c.ID, desk.LinkSignIn, code, tx.Now())
		if desk.KindOf(err) == desk.NotFound || err == nil && (code == "" || c.Disabled || !slices.Contains(c.Addresses, o.Email)) {
			return ErrWrongCode
		}
		if err != nil {
			return err
		}
		if ok, err := tx.SpendOneTime(ctx, o.Hash); err != nil || !ok {
			return cmp.Or(err, error(ErrWrongCode))
		}
		return errors.Join(tx.Proved(ctx, c.ID, o.Email), try.takeBack(ctx, tx))
	})
	if err != nil {
		return desk.Contact{}, err
	}
	return c, nil
}

// ErrWrongCode says that a code is not, or no longer, of use.
var ErrWrongCode = &desk.Error{Kind: desk.Unauthenticated, Field: "code", Text: "This code is not right, or has run out", Key: "wrong_code"} //nolint:gochecknoglobals // never changes

// Links that people ask for.
type linkKind struct {
	kind    desk.EffectKind
	purpose string
	way     func(desk.Access) bool // that it is for
}

// RequestSignIn mails a link to sign in by, if the name belongs to somebody who may. It answers the same in every case. Too many from one place are
// TooMany; where nobody signs in by link, it is NotFound.
func (a *Accounts) RequestSignIn(ctx context.Context, login, ip string) error {
	return a.request(ctx, login, ip, linkKind{desk.SignInMail, desk.LinkSignIn, byLink})
}

// RequestPassword mails a link to choose a new password by, as RequestSignIn does.
func (a *Accounts) RequestPassword(ctx context.Context, login, ip string) error {
	return a.request(ctx, login, ip, linkKind{desk.PasswordMail, desk.LinkSetPassword, byPassword})
}

func (a *Accounts) request(ctx context.Context, login, ip string, l linkKind) error {
	org, err := a.db.Organisation(ctx)
	if err != nil {
		return err
	}
	if !l.way(org.Settings.Access) {
		return desk.Missing("way in")
	}
	return a.db.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Hit(ctx, "links to "+placeOf(ip), time.Hour)
		if err != nil {
			return err
		}
		if n > linksPerPlace {
			return &desk.Error{Kind: desk.TooMany, Text: "Too many links were asked for from here. Try again in an hour", Key: "too_many_links"}
		}
		c, err := tx.ContactByLogin(ctx, login)
		if err != nil && desk.KindOf(err) != desk.NotFound {
			return err
		}
		few, err := fewEnough(ctx, tx, "link to "+l.purpose, cmp.Or(string(c.ID), fingerprint(login)), ip)
		mb, can := org.DefaultMailbox()
		if err != nil || !few || !can || mb.SMTP == "" || c.Disabled || c.LoginAddress() == "" {
			return err
		}
		return a.mailer.SendLink(ctx, tx, mb, c, l.kind, l.purpose)
	})
}

// ErrLink says that a link is not, or no longer, of use. Which of the two is not said to strangers.
var ErrLink = &desk.Error{Kind: desk.Gone, Text: "This link has been used or has expired"} //nolint:gochecknoglobals // never changes

// Link tells for whom an unused link of the purpose is, without spending it: programs open links before people do
// (REQUIREMENTS P4). Anything else is ErrLink.
func (a *Accounts) Link(ctx context.Context, secret, purpose string) (desk.Contact, error) {
	return peek(ctx, a.db, a.db.Now(), secret, purpose)
}

type linkReader interface {
	OneTime(ctx context.Context, hash [32]byte) (store.OneTime, error)
	Contact(ctx context.Context, id desk.ID) (desk.Contact, error)
}

func peek(ctx context.Context, r linkReader, now time.Time, secret, purpose string) (desk.Contact, error) {
	if secret == "" {
		return desk.Contact{}, ErrLink
	}
	o, err := r.OneTime(ctx, sha256.Sum256([]byte(secret)))
	if desk.KindOf(err) == desk.NotFound {
		return desk.Contact{}, ErrLink
	}
	if err != nil {
		return desk.Contact{}, err
	}
	if o.Purpose != purpose || !o.UsedAt.IsZero() || !now.Before(o.ExpiresAt) {
		return desk.Contact{}, ErrLink
	}
	c, err := r.Contact(ctx, o.ContactID)
	if err == nil && (c.Disabled || !slices.Contains(c.Addresses, o.Email)) {
		return c, ErrLink // the address is no longer this person's
	}
	return c, err
}

// SignInByLink spends a sign-in link.
func (a *Accounts) SignInByLink(ctx context.Context, secret string) (desk.Contact, error) {
	var c desk.Contact
	err := a.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		if c, err = peek(ctx, tx, tx.Now(), secret, desk.LinkSignIn); err != nil {
			return err
		}
		return spend(ctx, tx, secret, c)
	})
	return c, err
}

// spend uses a link up, which proves that the contact gets the mail of the address it went to.
func spend(ctx context.Context, tx *store.Tx, secret string, c desk.Contact) error {
	hash := sha256.Sum256([]byte(secret))
	ok, err := tx.SpendOneTime(ctx, hash)
	if err == nil && !ok {
		return ErrLink
	}
	if err != nil {
		return err
	}
	o, err := tx.OneTime(ctx, hash)
	if err != nil {
		return err
	}
	return tx.Proved(ctx, c.ID, o.Email)
}

// SetPasswordByLink spends a link and sets the contact's password. All sessions and other links of the contact end. A
// password that is refused does not spend the link.
func (a *Accounts) SetPasswordByLink(ctx context.Context, secret, password string) (desk.Contact, error) {
	c, err := a.Link(ctx, secret, desk.LinkSetPassword)
	if err != nil {
		return c, err
	}
	if err := CheckPassword(password, c); err != nil {
		return c, err
	}
	hash, err := a.hash(ctx, password) // not inside the transaction: it takes its time
	if err != nil {
		return c, err
	}
	err = a.db.Update(ctx, func(tx *store.Tx) error {
		if c, err = peek(ctx, tx, tx.Now(), secret, desk.LinkSetPassword); err != nil {
			return err
		}
		if err := spend(ctx, tx, secret, c); err != nil {
			return err
		}
		return tx.PutPassword(ctx, c.ID, store.Password{Hash: hash, ChangedAt: tx.Now()})
	})
	return c, err
}

// tokenPrefix lets people and scanners know what they found.
const tokenPrefix = "pst_"

// CreateToken makes an API token and gives its secret, which can't be had again.
func (a *Accounts) CreateToken(ctx context.Context, name string, scopes []string) (string, error) {
	if strings.TrimSpace(name) == "" {
		return "", desk.Refuse("name", "give the token a name, so that you know later what it was for")
	}
	if len(scopes) == 0 {
		scopes = []string{desk.ScopeRead, desk.ScopeWrite}
	}
	for _, s := range scopes {
		if !slices.Contains(desk.Scopes(), s) {
			return "", desk.Refuse("scope", "there is no scope %q; there are %s", s, strings.Join(desk.Scopes(), ", "))
		}
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return secret, a.db.Update(ctx, func(tx *store.Tx) error {
		return tx.AddToken(ctx, desk.Token{ID: store.NewID(), Name: name, Scopes: scopes, CreatedAt: tx.Now()}, sha256.Sum256([]byte(secret)))
	})
}

// usedWithin is how exactly it is known when a token was last used: a write for every request would be too many.
const usedWithin = time.Hour

// Token finds the token with the secret; anything else is Unauthenticated.
func (a *Accounts) Token(ctx context.Context, secret string) (desk.Token, error) {
	t, err := a.db.TokenByHash(ctx, sha256.Sum256([]byte(secret)))
	if desk.KindOf(err) == desk.NotFound {
		return t, &desk.Error{Kind: desk.Unauthenticated, Text: "this token is not known; make one with gateway token create"}
	}
	if err != nil || a.db.Now().Sub(t.LastUsed) < usedWithin {
		return t, err
	}
	return t, a.db.Update(ctx, func(tx *store.Tx) error { return tx.UsedToken(ctx, t.ID, tx.Now()) })
}

// RevokeToken ends a token at once. One that is not there is NotFound.
func (a *Accounts) RevokeToken(ctx context.Context, id desk.ID) error {
	return a.db.Update(ctx, func(tx *store.Tx) error { return tx.DeleteToken(ctx, id) })
}
