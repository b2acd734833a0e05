package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postern/desk"
	"postern/internal/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers{m}) }

// servers runs the tests and ends the servers that they share.
type servers struct{ m *testing.M }

// Run gives the exit status.
func (s servers) Run() int { return mailtest.Main(s.m) }

const user = "support@example.com"

func start(t *testing.T) *mailtest.DovecotServer {
	t.Helper()
	return mailtest.Dovecot(t, mailtest.User{Name: user, Password: "secret"})
}

func mailbox(addr string) desk.Mailbox {
	return desk.Mailbox{ID: "m1", Address: user, IMAP: "imap://support%40example.com@" + addr, Secrets: desk.MailboxSecrets{IMAPPassword: "secret"}}
}

// memory keeps as the database does: it refuses what would be a gap in the order or a double.
type memory struct {
	mu       sync.Mutex // guards what follows
	folders  map[string]desk.Folder
	items    map[string][]desk.FolderItem // by folder, generation and UIDVALIDITY
	batches  int
	refuse   func(desk.FolderBatch) error
	blobs    map[string][]byte
	fails    error // of Put
	reports  []Status
	problems map[string]string
	due      bool           // mails that could not be fetched are to be asked for again
	asked    map[uint32]int // how often each was
	changed  chan struct{}  // closed and replaced at every change
}

func newMemory() *memory {
	return &memory{folders: map[string]desk.Folder{}, items: map[string][]desk.FolderItem{}, blobs: map[string][]byte{}, problems: map[string]string{}, asked: map[uint32]int{}, changed: make(chan struct{})}
}

func (k *memory) notify() {
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *memory) Folder(_ context.Context, _ desk.ID, name string) (desk.Folder, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.folders[name], nil
}

func (k *memory) Keep(_ context.Context, l desk.Lease, b desk.FolderBatch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse != nil {
		if err := k.refuse(b); err != nil {
			return err
		}
	}
	f := k.folders[b.Folder]
	if f.UIDValidity != b.UIDValidity || f.Generation != b.Generation {
		f = desk.Folder{Name: b.Folder, Role: b.Role, Account: b.Account, Generation: b.Generation, UIDValidity: b.UIDValidity}
	}
	if l.Epoch != 7 || b.MailboxID != "m1" {
		return fmt.Errorf("lease %v of %s", l, b.MailboxID)
	}
	key := keyOf(f)
	if b.PassedOver {
		for _, it := range b.Items {
			if it.UID > f.LastUID || slices.ContainsFunc(k.items[key], func(have desk.FolderItem) bool { return have.UID == it.UID }) {
				return fmt.Errorf("UID %d was not passed over", it.UID)
			}
			k.items[key] = append(k.items[key], it)
		}
		k.notify()
		return nil
	}
	for _, it := range b.Items {
		if it.UID <= f.LastUID {
			return fmt.Errorf("UID %d comes after %d", it.UID, f.LastUID)
		}
		f.LastUID = it.UID
		k.items[key] = append(k.items[key], it)
	}
	k.folders[b.Folder] = f
	k.batches++
	k.notify()
	return nil
}

func (k *memory) UIDs(_ context.Context, f desk.Folder, from uint32) (uids []uint32, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, it := range k.items[keyOf(f)] {
		if it.UID >= from {
			uids = append(uids, it.UID)
		}
	}
	slices.Sort(uids)
	return uids, nil
}

func (k *memory) SentFolder(context.Context, desk.ID) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, f := range k.folders {
		if f.Role == desk.Sent {
			return name, nil
		}
	}
	return "", nil
}

func (k *memory) SetProblem(_ context.Context, _ desk.Lease, folder string, _ desk.FolderRole, problem string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problems[folder] = problem
	return nil
}

