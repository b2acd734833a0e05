package store

import (
	"context"
	"slices"

	"postern/desk"
)

// Agent finds an agent by id.
func (o *Organisation) Agent(id desk.ID) (desk.KnownAgent, bool) {
	i := slices.IndexFunc(o.Agents, func(a desk.KnownAgent) bool { return a.ID == id })
	if i < 0 {
		return desk.KnownAgent{}, false
	}
	return o.Agents[i], true
}

// AgentAt finds the agent whom mail to the address reaches.
func (o *Organisation) AgentAt(email string) (desk.KnownAgent, bool) {
	i := slices.IndexFunc(o.Agents, func(a desk.KnownAgent) bool { return a.Has(email) })
	if email == "" || i < 0 {
		return desk.KnownAgent{}, false
	}
	return o.Agents[i], true
}

// Inside tells whether an address is ours or an agent's: nobody there is a customer.
func (o *Organisation) Inside(email string) bool {
	_, agent := o.AgentAt(email)
	return agent || o.IsOurs(email)
}

func (r reads) agents(ctx context.Context) ([]desk.KnownAgent, error) {
	addresses := map[desk.ID][]string{}
	if _, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		var email string
		err := row.Scan(&id, &email)
		addresses[id] = append(addresses[id], email)
		return struct{}{}, err
	}, `SELECT agent_id, email FROM agent_addresses ORDER BY agent_id, position`); err != nil {
		return nil, err
	}
	return collect(ctx, r.x, func(row scanner) (a desk.KnownAgent, err error) {
		err = row.Scan(&a.ID, &a.Name, packed[[]desk.ID]{&a.Mailboxes}, &a.Notify, &a.Disabled, millis{&a.CreatedAt})
		a.Addresses = addresses[a.ID]
		return a, err
	}, `SELECT id, name, mailboxes, notify, disabled, created_at FROM agents ORDER BY id`)
}

// Agents lists the agents as the transaction sees them, the oldest first.
func (tx *Tx) Agents(ctx context.Context) ([]desk.KnownAgent, error) { return tx.agents(ctx) }

// PutAgent adds an agent, or changes one if the id is there. An address that another agent has is a Conflict. Who was merely
// mentioned under one of the addresses in a ticket is no longer.
func (tx *Tx) PutAgent(ctx context.Context, a desk.KnownAgent) error {
	if err := tx.exec(ctx, `INSERT INTO agents (id, name, mailboxes, notify, disabled, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET name = $2, mailboxes = $3, notify = $4, disabled = $5`, a.ID, clip(a.Name, 400), pack(a.Mailboxes), a.Notify, a.Disabled, ms(a.CreatedAt)); err != nil {
		return err
	}
	if err := tx.exec(ctx, `DELETE FROM agent_addresses WHERE agent_id = $1`, a.ID); err != nil {
		return err
	}
	for i, email := range a.Addresses {
		n, err := tx.changed(ctx, `INSERT INTO agent_addresses (email, agent_id, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, email, a.ID, i)
		if err != nil {
			return err
		}
		if n == 0 {
			return &desk.Error{Kind: desk.Conflict, Field: "addresses", Text: "another agent has the address " + email}
		}
		if err := tx.exec(ctx, `DELETE FROM participants WHERE email = $1 AND contact_id = ''`, email); err != nil {
			return err
		}
	}
	return tx.changedSetup(ctx)
}
