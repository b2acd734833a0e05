package mailmsg

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"postern/desk"
)

func TestL6_BouncesOfEverySort(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"communigate.eml":    `bounce [{"gone@example.net" "failed" "5.1.3" "Failed to deliver to 'gone@example.net' SMTP module(domain example.net) reports: host mx.example.net says: 553 mailbox name not allowed"}] "m.abc@acme.example"`,
		"delivered.eml":      `bounce [{"ann@example.net" "delivered" "2.0.0" ""}] "m.abc@acme.example"`,
		"exchange-5.eml":     `bounce [{"gone@example.net" "failed" "5.1.1" "on 3/2/2026 10:05 AM The e-mail account does not exist at the organization this message was sent to. <mx.example.net #5.1.1 smtp;550 5.1.1 User unknown"}] "m.abc@acme.example"`,
		"exim-delay.eml":     `bounce [{"gone@example.net" "delayed" "4.4.1" "Delay reason: Connection timed out"}] ""`,
		"exim.eml":           `bounce [{"gone@example.net" "failed" "5.0.0" "host mx.example.net [192.0.2.1] SMTP error from remote mail server after RCPT TO:<gone@example.net>: 550 unknown user"}] "m.abc@acme.example"`,
		"german.eml":         `bounce [{"gone@example.net" "failed" "5.2.2" "Grund: 552 Das Postfach ist voll"}] "m.abc@acme.example"`,
		"gmail-delay.eml":    `bounce [{"gone@example.net" "delayed" "4.4.1" "There was a temporary problem delivering your message to gone@example.net. Gmail will retry for 46 more hours. You'll be notified if the delivery fails permanently"}] "m.abc@acme.example"`,
		"gmail-old.eml":      `bounce [{"gone@example.net" "failed" "5.1.1" "The error that the other server returned was: 550 5.1.1 <gone@example.net>: Recipient address rejected: User unknown"}] "m.abc@acme.example"`,
		"headers-only.eml":   `bounce [{"gone@example.net" "failed" "5.3.0" ""}] "m.abc@acme.example"`,
		"ironport.eml":       `bounce [{"gone@example.net" "failed" "5.1.0" "The following message to <gone@example.net> was undeliverable. The reason for the problem: 5.1.0 - Unknown address error 550-'5.1.1 unknown'"}] "m.abc@acme.example"`,
		"japanese.eml":       `bounce [{"gone@example.net" "failed" "5.1.1" "550 5.1.1 unknown"}] "m.abc@acme.example"`,
		"mailgun.eml":        `bounce [{"gone@example.net" "failed" "5.1.1" "Reason: permanent failure for one or more recipients (gone@example.net:550 5.1.1 mailbox not found)"}] "m.abc@acme.example"`,
		"mixed.eml":          `bounce [{"gone@example.net" "failed" "5.1.1" ""}] "m.abc@acme.example"`,
		"no-action.eml":      `bounce [{"gone@example.net" "failed" "5.0.0" "550 unknown"} {"slow@example.net" "delayed" "4.4.1" ""}] "m.abc@acme.example"`,
		"no-status-part.eml": `bounce [{"gone@example.net" "failed" "5.1.1" "host mx.example.net said: 550 5.1.1 unknown"}] "m.abc@acme.example"`,
		"notes.eml":          `bounce [{"gone@example.net" "failed" "5.1.1" "User gone (gone@example.net) not listed in Domino Directory"}] "m.abc@acme.example"`,
		"odd-names.eml":      `bounce [{"gone@example.net" "failed" "5.0.0" "550 unknown"}] "m.abc@acme.example"`,
		"one-block.eml":      `bounce [{"gone@example.net" "failed" "5.1.1" ""} {"slow@example.net" "delayed" "4.4.1" ""}] "m.abc@acme.example"`,
		"outlook-com.eml":    `bounce [{"gone@example.net" "failed" "5.1.10" "Error Details Reported error: 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient gone@example.net not found by SMTP address lookup"}] "m.abc@acme.example"`,
		"postfix-text.eml":   `bounce [{"gone@example.net" "failed" "5.1.1" "host mx.example.net[192.0.2.1] said: 550 5.1.1 <gone@example.net>: Recipient address rejected: User unknown in local recipient table (in reply to RCPT TO command)"}] "m.abc@acme.example"`,
		"qmail.eml":          `bounce [{"gone@example.net" "failed" "5.1.1" "192.0.2.55 does not like recipient. Remote host said: 550 5.1.1 no such mailbox Giving up on 192.0.2.55"} {"full@example.net" "failed" "5.2.2" "User is over quota"}] "m.abc@acme.example"`,
		"sendmail.eml":       `bounce [{"gone@example.net" "failed" "5.1.1" "(reason: 550 5.1.1 <gone@example.net>... User unknown)"}] "m.abc@acme.example"`,
		"ses.eml":            `bounce [{"gone@example.net" "failed" "5.1.1" "550 5.1.1 user unknown"}] "m.abc@acme.example"`,
		"sims.eml":           `bounce [{"gone@example.net" "failed" "5.2.2" "Reason: recipient reached disk quota"}] "m.abc@acme.example"`,
		"torn.eml":           `bounce [{"gone@example.net" "failed" "5.2.2" "552 mailbox full"}] "m.abc@acme.example"`,
		"utf8.eml":           `bounce [{"jürgen@example.net" "failed" "5.1.1" ""}] "m.abc@acme.example"`,
		"yahoo.eml":          `bounce [{"gone@example.net" "failed" "5.0.0" "Remote host said: 554 delivery error: dd This user doesn't have an account [0] - mta1.example.net [BODY]"}] "m.abc@acme.example"`,
	}
	files, err := filepath.Glob(filepath.Join("testdata", "bounces", "*.eml"))
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := parse(t, string(raw))
		if got := fmt.Sprintf("%s %q %q", m.Class, m.Bounced, m.BouncedMessageID); got != want[filepath.Base(file)] {
			t.Errorf("%s\n got %s\nwant %s", file, got, want[filepath.Base(file)])
		}
	}
}

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
