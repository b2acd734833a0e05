package mailmsg

import "postern/desk"

// OneTimeSecret gives the secret of the one-time link in the mail of an outbox row: 52 base32 characters, 256 bits. It
// derives from the row, so a mail that is sent again has the same link and nothing secret is stored (REQUIREMENTS P3).
func OneTimeSecret(k *Keyring, effect desk.ID) string {
	sum := k.Derive("one-time link", string(effect))
	return tokenEncoding.EncodeToString(sum[:])
}