func (k *memory) Unfetched(context.Context, desk.ID) (due []desk.LedgerEntry, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.folders["INBOX"]
	for _, it := range k.kept("INBOX") {
		if k.due && it.Later {
			due = append(due, desk.LedgerEntry{ID: desk.ID(fmt.Sprint(it.UID)), Folder: f.Name, Role: f.Role, Generation: f.Generation, UIDValidity: f.UIDValidity, UID: it.UID, InternalDate: it.InternalDate, Size: it.Size})
		}
	}
	return due, nil
}

func (k *memory) AskAgain(_ context.Context, _ desk.Lease, e desk.LedgerEntry) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[e.UID]++
	k.notify()
	return nil
}

func (k *memory) KeepLate(_ context.Context, _ desk.Lease, id desk.ID, it desk.FolderItem) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, have := range k.kept("INBOX") {
		if desk.ID(fmt.Sprint(have.UID)) == id {
			k.kept("INBOX")[i] = it
		}
	}
	k.notify()
	return nil
}

func (k *memory) Put(_ context.Context, r io.Reader) (string, int64, error) {
	k.mu.Lock()
	fails := k.fails
	k.mu.Unlock()
	if fails != nil {
		return "", 0, fails
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(b)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.blobs[hex.EncodeToString(sum[:])] = b
	return hex.EncodeToString(sum[:]), int64(len(b)), nil
}

func (k *memory) report(s Status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reports = append(k.reports, s)
	k.notify()
}

// kept gives what was kept of the folder as it is now.
func (k *memory) kept(folder string) []desk.FolderItem {
	return k.items[keyOf(k.folders[folder])]
}

func keyOf(f desk.Folder) string { return fmt.Sprintf("%s %d %d", f.Name, f.Generation, f.UIDValidity) }

// wait waits until ok, which is called under the lock.
func (k *memory) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		k.mu.Lock()
		done, changed := ok(), k.changed
		k.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			k.mu.Lock()
			defer k.mu.Unlock()
			last := k.reports[max(0, len(k.reports)-5):]
			t.Fatalf("waited in vain for %s; INBOX has %d items; last reports: %+v", what, len(k.kept("INBOX")), last)
		}
	}
}

func (k *memory) waitFor(t *testing.T, folder string, n int) []desk.FolderItem {
	t.Helper()
	k.wait(t, fmt.Sprintf("%d items in %s", n, folder), func() bool { return len(k.kept(folder)) >= n })
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]desk.FolderItem(nil), k.kept(folder)...)
}

func (k *memory) waitWatching(t *testing.T, role desk.FolderRole) {
	t.Helper()
	k.wait(t, "watching "+string(role), func() bool {
		for i := len(k.reports) - 1; i >= 0; i-- {
			if k.reports[i].Role == role {
				return k.reports[i].State == Watching
			}
		}
		return false
	})
}

// quick are options with which failures are got over fast.
func quick(k *memory) Options {
	return Options{Report: k.report, Timeout: 5 * time.Second, RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond}
}

// watch runs a watcher until the test ends or the returned function is called.
func watch(t *testing.T, m desk.Mailbox, k *memory, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(m, desk.Lease{MailboxID: m.ID, Epoch: 7}, k, k, o).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// checkKept compares what was kept with the mails i = from… that raw makes, whose UIDs begin with 1.
func checkKept(t *testing.T, got []desk.FolderItem, n int, raw func(i int) []byte) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("%d items, want %d", len(got), n)
	}
	for i, it := range got {
		if it.UID != uint32(i+1) || !bytes.Equal(it.Raw, raw(i)) || it.Outcome != "" || it.Size != int64(len(it.Raw)) || it.InternalDate.IsZero() {
			t.Fatalf("item %d: UID %d, %q, %d bytes, %s %s", i, it.UID, it.Raw[:min(60, len(it.Raw))], it.Size, it.Outcome, it.Reason)
		}
	}
}

func numbered(i int) []byte {
	return fmt.Appendf(nil, "From: ann@example.com\r\nSubject: %d\r\n\r\n%s", i, bytes.Repeat([]byte("0123456789\r\n"), i%300))
}

var errDown = errors.New("the database is down")
