package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailmsg"
)

func (c *cli) inspectCommand() *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use: "inspect FILE…", Short: "Read mails and print what Postern sees in them", Args: cobra.MinimumNArgs(1),
		Long: `Reads mails (- is standard input) without touching a database and prints one JSON object a line, or with --explain an
account for people of what was seen and why. Exit status 1 if one could not be read.`,
		Example: "  gateway inspect mail.eml | jq .reply\n  gateway inspect --explain - < mail.eml",
		RunE: func(_ *cobra.Command, files []string) error {
			enc := json.NewEncoder(c.env.Stdout)
			enc.SetEscapeHTML(false)
			bad := 0
			step, done := c.progress("reading mails", len(files))
			defer done()
			for _, name := range files {
				mail, err := c.inspect(name)
				step()
				switch {
				case explain && err != nil:
					bad++
					c.say("%s can't be read: %v\n", name, err)
					continue
				case explain:
					c.explain(name, mail)
					continue
				case err != nil:
					bad++
					if err := enc.Encode(unreadable{name, err.Error()}); err != nil {
						return err
					}
					continue
				}
				if err := enc.Encode(inspected(name, mail)); err != nil {
					return err
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d files could not be read", bad, len(files))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "print an account for people, not JSON")
	return cmd
}

type unreadable struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

func (c *cli) inspect(name string) (mail desk.Mail, err error) {
	r := c.env.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return mail, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		r = f
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the reader panicked: %v", p)
		}
	}()
	mail, err = mailmsg.Parse(r, mailmsg.ParseOptions{})
	return mail, err
}

// inspection is what inspect prints of a mail (docs/architecture.md, "inspect").
type inspection struct {
	File        string            `json:"file"`
	Subject     string            `json:"subject"`
	From        desk.Address      `json:"from"`
	To          []desk.Address    `json:"to"`
	Cc          []desk.Address    `json:"cc"`
	ReplyTo     []desk.Address    `json:"reply_to"`
	Date        string            `json:"date"`
	MessageID   desk.MessageID    `json:"message_id"`
	InReplyTo   []desk.MessageID  `json:"in_reply_to"`
	References  []desk.MessageID  `json:"references"`
	Text        string            `json:"text"`
	HTML        string            `json:"html"`
	Reply       string            `json:"reply"`
	Quoted      string            `json:"quoted"`
	Signature   string            `json:"signature"`
	Attachments []desk.Attachment `json:"attachments"`
	Class       desk.Class        `json:"class"`
	Reasons     []string          `json:"reasons"`
	Bounce      *bounced          `json:"bounce,omitempty"`
	Truncated   bool              `json:"truncated"`
	Defects     []string          `json:"defects"`
}

type bounced struct {
	Recipients []desk.BouncedRecipient `json:"recipients"`
	MessageID  desk.MessageID          `json:"message_id,omitempty"`
}

func inspected(name string, m desk.Mail) inspection {
	i := inspection{
		File: name, Subject: m.Subject, From: m.From, To: nonNil(m.To), Cc: nonNil(m.Cc), ReplyTo: nonNil(m.ReplyTo), MessageID: m.MessageID,
		InReplyTo: nonNil(m.InReplyTo), References: nonNil(m.References), Text: m.Text, HTML: m.HTML, Reply: m.Reply, Quoted: m.Quoted, Signature: m.Signature,
		Attachments: nonNil(m.Attachments), Class: m.Class, Reasons: nonNil(m.Reasons), Truncated: m.Truncated, Defects: nonNil(m.Defects),
	}
	if !m.Date.IsZero() {
		i.Date = m.Date.UTC().Format(time.RFC3339)
	}
	if m.Class == desk.Bounce || len(m.Bounced) > 0 {
		i.Bounce = &bounced{nonNil(m.Bounced), m.BouncedMessageID}
	}
	return i
}
