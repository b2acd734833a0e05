package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (c *cli) listCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists of contacts: who gets in, who sees their company's tickets", Args: cobra.NoArgs, RunE: help}
	var name, rule string
	add := &cobra.Command{
		Use: "add", Short: "Add a list; prints its id", Args: cobra.NoArgs, Long: "Without --rule it is a fixed list, with the members you name. " + ruleHelp,
		Example: "  gateway list add --name Customers\n  gateway list add --name Acme --rule '[{\"property\":\"domain\",\"operator\":\"is\",\"values\":[\"acme.example\"]}]'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				conditions, err := ruleOf(rule)
				if err != nil {
					return err
				}
				l, err := p.desk.AddList(ctx, name, conditions)
				if err == nil {
					c.say("%s", l.ID)
				}
				return err
			})
		},
	}
	edit := &cobra.Command{
		Use: "edit LIST", Short: "Change a list's name or rule; LIST is its id or name", Args: cobra.ExactArgs(1), Long: ruleHelp, Example: "  gateway list edit Customers --name \"Paying customers\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				var change tickets.ListChange
				if cmd.Flags().Changed("name") {
					change.Name = &name
				}
				if cmd.Flags().Changed("rule") {
					conditions, err := ruleOf(rule)
					if err != nil {
						return err
					}
					change.Rule = &conditions
				}
				_, err := p.desk.ChangeList(ctx, args[0], change)
				return err
			})
		},
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().StringVar(&name, "name", "", "what it is called")
		cmd.Flags().StringVar(&rule, "rule", "", "who is on it, as a JSON list of conditions that must all hold")
	}
	remove := &cobra.Command{
		Use: "delete LIST", Short: "Take a list away", Args: cobra.ExactArgs(1), Example: "  gateway list delete Customers",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return p.desk.DeleteList(ctx, args[0]) })
		},
	}
	show := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the lists", Args: cobra.NoArgs, Example: "  gateway list list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.listList) },
	})
	cmd.AddCommand(add, edit, remove, show, c.membersCommand())
	return cmd
}

const ruleHelp = `A rule names a property (email, domain, name, language, company, main_contact, created_at), an operator (is, is_not, contains,
before, after, known, unknown) and values, any of which will do.`

func ruleOf(s string) ([]desk.Condition, error) {
	if s == "" {
		return nil, nil
	}
	var out []desk.Condition
	if err := json.Unmarshal([]byte(s), &out); err != nil {
		return nil, usageError{fmt.Errorf("--rule: %w; it looks like [{\"property\":\"domain\",\"operator\":\"is\",\"values\":[\"acme.example\"]}]", err)}
	}
	return out, nil
}

func (c *cli) listList(ctx context.Context, p *parts) error {
	lists, err := p.db.ContactLists(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{}
	for _, l := range lists {
		how := "fixed"
		if len(l.Rule) > 0 {
			how = short(l.Rule)
		}
		rows = append(rows, []string{string(l.ID), l.Name, how})
	}
	return c.list(nonNil(lists), []string{"id", "name", "who"}, rows)
}

func (c *cli) membersCommand() *cobra.Command {
	var add, drop []string
	cmd := c.listFlag(&cobra.Command{
		Use: "members LIST", Short: "List the contacts on a list, or put some on it and take others off", Args: cobra.ExactArgs(1),
		Long:    "Contacts are named by id or address. What a list lets somebody do ends at once when they are taken off.",
		Example: "  gateway list members Customers\n  gateway list members Customers --add ann@acme.example,bea@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				if len(add)+len(drop) == 0 {
					return c.members(ctx, p, args[0])
				}
				in, err := contactIDs(ctx, p, add)
				if err != nil {
					return err
				}
				out, err := contactIDs(ctx, p, drop)
				if err != nil {
					return err
				}
				added, dropped, err := p.desk.ChangeMembers(ctx, args[0], in, out)
				if err == nil {
					c.say("%d put on the list, %d taken off", added, dropped)
				}
				return err
			})
		},
	})
	cmd.Flags().StringSliceVar(&add, "add", nil, "contacts to put on it, with commas")
	cmd.Flags().StringSliceVar(&drop, "drop", nil, "contacts to take off, with commas")
	return cmd
}

// contactIDs finds contacts by id or address; one that is not there is an error, and all are told.
func contactIDs(ctx context.Context, p *parts, names []string) ([]desk.ID, error) {
	var ids []desk.ID
	var lost []string
	for _, name := range names {
		contact, err := contactNamed(ctx, p, name)
		switch {
		case desk.KindOf(err) == desk.NotFound:
			lost = append(lost, name)
		case err != nil:
			return nil, err
		default:
			ids = append(ids, contact.ID)
		}
	}
	if len(lost) > 0 {
		return nil, fmt.Errorf("there is no contact %s; nothing was changed", strings.Join(lost, ", "))
	}
	return ids, nil
}

func (c *cli) members(ctx context.Context, p *parts, list string) error {
	items, rows := []contactLine{}, [][]string{}
	for page := (store.Page{Limit: 200}); ; {
		found, last, more, err := p.desk.ListMembers(ctx, list, page)
		if err != nil {
			return err
		}
		for _, co := range found {
			items = append(items, lineOfContact(co))
			rows = append(rows, []string{string(co.ID), co.Name, strings.Join(co.Addresses, ", ")})
		}
		if page.Before = last; !more {
			return c.list(items, []string{"id", "name", "addresses"}, rows)
		}
	}
}

func (c *cli) auditCommand() *cobra.Command {
	var subject string
	var most int
	cmd := c.listFlag(&cobra.Command{
		Use: "audit", Short: "List what was done, by whom, the newest first", Args: cobra.NoArgs,
		Long:    "Entries are never changed: each one's hash covers the one before it, and gateway verify checks that.",
		Example: "  gateway audit --limit 20\n  gateway audit --subject settings --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.audit(ctx, p, subject, most) })
		},
	})
	cmd.Flags().StringVar(&subject, "subject", "", "only what was done to this: an id, or settings")
	cmd.Flags().IntVar(&most, "limit", 50, "how many at the most")
	return cmd
}

func (c *cli) audit(ctx context.Context, p *parts, subject string, most int) error {
	items, rows := []desk.AuditEntry{}, [][]string{}
	for page := (store.Page{}); len(items) < most; {
		page.Limit = min(200, most-len(items))
		found, err := p.db.AuditLog(ctx, subject, page)
		if err != nil {
			return err
		}
		for _, e := range found {
			items = append(items, e)
			changes := []string{}
			for place := range e.Changes {
				changes = append(changes, place)
			}
			what := strings.Join(changes, ", ")
			if len(changes) > 3 {
				what = strconv.Itoa(len(changes)) + " changes"
			}
			rows = append(rows, []string{e.At.Local().Format(time.DateTime), strings.TrimSpace(string(e.Actor.Kind) + " " + e.Actor.Name), string(e.Action), e.Subject, what})
		}
		if len(found) < page.Limit {
			break
		}
		page.Before = found[len(found)-1].ID
	}
	return c.list(items, []string{"when", "who", "what", "to", "changes"}, rows)
}
