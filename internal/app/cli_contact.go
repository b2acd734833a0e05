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
	name, company, language, zone, username string
	emails                                  []string
	disabled, noWelcome, unsuppress         bool
	main, password                          bool
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
		cmd.Flags().StringVar(&f.zone, "time-zone", "", "time zone, such as Europe/Oslo; without it the portal's")
		cmd.Flags().StringVar(&f.username, "username", "", "user name to sign in with, beside the address")
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().BoolVar(&f.main, "main", false, "the main contact of their company: sees its tickets, if the settings share them with main contacts")
	}
	add.Flags().BoolVar(&f.noWelcome, "no-welcome", false, "send no welcome mail")
	edit.Flags().BoolVar(&f.disabled, "disabled", false, "may not sign in any more (--disabled=false: may again)")
	edit.Flags().BoolVar(&f.unsuppress, "automatic-mail", false, "send automatic mail to its addresses again, even if somebody complained or unsubscribed")
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the contacts", Args: cobra.NoArgs, Example: "  gateway contact list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.contactList) },
	})
	made := c.listFlag(&cobra.Command{
		Use: "password CONTACT", Short: "Make a password for a contact; the former one ends", Args: cobra.ExactArgs(1),
		Long: `Prints a user name and a password, which can't be printed again. The password must be changed at the first sign-in, and works for three days.
A one-time link is safer, for nobody but its reader sees it: gateway contact invite.`,
		Example: "  gateway contact password ann@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				contact, err := contactNamed(ctx, p, args[0])
				if err != nil {
					return err
				}
				return c.makePassword(ctx, p, contact.ID)
			})
		},
	})
	invite := &cobra.Command{
		Use: "invite CONTACT…", Short: "Mail contacts that they may use the portal, again if they were invited before", Args: cobra.MinimumNArgs(1),
		Example: "  gateway contact invite ann@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				ids, err := contactIDs(ctx, p, args)
				if err != nil {
					return err
				}
				step, done := c.progress("inviting", len(ids))
				defer done()
				for i, id := range ids {
					if err := p.desk.Invite(ctx, id); err != nil {
						return fmt.Errorf("%s: %w; %d were invited before", args[i], err, i)
					}
					step()
				}
				return nil
			})
		},
	}
	add.Flags().BoolVar(&f.password, "password", false, "make a user name and a password, print them instead of the id, and send no welcome mail; see gateway contact password --help")
	view := &cobra.Command{
		Use: "view CONTACT", Short: "Print a link to look at the portal as a contact does, read only", Args: cobra.ExactArgs(1),
		Long: "The link works once, within five minutes. That you asked for it is in the audit log.", Example: "  gateway contact view ann@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				contact, err := contactNamed(ctx, p, args[0])
				if err != nil {
					return err
				}
				secret, _, err := p.accounts.ViewAs(ctx, contact.ID)
				if err == nil {
					c.say("%s/view/%s", p.cfg.BaseURL, secret)
				}
				return err
			})
		},
	}
	cmd.AddCommand(add, edit, list, made, invite, view)
	return cmd
}

// makePassword prints what can't be printed again.
func (c *cli) makePassword(ctx context.Context, p *parts, contact desk.ID) error {
	made, err := p.accounts.MakePassword(ctx, contact)
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, made)
	}
	c.say("user name: %s", made.Username)
	c.say("password:  %s", made.Password)
	return nil
}

func (c *cli) contactAdd(ctx context.Context, p *parts, f contactFlags) error {
	in := tickets.NewContact{Name: f.name, Addresses: f.emails, Language: f.language, TimeZone: f.zone, Username: f.username, Welcome: !f.noWelcome}
	if f.company != "" {
		in.Companies = []desk.ID{desk.ID(f.company)}
	}
	if f.password { // the operator hands it over; a link in a mail would end it
		in.Welcome = false
	}
	if f.main {
		if f.company == "" {
			return usageError{errors.New("--main goes with --company: whose main contact is it?")}
		}
		in.MainOf = in.Companies
	}
	contact, welcomed, err := p.desk.AddContact(ctx, in)
	if err != nil {
		return err
	}
	if in.Welcome && !welcomed {
		c.note("No welcome mail was sent: it is switched off, no mailbox can send, or the address had one before.")
	}
	if f.password {
		return c.makePassword(ctx, p, contact.ID)
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
	if given("main") {
		companies := contact.Companies
		if change.Companies != nil {
			companies = *change.Companies
		}
		if f.main && len(companies) == 0 {
			return errors.New("--main: the contact belongs to no company; give one with --company")
		}
		mainOf := []desk.ID{}
		if f.main {
			mainOf = companies[:1]
		}
		change.MainOf = &mainOf
	}
	if given("language") {
		change.Language = &f.language
	}
	if given("time-zone") {
		change.TimeZone = &f.zone
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
	MainOf    []desk.ID `json:"main_of"`
	Language  string    `json:"language"`
	TimeZone  string    `json:"time_zone"`
	Disabled  bool      `json:"disabled"`

	Suppressed []desk.Suppression `json:"suppressed"`
}

func lineOfContact(co desk.Contact) contactLine {
	return contactLine{
		co.ID, co.Name, nonNil(co.Addresses), co.Username, co.PrimaryCompany(), nonNil(co.Companies), nonNil(co.MainOf), co.Language, co.TimeZone, co.Disabled, nonNil(co.Suppressed),
	}
}

func (c *cli) contactList(ctx context.Context, p *parts) error {
	cs, err := everything(func(pg store.Page) ([]desk.Contact, error) { return p.db.Contacts(ctx, pg) }, func(c desk.Contact) desk.ID { return c.ID })
	if err != nil {
		return err
	}
	items, rows := []contactLine{}, [][]string{}
	for _, co := range cs {
		items = append(items, lineOfContact(co))
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
