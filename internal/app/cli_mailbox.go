package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailconn"
	"postern/store"
)

// mailboxFlags are what describes a mailbox on the command line.
type mailboxFlags struct {
	address, name, imap, smtp, imapPasswordFile, smtpPasswordFile, since, sent string
	aliases, folders, formSenders                                              []string
	subAddress, subjectTag, sentOpens, noCheck                                 bool
	authServID, authServProfile                                                string
	authServHops                                                               int
	dkimFallback                                                               bool
	oauth                                                                      oauthFlags
	policy                                                                     policyFlags
}

func (c *cli) mailboxCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mailbox", Short: "Connect support mailboxes", Args: cobra.NoArgs, RunE: help}
	var f mailboxFlags
	add := &cobra.Command{
		Use: "add [ADDRESS]", Short: "Connect a mailbox; checks it first", Args: cobra.MaximumNArgs(1),
		Long: `Connects a mailbox. It signs in to both servers first and stores nothing if that fails. Without --imap the servers are found by the
address: those of Google, Microsoft 365, Fastmail, Yahoo, iCloud, GMX, WEB.DE, Zoho, IONOS, mailbox.org and Posteo are known, also for own domains
by their MX records; others by what the domain says itself (SRV records).

` + aboutURLs,
		Example: `  gateway mailbox add support@fastmail.com --imap-password-file ./password
  gateway mailbox add support@gmail.com --oauth-client-id ID --oauth-client-secret-file ./client-secret
  gateway mailbox add --address support@example.com --imap imaps://support%40example.com@mail.example.com \
      --imap-password-file ./password --smtp smtps://support%40example.com@mail.example.com --since now`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && f.address != "" || len(args) == 0 && f.address == "":
				return usageError{errors.New("name the mailbox's address once, such as gateway mailbox add support@example.com")}
			case len(args) == 1:
				f.address = args[0]
			}
			return c.mailboxAdd(cmd, f)
		},
	}
	add.Flags().StringVar(&f.address, "address", "", "the mailbox's address, which may also stand without this flag")
	add.Flags().StringVar(&f.since, "since", "now", "make tickets of mail that arrived since: now, all, or a date such as 2026-01-31")
	edit := &cobra.Command{
		Use: "edit ADDRESS", Short: "Change how a mailbox is reached; checks it first", Args: cobra.ExactArgs(1),
		Long: `Changes what is given and leaves the rest, passwords too. It signs in to both servers first and changes nothing if that fails.

` + aboutURLs,
		Example: `  gateway mailbox edit support@example.com --imap-password-file ./new-password
  gateway mailbox edit support@example.com --smtp smtps://support%40example.com@relay.example.com
  gateway mailbox edit support@example.com --authserv-id mx.example.com --authserv-hops 1`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.mailboxEdit(cmd, args[0], f) },
	}
	for _, cmd := range []*cobra.Command{add, edit} {
		fl := cmd.Flags()
		fl.StringSliceVar(&f.aliases, "alias", nil, "another address whose mail arrives here; may be given several times")
		fl.StringVar(&f.name, "name", "", "the sender's name on our mail")
		fl.StringVar(&f.imap, "imap", "", "where to read the mailbox (default for a new one: found by its address)")
		fl.StringVar(&f.smtp, "smtp", "", "where to send; without it nothing is sent, but for a new mailbox whose servers are found by its address")
		fl.StringVar(&f.imapPasswordFile, "imap-password-file", "", "file with the IMAP password")
		fl.StringVar(&f.smtpPasswordFile, "smtp-password-file", "", "file with the SMTP password; without it the IMAP password is used if the user is the same")
		fl.StringVar(&f.sent, "sent", "", "name of the Sent folder, where the server does not tell or is wrong")
		fl.StringArrayVar(&f.folders, "folder", nil, "a further folder to read like INBOX, such as where agents file mail; may be given several times; --folder \"\" gives up all of them")
		fl.BoolVar(&f.subAddress, "sub-address", false, "the server delivers name+anything@ to this mailbox: put signed tokens into reply addresses")
		fl.BoolVar(&f.subjectTag, "subject-tag", false, "put a signed tag into the subjects of answers, for correspondents whose programs lose everything else")
		fl.BoolVar(&f.sentOpens, "sent-opens-tickets", false, "make a ticket of a conversation that an agent begins in the mail client; colleagues of the mailbox's own domain don't count")
		fl.StringArrayVar(&f.formSenders, "form-sender", nil, "an address under which a web form elsewhere (WordPress, say) mails what people typed: its Reply-To counts as the sender; may be given several times; --form-sender \"\" gives up all of them")
		fl.StringVar(&f.authServID, "authserv-id", "", "the name under which your mail server writes Authentication-Results; its dmarc=pass proves a sender")
		fl.StringVar(&f.authServProfile, "authserv-profile", string(desk.RFC8601), "how it writes them: rfc8601, or m365 (Microsoft 365, which leaves its name out)")
		fl.IntVar(&f.authServHops, "authserv-hops", 0, "how many Received lines stand above what it writes, at most")
		fl.BoolVar(&f.dkimFallback, "dkim-fallback", false, "where it writes nothing, verify DKIM signatures of the sender's own domain here")
		f.oauth.define(cmd)
		f.policy.define(cmd)
		fl.BoolVar(&f.noCheck, "no-check", false, "store it without trying to reach it")
	}
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the mailboxes and how far they are read", Args: cobra.NoArgs, Example: "  gateway mailbox list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.mailboxList) },
	})
	cmd.AddCommand(add, edit, list, c.testCommand(), c.authoriseCommand(), c.probeCommand(), c.calibrateCommand(), c.dkimCommand(), c.changesCommand(), c.pauseCommand("pause", "Stop reading a mailbox, for a while", true), c.pauseCommand("resume", "Read a paused mailbox again from where it was left; try one that fails without waiting", false))
	return cmd
}

