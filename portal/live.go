package portal

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/store"
)

// How pages are kept up to date.
const (
	liveEvery     = time.Second      // how often new messages are looked for, while anybody waits for some
	liveOverlap   = 30 * time.Second // how long a transaction may take from making a message's id to its commit
	liveBeat      = 25 * time.Second // how often a stream says that it is alive; proxies end silent ones after 30 s mostly
	livePerPerson = 6                // streams of one person
	liveLongest   = time.Hour        // then the page asks again
)

// live tells open pages of new messages: one query a second for all of them, and none while there are none.
type live struct {
	db  *store.DB
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	waiting map[desk.ID]map[chan desk.ID]bool
	persons map[desk.ID]int
	looking bool
}

func newLive(db *store.DB, log *slog.Logger) *live {
	return &live{db: db, log: log, waiting: map[desk.ID]map[chan desk.ID]bool{}, persons: map[desk.ID]int{}}
}

// join waits for messages of a ticket; false: the person has too many pages open. leave ends it, once.
func (l *live) join(person, ticket desk.ID) (fresh <-chan desk.ID, leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.persons[person] >= livePerPerson {
		return nil, nil, false
	}
	l.persons[person]++
	c := make(chan desk.ID, 16)
	if l.waiting[ticket] == nil {
		l.waiting[ticket] = map[chan desk.ID]bool{}
	}
	l.waiting[ticket][c] = true
	if !l.looking {
		l.looking = true
		go l.look()
	}
	return c, func() { l.left(person, ticket, c) }, true
}

func (l *live) left(person, ticket desk.ID, c chan desk.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.persons[person]--; l.persons[person] == 0 {
		delete(l.persons, person)
	}
	if delete(l.waiting[ticket], c); len(l.waiting[ticket]) == 0 {
		delete(l.waiting, ticket)
	}
}

// look looks for new messages until nobody waits any more.
func (l *live) look() {
	ctx := context.Background()
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	known := map[desk.ID]time.Time{}
	for first := true; ; first = false {
		now := l.db.Now()
		found, err := l.db.FreshMessages(ctx, now.Add(-liveOverlap))
		if err != nil {
			l.log.WarnContext(ctx, "pages are not told of new messages for now", slog.String("error", err.Error()))
		}
		for _, f := range found {
			if _, told := known[f.MessageID]; !told && !first {
				l.tell(f)
			}
			known[f.MessageID] = now
		}
		for id, at := range known {
			if now.Sub(at) > liveOverlap {
				delete(known, id)
			}
		}
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.looking = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		<-tick.C
	}
}

func (l *live) tell(f store.Fresh) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.waiting[f.TicketID] {
		select {
		case c <- f.MessageID:
		default: // it has been told often enough to look
		}
	}
}

// events is the stream of a thread's new messages, as server-sent events: each carries an id alone, and the page fetches the rest as whoever it
// is then may see it. It ends when the person may not see the ticket any more.
func (p *portal) events(c *gin.Context, who visitor) error {
	ticket, err := p.ticket(c, who)
	if err != nil {
		return err
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if c.Request.Method == http.MethodHead { // nobody reads it
		return nil
	}
	fresh, leave, ok := p.live.join(who.ID, ticket.ID)
	if !ok {
		h.Del("Content-Type")
		return &desk.Error{Kind: desk.TooMany, Text: "too many pages are open"}
	}
	defer leave()
	stream := http.NewResponseController(c.Writer)
	write := func(format string, args ...any) bool {
		if err := stream.SetWriteDeadline(time.Now().Add(liveBeat)); err != nil {
			return false
		}
		_, err := fmt.Fprintf(c.Writer, format, args...)
		return err == nil && stream.Flush() == nil
	}
	if !write("retry: 5000\n\n") {
		return nil
	}
	// What came between the page and this stream is told at once.
	if has := cmp.Or(c.GetHeader("Last-Event-ID"), c.Query("after")); has != "" {
		newest, err := p.DB.Newest(c.Request.Context(), who.scope, ticket.ID, 1)
		if err != nil || len(newest) > 0 && string(newest[0]) != has && !write("id: %[1]s\ndata: %[1]s\n\n", newest[0]) {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), liveLongest)
	defer cancel()
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.Closing:
			return nil
		case <-beat.C:
			if !p.stillSees(ctx, who, ticket.ID) || !write(": \n\n") {
				return nil
			}
		case id := <-fresh:
			if !p.stillSees(ctx, who, ticket.ID) || !write("id: %[1]s\ndata: %[1]s\n\n", id) {
				return nil
			}
		}
	}
}

// stillSees tells whether whoever opened a stream would be let in now, and see the ticket.
func (p *portal) stillSees(ctx context.Context, who visitor, ticket desk.ID) bool {
	there, err := p.DB.SessionThere(ctx, p.sessions.Token(ctx))
	if err != nil || !there {
		return false
	}
	org, err := p.DB.Organisation(ctx)
	if err != nil || !org.Settings.PortalOn {
		return false
	}
	now := p.DB.Now()
	v, err := p.DB.Visitor(ctx, who.ID, now)
	if err != nil {
		return false
	}
	_, err = p.DB.Ticket(ctx, desk.ScopeOfVisitor(org.Settings, org.Lists, v, now), ticket)
	return err == nil
}
