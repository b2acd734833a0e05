package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/blob"
	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// TestT4_VisitorsAndRoutes asks every route as every kind of browser: it answers who may, and for everybody else is the
// same as if the ticket had never been.
func TestT4_VisitorsAndRoutes(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		r.set(func(s *desk.Settings) { s.Access.Registration = desk.RegistrationOpen })
		ctx := t.Context()
		acme, err := r.desk.AddCompany(ctx, "Acme", []string{"acme.example"})
		ok(t, err)
		ann, bea := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example")
		if ann.PrimaryCompany() != acme.ID || bea.PrimaryCompany() != acme.ID {
			t.Fatal("Ann and Bea are not colleagues")
		}
		eve, cary, dora := r.contact("Eve", "eve@other.example"), r.contact("Cary", "cary@acme.example"), r.contact("Dora", "dora@acme.example")
		cora := r.contact("Cora", "cora@partner.example")
		theirs := r.open(ann, "Payroll is late", "canary-of-ann", r.file("salaries.txt", "text/plain", "canary-file", false))
		ok(t, r.db.Update(ctx, func(tx *store.Tx) error {
			return errors.Join(tx.AddParticipant(ctx, theirs.ID, desk.Participant{ContactID: cary.ID, Email: "cary@acme.example", Role: desk.Mentioned}),
				tx.AddParticipant(ctx, theirs.ID, desk.Participant{ContactID: dora.ID, Email: "dora@acme.example", Role: desk.Copied}),
				tx.AddParticipant(ctx, theirs.ID, desk.Participant{ContactID: cora.ID, Email: "cora@partner.example", Role: desk.Copied}))
		}))
		_, err = r.desk.ReplyByAgent(ctx, tickets.AgentReply{Ticket: theirs.ID, Source: desk.FromAPI, Text: "canary-note", Internal: true, Files: []desk.Attachment{r.file("canary-internal.txt", "text/plain", "canary-internal-file", false)}})
		ok(t, err)
		said := r.messages(theirs.ID)
		if len(said) != 2 || !said[1].Internal {
			t.Fatalf("the ticket has %+v", said)
		}
		public, internal := string(said[0].Attachments[0].ID), string(said[1].Attachments[0].ID)

		disabled := r.signIn(dora)
		off := true
		_, err = r.desk.ChangeContact(ctx, dora.ID, tickets.ContactChange{Disabled: &off})
		ok(t, err)
		out := r.signIn(ann)
		held := *out.cookie
		out.post("/sign-out")
		out.cookie = &held // somebody kept the cookie
		visitors := []struct {
			*browser
			in, sees bool
		}{
			{&browser{r: r, name: "anonymous"}, false, false}, {r.signIn(ann), true, true}, {r.signIn(cora), true, true}, {r.signIn(bea), true, false},
			{r.signIn(eve), true, false}, {r.signIn(cary), true, false}, {disabled, false, false}, {out, false, false},
		}
		visitors[0].name, visitors[6].name, visitors[7].name = "anonymous", "disabled", "signed out"

		for _, route := range routes(t) {
			for _, v := range visitors {
				what := v.name + " " + route.Method + " " + route.Path
				path := strings.NewReplacer(":secret", strings.Repeat("a", 52), ":number", fmt.Sprint(theirs.Number), ":id", public, ":name", "salaries.txt").Replace(route.Path)
				never := strings.NewReplacer(":secret", strings.Repeat("a", 52), ":number", "424242", ":id", string(store.NewID()), ":name", "salaries.txt").Replace(route.Path)
				ofOne := strings.Contains(route.Path, ":number") || strings.Contains(route.Path, ":id")
				if route.Path == "/sign-out" || strings.Contains(route.Path, "/kb") {
					continue // the one would end the matrix, and TestP8 has it; the others have one of their own, TestB4
				}
				before := len(r.messages(theirs.ID))
				ask := func(path string) answer {
					switch {
					case route.Method == "GET":
						return v.get(path)
					case route.Method == "HEAD":
						return v.head(path)
					case strings.HasPrefix(route.Path, "/tickets"):
						return v.send(path, map[string]string{"subject": what, "text": what})
					}
					return v.post(path)
				}
				a := ask(path)
				reads := route.Method == "GET" || route.Method == "HEAD"
				open := strings.HasPrefix(route.Path, "/sign-in") || route.Path == "/forgot" || strings.HasPrefix(route.Path, "/password") || strings.HasPrefix(route.Path, "/register") || strings.HasPrefix(route.Path, "/view") || route.Path == "/language"
				leadsOn := route.Path == "/consent" || route.Path == "/account/first-password" // where nothing is asked for
				switch {
				case strings.HasPrefix(route.Path, "/stop/"), strings.HasPrefix(route.Path, "/linked/"), strings.HasPrefix(route.Path, desk.BrandPath): // links that nobody was given
					v.want(what, a, http.StatusNotFound)
				case strings.Contains(route.Path, "/passkey") && !strings.HasSuffix(route.Path, "/remove") && (open || v.in): // there are none without an address; TestP9_Passkeys has one
					v.want(what, a, http.StatusNotFound)
				case route.Path == "/sign-in/code" && a.status == http.StatusSeeOther: // who did not ask for one
				case open && strings.Contains(route.Path, ":secret"):
					v.want(what, a, http.StatusGone)
				case open && reads:
					v.want(what, a, http.StatusOK)
				case open:
					v.want(what, a, http.StatusUnprocessableEntity)
				case !v.in:
					v.want(what, a, http.StatusSeeOther)
					if !strings.HasPrefix(a.location, "/sign-in") {
						t.Errorf("%s leads to %s", what, a.location)
					}
				case ofOne && !v.sees:
					v.want(what, a, http.StatusNotFound)
					b := ask(never)
					if a.header.Get("Set-Cookie")+b.header.Get("Set-Cookie") != "" { // a session is renewed now and then, whatever is asked
						a, b = ask(path), ask(never)
					}
					if a.body != b.body || a.status != b.status || shape(a.header) != shape(b.header) {
						t.Errorf("%s differs from a ticket that never was:\n%v\n%v", what, a, b)
					}
				case v.in && strings.Contains(route.Path, "/messages/"): // what was written in the portal has no original; TestP13 has one that has
					v.want(what, a, http.StatusNotFound)
				case v.in && route.Path == "/account/stay":
					v.want(what, a, http.StatusNoContent)
				case v.in && leadsOn && reads:
					v.want(what, a, http.StatusSeeOther)
				case v.in && (route.Path == "/account/password" || route.Path == "/tickets/:number/rating"): // nothing was filled in
					v.want(what, a, http.StatusUnprocessableEntity)
				case reads && route.Path != "/":
					v.want(what, a, http.StatusOK)
				default:
					v.want(what, a, http.StatusSeeOther)
				}
				if !v.sees && (strings.Contains(a.body, "canary") || strings.Contains(a.body, "Payroll")) || strings.Contains(a.body, "canary-note") || strings.Contains(a.body, "canary-internal") {
					t.Errorf("%s shows what is not for %s", what, v.name)
				}
				if after := len(r.messages(theirs.ID)); !v.sees && after != before {
					t.Errorf("%s wrote into the ticket", what)
				}
			}
		}
		for _, v := range visitors {
			if v.in {
				v.want(v.name+" HEAD of an internal file", v.head("/files/"+internal+"/canary-internal.txt"), http.StatusNotFound)
				v.want(v.name+" internal file", v.get("/files/"+internal+"/canary-internal.txt"), http.StatusNotFound)
			}
		}
	})
}

