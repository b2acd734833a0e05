package mailmsg

import (
	"encoding/binary"
	"fmt"
	"strings"

	"postern/desk"
)

// OneTimeSecret gives the secret of the one-time link in the mail of an outbox row: 52 base32 characters, 256 bits. It
// derives from the row, so a mail that is sent again has the same link and nothing secret is stored (REQUIREMENTS P3).
func OneTimeSecret(k *Keyring, effect desk.ID) string {
	sum := k.Derive("one-time link", string(effect))
	return tokenEncoding.EncodeToString(sum[:])
}

// OneTimeCode gives the six digits that do the same as the link in the mail of an outbox row, for another device. They are few: whoever takes
// them counts the tries.
func OneTimeCode(k *Keyring, effect desk.ID) string {
	sum := k.Derive("one-time code", string(effect))
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(sum[:8])%1_000_000)
}

// MadePassword gives the password that the mail of an outbox row names, where an operator wants one in it: 20 characters, 100 bits. It derives
// from the row, so that it is stored nowhere but as its hash.
func MadePassword(k *Keyring, effect desk.ID) string {
	sum := k.Derive("made password", string(effect))
	return tokenEncoding.EncodeToString(sum[:])[:20]
}

// isOneTimeSecret tells whether a word has the form of a one-time link's secret, in any case.
func isOneTimeSecret(word string) bool {
	raw, err := tokenEncoding.DecodeString(strings.ToLower(word))
	return err == nil && len(raw) == 32
}
