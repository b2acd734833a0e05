package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/store"
)

func (c *cli) portalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "portal", Short: "The portal as a whole", Args: cobra.NoArgs, RunE: help}
	on := &cobra.Command{
		Use: "on", Short: "Switch the portal on, and tell which steps are still open", Args: cobra.NoArgs, Example: "  gateway portal on",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.portalSwitch(ctx, p, true) })
		},
	}
	off := &cobra.Command{
		Use: "off", Short: "Switch the portal off: visitors get a plain page; mail goes on, and links keep", Args: cobra.NoArgs, Example: "  gateway portal off",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.portalSwitch(ctx, p, false) })
		},
	}
	status := c.listFlag(&cobra.Command{
		Use: "status", Short: "Tell whether the portal is on, and which steps are still open", Args: cobra.NoArgs, Example: "  gateway portal status --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.portalStatus) },
	})
	cmd.AddCommand(on, off, status, c.brandCommand(), c.previewCommand(), c.ticketFormCommand())
	return cmd
}

// openStep is something that is not set up yet.
type openStep struct {
	Step string `json:"step"` // address, sign-in, consent, mailbox, access or sharing
	Text string `json:"text"`
}

func openSteps(ctx context.Context, p *parts) ([]openStep, error) {
	org, err := p.db.FreshOrganisation(ctx)
	if err != nil {
		return nil, err
	}
	s := org.Settings
	var out []openStep
	add := func(step, text string) { out = append(out, openStep{step, text}) }
	if desk.OnlyHere(p.cfg.BaseURL) {
		add("address", "links lead to "+p.cfg.BaseURL+", which only this machine reaches: set base_url to the portal's own address")
	}
	mb, ok := org.DefaultMailbox()
	switch {
	case !ok:
		add("mailbox", "no mailbox is connected, so tickets go nowhere: gateway mailbox add")
	case mb.SMTP == "":
		add("sign-in", "the mailbox "+mb.Address+" can't send, so nobody gets a link to sign in: give it an SMTP server with gateway mailbox edit")
	case s.DefaultMailbox == "" && len(org.Mailboxes) > 1:
		add("mailbox", "there are several mailboxes; tickets from the portal go to "+mb.Address+", the oldest: gateway settings set default_mailbox=ID")
	}
	if s.Access.Registration != desk.RegistrationClosed && !s.Access.Consent.Enabled {
		add("consent", "people may register, and no consent is asked for: gateway settings set access.consent…")
	}
	if s.Access.Entry == desk.EntryLists {
		some, err := anybodyOn(ctx, p, s.Access.Lists)
		if err != nil {
			return nil, err
		}
		if !some {
			add("access", "only members of lists may enter, and there is nobody on them: gateway list members")
		}
	}
	waiting, err := p.desk.WaitingForInvitation(ctx)
	if err != nil {
		return nil, err
	}
	if waiting > 0 {
		add("invitations", fmt.Sprintf("%d people on the lists that may enter wait for their invitation, which goes out when links lead to the portal", waiting))
	}
	if s.Sharing.Mode != desk.SharingOwn && !s.Sharing.AnyDomain {
		some, err := p.db.AnyVerifiedDomain(ctx)
		if err != nil {
			return nil, err
		}
		if !some {
			add("sharing", "companies share their tickets, but no company has a verified domain, so nobody sees them: gateway company edit ID --verified-domain")
		}
	}
	return out, nil
}

func anybodyOn(ctx context.Context, p *parts, lists []desk.ID) (bool, error) {
	for _, id := range lists {
		members, _, _, err := p.desk.ListMembers(ctx, string(id), store.Page{Limit: 1})
		if err != nil || len(members) > 0 {
			return len(members) > 0, err
		}
	}
	return false, nil
}

func (c *cli) portalSwitch(ctx context.Context, p *parts, on bool) error {
	if _, err := p.desk.ChangeSettings(ctx, map[string]any{"portal_on": on}); err != nil {
		return err
	}
	if !on {
		c.say("The portal is off: visitors get a plain page. Mail goes on, and links that were sent keep for when it is on again.")
		return nil
	}
	c.say("The portal is on: %s", p.cfg.BaseURL)
	steps, err := openSteps(ctx, p)
	if err != nil {
		return err
	}
	c.saySteps(steps)
	return nil
}

func (c *cli) saySteps(steps []openStep) {
	if len(steps) > 0 {
		c.say("Still open:")
	}
	for _, s := range steps {
		c.say("  %s: %s", s.Step, s.Text)
	}
}

func (c *cli) portalStatus(ctx context.Context, p *parts) error {
	settings, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	steps, err := openSteps(ctx, p)
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, map[string]any{"on": settings.PortalOn, "address": p.cfg.BaseURL, "open": nonNil(steps)})
	}
	c.say("The portal is %s: %s", map[bool]string{true: "on", false: "off"}[settings.PortalOn], p.cfg.BaseURL)
	c.saySteps(steps)
	return nil
}
