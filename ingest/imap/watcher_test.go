package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
)

func flagsOf(d *mailtest.DovecotServer, folder string) (out [][]imap.Flag) {
	for _, m := range d.Messages(user, folder) {
		slices.Sort(m.Flags)
		out = append(out, slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == "\\Recent" })) // the server's own, gone with the first look
	}
	return out
}

func TestI1_EveryMailOnceInOrderAndNoFlagChanged(t *testing.T) {
	t.Parallel()
	const n = 2000
	d := start(t)
	d.SeedMaildir(user, "INBOX", n, numbered, nil)
	c := d.Dial(user) // an agent has been at work
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for i, flag := range []imap.Flag{imap.FlagSeen, imap.FlagAnswered, "gw-ticket-1"} {
		set := imap.UIDSetNum(imap.UID(i*5+1), imap.UID(i*7+2), n)
		if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	before := flagsOf(d, "INBOX")
	k := newMemory()
	stop := watch(t, mailbox(d.Addr()), k, quick(k))
	checkKept(t, k.waitFor(t, "INBOX", n), n, numbered)
	k.waitWatching(t, desk.Inbox)
	k.waitWatching(t, desk.Sent)
	if k.folders["INBOX"].Role != desk.Inbox || k.folders["Sent"].Role != desk.Sent || k.folders["Sent"].UIDValidity == 0 {
		t.Errorf("folders: %+v", k.folders)
	}
	if k.batches > n/100+5 {
		t.Errorf("%d batches", k.batches)
	}
	stop()
	if after := flagsOf(d, "INBOX"); !reflect.DeepEqual(before, after) {
		t.Error("flags changed")
	}
	// A second watcher goes on where the first ended.
	stop = watch(t, mailbox(d.Addr()), k, quick(k))
	d.Append(user, "INBOX", numbered(n), nil, time.Time{})
	checkKept(t, k.waitFor(t, "INBOX", n+1), n+1, numbered)
	stop()
}

func TestI4_NewMailArrivesByIdle(t *testing.T) {
	t.Parallel()
	d := start(t)
	k := newMemory()
	watch(t, mailbox(d.Addr()), k, quick(k)) // looks by itself only after minutes
	k.waitWatching(t, desk.Inbox)
	k.waitWatching(t, desk.Sent)
	for i := range 3 {
		d.Append(user, "INBOX", numbered(i), nil, time.Time{})
		d.Append(user, "Sent", numbered(i), []imap.Flag{imap.FlagSeen}, time.Time{})
		k.waitFor(t, "INBOX", i+1)
		k.waitFor(t, "Sent", i+1)
	}
	checkKept(t, k.waitFor(t, "INBOX", 3), 3, numbered)
	checkKept(t, k.waitFor(t, "Sent", 3), 3, numbered)
}

func TestI4_WithoutIdleItAsksFromTimeToTime(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: "imap_capability = IMAP4rev1 SASL-IR LITERAL+ ID ENABLE UIDPLUS"}, mailtest.User{Name: user, Password: "secret"})
	k := newMemory()
	o := quick(k)
	o.Poll = 100 * time.Millisecond
	watch(t, mailbox(d.Addr()), k, o)
	k.waitWatching(t, desk.Inbox)
	for i := range 3 {
		d.Append(user, "INBOX", numbered(i), nil, time.Time{})
		k.waitFor(t, "INBOX", i+1)
	}
}

func TestI2_AKilledServerLeavesNoGapAndNoDouble(t *testing.T) {
	t.Parallel()
	const n = 3000
	d := start(t)
	d.SeedMaildir(user, "INBOX", n, numbered, nil)
	k := newMemory()
	o := quick(k)
	o.BatchMails = 50
	watch(t, mailbox(d.Addr()), k, o)
	for _, at := range []int{200, 1100, 2000} {
		k.waitFor(t, "INBOX", at)
		d.Kill()
		k.wait(t, "the failure", func() bool { return k.reports[len(k.reports)-1].State == Failing })
		d.Start()
	}
	checkKept(t, k.waitFor(t, "INBOX", n), n, numbered)
	d.Kill() // while idle
	d.Start()
	d.Append(user, "INBOX", numbered(n), nil, time.Time{})
	checkKept(t, k.waitFor(t, "INBOX", n+1), n+1, numbered)
}

func TestI2_AStoppedWatcherLeavesNoGapAndNoDouble(t *testing.T) {
	t.Parallel()
	const n = 3000
	d := start(t)
	d.SeedMaildir(user, "INBOX", n, numbered, nil)
	k := newMemory()
	o := quick(k)
	o.BatchMails = 20
	for at := 100; at < n; at += 400 {
		stop := watch(t, mailbox(d.Addr()), k, o)
		k.waitFor(t, "INBOX", at)
		stop()
	}
	watch(t, mailbox(d.Addr()), k, o)
	checkKept(t, k.waitFor(t, "INBOX", n), n, numbered)
}

