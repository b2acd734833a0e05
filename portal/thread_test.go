package portal

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/safehtml"
	"postern/store"
	"postern/tickets"
)

var earlierLink = regexp.MustCompile(`href="([^"]*\?before=[^"&]*)"`)

// foldedLine is the line that a message is folded to: it says once more how the message begins.
var foldedLine = regexp.MustCompile(`<span class="one">.*?</span>`)

// TestALongThreadComesInParts: a page shows the newest messages and leads to those before, until each was shown once. However
// large they are, what a page reads and shows stays within bounds.
func TestALongThreadComesInParts(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann, eve := r.contact("Ann", "ann@acme.example"), r.contact("Eve", "eve@other.example")
		in := r.signIn(ann)
		for name, tc := range map[string]struct {
			n, size int
			pages   int
		}{"many": {2*perThread + 20, 100, 3}, "large": {12, 200_000, 4}, "one too large": {3, bytesPerThread, 3}} {
			ticket := r.open(ann, name, "first")
			first := r.messages(ticket.ID)[0]
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
				for i := range tc.n - 1 {
					m := first
					m.ID, m.MessageID, m.Internal = store.NewID(), "", false
					m.CreatedAt = first.CreatedAt.Add(time.Duration(i/3+1) * time.Second) // some of the same moment
					m.Text = fmt.Sprintf("message %d. %s", i+1, strings.Repeat("x", tc.size))
					m.Reply, m.HTML = m.Text, "<p>"+m.Text+"</p>"
					if _, err := tx.AddMessage(t.Context(), m); err != nil {
						return err
					}
					m.ID, m.Internal, m.Text = store.NewID(), true, "canary-note"
					if _, err := tx.AddMessage(t.Context(), m); err != nil {
						return err
					}
				}
				return nil
			}))
			shown, path, pages := map[string]int{}, ticketPath(ticket.Number), 0
			for ; path != ""; pages++ {
				a := in.get(path)
				in.want(name, a, http.StatusOK)
				if len(a.body) > 2*bytesPerThread+100_000 || strings.Contains(a.body, "canary") {
					t.Errorf("%s: %s has %d bytes, or shows a note", name, path, len(a.body))
				}
				texts := regexp.MustCompile(`message [0-9]+\.|<p>first`).FindAllString(foldedLine.ReplaceAllString(a.body, ""), -1)
				if newest := fmt.Sprintf("message %d.", tc.n-1); pages == 0 && !strings.Contains(a.body, newest) {
					t.Errorf("%s: the first page lacks %s", name, newest)
				}
				if (pages > 0) != strings.Contains(a.body, "Show the latest messages") {
					t.Errorf("%s: page %d has no way to the latest messages, or needs none", name, pages)
				}
				for _, text := range texts {
					shown[text]++
				}
				path = ""
				if link := earlierLink.FindStringSubmatch(a.body); link != nil {
					path = html.UnescapeString(link[1])
				}
				if pages > tc.n {
					t.Fatal("the pages don't end")
				}
			}
			if len(shown) != tc.n || pages != tc.pages {
				t.Errorf("%s: %d of %d messages are shown on %d pages, want %d", name, len(shown), tc.n, pages, tc.pages)
			}
			for text, n := range shown {
				if n != 1 {
					t.Errorf("%s: %s is shown %d times", name, text, n)
				}
			}
			said, _, err := r.db.NewestMessages(t.Context(), desk.ScopeOfContact(eve), ticket.ID, "", perThread, bytesPerThread)
			if err != nil || len(said) != 0 {
				t.Errorf("T4: Eve reads %d messages, %v", len(said), err)
			}
		}
		for _, before := range []string{"x", "%00", string(store.NewID())} {
			in.want(before, in.get(ticketPath(1)+"?before="+before), http.StatusNotFound)
		}
	})
}

