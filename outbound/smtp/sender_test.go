package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gomail "github.com/wneessen/go-mail"
	"go.uber.org/goleak"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
	"postern/outbound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sender(t testing.TB, o Options) *Sender {
	t.Helper()
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

func mailbox(s *mailtest.SMTPServer) desk.Mailbox {
	return desk.Mailbox{Address: "support@example.com", SMTP: strings.Replace(s.URL(), ":p@", "@", 1), Secrets: desk.MailboxSecrets{SMTPPassword: "p"}}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// answer makes a script that answers the same at one stage and lets the rest pass.
func answer(stage mailtest.Stage, a mailtest.Answer) func(mailtest.Stage, mailtest.Received) *mailtest.Answer {
	return func(at mailtest.Stage, _ mailtest.Received) *mailtest.Answer {
		if at == stage {
			return &a
		}
		return nil
	}
}

const hello = "Subject: hello\r\n\r\nHello.\r\n"

func TestSubmitIsByteExact(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{})
	all := make([]byte, 0, 256)
	for b := range 256 {
		if b != 0 && b != '\r' && b != '\n' {
			all = append(all, byte(b))
		}
	}
	for name, body := range map[string]string{
		"dots":          "Subject: x\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n\r\n.\r\n",
		"eight bits":    "Subject: x\r\n\r\n" + string(all) + "\r\n",
		"long line":     "Subject: x\r\n\r\n" + strings.Repeat("x", 900) + "\r\n",
		"large":         "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcdef.\r\n.\r\n", 100_000),
		"no body":       "Subject: x\r\n\r\n",
		"empty at last": "Subject: x\r\n\r\na\r\n\r\n\r\n",
	} {
		before := sink.Count()
		reply, err := s.Submit(t.Context(), mailbox(sink), "bounce+t1@example.com", "ann@example.org", text(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if reply == "" {
			t.Errorf("%s: no reply", name)
		}
		got := sink.Received()[before]
		if got.From != "bounce+t1@example.com" || len(got.To) != 1 || got.To[0] != "ann@example.org" || got.UTF8 {
			t.Errorf("%s: envelope %q to %q, UTF8 %v", name, got.From, got.To, got.UTF8)
		}
		if !bytes.Equal(got.Raw, []byte(body)) {
			t.Errorf("%s: %s", name, cmp.Diff(body[:min(200, len(body))], string(got.Raw[:min(200, len(got.Raw))])))
		}
	}
	if n := sink.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestSubmitGivesTheFinalReply(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	sink.Script(answer(mailtest.AfterDot, mailtest.Answer{Code: 250, Text: "Ok: queued as 4XyZ"}))
	reply, err := sender(t, Options{}).Submit(t.Context(), mailbox(sink), "", "ann@example.org", text(hello))
	if err != nil || reply != "Ok: queued as 4XyZ" {
		t.Errorf("%q, %v", reply, err)
	}
	if got := sink.Received(); len(got) != 1 || got[0].From != "" {
		t.Errorf("null sender: %+v", got)
	}
}

func TestO5_RefusalsAreTheServersOwnWords(t *testing.T) {
	t.Parallel()
	stages := map[mailtest.Stage]string{mailtest.AtMail: outbound.StageMail, mailtest.AtRcpt: outbound.StageRcpt, mailtest.AfterDot: outbound.StageEnd}
	sink := mailtest.SMTP(t)
	s := sender(t, Options{Pause: time.Nanosecond}) // 4.7.1 asks for one
	for at, stage := range stages {
		for _, code := range []int{451, 550} {
			sink.Script(answer(at, mailtest.Answer{Code: code, Enhanced: [3]int{code / 100, 7, 1}, Text: "not like this"}))
			_, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello))
			want := &outbound.Refusal{Code: code, Enhanced: fmt.Sprintf("%d.7.1", code/100), Text: "not like this", Stage: stage}
			r, ok := errors.AsType[*outbound.Refusal](err)
			if !ok || *r != *want || r.Permanent() != (code == 550) {
				t.Errorf("%s: %v, want %v", stage, err, want)
			}
			sink.Script(nil)
			if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
				t.Errorf("the mail after a %d at %s: %v", code, stage, err)
			}
		}
	}
	if n := sink.Connections(); n != 1 {
		t.Errorf("%d connections: one that was refused a mail is as good as before", n)
	}
}

