// Package desktest makes empty installations for tests: a database, keys, files and what works on them, without servers.
package desktest

import (
	"bytes"
	"path/filepath"
	"testing"

	"postern/blob"
	"postern/internal/mailtest"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// Installation is an empty one.
type Installation struct {
	DB    *store.DB
	Keys  *mailmsg.Keyring
	Blobs *blob.Folder
	Desk  *tickets.Desk
}

// New makes one on the database that o names; without one, on a SQLite file of its own. It ends with the test. Tests may
// close the database themselves.
func New(t testing.TB, o store.Options) *Installation {
	t.Helper()
	if o.URL == "" && o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "postern.db")
	}
	var i Installation
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	i.DB, err = store.Open(t.Context(), o)
	check()
	t.Cleanup(func() {
		if err := i.DB.Close(); err != nil {
			t.Error(err)
		}
	})
	i.Keys, err = mailmsg.NewKeyring(map[byte][]byte{1: bytes.Repeat([]byte("k"), 32)}, 1)
	check()
	i.Blobs, err = blob.NewFolder(t.TempDir())
	check()
	i.Desk = tickets.New(i.DB, i.Keys)
	return &i
}

// Both runs a check for each database, in parallel.
func Both(t *testing.T, check func(t *testing.T, o store.Options)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		check(t, store.Options{})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		check(t, store.Options{URL: mailtest.Postgres(t)})
	})
}
