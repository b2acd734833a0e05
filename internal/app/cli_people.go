package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (c *cli) companyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "company", Short: "Companies that customers belong to", Args: cobra.NoArgs, RunE: help}
	var name string
	var domains []string
	add := &cobra.Command{
		Use: "add", Short: "Add a company; prints its id", Args: cobra.NoArgs, Example: "  gateway company add --name Acme --domain acme.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				co, err := p.desk.AddCompany(ctx, name, domains)
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
				_, err := p.desk.ChangeCompany(ctx, desk.ID(args[0]), change)
				return err
			})
		},
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().StringVar(&name, "name", "", "what it is called")
		cmd.Flags().StringSliceVar(&domains, "domain", nil, "a mail domain of its people; several with commas; sub-domains count too")
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
		items = append(items, companyLine{co.ID, co.Name, nonNil(co.Domains)})
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

// contactFlags are what describes a contact on the command line.
type contactFlags struct {
	name, company, language, username string
	emails                            []string
	disabled, noWelcome               bool
}

func (c *cli) contactCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "contact", Short: "People who write to us", Args: cobra.NoArgs, RunE: help}
	var f contactFlags
	add := &cobra.Command{
		Use: "add", Short: "Add a contact; prints its id, and sends the welcome mail", Args: cobra.NoArgs,
		Example: "  gateway contact add --email ann@acme.example --name \"Ann Example\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.contactAdd(ctx, p, f) })
		},
	}
	edit := &cobra.Command{
		Use: "edit CONTACT", Short: "Change a contact, named by id or address", Args: cobra.ExactArgs(1),
		Example: "  gateway contact edit ann@acme.example --email ann@acme.example,ann@home.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.contactEdit(ctx, p, cmd, args[0], f) })
		},
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().StringVar(&f.name, "name", "", "the contact's name")
		cmd.Flags().StringSliceVar(&f.emails, "email", nil, "addresses, with commas; the first is the one to sign in with")
		cmd.Flags().StringVar(&f.company, "company", "", "id of the company; without it the address's domain tells")
		cmd.Flags().StringVar(&f.language, "language", "", "language, such as de; without it the portal's default")
		cmd.Flags().StringVar(&f.username, "username", "", "user name to sign in with, beside the address")
	}
	add.Flags().BoolVar(&f.noWelcome, "no-welcome", false, "send no welcome mail")
	edit.Flags().BoolVar(&f.disabled, "disabled", false, "may not sign in any more (--disabled=false: may again)")
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the contacts", Args: cobra.NoArgs, Example: "  gateway contact list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.contactList) },
	})
	cmd.AddCommand(add, edit, list)
	return cmd
}

func (c *cli) contactAdd(ctx context.Context, p *parts, f contactFlags) error {
	in := tickets.NewContact{Name: f.name, Addresses: f.emails, Language: f.language, Username: f.username, Welcome: !f.noWelcome}
	if f.company != "" {
		in.Companies = []desk.ID{desk.ID(f.company)}
	}
	contact, welcomed, err := p.desk.AddContact(ctx, in)
	if err != nil {
		return err
	}
	if in.Welcome && !welcomed {
		c.note("No welcome mail was sent: it is switched off, no mailbox can send, or the address had one before.")
	}
	c.say("%s", contact.ID)
	return nil
}

func contactNamed(ctx context.Context, p *parts, name string) (desk.Contact, error) {
	if strings.Contains(name, "@") {
		email, ok := desk.NormalizeEmail(name)
		if !ok {
			return desk.Contact{}, fmt.Errorf("%q is not a mail address", name)
		}
		return p.db.ContactByEmail(ctx, email)
	}
	return p.db.Contact(ctx, desk.ID(name))
}

func (c *cli) contactEdit(ctx context.Context, p *parts, cmd *cobra.Command, name string, f contactFlags) error {
	contact, err := contactNamed(ctx, p, name)
	if err != nil {
		return err
	}
	given := cmd.Flags().Changed
	var change tickets.ContactChange
	if given("name") {
		change.Name = &f.name
	}
	if given("email") {
		change.Addresses = &f.emails
	}
	if given("company") {
		companies := []desk.ID{desk.ID(f.company)}
		if f.company == "" {
			companies = nil
		}
		change.Companies = &companies
	}
	if given("language") {
		change.Language = &f.language
	}
	if given("username") {
		change.Username = &f.username
	}
	if given("disabled") {
		change.Disabled = &f.disabled
	}
	_, err = p.desk.ChangeContact(ctx, contact.ID, change)
	return err
}

type contactLine struct {
	ID        desk.ID   `json:"id"`
	Name      string    `json:"name"`
	Addresses []string  `json:"addresses"`
	Username  string    `json:"username"`
	CompanyID desk.ID   `json:"company_id"`
	Companies []desk.ID `json:"companies"`
	Language  string    `json:"language"`
	Disabled  bool      `json:"disabled"`
}

