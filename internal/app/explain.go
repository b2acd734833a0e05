package app

import (
	"fmt"
	"strings"
	"time"

	"postern/desk"
)

// explain prints for people what was seen in a mail, and why it is taken for what it is taken for.
func (c *cli) explain(file string, m desk.Mail) {
	line := func(what, format string, args ...any) {
		if said := fmt.Sprintf(format, args...); said != "" {
			c.say("  %-12s %s", what, strings.Map(visible, said))
		}
	}
	c.say("%s", strings.Map(visible, file))
	line("from", "%s", m.From)
	if m.FromUnsure {
		line("", "the From line can be read in more than one way, or is missing: the mail would be held")
	}
	line("to", "%s", addressList(m.To))
	line("cc", "%s", addressList(m.Cc))
	if len(m.ReplyTo) > 0 {
		line("reply-to", "%s (says nothing about who it is from)", addressList(m.ReplyTo))
	}
	line("subject", "%s", m.Subject)
	if !m.Date.IsZero() {
		line("date", "%s", m.Date.Format(time.RFC1123Z))
	}
	line("message-id", "%s", m.MessageID)
	for _, id := range m.InReplyTo {
		line("answers", "%s", id)
	}
	if n := len(m.References); n > 0 {
		line("references", "%s, the last one %s", mails(n), m.References[n-1])
	}
	if m.List != "" {
		line("list", "%s", m.List)
	}
	line("class", "%s", m.Class)
	for _, why := range m.Reasons {
		line("", "because %s", why)
	}
	if m.SuppressAnswers || m.NullReturnPath || !m.Class.AnswersAllowed() {
		line("", "so no automatic mail answers it")
	}
	for _, b := range m.Bounced {
		line("bounced", "%s: %s %s %s", b.Address, b.Action, b.Status, b.Diagnostic)
	}
	for _, a := range m.AuthResults {
		line("proof", "%s says %s, below %d Received lines; it counts if the mailbox trusts that server", named(a.ServID), verdicts(a), a.Below)
	}
	for _, a := range m.Attachments {
		line("file", "%s (%s, %d bytes)", a.Name, a.Type, a.Size)
	}
	for _, d := range m.Defects {
		line("defect", "%s", d)
	}
	c.paragraph("what is new", m.Reply)
	c.paragraph("folded away, earlier mail", m.Quoted)
	c.paragraph("folded away, signature", m.Signature)
	c.say("")
}

func named(server string) string {
	if server == "" {
		return "a server without a name"
	}
	return server
}

func verdicts(a desk.AuthResults) string {
	var out []string
	for _, r := range a.Results {
		out = append(out, r.Method+"="+r.Result)
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// paragraph prints a text below a heading, its lines indented.
func (c *cli) paragraph(heading, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	c.say("  %s:", heading)
	for line := range strings.SplitSeq(text, "\n") {
		c.say("    | %s", strings.Map(visible, line))
	}
}
