package api

import (
	"strings"
	"testing"

	"postern/accounts"
	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// invitations counts the invitations that are to go out to somebody.
func (c *client) invitations(to string) int {
	c.t.Helper()
	all, err := c.db.Effects(c.t.Context(), "", store.Page{Limit: 200})
	ok(c.t, err)
	n := 0
	for _, e := range all {
		if e.Kind == desk.InviteMail && e.Recipient == to {
			n++
		}
	}
	return n
}

// TestC8_P2_ListsInviteTheirMembersOnce: fixed lists and those by rule, members of today and of tomorrow, to the login address; sent again when
// asked for; nobody while links lead to this machine only.
func TestC8_P2_ListsInviteTheirMembersOnce(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		reader := c.token
		contact := func(email string) string {
			var v contactView
			c.token = reader
			c.want(201, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{email, "other-" + email}, "welcome": false}, &v)
			return string(v.ID)
		}
		ann, bea := contact("ann@acme.example"), contact("bea@acme.example")
		c.want(403, "POST", "/api/v1/lists", map[string]any{"name": "Customers"}, nil)
		c.token = c.operator()
		var fixed, rule desk.ContactList
		c.want(201, "POST", "/api/v1/lists", map[string]any{"name": "Customers"}, &fixed)
		c.want(409, "POST", "/api/v1/lists", map[string]any{"name": "Customers"}, nil)
		c.want(201, "POST", "/api/v1/lists", map[string]any{"name": "Other", "rule": []map[string]any{{"property": "domain", "operator": "is", "values": []string{"other.example"}}}}, &rule)
		c.want(422, "POST", "/api/v1/lists", map[string]any{"name": "Bad", "rule": []map[string]any{{"property": "shoe", "operator": "is", "values": []string{"1"}}}}, nil)
		c.want(422, "PATCH", "/api/v1/settings", map[string]any{"access": map[string]any{"lists": []string{string(store.NewID())}}}, nil)
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"access": map[string]any{"entry": "lists", "lists": []any{fixed.ID, rule.ID}}}, nil)
		var changed membersChanged
		c.want(200, "POST", "/api/v1/lists/"+string(fixed.ID)+"/members", map[string]any{"add": []string{ann, ann}}, &changed)
		if changed.Added != 1 || c.invitations("ann@acme.example") != 1 || c.invitations("bea@acme.example") != 0 || c.invitations("other-ann@acme.example") != 0 {
			t.Errorf("%+v, %d invitations to Ann", changed, c.invitations("ann@acme.example"))
		}
		c.want(409, "POST", "/api/v1/lists/"+string(rule.ID)+"/members", map[string]any{"add": []string{ann}}, nil)
		c.want(422, "POST", "/api/v1/lists/"+string(fixed.ID)+"/members", map[string]any{"add": []string{string(store.NewID())}}, nil)
		ok(t, c.desk.InviteListed(t.Context(), nil))
		c.want(200, "PATCH", "/api/v1/lists/"+string(fixed.ID), map[string]any{"name": "Paying"}, nil)
		if n := c.invitations("ann@acme.example"); n != 1 {
			t.Errorf("Ann is invited %d times", n)
		}
		c.token = reader
		c.want(204, "POST", "/api/v1/contacts/"+ann+"/invite", nil, nil)
		c.want(409, "POST", "/api/v1/contacts/"+bea+"/invite", nil, nil)
		if n := c.invitations("ann@acme.example"); n != 2 {
			t.Errorf("asked for again, Ann has %d", n)
		}
		later := contact("later@acme.example")
		c.want(200, "PATCH", "/api/v1/contacts/"+later, map[string]any{"addresses": []string{"later@other.example"}}, nil)
		if n := c.invitations("later@other.example"); n != 1 {
			t.Errorf("who meets a rule later has %d", n)
		}
		var members listBody[contactView]
		c.want(200, "GET", "/api/v1/lists/"+string(rule.ID)+"/members", nil, &members)
		if len(members.Items) != 1 || string(members.Items[0].ID) != later {
			t.Errorf("members by rule: %+v", members)
		}
		c.desk.PortalAt("http://127.0.0.1:8080")
		c.token = c.operator()
		c.want(200, "POST", "/api/v1/lists/"+string(fixed.ID)+"/members", map[string]any{"add": []string{bea}}, nil)
		if n := c.invitations("bea@acme.example"); n != 0 {
			t.Errorf("links lead to this machine, and Bea has %d", n)
		}
		if n, err := c.desk.WaitingForInvitation(t.Context()); err != nil || n != 1 {
			t.Errorf("%d wait, %v", n, err)
		}
		c.desk.PortalAt("https://help.acme.example")
		ok(t, c.desk.InviteListed(t.Context(), nil))
		if n := c.invitations("bea@acme.example"); n != 1 {
			t.Errorf("Bea has %d", n)
		}
		c.want(409, "DELETE", "/api/v1/lists/"+string(fixed.ID), nil, nil)
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"access": map[string]any{"entry": "contacts", "lists": []any{}}}, nil)
		c.want(204, "DELETE", "/api/v1/lists/"+string(fixed.ID), nil, nil)
	})
}