const aboutURLs = `URLs are imap://, imaps://, smtp:// or smtps://, with USER:PASSWORD@HOST:PORT. Without encryption only this machine's
own loopback is reached; elsewhere imap:// and smtp:// want STARTTLS. Options behind the URL: ?starttls=require|try|never
and ?insecure=1, which does not check the certificate.`

func (c *cli) pauseCommand(name, short string, paused bool) *cobra.Command {
	return &cobra.Command{
		Use: name + " ADDRESS", Short: short, Args: cobra.ExactArgs(1), Example: "  gateway mailbox " + name + " support@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				return changeMailbox(ctx, p, args[0], func(mb *desk.Mailbox) error {
					if mb.Paused = paused; !paused {
						mb.TriedAt = p.db.Now()
					}
					return nil
				}, nil)
			})
		},
	}
}

// changeMailbox changes the mailbox with an address and stores it, if check has nothing against it (nil: is not asked).
func changeMailbox(ctx context.Context, p *parts, address string, change func(*desk.Mailbox) error, check func(desk.Mailbox) error) error {
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	if err := change(&mb); err != nil {
		return err
	}
	if err := p.checkPolicy(ctx, mb); err != nil {
		return err
	}
	if check != nil {
		if err := check(mb); err != nil {
			return err
		}
	}
	return p.db.Update(ctx, func(tx *store.Tx) error {
		var before, after desk.Mailbox
		err := tx.ChangeMailbox(ctx, mb.ID, func(mb *desk.Mailbox) error {
			before = *mb
			err := change(mb)
			after = *mb
			return err
		})
		if err != nil {
			return err
		}
		if !slices.Equal(before.Aliases, after.Aliases) || before.Policy.AnyRecipient != after.Policy.AnyRecipient {
			if _, err := tx.ReopenUnaddressed(ctx, mb.ID); err != nil {
				return err
			}
		}
		return settleGrant(ctx, tx, before, after)
	})
}

