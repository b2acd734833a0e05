package desk_test

import (
	"slices"
	"testing"
	"time"

	"postern/desk"
)

func TestI5_AnAgentsMoveIsToldFromOurs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	const first, second = desk.ID("first"), desk.ID("second")
	arrive := func(message desk.ID, at desk.Place, isNew, byAgent bool) func(*testing.T, *desk.Seen) {
		return func(t *testing.T, s *desk.Seen) {
			t.Helper()
			if got := s.Arrive(message, at, isNew, now); got != byAgent {
				t.Errorf("%s arrives at %q: by an agent %t, want %t; %+v", message, at, got, byAgent, s)
			}
		}
	}
	comes := func(message desk.ID) func(*testing.T, *desk.Seen) {
		return arrive(message, desk.InInbox, true, false)
	}
	expect := func(message desk.ID, to desk.Place, there bool) func(*testing.T, *desk.Seen) {
		return func(t *testing.T, s *desk.Seen) {
			t.Helper()
			if got := s.Expect(message, to, now); got != there {
				t.Errorf("%s is to go to %q: there %t, want %t; %+v", message, to, got, there, s)
			}
		}
	}
	for name, steps := range map[string][]func(*testing.T, *desk.Seen){
		"comes, is closed, is opened":              {comes(first), arrive(first, desk.InClosed, false, true), arrive(first, desk.InInbox, false, true)},
		"closed before it was seen":                {arrive(first, desk.InClosed, true, true)},
		"was there when following began":           {arrive(first, desk.InInbox, false, false), arrive(first, desk.InClosed, false, true)},
		"deleted":                                  {comes(first), arrive(first, desk.Elsewhere, false, false), arrive(first, desk.InInbox, false, false)},
		"deleted and brought to the closed folder": {comes(first), arrive(first, desk.Elsewhere, false, false), arrive(first, desk.InClosed, false, true)},
		"moved by us":                              {comes(first), expect(first, desk.InClosed, false), arrive(first, desk.InClosed, false, false), arrive(first, desk.InInbox, false, true)},
		"moved to and fro by us, seen late": {
			comes(first), expect(first, desk.InClosed, false), expect(first, desk.InInbox, false), arrive(first, desk.InClosed, false, false),
			arrive(first, desk.InInbox, false, false), arrive(first, desk.InClosed, false, true),
		},
		"moved to and fro by us, half of it seen": {
			comes(first), expect(first, desk.InClosed, false), expect(first, desk.InInbox, false), arrive(first, desk.InInbox, false, false), arrive(first, desk.InClosed, false, true),
		},
		"moving is tried again": {comes(first), expect(first, desk.InClosed, false), expect(first, desk.InClosed, false), arrive(first, desk.InClosed, false, false), arrive(first, desk.InInbox, false, true)},
		"nothing was moved": {
			comes(first), expect(first, desk.InClosed, false), func(_ *testing.T, s *desk.Seen) { s.Failed(first, desk.InClosed) }, arrive(first, desk.InClosed, false, true),
		},
		"it is there, as far as anybody knows": {comes(first), arrive(first, desk.InClosed, false, true), expect(first, desk.InClosed, true)},
		"a newer mail comes while the older is moved": {
			comes(first), expect(first, desk.InClosed, false), comes(second), arrive(second, desk.InClosed, false, true),
		},
		"a newer mail comes to a closed conversation": {comes(first), arrive(first, desk.InClosed, false, true), comes(second), expect(second, desk.InInbox, true), arrive(second, desk.InClosed, false, true)},
		"a move that never arrived is forgotten": {
			comes(first), expect(first, desk.InClosed, false), func(_ *testing.T, _ *desk.Seen) { now = now.Add(25 * time.Hour) }, arrive(first, desk.InClosed, false, true),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s desk.Seen
			for _, step := range steps {
				step(t, &s)
			}
		})
	}
}

