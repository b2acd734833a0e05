package imap

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
	"postern/tickets"
)

// TestI5_WhatAgentsDoIsSeenOnAnyServer: with CONDSTORE and IDLE the server tells, without them folders are compared.
func TestI5_WhatAgentsDoIsSeenOnAnyServer(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"all": "", "neither CONDSTORE nor IDLE": "imap_capability = IMAP4rev1 UIDPLUS LITERAL+\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, store.Options{})
			if config != "" {
				r.dovecot = mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: config}, mailtest.User{Name: user, Password: "secret"})
			}
			r.options.Follower, r.options.Poll = r.g, 200*time.Millisecond
			r.create("Done")
			r.change(func(mb *desk.Mailbox) {
				former := mailbox(r.dovecot.Addr())
				mb.IMAP = former.IMAP
				mb.Policy.Follow = desk.Follow{ClosedFolder: "Done", Keywords: map[string]string{"$Waiting": "waiting"}, FromMailbox: desk.On}
			})
			r.watch()
			r.dovecot.Append(user, "INBOX", about("one"), nil, time.Now())
			r.until(desk.NewTicket, 1)
			r.status("open")
			r.flag("INBOX", imap.StoreFlagsAdd, "$Waiting")
			r.status("waiting")
			r.flag("INBOX", imap.StoreFlagsDel, "$Waiting")
			r.status("open")
			r.move("INBOX", "Done", 1)
			r.status("closed")
			r.move("Done", "INBOX", 1)
			r.status("open")
			// Some programs move in steps, and leave the first copy marked as deleted.
			c := r.dovecot.Dial(user)
			_, err := c.Select("INBOX", nil).Wait()
			r.ok(err)
			_, err = c.Copy(imap.UIDSetNum(2), "Done").Wait()
			r.ok(err)
			r.until(desk.Duplicate, 3)
			r.status("open")
			r.ok(c.Store(imap.UIDSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
			r.status("closed")
			// Who changes their mind takes that back, and the copy with it.
			r.ok(c.Store(imap.UIDSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsDel, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
			r.status("open")
			r.flag("INBOX", imap.StoreFlagsAdd, "$Waiting")
			r.status("waiting")
			r.flag("INBOX", imap.StoreFlagsAdd, `\Deleted`)
			r.flag("INBOX", imap.StoreFlagsDel, `\Deleted`)
			r.flag("INBOX", imap.StoreFlagsDel, "$Waiting")
			r.status("open")
			r.clean()
		})
	}
}

// TestI5_WhatIsUnclearIsLookedAtEverLater: what we are at ourselves may take days, and the flags of a whole folder cost something.
func TestI5_WhatIsUnclearIsLookedAtEverLater(t *testing.T) {
	t.Parallel()
	f := &folder{w: &Watcher{options: Options{Idle: time.Minute}}, state: &state{}, patience: time.Minute}
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
		f.unclear(true)
		if f.patience != want {
			t.Errorf("it is looked at again after %s, want %s", f.patience, want)
		}
		f.patience = time.Minute
	}
	f.patience = firstPatience // there is news
	f.unclear(true)
	if f.patience != firstPatience {
		t.Errorf("after news it is looked at after %s", f.patience)
	}
	f.unclear(false)
	f.patience = time.Minute
	f.unclear(true)
	if f.patience != firstPatience {
		t.Errorf("what is unclear anew is looked at after %s", f.patience)
	}
}

