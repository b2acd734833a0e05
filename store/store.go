// Package store keeps desk values and outbox rows in SQL: SQLite in a file or PostgreSQL, with the same statements.
// It is the only truth there is; queue and mail servers can lose everything and be brought up to date from here.
package store

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	cryptorand "crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"postern/desk"
)

// Options say which database to open.
type Options struct {
	URL  string           // postgres://…; empty: SQLite
	Path string           // the SQLite file
	Key  [32]byte         // encrypts the secrets in the database
	Now  func() time.Time // nil: this machine's clock, or PostgreSQL's, which all machines share
	// Rest is how long a transaction on PostgreSQL may do nothing before the server ends it; zero: 15 s. A machine that is
	// suspended or cut off in the midst of one must not hold up the others with its locks.
	Rest time.Duration
	// Trace is told of each statement that is not part of a transaction before it runs, from many goroutines; nil: nobody is. It is for measuring.
	Trace func(query string, args []any)
}

// DB is an open database. Its methods may be called from many goroutines.
type DB struct {
	reads
	pool     *sql.DB       // reads; on PostgreSQL for the migrations and Ping
	postgres *pgxpool.Pool // PostgreSQL only
	writer   *writer       // SQLite only
	aead     cipher.AEAD
	clock    wallClock
	finisher finisher

	// outboxed gets a value when a commit has added outbox rows.
	outboxed chan struct{}

	closing sync.Once
	closed  error // what closing it said

	mu  sync.Mutex // guards org
	org *Organisation
}

// Open opens the database, brings its schema up to date and checks that it can be written to. It refuses a database
// whose schema is newer than this program's.
func Open(ctx context.Context, o Options) (*DB, error) {
	block, err := aes.NewCipher(o.Key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	db := &DB{aead: aead, outboxed: make(chan struct{}, 1)}
	db.clock.local, db.clock.shared = o.Now, o.Now == nil && o.URL != ""
	if o.Now == nil {
		db.clock.local = time.Now
	}
	if o.URL != "" {
		err = db.openPostgres(ctx, o.URL, cmp.Or(o.Rest, 15*time.Second))
	} else {
		err = db.openSQLite(ctx, o.Path)
	}
	if err != nil {
		return nil, err
	}
	if o.Trace != nil {
		db.reads = readsOf(traced{db.x.queryer, o.Trace}, db.d)
	}
	if err := db.checkKey(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// checkKey refuses a key that is not the one the database was made with, before anything is stored with the wrong one.
func (db *DB) checkKey(ctx context.Context) error {
	const proof = "postern"
	return db.Update(ctx, func(tx *Tx) error {
		found, err := collect(ctx, tx.x, scanString, `SELECT value FROM settings WHERE key = 'key-check'`)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return tx.exec(ctx, `INSERT INTO settings (key, value) VALUES ('key-check', $1) ON CONFLICT DO NOTHING`, hex.EncodeToString(db.seal([]byte(proof))))
		}
		sealed, err := hex.DecodeString(found[0])
		if err != nil {
			return err
		}
		if _, err := db.unseal(sealed); err != nil {
			return errors.New("secret_key is not the key this database was made with; set the right one. If none was ever set, it lies in the file secret.key in the data folder of the program that first opened the database")
		}
		return nil
	})
}

func migrate(ctx context.Context, pool *sql.DB, d dialect, opts ...goose.ProviderOption) error {
	p, err := goose.NewProvider(d.goose, pool, d.migrations(), append(opts, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return fmt.Errorf("the database has schema %d, this program knows only %d: use a newer program", have, newest)
	}
	return nil
}

// Close lets go of the database. Nothing may be under way. Closing it again does nothing.
func (db *DB) Close() error {
	db.closing.Do(func() {
		if db.writer != nil {
			db.closed = db.writer.close()
		}
		db.closed = errors.Join(db.closed, db.pool.Close())
		if db.postgres != nil {
			db.postgres.Close()
		}
	})
	return db.closed
}

// Single tells whether this process is the only one that may write for long: a SQLite file has one gateway.
func (db *DB) Single() bool { return db.writer != nil }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return db.x.explain(ctx, db.pool.PingContext(ctx))
}

// Outboxed gets a value when this process has committed outbox rows.
func (db *DB) Outboxed() <-chan struct{} { return db.outboxed }

// Update runs fn in one transaction: all that it wrote is durable when Update returns nil, and none of it otherwise.
// fn may run more than once and must do nothing but use tx; concurrent calls may share a commit. A panic in fn is an error
// of this update and hurts no other.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	tx := &Tx{db: db}
	var err error
	if db.writer != nil {
		err = db.writer.update(ctx, func(x queryer) error { return tx.run(ctx, x, fn) })
	} else {
		err = db.updatePostgres(ctx, tx, fn)
	}
	if err != nil {
		return db.x.explain(ctx, err)
	}
	db.committed(tx)
	return nil
}

// single is Update for one statement: PostgreSQL commits it by itself, which saves two journeys to the server.
func (db *DB) single(ctx context.Context, fn func(tx *Tx) error) error {
	if db.writer != nil {
		return db.Update(ctx, fn)
	}
	tx := &Tx{db: db}
	if err := tx.run(ctx, db.x.queryer, fn); err != nil {
		return db.x.explain(ctx, err)
	}
	db.committed(tx)
	return nil
}

// committed tells who waits for what a transaction has done.
func (db *DB) committed(tx *Tx) {
	if tx.outboxed {
		select {
		case db.outboxed <- struct{}{}:
		default: // somebody has been told already
		}
	}
	if tx.reconfigured {
		db.mu.Lock()
		db.org = nil
		db.mu.Unlock()
	}
}

// Tx is a transaction. It is valid inside the function that Update gave it to, in that goroutine alone.
type Tx struct {
	reads
	db           *DB
	outboxed     bool
	reconfigured bool
	// noOrphans is a mailbox that is known to have no orphans. Only its one reader makes any.
	noOrphans desk.ID
	number    int64 // the last ticket number that was taken, where the transaction itself counts them; else 0
}

// run calls fn on a transaction that has just begun. What an earlier run left in tx is forgotten.
func (tx *Tx) run(ctx context.Context, x queryer, fn func(*Tx) error) (err error) {
	*tx = Tx{db: tx.db, reads: readsOf(x, tx.db.d)}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.keepNumber(ctx)
}

// Now gives the time to stamp rows with.
func (tx *Tx) Now() time.Time { return tx.db.Now() }

// exec runs a statement. Its error may come with that of a later one, or of the commit.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	return tx.x.later(ctx, nil, query, args...)
}

