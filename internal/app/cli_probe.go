package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailmsg"
	"postern/outbound"
	"postern/outbound/mailbox"
	"postern/outbound/smtp"
	"postern/store"
)

func (c *cli) probeCommand() *cobra.Command {
	var wait time.Duration
	cmd := c.listFlag(&cobra.Command{
		Use: "probe ADDRESS", Short: "Find out whether answers can carry a signed address, and use it if so", Args: cobra.ExactArgs(1),
		Long: `Sends the mailbox a mail to name+TOKEN@ and looks whether it arrives in INBOX with that address still in it. If so, the mailbox
gets such reply addresses and envelope senders from then on: an answer finds its ticket whatever the customer's mail client does to it,
and a bounce tells whose it is. If not, they are switched off. The mail says what it is for; no ticket is made of it.`,
		Example: "  gateway mailbox probe support@example.com\n  gateway mailbox probe support@example.com --wait 5m --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < time.Second {
				return usageError{fmt.Errorf("--wait: %s is too short for a mail to arrive", wait)}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.probe(ctx, p, args[0], wait) })
		},
	})
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long the mail may take to arrive")
	return cmd
}

// probed is what came of it.
type probed struct {
	Address    string `json:"address"`
	SubAddress bool   `json:"sub_address"`
	Text       string `json:"text"`
}

func (c *cli) probe(ctx context.Context, p *parts, address string, wait time.Duration) error {
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	result := probed{Address: mb.Address}
	result.SubAddress, result.Text, err = c.subAddressWorks(ctx, p, mb, wait)
	late := errors.Is(err, errNotArrived)
	if err != nil && !late {
		return fmt.Errorf("%w\nnothing was changed", err)
	}
	if err := changeMailbox(ctx, p, mb.Address, func(mb *desk.Mailbox) error { mb.SubAddress = result.SubAddress; return nil }, nil); err != nil {
		return err
	}
	if c.asJSON {
		return errors.Join(printJSON(c.env.Stdout, result), err)
	}
	c.say("%s", result.Text)
	return err
}

// errNotArrived says that the mail may only be late. Until it is known the addresses are off, for an answer to them might be lost.
var errNotArrived = errors.New("the mail has not arrived")

// probeEvery is how often the INBOX is looked into.
const probeEvery = time.Second

// subAddressWorks sends the mail and waits for it. An error says that it could not find out.
func (c *cli) subAddressWorks(ctx context.Context, p *parts, mb desk.Mailbox, wait time.Duration) (works bool, why string, err error) {
	id := store.NewID()
	token := p.keys.Token(mailmsg.ForProbe, string(mb.ID), string(id))
	to, ok := mailmsg.ReplyAddress(mb.Address, token)
	if !ok {
		return false, "The address is too long to carry a token; signed addresses are off.", nil
	}
	draft := mailmsg.Draft{
		From: desk.Address{Name: "Postern", Email: mb.Address}, To: []desk.Address{{Email: to}}, Date: time.Now(), MessageID: mailmsg.MessageIDFor(p.keys, mb.ID, "", id, mb.MIDDomain), Seed: string(id),
		Subject: "Postern tries a reply address",
		Text:    "Whoever runs Postern has it find out whether mail to " + to + " arrives here. You can delete this mail.\n",
		Headers: []mailmsg.HeaderField{{Name: "Auto-Submitted", Value: "auto-generated"}},
	}
	sender, boxes := smtp.New(smtp.Options{Tokens: p.tokens}), mailbox.New(mailbox.Options{Tokens: p.tokens})
	defer sender.Close()
	defer boxes.Close()
	var refusal *outbound.Refusal
	switch _, err := sender.Submit(ctx, mb, mb.Address, to, func(w io.Writer) error { return mailmsg.Compose(w, draft) }); {
	case errors.As(err, &refusal) && refusal.Stage == outbound.StageRcpt && refusal.Permanent():
		return false, fmt.Sprintf("The mail server does not take mail for %s (%d %s); signed addresses are off.", to, refusal.Code, refusal.Text), nil
	case err != nil:
		return false, "", fmt.Errorf("the mail could not be sent: %w", err)
	}
	c.note("Sent to %s. Waiting for it to arrive, up to %s.", to, wait)
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	step, done := c.progress("waiting", -1)
	defer done()
	for {
		header, err := boxes.Header(ctx, mb, draft.MessageID)
		switch {
		case err != nil && ctx.Err() == nil:
			return false, "", fmt.Errorf("the mailbox can't be looked into: %w", err)
		case err == nil && header != nil:
			return keptToken(header, mb, token)
		}
		step()
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return false, fmt.Sprintf("No mail for %s has arrived within %s; signed addresses are off. If it comes later, try again with a longer --wait.", to, wait), errNotArrived
			}
			return false, "", ctx.Err()
		case <-time.After(probeEvery):
		}
	}
}

// keptToken tells whether the address still stands in the mail where Postern looks for it.
func keptToken(header []byte, mb desk.Mailbox, token string) (works bool, why string, err error) {
	mail, err := mailmsg.Parse(bytes.NewReader(header), mailmsg.ParseOptions{})
	if err != nil {
		return false, "", err
	}
	addresses := mail.DeliveredTo
	for _, a := range mail.To {
		addresses = append(addresses, a.Email)
	}
	for _, a := range addresses {
		if found, ok := mailmsg.TokenIn(a, mb.Address); ok && found == token {
			return true, "It works: answers carry a signed address from now on, and so do envelope senders.", nil
		}
	}
	return false, "The mail arrived without its address; signed addresses are off.", nil
}
