package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
	"postern/mailconn"
)

// folder is a watched folder. All of it belongs to the goroutine that runs it.
type folder struct {
	w        *Watcher
	config   mailconn.IMAPConfig
	role     desk.FolderRole
	name     string // empty: not found yet
	former   string // the name of the Sent folder that is not found any more
	signedIn func()
	looks    *looks // nil: nobody asks for a look at it
	account  string // whose folders these are: what it says only has to differ for another server or user

	generation int64  // of the folder, with validity what follows is about
	validity   uint32 // its UIDVALIDITY
	covered    uint32 // every UID up to here was kept, or is not there
	looked     bool   // in this session, the cursor was compared with the server's

	counted int64 // how many mails it had when all of it had been read; negative: not known

	box   *imap.SelectData // what the server said when the folder was looked at last
	state *state           // nil: not asked in this watch
	stale atomic.Bool      // the server has told of mails that are gone or flagged otherwise

	modest    int       // how much less than usual the server is asked for when it lists mails: listing ended in trouble
	nextSweep time.Time // zero: it is due

	suspect   imap.UID  // the mail at which the last fetch ended early; zero: none
	suspected time.Time // since when
	attempts  int       // how often the suspect could not be fetched, alone
	probed    bool      // in this session, another mail came
	proven    bool      // the suspect failed right after
	condemned bool      // the suspect is given up

	idleRefused bool
	patience    time.Duration // how long the next IDLE lasts
	progress    bool          // something was kept since the session began
	unnoted     bool          // the row may have a problem that a former session, or process, has noted
	told        string        // the failure that was last logged as such
	noted       string        // the problem that the folder's row has
}

// firstPatience is how long an IDLE lasts after news, and at first; each one without news lasts twice as long as the one
// before. Not every server tells of a mail that came just before the IDLE.
const firstPatience = 2 * time.Second

// maxAttempts is how often a mail is asked for alone before it is given up.
const maxAttempts = 3

var (
	errNoFolder = errors.New("there is no such folder")
	errSilent   = errors.New("the server fell silent")
	errSlow     = errors.New("the server takes long to open the folder; new mail is read as soon as it has")
	errIsSent   = errors.New("the folder is the Sent folder, and read as that")
)

// run watches the folder, session by session.
func (f *folder) run(ctx context.Context) error {
	defer f.looks.end(false)
	for failures := 0; ; {
		start := time.Now()
		f.progress = false
		err := guarded(func() error { return f.session(ctx) })
		f.looks.end(isBroken(err))
		switch {
		case leaseOver(err):
			return err
		case ctx.Err() != nil:
			return nil
		}
		// A server that lets us in only to close has not got better.
		if f.progress || time.Since(start) > time.Minute {
			failures = 0
		}
		if errors.Is(err, errIsSent) {
			if err := f.rest(ctx); err != nil || ctx.Err() != nil {
				return err
			}
			continue
		}
		failures++
		pause := f.pause(failures, err)
		if err := f.tell(ctx, err, failures, pause); leaseOver(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-f.looks.news(): // whoever asks has the server's mail: it is there again
		case <-ctx.Done():
			return nil
		}
	}
}

// rest lets somebody else read the folder, for a while.
func (f *folder) rest(ctx context.Context) error {
	f.report(Status{State: Watching})
	select {
	case <-time.After(f.w.options.Poll):
	case <-ctx.Done():
	}
	return nil
}

// guarded runs a session in which a panic is an error like others.
func guarded(session func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return session()
}

// pause grows with the failures and is never twice the same. Where somebody has to change something first, haste only
// gets us locked out.
func (f *folder) pause(failures int, err error) time.Duration {
	o := f.w.options
	pause := o.RetryMin << min(failures-1, 20)
	p, _ := errors.AsType[*mailconn.Problem](err)
	if pause > o.RetryMax || pause <= 0 || p != nil && (p.SignIn || p.Permanent) {
		pause = o.RetryMax
	}
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // jitter
}

