package imap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/mailconn"
)

// TestFoldersShareConnections: all folders are read, whenever mail comes and after connections broke, over no more connections than the
// mailbox has. One that is not there disturbs no other.
func TestFoldersShareConnections(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			d := start(t)
			front := hang(t, d.Addr())
			m := mailbox(front.addr)
			m.Policy.AlsoSent, m.Folders, m.Policy.Connections = []string{"Gesendet", "Sent", "Nowhere", "Enviados"}, []string{"Billing", "Travel"}, n
			names := []string{"INBOX", "Sent", "Gesendet", "Enviados", "Billing", "Travel"}
			for _, name := range names[2:] {
				if err := d.Dial(user).Create(name, nil).Wait(); err != nil {
					t.Fatal(err)
				}
			}
			k := newMemory()
			o := quick(k)
			o.Idle, o.Poll = 100*time.Millisecond, 100*time.Millisecond
			watch(t, m, k, o)
			for i := range 3 {
				for _, name := range names {
					d.Append(user, name, numbered(i), nil, time.Time{})
				}
				for _, name := range names {
					checkKept(t, k.waitFor(t, name, i+1), i+1, numbered)
				}
				if i == 1 {
					front.cut()
				}
			}
			k.wait(t, "the missing folder is told of", func() bool {
				return slices.ContainsFunc(k.reports, func(s Status) bool { return s.Folder == "Nowhere" && s.State == NotFound })
			})
			if most := front.atOnce(); most != n {
				t.Errorf("there were %d connections at once, want %d", most, n)
			}
		})
	}
}

// TestM7_SharedSentFoldersAreLookedAtWhenSomebodyAsks, however long they would wait for their turn.
func TestM7_SharedSentFoldersAreLookedAtWhenSomebodyAsks(t *testing.T) {
	t.Parallel()
	d := start(t)
	if err := d.Dial(user).Create("Gesendet", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	k := newMemory()
	o := quick(k)
	o.Poll, o.Idle = time.Hour, time.Hour
	m := mailbox(d.Addr())
	m.Policy.AlsoSent, m.Policy.Connections = []string{"Gesendet"}, 2
	w := New(m, desk.Lease{MailboxID: m.ID, Epoch: 7}, k, k, o)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer done.Wait()
	defer cancel()
	for i := range 10 {
		for _, name := range []string{"Sent", "Gesendet"} {
			d.Append(user, name, numbered(i), nil, time.Time{})
			if err := w.LookAtSent(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.mu.Lock()
			n := len(k.kept(name))
			k.mu.Unlock()
			if n != i+1 {
				t.Errorf("%s: after it answered, %d mails are kept of %d", name, n, i+1)
			}
		}
	}
}

// TestI5_MailThatLeavesINBOXIsLookedForElsewhereAtOnce: moving a conversation to the closed folder closes its ticket now, not when that
// folder has its turn.
func TestI5_MailThatLeavesINBOXIsLookedForElsewhereAtOnce(t *testing.T) {
	t.Parallel()
	k := newMemory()
	m := mailbox("127.0.0.1:1")
	m.Folders, m.Policy.Connections = []string{"Billing", "Travel"}, 3
	w := New(m, desk.Lease{}, k, k, Options{})
	shared := newTurns(w, mailconn.IMAPConfig{}, []*folder{{w: w, name: "Billing"}, {w: w, name: "Travel"}})
	for _, f := range shared.folders {
		f.due = time.Now().Add(time.Hour)
	}
	shared.folders[1].failures = 1 // it has to wait in any case
	w.hasMoved()
	if !shared.wait(t.Context()) {
		t.Fatal("it ended")
	}
	if due := shared.due(); len(due) != 1 || due[0].name != "Billing" {
		t.Errorf("%d folders are due", len(due))
	}
}
