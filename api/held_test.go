package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
)

// arrives files mails as if they had come to the client's mailbox, in their order.
func (c *client) arrives(mails ...string) {
	c.t.Helper()
	org, err := c.db.Organisation(c.t.Context())
	ok(c.t, err)
	b := desk.FolderBatch{MailboxID: org.Mailboxes[0].ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
	for i, m := range mails {
		b.Items = append(b.Items, desk.FolderItem{UID: uint32(i + 1), InternalDate: time.Now(), Raw: []byte(m)})
	}
	ok(c.t, c.db.Update(c.t.Context(), func(tx *store.Tx) error {
		lease, _, err := tx.TakeLease(c.t.Context(), b.MailboxID, "test", time.Hour)
		if err != nil {
			return err
		}
		return tx.Keep(c.t.Context(), lease, desk.FolderBatch{MailboxID: b.MailboxID, Folder: b.Folder, Role: b.Role, UIDValidity: 1}, nil)
	}))
	lease := desk.Lease{MailboxID: b.MailboxID, Owner: "test", Epoch: 1}
	ok(c.t, c.ingest.Keep(c.t.Context(), lease, b))
	ctx, stop := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.ingest.ReadMailbox(ctx, lease, nil) }()
	mailtest.Until(c.t, "all mails are filed", func() bool {
		left, err := c.db.PendingOf(ctx, b.MailboxID, "", 1)
		return err == nil && len(left) == 0
	})
	stop()
	ok(c.t, <-done)
}

func mailFrom(from, id, text string, more ...string) string {
	return fmt.Sprintf("From: %s\r\nTo: support@desk.example\r\nSubject: Printer\r\nMessage-ID: <%s>\r\n%s\r\n%s\r\n", from, id, strings.Join(append(more, ""), "\r\n"), text)
}

func TestM12_HeldItemsAreDecidedAbout(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		answers := "In-Reply-To: <1@acme.example>"
		c.arrives(mailFrom("Ann <ann@acme.example>", "1@acme.example", "it is broken"),
			mailFrom("Eve <eve@evil.example>", "2@evil.example", "show me", answers), mailFrom("Bob <bob@acme.example>", "3@acme.example", "me too", answers),
			mailFrom("Eve <eve@evil.example>", "4@evil.example", "my own matter", answers), mailFrom("Eve <eve@evil.example>", "5@evil.example", "buy this", answers))
		var held items[struct {
			ID       string
			From     string
			TicketID string `json:"ticket_id"`
		}]
		c.want(200, "GET", "/api/v1/held", nil, &held)
		if len(held.Items) != 4 {
			t.Fatalf("held: %+v", held.Items)
		}
		ticket := held.Items[0].TicketID
		path := func(i int) string { return "/api/v1/held/" + held.Items[3-i].ID } // newest first
		var item map[string]any
		c.want(200, "GET", path(0), nil, &item)
		c.fields("a held item", item, "id mailbox_id folder form_id subject from size outcome reason ticket_id received_at name to cc class text reasons attachments")
		if item["text"] != "show me" || item["name"] != "Eve" || item["class"] != "human" {
			t.Errorf("%v", item)
		}
		c.want(200, "POST", path(0)+"/accept", nil, &item)
		if item["outcome"] != "appended" || item["ticket_id"] != ticket {
			t.Errorf("accepted: %v", item)
		}
		c.want(200, "POST", path(1)+"/accept", map[string]any{"ticket": "1", "add_sender": true}, &item)
		c.want(200, "POST", path(2)+"/split", nil, &item)
		if item["outcome"] != "new-ticket" || item["ticket_id"] == ticket {
			t.Errorf("split: %v", item)
		}
		c.want(200, "POST", path(3)+"/discard", nil, &item)
		if item["outcome"] != "ignored" {
			t.Errorf("discarded: %v", item)
		}
		var said items[struct {
			Text     string
			Internal bool
		}]
		c.want(200, "GET", "/api/v1/tickets/1/messages", nil, &said)
		if len(said.Items) != 3 || said.Items[0].Text != "me too" || said.Items[0].Internal || !said.Items[1].Internal {
			t.Errorf("the ticket says %+v", said.Items)
		}
		var left items[map[string]any]
		c.want(200, "GET", "/api/v1/held", nil, &left)
		if len(left.Items) != 0 {
			t.Errorf("still held: %v", left.Items)
		}
		for _, how := range []string{"accept", "split", "discard"} {
			c.want(409, "POST", path(0)+"/"+how, map[string]any{}, nil)
			c.want(404, "POST", "/api/v1/held/"+string(store.NewID())+"/"+how, map[string]any{}, nil)
		}
		c.want(409, "GET", path(0), nil, nil)
	})
}

func TestTicketsAreMergedAndSplit(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.arrives(mailFrom("Ann <ann@acme.example>", "1@acme.example", "it is broken"), mailFrom("Bob <bob@acme.example>", "2@acme.example", "mine too"))
		var ticket struct {
			ID           string
			Number       int64
			Participants []struct{ Address, Role string }
		}
		c.want(422, "POST", "/api/v1/tickets/1/merge", map[string]any{"into": "1"}, nil)
		c.want(404, "POST", "/api/v1/tickets/1/merge", map[string]any{"into": "9"}, nil)
		c.want(200, "POST", "/api/v1/tickets/2/merge", map[string]any{"into": "1"}, &ticket)
		if ticket.Number != 1 || len(ticket.Participants) != 2 {
			t.Errorf("merged: %+v", ticket)
		}
		c.want(200, "GET", "/api/v1/tickets/2", nil, &ticket)
		if ticket.Number != 1 {
			t.Errorf("#2 leads to %+v", ticket)
		}
		var said items[struct{ ID, Text string }]
		c.want(200, "GET", "/api/v1/tickets/1/messages", nil, &said)
		if len(said.Items) != 2 {
			t.Fatalf("%+v", said.Items)
		}
		c.want(422, "POST", "/api/v1/tickets/1/split", map[string]any{"messages": []string{said.Items[0].ID, said.Items[1].ID}}, nil)
		c.want(404, "POST", "/api/v1/tickets/1/split", map[string]any{"messages": []string{string(store.NewID())}}, nil)
		c.want(201, "POST", "/api/v1/tickets/1/split", map[string]any{"messages": []string{said.Items[0].ID}, "subject": "Bob's"}, &ticket)
		if ticket.Number != 3 {
			t.Errorf("split: %+v", ticket)
		}
	})
}
