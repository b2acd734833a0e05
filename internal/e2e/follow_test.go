package e2e

import (
	"bytes"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestI5_StateFollowsBothWays has agents move and flag conversations in the mail client, and tickets change elsewhere; both sides agree
// each time (FEATURES I5).
func TestI5_StateFollowsBothWays(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			f := &follower{installation: in}
			f.create("Archive")
			in.gateway("mailbox", "edit", support, "--closed-folder", "Archive", "--status-keyword", "$Waiting=waiting", "--status-from-mailbox", "on", "--status-to-mailbox", "on")
			in.start()
			f.agentsMoveConversations()
			f.ticketsMoveConversations()
			f.aCustomersMailBringsTheConversationBack()
			f.keywordsStandForStatuses()
			f.deletingMailChangesNothing()
			f.quickChangesEndWhereTheyShould()
			f.copiesOfAMailGoTogether()
			f.aMessageIDThatTwoMailsHaveMovesNeither()
			in.until("the installation is in order", func() (bool, error) {
				v, err := in.verify()
				return err == nil && len(v.Violations) == 0, fmt.Errorf("%v: %v", v, err)
			})
			in.gateway("verify", "--against-server")
		})
	}
}

type follower struct {
	*installation
}

func (f *follower) create(folder string) {
	f.t.Helper()
	c := f.dovecot.Dial("support")
	if err := c.Create(folder, nil).Wait(); err != nil {
		f.t.Fatal(err)
	}
	c.Close()
}

// put has a customer's mail arrive and gives its ticket.
func (f *follower) put(subject, id, parent string) ticket {
	f.t.Helper()
	f.dovecot.Append("support", "INBOX", mailFrom("Ann Example <ann@customer.example>", support, subject, id, parent, "About "+id), nil, time.Now())
	return f.ticketAbout(strings.TrimPrefix(subject, "Re: "))
}

// lying lists the Message-IDs of the mails in a folder, sorted.
func (f *follower) lying(folder string) []string {
	out := []string{}
	for _, m := range f.dovecot.Messages("support", folder) {
		out = append(out, messageID(m.Raw))
	}
	slices.Sort(out)
	return out
}

func messageID(raw []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err.Error()
	}
	return strings.Trim(m.Header.Get("Message-Id"), "<>")
}

func (f *follower) wantLying(folder string, ids ...string) {
	f.t.Helper()
	slices.Sort(ids)
	f.until(fmt.Sprintf("%s has %v", folder, ids), func() (bool, error) {
		got := f.lying(folder)
		return slices.Equal(got, append([]string{}, ids...)), fmt.Errorf("it has %v", got)
	})
}

func (f *follower) wantStatus(ticket, status string) {
	f.t.Helper()
	f.until("the ticket is "+status, func() (bool, error) {
		var got struct{ Status string }
		if err := f.ask("GET", "/tickets/"+ticket, nil, &got); err != nil {
			return false, err
		}
		return got.Status == status, fmt.Errorf("it is %s\n%s", got.Status, f.gateway("mailbox", "changes", support))
	})
}

func (f *follower) set(ticket, status string) {
	f.t.Helper()
	f.call("PATCH", "/tickets/"+ticket, map[string]string{"status": status}, nil)
}

// settled tells whether nothing is left to be done outside the database.
func (f *follower) settled() (bool, error) {
	v, err := f.verify()
	for state, n := range v.Outbox {
		if n > 0 && state != "sent" {
			return false, fmt.Errorf("%d rows are %s", n, state)
		}
	}
	return err == nil, fmt.Errorf("%+v: %w", v, err)
}

// move moves the mails of a folder that have these Message-IDs, as a mail client does.
func (f *follower) move(from, to string, ids ...string) {
	f.t.Helper()
	c := f.dovecot.Dial("support")
	defer c.Close()
	if _, err := c.Select(from, nil).Wait(); err != nil {
		f.t.Fatal(err)
	}
	for _, id := range ids {
		found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: id}}}, nil).Wait()
		if err != nil || len(found.AllUIDs()) != 1 {
			f.t.Fatalf("%s lies %v times in %s: %v", id, found, from, err)
		}
		if _, err := c.Move(imap.UIDSetNum(found.AllUIDs()...), to).Wait(); err != nil {
			f.t.Fatal(err)
		}
	}
}

// flag sets a flag of all mails in a folder, or takes it away.
func (f *follower) flag(folder string, op imap.StoreFlagsOp, flag imap.Flag) {
	f.t.Helper()
	c := f.dovecot.Dial("support")
	defer c.Close()
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		f.t.Fatal(err)
	}
	if err := c.Store(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) agentsMoveConversations() {
	f.t.Helper()
	tk := f.put("Paper jam", "jam1@customer.example", "")
	f.wantStatus(tk.ID, "open")
	f.move("INBOX", "Archive", "jam1@customer.example")
	f.wantStatus(tk.ID, "closed")
	f.move("Archive", "INBOX", "jam1@customer.example")
	f.wantStatus(tk.ID, "open")
	// The newest mail says where the conversation is; the others follow it.
	f.put("Re: Paper jam", "jam2@customer.example", "jam1@customer.example")
	f.messagesOf(tk.ID, 2)
	f.move("INBOX", "Archive", "jam1@customer.example")
	f.put("Another matter", "another@customer.example", "") // what was moved before is known by the time this is
	f.wantStatus(tk.ID, "open")
	f.move("INBOX", "Archive", "jam2@customer.example", "another@customer.example")
	f.wantStatus(tk.ID, "closed")
	f.wantLying("INBOX")
	f.wantLying("Archive", "jam1@customer.example", "jam2@customer.example", "another@customer.example")
}

