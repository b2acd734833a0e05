package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
)

// sent counts the mails that the outbox is to send.
func (r *rig) sent() (n int64) {
	r.t.Helper()
	counts, err := r.in.DB.EffectCounts(r.t.Context())
	r.ok(err)
	for _, c := range counts {
		n += c
	}
	return n
}

// listed compares the ledger with what the server has in a folder: every mail there has its row.
func (r *rig) listed(folder string) {
	r.t.Helper()
	listings, err := List(r.t.Context(), r.mb, nil, []string{folder})
	r.ok(err)
	f := r.folder(folder)
	rows, err := r.in.DB.UIDs(r.t.Context(), f, 0)
	r.ok(err)
	l := listings[folder]
	if l.Missing || l.UIDValidity != f.UIDValidity || slices.ContainsFunc(l.UIDs, func(uid uint32) bool { return !slices.Contains(rows, uid) }) {
		r.t.Errorf("%s has UIDs %v under %d; the rows are %v under %d", folder, l.UIDs, l.UIDValidity, rows, f.UIDValidity)
	}
}

// TestI5_AFolderThatIsMadeAnewDoublesNothing deletes a watched folder and makes it again with the same mails in another order
// and a new one, while it is watched; then the INBOX loses its index.
func TestI5_AFolderThatIsMadeAnewDoublesNothing(t *testing.T) {
	both(t, func(r *rig) {
		r.create("Support")
		r.change(func(mb *desk.Mailbox) { mb.Folders, mb.SMTP = []string{"Support"}, "smtp://127.0.0.1:1" })
		// A mail without a Message-ID is known by its content alone.
		bare := []byte(strings.Replace(string(about("bare")), "Message-ID: <bare@customer.example>\r\n", "", 1))
		mails := [][]byte{about("one"), about("two"), bare}
		for i, raw := range mails {
			r.dovecot.Append(user, "Support", raw, nil, time.Time{})
			r.dovecot.Append(user, "INBOX", about(fmt.Sprintf("inbox%d", i)), nil, time.Time{})
		}
		stop := r.watch()
		mailtest.Until(r.t, "all is read", func() bool { return r.folder("Support").Seen == 3 && r.folder("INBOX").Seen == 3 })
		r.counts()
		before, out := r.subjects(), r.sent()
		if len(before) == 0 || out == 0 {
			r.t.Fatalf("%q, %d mails to send", before, out)
		}

		c := r.dovecot.Dial(user)
		r.ok(c.Delete("Support").Wait())
		r.ok(c.Create("Support", nil).Wait())
		for _, raw := range [][]byte{mails[2], mails[1], about("three"), mails[0]} {
			r.dovecot.Append(user, "Support", raw, []imap.Flag{imap.FlagSeen}, time.Time{})
		}
		r.untilRead("Support")
		if f := r.folder("Support"); f.Generation != 1 || f.Seen != 7 {
			r.t.Errorf("%+v", f)
		}
		if got, want := r.subjects(), append(slices.Clone(before), "three"); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			r.t.Errorf("the tickets are %q, want %q", got, want)
		}
		afterThree := r.sent()

		r.dovecot.Kill()
		r.dovecot.Renumber(user, "INBOX")
		r.dovecot.Start()
		mailtest.Until(r.t, "INBOX is read again", func() bool { return r.folder("INBOX").Generation == 1 && r.folder("INBOX").Seen == 6 })
		r.counts()
		stop()
		if got := r.subjects(); len(got) != len(before)+1 || r.sent() != afterThree || afterThree > out+1 {
			r.t.Errorf("the tickets are %q; %d mails were to be sent at first, then %d, then %d", got, out, afterThree, r.sent())
		}
		if _, replaced, err := r.in.DB.FolderEvents(r.t.Context()); err != nil || replaced != 2 {
			r.t.Errorf("%d are counted, %v", replaced, err)
		}
		for _, folder := range []string{"INBOX", "Support"} {
			if !r.log.has("level=WARN", "the folder was replaced", user, "folder="+folder) {
				r.t.Errorf("the log says nothing of %s: %s", folder, r.log.String())
			}
			r.listed(folder)
		}
		r.clean()
	})
}

func TestI5_AFolderOfWhatIsDoneThatIsGoneIsNamedWithItsFlag(t *testing.T) {
	both(t, func(r *rig) {
		r.options.Follower = r.g
		r.change(func(mb *desk.Mailbox) {
			mb.Policy.Follow = desk.Follow{ClosedFolder: "Done", FromMailbox: desk.On}
		})
		r.watch()
		mailtest.Until(r.t, "the problem is shown", func() bool {
			return strings.Contains(r.folder("Done").Problem, "gateway mailbox edit "+user+" --closed-folder NAME")
		})
	})
}

