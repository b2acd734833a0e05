package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailmsg"
)

// dkimFlags say what the command dkim is to do.
type dkimFlags struct {
	selector, keyFile   string
	off, force, another bool
}

func (c *cli) dkimCommand() *cobra.Command {
	var f dkimFlags
	cmd := c.listFlag(&cobra.Command{
		Use: "dkim ADDRESS", Short: "Sign a mailbox's mail by DKIM, once its key is in DNS", Args: cobra.ExactArgs(1),
		Long: `Receivers trust mail more that is signed by its domain. Most mail servers sign what they send: then leave this alone. Where yours does
not, call this. It makes a key and prints the TXT record to put into DNS. Call it again when the record is there: it looks, and mail is
signed from then on.`,
		Example: "  gateway mailbox dkim support@example.com\n  gateway mailbox dkim support@example.com --selector 2026 --key-file ./dkim.pem\n  gateway mailbox dkim support@example.com --off",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.dkim(ctx, p, args[0], f) })
		},
	})
	fl := cmd.Flags()
	fl.StringVar(&f.selector, "selector", "", "the name of the key in DNS (default: postern)")
	fl.StringVar(&f.keyFile, "key-file", "", "a private key to sign with, as PEM, instead of a new one")
	fl.BoolVar(&f.another, "new-key", false, "make another key under another --selector; the one in use signs until its record is there")
	fl.BoolVar(&f.force, "no-check", false, "sign without looking for the record")
	fl.BoolVar(&f.off, "off", false, "stop signing; the key is kept")
	cmd.MarkFlagsMutuallyExclusive("off", "no-check")
	cmd.MarkFlagsMutuallyExclusive("off", "key-file", "new-key")
	cmd.MarkFlagsMutuallyExclusive("off", "selector")
	return cmd
}

var selector = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`) //nolint:gochecknoglobals // never changes

// dkimLine is how a mailbox signs.
type dkimLine struct {
	Address string `json:"address"`
	On      bool   `json:"on"`
	Name    string `json:"name"`
	Record  string `json:"record"`
	InDNS   bool   `json:"in_dns"` // the record was found just now
	Text    string `json:"text"`
}

func (c *cli) dkim(ctx context.Context, p *parts, address string, f dkimFlags) error {
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	if f.off {
		if err := changeMailbox(ctx, p, address, func(m *desk.Mailbox) error { m.Signing.On = false; return nil }, nil); err != nil {
			return err
		}
		return c.sayDKIM(dkimLine{Address: mb.Address, Text: "Mail of " + mb.Address + " is no longer signed here."})
	}
	name, text, err := f.key(mb)
	if err != nil {
		return err
	}
	key, err := mailmsg.ParseDKIMKey(desk.DomainOf(mb.Address), name, text)
	if err != nil {
		return err
	}
	line := dkimLine{Address: mb.Address, Name: key.Name(), Record: key.Record()}
	if !f.force {
		line.InDNS, err = c.published(ctx, key)
	}
	inUse := mb.Signing.On && mb.Signing.Selector == name && mb.Secrets.DKIMKey == text
	replaces := mb.Signing.On && !inUse && !line.InDNS && !f.force // the key in use stays until then
	line.On = line.InDNS || f.force || inUse || replaces
	if storing := changeMailbox(ctx, p, address, func(m *desk.Mailbox) error {
		if replaces {
			m.Signing.Next, m.Secrets.NextDKIMKey = name, text
		} else {
			m.Signing, m.Secrets.DKIMKey, m.Secrets.NextDKIMKey = desk.Signing{Selector: name, On: line.On}, text, ""
		}
		return nil
	}, nil); storing != nil {
		return storing
	}
	until := "Nothing is signed yet."
	if replaces {
		until = "Until then mail is signed as " + mb.Signing.Selector + "._domainkey." + key.Domain + "."
	}
	switch {
	case inUse && err == nil && !line.InDNS && !f.force:
		line.Text = "Mail of " + mb.Address + " is signed as " + key.Name() + ", but its record is not in DNS, so the signature proves nothing. Put it there, or call this with --off."
	case line.On && !replaces:
		line.Text = "Mail of " + mb.Address + " is signed as " + key.Name() + "."
	case err != nil:
		line.Text = fmt.Sprintf("DNS can't be asked for %s (%v). Put this TXT record there and call this again. %s", key.Name(), err, until)
	default:
		line.Text = "Put this TXT record into DNS, at " + key.Name() + ", and call this again when it is there. " + until
	}
	return c.sayDKIM(line)
}

// key gives the key that is meant, by its selector and as PEM: a new one, the one that is to take the place of another, or the one there is.
func (f dkimFlags) key(mb desk.Mailbox) (name, text string, err error) {
	have := map[string]string{mb.Signing.Next: mb.Secrets.NextDKIMKey, mb.Signing.Selector: mb.Secrets.DKIMKey}
	delete(have, "")
	name = cmp.Or(f.selector, mb.Signing.Next, mb.Signing.Selector, "postern")
	if len(name) > 63 || !selector.MatchString(name) {
		return "", "", usageError{fmt.Errorf("--selector: %q is no name in DNS; use letters and digits", name)}
	}
	text = have[name]
	switch {
	case (f.another || f.keyFile != "") && text != "":
		return "", "", usageError{fmt.Errorf("another key needs a name of its own, for receivers keep the record of %s for a while: --selector", name)}
	case f.keyFile != "":
		if text, err = secret("", f.keyFile); err != nil {
			err = fmt.Errorf("--key-file: %w", err)
		}
	case text == "" && len(have) > 0 && !f.another:
		return "", "", usageError{fmt.Errorf("there is no key named %s; --new-key makes one", name)}
	case text == "":
		text, err = mailmsg.NewDKIMKey()
	}
	return name, text, err
}

// published tells whether a key's record is in DNS.
func (c *cli) published(ctx context.Context, key mailmsg.DKIMKey) (bool, error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lookup := c.env.LookupTXT
	if lookup == nil {
		lookup = net.DefaultResolver.LookupTXT
	}
	records, err := lookup(ctx, key.Name())
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return false, nil
	}
	return key.PublishedIn(records), err
}

func (c *cli) sayDKIM(l dkimLine) error {
	if c.asJSON {
		return printJSON(c.env.Stdout, l)
	}
	c.say("%s", l.Text)
	if l.Record != "" && !l.InDNS {
		c.say("\n%s. TXT ( %s )", l.Name, strings.Join(quotedStrings(l.Record), " "))
	}
	return nil
}

// quotedStrings writes a TXT record as zone files have it: in strings of 255 bytes at most (RFC 1035 section 3.3.14).
func quotedStrings(record string) (out []string) {
	for part := range slices.Chunk([]byte(record), 255) {
		out = append(out, strconv.Quote(string(part)))
	}
	return out
}
