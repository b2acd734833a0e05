package mailmsg

import (
	"net/mail"
	"strings"
	"time"
)

// parseDate reads a Date header; zero if it can't be read or is before there was mail.
func parseDate(s string) time.Time {
	if len(s) > 200 {
		return time.Time{}
	}
	if t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", s); err == nil && t.Year() >= 1970 { // nearly all of them
		return t
	}
	s, _, _ = stripComments(s)
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return time.Time{}
	}
	t, err := mail.ParseDate(s)
	if err != nil {
		t = looseDate(s)
	}
	if t.Year() >= 100 && t.Year() < 200 { // "0102": a program that counts from 1900
		t = t.AddDate(1900, 0, 0)
	}
	if t.Year() < 1970 || t.Year() > 9000 {
		return time.Time{}
	}
	return t
}

// looseDate reads what mailers write instead of RFC 5322 dates.
func looseDate(s string) time.Time {
	if day, rest, ok := strings.Cut(s, ","); ok && !strings.ContainsAny(day, "0123456789") {
		s = strings.TrimSpace(rest)
	}
	s = strings.NewReplacer("+-", "-", "GMT+", "+", "GMT-", "-", "UTC+", "+", "UTC-", "-", ".", ":").Replace(s)
	for _, layout := range []string{
		"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -07:00", "2 Jan 2006 15:04:05 -7", "2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05",
		"2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04", "2 Jan 2006 15:4:5 -0700", "2 Jan 2006 15:4:5 PM -0700", "2 Jan 06 3:04:05 PM", "2 Jan 2006 3:04:05 PM", "2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04:05 MST", "2 Jan 06 15:04:05", "2-Jan-2006 15:04:05 -0700", "2-Jan-06 15:04:05",
		"2 January 2006 15:04:05 -0700", "Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04:05 -0700 2006", "Mon Jan 2 15:04:05 2006 -0700",
		"Mon 2 Jan 2006 15:04:05 -0700", "Jan 2, 2006 15:04:05", time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	// "2 Mar 2026 10:00:00 Eastern Daylight Time": better the wrong zone than no date.
	if words := strings.Fields(s); len(words) > 4 {
		for _, layout := range []string{"2 Jan 2006 15:4:5", "2 Jan 06 15:4:5"} {
			if t, err := time.Parse(layout, strings.Join(words[:4], " ")); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
