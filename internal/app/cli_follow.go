package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
)

// followFlags are how tickets and a mailbox keep in step, on the command line.
type followFlags struct {
	closedFolder string
	keywords     []string
	from, to     string
}

func (f *followFlags) define(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.closedFolder, "closed-folder", "", "the folder where agents put conversations that are done with, such as Archive or Done: moving one there closes its ticket, moving it back to INBOX opens it; and the other way round; \"\" gives it up")
	fl.StringArrayVar(&f.keywords, "status-keyword", nil, `a flag or keyword that stands for a status, as KEYWORD=STATUS, such as '\Flagged=waiting' or '$Closed=closed'; may be given several times; "" gives up all of them`)
	fl.StringVar(&f.from, "status-from-mailbox", "", "whether what agents do in the mailbox changes the status of tickets: on, report (a dry run, see gateway mailbox changes) or off; report if a closed folder or keyword is named for the first time")
	fl.StringVar(&f.to, "status-to-mailbox", "", "whether a status that changes elsewhere moves and flags the conversation: on, report or off, as above")
}

// change puts the given flags into a mailbox's policy. What is followed for the first time is followed as a dry run.
func (f followFlags) change(to *desk.Follow, given func(flag string) bool) error {
	before := to.ClosedFolder != "" || len(to.Keywords) > 0
	if given("closed-folder") {
		to.ClosedFolder = f.closedFolder
	}
	if given("status-keyword") {
		to.Keywords = map[string]string{}
		for _, pair := range f.keywords {
			keyword, status, ok := strings.Cut(pair, "=")
			switch {
			case pair == "" && len(f.keywords) == 1:
			case !ok || keyword == "" || status == "":
				return fmt.Errorf(`--status-keyword: %q: write KEYWORD=STATUS, such as '$Closed=closed'`, pair)
			default:
				to.Keywords[keyword] = status
			}
		}
	}
	if !before && (to.ClosedFolder != "" || len(to.Keywords) > 0) {
		to.FromMailbox, to.ToMailbox = desk.Report, desk.Report
	}
	for _, s := range []struct {
		flag, value string
		into        *desk.Switch
	}{{"status-from-mailbox", f.from, &to.FromMailbox}, {"status-to-mailbox", f.to, &to.ToMailbox}} {
		if !given(s.flag) || s.value == "" {
			continue
		}
		switch s.value {
		case "off":
			*s.into = desk.Off
		case string(desk.Report), string(desk.On):
			*s.into = desk.Switch(s.value)
		default:
			return fmt.Errorf("--%s: %q: say on, report or off", s.flag, s.value)
		}
	}
	return nil
}

// checkPolicy refuses a policy that the installation's settings don't fit.
func (p *parts) checkPolicy(ctx context.Context, mb desk.Mailbox) error {
	s, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	for _, name := range mb.ReadLikeInbox() {
		if slices.Contains(mb.Policy.AlsoSent, name) {
			return fmt.Errorf("%q can't be read both like INBOX and like Sent: name it with --also-sent, or with --folder or --closed-folder", name)
		}
	}
	return errors.Join(mb.Check(), mb.Policy.Follow.Check(s.Pipelines))
}

// changeLine is an event, on one line.
type changeLine struct {
	ID       desk.ID        `json:"id"`
	At       time.Time      `json:"at"`
	TicketID desk.ID        `json:"ticket_id"`
	Number   int64          `json:"number"`
	Kind     desk.EventKind `json:"kind"`
	From     string         `json:"from"`
	To       string         `json:"to"`
	Cause    desk.Cause     `json:"cause"`
	DryRun   bool           `json:"dry_run"`
}

func (c *cli) changesCommand() *cobra.Command {
	limit := 50
	cmd := c.listFlag(&cobra.Command{
		Use: "changes ADDRESS", Short: "Show what agents did to tickets in the mail client, and tickets to the mailbox", Args: cobra.ExactArgs(1),
		Long: `Lists, newest first, which tickets got another status by what agents did in the mailbox, which mails were moved or flagged because of a
ticket's status, and, where a switch says "report", what would have been done.`,
		Example: "  gateway mailbox changes support@example.com --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.mailboxChanges(ctx, p, args[0], limit) })
		},
	})
	cmd.Flags().IntVar(&limit, "limit", limit, "how many, 200 at most")
	return cmd
}

func (c *cli) mailboxChanges(ctx context.Context, p *parts, address string, limit int) error {
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	events, err := p.db.MailboxEvents(ctx, mb.ID, store.Page{Limit: limit})
	if err != nil {
		return err
	}
	ids := make([]desk.ID, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.TicketID)
	}
	numbers, err := p.db.TicketNumbers(ctx, ids)
	if err != nil {
		return err
	}
	items, rows := []changeLine{}, [][]string{}
	for _, e := range events {
		items = append(items, lineOf(e, numbers[e.TicketID]))
		rows = append(rows, []string{e.At.Local().Format(time.DateTime), fmt.Sprintf("#%d", numbers[e.TicketID]), sayEvent(e)})
	}
	return c.list(items, []string{"when", "ticket", "what"}, rows)
}

func lineOf(e desk.Event, number int64) changeLine {
	return changeLine{e.ID, e.At, e.TicketID, number, e.Kind, e.From, e.To, e.Cause, e.DryRun}
}

// sayEvent puts an event into words.
func sayEvent(e desk.Event) string {
	switch e.Kind {
	case desk.PersonAdded:
		return fmt.Sprintf("%s takes part as %s (%s)", e.To, e.From, sayCause(e.Cause))
	case desk.PersonNoted:
		return fmt.Sprintf("%s was in copy, and is only noted (%s)", e.To, sayCause(e.Cause))
	case desk.PersonDropped:
		return fmt.Sprintf("%s takes part no more (%s)", e.From, sayCause(e.Cause))
	case desk.MailStopped:
		return fmt.Sprintf("%s wants no mail about it (%s)", e.To, sayCause(e.Cause))
	case desk.MailWanted:
		return fmt.Sprintf("%s wants mail about it again (%s)", e.To, sayCause(e.Cause))
	}
	what := map[desk.EventKind]string{desk.StatusChanged: "status %s became %s", desk.MailMoved: "mail moved from %s to %s", desk.MailMarked: "flag of its mail: %s became %s"}[e.Kind]
	if e.DryRun {
		what = map[desk.EventKind]string{desk.StatusChanged: "dry run: status %s would become %s", desk.MailMoved: "dry run: mail would move from %s to %s", desk.MailMarked: "dry run: flag of its mail: %s would become %s"}[e.Kind]
	}
	if what == "" {
		what = string(e.Kind) + ": %s, %s"
	}
	return fmt.Sprintf(what, cmp.Or(e.From, "none"), cmp.Or(e.To, "none")) + " (" + sayCause(e.Cause) + ")"
}

func sayCause(c desk.Cause) string {
	why := map[desk.Cause]string{
		desk.ByMove: "an agent moved the conversation", desk.ByMark: "an agent flagged a mail", desk.ByStatus: "as the ticket's status says", desk.ByAgent: "by an agent",
		desk.ByCustomer: "by the customer, in the portal", desk.ByCustomersMessage: "a customer wrote", desk.ByAgentsMessage: "an agent answered",
	}[c]
	return cmp.Or(why, string(c))
}