func (c *cli) mailboxEdit(cmd *cobra.Command, address string, f mailboxFlags) error {
	return c.with(cmd, func(ctx context.Context, p *parts) error {
		former, err := p.mailbox(ctx, address)
		if err != nil {
			return err
		}
		check := func(mb desk.Mailbox) error {
			switch g, err := p.db.Grant(ctx, mb.ID); {
			case mb.OAuth.Used() && (former.OAuth != mb.OAuth || desk.KindOf(err) == desk.NotFound || err == nil && g.Ended):
				return nil // nobody can sign in before the tokens are mended
			case err != nil && desk.KindOf(err) != desk.NotFound:
				return err
			}
			if err := c.checkMailbox(ctx, p, &mb, !cmd.Flags().Changed("folder") && !cmd.Flags().Changed("also-sent"), false); err != nil {
				return fmt.Errorf("%w\nnothing was changed; --no-check changes it all the same", err)
			}
			return nil
		}
		if f.noCheck {
			check = nil
		}
		var changed desk.Mailbox
		err = changeMailbox(ctx, p, address, func(mb *desk.Mailbox) error {
			mb.TriedAt = p.db.Now()
			err := f.change(mb, cmd.Flags().Changed)
			changed = *mb
			return err
		}, check)
		if err != nil {
			return err
		}
		if f := changed.Policy.Follow; f.FromMailbox == desk.Report && f.ToMailbox == desk.Report && !former.Policy.Follow.Used() {
			c.note("It begins with a dry run: gateway mailbox changes %s shows what would be done. Then: gateway mailbox edit %s --status-from-mailbox on --status-to-mailbox on", changed.Address, changed.Address)
		}
		if !changed.OAuth.Used() {
			return nil
		}
		if _, err := p.db.Grant(ctx, changed.ID); desk.KindOf(err) != desk.NotFound {
			return err
		}
		c.sayAuthorise(changed)
		return nil
	})
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// must is for flags that were defined a line above.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (c *cli) mailboxAdd(cmd *cobra.Command, f mailboxFlags) error {
	if !cmd.Flags().Changed("imap") {
		if err := c.usePreset(cmd.Context(), cmd, &f); err != nil {
			return err
		}
	}
	mb, err := f.mailbox(time.Now(), func(string) bool { return true })
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("also-sent") {
		mb.Policy.AlsoSent = nil // nobody has said: looked for
	}
	return c.with(cmd, func(ctx context.Context, p *parts) error {
		if err := p.checkPolicy(ctx, mb); err != nil {
			return err
		}
		if !f.noCheck && !mb.OAuth.Used() {
			if err := c.checkMailbox(ctx, p, &mb, false, true); err != nil {
				return fmt.Errorf("%w\nnothing was stored; --no-check stores it all the same", err)
			}
		}
		if err := p.db.Update(ctx, func(tx *store.Tx) error { return tx.PutMailbox(ctx, mb) }); err != nil {
			return err
		}
		switch {
		case mb.OAuth.Used():
			c.say("Mailbox %s is stored; it is read once somebody has authorised that.", mb.Address)
			c.sayAuthorise(mb)
		case f.noCheck:
			c.say("Mailbox %s is stored; nobody has tried to reach it. gateway mailbox test %s does.", mb.Address, mb.Address)
		default:
			c.say("Mailbox %s is connected.", mb.Address)
			if mb.SMTP != "" && !mb.SubAddress {
				c.note("Next: gateway mailbox probe %s finds out whether answers can carry a signed address.", mb.Address)
			}
		}
		return nil
	})
}

// mailbox checks the flags that are given and makes a mailbox of them.
func (f mailboxFlags) mailbox(now time.Time, given func(flag string) bool) (mb desk.Mailbox, err error) {
	mb = desk.Mailbox{ID: store.NewID(), CreatedAt: now, Aliases: []string{}}
	var ok bool
	if mb.Address, ok = desk.NormalizeEmail(f.address); !ok {
		return mb, fmt.Errorf("--address: %q is not a mail address", f.address)
	}
	mb.MIDDomain = desk.DomainOf(mb.Address)
	if mb.Since, err = since(f.since, now); err != nil {
		return mb, err
	}
	return mb, f.change(&mb, given)
}

