package imap

import (
	"context"
	"errors"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postern/mailconn"
)

// looks are the requests to look at a folder now. Nobody can ask for one where it is nil.
type looks struct {
	nudge chan struct{} // gets a value when there is one

	mu      sync.Mutex // guards what follows
	gone    bool       // nobody watches the folder, nor will soon
	waiting []chan error
	asked   []chan error // those whom the look that is under way answers
}

// newLooks gives looks of which nudge tells; it has room for one value.
func newLooks(nudge chan struct{}) *looks { return &looks{nudge: nudge} }

var errNotWatched = errors.New("the Sent folder is not watched now")

// LookAtSent has the Sent folder and the further ones looked at now, and answers nil when all that lies in them is kept. While the
// connection of one of them is broken it waits for the next. It fails when there is no Sent folder or it can't be read, and when ctx
// ends; further folders of that kind are passed over. It may be called from any goroutine.
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
	if l.gone {
		return false
	}
	l.waiting = append(l.waiting, done)
	select {
	case l.nudge <- struct{}{}:
	default:
	}
	return true
}

// look has what was asked for until now answered by one look. What it fails or panics over is left to end.
func (l *looks) look(catchUp func() error) error {
	if l == nil {
		return catchUp()
	}
	l.mu.Lock()
	l.gone, l.asked, l.waiting = false, append(l.asked, l.waiting...), nil
	l.mu.Unlock()
	err := catchUp()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer(l.asked, nil)
	l.asked = nil
	return nil
}

// end is for the end of a session. Those who ask wait for the next one, if that is soon; else they are refused.
func (l *looks) end(soon bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.asked = append(l.asked, l.waiting...), nil
	if l.gone = !soon; l.gone {
		answer(l.waiting, errNotWatched)
		l.waiting = nil
	}
}

// isBroken tells whether a session has ended by what may be over soon, as a connection that broke or a server that is about to start (RFC 5530
// section 3); else somebody has to do something about it, or the server has refused in words.
func isBroken(err error) bool {
	p, problem := errors.AsType[*mailconn.Problem](err)
	e, refused := errors.AsType[*imap.Error](err)
	refused = refused && e.Code != imap.ResponseCodeUnavailable && e.Code != imap.ResponseCodeInUse
	return err != nil && !refused && !(problem && (p.SignIn || p.Permanent)) && !errors.Is(err, errIsSent) && !leaseOver(err)
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
