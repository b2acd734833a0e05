package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"postern/desk"
	"postern/outbound"
)

// scripted is a server that says what a test wants, and notes what it is told.
type scripted struct {
	extensions []string
	answers    map[string]string // to a command; others get 250, DATA 354, the mail 250

	mu   sync.Mutex // guards what follows
	said []string
	// together is how many commands came in one piece at the most.
	together int
}

func (s *scripted) serve(t *testing.T) desk.Mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.talk(c)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return desk.Mailbox{Address: "support@example.com", SMTP: "smtp://" + l.Addr().String()}
}

func (s *scripted) talk(c net.Conn) {
	in := bufio.NewReader(c)
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 scripted")
	inMail := false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, _, _ := strings.Cut(line, " ")
		s.mu.Lock()
		s.said = append(s.said, line)
		waiting, _ := in.Peek(in.Buffered())
		if !inMail {
			s.together = max(s.together, 1+strings.Count(string(waiting), "\r\n"))
		}
		s.mu.Unlock()
		switch {
		case inMail && line == ".":
			inMail = false
			say("250 2.0.0 taken")
		case inMail:
		case verb == "EHLO":
			lines := append([]string{"scripted"}, s.extensions...)
			for _, l := range lines[:len(lines)-1] {
				say("250-" + l)
			}
			say("250 " + lines[len(lines)-1])
		case s.answers[verb] != "":
			say(s.answers[verb])
		case verb == "DATA":
			inMail = true
			say("354 go on")
		default:
			say("250 ok")
		}
	}
}

func (s *scripted) heard(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.said, line)
}

// TestAServerThatTakesItIsAskedOnce sends over servers with and without PIPELINING (RFC 2920).
func TestAServerThatTakesItIsAskedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		extensions []string
		together   int
	}{
		"with":    {[]string{"8BITMIME", "PIPELINING"}, 3},
		"without": {[]string{"8BITMIME"}, 1},
	} {
		server := &scripted{extensions: c.extensions}
		mb := server.serve(t)
		s := sender(t, Options{})
		reply, err := s.Submit(t.Context(), mb, "a@example.com", "b@example.org", text("Subject: hello\r\n"))
		if err != nil || reply != "taken" || !server.heard("MAIL FROM:<a@example.com> BODY=8BITMIME") || !server.heard("Subject: hello") {
			t.Errorf("%s: %q, %v, %q", name, reply, err, server.said)
		}
		if server.together != c.together {
			t.Errorf("%s: %d commands came together, want %d", name, server.together, c.together)
		}
		s.Close()
	}
}

// TestARefusedRecipientGetsNoMail has a server refuse the recipient and ask for the mail all the same.
func TestARefusedRecipientGetsNoMail(t *testing.T) {
	t.Parallel()
	server := &scripted{extensions: []string{"PIPELINING"}, answers: map[string]string{"RCPT": "550 5.1.1 nobody here"}}
	mb := server.serve(t)
	s := sender(t, Options{})
	for range 2 {
		_, err := s.Submit(t.Context(), mb, "a@example.com", "b@example.org", text("Subject: hello\r\n"))
		r, ok := errors.AsType[*outbound.Refusal](err)
		if !ok || r.Code != 550 || r.Stage != outbound.StageRcpt || r.Text != "nobody here" {
			t.Errorf("%v", err)
		}
	}
	if server.heard("Subject: hello") || server.heard(".") {
		t.Errorf("the server got %q", server.said)
	}
	s.Close()
}

// TestRefusalsBehindARefusalAreRead keeps a connection on which one mail was refused with all its commands.
func TestRefusalsBehindARefusalAreRead(t *testing.T) {
	t.Parallel()
	server := &scripted{extensions: []string{"PIPELINING"}, answers: map[string]string{"MAIL": "450 4.2.1 later", "RCPT": "503 5.5.1 no MAIL", "DATA": "503 5.5.1 no RCPT"}}
	mb := server.serve(t)
	s := sender(t, Options{})
	for range 3 {
		_, err := s.Submit(t.Context(), mb, "a@example.com", "b@example.org", text("Subject: hello\r\n"))
		r, ok := errors.AsType[*outbound.Refusal](err)
		if !ok || r.Code != 450 || r.Stage != outbound.StageMail {
			t.Errorf("%v", err)
		}
	}
	greetings := 0
	for _, line := range server.said {
		if strings.HasPrefix(line, "EHLO") {
			greetings++
		}
	}
	if greetings != 1 {
		t.Errorf("%d connections: %q", greetings, server.said)
	}
	s.Close()
}
