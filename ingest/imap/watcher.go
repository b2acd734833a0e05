// Package imap watches a mailbox: it reads INBOX, the Sent folders and those that are named by UID, from where the last
// reading ended, and hands every mail over once, in order. It never changes a flag and never deletes. It uses IDLE where the
// server has it (RFC 2177) and asks from time to time where it has not. Once an hour it looks whether it passed a mail over.
package imap

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/desk"
	"postern/mailconn"
)

// Keeper makes what a watcher saw durable.
type Keeper interface {
	// Folder tells how far a folder is read; the zero UIDValidity if it never was.
	Folder(ctx context.Context, mailbox desk.ID, name string) (desk.Folder, error)
	// Keep stores a batch and moves the folder's cursor behind its last item, both or neither. A batch with a new
	// UIDVALIDITY or generation starts a new count; one without items only says so. One of mails that were passed over leaves
	// the cursor alone. An error of kind desk.Conflict means that the lease is over.
	Keep(ctx context.Context, lease desk.Lease, b desk.FolderBatch) error
	// UIDs lists the UIDs from one on that were kept of a folder in its generation and UIDVALIDITY, in ascending order.
	UIDs(ctx context.Context, f desk.Folder, from uint32) ([]uint32, error)
	// SentFolder names the folder that was the Sent folder last, by what was kept and noted; "": there was none.
	SentFolder(ctx context.Context, mailbox desk.ID) (string, error)
	// SetProblem notes why a folder can't be read now, or with "" that it can. An error of kind desk.Conflict means that the
	// lease is over.
	SetProblem(ctx context.Context, lease desk.Lease, folder string, role desk.FolderRole, problem string) error
	// Unfetched lists mails that the server has failed to send, and is to be asked for again by now.
	Unfetched(ctx context.Context, mailbox desk.ID) ([]desk.LedgerEntry, error)
	// AskAgain takes down that such a mail is asked for, before it is, and when it will be the next time.
	AskAgain(ctx context.Context, lease desk.Lease, e desk.LedgerEntry) error
	// KeepLate stores what came of it. It is not asked for any more.
	KeepLate(ctx context.Context, lease desk.Lease, id desk.ID, it desk.FolderItem) error
}

// Follower takes down where the mails of tickets lie and how they are flagged. Errors of kind desk.Conflict mean that the lease is over.
type Follower interface {
	// Follow begins with what is known. It may be called again.
	Follow(ctx context.Context, lease desk.Lease) error
	// Places tells which mails of tickets lay in a folder when it was looked at last, with the keywords that stand for a status.
	Places(ctx context.Context, f desk.Folder) (map[uint32][]string, error)
	// Look takes down how that is otherwise now. It answers true if some of it has to be looked at again soon.
	Look(ctx context.Context, lease desk.Lease, look desk.Look) (again bool, err error)
	// Now is the time that At of a Look is compared with.
	Now() time.Time
}

// Blobs takes mail that is larger than desk.MaxInlineRaw.
type Blobs interface {
	// Put reads r to its end, and keeps nothing if that fails.
	Put(ctx context.Context, r io.Reader) (sha256 string, size int64, err error)
}

// Options are a Watcher's. The zero value is good.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
	// Report is told what becomes of each folder. It is called from several goroutines and must not block. Nil: nobody.
	Report func(Status)
	// Follower is told what agents do with mails in a mailbox that tickets keep in step with. Nil: nobody.
	Follower Follower
	// RootCAs are trusted instead of the system's, if set.
	RootCAs *x509.CertPool
	// Tokens gives the access tokens of a mailbox that signs in by OAuth.
	Tokens mailconn.Tokens
	// Doors spread the sign-ins of all watchers that share them. Nil: nothing does.
	Doors *mailconn.Doors
	// BatchMails and BatchBytes bound what is fetched and kept at once; zero: 100 mails, 16 MB.
	BatchMails int
	BatchBytes int64
	// MaxMail is the size of the largest mail that is fetched, in bytes; zero: 150 MB. Of a larger one the header is.
	MaxMail int64
	// Timeout is how long the server may be silent while we wait for it; zero: 60 s.
	Timeout time.Duration
	// Idle is how long an IDLE lasts at most before the folder is looked at all the same; zero: 5 min. Servers don't tell an
	// idling client when the folder under it is replaced.
	Idle time.Duration
	// Poll is how often the folder is looked at where the server has no IDLE; zero: 45 s.
	Poll time.Duration
	// Sweep is how often the mails of the last week are compared with what was kept, the first time at once; zero: 1 h.
	Sweep time.Duration
	// GiveUp is how long a mail is tried that the server fails to send, where nothing shows that it sends others; zero: 5 min.
	GiveUp time.Duration
	// Again is how often is looked whether there are mails to ask for again that the server failed to send; zero: 1 min.
	Again time.Duration
	// RetryMin and RetryMax bound the pause before the next attempt after a failure; zero: 1 s, 5 min.
	RetryMin, RetryMax time.Duration
}

// State is what a watcher does with a folder.
type State string

// The states.
const (
	Reading  State = "reading"   // mail is being fetched
	Watching State = "watching"  // all is read
	Failing  State = "failing"   // it does not work at the moment
	NotFound State = "not-found" // the mailbox has no such folder
)

// Status is how a folder of a mailbox is.
type Status struct {
	MailboxID desk.ID
	Folder    string
	Role      desk.FolderRole
	State     State
	Behind    int       // for Reading: how many mails are not fetched yet
	Err       error     // for Failing: why; a *mailconn.Problem says what to do about it
	Retry     time.Time // for Failing: when it is tried again
}

