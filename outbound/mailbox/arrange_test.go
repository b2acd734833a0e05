package mailbox

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailconn"
)

// servers are what the mail server can do about moving: Dovecot as it is, without MOVE, and without UIDPLUS too.
func servers(t *testing.T, check func(t *testing.T, d *mailtest.DovecotServer, can string)) {
	t.Helper()
	t.Parallel()
	for _, can := range []string{"MOVE", "UIDPLUS", "neither"} {
		t.Run(can, func(t *testing.T) {
			t.Parallel()
			o := mailtest.DovecotOptions{}
			switch can {
			case "UIDPLUS":
				o.Config = "imap_capability = IMAP4rev1 IDLE UIDPLUS LITERAL+\n"
			case "neither":
				o.Config = "imap_capability = IMAP4rev1 IDLE\n"
			}
			d := mailtest.DovecotWith(t, o, mailtest.User{Name: user, Password: "secret"})
			c := d.Dial(user)
			if err := c.Create("Archive", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			c.Close()
			check(t, d, can)
		})
	}
}

func ids(d *mailtest.DovecotServer, folder string) []string {
	out := []string{}
	for _, m := range d.Messages(user, folder) {
		out = append(out, string(m.Raw[len("Message-ID: <"):len("Message-ID: <")+1]))
	}
	slices.Sort(out)
	return out
}

func want(t *testing.T, d *mailtest.DovecotServer, folder string, wanted ...string) {
	t.Helper()
	if got := ids(d, folder); !slices.Equal(got, append([]string{}, wanted...)) {
		t.Errorf("%s has %v, want %v", folder, got, wanted)
	}
}

func put(t *testing.T, d *mailtest.DovecotServer, folder string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		d.Append(user, folder, fmt.Appendf(nil, "Message-ID: <%s@customer.example>\r\nSubject: x\r\n\r\nx\r\n", id), []imap.Flag{imap.FlagSeen}, time.Time{})
	}
}

func located(ids ...string) (out []desk.Located) {
	for i, id := range ids {
		out = append(out, desk.Located{Message: desk.ID(id), MessageID: desk.MessageID(id + "@customer.example"), Newest: i == 0})
	}
	return out
}

func TestI5_MovesAreSafeOnAnyServer(t *testing.T) {
	servers(t, func(t *testing.T, d *mailtest.DovecotServer, can string) {
		c := client(t, Options{})
		put(t, d, "INBOX", "a", "b", "c")
		deleted(t, d, "c") // an agent has marked it as deleted and may change their mind
		moved, err := c.Move(t.Context(), at(d.Addr()), "INBOX", "Archive", located("a", "b", "z"))
		if can == "neither" {
			if p, _ := errors.AsType[*mailconn.Problem](err); p == nil || !p.Permanent {
				t.Errorf("without MOVE and UIDPLUS: %v", err)
			}
			want(t, d, "INBOX", "a", "b", "c")
			want(t, d, "Archive")
			return
		}
		if err != nil || len(moved) != 2 {
			t.Fatalf("moved %v: %v", moved, err)
		}
		want(t, d, "INBOX", "c")
		want(t, d, "Archive", "a", "b")
		for _, m := range d.Messages(user, "Archive") {
			if !slices.Contains(m.Flags, imap.FlagSeen) || slices.Contains(m.Flags, imap.FlagDeleted) {
				t.Errorf("flags %v", m.Flags)
			}
		}
		if moved, err = c.Move(t.Context(), at(d.Addr()), "INBOX", "Archive", located("a", "b")); err != nil || len(moved) != 0 {
			t.Errorf("again: %v, %v", moved, err)
		}
	})
}

// TestI5_AMoveThatBrokeOffIsFinished: between the copy and the expunge the connection went away.
func TestI5_AMoveThatBrokeOffIsFinished(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: "imap_capability = IMAP4rev1 IDLE UIDPLUS LITERAL+\n"}, mailtest.User{Name: user, Password: "secret"})
	k := d.Dial(user)
	if err := k.Create("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	k.Close()
	put(t, d, "INBOX", "a", "b")
	put(t, d, "Archive", "a")
	moved, err := client(t, Options{}).Move(t.Context(), at(d.Addr()), "INBOX", "Archive", located("a", "b"))
	if err != nil || len(moved) != 2 {
		t.Fatalf("moved %v: %v", moved, err)
	}
	want(t, d, "INBOX")
	want(t, d, "Archive", "a", "b")
}

