package outbound_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
)

// cutAt is a point of an APPEND at which a cutter breaks the connection.
type cutAt string

const (
	inCommand     cutAt = "in the command line"
	beforeLiteral cutAt = "before the first byte of the mail"
	firstQuarter  cutAt = "after a quarter of the mail"
	half          cutAt = "after half of the mail"
	lastQuarter   cutAt = "after three quarters of the mail"
	almostAll     cutAt = "before the last byte of the mail"
	lastByte      cutAt = "after the last byte of the mail"
	whole         cutAt = "after the whole command"
	answered      cutAt = "after the server has answered, before the client reads that"
)

// cutter stands between an IMAP client and its server, and resets the client's connection at one point of the next APPEND.
type cutter struct {
	t        *testing.T
	listener net.Listener
	server   string

	mu   sync.Mutex // guards what follows
	at   cutAt      // empty: nothing is cut
	cuts int        // how many are over: the server has let go of the connection, too
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{t: t, listener: l, server: server}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.serve(client.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait() // the clients have closed theirs: their Cleanup ran before
	})
	return c
}

func (c *cutter) arm(at cutAt) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }

// take gives the point to cut at, if the next APPEND is to be cut.
func (c *cutter) take() cutAt {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at
	c.at = ""
	return at
}

func (c *cutter) over() int { c.mu.Lock(); defer c.mu.Unlock(); return c.cuts }

var appends = regexp.MustCompile(`^(\S+) APPEND .*\{(\d+)\+?\}\r\n$`)

// serve passes on what both sides say until one of them ends, or the cut.
func (c *cutter) serve(client *net.TCPConn) {
	conn, err := net.Dial("tcp", c.server)
	if err != nil {
		_ = client.Close()
		return
	}
	server := conn.(*net.TCPConn)
	var swallow sync.Mutex // guards done
	done := ""             // the server's words that the client does not get, and that end it: "TAG "
	reset := func() {
		_ = client.SetLinger(0)
		_ = client.Close()
	}
	var back sync.WaitGroup
	wasCut := false
	back.Go(func() {
		in := bufio.NewReader(server)
		for {
			line, err := in.ReadBytes('\n')
			swallow.Lock()
			tag := done
			swallow.Unlock()
			switch {
			case tag != "" && bytes.HasPrefix(line, []byte(tag)):
				reset()
				_ = server.CloseWrite()
			case tag == "":
				_, _ = client.Write(line) // nobody listens after a cut
			}
			if err != nil {
				reset()
				return
			}
		}
	})
	in := bufio.NewReader(client)
	for {
		line, err := in.ReadBytes('\n')
		found := appends.FindSubmatch(line)
		at := cutAt("")
		if found != nil {
			at = c.take()
		}
		if at == "" {
			if _, werr := server.Write(line); err != nil || werr != nil {
				break
			}
			continue
		}
		wasCut = true
		if at == inCommand {
			_, _ = server.Write(line[:len(line)/2])
			break
		}
		_, _ = server.Write(line)
		size, _ := strconv.ParseInt(string(found[2]), 10, 64)
		pass := map[cutAt]int64{beforeLiteral: 0, firstQuarter: size / 4, half: size / 2, lastQuarter: size / 4 * 3, almostAll: size - 1}
		n, stops := pass[at]
		if !stops {
			n = size
		}
		if _, err := in.Peek(1); err != nil { // the server has asked for the mail
			break
		}
		_, _ = io.CopyN(server, in, n)
		if stops || at == lastByte {
			break
		}
		if at == answered {
			swallow.Lock()
			done = string(found[1]) + " "
			swallow.Unlock()
		}
		_, _ = io.CopyN(server, in, 2) // the line's end
		if at == whole {
			break
		}
		_, _ = io.Copy(io.Discard, in) // until the server has answered
		break
	}
	if wasCut {
		reset()
	}
	_ = server.CloseWrite()
	back.Wait()
	_ = server.Close()
	_ = client.Close()
	if wasCut {
		c.mu.Lock()
		c.cuts++
		c.mu.Unlock()
	}
}

// TestF14_OneCopyInTheInboxWhereverTheConnectionBreaks: a small mail and a large one, cut at every part of the APPEND. The next attempt comes once the
// server has let go of the first connection, as it does long before the ten seconds are over that a row waits.
func TestF14_OneCopyInTheInboxWhereverTheConnectionBreaks(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		var proxy *cutter
		dovecot, _ := r.real(func(addr string) string {
			proxy = newCutter(t, addr)
			return proxy.listener.Addr().String()
		})
		r.drain(desk.QueueMailbox) // the ticket itself
		look := dovecot.Dial(support)
		if _, err := look.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, size := range []int{0, 3 << 20} {
			for _, at := range []cutAt{inCommand, beforeLiteral, firstQuarter, half, lastQuarter, almostAll, lastByte, whole, answered} {
				what := fmt.Sprintf("%d bytes, cut %s", size, at)
				var files []desk.Attachment
				if size > 0 {
					files = append(files, r.file("log.txt", size))
				}
				m := r.says(what, files...)
				proxy.arm(at)
				r.drain(desk.QueueMailbox)
				count++
				mailtest.Until(t, "the server has let go of the connection", func() bool { return proxy.over() == count })
				after := r.rowOf(m)
				possible := at == whole || at == answered // elsewhere the client can't know what the network has not passed on
				if after.State != desk.EffectUnknown && (possible || after.State != desk.EffectDeferred) {
					t.Errorf("%s: the row is %s: %s", what, after.State, after.LastError)
				}
				r.pass(time.Minute)
				r.drain(desk.QueueMailbox)
				if row := r.rowOf(m); row.State != desk.EffectSent || row.Attempt != 2 {
					t.Errorf("%s: %s after %d attempts: %s", what, row.State, row.Attempt, row.LastError)
				}
				if err := look.Noop().Wait(); err != nil {
					t.Fatal(err)
				}
				found, err := look.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: string(m.MessageID)}}}, nil).Wait()
				if err != nil {
					t.Fatal(err)
				}
				if uids := found.AllUIDs(); len(uids) != 1 {
					t.Errorf("%s: %d copies in INBOX", what, len(uids))
				}
			}
		}
		mails := dovecot.Messages(support, "INBOX")
		if len(mails) != count+1 {
			t.Errorf("%d mails in INBOX, want %d", len(mails), count+1)
		}
		files := r.filing()
		for i, m := range mails { // unread, and whole
			if slices.Contains(m.Flags, imap.FlagSeen) || i > count/2 && (len(m.Raw) < 4<<20 || !bytes.HasSuffix(m.Raw, []byte("--\r\n"))) {
				t.Errorf("UID %d: %d bytes, flags %v", m.UID, len(m.Raw), m.Flags)
			}
			if i <= count/2 && files(desk.Inbox, string(m.Raw)) != desk.OwnCopy {
				t.Errorf("UID %d is not known as our own", m.UID)
			}
		}
	})
}

// rowOf gives the row that puts a message into the inbox.
func (r *rig) rowOf(m desk.Message) desk.Effect {
	r.t.Helper()
	for _, row := range r.rows(desk.PutInInbox) {
		if row.SubjectID == m.ID {
			return row
		}
	}
	r.t.Fatal("there is no row for the message")
	return desk.Effect{}
}
