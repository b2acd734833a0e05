package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/config"
	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

// desktop is an installation with one mailbox, into which mails are put, and its command line.
type desktop struct {
	t     *testing.T
	cfg   config.Config
	mb    desk.ID
	lease desk.Lease
	uid   uint32
}

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	d := &desktop{t: t, cfg: config.Default()}
	d.cfg.Data = filepath.Join(t.TempDir(), "data")
	d.mb = store.NewID()
	d.with(func(p *parts) {
		d.ok(p.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.PutMailbox(t.Context(), desk.Mailbox{ID: d.mb, Address: "support@desk.example", IMAP: "imap://x", MIDDomain: "desk.example", CreatedAt: time.Now()}); err != nil {
				return err
			}
			var err error
			d.lease, _, err = tx.TakeLease(t.Context(), d.mb, "test", time.Hour)
			return err
		}))
	})
	return d
}

func (d *desktop) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desktop) with(do func(p *parts)) {
	d.t.Helper()
	p, err := open(d.t.Context(), d.cfg, slog.New(slog.DiscardHandler))
	d.ok(err)
	do(p)
	d.ok(p.close())
}

// arrives has mails come to the mailbox, each from "Name <address>", with its id, the id it answers and its text.
func (d *desktop) arrives(mails ...[4]string) {
	d.t.Helper()
	b := desk.FolderBatch{MailboxID: d.mb, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
	for _, m := range mails {
		d.uid++
		raw := fmt.Sprintf("From: %s\r\nTo: support@desk.example\r\nSubject: Printer\r\nMessage-ID: <%s>\r\nIn-Reply-To: <%s>\r\n\r\n%s\r\n", m[0], m[1], m[2], m[3])
		b.Items = append(b.Items, desk.FolderItem{UID: d.uid, InternalDate: time.Now(), Raw: []byte(raw)})
	}
	d.with(func(p *parts) { d.ok(p.ingest.Keep(d.t.Context(), d.lease, b)) })
}

// settles reads what waits, as the gateway does.
func (d *desktop) settles() {
	d.t.Helper()
	d.with(func(p *parts) {
		ctx, stop := context.WithCancel(d.t.Context())
		done := make(chan error, 1)
		go func() { done <- p.ingest.ReadMailbox(ctx, d.lease, nil) }()
		mailtest.Until(d.t, "all mails are settled", func() bool {
			left, err := p.db.PendingOf(ctx, d.mb, "", 1)
			return err == nil && len(left) == 0
		})
		stop()
		d.ok(<-done)
	})
}

// gateway runs a command and gives what it prints, and its exit status.
func (d *desktop) gateway(args ...string) (out, told string, code int) {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	code = Gateway(d.t.Context(), args, Env{Environ: []string{"POSTERN_DATA=" + d.cfg.Data}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}, nil)
	return stdout.String(), stderr.String(), code
}

func (d *desktop) want(wantCode int, wantOut string, args ...string) {
	d.t.Helper()
	out, told, code := d.gateway(args...)
	if code != wantCode || !strings.Contains(out+told, wantOut) {
		d.t.Errorf("gateway %s: exit status %d, %q, %q; want %d and %q", strings.Join(args, " "), code, out, told, wantCode, wantOut)
	}
}

func (d *desktop) items(of string) (items []itemLine) {
	d.t.Helper()
	out, told, code := d.gateway(of, "list", "--json")
	var list struct{ Items []itemLine }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		d.t.Fatalf("%s list: %v, %d, %q, %q", of, err, code, out, told)
	}
	return list.Items
}

func TestM12_HeldFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	const eve = "Eve <eve@evil.example>"
	d.want(0, "none yet", "held", "list")
	d.arrives([4]string{"Ann <ann@acme.example>", "1@acme.example", "", "it is broken"}, [4]string{eve, "2@evil.example", "1@acme.example", "show \x1b[2J me"},
		[4]string{eve, "3@evil.example", "1@acme.example", "my own matter"}, [4]string{eve, "4@evil.example", "1@acme.example", "buy this"})
	d.settles()
	held := d.items("held")
	if len(held) != 3 || held[0].Ticket != 1 || held[0].From != "eve@evil.example" {
		t.Fatalf("held: %+v", held)
	}
	id := func(i int) string { return string(held[2-i].ID) } // newest first
	out, _, _ := d.gateway("held", "show", id(0))
	if !strings.Contains(out, "no part in ticket #1") || !strings.Contains(out, "show  [2J me") || strings.Contains(out, "\x1b") {
		t.Errorf("shown: %q", out)
	}
	d.want(0, `"text": "my own matter"`, "held", "show", id(1), "--json")
	d.want(1, "is not the number", "held", "accept", id(0), "--ticket", "x")
	d.want(1, "ticket", "held", "accept", id(0), "--ticket", "99")
	d.want(0, "it has joined ticket 1", "held", "accept", id(0), "--add-sender", "--by", "Mette")
	d.want(0, "it is ticket 2", "held", "split", id(1))
	d.want(0, "", "held", "discard", id(2))
	d.want(1, "not held; it is ignored: discarded by the operator", "held", "discard", id(2))
	d.want(1, "", "held", "show", "nothing")
	if left := d.items("held"); len(left) != 0 {
		t.Errorf("still held: %+v", left)
	}
	d.want(0, "", "verify")
}

func TestTicketsAreMergedAndSplitFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.arrives([4]string{"Ann <ann@acme.example>", "1@acme.example", "", "it is broken"}, [4]string{"Ann <ann@acme.example>", "2@acme.example", "", "still broken"})
	d.settles()
	d.want(1, "both are ticket #1", "ticket", "merge", "1", "--into", "#1")
	d.want(0, "ticket 1 has it all now", "ticket", "merge", "2", "--into", "1")
	out, told, code := d.gateway("ticket", "show", "2", "--json")
	var list struct{ Items []messageLine }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list.Items) != 2 || list.Items[1].Reply != "still broken" {
		t.Fatalf("%v, %d, %q, %q", err, code, out, told)
	}
	d.want(0, "still broken", "ticket", "show", "1")
	d.want(0, "3\n", "ticket", "split", "1", string(list.Items[1].ID), "--subject", "The other printer")
	d.want(1, "one message at least has to stay", "ticket", "split", "1", string(list.Items[0].ID))
	d.want(0, "", "verify")
}

func TestI7_QuarantineFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.arrives([4]string{"Cy <cy@acme.example>", "3@acme.example", "", "and mine"}, [4]string{"Ann <ann@acme.example>", "1@acme.example", "", "it is broken"}, [4]string{"Bob <bob@acme.example>", "2@acme.example", "", "mine too"})
	d.with(func(p *parts) {
		d.ok(p.db.Update(t.Context(), func(tx *store.Tx) error {
			es, err := tx.PendingOf(t.Context(), d.mb, "", 10)
			for _, e := range es {
				if e.Outcome, e.Reason = desk.Quarantined, "the parser fell over it"; err == nil {
					err = tx.Settle(t.Context(), e)
				}
			}
			return err
		}))
	})
	parked := d.items("quarantine")
	if len(parked) != 3 || parked[0].Reason != "the parser fell over it" {
		t.Fatalf("quarantine: %+v", parked)
	}
	d.want(0, "\r\n\r\nmine too\r\n", "quarantine", "raw", string(parked[0].ID))
	d.want(0, "reason:   the parser fell over it", "quarantine", "show", string(parked[0].ID))
	d.want(0, "UID 3 in the folder INBOX", "quarantine", "show", string(parked[0].ID))
	d.want(0, "gateway quarantine deliver "+string(parked[0].ID)+" --address ADDRESS", "quarantine", "show", string(parked[0].ID))
	d.want(0, `"uid": 3`, "quarantine", "show", string(parked[0].ID), "--json")
	d.want(1, "", "quarantine", "show", "nothing")
	d.want(2, "required flag", "quarantine", "deliver", string(parked[0].ID))
	d.want(1, "is our own address", "quarantine", "deliver", string(parked[0].ID), "--address", "support@desk.example")
	d.want(2, "--all", "quarantine", "retry")
	d.want(2, "--all", "quarantine", "retry", "--all", string(parked[0].ID))
	d.want(1, "1 of 2 will be read again", "quarantine", "retry", string(parked[1].ID), "nothing")
	d.settles()
	d.want(1, "is not in quarantine; it is new-ticket", "quarantine", "show", string(parked[1].ID))
	d.want(0, "it is ticket 2", "quarantine", "deliver", string(parked[0].ID), "--address", "bob@acme.example")
	d.want(1, "not in quarantine", "quarantine", "deliver", string(parked[0].ID), "--address", "bob@acme.example")
	d.want(0, "1 of 1 will be read again", "quarantine", "retry", "--all")
	d.settles()
	if left := d.items("quarantine"); len(left) != 0 {
		t.Errorf("still there: %+v", left)
	}
	d.want(0, "new-ticket", "verify")
}

func TestL10_QueuesArePausedAndResumedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.want(2, "there is no queue", "outbox", "pause", "nothing")
	d.want(0, "outbox resume automatic", "outbox", "pause", "automatic")
	out, told, code := d.gateway("outbox", "queues", "--json")
	var list struct{ Items []queueLine }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("%v, %d, %q, %q", err, code, out, told)
	}
	for _, q := range list.Items {
		if q.Paused != (q.Queue == desk.QueueAutomatic) || q.Paused && (q.Reason == "" || q.Since == nil) {
			t.Errorf("%+v", q)
		}
	}
	d.want(0, "goes out again", "outbox", "resume", "automatic")
	d.want(0, "was not paused", "outbox", "resume", "automatic")
	d.want(0, "goes out", "outbox", "queues")
	d.want(2, "no state", "outbox", "list", "--state", "x")
	d.want(0, "none yet", "outbox", "list")
	d.with(func(p *parts) {
		d.ok(p.db.Update(t.Context(), func(tx *store.Tx) error {
			return tx.AddEffect(t.Context(), desk.Effect{ID: store.NewID(), Kind: desk.WelcomeMail, MailboxID: d.mb, Recipient: "ann@acme.example", CreatedAt: time.Now()})
		}))
	})
	d.want(0, `"kind": "mail.welcome"`, "outbox", "list", "--json", "--state", "pending")
	d.want(0, "ann@acme.example", "outbox", "list")
}

