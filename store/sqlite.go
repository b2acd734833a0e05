package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

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
	_, err := c.ExecContext(ctx, query)
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

func (c *preparedConn) ExecContext(_ context.Context, query string, args ...any) (sql.Result, error) {
	ctx := context.Background() // see writer.commit
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *preparedConn) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx := context.Background()
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *preparedConn) QueryRowContext(_ context.Context, query string, args ...any) *sql.Row {
	ctx := context.Background()
	s, err := c.stmt(ctx, query)
	if err != nil {
		return c.conn.QueryRowContext(ctx, query, args...) // fails the same way, in the row
	}
	return s.QueryRowContext(ctx, args...)
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

func (p *preparedPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.db.ExecContext(ctx, query, args...)
}

func (p *preparedPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p *preparedPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return p.db.QueryRowContext(ctx, query, args...)
	}
	return s.QueryRowContext(ctx, args...)
}
