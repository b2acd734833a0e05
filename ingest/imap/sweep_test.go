package imap

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

func TestI4_TheSweepFindsWhatWasPassedOver(t *testing.T) {
	both(t, func(r *rig) {
		c := hang(r.t, r.dovecot.Addr())
		c.hidden.Store(2)
		r.change(func(mb *desk.Mailbox) { mb.IMAP = strings.Replace(mb.IMAP, r.dovecot.Addr(), c.addr, 1) })
		for _, subject := range []string{"one", "two", "three"} {
			r.dovecot.Append(user, "INBOX", about(subject), nil, time.Time{})
		}
		before := flagsOf(r.dovecot, "INBOX")
		r.options.Sweep = time.Hour // at the start, and not again
		stop := r.watch()
		r.until(desk.NewTicket, 2)
		mailtest.Until(r.t, "the mail was left out twice", func() bool { return c.hid.Load() >= 2 }) // by the reading, by the sweep
		r.wantSubjects("one", "three")
		if f := r.folder("INBOX"); f.LastUID != 3 || f.Seen != 2 || f.PassedOver != 0 {
			r.t.Errorf("while it is hidden: %+v", f)
		}
		r.clean()
		stop()

		c.hidden.Store(0)
		stop = r.watch()
		r.until(desk.NewTicket, 3)
		r.wantSubjects("one", "three", "two")
		if f := r.folder("INBOX"); f.LastUID != 3 || f.Seen != 3 || f.PassedOver != 1 {
			r.t.Errorf("once it was found: %+v", f)
		}
		if n, _, err := r.in.DB.FolderEvents(r.t.Context()); err != nil || n != 1 {
			r.t.Errorf("%d are counted, %v", n, err)
		}
		if !r.log.has("level=WARN", "mails were passed over", user, "folder=INBOX", "uids=[2]") {
			r.t.Errorf("the log says %q", r.log.String())
		}
		r.dovecot.Append(user, "INBOX", about("four"), nil, time.Time{})
		r.until(desk.NewTicket, 4)
		stop()
		r.clean()
		if after := flagsOf(r.dovecot, "INBOX"); !reflect.DeepEqual(before, after[:3]) {
			r.t.Errorf("flags were %v and are %v", before, after)
		}
	})
}

func TestI4_TheSweepGoesOnWhileWatching(t *testing.T) {
	both(t, func(r *rig) {
		c := hang(r.t, r.dovecot.Addr())
		c.hidden.Store(1)
		r.change(func(mb *desk.Mailbox) { mb.IMAP = strings.Replace(mb.IMAP, r.dovecot.Addr(), c.addr, 1) })
		r.dovecot.Append(user, "INBOX", about("one"), nil, time.Time{})
		r.dovecot.Append(user, "INBOX", about("two"), nil, time.Time{})
		r.watch()
		r.until(desk.NewTicket, 1)
		c.hidden.Store(0)
		r.until(desk.NewTicket, 2)
		r.wantSubjects("one", "two")
		r.clean()
	})
}

func TestI4_ALostRowIsFoundAgainAndCountedOnce(t *testing.T) {
	both(t, func(r *rig) {
		batch := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 7}
		raws := [][]byte{}
		for uid := range uint32(3) {
			batch.Items = append(batch.Items, desk.FolderItem{UID: uid + 1, InternalDate: time.Now(), Outcome: desk.Ignored, Reason: "for the test"})
			raws = append(raws, nil)
		}
		lease := r.lease("test")
		keep := func(b desk.FolderBatch, l desk.Lease) error {
			return r.in.DB.Update(r.t.Context(), func(tx *store.Tx) error { return tx.Keep(r.t.Context(), l, b, raws[:len(b.Items)]) })
		}
		short := batch
		short.Items = []desk.FolderItem{batch.Items[0], batch.Items[2]}
		r.ok(keep(short, lease))
		batch.PassedOver = true
		for range 2 { // a restart, or two machines one after the other
			r.ok(keep(batch, lease))
			if f := r.folder("INBOX"); f.LastUID != 3 || f.Seen != 3 || f.PassedOver != 1 {
				r.t.Errorf("after the sweep: %+v", f)
			}
		}
		older := batch
		older.Items = batch.Items[:1]
		r.ok(keep(older, lease))
		if f := r.folder("INBOX"); f.LastUID != 3 {
			r.t.Errorf("the cursor went back: %+v", f)
		}
		other := batch
		other.UIDValidity = 8
		if err := keep(other, lease); err == nil {
			r.t.Error("the sweep of another UIDVALIDITY was kept")
		}
		r.ok(r.in.DB.Update(r.t.Context(), func(tx *store.Tx) error { return tx.DropLease(r.t.Context(), lease) }))
		mine := r.lease("another")
		if err := keep(batch, lease); desk.KindOf(err) != desk.Conflict {
			r.t.Errorf("without the lease: %v", err)
		}
		r.ok(keep(batch, mine))
		r.clean()
	})
}