// TestG5_R6_ChangesAndRefusalsAreOnRecord: who changed what of the settings, from what to what; who wanted to and has no right.
func TestG5_R6_ChangesAndRefusalsAreOnRecord(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.want(403, "PATCH", "/api/v1/settings", map[string]any{"portal_title": "Mine"}, nil)
		reader := c.token
		c.token = c.operator()
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"portal_title": "Acme Help", "sharing": map[string]any{"mode": "company"}}, nil)
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"portal_title": "Acme Help"}, nil) // nothing changes
		c.token = reader
		var log listBody[desk.AuditEntry]
		c.want(200, "GET", "/api/v1/audit", nil, &log)
		if len(log.Items) != 2 {
			t.Fatalf("on record: %+v", log.Items)
		}
		change, refusal := log.Items[0], log.Items[1]
		if change.Action != desk.SettingsChanged || change.Actor.Name != "operator" || change.Changes["portal_title"] != (desk.Changed{Was: "Support", Is: "Acme Help"}) || change.Changes["sharing.mode"].Is != "company" || len(change.Changes) != 2 {
			t.Errorf("the change: %+v", change)
		}
		if refusal.Action != desk.SettingsRefused || refusal.Actor.Name != "test" || refusal.Subject != "change-settings" {
			t.Errorf("the refusal: %+v", refusal)
		}
		var company companyView
		c.want(201, "POST", "/api/v1/companies", map[string]any{"name": "Acme", "domains": []string{"acme.example"}, "verified_domains": []string{"acme.example"}}, &company)
		c.want(422, "PATCH", "/api/v1/companies/"+string(company.ID), map[string]any{"verified_domains": []string{"else.example"}}, nil)
		c.want(200, "PATCH", "/api/v1/companies/"+string(company.ID), map[string]any{"domains": []string{"acme.test"}}, &company)
		if len(company.VerifiedDomains) != 0 {
			t.Errorf("a domain that went is verified: %+v", company)
		}
		var contact contactView
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"name": "Kiki Name", "addresses": []string{"kiki@acme.test"}}, &contact)
		c.want(200, "PATCH", "/api/v1/contacts/"+string(contact.ID), map[string]any{"main_of": []any{company.ID}, "name": "Kiki Two"}, &contact)
		c.want(422, "PATCH", "/api/v1/contacts/"+string(contact.ID), map[string]any{"main_of": []any{store.NewID()}}, nil)
		r := c.ask("GET", "/api/v1/audit?subject="+string(contact.ID), nil)
		if s := string(r.body); strings.Contains(strings.ToLower(s), "kiki") || !strings.Contains(s, string(company.ID)) {
			t.Errorf("on record of a contact: %s", s)
		}
		var made accounts.Credentials
		c.want(200, "POST", "/api/v1/contacts/"+string(contact.ID)+"/password", nil, &made)
		if made.Username != "kiki.two" || strings.Contains(string(c.ask("GET", "/api/v1/audit", nil).body), made.Password) {
			t.Errorf("made %+v", made)
		}
		c.want(200, "GET", "/api/v1/contacts/"+string(contact.ID), nil, &contact)
		if contact.Username != made.Username {
			t.Errorf("C: the user name does not show: %+v", contact)
		}
	})
}

// TestC10_T12_TimelinesAndConversations: what happened with somebody in one line, and which conversations the portal shows and why.
func TestC10_T12_TimelinesAndConversations(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		var contact contactView
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"name": "Ann", "addresses": []string{"ann@acme.example"}}, &contact)
		who, err := c.db.Contact(t.Context(), contact.ID)
		ok(t, err)
		ticket, err := c.desk.OpenByCustomer(t.Context(), tickets.CustomerTicket{Contact: who, Subject: "Printer", Text: "It jams."})
		ok(t, err)
		c.want(201, "POST", "/api/v1/tickets/"+string(ticket.ID)+"/messages", map[string]any{"text": "between us", "internal": true}, nil)
		c.want(200, "PATCH", "/api/v1/tickets/"+string(ticket.ID), map[string]any{"status": "closed"}, nil)
		for _, path := range []string{"/contacts/" + string(contact.ID), "/tickets/" + string(ticket.ID)} {
			var line listBody[timelineView]
			c.want(200, "GET", "/api/v1"+path+"/timeline", nil, &line)
			if len(line.Items) != 3 || line.Items[0].Kind != "event" || line.Items[0].To != "closed" || !line.Items[1].Internal || line.Items[2].Text != "It jams." || line.Items[2].Author.Name != "Ann" {
				t.Errorf("%s: %+v", path, line.Items)
			}
			var first, rest listBody[timelineView]
			c.want(200, "GET", "/api/v1"+path+"/timeline?limit=2", nil, &first)
			c.want(200, "GET", "/api/v1"+path+"/timeline?limit=2&cursor="+*first.NextCursor, nil, &rest)
			if len(first.Items) != 2 || len(rest.Items) != 1 || rest.Items[0].ID != line.Items[2].ID {
				t.Errorf("%s by page: %+v, %+v", path, first, rest)
			}
		}
		c.want(404, "GET", "/api/v1/companies/"+string(store.NewID())+"/timeline", nil, nil)
		conversations := func() []conversationView {
			var found listBody[conversationView]
			c.want(200, "GET", "/api/v1/tickets/"+string(ticket.ID)+"/conversations", nil, &found)
			return found.Items
		}
		if got := conversations(); len(got) != 1 || !got[0].Shown || got[0].Messages != 1 || got[0].Notes != 1 {
			t.Errorf("%+v", got)
		}
		operator := c.operator()
		reader := c.token
		c.token = operator
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"shown": map[string]any{"hidden_statuses": []string{"closed"}}}, nil)
		c.token = reader
		if got := conversations(); len(got) != 1 || got[0].Shown || !strings.Contains(got[0].Reason, "status hides it") {
			t.Errorf("%+v", got)
		}
	})
}
