package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailconn"
	"postern/oauth"
	"postern/store"
)

// finding is one thing that was looked at in a mailbox.
type finding struct {
	Check  string `json:"check"`
	Result result `json:"result"`
	Text   string `json:"text"`
	Do     string `json:"do,omitempty"` // a sentence without its full stop
	err    error
}

// result is how bad a finding is.
type result string

const (
	good    result = "ok"
	aside   result = "note"    // neither good nor bad, or not known
	warned  result = "warning" // it works, and something is lost
	problem result = "problem" // it does not work
)

func (f finding) String() string {
	s := string(f.Result) + ": " + f.Text
	if f.Do != "" {
		s += ". " + f.Do
	}
	return strings.Map(visible, s)
}

// findings are what was found so far.
type findings []finding

func (fs *findings) add(check string, r result, do, format string, args ...any) {
	*fs = append(*fs, finding{Check: check, Result: r, Text: fmt.Sprintf(format, args...), Do: do})
}

// fail adds a problem with its reason; what says which part of the mailbox it is about.
func (fs *findings) fail(check, what string, err error) {
	f := finding{Check: check, Result: problem, Text: what + ": " + err.Error(), err: fmt.Errorf("%s: %w", what, err)}
	if p, ok := errors.AsType[*mailconn.Problem](err); ok {
		f.Do, f.Text = p.Do, what+": "+p.What
		if p.Err != nil {
			f.Text += " (" + p.Err.Error() + ")"
		}
	}
	*fs = append(*fs, f)
}

func (fs findings) problems() error {
	var errs []error
	for _, f := range fs {
		if f.Result == problem {
			errs = append(errs, f.err)
		}
	}
	return errors.Join(errs...)
}

func (c *cli) testCommand() *cobra.Command {
	return c.listFlag(&cobra.Command{
		Use: "test ADDRESS", Short: "Try all that a mailbox needs, and tell what is there and what to do", Args: cobra.ExactArgs(1),
		Long: `Looks names up, connects, signs in to both servers and looks around, and tells what is stored about the mailbox. It changes nothing
and sends nothing. The exit status is 1 if something does not work; warnings leave it at 0.`,
		Example: "  gateway mailbox test support@example.com\n  gateway mailbox test support@example.com --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.mailboxTest(ctx, p, args[0]) })
		},
	})
}

func (c *cli) mailboxTest(ctx context.Context, p *parts, address string) error {
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	found := c.examine(ctx, p, &mb, true, false)
	if err := ofContacts(ctx, p, mb, &found); err != nil {
		return err
	}
	if err := c.stored(ctx, p, mb, &found); err != nil {
		return err
	}
	if c.asJSON {
		if err := printJSON(c.env.Stdout, map[string]any{"items": found}); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			c.say("%s", f)
		}
	}
	n := 0
	for _, f := range found {
		if f.Result == problem {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("the mailbox can't be used as it is; what to do stands behind each problem (%d)", n)
	}
	return nil
}

// checkMailbox signs in to both servers and tells what it saw. A further folder that is not there is a problem, unless the
// folders are those that were stored before: a new password must not have to wait for them. Where nobody has said which folders are
// read like Sent, adopt has the mailbox read those that look like it.
func (c *cli) checkMailbox(ctx context.Context, p *parts, mb *desk.Mailbox, storedFolders, adopt bool) error {
	found := c.examine(ctx, p, mb, storedFolders, adopt)
	if err := ofContacts(ctx, p, *mb, &found); err != nil {
		return err
	}
	for _, f := range found {
		if f.Result != problem {
			c.note("%s", f)
		}
	}
	return found.problems()
}

