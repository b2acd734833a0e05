package app

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

// refuses is a mail server that lets nobody in, and counts who wants to.
func refuses(t *testing.T) (addr string, tried *atomic.Int32) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tried = new(atomic.Int32)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] hello\r\n")
				for in := bufio.NewScanner(c); in.Scan(); {
					tag, command, _ := strings.Cut(in.Text(), " ")
					if strings.HasPrefix(command, "LOGIN") {
						tried.Add(1)
					}
					fmt.Fprintf(c, "%s NO [AUTHENTICATIONFAILED] not you\r\n", tag)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String(), tried
}

// TestAMailboxIsTriedAtOnceWhenItsOperatorSaysSo: by itself it would wait for minutes after a sign-in that failed.
func TestAMailboxIsTriedAtOnceWhenItsOperatorSaysSo(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	addr, tried := refuses(t)
	d.with(func(p *parts) {
		d.ok(p.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.DropLease(t.Context(), d.lease); err != nil {
				return err
			}
			return tx.ChangeMailbox(t.Context(), d.mb, func(mb *desk.Mailbox) error { mb.IMAP = "imap://support@" + addr; return nil })
		}))
		s := &services{parts: p, instance: &instance{owner: "here/1"}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.watchMailboxes(ctx) }()
		untilTried := func(n int32) {
			t.Helper()
			mailtest.Until(t, fmt.Sprintf("it was tried %d times", n), func() bool { return tried.Load() == n })
		}
		untilTried(1)
		d.want(0, "", "mailbox", "resume", "support@desk.example")
		untilTried(2)
		d.want(0, "", "mailbox", "edit", "support@desk.example", "--sub-address", "--no-check")
		untilTried(3)
		d.want(0, "", "mailbox", "pause", "support@desk.example")
		d.want(0, "", "mailbox", "resume", "support@desk.example")
		untilTried(4)
		stop()
		d.ok(<-done)
	})
}
