package imap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/desk"
)

// fake is a mail server that misbehaves. It knows the commands that a watcher sends, and no Sent folder.
type fake struct {
	t     *testing.T
	l     net.Listener
	mails [][]byte // UID i+1; see restore
	// body, if set, may answer a fetch of one mail's body by itself. It answers false to end the connection.
	body func(out io.Writer, uid int, session int) (handled, goOn bool)
	// silent, if set, tells which commands are never answered.
	silent func(command string) bool
	// text answers a fetch of a mail's text; false ends the connection.
	text      func(out io.Writer, tag string) bool
	noSearch  bool
	noHeaders bool // asked for one, it ends the connection
	claims    int  // the size it tells of each mail; 0: the right one
	// hidden, if set, tells which mails are left out when they are listed.
	hidden func(uid int) bool
	// early, if set, tells which mails have a UID and can't be seen yet: they are neither counted nor found nor listed.
	early func(uid int) bool
	// fetched, if set, gives the tagged answer to a fetch of bodies.
	fetched func(session int) string

	mu       sync.Mutex // guards what follows
	sessions int        // connections that looked at INBOX
	commands []string
	conns    map[net.Conn]bool
	all      sync.WaitGroup
}

func serve(t *testing.T, f *fake) desk.Mailbox {
	t.Helper()
	var err error
	if f.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.t, f.conns = t, map[net.Conn]bool{}
	f.all.Go(func() {
		for {
			c, err := f.l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[c] = true
			f.mu.Unlock()
			f.all.Go(func() { defer c.Close(); f.session(c) })
		}
	})
	t.Cleanup(func() {
		f.l.Close()
		f.mu.Lock()
		for c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.all.Wait()
	})
	return mailbox(f.l.Addr().String())
}

func (f *fake) session(c net.Conn) {
	const caps = "[CAPABILITY IMAP4rev1 IDLE]"
	in := bufio.NewReader(c)
	fmt.Fprintf(c, "* OK %s hello\r\n", caps)
	session := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		f.mu.Lock()
		f.commands = append(f.commands, command)
		f.mu.Unlock()
		switch {
		case f.silent != nil && f.silent(command):
		case strings.HasPrefix(command, "LOGIN"):
			fmt.Fprintf(c, "%s OK %s in\r\n", tag, caps)
		case strings.HasPrefix(command, "LIST"):
			fmt.Fprintf(c, "* LIST () \"/\" INBOX\r\n%s OK\r\n", tag)
		case strings.HasPrefix(command, "EXAMINE"):
			if session == 0 {
				f.mu.Lock()
				f.sessions++
				session = f.sessions
				f.mu.Unlock()
			}
			fmt.Fprintf(c, "* %d EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT %d]\r\n%s OK [READ-ONLY]\r\n", len(f.seen()), len(f.present())+1, tag)
		case command == "IDLE":
			fmt.Fprint(c, "+ idling\r\n")
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			fmt.Fprintf(c, "%s OK\r\n", tag)
		case strings.HasPrefix(command, "UID SEARCH"):
			if f.noSearch {
				fmt.Fprintf(c, "%s NO not here\r\n", tag)
				continue
			}
			fmt.Fprint(c, "* SEARCH")
			for _, uid := range f.seen() {
				fmt.Fprintf(c, " %d", uid)
			}
			fmt.Fprintf(c, "\r\n%s OK\r\n", tag)
		case strings.HasPrefix(command, "UID FETCH"):
			if !f.fetch(c, tag, command, session) {
				return
			}
		default:
			fmt.Fprintf(c, "%s BAD %s\r\n", tag, command)
		}
	}
}

func (f *fake) present() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mails
}

// seen gives the UIDs of the mails that can be seen.
func (f *fake) seen() (uids []int) {
	for i := range f.present() {
		if f.early == nil || !f.early(i+1) {
			uids = append(uids, i+1)
		}
	}
	return uids
}

