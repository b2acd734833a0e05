package mailconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/wneessen/go-mail/smtp"
)

// DialSMTP connects, encrypts and signs in, by an access token if the configuration has a source of them. The client must be closed by the caller, who also sets a deadline
// (UpdateDeadline) before each command, as none is left from here. Failures are *Problem, or ctx's own error if the
// caller ended it.
//
// It uses go-mail's SMTP client without its dialer, which leaks the connection when EHLO, STARTTLS or AUTH fails and
// does not tell which of them did.
func DialSMTP(ctx context.Context, c SMTPConfig) (*smtp.Client, error) {
	return withToken(ctx, c.Server, func(s Server) (*smtp.Client, error) { return SMTPConfig{s}.open(ctx) })
}

func (c SMTPConfig) open(ctx context.Context) (*smtp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, c.explain(ctx, dialing, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	client, at, err := c.begin(ctx, conn)
	if !stop() && err == nil { // ctx ended at the last moment and took the connection with it
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close() // the reason is known already
		return nil, c.explain(ctx, at, err)
	}
	return client, nil
}

// begin takes a fresh connection to where mail can be sent, and tells how far it came.
func (c SMTPConfig) begin(ctx context.Context, conn net.Conn) (*smtp.Client, stage, error) {
	hello := helloName(conn)
	if c.Security == TLS {
		secure := tls.Client(conn, c.tlsConfig())
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, encrypting, err
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, c.Host)
	if err != nil {
		return nil, greeting, err
	}
	if err := client.Hello(hello); err != nil {
		return nil, greeting, err
	}
	if c.Security == StartTLS || c.Security == TryStartTLS {
		offered, _ := client.Extension("STARTTLS")
		switch {
		case offered:
			if err := client.StartTLS(c.tlsConfig()); err != nil {
				return nil, encrypting, err
			}
		case c.Security == StartTLS:
			return nil, encrypting, c.noStartTLS(nil)
		}
	}
	if c.User == "" {
		return client, working, nil
	}
	auth, err := c.auth(client)
	if err != nil {
		return nil, signingIn, err
	}
	if err := client.Auth(auth); err != nil {
		return nil, signingIn, err
	}
	return client, working, nil
}

// auth takes the token if there is one; else it picks PLAIN (RFC 4616), or LOGIN.
func (c SMTPConfig) auth(client *smtp.Client) (smtp.Auth, error) {
	offered, mechanisms := client.Extension("AUTH")
	_, encrypted := client.TLSConnectionState()
	if !offered {
		if encrypted, _ := client.Extension("STARTTLS"); encrypted {
			return nil, c.noPlainSignIn(nil)
		}
		return nil, &Problem{
			What: c.Addr() + " offers no way to sign in",
			Do:   "Leave user name and password out of the URL, or use the provider's submission port: " + c.ports(), Permanent: true,
		}
	}
	names := strings.Fields(strings.ToUpper(mechanisms))
	// The rules about plain text were applied when the connection was made; what is not encrypted here was allowed.
	allowed := encrypted || c.Security == Plaintext || c.Security == TryStartTLS
	switch {
	case c.token != nil:
		mechanism, err := c.tokenMechanism(func(name string) bool { return slices.Contains(names, name) })
		if err != nil {
			return nil, err
		}
		return smtpToken{&tokenClient{server: c.Server, mechanism: mechanism}}, nil
	case slices.Contains(names, "PLAIN"):
		return smtp.PlainAuth("", c.User, c.Password(), c.Host, allowed), nil
	case slices.Contains(names, "LOGIN"):
		return smtp.LoginAuth(c.User, c.Password(), c.Host, allowed), nil
	}
	return nil, &Problem{
		What: fmt.Sprintf("%s offers only ways to sign in that this program does not know (%s)", c.Addr(), mechanisms),
		Do:   "Ask the provider for one with a user name and a password", Permanent: true,
	}
}

// helloName is the address literal that a client without a name of its own sends (RFC 5321 section 4.1.4).
func helloName(conn net.Conn) string {
	addr, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	if ip := addr.IP.To4(); ip != nil {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + addr.IP.String() + "]"
}
