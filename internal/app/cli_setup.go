package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/ingest/webhook"
	"postern/mailconn"
	"postern/store"
)

// mailboxFlags are what describes a mailbox on the command line.
type mailboxFlags struct {
	address, name, imap, smtp, imapPasswordFile, smtpPasswordFile, since, sent string
	aliases                                                                    []string
	subAddress, noCheck                                                        bool
}

func (c *cli) mailboxCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mailbox", Short: "Connect support mailboxes", Args: cobra.NoArgs, RunE: help}
	var f mailboxFlags
	add := &cobra.Command{
		Use: "add", Short: "Connect a mailbox; checks it first", Args: cobra.NoArgs,
		Long: `Connects a mailbox. It signs in to both servers first and stores nothing if that fails.

URLs are imap://, imaps://, smtp:// or smtps://, with USER:PASSWORD@HOST:PORT. Without encryption only this machine's
own loopback is reached; elsewhere imap:// and smtp:// want STARTTLS. Options behind the URL: ?starttls=require|try|never
and ?insecure=1, which does not check the certificate.`,
		Example: `  gateway mailbox add --address support@example.com --imap imaps://support%40example.com@mail.example.com \
      --imap-password-file ./password --smtp smtps://support%40example.com@mail.example.com --since now`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.mailboxAdd(cmd, f) },
	}
	fl := add.Flags()
	fl.StringVar(&f.address, "address", "", "the mailbox's address (required)")
	fl.StringSliceVar(&f.aliases, "alias", nil, "another address whose mail arrives here; may be given several times")
	fl.StringVar(&f.name, "name", "", "the sender's name on our mail")
	fl.StringVar(&f.imap, "imap", "", "where to read the mailbox (required)")
	fl.StringVar(&f.smtp, "smtp", "", "where to send; without it nothing is sent")
	fl.StringVar(&f.imapPasswordFile, "imap-password-file", "", "file with the IMAP password")
	fl.StringVar(&f.smtpPasswordFile, "smtp-password-file", "", "file with the SMTP password; without it the IMAP password is used if the user is the same")
	fl.StringVar(&f.since, "since", "now", "make tickets of mail that arrived since: now, all, or a date such as 2026-01-31")
	fl.StringVar(&f.sent, "sent", "", "name of the Sent folder, where the server does not tell")
	fl.BoolVar(&f.subAddress, "sub-address", false, "the server delivers name+anything@ to this mailbox: put signed tokens into reply addresses")
	fl.BoolVar(&f.noCheck, "no-check", false, "store it without trying to reach it")
	must(add.MarkFlagRequired("address"))
	must(add.MarkFlagRequired("imap"))
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the mailboxes and how far they are read", Args: cobra.NoArgs, Example: "  gateway mailbox list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.mailboxList) },
	})
	test := &cobra.Command{
		Use: "test ADDRESS", Short: "Sign in to a mailbox's servers and tell what is there", Args: cobra.ExactArgs(1), Example: "  gateway mailbox test support@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				org, err := p.db.FreshOrganisation(ctx)
				if err != nil {
					return err
				}
				mb, err := mailboxByAddress(org, args[0])
				if err != nil {
					return err
				}
				return c.checkMailbox(ctx, mb)
			})
		},
	}
	cmd.AddCommand(add, list, test)
	return cmd
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// must is for flags that were defined a line above.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (c *cli) mailboxAdd(cmd *cobra.Command, f mailboxFlags) error {
	mb, err := f.mailbox(time.Now())
	if err != nil {
		return err
	}
	return c.with(cmd, func(ctx context.Context, p *parts) error {
		if !f.noCheck {
			if err := c.checkMailbox(ctx, mb); err != nil {
				return fmt.Errorf("%w\nnothing was stored; --no-check stores it all the same", err)
			}
		}
		if err := p.db.Update(ctx, func(tx *store.Tx) error { return tx.PutMailbox(ctx, mb) }); err != nil {
			return err
		}
		c.say("Mailbox %s is connected.", mb.Address)
		return nil
	})
}