// TestI4_TwoSweepsAtOnce: two processes that both take themselves for the mailbox's only one find the same gap.
func TestI4_TwoSweepsAtOnce(t *testing.T) {
	both(t, func(r *rig) {
		lease := r.lease("test")
		b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 7}
		for i := range 20 {
			raw := about(fmt.Sprintf("matter%d", i))
			b.Items = append(b.Items, desk.FolderItem{UID: uint32(i + 1), InternalDate: time.Now(), Size: int64(len(raw)), Raw: raw})
		}
		last := b
		last.Items = b.Items[19:]
		r.ok(r.g.Keep(r.t.Context(), lease, last))
		b.PassedOver = true
		errs := make(chan error)
		for range 2 {
			mine := b
			mine.Items = slices.Clone(b.Items)
			go func() { errs <- r.g.Keep(r.t.Context(), lease, mine) }()
		}
		for range 2 {
			r.ok(<-errs)
		}
		if f := r.folder("INBOX"); f.Seen != 20 || f.PassedOver != 19 || f.LastUID != 20 {
			r.t.Errorf("%+v", f)
		}
		r.clean()
	})
}

func TestI4_NothingFoundIsNothingDone(t *testing.T) {
	both(t, func(r *rig) {
		for _, subject := range []string{"one", "two"} {
			r.dovecot.Append(user, "INBOX", about(subject), []imap.Flag{imap.FlagFlagged}, time.Time{})
		}
		r.watch()
		r.until(desk.NewTicket, 2)
		before, folder := flagsOf(r.dovecot, "INBOX"), r.folder("INBOX")
		agent := r.dovecot.Dial(user)
		_, err := agent.Select("INBOX", nil).Wait()
		r.ok(err)
		r.ok(agent.Store(imap.UIDSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
		r.ok(agent.Expunge().Close())
		r.ok(agent.Logout().Wait())
		r.dovecot.Append(user, "Sent", about("a sign that the watcher goes on"), nil, time.Time{})
		r.until(desk.Ignored, 1)
		r.untilRead("INBOX")
		if got := r.folder("INBOX"); got != folder {
			r.t.Errorf("INBOX was %+v and is %+v", folder, got)
		}
		if after := flagsOf(r.dovecot, "INBOX"); !reflect.DeepEqual(after, before[1:]) {
			r.t.Errorf("flags were %v and are %v", before, after)
		}
		if r.log.has("passed over") {
			r.t.Errorf("the log says %q", r.log.String())
		}
		r.clean()
	})
}

func TestI4_MailMovedToAWatchedFolderIsOneTicket(t *testing.T) {
	both(t, func(r *rig) {
		const done = "Erledigt/Größe & Co" // it goes over the wire as "Erledigt/Gr&APYA3w-e &- Co" (RFC 3501 section 5.1.3)
		r.create(done)
		r.change(func(mb *desk.Mailbox) { mb.Folders = []string{done} })
		// Moved before anybody looked.
		r.move("INBOX", done, r.dovecot.Append(user, "INBOX", about("one"), nil, time.Time{}))
		r.watch()
		r.until(desk.NewTicket, 1)
		r.untilRead("INBOX")
		// Moved as soon as it is there: whoever is first, it is one ticket.
		for _, subject := range []string{"two", "three", "four"} {
			r.move("INBOX", done, r.dovecot.Append(user, "INBOX", about(subject), nil, time.Time{}))
		}
		r.until(desk.NewTicket, 4)
		// Moved once there is a ticket.
		uid := r.dovecot.Append(user, "INBOX", about("five"), nil, time.Time{})
		r.until(desk.NewTicket, 5)
		r.move("INBOX", done, uid)
		r.untilRead(done)
		r.untilRead("INBOX")
		r.wantSubjects("one", "two", "three", "four", "five")
		counts := r.counts()
		if n := r.folder(done).Seen; n != 5 || counts[desk.Duplicate] == 0 || counts[desk.Quarantined]+counts[desk.Held] != 0 {
			r.t.Errorf("it has shown %d; %v", n, counts)
		}
		if n, _, err := r.in.DB.FolderEvents(r.t.Context()); err != nil || n != 0 {
			r.t.Errorf("%d are taken for passed over, %v", n, err)
		}
		r.clean()
	})
}

// TestI12_NamesOfFoldersAreNoCommands: they are the operator's, who may have copied them from anywhere.
func TestI12_NamesOfFoldersAreNoCommands(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(1)}
	m := serve(t, f)
	m.Folders = []string{"a\" NOOP", "b\r\nX1 DELETE INBOX", "c {9+}\r\nX2 DELETE", "d\x00e"}
	k := newMemory()
	stop := watch(t, m, k, quick(k))
	for _, name := range append([]string{"INBOX"}, m.Folders...) {
		k.wait(t, "the folder's session", func() bool {
			return slices.ContainsFunc(k.reports, func(s Status) bool { return s.Folder == name && s.State != Reading })
		})
	}
	stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		if verb, _, _ := strings.Cut(c, " "); slices.Contains([]string{"DELETE", "NOOP", "X1", "X2"}, verb) {
			t.Errorf("sent %q", c)
		}
	}
}