// ofContacts warns of addresses of the mailbox that a contact has.
func ofContacts(ctx context.Context, p *parts, mb desk.Mailbox, fs *findings) error {
	for _, email := range append([]string{mb.Address}, mb.Aliases...) {
		contact, err := p.db.ContactByEmail(ctx, email)
		switch {
		case err == nil:
			fs.add("contacts", warned, fmt.Sprintf("Take it from the one or the other: gateway contact edit %s --email ADDRESSES, gateway mailbox edit %s --alias ADDRESSES", contact.LoginAddress(), mb.Address),
				"%s is an address of the contact %s as well: what comes from there counts as the mailbox's own and is held", email, cmp.Or(contact.Name, contact.LoginAddress()))
		case desk.KindOf(err) != desk.NotFound:
			return err
		}
	}
	return nil
}

// examine tries the servers.
func (c *cli) examine(ctx context.Context, p *parts, mb *desk.Mailbox, storedFolders, adopt bool) (fs findings) {
	c.examineIMAP(ctx, p, mb, storedFolders, adopt, &fs)
	if mb.SMTP == "" {
		fs.add("smtp", warned, "Give it a server: gateway mailbox edit "+mb.Address+" --smtp URL", "no --smtp, so nothing can be sent")
		return fs
	}
	smtp, err := mailconn.SMTPOf(*mb, p.tokens)
	if err == nil {
		_, err = mailconn.CheckSMTP(ctx, smtp)
	}
	if err != nil {
		fs.fail("smtp", "sending (SMTP)", err)
	} else {
		fs.add("smtp", good, "", "SMTP server answers and lets us in")
		unencrypted(smtp.Server, "smtp", &fs)
	}
	return fs
}

func (c *cli) examineIMAP(ctx context.Context, p *parts, mb *desk.Mailbox, storedFolders, adopt bool, fs *findings) {
	imap, err := mailconn.IMAPOf(*mb, p.tokens)
	if err == nil && mb.Secrets.IMAPPassword == "" && !mb.OAuth.Used() {
		err = &mailconn.Problem{What: "no password was given", Do: "Put it into a file and name that with --imap-password-file", Permanent: true}
	}
	if err != nil {
		fs.fail("login", "reading (IMAP)", err)
		return
	}
	found, err := mailconn.CheckIMAP(ctx, imap, mb.Sent)
	reached := mailconn.Stages()
	if err != nil {
		failed, _ := errors.AsType[*mailconn.Problem](err)
		i := 0
		if failed != nil {
			i = max(0, slices.Index(reached, failed.At))
		}
		reached = reached[:i]
	}
	came := func(at mailconn.Stage) bool { return slices.Contains(reached, at) }
	if came(mailconn.AtDNS) && net.ParseIP(imap.Host) == nil {
		fs.add("dns", good, "", "the name %s is known", imap.Host)
	}
	if came(mailconn.AtConnect) {
		fs.add("connection", good, "", "%s answers", imap.Addr())
	}
	if came(mailconn.AtTLS) && !unencrypted(imap.Server, "tls", fs) {
		fs.add("tls", good, "", "the connection is encrypted, and the certificate of %s is good", imap.Host)
	}
	if came(mailconn.AtLogin) {
		by := ""
		if mb.OAuth.Used() {
			by = ", by OAuth"
		}
		fs.add("login", good, "", "signed in to IMAP%s; INBOX has %s", by, mails(int(found.Mails)))
	}
	if err != nil {
		at := mailconn.AtLogin
		if failed, ok := errors.AsType[*mailconn.Problem](err); ok && failed.At != "" {
			at = failed.At
		}
		fs.fail(string(at), "reading (IMAP)", err)
		return
	}
	if adopt && mb.Policy.AlsoSent == nil {
		mb.Policy.AlsoSent = furtherSent(*mb, found)
	}
	fs.folders(*mb, found, storedFolders)
}

