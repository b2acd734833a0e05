package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"postern/blob"
	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
	"postern/tickets"
)

func TestMain(m *testing.M) {
	if mailbox := os.Getenv(readerMailbox); mailbox != "" {
		fmt.Fprintln(os.Stderr, readForEver(desk.ID(mailbox)))
		os.Exit(1)
	}
	os.Exit(mailtest.Main(m))
}

// rig is an installation without mail servers: what a watcher would have seen is handed to Keep.
type rig struct {
	t     *testing.T
	db    *store.DB
	desk  *tickets.Desk
	g     *Ingest
	blobs *files
	mb    desk.Mailbox
	other desk.Mailbox // a second one
	lease map[desk.ID]desk.Lease
	uids  map[string]uint32
}

// files is a blob store that can be away, that can break off in the middle of files and lock some, and that panics over a
// file that says so.
type files struct {
	blob.Store
	away   atomic.Bool
	breaks atomic.Bool
	locked sync.Map     // the names of files that can't be opened
	opened atomic.Int32 // how often one of those was asked for
	// putting, if set, is called before a file is kept.
	putting func()
}

// Open gives a file.
func (f *files) Open(ctx context.Context, sha256 string) (io.ReadCloser, error) {
	if _, locked := f.locked.Load(sha256); locked {
		f.opened.Add(1)
		return nil, fs.ErrPermission
	}
	r, err := f.Store.Open(ctx, sha256)
	if err != nil || !f.breaks.Load() {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, 100<<10), iotest.ErrReader(errBreaks)), r}, nil
}

var errBreaks = errors.New("input/output error")

// Put keeps r's bytes.
func (f *files) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	if f.putting != nil {
		f.putting()
	}
	if f.away.Load() {
		return "", 0, errors.New("the bucket does not answer")
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	if bytes.Contains(b, []byte("PANIC")) {
		panic("as told")
	}
	return f.Store.Put(ctx, bytes.NewReader(b))
}

// both runs a check on an installation with each database.
func both(t *testing.T, check func(r *rig)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) { check(newRig(t, o)) })
}

func newRig(t *testing.T, o store.Options) *rig {
	t.Helper()
	in := desktest.New(t, o)
	r := &rig{t: t, db: in.DB, desk: in.Desk, blobs: &files{Store: in.Blobs}, lease: map[desk.ID]desk.Lease{}, uids: map[string]uint32{}}
	r.g = r.ingest()
	for _, m := range []*desk.Mailbox{&r.mb, &r.other} {
		*m = desk.Mailbox{ID: store.NewID(), Address: "support@acme.example", IMAP: "imaps://mail.acme.example", SMTP: "smtps://mail.acme.example", MIDDomain: "acme.example", SubAddress: true, CreatedAt: time.Now()}
		if m == &r.other {
			m.Address = "sales@acme.example"
		}
		r.update(func(tx *store.Tx) error {
			lease, ok, err := tx.TakeLease(t.Context(), m.ID, "place/test", time.Hour)
			r.lease[m.ID] = lease
			if err == nil && !ok {
				err = errors.New("no lease")
			}
			return err
		}, func(tx *store.Tx) error { return tx.PutMailbox(t.Context(), *m) })
	}
	return r
}

