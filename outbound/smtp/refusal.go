package smtp

import (
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"
)

// The stages at which a mail can be refused.
const (
	StageAddress = "address" // before anything was said: the address can't be written in SMTP
	StageMail    = "mail"    // MAIL FROM
	StageRcpt    = "rcpt"    // RCPT TO
	StageData    = "data"    // DATA
	StageEnd     = "end"     // after the whole mail
)

// Refusal is a server's own reply of 4xx or 5xx to a mail (RFC 5321 section 4.2), or our own for an address that the
// server can't be given. Nothing was delivered.
type Refusal struct {
	Code     int    // such as 550
	Enhanced string // such as 5.1.1 (RFC 3463); empty: the server gave none
	Text     string // what the server said, without the codes
	Stage    string
}

// Error gives the reply as the server sent it, and when.
func (r *Refusal) Error() string {
	s := fmt.Sprint(r.Code)
	if r.Enhanced != "" {
		s += " " + r.Enhanced
	}
	return s + " " + r.Text + " (" + r.Stage + ")"
}

// Permanent tells whether sending the same again is of no use.
func (r *Refusal) Permanent() bool { return r.Code/100 == 5 }

// ErrAmbiguous says that the connection broke after the end of the mail may have been sent and before the server's
// answer came. Whether the mail was delivered can't be known (RFC 1047).
var ErrAmbiguous = errors.New("the connection broke before the server confirmed the mail; it may have been delivered")

var enhancedCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}(?: |$)`)

// refusal turns a server's reply into a Refusal.
func refusal(stage string, e *textproto.Error) *Refusal {
	r := &Refusal{Code: e.Code, Stage: stage}
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