func TestI4_AServerThatDoesNotSearchIsWatchedAllTheSame(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(3), noSearch: true}
	k := newMemory()
	watch(t, serve(t, f), k, quick(k))
	checkKept(t, k.waitFor(t, "INBOX", 3), 3, numbered)
	k.waitWatching(t, desk.Inbox)
}

// TestI4_APassedOverMailThatNeverComesIsGivenUp: it holds up nobody, and gets its row in the end.
func TestI4_APassedOverMailThatNeverComesIsGivenUp(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(30)}
	hidden := true
	f.hidden = func(uid int) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return hidden && (uid == 7 || uid == 9)
	}
	f.body = func(_ io.Writer, uid, _ int) (bool, bool) { return false, uid != 7 }
	k := newMemory()
	o := quick(k)
	o.Idle, o.Sweep = 50*time.Millisecond, time.Millisecond
	watch(t, serve(t, f), k, o)
	k.waitFor(t, "INBOX", 28)
	k.waitWatching(t, desk.Inbox)
	f.mu.Lock()
	hidden = false
	f.mu.Unlock()
	for i, it := range k.waitFor(t, "INBOX", 30)[28:] {
		if want := uint32([]int{7, 9}[i]); it.UID != want || (it.Outcome == desk.Unfetched) != (want == 7) {
			t.Errorf("UID %d: %q %q", it.UID, it.Outcome, it.Reason)
		}
	}
}

// TestI3_AMailTheServerCantOpenHoldsUpNoOther: it can't even tell its size, and ends the connection over it.
func TestI3_AMailTheServerCantOpenHoldsUpNoOther(t *testing.T) {
	both(t, func(r *rig) {
		r.dovecot.Append(user, "INBOX", about("before"), nil, time.Time{})
		r.options.Sweep = time.Hour
		stop := r.watch()
		r.until(desk.NewTicket, 1)
		r.dovecot.Unreadable(user, "INBOX", about("unreadable"))
		for i, subject := range []string{"behind", "later"} { // the second one shows, at the latest, that the server sends other mail
			r.dovecot.Append(user, "INBOX", about(subject), nil, time.Time{})
			r.until(desk.NewTicket, int64(i)+2)
		}
		r.until(desk.Unfetched, 1)
		stop()
		if !r.log.has("level=WARN", "a mail is given up", "folder=INBOX", "uid=") {
			r.t.Errorf("the log says %q", r.log.String())
		}
		r.clean()
	})
}
