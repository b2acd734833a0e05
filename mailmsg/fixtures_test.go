package mailmsg

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestFixtures(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"reply-with-token.eml": `human ["support+abcdefghijklmnopqrstuvwxyz23@example.com"] "2@example.net" ["m.abc@example.com"] "It works again – thank you!" [] ""`,
		"vacation.eml":         `automatic [] "away-1@example.org" [] "I am away until Friday." [] ""`,
		"bounce.eml":           `bounce [] "bounce-1@mx.example.net" [] "Your mail could not be delivered." [{"gone@example.net" "failed" "5.1.1" "550 5.1.1 no such user"}] "m.abc@example.com" "attachment.txt" "attachment.eml"`,
		"winmail.eml":          `human [] "tnef-1@example.net" [] "hello world" [] "" "Angebot für Büro.txt"`,
		"invitation.eml":       `human [] "invitation-1@example.net" [] "Invitation: Drucker, Büro\nWhen: 2026-03-02 10:00 – 10:30 (W. Europe Standard Time)\nWhere: 2. Stock\nOrganiser: Ann Müller <ann@example.net>" [] "" "attachment.ics"`,
		"forward-as-file.eml":  `human [] "forward-1@example.net" [] "Attached mail: Printer\nSender: Bob Ray <bob@example.org>\nDate: 2026-03-01 10:00 +0000" [] "" "Printer.eml"`,
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.eml"))
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := parse(t, string(raw))
		got := fmt.Sprintf("%s %q %q %q %q %q %q", m.Class, m.DeliveredTo, m.MessageID, m.InReplyTo, m.Reply, m.Bounced, m.BouncedMessageID)
		for _, a := range m.Attachments {
			got += fmt.Sprintf(" %q", a.Name)
		}
		if got != want[filepath.Base(file)] {
			t.Errorf("%s\n got %s\nwant %s", file, got, want[filepath.Base(file)])
		}
		if len(m.Defects) > 0 {
			t.Errorf("%s: %q", file, m.Defects)
		}
	}
}
