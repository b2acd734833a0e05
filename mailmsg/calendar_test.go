package mailmsg

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const invitation = `BEGIN:VCALENDAR
VERSION:2.0
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:16010101T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1@example.net
SUMMARY;LANGUAGE=de:Drucker\, Büro und
  Flur
DTSTART;TZID=Europe/Berlin:20260302T100000
DTEND;TZID="Europe/Berlin":20260302T113000
LOCATION:2. Stock
ORGANIZER;CN="Müller, Ann";X="a:b;c":mailto:ann@example.net
ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:support@example.com
RRULE:FREQ=WEEKLY;COUNT=3
DESCRIPTION:Wir sehen uns\ndas Gerät an.\nC:\\neu
BEGIN:VALARM
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
END:VCALENDAR
`

const invitationText = "Invitation: Drucker, Büro und Flur\nWhen: 2026-03-02 10:00 – 11:30 (Europe/Berlin)\nRepeats: weekly\nWhere: 2. Stock\n" +
	"Organiser: Müller, Ann <ann@example.net>\n\nWir sehen uns\ndas Gerät an.\nC:\\neu"

// calendarMail gives a mail as calendars send it: text, which may be empty, with the invitation as an alternative and as a file.
func calendarMail(text, calendar string) string {
	return "From: ann@example.net\nSubject: x\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\n" + text +
		"\n--a\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\n\n" + calendar +
		"\n--a--\n--m\nContent-Type: application/ics; name=\"invite.ics\"\n\n" + calendar + "\n--m--\n"
}

func TestM8_InvitationIsShownAndKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, text, files string }{
		"no text":   {calendarMail("", invitation), invitationText, `["attachment.ics" "invite.ics"]`},
		"with text": {calendarMail("Please come.", invitation), "Please come.", `["attachment.ics" "invite.ics"]`},
		"alone":     {crlf("From: a@b.example\nContent-Type: text/calendar; charset=utf-8\n\n" + invitation), invitationText, `["attachment.ics"]`},
		"no event":  {"From: a@b.example\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VFREEBUSY\nSUMMARY:x\nEND:VFREEBUSY\n", "", `["attachment.ics"]`},
		"folded within a character": {
			"From: a@b.example\nContent-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:B\xc3\n \xbcro\nEND:VEVENT\n", "Event: Büro", `["attachment.ics"]`,
		},
	} {
		m, files := parseKeeping(t, c.raw, Limits{})
		checkMail(t, name, m)
		var list []string
		for _, a := range m.Attachments {
			list = append(list, a.Name)
		}
		if got := fmt.Sprintf("%q", list); m.Text != c.text || got != c.files || len(m.Defects) > 0 {
			t.Errorf("%s: files %s, text %q, defects %q", name, got, m.Text, m.Defects)
		}
		if !strings.HasPrefix(files[0], "BEGIN:VCALENDAR") {
			t.Errorf("%s: kept %q", name, files[0])
		}
		if m.Text == invitationText && m.Reply != m.Text {
			t.Errorf("%s: only %q is new", name, m.Reply)
		}
	}
}

func TestM8_WhatCalendarsSay(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]string{
		"METHOD:CANCEL\nBEGIN:VEVENT\nSUMMARY:x\nDTSTART:20260302T100000Z\nDURATION:PT1H30M":                                                   "Cancellation: x\nWhen: 2026-03-02 10:00 – 11:30 (UTC)",
		"METHOD:REPLY\nBEGIN:VEVENT\nSUMMARY:x\nATTENDEE;PARTSTAT=DECLINED;CN=Bob:MAILTO:bob@example.net\nDESCRIPTION:y":                       "Declined by Bob <bob@example.net>: x",
		"METHOD:REPLY\nBEGIN:VEVENT\nSUMMARY:x\nATTENDEE;PARTSTAT=TENTATIVE:mailto:bob@example.net":                                            "Accepted tentatively by bob@example.net: x",
		"METHOD:COUNTER\nBEGIN:VEVENT\nSUMMARY:x":                                                                                              "Other time proposed: x",
		"BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260303":                                                                 "Event\nWhen: 2026-03-02",
		"BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260305\nSTATUS:CANCELLED":                                               "Cancellation\nWhen: 2026-03-02 – 2026-03-04",
		"BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260302\nDURATION:P2D":                                                                              "Event\nWhen: 2026-03-02 – 2026-03-03",
		"BEGIN:VEVENT\nDTSTART;TZID=A:20260302T100000\nDTEND;TZID=B:20260303T010000":                                                           "Event\nWhen: 2026-03-02 10:00 (A) – 2026-03-03 01:00 (B)",
		"BEGIN:VEVENT\nDTSTART:20260302T100000":                                                                                                "Event\nWhen: 2026-03-02 10:00",
		"BEGIN:VEVENT\nDTSTART:next week\nSUMMARY:a\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:b":                                                      "Event: a\nWhen: next week\n\nEvent: b",
		"BEGIN:VTODO\nSUMMARY:x\nDUE:20260302T100000":                                                                                          "Event: x",
		"BEGIN:VEVENT\nSUMMARY;A=\"unclosed:x\nORGANIZER;CN=\"Ann ^'A^'\":http://example.net\nrubbish\n;:\n:\nLOCATION:a\\nb\nLOCATION:second": "Event\nWhere: a b\nOrganiser: Ann \"A\"",
	} {
		if got := readCalendar("BEGIN:VCALENDAR\n"+event+"\nEND:VCALENDAR", ""); got != want {
			t.Errorf("%s\n got %q\nwant %q", event, got, want)
		}
	}
	if got := readCalendar("BEGIN:VCALENDAR\n"+strings.Repeat("BEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n", 100), ""); !strings.HasSuffix(got, "Event: x\n\n…") || strings.Count(got, "x") != maxEvents {
		t.Errorf("of 100 events: %q", got)
	}
}

