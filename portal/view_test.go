package portal

import (
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
)

// TestP8_AnOperatorLooksOn: as the contact sees it, once, read only, on record; and leaves no trace in what the contact sees.
func TestP8_AnOperatorLooksOn(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ctx := desk.As(t.Context(), desk.Actor{Kind: desk.ActorToken, Name: "mia"})
		ann, eve := r.contact("Ann", "ann@acme.example"), r.contact("Eve", "eve@other.example")
		mine, other := r.open(ann, "Hello", "Hi."), r.open(eve, "Not hers", "x")
		r.answer(mine, "Hello Ann")
		r.set(askConsent) // of which the one who looks on is not asked
		secret, _, err := r.accounts.ViewAs(ctx, ann.ID)
		ok(t, err)
		v := &browser{r: r}
		for range 3 {
			v.want("P4: a program opens the link", v.get("/view/"+secret), http.StatusOK)
		}
		v.want("not yet", v.get("/tickets"), http.StatusSeeOther)
		if a := v.post("/view/" + secret); a.location != "/tickets" {
			t.Fatalf("looking leads to %d %s", a.status, a.location)
		}
		(&browser{r: r}).want("twice", (&browser{r: r}).post("/view/"+secret), http.StatusGone)
		(&browser{r: r}).want("as a link to sign in", (&browser{r: r}).post("/sign-in/link/"+secret), http.StatusGone)
		thread := v.get(ticketPath(mine.Number))
		if v.want("the thread", thread, http.StatusOK); !strings.Contains(thread.body, "You see the portal as Ann does") || !strings.Contains(thread.body, "Hello Ann") {
			t.Errorf("the thread: %s", textOf(thread.body))
		}
		v.want("what Ann does not see", v.get(ticketPath(other.Number)), http.StatusNotFound)
		for path, a := range map[string]answer{
			"answer": v.send(ticketPath(mine.Number), map[string]string{"text": "I am Ann"}), "solved": v.post(ticketPath(mine.Number) + "/solved"), "new": v.send("/tickets/new", map[string]string{"subject": "s", "text": "t"}),
			"password": v.post("/account/password", "password", goodPassword), "sessions": v.post("/account/sessions", "all", "1"), "name": v.post("/account", "name", "Eve"), "rating": v.post(ticketPath(mine.Number)+"/rating", "score", "bad"),
		} {
			v.want("read only: "+path, a, http.StatusForbidden)
		}
		v.want("staying signed in", v.post("/account/stay"), http.StatusNoContent)
		if got := r.messages(mine.ID); len(got) != 2 {
			t.Errorf("the ticket has %d messages", len(got))
		}
		looked, err := r.db.LastView(ctx, ann.ID, mine.ID)
		ok(t, err)
		if !looked.IsZero() {
			t.Error("the answer counts as read by Ann")
		}
		proved, err := r.db.Visitor(ctx, ann.ID, r.db.Now())
		ok(t, err)
		if proved.Seeing {
			t.Error("Ann herself looks on")
		}
		log, err := r.db.AuditLog(ctx, string(ann.ID), store.Page{})
		ok(t, err)
		if len(log) == 0 || log[0].Action != desk.PortalViewed || log[0].Actor.Name != "mia" {
			t.Errorf("on record: %+v", log)
		}
		r.set(func(s *desk.Settings) { s.Access.Consent.Enabled = false })
		if page := r.signIn(ann).get("/account").body; strings.Count(page, `name="session"`) != 1 || strings.Contains(page, "by an operator") {
			t.Errorf("Ann's sessions: %s", textOf(page))
		}
		if a := v.post("/sign-out"); a.status != http.StatusSeeOther {
			t.Errorf("ending gives %d", a.status)
		}
	})
}
