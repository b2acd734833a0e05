package app

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/tickets"
)

func (c *cli) ticketCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ticket", Short: "Enter tickets for customers", Args: cobra.NoArgs, RunE: help}
	var contact, subject, text, mailbox string
	var mail bool
	add := &cobra.Command{
		Use: "add", Short: "Enter a ticket for a contact, such as a phone call; prints its number", Args: cobra.NoArgs,
		Example: "  gateway ticket add --contact ann@acme.example --subject \"Printer\" --text \"Ann called: the printer is jammed.\" --mail",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				who, err := contactNamed(ctx, p, contact)
				if err != nil {
					return err
				}
				if text, err = textFrom(text, c.env.Stdin); err != nil {
					return err
				}
				in := tickets.AgentTicket{Contact: who.ID, Source: desk.FromCLI, Subject: subject, Text: text, Mail: mail}
				if mailbox != "" {
					org, err := p.db.FreshOrganisation(ctx)
					if err != nil {
						return err
					}
					mb, err := mailboxByAddress(org, mailbox)
					if err != nil {
						return err
					}
					in.Mailbox = mb.ID
				}
				t, _, err := p.desk.OpenByAgent(ctx, in)
				if err == nil {
					c.say("%d", t.Number)
				}
				return err
			})
		},
	}
	add.Flags().StringVar(&contact, "contact", "", "the contact's id or address (required)")
	add.Flags().StringVar(&subject, "subject", "", "what it is about (required)")
	add.Flags().StringVar(&text, "text", "", "what was said; - reads it from standard input (required)")
	add.Flags().StringVar(&mailbox, "mailbox", "", "the mailbox it goes to; without it none, until the customer answers")
	add.Flags().BoolVar(&mail, "mail", false, "send the text to the customer")
	for _, name := range []string{"contact", "subject", "text"} {
		must(add.MarkFlagRequired(name))
	}
	cmd.AddCommand(add)
	return cmd
}

func textFrom(text string, stdin io.Reader) (string, error) {
	if text != "-" {
		return text, nil
	}
	b, err := io.ReadAll(io.LimitReader(stdin, desk.MaxInlineRaw+1))
	if err == nil && len(b) > desk.MaxInlineRaw {
		err = fmt.Errorf("--text: more than %d MB came in; nothing was stored", desk.MaxInlineRaw>>20)
	}
	return string(b), err
}
