package outbound

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"postern/desk"
)

// slow keeps mail away, for a while, from servers that let us wait and then failed: a hundred rows for one of them would
// hold all slots, each for as long as the server takes, while others' mail waits.
type slow struct {
	mu    sync.Mutex // guards until
	until map[string]time.Time
}

const (
	slowAfter = 5 * time.Second
	slowFor   = 30 * time.Second
)

var errSlow = errors.New("the mail server does not answer in time")

func slowKey(row desk.Effect) string { return row.Kind.Queue() + " " + string(row.MailboxID) }

// refuse gives an error if the server for the row is not to be tried now.
func (s *slow) refuse(row desk.Effect, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until[slowKey(row)]) {
		return fmt.Errorf("%w; it is tried again later", errSlow)
	}
	return nil
}

// note learns from an attempt.
func (s *slow) note(row desk.Effect, began, ended time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.until, slowKey(row))
	} else if ended.Sub(began) >= slowAfter {
		s.until[slowKey(row)] = ended.Add(slowFor)
	}
}
