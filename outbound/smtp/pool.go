package smtp

import (
	"context"
	"errors"
	"net/textproto"
	"slices"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail/smtp"

	"postern/mailconn"
	"postern/outbound"
)

// connection is a signed-in connection. It belongs to one mail at a time.
type connection struct {
	client *gomail.Client
	key    key
	reused bool
	mails  int         // that it was used for
	timer  *time.Timer // ends its time in the pool
}

// quit says goodbye and closes.
func (c *connection) quit() {
	if c.client.UpdateDeadline(5*time.Second) == nil {
		_ = c.client.Quit() // closed all the same
	}
	_ = c.client.Close()
}

// drop closes without a word, where the server could take one for the end of a mail. It goes past the client's lock,
// which a blocked write holds.
func (c *connection) drop() { _ = c.client.Text.Close() }

var errClosed = errors.New("the sender is closed")

// key is what connections have in common that can stand in for each other.
type key struct{ url, password string }

// pool keeps connections for a while after use. For each host, those in use and those kept are together at most max.
type pool struct {
	max   int // connections to a host, over all mailboxes
	mails int // over one connection
	idle  time.Duration
	pause time.Duration // the first one
	now   func() time.Time

	mu     sync.Mutex // guards what follows; never held while talking to a server
	closed bool
	hosts  map[string]*host
	ending sync.WaitGroup // counts goodbyes under way
}

// host is what a pool knows about one server. The pool's mutex guards all but slots.
type host struct {
	slots chan struct{} // one token for each connection in use
	busy  int
	idle  []*connection // oldest first
	until time.Time     // it wants to be left alone
	wants int           // how often in a row it said so
}

func (p *pool) host(addr string) *host {
	h := p.hosts[addr]
	if h == nil {
		h = &host{slots: make(chan struct{}, p.max)}
		p.hosts[addr] = h
	}
	return h
}

// take gives a kept connection, or dials if there is none or fresh is asked for.
func (p *pool) take(ctx context.Context, c mailconn.SMTPConfig, fresh bool) (*connection, error) {
	k := key{c.URL(), c.Password()}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	h := p.host(c.Addr())
	p.mu.Unlock()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if p.now().Before(h.until) {
		until := h.until
		p.mu.Unlock()
		<-h.slots
		return nil, &outbound.Busy{Until: until}
	}
	h.busy++
	if !fresh {
		for i, kept := range slices.Backward(h.idle) { // the youngest is the likeliest to be alive
			if kept.key == k {
				h.idle = slices.Delete(h.idle, i, i+1)
				kept.timer.Stop()
				p.mu.Unlock()
				kept.reused = true
				return kept, nil
			}
		}
	}
	if len(h.idle)+h.busy > p.max {
		p.end(h, h.idle[0])
	}
	p.mu.Unlock()
	client, err := mailconn.DialSMTP(ctx, c)
	if err != nil {
		p.release(c, nil)
		if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code == 421 {
			p.heard(c, true)
		}
		return nil, err
	}
	return &connection{client: client, key: k}, nil
}

// release gives a slot back, and the connection with it if it can be used again (nil: it can't).
func (p *pool) release(c mailconn.SMTPConfig, conn *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(c.Addr())
	h.busy--
	<-h.slots
	if conn == nil {
		return
	}
	h.idle = append(h.idle, conn)
	if p.closed || conn.mails >= p.mails {
		p.end(h, conn)
		return
	}
	conn.timer = time.AfterFunc(p.idle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.end(h, conn)
	})
}

// mostPause bounds how long a server that goes on refusing is left alone.
const mostPause = 15 * time.Minute

// heard notes what a server says of how much mail it gets. Several connections may hear the same: that counts once.
func (p *pool) heard(c mailconn.SMTPConfig, tooMuch bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(c.Addr())
	now := p.now()
	switch {
	case !tooMuch:
		h.wants = 0
	case !now.Before(h.until):
		h.until = now.Add(min(p.pause<<min(h.wants, 10), mostPause))
		h.wants++
	}
}

// forget closes what is kept for the same server and user: when one connection turns out dead, so are the others.
func (p *pool) forget(c mailconn.SMTPConfig) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(c.Addr())
	for _, kept := range slices.Clone(h.idle) {
		if kept.key == (key{c.URL(), c.Password()}) {
			p.end(h, kept)
		}
	}
}

// end takes a connection out of the pool, if it is still there, and says goodbye to the server. The mutex is held.
func (p *pool) end(h *host, conn *connection) {
	i := slices.Index(h.idle, conn)
	if i < 0 {
		return
	}
	h.idle = slices.Delete(h.idle, i, i+1)
	if conn.timer != nil {
		conn.timer.Stop()
	}
	p.ending.Go(conn.quit)
}

// close ends what is kept; connections in use end when their mail does.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, h := range p.hosts {
		for len(h.idle) > 0 {
			p.end(h, h.idle[0])
		}
	}
	p.mu.Unlock()
	p.ending.Wait()
}