// mailbox checks the flags and makes a mailbox of them.
func (f mailboxFlags) mailbox(now time.Time) (desk.Mailbox, error) {
	mb := desk.Mailbox{ID: store.NewID(), Name: f.name, Sent: f.sent, SubAddress: f.subAddress, CreatedAt: now, Aliases: []string{}}
	var ok bool
	if mb.Address, ok = desk.NormalizeEmail(f.address); !ok {
		return mb, fmt.Errorf("--address: %q is not a mail address", f.address)
	}
	mb.MIDDomain = desk.DomainOf(mb.Address)
	for _, a := range f.aliases {
		alias, ok := desk.NormalizeEmail(a)
		if !ok {
			return mb, fmt.Errorf("--alias: %q is not a mail address", a)
		}
		mb.Aliases = append(mb.Aliases, alias)
	}
	imap, err := mailconn.ParseIMAP(f.imap)
	if err != nil {
		return mb, fmt.Errorf("--imap: %w", err)
	}
	if mb.Secrets.IMAPPassword, err = secret(imap.Password(), f.imapPasswordFile); err != nil {
		return mb, fmt.Errorf("--imap-password-file: %w", err)
	}
	if mb.IMAP, err = withoutPassword(f.imap); err != nil {
		return mb, fmt.Errorf("--imap: %w", err)
	}
	if f.smtp != "" {
		smtp, err := mailconn.ParseSMTP(f.smtp)
		if err != nil {
			return mb, fmt.Errorf("--smtp: %w", err)
		}
		if mb.Secrets.SMTPPassword, err = secret(smtp.Password(), f.smtpPasswordFile); err != nil {
			return mb, fmt.Errorf("--smtp-password-file: %w", err)
		}
		if mb.Secrets.SMTPPassword == "" && smtp.User != "" && smtp.User == imap.User {
			mb.Secrets.SMTPPassword = mb.Secrets.IMAPPassword
		}
		if mb.SMTP, err = withoutPassword(f.smtp); err != nil {
			return mb, fmt.Errorf("--smtp: %w", err)
		}
	}
	mb.Since, err = since(f.since, now)
	return mb, err
}

func since(s string, now time.Time) (time.Time, error) {
	switch s {
	case "now", "":
		return now.Truncate(time.Second), nil // INTERNALDATE has whole seconds
	case "all":
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, s, time.Local)
	if err != nil {
		return day, fmt.Errorf("--since: %q is none of: now, all, a date such as 2026-01-31", s)
	}
	return day, nil
}

// secret prefers a file to what stands in a URL.
func secret(inURL, file string) (string, error) {
	if file == "" {
		return inURL, nil
	}
	b, err := os.ReadFile(file)
	return strings.TrimRight(string(b), "\r\n"), err
}

// withoutPassword cuts the password out of a URL, and leaves the rest as it was written.
func withoutPassword(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		// mailconn has read it: a user with an "@" in it
		scheme, rest, _ := strings.Cut(raw, "://")
		at := strings.LastIndexByte(rest, '@')
		if at < 0 {
			return raw, nil
		}
		user, _, _ := strings.Cut(rest[:at], ":")
		return scheme + "://" + url.User(user).String() + rest[at:], nil
	}
	u.User = url.User(u.User.Username())
	return u.String(), nil
}

// checkMailbox signs in to both servers and tells what it saw.
func (c *cli) checkMailbox(ctx context.Context, mb desk.Mailbox) error {
	imap, err := mailconn.ParseIMAP(mb.IMAP)
	if err != nil {
		return err
	}
	var problems []error
	found, err := mailconn.CheckIMAP(ctx, imap.WithPassword(mb.Secrets.IMAPPassword), mb.Sent)
	if err != nil {
		problems = append(problems, fmt.Errorf("reading (IMAP): %w", err))
	} else {
		c.note("ok: signed in to IMAP; INBOX has %d mails", found.Mails)
		switch {
		case found.Sent != "":
			c.note("ok: Sent folder %q", found.Sent)
		default:
			c.note("warning: no Sent folder was found, so answers from mail clients will not be seen; name it with --sent")
		}
		if !found.Idle {
			c.note("warning: the server does not tell of new mail by itself (IDLE); it is asked every minute")
		}
	}
	if mb.SMTP == "" {
		c.note("warning: no --smtp, so nothing can be sent")
		return errors.Join(problems...)
	}
	smtp, err := mailconn.ParseSMTP(mb.SMTP)
	if err != nil {
		return err
	}
	if smtp.User != "" {
		smtp = smtp.WithPassword(mb.Secrets.SMTPPassword)
	}
	if _, err := mailconn.CheckSMTP(ctx, smtp); err != nil {
		problems = append(problems, fmt.Errorf("sending (SMTP): %w", err))
	} else {
		c.note("ok: SMTP server answers and lets us in")
	}
	return errors.Join(problems...)
}

