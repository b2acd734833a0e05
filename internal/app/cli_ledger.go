package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
)

func (c *cli) ledgerCommand() *cobra.Command {
	var names []string
	for _, o := range desk.Outcomes() {
		names = append(names, string(o))
	}
	cmd := &cobra.Command{
		Use: "ledger", Short: "Look at what became of everything that came in, and ask again for what did not come", Args: cobra.NoArgs, RunE: help,
		Long: `Every mail and form post has one row in the ledger, with what became of it:
` + strings.Join(names, ", ") + `.

"automatic" is what programs wrote and belongs to no ticket, "ignored" what is none of ours, "unfetched" what the mail server
failed to send. All of it lies in the mailbox. What the server failed to send is asked for again by itself, for a week.`,
	}
	var outcome string
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the items with an outcome, newest first", Args: cobra.NoArgs,
		Example: "  gateway ledger list --outcome automatic\n  gateway ledger list --outcome unfetched --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(names, outcome) {
				return usageError{fmt.Errorf("--outcome: %q is none of: %s", outcome, strings.Join(names, ", "))}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.itemList(ctx, p, desk.Outcome(outcome)) })
		},
	})
	list.Flags().StringVar(&outcome, "outcome", "", "what became of them (required)")
	must(list.MarkFlagRequired("outcome"))
	var all bool
	retry := &cobra.Command{
		Use: "retry [ID…]", Short: "Have mails asked for again that the mail server failed to send", Args: cobra.ArbitraryArgs,
		Long: `The gateway asks for them by itself: an hour later, then less and less often, for a week. This has it done at once, such as
when the mail server was mended. A mail that comes is read like others.`,
		Example: "  gateway ledger retry 019f…\n  gateway ledger retry --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError{errors.New("name the mails to ask for again, or give --all")}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.retry(ctx, p, args, all, desk.Unfetched) })
		},
	}
	retry.Flags().BoolVar(&all, "all", false, "all that are unfetched")
	cmd.AddCommand(list, retry)
	return cmd
}
