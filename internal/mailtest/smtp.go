package mailtest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Stage is a point in an SMTP session at which an SMTPServer's script is asked.
type Stage string

// The stages, in the order they happen. At AtConnect nothing has been said; at BeforeDot the client is about to send
// the mail; at AfterDot the whole mail is there and the client waits for its answer.
const (
	AtConnect Stage = "connect"
	AtMail    Stage = "mail"
	AtRcpt    Stage = "rcpt"
	BeforeDot Stage = "before-dot"
	AfterDot  Stage = "after-dot"
)

// Answer is what an SMTPServer does at a stage instead of going on.
type Answer struct {
	Code     int // such as 451; with Accept, 250
	Enhanced [3]int
	Text     string
	Accept   bool          // AfterDot: the mail counts as received, whatever else happens
	Drop     bool          // close the connection without an answer
	Hang     bool          // say nothing until the test ends or the client goes away
	Delay    time.Duration // before the answer
}

// Received is a mail that an SMTPServer took.
type Received struct {
	From string
	To   []string
	Raw  []byte // as it came, with dot-stuffing undone
	Conn int    // counts the connections from 1
	UTF8 bool   // MAIL FROM carried SMTPUTF8 (RFC 6531)
	TLS  bool
	At   time.Time
}

// SMTPOptions say how an SMTPServer differs from the usual: plain, with STARTTLS, any user name and password.
type SMTPOptions struct {
	TLS         bool         // speak TLS from the start
	NoStartTLS  bool         // don't offer STARTTLS
	NoSMTPUTF8  bool         // don't offer SMTPUTF8
	NoAuth      bool         // don't offer AUTH
	Certificate *Certificate // instead of a good one
	Username    string       // with Password: what AUTH takes; empty: anything
	Password    string
	OAuth       *OAuthServer // offers OAUTHBEARER and XOAUTH2, for its tokens and their owners alone
	Mechanisms  []string     // what is offered to sign in, where it is not all that the options allow
}

// SMTPServer is a sink that records every mail it takes. Its methods may be called at any time.
type SMTPServer struct {
	// Certificate is what the server shows; it is good for localhost and 127.0.0.1.
	Certificate Certificate

	t       testing.TB
	addr    string
	options SMTPOptions
	done    chan struct{} // closed when the test ends

	mu       sync.Mutex // guards what follows
	script   func(Stage, Received) *Answer
	received []Received
	conns    int
	open     map[net.Conn]bool
	server   *smtp.Server
	listener net.Listener
}

// SMTP starts a sink. It is stopped with the test.
func SMTP(t testing.TB) *SMTPServer {
	t.Helper()
	return SMTPWith(t, SMTPOptions{})
}

// SMTPWith is SMTP with options.
func SMTPWith(t testing.TB, o SMTPOptions) *SMTPServer {
	t.Helper()
	s := &SMTPServer{t: t, options: o, done: make(chan struct{}), open: map[net.Conn]bool{}}
	if o.Certificate != nil {
		s.Certificate = *o.Certificate
	} else {
		s.Certificate = NewCertificate(t, time.Time{})
	}
	s.listen("127.0.0.1:0")
	t.Cleanup(func() {
		close(s.done)
		s.Kill()
	})
	return s
}

func (s *SMTPServer) listen(addr string) {
	s.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &sinkSession{s: s, c: c}, nil }))
	srv.Domain, srv.AllowInsecureAuth, srv.EnableSMTPUTF8 = "sink.test", true, !s.options.NoSMTPUTF8
	srv.ErrorLog = discardLog{}
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{s.Certificate.TLS}}
	if !s.options.NoStartTLS && !s.options.TLS {
		srv.TLSConfig = tlsConfig
	}
	s.mu.Lock()
	s.server, s.listener = srv, l
	s.mu.Unlock()
	l = &sinkListener{Listener: l, s: s}
	if s.options.TLS {
		l = tls.NewListener(l, tlsConfig)
	}
	go func() { _ = srv.Serve(l) }() // it ends when the server is closed
}

// Addr is the server's host and port.
func (s *SMTPServer) Addr() string { return s.addr }

// URL gives smtp://user:password@127.0.0.1:port, or smtps.
func (s *SMTPServer) URL() string {
	u := &url.URL{Scheme: "smtp", Host: s.addr, User: url.UserPassword("u", "p")}
	if s.options.TLS {
		u.Scheme = "smtps"
	}
	if s.options.Username != "" {
		u.User = url.UserPassword(s.options.Username, s.options.Password)
	}
	if s.options.NoAuth {
		u.User = nil
	}
	return u.String()
}

