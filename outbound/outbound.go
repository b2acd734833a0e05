// Package outbound does what the outbox says: it composes each mail from its row, hands it to a mail server or puts it
// into the agents' mailbox, and writes down how that ended. Only the row retries.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"postern/blob"
	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/store"
)

// Submitter hands a mail to the mailbox's SMTP server.
type Submitter interface {
	// Submit sends one mail to one recipient from an envelope sender; body writes its bytes, once at most. A *Refusal is the server's own answer; ErrAmbiguous
	// means that the server may have the mail; after any other error it does not have it.
	Submit(ctx context.Context, mb desk.Mailbox, from, to string, body func(io.Writer) error) (reply string, err error)
}

// Depositor puts mail into the agents' mailbox and looks for mail there.
type Depositor interface {
	// Append puts a mail into a folder ("" is INBOX) and tells where it went. With maybeThere set it does nothing if a mail
	// with this Message-ID is there. raw may be called twice and writes the same both times.
	Append(ctx context.Context, mb desk.Mailbox, folder string, raw func(io.Writer) error, flags []string, date time.Time, mid desk.MessageID, maybeThere bool) (uidValidity, uid uint32, err error)
	// Find tells whether the folder with the role has a mail with this Message-ID.
	Find(ctx context.Context, mb desk.Mailbox, role desk.FolderRole, mid desk.MessageID) (bool, error)
}

// Refusal is a mail server's own negative answer (RFC 5321 section 4.2, RFC 3463), or what it would have to be: at the
// stage NotAsked it is ours.
type Refusal struct {
	Code     int
	Enhanced string // such as 5.1.1; empty if the server gave none
	Text     string
	Stage    string // what it answered to: StageMail, …; or NotAsked
}

// NotAsked is the stage of a refusal of our own, before the server was asked.
const NotAsked = "not asked"

// Error gives the server's words, or ours.
func (r *Refusal) Error() string {
	if r.Stage == NotAsked {
		return r.Text
	}
	return fmt.Sprintf("the mail server answered %d %s to %s: %s", r.Code, r.Enhanced, r.Stage, r.Text)
}

// Permanent tells whether trying again is of no use.
func (r *Refusal) Permanent() bool { return r.Code/100 == 5 }

// Busy says that a server wants to be left alone for a while: nobody asked it this time, and the attempt does not count.
type Busy struct{ Until time.Time }

// Error says so.
func (b *Busy) Error() string { return "the mail server asked for a pause; it is tried again later" }

// ErrAmbiguous says that the connection broke when the server may already have had the mail (RFC 1047).
var ErrAmbiguous = errors.New("the connection broke before the mail server confirmed the mail")

// Options are what a Worker needs.
type Options struct {
	DB        *store.DB
	Keys      *mailmsg.Keyring
	Blobs     blob.Store
	Submitter Submitter
	Depositor Depositor
	Arranger  Arranger
	Owner     string // names this process in claims
	BaseURL   string // of the portal, without a slash at the end
	Texts     *i18n.Mails
	Log       *slog.Logger
}

// Worker does outbox rows.
type Worker struct {
	Options
	slow  slow
	plain plain
}

// New makes a Worker.
func New(o Options) *Worker {
	return &Worker{Options: o, slow: slow{until: map[string]time.Time{}}, plain: plain{until: map[desk.ID]time.Time{}}}
}

const (
	leaseFor     = 30 * time.Second // renewed while somebody works on the row
	firstClaim   = 5                // so that sending begins soon
	perClaim     = 25               // few enough that several workers share a short backlog
	sendWithin   = 5 * time.Minute
	finishWithin = 20 * time.Second // shorter than a lease, and than a stop may take
	finishEvery  = 500 * time.Millisecond
)

// Drain does up to limit due rows of a queue. When ctx ends it finishes the row under way and gives the others back.
func (w *Worker) Drain(ctx context.Context, queue string, limit int) {
	ready := make(chan prepared)
	go func() { // the next rows are composed while these are sent
		defer close(ready)
		for n := firstClaim; limit > 0 && ctx.Err() == nil; n = perClaim {
			p := w.prepare(ctx, queue, min(n, limit))
			if len(p.jobs) == 0 {
				return
			}
			limit -= len(p.jobs)
			ready <- p
		}
	}()
	last := written(nil)
	for p := range ready {
		last = w.sendAll(ctx, p.jobs, last)
		p.drop()
	}
	_ = last.wait() // finish has told
}