// note tells something on stderr, so that stdout holds results alone.
func (c *cli) note(format string, args ...any) { fmt.Fprintf(c.env.Stderr, format+"\n", args...) }

func mailboxByAddress(org *store.Organisation, address string) (desk.Mailbox, error) {
	email, _ := desk.NormalizeEmail(address)
	i := slices.IndexFunc(org.Mailboxes, func(m desk.Mailbox) bool { return m.Address == email || string(m.ID) == address })
	if i < 0 {
		var have []string
		for _, m := range org.Mailboxes {
			have = append(have, m.Address)
		}
		if len(have) == 0 {
			return desk.Mailbox{}, errors.New("no mailbox is connected; add one with gateway mailbox add")
		}
		return desk.Mailbox{}, fmt.Errorf("there is no mailbox %q; there are %s", address, strings.Join(have, ", "))
	}
	return org.Mailboxes[i], nil
}

type mailboxLine struct {
	ID      desk.ID      `json:"id"`
	Address string       `json:"address"`
	Aliases []string     `json:"aliases"`
	IMAP    string       `json:"imap"`
	SMTP    string       `json:"smtp"`
	Since   *time.Time   `json:"since"`
	Paused  bool         `json:"paused"`
	Folders []folderLine `json:"folders"`
}

type folderLine struct {
	Name        string          `json:"name"`
	Role        desk.FolderRole `json:"role"`
	UIDValidity uint32          `json:"uidvalidity"`
	LastUID     uint32          `json:"last_uid"`
	Seen        int64           `json:"seen"`
}

func (c *cli) mailboxList(ctx context.Context, p *parts) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	folders, err := p.db.Folders(ctx)
	if err != nil {
		return err
	}
	items, rows := []mailboxLine{}, [][]string{}
	for _, m := range org.Mailboxes {
		l := mailboxLine{ID: m.ID, Address: m.Address, Aliases: m.Aliases, IMAP: m.IMAP, SMTP: m.SMTP, Paused: m.Paused, Folders: []folderLine{}}
		from := "all"
		if !m.Since.IsZero() {
			l.Since, from = &m.Since, m.Since.Local().Format(time.DateTime)
		}
		read := []string{}
		for _, f := range folders {
			if f.MailboxID == m.ID {
				l.Folders = append(l.Folders, folderLine{f.Name, f.Role, f.UIDValidity, f.LastUID, f.Seen})
				read = append(read, fmt.Sprintf("%s: %d mails", f.Name, f.Seen))
			}
		}
		if len(read) == 0 {
			read = []string{"not read yet"}
		}
		items = append(items, l)
		rows = append(rows, []string{m.Address, from, strings.Join(read, ", "), m.IMAP, m.SMTP})
	}
	return c.list(items, []string{"address", "since", "read so far", "imap", "smtp"}, rows)
}

func (c *cli) formCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "form", Short: "Take posts from web forms", Args: cobra.NoArgs, RunE: help}
	var name, mailbox, auth string
	var mapping map[string]string
	add := &cobra.Command{
		Use: "add", Short: "Add a form; prints its URL and its secret", Args: cobra.NoArgs,
		Long: `Adds a form and prints the URL to post to and, for a signed form, the secret to sign with (Standard Webhooks).
--map says which field of the post fills which field of the ticket: email, name, subject, message. A field inside JSON is
named by the way that leads to it, such as data.contact.email.`,
		Example: "  gateway form add --name Contact --mailbox support@example.com --map email=email,name=name,subject=topic,message=text",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.formAdd(ctx, p, name, mailbox, auth, mapping) })
		},
	}
	add.Flags().StringVar(&name, "name", "", "what the form is called (required)")
	add.Flags().StringVar(&mailbox, "mailbox", "", "the mailbox its tickets go to (default: the only one)")
	add.Flags().StringVar(&auth, "auth", string(desk.SignedForm), "who may post: standard-webhooks (signed) or secret-url")
	add.Flags().StringToStringVar(&mapping, "map", nil, "ticket field = field of the post, several with commas")
	must(add.MarkFlagRequired("name"))
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the forms", Args: cobra.NoArgs, Example: "  gateway form list",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.formList) },
	})
	cmd.AddCommand(add, list)
	return cmd
}

