package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/oauth"
	"postern/store"
)

// oauthFlags are what says on the command line how a mailbox gets its tokens.
type oauthFlags struct {
	provider, clientID, secretFile, tenant, authURL, tokenURL, deviceURL, scope string
}

func (f *oauthFlags) define(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.provider, "oauth", "", "sign in by OAuth instead of a password: google, microsoft or custom; none: by password again")
	fl.StringVar(&f.clientID, "oauth-client-id", "", "the client id that the provider gave your installation")
	fl.StringVar(&f.secretFile, "oauth-client-secret-file", "", "file with the client's secret, where the provider gave one")
	fl.StringVar(&f.tenant, "oauth-tenant", "", "for microsoft: the id or domain of your directory (default common)")
	fl.StringVar(&f.authURL, "oauth-auth-url", "", "for custom: where people consent in a browser")
	fl.StringVar(&f.tokenURL, "oauth-token-url", "", "for custom: where tokens are given")
	fl.StringVar(&f.deviceURL, "oauth-device-url", "", "for custom: where codes for authorise --device are given")
	fl.StringVar(&f.scope, "oauth-scope", "", "what is asked leave for, separated by spaces (default: what the provider needs; custom has none)")
}

// change puts the given flags into a mailbox. What belonged to another provider is forgotten.
func (f oauthFlags) change(mb *desk.Mailbox, given func(flag string) bool) error {
	if given("oauth") && f.provider != "" && desk.OAuthProvider(f.provider) != mb.OAuth.Provider {
		mb.OAuth, mb.Secrets.OAuthClientSecret = desk.OAuth{}, ""
		if f.provider != "none" {
			mb.OAuth.Provider = desk.OAuthProvider(f.provider)
		}
	}
	for _, s := range []struct {
		flag, value string
		into        *string
		only        desk.OAuthProvider
	}{
		{"oauth-client-id", f.clientID, &mb.OAuth.ClientID, ""},
		{"oauth-tenant", f.tenant, &mb.OAuth.Tenant, desk.OAuthMicrosoft},
		{"oauth-auth-url", f.authURL, &mb.OAuth.AuthURL, desk.OAuthCustom},
		{"oauth-token-url", f.tokenURL, &mb.OAuth.TokenURL, desk.OAuthCustom},
		{"oauth-device-url", f.deviceURL, &mb.OAuth.DeviceURL, desk.OAuthCustom},
		{"oauth-scope", f.scope, &mb.OAuth.Scope, ""},
	} {
		switch {
		case !given(s.flag) || s.value == *s.into:
		case !mb.OAuth.Used():
			return desk.Refuse(s.flag, "say with --oauth whose tokens are meant")
		case s.only != "" && s.only != mb.OAuth.Provider:
			return desk.Refuse(s.flag, "that is for --oauth %s", s.only)
		default:
			*s.into = s.value
		}
	}
	if f.secretFile != "" {
		if !mb.OAuth.Used() {
			return desk.Refuse("oauth-client-secret-file", "say with --oauth whose tokens are meant")
		}
		found, err := secret("", f.secretFile)
		if err != nil {
			return fmt.Errorf("--oauth-client-secret-file: %w", err)
		}
		mb.Secrets.OAuthClientSecret = found
	}
	if !mb.OAuth.Used() {
		return nil
	}
	mb.Secrets.IMAPPassword = ""
	return oauth.Check(mb.OAuth)
}

func (c *cli) authoriseCommand() *cobra.Command {
	var device bool
	var port int
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "authorise ADDRESS", Aliases: []string{"authorize"}, Short: "Let somebody consent that Postern opens a mailbox (OAuth)", Args: cobra.ExactArgs(1),
		Long: `Prints an address to open in a browser on this machine. Whoever signs in there and agrees lets Postern read the mailbox and send
for it. The answer comes to a port of 127.0.0.1. Where this machine has no browser, --device prints a code to type on any other
(Microsoft 365, not Google), or the port can be fixed and reached from yours: ssh -L 8085:127.0.0.1:8085 THIS-MACHINE.`,
		Example: `  gateway mailbox authorise support@example.com
  gateway mailbox authorise support@example.com --device
  gateway mailbox authorise support@example.com --port 8085`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < time.Second {
				return usageError{fmt.Errorf("--wait: %s is too short for anybody to consent", wait)}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				return c.authorise(ctx, p, args[0], device, port, wait)
			})
		},
	}
	cmd.Flags().BoolVar(&device, "device", false, "print a code to type in a browser elsewhere")
	cmd.Flags().IntVar(&port, "port", 0, "the port of 127.0.0.1 that the browser comes back to (default a free one)")
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Minute, "how long to wait for somebody to consent")
	return cmd
}

