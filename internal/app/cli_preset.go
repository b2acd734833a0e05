package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailconn"
)

// usePreset fills in where a mailbox is read and sent by what is known of its provider, and says what it took. What was given stays.
func (c *cli) usePreset(ctx context.Context, cmd *cobra.Command, f *mailboxFlags) error {
	address, ok := desk.NormalizeEmail(f.address)
	if !ok {
		return fmt.Errorf("--address: %q is not a mail address", f.address)
	}
	resolver := c.env.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	p, by, foreign, err := mailconn.FindPreset(ctx, resolver, address)
	if err != nil {
		reason := "--imap: where " + address + " is read has to be said: "
		if errors.Is(err, mailconn.ErrUnknownProvider) {
			return fmt.Errorf("%s%w", reason, err)
		}
		return fmt.Errorf("%s%w; check this machine's DNS, or give --imap and --smtp", reason, err)
	}
	imap, smtp := p.For(address)
	if foreign {
		also := ""
		if smtp != "" {
			also = " --smtp '" + smtp + "'"
		}
		return fmt.Errorf("--imap: DNS says that another domain's servers have this mailbox, and DNS can be forged; if these are right, give them: --imap '%s'%s", imap, also)
	}
	f.imap = imap
	c.note("%s, known by %s: read at %s", p.Name, by, imap)
	if !cmd.Flags().Changed("smtp") {
		if f.smtp = smtp; smtp != "" {
			c.note("%s: sent by %s", p.Name, smtp)
		}
	}
	if !cmd.Flags().Changed("put-by") && f.smtp != "" {
		f.policy.putBy = string(p.Quirks.PutBy())
	}
	for _, quirk := range p.Quirks.Say() {
		c.note("%s: %s", p.Name, quirk)
	}
	if p.First != "" {
		c.note("First: %s.", p.First)
	}
	if p.OAuth != "" && f.oauth.provider == "" && f.imapPasswordFile == "" {
		f.oauth.provider = string(p.OAuth)
		if f.oauth.clientID == "" {
			return fmt.Errorf("--oauth-client-id: %s wants OAuth instead of a password; register Postern there once, as docs/operations.md tells (Signing in to Google and Microsoft 365), and give --oauth-client-id", p.Name)
		}
	}
	return nil
}
