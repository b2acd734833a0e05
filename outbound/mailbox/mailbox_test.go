package mailbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"go.uber.org/goleak"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
	"postern/outbound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const user = "support@example.com"

func start(t *testing.T) (*mailtest.DovecotServer, desk.Mailbox) {
	t.Helper()
	d := mailtest.Dovecot(t, mailtest.User{Name: user, Password: "secret"})
	return d, at(d.Addr())
}

func at(addr string) desk.Mailbox {
	return desk.Mailbox{Address: user, IMAP: "imap://support%40example.com@" + addr, Secrets: desk.MailboxSecrets{IMAPPassword: "secret"}}
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func text(id, body string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Message-ID: <%s>\r\nSubject: x\r\n\r\n%s\r\n", id, body)
		return err
	}
}

func TestAppendPutsTheBytesThere(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	date := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	large := strings.Repeat("0123456789\r\n", 2*desk.MaxInlineRaw/12)
	for i, body := range []string{"small", "äöü\x80\xff", strings.Repeat("x", 5000), large} {
		id := fmt.Sprintf("%d@example.com", i)
		validity, uid, err := c.Append(t.Context(), m, "", text(id, body), []string{"\\Flagged", "gw-ticket"}, date, desk.MessageID(id), false)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Messages(user, "INBOX")[i]
		var want bytes.Buffer
		if err := text(id, body)(&want); err != nil {
			t.Fatal(err)
		}
		if validity == 0 || uint32(got.UID) != uid || !bytes.Equal(got.Raw, want.Bytes()) || !got.InternalDate.Equal(date) {
			t.Errorf("%d: UID %d, %d bytes, %v; appended as %d, %d bytes", i, got.UID, len(got.Raw), got.InternalDate, uid, want.Len())
		}
		if !slices.Contains(got.Flags, imap.FlagFlagged) || !slices.Contains(got.Flags, "gw-ticket") || slices.Contains(got.Flags, imap.FlagSeen) {
			t.Errorf("%d: flags %v", i, got.Flags)
		}
	}
}

func TestO6_ARepeatedAppendLooksFirst(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	const id = `we"ird\id.%*(1)@example.com`
	put := func(id string, maybeThere bool) uint32 {
		t.Helper()
		_, uid, err := c.Append(t.Context(), m, "INBOX", text(id, "x"), nil, time.Time{}, desk.MessageID(id), maybeThere)
		if err != nil {
			t.Fatal(err)
		}
		return uid
	}
	first := put(id, true)
	if again := put(id, true); again != first {
		t.Errorf("put again as %d, it was %d", again, first)
	}
	if part := put("ird\\id.%*(1)@example.com", true); part == first {
		t.Error("a Message-ID that is a part of another was taken for it")
	}
	if twice := put(id, false); twice == first {
		t.Error("it searched although it was not to")
	}
	if n := len(d.Messages(user, "INBOX")); n != 3 {
		t.Errorf("%d mails, want 3", n)
	}
}

