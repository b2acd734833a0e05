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
	"postern/store"
)

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
