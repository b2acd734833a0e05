package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
)

func (c *cli) heldCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "held", Short: "Decide about what came in and could not be placed", Args: cobra.NoArgs, RunE: help,
		Long: `A mail whose sender has no part in the ticket it answers is held, and so is a form post that does not say whose it is.
Nobody but agents sees it. Accept it, split it into a ticket of its own, or discard it.`,
	}
	var by, ticket, address, name string
	var addSender, internal bool
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List what is held, newest first", Args: cobra.NoArgs, Example: "  gateway held list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.itemList(ctx, p, desk.Held) })
		},
	})
	show := c.listFlag(&cobra.Command{
		Use: "show ID", Short: "Show what a held item says", Args: cobra.ExactArgs(1), Example: "  gateway held show 019f…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.heldShow(ctx, p, desk.ID(args[0])) })
		},
	})
	accept := &cobra.Command{
		Use: "accept ID", Short: "Have a held mail join a ticket", Args: cobra.ExactArgs(1),
		Long: `The mail joins the ticket it is held for, or the one you name. Customers see it if it is from or to one of them; with
--add-sender its sender becomes one.`,
		Example: "  gateway held accept 019f… --add-sender\n  gateway held accept 019f… --ticket 1042 --internal",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				t, err := ticketNumbered(ctx, p, ticket)
				if err != nil {
					return err
				}
				e, err := p.ingest.AcceptHeld(ctx, desk.ID(args[0]), t.ID, desk.Acceptance{By: by, AddSender: addSender, Internal: internal})
				return c.sayTicketOf(ctx, p, "it has joined ticket %d", e, err)
			})
		},
	}
	accept.Flags().StringVar(&ticket, "ticket", "", "number of the ticket it joins (default: the one it is held for)")
	accept.Flags().BoolVar(&addSender, "add-sender", false, "its sender takes part in the ticket from now on")
	accept.Flags().BoolVar(&internal, "internal", false, "only agents see it")
	split := &cobra.Command{
		Use: "split ID", Short: "Have a held item open a ticket of its own", Args: cobra.ExactArgs(1),
		Example: "  gateway held split 019f…\n  gateway held split 019f… --address ann@acme.example --name Ann",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				e, err := p.ingest.SplitHeld(ctx, desk.ID(args[0]), desk.Address{Name: name, Email: address}, by)
				return c.sayTicketOf(ctx, p, "it is ticket %d", e, err)
			})
		},
	}
	split.Flags().StringVar(&address, "address", "", "whose ticket it is, where the item does not say so clearly itself")
	split.Flags().StringVar(&name, "name", "", "their name")
	discard := &cobra.Command{
		Use: "discard ID", Short: "Take a held item off the list; its bytes stay", Args: cobra.ExactArgs(1), Example: "  gateway held discard 019f…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				_, err := p.ingest.DiscardHeld(ctx, desk.ID(args[0]), by)
				return err
			})
		},
	}
	for _, cmd := range []*cobra.Command{accept, split, discard} {
		cmd.Flags().StringVar(&by, "by", "the operator", "who decides, as the ticket will say")
	}
	cmd.AddCommand(list, show, accept, split, discard)
	return cmd
}

// ticketNumbered finds a ticket by the number people use; "" is none.
func ticketNumbered(ctx context.Context, p *parts, number string) (desk.Ticket, error) {
	if number == "" {
		return desk.Ticket{}, nil
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(number, "#"), 10, 64)
	if err != nil {
		return desk.Ticket{}, fmt.Errorf("%q is not the number of a ticket", number)
	}
	return p.db.TicketByNumber(ctx, desk.ScopeOfProgram(), n)
}

// sayTicketOf says where an item went, unless err tells that it did not.
func (c *cli) sayTicketOf(ctx context.Context, p *parts, format string, e desk.LedgerEntry, err error) error {
	if err != nil {
		return err
	}
	t, err := p.db.Ticket(ctx, desk.ScopeOfProgram(), e.TicketID)
	if err == nil {
		c.say(format, t.Number)
	}
	return err
}