// unencrypted warns of a connection that others could read or forge, and tells whether it is one.
func unencrypted(s mailconn.Server, check string, fs *findings) bool {
	switch {
	case s.Insecure:
		fs.add(check, warned, "Have a good certificate installed there, and take ?insecure=1 out of the URL", "the certificate of %s is not checked", s.Host)
	case s.Security == mailconn.Plaintext || s.Security == mailconn.TryStartTLS:
		ip := net.ParseIP(s.Host)
		if s.Host == "localhost" || ip != nil && ip.IsLoopback() {
			fs.add(check, aside, "", "nothing is encrypted on the way to %s, which is this machine", s.Host)
		} else {
			fs.add(check, warned, "Take ?starttls out of the URL", "nobody sees to it that the way to %s is encrypted", s.Host)
		}
	default:
		return false
	}
	return true
}

// folders tells what was seen in the mailbox.
func (fs *findings) folders(mb desk.Mailbox, found mailconn.IMAPFindings, storedFolders bool) {
	edit := "gateway mailbox edit " + mb.Address
	if found.Sent != "" {
		fs.add("sent-folder", good, "", "Sent folder %q", found.Sent)
	} else {
		fs.add("sent-folder", warned, "Name it: "+edit+" --sent NAME", "no Sent folder was found, so answers from mail clients will not be seen; the server has %s", folderNames(found.Folders))
	}
	if mb.Sent != "" && found.SentBy != mailconn.SentByChoice {
		fs.add("sent-folder", warned, "Name the Sent folder with --sent, or leave it to the server with --sent \"\"", "the server has no folder %q; it has %s", mb.Sent, folderNames(found.Folders))
	}
	fs.alsoSent(mb, found, storedFolders)
	if len(mb.ReadLikeInbox()) == 0 {
		fs.add("folders", good, "", "INBOX is read, of %d folders", len(found.Folders))
	}
	for _, name := range mb.ReadLikeInbox() {
		flag := "--folder"
		if name == mb.Policy.Follow.ClosedFolder {
			flag = "--closed-folder"
		}
		switch {
		case name == found.Sent:
			fs.fail("folders", flag, fmt.Errorf("%q is the Sent folder, which is read as such; name only folders with mail from customers", name))
		case slices.ContainsFunc(found.Folders, func(f mailconn.Folder) bool { return f.Name == name }):
			fs.add("folders", good, "", "folder %q", name)
		case storedFolders:
			fs.add("folders", warned, fmt.Sprintf("Name those that are to be read with %s, or none with %s \"\"", flag, flag), "the server has no folder %q any more, so it is not read", name)
		default:
			fs.fail("folders", flag, fmt.Errorf("the server has no folder %q; it has %s", name, folderNames(found.Folders)))
		}
	}
	switch {
	case found.Marks:
		fs.add("flags", warned, "Ask whoever runs it", "the server marks mail as read that is only looked at, so agents can't tell any more what nobody has read")
	case found.Unread:
		fs.add("flags", good, "", "mail that is looked at stays unread")
	default:
		fs.add("flags", aside, "Test again while there is one", "whether mail that is looked at stays unread can't be told: INBOX has no unread mail")
	}
	if !found.Idle {
		fs.add("idle", warned, "", "the server does not tell of new mail by itself (IDLE); it is asked every minute")
	}
}

// alsoSent tells of the further folders with what agents send: those that are read, and those that seem to be and are not.
func (fs *findings) alsoSent(mb desk.Mailbox, found mailconn.IMAPFindings, storedFolders bool) {
	edit := "gateway mailbox edit " + mb.Address
	for _, name := range mb.Policy.AlsoSent {
		switch {
		case slices.ContainsFunc(found.Folders, func(f mailconn.Folder) bool { return f.Name == name && f.Selectable }):
			fs.add("also-sent", good, "", "folder %q is read like Sent", name)
		case storedFolders:
			fs.add("also-sent", warned, "Name those that are to be read with --also-sent, or none with --also-sent \"\"", "the server has no folder %q any more, so answers in it are not seen", name)
		default:
			fs.fail("also-sent", "--also-sent", fmt.Errorf("the server has no folder %q; it has %s", name, folderNames(found.Folders)))
		}
	}
	missed := furtherSent(mb, found)
	if len(missed) == 0 {
		return
	}
	flags := ""
	for _, name := range slices.Concat(mb.Policy.AlsoSent, missed) {
		flags += fmt.Sprintf(" --also-sent %q", name)
	}
	for _, name := range missed {
		fs.add("also-sent", warned, "If they do, have it read: "+edit+flags, "folder %q looks as if mail clients saved answers in it, and is not read", name)
	}
}

