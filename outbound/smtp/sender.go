// Package smtp hands finished mail to a mailbox's submission server (RFC 6409): the bytes as they are, over connections
// that are kept for a while, with an answer that tells delivered, refused, not sent and unknown apart.
package smtp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail/smtp"

	"postern/desk"
	"postern/mailconn"
	"postern/outbound"
)

// Options are a Sender's. The zero value is good.
type Options struct {
	// MaxPerHost is how many connections there are to one server at most; zero: 4.
	MaxPerHost int
	// MaxMails is how many mails go over one connection at most; zero: 100.
	MaxMails int
	// Pause is how long a server that says 421, or that there is too much mail, is left alone at first: each time in a row twice as long, up to
	// 15 min. Zero: 30 s.
	Pause time.Duration
	// Now is the clock that pauses go by; nil: the machine's.
	Now func() time.Time
	// Idle is how long a connection is kept without a mail to send; zero: 60 s.
	Idle time.Duration
	// Timeout is how long a server may take for the answer to a command, or for taking another piece of a mail; zero: 60 s.
	Timeout time.Duration
	// EndTimeout is the same for the answer to a whole mail; zero: 2 min. A short one makes more mails ambiguous.
	EndTimeout time.Duration
	// Tokens gives the access tokens of mailboxes that sign in by OAuth.
	Tokens mailconn.Tokens
	// RootCAs are trusted instead of the system's, if set.
	RootCAs *x509.CertPool
}

var _ outbound.Submitter = (*Sender)(nil)

// Sender sends mail. Its methods may be called from several goroutines.
type Sender struct {
	options Options
	pool    *pool
}

