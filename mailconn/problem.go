package mailconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"syscall"

	"github.com/emersion/go-imap/v2"
)

// Problem is why a mail server can't be used, for the person who set it up.
type Problem struct {
	What string // what is wrong, a sentence without its full stop
	Do   string // what to do about it, the same
	Err  error  // what the network or the server said; it holds no password
	// Permanent means that waiting won't help: somebody has to change something.
	Permanent bool
	// At is how far we had come; empty: not even to the server.
	At Stage
	// SignIn means that the server refused who we say we are.
	SignIn bool
	// Token means that it was an access token which it refused.
	Token bool
}

// Error gives both sentences and the cause.
func (p *Problem) Error() string {
	s := p.What + ". " + p.Do + "."
	if p.Err != nil {
		s += " (" + p.Err.Error() + ")"
	}
	return s
}

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Err }

// stage is how far a connection had come when it failed.
type stage int

const (
	dialing stage = iota
	encrypting
	greeting
	signingIn
	working
)

// Stage is a part of reaching a server that somebody can look after.
type Stage string

// The stages, in their order.
const (
	AtDNS     Stage = "dns"
	AtConnect Stage = "connection"
	AtTLS     Stage = "tls"
	AtLogin   Stage = "login"
	AtWork    Stage = "folders"
)

// Stages lists them.
func Stages() []Stage { return []Stage{AtDNS, AtConnect, AtTLS, AtLogin, AtWork} }

// explain tells the stage, too.
func (s Server) explain(ctx context.Context, at stage, err error) error {
	err = s.explained(ctx, at, err)
	if p, ok := errors.AsType[*Problem](err); ok && p.At == "" {
		_, dns := errors.AsType[*net.DNSError](p.Err)
		switch {
		case dns:
			p.At = AtDNS
		default:
			p.At = map[stage]Stage{dialing: AtConnect, greeting: AtConnect, encrypting: AtTLS, signingIn: AtLogin, working: AtWork}[at]
		}
	}
	return err
}

// explained turns what a connection failed with into a Problem. An error that is one already stays as it is, and so does
// that of a context which the caller ended.
func (s Server) explained(ctx context.Context, at stage, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Problem](err); ok {
		return err
	}
	if ctx.Err() != nil {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ctx.Err()
		}
		return s.tooSlow(at, context.DeadlineExceeded)
	}
	if p := s.network(at, err); p != nil {
		return p
	}
	if p := s.certificate(err); p != nil {
		return p
	}
	if e, ok := errors.AsType[*imap.Error](err); ok {
		return s.imapReply(at, e)
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return s.smtpReply(at, e)
	}
	if at == greeting {
		return &Problem{
			What: fmt.Sprintf("%s does not answer as a mail server does", s.Addr()),
			Do:   "Check host and port: " + s.ports(), Err: err,
		}
	}
	return &Problem{What: "the connection to " + s.Addr() + " broke", Do: "It is tried again", Err: err}
}

// ports says which URL belongs to which port.
func (s Server) ports() string {
	if strings.HasPrefix(s.scheme, "imap") {
		return "imaps:// goes with port 993, imap:// with 143"
	}
	return "smtps:// goes with port 465, smtp:// with 587 or 25"
}

func (s Server) tooSlow(at stage, err error) *Problem {
	p := &Problem{What: s.Addr() + " does not answer", Do: "Check host, port and firewall", Err: err}
	if at == greeting && s.Security != TLS { // a server that speaks TLS waits for us to begin
		p.Do = "Check host and port: " + s.ports()
	}
	return p
}

func (s Server) network(at stage, err error) *Problem {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return &Problem{What: fmt.Sprintf("there is no host %q", s.Host), Do: "Check the spelling", Err: err, Permanent: true}
		}
		return &Problem{What: fmt.Sprintf("the name %q can't be looked up at the moment", s.Host), Do: "Check this machine's DNS", Err: err}
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &Problem{What: s.Addr() + " refuses connections", Do: "Check host and port, and that the server runs: " + s.ports(), Err: err}
	}
	if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
		return &Problem{What: s.Addr() + " can't be reached", Do: "Check this machine's network and the firewall", Err: err}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return s.tooSlow(at, err)
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return s.tooSlow(at, err)
	}
	if at == encrypting && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return s.noTLS(err)
	}
	return nil
}

func (s Server) noTLS(err error) *Problem {
	return &Problem{
		What: s.Addr() + " does not speak TLS", Permanent: true, Err: err,
		Do: fmt.Sprintf("Try %s:// instead of %s, or check the port: %s", strings.TrimSuffix(s.scheme, "s"), s.scheme+"://", s.ports()),
	}
}