// Script sets what is asked at every stage. Nil, and an answer of nil, let the mail pass. It is called from several
// goroutines.
func (s *SMTPServer) Script(f func(Stage, Received) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = f
}

// Received gives the mails taken so far, oldest first.
func (s *SMTPServer) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received...)
}

// Count is how many mails were taken so far.
func (s *SMTPServer) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received)
}

// Connections is how many connections there have been.
func (s *SMTPServer) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// DropConnections closes those that are open, without a word. New ones are taken.
func (s *SMTPServer) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close() // the client may have closed it
	}
}

// Kill closes the server and its connections. What it received stays.
func (s *SMTPServer) Kill() {
	s.mu.Lock()
	srv, l := s.server, s.listener
	s.server = nil
	s.mu.Unlock()
	if srv != nil {
		_ = l.Close()   // the server does it too, but only once it serves
		_ = srv.Close() // only tells that a connection was gone already
	}
	s.DropConnections()
}

// Start listens again, on the same port.
func (s *SMTPServer) Start() {
	s.t.Helper()
	s.listen(s.addr)
}

// ask asks the script what to do.
func (s *SMTPServer) ask(stage Stage, r Received) *Answer {
	s.mu.Lock()
	script := s.script
	s.mu.Unlock()
	if script == nil {
		return nil
	}
	return script(stage, r)
}

// obey does what the script wants. The error is for the client, unless the connection is gone.
func (s *SMTPServer) obey(a *Answer, conn net.Conn) error {
	if a == nil {
		return nil
	}
	if a.Delay > 0 {
		select {
		case <-time.After(a.Delay):
		case <-s.done:
		}
	}
	if a.Hang {
		<-s.done
		return io.ErrClosedPipe
	}
	if a.Drop {
		_ = conn.Close()
		return io.ErrClosedPipe
	}
	if a.Code == 0 {
		return nil
	}
	enhanced := smtp.EnhancedCode(a.Enhanced)
	if enhanced == (smtp.EnhancedCode{}) {
		enhanced = smtp.EnhancedCode{a.Code / 100, 0, 0}
	}
	return &smtp.SMTPError{Code: a.Code, EnhancedCode: enhanced, Message: a.Text}
}

// receives tells whether a mail with this answer counts as received.
func (a *Answer) receives() bool {
	return a == nil || a.Accept || a.Code/100 == 2 || a.Code == 0 && !a.Drop && !a.Hang
}

// sinkSession is one client's session. The SMTP server calls it from one goroutine.
type sinkSession struct {
	s *SMTPServer
	c *smtp.Conn
	r Received
}

func (x *sinkSession) number() int {
	conn := x.c.Conn()
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if c, ok := conn.(*sinkConn); ok {
		return c.n
	}
	return 0
}

