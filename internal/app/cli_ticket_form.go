package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) ticketFormCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "form", Short: "The forms by which customers open tickets in the portal", Args: cobra.NoArgs, RunE: help,
		Long: `The forms by which customers open tickets in the portal. One for support is there from the first day; write others into the settings:

  gateway settings set 'properties=[{"key":"serial","name":"Serial number","type":"text","shown":true}]'
  gateway settings set 'ticket_forms=[{"key":"printer","name":"Printers","fields":[{"property":"properties.serial","required":true},{"property":"subject"},{"property":"text"},{"property":"files"}]}]'
  gateway portal form connect printer

Where several are connected, customers first say what it is about; where none is, the portal has no "New ticket". (What other sites post is gateway form.)`,
	}
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the forms, and what they lack before they can be connected", Args: cobra.NoArgs, Example: "  gateway portal form list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.ticketForms) },
	})
	set := func(use, short string, on bool) *cobra.Command {
		return &cobra.Command{
			Use: use + " KEY", Short: short, Args: cobra.ExactArgs(1), Example: "  gateway portal form " + use + " support",
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.with(cmd, func(ctx context.Context, p *parts) error { return c.connectForm(ctx, p, args[0], on) })
			},
		}
	}
	cmd.AddCommand(list, set("connect", "Have the portal offer a form; what it lacks is named", true), set("disconnect", "Take a form out of the portal; it is kept", false))
	return cmd
}

// ticketFormLine is a form as it is listed.
type ticketFormLine struct {
	Key       string   `json:"key"`
	Name      string   `json:"name"`
	Connected bool     `json:"connected"`
	Offered   bool     `json:"offered"` // it is connected, and lacks nothing
	Fields    []string `json:"fields"`
	Missing   []string `json:"missing"`
}

func (c *cli) ticketForms(ctx context.Context, p *parts) error {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return err
	}
	lines := []ticketFormLine{}
	for _, f := range org.Settings.TicketForms {
		line := ticketFormLine{Key: f.Key, Name: f.Name, Connected: f.Connected, Fields: []string{}, Missing: nonNil(f.Missing(org.Settings, org.Mailboxes))}
		line.Offered = f.Connected && len(line.Missing) == 0
		for _, field := range f.Fields {
			line.Fields = append(line.Fields, field.Property)
		}
		lines = append(lines, line)
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, map[string]any{"items": lines})
	}
	if len(lines) == 0 {
		c.say("There are none, so customers can't open tickets in the portal: gateway portal form --help")
	}
	for _, l := range lines {
		c.say("%s  %s, %s: %s", l.Key, l.Name, map[bool]string{true: "connected", false: "not connected"}[l.Connected], strings.Join(l.Fields, ", "))
		for _, m := range l.Missing {
			c.say("  lacks: %s", m)
		}
	}
	return nil
}

func (c *cli) connectForm(ctx context.Context, p *parts, key string, on bool) error {
	all, err := settingsTree(ctx, p)
	if err != nil {
		return err
	}
	forms, _ := all["ticket_forms"].([]any)
	found := false
	for _, f := range forms {
		if f, ok := f.(map[string]any); ok && f["key"] == key {
			f["connected"], found = on, true
		}
	}
	if !found {
		return fmt.Errorf("there is no form %q; gateway portal form list tells those there are", key)
	}
	if _, err := p.desk.ChangeSettings(ctx, map[string]any{"ticket_forms": forms}); err != nil {
		return err
	}
	c.say("The form %s is %s.", key, map[bool]string{true: "connected: customers can open tickets with it", false: "taken out of the portal; its settings are kept"}[on])
	return nil
}
