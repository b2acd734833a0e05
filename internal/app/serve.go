package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"postern/config"
	"postern/i18n"
	"postern/mailconn"
	"postern/outbound"
	"postern/outbound/mailbox"
	"postern/outbound/smtp"
	"postern/queue"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the gateway (the default)", Args: cobra.NoArgs, RunE: c.serve,
		Example: "  gateway serve\n  gateway serve --listen 0.0.0.0:8080 --base-url https://support.example.com",
	}
}

func (c *cli) serve(cmd *cobra.Command, _ []string) error {
	cfg, err := c.config(cmd)
	if err != nil {
		return err
	}
	log := logger(cfg, c.env.Stderr)
	queue.LogTo(log)
	return Serve(cmd.Context(), cfg, log, nil)
}

func (c *cli) work(cmd *cobra.Command, _ []string) error {
	cfg, err := c.config(cmd)
	if err != nil {
		return err
	}
	if cfg.RedisURL == "" || cfg.DatabaseURL == "" {
		return errors.New("no worker is needed: without a redis_url and a database_url the gateway does all the work itself")
	}
	if !cfg.IsSet("base_url") {
		return errors.New("base_url: a worker needs it, the same as its gateways have: links in mails start with it")
	}
	log := logger(cfg, c.env.Stderr)
	queue.LogTo(log)
	p, err := open(cmd.Context(), cfg, log)
	if err != nil {
		return err
	}
	s, err := p.services(cmd.Context(), "worker")
	if err != nil {
		return errors.Join(err, p.close())
	}
	log.InfoContext(cmd.Context(), "worker runs", slog.String("queue", s.queue.Addr()))
	err = runAll(cmd.Context(), s.queue.Relay, p.tokens.Run, s.drain)
	return errors.Join(err, s.close(), p.close())
}

// service runs until its context ends; when it returns, all that it held is let go.
type service func(ctx context.Context) error

// runAll runs services until the context ends or one of them fails; then it stops the others and waits for them.
func runAll(ctx context.Context, services ...service) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range services {
		g.Go(func() error { return s(ctx) })
	}
	return g.Wait()
}

// services are the running parts, and what they hold.
type services struct {
	*parts
	*instance
	queue  *queue.Queue
	sender *smtp.Sender
	boxes  *mailbox.Client
	worker *outbound.Worker
	health health
	doors  *mailconn.Doors // of the mailboxes' servers
}

// services makes the running parts of a program. Several gateways may share a data folder's files with a PostgreSQL
// database, but a SQLite database has one.
func (p *parts) services(ctx context.Context, program string) (*services, error) {
	place, err := takeInstance(p.cfg.Data, program, !p.db.Single())
	if errors.Is(err, errTaken) {
		if p.db.Single() {
			return nil, fmt.Errorf("a %s runs with the data folder %s already; stop it first, or choose another folder with --data", program, p.cfg.Data)
		}
		place, err = &instance{owner: newName()}, nil
	}
	if err != nil {
		return nil, err
	}
	doors := mailconn.NewDoors(mailconn.DoorOptions{})
	s := &services{parts: p, instance: place, doors: doors, sender: smtp.New(smtp.Options{Tokens: p.tokens}), boxes: mailbox.New(mailbox.Options{Tokens: p.tokens, Doors: doors})}
	if n, err := p.db.ExpireFormer(ctx, s.owner); err != nil {
		return nil, errors.Join(err, place.close())
	} else if n > 0 {
		p.log.WarnContext(ctx, "the former process ended while it was sending; its outbox rows are looked into", slog.Int64("rows", n))
	}
	texts, err := i18n.LoadMails()
	if err != nil {
		return nil, errors.Join(err, place.close())
	}
	s.worker = outbound.New(outbound.Options{
		Texts: texts, DB: p.db, Keys: p.keys, Blobs: p.blobs, Submitter: s.sender, Depositor: s.boxes, Arranger: s.boxes, Owner: s.owner, BaseURL: p.cfg.BaseURL, Log: p.log,
	})
	s.queue, err = queue.New(queue.Options{RedisURL: p.cfg.RedisURL, Outbox: p.db, Owner: s.owner, Alone: p.db.Single(), Log: p.log})
	if err != nil {
		return nil, errors.Join(err, place.close())
	}
	return s, nil
}

func (s *services) close() error {
	s.sender.Close()
	s.boxes.Close()
	return errors.Join(s.queue.Close(), s.instance.close())
}

func (s *services) drain(ctx context.Context) error { return s.queue.Serve(ctx, s.worker.Drain) }

// Serve runs a gateway until ctx ends. ready, if not nil, is called with the address once it takes connections.
func Serve(ctx context.Context, cfg config.Config, log *slog.Logger, ready func(addr string)) (err error) {
	p, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	s, err := p.services(ctx, "gateway")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	handler, err := s.handler(ctx.Done())
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", cfg.Listen, err)
	}
	s.greet(ctx, l.Addr().String())
	defer context.AfterFunc(ctx, func() { log.Info("gateway stops; what is under way is finished first") })()
	if ready != nil {
		ready(l.Addr().String())
	}
	run := []service{s.invite, s.queue.Relay, s.watchMailboxes, p.ingest.ReadForms, p.tokens.Run, s.sweep, func(ctx context.Context) error { return serveHTTP(ctx, l, handler, s.log) }}
	if cfg.RedisURL == "" || cfg.DatabaseURL == "" { // no worker can exist beside this process
		run = append(run, s.drain)
	}
	return runAll(ctx, run...)
}

// invite sends the invitations that had to wait until links lead to the portal.
func (s *services) invite(ctx context.Context) error {
	if err := s.desk.InviteListed(ctx, nil); err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "invitations wait until the gateway starts again or a list is changed", slog.String("error", err.Error()))
	}
	if n, err := s.desk.WaitingForInvitation(ctx); err == nil && n > 0 {
		s.log.WarnContext(ctx, "people on lists wait for their invitation: base_url leads to this machine only", slog.Int("people", n))
	}
	return nil
}

// greet says where the gateway is, and how to begin if nothing is set up.
func (s *services) greet(ctx context.Context, addr string) {
	s.log.InfoContext(ctx, "gateway runs", slog.String("listen", addr), slog.String("portal", s.cfg.BaseURL), slog.String("queue", s.queue.Addr()))
	org, err := s.db.Organisation(ctx)
	if !s.cfg.IsSet("base_url") {
		s.log.WarnContext(ctx, "base_url is not set: links in mails lead to "+s.cfg.BaseURL+", which only this machine reaches")
	}
	if s.cfg.HTTPS() && len(s.cfg.TrustedProxies) == 0 {
		s.log.WarnContext(ctx, "trusted_proxies is not set: all people behind the proxy that does TLS count as one, also where attempts are limited")
	}
	if err == nil && len(org.Mailboxes) == 0 {
		s.log.WarnContext(ctx, "no mailbox is connected yet; begin with: gateway mailbox add support@example.com --imap-password-file FILE (see gateway mailbox add --help)")
	}
}

// serveHTTP answers requests until ctx ends, then lets those under way finish.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		err := server.Shutdown(wait)
		if errors.Is(err, context.DeadlineExceeded) {
			log.WarnContext(ctx, "some requests did not end in time and are broken off")
			err = server.Close()
		}
		done <- err
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

// sweep deletes what has run out, once in a while.
func (s *services) sweep(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.db.Tidy(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "what has run out can't be deleted", slog.String("error", err.Error()))
			}
		}
	}
}