// TestT4_HEADIsGETWithoutABody: a HEAD is answered wherever a GET is, by the same header, and changes nothing.
func TestT4_HEADIsGETWithoutABody(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.", r.file("a.txt", "text/plain", "a file", false))
	in, anonymous := r.signIn(ann), &browser{r: r}
	path := strings.NewReplacer(":number", fmt.Sprint(mine.Number), ":id", string(r.messages(mine.ID)[0].Attachments[0].ID), ":name", "a.txt", ":secret", r.link(ann, desk.LinkSignIn, time.Hour))
	heads := map[string]bool{}
	for _, route := range routes(t) {
		heads[route.Path] = heads[route.Path] || route.Method == "HEAD"
	}
	pages := []string{"/nope", "/files/x/y"}
	for _, route := range routes(t) {
		if route.Method == "GET" {
			pages = append(pages, path.Replace(route.Path))
			if !heads[route.Path] {
				t.Errorf("HEAD %s has no route", route.Path)
			}
		}
	}
	for _, page := range pages {
		for _, v := range []*browser{in, anonymous} {
			head, get := v.head(page), v.get(page)
			for _, a := range []answer{head, get} {
				a.header.Del("Set-Cookie") // the first request in a minute notes the time
			}
			if get.status == http.StatusSeeOther {
				get.header.Del("Content-Length") // of a short text that nobody reads
			}
			if head.status != get.status || head.body != "" || shape(head.header) != shape(get.header) {
				t.Errorf("HEAD %s gives %d %s %q,\nGET gives %d %s", page, head.status, shape(head.header), head.body, get.status, shape(get.header))
			}
		}
	}
	// What waits for the next page is not for a program that only looks.
	in.send(ticketPath(mine.Number), map[string]string{"text": "more"})
	in.want("HEAD after sending", in.head(ticketPath(mine.Number)), http.StatusOK)
	if a := in.get(ticketPath(mine.Number)); !strings.Contains(a.body, "We got it.") {
		t.Error("HEAD took the notice away")
	}
}

// shape is what an answer's header tells.
func shape(h http.Header) string {
	h = h.Clone()
	h.Del("Date")
	b, _ := json.Marshal(h)
	return string(b)
}

func (v *browser) want(what string, a answer, status int) {
	v.r.t.Helper()
	if a.status != status {
		v.r.t.Errorf("%s gives %d, want %d: %s", what, a.status, status, textOf(a.body))
	}
}