// furtherSent lists folders that look like Sent folders and are not read.
func furtherSent(mb desk.Mailbox, found mailconn.IMAPFindings) []string {
	if found.Sent == "" {
		return nil
	}
	return slices.DeleteFunc(mailconn.AlsoSent(found.Folders, found.Sent), func(name string) bool {
		return slices.Contains(mb.Policy.AlsoSent, name) || slices.Contains(mb.ReadLikeInbox(), name)
	})
}

// sentLookedAt is of how many mails in Sent, the newest, the ledger is asked about.
const sentLookedAt = 200

// stored adds what is known of the mailbox without asking its servers.
func (c *cli) stored(ctx context.Context, p *parts, mb desk.Mailbox, fs *findings) error {
	sent, err := p.db.LedgerOf(ctx, mb.ID, desk.Sent, store.Page{Limit: sentLookedAt})
	if err != nil {
		return err
	}
	own := 0
	for _, e := range sent {
		if e.Outcome == desk.OwnCopy {
			own++
		}
	}
	if len(sent) == 0 {
		fs.add("sent-copies", aside, "Answer a mail in a mail client, and test again; if it does not show up here, have the client keep copies in the Sent folder", "no mail has been seen in Sent yet")
	} else {
		fs.add("sent-copies", good, "", "copies of what is sent appear in Sent: of the newest %d mails there, agents wrote %d and Postern %d", len(sent), len(sent)-own, own)
	}
	if mb.SubAddress {
		fs.add("sub-addressing", good, "", "answers carry a signed address, %s", strings.Replace(mb.Address, "@", "+TOKEN@", 1))
	} else {
		fs.add("sub-addressing", aside, "Find out whether they can: gateway mailbox probe "+mb.Address, "answers carry no signed address")
	}
	if mb.Receiver.Name() == "" && !mb.Receiver.DKIM {
		fs.add("dmarc", warned, "Find out whether your mail server's word can be taken: gateway mailbox calibrate "+mb.Address, "no sender is ever proved (V0): the mailbox believes nobody about DMARC")
	} else {
		fs.add("dmarc", good, "", "senders are proved by %s", provedBy(mb.Receiver))
	}
	if imap, err := mailconn.ParseIMAP(mb.IMAP); err == nil {
		if preset, known := mailconn.PresetOf(imap.Host); known {
			for _, quirk := range preset.Quirks.Say() {
				fs.add("provider", aside, "", "%s: %s", preset.Name, quirk)
			}
		}
	}
	if !mb.OAuth.Used() {
		return nil
	}
	g, err := p.db.Grant(ctx, mb.ID)
	switch {
	case desk.KindOf(err) == desk.NotFound:
		return nil // the sign-in says so
	case err != nil:
		return err
	case g.Problem == "":
		fs.add("tokens", good, "", "the access token is good until %s, and renewed before", g.Expires.Local().Format(time.DateTime))
		return nil
	}
	trouble := finding{Check: "tokens", Result: warned, Text: g.Problem}
	if p, ok := errors.AsType[*mailconn.Problem](oauth.Trouble(mb, g)); ok {
		trouble.Text, trouble.Do = fmt.Sprintf("%s; mail is read until %s", p.What, g.Expires.Local().Format(time.DateTime)), p.Do
	}
	*fs = append(*fs, trouble)
	return nil
}
