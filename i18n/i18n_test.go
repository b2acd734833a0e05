package i18n_test

import (
	"testing"
	"time"

	"postern/i18n"
)

func TestTexts(t *testing.T) {
	c, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	en := c.For(c.Match(nil, "xx", "en-GB;q=0.8"))
	if s, err := en.N("waiting_for_you", 1); s != "1 ticket is waiting for your answer" || err != nil {
		t.Errorf("one: %q, %v", s, err)
	}
	if s, err := en.N("waiting_for_you", 3); s != "3 tickets are waiting for your answer" || err != nil {
		t.Errorf("many: %q, %v", s, err)
	}
	if s, err := en.T("thread.opened", "When", "today"); s != "Opened today" || err != nil {
		t.Errorf("placeholder: %q, %v", s, err)
	}
	if s, err := en.T("no such text"); err == nil {
		t.Errorf("a missing text gave %q and no error", s)
	}
	if en.Lang() != "en" || en.Dir() != "ltr" || c.For("he").Dir() != "rtl" {
		t.Errorf("lang %s, dir %s, he %s", en.Lang(), en.Dir(), c.For("he").Dir())
	}
	if s := en.Date(time.Date(2026, 11, 3, 8, 12, 0, 0, time.UTC)); s != "3 Nov 2026, 08:12" {
		t.Errorf("date %q", s)
	}
}

// TestMatchAmongWhatIsOffered: the first that is offered is for who wants none of them, and what was offered before is not mixed up with it.
func TestMatchAmongWhatIsOffered(t *testing.T) {
	t.Parallel()
	c, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is known
		for _, m := range []struct {
			offered []string
			wanted  string
			is      string
		}{
			{nil, "sw", "en"}, {nil, "de-AT, fr", "de"}, {[]string{"da", "fr"}, "sw", "da"}, {[]string{"fr", "da"}, "sw", "fr"}, {[]string{"da", "fr"}, "de, fr;q=0.5", "fr"}, {[]string{"xx"}, "de", "de"},
		} {
			if got := c.Match(m.offered, m.wanted); got != m.is {
				t.Errorf("of %v for %q: %s, want %s", m.offered, m.wanted, got, m.is)
			}
		}
	}
}