// TestI5_ARenamedFolderIsAProblemThatIsShown until it comes back, or the operator names the new one. Mail that comes
// meanwhile is not lost, and none is doubled.
func TestI5_ARenamedFolderIsAProblemThatIsShown(t *testing.T) {
	both(t, func(r *rig) {
		r.create("Support")
		r.change(func(mb *desk.Mailbox) { mb.Folders = []string{"Support"} })
		r.dovecot.Append(user, "Support", about("one"), nil, time.Time{})
		stop := r.watch()
		r.until(desk.NewTicket, 1)
		agent := r.dovecot.Dial(user)
		rename := func(from, to string) {
			t.Helper()
			r.ok(agent.Rename(from, to, nil).Wait())
		}
		rename("Support", "Old stuff")
		mailtest.Until(r.t, "the problem is shown", func() bool {
			return strings.Contains(r.folder("Support").Problem, "seems to be called") && r.state("Support").State == NotFound
		})
		for _, words := range []string{`"Support" is not on the server any more`, `it seems to be called "Old stuff" now`, "gateway mailbox edit " + user + " --folder"} {
			if p := r.folder("Support").Problem; !strings.Contains(p, words) {
				r.t.Errorf("the problem is told as %q", p)
			}
		}
		if !r.log.has("level=WARN", "can't watch the folder", "not on the server any more") {
			r.t.Errorf("the log says %q", r.log.String())
		}
		r.dovecot.Append(user, "Old stuff", about("two"), nil, time.Time{})
		r.dovecot.Append(user, "INBOX", about("three"), nil, time.Time{}) // the others are read as ever
		r.until(desk.NewTicket, 2)
		r.clean()

		rename("Old stuff", "Support")
		r.until(desk.NewTicket, 3)
		r.wantSubjects("one", "two", "three")
		mailtest.Until(r.t, "the problem is over", func() bool { return r.folder("Support").Problem == "" })
		if f := r.folder("Support"); f.Generation != 0 || f.Seen != 2 {
			r.t.Errorf("%+v", f)
		}

		rename("Support", "Kunden/Fragen")
		mailtest.Until(r.t, "the problem is shown again", func() bool { return strings.Contains(r.folder("Support").Problem, "Kunden/Fragen") })
		stop()
		r.change(func(mb *desk.Mailbox) { mb.Folders = []string{"Kunden/Fragen"} })
		r.dovecot.Append(user, "Kunden/Fragen", about("four"), nil, time.Time{})
		r.watch()
		r.until(desk.NewTicket, 4)
		r.until(desk.Duplicate, 2)
		r.wantSubjects("one", "two", "three", "four")
		if f := r.folder("Kunden/Fragen"); f.Problem != "" {
			r.t.Errorf("%+v", f)
		}
		r.listed("Kunden/Fragen")
		r.clean()
	})
}

// TestI5_ASentFolderThatIsGoneIsAProblemThatIsShown until the operator names another.
func TestI5_ASentFolderThatIsGoneIsAProblemThatIsShown(t *testing.T) {
	both(t, func(r *rig) {
		r.dovecot = mailtest.DovecotWith(t, mailtest.DovecotOptions{NoSpecialUse: true}, mailtest.User{Name: user, Password: "secret", SentFolder: "Nothing"})
		r.create("Our answers")
		r.change(func(mb *desk.Mailbox) { mb.IMAP, mb.Sent = mailbox(r.dovecot.Addr()).IMAP, "Our answers" })
		answer := func(n int) {
			t.Helper()
			raw := fmt.Appendf(nil, "From: %s\r\nTo: one@customer.example\r\nSubject: Re: one\r\nMessage-ID: <a%d@example.com>\r\nIn-Reply-To: <one@customer.example>\r\n\r\nanswer %d\r\n", user, n, n)
			r.dovecot.Append(user, r.mb.Sent, raw, nil, time.Time{})
		}
		r.dovecot.Append(user, "INBOX", about("one"), nil, time.Time{})
		answer(1)
		stop := r.watch()
		r.until(desk.Appended, 1)
		r.ok(r.dovecot.Dial(user).Rename("Our answers", "What we said", nil).Wait())
		mailtest.Until(r.t, "the problem is shown", func() bool {
			return strings.Contains(r.folder("Our answers").Problem, "gateway mailbox edit "+user+" --sent NAME")
		})
		stop()
		r.change(func(mb *desk.Mailbox) { mb.Sent = "What we said" })
		answer(2)
		r.watch()
		r.until(desk.Appended, 2)
		r.until(desk.Duplicate, 1)
		mailtest.Until(r.t, "the problem is over", func() bool { return r.folder("Our answers").Problem == "" && r.folder("What we said").Problem == "" })
		if former, now := r.folder("Our answers"), r.folder("What we said"); r.mb.Reads(former) || former.Role != desk.FormerSent || !r.mb.Reads(now) || now.Role != desk.Sent {
			r.t.Errorf("%+v, %+v", former, now)
		}
		r.wantSubjects("one")
		r.clean()
	})
}