// itemLine is an inbound item in a list.
type itemLine struct {
	ID         desk.ID   `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	MailboxID  desk.ID   `json:"mailbox_id"`
	Folder     string    `json:"folder"`
	FormID     desk.ID   `json:"form_id"`
	From       string    `json:"from"`
	Subject    string    `json:"subject"`
	Reason     string    `json:"reason"`
	TicketID   desk.ID   `json:"ticket_id"`
	Ticket     int64     `json:"ticket_number"`
	RetryAt    time.Time `json:"retry_at,omitzero"` // of a mail that could not be fetched: when it is asked for again
}

// itemList lists the inbound items with an outcome.
func (c *cli) itemList(ctx context.Context, p *parts, outcome desk.Outcome) error {
	es, err := everything(func(pg store.Page) ([]desk.LedgerEntry, error) { return p.db.LedgerWith(ctx, outcome, pg) }, func(e desk.LedgerEntry) desk.ID { return e.ID })
	if err != nil {
		return err
	}
	items, rows := []itemLine{}, [][]string{}
	for len(es) > 0 {
		part := es[:min(len(es), 100)]
		es = es[len(part):]
		var ids []desk.ID
		for _, e := range part {
			ids = append(ids, e.TicketID)
		}
		numbers, err := p.db.TicketNumbers(ctx, ids)
		if err != nil {
			return err
		}
		for _, e := range part {
			items = append(items, itemLine{e.ID, e.ReceivedAt, e.MailboxID, e.Folder, e.FormID, e.From, e.Subject, e.Reason, e.TicketID, numbers[e.TicketID], e.RetryAt})
			if !e.RetryAt.IsZero() {
				e.Reason += "; asked for again at " + e.RetryAt.Local().Format("2006-01-02 15:04")
			}
			rows = append(rows, []string{string(e.ID), e.ReceivedAt.Local().Format("2006-01-02 15:04"), e.From, e.Subject, e.Reason})
		}
	}
	return c.list(items, []string{"id", "received", "from", "subject", "reason"}, rows)
}

func (c *cli) heldShow(ctx context.Context, p *parts, id desk.ID) error {
	e, m, err := p.ingest.Held(ctx, id)
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, struct {
			itemLine
			Name        string            `json:"name"`
			To          []desk.Address    `json:"to"`
			Cc          []desk.Address    `json:"cc"`
			Class       desk.Class        `json:"class"`
			Text        string            `json:"text"`
			Reasons     []string          `json:"reasons"`
			Attachments []desk.Attachment `json:"attachments"`
		}{
			itemLine: itemLine{ID: e.ID, ReceivedAt: e.ReceivedAt, MailboxID: e.MailboxID, Folder: e.Folder, FormID: e.FormID, From: e.From, Subject: e.Subject, Reason: e.Reason, TicketID: e.TicketID},
			Name:     m.From.Name, To: nonNil(m.To), Cc: nonNil(m.Cc), Class: m.Class, Text: m.Text, Reasons: nonNil(m.Reasons), Attachments: nonNil(m.Attachments),
		})
	}
	for _, line := range [][2]string{
		{"held", e.Reason}, {"from", m.From.String()}, {"to", addressList(m.To)}, {"cc", addressList(m.Cc)}, {"subject", m.Subject}, {"received", e.ReceivedAt.Local().Format(time.RFC1123)},
	} {
		if line[1] != "" {
			c.say("%-9s %s", line[0]+":", strings.Map(visible, line[1]))
		}
	}
	for _, a := range m.Attachments {
		c.say("%-9s %s (%s, %d bytes)", "file:", strings.Map(visible, a.Name), strings.Map(visible, a.Type), a.Size)
	}
	c.say("")
	for line := range strings.SplitSeq(m.Text, "\n") {
		c.say("%s", strings.Map(visible, line))
	}
	return nil
}

func addressList(as []desk.Address) string {
	var out []string
	for _, a := range as {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}
