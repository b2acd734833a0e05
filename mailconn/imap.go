package mailconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// DialIMAP connects and signs in, by an access token if the configuration has a source of them. Events tells of what the server says unasked, and may be nil. The client must be closed
// by the caller; commands on it have no time limit of their own, so each belongs inside Do. Failures are *Problem, or
// ctx's own error if the caller ended it.
func DialIMAP(ctx context.Context, c IMAPConfig, events *imapclient.UnilateralDataHandler) (*imapclient.Client, error) {
	return withToken(ctx, c.Server, func(s Server) (*imapclient.Client, error) { return IMAPConfig{s}.open(ctx, events) })
}

func (c IMAPConfig) open(ctx context.Context, events *imapclient.UnilateralDataHandler) (*imapclient.Client, error) {
	leave, err := c.Doors.enter(ctx, c.Addr()) // waiting is no fault of the server's: its time begins behind the door
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	security := c.Security
	if security == TryStartTLS {
		offered, err := c.offersStartTLS(ctx)
		if err != nil {
			return nil, err
		}
		security = Plaintext
		if offered {
			security = StartTLS
		}
	}
	client, err := c.connect(ctx, security, events)
	if err != nil {
		return nil, err
	}
	at := greeting
	err = Do(ctx, client, func() error {
		if err := client.WaitGreeting(); err != nil {
			return err
		}
		at = signingIn
		return c.signIn(client)
	})
	if err != nil {
		_ = client.Close() // the reason is known already
		return nil, c.explain(ctx, at, err)
	}
	return client, nil
}

// Do runs commands on a client until ctx ends: then it closes the client, which is the only way to interrupt a command,
// and answers ctx's error. After any error that is not the server's own (an *imap.Error) the client is of no further use.
func Do(ctx context.Context, client *imapclient.Client, commands func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = client.Close() }) // whatever it says, the connection is gone
	err := commands()
	if !stop() && err != nil {
		return ctx.Err() // what a command says when its connection is closed under it tells nothing
	}
	return err
}

func (c IMAPConfig) connect(ctx context.Context, security Security, events *imapclient.UnilateralDataHandler) (*imapclient.Client, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, c.explain(ctx, dialing, err)
	}
	options := &imapclient.Options{UnilateralDataHandler: events, TLSConfig: c.tlsConfig()}
	switch security {
	case TLS:
		options.TLSConfig.NextProtos = []string{"imap"}
		secure := tls.Client(conn, options.TLSConfig)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // nothing was said on it
			return nil, c.explain(ctx, encrypting, err)
		}
		return imapclient.New(secure, options), nil
	case StartTLS:
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		client, err := imapclient.NewStartTLS(conn, options)
		if err != nil {
			return nil, c.explain(ctx, startTLSStage(err), err)
		}
		return client, nil
	case TryStartTLS, Plaintext:
	}
	return imapclient.New(conn, options), nil
}

// startTLSStage tells a server that is none from one that does not encrypt. go-imap joins greeting and STARTTLS.
func startTLSStage(err error) stage {
	_, reply := errors.AsType[*imap.Error](err)
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	if reply || verify || record {
		return encrypting
	}
	return greeting
}

// offersStartTLS asks on a connection of its own, as go-imap can't encrypt one it has begun to use.
func (c IMAPConfig) offersStartTLS(ctx context.Context) (bool, error) {
	client, err := c.connect(ctx, Plaintext, nil)
	if err != nil {
		return false, err
	}
	defer client.Close()
	var caps imap.CapSet
	err = Do(ctx, client, func() error {
		if err := client.WaitGreeting(); err != nil {
			return err
		}
		caps = client.Caps()
		return nil
	})
	return caps.Has(imap.CapStartTLS), c.explain(ctx, greeting, err)
}

// signIn takes the token if there is one; else it prefers AUTHENTICATE PLAIN (RFC 4616), which takes any character, to LOGIN.
func (c IMAPConfig) signIn(client *imapclient.Client) error {
	if client.State() == imap.ConnStateAuthenticated { // PREAUTH, RFC 9051 section 7.1.4
		return nil
	}
	caps := client.Caps()
	if caps == nil {
		return errors.New("the server does not tell its capabilities")
	}
	switch {
	case c.token != nil:
		mechanism, err := c.tokenMechanism(func(name string) bool { return caps.Has(imap.Cap("AUTH=" + name)) })
		if err != nil {
			return err
		}
		return client.Authenticate(&tokenClient{server: c.Server, mechanism: mechanism})
	case caps.Has("AUTH=PLAIN"):
		return client.Authenticate(sasl.NewPlainClient("", c.User, c.Password()))
	case caps.Has(imap.CapLoginDisabled):
		return c.noPlainSignIn(nil)
	}
	return client.Login(c.User, c.Password()).Wait()
}

// dial opens a TCP connection that notices within a minute or so that the other side has gone.
func (s Server) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         min(10*time.Second, s.timeout()),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
	}
	return d.DialContext(ctx, "tcp", s.Addr())
}
