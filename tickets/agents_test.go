package tickets_test

import (
	"slices"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (r *rig) agent(name, address string, notify desk.Notify) desk.KnownAgent {
	r.t.Helper()
	a, err := r.d.AddAgent(r.t.Context(), tickets.AgentChange{Name: &name, Addresses: &[]string{address}, Notify: &notify})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func TestH5_AnAgentIsNoCustomerAndACustomerIsNoAgent(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		mary := r.agent(" Mary  Major ", "Mary@Home.example", desk.NotifyNothing)
		if mary.Name != "Mary Major" || !slices.Equal(mary.Addresses, []string{"mary@home.example"}) {
			r.t.Errorf("%+v", mary)
		}
		ann := r.contact("ann@customer.example")
		change := func(who desk.ID, emails ...string) error {
			_, err := r.d.ChangeContact(ctx, who, tickets.ContactChange{Addresses: &emails})
			return err
		}
		_, _, err := r.d.AddContact(ctx, tickets.NewContact{Addresses: []string{"mary+x@home.example"}})
		r.wantKind("a contact with an agent's address", err, desk.Conflict)
		r.wantKind("a contact that gets an agent's address", change(ann.ID, "ann@customer.example", "mary@home.example"), desk.Conflict)
		for what, mb := range map[string]desk.Mailbox{"a mailbox": {Address: "mary@home.example"}, "an alias": {Address: "sales@acme.example", Aliases: []string{"mary@home.example"}}} {
			mb.ID, mb.Name = store.NewID(), "Sales"
			r.wantKind(what+" with an agent's address", r.db.Update(ctx, func(tx *store.Tx) error { return tx.PutMailbox(ctx, mb) }), desk.Conflict)
		}
		name, joe := "Joe", "joe@home.example"
		_, err = r.d.AddAgent(ctx, tickets.AgentChange{Name: &name, Addresses: &[]string{"ann@customer.example"}})
		r.wantKind("an agent with a customer's address", err, desk.Conflict)
		if err == nil || !strings.Contains(err.Error(), "gateway contact edit ann@customer.example") {
			r.t.Errorf("it does not say what to do: %v", err)
		}
		for what, address := range map[string]string{"our own address": "support+x@acme.example", "no address": "joe"} {
			_, err = r.d.AddAgent(ctx, tickets.AgentChange{Name: &name, Addresses: &[]string{address}})
			r.wantKind(what, err, desk.Invalid)
		}
		_, err = r.d.AddAgent(ctx, tickets.AgentChange{Name: &name, Addresses: &[]string{joe, "mary@home.example"}})
		r.wantKind("another agent's address", err, desk.Conflict)
		_, err = r.d.AddAgent(ctx, tickets.AgentChange{Name: &[]string{"mary major"}[0], Addresses: &[]string{joe}})
		r.wantKind("another agent's name", err, desk.Conflict)
		_, err = r.d.ChangeAgent(ctx, mary.ID, tickets.AgentChange{Addresses: &[]string{joe}})
		if err != nil {
			r.t.Error(err)
		}
		if err := change(ann.ID, "mary@home.example"); err != nil {
			r.t.Errorf("an address that is no agent's any more: %v", err)
		}
		_, err = r.d.ChangeAgent(ctx, "nobody", tickets.AgentChange{})
		r.wantKind("nobody", err, desk.NotFound)
		org, err := r.db.FreshOrganisation(ctx)
		if err != nil || len(org.Agents) != 1 || org.Agents[0].Addresses[0] != joe || !org.Inside(joe) || org.Inside("mary@home.example") {
			r.t.Errorf("%+v, %v", org.Agents, err)
		}
	})
}

func TestTicketIsAssigned(t *testing.T) {
	both(t, func(r *rig) {
		ctx, ann := r.t.Context(), r.contact("ann@customer.example")
		mary := r.agent("Mary", "mary@home.example", desk.NotifyAssigned)
		ticket, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Printer", Text: "it is broken"})
		if err != nil {
			r.t.Fatal(err)
		}
		fancy, nobody := desk.ID("fancy"), desk.ID("")
		_, err = r.d.Change(ctx, desk.ScopeOfProgram(), ticket.ID, tickets.Change{Assignee: &fancy})
		r.wantKind("nobody there", err, desk.Invalid)
		for _, to := range []desk.ID{mary.ID, nobody} {
			if _, err := r.d.Change(ctx, desk.ScopeOfProgram(), ticket.ID, tickets.Change{Assignee: &to}); err != nil {
				r.t.Fatal(err)
			}
			after, err := r.db.Ticket(ctx, desk.ScopeOfProgram(), ticket.ID)
			if err != nil || after.AssigneeID != to {
				r.t.Errorf("%q, %v; want %q", after.AssigneeID, err, to)
			}
			ts, err := r.db.Tickets(ctx, desk.ScopeOfProgram(), store.Page{})
			if err != nil || ts[0].AssigneeID != to {
				r.t.Errorf("%+v, %v", ts, err)
			}
		}
	})
}
