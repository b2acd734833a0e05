// Package mailconn reaches mail servers: it reads their URLs, dials, encrypts, signs in and says in plain words what is
// wrong when that fails. It knows IMAP (RFC 9051, and RFC 3501 servers) and SMTP submission (RFC 6409).
package mailconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Security says how a connection is encrypted.
type Security string

// The ways. StartTLS ends in an error where the server does not offer it: a connection is never downgraded in silence.
// TryStartTLS and Plaintext exist for people who asked for them.
const (
	TLS         Security = "tls"      // from the first byte (RFC 8314 section 3)
	StartTLS    Security = "starttls" // STARTTLS or nothing
	TryStartTLS Security = "try"      // STARTTLS where it is offered
	Plaintext   Security = "never"
)

// Server is where a mail server is and how to sign in. Printing it, in whatever way, does not show the password.
type Server struct {
	Host     string // a name in ASCII, or an IP address
	Port     int
	User     string // empty: don't sign in
	Security Security
	// Insecure turns off the check of the server's certificate.
	Insecure bool
	// RootCAs are trusted instead of the system's, if set.
	RootCAs *x509.CertPool
	// Timeout bounds dialing and signing in as a whole; zero: a minute.
	Timeout time.Duration
	// Doors spread sign-ins to IMAP, if set.
	Doors *Doors

	scheme   string
	password *string // a pointer, so that even fmt's look at unexported fields shows an address only
	tokens   TokenSource
	token    *string // the access token of one attempt, a pointer for the same reason
}

// IMAPConfig tells how to reach a mailbox.
type IMAPConfig struct{ Server }

// SMTPConfig tells how to reach a submission server.
type SMTPConfig struct{ Server }

// ParseIMAP reads imap://user:password@host:port or imaps://…. The port defaults to 143 or 993. Options are
// ?starttls=require|try|never for imap:// and ?insecure=1. Without an option, imap:// requires STARTTLS, except on this
// machine's own loopback, where it is plain. An "@" in the user name may be written as it is or as %40. The error never
// quotes the URL, as it may hold a password.
func ParseIMAP(rawURL string) (IMAPConfig, error) {
	s, err := parse(rawURL, "imap", 143, 993)
	if err == nil && s.User == "" {
		err = errors.New("the IMAP URL has no user name: write imaps://user:password@host")
	}
	if err != nil {
		return IMAPConfig{}, err
	}
	return IMAPConfig{s}, nil
}

// ParseSMTP reads smtp://user:password@host:port or smtps://…, as ParseIMAP does. The port defaults to 587 (RFC 6409) or
// 465 (RFC 8314). Without a user name, nobody signs in.
func ParseSMTP(rawURL string) (SMTPConfig, error) {
	s, err := parse(rawURL, "smtp", 587, 465)
	if err != nil {
		return SMTPConfig{}, err
	}
	return SMTPConfig{s}, nil
}

// WithPassword gives the same server with another password.
func (c IMAPConfig) WithPassword(p string) IMAPConfig { c.password = &p; return c }

// WithPassword gives the same server with another password.
func (c SMTPConfig) WithPassword(p string) SMTPConfig { c.password = &p; return c }

func parse(rawURL, scheme string, port, tlsPort int) (Server, error) {
	want := fmt.Sprintf("write %ss://user:password@host:port, with %%40 for @, %%2F for / and %%25 for %% in user and password", scheme)
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil { // it quotes the URL
		return Server{}, fmt.Errorf("the %s URL can't be read: %s", strings.ToUpper(scheme), want)
	}
	s := Server{scheme: u.Scheme}
	switch u.Scheme {
	case scheme:
		s.Port = port
	case scheme + "s":
		s.Port, s.Security = tlsPort, TLS
	default:
		return Server{}, fmt.Errorf("the URL starts with neither %s:// nor %ss://: %s", scheme, scheme, want)
	}
	if u.Opaque != "" || u.Hostname() == "" {
		return Server{}, fmt.Errorf("the %s URL names no host: %s", strings.ToUpper(scheme), want)
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return Server{}, fmt.Errorf("the %s URL has something after the host: %s", strings.ToUpper(scheme), want)
	}
	if s.Host, err = hostname(u.Hostname()); err != nil {
		return Server{}, err
	}
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil || s.Port < 1 || s.Port > 65535 {
			return Server{}, fmt.Errorf("%q is no port", p)
		}
	}
	if u.User != nil {
		s.User = u.User.Username()
		if p, ok := u.User.Password(); ok {
			s.password = &p
		}
	}
	if strings.ContainsAny(s.User, "\r\n\x00") || strings.ContainsAny(s.Password(), "\r\n\x00") {
		return Server{}, errors.New("a line break or NUL can't be part of a user name or password")
	}
	return s, s.options(u.RawQuery)
}

// hostname gives the form of a name that DNS and certificates use.
func hostname(name string) (string, error) {
	if net.ParseIP(strings.SplitN(name, "%", 2)[0]) != nil {
		return name, nil
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil || ascii == "" {
		return "", fmt.Errorf("%q is no host name", name)
	}
	return ascii, nil
}

func (s *Server) options(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the options after ? can't be read: there are starttls and insecure")
	}
	for key, v := range values {
		value := v[len(v)-1]
		switch key {
		case "starttls":
			if s.Security == TLS {
				return fmt.Errorf("%s:// is encrypted from the start: leave starttls out, or write %s://", s.scheme, strings.TrimSuffix(s.scheme, "s"))
			}
			switch value {
			case "require":
				s.Security = StartTLS
			case "try":
				s.Security = TryStartTLS
			case "never":
				s.Security = Plaintext
			default:
				return fmt.Errorf("starttls=%q is unknown: it can be require, try or never", value)
			}
		case "insecure":
			if s.Insecure, err = strconv.ParseBool(value); err != nil {
				return fmt.Errorf("insecure=%q is unknown: it can be 1 or 0", value)
			}
		default:
			return fmt.Errorf("there is no option %q: there are starttls and insecure", key)
		}
	}
	if s.Security == "" {
		s.Security = StartTLS
		if s.loopback() {
			s.Security = Plaintext
		}
	}
	return nil
}

func (s Server) loopback() bool {
	ip := net.ParseIP(s.Host)
	return s.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// Password gives the password, or "".
func (s Server) Password() string {
	if s.password == nil {
		return ""
	}
	return *s.password
}

// Addr gives host and port as dialers want them.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// URL gives the URL without the password. ParseIMAP or ParseSMTP and WithPassword make the same server of it, but for
// RootCAs and Timeout.
func (s Server) URL() string {
	u := url.URL{Scheme: s.scheme, Host: s.Addr()}
	if s.User != "" {
		u.User = url.User(s.User)
	}
	options := url.Values{}
	switch s.Security {
	case StartTLS:
		options.Set("starttls", "require")
	case TryStartTLS, Plaintext:
		options.Set("starttls", string(s.Security))
	case TLS:
	}
	if s.Insecure {
		options.Set("insecure", "1")
	}
	u.RawQuery = options.Encode()
	return u.String()
}

// String gives URL.
func (s Server) String() string { return s.URL() }

// GoString gives URL, so that %#v does not show more.
func (s Server) GoString() string { return s.URL() }

// LogValue gives URL.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.URL()) }

func (s Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return time.Minute
}

func (s Server) tlsConfig() *tls.Config {
	return &tls.Config{
		ServerName: s.Host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: s.Insecure, //nolint:gosec // the operator asked for it, server by server
	}
}