var tags = regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>`)

// textOf is a page without its tags, for messages.
func textOf(body string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(body, " ")), " ")
}

// TestP10_HeadersAreOnEveryAnswer looks at the headers of all routes, of errors too.
func TestP10_HeadersAreOnEveryAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.HTTPS = true })
	ann := r.contact("Ann", "ann@acme.example")
	r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	if c := in.cookie; c.Name != "__Host-postern" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("P8: the cookie is %+v", c)
	}
	foreign := in.request("POST", "/tickets/1/solved", urlencoded, nil)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	answers := map[string]answer{
		"cross-site": in.do(foreign), "unknown path": in.get("/nope"), "unknown ticket": in.get("/tickets/9"), "DELETE": in.do(in.request("DELETE", "/tickets/1", "", nil)),
		"asset that is not": in.get("/assets/nope.css"), "no multipart": in.post("/tickets/new"), "anonymous": (&browser{r: r}).get("/tickets/1"),
	}
	for _, route := range routes(t) {
		if route.Method == "GET" {
			path := strings.NewReplacer(":secret", "x", ":number", "1", ":id", "x", ":name", "x").Replace(route.Path)
			answers[path] = in.get(path)
			answers["HEAD "+path] = in.head(path)
		}
	}
	ok(t, r.db.Close())
	answers["error inside"] = in.get("/tickets/9")
	for what, a := range answers {
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s (%d): %s is %q, want %q", what, a.status, name, got, want)
			}
		}
		if csp := a.header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: the policy is %q", what, csp)
		}
		// The way back must not show it to the next person at this machine.
		if got := a.header.Get("Cache-Control"); got != "private, no-store" && what != "asset that is not" {
			t.Errorf("%s (%d): Cache-Control is %q", what, a.status, got)
		}
	}
	if a := answers["error inside"]; a.status != http.StatusServiceUnavailable {
		t.Errorf("the database away gives %d", a.status)
	}
}

// TestP9_OtherSitesCannotPost sends what another site's page would have a browser send.
func TestP9_OtherSitesCannotPost(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	for _, route := range routes(t) {
		if route.Method != "POST" || strings.HasPrefix(route.Path, "/stop/") { // whoever has that link may press it; TestO7 has it
			continue
		}
		path := strings.NewReplacer(":secret", r.link(ann, desk.LinkSignIn, time.Hour), ":number", fmt.Sprint(mine.Number)).Replace(route.Path)
		for name, set := range map[string]map[string]string{
			"cross-site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, "same-site": {"Sec-Fetch-Site": "same-site", "Origin": "https://other.desk.example"},
			"an old browser": {"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, "a sandboxed frame": {"Sec-Fetch-Site": "", "Origin": "null"},
		} {
			contentType, body := multipartBody(t, map[string]string{"text": "from elsewhere", "subject": "x", "email": "ann@acme.example"})
			req := in.request("POST", path, contentType, body)
			for k, v := range set {
				if req.Header.Set(k, v); v == "" {
					req.Header.Del(k)
				}
			}
			in.want(name+" "+path, in.do(req), http.StatusForbidden)
		}
	}
	if got := r.messages(mine.ID); len(got) != 1 || r.ticket(mine.ID).Status != desk.Open {
		t.Errorf("another site changed the ticket: %+v", got)
	}
	in.want("still signed in", in.get("/tickets"), http.StatusOK)
	for _, route := range routes(t) { // and a GET changes nothing, wherever it leads
		if route.Method == "POST" {
			in.get(strings.NewReplacer(":number", fmt.Sprint(mine.Number), ":secret", "x").Replace(route.Path))
		}
	}
	in.want("still signed in after GETs", in.get("/tickets"), http.StatusOK)
}

const goodPassword = "a horse and three staples"

// TestHostHeaderIsNotBelieved: no page and no redirect takes up the name that a request gives.
func TestHostHeaderIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	for _, path := range []string{"/", "/tickets", "/tickets/1", "/tickets/new", "/sign-in", "/forgot", "/nope"} {
		req := in.request("GET", path, "", nil)
		req.Host = "evil.example"
		req.Header.Set("X-Forwarded-Host", "evil.example")
		if a := in.do(req); strings.Contains(a.body+a.location, "evil.example") {
			t.Errorf("%s takes up the Host header: %s %s", path, a.location, a.body)
		}
	}
}

// TestF31_APanicIsAnErrorPage: one broken request is one 500, and the next one is served.
func TestF31_APanicIsAnErrorPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Blobs = brokenBlobs{o.Blobs} })
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.", r.file("a.txt", "text/plain", "x", false))
	in := r.signIn(ann)
	a := in.get(fileURL(r.messages(mine.ID)[0].Attachments[0]))
	if a.status != http.StatusInternalServerError || strings.Contains(a.body, "kaboom") || !strings.Contains(a.body, "UTC") {
		t.Errorf("a panic gives %d %s", a.status, textOf(a.body))
	}
	in.want("the next request", in.get("/tickets"), http.StatusOK)
}

type brokenBlobs struct{ blob.Store }

func (brokenBlobs) Open(context.Context, string) (io.ReadCloser, error) { panic("kaboom") }