// TestO6_WhatAnAgentHasFiledIsNotPutAgain is about an attempt of which nobody knows the end: the mail may have been moved since.
func TestO6_WhatAnAgentHasFiledIsNotPutAgain(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	m.Policy.Follow.ClosedFolder = "Done"
	put := func(want int) {
		t.Helper()
		if _, uid, err := c.Append(t.Context(), m, "", text("a@example.com", "x"), nil, time.Time{}, "a@example.com", true); err != nil || uid == 0 {
			t.Fatalf("UID %d, %v", uid, err)
		}
		if n := len(d.Messages(user, "INBOX")); n != want {
			t.Errorf("the INBOX has %d mails, want %d", n, want)
		}
	}
	put(1) // there is no such folder yet
	agent := d.Dial(user)
	if err := agent.Create("Done", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Move(imap.UIDSet{{Start: 1, Stop: 0}}, "Done").Wait(); err != nil {
		t.Fatal(err)
	}
	put(0)
	m.Policy.Follow.ClosedFolder = ""
	put(1)
}

func TestI12_MessageIDsAndFoldersAreNoCommands(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	d.Append(user, "Sent", []byte("Message-ID: <a@example.com>\r\n\r\n"), nil, time.Time{})
	for _, id := range []desk.MessageID{"x\r\nT99 DELETE Sent\r\n", `x" UID 1:* "`, "x\"\r\nT99 LOGOUT", "{3+}\r\nabc", "ü@example.com", "*", "a@example.co"} {
		found, err := c.Find(t.Context(), m, desk.Sent, id)
		if err != nil || found {
			t.Errorf("%q: found %v, %v", id, found, err)
		}
	}
	for _, folder := range []string{"x\r\nT99 DELETE Sent\r\n", `Sent" "`, "Ordner für ünsinn"} {
		_, _, err := c.Append(t.Context(), m, folder, text("b@example.com", ""), nil, time.Time{}, "b@example.com", false)
		if err == nil {
			t.Errorf("%q: appended", folder)
		}
	}
	if found, err := c.Find(t.Context(), m, desk.Sent, "a@example.com"); err != nil || !found {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestM1_FindLooksIntoAllSentFolders, and leaves out those that are not there.
func TestM1_FindLooksIntoAllSentFolders(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	also := []string{"Nowhere", "Éléments envoyés", "Sent"}
	if err := d.Dial(user).Create(also[1], nil).Wait(); err != nil {
		t.Fatal(err)
	}
	d.Append(user, "Sent", []byte("Message-ID: <a@example.com>\r\n\r\n"), nil, time.Time{})
	d.Append(user, also[1], []byte("Message-ID: <b@example.com>\r\n\r\n"), nil, time.Time{})
	find := func(id desk.MessageID, want bool) {
		t.Helper()
		if found, err := c.Find(t.Context(), m, desk.Sent, id); err != nil || found != want {
			t.Errorf("%s: %v, %v", id, found, err)
		}
	}
	find("b@example.com", false)
	m.Policy.AlsoSent = also
	find("a@example.com", true)
	find("b@example.com", true)
	find("c@example.com", false)
}

func TestFindLooksInTheSentFolder(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{NoSpecialUse: true}, mailtest.User{Name: user, Password: "secret", SentFolder: "Gesendet"})
	m := at(d.Addr())
	c := client(t, Options{})
	d.Append(user, "Gesendet", []byte("Message-ID:\r\n <a@example.com>\r\n\r\n"), []imap.Flag{imap.FlagSeen}, time.Time{})
	for id, want := range map[desk.MessageID]bool{"a@example.com": true, "b@example.com": false, "": false} {
		if found, err := c.Find(t.Context(), m, desk.Sent, id); err != nil || found != want {
			t.Errorf("%q in Sent: %v, %v", id, found, err)
		}
		if found, err := c.Find(t.Context(), m, desk.Inbox, id); err != nil || found {
			t.Errorf("%q in INBOX: %v, %v", id, found, err)
		}
	}
	if flags := d.Messages(user, "Gesendet")[0].Flags; !slices.Contains(flags, imap.FlagSeen) {
		t.Errorf("flags are now %v", flags)
	}
}

func TestAppendSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	for range 2 { // the refused APPEND leaves no dead connection behind
		_, _, err := c.Append(t.Context(), m, "No such folder", text("a@example.com", strings.Repeat("x", 10_000)), nil, time.Time{}, "a@example.com", false)
		if p, ok := errors.AsType[*mailconn.Problem](err); !ok || p.Permanent || !strings.Contains(p.What, "folder") {
			t.Errorf("got %v", err)
		}
		if _, _, err := c.Append(t.Context(), m, "", text("a@example.com", "x"), nil, time.Time{}, "a@example.com", false); err != nil {
			t.Error(err)
		}
	}
	wrong := m
	wrong.Secrets.IMAPPassword = "wrong"
	_, _, err := c.Append(t.Context(), wrong, "", text("a@example.com", "x"), nil, time.Time{}, "a@example.com", false)
	if p, ok := errors.AsType[*mailconn.Problem](err); !ok || !p.SignIn {
		t.Errorf("wrong password: %v", err)
	}
	broken := errors.New("no such template")
	_, _, err = c.Append(t.Context(), m, "", func(io.Writer) error { return broken }, nil, time.Time{}, "a@example.com", false)
	if !errors.Is(err, broken) {
		t.Errorf("compose: %v", err)
	}
	if n := len(d.Messages(user, "INBOX")); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

func TestAppendOfAMailThatChangesItsSizeIsNotDone(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	for _, change := range []int{-10, 10} {
		size := 2 * desk.MaxInlineRaw
		_, _, err := c.Append(t.Context(), m, "", func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Repeat("x", size))
			size += change
			return err
		}, nil, time.Time{}, "a@example.com", false)
		if err == nil || errors.Is(err, outbound.ErrAmbiguous) {
			t.Errorf("by %d: %v", change, err)
		}
	}
	if n := len(d.Messages(user, "INBOX")); n != 0 {
		t.Errorf("%d mails", n)
	}
	if _, _, err := c.Append(t.Context(), m, "", text("a@example.com", "x"), nil, time.Time{}, "a@example.com", false); err != nil {
		t.Error(err)
	}
}