// AuthMechanisms offers PLAIN and LOGIN, and OAuth where there is a server for it.
func (x *sinkSession) AuthMechanisms() []string {
	switch o := x.s.options; {
	case o.NoAuth:
		return nil
	case o.Mechanisms != nil:
		return o.Mechanisms
	case o.OAuth != nil:
		return []string{sasl.Plain, sasl.Login, sasl.OAuthBearer, xoauth2}
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth takes what SMTPOptions say.
func (x *sinkSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		o := x.s.options
		if o.Username != "" && (user != o.Username || password != o.Password) {
			return smtp.ErrAuthFailed
		}
		return nil
	}
	switch {
	case mech == sasl.Login:
		return &loginServer{check: check}, nil
	case mech == sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	}
	return &tokenLogin{x: x, mechanism: mech}, nil
}

// AtAuth is the stage at which a client shows an access token; the script is asked before the token is looked at.
const AtAuth Stage = "auth"

const xoauth2 = "XOAUTH2"

// tokenLogin is the server's side of OAUTHBEARER and XOAUTH2.
type tokenLogin struct {
	x         *sinkSession
	mechanism string
	failed    bool
}

// Next takes the token, and after a refusal whatever the client says to that.
func (l *tokenLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	refusal := &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Username and Password not accepted"}
	switch {
	case l.failed && l.mechanism == xoauth2 && len(response) != 0 || l.failed && l.mechanism != xoauth2 && !bytes.Equal(response, []byte{1}):
		return nil, true, &smtp.SMTPError{Code: 501, Message: "that is no answer to a refusal"}
	case l.failed:
		return nil, true, refusal
	case response == nil:
		return []byte{}, false, nil
	}
	if err := l.x.s.obey(l.x.s.ask(AtAuth, Received{Conn: l.x.number()}), l.x.c.Conn()); err != nil {
		return nil, true, err
	}
	first, second := "n,a=", ","
	if l.mechanism == xoauth2 {
		first, second = "user=", "\x01"
	}
	rest, known := strings.CutPrefix(string(response), first)
	user, rest, _ := strings.Cut(rest, second)
	_, rest, bearer := strings.Cut("\x01"+rest, "\x01auth=Bearer ")
	token, ended := strings.CutSuffix(rest, "\x01\x01")
	if !known || !bearer || !ended {
		return nil, true, &smtp.SMTPError{Code: 501, Message: "that is no " + l.mechanism}
	}
	if l.x.s.options.OAuth.Owner(token) == user {
		return nil, true, nil
	}
	l.failed = true
	return []byte(`{"status":"401","schemes":"bearer","scope":"mail"}`), false, nil
}

// Mail starts a mail.
func (x *sinkSession) Mail(from string, o *smtp.MailOptions) error {
	_, isTLS := x.c.TLSConnectionState()
	x.r = Received{From: from, Conn: x.number(), UTF8: o.UTF8, TLS: isTLS}
	return x.s.obey(x.s.ask(AtMail, x.r), x.c.Conn())
}

// Rcpt adds a recipient.
func (x *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	r := x.r
	r.To = append(append([]string(nil), r.To...), to)
	if err := x.s.obey(x.s.ask(AtRcpt, r), x.c.Conn()); err != nil {
		return err
	}
	x.r = r
	return nil
}

// Data takes the mail.
func (x *sinkSession) Data(r io.Reader) error {
	if err := x.s.obey(x.s.ask(BeforeDot, x.r), x.c.Conn()); err != nil {
		return err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.r.Raw, x.r.At = raw, time.Now()
	a := x.s.ask(AfterDot, x.r)
	if a.receives() { // before the client can know
		x.s.mu.Lock()
		x.s.received = append(x.s.received, x.r)
		x.s.mu.Unlock()
	}
	return x.s.obey(a, x.c.Conn())
}

// Reset forgets the mail at hand.
func (x *sinkSession) Reset() { x.r = Received{} }

// Logout has nothing to do.
func (x *sinkSession) Logout() error { return nil }

// loginServer is the server's side of AUTH LOGIN, which go-sasl leaves out.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

// Next takes the user name, then the password.
func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch {
	case l.step == 1 && len(response) == 0:
		return []byte("Username:"), false, nil
	case l.step <= 2 && l.user == "":
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// sinkListener numbers connections and asks the script about each.
type sinkListener struct {
	net.Listener
	s *SMTPServer
}

// Accept waits for the next connection that the script lets pass.
func (l *sinkListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.s.mu.Lock()
		l.s.conns++
		n := l.s.conns
		conn := &sinkConn{Conn: c, s: l.s, n: n}
		l.s.open[conn] = true
		script := l.s.script
		l.s.mu.Unlock()
		if script == nil {
			return conn, nil
		}
		a := script(AtConnect, Received{Conn: n})
		switch {
		case a == nil:
			return conn, nil
		case a.Hang: // it stays open until the test ends
		case a.Drop:
			_ = conn.Close()
		default:
			fmt.Fprintf(conn, "%d %s\r\n", a.Code, a.Text)
			_ = conn.Close()
		}
	}
}

// sinkConn takes itself off the list of open connections when it is closed.
type sinkConn struct {
	net.Conn
	s    *SMTPServer
	n    int
	once sync.Once
}

// Close closes the connection.
func (c *sinkConn) Close() error {
	c.once.Do(func() {
		go func() { // DropConnections holds the lock while it closes
			c.s.mu.Lock()
			defer c.s.mu.Unlock()
			delete(c.s.open, c)
		}()
	})
	return c.Conn.Close()
}

// discardLog drops what go-smtp says about connections that end early, which is what tests are about.
type discardLog struct{}

// Printf does nothing.
func (discardLog) Printf(string, ...any) {}

// Println does nothing.
func (discardLog) Println(...any) {}

// Lines gives a mail's bytes with CRLF line ends, for comparing with what was sent.
func Lines(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
