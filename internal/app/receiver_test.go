package app

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/config"
	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

// box is a data folder with one mailbox, into which mails can be put without a server.
type box struct {
	t     *testing.T
	env   []string
	p     *parts
	mb    desk.Mailbox
	lease desk.Lease
	uid   uint32
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, env: []string{"POSTERN_DATA=" + filepath.Join(t.TempDir(), "data")}}
	b.gateway(0, "mailbox", "add", "--address", "support@acme.example", "--imap", "imaps://support@mail.acme.example", "--since", "all", "--no-check")
	cfg, err := config.Load(config.Source{Environ: b.env})
	if err != nil {
		t.Fatal(err)
	}
	if b.p, err = open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	b.mb = b.mailbox()
	err = b.p.db.Update(t.Context(), func(tx *store.Tx) error {
		b.lease, _, err = tx.TakeLease(t.Context(), b.mb.ID, "test", time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.p.ingest.ReadMailbox(ctx, b.lease, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := b.p.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// gateway runs a command and gives what it prints and what it tells beside that.
func (b *box) gateway(status int, args ...string) (out, told string) {
	b.t.Helper()
	var stdout, stderr bytes.Buffer
	if code := Gateway(b.t.Context(), args, Env{Environ: b.env, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}, nil); code != status {
		b.t.Fatalf("%q: exit status %d, %s%s", args, code, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

func (b *box) mailbox() desk.Mailbox {
	b.t.Helper()
	org, err := b.p.db.FreshOrganisation(b.t.Context())
	if err != nil || len(org.Mailboxes) != 1 {
		b.t.Fatalf("%+v, %v", org, err)
	}
	return org.Mailboxes[0]
}

// arrives has a mail arrive in the INBOX and waits until it is read.
func (b *box) arrives(raw string) desk.LedgerEntry {
	b.t.Helper()
	b.uid++
	batch := desk.FolderBatch{MailboxID: b.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1, Items: []desk.FolderItem{{UID: b.uid, InternalDate: time.Now(), Size: int64(len(raw)), Raw: []byte(raw)}}}
	if err := b.p.ingest.Keep(b.t.Context(), b.lease, batch); err != nil {
		b.t.Fatal(err)
	}
	var e desk.LedgerEntry
	mailtest.Until(b.t, "the mail is read", func() bool {
		es, err := b.p.db.LedgerOf(b.t.Context(), b.mb.ID, desk.Inbox, store.Page{Limit: 1})
		if err != nil || len(es) != 1 {
			b.t.Fatalf("%d rows, %v", len(es), err)
		}
		e = es[0]
		return e.UID == b.uid && e.Outcome != desk.Pending
	})
	return e
}

// calibrates runs the command and reads its JSON.
func (b *box) calibrates(status int, args ...string) (got calibration) {
	b.t.Helper()
	out, _ := b.gateway(status, append([]string{"mailbox", "calibrate", "support@acme.example", "--json"}, args...)...)
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&got); err != nil {
		b.t.Fatalf("%q: %v", out, err)
	}
	return got
}

// sent is the mail that a swaks line sends, as a server that is to be tried out would get it.
func sent(t *testing.T, swaks string) string {
	t.Helper()
	var fields []string
	for i, part := range strings.Split(swaks, "'") {
		if i%2 == 1 {
			fields = append(fields, part)
		}
	}
	if len(fields) != 3 || !strings.Contains(swaks, "--to support@acme.example") {
		t.Fatalf("the line is %q", swaks)
	}
	return strings.Join(fields, "\r\n") + "\r\nFrom: you@outside.example\r\nTo: support@acme.example\r\nMessage-ID: <" + string(store.NewID()) + "@outside.example>\r\n\r\nThis is a test mailing.\r\n"
}

const (
	genuine  = "Authentication-Results: mx.acme.example; dmarc=none header.from=outside.example\r\n"
	received = "Received: from outside.example by mx.acme.example; Mon, 02 Mar 2026 10:00:00 +0000\r\n"
)

func TestA5_AMailboxIsCalibratedWhereAForgedResultCanBeToldApart(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	_, told := b.gateway(1, "mailbox", "calibrate", "support@acme.example")
	if !strings.Contains(told, "no mail in the INBOX has Authentication-Results") {
		t.Errorf("an empty mailbox: %q", told)
	}
	b.arrives(genuine + received + "From: ann@customer.example\r\nSubject: Printer\r\n\r\nx\r\n")
	first := b.calibrates(0)
	if first.State != "send" || first.AuthServID != "mx.acme.example" || !strings.Contains(first.Swaks, "Authentication-Results: mx.acme.example; dmarc=pass") || b.mailbox().Receiver != b.mb.Receiver {
		t.Errorf("first: %+v", first)
	}
	e := b.arrives("Received: from mx.acme.example by store.acme.example; Mon, 02 Mar 2026 10:00:01 +0000\r\n" + genuine + received + sent(t, first.Swaks))
	if e.Outcome != desk.Automated {
		t.Errorf("the calibration mail is %s (%s)", e.Outcome, e.Reason)
	}
	done := b.calibrates(0)
	r := b.mailbox().Receiver
	if done.State != "calibrated" || done.AuthServHops != 1 || done.CalibratedAt == nil || r.AuthServID != "mx.acme.example" || r.Hops != 1 || r.Profile != desk.RFC8601 || r.CalibratedAt.IsZero() {
		t.Errorf("calibrated: %+v, %+v", done, r)
	}
	out, _ := b.gateway(0, "mailbox", "list")
	if !strings.Contains(out, "mx.acme.example (calibrated)") {
		t.Errorf("the list: %s", out)
	}
	b.gateway(0, "mailbox", "edit", "support@acme.example", "--no-check", "--dkim-fallback")
	if r := b.mailbox().Receiver; r.CalibratedAt.IsZero() || !r.DKIM {
		t.Errorf("after a change of something else: %+v", r)
	}
	b.gateway(0, "mailbox", "edit", "support@acme.example", "--no-check", "--authserv-hops", "2")
	if r := b.mailbox().Receiver; !r.CalibratedAt.IsZero() {
		t.Errorf("what was set by hand counts as calibrated: %+v", r)
	}
}

func TestA5_NothingIsTrustedWhereAForgedResultCantBeToldApart(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	line := b.calibrates(0, "--authserv-id", "MX.acme.example").Swaks
	for name, c := range map[string]struct{ above, says string }{
		"a server that writes nothing":           {received, "wrote no Authentication-Results"},
		"as many Received fields above both":     {received + genuine, "as many Received fields"},
		"one that says nothing of DMARC":         {"Authentication-Results: mx.acme.example; spf=pass\r\n" + received, "nothing of DMARC"},
		"one that breaks its header":             {genuine + "no field\r\n" + received, "breaks the rules"},
		"another name than the one it was to be": {strings.Replace(genuine, "mx.", "mx2.", 1) + received, "wrote no Authentication-Results"},
	} {
		b.arrives(c.above + sent(t, line))
		got := b.calibrates(1, "--authserv-id", "mx.acme.example")
		if got.State != "not-told-apart" || !strings.Contains(got.Text, c.says) || !strings.Contains(got.Swaks, "swaks --to") || b.mailbox().Receiver != b.mb.Receiver {
			t.Errorf("%s: %+v, %+v", name, got, b.mailbox().Receiver)
		}
	}
}

func TestA5_Microsoft365IsCalibratedOnlyIfItTakesForgedResultsOut(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const own = "Authentication-Results: spf=none smtp.mailfrom=outside.example; dkim=none header.d=none;dmarc=none action=none header.from=outside.example;compauth=fail reason=001\r\n"
	b.arrives(own + received + "From: ann@customer.example\r\nSubject: Printer\r\n\r\nx\r\n")
	first := b.calibrates(0)
	if first.AuthServProfile != desk.M365 || !strings.Contains(first.Swaks, "Authentication-Results: spf=pass") {
		t.Fatalf("first: %+v", first)
	}
	b.arrives(own + received + sent(t, first.Swaks))
	if got := b.calibrates(1); got.State != "not-told-apart" || b.mailbox().Receiver != b.mb.Receiver {
		t.Errorf("left in: %+v", got)
	}
	b.arrives(own + received + strings.Replace(sent(t, first.Swaks), "Authentication-Results:", "Authentication-Results-Original:", 1))
	if got := b.calibrates(0); got.State != "calibrated" || b.mailbox().Receiver.Profile != desk.M365 {
		t.Errorf("taken out: %+v", got)
	}
}

// edits changes the mailbox by command, and gives what that tells.
func (b *box) edits(status int, args ...string) string {
	b.t.Helper()
	_, told := b.gateway(status, append([]string{"mailbox", "edit", "support@acme.example", "--no-check"}, args...)...)
	return told
}

func TestA3_AReceiverIsPinnedByHand(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.edits(0, "--authserv-id", "MX.acme.example", "--authserv-hops", "2", "--dkim-fallback")
	if got, want := b.mailbox().Receiver, (desk.Receiver{AuthServID: "mx.acme.example", Profile: desk.RFC8601, Hops: 2, DKIM: true}); got != want {
		t.Errorf("pinned: %+v", got)
	}
	b.edits(0, "--name", "Support")
	if got := b.mailbox().Receiver; got.AuthServID != "mx.acme.example" || got.Hops != 2 || !got.DKIM {
		t.Errorf("after another change: %+v", got)
	}
	var list struct {
		Items []map[string]any `json:"items"`
	}
	out, _ := b.gateway(0, "mailbox", "list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"authserv_id": "mx.acme.example", "authserv_profile": "rfc8601", "authserv_hops": 2.0, "dkim_fallback": true, "calibrated_at": nil} {
		if got, there := list.Items[0][key]; !there || got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if told := b.edits(1, "--authserv-profile", "gmail"); !strings.Contains(told, "none of: rfc8601, m365") {
		t.Errorf("an unknown profile: %q", told)
	}
	b.edits(0, "--authserv-profile", "m365", "--dkim-fallback=false")
	if got := b.mailbox().Receiver; got.Profile != desk.M365 || got.AuthServID != "" || got.DKIM {
		t.Errorf("Microsoft 365: %+v", got)
	}
	if told := b.edits(1, "--authserv-id", "mx.acme.example"); !strings.Contains(told, "leaves its name out") {
		t.Errorf("Microsoft 365 with a name: %q", told)
	}
}

func TestA1_FormSendersAreNamedByHand(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.edits(0, "--form-sender", "NoReply@shop.example", "--form-sender", "www@blog.example")
	b.edits(0, "--name", "Support")
	if got, want := b.mailbox().FormSenders, []string{"noreply@shop.example", "www@blog.example"}; !slices.Equal(got, want) {
		t.Errorf("the form senders are %q", got)
	}
	if out, _ := b.gateway(0, "mailbox", "list", "--json"); !strings.Contains(out, `"www@blog.example"`) {
		t.Errorf("the list: %s", out)
	}
	if told := b.edits(1, "--form-sender", "shop"); !strings.Contains(told, `--form-sender: "shop" is not a mail address`) {
		t.Errorf("no address: %q", told)
	}
	b.edits(0, "--form-sender", "")
	if got := b.mailbox().FormSenders; len(got) != 0 {
		t.Errorf("given up, they are %q", got)
	}
}
