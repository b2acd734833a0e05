package portal

import (
	"net/http"
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
		if late.status != http.StatusConflict {
			t.Errorf("a late answer is %d", late.status)
		}
		said, err := r.db.Messages(t.Context(), desk.ScopeOfProgram(), ticket.ID)
		if err != nil || len(said) != 1 {
			t.Errorf("the ticket has %d messages: %v", len(said), err)
		}
	})
}