// TestI5_ADryRunOnlyTells: nothing is changed, and what would have been is written down.
func TestI5_ADryRunOnlyTells(t *testing.T) {
	both(t, func(r *rig) {
		r.options.Follower = r.g
		r.create("Done")
		r.change(func(mb *desk.Mailbox) {
			mb.Policy.Follow = desk.Follow{ClosedFolder: "Done", Keywords: map[string]string{"$Closed": "closed"}, FromMailbox: desk.Report, ToMailbox: desk.Report}
		})
		r.watch()
		r.dovecot.Append(user, "INBOX", about("one"), nil, time.Now())
		r.until(desk.NewTicket, 1)
		r.move("INBOX", "Done", 1)
		var events []desk.Event
		told := func(n int) {
			r.t.Helper()
			mailtest.Until(r.t, "it is told", func() bool {
				var err error
				events, err = r.in.DB.MailboxEvents(r.t.Context(), r.mb.ID, store.Page{})
				r.ok(err)
				return len(events) == n
			})
		}
		told(1)
		if e := events[0]; e.Kind != desk.StatusChanged || e.From != "open" || e.To != "closed" || e.Cause != desk.ByMove || !e.DryRun {
			r.t.Errorf("told %+v", e)
		}
		r.status("open")
		ts, err := r.in.DB.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{})
		r.ok(err)
		closed := "closed"
		_, err = r.in.Desk.Change(r.t.Context(), desk.ScopeOfProgram(), ts[0].ID, tickets.Change{Status: &closed})
		r.ok(err)
		told(3)
		counts, err := r.in.DB.EffectCounts(r.t.Context())
		r.ok(err)
		due, err := r.in.DB.DueEffects(r.t.Context(), desk.QueueMailbox, 10)
		if err != nil || len(due) != 0 {
			r.t.Errorf("a dry run is to do %v of %v: %v", due, counts, err)
		}
	})
}

func (r *rig) status(want string) {
	r.t.Helper()
	mailtest.Until(r.t, "the ticket is "+want, func() bool {
		ts, err := r.in.DB.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{})
		r.ok(err)
		return len(ts) == 1 && ts[0].Status == want
	})
}

// flag sets a flag of all mails in a folder, or takes it away.
func (r *rig) flag(folder string, op imap.StoreFlagsOp, flag imap.Flag) {
	r.t.Helper()
	c := r.dovecot.Dial(user)
	defer c.Close()
	_, err := c.Select(folder, nil).Wait()
	r.ok(err)
	r.ok(c.Store(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{flag}}, nil).Close())
}

// seen takes down what a watcher tells of mails, as the database would.
type seen struct {
	mu      sync.Mutex // guards what follows
	places  map[uint32][]string
	compare int // how often the folder was compared with them
}

// Follow has nothing to begin with.
func (s *seen) Follow(context.Context, desk.Lease) error { return nil }

// Places gives what was seen last.
func (s *seen) Places(context.Context, desk.Folder) (map[uint32][]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compare++
	return maps.Clone(s.places), nil
}

// Look takes down what is otherwise.
func (s *seen) Look(_ context.Context, _ desk.Lease, look desk.Look) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, uid := range look.Gone {
		delete(s.places, uid)
	}
	maps.Copy(s.places, look.Marks)
	return false, nil
}

// Now is the time.
func (s *seen) Now() time.Time { return time.Now() }

// file notes that a mail lies there.
func (s *seen) file(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[uid] = []string{}
}

func (s *seen) compared() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.compare
}

func (s *seen) until(t *testing.T, want string) {
	t.Helper()
	mailtest.Until(t, "the mails are known as "+want, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Sprint(s.places) == want
	})
}

