package app

import (
	"context"

	"github.com/spf13/cobra"

	"postern/internal/seed"
)

func (c *cli) devCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dev", Short: "For those who work on Postern", Args: cobra.NoArgs, RunE: help, Hidden: true}
	var o seed.Options
	fill := &cobra.Command{
		Use: "seed", Short: "Fill an empty Postern with tickets that were made up", Args: cobra.NoArgs,
		Long: `Makes companies, contacts and tickets with messages: five messages to a ticket, twenty tickets to a contact, ten contacts to a company. The same
--seed makes the same. It refuses a Postern that has tickets. Nothing is mailed.`,
		Example: "  gateway dev seed --messages 10000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.seed(ctx, p, o) })
		},
	}
	fill.Flags().IntVar(&o.Messages, "messages", 10_000, "how many messages")
	fill.Flags().Uint64Var(&o.Seed, "seed", 1, "what the random choices begin with")
	cmd.AddCommand(fill)
	return cmd
}

func (c *cli) seed(ctx context.Context, p *parts, o seed.Options) error {
	step, done := c.progress("making tickets", o.Tickets())
	defer done()
	o.Made = step
	if err := seed.Fill(ctx, p.db, o); err != nil {
		return err
	}
	c.say("%d tickets with %d messages of %d contacts; the first is %s", o.Tickets(), o.Tickets()*seed.MessagesOfTicket, o.Contacts(), seed.Address(0))
	return nil
}