func TestI5_PlacesAndKeywordsStandForStatuses(t *testing.T) {
	t.Parallel()
	ps := append(desk.BuiltInPipelines(), desk.Pipeline{Key: "sales", Statuses: []desk.Status{{Key: "lead"}, {Key: "won", Closed: true}, {Key: "lost", Closed: true}}})
	f := desk.Follow{ClosedFolder: "Archive", Keywords: map[string]string{"$Closed": "closed", `\Flagged`: "waiting", "$Lost": "lost"}}
	if err := f.Check(ps); err != nil {
		t.Fatal(err)
	}
	ticket := func(pipeline, status string) desk.Ticket { return desk.Ticket{Pipeline: pipeline, Status: status} }
	for _, c := range []struct {
		pipeline, status string
		at               desk.Place
		want             string
	}{
		{"support", "open", desk.InClosed, "closed"}, {"support", "waiting", desk.InClosed, "closed"}, {"support", "closed", desk.InClosed, "closed"},
		{"support", "closed", desk.InInbox, "open"}, {"support", "waiting", desk.InInbox, "waiting"}, {"support", "closed", desk.Elsewhere, "closed"},
		{"sales", "lead", desk.InClosed, "won"}, {"sales", "lost", desk.InClosed, "lost"}, {"sales", "lost", desk.InInbox, "lead"},
	} {
		if got := desk.StatusAt(ps, ticket(c.pipeline, c.status), c.at); got != c.want {
			t.Errorf("%s %s at %q: %s, want %s", c.pipeline, c.status, c.at, got, c.want)
		}
	}
	for _, c := range []struct {
		pipeline, status, keyword string
		set                       bool
		want                      string
	}{
		{"support", "open", "$Closed", true, "closed"}, {"support", "closed", "$Closed", false, "open"}, {"support", "waiting", "$Closed", false, "waiting"},
		{"support", "open", "$Lost", true, "open"}, {"sales", "lead", "$Lost", true, "lost"}, {"support", "open", "$Other", true, "open"},
	} {
		if got := f.StatusMarked(ps, ticket(c.pipeline, c.status), c.keyword, c.set); got != c.want {
			t.Errorf("%s %s with %s %t: %s, want %s", c.pipeline, c.status, c.keyword, c.set, got, c.want)
		}
	}
	for _, c := range []struct {
		folders []string
		want    desk.Place
	}{{[]string{"INBOX"}, desk.InInbox}, {[]string{"Archive", "INBOX"}, desk.InInbox}, {[]string{"Archive"}, desk.InClosed}, {[]string{"Ann"}, desk.Elsewhere}, {nil, desk.Elsewhere}} {
		if got := f.PlaceIn(c.folders); got != c.want {
			t.Errorf("%v: %q, want %q", c.folders, got, c.want)
		}
	}
	if got := f.Marks([]string{`\Seen`, "$closed", `\FLAGGED`, "other"}); !slices.Equal(got, []string{"$Closed", `\Flagged`}) {
		t.Errorf("marks: %v", got)
	}
	if f.MarkOf("closed") != "$Closed" || f.MarkOf("open") != "" {
		t.Errorf("closed is marked by %q, open by %q", f.MarkOf("closed"), f.MarkOf("open"))
	}
}

func TestI5_WhatCantBeFollowedIsRefused(t *testing.T) {
	t.Parallel()
	ps := desk.BuiltInPipelines()
	for _, f := range []desk.Follow{
		{ClosedFolder: "inbox"}, {Keywords: map[string]string{"$Closed": "nothing"}}, {Keywords: map[string]string{`\Deleted`: "closed"}}, {Keywords: map[string]string{`\Seen`: "closed"}},
		{Keywords: map[string]string{"a b": "closed"}}, {Keywords: map[string]string{"": "closed"}}, {Keywords: map[string]string{"(x)": "closed"}},
	} {
		if err := f.Check(ps); desk.KindOf(err) != desk.Invalid {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