// counted passes connections on to a server and counts the bytes that it sends.
func counted(t *testing.T, to string) (addr string, sent *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sent = &atomic.Int64{}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				all.Go(func() { _, _ = io.Copy(server, client); server.Close() })
				b := make([]byte, 4096)
				for {
					n, err := server.Read(b)
					sent.Add(int64(n))
					if _, failed := client.Write(b[:n]); err != nil || failed != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String(), sent
}

// TestI5_NewsInALargeInboxCostsLittle: 20,000 mails lie there, and the flags of all of them are asked for once, with CONDSTORE. What is then new, moved
// away or flagged otherwise is all that the server tells, and all of it is heard of.
func TestI5_NewsInALargeInboxCostsLittle(t *testing.T) {
	t.Parallel()
	const n = 20_000
	d := start(t)
	k, s := newMemory(), &seen{places: map[uint32][]string{}}
	addr, sent := counted(t, d.Addr())
	m := mailbox(addr)
	m.Policy.Follow = desk.Follow{ClosedFolder: "Done", Keywords: map[string]string{"$Waiting": "waiting"}, FromMailbox: desk.On}
	stop := watch(t, m, k, quick(k)) // so that the folder is known
	k.waitWatching(t, desk.Inbox)
	stop()
	d.SeedMaildir(user, "INBOX", n, func(int) []byte { return []byte("Subject: x\r\n\r\nx\r\n") }, func(int) time.Time { return time.Now().AddDate(-1, 0, 0) })
	c := d.Dial(user)
	defer c.Close()
	_, err := c.Select("INBOX", nil).Wait()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(err)
	k.mu.Lock()
	box := k.folders["INBOX"]
	box.LastUID = n // all of it was read before
	k.folders["INBOX"], k.reports = box, nil
	k.mu.Unlock()
	for _, uid := range []uint32{1, 2, 3, n - 1, n} {
		s.file(uid)
	}
	o := quick(k)
	o.Follower, o.Idle, o.Timeout = s, time.Hour, time.Minute
	watch(t, m, k, o)
	k.waitWatching(t, desk.Inbox)
	all := sent.Load()
	costs := func(what string, most int64, do func(), heard func()) {
		t.Helper()
		before, compared := sent.Load(), s.compared()
		do()
		heard()
		mailtest.Until(t, what+" is compared", func() bool { return s.compared() > compared })
		if cost := sent.Load() - before; cost > most {
			t.Errorf("%s: the server sent %d bytes, and for all flags %d", what, cost, all)
		}
	}
	const little = 8 << 10
	add := func() { d.Append(user, "INBOX", []byte("Subject: new\r\n\r\nx\r\n"), nil, time.Time{}) }
	costs("a new mail", little, add, func() { k.waitFor(t, "INBOX", 1) })
	s.file(n + 1)
	store := func(op imap.StoreFlagsOp, flag imap.Flag, uids ...imap.UID) func() {
		return func() {
			ok(c.Noop().Wait()) // so that it knows of what is new
			ok(c.Store(imap.UIDSetNum(uids...), &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{flag}}, nil).Close())
		}
	}
	costs("flagged mails", little, store(imap.StoreFlagsAdd, "$Waiting", 2, n+1), func() { s.until(t, "map[1:[] 2:[$Waiting] 3:[] 19999:[] 20000:[] 20001:[$Waiting]]") })
	costs("an unflagged mail", little, store(imap.StoreFlagsDel, "$Waiting", 2), func() { s.until(t, "map[1:[] 2:[] 3:[] 19999:[] 20000:[] 20001:[$Waiting]]") })
	costs("a mail that is marked as deleted", little, store(imap.StoreFlagsAdd, imap.FlagDeleted, 1), func() { s.until(t, `map[1:[\Deleted] 2:[] 3:[] 19999:[] 20000:[] 20001:[$Waiting]]`) })
	costs("a mail that is gone", little, func() { ok(c.UIDExpunge(imap.UIDSetNum(1)).Close()) }, func() { s.until(t, "map[2:[] 3:[] 19999:[] 20000:[] 20001:[$Waiting]]") })
	costs("one that goes while another comes", little, func() {
		store(imap.StoreFlagsAdd, imap.FlagDeleted, 3, n)()
		add()
		ok(c.UIDExpunge(imap.UIDSetNum(3, n)).Close())
	}, func() {
		k.waitFor(t, "INBOX", 2)
		s.until(t, "map[2:[] 19999:[] 20001:[$Waiting]]")
	})
	costs("a mail that was moved away", little, func() {
		_ = c.Create("Done", nil).Wait()
		_, err := c.Move(imap.UIDSetNum(n-1), "Done").Wait()
		ok(err)
	}, func() { s.until(t, "map[2:[] 20001:[$Waiting]]") })
	if all < n*10 {
		t.Errorf("all flags were only %d bytes", all)
	}
}
