package desk_test

import (
	"slices"
	"testing"
	"time"

	"postern/desk"
)

// box is a mailbox in which agents and we move mails, and what a watcher tells of it, in its own time.
type box struct {
	t      *testing.T
	f      desk.Follow
	seen   desk.Seen
	now    time.Time
	uid    uint32
	tells  bool         // the server tells UIDs
	copies []placedCopy // of the newest mail, as far as the watcher has seen them
}

type placedCopy struct {
	uid  uint32
	lies desk.Lies
	gone bool
}

const newest = desk.ID("newest")

// put has a copy lie in a folder; nobody has seen it yet.
func (b *box) put() uint32 { b.uid++; return b.uid }

// sees has the watcher find a copy, and then that another one is gone (0: none), and tells whether an agent's doing is seen in it.
func (b *box) sees(folder string, uid, gone uint32, isNew bool) (byAgent bool) {
	ours := b.seen.Arrived(newest, folder, 7, uid)
	b.copies = append([]placedCopy{{uid, desk.Lies{Folder: folder, Ours: ours}, false}}, b.copies...)
	byAgent = b.look(isNew)
	for i := range b.copies {
		if b.copies[i].uid == gone {
			b.copies[i].gone = true
		}
	}
	return b.look(false) || byAgent
}

func (b *box) look(isNew bool) bool {
	at, ours := b.f.PlaceIn(b.lies())
	return b.seen.See(at, ours, isNew)
}

func (b *box) lies() (lies []desk.Lies) {
	for _, c := range b.copies {
		if !c.gone {
			lies = append(lies, c.lies)
		}
	}
	return lies
}

// move has us move the mail: it gets a UID there.
func (b *box) move(to string) uint32 {
	b.t.Helper()
	if b.seen.Expect(b.f, newest, b.lies(), to, b.now) {
		return 0
	}
	uid := b.put()
	if b.tells {
		b.seen.Moved(newest, to, true, 7, uid)
	} else {
		b.seen.Moved(newest, to, true, 0, 0)
	}
	return uid
}

func TestI5_AnAgentsMoveIsToldFromOurs(t *testing.T) {
	t.Parallel()
	const inbox, done = "INBOX", "Done"
	for name, check := range map[string]func(b *box, agent, ours func(bool)){
		"an agent closes and opens": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			second := b.put()
			agent(b.sees(done, second, first, false))
			agent(b.sees(inbox, b.put(), second, false))
		},
		"it was closed before anybody saw it": func(b *box, agent, _ func(bool)) { agent(b.sees(done, b.put(), 0, true)) },
		"it lay there when following began":   func(b *box, _, ours func(bool)) { ours(b.sees(inbox, b.put(), 0, false)) },
		"we close it": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			second := b.move(done)
			ours(b.sees(done, second, first, false))
			agent(b.sees(inbox, b.put(), second, false))
		},
		"we move it back before it is seen to have left": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			second := b.move(done)
			ours(b.sees(done, second, 0, false))
			third := b.move(inbox)
			if third == 0 {
				b.t.Error("it is left where we have put it")
			}
			ours(b.sees(inbox, third, first, false))
			agent(b.sees(done, b.put(), third, false))
		},
		"we move it to and fro, and all is seen late": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			second, third := b.move(done), b.move(inbox)
			ours(b.sees(done, second, first, false)) // at this moment it lies there alone, as far as is known
			ours(b.sees(inbox, third, second, false))
			agent(b.sees(done, b.put(), third, false))
		},
		"we move it to and fro, and half of it is seen": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			b.move(done)
			third := b.move(inbox)
			ours(b.sees(inbox, third, first, false))
			agent(b.sees(done, b.put(), third, false))
		},
		"an attempt broke off": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			if b.seen.Expect(b.f, newest, b.lies(), done, b.now) {
				b.t.Error("it is there")
			}
			second := b.move(done)
			ours(b.sees(done, second, first, false))
			agent(b.sees(inbox, b.put(), second, false))
		},
		"it was not there to be moved": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			b.seen.Expect(b.f, newest, b.lies(), done, b.now)
			b.seen.Moved(newest, done, false, 0, 0)
			agent(b.sees(done, b.put(), first, false))
		},
		"it is seen before the server has told us": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			b.seen.Expect(b.f, newest, b.lies(), done, b.now)
			second := b.put()
			ours(b.sees(done, second, first, false))
			b.seen.Moved(newest, done, true, 7, second)
			third := b.put()
			agent(b.sees(inbox, third, second, false))
			agent(b.sees(done, b.put(), third, false))
		},
		"where it was seen, it is left alone": func(b *box, agent, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			agent(b.sees(done, b.put(), first, false))
			if uid := b.move(done); uid != 0 {
				b.t.Error("it was moved to where it is")
			}
		},
		"an older mail's move says nothing of a newer one": func(b *box, agent, ours func(bool)) {
			b.seen.Expect(b.f, "older", nil, done, b.now)
			first := b.put()
			ours(b.sees(inbox, first, 0, true))
			agent(b.sees(done, b.put(), first, false))
		},
		"deleted, and brought back": func(b *box, _, ours func(bool)) {
			first := b.put()
			ours(b.sees(inbox, first, first, true))
			ours(b.sees(inbox, b.put(), 0, false))
		},
	} {
		for _, tells := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				b := &box{t: t, f: desk.Follow{ClosedFolder: done}, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), tells: tells}
				check(b, func(byAgent bool) {
					t.Helper()
					if !byAgent {
						t.Errorf("an agent's move was not heard: %+v", b.seen)
					}
				}, func(byAgent bool) {
					t.Helper()
					if byAgent {
						t.Errorf("what nobody moved, or we, counts as an agent's: %+v", b.seen)
					}
				})
			})
		}
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
		copies []desk.Lies
		want   desk.Place
		ours   bool
	}{
		{[]desk.Lies{{Folder: "INBOX"}}, desk.InInbox, false}, {[]desk.Lies{{"Archive", false}, {"INBOX", true}}, desk.InInbox, true},
		{[]desk.Lies{{"Archive", true}, {"Archive", false}}, desk.InClosed, true}, {[]desk.Lies{{Folder: "Ann"}}, desk.Elsewhere, false}, {nil, desk.Elsewhere, false},
	} {
		if got, ours := f.PlaceIn(c.copies); got != c.want || ours != c.ours {
			t.Errorf("%v: %q %t, want %q", c.copies, got, ours, c.want)
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
