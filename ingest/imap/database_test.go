package imap

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/blob"
	"postern/desk"
	"postern/ingest"
	"postern/internal/mailtest"
	"postern/store"
)

// database opens a real one with a mailbox and a lease.
func database(t testing.TB, m desk.Mailbox) (*ingest.Ingest, *store.DB, blob.Store, desk.Lease) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "postern.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	var lease desk.Lease
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.PutMailbox(t.Context(), m); err != nil {
			return err
		}
		var ok bool
		lease, ok, err = tx.TakeLease(t.Context(), m.ID, "test", time.Hour)
		if err == nil && !ok {
			t.Error("no lease")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	g, err := ingest.New(ingest.Options{DB: db, Blobs: blobs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return g, db, blobs, lease
}

func TestI2_TheDatabaseKeepsWhatTheServerShowed(t *testing.T) {
	t.Parallel()
	const n = 1000
	d := start(t)
	d.SeedMaildir(user, "INBOX", n, numbered, nil)
	m := mailbox(d.Addr())
	m.ID = store.NewID()
	g, db, blobs, lease := database(t, m)
	k := newMemory()
	w := New(m, lease, g, blobs, quick(k))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	k.waitWatching(t, desk.Inbox)
	k.waitWatching(t, desk.Sent)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	f, err := db.Folder(t.Context(), m.ID, "INBOX")
	if err != nil || f.LastUID != n || f.Seen != n || f.UIDValidity == 0 {
		t.Errorf("INBOX: %+v, %v", f, err)
	}
	counts, err := db.LedgerCounts(t.Context())
	if err != nil || counts[desk.Pending] != n {
		t.Errorf("ledger: %v, %v", counts, err)
	}
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.DropLease(t.Context(), lease) }); err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.TakeLease(t.Context(), m.ID, "somebody else", time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Append(user, "INBOX", numbered(n), nil, time.Time{})
	if err := w.Run(t.Context()); desk.KindOf(err) != desk.Conflict {
		t.Errorf("without the lease: %v", err)
	}
}

// BenchmarkBacklog compares a watcher, with and without the database, with a client that only drains the same mailbox.
func BenchmarkBacklog(b *testing.B) {
	const n = 5000
	raw := func(i int) []byte {
		return fmt.Appendf(nil, "From: ann@example.com\r\nSubject: %d\r\n\r\n%s", i, strings.Repeat("0123456789 0123456789 0123456789 0123456789\r\n", 220))
	}
	d := mailtest.Dovecot(b, mailtest.User{Name: user, Password: "secret"})
	d.SeedMaildir(user, "INBOX", n, raw, nil)
	if got := len(d.Messages(user, "INBOX")); got != n { // warm
		b.Fatal(got)
	}
	read := func(b *testing.B, m desk.Mailbox, lease desk.Lease, k Keeper, blobs Blobs) {
		b.Helper()
		c := d.Dial(user)
		f := &folder{w: New(m, lease, k, blobs, Options{}), role: desk.Inbox, name: "INBOX"}
		if err := f.catchUp(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		c.Close()
		if f.covered != n {
			b.Fatalf("read up to %d", f.covered)
		}
	}
	report := func(b *testing.B) { b.Helper(); b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "mails/s") }
	b.Run("database", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			m := mailbox(d.Addr())
			m.ID = store.NewID()
			g, _, blobs, lease := database(b, m)
			b.StartTimer()
			read(b, m, lease, g, blobs)
		}
		report(b)
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			k := newMemory()
			read(b, mailbox(d.Addr()), desk.Lease{Epoch: 7}, k, k)
		}
		report(b)
	})
	b.Run("drain", func(b *testing.B) {
		for b.Loop() {
			if len(d.Messages(user, "INBOX")) != n {
				b.Fatal("short")
			}
		}
		report(b)
	})
}