// change puts the given flags into a mailbox. A URL or a user without a password keeps the one that is stored.
func (f mailboxFlags) change(mb *desk.Mailbox, given func(flag string) bool) (err error) {
	if given("name") {
		mb.Name = f.name
	}
	if given("sent") {
		mb.Sent = f.sent
	}
	if given("folder") {
		mb.Folders = []string{}
		folders := f.folders
		if slices.Equal(folders, []string{""}) { // there is no other way to name none
			folders = nil
		}
		for _, name := range folders {
			if name == "" || strings.EqualFold(name, "INBOX") || slices.Contains(mb.Folders, name) {
				return fmt.Errorf("--folder: %q: name other folders than INBOX, each once", name)
			}
			mb.Folders = append(mb.Folders, name)
		}
	}
	if given("sub-address") {
		mb.SubAddress = f.subAddress
	}
	if given("subject-tag") {
		mb.SubjectTag = f.subjectTag
	}
	if given("sent-opens-tickets") {
		mb.SentOpens = f.sentOpens
	}
	if given("alias") {
		if mb.Aliases, err = addresses("alias", f.aliases); err != nil {
			return err
		}
	}
	if given("form-sender") {
		if mb.FormSenders, err = addresses("form-sender", f.formSenders); err != nil {
			return err
		}
	}
	if err := f.changeReceiver(&mb.Receiver, given); err != nil {
		return err
	}
	if err := f.policy.change(&mb.Policy, given); err != nil {
		return err
	}
	former := mb.Secrets
	if err := f.oauth.change(mb, given); err != nil {
		return err
	}
	if given("imap") {
		mb.IMAP = f.imap
	}
	imap, err := mailconn.ParseIMAP(mb.IMAP)
	if err != nil {
		return fmt.Errorf("--imap: %w", err)
	}
	if err := takeSecret(&mb.IMAP, &mb.Secrets.IMAPPassword, imap.Password(), f.imapPasswordFile); err != nil {
		return fmt.Errorf("--imap-password-file: %w", err)
	}
	if mb.OAuth.Used() && mb.Secrets.IMAPPassword != "" {
		return errors.New("--imap-password-file: a mailbox that signs in by OAuth has no IMAP password; leave it out, also in the URL, or say --oauth none")
	}
	if given("smtp") {
		mb.SMTP = f.smtp
	}
	if mb.SMTP == "" {
		mb.Secrets.SMTPPassword = ""
		return nil
	}
	smtp, err := mailconn.ParseSMTP(mb.SMTP)
	if err != nil {
		return fmt.Errorf("--smtp: %w", err)
	}
	if err := takeSecret(&mb.SMTP, &mb.Secrets.SMTPPassword, smtp.Password(), f.smtpPasswordFile); err != nil {
		return fmt.Errorf("--smtp-password-file: %w", err)
	}
	// One account, one password: it changes for both.
	if smtp.User != "" && smtp.User == imap.User && mb.Secrets.SMTPPassword == former.SMTPPassword && former.SMTPPassword == former.IMAPPassword {
		mb.Secrets.SMTPPassword = mb.Secrets.IMAPPassword
	}
	return nil
}

// addresses reads a flag that may be given several times. A single empty one stands for none: there is no other way to name that.
func addresses(flag string, given []string) ([]string, error) {
	out := []string{}
	if slices.Equal(given, []string{""}) {
		return out, nil
	}
	for _, a := range given {
		address, ok := desk.NormalizeEmail(a)
		if !ok {
			return nil, fmt.Errorf("--%s: %q is not a mail address", flag, a)
		}
		out = append(out, address)
	}
	return out, nil
}

// takeSecret moves the password out of a server's URL, or takes it from a file; where neither has one it stays.
func takeSecret(server, password *string, inURL, file string) error {
	found, err := secret(inURL, file)
	if err != nil {
		return err
	}
	if found != "" {
		*password = found
	}
	*server, err = withoutPassword(*server)
	return err
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

// folderNames lists folders for people, not too many of them.
func folderNames(folders []mailconn.Folder) string {
	names := []string{}
	for _, f := range folders[:min(len(folders), 50)] {
		names = append(names, strconv.Quote(f.Name))
	}
	return strings.Join(names, ", ")
}

// note tells something on stderr, so that stdout holds results alone.
func (c *cli) note(format string, args ...any) { fmt.Fprintf(c.env.Stderr, format+"\n", args...) }

// mailbox finds a mailbox by its address or id, as it is stored now.
func (p *parts) mailbox(ctx context.Context, address string) (desk.Mailbox, error) {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return desk.Mailbox{}, err
	}
	return mailboxByAddress(org, address)
}

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