func TestI5_ANewUIDValidityStartsANewCount(t *testing.T) {
	t.Parallel()
	d := start(t)
	d.SeedMaildir(user, "Sent", 5, numbered, nil)
	k := newMemory()
	o := quick(k)
	o.Idle = 200 * time.Millisecond
	watch(t, mailbox(d.Addr()), k, o)
	k.waitFor(t, "Sent", 5)
	old := k.folders["Sent"]
	c := d.Dial(user)
	if err := c.Delete("Sent").Wait(); err != nil {
		t.Fatal(err)
	}
	_ = c.Create("Sent", nil).Wait() // it may be there again already: Dovecot makes it when somebody looks
	d.Append(user, "Sent", numbered(0), nil, time.Time{})
	k.wait(t, "the new folder", func() bool { return k.folders["Sent"].UIDValidity != old.UIDValidity && len(k.kept("Sent")) == 1 })
	if len(k.items[keyOf(old)]) != 5 {
		t.Error("what was kept under the old UIDVALIDITY is gone")
	}
	checkKept(t, k.waitFor(t, "Sent", 1), 1, numbered)
}

func TestI3_EveryListedMailGetsItsItem(t *testing.T) {
	t.Parallel()
	d := start(t)
	d.SeedMaildir(user, "INBOX", 300, numbered, nil)
	if n := len(d.Messages(user, "INBOX")); n != 300 { // the server has listed them now
		t.Fatal(n)
	}
	gone := map[int]bool{3: true, 149: true, 299: true}
	for i := range gone {
		d.RemoveFile(user, "INBOX", fmt.Sprintf("Subject: %d\r", i))
	}
	k := newMemory()
	watch(t, mailbox(d.Addr()), k, quick(k))
	got := k.waitFor(t, "INBOX", 300-len(gone))
	k.waitWatching(t, desk.Inbox)
	seen := map[uint32]bool{}
	for _, it := range got {
		i := int(it.UID) - 1
		seen[it.UID] = true
		if gone[i] != (it.Outcome == desk.Unfetched) || gone[i] == bytes.Equal(it.Raw, numbered(i)) {
			t.Errorf("UID %d: %q %q, %d bytes", it.UID, it.Outcome, it.Reason, len(it.Raw))
		}
	}
	for i := range 300 {
		if !gone[i] && !seen[uint32(i+1)] {
			t.Errorf("UID %d has no item", i+1)
		}
	}
	d.Append(user, "INBOX", numbered(300), nil, time.Time{})
	k.wait(t, "the next mail", func() bool { return k.folders["INBOX"].LastUID == 301 })
}

func TestI9_LargeMailIsStreamedAndTooLargeMailIsNot(t *testing.T) {
	t.Parallel()
	d := start(t)
	large := bytes.Repeat([]byte("Subject: x\r\n\r\n0123456789abcdef"), 3*desk.MaxInlineRaw/30)
	raws := [][]byte{numbered(1), large, append([]byte("Subject: huge\r\n\r\n"), bytes.Repeat([]byte("x"), 5<<20)...), numbered(2), bytes.Repeat([]byte("y"), desk.MaxInlineRaw)}
	for _, raw := range raws {
		d.Append(user, "INBOX", raw, nil, time.Time{})
	}
	k := newMemory()
	o := quick(k)
	o.MaxMail = 4 << 20
	watch(t, mailbox(d.Addr()), k, o)
	got := k.waitFor(t, "INBOX", len(raws))
	sum := sha256.Sum256(large)
	if got[1].RawSHA256 != hex.EncodeToString(sum[:]) || got[1].Raw != nil || got[1].Size != int64(len(large)) || !bytes.Equal(k.blobs[got[1].RawSHA256], large) {
		t.Errorf("large: %s, %d in memory, size %d", got[1].RawSHA256, len(got[1].Raw), got[1].Size)
	}
	if got[2].Outcome != "" || !got[2].HeaderOnly || !bytes.Equal(got[2].Raw, raws[2][:len("Subject: huge\r\n\r\n")+largeText]) || got[2].Size != int64(len(raws[2])) {
		t.Errorf("too large: %d bytes of %d, %q %q", len(got[2].Raw), got[2].Size, got[2].Outcome, got[2].Reason)
	}
	for _, i := range []int{0, 3, 4} {
		if !bytes.Equal(got[i].Raw, raws[i]) || got[i].RawSHA256 != "" {
			t.Errorf("item %d: %d bytes", i, len(got[i].Raw))
		}
	}
}

