package store

import (
	"context"
	"slices"
	"sync"

	"postern/desk"
)

// finisher has rows that end at the same time share a statement and a commit. There is one statement under way at a
// time; the rows that end meanwhile go with the next.
type finisher struct {
	mu      sync.Mutex // guards what follows
	busy    bool
	waiting []*finishing
}

// finishing is a row that is to be written down. Exactly one of its channels is closed: done by whoever has written it
// down, lead by whoever passes the turn on to its owner.
type finishing struct {
	row  desk.Effect
	tell []Notice
	err  error // valid once done is closed
	done chan struct{}
	lead chan struct{}
}

// Notice is what agents are told because of how a row ended.
type Notice struct {
	Effect desk.Effect // without its Template
	Text   Template
}

// Finish writes down how a claimed row ended: its State, LastError, NextTry, Unknowns, Attempt, DoneAt, Told and Answer, and with it
// the notices that this causes. It fails with Conflict if the claim was lost meanwhile. It waits for other rows' statements as long as ctx of their callers lasts.
func (db *DB) Finish(ctx context.Context, e desk.Effect, tell ...Notice) error {
	f := &finishing{row: e, tell: tell, done: make(chan struct{}), lead: make(chan struct{})}
	if !db.finisher.join(f) {
		select {
		case <-f.done:
			return f.err
		case <-f.lead:
		}
	}
	batch := db.finisher.take()
	ended, err := db.finishAll(ctx, batch)
	for _, b := range batch {
		if b.err = err; err == nil && !ended[b.row.ID] {
			b.err = &desk.Error{Kind: desk.Conflict, Text: "the claim on outbox row " + string(b.row.ID) + " was lost"}
		}
		if b != f {
			close(b.done)
		}
	}
	db.finisher.passOn()
	return f.err
}

// join adds a row and tells whether it is the caller's turn.
func (r *finisher) join(f *finishing) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, f)
	first := !r.busy
	r.busy = true
	return first
}

func (r *finisher) take() []*finishing {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.waiting
	r.waiting = nil
	return batch
}

func (r *finisher) passOn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.busy = false
		return
	}
	close(r.waiting[0].lead)
}

// finishAll tells which of the rows were still claimed as they say.
func (db *DB) finishAll(ctx context.Context, batch []*finishing) (ended map[desk.ID]bool, err error) {
	values := make([][]any, len(batch))
	for i, b := range batch {
		e := b.row
		values[i] = []any{e.ID, e.Owner, e.Epoch, e.State, clip(e.LastError, 1000), ms(e.NextTry), ms(e.DoneAt), int64(e.Unknowns), int64(e.Attempt), e.Told, clip(e.Answer, 300)}
	}
	list, args := rowsOf(values)
	write := db.single
	if slices.ContainsFunc(batch, func(b *finishing) bool { return len(b.tell) > 0 }) {
		write = db.Update
	}
	err = write(ctx, func(tx *Tx) error {
		ids, err := collect(ctx, tx.x, scanID, `UPDATE outbox SET state = v.column4, last_error = v.column5, next_try = v.column6, done_at = v.column7, unknowns = v.column8, attempt = v.column9, told = v.column10, answer = v.column11
			FROM (VALUES `+list+`) AS v
			WHERE outbox.id = v.column1 AND outbox.owner = v.column2 AND outbox.epoch = v.column3 AND outbox.state = 'sending' RETURNING outbox.id`, args...)
		ended = make(map[desk.ID]bool, len(ids))
		for _, id := range ids {
			ended[id] = true
		}
		for _, b := range batch {
			if err == nil && ended[b.row.ID] {
				err = tx.addNotices(ctx, b.tell)
			}
		}
		return err
	})
	return ended, err
}

func (tx *Tx) addNotices(ctx context.Context, ns []Notice) (err error) {
	for _, n := range ns {
		e := n.Effect
		if e.Template, err = tx.KeepTemplate(ctx, n.Text); err != nil {
			return err
		}
		if err := tx.AddEffect(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
