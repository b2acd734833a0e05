package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
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

// TestM7_WhoAsksWaitsForAServerThatWasAway: INBOX is read again a moment before Sent is, and what agents have sent meanwhile is answered there.
// However long Sent would have waited by itself, it is looked at.
func TestM7_WhoAsksWaitsForAServerThatWasAway(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 2; n++ { // with 1 Sent shares INBOX's connection
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			d := start(t)
			k := newMemory()
			o := quick(k)
			o.Poll, o.Idle, o.RetryMin, o.RetryMax = time.Hour, time.Hour, time.Hour, time.Hour
			m := mailbox(d.Addr())
			m.Policy.Connections = n
			w := New(m, desk.Lease{MailboxID: m.ID, Epoch: 7}, k, k, o)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			k.waitWatching(t, desk.Sent)
			d.Kill()
			k.wait(t, "the connection of Sent is lost", func() bool {
				return slices.ContainsFunc(k.reports, func(s Status) bool { return s.Role == desk.Sent && s.State == Failing })
			})
			d.Start()
			d.Append(user, "Sent", numbered(0), []imap.Flag{imap.FlagSeen}, time.Time{})
			within, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			if err := w.LookAtSent(within); err != nil {
				t.Fatal(err)
			}
			k.mu.Lock()
			kept := len(k.kept("Sent"))
			k.mu.Unlock()
			if kept != 1 {
				t.Errorf("after it answered, %d mails are kept", kept)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestM7_WhatPassesIsWaitedFor, and what somebody has to do something about is not.
func TestM7_WhatPassesIsWaitedFor(t *testing.T) {
	t.Parallel()
	no := func(code imap.ResponseCode) error {
		return &mailconn.Problem{What: "x", Err: &imap.Error{Type: imap.StatusResponseTypeNo, Code: code}}
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {io.ErrUnexpectedEOF, true}, {errSilent, true}, {no(imap.ResponseCodeUnavailable), true}, {no(imap.ResponseCodeInUse), true},
		{no(""), false}, {no(imap.ResponseCodeNoPerm), false}, {errIsSent, false}, {&mailconn.Problem{What: "x", SignIn: true}, false},
	} {
		if got := isBroken(c.err); got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}
