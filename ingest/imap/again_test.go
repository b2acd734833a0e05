package imap

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

// TestI3_AMailThatWasGivenUpComesLater: it is asked for again on a connection of its own, and whatever it does to that one,
// mail that comes meanwhile is read on the first.
func TestI3_AMailThatWasGivenUpComesLater(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(io.Writer) bool{
		"drops":         func(io.Writer) bool { return false },
		"hangs":         untilLeft,
		"leaves it out": func(io.Writer) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{mails: few(10)}
			broken, last := true, 0
			f.body = func(out io.Writer, uid, session int) (bool, bool) {
				f.mu.Lock()
				bad := broken && uid == 7
				if uid > 10 {
					last = session
				}
				f.mu.Unlock()
				if bad {
					return true, fails(out)
				}
				return false, true
			}
			k := newMemory()
			o := quick(k)
			o.Timeout, o.Idle, o.Again, o.RetryMax = time.Second, 50*time.Millisecond, 10*time.Millisecond, 20*time.Millisecond
			watch(t, serve(t, f), k, o)
			k.waitFor(t, "INBOX", 10)
			k.waitWatching(t, desk.Inbox)
			f.mu.Lock()
			first := f.sessions
			f.mu.Unlock()

			k.mu.Lock()
			k.due = true
			k.mu.Unlock()
			k.wait(t, "three attempts", func() bool { return k.asked[7] >= 3 })
			f.restore(few(12))
			k.waitFor(t, "INBOX", 12)
			f.mu.Lock()
			if last != first {
				t.Errorf("mail that came meanwhile was fetched in session %d, the first is %d", last, first)
			}
			broken = false
			f.mu.Unlock()
			k.wait(t, "the mail", func() bool { return string(k.kept("INBOX")[6].Raw) == string(f.mails[6]) })
			if it := k.waitFor(t, "INBOX", 12)[6]; it.UID != 7 || it.Outcome != "" || it.Later {
				t.Errorf("it is %+v", it)
			}
		})
	}
}

// TestI3_AMailTheServerCouldNotOpenIsReadOnceItCan, by an operator's word at the latest.
func TestI3_AMailTheServerCouldNotOpenIsReadOnceItCan(t *testing.T) {
	both(t, func(r *rig) {
		r.options.Again = 10 * time.Millisecond
		r.dovecot.Append(user, "INBOX", about("before"), nil, time.Time{})
		r.watch()
		r.until(desk.NewTicket, 1)
		heal := r.dovecot.Unreadable(user, "INBOX", about("unreadable"))
		for i, subject := range []string{"behind", "later"} {
			r.dovecot.Append(user, "INBOX", about(subject), nil, time.Time{})
			r.until(desk.NewTicket, int64(i)+2)
		}
		r.until(desk.Unfetched, 1)
		e := r.unfetched()
		if !e.RetryAt.After(time.Now().Add(50*time.Minute)) || e.Attempts != 0 {
			r.t.Errorf("it is asked for again at %v, after %d attempts", e.RetryAt, e.Attempts)
		}
		r.askFor(e)
		mailtest.Until(r.t, "the attempt is over", func() bool { return r.log.has("asked for again", fmt.Sprintf("UID %d", e.UID)) })
		if now := r.unfetched(); now.Attempts != 1 || !now.RetryAt.After(time.Now().Add(time.Hour)) {
			r.t.Errorf("after an attempt in vain it is %+v", now)
		}
		r.clean()

		heal()
		r.askFor(e)
		r.until(desk.NewTicket, 4)
		r.wantSubjects("before", "behind", "later", "unreadable")
		if now, err := r.in.DB.Ledger(r.t.Context(), e.ID); err != nil || now.Outcome != desk.NewTicket || !now.RetryAt.IsZero() || now.UID != e.UID || now.Size == 0 {
			r.t.Errorf("it is %+v, %v", now, err)
		}
		r.clean()
	})
}

// TestI3_AMailThatWasGivenUpAndIsGone is not asked for any more.
func TestI3_AMailThatWasGivenUpAndIsGone(t *testing.T) {
	both(t, func(r *rig) {
		r.options.Again = 10 * time.Millisecond
		r.dovecot.Append(user, "INBOX", about("gone"), nil, time.Time{})
		agent := r.dovecot.Dial(user)
		box, err := agent.Select("INBOX", nil).Wait()
		r.ok(err)
		host, _, err := net.SplitHostPort(r.dovecot.Addr())
		r.ok(err)
		b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: box.UIDValidity, Account: user + " at " + host}
		b.Items = []desk.FolderItem{{UID: 1, InternalDate: time.Now(), Outcome: desk.Unfetched, Reason: "for the test", Later: true}}
		r.ok(r.g.Keep(r.t.Context(), r.lease("test"), b))
		e := r.unfetched()
		r.askFor(e)
		r.ok(agent.Store(imap.UIDSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
		r.ok(agent.Expunge().Close())
		r.ok(agent.Logout().Wait())
		r.watch()
		mailtest.Until(r.t, "it is found gone", func() bool { return r.unfetched().RetryAt.IsZero() })
		if now := r.unfetched(); now.ID != e.ID || now.Reason != "vanished before it could be fetched" {
			r.t.Errorf("it is %+v", now)
		}
		r.clean()
	})
}

// unfetched gives the only mail that the server has failed to send.
func (r *rig) unfetched() desk.LedgerEntry {
	r.t.Helper()
	es, err := r.in.DB.LedgerWith(r.t.Context(), desk.Unfetched, store.Page{Limit: 10})
	r.ok(err)
	if len(es) != 1 {
		r.t.Fatalf("%d mails are unfetched", len(es))
	}
	return es[0]
}

// askFor has a mail asked for again, as an operator does.
func (r *rig) askFor(e desk.LedgerEntry) {
	r.t.Helper()
	r.ok(r.in.DB.Update(r.t.Context(), func(tx *store.Tx) error { return tx.RetryUnfetched(r.t.Context(), e.ID) }))
}
