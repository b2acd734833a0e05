package smtp

import (
	"net/textproto"
	"regexp"
	"strings"

	"postern/outbound"
)

var enhancedCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}(?: |$)`)

// refusal turns a server's reply into an outbound.Refusal.
func refusal(stage string, e *textproto.Error) *outbound.Refusal {
	r := &outbound.Refusal{Code: e.Code, Stage: stage}
	r.Enhanced, r.Text = splitEnhanced(e.Msg)
	return r
}

// splitEnhanced takes the enhanced status code off each line of a reply (RFC 2034 section 4).
func splitEnhanced(msg string) (code, text string) {
	lines := strings.Split(msg, "\n")
	for i, l := range lines {
		if found := enhancedCode.FindString(l); found != "" {
			code = strings.TrimSpace(found)
			lines[i] = l[len(found):]
		}
	}
	return code, strings.TrimSpace(strings.Join(lines, " "))
}
