package config

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Key is the installation key.
type Key [32]byte

// ParseKey reads a key of 64 hexadecimal digits. Its error does not repeat them.
func ParseKey(s string) (Key, error) {
	b, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != len(Key{}) {
		return Key{}, errors.New("secret_key: want 64 hexadecimal digits; make some with: openssl rand -hex 32")
	}
	return Key(b), nil
}

// LoadKey gives the installation key: the one that is set, or the one in the data folder, which it makes at the first
// start. Without the key, stored passwords of mailboxes can't be read and links that were sent stop working, so it
// belongs into every backup. Made tells that it is new.
func LoadKey(c Config) (key Key, made bool, err error) {
	if c.SecretKey != "" {
		key, err = ParseKey(c.SecretKey)
		return key, false, err
	}
	path := filepath.Join(c.Data, "secret.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path)
		return key, err == nil, err
	}
	if err != nil {
		return key, false, fmt.Errorf("read the installation key: %w", err)
	}
	if key, err = ParseKey(string(b)); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return key, false, err
}

// makeKey writes a new key whole or not at all: two programs may start at the same time, and then both use the first.
func makeKey(path string) (Key, error) {
	var key Key
	_, _ = rand.Read(key[:]) // never fails since Go 1.24
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return key, err
	}
	tmp := path + "." + rand.Text()
	if err := os.WriteFile(tmp, []byte(hex.EncodeToString(key[:])+"\n"), 0o600); err != nil {
		return key, err
	}
	err := os.Link(tmp, path) // unlike a rename, it does not replace what is there
	if err = errors.Join(ignoreExist(err), os.Remove(tmp)); err != nil {
		return key, fmt.Errorf("make the installation key: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return key, err
	}
	return ParseKey(string(b))
}

func ignoreExist(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Derive gives a key of its own for each purpose, so that none of them tells anything about another (RFC 5869).
func (k Key) Derive(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, k[:], nil, "postern "+purpose, 32)
	if err != nil {
		panic(err) // only a length over 8,160 bytes can fail
	}
	return [32]byte(b)
}
