package portal

import (
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
)

// TestM13_NamingPeopleForCopies: an answer and a new ticket may name people; what is no address is said at its field, with nothing lost and no file kept; and
// where the mailbox has nobody in copy there is no such field.
func TestM13_NamingPeopleForCopies(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		acme := desk.Company{ID: store.NewID(), Name: "Acme", Domains: []string{"acme.example"}, Verified: []string{"acme.example"}, CreatedAt: r.db.Now()}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutCompany(t.Context(), acme) }))
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")
		in := r.signIn(ann) // by a mailed link: her address is proved
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.Proved(t.Context(), ann.ID, "ann@acme.example") }))
		for _, path := range []string{ticketPath(mine.Number), "/tickets/new"} {
			if a := in.get(path); !strings.Contains(a.body, `name="copies"`) || !strings.Contains(a.body, "once support agrees") {
				t.Errorf("%s has no field for copies", path)
			}
			for given, want := range map[string]string{"bea@acme.example, carl": "“carl” is not the e-mail address", strings.Repeat("bea@acme.example ", desk.MostNamed+1): "at most 10 people"} {
				a := in.send(path, map[string]string{"subject": "New", "text": "With copies.", "copies": given}, upload{"kept.txt", "text/plain", "not kept"})
				if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, want) || !strings.Contains(a.body, "With copies.") || !strings.Contains(a.body, "bea@acme.example") || !strings.Contains(a.body, `id="copies-e"`) {
					t.Errorf("%s with %q: %d %s", path, given, a.status, a.body)
				}
			}
			if a := in.send(path, map[string]string{"subject": "New", "text": "With copies.", "copies": "bea@acme.example; x@elsewhere.example"}); a.status != http.StatusSeeOther {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		mails := r.mailed(desk.ReplyMail, "bea@acme.example")
		if len(mails) != 2 || len(r.mailed(desk.ReplyMail, "x@elsewhere.example")) != 0 {
			t.Errorf("Bea gets %d mails", len(mails))
		}
		a := in.get(ticketPath(mine.Number))
		if !strings.Contains(a.body, "bea@acme.example") && !strings.Contains(a.body, "Bea") || strings.Contains(a.body, "x@elsewhere.example") {
			t.Errorf("the people of the ticket: %s", a.body)
		}
		org, err := r.db.Organisation(t.Context())
		ok(t, err)
		mb, found := org.DefaultMailbox()
		if !found {
			t.Fatal("there is no mailbox")
		}
		mb.Policy.Copying = desk.CopyNobody
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(t.Context(), mb) }))
		for _, path := range []string{ticketPath(mine.Number), "/tickets/new"} {
			if a := in.get(path); a.status != http.StatusOK || strings.Contains(a.body, `name="copies"`) {
				t.Errorf("%s where nobody is in copy: %d", path, a.status)
			}
		}
	})
}

// TestAReaderStopsTheMailsOfATicket: who gets mail about a ticket may stop it and have it again, from its page; who gets none is not asked.
func TestAReaderStopsTheMailsOfATicket(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		acme := desk.Company{ID: store.NewID(), Name: "Acme", Domains: []string{"acme.example"}, CreatedAt: r.db.Now()}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutCompany(t.Context(), acme) }))
		r.set(func(s *desk.Settings) { s.Sharing = desk.Sharing{Mode: desk.SharingCompany, AnyDomain: true} })
		ann, bea := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example")
		mine := r.open(ann, "Hello", "Hi.")
		path := ticketPath(mine.Number)
		in := r.signIn(ann)
		page := func(want string) {
			t.Helper()
			if a := in.get(path); !strings.Contains(a.body, want) {
				t.Errorf("the page does not say %q: %s", want, a.body)
			}
		}
		page("Stop e-mails about this ticket")
		in.want("stop", in.post(path+"/mail"), http.StatusSeeOther)
		page("We send you no more e-mails about this ticket")
		page("Get e-mails about this ticket again")
		r.answer(mine, "An answer.")
		page("An answer.")
		if n := len(r.mailed(desk.ReplyMail, "ann@acme.example")); n != 0 {
			t.Errorf("%d mails go out", n)
		}
		in.want("again", in.post(path+"/mail", "want", "1"), http.StatusSeeOther)
		page("You get e-mails about this ticket again")
		r.answer(mine, "Another.")
		if n := len(r.mailed(desk.ReplyMail, "ann@acme.example")); n != 1 {
			t.Errorf("%d mails go out", n)
		}

		// A colleague who only reads it gets none anyway.
		reads := r.signIn(bea)
		if a := reads.get(path); a.status != http.StatusOK || strings.Contains(a.body, "/mail\"") {
			t.Errorf("Bea is offered to stop mails: %d %s", a.status, a.body)
		}
		reads.want("stop what there is not", reads.post(path+"/mail"), http.StatusSeeOther)
	})
}