func (c *cli) contactList(ctx context.Context, p *parts) error {
	cs, err := everything(func(pg store.Page) ([]desk.Contact, error) { return p.db.Contacts(ctx, pg) }, func(c desk.Contact) desk.ID { return c.ID })
	if err != nil {
		return err
	}
	items, rows := []contactLine{}, [][]string{}
	for _, co := range cs {
		items = append(items, contactLine{co.ID, co.Name, nonNil(co.Addresses), co.Username, co.PrimaryCompany(), nonNil(co.Companies), co.Language, co.Disabled})
		state := ""
		if co.Disabled {
			state = "disabled"
		}
		rows = append(rows, []string{string(co.ID), co.Name, strings.Join(co.Addresses, ", "), co.Username, string(co.PrimaryCompany()), state})
	}
	return c.list(items, []string{"id", "name", "addresses", "user name", "company", ""}, rows)
}

func (c *cli) ticketCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ticket", Short: "Enter tickets for customers", Args: cobra.NoArgs, RunE: help}
	var contact, subject, text, mailbox string
	var mail bool
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
				in := tickets.AgentTicket{Contact: who.ID, Source: desk.FromCLI, Subject: subject, Text: text, Mail: mail}
				if mailbox != "" {
					org, err := p.db.FreshOrganisation(ctx)
					if err != nil {
						return err
					}
					mb, err := mailboxByAddress(org, mailbox)
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
	add.Flags().BoolVar(&mail, "mail", false, "send the text to the customer")
	for _, name := range []string{"contact", "subject", "text"} {
		must(add.MarkFlagRequired(name))
	}
	cmd.AddCommand(add)
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

func (c *cli) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that nothing was lost and nothing doubled", Args: cobra.NoArgs,
		Long: `Checks the ledger and the outbox against what Postern promises: every mail a server has shown has one ledger row with one
outcome, every ticket has its messages, every file is there, no row is sent twice. Lists the outbox rows that were
unknown once: only these can have reached somebody twice. Exit status 1 if a promise is broken, or if there is nothing.`,
		Example: "  gateway verify --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.config(cmd)
			if err != nil {
				return err
			}
			if _, err := os.Stat(databaseFile(cfg)); cfg.DatabaseURL == "" && errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no Postern in the data folder %s, so there is nothing to verify", cfg.Data)
			}
			return c.with(cmd, c.verify)
		},
	}
	return c.listFlag(cmd)
}

type unknownLine struct {
	ID        desk.ID          `json:"id"`
	Kind      desk.EffectKind  `json:"kind"`
	State     desk.EffectState `json:"state"`
	MessageID desk.MessageID   `json:"message_id"`
	Recipient string           `json:"recipient"`
	Unknowns  int              `json:"unknowns"`
}

func (c *cli) verify(ctx context.Context, p *parts) error {
	step, done := c.progress("looking for files", -1)
	r, err := p.db.Verify(ctx, func(ctx context.Context, sha256 string) (bool, error) {
		step()
		return p.blobs.Has(ctx, sha256)
	})
	done()
	if err != nil {
		return err
	}
	unknown := []unknownLine{}
	for _, e := range r.Unknown {
		unknown = append(unknown, unknownLine{e.ID, e.Kind, e.State, e.MessageID, e.Recipient, e.Unknowns})
	}
	if c.asJSON {
		err = printJSON(c.env.Stdout, struct {
			store.Report
			Unknown []unknownLine `json:"unknown"`
		}{r, unknown})
	} else {
		c.sayCounts("inbound items", r.Ledger)
		c.sayCounts("outbox rows", r.Outbox)
		for _, u := range unknown {
			c.say("unknown once: %s %s to %s <%s>, now %s", u.Kind, u.ID, u.Recipient, u.MessageID, u.State)
		}
		for _, n := range r.Notes {
			c.say("note: %s", n)
		}
		for _, v := range r.Violations {
			c.say("VIOLATION: %s", v)
		}
	}
	if len(r.Violations) > 0 {
		return errors.Join(err, fmt.Errorf("%d promises are broken", len(r.Violations)))
	}
	if !c.asJSON {
		c.say("ok: every mail that was seen has one outcome, and every outcome what belongs to it")
	}
	return err
}

func (c *cli) sayCounts(what string, counts any) {
	var parts []string
	switch m := counts.(type) {
	case map[desk.Outcome]int64:
		for k, n := range m {
			parts = append(parts, fmt.Sprintf("%s %d", k, n))
		}
	case map[desk.EffectState]int64:
		for k, n := range m {
			parts = append(parts, fmt.Sprintf("%s %d", k, n))
		}
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	c.say("%s: %s", what, strings.Join(parts, ", "))
}
