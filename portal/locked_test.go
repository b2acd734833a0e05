package portal

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// TestT8_ALockedTicketTakesNoAnswers: the page says so and leads to a new ticket; a form that was open before is refused.
func TestT8_ALockedTicketTakesNoAnswers(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		ticket := r.open(ann, "Printer", "Ann's words")
		v := r.signIn(ann)
		if page := string(v.get("/tickets/1").body); !strings.Contains(page, `name="text"`) {
			t.Fatalf("the page of an open ticket has no place for an answer: %s", page)
		}
		yes := true
		_, err := r.desk.Change(t.Context(), desk.ScopeOfProgram(), ticket.ID, tickets.Change{Billed: &yes})
		ok(t, err)
		page := v.get("/tickets/1")
		v.want("the thread", page, http.StatusOK)
		if body := string(page.body); strings.Contains(body, `name="text"`) || strings.Contains(body, "/solved") || !strings.Contains(body, `href="/tickets/new?follows=1"`) || !strings.Contains(body, "takes no more replies") {
			t.Errorf("the page is %s", body)
		}
		late := v.send("/tickets/1", map[string]string{"text": "I was still writing"})
		v.want("a late answer", late, http.StatusConflict)
		for _, has := range []string{">I was still writing</textarea>", `name="follows" value="1"`, `name="subject" value="Printer"`, "has been charged and takes no more replies", "Send it as a new ticket"} {
			if !strings.Contains(late.body, has) {
				t.Errorf("a late answer's page lacks %s: %s", has, late.body)
			}
		}
		if a := v.post("/tickets/1/solved"); a.location != "/tickets/1" || r.ticket(ticket.ID).Status != ticket.Status {
			t.Errorf("marked as solved: %d %s, the ticket is %s", a.status, a.location, r.ticket(ticket.ID).Status)
		}
		said, err := r.db.Messages(t.Context(), desk.ScopeOfProgram(), ticket.ID)
		if err != nil || len(said) != 1 {
			t.Errorf("the ticket has %d messages: %v", len(said), err)
		}
		form := hiddenFields(late.body)
		form["text"] = "I was still writing"
		if a := v.send("/tickets/new", form); !strings.HasPrefix(a.location, "/tickets/2") {
			t.Errorf("sent as a new ticket: %d %s", a.status, a.location)
		}
		if next, err := r.db.TicketByNumber(t.Context(), desk.ScopeOfProgram(), 2); err != nil || next.Follows != ticket.ID || next.Subject != "Printer" {
			t.Errorf("the new ticket is %+v, %v", next, err)
		}
	})
}

// hiddenFields are what a page's forms send without being asked.
func hiddenFields(page string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		out[m[1]] = html.UnescapeString(m[2])
	}
	return out
}

// TestT8_SolvingTwiceIsSolvingOnce: what is closed stays as it is, and the answer that closes a ticket for good may come twice.
func TestT8_SolvingTwiceIsSolvingOnce(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		ticket := r.open(ann, "Printer", "Ann's words")
		v := r.signIn(ann)
		changes := func() (n int) {
			events, err := r.db.TicketEvents(t.Context(), ticket.ID, store.Page{Limit: 50})
			ok(t, err)
			for _, e := range events {
				if e.Kind == desk.StatusChanged {
					n++
				}
			}
			return n
		}
		for range 2 {
			v.want("solved", v.post("/tickets/1/solved"), http.StatusSeeOther)
			if n := changes(); n != 1 || r.ticket(ticket.ID).Status != desk.Closed {
				t.Errorf("the status changed %d times, the ticket is %s", n, r.ticket(ticket.ID).Status)
			}
		}
		r.set(func(s *desk.Settings) { s.KeepClosed = true })
		second := r.open(ann, "Scanner", "It is off")
		answer := map[string]string{"text": "It is on again", "solved": "1", "nonce": string(store.NewID())}
		for range 2 {
			v.want("an answer that solves it", v.send("/tickets/2", answer), http.StatusSeeOther)
		}
		if n := len(r.messages(second.ID)); n != 2 {
			t.Errorf("the ticket has %d messages", n)
		}
	})
}

// TestL9_APersonWritesSoMuchInAnHour: more is not taken; what they wrote stays on the page, and nobody else waits for it.
func TestL9_APersonWritesSoMuchInAnHour(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.set(func(s *desk.Settings) { s.Budgets.NewTickets, s.Budgets.Written = 2, 4 })
		ann, bob := r.contact("Ann", "ann@acme.example"), r.contact("Bob", "bob@else.example")
		v := r.signIn(ann)
		open := func(v *browser, subject string) answer {
			return v.send("/tickets/new", map[string]string{"subject": subject, "text": "words of " + subject, "nonce": string(store.NewID())})
		}
		for _, subject := range []string{"one", "two"} {
			v.want(subject, open(v, subject), http.StatusSeeOther)
		}
		third := open(v, "three")
		if v.want("the third", third, http.StatusTooManyRequests); !strings.Contains(third.body, ">words of three</textarea>") || !strings.Contains(third.body, "You have sent a lot") || third.header.Get("Retry-After") == "" {
			t.Errorf("the page is %s", third.body)
		}
		for range 2 {
			v.want("an answer", v.send("/tickets/1", map[string]string{"text": "more", "nonce": string(store.NewID())}), http.StatusSeeOther)
		}
		last := v.send("/tickets/1", map[string]string{"text": "and more"})
		if v.want("one too many", last, http.StatusTooManyRequests); !strings.Contains(last.body, ">and more</textarea>") {
			t.Errorf("the page is %s", last.body)
		}
		b := r.signIn(bob)
		b.want("somebody else", open(b, "bob's"), http.StatusSeeOther)
		if n := len(r.messages(r.numbered(1).ID)); n != 3 {
			t.Errorf("the ticket has %d messages", n)
		}
	})
}

func (r *rig) numbered(n int64) desk.Ticket {
	r.t.Helper()
	t, err := r.db.TicketByNumber(r.t.Context(), desk.ScopeOfProgram(), n)
	ok(r.t, err)
	return t
}
