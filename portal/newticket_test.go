package portal

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
)

// asked are properties, and a form that asks for them, beside the one for support.
func asked() map[string]any {
	return map[string]any{
		"properties": []any{
			map[string]any{"key": "serial", "name": "Serial number", "names": map[string]any{"de": "Seriennummer"}, "type": "text", "shown": true},
			map[string]any{"key": "pages", "name": "Pages", "type": "number"},
			map[string]any{"key": "site", "name": "Site", "type": "choice", "shown": true, "choices": []any{map[string]any{"key": "ham", "name": "Hamburg"}, map[string]any{"key": "ber", "name": "Bergen"}, map[string]any{"key": "old", "name": "Old site"}}},
			map[string]any{"key": "urgent", "name": "Urgent", "type": "yes_no"}, map[string]any{"key": "secret", "name": "Secret", "type": "text"},
		},
		"ticket_forms": []any{
			map[string]any{"key": "support", "name": "Contact support", "connected": true, "fields": []any{map[string]any{"property": "subject"}, map[string]any{"property": "text"}, map[string]any{"property": "files"}}},
			map[string]any{"key": "printer", "name": "Printers", "names": map[string]any{"de": "Drucker"}, "connected": true, "pipeline": "support", "fields": []any{
				map[string]any{"property": "properties.serial", "required": true, "hint": "On the back."}, map[string]any{"property": "subject"}, map[string]any{"property": "text", "label": "What does it print?"},
				map[string]any{"property": "properties.site", "choices": []any{"ham", "ber"}, "label": "Where", "labels": map[string]any{"de": "Wo"}}, map[string]any{"property": "properties.pages"}, map[string]any{"property": "properties.urgent"},
			}},
			map[string]any{"key": "draft", "name": "Not yet", "fields": []any{}},
		},
	}
}

