package imap

import (
	"context"
	"errors"
	"sync"
)

// looks are the requests to look at a folder now. Nobody can ask for one where it is nil.
type looks struct {
	nudge chan struct{} // gets a value when there is one

	mu      sync.Mutex // guards what follows
	tried   bool       // a session has begun or failed: before that, whoever asks waits for the first one
	watched bool       // the folder is, in a session
	waiting []chan error
	asked   []chan error // those whom the look that is under way answers
}

// newLooks gives looks of which nudge tells; it has room for one value.
func newLooks(nudge chan struct{}) *looks { return &looks{nudge: nudge} }

var errNotWatched = errors.New("the Sent folder is not watched now")

// LookAtSent has the Sent folder and the further ones looked at now, and answers nil when all that lies in them is kept. It fails
// when the Sent folder is not watched, when looking at one of them fails, and when ctx ends. Further ones that are not watched now are
// passed over. It may be called from any goroutine.
func (w *Watcher) LookAtSent(ctx context.Context) error {
	answers := make([]chan error, len(w.sent))
	for i, l := range w.sent {
		if answers[i] = make(chan error, 1); !l.ask(answers[i]) {
			answers[i] <- errNotWatched
		}
	}
	var failed error
	for i, done := range answers {
		select {
		case err := <-done:
			if i == 0 || !errors.Is(err, errNotWatched) {
				failed = errors.Join(failed, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return failed
}

func (l *looks) ask(done chan error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.watched && l.tried {
		return false
	}
	l.waiting = append(l.waiting, done)
	select {
	case l.nudge <- struct{}{}:
	default:
	}
	return true
}

// look has what was asked for until now answered by one look. A panic in it answers too, by end.
func (l *looks) look(catchUp func() error) error {
	if l == nil {
		return catchUp()
	}
	l.mu.Lock()
	l.tried, l.watched, l.asked, l.waiting = true, true, append(l.asked, l.waiting...), nil
	l.mu.Unlock()
	err := catchUp()
	l.mu.Lock()
	defer l.mu.Unlock()
	answer(l.asked, err)
	l.asked = nil
	return err
}

// end refuses those who wait for another look: there is none.
func (l *looks) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer(append(l.asked, l.waiting...), errNotWatched)
	l.tried, l.watched, l.asked, l.waiting = true, false, nil, nil
}

// wanted tells whether somebody waits for a look.
func (l *looks) wanted() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// news gets a value when somebody asks.
func (l *looks) news() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.nudge
}

func answer(waiting []chan error, err error) {
	for _, done := range waiting {
		done <- err
	}
}