// restore puts other mails in the place of those that are there, as from a backup: the UIDVALIDITY stays.
func (f *fake) restore(mails [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mails = mails
}

func (f *fake) fetch(c net.Conn, tag, command string, session int) bool {
	if f.text != nil && strings.Contains(command, "BODY.PEEK[TEXT]") {
		return f.text(c, tag)
	}
	mails := f.present()
	for _, uid := range f.seen() {
		if !inSet(strings.Fields(command)[2], uid) {
			continue
		}
		raw := mails[uid-1]
		if strings.Contains(command, "BODY.PEEK[HEADER]") {
			if f.noHeaders {
				return false
			}
			head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
			head += "\r\n\r\n"
			fmt.Fprintf(c, "* %d FETCH (UID %d BODY[HEADER] {%d}\r\n%s)\r\n", uid, uid, len(head), head)
			continue
		}
		if !strings.Contains(command, "BODY.PEEK[]") {
			size := len(raw)
			if f.claims != 0 {
				size = f.claims
			}
			if f.hidden != nil && f.hidden(uid) {
				continue
			}
			fmt.Fprintf(c, "* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"01-Jan-2026 10:00:00 +0000\")\r\n", uid, uid, size)
			continue
		}
		if f.body != nil {
			handled, goOn := f.body(c, uid, session)
			if !goOn {
				return false
			}
			if handled {
				continue
			}
		}
		fmt.Fprintf(c, "* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", uid, uid, len(raw), raw)
	}
	answer := "OK"
	if f.fetched != nil && strings.Contains(command, "BODY.PEEK[]") {
		answer = f.fetched(session)
	}
	fmt.Fprintf(c, "%s %s\r\n", tag, answer)
	return true
}

// untilLeft says nothing until the client closes the connection.
func untilLeft(out io.Writer) bool {
	_, _ = io.Copy(io.Discard, out.(net.Conn)) // how the client leaves is its business
	return false
}

func inSet(set string, uid int) bool {
	for part := range strings.SplitSeq(set, ",") {
		from, to, ranged := strings.Cut(part, ":")
		var a, b int
		fmt.Sscan(from, &a)
		b = a
		if ranged {
			if fmt.Sscan(to, &b); to == "*" {
				b = 1 << 31
			}
		}
		if uid >= a && uid <= b {
			return true
		}
	}
	return false
}

func few(n int) (out [][]byte) {
	for i := range n {
		out = append(out, numbered(i))
	}
	return out
}

func TestI3_ABrokenLiteralIsNoMail(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(150)}
	f.mails[70] = []byte(strings.Repeat("x", 2*desk.MaxInlineRaw)) // on its way to the blob store
	f.body = func(out io.Writer, uid, session int) (bool, bool) {
		if uid == 20 && session == 1 || uid == 71 && session == 2 || uid == 99 && session == 3 {
			raw := f.mails[uid-1]
			fmt.Fprintf(out, "* %d FETCH (UID %d BODY[] {%d}\r\n%s", uid, uid, len(raw), raw[:len(raw)/2])
			return true, false
		}
		return false, true
	}
	k := newMemory()
	watch(t, serve(t, f), k, quick(k))
	got := k.waitFor(t, "INBOX", 150)
	for i, it := range got {
		raw := it.Raw
		if i == 70 {
			raw = k.blobs[it.RawSHA256]
		}
		if it.UID != uint32(i+1) || string(raw) != string(f.mails[i]) || it.Outcome != "" {
			t.Fatalf("item %d: UID %d, %d bytes, %q %q", i, it.UID, len(raw), it.Outcome, it.Reason)
		}
	}
	if len(k.blobs) != 1 {
		t.Errorf("%d blobs", len(k.blobs))
	}
}

func TestI3_OnePoisonedMailStopsNoOther(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]func(io.Writer, int, int) (bool, bool){
		"drops": func(_ io.Writer, uid, _ int) (bool, bool) { return false, uid != 42 },
		"hangs": func(out io.Writer, uid, _ int) (bool, bool) {
			if uid == 42 {
				return true, untilLeft(out)
			}
			return false, true
		},
		"says nonsense": func(out io.Writer, uid, _ int) (bool, bool) {
			if uid == 42 {
				fmt.Fprint(out, "* 42 FETCH (UID 42 BODY[] {nonsense\r\n")
				return true, true
			}
			return false, true
		},
		"says BYE": func(out io.Writer, uid, _ int) (bool, bool) {
			if uid == 42 {
				fmt.Fprint(out, "* BYE internal error\r\n")
				return true, false
			}
			return false, true
		},
		"leaves it out": func(_ io.Writer, uid, _ int) (bool, bool) { return uid == 42, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{mails: few(130), body: body}
			k := newMemory()
			o := quick(k)
			o.Timeout = 300 * time.Millisecond
			watch(t, serve(t, f), k, o)
			for i, it := range k.waitFor(t, "INBOX", 130) {
				bad := i == 41
				if it.UID != uint32(i+1) || bad != (it.Outcome == desk.Unfetched) || !bad && string(it.Raw) != string(f.mails[i]) {
					t.Errorf("item %d: UID %d, %d bytes, %q %q", i, it.UID, len(it.Raw), it.Outcome, it.Reason)
				}
			}
		})
	}
}

func TestI3_AServerThatRefusesIsNoProofAgainstAMail(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(10)}
	f.body = func(io.Writer, int, int) (bool, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.sessions < 12, true
	}
	f.fetched = func(int) string {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.sessions < 12 {
			return "NO [UNAVAILABLE] the storage is down"
		}
		return "OK"
	}
	k := newMemory()
	watch(t, serve(t, f), k, quick(k))
	checkKept(t, k.waitFor(t, "INBOX", 10), 10, numbered)
}

func TestI3_ALonelyMailThatNeverComesIsGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(1), body: func(io.Writer, int, int) (bool, bool) { return false, false }}
	k := newMemory()
	o := quick(k)
	o.GiveUp = time.Second
	watch(t, serve(t, f), k, o)
	start := time.Now()
	if it := k.waitFor(t, "INBOX", 1)[0]; it.Outcome != desk.Unfetched || time.Since(start) < time.Second {
		t.Errorf("%q %q after %v", it.Outcome, it.Reason, time.Since(start))
	}
}