// TestT13_FormsFillProperties: several forms, the fields in the operator's order and words, what is wrong said at its field with everything kept, and
// what was filled in on the ticket, in its mail and beside the thread.
func TestT13_FormsFillProperties(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.sets(asked())
		_, err := r.db.FreshOrganisation(t.Context())
		ok(t, err)
		ann := r.contact("Ann", "ann@example.com")
		in := r.signIn(ann)
		page := in.get("/tickets/new")
		in.says("several forms", page, "What is it about?", `href="/tickets/new?form=support"`, `href="/tickets/new?form=printer"`, ">Printers<")
		in.saysNot("several forms", page, "Not yet", "<textarea")
		page = in.get("/tickets/new?form=printer")
		in.says("the form", page, `name="form" value="printer"`, "Serial number</bdi></label>", "On the back.", "What does it print?", `<option value="ham">Hamburg</option>`, `type="checkbox" id="p_urgent"`, `Pages</bdi> <span class="opt">`)
		in.saysNot("the form", page, "Old site", `name="p_secret"`, `id="files"`)
		last := 0
		for _, id := range []string{`<input class="in" id="p_serial"`, `id="subject"`, `<textarea class="in" id="text"`, `id="p_site"`, `id="p_pages"`, `id="p_urgent"`} {
			at := strings.Index(page.body, id)
			if at < last || strings.Count(page.body, id) != 1 {
				t.Errorf("%s is not there once, in the operator's order", id)
			}
			last = at
		}
		in.accept = "de"
		in.says("in German", in.get("/tickets/new?form=printer"), "Seriennummer", ">Wo<", "Drucker")
		in.accept = ""

		fields := map[string]string{"form": "printer", "subject": "Stripes", "text": "On every page", "p_serial": " ", "p_site": "old", "p_pages": "many", "p_urgent": "true", "p_secret": "planted", "mailbox": "x", "nonce": string(store.NewID())}
		page = in.send("/tickets/new", fields)
		in.want("what is wrong", page, http.StatusUnprocessableEntity)
		in.says("what is wrong", page, `<a href="#p_serial">Fill in: Serial number</a>`, `<a href="#p_site">Where: choose one of the values</a>`, `<a href="#p_pages">Pages: enter a number`, `value="Stripes"`, ">On every page</textarea>", `value="many"`, `aria-describedby="p_serial-h p_serial-e"`, "checked")
		if n := r.count(ann); n != 0 {
			t.Fatalf("%d tickets by a form that was wrong", n)
		}
		fields["p_serial"], fields["p_site"], fields["p_pages"] = "X-12", "ham", "12,50"
		a := in.send("/tickets/new", fields)
		in.want("sent", a, http.StatusSeeOther)
		in.want("sent twice", in.send("/tickets/new", fields), http.StatusSeeOther)
		if n := r.count(ann); n != 1 {
			t.Fatalf("%d tickets by a double click", n)
		}
		ticket, err := r.db.TicketByNumber(t.Context(), desk.ScopeOfProgram(), 1)
		ok(t, err)
		if fmt.Sprint(ticket.Properties) != "map[pages:12.5 serial:X-12 site:ham urgent:true]" {
			t.Errorf("the ticket has %v", ticket.Properties)
		}
		if said := r.messages(ticket.ID)[0].Text; said != "On every page\n\nSerial number: X-12\nWhere: Hamburg\nPages: 12.5\nUrgent: Yes" {
			t.Errorf("the agents read %q", said)
		}
		page = in.get("/tickets/1")
		in.says("the thread", page, "<dt>Serial number</dt><dd><bdi>X-12</bdi>", "<dt>Site</dt><dd><bdi>Hamburg</bdi>")
		in.saysNot("the thread", page, "<dt>Pages</dt>", "planted")

		page = in.get("/tickets/new?follows=1")
		in.says("what goes on from it", page, `name="form" value="printer"`, `name="follows" value="1"`, `value="Stripes"`, `value="X-12"`, `<option value="ham" selected>`)
		in.saysNot("what goes on from it", page, `value="12.5"`, "checked")

		// The list can be narrowed to what was written in one of the forms that are offered.
		list := in.get("/tickets?form=printer")
		in.says("by its form", list, `href="/tickets/1"`, `<label for="f-form">Form</label>`, `<option value="printer" selected>Printers</option>`)
		in.saysNot("by its form", list, "Not yet")
		in.saysNot("by another form", in.get("/tickets?form=support"), `href="/tickets/1"`)
		in.says("by one that is not offered", in.get("/tickets?form=draft"), `href="/tickets/1"`)

		// Taken away while somebody writes: nothing typed is lost, and it says so.
		forms := asked()["ticket_forms"].([]any)
		r.sets(map[string]any{"ticket_forms": forms[:1]})
		_, err = r.db.FreshOrganisation(t.Context())
		ok(t, err)
		fields["nonce"], fields["subject"] = string(store.NewID()), "Dots"
		page = in.send("/tickets/new", fields)
		in.want("taken away", page, http.StatusUnprocessableEntity)
		in.says("taken away", page, "not offered any more", `value="Dots"`, ">On every page\n\nSerial number: X-12\nPages: 12.5\nSite: Hamburg\nUrgent: Yes\n", `name="form" value="support"`)
		r.sets(map[string]any{"ticket_forms": []any{}})
		_, err = r.db.FreshOrganisation(t.Context())
		ok(t, err)
		page = in.get("/tickets/new")
		in.want("no form", page, http.StatusNotFound)
		in.says("no form", page, "No new tickets here")
		page = in.send("/tickets/new", fields)
		in.want("no form any more", page, http.StatusServiceUnavailable)
		in.says("no form any more", page, "No new tickets here", `value="Dots"`, ">On every page</textarea>")
		in.saysNot("no form", in.get("/tickets"), `href="/tickets/new`)
		if n := r.count(ann); n != 1 {
			t.Errorf("%d tickets", n)
		}
	})
}

// count is how many tickets somebody has.
func (r *rig) count(c desk.Contact) int {
	r.t.Helper()
	n, err := r.db.CountTickets(r.t.Context(), desk.ScopeOfContact(c), store.Listing{}, nil)
	ok(r.t, err)
	return n.All
}

