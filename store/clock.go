package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// wallClock is this machine's clock, set by the database's where several machines share one: else one that is ahead would
// take the leases of the others for ended.
type wallClock struct {
	local  func() time.Time
	shared bool
	ahead  atomic.Int64 // nanoseconds that the database's clock is ahead of ours
}

// Now is the time that rows are stamped with and leases are judged by. It is the same on all machines, but for the time
// that a question to the database takes.
func (db *DB) Now() time.Time { return db.clock.local().Add(time.Duration(db.clock.ahead.Load())) }

// setClock asks the database what time it is.
func (db *DB) setClock(ctx context.Context) error {
	if !db.clock.shared {
		return nil
	}
	before := db.clock.local()
	var theirs time.Time
	if err := db.x.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&theirs); err != nil {
		return fmt.Errorf("ask the database for the time: %w", err)
	}
	took := db.clock.local().Sub(before)
	db.clock.ahead.Store(int64(theirs.Sub(before.Add(took / 2))))
	return nil
}