// tell reports a failure, the last of so many in a row. The log has it once, until another one or a success, and so has the
// folder's row if it does not pass at once: servers close a connection now and then.
func (f *folder) tell(ctx context.Context, err error, failures int, pause time.Duration) error {
	status := Status{State: Failing, Err: err, Retry: time.Now().Add(pause)}
	if errors.Is(err, errNoFolder) {
		status.State = NotFound
	}
	f.report(status)
	retry := slog.String("retry_in", pause.Round(time.Second).String())
	level := slog.LevelWarn
	if f.told == err.Error() {
		level = slog.LevelDebug
	}
	f.told = err.Error()
	f.log().Log(ctx, level, "can't watch the folder", slog.Any("error", err), retry)
	problem, _, _ := strings.Cut(err.Error(), "\n") // without the stack of a panic
	p, _ := errors.AsType[*mailconn.Problem](err)
	waited := errors.Is(err, errSilent) || errors.Is(err, context.DeadlineExceeded) // for a server that says nothing, which does not pass at once
	lasts := failures > 1 || waited || p != nil && (p.SignIn || p.Permanent)
	if _, ours := errors.AsType[*keepError](err); ours || !lasts || problem == f.noted {
		return nil // what is ours says nothing about the folder
	}
	f.noted = problem
	return f.note(ctx, problem)
}

// note puts a problem, or that there is none, into the folder's row. That this fails is no reason not to watch, but for a
// lease that is over.
func (f *folder) note(ctx context.Context, problem string) error {
	name, err := f.shownAs(ctx)
	if err == nil && name == "" {
		return nil
	}
	if err == nil {
		err = f.w.keeper.SetProblem(ctx, f.w.lease, name, f.role, problem)
	}
	if err != nil && ctx.Err() == nil {
		f.log().WarnContext(ctx, "how the folder is can't be noted", slog.Any("error", err))
	}
	if err != nil {
		err = &keepError{err}
	}
	return err
}

// shownAs names the row that tells how the folder is; "": there is none. A Sent folder that is not found is the one there was, also
// for a former process, or the one that the operator has named.
func (f *folder) shownAs(ctx context.Context) (string, error) {
	if name := cmp.Or(f.name, f.former); name != "" {
		return name, nil
	}
	name, err := f.w.keeper.SentFolder(ctx, f.w.mailbox.ID)
	if name = cmp.Or(name, f.w.mailbox.Sent); err != nil || slices.Contains(f.w.mailbox.ReadLikeInbox(), name) {
		return "", err // what is read like INBOX has that folder's row
	}
	return name, nil
}

func (f *folder) log() *slog.Logger {
	return f.w.log.With(slog.String("folder", f.name), slog.String("role", string(f.role)))
}

func (f *folder) report(s Status) {
	s.MailboxID, s.Folder, s.Role = f.w.mailbox.ID, f.name, f.role
	f.w.options.Report(s)
}

// session signs in, reads what is new, and waits for more, until something fails or ctx ends.
func (f *folder) session(ctx context.Context) error {
	if f.role == desk.AlsoSent && f.w.isSent(f.name) {
		return errIsSent
	}
	news := make(chan struct{}, 1)
	// These run in go-imap's reading goroutine: they only signal.
	tell := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	handler := &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
		if d.NumMessages != nil {
			tell()
		}
	}}
	if f.follows() {
		handler.Expunge = func(uint32) { f.stale.Store(true); tell(); f.w.hasMoved() }
		handler.Fetch = func(m *imapclient.FetchMessageData) {
			for it := m.Next(); it != nil; { // what is not read holds up the connection
				it = m.Next()
			}
			f.stale.Store(true)
			tell()
		}
	}
	client, err := mailconn.DialIMAP(ctx, f.config, handler)
	if err != nil {
		return err
	}
	defer client.Close()
	f.signedIn()
	f.begin()
	f.patience = firstPatience
	for {
		select {
		case <-news: // what it tells of is read now
		default:
		}
		if err := f.look(ctx, client); err != nil {
			return err
		}
		if err := f.wait(ctx, client, news); err != nil {
			return err
		}
	}
}

// begin forgets what was true of the former connection.
func (f *folder) begin() {
	f.looked, f.probed, f.unnoted = false, false, true
	f.stale.Store(true)
}

