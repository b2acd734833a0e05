package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
)

func (c *cli) outboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "outbox", Short: "Look at what goes out; stop and resume it", Args: cobra.NoArgs, RunE: help,
		Long: `Everything that leaves Postern is a row of the outbox first: mail to customers, and what is put into the agents' mailbox.

Its queues: ` + strings.Join(desk.QueueNames(), ", ") + `. A queue that is paused loses nothing: its rows wait. Postern pauses "automatic"
(welcome mails and acknowledgements) by itself where there is suddenly far more than usual; what people write goes on.`,
	}
	var state string
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the newest rows", Args: cobra.NoArgs, Example: "  gateway outbox list --state failed\n  gateway outbox list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.outboxList(ctx, p, desk.EffectState(state)) })
		},
	})
	list.Flags().StringVar(&state, "state", "", "only rows in this state: "+effectStates())
	queues := c.listFlag(&cobra.Command{
		Use: "queues", Short: "List the queues, and which of them are paused", Args: cobra.NoArgs, Example: "  gateway outbox queues --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.outboxQueues) },
	})
	pause := &cobra.Command{
		Use: "pause QUEUE", Short: "Have a queue's rows wait", Args: cobra.ExactArgs(1), Example: "  gateway outbox pause automatic",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withQueue(cmd, args[0], func(ctx context.Context, p *parts) error {
				err := p.db.Update(ctx, func(tx *store.Tx) error {
					_, err := tx.PauseQueue(ctx, args[0], "paused by an operator")
					return err
				})
				if err == nil {
					c.say("Nothing of the queue %q goes out until you call gateway outbox resume %s.", args[0], args[0])
				}
				return err
			})
		},
	}
	resume := &cobra.Command{
		Use: "resume QUEUE", Short: "Send what waits in a paused queue", Args: cobra.ExactArgs(1), Example: "  gateway outbox resume automatic",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withQueue(cmd, args[0], func(ctx context.Context, p *parts) error {
				var was bool
				err := p.db.Update(ctx, func(tx *store.Tx) (err error) { was, err = tx.ResumeQueue(ctx, args[0]); return err })
				switch {
				case err != nil:
					return err
				case was:
					c.say("The queue %q goes out again.", args[0])
				default:
					c.say("The queue %q was not paused.", args[0])
				}
				return nil
			})
		},
	}
	discard := &cobra.Command{
		Use: "discard " + desk.QueueAutomatic, Short: "Throw away the automatic mail that waits while it is paused", Args: cobra.ExactArgs(1),
		Long: `Throws away the welcome mails and acknowledgements that wait, such as after an attack. They are listed as failed. The queue
stays paused. What people wrote can't be thrown away.`,
		Example: "  gateway outbox pause automatic\n  gateway outbox discard automatic\n  gateway outbox resume automatic",
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != desk.QueueAutomatic {
				return usageError{fmt.Errorf("only automatic mail can be thrown away: gateway outbox discard %s", desk.QueueAutomatic)}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				var n int64
				err := p.db.Update(ctx, func(tx *store.Tx) (err error) { n, err = tx.DiscardAutomatic(ctx); return err })
				if err == nil {
					c.say("%d automatic mails were thrown away.", n)
				}
				return err
			})
		},
	}
	cmd.AddCommand(list, queues, pause, resume, discard)
	return cmd
}

func (c *cli) withQueue(cmd *cobra.Command, queue string, do func(ctx context.Context, p *parts) error) error {
	if !slices.Contains(desk.QueueNames(), queue) {
		return usageError{fmt.Errorf("there is no queue %q; there are %s", queue, strings.Join(desk.QueueNames(), ", "))}
	}
	return c.with(cmd, do)
}

type outboxLine struct {
	ID        desk.ID          `json:"id"`
	Kind      desk.EffectKind  `json:"kind"`
	Queue     string           `json:"queue"`
	State     desk.EffectState `json:"state"`
	Recipient string           `json:"recipient"`
	Attempts  int              `json:"attempts"`
	CreatedAt time.Time        `json:"created_at"`
	NextTry   *time.Time       `json:"next_try"` // null once it is done
	Error     string           `json:"error"`
	Answer    string           `json:"answer"` // of the server that took it
}

// outboxShown is how many rows the command lists.
const outboxShown = 200

func effectStates() string {
	var names []string
	for _, s := range desk.EffectStates() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func (c *cli) outboxList(ctx context.Context, p *parts, state desk.EffectState) error {
	if state != "" && !slices.Contains(desk.EffectStates(), state) {
		return usageError{fmt.Errorf("--state: there is no state %q; there are %s", state, effectStates())}
	}
	es, err := p.db.Effects(ctx, state, store.Page{Limit: outboxShown})
	if err != nil {
		return err
	}
	items, rows := []outboxLine{}, [][]string{}
	for _, e := range es {
		l := outboxLine{ID: e.ID, Kind: e.Kind, Queue: e.Kind.Queue(), State: e.State, Recipient: e.Recipient, Attempts: e.Attempt, CreatedAt: e.CreatedAt, Error: e.LastError, Answer: e.Answer}
		if e.DoneAt.IsZero() {
			l.NextTry = &e.NextTry
		}
		items = append(items, l)
		rows = append(rows, []string{e.CreatedAt.Local().Format(time.DateTime), string(e.Kind), string(e.State), e.Recipient, strconv.Itoa(e.Attempt), cmp.Or(e.LastError, e.Answer)})
	}
	return c.list(items, []string{"WHEN", "KIND", "STATE", "TO", "TRIES", "OUTCOME"}, rows)
}

type queueLine struct {
	Queue  string     `json:"queue"`
	Paused bool       `json:"paused"`
	Since  *time.Time `json:"since"` // null: it is not paused
	Reason string     `json:"reason"`
}

func (c *cli) outboxQueues(ctx context.Context, p *parts) error {
	pauses, err := p.db.Pauses(ctx)
	if err != nil {
		return err
	}
	items, rows := []queueLine{}, [][]string{}
	for _, name := range desk.QueueNames() {
		l, state := queueLine{Queue: name}, "goes out"
		if p, paused := desk.PauseOf(name, pauses); paused {
			l.Paused, l.Since, l.Reason = true, &p.Since, p.Reason
			state = "paused since " + l.Since.Local().Format(time.DateTime)
		}
		items = append(items, l)
		rows = append(rows, []string{name, state, l.Reason})
	}
	return c.list(items, []string{"QUEUE", "STATE", "WHY"}, rows)
}
