package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// engines are the two databases. What is promised of one is promised of the other, so every test of this package runs on
// both unless it is about one of them.
var engines = map[string]func(testing.TB) Options{
	"sqlite":   func(t testing.TB) Options { return Options{Path: filepath.Join(t.TempDir(), "postern.db")} },
	"postgres": func(t testing.TB) Options { return Options{URL: mailtest.Postgres(t)} },
}

// both runs a check on a new, empty database of each engine.
func both(t *testing.T, check func(t *testing.T, db *DB)) {
	t.Helper()
	bothWith(t, func(t *testing.T, o Options) { t.Helper(); check(t, open(t, o)) })
}

func bothWith(t *testing.T, check func(t *testing.T, o Options)) {
	t.Helper()
	t.Parallel()
	for name, options := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, options(t))
		})
	}
}

func open(t testing.TB, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// clock is a time that stands still until a test moves it.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// commit must succeed. fn runs in the writer's goroutine: it returns errors and never calls t.Fatal.
func commit(t testing.TB, db *DB, fn func(tx *Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantKind(t testing.TB, err error, want desk.Kind) {
	t.Helper()
	if err == nil || desk.KindOf(err) != want {
		t.Errorf("error %v, want one that is %s", err, want)
	}
}

func sameIDs(t testing.TB, what string, got []desk.ID, want ...desk.ID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// number counts the rows of a statement's one count.
func number(t testing.TB, db *DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.x.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func addMailbox(t testing.TB, db *DB, address string) desk.Mailbox {
	t.Helper()
	m := desk.Mailbox{ID: NewID(), Address: address, IMAP: "imaps://mail.example", SMTP: "smtps://mail.example", MIDDomain: "example.com", CreatedAt: db.Now()}
	commit(t, db, func(tx *Tx) error { return tx.PutMailbox(t.Context(), m) })
	return m
}

func addContact(t testing.TB, db *DB, email string) desk.Contact {
	t.Helper()
	c := desk.Contact{ID: NewID(), Name: "Contact " + email, Addresses: []string{email}, CreatedAt: db.Now()}
	commit(t, db, func(tx *Tx) error { return added(tx.AddContact(t.Context(), c)) })
	return c
}

func added(ok bool, err error) error {
	if err == nil && !ok {
		err = errors.New("was there already")
	}
	return err
}

// addTicket makes a ticket of a contact with a public message that has a file, and an internal note that has one too.
func addTicket(t testing.TB, db *DB, mailbox desk.ID, c desk.Contact, others ...desk.Participant) (ticket desk.Ticket, public, note desk.Message) {
	t.Helper()
	ctx, now := t.Context(), db.Now()
	ticket = desk.Ticket{
		ID: NewID(), Subject: "Printer", Pipeline: desk.DefaultPipeline, Status: desk.Open, MailboxID: mailbox, ContactID: c.ID, Source: desk.FromMail,
		CreatedAt: now, LastActivityAt: now, LastCustomer: true,
		Participants: append([]desk.Participant{{ContactID: c.ID, Name: c.Name, Email: c.LoginAddress(), Role: desk.Requester}}, others...),
	}
	conversation := desk.Conversation{ID: NewID(), TicketID: ticket.ID, MailboxID: mailbox, Channel: desk.FromMail, CreatedAt: now}
	message := func(text string, internal bool, at time.Time) desk.Message {
		return desk.Message{
			ID: NewID(), TicketID: ticket.ID, ConversationID: conversation.ID, MailboxID: mailbox, Source: desk.FromMail, Internal: internal, Text: text, Reply: text,
			Author:    desk.Author{Kind: desk.Customer, Name: c.Name, Email: c.LoginAddress(), ContactID: c.ID},
			MessageID: desk.MessageID(NewID() + "@example.com"), Class: desk.Human, CreatedAt: at,
			Attachments: []desk.Attachment{{ID: NewID(), Name: text + ".txt", Type: "text/plain", Size: 3, SHA256: strings.Repeat("a", 64)}},
		}
	}
	public, note = message("public", false, now), message("note", true, now.Add(time.Minute))
	commit(t, db, func(tx *Tx) error {
		var err error
		if ticket.Number, err = tx.NextNumber(ctx); err != nil {
			return err
		}
		if err := tx.AddTicket(ctx, ticket); err != nil {
			return err
		}
		if err := tx.AddConversation(ctx, conversation); err != nil {
			return err
		}
		for _, m := range []desk.Message{public, note} {
			if err := added(tx.AddMessage(ctx, m)); err != nil {
				return err
			}
		}
		return nil
	})
	return ticket, public, note
}

func takeLease(t testing.TB, db *DB, mailbox desk.ID, owner string, d time.Duration) desk.Lease {
	t.Helper()
	var l desk.Lease
	commit(t, db, func(tx *Tx) error {
		var ok bool
		var err error
		l, ok, err = tx.TakeLease(t.Context(), mailbox, owner, d)
		return errors.Join(err, added(ok, nil))
	})
	return l
}

// batch has a mail for each UID, with its bytes.
func batch(mailbox desk.ID, validity uint32, uids ...uint32) (desk.FolderBatch, [][]byte) {
	b := desk.FolderBatch{MailboxID: mailbox, Folder: "INBOX", Role: desk.Inbox, UIDValidity: validity}
	var raws [][]byte
	for _, uid := range uids {
		b.Items = append(b.Items, desk.FolderItem{UID: uid, Size: 5, InternalDate: time.Unix(1700000000, 0)})
		raws = append(raws, fmt.Appendf(nil, "mail %d", uid))
	}
	return b, raws
}

func keep(t testing.TB, db *DB, l desk.Lease, validity uint32, uids ...uint32) {
	t.Helper()
	b, raws := batch(l.MailboxID, validity, uids...)
	commit(t, db, func(tx *Tx) error { return tx.Keep(t.Context(), l, b, raws) })
}

func addEffects(t testing.TB, db *DB, n int, change func(i int, e *desk.Effect)) []desk.Effect {
	t.Helper()
	es := make([]desk.Effect, n)
	commit(t, db, func(tx *Tx) error {
		for i := range es {
			es[i] = desk.Effect{ID: NewID(), Kind: desk.SignInMail, Recipient: "ann@example.com", MessageID: desk.MessageID(NewID() + "@example.com"), CreatedAt: db.Now()}
			if change != nil {
				change(i, &es[i])
			}
			if err := tx.AddEffect(context.WithoutCancel(t.Context()), es[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return es
}

func effect(t testing.TB, db *DB, id desk.ID) desk.Effect {
	t.Helper()
	all, err := db.Effects(t.Context(), "", Page{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(e desk.Effect) bool { return e.ID == id })
	if i < 0 {
		t.Fatalf("no outbox row %s", id)
	}
	return all[i]
}