func (r *rig) ingest() *Ingest {
	r.t.Helper()
	g, err := New(Options{DB: r.db, Desk: r.desk, Blobs: r.blobs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

// update runs the functions in one transaction, the last one first.
func (r *rig) update(fns ...func(tx *store.Tx) error) {
	r.t.Helper()
	slices.Reverse(fns)
	if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
		for _, fn := range fns {
			if err := fn(tx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) org() *store.Organisation {
	r.t.Helper()
	org, err := r.db.FreshOrganisation(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return org
}

// item is where a mail arrived.
type item struct {
	mailbox desk.ID
	folder  string
	uid     uint32
}

func (r *rig) keep(mailbox desk.ID, role desk.FolderRole, at time.Time, raws ...string) []item {
	r.t.Helper()
	folder := map[desk.FolderRole]string{desk.Inbox: "INBOX", desk.Sent: "Sent"}[role]
	b := desk.FolderBatch{MailboxID: mailbox, Folder: folder, Role: role, UIDValidity: 1}
	var items []item
	for _, raw := range raws {
		key := string(mailbox) + folder
		r.uids[key]++
		b.Items = append(b.Items, desk.FolderItem{UID: r.uids[key], InternalDate: at, Size: int64(len(raw)), Raw: []byte(raw)})
		items = append(items, item{mailbox, folder, r.uids[key]})
	}
	if err := r.g.Keep(r.t.Context(), r.lease[mailbox], b); err != nil {
		r.t.Fatal(err)
	}
	return items
}

// read settles all that waits.
func (r *rig) read() {
	r.t.Helper()
	for _, mailbox := range []desk.ID{r.mb.ID, r.other.ID} {
		for {
			n, err := r.g.pass(r.t.Context(), mailbox, &round{})
			if err != nil {
				r.t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
	}
}

// arrives has a mail arrive in the INBOX now, reads it and tells what became of it.
func (r *rig) arrives(raw string) desk.LedgerEntry {
	r.t.Helper()
	it := r.keep(r.mb.ID, desk.Inbox, time.Now(), raw)[0]
	r.read()
	return r.entry(it)
}

// sends has an agent's mail appear in Sent, reads it and tells what became of it.
func (r *rig) sends(raw string) desk.LedgerEntry {
	r.t.Helper()
	it := r.keep(r.mb.ID, desk.Sent, time.Now(), raw)[0]
	r.read()
	return r.entry(it)
}

func (r *rig) entry(it item) desk.LedgerEntry {
	r.t.Helper()
	for _, o := range desk.Outcomes() {
		es, err := r.db.LedgerWith(r.t.Context(), o, store.Page{Limit: 200})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, e := range es {
			if e.MailboxID == it.mailbox && e.Folder == it.folder && e.UID == it.uid {
				return e
			}
		}
	}
	r.t.Fatalf("no ledger row for %+v", it)
	return desk.LedgerEntry{}
}

func (r *rig) want(e desk.LedgerEntry, want desk.Outcome) {
	r.t.Helper()
	if e.Outcome != want {
		r.t.Errorf("outcome %s (%s), want %s", e.Outcome, e.Reason, want)
	}
}

func (r *rig) contact(email string) desk.Contact {
	r.t.Helper()
	c, err := r.db.ContactByEmail(r.t.Context(), email)
	if err != nil {
		r.t.Fatalf("contact %s: %v", email, err)
	}
	return c
}

// messages lists what the customer with the address sees of a ticket; "" is what the program sees.
func (r *rig) messages(ticket desk.ID, email string) []desk.Message {
	r.t.Helper()
	scope := desk.ScopeOfProgram()
	if email != "" {
		scope = desk.ScopeOfContact(r.contact(email))
	}
	ms, err := r.db.Messages(r.t.Context(), scope, ticket)
	if err != nil {
		r.t.Fatal(err)
	}
	return ms
}

// texts lists what messages say.
func texts(ms []desk.Message) []string {
	out := []string{}
	for _, m := range ms {
		out = append(out, m.Text)
	}
	return out
}

func (r *rig) wantTexts(ticket desk.ID, email string, want ...string) {
	r.t.Helper()
	if got := texts(r.messages(ticket, email)); !slices.Equal(got, append([]string{}, want...)) {
		r.t.Errorf("%q sees %q, want %q", email, got, want)
	}
}

func (r *rig) ticket(id desk.ID) desk.Ticket {
	r.t.Helper()
	t, err := r.db.Ticket(r.t.Context(), desk.ScopeOfProgram(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

func (r *rig) tickets() int {
	r.t.Helper()
	ts, err := r.db.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(ts)
}

func (r *rig) effects(kind desk.EffectKind) (out []desk.Effect) {
	r.t.Helper()
	es, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range es {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (r *rig) clean() {
	r.t.Helper()
	report, err := r.db.Verify(r.t.Context(), r.blobs.Has)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, v := range report.Violations {
		r.t.Errorf("verify: %s", v)
	}
}

// mail writes a mail. More header fields may follow, "Name: value" each; "-Name" leaves a field out.
func mail(from, to, id, text string, more ...string) string {
	fields := []string{
		"From: " + from, "To: " + to, "Subject: Printer", "Date: Mon, 02 Mar 2026 10:00:00 +0000", "Message-ID: <" + id + ">",
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
	}
	for _, m := range more {
		if name, out := strings.CutPrefix(m, "-"); out {
			fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, name+":") })
			continue
		}
		name, _, _ := strings.Cut(m, ":")
		fields = append(slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, name+":") }), m)
	}
	return strings.Join(fields, "\r\n") + "\r\n\r\n" + text + "\r\n"
}

func answering(id string) string { return fmt.Sprintf("In-Reply-To: <%s>", id) }

// withFile is a mail with an attachment.
func withFile(from, id, file string) string {
	return mail(from, "support@acme.example", id, "--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n"+file+"\r\n--b--",
		`Content-Type: multipart/mixed; boundary="b"`)
}
