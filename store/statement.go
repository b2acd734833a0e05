package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"iter"
	"reflect"
	"strings"

	"postern/desk"
)

// queryer runs statements: on a pool, or in a transaction.
type queryer interface {
	// execute runs a statement that gives no rows, and tells how many it touched.
	execute(ctx context.Context, query string, args ...any) (int64, error)
	query(ctx context.Context, query string, args ...any) (rows, error)
}

// deferrer is a queryer to which it is worth something to know that a result can wait. Statements keep their order.
type deferrer interface {
	later(ctx context.Context, c check, query string, args ...any) error
	flush(ctx context.Context) error
}

// check looks at how many rows a statement touched. An error of its fails the transaction.
type check func(touched int64) error

// rows are what a query gives, as *sql.Rows has them.
type rows interface {
	scanner
	Next() bool
	Err() error
	Close() error
}

// statements is a queryer as the statements of this package use it. It makes every text one that both databases take, and
// gives trouble with the database the kind Unavailable, so that callers can say "try again" and mean it.
type statements struct {
	queryer
	d dialect
}

// ExecContext runs a statement that gives no rows, and tells how many it touched.
func (s statements) ExecContext(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := s.execute(ctx, query, cleaned(args)...)
	return n, s.explain(ctx, err)
}

// later is ExecContext for a statement whose result can wait: its error may come with that of a later one, or of the
// commit. c may be nil.
func (s statements) later(ctx context.Context, c check, query string, args ...any) error {
	if d, ok := s.queryer.(deferrer); ok {
		return s.explain(ctx, d.later(ctx, c, query, cleaned(args)...))
	}
	n, err := s.ExecContext(ctx, query, args...)
	if err == nil && c != nil {
		err = c(n)
	}
	return err
}

// flush waits for the results of what was to be done later.
func (s statements) flush(ctx context.Context) error {
	if d, ok := s.queryer.(deferrer); ok {
		return s.explain(ctx, d.flush(ctx))
	}
	return nil
}

// QueryContext runs a statement that gives rows.
func (s statements) QueryContext(ctx context.Context, query string, args ...any) (rows, error) {
	found, err := s.query(ctx, query, cleaned(args)...)
	return found, s.explain(ctx, err)
}

// QueryRowContext runs a statement that gives at most one row.
func (s statements) QueryRowContext(ctx context.Context, query string, args ...any) scanner {
	found, err := s.QueryContext(ctx, query, args...)
	return row{found, err, s, ctx}
}

// row is the first of the rows that were found.
type row struct {
	found rows
	err   error
	s     statements
	ctx   context.Context //nolint:containedctx // the call's, for its one Scan
}

// Scan gives the row's values, or sql.ErrNoRows.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	var err error
	if r.found.Next() {
		err = r.found.Scan(dest...)
	} else if err = r.found.Err(); err == nil {
		err = sql.ErrNoRows
	}
	return r.s.explain(r.ctx, cmp.Or(err, r.found.Close()))
}

// explain gives trouble with the database its kind. The caller's own impatience is no trouble of the database's.
func (s statements) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, told := errors.AsType[*desk.Error](err); told || !s.d.isOutOfReach(err) && !closed(err) {
		return err
	}
	return &desk.Error{Kind: desk.Unavailable, Text: "the database can't be reached; try again in a moment", Err: err}
}

// closed tells whether the pool was closed, as when the program stops. The sql package has no name for that error, and the
// one that pgxpool uses is not its own.
func closed(err error) bool {
	return strings.HasSuffix(err.Error(), "sql: database is closed") || strings.HasSuffix(err.Error(), "closed pool")
}

// parts cuts values into parts of a few sizes, so that a statement about them has few texts, and is prepared few times. The
// last value fills up what is left of the last part.
func parts[T any](values []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(values) > 0 {
			size := 100
			for _, smaller := range []int{20, 1} {
				if len(values) <= smaller {
					size = smaller
				}
			}
			part := values[:min(size, len(values)):min(size, len(values))]
			values = values[len(part):]
			for len(part) < size {
				part = append(part, part[len(part)-1])
			}
			if !yield(part) {
				return
			}
		}
	}
}

// cleaned makes all texts among args fit for both databases, in place.
func cleaned(args []any) []any {
	for i, a := range args {
		switch v := a.(type) {
		case string:
			args[i] = clean(v)
		case int64, int, bool, nil, []byte:
		default:
			if r := reflect.ValueOf(a); r.Kind() == reflect.String {
				args[i] = clean(r.String())
			}
		}
	}
	return args
}