func TestI5_MailWithoutMessageIDIsFoundWhereItWasSeen(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	k := d.Dial(user)
	if err := k.Create("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	k.Close()
	d.Append(user, "INBOX", []byte("Subject: one\r\n\r\nx\r\n"), nil, time.Time{})
	d.Append(user, "INBOX", []byte("Subject: two\r\n\r\nx\r\n"), nil, time.Time{})
	box, err := d.Dial(user).Status("INBOX", &imap.StatusOptions{UIDValidity: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, Options{})
	second := desk.Located{Message: "m", Folder: "INBOX", UIDValidity: box.UIDValidity, UID: 2}
	other := second
	other.UIDValidity++ // the folder was replaced: the UID says nothing
	if moved, err := c.Move(t.Context(), m, "INBOX", "Archive", []desk.Located{other}); err != nil || len(moved) != 0 {
		t.Errorf("of another UIDVALIDITY: %v, %v", moved, err)
	}
	if moved, err := c.Move(t.Context(), m, "INBOX", "Archive", []desk.Located{second}); err != nil || len(moved) != 1 {
		t.Fatalf("moved %v: %v", moved, err)
	}
	if left := d.Messages(user, "INBOX"); len(left) != 1 || string(left[0].Raw[:12]) != "Subject: one" {
		t.Errorf("left: %v", left)
	}
}

// TestI5_AMailThatHasNotTheMessagesIDIsMovedAndMarked: an agent's mail that was passed on has the agent's, and some servers give mails new ones. That
// of the mail counts, also where it lies elsewhere by now, and so that a folder that was replaced under its UIDVALIDITY loses no other mail.
func TestI5_AMailThatHasNotTheMessagesIDIsMovedAndMarked(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	k := d.Dial(user)
	if err := k.Create("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	put(t, d, "INBOX", "a", "b", "c")
	box, err := k.Status("INBOX", &imap.StatusOptions{UIDValidity: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	k.Close()
	c := client(t, Options{})
	ours := func(id string, there desk.MessageID, uid uint32) []desk.Located {
		return []desk.Located{{Message: desk.ID(id), MessageID: desk.MessageID(id + "@acme.example"), There: there, Folder: "INBOX", UIDValidity: box.UIDValidity, UID: uid, Newest: true}}
	}
	shared := ours("c", "c@customer.example", 99)
	shared[0].Shared = true
	if moved, err := c.Move(t.Context(), m, "INBOX", "Archive", shared); err != nil || len(moved) != 0 {
		t.Errorf("another mail has its Message-ID: %v, %v", moved, err)
	}
	if moved, err := c.Move(t.Context(), m, "INBOX", "Archive", ours("x", "another@customer.example", 1)); err != nil || len(moved) != 0 {
		t.Errorf("another mail has its UID: %v, %v", moved, err)
	}
	for what, mails := range map[string][]desk.Located{
		"by its UID": ours("a", "a@customer.example", 1), "by its UID alone": ours("b", "", 2), "by its Message-ID": ours("c", "c@customer.example", 99),
	} {
		if err := c.Mark(t.Context(), m, "INBOX", mails, `\Flagged`, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if moved, err := c.Move(t.Context(), m, "INBOX", "Archive", mails); err != nil || len(moved) != 1 {
			t.Errorf("%s: moved %v, %v", what, moved, err)
		}
	}
	want(t, d, "INBOX")
	want(t, d, "Archive", "a", "b", "c")
	for _, mail := range d.Messages(user, "Archive") {
		if !slices.Contains(mail.Flags, imap.FlagFlagged) {
			t.Errorf("flags %v", mail.Flags)
		}
	}
}

func TestI5_MarksTheNewestAndUnmarksTheOthers(t *testing.T) {
	t.Parallel()
	d, m := start(t)
	put(t, d, "INBOX", "a", "b", "c")
	c := client(t, Options{})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	flags := func() (out [][]imap.Flag) {
		for _, m := range d.Messages(user, "INBOX") {
			out = append(out, slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == imap.FlagSeen || f == "\\Recent" }))
		}
		return out
	}
	ok(c.Mark(t.Context(), m, "INBOX", located("a", "b"), `\Flagged`, []string{"$Closed"}))
	if got := fmt.Sprint(flags()); got != `[[\Flagged] [] []]` {
		t.Errorf("flags are %s", got)
	}
	ok(c.Mark(t.Context(), m, "INBOX", located("b", "a"), "$Closed", []string{`\Flagged`}))
	if got := fmt.Sprint(flags()); got != `[[] [$Closed] []]` {
		t.Errorf("flags are %s", got)
	}
	ok(c.Mark(t.Context(), m, "INBOX", located("b", "a"), "", []string{`\Flagged`, "$Closed"}))
	if got := fmt.Sprint(flags()); got != `[[] [] []]` {
		t.Errorf("flags are %s", got)
	}
	if err := c.Mark(t.Context(), m, "Nowhere", located("a"), `\Flagged`, nil); err == nil {
		t.Error("marked in a folder that is not there")
	}
}

// deleted marks a mail as deleted and leaves it there.
func deleted(t *testing.T, d *mailtest.DovecotServer, id string) {
	t.Helper()
	c := d.Dial(user)
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: id + "@customer.example"}}}, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Store(imap.UIDSetNum(found.AllUIDs()...), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestI5_WhatIsMarkedDeletedStays: a client that moves by a copy has left it, and it would lie in the other folder twice.
func TestI5_WhatIsMarkedDeletedStays(t *testing.T) {
	servers(t, func(t *testing.T, d *mailtest.DovecotServer, can string) {
		c := client(t, Options{})
		put(t, d, "INBOX", "a")
		deleted(t, d, "a")
		put(t, d, "Archive", "a")
		moved, err := c.Move(t.Context(), at(d.Addr()), "INBOX", "Archive", located("a"))
		if err != nil || len(moved) != 0 {
			t.Errorf("with %s: %+v, %v", can, moved, err)
		}
		want(t, d, "INBOX", "a")
		want(t, d, "Archive", "a")
	})
}
