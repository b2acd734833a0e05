package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (c *cli) ticketCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ticket", Short: "Enter, show, assign, merge and split tickets", Args: cobra.NoArgs, RunE: help}
	var contact, subject, text, mailbox string
	var mailed bool
	add := &cobra.Command{
		Use: "add", Short: "Enter a ticket for a contact, such as a phone call; prints its number", Args: cobra.NoArgs,
		Example: "  gateway ticket add --contact ann@acme.example --subject \"Printer\" --text \"Ann called: the printer is jammed.\" --mail",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				who, err := contactNamed(ctx, p, contact)
				if err != nil {
					return err
				}
				if text, err = textFrom(text, c.env.Stdin); err != nil {
					return err
				}
				in := tickets.AgentTicket{Contact: who.ID, Source: desk.FromCLI, Subject: subject, Text: text, Mail: mailed}
				if mailbox != "" {
					mb, err := p.mailbox(ctx, mailbox)
					if err != nil {
						return err
					}
					in.Mailbox = mb.ID
				}
				t, _, err := p.desk.OpenByAgent(ctx, in)
				if err == nil {
					c.say("%d", t.Number)
				}
				return err
			})
		},
	}
	add.Flags().StringVar(&contact, "contact", "", "the contact's id or address (required)")
	add.Flags().StringVar(&subject, "subject", "", "what it is about (required)")
	add.Flags().StringVar(&text, "text", "", "what was said; - reads it from standard input (required)")
	add.Flags().StringVar(&mailbox, "mailbox", "", "the mailbox it goes to; without it none, until the customer answers")
	add.Flags().BoolVar(&mailed, "mail", false, "send the text to the customer")
	for _, name := range []string{"contact", "subject", "text"} {
		must(add.MarkFlagRequired(name))
	}
	cmd.AddCommand(add, c.ticketShowCommand(), c.ticketFilesCommand(), c.ticketSetCommand(), c.ticketPeopleCommand(), c.ticketHistoryCommand(), c.ticketAssignCommand(), c.ticketMergeCommand(), c.ticketSplitCommand())
	return cmd
}

func (c *cli) ticketShowCommand() *cobra.Command {
	return c.listFlag(&cobra.Command{
		Use: "show NUMBER", Short: "List a ticket's messages, oldest first", Args: cobra.ExactArgs(1), Example: "  gateway ticket show 1042",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.ticketShow(ctx, p, args[0]) })
		},
	})
}

// messageLine is a message in a list.
type messageLine struct {
	ID        desk.ID         `json:"id"`
	CreatedAt time.Time       `json:"created_at"`
	Kind      desk.AuthorKind `json:"kind"`
	Author    string          `json:"author"`
	Internal  bool            `json:"internal"`
	Trust     string          `json:"trust"`
	Reply     string          `json:"reply"`
	Reasons   []string        `json:"reasons"`
	Delivery  []sentLine      `json:"delivery"`
}

// sentLine is what became of the mail to one recipient.
type sentLine struct {
	Recipient string           `json:"recipient"`
	State     desk.EffectState `json:"state"`
	Error     string           `json:"error"`
}

// say tells people what became of a mail, if it has not arrived as it should.
func (l sentLine) say() string {
	switch l.State {
	case desk.EffectFailed:
		return "not delivered to " + l.Recipient + ": " + l.Error
	case desk.EffectDeferred, desk.EffectUnknown:
		return "late for " + l.Recipient + ", and tried again: " + l.Error
	}
	return ""
}

func linesOfDelivery(d desk.Delivery) []sentLine {
	out := []sentLine{}
	for _, r := range d.To {
		out = append(out, sentLine{r.Email, r.State, r.Error})
	}
	return out
}