func TestABlackHoleIsLeft(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(3)}
	f.body = func(out io.Writer, _, session int) (bool, bool) {
		if session == 1 {
			return true, untilLeft(out)
		}
		return false, true
	}
	k := newMemory()
	o := quick(k)
	o.Timeout = 200 * time.Millisecond
	watch(t, serve(t, f), k, o)
	checkKept(t, k.waitFor(t, "INBOX", 3), 3, numbered)
	if f.sessions < 2 {
		t.Error("it stayed")
	}
}

// withLate watches three mails, one of which has a UID and can't be seen until show is called. The next sweep is an hour away.
func withLate(t *testing.T, late int) (f *fake, k *memory, show func()) {
	t.Helper()
	var there atomic.Bool
	f, k = &fake{mails: few(3), early: func(uid int) bool { return uid == late && !there.Load() }}, newMemory()
	o := quick(k)
	o.Sweep, o.Idle = time.Hour, 50*time.Millisecond
	watch(t, serve(t, f), k, o)
	k.waitFor(t, "INBOX", 2)
	k.waitWatching(t, desk.Inbox)
	return f, k, func() { there.Store(true) }
}

func TestI4_AMailThatAppearsAmongOthersIsReadAtOnce(t *testing.T) {
	for name, late := range map[string]int{"before the last": 2, "the last": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, k, show := withLate(t, late)
			show()
			if kept := k.waitFor(t, "INBOX", 3); kept[2].UID != uint32(late) || string(kept[2].Raw) != string(numbered(late-1)) {
				t.Errorf("read last is %+v", kept[2])
			}
		})
	}
}

// TestI4_AMailThatAppearsWhileNothingCanBeKeptIsReadLater, with the one that came behind it.
func TestI4_AMailThatAppearsWhileNothingCanBeKeptIsReadLater(t *testing.T) {
	t.Parallel()
	f, k, show := withLate(t, 2)
	refused := false
	k.mu.Lock()
	k.refuse = func(desk.FolderBatch) error {
		if !refused {
			refused = true
			return errDown
		}
		return nil
	}
	f.restore(few(4))
	show()
	k.mu.Unlock()
	k.waitFor(t, "INBOX", 4)
	if !refused {
		t.Error("all could be kept")
	}
}

// TestI4_AFolderThatIsSlowToOpenIsTold while it is waited for, and not when it is open.
func TestI4_AFolderThatIsSlowToOpenIsTold(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	f := &fake{mails: few(3), silent: func(command string) bool {
		if strings.HasPrefix(command, "EXAMINE") {
			<-open
		}
		return false
	}}
	k := newMemory()
	k.problems["INBOX"] = "none yet"
	o := quick(k)
	o.Timeout = 500 * time.Millisecond
	watch(t, serve(t, f), k, o)
	k.wait(t, "it is told", func() bool {
		return k.problems["INBOX"] == errSlow.Error() && slices.ContainsFunc(k.reports, func(s Status) bool { return s.State == Failing && errors.Is(s.Err, errSlow) })
	})
	close(open)
	checkKept(t, k.waitFor(t, "INBOX", 3), 3, numbered)
	k.wait(t, "it is told no more", func() bool { return k.problems["INBOX"] == "" })
	k.waitWatching(t, desk.Inbox)
}

func TestAServerSilentAtListIsLeft(t *testing.T) {
	t.Parallel()
	var lists atomic.Int32
	f := &fake{mails: few(3), silent: func(command string) bool { return strings.HasPrefix(command, "LIST") && lists.Add(1) == 1 }}
	k := newMemory()
	o := quick(k)
	o.Timeout = 200 * time.Millisecond
	watch(t, serve(t, f), k, o)
	seen := func(state State, err error) func() bool {
		return func() bool {
			return slices.ContainsFunc(k.reports, func(s Status) bool { return s.Role == desk.Sent && s.State == state && errors.Is(s.Err, err) })
		}
	}
	k.wait(t, "the silence", seen(Failing, errSilent))
	k.wait(t, "the list of another session", seen(NotFound, errNoFolder))
}

func TestI1_OnlyCommandsThatChangeNothing(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(3)}
	k := newMemory()
	stop := watch(t, serve(t, f), k, quick(k))
	k.waitFor(t, "INBOX", 3)
	k.waitWatching(t, desk.Inbox)
	stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		harmless := slices.ContainsFunc([]string{"LOGIN", "LIST", "EXAMINE", "UID FETCH", "UID SEARCH", "IDLE", "DONE", "CAPABILITY", "LOGOUT"}, func(p string) bool { return strings.HasPrefix(c, p) })
		if !harmless || strings.Contains(c, "BODY[") {
			t.Errorf("sent %q", c)
		}
	}
}
