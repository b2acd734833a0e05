package mailmsg

import (
	"regexp"
	"strings"

	"postern/desk"
)

// FileLinks is how the path of a link to a file begins; its id, the last day and the token follow.
const FileLinks = "/linked/"

// maxFileLink bounds what stands in such a path before the token.
const maxFileLink = 100

var fileLink = regexp.MustCompile(FileLinks + `[^/\s]+/[0-9-]+/$`)

// WithoutTokens takes tokens of ours out of a text that others will read: "support+TOKEN@example.com" becomes
// "support@example.com", the tag of a subject goes, and a one-time link, or one to a file, leads nowhere. Unless everywhere is set, only those in
// addresses and in such links are looked for. Whether a token was ever given out is not asked: one more goes rather than one less.
func (k *Keyring) WithoutTokens(s string, everywhere bool) string {
	if len(s) < TokenLen || !everywhere && !strings.Contains(s, "+") && !strings.Contains(s, "%2") && !strings.Contains(s, "/") {
		return s
	}
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		if !alphanumeric(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && alphanumeric(s[end]) {
			end++
		}
		from, token, ours := i, s[i:end], false // ours: it stands where a token of ours would
		switch {
		case i > 0 && s[i-1] == '+':
			from, ours = i-1, true
		case i > 0 && s[i-1] == '%' && len(token) > 2 && strings.EqualFold(token[:2], "2b"): // an address in a link
			from, token, ours = i-1, token[2:], true
		case i > 0 && s[i-1] == '/':
			ours = fileLink.MatchString(s[max(0, i-maxFileLink):i])
		}
		once := i > 0 && s[i-1] == '/' && isOneTimeSecret(token)
		i = end
		if !once && (!everywhere && !ours || !k.mayBeOurs(token)) {
			continue
		}
		if strings.HasSuffix(s[done:from], "[#") && strings.HasPrefix(s[end:], "]") {
			from, end = from-2, end+1
		}
		b.WriteString(s[done:from])
		done, i = end, end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// mayBeOurs tells whether a word is of the form that our tokens have, made with a key of ours.
func (k *Keyring) mayBeOurs(word string) bool {
	if !isToken(word) {
		return false
	}
	raw, err := tokenEncoding.DecodeString(strings.ToLower(word))
	if err != nil {
		return false
	}
	_, known := k.keys[raw[0]]
	return known
}

// NoticeID gives the Message-ID of a notification. Nobody but the agent it goes to has it.
func NoticeID(token, domain string) desk.MessageID {
	return desk.MessageID("n." + token + "@" + domain)
}

// NoticeToken finds the token in the Message-ID of a notification. It still has to be verified.
func NoticeToken(mid desk.MessageID) (string, bool) {
	local, _, _ := strings.Cut(string(mid), "@")
	token, ok := strings.CutPrefix(local, "n.")
	return strings.ToLower(token), ok && isToken(token)
}