// look reads what is new and does all else that is due.
func (f *folder) look(ctx context.Context, client *imapclient.Client) error {
	if f.name == "" {
		if err := f.locate(ctx, client); err != nil {
			return err
		}
	}
	if f.role == desk.Sent {
		f.w.setSent(f.name)
	}
	if f.role == desk.AlsoSent && f.w.isSent(f.name) {
		return errIsSent
	}
	if err := f.looks.look(func() error { return f.catchUp(ctx, client) }); err != nil {
		return err
	}
	if err := f.sweep(ctx, client); err != nil {
		return err
	}
	if err := f.follow(ctx, client); err != nil {
		return err
	}
	if f.unnoted {
		f.noted, f.unnoted = "", false
		if err := f.note(ctx, ""); leaseOver(err) {
			return err
		}
	}
	if f.told != "" {
		f.log().InfoContext(ctx, "watching the folder again")
		f.told = ""
	}
	f.report(Status{State: Watching})
	return nil
}

// listFolders gives all folders of the account.
func (f *folder) listFolders(ctx context.Context, client *imapclient.Client) (folders []mailconn.Folder, err error) {
	err = f.do(ctx, client, f.w.options.Timeout, func() (err error) {
		folders, err = mailconn.Folders(ctx, client)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the folders: %w", err)
	}
	return folders, nil
}

// locate finds the Sent folder.
func (f *folder) locate(ctx context.Context, client *imapclient.Client) error {
	folders, err := f.listFolders(ctx, client)
	if err != nil {
		return err
	}
	if f.name, _ = mailconn.SentFolder(folders, f.w.mailbox.Sent); f.name == "" {
		return &mailconn.Problem{
			What: "No Sent folder was found, so answers from mail clients are not seen",
			Do:   "Name it: gateway mailbox edit " + f.w.mailbox.Address + " --sent NAME", Err: errNoFolder, Permanent: true,
		}
	}
	if slices.Contains(f.w.mailbox.ReadLikeInbox(), f.name) {
		name := f.name
		f.name = ""
		return &mailconn.Problem{What: fmt.Sprintf("%q is the Sent folder, and among those to be read like INBOX", name), Do: "Name the others alone: gateway mailbox edit " + f.w.mailbox.Address + " --folder NAME", Permanent: true}
	}
	return nil
}

// do runs commands that the server is to answer within a time.
func (f *folder) do(ctx context.Context, client *imapclient.Client, within time.Duration, commands func() error) error {
	return f.patiently(ctx, client, within, func(func()) error { return commands() })
}

// patiently runs commands that may take as long as the server keeps sending: each call of alive starts the time anew.
func (f *folder) patiently(ctx context.Context, client *imapclient.Client, within time.Duration, commands func(alive func()) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(within, func() { cancel(errSilent) })
	defer silence.Stop()
	err := mailconn.Do(inner, client, func() error {
		return commands(func() { silence.Reset(within) })
	})
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(inner), errSilent) {
		return errSilent
	}
	return err
}

// wait returns when there may be something new: the server says so, or enough time has passed.
func (f *folder) wait(ctx context.Context, client *imapclient.Client, news <-chan struct{}) error {
	var idle *imapclient.IdleCommand
	err := f.do(ctx, client, f.w.options.Timeout, func() (err error) {
		if f.idleRefused || !client.Caps().Has(imap.CapIdle) {
			return nil
		}
		idle, err = client.Idle()
		return err
	})
	if _, refused := errors.AsType[*imap.Error](err); refused {
		f.idleRefused, err = true, nil
	}
	if err != nil {
		return err
	}
	pause := f.w.options.Poll*3/4 + rand.N(f.w.options.Poll/4+1) //nolint:gosec // jitter
	if idle != nil {
		f.patience = min(f.patience, f.w.options.Idle)
		pause = f.patience/2 + rand.N(f.patience/2+1) //nolint:gosec // jitter
		f.patience *= 2
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-client.Closed():
		return errors.New("the server closed the connection")
	case <-news:
		f.patience = firstPatience
	case <-f.looks.news():
		f.patience = firstPatience
	case <-timer.C:
	}
	if idle == nil {
		return nil
	}
	return f.do(ctx, client, f.w.options.Timeout, func() error {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	})
}
