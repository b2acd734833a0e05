// Package ingest takes one inbound item exactly once: it keeps the bytes and a ledger row, reads them, and hands what
// they say to tickets. What feeds it (a mailbox, a form post) lies beside it.
package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"postern/blob"
	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// Options are what an Ingest needs.
type Options struct {
	DB    *store.DB
	Desk  *tickets.Desk
	Blobs blob.Store
	Log   *slog.Logger
	// LookupTXT finds DKIM keys. Nil: the machine's resolver.
	LookupTXT mailmsg.LookupTXT
}

// Ingest keeps and reads inbound items. Its methods may be called from many goroutines.
type Ingest struct {
	Options
	pack    *zstd.Encoder
	unpack  *zstd.Decoder
	started time.Time
	recent  recent
	keys    *keys

	mu    sync.Mutex // guards wakes
	wakes map[desk.ID]chan struct{}
}

// maxInDB is how many bytes of an item, compressed, lie in its database row; more go to the blob store.
const maxInDB = 64 << 10

// New makes an Ingest.
func New(o Options) (*Ingest, error) {
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	if o.LookupTXT == nil {
		o.LookupTXT = net.DefaultResolver.LookupTXT
	}
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(2*desk.MaxInlineRaw))
	if err != nil {
		return nil, err
	}
	return &Ingest{
		Options: o, pack: pack, unpack: unpack, started: time.Now(), keys: &keys{ask: o.LookupTXT}, wakes: map[desk.ID]chan struct{}{},
	}, nil
}

// Folder tells how far a folder of a mailbox is read.
func (g *Ingest) Folder(ctx context.Context, mailbox desk.ID, name string) (desk.Folder, error) {
	return g.DB.Folder(ctx, mailbox, name)
}

// SentFolder names the folder that is a mailbox's Sent folder, as far as anybody has seen; "": there was none.
func (g *Ingest) SentFolder(ctx context.Context, mailbox desk.ID) (string, error) {
	return g.DB.SentFolder(ctx, mailbox)
}

// SetProblem notes why a folder can't be read now, or with "" that it can.
func (g *Ingest) SetProblem(ctx context.Context, l desk.Lease, folder string, role desk.FolderRole, problem string) error {
	return g.DB.Update(ctx, func(tx *store.Tx) error { return tx.SetProblem(ctx, l, folder, role, problem) })
}

// UIDs lists the UIDs from one on that have ledger rows of a folder in its generation and UIDVALIDITY, in ascending order.
func (g *Ingest) UIDs(ctx context.Context, f desk.Folder, from uint32) ([]uint32, error) {
	return g.DB.UIDs(ctx, f, from)
}

// Keep makes what a watcher saw durable and moves the folder's cursor. After that the mail may be gone from the server:
// nothing is lost, and no mail can hold up another.
func (g *Ingest) Keep(ctx context.Context, l desk.Lease, b desk.FolderBatch) error {
	raws := make([][]byte, len(b.Items))
	for i := range b.Items {
		it := &b.Items[i]
		it.ID = store.NewID()
		if it.Raw == nil {
			continue
		}
		packed, sha, err := g.keepRaw(ctx, it.Raw)
		if err != nil {
			return err
		}
		raws[i], it.RawSHA256 = packed, sha
	}
	if err := g.DB.Update(ctx, func(tx *store.Tx) error { return tx.Keep(ctx, l, b, raws) }); err != nil {
		return fmt.Errorf("keep %d mails of %s: %w", len(b.Items), b.Folder, err)
	}
	for i, it := range b.Items {
		if raws[i] != nil {
			g.recent.add(it.ID, it.Raw)
		}
	}
	g.Wake(b.MailboxID)
	return nil
}

// Unfetched lists mails of a mailbox that its server has failed to send, and is to be asked for again by now.
func (g *Ingest) Unfetched(ctx context.Context, mailbox desk.ID) ([]desk.LedgerEntry, error) {
	const atOnce = 100
	return g.DB.UnfetchedOf(ctx, mailbox, atOnce)
}

// AskAgain takes down that a mail is asked for again, before it is.
func (g *Ingest) AskAgain(ctx context.Context, l desk.Lease, e desk.LedgerEntry) error {
	return g.DB.Update(ctx, func(tx *store.Tx) error { return tx.AskAgain(ctx, l, e) })
}

// KeepLate makes a mail durable that could not be fetched before, or says that it won't come.
func (g *Ingest) KeepLate(ctx context.Context, l desk.Lease, id desk.ID, it desk.FolderItem) error {
	var packed []byte
	if it.Raw != nil {
		var err error
		if packed, it.RawSHA256, err = g.keepRaw(ctx, it.Raw); err != nil {
			return err
		}
	}
	if err := g.DB.Update(ctx, func(tx *store.Tx) error { return tx.KeepLate(ctx, l, id, it, packed) }); err != nil {
		return fmt.Errorf("keep a mail that came late: %w", err)
	}
	g.Wake(l.MailboxID)
	return nil
}