// TestT13_AFormIsConnectedWhenItLacksNothing: what it lacks is named, all of it, with what to do; one that is connected and comes to lack something is
// not offered meanwhile, and nothing else waits for it.
func TestT13_AFormIsConnectedWhenItLacksNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	_, err := r.desk.ChangeSettings(t.Context(), map[string]any{"ticket_forms": []any{map[string]any{
		"key": "bare", "name": "Bare", "connected": true, "pipeline": "none", "mailbox": "nowhere", "fields": []any{map[string]any{"property": "properties.gone"}},
	}}})
	for _, want := range []string{"no field for subject", "no field for text", "no property gone", "no pipeline none", "no mailbox nowhere"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it lacks %q: %v", want, err)
		}
	}
	for what, f := range map[string]map[string]any{
		"no key": {"name": "x"}, "a key": {"key": "A B", "name": "x"}, "no name": {"key": "x"}, "twice": {"key": "x", "name": "x", "fields": []any{map[string]any{"property": "text"}, map[string]any{"property": "text"}}},
		"what is no property": {"key": "x", "name": "x", "fields": []any{map[string]any{"property": "status"}}}, "no key of a property": {"key": "x", "name": "x", "fields": []any{map[string]any{"property": "properties.A'"}}},
	} {
		if _, err := r.desk.ChangeSettings(t.Context(), map[string]any{"ticket_forms": []any{f}}); desk.KindOf(err) != desk.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.sets(asked())
	r.sets(map[string]any{"properties": []any{}, "portal_title": "Still changed"})
	_, err = r.db.FreshOrganisation(t.Context())
	ok(t, err)
	in := r.signIn(r.contact("Ann", "ann@example.com"))
	page := in.get("/tickets/new")
	in.says("the one that is left", page, `name="form" value="support"`)
	in.want("one that lacks its properties", in.send("/tickets/new", map[string]string{"form": "printer", "subject": "s", "text": "t"}), http.StatusUnprocessableEntity)
}

// TestP14_ASimilarTicketIsNamed: who opens the same again within days is told of the first, if they may see it; nobody else's ever.
func TestP14_ASimilarTicketIsNamed(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann, eve := r.contact("Ann", "ann@acme.example"), r.contact("Eve", "eve@other.example")
		r.open(eve, "Printer offline", "x")
		in := r.signIn(ann)
		open := func(subject string) answer {
			return in.send("/tickets/new", map[string]string{"subject": subject, "text": "It says nothing.", "nonce": string(store.NewID())})
		}
		if a := open("Printer offline"); strings.Contains(a.location, "similar") {
			t.Errorf("of somebody else's: %s", a.location)
		}
		if a := open("Another thing"); strings.Contains(a.location, "similar") {
			t.Errorf("another thing: %s", a.location)
		}
		a := open("AW: Re: PRINTER  öffline")
		if a.location != "/tickets/4?similar=2#sent" {
			t.Fatalf("leads to %s", a.location)
		}
		in.says("the page", in.get("/tickets/4?similar=2"), "You opened a similar ticket on", `<a href="/tickets/2">#2</a>`)
		for _, path := range []string{"/tickets/4?similar=1", "/tickets/4?similar=99", "/tickets/4?similar=4", "/tickets/4?similar=x", "/tickets/4"} { // somebody else's, none, itself
			in.saysNot(path, in.get(path), "similar ticket")
		}
	})
}

// TestP14_AColleaguesTicketIsNotCalledOnesOwn: a made-up address names no ticket that its reader may see but did not open.
func TestP14_AColleaguesTicketIsNotCalledOnesOwn(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		acme := desk.Company{ID: store.NewID(), Name: "Acme", Domains: []string{"acme.example"}, Verified: []string{"acme.example"}, CreatedAt: r.db.Now()}
		ann, bea := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example")
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.PutCompany(t.Context(), acme); err != nil {
				return err
			}
			ann.Companies, bea.Companies = []desk.ID{acme.ID}, []desk.ID{acme.ID}
			return errors.Join(tx.ChangeContact(t.Context(), ann), tx.ChangeContact(t.Context(), bea))
		}))
		r.set(func(s *desk.Settings) { s.Sharing = desk.Sharing{Mode: desk.SharingCompany} })
		anns, beas := r.open(ann, "Printer offline", "x"), r.open(bea, "Printer offline", "y")
		in := r.signIn(bea)
		in.want("the colleague's ticket", in.get(ticketPath(anns.Number)), http.StatusOK)
		path := ticketPath(beas.Number) + "?similar=" + strconv.FormatInt(anns.Number, 10)
		in.saysNot(path, in.get(path), "similar ticket")
	})
}

