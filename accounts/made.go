package accounts

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
	"unicode"

	"postern/desk"
	"postern/store"
)

// MadeLife is how long a password that an operator had made works, if it is not changed (REQUIREMENTS P5).
const MadeLife = 72 * time.Hour

// Credentials are what an operator hands to a contact. The password is shown once and stored as a hash alone.
type Credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// MakePassword makes a password for a contact, and a user name if there is none. A former password ends, with all sessions and links. The
// new one must be changed at the first sign-in, and works for three days.
func (a *Accounts) MakePassword(ctx context.Context, contact desk.ID) (Credentials, error) {
	out := Credentials{Password: strings.ToLower(rand.Text())[:20]}
	hash, err := a.hash(ctx, out.Password)
	if err != nil {
		return Credentials{}, err
	}
	return out, a.db.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.Contact(ctx, contact)
		if err != nil {
			return err
		}
		if out.Username, err = Username(ctx, tx, &c); err != nil {
			return err
		}
		if err := tx.PutPassword(ctx, c.ID, store.Password{Hash: hash, MustChange: true, ChangedAt: tx.Now()}); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.PasswordSet, string(c.ID), map[string]desk.Changed{"must_change": {Is: true}})
	})
}

// Username gives the contact's user name, and makes one from the name or the address if there is none.
func Username(ctx context.Context, tx *store.Tx, c *desk.Contact) (string, error) {
	if c.Username != "" {
		return c.Username, nil
	}
	local, _, _ := strings.Cut(c.LoginAddress(), "@")
	base := plainName(c.Name)
	if base == "" {
		base = plainName(local)
	}
	if base == "" {
		base = "customer"
	}
	for n := 1; ; n++ {
		c.Username = base
		if n > 1 {
			c.Username = fmt.Sprintf("%s.%d", base, n)
		}
		_, err := tx.ContactByLogin(ctx, c.Username)
		if desk.KindOf(err) == desk.NotFound {
			return c.Username, tx.ChangeContact(ctx, *c)
		}
		if err != nil {
			return "", err
		}
	}
}

// plainName makes a user name of a name: ann.example.
func plainName(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	out := strings.Join(words, ".")
	if r := []rune(out); len(r) > 40 {
		out = string(r[:40])
	}
	return strings.Trim(out, ".")
}

// MustChange tells whether a contact has to choose a new password before anything else.
func (a *Accounts) MustChange(ctx context.Context, contact desk.ID) (bool, error) {
	p, err := a.db.Password(ctx, contact)
	if desk.KindOf(err) == desk.NotFound {
		return false, nil
	}
	return p.MustChange, err
}

// ChangePassword sets the password of somebody who is signed in. They prove that they are who they were by their former one, or, where it was
// made for them, by having come in with it. All their sessions and links end.
// Too many wrong former ones are TooMany: a session that was taken over must not serve to guess by.
// Where nobody signs in by password, it is NotFound.
func (a *Accounts) ChangePassword(ctx context.Context, c desk.Contact, former, password string) error {
	if err := a.offered(ctx, byPassword); err != nil {
		return err
	}
	if err := CheckPassword(password, c); err != nil {
		return err
	}
	p, err := a.db.Password(ctx, c.ID)
	if err != nil && desk.KindOf(err) != desk.NotFound {
		return err
	}
	if err == nil && !p.MustChange {
		key := "password of " + string(c.ID)
		if err := a.db.Update(ctx, func(tx *store.Tx) error { return countHit(ctx, tx, key, freeTries) }); err != nil {
			return err
		}
		match, err := a.matches(ctx, former, p.Hash)
		if err != nil {
			return err
		}
		if match {
			if err := a.db.Update(ctx, func(tx *store.Tx) error { return tx.ForgetHits(ctx, key) }); err != nil {
				return err
			}
		} else {
			return &desk.Error{Kind: desk.Invalid, Field: "former", Text: "this is not your password", Key: "account.wrong_password"}
		}
	}
	if p.MustChange {
		same, err := a.matches(ctx, password, p.Hash)
		if err != nil {
			return err
		}
		if same {
			return weak("password_same", "Choose another password than the one you were given")
		}
	}
	hash, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	ctx = desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: c.ID})
	return a.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.PutPassword(ctx, c.ID, store.Password{Hash: hash, ChangedAt: tx.Now()}); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.PasswordSet, string(c.ID), nil)
	})
}