func TestO4_DropBeforeTheEndIsPlainTemporary(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{})
	for _, at := range []mailtest.Stage{mailtest.AtConnect, mailtest.AtMail, mailtest.AtRcpt} {
		sink.Script(answer(at, mailtest.Answer{Drop: true}))
		_, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello))
		_, refused := errors.AsType[*outbound.Refusal](err)
		if err == nil || refused || errors.Is(err, outbound.ErrAmbiguous) {
			t.Errorf("%s: %v", at, err)
		}
	}
	// A mail larger than all buffers between us is cut in the middle.
	sink.Script(answer(mailtest.BeforeDot, mailtest.Answer{Drop: true}))
	_, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello+strings.Repeat("0123456789\r\n", 4<<20)))
	if err == nil || errors.Is(err, outbound.ErrAmbiguous) {
		t.Errorf("in the middle: %v", err)
	}
	if sink.Count() != 0 {
		t.Errorf("%d mails came", sink.Count())
	}
	sink.Script(nil)
	if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
		t.Error(err)
	}
}

func TestO4_DropAfterTheEndIsAmbiguous(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{EndTimeout: 300 * time.Millisecond})
	for name, a := range map[string]mailtest.Answer{"drop": {Drop: true, Accept: true}, "hang": {Hang: true, Accept: true}} {
		sink.Script(answer(mailtest.AfterDot, a))
		_, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello))
		if !errors.Is(err, outbound.ErrAmbiguous) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	sink.Script(func(at mailtest.Stage, _ mailtest.Received) *mailtest.Answer {
		if at != mailtest.AfterDot {
			return nil
		}
		cancel()
		return &mailtest.Answer{Hang: true}
	})
	if _, err := sender(t, Options{}).Submit(ctx, mailbox(sink), "a@example.com", "b@example.org", text(hello)); !errors.Is(err, outbound.ErrAmbiguous) {
		t.Errorf("cancelled while waiting for the answer: %v", err)
	}
	sink.Script(nil)
	if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSubmitOverAConnectionTheServerClosedWhileIdle(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{})
	send := func() {
		t.Helper()
		if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
			t.Error(err)
		}
	}
	send()
	sink.DropConnections()
	send()
	conn := 0
	sink.Script(func(at mailtest.Stage, r mailtest.Received) *mailtest.Answer { // a server that has had enough
		if at == mailtest.AtMail && (conn == 0 || r.Conn == conn) {
			conn = r.Conn
			return &mailtest.Answer{Code: 421, Text: "too many mails on this connection"}
		}
		return nil
	})
	send()
	if n, c := sink.Count(), sink.Connections(); n != 3 || c != 3 {
		t.Errorf("%d mails over %d connections", n, c)
	}
}

func TestConnectionsAreClosedWhenIdle(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{Idle: 50 * time.Millisecond})
	for range 2 {
		if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
			t.Fatal(err)
		}
		mailtest.Until(t, "the connection is let go", func() bool { return s.kept() == 0 })
	}
	if n := sink.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func (s *Sender) kept() (n int) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	for _, h := range s.pool.hosts {
		n += len(h.idle)
	}
	return n
}

