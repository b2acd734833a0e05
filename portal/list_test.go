package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
)

// TestT2_SharingModes: who sees the company's tickets is what the operator set, and holds at once: in the list, by number, by search, for files.
func TestT2_SharingModes(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		acme := desk.Company{ID: store.NewID(), Name: "Acme", Domains: []string{"acme.example"}, Verified: []string{"acme.example"}, CreatedAt: r.db.Now()}
		other := desk.Company{ID: store.NewID(), Name: "Other", Domains: []string{"other.example"}, Verified: []string{"other.example"}, CreatedAt: r.db.Now()}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.PutCompany(t.Context(), other); err != nil {
				return err
			}
			return tx.PutCompany(t.Context(), acme)
		}))
		ann, bea, carl := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example"), r.contact("Carl", "carl@other.example")
		change := func(c *desk.Contact, company desk.ID, main bool) {
			c.Companies, c.MainOf = []desk.ID{company}, nil
			if main {
				c.MainOf = c.Companies
			}
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.ChangeContact(t.Context(), *c) }))
		}
		change(&ann, acme.ID, false)
		change(&bea, acme.ID, false)
		change(&carl, other.ID, false)
		anns := r.open(ann, "Annual report", "zebra")
		list := desk.ContactList{ID: store.NewID(), Name: "Leads", CreatedAt: r.db.Now()}
		rule := desk.ContactList{ID: store.NewID(), Name: "By rule", Rule: []desk.Condition{{Property: "email", Operator: desk.Is, Values: []string{"bea@acme.example"}}}, CreatedAt: r.db.Now()}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.PutContactList(t.Context(), rule); err != nil {
				return err
			}
			return tx.PutContactList(t.Context(), list)
		}))
		share := func(s desk.Sharing) {
			settings, err := r.db.Settings(t.Context())
			ok(t, err)
			settings.Sharing = s
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutSettings(t.Context(), settings) }))
		}
		inBea, inCarl := r.signIn(bea), r.signIn(carl)
		path := ticketPath(anns.Number)
		sees := func(why string, want bool) {
			t.Helper()
			status := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[want]
			inBea.want(why+": by number", inBea.get(path), status)
			inBea.want(why+": the company's list", inBea.get("/tickets?view=company"), status)
			inBea.want(why+": solve", inBea.post("/tickets/999"+path[len("/tickets/"):]+"/solved"), http.StatusNotFound)
			found := inBea.get("/tickets?view=company&q=zebra")
			if asked := inBea.get("/tickets?view=company&requester=aNN"); strings.Contains(asked.body, `href="`+path+`"`) != want {
				t.Errorf("%s: by who asked: the ticket is seen or not, against %t", why, want)
			}
			if asked := inBea.get("/tickets?view=company&requester=ann%40acme"); strings.Contains(asked.body, `href="`+path+`"`) {
				t.Errorf("%s: who asked is found by an address that the list does not show", why)
			}
			if got := strings.Contains(found.body, "<mark>zebra</mark>"); got != want {
				t.Errorf("%s: the search shows it %t, want %t", why, got, want)
			}
			if mine := inBea.get("/tickets?q=zebra"); strings.Contains(mine.body, "<mark>zebra") {
				t.Errorf("%s: a colleague's ticket is among her own", why)
			}
			inCarl.want(why+": another company", inCarl.get(path), http.StatusNotFound)
		}
		share(desk.Sharing{Mode: desk.SharingCompany})
		sees("shared with all: the link she came by has proved her address", true)
		bea.Addresses = []string{"bea@else.example"}
		change(&bea, acme.ID, false)
		bea.Addresses = []string{"bea@acme.example"}
		change(&bea, acme.ID, false)
		sees("her address was another one meanwhile", false)
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.Proved(t.Context(), bea.ID, "bea@acme.example") }))
		sees("proved anew", true)
		share(desk.Sharing{Mode: desk.SharingOwn})
		sees("own tickets only", false)
		share(desk.Sharing{Mode: desk.SharingMain})
		sees("main contacts, and she is none", false)
		change(&bea, acme.ID, true)
		sees("a main contact", true)
		share(desk.Sharing{Mode: desk.SharingChosen, People: []desk.ID{ann.ID}})
		sees("chosen people, not her", false)
		share(desk.Sharing{Mode: desk.SharingChosen, People: []desk.ID{bea.ID}})
		sees("chosen people", true)
		share(desk.Sharing{Mode: desk.SharingLists, Lists: []desk.ID{list.ID}})
		sees("an empty list", false)
		member := func(f func(tx *store.Tx) (bool, error)) {
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := f(tx); return err }))
		}
		member(func(tx *store.Tx) (bool, error) { return tx.AddMember(t.Context(), list.ID, bea.ID) })
		sees("a list she is on", true)
		member(func(tx *store.Tx) (bool, error) { return tx.DropMember(t.Context(), list.ID, bea.ID) })
		sees("a list she has left", false)
		share(desk.Sharing{Mode: desk.SharingLists, Lists: []desk.ID{list.ID, rule.ID}})
		sees("a list by rule", true)
		acme.Verified = nil
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutCompany(t.Context(), acme) }))
		sees("a domain that nobody verified", false)
		share(desk.Sharing{Mode: desk.SharingCompany, AnyDomain: true})
		sees("any domain", true)
		change(&bea, other.ID, true)
		inBea.want("another company now", inBea.get(path), http.StatusNotFound)
		if inBea.want("its list", inBea.get("/tickets?view=company"), 200); strings.Contains(inBea.get("/tickets?view=company").body, "Annual") {
			t.Error("the former company's tickets are in the list")
		}
		change(&bea, acme.ID, true)
		reply := inBea.send(path, map[string]string{"text": "I have it too", "nonce": string(store.NewID())})
		inBea.want("a colleague answers", reply, http.StatusSeeOther)
		after, err := r.db.Ticket(t.Context(), desk.ScopeOfProgram(), anns.ID)
		ok(t, err)
		if !desk.TakesPart(after.Participants, "bea@acme.example") {
			t.Errorf("who answered takes no part: %+v", after.Participants)
		}
		share(desk.Sharing{Mode: desk.SharingOwn})
		inBea.want("her answer gives her no more to read", inBea.get(path), http.StatusNotFound)
	})
}

