package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
)

func (c *cli) settingsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "settings", Short: "What the operator has decided: portal, access, mails, pipelines", Args: cobra.NoArgs, RunE: help}
	read := &cobra.Command{
		Use: "get [PLACE…]", Short: "Print the settings as JSON, or those at the places", Long: `Without a place it prints all settings. A place is written with dots, as in access.registration.`,
		Example: "  gateway settings get\n  gateway settings get sharing.mode access.consent",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.settingsGet(ctx, p, args) })
		},
	}
	change := &cobra.Command{
		Use: "set PLACE=VALUE…", Short: "Change settings; all of them or none", Args: cobra.MinimumNArgs(1),
		Long: `A value is JSON, or plain text where it is none. A list is replaced as a whole. A running gateway sees the change within seconds.`,
		Example: `  gateway settings set portal_title="Acme Help" sharing.mode=company
  gateway settings set 'shown.rules=[{"property":"pipeline","operator":"is","values":["support"]}]'
  gateway settings set 'access.consent.texts.en={"text":"We keep what you write to help you.","label":"I agree"}' access.consent.enabled=true`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.settingsSet(ctx, p, args) })
		},
	}
	cmd.AddCommand(read, change)
	return cmd
}

func (c *cli) settingsGet(ctx context.Context, p *parts, places []string) error {
	all, err := settingsTree(ctx, p)
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return printJSON(c.env.Stdout, all)
	}
	for _, place := range places {
		v, err := at(all, place)
		if err != nil {
			return err
		}
		if s, ok := v.(string); ok && len(places) == 1 {
			c.say("%s", s)
			continue
		}
		if len(places) > 1 {
			v = map[string]any{place: v}
		}
		if err := printJSON(c.env.Stdout, v); err != nil {
			return err
		}
	}
	return nil
}

// settingsTree is the settings as JSON shows them.
func settingsTree(ctx context.Context, p *parts) (map[string]any, error) {
	settings, err := p.db.Settings(ctx)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	return all, json.Unmarshal(b, &all)
}

func at(tree map[string]any, place string) (any, error) {
	var v any = tree
	for name := range strings.SplitSeq(place, ".") {
		m, ok := v.(map[string]any)
		next, there := m[name]
		if !ok || !there {
			return nil, fmt.Errorf("there is no setting %s; gateway settings get prints all of them", place)
		}
		v = next
	}
	return v, nil
}

func (c *cli) settingsSet(ctx context.Context, p *parts, changes []string) error {
	patch := map[string]any{}
	for _, change := range changes {
		place, raw, ok := strings.Cut(change, "=")
		if !ok || place == "" {
			return usageError{fmt.Errorf("%q is not PLACE=VALUE", change)}
		}
		var value any
		if json.Unmarshal([]byte(raw), &value) != nil {
			value = raw
		}
		if err := put(patch, place, value); err != nil {
			return err
		}
	}
	return c.changeSettings(ctx, p, patch)
}

// put sets the value at a place of a tree.
func put(tree map[string]any, place string, value any) error {
	names := strings.Split(place, ".")
	for _, name := range names[:len(names)-1] {
		next, ok := tree[name].(map[string]any)
		if tree[name] != nil && !ok {
			return fmt.Errorf("%s is given twice, as a value and as a place", place)
		}
		if next == nil {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	last := names[len(names)-1]
	if _, twice := tree[last]; twice {
		return fmt.Errorf("%s is given twice", place)
	}
	tree[last] = value
	return nil
}

func (c *cli) changeSettings(ctx context.Context, p *parts, patch map[string]any) error {
	before, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	after, err := p.desk.ChangeSettings(ctx, patch)
	if err != nil {
		c.note("Nothing was changed.")
		return err
	}
	c.sayChanges(desk.Differences(before, after))
	return nil
}

// sayChanges prints what is another now.
func (c *cli) sayChanges(changes map[string]desk.Changed) {
	if len(changes) == 0 {
		c.say("Nothing changes: it is so already.")
	}
	for _, place := range slices.Sorted(maps.Keys(changes)) {
		c.say("%s: %s -> %s", place, short(changes[place].Was), short(changes[place].Is))
	}
}

// short is a value in one line of a terminal.
func short(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	const most = 60
	if r := []rune(string(b)); len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(b)
}

// carried is what gateway export writes and gateway apply reads. It holds no secret and no customer.
type carried struct {
	Version  int                `json:"version"`
	Settings map[string]any     `json:"settings"`
	Lists    []desk.ContactList `json:"lists"`
}

const carriedVersion = 1

func (c *cli) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Write what the operator has set up as one file", Args: cobra.NoArgs,
		Long: `Writes the settings and the lists of contacts by rule, as JSON. It holds no secrets, no mailboxes' passwords, and neither contacts nor tickets;
a fixed list goes without its members.`,
		Example: "  gateway export > postern-setup.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				all, err := settingsTree(ctx, p)
				if err != nil {
					return err
				}
				lists, err := p.db.ContactLists(ctx)
				if err != nil {
					return err
				}
				return printJSON(c.env.Stdout, carried{carriedVersion, all, nonNil(lists)})
			})
		},
	}
}

func (c *cli) applyCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Set up as a file of gateway export says (- for standard input)", Args: cobra.ExactArgs(1),
		Long:    `Changes what the file names and leaves the rest. Applied twice, it changes nothing the second time. --dry-run tells what would change.`,
		Example: "  gateway apply postern-setup.json --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.apply(ctx, p, args[0], dry) })
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what would change")
	return cmd
}

func (c *cli) apply(ctx context.Context, p *parts, file string, dry bool) error {
	in := c.env.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	const most = 16 << 20
	b, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return err
	}
	var said carried
	if err := json.Unmarshal(b, &said); err != nil {
		return fmt.Errorf("%s is not a file of gateway export: %w", file, err)
	}
	if said.Version != carriedVersion {
		return fmt.Errorf("%s has version %d; this program reads version %d", file, said.Version, carriedVersion)
	}
	before, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	lists, settings, err := p.desk.Apply(ctx, said.Lists, said.Settings, dry)
	if err != nil {
		c.note("Nothing was changed.")
		return err
	}
	for _, l := range lists {
		c.say("list %s: is as in the file", l.Name)
	}
	c.sayChanges(desk.Differences(before, settings))
	if dry {
		c.say("This was a dry run; nothing was changed.")
	}
	return nil
}