func TestConnectionsAreKeptAndReplaced(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	proxy, count := counting(t, d.Addr())
	m.IMAP = strings.Replace(m.IMAP, d.Addr(), proxy, 1)
	c := client(t, Options{Idle: 100 * time.Millisecond})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			id := fmt.Sprintf("%d@example.com", i)
			if _, _, err := c.Append(t.Context(), m, "", text(id, "x"), nil, time.Time{}, desk.MessageID(id), false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(); n != 1 {
		t.Errorf("%d connections for one mailbox", n)
	}
	mailtest.Until(t, "the connection is let go", func() bool { return c.seats() == 0 })
	find := func() {
		t.Helper()
		if found, err := c.Find(t.Context(), m, desk.Inbox, "7@example.com"); err != nil || !found {
			t.Errorf("found %v, %v", found, err)
		}
	}
	long := client(t, Options{})
	c = long
	find()
	d.Kill()
	d.Start()
	find()
	if n := count(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func (c *Client) seats() int {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return len(c.pool.seats)
}

// counting passes connections on and counts them.
func counting(t *testing.T, addr string) (string, func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	n := 0
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			n++
			mu.Unlock()
			out, err := net.Dial("tcp", addr)
			if err != nil {
				in.Close()
				continue
			}
			all.Go(func() { io.Copy(out, in); out.Close(); in.Close() })
			all.Go(func() { io.Copy(in, out); out.Close(); in.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// TestO6_ACutAfterTheLiteralIsAmbiguous plays a server that takes the mail and goes away without a word.
func TestO6_ACutAfterTheLiteralIsAmbiguous(t *testing.T) {
	t.Parallel()
	for name, behave := range map[string]func(net.Conn, *bufio.Reader){
		"drop": func(net.Conn, *bufio.Reader) {},
		"hang": func(_ net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) },
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var server sync.WaitGroup
		server.Go(func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			io.WriteString(conn, "* OK [CAPABILITY IMAP4rev1 UIDPLUS] hello\r\n")
			line, _ := in.ReadString('\n')
			tag, _, _ := strings.Cut(line, " ")
			io.WriteString(conn, tag+" OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n")
			line, _ = in.ReadString('\n')
			var size int
			fmt.Sscanf(line[strings.LastIndexByte(line, '{'):], "{%d}", &size)
			io.WriteString(conn, "+ go on\r\n")
			io.CopyN(io.Discard, in, int64(size)+2)
			behave(conn, in)
		})
		c := New(Options{Timeout: 500 * time.Millisecond})
		_, _, err = c.Append(t.Context(), at(l.Addr().String()), "", text("a@example.com", "x"), nil, time.Time{}, "a@example.com", false)
		if !errors.Is(err, outbound.ErrAmbiguous) {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
		l.Close()
		server.Wait()
	}
}

func TestAppendStopsWithItsContext(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	c := client(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	_, _, err := c.Append(ctx, m, "", func(w io.Writer) error {
		calls++
		for piece := make([]byte, desk.MaxInlineRaw); ; {
			if _, err := w.Write(piece); err != nil {
				return err
			}
			switch calls {
			case 1: // measured: much more than will be written
				if _, err := io.CopyN(w, zeros{}, 1<<30); err != nil {
					return err
				}
				return nil
			case 2:
				cancel()
			}
		}
	}, nil, time.Time{}, "a@example.com", false)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := len(d.Messages(user, "INBOX")); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// zeros never ends.
type zeros struct{}

// Read fills b.
func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