func (c *cli) authorise(ctx context.Context, p *parts, address string, device bool, port int, wait time.Duration) error {
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	if !mb.OAuth.Used() {
		return fmt.Errorf("%s signs in with a password; gateway mailbox edit %s --oauth PROVIDER --oauth-client-id ID has it sign in by OAuth", mb.Address, mb.Address)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if device {
		err = p.tokens.AuthoriseDevice(waiting, mb, func(code, at string, until time.Time) {
			c.say("Open %s in any browser, and type the code %s.", at, code)
			if !until.IsZero() {
				c.note("The code is good until %s. Waiting.", until.Local().Format(time.TimeOnly))
			}
		})
	} else {
		err = p.tokens.Authorise(waiting, mb, port, func(at string) {
			c.say("Open this address in a browser on this machine:\n\n%s\n", at)
			c.note("Waiting for somebody to agree there, up to %s.", wait)
		})
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("broken off; nothing was changed")
	}
	if err != nil {
		return err
	}
	c.say("Postern may open %s now, and renews that by itself.", mb.Address)
	unsaid := mb.Policy.AlsoSent == nil
	if err := c.checkMailbox(ctx, p, &mb, true, true); err != nil {
		return fmt.Errorf("%w\nconsent is given and stored, but the mailbox can't be used so; whoever consented must be allowed to open it", err)
	}
	if !unsaid || len(mb.Policy.AlsoSent) == 0 {
		return nil
	}
	return p.db.Update(ctx, func(tx *store.Tx) error {
		return tx.ChangeMailbox(ctx, mb.ID, func(now *desk.Mailbox) error { now.Policy.AlsoSent = mb.Policy.AlsoSent; return nil })
	})
}

// signInLine tells how a mailbox signs in.
type signInLine struct {
	By           string             `json:"by"` // password or oauth
	Provider     desk.OAuthProvider `json:"provider,omitempty"`
	ClientID     string             `json:"client_id,omitempty"`
	AuthorisedAt *time.Time         `json:"authorised_at,omitempty"`
	RenewedAt    *time.Time         `json:"renewed_at,omitempty"`
	GoodUntil    *time.Time         `json:"good_until,omitempty"` // of the access token, which is renewed before
	Problem      string             `json:"problem,omitempty"`
}

func lineOfSignIn(m desk.Mailbox, grants []desk.Grant) (line signInLine, text string) {
	if !m.OAuth.Used() {
		return signInLine{By: "password"}, "password"
	}
	line = signInLine{By: "oauth", Provider: m.OAuth.Provider, ClientID: m.OAuth.ClientID}
	text = "OAuth (" + string(m.OAuth.Provider) + ")"
	i := slices.IndexFunc(grants, func(g desk.Grant) bool { return g.MailboxID == m.ID })
	if i < 0 {
		line.Problem = oauth.Unauthorised(m).Error()
	} else {
		g := grants[i]
		line.AuthorisedAt, line.RenewedAt, line.GoodUntil, line.Problem = &g.AuthorisedAt, &g.RenewedAt, &g.Expires, g.Problem
	}
	if line.Problem != "" {
		text += ", PROBLEM: " + line.Problem
		if line.GoodUntil != nil {
			text += " Mail is read until " + line.GoodUntil.Local().Format(time.DateTime)
		}
	}
	return line, text
}

// settleGrant has what was authorised follow a change of how a mailbox gets its tokens: one for another client is of no use, and what
// kept this one's from being renewed may have been mended.
func settleGrant(ctx context.Context, tx *store.Tx, before, after desk.Mailbox) error {
	switch {
	case before.OAuth != after.OAuth:
		return tx.DropGrant(ctx, after.ID)
	case after.OAuth.Used() && !before.TriedAt.Equal(after.TriedAt):
		return tx.TryGrant(ctx, after.ID)
	}
	return nil
}

// sayAuthorise tells what a mailbox that nobody has authorised yet needs.
func (c *cli) sayAuthorise(mb desk.Mailbox) {
	way := ""
	if mb.OAuth.Provider == desk.OAuthCustom && mb.OAuth.AuthURL == "" {
		way = " --device"
	}
	c.say("Next: gateway mailbox authorise %s%s", mb.Address, way)
}