// prepared is what has been claimed and composed, and durably noted. drop ends the renewing of the claims.
type prepared struct {
	jobs []job
	drop func()
}

// prepare claims rows and composes all of them first, so that one commit stores what they will be known by. It gives
// nothing if nothing is due, or if the database has trouble.
func (w *Worker) prepare(ctx context.Context, queue string, limit int) prepared {
	// A claim that is broken off may hold all the same, and its rows would count as unknown.
	work := context.WithoutCancel(ctx)
	soon, cancel := context.WithTimeout(work, finishWithin)
	defer cancel()
	rows, err := w.DB.Claim(soon, queue, w.Owner, limit, leaseFor)
	if err != nil {
		w.Log.WarnContext(ctx, "outbox rows can't be claimed", slog.String("queue", queue), slog.String("error", err.Error()))
		return prepared{}
	}
	if len(rows) == 0 {
		return prepared{}
	}
	drop := w.keepLease(work, rows)
	jobs, err := w.composeAll(soon, rows)
	if err == nil {
		err = w.DB.NoteComposed(soon, changed(jobs))
	}
	if err != nil {
		w.Log.WarnContext(ctx, "outbox rows wait, the database has trouble", slog.String("error", err.Error()))
		w.release(work, rows)
		drop()
		return prepared{}
	}
	return prepared{jobs, drop}
}

