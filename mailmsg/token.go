package mailmsg

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"strings"
)

// Purpose keeps tokens apart: one made for a purpose never verifies for another.
type Purpose string

// The purposes of tokens.
const (
	ForMessage Purpose = "message" // a Message-ID: mailbox, ticket, message
	ForRoot    Purpose = "root"    // the first Reference of a ticket: mailbox, ticket
	ForReply   Purpose = "reply"   // a Reply-To address: mailbox, ticket, recipient
	ForSubject Purpose = "subject" // a tag in a subject: mailbox, ticket
	ForAgent   Purpose = "agent"   // where an agent answers a customer: mailbox, ticket, agent
	ForNote    Purpose = "note"    // where an agent writes a note: mailbox, ticket, agent
	ForNotice  Purpose = "notice"  // the Message-ID of a notification: mailbox, ticket, agent, message
	ForBounce  Purpose = "bounce"  // the envelope sender of our mail: mailbox, recipient
	ForStop    Purpose = "stop"    // a link that ends automatic mail: contact, recipient
	ForFile    Purpose = "file"    // a link to a file: attachment, last day
	ForLoop    Purpose = "loop"    // the mark on our own mail: its Message-ID

	ForProbe       Purpose = "probe"       // the address of a mail to ourselves: mailbox, mail
	ForCalibration Purpose = "calibration" // the code in a calibration mail: mailbox, receiver, day
)

// TokenLen is the length of every token.
const TokenLen = 28

const macLen = 16

// tokenEncoding is base32 as RFC 4648 has it, in lower case: it survives servers that change the case of a local part.
var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Keyring makes and checks tokens with the installation's keys. It is safe for concurrent use.
type Keyring struct {
	keys    map[byte][]byte
	current byte
}

// NewKeyring takes the known keys by id and the id of the one that makes new tokens; the others only verify. A key has
// at least 16 bytes.
func NewKeyring(keys map[byte][]byte, current byte) (*Keyring, error) {
	if _, ok := keys[current]; !ok {
		return nil, fmt.Errorf("keyring: there is no key %d", current)
	}
	own := maps.Clone(keys)
	for id, key := range own {
		if len(key) < 16 {
			return nil, fmt.Errorf("keyring: key %d has %d bytes, fewer than 16", id, len(key))
		}
		own[id] = append([]byte(nil), key...)
	}
	return &Keyring{keys: own, current: current}, nil
}

// Token signs parts for a purpose with the current key: 28 lower-case base32 characters that hold the key's id and
// 128 bits of HMAC-SHA256. It is the same each time, and says nothing about its parts.
func (k *Keyring) Token(p Purpose, parts ...string) string { return k.token(k.current, p, parts) }

// Verify tells whether token was made for this purpose and these parts by any known key. It takes the same time
// wherever the token differs, and does not mind its case.
func (k *Keyring) Verify(token string, p Purpose, parts ...string) bool {
	token = strings.ToLower(token)
	if !isToken(token) { // decoding passes over line ends, and would leave nothing
		return false
	}
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil {
		return false
	}
	if _, known := k.keys[raw[0]]; !known {
		return false
	}
	// The texts are compared, not the decoded bytes: the last character has four bits that decoding ignores.
	return subtle.ConstantTimeCompare([]byte(token), []byte(k.token(raw[0], p, parts))) == 1
}

// Derive gives 32 secret bytes for a purpose from the current key, such as a one-time link's. It never equals anything
// a token shows.
func (k *Keyring) Derive(purpose string, parts ...string) [32]byte {
	return [32]byte(k.sum(k.current, "derive", purpose, parts))
}

func (k *Keyring) token(id byte, p Purpose, parts []string) string {
	raw := append([]byte{id}, k.sum(id, "token", string(p), parts)[:macLen]...)
	return tokenEncoding.EncodeToString(raw)
}

func (k *Keyring) sum(id byte, kind, purpose string, parts []string) []byte {
	mac := hmac.New(sha256.New, k.keys[id])
	writeCounted(mac, kind)
	writeCounted(mac, purpose)
	for _, part := range parts {
		writeCounted(mac, part)
	}
	return mac.Sum(nil)
}

// writeCounted writes s after its length, so that ("ab", "c") and ("a", "bc") differ.
func writeCounted(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}

// isToken tells whether s has the shape of a token, in any case.
func isToken(s string) bool {
	if len(s) != TokenLen {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if (s[i] < '2' || s[i] > '7') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
