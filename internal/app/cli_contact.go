package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// contactFlags are what describes a contact on the command line.
type contactFlags struct {
	name, company, language, username string
	emails                            []string
	disabled, noWelcome, unsuppress   bool
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
		Long: `Changes what is given and leaves the rest. Whoever changes a contact has looked at its addresses: one to which mail bounced gets
automatic mail again. After a complaint, or when somebody has unsubscribed, only --automatic-mail does that.`,
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
	edit.Flags().BoolVar(&f.unsuppress, "automatic-mail", false, "send automatic mail to its addresses again, even if somebody complained or unsubscribed")
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
	if given("automatic-mail") && !f.unsuppress {
		return usageError{errors.New("automatic mail to one contact can't be switched off here; --automatic-mail switches it on again after a bounce, a complaint or a reader who unsubscribed")}
	}
	change.Unsuppress = f.unsuppress
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

	Suppressed []desk.Suppression `json:"suppressed"`
}

func (c *cli) contactList(ctx context.Context, p *parts) error {
	cs, err := everything(func(pg store.Page) ([]desk.Contact, error) { return p.db.Contacts(ctx, pg) }, func(c desk.Contact) desk.ID { return c.ID })
	if err != nil {
		return err
	}
	items, rows := []contactLine{}, [][]string{}
	for _, co := range cs {
		items = append(items, contactLine{co.ID, co.Name, nonNil(co.Addresses), co.Username, co.PrimaryCompany(), nonNil(co.Companies), co.Language, co.Disabled, nonNil(co.Suppressed)})
		state := ""
		if co.Disabled {
			state = "disabled"
		}
		for _, s := range co.Suppressed {
			state = strings.TrimPrefix(state+", "+s.Address+" "+string(s.Reason), ", ")
		}
		rows = append(rows, []string{string(co.ID), co.Name, strings.Join(co.Addresses, ", "), co.Username, string(co.PrimaryCompany()), state})
	}
	return c.list(items, []string{"id", "name", "addresses", "user name", "company", ""}, rows)
}