func (c *cli) ticketShow(ctx context.Context, p *parts, number string) error {
	t, err := ticketNumbered(ctx, p, number)
	if err != nil {
		return err
	}
	ms, err := p.db.Messages(ctx, desk.ScopeOfProgram(), t.ID)
	if err != nil {
		return err
	}
	items, rows := []messageLine{}, [][]string{}
	for _, m := range ms {
		author := desk.Address{Name: m.Author.Name, Email: m.Author.Email}.String()
		items = append(items, messageLine{m.ID, m.CreatedAt, m.Author.Kind, author, m.Internal, m.Trust.String(), m.Reply, nonNil(m.Reasons), linesOfDelivery(m.Delivery)})
		line, _, _ := strings.Cut(m.Reply, "\n")
		if m.Internal {
			line = "(internal) " + line
		}
		rows = append(rows, []string{string(m.ID), m.CreatedAt.Local().Format("2006-01-02 15:04"), author, m.Trust.String(), line})
		for _, sent := range linesOfDelivery(m.Delivery) {
			if said := sent.say(); said != "" {
				rows = append(rows, []string{"", "", "", "", said})
			}
		}
	}
	return c.list(items, []string{"id", "written", "by", "trust", "says"}, rows)
}

func (c *cli) ticketPeopleCommand() *cobra.Command {
	var add, drop []string
	var reads bool
	cmd := c.listFlag(&cobra.Command{
		Use: "people NUMBER", Short: "Show who takes part in a ticket; add and drop people", Args: cobra.ExactArgs(1),
		Long: `Roles: the requester and those "copied" read the ticket in the portal and get its mail; a "correspondent" gets and writes mail alone;
who was "mentioned" was put in copy by a customer, and gets nothing.`,
		Example: "  gateway ticket people 1042\n  gateway ticket people 1042 --add \"Bea Example <bea@acme.example>\" --reads\n  gateway ticket people 1042 --drop bea@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.ticketPeople(ctx, p, args[0], add, drop, reads) })
		},
	})
	cmd.Flags().StringArrayVar(&add, "add", nil, "an address that is to take part; may be given several times")
	cmd.Flags().StringArrayVar(&drop, "drop", nil, "an address that is to take part no more; may be given several times")
	cmd.Flags().BoolVar(&reads, "reads", false, "those added read the ticket in the portal too, all that its customers see")
	return cmd
}

func (c *cli) ticketHistoryCommand() *cobra.Command {
	limit := 50
	cmd := c.listFlag(&cobra.Command{
		Use: "history NUMBER", Short: "Show what has happened to a ticket beside its messages", Args: cobra.ExactArgs(1),
		Long:    "Lists, newest first, who was added, noted and dropped, which status it got, and which of its mails were moved or flagged, each with the cause.",
		Example: "  gateway ticket history 1042",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.ticketHistory(ctx, p, args[0], limit) })
		},
	})
	cmd.Flags().IntVar(&limit, "limit", limit, "how many, 200 at most")
	return cmd
}

func (c *cli) ticketHistory(ctx context.Context, p *parts, number string, limit int) error {
	t, err := ticketNumbered(ctx, p, number)
	if err != nil {
		return err
	}
	events, err := p.db.TicketEvents(ctx, t.ID, store.Page{Limit: limit})
	if err != nil {
		return err
	}
	items, rows := []changeLine{}, [][]string{}
	for _, e := range events {
		items = append(items, lineOf(e, t.Number))
		rows = append(rows, []string{e.At.Local().Format(time.DateTime), sayEvent(e)})
	}
	return c.list(items, []string{"when", "what"}, rows)
}

func (c *cli) ticketPeople(ctx context.Context, p *parts, number string, add, drop []string, reads bool) error {
	t, err := ticketNumbered(ctx, p, number)
	if err != nil {
		return err
	}
	for _, raw := range add {
		a := desk.Address{Email: raw}
		if parsed, err := mail.ParseAddress(raw); err == nil {
			a = desk.Address{Name: parsed.Name, Email: parsed.Address}
		}
		if t, err = p.desk.AddParticipant(ctx, t.ID, a, reads); err != nil {
			return err
		}
	}
	for _, email := range drop {
		if t, err = p.desk.DropParticipant(ctx, t.ID, email); err != nil {
			return err
		}
	}
	items, rows := []desk.Participant{}, [][]string{}
	for _, q := range t.Participants {
		items = append(items, q)
		rows = append(rows, []string{q.Email, q.Name, string(q.Role), map[bool]string{false: "yes", true: "no"}[q.Muted]})
	}
	return c.list(items, []string{"address", "name", "role", "wants mail"}, rows)
}