func (c *cli) formAdd(ctx context.Context, p *parts, name, mailbox, auth string, mapping map[string]string) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	var mb desk.Mailbox
	if mailbox != "" {
		if mb, err = mailboxByAddress(org, mailbox); err != nil {
			return err
		}
	} else {
		if len(org.Mailboxes) != 1 {
			return fmt.Errorf("--mailbox: there are %d mailboxes; name the one its tickets go to", len(org.Mailboxes))
		}
		mb = org.Mailboxes[0]
	}
	for field := range mapping {
		if !slices.Contains(desk.FormFields(), field) {
			return fmt.Errorf("--map: a ticket has no field %q; it has %s", field, strings.Join(desk.FormFields(), ", "))
		}
	}
	if strings.TrimSpace(name) == "" {
		return errors.New("--name: give the form a name")
	}
	f := desk.Form{ID: store.NewID(), Name: name, MailboxID: mb.ID, Auth: desk.FormAuth(auth), Mapping: mapping, CreatedAt: time.Now()}
	if f.Mapping == nil {
		f.Mapping = map[string]string{}
	}
	switch f.Auth {
	case desk.SignedForm:
		f.Key, f.Secret = strings.ToLower(rand.Text()[:12]), webhook.NewSecret()
	case desk.SecretURLForm:
		f.Key = strings.ToLower(rand.Text()) // 128 bits and more
	default:
		return fmt.Errorf("--auth: %q is neither %s nor %s", auth, desk.SignedForm, desk.SecretURLForm)
	}
	if err := p.db.Update(ctx, func(tx *store.Tx) error { return tx.PutForm(ctx, f) }); err != nil {
		return err
	}
	c.say("%s", formURL(p, f))
	if f.Secret != "" {
		c.say("%s", f.Secret)
	} else {
		c.note("Whoever knows this URL may post to it: keep it secret.")
	}
	return nil
}

func formURL(p *parts, f desk.Form) string { return p.cfg.BaseURL + "/hooks/" + f.Key }

type formLine struct {
	ID      desk.ID           `json:"id"`
	Name    string            `json:"name"`
	URL     string            `json:"url"`
	Mailbox string            `json:"mailbox"`
	Auth    desk.FormAuth     `json:"auth"`
	Mapping map[string]string `json:"mapping"`
}

func (c *cli) formList(ctx context.Context, p *parts) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	items, rows := []formLine{}, [][]string{}
	for _, f := range org.Forms {
		mb, _ := org.Mailbox(f.MailboxID)
		l := formLine{f.ID, f.Name, formURL(p, f), mb.Address, f.Auth, f.Mapping}
		if f.Auth == desk.SecretURLForm {
			l.URL = p.cfg.BaseURL + "/hooks/" + f.Key[:4] + "…" // the URL is the secret, shown once
		}
		items = append(items, l)
		rows = append(rows, []string{l.Name, l.URL, l.Mailbox, string(l.Auth)})
	}
	return c.list(items, []string{"name", "url", "mailbox", "who may post"}, rows)
}

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Let programs use the API", Args: cobra.NoArgs, RunE: help}
	var name string
	var scopes []string
	create := &cobra.Command{
		Use: "create", Short: "Make an API token and print it; it can't be shown again", Args: cobra.NoArgs,
		Long:    "Makes an API token and prints it, and nothing else, on stdout. Scopes: " + strings.Join(desk.Scopes(), ", ") + ".",
		Example: "  gateway token create --name script\n  gateway token create --name report --scope read",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				secret, err := p.accounts.CreateToken(ctx, name, scopes)
				if err == nil {
					c.say("%s", secret)
				}
				return err
			})
		},
	}
	create.Flags().StringVar(&name, "name", "", "what the token is for (required)")
	create.Flags().StringSliceVar(&scopes, "scope", nil, "what it may do (default read and write)")
	must(create.MarkFlagRequired("name"))
	cmd.AddCommand(create)
	return cmd
}