// TestT3_OldMessagesFoldAndEventsStandBetween: what was read before folds to one line, what is new and the newest two are open; customers are told when
// a ticket was closed and opened again, and of nothing else.
func TestT3_OldMessagesFoldAndEventsStandBetween(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "message 0")
		in := r.signIn(ann)
		path := ticketPath(mine.Number)
		for i := range 5 {
			r.answer(mine, fmt.Sprintf("answer %d", i+1))
		}
		if n := strings.Count(in.get(path).body, `<details class="card fold">`); n != 0 {
			t.Errorf("%d that nobody has read are folded", n)
		}
		page := in.get(path).body
		if n := strings.Count(page, `<details class="card fold">`); n != 4 || !strings.Contains(page, `<bdi>message 0</bdi>`) {
			t.Errorf("%d of six are folded", n)
		}
		if n := strings.Count(in.get(path+"?all=1").body, `<details class="card fold">`); n != 0 {
			t.Errorf("asked for all, %d are folded", n)
		}
		closed, billed := desk.Closed, true
		change := func(c tickets.Change) {
			t.Helper()
			_, err := r.desk.Change(t.Context(), desk.ScopeOfProgram(), mine.ID, c)
			ok(t, err)
		}
		change(tickets.Change{Status: &closed})
		in.want("an answer", in.send(path, map[string]string{"text": "not yet"}), http.StatusSeeOther)
		page = in.get(path).body
		if strings.Count(page, `class="event"`) != 2 || strings.Index(page, "Closed on") > strings.Index(page, "Opened again on") || strings.Index(page, "Closed on") < strings.Index(page, "answer 5") {
			t.Errorf("events: %s", textOf(page))
		}

		// Once it is closed they say how it went, and may think again.
		in.want("an open one is not rated", in.post(path+"/rating", "score", "good"), http.StatusSeeOther)
		change(tickets.Change{Status: &closed})
		in.want("no such score", in.post(path+"/rating", "score", "superb"), 422)
		for _, score := range []string{"bad", "good"} {
			in.want(score, in.post(path+"/rating", "score", score), http.StatusSeeOther)
		}
		ratings, err := r.db.Ratings(t.Context(), mine.ID)
		ok(t, err)
		if len(ratings) != 1 || ratings[0].Score != desk.Good || ratings[0].ContactID != ann.ID {
			t.Errorf("rated %+v", ratings)
		}
		if page := in.get(path).body; !strings.Contains(page, `value="good" aria-pressed="true"`) {
			t.Errorf("the page does not show it: %s", textOf(page))
		}
		stranger := r.signIn(r.contact("Eve", "eve@other.example"))
		stranger.want("a stranger", stranger.post(path+"/rating", "score", "bad"), http.StatusNotFound)

		// One that was charged takes no answers; a new one about it is linked, for who may see it.
		change(tickets.Change{Billed: &billed})
		page = in.get(path).body
		if !strings.Contains(page, "has been charged") || !strings.Contains(page, fmt.Sprintf(`href="/tickets/new?follows=%d"`, mine.Number)) {
			t.Errorf("charged: %s", textOf(page))
		}
		form := in.get(fmt.Sprintf("/tickets/new?follows=%d", mine.Number)).body
		if !strings.Contains(form, `value="Hello"`) || !strings.Contains(form, fmt.Sprintf(`name="follows" value="%d"`, mine.Number)) {
			t.Errorf("the form: %s", textOf(form))
		}
		if got := stranger.get(fmt.Sprintf("/tickets/new?follows=%d", mine.Number)).body; strings.Contains(got, "Hello") || strings.Contains(got, `name="follows"`) {
			t.Error("T4: a stranger is told of it")
		}
		for _, b := range []*browser{in, stranger} {
			a := b.send("/tickets/new", map[string]string{"subject": "More", "text": "x", "follows": fmt.Sprint(mine.Number)})
			b.want("a new ticket", a, http.StatusSeeOther)
			number, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(a.location, "/tickets/"), "#sent"), 10, 64)
			made, err := r.db.TicketByNumber(t.Context(), desk.ScopeOfProgram(), number)
			ok(t, err)
			if (made.Follows == mine.ID) != (b == in) {
				t.Errorf("%s's new ticket follows %q", b.name, made.Follows)
			}
		}
	})
}

// TestT3_WhatIsFoldedIsNotSaidTwice: under an answer stands what it repeats of earlier ones, and not the answer once more.
func TestT3_WhatIsFoldedIsNotSaidTwice(t *testing.T) {
	for what, c := range map[string]struct{ text, reply, body, quoted string }{
		"a quote below":           {"Thanks.\n\nOn Monday Ann wrote:\n> Hi", "Thanks.", "Thanks.", "On Monday Ann wrote:"},
		"a quote above":           {"> Hi\n\nThanks.", "Thanks.", "Thanks.", "Thanks."},
		"nothing that it repeats": {"Thanks.\n", "Thanks.", "Thanks.", ""},
	} {
		body, quoted := bodyOf(desk.Message{Text: c.text, Reply: c.reply, HTML: safehtml.FromText(c.text)})
		if !strings.Contains(string(body), c.body) || !strings.Contains(string(quoted), c.quoted) || what == "a quote below" && strings.Contains(string(quoted), "Thanks") || c.quoted == "" && quoted != "" {
			t.Errorf("%s: %q, %q", what, body, quoted)
		}
	}
}