// Watcher watches one mailbox under one lease.
type Watcher struct {
	mailbox desk.Mailbox
	lease   desk.Lease
	keeper  Keeper
	blobs   Blobs
	options Options
	log     *slog.Logger
	sent    []*looks // at the Sent folder, and at the further ones
	own     int      // how many folders have a connection of their own: INBOX, Sent, further ones of agents, those that are read like INBOX

	turn  chan struct{} // gets a value when a folder without one is to be looked at before its time
	moved atomic.Bool   // that is because mail has left INBOX: it may have gone to any of them

	mu       sync.Mutex // guards mainSent
	mainSent string     // the folder that is the Sent folder now; "": none is known
}

// New gives a Watcher that does nothing until Run.
func New(m desk.Mailbox, lease desk.Lease, keeper Keeper, blobs Blobs, o Options) *Watcher {
	fallback(&o.BatchMails, 100)
	fallback(&o.BatchBytes, 16<<20)
	fallback(&o.MaxMail, 150<<20)
	fallback(&o.Timeout, 60*time.Second)
	fallback(&o.Idle, 5*time.Minute)
	o.Idle = min(o.Idle, longestIdle)
	fallback(&o.Poll, 45*time.Second)
	fallback(&o.Sweep, time.Hour)
	fallback(&o.GiveUp, 5*time.Minute)
	fallback(&o.Again, time.Minute)
	fallback(&o.RetryMin, time.Second)
	fallback(&o.RetryMax, 5*time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Report == nil {
		o.Report = func(Status) {}
	}
	log := o.Log.With(slog.String("component", "ingest/imap"), slog.String("mailbox", m.Address), slog.String("mailbox_id", string(m.ID)))
	w := &Watcher{mailbox: m, lease: lease, keeper: keeper, blobs: blobs, options: o, log: log, turn: make(chan struct{}, 1)}
	w.own = 2 + len(m.Policy.AlsoSent) + len(m.ReadLikeInbox())
	if n := m.Policy.WatchConnections(); w.own > n {
		w.own = n - 1 // one is for all others
	}
	for i := range 1 + len(m.Policy.AlsoSent) {
		nudge := w.turn
		if 1+i < w.own { // INBOX is before them
			nudge = make(chan struct{}, 1)
		}
		w.sent = append(w.sent, newLooks(nudge))
	}
	return w
}

// longestIdle is for how long a client may idle: servers end a connection after half an hour without a word (RFC 2177 section 3).
const longestIdle = 28 * time.Minute

func fallback[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Run watches until ctx ends, and then answers nil. It answers an error if it can't go on: the mailbox's URL is unusable,
// or the lease is over (desk.Conflict). Everything else is tried again, less and less often.
func (w *Watcher) Run(ctx context.Context) error {
	config, err := mailconn.IMAPOf(w.mailbox, w.options.Tokens)
	if err != nil {
		return err
	}
	config.RootCAs = w.options.RootCAs
	config.Timeout, config.Doors = w.options.Timeout, w.options.Doors

	group, inner := errgroup.WithContext(ctx)
	// A password that is wrong is wrong for all folders: the others wait until the first is in.
	open, once := make(chan struct{}), sync.Once{}
	account := config.User + " at " + config.Host
	all := []*folder{{role: desk.Inbox, name: "INBOX"}, {role: desk.Sent, looks: w.sent[0]}}
	for i, name := range w.mailbox.Policy.AlsoSent {
		all = append(all, &folder{role: desk.AlsoSent, name: name, looks: w.sent[i+1]})
	}
	for _, name := range w.mailbox.ReadLikeInbox() {
		all = append(all, &folder{role: desk.Inbox, name: name})
	}
	for _, f := range all {
		f.w, f.config, f.account, f.signedIn = w, config, account, func() {}
	}
	all[0].signedIn = func() { once.Do(func() { close(open) }) }
	var runs []func(context.Context) error
	for _, f := range all[:w.own] {
		runs = append(runs, f.run)
	}
	if shared := all[w.own:]; len(shared) > 0 {
		runs = append(runs, newTurns(w, config, shared).run)
	}
	first := runs[0]
	group.Go(func() error { return first(inner) })
	later := append(runs[1:], (&retrier{w: w, config: config, account: account}).run)
	for _, run := range later {
		group.Go(func() error {
			select {
			case <-open:
				return run(inner)
			case <-inner.Done():
				return nil
			}
		})
	}
	err = group.Wait()
	if ctx.Err() != nil && !leaseOver(err) {
		return nil
	}
	return err
}

// hasMoved has the folders that share a connection looked at: mail has left INBOX.
func (w *Watcher) hasMoved() {
	w.moved.Store(true)
	select {
	case w.turn <- struct{}{}:
	default:
	}
}

// isSent tells whether a folder is the one that is read as the Sent folder.
func (w *Watcher) isSent(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return name != "" && name == w.mainSent
}

func (w *Watcher) setSent(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mainSent = name
}

func leaseOver(err error) bool {
	_, ok := errors.AsType[*keepError](err)
	return ok && desk.KindOf(err) == desk.Conflict
}

// keepError is a failure on our side: it says nothing about the mail or the server.
type keepError struct{ err error }

// Error says that it was us.
func (e *keepError) Error() string { return "keep mail: " + e.err.Error() }

// Unwrap gives the cause.
func (e *keepError) Unwrap() error { return e.err }
