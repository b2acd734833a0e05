package imap

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
)

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write takes a line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) count(words string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), words)
}

// String gives all that was written.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// has tells whether one line has all the words.
func (j *journal) has(words ...string) bool {
	for line := range strings.Lines(j.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return true
		}
	}
	return false
}

func TestI5_AFolderRestoredFromABackupIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"while it is watched": true, "between two runs": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{mails: few(10)}
			k := newMemory()
			o := quick(k)
			o.Idle = 50 * time.Millisecond
			var log journal
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			m := serve(t, f)
			stop := watch(t, m, k, o)
			checkKept(t, k.waitFor(t, "INBOX", 10), 10, numbered)
			k.waitWatching(t, desk.Inbox)
			if !running {
				stop()
			}
			other := func(i int) []byte { return numbered(i * 7) } // the first is an old one, the others are new under old UIDs
			f.restore([][]byte{other(0), other(1), other(2)})
			if !running {
				watch(t, m, k, o)
			}
			k.wait(t, "the next generation", func() bool { return k.folders["INBOX"].Generation == 1 && len(k.kept("INBOX")) == 3 })
			checkKept(t, k.waitFor(t, "INBOX", 3), 3, other)
			f.restore([][]byte{other(0), other(1), other(2), other(3)})
			checkKept(t, k.waitFor(t, "INBOX", 4), 4, other)
			f.restore(nil)
			k.wait(t, "an empty generation", func() bool { return k.folders["INBOX"].Generation == 2 && k.folders["INBOX"].LastUID == 0 })
			if n := log.count("the folder was replaced"); n != 2 || log.count("level=WARN") != 2+log.count("can't watch") {
				t.Errorf("told %d times", n)
			}
		})
	}
}

func TestI5_AnotherAccountIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	k := newMemory()
	stop := watch(t, serve(t, &fake{mails: few(10)}), k, quick(k))
	k.waitFor(t, "INBOX", 10)
	k.waitWatching(t, desk.Inbox)
	stop()
	other := func(i int) []byte { return numbered(100 + i) }
	f := &fake{}
	for i := range 20 { // with the same UIDVALIDITY
		f.mails = append(f.mails, other(i))
	}
	m := serve(t, f)
	m.IMAP = strings.Replace(m.IMAP, "support%40", "sales%40", 1)
	stop = watch(t, m, k, quick(k))
	k.wait(t, "the other account", func() bool { return k.folders["INBOX"].Generation == 1 && len(k.kept("INBOX")) == 20 })
	checkKept(t, k.waitFor(t, "INBOX", 20), 20, other)
	k.waitWatching(t, desk.Inbox)
	stop()

	m.IMAP = strings.Replace(m.IMAP, "127.0.0.1", "localhost", 1) // as far as we know, another server
	m.Since = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	watch(t, m, k, quick(k))
	k.wait(t, "the other server", func() bool { return k.folders["INBOX"].Generation == 2 && len(k.kept("INBOX")) == 20 })
	for _, it := range k.waitFor(t, "INBOX", 20) {
		if it.Outcome != desk.Ignored || it.Raw != nil {
			t.Errorf("UID %d from before the start date: %q", it.UID, it.Outcome)
		}
	}
}