func TestMailBeforeTheStartDateIsNotFetched(t *testing.T) {
	t.Parallel()
	d := start(t)
	since := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	d.SeedMaildir(user, "INBOX", 3000, numbered, func(i int) time.Time { return since.Add(time.Duration(i-2900) * time.Second) })
	m := mailbox(d.Addr())
	m.Since = since
	k := newMemory()
	watch(t, m, k, quick(k))
	got := k.waitFor(t, "INBOX", 3000)
	for i, it := range got {
		if i < 2900 && (it.Outcome != desk.Ignored || it.Reason != "before the start date" || it.Raw != nil) || i >= 2900 && !bytes.Equal(it.Raw, numbered(i)) {
			t.Fatalf("item %d: %q %q, %d bytes", i, it.Outcome, it.Reason, len(it.Raw))
		}
	}
	if k.batches > 10 {
		t.Errorf("%d batches", k.batches)
	}
}

func TestAKeeperThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	d := start(t)
	d.SeedMaildir(user, "INBOX", 500, numbered, nil)
	d.Append(user, "INBOX", bytes.Repeat([]byte("z"), 2*desk.MaxInlineRaw), nil, time.Time{})
	k := newMemory()
	failures := 0
	k.refuse = func(desk.FolderBatch) error {
		if failures++; failures%3 != 0 {
			return errDown
		}
		return nil
	}
	k.fails = errDown
	watch(t, mailbox(d.Addr()), k, quick(k))
	k.waitFor(t, "INBOX", 500)
	k.wait(t, "the blob store's failure", func() bool {
		last := k.reports[len(k.reports)-1]
		return last.State == Failing && errors.Is(last.Err, errDown)
	})
	k.mu.Lock()
	k.fails = nil
	k.mu.Unlock()
	got := k.waitFor(t, "INBOX", 501)
	checkKept(t, got[:500], 500, numbered)
	if got[500].RawSHA256 == "" || got[500].Outcome != "" {
		t.Errorf("large mail: %+v", got[500])
	}
}

func TestI10_AnEndedLeaseEndsRun(t *testing.T) {
	t.Parallel()
	d := start(t)
	d.SeedMaildir(user, "INBOX", 10, numbered, nil)
	k := newMemory()
	k.refuse = func(desk.FolderBatch) error { return &desk.Error{Kind: desk.Conflict, Text: "somebody else watches"} }
	err := New(mailbox(d.Addr()), desk.Lease{Epoch: 7}, k, k, quick(k)).Run(t.Context())
	if desk.KindOf(err) != desk.Conflict {
		t.Errorf("Run: %v", err)
	}
}

func TestI11_AWrongPasswordIsTriedSlowlyAndSaidOnce(t *testing.T) {
	t.Parallel()
	d := start(t)
	m := mailbox(d.Addr())
	m.Secrets.IMAPPassword = "wrong"
	k := newMemory()
	o := quick(k)
	o.RetryMin, o.RetryMax = time.Millisecond, 400*time.Millisecond
	stop := watch(t, m, k, o)
	k.wait(t, "three attempts", func() bool { return len(k.reports) >= 3 })
	stop()
	for _, r := range k.reports {
		if p, ok := errors.AsType[*mailconn.Problem](r.Err); !ok || !p.SignIn || r.State != Failing || time.Until(r.Retry) > time.Second || r.Role != desk.Inbox {
			t.Errorf("report %+v", r)
		}
	}
	f := &folder{w: New(m, desk.Lease{}, k, k, Options{})}
	for n := range 50 {
		if p := f.pause(n+1, &mailconn.Problem{SignIn: true}); p < 150*time.Second || p > 300*time.Second {
			t.Errorf("pause %v after %d wrong passwords", p, n+1)
		}
		want := time.Second << min(n, 9)
		if p := f.pause(n+1, errDown); p < min(want, 300*time.Second)/2 || p > min(want, 300*time.Second) {
			t.Errorf("pause %v after %d failures", p, n+1)
		}
	}
}

func TestAMailboxWithoutASentFolderIsWatchedAllTheSame(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{NoSpecialUse: true}, mailtest.User{Name: user, Password: "secret", SentFolder: "Ausgang"})
	k := newMemory()
	o := quick(k)
	stop := watch(t, mailbox(d.Addr()), k, o)
	k.wait(t, "no Sent folder", func() bool {
		return slices.ContainsFunc(k.reports, func(s Status) bool { return s.Role == desk.Sent && s.State == NotFound })
	})
	d.Append(user, "INBOX", numbered(0), nil, time.Time{})
	k.waitFor(t, "INBOX", 1)
	stop()
	m := mailbox(d.Addr())
	m.Sent = "Ausgang"
	watch(t, m, k, o)
	k.waitWatching(t, desk.Sent)
}

func TestRunRefusesAUselessURL(t *testing.T) {
	t.Parallel()
	k := newMemory()
	err := New(desk.Mailbox{IMAP: "nonsense"}, desk.Lease{}, k, k, quick(k)).Run(t.Context())
	if p, ok := errors.AsType[*mailconn.Problem](err); !ok || !p.Permanent {
		t.Errorf("Run: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(mailbox("127.0.0.1:1"), desk.Lease{}, k, k, quick(k)).Run(ctx); err != nil {
		t.Errorf("cancelled: %v", err)
	}
}
