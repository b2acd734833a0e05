package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

func (db *DB) openPostgres(ctx context.Context, dsn string, rest time.Duration) error {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("database_url: %w", err)
	}
	config.MaxConns, config.MaxConnIdleTime = 16, 5*time.Minute
	// Not as a parameter of the connection: poolers refuse those they don't know.
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf(`SET idle_in_transaction_session_timeout = %d`, rest.Milliseconds()))
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("database_url: %w", err)
	}
	db.postgres, db.pool, db.reads = pool, stdlib.OpenDBFromPool(pool), readsOf(pgPool{pool}, postgresDialect())
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // look every second, for five minutes
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if err := migrate(ctx, db.pool, db.d, goose.WithSessionLocker(locker)); err != nil {
		return errors.Join(fmt.Errorf("open the PostgreSQL database: %w", err), db.Close())
	}
	if err := db.setClock(ctx); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// pgPool runs each statement on a connection of its own choice, and commits it.
type pgPool struct{ *pgxpool.Pool }

func (p pgPool) execute(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := p.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (p pgPool) query(ctx context.Context, query string, args ...any) (rows, error) {
	found, err := p.Query(ctx, query, args...)
	return pgRows{Rows: found}, err
}

// pgRows are the rows of a query, which may be the last statement of several that went together.
type pgRows struct {
	pgx.Rows
	of   *session         // nil: the query went alone
	sent pgx.BatchResults // what it went with
}

// Close lets go of the rows and tells what went wrong with them.
func (r pgRows) Close() error {
	r.Rows.Close()
	err := r.Err()
	if r.of != nil {
		err = cmp.Or(err, r.sent.Close())
		r.of.failed = err
	}
	return err
}

// session is a transaction on PostgreSQL. Most of what a statement costs there is the way to the server and back, so
// those whose results can wait go together with the next one whose result is needed, or with the commit. So do the
// statements that begin and end the transaction.
type session struct {
	conn   *pgxpool.Conn
	batch  *pgx.Batch                 // what waits to be sent; its first statement ever is BEGIN
	checks map[*pgx.QueuedQuery]check // what is to be made of the results that can wait
	bytes  int                        // about how much waits
	failed error                      // the first thing that went wrong: nothing more is done
}

// mostWaiting is at how many bytes of statements what waits is sent, so that what lies in memory is bounded.
const mostWaiting = 256 << 10

func newSession(conn *pgxpool.Conn) *session {
	s := &session{conn: conn, batch: &pgx.Batch{}, checks: map[*pgx.QueuedQuery]check{}}
	s.batch.Queue("BEGIN")
	return s
}

func (s *session) later(ctx context.Context, c check, query string, args ...any) error {
	if s.failed != nil {
		return s.failed
	}
	queued := s.batch.Queue(query, args...)
	if c != nil {
		s.checks[queued] = c
	}
	for _, a := range args {
		switch v := a.(type) {
		case string:
			s.bytes += len(v)
		case []byte:
			s.bytes += len(v)
		}
	}
	if s.bytes < mostWaiting {
		return nil
	}
	return s.flush(ctx)
}

// flush sends what waits and looks at the results.
func (s *session) flush(ctx context.Context) error {
	if s.failed != nil || s.batch.Len() == 0 {
		return s.failed
	}
	sent, err := s.send(ctx, s.batch.Len())
	if err == nil {
		err = sent.Close()
	}
	s.failed = err
	return err
}

// send sends what waits and looks at the first results, as many as ahead says. The caller reads the others and closes
// what it gives, unless it gives an error.
func (s *session) send(ctx context.Context, ahead int) (pgx.BatchResults, error) {
	batch := s.batch
	s.batch, s.bytes = &pgx.Batch{}, 0
	sent := s.conn.SendBatch(ctx, batch)
	for _, queued := range batch.QueuedQueries[:ahead] {
		tag, err := sent.Exec()
		if c := s.checks[queued]; c != nil && err == nil {
			delete(s.checks, queued)
			err = c(tag.RowsAffected())
		}
		if err != nil {
			_ = sent.Close() // no news: err came before
			s.failed = err
			return nil, err
		}
	}
	return sent, nil
}

func (s *session) execute(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.later(ctx, func(affected int64) error { n = affected; return nil }, query, args...)
	return n, cmp.Or(err, s.flush(ctx))
}

func (s *session) query(ctx context.Context, query string, args ...any) (rows, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	ahead := s.batch.Len()
	s.batch.Queue(query, args...)
	sent, err := s.send(ctx, ahead)
	if err != nil {
		return nil, err
	}
	found, err := sent.Query()
	if err != nil {
		_ = sent.Close() // says the same
		s.failed = err
		return nil, err
	}
	return pgRows{Rows: found, of: s, sent: sent}, nil
}

// commit makes what was written durable, or tells why it is not. Once begun it can't be cancelled: nobody would know whether
// it was done.
func (s *session) commit(ctx context.Context) error {
	status := s.conn.Conn().PgConn().TxStatus()
	switch {
	case s.failed != nil:
		return s.failed
	case status == idle && s.batch.Len() == 1:
		return nil // not even begun
	case status == broken:
		return errors.New("a statement of the transaction has failed")
	}
	if len(s.checks) > 0 { // what they say comes before the commit
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitWithin)
	defer cancel()
	s.batch.Queue("COMMIT")
	sent, err := s.send(ctx, s.batch.Len())
	if err == nil {
		_ = sent.Close() // it is durable, whatever becomes of the connection
	}
	return err
}

// commitWithin is how long a server may take to commit, with the statements that go with it, before it counts as away.
const commitWithin = time.Minute

// States of a connection (PostgreSQL, "Message Formats", ReadyForQuery): in no transaction, and in one that can only be
// rolled back.
const (
	idle   = 'I'
	broken = 'E'
)

// rollback ends the transaction. Where that fails the connection is thrown away, and the server does the same.
func (s *session) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if c := s.conn.Conn(); !c.IsClosed() && !c.PgConn().IsBusy() && c.PgConn().TxStatus() != idle {
		_, _ = c.Exec(ctx, "ROLLBACK") // see above
	}
}

// updatePostgres is Update there. A transaction that lost a race with another one runs again.
func (db *DB) updatePostgres(ctx context.Context, tx *Tx, fn func(tx *Tx) error) error {
	for try := 0; ; try++ {
		err := db.postgres.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
			s := newSession(conn)
			err := tx.run(ctx, s, fn)
			if err == nil {
				err = s.commit(ctx)
			}
			if err != nil {
				s.rollback(ctx)
			}
			return err
		})
		if err == nil || try == mostTries || !db.d.isRetry(err) {
			return err
		}
		select {
		case <-time.After(rand.N(10 * time.Millisecond << try)): //nolint:gosec // jitter: not in step with the one it raced
		case <-ctx.Done():
			return err
		}
	}
}

// mostTries is how often a transaction is repeated that lost a race with another one.
const mostTries = 6
