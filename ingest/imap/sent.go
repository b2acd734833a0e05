package imap

import (
	"context"
	"errors"
	"sync"
)

// looks are the requests to look at a folder now.
type looks struct {
	nudge chan struct{} // gets a value when there is one

	mu      sync.Mutex // guards what follows
	watched bool       // the folder is, in a session
	waiting []chan error
}

func newLooks() *looks { return &looks{nudge: make(chan struct{}, 1)} }

var errNotWatched = errors.New("the Sent folder is not watched now")

// LookAtSent has the Sent folder looked at now, and answers nil when all that lies in it is kept. It fails when the folder is not
// watched, when looking at it fails, and when ctx ends. It may be called from any goroutine.
func (w *Watcher) LookAtSent(ctx context.Context) error {
	done := make(chan error, 1)
	if !w.sent.ask(done) {
		return errNotWatched
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *looks) ask(done chan error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.watched {
		return false
	}
	l.waiting = append(l.waiting, done)
	select {
	case l.nudge <- struct{}{}:
	default:
	}
	return true
}

// begin takes the requests that the look which begins now will answer.
func (l *looks) begin() []chan error {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.waiting
	l.watched, l.waiting = true, nil
	return waiting
}

// end refuses those who wait for another look: there is none, because of err.
func (l *looks) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer(l.waiting, err)
	l.watched, l.waiting = false, nil
}

func answer(waiting []chan error, err error) {
	for _, done := range waiting {
		done <- err
	}
}