// TestC8_WhoLeavesAListIsOut: where lists say who may enter, an empty list lets nobody in, and who is taken off is out at once.
func TestC8_WhoLeavesAListIsOut(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")
		list := desk.ContactList{ID: store.NewID(), Name: "Customers", CreatedAt: r.db.Now()}
		settings, err := r.db.Settings(t.Context())
		ok(t, err)
		settings.Access.Entry, settings.Access.Lists, settings.Access.Ask = desk.EntryLists, []desk.ID{list.ID}, "the front desk"
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.PutContactList(t.Context(), list); err != nil {
				return err
			}
			return tx.PutSettings(t.Context(), settings)
		}))
		in := r.signIn(ann)
		paths := []string{"/tickets", ticketPath(mine.Number), "/tickets/new", "/"}
		all := func(what string, want int) {
			t.Helper()
			for _, path := range paths {
				a := in.get(path)
				in.want(what+" "+path, a, want)
				if want == http.StatusForbidden && (!strings.Contains(a.body, "Ask the front desk.") || strings.Contains(a.body, "Hello")) {
					t.Errorf("%s %s: %s", what, path, textOf(a.body))
				}
			}
		}
		all("an empty list", http.StatusForbidden)
		in.want("and no answer", in.post(ticketPath(mine.Number), "text", "x"), http.StatusForbidden)
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.AddMember(t.Context(), list.ID, ann.ID); return err }))
		in.want("on the list", in.get("/tickets"), http.StatusOK)
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.DropMember(t.Context(), list.ID, ann.ID); return err }))
		all("off the list", http.StatusForbidden)
	})
}