func (c *cli) ticketSetCommand() *cobra.Command {
	var status string
	var billed bool
	cmd := &cobra.Command{
		Use: "set NUMBER", Short: "Change a ticket's status, or say that it was billed", Args: cobra.ExactArgs(1),
		Long: `Built-in statuses are open, waiting and closed. To a billed ticket customers can't add anything: what they write opens a new one that
goes on from it.`,
		Example: "  gateway ticket set 1042 --status closed\n  gateway ticket set 1042 --billed",
		RunE: func(cmd *cobra.Command, args []string) error {
			var change tickets.Change
			if cmd.Flags().Changed("status") {
				change.Status = &status
			}
			if cmd.Flags().Changed("billed") {
				change.Billed = &billed
			}
			if change.Status == nil && change.Billed == nil {
				return usageError{errors.New("say what to change: --status or --billed")}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				t, err := ticketNumbered(ctx, p, args[0])
				if err != nil {
					return err
				}
				_, err = p.desk.Change(ctx, desk.ScopeOfProgram(), t.ID, change)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&status, "status", "", "the status's key")
	cmd.Flags().BoolVar(&billed, "billed", false, "whether it was billed; --billed=false takes that back")
	return cmd
}

func (c *cli) ticketAssignCommand() *cobra.Command {
	return &cobra.Command{
		Use: "assign NUMBER [AGENT]", Short: "Assign a ticket to an agent, or to nobody", Args: cobra.RangeArgs(1, 2),
		Long:    "The agent is named by id, address or name; the beginning of a name will do. Without one the ticket is nobody's.",
		Example: "  gateway ticket assign 1042 mary",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				t, err := ticketNumbered(ctx, p, args[0])
				if err != nil {
					return err
				}
				var to desk.ID
				if len(args) > 1 {
					a, err := agentNamed(ctx, p, args[1])
					if err != nil {
						return err
					}
					to = a.ID
				}
				_, err = p.desk.Change(ctx, desk.ScopeOfProgram(), t.ID, tickets.Change{Assignee: &to})
				return err
			})
		},
	}
}

func (c *cli) ticketMergeCommand() *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use: "merge NUMBER", Short: "Have another ticket take over all that this one has", Args: cobra.ExactArgs(1), Example: "  gateway ticket merge 1043 --into 1042",
		Long: `Who takes part in the one ticket takes part in the other from then on, and reads all of it in the portal. The former
number and what answers its mails lead to the ticket that stays. This can't be undone, but messages can be split off again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				from, err := ticketNumbered(ctx, p, args[0])
				if err != nil {
					return err
				}
				to, err := ticketNumbered(ctx, p, into)
				if err != nil {
					return err
				}
				t, err := p.desk.Merge(ctx, from.ID, to.ID)
				if err == nil {
					c.say("ticket %d has it all now", t.Number)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "the number of the ticket that stays (required)")
	must(cmd.MarkFlagRequired("into"))
	return cmd
}

func (c *cli) ticketSplitCommand() *cobra.Command {
	var subject string
	cmd := &cobra.Command{
		Use: "split NUMBER MESSAGE_ID…", Short: "Make some messages a ticket of their own; prints its number", Args: cobra.MinimumNArgs(2),
		Long:    "What answers those messages goes to the new ticket too. gateway ticket show NUMBER lists the messages' ids.",
		Example: "  gateway ticket split 1042 019f… --subject \"The other printer\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				t, err := ticketNumbered(ctx, p, args[0])
				if err != nil {
					return err
				}
				var ids []desk.ID
				for _, id := range args[1:] {
					ids = append(ids, desk.ID(id))
				}
				t, err = p.desk.Split(ctx, t.ID, ids, subject)
				if err == nil {
					c.say("%d", t.Number)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&subject, "subject", "", "what the new ticket is about (default: the first message's subject)")
	return cmd
}

func textFrom(text string, stdin io.Reader) (string, error) {
	if text != "-" {
		return text, nil
	}
	b, err := io.ReadAll(io.LimitReader(stdin, desk.MaxInlineRaw+1))
	if err == nil && len(b) > desk.MaxInlineRaw {
		err = fmt.Errorf("--text: more than %d MB came in; nothing was stored", desk.MaxInlineRaw>>20)
	}
	return string(b), err
}
