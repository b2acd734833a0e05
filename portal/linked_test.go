package portal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// TestI1_AgentsGetLargeFilesByTheirLink without signing in: that file alone, by that link alone, for a month, and never as a page.
func TestI1_AgentsGetLargeFilesByTheirLink(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		ticket := r.open(ann, "Printer", "See the plans.", r.file("plan.html", "text/html", "<h1>The plan</h1>", false), r.file("other.txt", "text/plain", "another", false))
		files := r.messages(ticket.ID)[0].Attachments
		plan, other := files[0].ID, files[1].ID
		if files[0].Name != "plan.html" {
			plan, other = other, plan
		}
		agent := &browser{r: r}
		until := tickets.FileLinkEnds(r.db.Now())
		link := tickets.FilePath(r.keys, plan, until)
		a := agent.get(link)
		agent.want("the link", a, http.StatusOK)
		if a.body != "<h1>The plan</h1>" || a.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment; filename=plan.html") {
			t.Errorf("%q as %v", a.body, a.header)
		}
		agent.want("programs that look at links", agent.head(link), http.StatusOK)
		token := link[strings.LastIndexByte(link, '/'):]
		later := tickets.FileLinkEnds(r.db.Now().AddDate(0, 0, 1))
		for what, wrong := range map[string]string{
			"another file":         "/linked/" + string(other) + "/" + until + token,
			"another day":          "/linked/" + string(plan) + "/" + later + token,
			"line ends":            "/linked/" + string(plan) + "/" + until + "/a" + strings.Repeat("%0a", len(token)-2),
			"no day":               "/linked/" + string(plan) + "/never" + token,
			"a guess":              "/linked/" + string(plan) + "/" + until + "/" + token[1:len(token)-1] + map[bool]string{true: "q", false: "a"}[strings.HasSuffix(token, "a")],
			"one that has run out": tickets.FilePath(r.keys, plan, tickets.FileLinkEnds(r.db.Now().Add(-31*24*time.Hour))),
			"a file that is gone":  tickets.FilePath(r.keys, desk.ID("gone"), until),
		} {
			agent.want(what, agent.get(wrong), http.StatusNotFound)
		}
		agent.want("its last day", agent.get(tickets.FilePath(r.keys, plan, r.db.Now().UTC().Format(time.DateOnly))), http.StatusOK)
	})
}
