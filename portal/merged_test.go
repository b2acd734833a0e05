package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/internal/desktest"
	"postern/store"
)

// TestT4_AMergedTicketLeadsToTheOneThatStays: for whom it is in scope, and for nobody else.
func TestT4_AMergedTicketLeadsToTheOneThatStays(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann, bea, eve := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example"), r.contact("Eve", "eve@other.example")
		stays, goes := r.open(ann, "Printer", "Ann's words"), r.open(bea, "The printer", "Bea's words")
		_, err := r.desk.Merge(t.Context(), goes.ID, stays.ID)
		ok(t, err)
		page := func(n int64) string { return fmt.Sprintf("/tickets/%d", n) }
		for _, v := range []*browser{r.signIn(ann), r.signIn(bea)} {
			a := v.get(page(goes.Number))
			if a.status != http.StatusSeeOther || a.header.Get("Location") != page(stays.Number) {
				t.Errorf("%s is led from #%d to %d %q", v.name, goes.Number, a.status, a.header.Get("Location"))
			}
			thread := v.get(page(stays.Number))
			v.want("the thread", thread, http.StatusOK)
			for _, words := range []string{"Ann&#39;s words", "Bea&#39;s words"} {
				if !strings.Contains(string(thread.body), words) {
					t.Errorf("%s does not see %q", v.name, words)
				}
			}
			list := string(v.get("/tickets").body)
			if !strings.Contains(list, page(stays.Number)+`"`) || strings.Contains(list, page(goes.Number)+`"`) {
				t.Errorf("%s has in the list: %s", v.name, list)
			}
		}
		stranger := r.signIn(eve)
		stranger.want("#1", stranger.get(page(stays.Number)), http.StatusNotFound)
		stranger.want("#2", stranger.get(page(goes.Number)), http.StatusNotFound)
	})
}