func (f *follower) ticketsMoveConversations() {
	f.t.Helper()
	tk := f.ticketAbout("Paper jam")
	f.set(tk.ID, "open")
	f.wantLying("INBOX", "jam1@customer.example", "jam2@customer.example")
	f.set(tk.ID, "closed")
	f.wantLying("INBOX")
	f.wantStatus(tk.ID, "closed")
}

func (f *follower) aCustomersMailBringsTheConversationBack() {
	f.t.Helper()
	tk := f.ticketAbout("Paper jam")
	f.put("Re: Paper jam", "jam3@customer.example", "jam2@customer.example")
	f.wantStatus(tk.ID, "open")
	f.wantLying("INBOX", "jam1@customer.example", "jam2@customer.example", "jam3@customer.example")
	f.move("INBOX", "Archive", "jam3@customer.example")
	f.wantStatus(tk.ID, "closed")
	f.wantLying("INBOX")
}

func (f *follower) keywordsStandForStatuses() {
	f.t.Helper()
	tk := f.put("Blue smoke", "smoke1@customer.example", "")
	f.flag("INBOX", imap.StoreFlagsAdd, "$Waiting")
	f.wantStatus(tk.ID, "waiting")
	f.flag("INBOX", imap.StoreFlagsDel, "$Waiting")
	f.wantStatus(tk.ID, "open")
	f.set(tk.ID, "waiting")
	flagged := func(want bool) func() (bool, error) {
		return func() (bool, error) {
			ms := f.dovecot.Messages("support", "INBOX")
			return len(ms) == 1 && slices.Contains(ms[0].Flags, "$Waiting") == want, fmt.Errorf("%d mails", len(ms))
		}
	}
	f.until("the mail has the keyword", flagged(true))
	f.set(tk.ID, "open")
	f.until("the mail has the keyword no more", flagged(false))
	f.wantStatus(tk.ID, "open")
}

func (f *follower) deletingMailChangesNothing() {
	f.t.Helper()
	tk := f.ticketAbout("Blue smoke")
	c := f.dovecot.Dial("support")
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		f.t.Fatal(err)
	}
	if err := c.Store(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		f.t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		f.t.Fatal(err)
	}
	c.Close()
	f.set(tk.ID, "closed") // there is nothing to move
	f.put("Something else", "else@customer.example", "")
	f.wantStatus(tk.ID, "closed")
	f.set(tk.ID, "open")
	f.messagesOf(tk.ID, 1)
	f.wantLying("INBOX", "else@customer.example")
}

func (f *follower) quickChangesEndWhereTheyShould() {
	f.t.Helper()
	tk := f.put("To and fro", "fro1@customer.example", "")
	f.put("Re: To and fro", "fro2@customer.example", "fro1@customer.example")
	f.messagesOf(tk.ID, 2)
	for range 5 {
		f.set(tk.ID, "closed")
		f.set(tk.ID, "waiting")
	}
	f.until("the outbox is empty", f.settled)
	f.wantLying("INBOX", "else@customer.example", "fro1@customer.example", "fro2@customer.example")
	f.wantStatus(tk.ID, "waiting")
	for range 5 {
		f.set(tk.ID, "open")
		f.set(tk.ID, "closed")
	}
	f.until("the outbox is empty", f.settled)
	f.wantLying("INBOX", "else@customer.example")
	f.wantStatus(tk.ID, "closed")
}

// copiesOfAMailGoTogether: a server that was killed may have delivered one twice.
func (f *follower) copiesOfAMailGoTogether() {
	f.t.Helper()
	twice := mailFrom("Ann Example <ann@customer.example>", support, "Copied", "copied1@customer.example", "", "Twice.")
	for range 2 {
		f.dovecot.Append("support", "INBOX", twice, nil, time.Now())
	}
	tk := f.ticketAbout("Copied")
	f.put("Re: Copied", "copied2@customer.example", "copied1@customer.example")
	f.messagesOf(tk.ID, 2)
	f.set(tk.ID, "closed")
	f.wantLying("INBOX", "else@customer.example")
	f.set(tk.ID, "open")
	f.wantLying("INBOX", "else@customer.example", "copied1@customer.example", "copied1@customer.example", "copied2@customer.example")
	f.set(tk.ID, "closed")
	f.wantLying("INBOX", "else@customer.example")
}

// aMessageIDThatTwoMailsHaveMovesNeither, once it is not known where the one of them lies: the other is somebody else's.
func (f *follower) aMessageIDThatTwoMailsHaveMovesNeither() {
	f.t.Helper()
	f.create("Other")
	first, second := f.put("The one", "twice@customer.example", ""), f.put("The other", "twice@customer.example", "")
	c := f.dovecot.Dial("support")
	box, err := c.Select("INBOX", nil).Wait()
	if err == nil {
		_, err = c.Move(imap.UIDSetNum(box.UIDNext-1), "Other").Wait()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	c.Close()
	f.put("Something new", "new@customer.example", "") // what was moved before is known by the time this is
	f.set(second.ID, "closed")
	f.until("the outbox is empty", f.settled)
	f.wantLying("INBOX", "else@customer.example", "new@customer.example", "twice@customer.example")
	f.wantStatus(first.ID, "open")
}