// mails counts mails in words.
func mails(n int) string {
	if n == 1 {
		return "1 mail"
	}
	return fmt.Sprintf("%d mails", n)
}

// sayFolder tells people how a folder is.
func sayFolder(m desk.Mailbox, f desk.Folder) string {
	s := fmt.Sprintf("%s: %s", f.Name, mails(int(f.Seen)))
	switch f.Generation {
	case 0:
	case 1:
		s += " (replaced on the server once)"
	default:
		s += fmt.Sprintf(" (replaced on the server %d times)", f.Generation)
	}
	switch {
	case !m.Reads(f):
		s += " (no longer read)"
	case f.Problem != "":
		s += ", PROBLEM: " + strings.Map(visible, f.Problem)
	}
	return s
}

type mailboxLine struct {
	ID      desk.ID    `json:"id"`
	Address string     `json:"address"`
	Aliases []string   `json:"aliases"`
	Watched []string   `json:"watched"` // besides INBOX and the Sent folder
	IMAP    string     `json:"imap"`
	SMTP    string     `json:"smtp"`
	Since   *time.Time `json:"since"`
	Paused  bool       `json:"paused"`
	// SubAddress and SubjectTag tell what answers carry.
	SubAddress bool `json:"sub_address"`
	SubjectTag bool `json:"subject_tag"`
	// SentOpens tells whether what agents begin becomes a ticket.
	SentOpens bool `json:"sent_opens"`
	// Policy is how the mailbox works with agents and customers.
	Policy desk.Policy `json:"policy"`
	// Signing is how its mail is signed by DKIM here.
	Signing desk.Signing `json:"signing"`
	// FormSenders are addresses of web forms.
	FormSenders []string   `json:"form_senders"`
	SignIn      signInLine `json:"sign_in"`
	receiverLine
	Folders []folderLine `json:"folders"`
}

type folderLine struct {
	Name        string          `json:"name"`
	Role        desk.FolderRole `json:"role"`
	UIDValidity uint32          `json:"uidvalidity"`
	LastUID     uint32          `json:"last_uid"`
	Seen        int64           `json:"seen"`
	PassedOver  int64           `json:"passed_over"` // and found by the sweep
	Replaced    int64           `json:"replaced"`    // how often: restored, made anew, on another server
	Problem     string          `json:"problem"`
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
	grants, err := p.db.Grants(ctx)
	if err != nil {
		return err
	}
	items, rows := []mailboxLine{}, [][]string{}
	for _, m := range org.Mailboxes {
		m.Policy.AlsoSent = append([]string{}, m.Policy.AlsoSent...)
		l := mailboxLine{ID: m.ID, Address: m.Address, Aliases: m.Aliases, Watched: append([]string{}, m.ReadLikeInbox()...), IMAP: m.IMAP, SMTP: m.SMTP, Paused: m.Paused, SubAddress: m.SubAddress, SubjectTag: m.SubjectTag, SentOpens: m.SentOpens, Policy: m.Policy, Signing: m.Signing, FormSenders: append([]string{}, m.FormSenders...), receiverLine: lineOfReceiver(m.Receiver), Folders: []folderLine{}}
		var signIn string
		l.SignIn, signIn = lineOfSignIn(m, grants)
		from := "all"
		if !m.Since.IsZero() {
			l.Since, from = &m.Since, m.Since.Local().Format(time.DateTime)
		}
		read := []string{}
		for _, f := range folders {
			if f.MailboxID == m.ID {
				l.Folders = append(l.Folders, folderLine{f.Name, f.Role, f.UIDValidity, f.LastUID, f.Seen, f.PassedOver, f.Generation, f.Problem})
				read = append(read, sayFolder(m, f))
			}
		}
		if len(read) == 0 {
			read = []string{"not read yet"}
		}
		if m.Paused {
			read = append(read, "paused")
		}
		items = append(items, l)
		rows = append(rows, []string{m.Address, from, strings.Join(read, ", "), provedBy(m.Receiver), signIn, m.IMAP, m.SMTP})
	}
	return c.list(items, []string{"address", "since", "read so far", "senders proved by", "signs in by", "imap", "smtp"}, rows)
}
