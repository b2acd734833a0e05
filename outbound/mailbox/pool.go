package mailbox

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postern/mailconn"
)

// goodbye is how long a server may take to let us go.
const goodbye = 5 * time.Second

var errClosed = errors.New("the mailbox client is closed")

// key is what makes a kept connection the right one.
type key struct{ url, password string }

// seat holds the one connection to a mailbox. Whoever put a token into turn owns client, folders and timer.
type seat struct {
	turn    chan struct{}
	client  *imapclient.Client // nil: none
	folders []mailconn.Folder  // of the mailbox, once looked up on this connection
	timer   *time.Timer        // ends the connection's time without use

	users int // guarded by the pool's mutex: how many own turn or want it
}

// pool keeps one connection for each mailbox, for a while after use.
type pool struct {
	idle    time.Duration
	timeout time.Duration

	mu     sync.Mutex // guards what follows, and the users of all seats; never held while talking to a server
	closed bool
	seats  map[key]*seat
}

// take waits for the mailbox's turn and gives a connection that answers. It must be given back.
func (p *pool) take(ctx context.Context, c mailconn.IMAPConfig) (*seat, error) {
	k := key{c.URL(), c.Password()}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	s := p.seats[k]
	if s == nil {
		s = &seat{turn: make(chan struct{}, 1)}
		p.seats[k] = s
	}
	s.users++
	p.mu.Unlock()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		p.leave(k, s)
		return nil, ctx.Err()
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.client != nil && !p.alive(ctx, s.client) {
		s.drop()
	}
	if s.client == nil {
		client, err := mailconn.DialIMAP(ctx, c, nil)
		if err != nil {
			<-s.turn
			p.leave(k, s)
			return nil, err
		}
		s.client = client
	}
	return s, nil
}

// alive asks a kept connection for a sign of life.
func (p *pool) alive(ctx context.Context, client *imapclient.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, min(p.timeout, 10*time.Second))
	defer cancel()
	return mailconn.Do(ctx, client, func() error { return client.Noop().Wait() }) == nil
}

// give returns a seat. Only a connection on which every command succeeded is kept.
func (p *pool) give(c mailconn.IMAPConfig, s *seat, keep bool) {
	k := key{c.URL(), c.Password()}
	p.mu.Lock()
	keep = keep && !p.closed
	p.mu.Unlock()
	if keep {
		s.timer = time.AfterFunc(p.idle, func() { p.expire(k, s) })
	} else {
		s.drop()
	}
	<-s.turn
	p.leave(k, s)
}

// expire ends a connection that nobody has used for a while.
func (p *pool) expire(k key, s *seat) {
	p.mu.Lock()
	s.users++
	p.mu.Unlock()
	defer p.leave(k, s)
	select {
	case s.turn <- struct{}{}:
		s.logout()
		<-s.turn
	default: // it is in use again
	}
}

// leave forgets a seat that has no connection and that nobody waits for.
func (p *pool) leave(k key, s *seat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	if s.users == 0 && s.client == nil && p.seats[k] == s {
		delete(p.seats, k)
	}
}

// close waits for what is under way and ends all connections.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	seats := maps.Clone(p.seats)
	for _, s := range seats {
		s.users++
	}
	p.mu.Unlock()
	for k, s := range seats {
		s.turn <- struct{}{}
		if s.timer != nil {
			s.timer.Stop()
		}
		s.logout()
		<-s.turn
		p.leave(k, s)
	}
}

func (s *seat) drop() {
	if s.client != nil {
		_ = s.client.Close() // what is wrong with it is known or of no interest
	}
	s.client, s.folders = nil, nil
}

func (s *seat) logout() {
	if s.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		_ = mailconn.Do(ctx, s.client, func() error { return s.client.Logout().Wait() }) // closed all the same
	}
	s.drop()
}