// New gives a Sender, which must be closed.
func New(o Options) *Sender {
	if o.MaxPerHost <= 0 {
		o.MaxPerHost = 4
	}
	if o.Idle <= 0 {
		o.Idle = 60 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	if o.EndTimeout <= 0 {
		o.EndTimeout = 2 * time.Minute
	}
	if o.MaxMails <= 0 {
		o.MaxMails = 100
	}
	if o.Pause <= 0 {
		o.Pause = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sender{options: o, pool: &pool{max: o.MaxPerHost, mails: o.MaxMails, idle: o.Idle, pause: o.Pause, now: o.Now, hosts: map[string]*host{}}}
}

// Close ends the connections that are kept. A mail that is being sent is finished; a new one is not begun.
func (s *Sender) Close() { s.pool.close() }

// Submit implements outbound.Submitter. Reply is the text of the server's final answer, which may tell under what id it
// keeps the mail. An empty from is the null sender. Body writes the mail and is called once at most. Its line ends become
// CRLF, dots are stuffed (RFC 5321 section 4.5.2); all else is sent as it is.
//
// With a nil error the server has the mail. An *outbound.Refusal is the server's own word, or ours for an address it can't
// be given, and a *mailconn.Problem one about reaching it or signing in: nothing was sent. Outbound.ErrAmbiguous: nobody
// can tell. Any other error, ctx's among them, comes from before the end of the mail: nothing was delivered, and it may be
// sent again.
func (s *Sender) Submit(ctx context.Context, m desk.Mailbox, from, to string, body func(io.Writer) error) (reply string, err error) {
	config, err := s.config(m)
	if err != nil {
		return "", err
	}
	e, err := newEnvelope(from, to)
	if err != nil {
		return "", err
	}
	for fresh := false; ; fresh = true {
		reply, err = s.try(ctx, config, fresh, e, body)
		if errors.Is(err, errStale) {
			s.pool.forget(config)
			continue
		}
		return reply, err
	}
}

// try sends over one connection, and gives it back whatever happens.
func (s *Sender) try(ctx context.Context, config mailconn.SMTPConfig, fresh bool, e envelope, body func(io.Writer) error) (reply string, err error) {
	conn, err := s.pool.take(ctx, config, fresh)
	if err != nil {
		return "", err
	}
	keep := false
	defer func() {
		if !keep {
			conn.drop()
			conn = nil
		}
		s.pool.release(config, conn)
	}()
	conn.mails++
	reply, keep, err = s.transact(ctx, conn, e, body)
	if refusal, ok := errors.AsType[*outbound.Refusal](err); err == nil || ok && wantsPause(refusal) {
		s.pool.heard(config, err != nil)
	}
	return reply, err
}

// wantsPause tells whether a server has had enough of us, and not of this mail: it closes (RFC 5321 section 3.8), or it says 4.7.x, as those do that
// count mails, to something else than a recipient, of whom it might be told (as in greylisting).
func wantsPause(r *outbound.Refusal) bool {
	return r.Code == 421 || r.Code/100 == 4 && strings.HasPrefix(r.Enhanced, "4.7.") && r.Stage != outbound.StageRcpt
}

func (s *Sender) config(m desk.Mailbox) (mailconn.SMTPConfig, error) {
	if m.SMTP == "" {
		return mailconn.SMTPConfig{}, &mailconn.Problem{
			What: "the mailbox " + m.Address + " has no server to send by", Do: "Give it an SMTP URL", Permanent: true,
		}
	}
	config, err := mailconn.SMTPOf(m, s.options.Tokens)
	config.RootCAs = s.options.RootCAs
	return config, err
}

type envelope struct {
	from, to string
	utf8     bool // a local part is not ASCII
}

func newEnvelope(from, to string) (e envelope, err error) {
	var utf8From, utf8To bool
	if e.from, utf8From, err = envelopeAddress(from); err != nil {
		return envelope{}, err
	}
	if e.to, utf8To, err = envelopeAddress(to); err != nil {
		return envelope{}, err
	}
	if e.to == "<>" {
		return envelope{}, &outbound.Refusal{Code: 553, Enhanced: "5.1.3", Text: "there is no recipient", Stage: outbound.NotAsked}
	}
	e.utf8 = utf8From || utf8To
	return e, nil
}

// errStale says that a kept connection was dead when it was used again. Nothing was sent on it.
var errStale = errors.New("the connection was closed while it was kept")

// transact sends one mail over a connection, and tells whether that may be kept. MAIL is the probe of a connection that
// was kept: it costs no round trip more than a mail needs.
func (s *Sender) transact(ctx context.Context, conn *connection, e envelope, body func(io.Writer) error) (reply string, keep bool, err error) {
	stop := context.AfterFunc(ctx, conn.drop)
	defer func() {
		if !stop() { // ctx ended, and closed the connection
			keep = false
			if err != nil && !errors.Is(err, outbound.ErrAmbiguous) {
				err = ctx.Err()
			}
		}
	}()
	if e.utf8 {
		if ok, _ := conn.client.Extension("SMTPUTF8"); !ok {
			return "", true, &outbound.Refusal{
				Code: 550, Enhanced: "5.6.7", Stage: outbound.NotAsked,
				Text: fmt.Sprintf("the server can't send to or from addresses with letters such as those in %s", e.to),
			}
		}
	}
	if keep, err := s.announce(conn, e); err != nil {
		return "", keep, err
	}
	data := conn.client.Text.DotWriter()
	w := &pieces{client: conn.client, w: data, timeout: s.options.Timeout}
	if err := body(w); err != nil {
		return "", false, s.unfinished(conn.client, w, err)
	}
	if w.err != nil { // body did not mind
		return "", false, s.unfinished(conn.client, w, w.err)
	}
	return s.end(conn, data)
}

// announce says MAIL, RCPT and DATA, all at once where the server takes that (RFC 2920): a server far away is then asked
// once and not three times. Without an error the server waits for the mail.
func (s *Sender) announce(conn *connection, e envelope) (keep bool, err error) {
	text := conn.client.Text
	commands := []struct {
		stage, line string
		want        int
	}{
		{outbound.StageMail, e.mail(conn.client), 250}, {outbound.StageRcpt, "RCPT TO:" + e.to, 25}, {outbound.StageData, "DATA", 354},
	}
	atOnce, _ := conn.client.Extension("PIPELINING")
	if err := conn.client.UpdateDeadline(s.options.Timeout); err != nil {
		return false, err
	}
	if atOnce {
		for _, c := range commands {
			_, _ = text.W.WriteString(c.line + "\r\n") // Flush tells
		}
		if err := text.W.Flush(); err != nil {
			return s.judge(conn, outbound.StageMail, err)
		}
	}
	for i, c := range commands {
		err := conn.client.UpdateDeadline(s.options.Timeout)
		if !atOnce && err == nil {
			err = text.PrintfLine("%s", c.line)
		}
		if err == nil {
			_, _, err = text.ReadResponse(c.want)
		}
		if err == nil {
			continue
		}
		// What was sent behind a refused command is answered too. A server that waits for a mail all the same gets none.
		for range commands[i+1:] {
			if _, isReply := errors.AsType[*textproto.Error](err); !isReply || !atOnce {
				break
			}
			if code, _, readErr := text.ReadResponse(0); readErr != nil || code == 354 {
				return false, s.refused(conn, c.stage, err)
			}
		}
		return s.judge(conn, c.stage, err)
	}
	return true, nil
}

// mail is the command that begins a mail. Its parameters are those that the server offers (RFC 6152, RFC 6531).
func (e envelope) mail(client *gomail.Client) string {
	line := "MAIL FROM:" + e.from
	if ok, _ := client.Extension("8BITMIME"); ok {
		line += " BODY=8BITMIME"
	}
	if e.utf8 {
		line += " SMTPUTF8"
	}
	return line
}

// judge reads the failure of a command. After a refusal the mail is taken back, so that the connection can be kept.
func (s *Sender) judge(conn *connection, stage string, err error) (keep bool, _ error) {
	if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code != 421 && !wantsSignIn(stage, e) {
		keep = conn.client.UpdateDeadline(s.options.Timeout) == nil && conn.client.Reset() == nil
	}
	return keep, s.refused(conn, stage, err)
}

// refused tells what the failure of a command means.
func (s *Sender) refused(conn *connection, stage string, err error) error {
	e, isReply := errors.AsType[*textproto.Error](err)
	switch {
	case conn.reused && stage == outbound.StageMail && (!isReply || e.Code == 421):
		return errStale
	case !isReply:
		return fmt.Errorf("at %s: %w", stage, err)
	case wantsSignIn(stage, e):
		return &mailconn.Problem{
			What: "the server wants somebody to sign in before it sends mail", Do: "Put user name and password into the SMTP URL",
			Err: err, Permanent: true, SignIn: true,
		}
	}
	return refusal(stage, e)
}

func wantsSignIn(stage string, e *textproto.Error) bool {
	return stage == outbound.StageMail && (e.Code == 530 || e.Code == 535 || e.Code == 538)
}

// unfinished tells why a mail was not written to its end. A server that had enough may have said so before it closed.
func (s *Sender) unfinished(client *gomail.Client, w *pieces, err error) error {
	if w.err == nil {
		return fmt.Errorf("compose the mail: %w", err)
	}
	if client.UpdateDeadline(time.Second) == nil {
		_, _, reply := client.Text.ReadResponse(250)
		if e, ok := errors.AsType[*textproto.Error](reply); ok {
			return refusal(outbound.StageEnd, e)
		}
	}
	return fmt.Errorf("at %s: %w", outbound.StageData, w.err)
}

// end writes the final dot and waits for the server's word.
func (s *Sender) end(conn *connection, data io.WriteCloser) (reply string, keep bool, err error) {
	if err := conn.client.UpdateDeadline(s.options.EndTimeout); err != nil {
		return "", false, err
	}
	err = data.Close()
	if err == nil {
		_, reply, err = conn.client.Text.ReadResponse(250)
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return "", e.Code != 421, refusal(outbound.StageEnd, e)
	}
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", outbound.ErrAmbiguous, err)
	}
	_, reply = splitEnhanced(reply)
	return reply, true, nil
}

// pieces gives every piece of a mail its own time, so that a large mail may take long while the server still reads.
type pieces struct {
	client  *gomail.Client
	w       io.Writer
	timeout time.Duration
	err     error // what the connection said; not what the body's writer did
}

// Write passes a piece on.
func (p *pieces) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if p.err = p.client.UpdateDeadline(p.timeout); p.err != nil {
		return 0, p.err
	}
	n, err := p.w.Write(b)
	p.err = err
	return n, err
}