func TestConnectionsToAHostAreLimited(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	var mu sync.Mutex
	now, most := map[int]bool{}, 0
	sink.Script(func(at mailtest.Stage, r mailtest.Received) *mailtest.Answer {
		mu.Lock()
		defer mu.Unlock()
		switch at {
		case mailtest.AtMail:
			now[r.Conn] = true
		case mailtest.AfterDot:
			delete(now, r.Conn)
		}
		most = max(most, len(now))
		return nil
	})
	s := sender(t, Options{MaxPerHost: 3})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			m := mailbox(sink)
			m.Secrets.SMTPPassword = fmt.Sprint(i % 5) // five mailboxes share the host
			if _, err := s.Submit(t.Context(), m, "a@example.com", "b@example.org", text(hello)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most > 3 || sink.Count() != 60 || s.kept() > 3 {
		t.Errorf("%d connections at once, %d mails, %d kept", most, sink.Count(), s.kept())
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	sink, old := mailtest.SMTP(t), mailtest.SMTPWith(t, mailtest.SMTPOptions{NoSMTPUTF8: true})
	s := sender(t, Options{})
	for _, c := range []struct{ to, want, wantOld string }{
		{"ann@example.org", "ann@example.org", "ann@example.org"},
		{"ann@bücher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"},
		{"änn@bücher.example", "änn@xn--bcher-kva.example", ""},
		{"ann@example.org>\r\nRCPT TO:<eve@example.net", "", ""},
		{"ann@ab--cd.example", "ann@ab--cd.example", "ann@ab--cd.example"},
		{"<ann@example.org>", "", ""},
		{"ann", "", ""},
		{"ann@", "", ""},
		{"", "", ""},
		{"ann smith@example.org", "", ""},
		{"a\x00b@example.org", "", ""},
		{"a\xffb@example.org", "", ""},
		{"ann@example..org", "", ""},
	} {
		for server, want := range map[*mailtest.SMTPServer]string{sink: c.want, old: c.wantOld} {
			before := server.Count()
			_, err := s.Submit(t.Context(), mailbox(server), "a@example.com", c.to, text(hello))
			if want == "" {
				r, ok := errors.AsType[*outbound.Refusal](err)
				if !ok || !r.Permanent() || r.Stage != outbound.NotAsked || strings.Contains(r.Error(), "answered") || server.Count() != before {
					t.Errorf("%q: %v", c.to, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%q: %v", c.to, err)
				continue
			}
			got := server.Received()[before]
			if got.To[0] != want || got.UTF8 != strings.HasPrefix(want, "ä") {
				t.Errorf("%q: sent to %q, UTF8 %v", c.to, got.To, got.UTF8)
			}
		}
	}
}

func TestI11_ProblemsOfTheMailboxAreNoRefusals(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTPWith(t, mailtest.SMTPOptions{Username: "u", Password: "right"})
	s := sender(t, Options{})
	wrong := mailbox(sink)
	wrong.SMTP, wrong.Secrets.SMTPPassword = "smtp://u@"+sink.Addr(), "wrong"
	strict := mailbox(sink)
	strict.SMTP = "smtp://u@" + sink.Addr() + "?starttls=require"
	for name, m := range map[string]desk.Mailbox{"wrong password": wrong, "unknown authority": strict, "no server": {}, "no URL": {SMTP: "x"}} {
		_, err := s.Submit(t.Context(), m, "a@example.com", "b@example.org", text(hello))
		if p, ok := errors.AsType[*mailconn.Problem](err); !ok || !p.Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	trusted := sender(t, Options{RootCAs: sink.Certificate.Pool})
	strict.Secrets.SMTPPassword = "right"
	if _, err := trusted.Submit(t.Context(), strict, "a@example.com", "b@example.org", text(hello)); err != nil {
		t.Error(err)
	}
	if got := sink.Received(); len(got) != 1 || !got[0].TLS {
		t.Errorf("received %+v", got)
	}
	sink.Script(answer(mailtest.AtMail, mailtest.Answer{Code: 530, Text: "Authentication required"}))
	_, err := trusted.Submit(t.Context(), strict, "a@example.com", "b@example.org", text(hello))
	if p, ok := errors.AsType[*mailconn.Problem](err); !ok || !p.SignIn {
		t.Errorf("530 at MAIL: %v", err)
	}
}

func TestSubmitStopsWithItsContext(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{})
	for _, at := range []mailtest.Stage{mailtest.AtConnect, mailtest.AtMail, mailtest.AtRcpt} {
		sink.Script(answer(at, mailtest.Answer{Hang: true}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := s.Submit(ctx, mailbox(sink), "a@example.com", "b@example.org", text(hello)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestABodyThatFailsIsNotSent(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{})
	broken := errors.New("no such template")
	_, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", func(w io.Writer) error {
		if _, err := io.WriteString(w, "Subject: half a mail\r\n"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
		t.Error(err)
	}
	if got := sink.Received(); len(got) != 1 || string(got[0].Raw) != hello {
		t.Errorf("received %+v", got)
	}
}

func TestCloseRefusesMore(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := New(Options{})
	if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err != nil {
		t.Error(err)
	}
	s.Close()
	if _, err := s.Submit(t.Context(), mailbox(sink), "a@example.com", "b@example.org", text(hello)); err == nil {
		t.Error("sent after Close")
	}
}

// BenchmarkSubmit compares this package with go-mail over one open connection to the same sink.
func BenchmarkSubmit(b *testing.B) {
	body := "Subject: x\r\nFrom: a@example.com\r\n\r\n" + strings.Repeat("0123456789 0123456789 0123456789 0123456789\r\n", 70)
	b.Run("postern", func(b *testing.B) {
		sink := mailtest.SMTPWith(b, mailtest.SMTPOptions{NoStartTLS: true})
		s := sender(b, Options{})
		for b.Loop() {
			if _, err := s.Submit(b.Context(), mailbox(sink), "a@example.com", "b@example.org", text(body)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	})
	b.Run("go-mail", func(b *testing.B) {
		sink := mailtest.SMTPWith(b, mailtest.SMTPOptions{NoStartTLS: true})
		host, port, _ := strings.Cut(sink.Addr(), ":")
		var n int
		fmt.Sscan(port, &n)
		c, err := gomail.NewClient(host, gomail.WithPort(n), gomail.WithTLSPolicy(gomail.NoTLS))
		if err != nil {
			b.Fatal(err)
		}
		if err := c.DialWithContext(b.Context()); err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		for b.Loop() {
			m := gomail.NewMsg()
			m.From("a@example.com")
			m.To("b@example.org")
			m.Subject("x")
			m.SetBodyString(gomail.TypeTextPlain, body)
			if err := c.Send(m); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	})
}