// keepLease renews the claims on rows until the function it gives back is called.
func (w *Worker) keepLease(ctx context.Context, rows []desk.Effect) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(leaseFor / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				soon, cancel := context.WithTimeout(ctx, finishWithin)
				err := w.DB.Renew(soon, rows, leaseFor)
				cancel()
				if err != nil && ctx.Err() == nil {
					w.Log.WarnContext(ctx, "claims can't be renewed", slog.String("error", err.Error()))
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// sendAll sends rows one by one, the first of them behind last, and gives the receipt of the last one sent.
func (w *Worker) sendAll(ctx context.Context, jobs []job, last *receipt) *receipt {
	work := context.WithoutCancel(ctx)
	for i, j := range jobs {
		if ctx.Err() != nil || last.failed() {
			w.release(work, effects(jobs[i:]))
			break
		}
		last = w.sendBehind(work, j, last)
	}
	return last
}

// receipt tells when it is durable how a row ended.
type receipt struct {
	done chan struct{}
	err  error // valid once done is closed
}

func written(err error) *receipt {
	r := &receipt{done: make(chan struct{}), err: err}
	close(r.done)
	return r
}

func (r *receipt) wait() error {
	<-r.done
	return r.err
}

// failed tells whether it is known that writing down failed.
func (r *receipt) failed() bool {
	select {
	case <-r.done:
		return r.err != nil
	default:
		return false
	}
}

// sendBehind sends a row while it is still being written down how the one before ended. No byte of a mail leaves before
// that is durable: however this process ends, only one mail can be unknown.
func (w *Worker) sendBehind(ctx context.Context, j job, before *receipt) *receipt {
	if write := j.write; write != nil {
		j.write = func(out io.Writer) error {
			if err := before.wait(); err != nil {
				return errNotWritten
			}
			return write(out)
		}
	}
	row, err := w.send(ctx, j)
	j.err = err
	if before.wait() != nil && row.State != desk.EffectSent {
		w.release(ctx, []desk.Effect{j.row})
		return before
	}
	tell := w.tell(&row, j)
	r := &receipt{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = w.finish(ctx, row, tell)
	}()
	return r
}

var errNotWritten = errors.New("the mail before could not be written down")

// composeAll composes the mails of rows; one that can't be composed says so in its job.
func (w *Worker) composeAll(ctx context.Context, rows []desk.Effect) ([]job, error) {
	org, err := w.DB.Organisation(ctx)
	if err != nil {
		return nil, err
	}
	n, err := w.lookUp(ctx, rows)
	if err != nil {
		return nil, err
	}
	jobs := make([]job, 0, len(rows))
	for _, row := range rows {
		jobs = append(jobs, w.compose(ctx, org, n, row))
	}
	return jobs, nil
}

// named is what rows name, looked up for all of them at once.
type named struct {
	messages map[desk.ID]desk.Message
	numbers  map[desk.ID]int64  // of tickets
	langs    map[desk.ID]string // that contacts have chosen
}

func (w *Worker) lookUp(ctx context.Context, rows []desk.Effect) (n named, err error) {
	var messages, ticketIDs, contacts []desk.ID
	for _, row := range rows {
		if row.SubjectID != "" {
			messages = append(messages, row.SubjectID)
		}
		if row.TicketID != "" {
			ticketIDs = append(ticketIDs, row.TicketID)
		}
		if row.ContactID != "" {
			contacts = append(contacts, row.ContactID)
		}
	}
	if n.messages, err = w.DB.MessagesByID(ctx, messages); err != nil {
		return n, err
	}
	if n.numbers, err = w.DB.TicketNumbers(ctx, ticketIDs); err != nil {
		return n, err
	}
	n.langs, err = w.DB.LanguagesOf(ctx, contacts)
	return n, err
}

// message finds the message that a row carries.
func (n named) message(row desk.Effect) (desk.Message, error) {
	if m, ok := n.messages[row.SubjectID]; ok {
		return m, nil
	}
	return desk.Message{}, desk.Missing("message")
}

// changed lists the rows that say something new about how their mail is composed.
func changed(jobs []job) []desk.Effect {
	var out []desk.Effect
	for _, j := range jobs {
		if j.before.Fingerprint != j.row.Fingerprint || j.before.Wording != j.row.Wording {
			out = append(out, j.row)
		}
	}
	return out
}

func effects(jobs []job) []desk.Effect {
	out := make([]desk.Effect, len(jobs))
	for i, j := range jobs {
		out[i] = j.row
	}
	return out
}

func (w *Worker) release(ctx context.Context, rows []desk.Effect) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	if err := w.DB.Release(ctx, rows); err != nil {
		// Their lease ends, and then they count as unknown.
		w.Log.WarnContext(ctx, "claimed outbox rows can't be given back", slog.String("error", err.Error()))
	}
}

// job is a row and the mail that was composed from it, or why none could be.
type job struct {
	row    desk.Effect
	before desk.Effect // the row before its mail was composed
	mb     desk.Mailbox
	date   time.Time
	write  func(io.Writer) error
	err    error

	subject  string // of its mail; empty if it could not be composed
	fallback string // the organisation's language
}

func (w *Worker) compose(ctx context.Context, org *store.Organisation, n named, row desk.Effect) (j job) {
	defer recovered(&j.err, mailmsg.ErrDraft)
	j = job{row: row, before: row, date: row.CreatedAt, fallback: org.Settings.DefaultLanguage}
	var ok bool
	if j.mb, ok = org.Mailbox(row.MailboxID); !ok {
		// Another process may have added it a moment ago.
		if org, j.err = w.DB.FreshOrganisation(ctx); j.err != nil {
			return j
		}
		if j.mb, ok = org.Mailbox(row.MailboxID); !ok {
			j.err = fmt.Errorf("%w: its mailbox is gone", mailmsg.ErrDraft)
			return j
		}
	}
	if row.Kind == desk.FollowTicket { // it sends nothing
		return j
	}
	words, err := w.wording(ctx, org, j.mb, n, row)
	var draft mailmsg.Draft
	if err == nil {
		draft, err = w.draft(ctx, words, j.mb, n, row)
	}
	if desk.KindOf(err) == desk.NotFound {
		err = fmt.Errorf("%w: %w", mailmsg.ErrDraft, err) // what the row names is gone for good
	}
	if err != nil {
		j.err = err
		return j
	}
	j.date, j.subject = draft.Date, draft.Subject
	j.write = func(out io.Writer) (err error) {
		defer recovered(&err, mailmsg.ErrDraft)
		return mailmsg.Compose(out, draft)
	}
	if small(draft) {
		var b bytes.Buffer
		if j.err = j.write(&b); j.err != nil {
			return j
		}
		j.write = func(out io.Writer) error { _, err := out.Write(b.Bytes()); return err }
		j.err = j.known(mailmsg.Fingerprint(bytes.NewReader(b.Bytes())))
	} else {
		j.err = j.known(fingerprint(j.write))
	}
	if j.err == nil {
		j.err = j.sign(&words)
	}
	if j.err == nil {
		j.row.Wording, j.err = words.pack()
	}
	return j
}

// known adds a fingerprint to those that the row's mail is known by. There is another one only if it comes out otherwise
// than before, as after an update of this program.
func (j *job) known(fingerprint string, err error) error {
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(j.before.Fingerprint), fingerprint) {
		j.row.Fingerprint = strings.TrimSpace(j.before.Fingerprint + " " + fingerprint)
	}
	return nil
}

