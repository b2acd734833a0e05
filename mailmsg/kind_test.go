package mailmsg

import (
	"testing"

	"postern/desk"
)

func TestL7_KindsOfAutomaticMail(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]desk.AutomaticKind{
		"Auto-Submitted: auto-replied (vacation)":                      desk.Away,
		"Auto-Submitted: auto-generated\nSubject: Automatic reply: hi": desk.Away,
		"X-Autoreply: yes\nSubject: Out of office: hi":                 desk.Away,
		"Auto-Submitted: auto-replied\nX-RT-Ticket: acme #1":           desk.Acknowledgement,
		"Auto-Submitted: auto-notified; owner-email=x":                 desk.Notification,
		"X-Cron-Env: <HOME=/root>":                                     desk.Notification,
		"Auto-Submitted: auto-replied":                                 "",
		"Auto-Submitted: no\nX-RT-Ticket: acme #1":                     "",
		"Subject: Out of office printer":                               "",
	} {
		m := parse(t, "From: ann@example.net\n"+head+"\n\nx")
		if m.Kind != want || want != "" && m.Class != desk.Automatic {
			t.Errorf("%q: %s of class %s, want %q", head, m.Kind, m.Class, want)
		}
	}
}

func TestL4_WhatTheReceiverCallsSpamIsAnsweredByNoMachine(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]bool{
		"X-Spam-Flag: YES": true, "X-Spam-Status: Yes, score=9.1 required=5.0": true, "X-MS-Exchange-Organization-SCL: 5": true, "X-MS-Exchange-Organization-SCL: 9": true,
		"X-Forefront-Antispam-Report: CIP:192.0.2.1;SFV:SPM;SCL:5": true, "X-Rspamd-Action: add header": true, "X-Bogosity: Spam, tests=bogofilter": true,
		"X-Spam-Flag: NO": false, "X-Spam-Status: No, score=1": false, "X-MS-Exchange-Organization-SCL: -1": false, "X-MS-Exchange-Organization-SCL: 4": false,
		"X-MS-Exchange-Organization-SCL: high": false, "X-Forefront-Antispam-Report: SFV:NSPM;SCL:1": false, "X-Rspamd-Action: no action": false, "Subject: X-Spam-Flag: YES": false,
	} {
		m := parse(t, "From: ann@example.net\n"+head+"\n\nx")
		if m.Class != desk.Human || (m.Spam != "") != want || m.SuppressAnswers != want || (len(m.Reasons) == 1) != want {
			t.Errorf("%q: %s, spam by %q, suppressed %t, because %q", head, m.Class, m.Spam, m.SuppressAnswers, m.Reasons)
		}
	}
}
