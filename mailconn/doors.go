package mailconn

import (
	"context"
	"sync"
	"time"
)

// Doors spread sign-ins: a server that fifty mailboxes are on does not see all of them knock in the same second, which many take for an
// attack. Each server, by host and port, has a door of its own. A nil Doors lets everybody in at once.
type Doors struct {
	options DoorOptions

	mu    sync.Mutex // guards doors
	doors map[string]*door
}

// DoorOptions are a Doors'. The zero value is good.
type DoorOptions struct {
	// AtOnce is how many sign in at a server at the same time; zero: 4.
	AtOnce int
	// Every is the least time between two that begin; zero: 50 ms.
	Every time.Duration
	// Patience is how long a sign-in that does not get on keeps others out; zero: 2 s. It goes on, and no longer counts.
	Patience time.Duration
}

// door is one server's.
type door struct {
	places chan struct{} // has a value for each who is at it

	mu   sync.Mutex // guards next
	next time.Time  // when somebody may begin again
}

// NewDoors gives doors through which nobody has gone.
func NewDoors(o DoorOptions) *Doors {
	if o.AtOnce <= 0 {
		o.AtOnce = 4
	}
	if o.Every <= 0 {
		o.Every = 50 * time.Millisecond
	}
	if o.Patience <= 0 {
		o.Patience = 2 * time.Second
	}
	return &Doors{options: o, doors: map[string]*door{}}
}

// enter waits until it is somebody's turn to dial and sign in at a server, in the order in which they came, and answers ctx's error if that ends
// first. Whoever is in calls leave when that has ended, one way or the other.
func (d *Doors) enter(ctx context.Context, addr string) (leave func(), err error) {
	if d == nil {
		return func() {}, nil
	}
	at := d.door(addr)
	select {
	case at.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	free := sync.OnceFunc(func() { <-at.places })
	begin := time.NewTimer(at.reserve(d.options.Every))
	defer begin.Stop()
	select {
	case <-begin.C:
	case <-ctx.Done():
		free()
		return nil, ctx.Err()
	}
	// A server, or one mailbox's part of it, that says nothing must not keep the other mailboxes out for the minute it is given.
	late := time.AfterFunc(d.options.Patience, free)
	return func() { late.Stop(); free() }, nil
}

func (d *Doors) door(addr string) *door {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.doors[addr]
	if at == nil {
		at = &door{places: make(chan struct{}, d.options.AtOnce)}
		d.doors[addr] = at
	}
	return at
}

// reserve takes the next time at which somebody may begin, and tells how far off it is.
func (at *door) reserve(every time.Duration) time.Duration {
	at.mu.Lock()
	defer at.mu.Unlock()
	now := time.Now()
	begin := at.next
	if begin.Before(now) {
		begin = now
	}
	at.next = begin.Add(every)
	return begin.Sub(now)
}
