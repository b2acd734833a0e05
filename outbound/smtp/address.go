package smtp

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/mailmsg"
	"postern/outbound"
)

// envelopeAddress writes an address as MAIL and RCPT want it: in angle brackets, its domain in ASCII (RFC 5890). UTF8
// tells that the local part is not ASCII, so that the server must offer SMTPUTF8 (RFC 6531). An empty address is the null
// sender.
func envelopeAddress(address string) (path string, utf8Local bool, err error) {
	if address == "" {
		return "<>", false, nil
	}
	refuse := func(why string) (string, bool, error) {
		return "", false, &outbound.Refusal{Code: 553, Enhanced: "5.1.3", Text: fmt.Sprintf("%q is not an address mail can be sent to: %s", address, why), Stage: outbound.NotAsked}
	}
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 {
		return refuse("it needs a name, an @ and a domain")
	}
	local, domain := address[:at], address[at+1:]
	if !utf8.ValidString(local) {
		return refuse("it is not valid UTF-8")
	}
	for _, r := range local {
		if unicode.IsControl(r) || unicode.IsSpace(r) || r == '<' || r == '>' || r == '@' {
			return refuse(fmt.Sprintf("%q can't be part of it", r))
		}
		utf8Local = utf8Local || r >= utf8.RuneSelf
	}
	ascii, idnaErr := mailmsg.ASCIIDomain(domain)
	if idnaErr != nil {
		return refuse("its domain is none")
	}
	return "<" + local + "@" + ascii + ">", utf8Local, nil
}
