package mailmsg

import (
	"fmt"
	"testing"

	"postern/desk"
)

// TestL6_NoBounce: people write about bounces, and programs about other things that were not delivered.
func TestL6_NoBounce(t *testing.T) {
	t.Parallel()
	const bounce = "Your message could not be delivered.\n\n<gone@example.net>:\n550 5.1.1 no such user\n\nMessage-ID: <m.abc@acme.example>\n"
	enclosed := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nWhat does this mean?\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n" +
		"Final-Recipient: rfc822; gone@example.net\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <m.abc@acme.example>\n\nx\n--b--\n"
	for name, c := range map[string]struct {
		raw  string
		want desk.Class
	}{
		"a customer shows us a bounce":         {"From: ann@example.net\nSubject: Undelivered Mail Returned to Sender\n\nI got this:\n\n" + bounce, desk.Human},
		"a customer encloses one":              {"From: ann@example.net\nSubject: Fwd: failure notice\n" + enclosed, desk.Human},
		"a mail system's subject, and no more": {"From: mailer-daemon@mx.example.net\nSubject: Delivery Status Notification (Failure)\n\nHello.\n", desk.Automatic},
		"a parcel":                             {"From: no-reply@parcels.example\nReturn-Path: <>\nSubject: Delivery failed\n\nYour parcel could not be delivered. We try again tomorrow.\n", desk.Automatic},
		"away":                                 {"From: ann@example.net\nReturn-Path: <>\nAuto-Submitted: auto-replied\nSubject: Away\n\nI am away. Write to bob@example.net instead.\n", desk.Automatic},
	} {
		m := parse(t, c.raw)
		if m.Class != c.want || len(m.Bounced) > 0 || m.BouncedMessageID != "" {
			t.Errorf("%s: %s, %q of %q, because %q", name, m.Class, m.Bounced, m.BouncedMessageID, m.Reasons)
		}
	}
}

func TestL7_Complaints(t *testing.T) {
	t.Parallel()
	report := func(feedback, original string) string {
		return "From: abuse@example.net\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nspam\n--b\nContent-Type: message/feedback-report\n\n" +
			feedback + "\n--b\n" + original + "\n--b--\n"
	}
	const original = "Content-Type: text/rfc822-headers\n\nMessage-ID: <m.abc@acme.example>\nTo: ann@example.net"
	for name, c := range map[string]struct{ raw, want string }{
		"abuse":           {report("Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: rfc822; ann@example.net\n", original), `complaint [{"ann@example.net" "complained" "" ""}] "m.abc@acme.example"`},
		"several":         {report("Version: 1\nOriginal-Rcpt-To: <ann@example.net>\nOriginal-Rcpt-To: <bob@example.net>\nFeedback-Type: fraud\n", original), `complaint [{"ann@example.net" "complained" "" ""} {"bob@example.net" "complained" "" ""}] "m.abc@acme.example"`},
		"no recipient":    {report("Feedback-Type: abuse\n", original), `complaint [] "m.abc@acme.example"`},
		"no spam":         {report("Feedback-Type: not-spam\nOriginal-Rcpt-To: <ann@example.net>\n", original), `automatic [] ""`},
		"failed the test": {report("Feedback-Type: auth-failure\nOriginal-Rcpt-To: <ann@example.net>\n", original), `automatic [] ""`},
		"hotmail": {
			"From: staff@hotmail.example\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: ann@example.net\nMessage-ID: <m.abc@acme.example>\n\nx\n--b--\n",
			`complaint [{"ann@example.net" "complained" "" ""}] "m.abc@acme.example"`,
		},
	} {
		m := parse(t, c.raw)
		if got := fmt.Sprintf("%s %q %q", m.Class, m.Bounced, m.BouncedMessageID); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, c.want)
		}
	}
}
