package mailmsg

import (
	"strings"

	"postern/desk"
)

// ShowMatter unfolds a mail that answers nothing, or is passed on: where it begins a ticket, what it quotes is the matter. Its signature
// is shown then as well.
func ShowMatter(m desk.Mail) desk.Mail {
	if m.Quoted != "" && !isAnswer(m) {
		m.Reply, m.Quoted, m.Signature = trimBlank(m.Text), "", ""
	}
	return m
}

// isAnswer tells whether a mail says that it answers another one, by its subject or by the ids it names.
func isAnswer(m desk.Mail) bool {
	subject := strings.TrimSpace(m.Subject)
	for strings.HasPrefix(subject, "[") { // a mailing list's
		_, rest, ok := strings.Cut(subject, "]")
		if !ok {
			break
		}
		subject = strings.TrimSpace(rest)
	}
	word := ""
	if end := strings.IndexAny(subject, ":："); end >= 0 {
		word, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(subject[:end])), "[") // "Re[2]:"
	}
	return replyPrefixes[word] || !forwardPrefixes[word] && len(m.InReplyTo)+len(m.References) > 0
}