// small tells whether a mail may be in memory whole.
func small(d mailmsg.Draft) bool {
	return len(d.Attachments) == 0 && len(d.Text)+len(d.HTML) < desk.MaxInlineRaw
}

// fingerprint reads a mail of ours as ingest will when it comes back to us.
func fingerprint(write func(io.Writer) error) (string, error) {
	r, out := io.Pipe()
	go func() { out.CloseWithError(write(out)) }()
	sum, err := mailmsg.Fingerprint(r)
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what the reader leaves must be written too, or the writer waits for ever
	}
	r.CloseWithError(err)
	return sum, err
}

// send does the row and gives it back as it ended, and why it did not succeed.
func (w *Worker) send(ctx context.Context, j job) (desk.Effect, error) {
	row := j.row
	began := w.DB.Now()
	if life := row.Kind.LinkLife(); life > 0 && began.Sub(row.CreatedAt) > life && j.err == nil {
		j.err = fmt.Errorf("%w: its link has run out before it could be sent", mailmsg.ErrDraft)
	}
	if j.err == nil {
		j.err = w.slow.refuse(row, began)
	}
	if j.err == nil {
		ctx, cancel := context.WithTimeout(ctx, sendWithin)
		row.Answer, j.err = w.deliver(ctx, j)
		cancel()
		w.slow.note(row, began, w.DB.Now(), j.err)
	}
	now := w.DB.Now()
	if j.err == nil {
		row.State, row.LastError, row.DoneAt = desk.EffectSent, "", now
		return row, nil
	}
	if wait, ok := errors.AsType[*later](j.err); ok {
		return postponed(row, wait.until), j.err
	}
	if busy, ok := errors.AsType[*Busy](j.err); ok && now.Sub(row.CreatedAt) <= desk.GiveUpAfter {
		return postponed(row, busy.Until.Add(rand.N(busyJitter))), j.err //nolint:gosec // jitter
	}
	refusal, refused := errors.AsType[*Refusal](j.err)
	ambiguous := errors.Is(j.err, ErrAmbiguous)
	if ambiguous {
		row.Unknowns++
	}
	switch {
	case refused && refusal.Permanent(), hopeless(row, j.err), errors.Is(j.err, mailmsg.ErrDraft), now.Sub(row.CreatedAt) > desk.GiveUpAfter:
		row.State, row.DoneAt = desk.EffectFailed, now
	case ambiguous:
		row.State = desk.EffectUnknown
	default:
		row.State = desk.EffectDeferred
	}
	row.LastError = j.err.Error()
	wait := desk.Backoff(row.Attempt)
	row.NextTry = now.Add(wait + rand.N(wait/4)) //nolint:gosec // jitter
	return row, j.err
}

// busyJitter spreads the rows that waited for one server.
const busyJitter = 5 * time.Second

// postponed gives a row that could not be tried back as it was before the attempt.
func postponed(row desk.Effect, until time.Time) desk.Effect {
	row.Attempt--
	row.NextTry = until
	switch {
	case row.Unknowns > 0:
		row.State = desk.EffectUnknown
	case row.Attempt > 0:
		row.State = desk.EffectDeferred
	default:
		row.State = desk.EffectPending
	}
	return row
}

