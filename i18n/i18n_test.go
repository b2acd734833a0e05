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
	en := c.For(c.Match("xx", "en-GB;q=0.8"))
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
