package imap

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
)

// TestM7_TheSentFolderIsLookedAtWhenSomebodyAsks: whatever it would wait for by itself.
func TestM7_TheSentFolderIsLookedAtWhenSomebodyAsks(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"with IDLE": "", "without": "imap_capability = IMAP4rev1 SASL-IR LITERAL+ ID ENABLE UIDPLUS"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: config}, mailtest.User{Name: user, Password: "secret"})
			k := newMemory()
			o := quick(k)
			o.Poll, o.Idle = time.Hour, time.Hour
			m := mailbox(d.Addr())
			w := New(m, desk.Lease{MailboxID: m.ID, Epoch: 7}, k, k, o)
			over, end := context.WithCancel(t.Context())
			end()
			if err := w.LookAtSent(over); !errors.Is(err, context.Canceled) {
				t.Errorf("before it is watched: %v", err)
			}
			d.Append(user, "Sent", numbered(99), []imap.Flag{imap.FlagSeen}, time.Time{})
			first := make(chan error, 1)
			go func() { first <- w.LookAtSent(t.Context()) }()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			if err := <-first; err != nil {
				t.Errorf("asked before it is watched: %v", err)
			}
			k.waitWatching(t, desk.Sent)
			for i := range 3 {
				d.Append(user, "Sent", numbered(i), []imap.Flag{imap.FlagSeen}, time.Time{})
				if err := w.LookAtSent(t.Context()); err != nil {
					t.Fatal(err)
				}
				k.mu.Lock()
				n := len(k.kept("Sent"))
				k.mu.Unlock()
				if n != i+2 {
					t.Errorf("after it answered, %d mails are kept, not %d", n, i+2)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := w.LookAtSent(t.Context()); !errors.Is(err, errNotWatched) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}
