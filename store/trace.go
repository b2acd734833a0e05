package store

import "context"

// traced tells of each statement that is not part of a transaction before it runs.
type traced struct {
	queryer
	tell func(query string, args []any)
}

func (t traced) execute(ctx context.Context, query string, args ...any) (int64, error) {
	t.tell(query, args)
	return t.queryer.execute(ctx, query, args...)
}

func (t traced) query(ctx context.Context, query string, args ...any) (rows, error) {
	t.tell(query, args)
	return t.queryer.query(ctx, query, args...)
}
