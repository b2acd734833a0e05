package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/blob"
	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// The names of what a reader process is told.
const (
	readerMailbox  = "POSTERN_TEST_READS"
	readerDatabase = "POSTERN_TEST_DATABASE" // a URL or a file
	readerFiles    = "POSTERN_TEST_FILES"
	readerLease    = "POSTERN_TEST_LEASE" // its owner
)

// deadly is a blob store whose process ends, at once and without a word, over a file that says so.
type deadly struct{ blob.Store }

// Put keeps r's bytes.
func (d deadly) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	if bytes.Contains(b, []byte("DEADLY")) {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return "", 0, err
		}
		select {} // the signal is on its way
	}
	return d.Store.Put(ctx, bytes.NewReader(b))
}

// readForEver is a process that reads a mailbox, as a gateway does.
func readForEver(mailbox desk.ID) error {
	ctx := context.Background()
	var lease desk.Lease
	o := store.Options{Path: os.Getenv(readerDatabase)}
	if strings.HasPrefix(o.Path, "postgres") {
		o = store.Options{URL: o.Path}
	}
	db, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	keys, err := mailmsg.NewKeyring(map[byte][]byte{1: bytes.Repeat([]byte("k"), 32)}, 1)
	if err != nil {
		return err
	}
	blobs, err := blob.NewFolder(os.Getenv(readerFiles))
	if err != nil {
		return err
	}
	g, err := New(Options{DB: db, Desk: tickets.New(db, keys), Blobs: deadly{blobs}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	if err := db.Update(ctx, func(tx *store.Tx) (err error) {
		lease, _, err = tx.TakeLease(ctx, mailbox, os.Getenv(readerLease), time.Hour)
		return err
	}); err != nil {
		return err
	}
	return g.ReadMailbox(ctx, lease, nil)
}

// reader is such a process.
type reader struct {
	cmd  *exec.Cmd
	told bytes.Buffer
	done chan error
}

func (r *rig) startReader(database, files string) *reader {
	r.t.Helper()
	// The lease is the process's, and the test's, which puts mail into its mailbox.
	owner := "place/" + string(store.NewID())
	r.update(func(tx *store.Tx) error {
		lease, ok, err := tx.TakeLease(r.t.Context(), r.mb.ID, owner, time.Hour)
		if r.lease[r.mb.ID] = lease; err == nil && !ok {
			err = errors.New("somebody else has the lease")
		}
		return err
	})
	p := &reader{cmd: exec.CommandContext(r.t.Context(), os.Args[0]), done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), readerMailbox+"="+string(r.mb.ID), readerDatabase+"="+database, readerFiles+"="+files, readerLease+"="+owner)
	p.cmd.Stdout, p.cmd.Stderr = &p.told, &p.told
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p
}

// killed tells whether the process ended by SIGKILL.
func (p *reader) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// TestI7_AMailThatKillsTheProcessIsParked has processes die over a mail by kill -9 in the middle of it, until one parks it. What
// came before it and after it becomes tickets, and once the cause is gone so does the mail.
func TestI7_AMailThatKillsTheProcessIsParked(t *testing.T) {
	for name, running := range map[string]bool{"that was there at the start": false, "that comes while it is read": true} {
		t.Run(name, func(t *testing.T) {
			desktest.Both(t, func(t *testing.T, o store.Options) {
				database, files := o.URL, t.TempDir()
				if o.URL == "" {
					database = filepath.Join(t.TempDir(), "postern.db")
					o.Path = database
				}
				r := newRig(t, o)
				arrive := func(raws ...string) []item { return r.keep(r.mb.ID, desk.Inbox, time.Now(), raws...) }
				pending := func() int {
					es, err := r.db.PendingOf(t.Context(), r.mb.ID, "", 10)
					if err != nil {
						t.Fatal(err)
					}
					return len(es)
				}
				its := arrive(mail(ann, support, "1@customer.example", "before"))
				var p *reader
				if running {
					p = r.startReader(database, files)
					mailtest.Until(t, "the first mail is read", func() bool { return pending() == 0 })
				}
				its = append(its, arrive(withFile("bob@customer.example", "2@customer.example", "DEADLY"), mail("cy@customer.example", support, "3@customer.example", "after"))...)

				deaths := 0
				for settled := false; !settled; {
					if p == nil {
						p = r.startReader(database, files)
					}
					mailtest.Until(t, "the process ends, or all is read", func() bool {
						select {
						case err := <-p.done:
							if deaths++; !p.killed() {
								t.Fatalf("the process ended otherwise: %v\n%s", err, &p.told)
							}
							p = nil
							return true
						default:
							settled = pending() == 0
							return settled
						}
					})
					if e := r.entry(its[1]); !settled && e.Outcome != desk.Pending {
						t.Fatalf("after %d deaths: %+v", deaths, e)
					}
				}
				if err := p.cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				<-p.done
				if deaths != desk.MaxAttempts {
					t.Errorf("%d processes died, want %d", deaths, desk.MaxAttempts)
				}
				r.want(r.entry(its[0]), desk.NewTicket)
				r.want(r.entry(its[1]), desk.Quarantined)
				r.want(r.entry(its[2]), desk.NewTicket)
				if e := r.entry(its[1]); !strings.Contains(e.Reason, "ended the program 3 times") || !strings.Contains(p.told.String(), "level=ERROR") || !strings.Contains(p.told.String(), string(e.ID)) {
					t.Errorf("the reason is %q; the log says %s", e.Reason, &p.told)
				}
				r.update(func(tx *store.Tx) error { return tx.Reopen(t.Context(), r.entry(its[1]).ID) })
				r.read()
				r.want(r.entry(its[1]), desk.NewTicket)
				r.clean()
			})
		})
	}
}
