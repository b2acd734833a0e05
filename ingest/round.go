package ingest

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"postern/desk"
)

// round is how far a reader has come with what is pending. Items over which the place for files has trouble are left
// behind: they stay pending, hold up none of the others, and come again in the next round.
type round struct {
	after desk.ID      // of the last item that had its turn
	left  int          // how many of those wait
	over  bool         // all that was pending had its turn
	again time.Time    // when the next round may begin, if this one left something
	row   atomic.Int32 // how many items in a row the place for files had trouble with

	sent      SentFolder // nil: there is nobody to ask
	sentAgain time.Time  // when it may be asked again, after trouble
}

const (
	// inARow is after how many such items the trouble is taken for more than theirs: the reader rests.
	inARow = 5
	// nextRound is how long the items that were left wait at least.
	nextRound = 10 * time.Second
)

// begin is called before each look at what is pending. It starts a new round when that is due.
func (r *round) begin(now time.Time) {
	r.row.Store(0)
	if r.left == 0 || r.over && !now.Before(r.again) {
		r.after, r.left, r.over, r.again = "", 0, false, now.Add(nextRound)
	}
}

// note takes down whether the place for files worked for an item that needed it.
func (r *round) note(err error, needed bool) {
	switch {
	case filesAway(err):
		r.row.Add(1)
	case needed:
		r.row.Store(0)
	}
}

func (r *round) filesGone() bool { return r.row.Load() >= inARow }

// leave counts items that have to wait, and tells of the first.
func (g *Ingest) leave(ctx context.Context, r *round, n int, first desk.LedgerEntry, err error) {
	r.left += n
	g.Log.WarnContext(ctx, "items wait for the place for files", slog.String("component", "ingest"), slog.Int("items", n),
		slog.String("ledger_id", string(first.ID)), slog.String("error", err.Error()))
}

// oneByOne reads items, one after the other. It ends early over trouble that is not an item's own, and tells how many had
// their turn.
func (g *Ingest) oneByOne(ctx context.Context, entries []desk.LedgerEntry, r *round, read func(desk.LedgerEntry) error) (int, error) {
	for i, e := range entries {
		if ctx.Err() != nil {
			return i, ctx.Err()
		}
		err := read(e)
		if err != nil && !filesAway(err) {
			return i, err
		}
		r.after = e.ID
		if err == nil {
			continue
		}
		g.leave(ctx, r, 1, e, err)
		if r.filesGone() {
			return i + 1, err
		}
	}
	return len(entries), nil
}