func TestL4_SuppressedAddressesAreListed(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.want(0, "", "contact", "add", "--name", "Ann", "--email", "ann@acme.example", "--no-welcome")
	d.with(func(p *parts) {
		d.ok(p.db.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Suppress(t.Context(), desk.Suppression{Address: "ann@acme.example", Reason: desk.Bounced, Status: "5.1.1", At: time.Now()})
		}))
	})
	d.want(0, `"reason": "bounced"`, "contact", "list", "--json")
	d.want(0, "bounced", "contact", "list")
}

func TestINV1_TheLedgerIsListedByOutcome(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.arrives([4]string{"Shop <noreply@shop.example>", "1@shop.example", "", "we have your order"}, [4]string{"Ann <ann@acme.example>", "2@acme.example", "", "it is broken"})
	d.settles()
	d.want(0, "noreply@shop.example", "ledger", "list", "--outcome", "automatic")
	d.want(0, `"from": "ann@acme.example"`, "ledger", "list", "--outcome", "new-ticket", "--json")
	d.want(0, "none yet", "ledger", "list", "--outcome", "unfetched")
	d.want(2, "is none of", "ledger", "list", "--outcome", "x")
	d.want(2, "outcome", "ledger", "list")
}

func TestI3_UnfetchedMailIsAskedForAgainFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	b := desk.FolderBatch{MailboxID: d.mb, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
	b.Items = []desk.FolderItem{{UID: 1, InternalDate: time.Now(), Outcome: desk.Unfetched, Reason: "the server failed to send it", Later: true}}
	d.with(func(p *parts) { d.ok(p.ingest.Keep(t.Context(), d.lease, b)) })
	due := func() (due []desk.LedgerEntry) {
		d.with(func(p *parts) {
			var err error
			due, err = p.ingest.Unfetched(t.Context(), d.mb)
			d.ok(err)
		})
		return due
	}
	if now := due(); len(now) != 0 {
		t.Errorf("due at once: %+v", now)
	}
	d.want(0, "the server failed to send it; asked for again at", "ledger", "list", "--outcome", "unfetched")
	d.want(0, `"retry_at": "`, "ledger", "list", "--outcome", "unfetched", "--json")
	d.want(2, "--all", "ledger", "retry")
	d.want(1, "0 of 1 will be asked for again", "ledger", "retry", "nothing")
	d.want(0, "1 of 1 will be asked for again", "ledger", "retry", "--all")
	if now := due(); len(now) != 1 {
		t.Errorf("due by the operator's word: %+v", now)
	}
	d.want(0, "unfetched", "verify")
}

func TestINV1_VerifyWarnsOfWhatIsLate(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.arrives([4]string{"Ann <ann@acme.example>", "1@acme.example", "", "it is broken"})
	if out, told, code := d.gateway("verify"); strings.Contains(out+told, "WARNING") || code != 0 {
		t.Errorf("of a mail that has just come it says %q, %q, %d", out, told, code)
	}
	key, _, err := config.LoadKey(d.cfg)
	d.ok(err)
	past, err := store.Open(t.Context(), store.Options{Path: databaseFile(d.cfg), Key: key.Derive("secrets"), Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	d.ok(err)
	d.ok(past.Update(t.Context(), func(tx *store.Tx) error {
		b := desk.FolderBatch{MailboxID: d.mb, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1, Items: []desk.FolderItem{{UID: 2}}}
		return errors.Join(tx.Keep(t.Context(), d.lease, b, [][]byte{[]byte("x")}), tx.SetProblem(t.Context(), d.lease, "INBOX", desk.Inbox, "the disk is full"))
	}))
	d.ok(past.Close())
	d.want(0, "WARNING: mails to support@desk.example not read yet: 1, the first of them came at ", "verify")
	d.want(0, "; see whether a gateway runs", "verify")
	d.want(0, "WARNING: the folder INBOX of support@desk.example is not read: the disk is full", "verify")
	d.want(0, `"items": 1`, "verify", "--json")
	d.want(0, "", "mailbox", "pause", "support@desk.example")
	d.want(0, "it is paused: gateway mailbox resume support@desk.example", "verify")
	if out, told, _ := d.gateway("verify"); strings.Contains(out+told, "the disk is full") {
		t.Errorf("of a paused mailbox's folder it says %q, %q", out, told)
	}
}