// TestT1_ColumnsAndPropertiesOfTheList: the operator's columns are there in their order, with custom properties as people read them; they filter.
func TestT1_ColumnsAndPropertiesOfTheList(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		first, second := r.open(ann, "First", "one"), r.open(ann, "Second", "two")
		settings, err := r.db.Settings(t.Context())
		ok(t, err)
		settings.Properties = []desk.Property{
			{Key: "site", Name: "Site", Names: map[string]string{"de": "Standort"}, Type: desk.ChoiceProperty, Shown: true, Choices: []desk.Choice{{Key: "hh", Name: "Hamburg"}, {Key: "b", Name: "Berlin"}}},
			{Key: "secret", Name: "Margin", Type: desk.TextProperty},
		}
		settings.Shown.Columns = []string{"subject", "properties.site", "number"}
		ok(t, desk.CheckSettings(settings))
		first.Properties = map[string]string{"site": "hh", "secret": "42 %"}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.ChangeTicket(t.Context(), first); err != nil {
				return err
			}
			return tx.PutSettings(t.Context(), settings)
		}))
		in := r.signIn(ann)
		body := in.get("/tickets").body
		for _, want := range []string{"Hamburg", "Site", "First", "Second"} {
			if !strings.Contains(body, want) {
				t.Errorf("the list lacks %q: %s", want, textOf(body))
			}
		}
		if strings.Contains(body, "42 %") || strings.Contains(body, "Margin") || strings.Contains(body, "Last activity</a>") {
			t.Errorf("the list shows what it must not: %s", textOf(body))
		}
		filtered := in.get("/tickets?p_site=hh").body
		if !strings.Contains(filtered, ">First<") || strings.Contains(filtered, ">Second<") {
			t.Errorf("filtered: %s", textOf(filtered))
		}
		if hidden := in.get("/tickets?p_secret=42+%25").body; !strings.Contains(hidden, ">Second<") {
			t.Error("customers can filter by what they must not see")
		}
		if n := in.get("/tickets?q=%23" + ticketPath(second.Number)[len("/tickets/"):]).body; !strings.Contains(n, ">Second<") || strings.Contains(n, ">First<") {
			t.Errorf("by number: %s", textOf(n))
		}
	})
}

// TestT1_UnreadEndsWithALook: an agent's answer is marked until the person looks at it; a browser that fetches pages ahead has not looked.
func TestT1_UnreadEndsWithALook(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")
		in := r.signIn(ann)
		marked := func(what string, want bool) {
			t.Helper()
			if got := strings.Contains(in.get("/tickets").body, `<tr class="new">`); got != want {
				t.Errorf("%s: marked %t, want %t", what, got, want)
			}
		}
		marked("her own words", false)
		r.answer(mine, "Hello Ann")
		marked("an answer", true)
		ahead := in.request("GET", ticketPath(mine.Number), "", nil)
		ahead.Header.Set("Sec-Purpose", "prefetch;prerender")
		in.want("ahead", in.do(ahead), http.StatusOK)
		in.head(ticketPath(mine.Number))
		marked("fetched ahead", true)
		in.get(ticketPath(mine.Number))
		marked("looked at", false)
		r.answer(mine, "One more")
		marked("another answer", true)
	})
}

// TestT1_AnEmptyPageLeadsSomewhere: one behind the last leads to the last, and filters that match nothing can be cleared.
func TestT1_AnEmptyPageLeadsSomewhere(t *testing.T) {
	r := newRig(t, nil)
	r.set(func(s *desk.Settings) { s.Budgets.NewTickets = 100 })
	ann := r.contact("Ann", "ann@acme.example")
	in := r.signIn(ann)
	if a := in.get("/tickets?page=3"); a.status != http.StatusOK {
		t.Errorf("without a ticket: %d %s", a.status, a.location)
	}
	for i := range perPage + 1 {
		r.open(ann, fmt.Sprintf("Ticket %d", i), "x")
	}
	if a := in.get("/tickets?page=9&sort=number"); a.location != "/tickets?page=2&sort=number" || in.get(a.location).status != http.StatusOK {
		t.Errorf("behind the last page: %d %s", a.status, a.location)
	}
	in.says("nothing matches", in.get("/tickets?from=2999-01-01"), "No ticket matches these filters.", "Clear")
}
