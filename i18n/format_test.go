package i18n

import (
	"strings"
	"testing"
	"time"
)

// TestB2_DatesAndSizesAsTheyAreWrittenThere: in each language's place, in the reader's zone; Gregorian years in Thai too.
func TestB2_DatesAndSizesAsTheyAreWrittenThere(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 3, 23, 5, 0, 0, time.UTC)
	for lang, want := range map[string][3]string{
		"en": {"3 Nov 2026, 23:05", "\u20661.2 MB\u2069", "4 Nov 2026, 00:05"}, "de": {"03.11.2026, 23:05", "\u20661,2 MB\u2069", "04.11.2026, 00:05"}, "fr": {"3 nov. 2026, 23:05", "\u20661,2 MB\u2069", "4 nov. 2026, 00:05"},
		"da": {"3. nov. 2026, 23.05", "\u20661,2 MB\u2069", "4. nov. 2026, 00.05"}, "nl": {"3 nov. 2026, 23:05", "\u20661,2 MB\u2069", "4 nov. 2026, 00:05"}, "pt": {"3 de nov. de 2026, 23:05", "\u20661,2 MB\u2069", "4 de nov. de 2026, 00:05"},
		"es": {"3 nov. 2026, 23:05", "\u20661,2 MB\u2069", "4 nov. 2026, 0:05"}, "it": {"3 nov 2026, 23:05", "\u20661,2 MB\u2069", "4 nov 2026, 00:05"}, "he": {"3 בנוב׳ 2026, 23:05", "\u20661.2 MB\u2069", "4 בנוב׳ 2026, 0:05"},
		"th": {"3 พ.ย. 2026, 23:05", "\u20661.2 MB\u2069", "4 พ.ย. 2026, 00:05"},
	} {
		texts := c.For(lang)
		if got := [3]string{texts.Date(at), texts.Bytes(1_234_567), texts.In("Europe/Oslo").Date(at)}; got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
		if texts.In("Europe/Oslo").Day(at) == texts.Day(at) || texts.In("Europe/Oslo").Calendar(at) != texts.Day(at) {
			t.Errorf("%s: a day of the calendar is another in Oslo", lang)
		}
	}
	en := c.For("en")
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 KB", 1499: "1 KB", 999_999: "1,000 KB", 1_000_000: "1 MB", 25_000_000: "25 MB", 9_990_000: "10 MB"} {
		if got := strings.Trim(en.Bytes(n), "\u2066\u2069"); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
	summer := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for zone, want := range map[string]string{
		"Europe/Oslo": "\u2066Oslo (GMT+2)\u2069", "America/New_York": "\u2066New York (GMT-4)\u2069", "Asia/Kolkata": "\u2066Kolkata (GMT+5:30)\u2069", "UTC": "UTC", "": "UTC", "Nowhere/Land": "UTC", "Local": "UTC", "../../etc/passwd": "UTC",
	} {
		if got := en.In(zone).Zone(summer); got != want {
			t.Errorf("%s: %q, want %q", zone, got, want)
		}
	}
}
