package app

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"postern/desk"
	"postern/ingest/imap"
	"postern/store"
)

const (
	leaseFor   = 30 * time.Second
	renewEvery = 10 * time.Second
	lookEvery  = 2 * time.Second
	dropWithin = 10 * time.Second // a database that does not answer keeps nobody from stopping
)

// watchMailboxes watches every mailbox whose lease this process can get, takes up new and changed ones, and lets go of
// those that are paused or gone.
func (s *services) watchMailboxes(ctx context.Context) error {
	running := map[desk.ID]*watch{}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stopAll := context.WithCancel(ctx)
	defer stopAll()
	for {
		org, err := s.db.FreshOrganisation(ctx)
		if err == nil {
			s.adjust(ctx, org, running, &all)
		} else if ctx.Err() == nil {
			s.log.WarnContext(ctx, "mailboxes can't be looked up", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
	}
}

// watch is a mailbox under watch.
type watch struct {
	mb   desk.Mailbox
	stop context.CancelFunc
	done chan struct{}
}

func (s *services) adjust(ctx context.Context, org *store.Organisation, running map[desk.ID]*watch, all *sync.WaitGroup) {
	for id, w := range running {
		now, there := org.Mailbox(id)
		if there && !now.Paused && sameConnection(now, w.mb) {
			select {
			case <-w.done: // it ended by itself: the lease was lost
				delete(running, id)
			default:
			}
			continue
		}
		w.stop()
		<-w.done
		delete(running, id)
	}
	for _, mb := range org.Mailboxes {
		if running[mb.ID] != nil || mb.Paused || ctx.Err() != nil {
			continue
		}
		lease, ok, err := s.lease(ctx, mb.ID)
		if err != nil {
			s.log.WarnContext(ctx, "a mailbox can't be leased", slog.String("mailbox", mb.Address), slog.String("error", err.Error()))
		}
		if !ok {
			continue
		}
		wctx, stop := context.WithCancel(ctx)
		w := &watch{mb: mb, stop: stop, done: make(chan struct{})}
		running[mb.ID] = w
		all.Go(func() {
			defer close(w.done)
			defer stop()
			s.watchOne(wctx, mb, lease)
		})
	}
}

// sameConnection tells whether the mailbox needs no new watch: nobody has changed how it is reached, nor wants it tried at once.
func sameConnection(a, b desk.Mailbox) bool {
	return a.IMAP == b.IMAP && a.Secrets == b.Secrets && a.OAuth == b.OAuth && a.Sent == b.Sent && slices.Equal(a.ReadLikeInbox(), b.ReadLikeInbox()) && slices.Equal(a.Policy.AlsoSent, b.Policy.AlsoSent) && a.Policy.WatchConnections() == b.Policy.WatchConnections() && reflect.DeepEqual(a.Policy.Follow, b.Policy.Follow) && a.Since.Equal(b.Since) && a.TriedAt.Equal(b.TriedAt)
}

func (s *services) lease(ctx context.Context, mailbox desk.ID) (l desk.Lease, ok bool, err error) {
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		l, ok, err = tx.TakeLease(ctx, mailbox, s.owner, leaseFor)
		return err
	})
	return l, ok && err == nil, err
}

// watchOne watches a mailbox and reads what it gives, as long as the lease lasts.
func (s *services) watchOne(ctx context.Context, mb desk.Mailbox, lease desk.Lease) {
	w := imap.New(mb, lease, s.ingest, s.blobs, imap.Options{Log: s.log, Report: s.health.report, Follower: s.ingest, Tokens: s.tokens, Doors: s.doors})
	err := runAll(ctx, w.Run, func(ctx context.Context) error { return s.ingest.ReadMailbox(ctx, lease, w) }, func(ctx context.Context) error { return s.holdLease(ctx, lease) })
	s.health.forget(mb.ID)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a mailbox is no longer watched here", slog.String("mailbox", mb.Address), slog.String("error", err.Error()))
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	if err := s.db.Update(last, func(tx *store.Tx) error { return tx.DropLease(last, lease) }); err != nil {
		s.log.WarnContext(ctx, "a lease can't be given back; it runs out by itself", slog.String("error", err.Error()))
	}
	if err != nil {
		select { // a mailbox that fails at once is not tried in a tight loop
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// holdLease renews the lease until ctx ends. It fails when another process has it, or when nobody can tell in time.
func (s *services) holdLease(ctx context.Context, lease desk.Lease) error {
	until := lease.Until
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(renewEvery):
		}
		again, ok, err := s.lease(ctx, lease.MailboxID)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && (!ok || again.Epoch != lease.Epoch):
			return &desk.Error{Kind: desk.Conflict, Text: "another process watches this mailbox now"}
		case err == nil:
			until = again.Until
		case time.Now().After(until):
			return err
		}
	}
}
