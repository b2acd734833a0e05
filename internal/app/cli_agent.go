package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/tickets"
)

// agentFlags are what describes an agent on the command line.
type agentFlags struct {
	name, notify       string
	addresses, mailbox []string
	disabled           bool
}

func (c *cli) agentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "agent", Short: "Agents who answer from addresses of their own", Args: cobra.NoArgs, RunE: help}
	var f agentFlags
	add := &cobra.Command{
		Use: "add", Short: "Add an agent; prints the id", Args: cobra.NoArgs,
		Long: `Adds somebody who answers customers from an address of their own. They answer the notifications they get; the answer goes
to the customer from the support address, and no customer sees theirs. Agents who only use the shared mailbox need not be added.

What comes from an agent's address counts only if the mailbox believes its mail server about senders (gateway mailbox calibrate).`,
		Example: "  gateway agent add --name \"Mary Major\" --address mary@home.example --notify assigned",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				change, err := f.change(ctx, p, cmd.Flags().Changed)
				if err != nil {
					return err
				}
				a, err := p.desk.AddAgent(ctx, change)
				if err == nil {
					c.say("%s", a.ID)
					c.agentNotes(ctx, p, a)
				}
				return err
			})
		},
	}
	edit := &cobra.Command{
		Use: "edit AGENT", Short: "Change an agent, named by id, address or name", Args: cobra.ExactArgs(1),
		Long:    "Changes what is given and leaves the rest. An address to which mail bounced gets notifications again.",
		Example: "  gateway agent edit mary --notify everything\n  gateway agent edit mary --disabled=false",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				change, err := f.change(ctx, p, cmd.Flags().Changed)
				if err != nil {
					return err
				}
				return changeAgent(ctx, p, args[0], change)
			})
		},
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().StringVar(&f.name, "name", "", "what customers see (required for a new one)")
		cmd.Flags().StringSliceVar(&f.addresses, "address", nil, "their own addresses, with commas; the first gets notifications (required for a new one)")
		cmd.Flags().StringSliceVar(&f.mailbox, "mailbox", nil, "whose tickets they work on, with commas; \"\" is every mailbox's (default)")
		cmd.Flags().StringVar(&f.notify, "notify", string(desk.NotifyNothing), "which messages of customers are mailed to them: nothing, assigned or everything")
	}
	must(add.MarkFlagRequired("name"))
	must(add.MarkFlagRequired("address"))
	edit.Flags().BoolVar(&f.disabled, "disabled", false, "gets nothing, and what comes from their addresses is held (--disabled=false: no longer)")
	disable := &cobra.Command{
		Use: "disable AGENT", Short: "Have an agent get nothing, and hold what comes from their addresses", Args: cobra.ExactArgs(1),
		Example: "  gateway agent disable mary@home.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				off := true
				return changeAgent(ctx, p, args[0], tickets.AgentChange{Disabled: &off})
			})
		},
	}
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the agents, and addresses to which mail bounced", Args: cobra.NoArgs, Example: "  gateway agent list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.agentList) },
	})
	cmd.AddCommand(add, edit, disable, list)
	return cmd
}

// change reads the flags that are given.
func (f agentFlags) change(ctx context.Context, p *parts, given func(flag string) bool) (in tickets.AgentChange, err error) {
	if given("name") {
		in.Name = &f.name
	}
	if given("address") {
		in.Addresses = &f.addresses
	}
	if given("notify") {
		notify := desk.Notify(f.notify)
		in.Notify = &notify
	}
	if given("disabled") {
		in.Disabled = &f.disabled
	}
	if given("mailbox") {
		mailboxes := []desk.ID{}
		for _, address := range f.mailbox {
			if address == "" {
				continue
			}
			mb, err := p.mailbox(ctx, address)
			if err != nil {
				return in, err
			}
			mailboxes = append(mailboxes, mb.ID)
		}
		in.Mailboxes = &mailboxes
	}
	return in, nil
}

func changeAgent(ctx context.Context, p *parts, name string, in tickets.AgentChange) error {
	a, err := agentNamed(ctx, p, name)
	if err == nil {
		_, err = p.desk.ChangeAgent(ctx, a.ID, in)
	}
	return err
}

// agentNamed finds an agent by id, address or name; the beginning of a name will do.
func agentNamed(ctx context.Context, p *parts, name string) (desk.KnownAgent, error) {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return desk.KnownAgent{}, err
	}
	if a, ok := org.Agent(desk.ID(name)); ok {
		return a, nil
	}
	if email, ok := desk.NormalizeEmail(name); ok {
		if a, ok := org.AgentAt(email); ok {
			return a, nil
		}
	}
	everybody := slices.Clone(org.Agents)
	for i := range everybody {
		everybody[i].Disabled = false // they can be changed too
	}
	a, err := desk.AgentCalled(everybody, name, "")
	if refused, ok := errors.AsType[*desk.Error](err); ok {
		return a, errors.New(refused.Text + "; gateway agent list tells who there is")
	}
	found, _ := org.Agent(a.ID)
	return found, nil
}

// agentNotes says what keeps an agent's answers from going out.
func (c *cli) agentNotes(ctx context.Context, p *parts, a desk.KnownAgent) {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return
	}
	for _, mb := range org.Mailboxes {
		if a.WorksOn(mb.ID) && mb.Receiver.Profile == "" && mb.Receiver.AuthServID == "" && !mb.Receiver.DKIM {
			c.note("%s believes nobody about senders yet, so the agent's answers are held; gateway mailbox calibrate %s changes that.", mb.Address, mb.Address)
		}
	}
}

type agentLine struct {
	ID        desk.ID     `json:"id"`
	Name      string      `json:"name"`
	Addresses []string    `json:"addresses"`
	Mailboxes []string    `json:"mailboxes"` // empty: every one
	Notify    desk.Notify `json:"notify"`
	Disabled  bool        `json:"disabled"`
	Bounced   []string    `json:"bounced"` // addresses to which mail did not arrive
}

func (c *cli) agentList(ctx context.Context, p *parts) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	items, rows := []agentLine{}, [][]string{}
	for _, a := range org.Agents {
		l := agentLine{ID: a.ID, Name: a.Name, Addresses: nonNil(a.Addresses), Mailboxes: []string{}, Notify: a.Notify, Disabled: a.Disabled, Bounced: []string{}}
		for _, id := range a.Mailboxes {
			mb, _ := org.Mailbox(id)
			l.Mailboxes = append(l.Mailboxes, mb.Address)
		}
		bounced, err := p.db.BouncedAmong(ctx, a.Addresses)
		if err != nil {
			return err
		}
		state := ""
		if a.Disabled {
			state = "disabled"
		}
		for _, email := range a.Addresses {
			if bounced[email] {
				l.Bounced = append(l.Bounced, email)
				state = strings.TrimPrefix(state+", "+email+" bounced", ", ")
			}
		}
		items = append(items, l)
		mailboxes := strings.Join(l.Mailboxes, ", ")
		if mailboxes == "" {
			mailboxes = "all"
		}
		rows = append(rows, []string{string(l.ID), l.Name, strings.Join(l.Addresses, ", "), mailboxes, string(l.Notify), state})
	}
	return c.list(items, []string{"id", "name", "addresses", "mailboxes", "notified of", ""}, rows)
}
