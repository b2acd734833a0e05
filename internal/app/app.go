// Package app wires Postern together: it reads the configuration, opens what the process needs and runs its services,
// and it holds the commands.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"postern/accounts"
	"postern/blob"
	"postern/config"
	"postern/desk"
	"postern/ingest"
	"postern/mailconn"
	"postern/mailmsg"
	"postern/oauth"
	"postern/store"
	"postern/tickets"
)

// Env is the world around a command.
type Env struct {
	Environ []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// LookupTXT asks DNS. Nil: the machine's resolver.
	LookupTXT mailmsg.LookupTXT
	// Resolver finds mail servers. Nil: the machine's.
	Resolver mailconn.Resolver
}

// OS is the real world.
func OS() Env {
	return Env{Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// parts is what commands and services work with.
type parts struct {
	cfg      config.Config
	log      *slog.Logger
	db       *store.DB
	blobs    blob.Store
	keys     *mailmsg.Keyring
	desk     *tickets.Desk
	accounts *accounts.Accounts
	ingest   *ingest.Ingest
	tokens   *oauth.Tokens
}

// open opens everything that lies in databases and folders. It connects to no mail server.
func open(ctx context.Context, cfg config.Config, log *slog.Logger) (*parts, error) {
	key, made, err := config.LoadKey(cfg)
	if err != nil {
		return nil, err
	}
	if made && cfg.DatabaseURL != "" {
		log.WarnContext(ctx, "an installation key was made; every other machine with this database needs the same one as its secret_key",
			slog.String("file", filepath.Join(cfg.Data, "secret.key")))
	}
	p := &parts{cfg: cfg, log: log}
	if p.keys, err = keyring(key); err != nil {
		return nil, err
	}
	if p.blobs, err = blob.New(ctx, cfg.BlobURL, filepath.Join(cfg.Data, "blobs")); err != nil {
		return nil, err
	}
	p.db, err = store.Open(ctx, store.Options{URL: cfg.DatabaseURL, Path: databaseFile(cfg), Key: key.Derive("secrets")})
	if err != nil {
		return nil, err
	}
	p.tokens = oauth.New(oauth.Options{DB: p.db, Log: log})
	p.desk = tickets.New(p.db, p.keys)
	p.desk.PortalAt(cfg.BaseURL)
	if p.accounts, err = accounts.New(p.db, p.desk); err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	p.desk.HashBy(p.accounts.Hash)
	if p.ingest, err = ingest.New(ingest.Options{DB: p.db, Desk: p.desk, Blobs: p.blobs, Log: log}); err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	return p, nil
}

// databaseFile is where the SQLite database lies.
func databaseFile(cfg config.Config) string { return filepath.Join(cfg.Data, "postern.db") }

func (p *parts) close() error { return p.db.Close() }

// keyring makes the keys that sign tokens from the installation key. Key 1 is the first; another secret would come with
// another number, so that what was signed before stays valid.
func keyring(key config.Key) (*mailmsg.Keyring, error) {
	sign := key.Derive("tokens")
	return mailmsg.NewKeyring(map[byte][]byte{1: sign[:]}, 1)
}

// logger makes the one logger of the process.
func logger(cfg config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		level = slog.LevelInfo // config has checked it
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// explain is an error as a person at a terminal should read it.
func explain(err error) string {
	if e, ok := errors.AsType[*desk.Error](err); ok && e.Kind != desk.Internal && e.Text != "" {
		if e.Field != "" && !strings.Contains(e.Text, e.Field) {
			return e.Field + ": " + e.Text
		}
		return e.Text
	}
	return err.Error()
}

func fail(w io.Writer, err error) int {
	for line := range strings.SplitSeq(explain(err), "\n") {
		fmt.Fprintln(w, "error:", line)
	}
	return 1
}