// TestI5_ASentFolderThatIsGoneBeforeTheStartIsAProblemThatIsShown: which one it was is known from what was read, and before that from
// what the operator named. Brought back, it is read again.
func TestI5_ASentFolderThatIsGoneBeforeTheStartIsAProblemThatIsShown(t *testing.T) {
	both(t, func(r *rig) {
		r.dovecot = mailtest.DovecotWith(t, mailtest.DovecotOptions{NoSpecialUse: true}, mailtest.User{Name: user, Password: "secret", SentFolder: "Nothing"})
		r.change(func(mb *desk.Mailbox) { mb.IMAP, mb.Sent = mailbox(r.dovecot.Addr()).IMAP, "Our answers" })
		shown := func() bool {
			f := r.folder("Our answers")
			return strings.Contains(f.Problem, "gateway mailbox edit "+user+" --sent NAME") && r.mb.Reads(f)
		}
		stop := r.watch()
		mailtest.Until(r.t, "the problem is shown: it never was there", shown)
		stop()
		r.create("Our answers")
		r.dovecot.Append(user, "INBOX", about("one"), nil, time.Time{})
		r.dovecot.Append(user, "Our answers", fmt.Appendf(nil, "From: %s\r\nTo: one@customer.example\r\nSubject: Re: one\r\nMessage-ID: <a1@example.com>\r\nIn-Reply-To: <one@customer.example>\r\n\r\nanswer\r\n", user), nil, time.Time{})
		stop = r.watch()
		r.until(desk.Appended, 1)
		mailtest.Until(r.t, "the problem is over", func() bool { return r.folder("Our answers").Problem == "" })
		stop()
		r.ok(r.dovecot.Dial(user).Rename("Our answers", "What we said", nil).Wait())
		r.change(func(mb *desk.Mailbox) { mb.Sent = "" })
		stop = r.watch()
		mailtest.Until(r.t, "the problem is shown: it was renamed while nobody watched", shown)
		stop()
		r.ok(r.dovecot.Dial(user).Rename("What we said", "Our answers", nil).Wait())
		r.change(func(mb *desk.Mailbox) { mb.Sent = "Our answers" })
		r.watch()
		mailtest.Until(r.t, "it is read again", func() bool { return r.folder("Our answers").Problem == "" })
		r.clean()
	})
}

// TestI1_AgentsWhoReadMoveAndDeleteBeforeWeLook: what is left is read, once, whatever its flags are, and what is gone is no gap.
func TestI1_AgentsWhoReadMoveAndDeleteBeforeWeLook(t *testing.T) {
	both(t, func(r *rig) {
		r.create("Done")
		r.create("Trash")
		r.change(func(mb *desk.Mailbox) { mb.Folders = []string{"Done"} })
		const n = 40
		seed := func(from int) {
			t.Helper()
			r.dovecot.SeedMaildir(user, "INBOX", n, func(i int) []byte { return about(fmt.Sprintf("m%02d", from+i)) }, func(int) time.Time { return time.Now() })
		}
		// Of each ten mails an agent reads the first three, moves the next two, throws the next two away, deletes the next one.
		work := func() {
			t.Helper()
			c := r.dovecot.Dial(user)
			_, err := c.Select("INBOX", nil).Wait()
			r.ok(err)
			found, err := c.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{"worked"}}, nil).Wait()
			r.ok(err)
			all := imap.UIDSetNum(found.AllUIDs()...)
			r.ok(c.Store(all, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{"worked"}}, nil).Close())
			sets := map[int]imap.UIDSet{}
			for i, uid := range found.AllUIDs() {
				set := sets[i%10]
				set.AddNum(uid)
				sets[i%10] = set
			}
			for i := range 3 {
				r.ok(c.Store(sets[i], &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, nil).Close())
			}
			for i, to := range map[int]string{3: "Done", 4: "Done", 5: "Trash", 6: "Trash"} {
				_, err := c.Move(sets[i], to).Wait()
				r.ok(err)
			}
			r.ok(c.Store(sets[7], &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
			r.ok(c.UIDExpunge(sets[7]).Close())
			r.ok(c.Logout().Wait())
		}
		seed(0)
		work() // before anybody looked
		r.watch()
		r.untilRead("INBOX")
		r.untilRead("Done")
		if got := len(r.subjects()); got != n*7/10 || r.folder("INBOX").Seen != n/2 || r.folder("Done").Seen != n/5 {
			r.t.Errorf("%d tickets of %+v and %+v", got, r.folder("INBOX"), r.folder("Done"))
		}
		before := flagsOf(r.dovecot, "INBOX")
		seed(n)
		work() // while somebody looks: whoever is first
		r.untilRead("INBOX")
		r.untilRead("Done")
		got := r.subjects()
		for i := range n {
			subject := fmt.Sprintf("m%02d", n+i)
			if there := slices.Contains(got, subject); !there && i%10 != 5 && i%10 != 6 && i%10 != 7 {
				r.t.Errorf("mail %s is no ticket", subject)
			}
		}
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			r.t.Errorf("doubled: %q", got)
		}
		for _, folder := range []string{"INBOX", "Done"} {
			r.listed(folder)
		}
		if after := flagsOf(r.dovecot, "INBOX"); fmt.Sprint(after[:len(before)]) != fmt.Sprint(before) {
			r.t.Errorf("flags were %v and are %v", before, after)
		}
		if n, _, err := r.in.DB.FolderEvents(context.WithoutCancel(r.t.Context())); err != nil || n != 0 {
			r.t.Errorf("%d are taken for passed over, %v", n, err)
		}
		r.clean()
	})
}
