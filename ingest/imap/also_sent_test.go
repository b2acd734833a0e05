package imap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
)

// answerTo is an agent's answer to what about made.
func answerTo(subject, id string) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s@customer.example\r\nSubject: Re: %s\r\nMessage-ID: <%s@example.com>\r\nIn-Reply-To: <%s@customer.example>\r\n\r\nThe answer %s.\r\n", user, subject, subject, id, subject, id)
}

// TestM1_AnswersInSeveralSentFoldersAreSeenOnce: two mail clients save in folders of their own, one of them with a name that goes over the
// network in modified UTF-7, and one that copies its answers into both.
func TestM1_AnswersInSeveralSentFoldersAreSeenOnce(t *testing.T) {
	both(t, func(r *rig) {
		const french, slavic = "\u00c9l\u00e9ments envoy\u00e9s", "Wys\u0142ane & inne"
		r.create(french)
		r.create(slavic)
		r.change(func(mb *desk.Mailbox) { mb.Policy.AlsoSent = []string{french, "Sent", slavic} })
		stop := r.watch()
		for _, subject := range []string{"one", "two", "three"} {
			r.dovecot.Append(user, "INBOX", about(subject), nil, time.Time{})
		}
		r.until(desk.NewTicket, 3)
		r.dovecot.Append(user, "Sent", answerTo("one", "a1"), []imap.Flag{imap.FlagSeen}, time.Time{})
		r.until(desk.Appended, 1)
		r.dovecot.Append(user, french, answerTo("two", "a2"), []imap.Flag{imap.FlagSeen}, time.Time{})
		r.dovecot.Append(user, slavic, answerTo("three", "a3"), nil, time.Time{})
		r.until(desk.Appended, 3)
		r.dovecot.Append(user, french, answerTo("one", "a1"), nil, time.Time{})
		r.dovecot.Append(user, french, answerTo("two", "a2"), nil, time.Time{})
		r.dovecot.Append(user, "Sent", answerTo("three", "a3"), nil, time.Time{})
		r.until(desk.Duplicate, 3)
		for name, want := range map[string]desk.FolderRole{"INBOX": desk.Inbox, "Sent": desk.Sent, french: desk.AlsoSent, slavic: desk.AlsoSent} {
			if f := r.folder(name); f.Role != want || f.Problem != "" || !r.mb.Reads(f) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		stop()

		// The further folder becomes the Sent folder, and the other way round: nothing is read twice, and each has one row.
		r.change(func(mb *desk.Mailbox) { mb.Sent = french })
		r.watch()
		r.dovecot.Append(user, "Sent", answerTo("two", "b2"), nil, time.Time{})
		r.dovecot.Append(user, french, answerTo("one", "b1"), nil, time.Time{})
		r.until(desk.Appended, 5)
		mailtest.Until(t, "the folders have changed places", func() bool {
			return r.folder(french).Role == desk.Sent && r.folder("Sent").Role != desk.Sent && r.mb.Reads(r.folder("Sent"))
		})
		if counts := r.counts(); counts[desk.Duplicate] != 3 {
			t.Errorf("%v", counts)
		}
		r.clean()
	})
}

// TestM1_AFurtherSentFolderThatIsMissingHoldsUpNoOther, and its row says what to do.
func TestM1_AFurtherSentFolderThatIsMissingHoldsUpNoOther(t *testing.T) {
	both(t, func(r *rig) {
		r.create("Gesendet")
		r.change(func(mb *desk.Mailbox) { mb.Policy.AlsoSent = []string{"Nowhere", "Gesendet"} })
		r.watch()
		r.dovecot.Append(user, "INBOX", about("one"), nil, time.Time{})
		r.until(desk.NewTicket, 1)
		r.dovecot.Append(user, "Gesendet", answerTo("one", "a1"), nil, time.Time{})
		r.until(desk.Appended, 1)
		mailtest.Until(t, "the problem is shown", func() bool { return r.folder("Nowhere").Problem != "" })
		if f := r.folder("Nowhere"); f.Role != desk.AlsoSent {
			t.Errorf("%+v", f)
		}
		if name, err := r.in.DB.SentFolder(t.Context(), r.mb.ID); name != "Sent" || err != nil {
			t.Errorf("the Sent folder is %q, %v", name, err)
		}
		r.create("Nowhere")
		r.dovecot.Append(user, "Nowhere", answerTo("one", "a2"), nil, time.Time{})
		r.until(desk.Appended, 2)
		mailtest.Until(t, "the problem is over", func() bool { return r.folder("Nowhere").Problem == "" })
	})
}

// TestM7_AllSentFoldersAreLookedAtWhenSomebodyAsks, however long they would wait by themselves.
func TestM7_AllSentFoldersAreLookedAtWhenSomebodyAsks(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: "imap_capability = IMAP4rev1 SASL-IR LITERAL+ ID ENABLE UIDPLUS"}, mailtest.User{Name: user, Password: "secret"})
	also := []string{"Sent Items", "Gesendet", "Enviados", "Inviati"}
	for _, name := range also {
		if err := d.Dial(user).Create(name, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	k := newMemory()
	o := quick(k)
	o.Poll, o.Idle = time.Hour, time.Hour
	m := mailbox(d.Addr())
	m.Policy.AlsoSent = also
	w := New(m, desk.Lease{MailboxID: m.ID, Epoch: 7}, k, k, o)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer done.Wait()
	defer cancel()
	k.wait(t, "watching all", func() bool {
		seen := map[string]bool{}
		for _, s := range k.reports {
			seen[s.Folder] = seen[s.Folder] || s.State == Watching
		}
		return !slices.ContainsFunc(append([]string{"Sent"}, also...), func(name string) bool { return !seen[name] })
	})
	for i, name := range append(also, "Sent") {
		d.Append(user, name, numbered(i), nil, time.Time{})
		if err := w.LookAtSent(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.mu.Lock()
		n := len(k.kept(name))
		k.mu.Unlock()
		if n != 1 {
			t.Errorf("%s: after it answered, %d mails are kept", name, n)
		}
	}
}
