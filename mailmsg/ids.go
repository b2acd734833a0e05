package mailmsg

import (
	"slices"
	"strings"

	"postern/desk"
)

// maxLocalPart is the octets a local part may have (RFC 5321 section 4.5.3.1.1).
const maxLocalPart = 64

// MessageIDFor gives the Message-ID of a message of a ticket, the same for all its recipients and on every retry. It
// can't be guessed, and is recognised by looking it up, never by reading it (REQUIREMENTS M3).
func MessageIDFor(k *Keyring, mailbox, ticket, message desk.ID, domain string) desk.MessageID {
	return desk.MessageID("m." + k.Token(ForMessage, string(mailbox), string(ticket), string(message)) + "@" + domain)
}

// RootID gives the id that stands first in the References of every mail of a ticket. No mail has it as its Message-ID,
// so no server rewrites it (REQUIREMENTS M5).
func RootID(k *Keyring, mailbox, ticket desk.ID, domain string) desk.MessageID {
	return desk.MessageID("t." + k.Token(ForRoot, string(mailbox), string(ticket)) + "@" + domain)
}

// ReplyAddress puts a token into a mailbox's address: "support+TOKEN@example.com". It answers false where the local part
// would be longer than servers accept; the mail then goes without.
func ReplyAddress(mailboxAddress, token string) (string, bool) {
	local, domain, ok := strings.Cut(mailboxAddress, "@")
	if !ok || local == "" || domain == "" || !isToken(token) || len(local)+1+len(token) > maxLocalPart {
		return "", false
	}
	return local + "+" + token + "@" + domain, true
}

// SubjectTag writes a token as it stands in a subject.
func SubjectTag(token string) string { return "[#" + token + "]" }

// SubjectTokens finds what may be tokens in a subject, as SubjectTag writes them. They still have to be verified.
func SubjectTokens(subject string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(subject, "[#")
		if !ok {
			return out
		}
		if len(rest) > TokenLen && rest[TokenLen] == ']' && isToken(rest[:TokenLen]) {
			out = append(out, strings.ToLower(rest[:TokenLen]))
		}
		subject = rest
	}
}

// WithoutTags takes what SubjectTag may have written out of a subject: our answers add it anew.
func WithoutTags(subject string) string {
	for _, token := range SubjectTokens(subject) {
		at := strings.Index(strings.ToLower(subject), SubjectTag(token))
		if at < 0 { // a letter that changes its length in lower case stands before it
			return subject
		}
		subject = strings.TrimSpace(strings.TrimRight(subject[:at], " ") + subject[at+len(SubjectTag(token)):])
	}
	return subject
}

// LoopField is the header field that marks our own mail (REQUIREMENTS L8).
const LoopField = "X-Postern-Loop"

// LoopMark gives the mark of a mail of ours. It is for this Message-ID alone; that the rest of the mail is ours it does not say.
func LoopMark(k *Keyring, mid desk.MessageID) string { return k.Token(ForLoop, string(mid)) }

// IDField is the header field that says the Message-ID of a mail we send to ourselves once more: there are servers that give what they take
// another one.
const IDField = "X-Postern-Message-ID"

// OurMark tells whether a mail carries the mark that we gave to the mail with its Message-ID, or with the one that it had before a server
// gave it another.
func OurMark(k *Keyring, m desk.Mail) bool {
	if m.LoopMark == "" {
		return false
	}
	return slices.ContainsFunc(append([]desk.MessageID{m.MessageID}, m.OriginalIDs...), func(mid desk.MessageID) bool {
		return mid != "" && k.Verify(m.LoopMark, ForLoop, string(mid))
	})
}

// TokenIn finds the token in an address that ReplyAddress made for the mailbox. The token still has to be verified.
func TokenIn(address, mailboxAddress string) (string, bool) {
	local, domain, ok := strings.Cut(strings.TrimSpace(address), "@")
	wantLocal, wantDomain, ok2 := strings.Cut(mailboxAddress, "@")
	if !ok || !ok2 || !strings.EqualFold(domain, wantDomain) {
		return "", false
	}
	plus := strings.LastIndexByte(local, '+')
	if plus < 0 || !strings.EqualFold(local[:plus], wantLocal) || !isToken(local[plus+1:]) {
		return "", false
	}
	return strings.ToLower(local[plus+1:]), true
}

// RenamedTo gives the Message-ID under which a server that has just taken a mail passes it on, if its reply to the end of the
// data tells (REQUIREMENTS M5). Microsoft's names it in angle brackets. Amazon's says "Ok" and the left side; the right side
// goes by the server's region (Amazon SES Developer Guide, "Amazon SES SMTP endpoints").
func RenamedTo(reply, host string) (desk.MessageID, bool) {
	if from := strings.IndexByte(reply, '<'); from >= 0 {
		end := strings.IndexByte(reply[from:], '>')
		if end < 0 || !strings.Contains(reply[from:from+end], "@") {
			return "", false
		}
		return ParseMessageID(reply[from : from+end+1])
	}
	region, ses := strings.CutPrefix(strings.ToLower(host), "email-smtp.")
	region, amazon := strings.CutSuffix(region, ".amazonaws.com")
	words := strings.Fields(reply)
	if !ses || !amazon || len(words) != 2 || !strings.EqualFold(words[0], "ok") {
		return "", false
	}
	if region == "us-east-1" {
		region = "email"
	}
	return ParseMessageID("<" + words[1] + "@" + region + ".amazonses.com>")
}
