package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// viewLife is how long a link to look at the portal as a contact works.
const viewLife = 5 * time.Minute

// ViewAs makes a link's secret by which an operator looks at the portal as a contact does, read only, once, within five minutes. Who asked for it
// is on record (feature P8).
func (a *Accounts) ViewAs(ctx context.Context, contact desk.ID) (secret string, expires time.Time, err error) {
	secret = strings.ToLower(rand.Text() + rand.Text())
	err = a.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Contact(ctx, contact); err != nil {
			return err
		}
		expires = tx.Now().Add(viewLife)
		if err := tx.AddOneTime(ctx, store.OneTime{Hash: sha256.Sum256([]byte(secret)), Purpose: desk.LinkView, ContactID: contact, CreatedAt: tx.Now(), ExpiresAt: expires}); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.PortalViewed, string(contact), nil)
	})
	return secret, expires, err
}

// Viewed tells for whom an unused link of ViewAs is, without spending it. Anything else is ErrLink.
func (a *Accounts) Viewed(ctx context.Context, secret string) (desk.Contact, error) {
	return viewed(ctx, a.db, a.db.Now(), secret)
}

func viewed(ctx context.Context, r linkReader, now time.Time, secret string) (desk.Contact, error) {
	if secret == "" {
		return desk.Contact{}, ErrLink
	}
	o, err := r.OneTime(ctx, sha256.Sum256([]byte(secret)))
	if desk.KindOf(err) == desk.NotFound || err == nil && (o.Purpose != desk.LinkView || !o.UsedAt.IsZero() || !now.Before(o.ExpiresAt)) {
		return desk.Contact{}, ErrLink
	}
	if err != nil {
		return desk.Contact{}, err
	}
	return r.Contact(ctx, o.ContactID)
}

// View spends a link of ViewAs. It proves nothing of the contact's, and signs nobody in but the one who looks on.
func (a *Accounts) View(ctx context.Context, secret string) (desk.Contact, error) {
	var c desk.Contact
	err := a.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		if c, err = viewed(ctx, tx, tx.Now(), secret); err != nil {
			return err
		}
		if ok, err := tx.SpendOneTime(ctx, sha256.Sum256([]byte(secret))); err != nil || !ok {
			if err == nil {
				err = ErrLink
			}
			return err
		}
		return nil
	})
	return c, err
}
