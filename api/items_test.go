package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// fields checks that an item has exactly the fields that are promised.
func (c *client) fields(what string, item map[string]any, names string) {
	c.t.Helper()
	want := strings.Fields(names)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(item)); !slices.Equal(got, want) {
		c.t.Errorf("%s has %v, want %v", what, got, want)
	}
}

// TestInboundItemsHaveTheFieldsThatArePromised: what is held and what is in quarantine tell where they came from and why.
func TestInboundItemsHaveTheFieldsThatArePromised(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		org, err := c.db.Organisation(t.Context())
		ok(t, err)
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"ann@acme.example"}}, nil)
		var ticket struct{ ID string }
		c.want(201, "POST", "/api/v1/tickets", map[string]any{"address": "ann@acme.example", "subject": "S", "text": "T"}, &ticket)
		for _, outcome := range []desk.Outcome{desk.Held, desk.Quarantined} {
			ok(t, c.db.Update(t.Context(), func(tx *store.Tx) error {
				e, _, err := tx.KeepDelivery(t.Context(), desk.LedgerEntry{MailboxID: org.Mailboxes[0].ID, FormID: org.Forms[0].ID, DeliveryID: string(outcome), ContentType: "application/json", Size: 7}, []byte("canary!"), time.Hour)
				if err != nil {
					return err
				}
				e.Outcome, e.Reason, e.Subject, e.From = outcome, "because", "Printer", "eve@evil.example"
				if outcome == desk.Held {
					e.TicketID = desk.ID(ticket.ID)
				}
				return tx.Settle(t.Context(), e)
			}))
		}
		for list, outcome := range map[string]string{"held": "held", "quarantine": "quarantined"} {
			var page items[map[string]any]
			c.want(200, "GET", "/api/v1/"+list, nil, &page)
			if len(page.Items) != 1 {
				t.Fatalf("%s: %v", list, page.Items)
			}
			item := page.Items[0]
			c.fields(list, item, "id mailbox_id folder form_id subject from size outcome reason ticket_id received_at")
			if item["mailbox_id"] != string(org.Mailboxes[0].ID) || item["form_id"] != string(org.Forms[0].ID) || item["subject"] != "Printer" || item["from"] != "eve@evil.example" ||
				item["size"] != 7.0 || item["outcome"] != outcome || item["reason"] != "because" {
				t.Errorf("%s: %v", list, item)
			}
			if _, err := time.Parse(time.RFC3339, item["received_at"].(string)); err != nil {
				t.Error(err)
			}
			if list == "held" && item["ticket_id"] != ticket.ID || list == "quarantine" && item["ticket_id"] != nil {
				t.Errorf("%s names the ticket %v", list, item["ticket_id"])
			}
		}
	})
}

// TestATicketIsMailedIfAsked: with "mail" the contact gets the text, and the outbox tells of it by the fields that are promised.
func TestATicketIsMailedIfAsked(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"ann@acme.example"}, "welcome": false}, nil)
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"name": "Nobody", "username": "nomail"}, nil)
		var nobody items[struct{ ID, Username string }]
		c.want(200, "GET", "/api/v1/contacts", nil, &nobody)
		c.want(422, "POST", "/api/v1/tickets", map[string]any{"contact_id": nobody.Items[0].ID, "subject": "S", "text": "T", "mail": true}, nil)
		var ticket, message map[string]any
		c.want(201, "POST", "/api/v1/tickets", map[string]any{"address": "ann@acme.example", "subject": "Your call", "text": "As we said.", "mail": true}, &ticket)
		var said items[map[string]any]
		c.want(200, "GET", "/api/v1/tickets/"+ticket["id"].(string)+"/messages", nil, &said)
		if message = said.Items[0]; len(said.Items) != 1 || message["delivery"].(map[string]any)["state"] != "pending" || ticket["mailbox_id"] == nil {
			t.Errorf("the ticket is %v with %v", ticket, said.Items)
		}
		var outbox items[map[string]any]
		c.want(200, "GET", "/api/v1/outbox?state=pending", nil, &outbox)
		if len(outbox.Items) != 2 || outbox.Items[0]["kind"] != string(desk.SentCopy) || outbox.Items[0]["subject_id"] != message["id"] {
			t.Fatalf("the outbox has %v", outbox.Items)
		}
		row := outbox.Items[1]
		c.fields("a row", row, "id kind state mailbox_id ticket_id subject_id recipient message_id attempt unknowns next_try last_error answer created_at")
		if row["kind"] != string(desk.ReplyMail) || row["state"] != "pending" || row["recipient"] != "ann@acme.example" || row["ticket_id"] != ticket["id"] || row["subject_id"] != message["id"] ||
			row["mailbox_id"] != ticket["mailbox_id"] || row["message_id"] != message["message_id"] || row["attempt"] != 0.0 || row["last_error"] != "" {
			t.Errorf("the row is %v", row)
		}
		c.want(200, "GET", "/api/v1/outbox?state=sent", nil, &outbox)
		if len(outbox.Items) != 0 {
			t.Errorf("sent is %v", outbox.Items)
		}
	})
}

