package tickets

import (
	"context"
	"slices"
	"strings"

	"postern/desk"
	"postern/store"
)

// AgentChange says what to change of an agent; nil leaves it as it is.
type AgentChange struct {
	Name      *string
	Addresses *[]string
	Mailboxes *[]desk.ID
	Notify    *desk.Notify
	Disabled  *bool
}

// AddAgent adds an agent who writes from addresses of their own. An address that a contact or another agent has is a Conflict.
func (d *Desk) AddAgent(ctx context.Context, in AgentChange) (desk.KnownAgent, error) {
	var a desk.KnownAgent
	org, err := d.db.FreshOrganisation(ctx)
	if err != nil {
		return a, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) (err error) {
		a = desk.KnownAgent{ID: store.NewID(), Notify: desk.NotifyNothing, CreatedAt: tx.Now()}
		a, err = putAgent(ctx, tx, org, a, in)
		return err
	})
	return a, err
}

// ChangeAgent changes an agent. Mail to the addresses counts as arriving again: whoever changes an agent has looked at them.
func (d *Desk) ChangeAgent(ctx context.Context, id desk.ID, in AgentChange) (desk.KnownAgent, error) {
	var a desk.KnownAgent
	org, err := d.db.FreshOrganisation(ctx)
	if err != nil {
		return a, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		all, err := tx.Agents(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(a desk.KnownAgent) bool { return a.ID == id })
		if i < 0 {
			return desk.Missing("agent")
		}
		if a, err = putAgent(ctx, tx, org, all[i], in); err != nil {
			return err
		}
		for _, email := range a.Addresses {
			if err := tx.Reached(ctx, email, tx.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

func putAgent(ctx context.Context, tx *store.Tx, org *store.Organisation, a desk.KnownAgent, in AgentChange) (desk.KnownAgent, error) {
	if in.Name != nil {
		a.Name = strings.Join(strings.Fields(*in.Name), " ")
	}
	if in.Addresses != nil {
		a.Addresses = nil
		for _, raw := range *in.Addresses {
			email, ok := desk.NormalizeEmail(raw)
			if !ok {
				return a, desk.Refuse("addresses", "%q is not a mail address", raw)
			}
			if !slices.Contains(a.Addresses, email) {
				a.Addresses = append(a.Addresses, email)
			}
		}
	}
	if in.Mailboxes != nil {
		a.Mailboxes = *in.Mailboxes
	}
	if in.Notify != nil {
		a.Notify = *in.Notify
	}
	if in.Disabled != nil {
		a.Disabled = *in.Disabled
	}
	if err := desk.CheckAgent(a); err != nil {
		return a, err
	}
	if err := agentsOwn(ctx, tx, org, a); err != nil {
		return a, err
	}
	return a, tx.PutAgent(ctx, a)
}

// agentsOwn refuses an agent whose name another one has, or whose addresses are ours or a customer's.
func agentsOwn(ctx context.Context, tx *store.Tx, org *store.Organisation, a desk.KnownAgent) error {
	all, err := tx.Agents(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID != a.ID && strings.EqualFold(other.Name, a.Name) {
			return &desk.Error{Kind: desk.Conflict, Field: "name", Text: "another agent is called " + other.Name + "; names tell agents apart"}
		}
	}
	for _, email := range a.Addresses {
		if org.IsOurs(email) {
			return desk.Refuse("addresses", "%s is the address of a mailbox; name the agent's own", email)
		}
		c, err := tx.ContactByEmail(ctx, email)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		return &desk.Error{Kind: desk.Conflict, Field: "addresses", Text: "the customer " + first(c.Name, email) + " has the address " + email +
			", and an agent is no customer; give the customer another address first: gateway contact edit " + email + " --email …"}
	}
	return nil
}

// notAgents refuses a contact with an agent's address: what goes to customers must never go to an agent, nor the reverse.
func notAgents(ctx context.Context, tx *store.Tx, c desk.Contact) error {
	all, err := tx.Agents(ctx)
	if err != nil {
		return err
	}
	return desk.NoAgents(all, "addresses", c.Addresses, "customer")
}