// TestB4_SuggestionsMatchSomeOfTheWords: those with most of what is written first, private ones to who may read them, and short words say nothing.
func TestB4_SuggestionsMatchSomeOfTheWords(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.writes(
			desk.Article{Slug: "offline", Texts: english("Printer is offline", "Switch the network on.")}, desk.Article{Slug: "network", Texts: english("The network", "How to switch it on.")},
			desk.Article{Slug: "inner", Private: true, Texts: english("Printer secrets", "offline network")}, desk.Article{Slug: "bill", Texts: english("Bills", "Money.")},
		)
		out := &browser{r: r}
		a := out.get("/kb/suggest?q=my+printer+went+offline+since+the+network")
		if !strings.Contains(a.body, `"url":"/en/kb/offline"`) || strings.Index(a.body, "/offline") > strings.Index(a.body, "/network") || strings.Contains(a.body, "secrets") || strings.Contains(a.body, "Bills") {
			t.Errorf("suggested: %s", a.body)
		}
		if a := r.signIn(r.contact("Ann", "ann@example.com")).get("/kb/suggest?q=printer+offline+network"); !strings.Contains(a.body, "Printer secrets") {
			t.Errorf("signed in: %s", a.body)
		}
		for _, q := range []string{"", "is+it+on", "zzz"} {
			if a := out.get("/kb/suggest?q=" + q); a.body != `{"items":[]}` {
				t.Errorf("%q: %s", q, a.body)
			}
		}
	})
}

// TestT13_AFormHasItsOwnMailboxAndPipeline: its tickets go there, and those of one that names neither go where all others do.
func TestT13_AFormHasItsOwnMailboxAndPipeline(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		sales := desk.Mailbox{ID: store.NewID(), Address: "sales@desk.example", Aliases: []string{}, MIDDomain: "desk.example", SMTP: "smtp://127.0.0.1:1", IMAP: "imap://127.0.0.1:1"}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(t.Context(), sales) }))
		fields := []any{map[string]any{"property": "subject"}, map[string]any{"property": "text"}}
		pipelines := []any{}
		for _, key := range []string{"support", "orders"} {
			pipelines = append(pipelines, map[string]any{"key": key, "name": key, "statuses": []any{map[string]any{"key": key + "-new", "name": "New"}, map[string]any{"key": "done", "name": "Done", "closed": true}}})
		}
		r.sets(map[string]any{"pipelines": pipelines, "ticket_forms": []any{
			map[string]any{"key": "support", "name": "Support", "connected": true, "fields": fields},
			map[string]any{"key": "order", "name": "Order", "connected": true, "mailbox": sales.ID, "pipeline": "orders", "fields": fields},
		}})
		org, err := r.db.FreshOrganisation(t.Context())
		ok(t, err)
		standard, _ := org.DefaultMailbox()
		in := r.signIn(r.contact("Ann", "ann@example.com"))
		for i, want := range []struct {
			form, pipeline string
			mailbox        desk.ID
		}{{"order", "orders", sales.ID}, {"support", "support", standard.ID}} {
			in.want(want.form, in.send("/tickets/new", map[string]string{"form": want.form, "subject": want.form, "text": "t", "mailbox": "planted", "pipeline": "planted"}), http.StatusSeeOther)
			got, err := r.db.TicketByNumber(t.Context(), desk.ScopeOfProgram(), int64(i+1))
			ok(t, err)
			if got.MailboxID != want.mailbox || got.Pipeline != want.pipeline || got.Status != want.pipeline+"-new" {
				t.Errorf("%s: %+v", want.form, got)
			}
		}
	})
}

// TestT6_ATicketThatRulesHideIsTakenAllTheSame: its writer is told so on the list, and not that there is no such page; twice is once.
func TestT6_ATicketThatRulesHideIsTakenAllTheSame(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		in := r.signIn(ann)
		r.set(func(s *desk.Settings) {
			s.Shown.Rules = []desk.Condition{{Property: "subject", Operator: desk.Is, Values: []string{"shown"}}}
		})
		_, err := r.db.FreshOrganisation(t.Context())
		ok(t, err)
		fields := map[string]string{"subject": "hidden", "text": "It jams", "nonce": string(store.NewID())}
		for range 2 {
			if a := in.send("/tickets/new", fields); a.status != http.StatusSeeOther || a.location != "/tickets#sent" {
				t.Fatalf("sent: %d %s", a.status, a.location)
			}
			in.says("the list", in.get("/tickets"), "We got it. Your ticket has the number")
		}
		in.want("the ticket", in.get("/tickets/1"), http.StatusNotFound)
		if n := len(r.messages(r.numbered(1).ID)); n != 1 {
			t.Errorf("the ticket has %d messages", n)
		}
	})
}
