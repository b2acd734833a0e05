package tickets

import (
	"context"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// StopPath is where in the portal somebody ends automatic mail to an address of a contact. The link can't be guessed, and it names no address.
func StopPath(keys *mailmsg.Keyring, contact desk.ID, email string) string {
	return "/stop/" + string(contact) + "/" + keys.Token(mailmsg.ForStop, string(contact), email)
}

// StopAutomatic ends automatic mail to the address for which StopPath gave a link, until an operator lifts that; a second time changes nothing.
// What people write goes there all the same. A link that is none is NotFound.
func (d *Desk) StopAutomatic(ctx context.Context, contact desk.ID, token string) error {
	email, err := d.stopped(ctx, contact, token)
	if err != nil {
		return err
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		return tx.Suppress(ctx, desk.Suppression{Address: email, Reason: desk.Unsubscribed, At: tx.Now()})
	})
}

// CheckStop tells whether a link ends automatic mail; NotFound: it does not.
func (d *Desk) CheckStop(ctx context.Context, contact desk.ID, token string) error {
	_, err := d.stopped(ctx, contact, token)
	return err
}

// stopped gives the address that a link is about.
func (d *Desk) stopped(ctx context.Context, contact desk.ID, token string) (string, error) {
	c, err := d.db.Contact(ctx, contact)
	if err != nil {
		return "", err
	}
	for _, email := range c.Addresses {
		if d.keys.Verify(token, mailmsg.ForStop, string(contact), email) {
			return email, nil
		}
	}
	return "", desk.Missing("link")
}
