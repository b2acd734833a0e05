package imap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/ingest"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
)

// rig is an installation with a support mailbox on a Dovecot: what is watched is kept, read and filed.
type rig struct {
	t       *testing.T
	in      *desktest.Installation
	g       *ingest.Ingest
	dovecot *mailtest.DovecotServer
	mb      desk.Mailbox
	options Options
	log     journal

	mu     sync.Mutex // guards states
	states map[string]Status
}

// both runs a check on a rig with each database.
func both(t *testing.T, check func(r *rig)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) { check(newRig(t, o)) })
}

func newRig(t *testing.T, o store.Options) *rig {
	t.Helper()
	r := &rig{t: t, in: desktest.New(t, o), dovecot: start(t), states: map[string]Status{}}
	var err error
	r.g, err = ingest.New(ingest.Options{DB: r.in.DB, Desk: r.in.Desk, Blobs: r.in.Blobs, Log: slog.New(slog.DiscardHandler)})
	r.ok(err)
	r.mb = mailbox(r.dovecot.Addr())
	r.mb.ID, r.mb.CreatedAt, r.mb.MIDDomain = store.NewID(), time.Now(), "example.com"
	r.change(func(*desk.Mailbox) {})
	r.options = Options{
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Report: r.report, Timeout: 5 * time.Second, Idle: 200 * time.Millisecond, Sweep: time.Millisecond,
		RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond,
	}
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// change changes the mailbox, as an operator does.
func (r *rig) change(change func(*desk.Mailbox)) {
	r.t.Helper()
	change(&r.mb)
	r.ok(r.in.DB.Update(r.t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) }))
}

func (r *rig) report(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[s.Folder] = s
}

func (r *rig) state(folder string) Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states[folder]
}

// lease takes the mailbox over, whoever has it.
func (r *rig) lease(owner string) (l desk.Lease) {
	r.t.Helper()
	r.ok(r.in.DB.Update(r.t.Context(), func(tx *store.Tx) error {
		var taken bool
		var err error
		if l, taken, err = tx.TakeLease(r.t.Context(), r.mb.ID, owner, time.Hour); err == nil && !taken {
			r.t.Error("no lease")
		}
		return err
	}))
	return l
}

