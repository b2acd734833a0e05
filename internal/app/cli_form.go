package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/ingest/webhook"
	"postern/store"
)

// formFlags are what describes a form on the command line.
type formFlags struct {
	name, mailbox, auth string
	mapping             map[string]string
	disabled, newSecret bool
}

func (c *cli) formCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "form", Short: "Take posts from web forms", Args: cobra.NoArgs, RunE: help}
	var f formFlags
	add := &cobra.Command{
		Use: "add", Short: "Add a form; prints its URL and its secret", Args: cobra.NoArgs,
		Long: `Adds a form and prints the URL to post to and, for a signed form, the secret to sign with (Standard Webhooks).
--map says which field of the post fills which field of the ticket: email, name, subject, message. A field inside JSON is
named by the way that leads to it, such as data.contact.email.`,
		Example: "  gateway form add --name Contact --mailbox support@example.com --map email=email,name=name,subject=topic,message=text",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.formAdd(ctx, p, f) })
		},
	}
	add.Flags().StringVar(&f.auth, "auth", string(desk.SignedForm), "who may post: standard-webhooks (signed) or secret-url")
	edit := &cobra.Command{
		Use: "edit ID", Short: "Change a form, switch it off, or give it a new secret", Args: cobra.ExactArgs(1),
		Long: `Changes what is given and leaves the rest. --new-secret prints the new secret (of a signed form) or the new URL (of a
form with a secret URL); the former one ends at once.`,
		Example: "  gateway form edit 019f… --new-secret\n  gateway form edit 019f… --disabled",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.formEdit(ctx, p, cmd, args[0], f) })
		},
	}
	edit.Flags().BoolVar(&f.disabled, "disabled", false, "take no posts any more (--disabled=false: take them again)")
	edit.Flags().BoolVar(&f.newSecret, "new-secret", false, "end the secret and print another")
	for _, cmd := range []*cobra.Command{add, edit} {
		cmd.Flags().StringVar(&f.name, "name", "", "what the form is called (required for a new one)")
		cmd.Flags().StringVar(&f.mailbox, "mailbox", "", "the mailbox its tickets go to (default: the only one)")
		cmd.Flags().StringToStringVar(&f.mapping, "map", nil, "ticket field = field of the post, several with commas")
	}
	must(add.MarkFlagRequired("name"))
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the forms", Args: cobra.NoArgs, Example: "  gateway form list",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.formList) },
	})
	cmd.AddCommand(add, edit, list)
	return cmd
}

func (c *cli) formAdd(ctx context.Context, p *parts, in formFlags) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	f := desk.Form{ID: store.NewID(), Auth: desk.FormAuth(in.auth), CreatedAt: time.Now(), Mapping: map[string]string{}}
	if in.mailbox == "" {
		if len(org.Mailboxes) != 1 {
			return fmt.Errorf("--mailbox: there are %d mailboxes; name the one its tickets go to", len(org.Mailboxes))
		}
		f.MailboxID = org.Mailboxes[0].ID
	}
	given := func(flag string) bool { return flag != "mailbox" || in.mailbox != "" }
	if err := errors.Join(in.change(&f, org, given), renew(&f)); err != nil {
		return err
	}
	if err := p.db.Update(ctx, func(tx *store.Tx) error { return tx.PutForm(ctx, f) }); err != nil {
		return err
	}
	c.sayForm(p, f)
	return nil
}

func (c *cli) formEdit(ctx context.Context, p *parts, cmd *cobra.Command, id string, in formFlags) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	var now desk.Form
	err = p.db.Update(ctx, func(tx *store.Tx) error {
		return tx.ChangeForm(ctx, desk.ID(id), func(f *desk.Form) error {
			err := in.change(f, org, cmd.Flags().Changed)
			if err == nil && in.newSecret {
				err = renew(f)
			}
			now = *f
			return err
		})
	})
	if desk.KindOf(err) == desk.NotFound {
		return fmt.Errorf("there is no form %q; gateway form list tells the ids", id)
	}
	if err == nil && in.newSecret {
		c.sayForm(p, now)
	}
	return err
}

// change puts the given flags into a form.
func (in formFlags) change(f *desk.Form, org *store.Organisation, given func(flag string) bool) error {
	if given("name") {
		if f.Name = strings.TrimSpace(in.name); f.Name == "" {
			return errors.New("--name: give the form a name")
		}
	}
	if given("mailbox") {
		mb, err := mailboxByAddress(org, in.mailbox)
		if err != nil {
			return err
		}
		f.MailboxID = mb.ID
	}
	if given("disabled") {
		f.Disabled = in.disabled
	}
	if !given("map") {
		return nil
	}
	f.Mapping = map[string]string{}
	for field, path := range in.mapping {
		if !slices.Contains(desk.FormFields(), field) {
			return fmt.Errorf("--map: a ticket has no field %q; it has %s", field, strings.Join(desk.FormFields(), ", "))
		}
		f.Mapping[field] = path
	}
	return nil
}

// renew gives a form a new secret; a former one ends.
func renew(f *desk.Form) error {
	switch f.Auth {
	case desk.SignedForm:
		f.Secret = webhook.NewSecret()
		if f.Key == "" {
			f.Key = strings.ToLower(rand.Text()[:12])
		}
	case desk.SecretURLForm:
		f.Key = strings.ToLower(rand.Text()) // 128 bits and more
	default:
		return fmt.Errorf("--auth: %q is neither %s nor %s", f.Auth, desk.SignedForm, desk.SecretURLForm)
	}
	return nil
}

// sayForm prints what can't be shown again.
func (c *cli) sayForm(p *parts, f desk.Form) {
	c.say("%s", formURL(p, f))
	if f.Secret != "" {
		c.say("%s", f.Secret)
	} else {
		c.note("Whoever knows this URL may post to it: keep it secret.")
	}
}

func formURL(p *parts, f desk.Form) string { return p.cfg.BaseURL + "/hooks/" + f.Key }

type formLine struct {
	ID       desk.ID           `json:"id"`
	Name     string            `json:"name"`
	URL      string            `json:"url"`
	Mailbox  string            `json:"mailbox"`
	Auth     desk.FormAuth     `json:"auth"`
	Mapping  map[string]string `json:"mapping"`
	Disabled bool              `json:"disabled"`
}

func (c *cli) formList(ctx context.Context, p *parts) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	items, rows := []formLine{}, [][]string{}
	for _, f := range org.Forms {
		mb, _ := org.Mailbox(f.MailboxID)
		l := formLine{f.ID, f.Name, formURL(p, f), mb.Address, f.Auth, f.Mapping, f.Disabled}
		if f.Auth == desk.SecretURLForm {
			l.URL = p.cfg.BaseURL + "/hooks/" + f.Key[:4] + "…" // the URL is the secret, shown once
		}
		items = append(items, l)
		who := string(l.Auth)
		if l.Disabled {
			who = "nobody: disabled"
		}
		rows = append(rows, []string{string(l.ID), l.Name, l.URL, l.Mailbox, who})
	}
	return c.list(items, []string{"id", "name", "url", "mailbox", "who may post"}, rows)
}
