// Package demo is a mail server inside the process, for "gateway demo": IMAP mailboxes in memory and an SMTP server that
// delivers into them. It keeps nothing and sends nothing anywhere.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mail is a running mail server.
type Mail struct {
	imapAddr, smtpAddr string
	imap               *imapserver.Server
	smtp               *smtp.Server
	running            sync.WaitGroup

	mu        sync.Mutex // guards what follows
	users     map[string]*imapmemserver.User
	delivered map[string][][]byte
}

// Start runs a mail server with a mailbox for each address, which signs in with its address and its password. It listens
// on the loopback: on the ports given if they are free, else on others.
func Start(ctx context.Context, passwords map[string]string, imapPort, smtpPort int) (*Mail, error) {
	m := &Mail{users: map[string]*imapmemserver.User{}, delivered: map[string][][]byte{}}
	memory := imapmemserver.New()
	for address, password := range passwords {
		u := imapmemserver.NewUser(address, password)
		for _, folder := range []string{"INBOX", "Sent", "Drafts", "Archive", "Trash"} {
			if err := u.Create(folder, nil); err != nil {
				return nil, err
			}
		}
		memory.AddUser(u)
		m.users[address] = u
	}
	il, err := listen(ctx, imapPort)
	if err != nil {
		return nil, err
	}
	sl, err := listen(ctx, smtpPort)
	if err != nil {
		return nil, errors.Join(err, il.Close())
	}
	quiet := log.New(io.Discard, "", 0)
	m.imap = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapUIDPlus: {}}, InsecureAuth: true, Logger: quiet,
	})
	m.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{m: m}, nil }))
	m.smtp.Domain, m.smtp.AllowInsecureAuth, m.smtp.ErrorLog, m.smtp.MaxMessageBytes = "localhost", true, quiet, 40<<20
	m.smtp.ReadTimeout, m.smtp.WriteTimeout = 5*time.Minute, time.Minute
	m.imapAddr, m.smtpAddr = il.Addr().String(), sl.Addr().String()
	m.running.Go(func() { _ = m.imap.Serve(il) }) // ends with Close
	m.running.Go(func() { _ = m.smtp.Serve(sl) })
	return m, nil
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	return l, err
}

// IMAPAddr is where mailboxes are read, host and port.
func (m *Mail) IMAPAddr() string { return m.imapAddr }

// SMTPAddr is where mail is sent, host and port.
func (m *Mail) SMTPAddr() string { return m.smtpAddr }

// Close ends the server; all mail is gone.
func (m *Mail) Close() error {
	err := errors.Join(m.imap.Close(), m.smtp.Close())
	m.running.Wait()
	return err
}

// Delivered gives the mails that SMTP has delivered to an address, oldest first.
func (m *Mail) Delivered(address string) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.delivered[address])
}

// KeepSent puts a mail into an address's Sent folder, as a mail client does after sending.
func (m *Mail) KeepSent(address string, raw []byte) error {
	return m.put(address, "Sent", raw, imap.FlagSeen)
}

func (m *Mail) put(address, folder string, raw []byte, flags ...imap.Flag) error {
	m.mu.Lock()
	u := m.users[address]
	m.mu.Unlock()
	if u == nil {
		return fmt.Errorf("nobody here has the address %s", address)
	}
	_, err := u.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Flags: flags, Time: time.Now()})
	return err
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// session is one SMTP connection. It lets anybody in: it is reached from this machine alone, and delivers here alone.
type session struct {
	m  *Mail
	to []string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	address := strings.ToLower(to)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.users[address] == nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody here has this address; the demo delivers nowhere else"}
	}
	s.to = append(s.to, address)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, address := range s.to {
		if err := s.m.put(address, "INBOX", raw); err != nil {
			return err
		}
		s.m.mu.Lock()
		s.m.delivered[address] = append(s.m.delivered[address], raw)
		s.m.mu.Unlock()
	}
	return nil
}

func (s *session) Reset() { s.to = nil }

func (s *session) Logout() error { return nil }