// watch watches, reads and files until the test ends or the returned function is called.
func (r *rig) watch() (stop func()) {
	r.t.Helper()
	lease := r.lease("test")
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := New(r.mb, lease, r.g, r.in.Blobs, r.options).Run(ctx); err != nil {
			r.t.Errorf("watch: %v", err)
		}
	})
	all.Go(func() {
		if err := r.g.ReadMailbox(ctx, lease, nil); err != nil {
			r.t.Errorf("read: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// counts counts the ledger rows by outcome, once none is pending.
func (r *rig) counts() map[desk.Outcome]int64 {
	r.t.Helper()
	var counts map[desk.Outcome]int64
	mailtest.Until(r.t, "all is read", func() bool {
		var err error
		counts, err = r.in.DB.LedgerCounts(r.t.Context())
		r.ok(err)
		return counts[desk.Pending] == 0
	})
	return counts
}

// until waits until the ledger has so many rows with an outcome.
func (r *rig) until(outcome desk.Outcome, n int64) {
	r.t.Helper()
	mailtest.Until(r.t, fmt.Sprintf("%d rows are %s", n, outcome), func() bool {
		counts, err := r.in.DB.LedgerCounts(r.t.Context())
		r.ok(err)
		return counts[outcome] == n && counts[desk.Pending] == 0
	})
}

// untilRead waits until a folder was looked at to its end, after all that the test did before.
func (r *rig) untilRead(folder string) {
	r.t.Helper()
	box, err := r.dovecot.Dial(user).Status(folder, &imap.StatusOptions{UIDNext: true, UIDValidity: true}).Wait()
	r.ok(err)
	last := r.dovecot.Messages(user, folder)
	mailtest.Until(r.t, folder+" is read", func() bool {
		f := r.folder(folder)
		return f.UIDValidity == box.UIDValidity && (len(last) == 0 || f.LastUID >= uint32(last[len(last)-1].UID)) && r.state(folder).State == Watching
	})
	r.counts()
}

func (r *rig) folder(name string) desk.Folder {
	r.t.Helper()
	f, err := r.in.DB.Folder(r.t.Context(), r.mb.ID, name)
	r.ok(err)
	return f
}

// subjects lists the subjects of all tickets, sorted.
func (r *rig) subjects() []string {
	r.t.Helper()
	ts, err := r.in.DB.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{Limit: 200})
	r.ok(err)
	out := []string{}
	for _, t := range ts {
		out = append(out, t.Subject)
	}
	slices.Sort(out)
	return out
}

func (r *rig) wantSubjects(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if got := r.subjects(); !slices.Equal(got, append([]string{}, want...)) {
		r.t.Errorf("the tickets are %q, want %q", got, want)
	}
}

// clean checks ledger and outbox.
func (r *rig) clean() {
	r.t.Helper()
	report, err := r.in.DB.Verify(r.t.Context(), r.in.Blobs.Has)
	r.ok(err)
	for _, v := range report.Violations {
		r.t.Errorf("verify: %s", v)
	}
}

// create makes a folder for the user. A Dovecot in which a watcher opens it at that moment says that it is there already, which it then is.
func (r *rig) create(folder string) {
	r.t.Helper()
	err := r.dovecot.Dial(user).Create(folder, nil).Wait()
	if reply, ok := errors.AsType[*imap.Error](err); !ok || reply.Code != imap.ResponseCodeAlreadyExists {
		r.ok(err)
	}
}

// move moves mails from one folder to another, as an agent's mail client does.
func (r *rig) move(from, to string, uids ...imap.UID) {
	r.t.Helper()
	c := r.dovecot.Dial(user)
	_, err := c.Select(from, nil).Wait()
	r.ok(err)
	_, err = c.Move(imap.UIDSetNum(uids...), to).Wait()
	r.ok(err)
	r.ok(c.Logout().Wait())
}

// about is a customer's mail.
func about(subject string) []byte {
	return fmt.Appendf(nil, "From: %s <%s@customer.example>\r\nTo: %s\r\nSubject: %s\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <%s@customer.example>\r\n\r\nAbout %s.\r\n",
		subject, subject, user, subject, subject, subject)
}

// curtain stands before a mail server and leaves a mail out where the mails of a folder are listed: as servers do that hand
// out a UID before others can see its mail.
type curtain struct {
	hidden atomic.Uint32 // its UID; 0: none is hidden
	hid    atomic.Int32  // how often it was left out
	addr   string

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]bool
	most  int // how many there were at once
}

// hold counts a connection, until its client has closed it or the returned function is called.
func (c *curtain) hold(conn net.Conn) (let func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[conn] = true
	open := 0
	for conn := range c.conns {
		if established(conn) {
			open++
		}
	}
	c.most = max(c.most, open)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.conns, conn)
	}
}

// established tells whether the other side of a connection has not closed it, whatever is still to be read from it (tcp(7), TCP_INFO: the state
// comes first, and 1 is ESTABLISHED).
func established(conn net.Conn) bool {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	var info int
	var asked error
	err = raw.Control(func(fd uintptr) { info, asked = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO) })
	return err == nil && asked == nil && info&0xff == 1
}

// atOnce is how many connections there have been at once.
func (c *curtain) atOnce() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// cut ends all connections.
func (c *curtain) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
		delete(c.conns, conn) // its client may be back before pass has ended
	}
}

func hang(t *testing.T, server string) *curtain {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &curtain{addr: l.Addr().String(), conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.pass(t, client, server) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return c
}

// pass leads a connection to the server, until one side closes it.
func (c *curtain) pass(t *testing.T, client net.Conn, server string) {
	defer client.Close()
	defer c.hold(client)()
	var d net.Dialer
	upstream, err := d.DialContext(context.WithoutCancel(t.Context()), "tcp", server)
	if err != nil {
		return // the client sees it
	}
	defer upstream.Close()
	var commands sync.WaitGroup
	commands.Go(func() {
		defer upstream.Close()
		in := bufio.NewReader(client)
		for line, err := in.ReadBytes('\n'); err == nil; line, err = in.ReadBytes('\n') {
			if _, err := upstream.Write(line); err != nil {
				return
			}
		}
	})
	defer commands.Wait()
	defer client.Close()
	in := bufio.NewReader(upstream)
	for line, err := in.ReadBytes('\n'); err == nil; line, err = in.ReadBytes('\n') {
		uid := c.hidden.Load()
		if uid != 0 && bytes.HasPrefix(line, []byte("* ")) && strings.Contains(string(line), fmt.Sprintf("FETCH (UID %d ", uid)) && bytes.Contains(line, []byte("RFC822.SIZE")) {
			c.hid.Add(1)
			continue
		}
		if _, err := client.Write(line); err != nil {
			return
		}
	}
}
