package portal

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

var earlierLink = regexp.MustCompile(`href="([^"]*\?before=[^"]*)"`)

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
				texts := regexp.MustCompile(`message [0-9]+\.|<p>first`).FindAllString(a.body, -1)
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