// changed runs a statement, waits for its result and tells how many rows it touched.
func (tx *Tx) changed(ctx context.Context, query string, args ...any) (int64, error) {
	return tx.x.ExecContext(ctx, query, args...)
}

// unlessTaken runs a statement and waits for its result; taken tells that it failed over a unique index.
func (tx *Tx) unlessTaken(ctx context.Context, query string, args ...any) (n int64, taken bool, err error) {
	if err := tx.x.flush(ctx); err != nil { // that of an earlier statement is no answer to this one
		return 0, false, err
	}
	n, err = tx.changed(ctx, query, args...)
	return n, err != nil && tx.d.isUnique(err), err
}

// reads are the queries; a DB asks its pool, a Tx its transaction.
type reads struct {
	x statements
	d dialect
}

func readsOf(x queryer, d dialect) reads { return reads{x: statements{x, d}, d: d} }

// NewID makes an id that sorts after those made before it.
func NewID() desk.ID { return desk.ID(uuid.Must(uuid.NewV7()).String()) }

// collect runs a query and scans each row.
func collect[T any](ctx context.Context, x statements, scan func(row scanner) (T, error), query string, args ...any) ([]T, error) {
	found, err := x.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var out []T
	for found.Next() {
		v, err := scan(found)
		if err != nil {
			return nil, x.explain(ctx, cmp.Or(err, found.Close()))
		}
		out = append(out, v)
	}
	return out, x.explain(ctx, cmp.Or(found.Err(), found.Close()))
}

type scanner interface{ Scan(dest ...any) error }

// one turns "no rows" into desk.NotFound.
func one[T any](what string, v T, err error) (T, error) {
	if errors.Is(err, sql.ErrNoRows) {
		var zero T
		return zero, desk.Missing(what)
	}
	return v, err
}

// placeholders gives "$from, $from+1, …" for n values.
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

func anys[T any](vs []T) []any {
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = v
	}
	return out
}

// seal encrypts a secret for the database; unseal opens it again.
func (db *DB) seal(plain []byte) []byte {
	nonce := make([]byte, db.aead.NonceSize())
	_, _ = cryptorand.Read(nonce) // crypto/rand.Read never fails since Go 1.24
	return db.aead.Seal(nonce, nonce, plain, nil)
}

func (db *DB) unseal(sealed []byte) ([]byte, error) {
	n := db.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("a stored secret is cut short")
	}
	plain, err := db.aead.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return nil, errors.New("a stored secret can't be opened: was secret_key changed?")
	}
	return plain, nil
}
