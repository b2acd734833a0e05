package app

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
)

func (c *cli) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "quarantine", Short: "Look at what could not be read, and have it read again", Args: cobra.NoArgs, RunE: help,
		Long: `What came in and could not be read is parked here with its reason and its bytes. It blocks nothing. A newer program may
be able to read it: retry it after an update.`,
	}
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List what is in quarantine, newest first", Args: cobra.NoArgs, Example: "  gateway quarantine list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.itemList(ctx, p, desk.Quarantined) })
		},
	})
	show := c.listFlag(&cobra.Command{
		Use: "show ID", Short: "Show what is known of an item", Args: cobra.ExactArgs(1), Example: "  gateway quarantine show 019f…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.quarantineShow(ctx, p, desk.ID(args[0])) })
		},
	})
	raw := &cobra.Command{
		Use: "raw ID", Short: "Print the bytes of an item as they came", Args: cobra.ExactArgs(1), Example: "  gateway quarantine raw 019f… > mail.eml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.raw(ctx, p, desk.ID(args[0])) })
		},
	}
	var all bool
	retry := &cobra.Command{
		Use: "retry [ID…]", Short: "Have items read once more by the gateway", Args: cobra.ArbitraryArgs,
		Example: "  gateway quarantine retry 019f…\n  gateway quarantine retry --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError{errors.New("name the items to retry, or give --all")}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.retry(ctx, p, args, all, desk.Quarantined) })
		},
	}
	var address, name, subject, by string
	deliver := &cobra.Command{
		Use: "deliver ID", Short: "Make a ticket of an item, with its bytes attached", Args: cobra.ExactArgs(1),
		Long:    `For what no program can read: you say whose ticket it is to be, and what came is attached to it as it came.`,
		Example: "  gateway quarantine deliver 019f… --address ann@acme.example --subject 'Her order'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				e, err := p.ingest.DeliverRaw(ctx, desk.ID(args[0]), desk.Address{Name: name, Email: address}, subject, by)
				return c.sayTicketOf(ctx, p, "it is ticket %d", e, err)
			})
		},
	}
	deliver.Flags().StringVar(&address, "address", "", "whose ticket it is to be (required)")
	must(deliver.MarkFlagRequired("address"))
	deliver.Flags().StringVar(&name, "name", "", "their name")
	deliver.Flags().StringVar(&subject, "subject", "", "what the ticket is about")
	deliver.Flags().StringVar(&by, "by", "the operator", "who decides, as the ticket will say")
	retry.Flags().BoolVar(&all, "all", false, "all that is in quarantine")
	cmd.AddCommand(list, show, raw, retry, deliver)
	return cmd
}

// quarantineShow tells what the ledger knows of an item. It reads none of its bytes: programs have ended over them.
func (c *cli) quarantineShow(ctx context.Context, p *parts, id desk.ID) error {
	e, err := p.db.Ledger(ctx, id)
	if err == nil {
		err = e.InQuarantine()
	}
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, struct {
			itemLine
			UIDValidity  uint32    `json:"uidvalidity"`
			UID          uint32    `json:"uid"`
			InternalDate time.Time `json:"internal_date"`
			ContentType  string    `json:"content_type"`
			Size         int64     `json:"size"`
			Attempts     int       `json:"attempts"`
		}{
			itemLine:    itemLine{ID: e.ID, ReceivedAt: e.ReceivedAt, MailboxID: e.MailboxID, Folder: e.Folder, FormID: e.FormID, From: e.From, Subject: e.Subject, Reason: e.Reason},
			UIDValidity: e.UIDValidity, UID: e.UID, InternalDate: e.InternalDate, ContentType: e.ContentType, Size: e.Size, Attempts: e.Attempts,
		})
	}
	c.say("reason:   %s", strings.Map(visible, e.Reason))
	c.say("received: %s", e.ReceivedAt.Local().Format(time.RFC1123))
	if e.FormID == "" {
		c.say("mail:     UID %d in the folder %s, arrived %s", e.UID, strings.Map(visible, e.Folder), e.InternalDate.Local().Format(time.RFC1123))
	} else {
		c.say("post:     to form %s, %s", e.FormID, strings.Map(visible, e.ContentType))
	}
	c.say("size:     %d bytes", e.Size)
	c.say("next:     gateway quarantine retry %s has it read once more, such as after an update", e.ID)
	c.say("          gateway quarantine deliver %s --address ADDRESS makes a ticket of it, with its bytes attached", e.ID)
	return nil
}

func (c *cli) raw(ctx context.Context, p *parts, id desk.ID) error {
	e, err := p.db.Ledger(ctx, id)
	if err != nil {
		return err
	}
	r, err := p.ingest.Raw(ctx, e)
	if err != nil {
		return err
	}
	_, err = io.Copy(c.env.Stdout, r)
	return errors.Join(err, r.Close())
}

// retry has items of an outcome, quarantined or unfetched, tried once more. It goes on over one that is not there, and fails in
// the end.
func (c *cli) retry(ctx context.Context, p *parts, names []string, all bool, outcome desk.Outcome) error {
	again, what := (*store.Tx).Reopen, "read again by the gateway"
	if outcome == desk.Unfetched {
		again, what = (*store.Tx).RetryUnfetched, "asked for again by the gateway within a few minutes"
	}
	var ids []desk.ID
	for _, name := range names {
		ids = append(ids, desk.ID(name))
	}
	if all {
		es, err := everything(func(pg store.Page) ([]desk.LedgerEntry, error) { return p.db.LedgerWith(ctx, outcome, pg) }, func(e desk.LedgerEntry) desk.ID { return e.ID })
		if err != nil {
			return err
		}
		for _, e := range es {
			ids = append(ids, e.ID)
		}
	}
	step, done := c.progress("retrying", len(ids))
	n := 0
	var errs []error
	for _, id := range ids {
		err := p.db.Update(ctx, func(tx *store.Tx) error { return again(tx, ctx, id) })
		if err == nil {
			n++
		}
		errs = append(errs, err)
		step()
	}
	done()
	c.say("%d of %d will be %s", n, len(ids), what)
	return errors.Join(errs...)
}