func (s Server) certificate(err error) *Problem {
	const accept = "add ?insecure=1 to the URL if you must"
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return s.noTLS(err)
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		names := "no name"
		if name.Certificate != nil && len(name.Certificate.DNSNames) > 0 {
			names = strings.Join(name.Certificate.DNSNames, ", ")
		}
		return &Problem{
			What: fmt.Sprintf("the certificate of %s is for another name (%s)", s.Addr(), names),
			Do:   "Use the name on the certificate, or " + accept, Err: err, Permanent: true,
		}
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return &Problem{
			What: "the certificate of " + s.Addr() + " has expired, or this machine's clock is wrong",
			Do:   "Have the certificate renewed, or " + accept, Err: err, Permanent: true,
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &Problem{
			What: "nobody whom this machine trusts vouches for the certificate of " + s.Addr(),
			Do:   "Install its authority on this machine, or " + accept, Err: err, Permanent: true,
		}
	}
	if verify, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Problem{
			What: "the certificate of " + s.Addr() + " is not valid",
			Do:   "Have it replaced, or " + accept, Err: verify, Permanent: true,
		}
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return &Problem{
			What: s.Addr() + " and this program agree on no way to encrypt",
			Do:   "Have the server updated: it needs TLS 1.2", Err: err, Permanent: true,
		}
	}
	return nil
}

func (s Server) noStartTLS(err error) *Problem {
	return &Problem{
		What: s.Addr() + " does not offer STARTTLS, so the password would cross the network in the clear",
		Do:   fmt.Sprintf("Use %ss://, or add ?starttls=never to the URL if the network is yours", strings.TrimSuffix(s.scheme, "s")),
		Err:  err, Permanent: true,
	}
}

func (s Server) noPlainSignIn(err error) *Problem {
	return &Problem{
		What: s.Addr() + " allows no sign-in without encryption",
		Do:   fmt.Sprintf("Use %ss://, or add ?starttls=require to the URL", strings.TrimSuffix(s.scheme, "s")),
		Err:  err, Permanent: true,
	}
}

// notLetIn is a refusal to let us in, by password or by token.
func (s Server) notLetIn(err error) *Problem {
	if s.token != nil {
		return s.tokenRefused(err)
	}
	return &Problem{
		What: fmt.Sprintf("%s does not accept user name and password of %s", s.Host, s.User),
		Do:   "Check both; some providers want a password made for one app, or IMAP to be switched on; Google and Microsoft 365 want OAuth (gateway mailbox edit --oauth)",
		Err:  err, Permanent: true, SignIn: true,
	}
}

func (s Server) unavailable(err error) *Problem {
	return &Problem{
		What: s.Addr() + " is not available at the moment, or has had too many connections",
		Do:   "Wait; it is tried again, less often", Err: err,
	}
}

// imapReply reads a server's NO, BAD or BYE. The codes are those of RFC 5530.
func (s Server) imapReply(at stage, e *imap.Error) *Problem {
	switch e.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeLimit, imap.ResponseCodeInUse, imap.ResponseCodeServerBug:
		return s.unavailable(e)
	case imap.ResponseCodePrivacyRequired:
		return s.noPlainSignIn(e)
	case imap.ResponseCodeAuthenticationFailed, imap.ResponseCodeAuthorizationFailed, imap.ResponseCodeExpired:
		return s.notLetIn(e)
	}
	if at == encrypting && e.Type != imap.StatusResponseTypeBye {
		return s.noStartTLS(e)
	}
	if e.Type == imap.StatusResponseTypeBye || soundsTemporary(e.Text) {
		return s.unavailable(e)
	}
	if at == signingIn {
		return s.notLetIn(e)
	}
	return &Problem{What: s.Addr() + " refused a command", Do: "See what it said", Err: e}
}

// smtpReply reads a server's reply of 4xx or 5xx while signing in (RFC 4954 section 6, RFC 5321 section 4.2).
func (s Server) smtpReply(at stage, e *textproto.Error) *Problem {
	switch {
	case strings.Contains(e.Msg, "5.7.139") || strings.Contains(e.Msg, "SmtpClientAuthentication is disabled"):
		return &Problem{
			What: s.Host + " does not let anybody sign in to send for " + s.User,
			Do:   "Switch on authenticated SMTP for the mailbox in the Microsoft 365 admin center (Users, Mail, Manage email apps)", Err: e, Permanent: true, SignIn: true,
		}
	case e.Code == 530 || e.Code == 538 || e.Code == 523:
		return s.noPlainSignIn(e)
	case e.Code/100 == 4:
		return s.unavailable(e)
	case at == signingIn:
		return s.notLetIn(e)
	case at == encrypting:
		return s.noStartTLS(e)
	}
	return &Problem{What: s.Addr() + " does not want to talk to us", Do: "See what it said; this machine's address may be blocked", Err: e}
}

// soundsTemporary helps with servers that send no code.
func soundsTemporary(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"too many", "throttl", "temporar", "unavailable", "try again", "try later", "rate limit", "busy", "bandwidth limits"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
