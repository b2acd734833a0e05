package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

func (db *DB) openSQLite(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// SQLite gives its other files the rights of this one: nobody else on the machine may read mail.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16000)"}}
	write, err := sql.Open("sqlite", "file:"+path+"?"+pragmas.Encode())
	if err != nil {
		return err
	}
	write.SetMaxOpenConns(1)
	for range migrateTries {
		if err = migrate(ctx, write, sqliteDialect()); err == nil {
			break
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close())
	}
	pragmas.Add("_pragma", "query_only(1)")
	read, err := sql.Open("sqlite", "file:"+path+"?"+pragmas.Encode())
	if err != nil {
		return errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	db.pool = read
	db.reads = readsOf(&preparedPool{db: read}, sqliteDialect())
	db.writer, err = newWriter(ctx, write)
	if err != nil {
		return errors.Join(err, read.Close(), write.Close())
	}
	return nil
}

// migrateTries is how often a SQLite file is brought up to date: another program may be doing the same, and whoever comes
// second finds that a step is done already.
const migrateTries = 3

var errClosed = errors.New("the database is closed")

// writer is SQLite's one writing connection. Updates that wait at the same time share a commit, and so an fsync: each
// runs in its own savepoint, one after the other.
type writer struct {
	pool  *sql.DB
	conn  *preparedConn
	queue chan *update
	stop  chan struct{}
	done  chan struct{}
}

type update struct {
	ctx    context.Context
	fn     func(queryer) error // does not panic
	result chan error
	err    error
}

// shareCommit is how many updates share a commit at the most: so many that the fsync is paid for, so few that nobody waits long.
const shareCommit = 128

func newWriter(ctx context.Context, pool *sql.DB) (*writer, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		pool: pool, conn: &preparedConn{conn: c, stmts: map[string]*sql.Stmt{}},
		queue: make(chan *update), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w, nil
}

func (w *writer) update(ctx context.Context, fn func(queryer) error) error {
	u := &update{ctx: ctx, fn: fn, result: make(chan error, 1)}
	select {
	case w.queue <- u:
		return <-u.result
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return errClosed
	}
}

func (w *writer) close() error {
	close(w.stop)
	<-w.done
	return errors.Join(w.conn.close(), w.pool.Close())
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case u := <-w.queue:
			w.commit(u)
		case <-w.stop:
			return
		}
	}
}

// commit runs u and all who wait behind it in one transaction.
func (w *writer) commit(u *update) {
	ctx := context.Background() // a cancelled statement would roll back what others wrote
	batch := []*update{u}
	err := w.conn.do(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		err = w.savepoint(ctx, u)
		for err == nil && len(batch) < shareCommit {
			var next *update
			select {
			case next = <-w.queue:
			default:
			}
			if next == nil {
				break
			}
			batch = append(batch, next)
			err = w.savepoint(ctx, next)
		}
		if err == nil {
			err = w.conn.do(ctx, "COMMIT")
		}
		if err != nil {
			// SQLite may have rolled back by itself (disk full); then this fails, and that is as good.
			_ = w.conn.do(ctx, "ROLLBACK")
		}
	}
	for _, u := range batch {
		if u.err == nil {
			u.err = err
		}
		u.result <- u.err
	}
}

// savepoint runs one update. Its own failure is u.err; the error returned means that the whole transaction is lost.
func (w *writer) savepoint(ctx context.Context, u *update) error {
	if u.err = u.ctx.Err(); u.err != nil {
		return nil
	}
	if err := w.conn.do(ctx, "SAVEPOINT u"); err != nil {
		return err
	}
	if u.err = u.fn(w.conn); u.err != nil {
		if err := w.conn.do(ctx, "ROLLBACK TO u"); err != nil {
			return errors.Join(u.err, err) // SQLite has rolled everything back by itself, such as when the disk is full
		}
	}
	return w.conn.do(ctx, "RELEASE u")
}

// preparedConn keeps the statements of one connection prepared: preparing costs SQLite more than most statements do.
// Only the writer's goroutine uses it.
type preparedConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *preparedConn) do(ctx context.Context, query string) error {
	_, err := c.execute(ctx, query)
	return err
}

func (c *preparedConn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

func (c *preparedConn) execute(_ context.Context, query string, args ...any) (int64, error) {
	ctx := context.Background() // see writer.commit
	s, err := c.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *preparedConn) query(_ context.Context, query string, args ...any) (rows, error) {
	ctx := context.Background()
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *preparedConn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

// preparedPool does the same for the pool of readers.
type preparedPool struct {
	db    *sql.DB
	stmts sync.Map // query → *sql.Stmt
}

func (p *preparedPool) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := p.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil //nolint:errcheck // only statements are in there
	}
	s, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, loaded := p.stmts.LoadOrStore(query, s); loaded {
		return first.(*sql.Stmt), s.Close() //nolint:errcheck // as above
	}
	return s, nil
}

func (p *preparedPool) execute(context.Context, string, ...any) (int64, error) {
	return 0, errors.New("SQLite is written to by its one writer")
}

func (p *preparedPool) query(ctx context.Context, query string, args ...any) (rows, error) {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}
