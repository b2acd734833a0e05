package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/ingest/imap"
	"postern/store"
)

func (c *cli) verifyCommand() *cobra.Command {
	var againstServer bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that nothing was lost and nothing doubled", Args: cobra.NoArgs,
		Long: `Checks the ledger and the outbox against what Postern promises: every mail a server has shown has one ledger row with one
outcome, every ticket has its messages, every file is there, no row is sent twice. Lists the outbox rows that were
unknown once: only these can have reached somebody twice. Warns of what came more than an hour ago and is not read yet, and of
folders that can't be read: these are late, not lost. Exit status 1 if a promise is broken, or if there is nothing.
With --against-server it asks the mail servers which mails they have, and compares that with the ledger too.`,
		Example: "  gateway verify --json\n  gateway verify --against-server",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.config(cmd)
			if err != nil {
				return err
			}
			if _, err := os.Stat(databaseFile(cfg)); cfg.DatabaseURL == "" && errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no Postern in the data folder %s, so there is nothing to verify", cfg.Data)
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.verify(ctx, p, againstServer) })
		},
	}
	cmd.Flags().BoolVar(&againstServer, "against-server", false, "compare with the mail servers too")
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

func (c *cli) verify(ctx context.Context, p *parts, againstServer bool) error {
	step, done := c.progress("looking for files", -1)
	r, err := p.db.Verify(ctx, func(ctx context.Context, sha256 string) (bool, error) {
		step()
		return p.blobs.Has(ctx, sha256)
	})
	done()
	if err != nil {
		return err
	}
	folders := []comparedFolder{}
	if againstServer {
		if folders, err = c.compare(ctx, p, &r); err != nil {
			return err
		}
	}
	warnings, err := lateness(ctx, p, r.Waiting)
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
			Warnings []string         `json:"warnings"`
			Unknown  []unknownLine    `json:"unknown"`
			Folders  []comparedFolder `json:"folders"`
		}{r, warnings, unknown, folders})
	} else {
		c.sayCounts("inbound items", r.Ledger)
		c.sayCounts("outbox rows", r.Outbox)
		for _, u := range unknown {
			c.say("unknown once: %s %s to %s <%s>, now %s", u.Kind, u.ID, u.Recipient, u.MessageID, u.State)
		}
		for _, f := range folders {
			c.say("%s of %s: %s on the server, %d of them with a row, %d not read yet; %d rows of mails that are gone", f.Folder, f.Mailbox, mails(f.Server), f.Server-f.Waiting-f.Missing, f.Waiting, f.Gone)
		}
		for _, n := range r.Notes {
			c.say("note: %s", n)
		}
		for _, w := range warnings {
			c.say("WARNING: %s", w)
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

// lateness says what keeps inbound items from being read, and what to do about it. It breaks no promise: nothing is lost, and all
// of it is read once what keeps it is mended.
func lateness(ctx context.Context, p *parts, waiting []store.Waiting) ([]string, error) {
	warnings := []string{}
	for _, w := range waiting {
		what, next := "mails to", "see whether a gateway runs, and why they wait in its log and at /readyz"
		switch {
		case w.Forms:
			what = "form posts for"
		case w.Paused:
			next = "it is paused: gateway mailbox resume " + w.Mailbox
		}
		warnings = append(warnings, fmt.Sprintf("%s %s not read yet: %d, the first of them came at %s; %s", what, w.Mailbox, w.Items, w.Since.Local().Format("2006-01-02 15:04"), next))
	}
	folders, err := p.db.Folders(ctx)
	if err != nil {
		return nil, err
	}
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		if mb, ok := org.Mailbox(f.MailboxID); ok && f.Problem != "" && !mb.Paused && mb.Reads(f) {
			warnings = append(warnings, fmt.Sprintf("the folder %s of %s is not read: %s", f.Name, mb.Address, f.Problem))
		}
	}
	return warnings, nil
}

// comparedFolder is how a folder on a server compares with the ledger.
type comparedFolder struct {
	Mailbox string `json:"mailbox"`
	Folder  string `json:"folder"`
	Server  int    `json:"on_server"`
	Waiting int    `json:"not_read_yet"`
	Missing int    `json:"without_row"`
	Gone    int    `json:"gone"` // rows of mails that the server no longer has
}

// compare asks the mail servers which mails they have. A mail that was passed over breaks a promise; one behind the cursor is
// still to come; one that only the ledger has was moved or deleted since.
func (c *cli) compare(ctx context.Context, p *parts, r *store.Report) ([]comparedFolder, error) {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return nil, err
	}
	all, err := p.db.Folders(ctx)
	if err != nil {
		return nil, err
	}
	out := []comparedFolder{}
	step, done := c.progress("asking the mail servers", len(org.Mailboxes))
	defer done()
	for _, mb := range org.Mailboxes {
		var folders []desk.Folder
		var names []string
		for _, f := range all {
			if f.MailboxID == mb.ID {
				folders, names = append(folders, f), append(names, f.Name)
			}
		}
		listings, err := imap.List(ctx, mb, p.tokens, names)
		if err != nil {
			return nil, fmt.Errorf("ask the server of %s: %w", mb.Address, err)
		}
		for _, f := range folders {
			rows, err := p.db.UIDs(ctx, f, 0)
			if err != nil {
				return nil, err
			}
			l := listings[f.Name]
			if !mb.Reads(f) { // what came since is not to be read
				l.UIDs = slices.DeleteFunc(l.UIDs, func(uid uint32) bool { return l.UIDValidity != f.UIDValidity || uid > f.LastUID })
			}
			line, missing := against(f, l, rows)
			line.Mailbox = mb.Address
			out = append(out, line)
			switch {
			case listings[f.Name].Missing:
				r.Notes = append(r.Notes, fmt.Sprintf("%s of %s is not on the server any more; what was in it is in the ledger", f.Name, mb.Address))
			case !mb.Reads(f):
				r.Notes = append(r.Notes, fmt.Sprintf("%s of %s is no longer read", f.Name, mb.Address))
			case listings[f.Name].UIDValidity != f.UIDValidity:
				r.Notes = append(r.Notes, fmt.Sprintf("%s of %s was replaced on the server; the gateway reads it anew", f.Name, mb.Address))
			}
			for _, uid := range missing[:min(len(missing), 100)] {
				r.Violations = append(r.Violations, fmt.Sprintf("INV1: the mail with UID %d in %s of %s has no ledger row", uid, f.Name, mb.Address))
			}
		}
		step()
	}
	return out, nil
}

// against compares a folder's rows with what the server has; missing are the UIDs that were passed over.
func against(f desk.Folder, l imap.Listing, rows []uint32) (line comparedFolder, missing []uint32) {
	line = comparedFolder{Folder: f.Name, Server: len(l.UIDs)}
	if l.UIDValidity != f.UIDValidity && !l.Missing {
		line.Waiting = len(l.UIDs)
		return line, nil
	}
	there := make(map[uint32]bool, len(l.UIDs))
	for _, uid := range l.UIDs {
		there[uid] = true
		if _, found := slices.BinarySearch(rows, uid); found {
			continue
		}
		if uid > f.LastUID {
			line.Waiting++
		} else {
			missing = append(missing, uid)
		}
	}
	for _, uid := range rows {
		if !there[uid] {
			line.Gone++
		}
	}
	line.Missing = len(missing)
	return line, missing
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
