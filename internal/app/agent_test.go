package app

import (
	"encoding/json"
	"testing"

	"postern/desk"
	"postern/tickets"
)

func TestAgentsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.want(0, "none yet", "agent", "list")
	d.want(2, "required", "agent", "add", "--name", "Mary")
	d.want(0, "believes nobody about senders yet", "agent", "add", "--name", "Mary Major", "--address", "mary@home.example,m@work.example", "--notify", "assigned")
	d.want(0, "", "agent", "add", "--name", "Mario", "--address", "mario@home.example", "--mailbox", "support@desk.example")
	d.want(1, "another agent is called", "agent", "add", "--name", "mario", "--address", "x@home.example")
	d.want(1, "is no customer; give the customer another address", "agent", "add", "--name", "Ann", "--address", d.customer("ann@acme.example"))
	d.want(1, "is no customer; take it from the agent first", "contact", "add", "--email", "m@work.example")
	d.want(1, `not of "much"`, "agent", "edit", "mary", "--notify", "much")
	d.want(1, "more than one", "agent", "edit", "mar", "--notify", "nothing")
	d.want(1, "gateway agent list", "agent", "disable", "eve")
	d.want(0, "", "agent", "edit", "m@work.example", "--notify", "everything")
	d.want(0, "", "agent", "disable", "mario")
	out, _, _ := d.gateway("agent", "list", "--json")
	var list struct{ Items []agentLine }
	d.ok(json.Unmarshal([]byte(out), &list))
	if len(list.Items) != 2 || list.Items[0].Notify != desk.NotifyEverything || list.Items[0].Disabled || !list.Items[1].Disabled || len(list.Items[1].Mailboxes) != 1 {
		t.Errorf("%+v", list.Items)
	}
	d.want(0, "", "agent", "edit", "mario", "--disabled=false")
	d.want(1, "there is no agent called", "ticket", "assign", "1", "eve")
	d.want(0, "", "ticket", "assign", "1", "mary")
	d.assigned(list.Items[0].ID)
	d.want(0, "", "ticket", "assign", "1")
	d.assigned("")
}

// customer adds a contact with a ticket, and gives the address.
func (d *desktop) customer(email string) string {
	d.t.Helper()
	d.with(func(p *parts) {
		c, _, err := p.desk.AddContact(d.t.Context(), tickets.NewContact{Name: "Ann", Addresses: []string{email}})
		d.ok(err)
		_, _, err = p.desk.OpenByAgent(d.t.Context(), tickets.AgentTicket{Contact: c.ID, Subject: "Printer", Text: "she called"})
		d.ok(err)
	})
	return email
}

func (d *desktop) assigned(want desk.ID) {
	d.t.Helper()
	d.with(func(p *parts) {
		t, err := p.db.TicketByNumber(d.t.Context(), desk.ScopeOfProgram(), 1)
		if err != nil || t.AssigneeID != want {
			d.t.Errorf("assigned to %q, %v; want %q", t.AssigneeID, err, want)
		}
	})
}