// TestWelcomeSwitchedOffSendsNothing, whatever a request asks for.
func TestWelcomeSwitchedOffSendsNothing(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	writer, operator := c.token, c.operator()
	rows := func() (kinds []string) {
		t.Helper()
		var outbox items[struct{ Kind string }]
		c.want(200, "GET", "/api/v1/outbox", nil, &outbox)
		for _, row := range outbox.Items {
			kinds = append(kinds, row.Kind)
		}
		return kinds
	}
	add := func(address string, more map[string]any) {
		t.Helper()
		c.token = writer
		more["addresses"] = []string{address}
		c.want(201, "POST", "/api/v1/contacts", more, nil)
	}
	c.token = operator
	c.want(200, "PATCH", "/api/v1/settings", map[string]any{"welcome": map[string]any{"enabled": false}}, nil)
	add("ann@acme.example", map[string]any{})
	add("bea@acme.example", map[string]any{"welcome": true})
	if got := rows(); len(got) != 0 {
		t.Errorf("switched off, the outbox has %v", got)
	}
	c.token = operator
	c.want(200, "PATCH", "/api/v1/settings", map[string]any{"welcome": map[string]any{"enabled": true}}, nil)
	add("cy@acme.example", map[string]any{"welcome": false})
	add("dora@acme.example", map[string]any{})
	if got := rows(); !slices.Equal(got, []string{string(desk.WelcomeMail)}) {
		t.Errorf("switched on, the outbox has %v", got)
	}
}

func TestL10_QueuesArePausedAndResumedOverTheAPI(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		var q struct {
			Queue, Reason string
			Paused        bool
			Since         *time.Time
		}
		c.want(403, "POST", "/api/v1/outbox/queues/automatic/pause", nil, nil)
		var err error
		c.token, err = c.who.CreateToken(t.Context(), "operator", []string{desk.ScopeRead, desk.ScopeSettings})
		ok(t, err)
		c.want(200, "POST", "/api/v1/outbox/queues/automatic/pause", nil, &q)
		if !q.Paused || q.Since == nil || q.Reason == "" {
			t.Errorf("%+v", q)
		}
		var list items[struct {
			Queue  string
			Paused bool
		}]
		c.want(200, "GET", "/api/v1/outbox/queues", nil, &list)
		if len(list.Items) != len(desk.Queues()) {
			t.Errorf("%+v", list.Items)
		}
		for _, i := range list.Items {
			if i.Paused != (i.Queue == "automatic") {
				t.Errorf("%+v", i)
			}
		}
		c.want(200, "POST", "/api/v1/outbox/queues/automatic/resume", nil, &q)
		if q.Paused || q.Since != nil {
			t.Errorf("%+v", q)
		}
		c.want(404, "POST", "/api/v1/outbox/queues/nothing/pause", nil, nil)
	})
}

// TestI3_AgentsAreListedWithoutTheirAddresses: those who assign tickets need the ids, and nobody else's mail address.
func TestI3_AgentsAreListedWithoutTheirAddresses(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		name, notify := "Mary Major", desk.NotifyAssigned
		mary, err := c.desk.AddAgent(t.Context(), tickets.AgentChange{Name: &name, Addresses: &[]string{"mary@home.example"}, Notify: &notify})
		ok(t, err)
		_, err = c.db.FreshOrganisation(t.Context())
		ok(t, err)
		var agents items[map[string]any]
		c.want(200, "GET", "/api/v1/agents", nil, &agents)
		if len(agents.Items) != 1 {
			t.Fatalf("%v", agents.Items)
		}
		c.fields("an agent", agents.Items[0], "id name mailboxes notify disabled created_at")
		if a := agents.Items[0]; a["id"] != string(mary.ID) || a["name"] != name || a["notify"] != "assigned" || a["disabled"] != false || strings.Contains(fmt.Sprint(a), "home.example") {
			t.Errorf("%v", a)
		}
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"ann@acme.example"}}, nil)
		var ticket map[string]any
		c.want(201, "POST", "/api/v1/tickets", map[string]any{"address": "ann@acme.example", "subject": "Your call", "text": "As we said."}, &ticket)
		c.want(200, "PATCH", "/api/v1/tickets/"+ticket["id"].(string), map[string]any{"assignee_id": agents.Items[0]["id"]}, &ticket)
		if ticket["assignee_id"] != string(mary.ID) {
			t.Errorf("it is assigned to %v", ticket["assignee_id"])
		}
	})
}
