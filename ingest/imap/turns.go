package imap

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/mailconn"
)

// turns has several folders read over one connection, one after the other: those for which the mailbox has no connections left. All of it
// belongs to the goroutine that runs it. One folder that can't be read is left alone for longer and longer; the others go on.
type turns struct {
	w       *Watcher
	config  mailconn.IMAPConfig
	folders []*turn
	client  *imapclient.Client // nil: none; one is made when a folder is due
}

// turn is a folder's.
type turn struct {
	*folder
	due      time.Time // when it is looked at next
	failures int       // in a row
}

func newTurns(w *Watcher, config mailconn.IMAPConfig, folders []*folder) *turns {
	t := &turns{w: w, config: config}
	for _, f := range folders {
		f.patience = firstPatience
		t.folders = append(t.folders, &turn{folder: f})
	}
	return t
}

// run visits the folders until ctx ends or the lease is over.
func (t *turns) run(ctx context.Context) error {
	defer t.hangUp()
	defer func() {
		for _, f := range t.folders {
			f.looks.end(false)
		}
	}()
	for failures := 0; t.wait(ctx); {
		due := t.due()
		if len(due) == 0 {
			continue
		}
		if err := t.connect(ctx); err != nil {
			failures++
			if err := t.away(ctx, err, failures); err != nil || ctx.Err() != nil {
				return err
			}
			continue
		}
		for _, f := range due {
			if t.client == nil {
				break // the others are due still
			}
			err := t.visit(ctx, f)
			if leaseOver(err) {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				failures = 0
			}
		}
	}
	return nil
}

// wait returns true when there may be something to do, and false when ctx has ended.
func (t *turns) wait(ctx context.Context) bool {
	next := t.folders[0].due
	for _, f := range t.folders {
		if f.due.Before(next) {
			next = f.due
		}
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	var closed <-chan struct{}
	if t.client != nil {
		closed = t.client.Closed()
	}
	select {
	case <-ctx.Done():
		return false
	case <-closed: // nobody needs it before a folder is due
		t.hangUp()
	case <-t.w.turn:
		all := t.w.moved.Swap(false)
		for _, f := range t.folders {
			if f.looks.wanted() || all && f.failures == 0 {
				f.due, f.patience = time.Now(), firstPatience
			}
		}
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// due lists the folders that are to be looked at now, those first that have waited longest.
func (t *turns) due() (out []*turn) {
	now := time.Now()
	for _, f := range t.folders {
		if !f.due.After(now) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b *turn) int { return a.due.Compare(b.due) })
	return out
}

// connect sees to it that there is a connection.
func (t *turns) connect(ctx context.Context) error {
	if t.client != nil {
		return nil
	}
	err := guarded(func() (err error) {
		t.client, err = mailconn.DialIMAP(ctx, t.config, nil)
		return err
	})
	if err != nil {
		t.client = nil
		return err
	}
	for _, f := range t.folders {
		f.signedIn()
		f.begin()
	}
	return nil
}

// away tells of a server that can't be reached, for all folders, and waits.
func (t *turns) away(ctx context.Context, err error, failures int) error {
	pause := t.folders[0].pause(failures, err)
	for _, f := range t.folders {
		f.looks.end(isBroken(err))
		if ctx.Err() != nil {
			return nil
		}
		if err := f.tell(ctx, err, failures, pause); leaseOver(err) {
			return err
		}
	}
	over := time.After(pause)
	for {
		select {
		case <-over:
			return nil
		case <-t.w.turn:
			if slices.ContainsFunc(t.folders, func(f *turn) bool { return f.looks.wanted() }) { // whoever asks has the server's mail: it is there again
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// visit looks at a folder. Its errors are told already.
func (t *turns) visit(ctx context.Context, f *turn) error {
	f.progress = false
	err := guarded(func() error { return f.look(ctx, t.client) })
	if err == nil {
		if f.failures = 0; f.progress {
			f.patience = firstPatience
		}
		f.patience = min(f.patience, t.w.options.Idle, t.w.options.Poll)
		f.due = time.Now().Add(f.patience/2 + rand.N(f.patience/2+1)) //nolint:gosec // jitter
		f.patience *= 2
		return nil
	}
	f.looks.end(isBroken(err))
	if ctx.Err() != nil || leaseOver(err) {
		return err
	}
	if errors.Is(err, errIsSent) {
		f.report(Status{State: Watching})
		f.due = time.Now().Add(t.w.options.Poll)
		return nil
	}
	// What the server has refused in words leaves the connection as it was, for the others.
	if _, reply := errors.AsType[*imap.Error](err); !reply && !errors.Is(err, errNoFolder) {
		t.hangUp()
	}
	f.failures++
	pause := f.pause(f.failures, err)
	f.due = time.Now().Add(pause)
	if told := f.tell(ctx, err, f.failures, pause); leaseOver(told) {
		return told
	}
	return err
}

func (t *turns) hangUp() {
	if t.client != nil {
		_ = t.client.Close() // it is not needed any more
		t.client = nil
	}
}