// deliver does the row, and gives what the server answered as it took the mail.
func (w *Worker) deliver(ctx context.Context, j job) (answer string, err error) {
	defer recovered(&err, ErrAmbiguous)
	if j.row.Kind == desk.SentCopy {
		return w.saveSent(ctx, j)
	}
	if j.row.Kind == desk.FollowTicket {
		return "", w.follow(ctx, j)
	}
	if j.row.Arrived {
		return "", nil
	}
	if putBySMTP(j.mb, j.row) {
		return w.mailToInbox(ctx, j)
	}
	if j.row.Kind.Queue() == desk.QueueMailbox {
		return w.put(ctx, j, "", nil, j.row.Attempt > 1)
	}
	if j.row.Unknowns > 0 && j.mb.IMAP != "" {
		// Some servers keep a copy of what they are given: then it need not be sent again (REQUIREMENTS O4).
		there, err := w.savedBySending(ctx, j)
		if err != nil {
			return "", fmt.Errorf("look for the mail in the Sent folder: %w", err)
		}
		if there {
			return "", nil
		}
	}
	reply, err := w.submit(ctx, j)
	if err == nil {
		w.learn(ctx, j, reply)
	}
	w.noteRefused(ctx, j, err)
	return reply, err
}

// learn notes under which Message-ID the server passes a mail on, so that what answers it there finds its ticket. The mail is
// sent whatever becomes of this: the References of the answer lead there too.
func (w *Worker) learn(ctx context.Context, j job, reply string) {
	server, err := url.Parse(j.mb.SMTP)
	if err != nil || j.row.TicketID == "" || j.row.Kind == desk.NotifyMail {
		return
	}
	mid, told := mailmsg.RenamedTo(reply, server.Hostname())
	if !told || mid == j.row.MessageID || string(mid) == j.row.Recipient || string(mid) == j.mb.Address {
		return
	}
	subject := j.row.SubjectID
	if j.row.Kind == desk.NoticeInInbox {
		subject = "" // it is about that message, and another mail
	}
	err = w.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.AddMessageIDs(ctx, j.mb.ID, j.row.TicketID, subject, true, mid)
	})
	if err != nil {
		w.Log.WarnContext(ctx, "a mail's other Message-ID can't be noted", slog.String("outbox_id", string(j.row.ID)), slog.String("error", err.Error()))
	}
}

// recovered makes a panic an error of one row: no row may end the program, and with it the work on all others. It is
// deferred.
func recovered(err *error, kind error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: a panic: %v", kind, p)
	}
}

// finish writes down how a row ended.
func (w *Worker) finish(ctx context.Context, row desk.Effect, tell []store.Notice) error {
	log := w.Log.With(slog.String("outbox_id", string(row.ID)), slog.String("kind", string(row.Kind)), slog.Any("recipient", desk.Address{Email: row.Recipient}))
	switch row.State {
	case desk.EffectSent:
		log.DebugContext(ctx, "sent")
	case desk.EffectPending:
		log.DebugContext(ctx, "waits", slog.Time("next_try", row.NextTry))
	case desk.EffectFailed:
		log.ErrorContext(ctx, "can't be sent", slog.String("error", row.LastError))
	default:
		log.WarnContext(ctx, "not sent yet", slog.String("state", string(row.State)), slog.Time("next_try", row.NextTry), slog.String("error", row.LastError))
	}
	// A mail that was sent must not be sent again because the database restarts in this very moment.
	ctx, cancel := context.WithTimeout(ctx, finishWithin)
	defer cancel()
	err := w.DB.Finish(ctx, row, tell...)
	for desk.KindOf(err) == desk.Unavailable && pause(ctx, finishEvery) {
		err = w.DB.Finish(ctx, row, tell...)
	}
	if err != nil {
		log.ErrorContext(ctx, "how a row ended can't be written down; it will count as unknown", slog.String("error", err.Error()))
	}
	return err
}

// pause waits, and answers false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