func TestI7_CalendarsTakeNoTimeBeyondTheirSize(t *testing.T) {
	t.Parallel()
	part := func(s string) string {
		return "--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\n" + s + "\n"
	}
	for name, raw := range map[string]string{
		"parameters": strings.Repeat(part(strings.Repeat("a"+strings.Repeat(";b=\"^^", 30)+":\n", 1000)), 60),
		"folds":      strings.Repeat(part(strings.Repeat("\n ", 100_000)), 60),
		"escapes":    strings.Repeat(part("DESCRIPTION:"+strings.Repeat(`\n`, 100_000)), 60),
		"components": strings.Repeat(part(strings.Repeat("BEGIN:x\n", 20_000)), 60),
		"names":      strings.Repeat(part("ORGANIZER;CN="+strings.Repeat("=?a?x? ", 30_000)+":"), 60),
		"durations":  strings.Repeat(part("DTSTART:20260302\nDURATION:P"+strings.Repeat("1D", 100_000)), 60),
	} {
		t.Run(name, func(t *testing.T) {
			readAtLast(t, "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n"+raw+"--b--\n")
		})
	}
}

func TestM8_MailForwardedAsAFile(t *testing.T) {
	t.Parallel()
	mail := func(text, inner string) string {
		return "From: ann@example.net\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + text + "\n--b\nContent-Type: message/rfc822\n\n" + inner + "\n--b--\n"
	}
	const inner = "From: =?utf-8?q?Bj=C3=B6rn?= <bob@example.org>\nDate: Mon, 2 Mar 2026 11:00:00 +0100\nSubject: Printer: broken\n\nIt blinks."
	m := parse(t, mail("", inner))
	if m.Text != "Attached mail: Printer: broken\nSender: Björn <bob@example.org>\nDate: 2026-03-02 11:00 +0100" || m.Reply != m.Text || m.Class != "human" {
		t.Errorf("%s: %q, of which is new %q", m.Class, m.Text, m.Reply)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "Printer_ broken.eml" || m.Attachments[0].Size != int64(len(inner)) {
		t.Errorf("%+v", m.Attachments)
	}
	if m := parse(t, mail("Please look.", inner)); m.Text != "Please look." {
		t.Errorf("text %q", m.Text)
	}
	if m := parse(t, mail("", "\nno header")); m.Text != "" || m.Attachments[0].Name != "attachment.eml" {
		t.Errorf("text %q, %+v", m.Text, m.Attachments)
	}
}

// FuzzCalendar: any bytes give clean text within its bounds, the same however its lines end and are folded.
func FuzzCalendar(f *testing.F) {
	f.Add(invitation)
	f.Add("BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260302\nDURATION:P1W\nATTENDEE;PARTSTAT=ACCEPTED;CN=\"a;b\":mailto:a@b.c\n")
	f.Fuzz(func(t *testing.T, s string) {
		m, files := parseKeeping(t, "Content-Type: text/calendar; charset=utf-8\n\n"+s, Limits{Text: 3000})
		checkMail(t, "fuzz", m)
		if len(files) != 1 || len(m.Text) > 3000 {
			t.Errorf("%d files, %d bytes of text", len(files), len(m.Text))
		}
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\x00") {
			return
		}
		text := readCalendar(string(unfold([]byte(s))), "")
		var folded []byte
		for line := range strings.Lines(s) {
			half := len(line) / 2
			folded = slices.Concat(folded, []byte(line[:half]), []byte("\r\n "), []byte(line[half:]))
		}
		if strings.HasPrefix(s, " ") || strings.Contains(s, "\n ") || strings.Contains(s, "\n\t") || strings.Contains(s, "\n\n") || strings.HasPrefix(s, "\t") || strings.HasPrefix(s, "\n") {
			return
		}
		if again := readCalendar(string(unfold(folded)), ""); again != text {
			t.Errorf("folded it is %q, else %q", again, text)
		}
	})
}
