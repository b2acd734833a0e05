package store

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"strings"

	"postern/desk"
)

// queryer is what *sql.DB, *sql.Tx and the SQLite writer have in common.
type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// statements is a queryer as the statements of this package use it. It makes every text one that both databases take, and
// gives trouble with the database the kind Unavailable, so that callers can say "try again" and mean it.
type statements struct {
	queryer
	d dialect
}

// ExecContext runs a statement that gives no rows.
func (s statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	res, err := s.queryer.ExecContext(ctx, query, cleaned(args)...)
	return res, s.explain(ctx, err)
}

// QueryContext runs a statement that gives rows.
func (s statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.queryer.QueryContext(ctx, query, cleaned(args)...)
	return rows, s.explain(ctx, err)
}

// QueryRowContext runs a statement that gives at most one row.
func (s statements) QueryRowContext(ctx context.Context, query string, args ...any) scanner {
	return explainedRow{s.queryer.QueryRowContext(ctx, query, cleaned(args)...), s, ctx}
}

type explainedRow struct {
	row *sql.Row
	s   statements
	ctx context.Context //nolint:containedctx // the call's, for its one Scan
}

// Scan gives the row's values, or sql.ErrNoRows.
func (r explainedRow) Scan(dest ...any) error { return r.s.explain(r.ctx, r.row.Scan(dest...)) }

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

// closed tells whether the pool was closed, as when the program stops. The sql package has no name for that error.
func closed(err error) bool { return strings.HasSuffix(err.Error(), "sql: database is closed") }

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