// keepRaw decides where the bytes lie: packed in the database, or under the SHA-256 in the blob store.
func (g *Ingest) keepRaw(ctx context.Context, raw []byte) (packed []byte, sha string, err error) {
	if packed = g.pack.EncodeAll(raw, make([]byte, 0, len(raw)/2+64)); len(packed) <= maxInDB {
		return packed, "", nil
	}
	sha, _, err = g.attach(ctx)(bytes.NewReader(raw))
	return nil, sha, err
}

// KeepDelivery makes a form post durable. It answers false for one that came before, at most within ago (0: ever). A body
// over desk.MaxInlineRaw is in the blob store already, under e.RawSHA256, and raw is nil.
func (g *Ingest) KeepDelivery(ctx context.Context, e desk.LedgerEntry, raw []byte, within time.Duration) (desk.LedgerEntry, bool, error) {
	var packed []byte
	if raw != nil {
		var err error
		if packed, e.RawSHA256, err = g.keepRaw(ctx, raw); err != nil {
			return e, false, err
		}
	}
	var kept desk.LedgerEntry
	var fresh bool
	err := g.DB.Update(ctx, func(tx *store.Tx) error {
		var err error
		kept, fresh, err = tx.KeepDelivery(ctx, e, packed, within)
		return err
	})
	if err == nil && fresh {
		g.Wake(forms)
	}
	return kept, fresh, err
}

// Raw opens the bytes of an item, as they came.
func (g *Ingest) Raw(ctx context.Context, e desk.LedgerEntry) (io.ReadCloser, error) {
	if e.RawSHA256 != "" {
		r, err := g.Blobs.Open(ctx, e.RawSHA256)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, err
		case err != nil:
			return nil, noFiles(err)
		}
		return &stored{r}, nil
	}
	packed, err := g.DB.Raws(ctx, []desk.ID{e.ID})
	if err != nil {
		return nil, err
	}
	return g.unpacked(packed[e.ID])
}

// stored is a file from the blob store. Trouble with reading it says nothing about what is in it.
type stored struct{ io.ReadCloser }

// Read reads on.
func (s *stored) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = noFiles(err)
	}
	return n, err
}

func (g *Ingest) unpacked(packed []byte) (io.ReadCloser, error) {
	if packed == nil {
		return nil, desk.Missing("the bytes of the item")
	}
	raw, err := g.unpack.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("the stored bytes are damaged: %w", err)
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// forms stands for all forms where a mailbox's id is asked for.
const forms desk.ID = "forms"

// Wake has the reader of a mailbox look for pending items now.
func (g *Ingest) Wake(mailbox desk.ID) {
	select {
	case g.waker(mailbox) <- struct{}{}:
	default:
	}
}

func (g *Ingest) waker(mailbox desk.ID) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.wakes[mailbox]
	if !ok {
		c = make(chan struct{}, 1)
		g.wakes[mailbox] = c
	}
	return c
}

// lookEvery is how often a reader looks by itself: for what another process kept or put back.
const lookEvery = 2 * time.Second

// rest waits until there may be something to do, longer after trouble. It answers false when ctx has ended.
func (g *Ingest) rest(ctx context.Context, mailbox desk.ID, trouble bool) bool {
	wake := g.waker(mailbox)
	if trouble {
		wake = nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-time.After(lookEvery):
	}
	return true
}

// attach keeps a file of an item. That the place for files has trouble is not the item's fault: it has to wait.
func (g *Ingest) attach(ctx context.Context) func(io.Reader) (string, int64, error) {
	return func(r io.Reader) (string, int64, error) {
		source := &remembering{r: r}
		sha, size, err := g.Blobs.Put(ctx, source)
		switch {
		case source.err != nil: // a store need not pass it on as it is
			return "", 0, source.err
		case err != nil:
			return "", 0, noFiles(err)
		}
		return sha, size, nil
	}
}

func noFiles(err error) error {
	return &desk.Error{Kind: desk.Unavailable, Text: "files can't be stored or read now; try again in a moment", Err: &filesError{err}}
}

// filesError tells trouble with the place for files, which may be with one file alone, from trouble with the database.
type filesError struct{ error }

// Unwrap gives the cause.
func (e *filesError) Unwrap() error { return e.error }

func filesAway(err error) bool {
	_, ok := errors.AsType[*filesError](err)
	return ok
}

// quarantine parks an item that can't be read, with its reason, unless somebody else has settled it.
func (g *Ingest) quarantine(ctx context.Context, e desk.LedgerEntry, reason error) error {
	e.Outcome, e.Reason = desk.Quarantined, reason.Error()
	err := g.DB.Update(ctx, func(tx *store.Tx) error { return tx.Settle(ctx, e) })
	switch {
	case err == nil:
		g.Log.ErrorContext(ctx, "an item can't be read; it is in quarantine", slog.String("ledger_id", string(e.ID)), slog.String("error", reason.Error()))
	case desk.KindOf(err) == desk.Conflict:
		err = nil
	}
	return err
}

// passing tells whether an error will go away by itself, so that the item must wait and not be judged.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || desk.KindOf(err) == desk.Unavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
