package portal

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// stream opens a thread's stream of news, and gives its lines; the channel ends with it.
func (v *browser) stream(path string) (status int, lines <-chan string, stop func()) {
	v.r.t.Helper()
	ctx, cancel := context.WithCancel(v.r.t.Context())
	req := v.request("GET", path, "", nil).WithContext(ctx)
	req.Header.Set("Accept", "text/event-stream")
	if v.cookie != nil {
		req.AddCookie(&http.Cookie{Name: v.cookie.Name, Value: v.cookie.Value})
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	ok(v.r.t, err)
	out := make(chan string, 100)
	go func() {
		defer close(out)
		defer resp.Body.Close() //nolint:errcheck // it was only read
		in := bufio.NewScanner(resp.Body)
		for in.Scan() {
			if data, is := strings.CutPrefix(in.Text(), "data: "); is {
				out <- data
			}
		}
	}()
	return resp.StatusCode, out, cancel
}

// TestT9_NewAnswersAreToldWhileAPageIsOpen: their ids alone, to those who may see them, as long as they may.
func TestT9_NewAnswersAreToldWhileAPageIsOpen(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		ann, eve := r.contact("Ann", "ann@acme.example"), r.contact("Eve", "eve@other.example")
		mine, other := r.open(ann, "Hello", "Hi."), r.open(ann, "Other", "Hi.")
		in := r.signIn(ann)
		path := ticketPath(mine.Number) + "/events"
		if status, _, _ := r.signIn(eve).stream(path); status != http.StatusNotFound {
			t.Errorf("T4: a stranger's stream gives %d", status)
		}
		if status, _, _ := (&browser{r: r}).stream(path); status != http.StatusSeeOther {
			t.Errorf("T4: a stream for nobody gives %d", status)
		}
		first := r.messages(mine.ID)[0].ID
		status, news, stop := in.stream(path + "?after=" + string(first))
		if status != http.StatusOK {
			t.Fatalf("the stream gives %d", status)
		}
		r.answer(other, "not here")
		_, err := r.desk.ReplyByAgent(ctx, tickets.AgentReply{Ticket: mine.ID, Source: desk.FromAPI, Text: "a note", Internal: true})
		ok(t, err)
		r.answer(mine, "Hello Ann")
		if got := <-news; got != string(r.messages(mine.ID)[2].ID) {
			t.Errorf("told of %q", got)
		}
		stop()
		for range news { // it ends
		}
		_, news, stop = in.stream(path + "?after=" + string(first))
		if got := <-news; got != string(r.messages(mine.ID)[2].ID) {
			t.Errorf("what came before the stream: %q", got)
		}
		stop()
		for range news {
		}

		// It ends with the right to see the ticket, and with the session.
		list := desk.ContactList{ID: store.NewID(), Name: "Nobody", CreatedAt: r.db.Now()}
		ok(t, r.db.Update(ctx, func(tx *store.Tx) error { return tx.PutContactList(ctx, list) }))
		for what, end := range map[string]func(){
			"not on a list that may enter": func() {
				r.set(func(s *desk.Settings) { s.Access.Entry, s.Access.Lists = desk.EntryLists, []desk.ID{list.ID} })
			},
			"signed out": func() { in.post("/sign-out") },
			"disabled": func() {
				ann.Disabled = true
				ok(t, r.db.Update(ctx, func(tx *store.Tx) error { return tx.ChangeContact(ctx, ann) }))
			},
		} {
			ann.Disabled = false
			ok(t, r.db.Update(ctx, func(tx *store.Tx) error { return tx.ChangeContact(ctx, ann) }))
			in = r.signIn(ann)
			_, news, stop := in.stream(path)
			end()
			r.answer(mine, "once more")
			if got, open := <-news; open {
				t.Errorf("%s: still told of %q", what, got)
			}
			stop()
			r.set(func(s *desk.Settings) { s.Access.Entry = desk.EntryContacts })
		}
	})
}

// TestP7_PagesKeepNobodySignedIn: what a page asks for by itself is no sign that somebody is there.
func TestP7_PagesKeepNobodySignedIn(t *testing.T) {
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	r.age(in, 29)
	refresh := in.request("GET", ticketPath(mine.Number), "", nil)
	refresh.Header.Set("Postern-Refresh", "1")
	in.want("the page looks for news", in.do(refresh), http.StatusOK)
	r.age(in, 31)
	in.want("half an hour without a hand", in.get("/tickets"), http.StatusSeeOther)
	in = r.signIn(ann)
	r.age(in, 29)
	in.want("the reader says that they are there", in.post("/account/stay"), http.StatusNoContent)
	in.want("and goes on", in.get("/tickets"), http.StatusOK)
}
