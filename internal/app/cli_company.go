package app

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (c *cli) companyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "company", Short: "Companies that customers belong to", Args: cobra.NoArgs, RunE: help}
	var name string
	var domains, verified []string
	add := &cobra.Command{
		Use: "add", Short: "Add a company; prints its id", Args: cobra.NoArgs, Example: "  gateway company add --name Acme --domain acme.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				co, err := p.desk.AddCompany(ctx, name, domains, verified...)
				if err == nil {
					c.say("%s", co.ID)
				}
				return err
			})
		},
	}
	edit := &cobra.Command{
		Use: "edit ID", Short: "Change a company's name or domains", Args: cobra.ExactArgs(1), Example: "  gateway company edit 019f… --domain acme.example,acme.test",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				change := tickets.CompanyChange{}
				if cmd.Flags().Changed("name") {
					change.Name = &name
				}
				if cmd.Flags().Changed("domain") {
					change.Domains = &domains
				}
				if cmd.Flags().Changed("verified-domain") {
					change.Verified = &verified
				}
				_, err := p.desk.ChangeCompany(ctx, desk.ID(args[0]), change)
				return err
			})
		},
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().StringVar(&name, "name", "", "what it is called")
		cmd.Flags().StringSliceVar(&domains, "domain", nil, "a mail domain of its people; several with commas; sub-domains count too")
		cmd.Flags().StringSliceVar(&verified, "verified-domain", nil, "those of its domains that you know to be the company's: who has proved an address there may see its tickets, if the settings share them")
	}
	must(add.MarkFlagRequired("name"))
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the companies", Args: cobra.NoArgs, Example: "  gateway company list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.companyList) },
	})
	cmd.AddCommand(add, edit, list)
	return cmd
}

type companyLine struct {
	ID      desk.ID  `json:"id"`
	Name    string   `json:"name"`
	Domains []string `json:"domains"`

	VerifiedDomains []string `json:"verified_domains"`
}

// everything reads a whole list, page by page.
func everything[T any](read func(store.Page) ([]T, error), id func(T) desk.ID) ([]T, error) {
	var all []T
	for page := (store.Page{Limit: 200}); ; {
		part, err := read(page)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
		if len(part) < page.Limit {
			return all, nil
		}
		page.Before = id(part[len(part)-1])
	}
}

func (c *cli) companyList(ctx context.Context, p *parts) error {
	cs, err := everything(func(pg store.Page) ([]desk.Company, error) { return p.db.Companies(ctx, pg) }, func(c desk.Company) desk.ID { return c.ID })
	if err != nil {
		return err
	}
	items, rows := []companyLine{}, [][]string{}
	for _, co := range cs {
		items = append(items, companyLine{co.ID, co.Name, nonNil(co.Domains), nonNil(co.Verified)})
		rows = append(rows, []string{string(co.ID), co.Name, strings.Join(co.Domains, ", ")})
	}
	return c.list(items, []string{"id", "name", "domains"}, rows)
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
