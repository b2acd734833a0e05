package portal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/accounts"
	"postern/blob"
	"postern/desk"
	"postern/i18n"
	"postern/internal/desktest"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

// TestT4_VisitorsAndRoutes asks every route as every kind of visitor: it answers who may, and for everybody else is the
// same as if the ticket had never been.
func TestT4_VisitorsAndRoutes(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
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
			*visitor
			in, sees bool
		}{
			{&visitor{r: r, name: "anonymous"}, false, false}, {r.signIn(ann), true, true}, {r.signIn(cora), true, true}, {r.signIn(bea), true, false},
			{r.signIn(eve), true, false}, {r.signIn(cary), true, false}, {disabled, false, false}, {out, false, false},
		}
		visitors[0].name, visitors[6].name, visitors[7].name = "anonymous", "disabled", "signed out"

		for _, route := range routes(t) {
			for _, v := range visitors {
				what := v.name + " " + route.Method + " " + route.Path
				path := strings.NewReplacer(":secret", strings.Repeat("a", 52), ":number", fmt.Sprint(theirs.Number), ":id", public, ":name", "salaries.txt").Replace(route.Path)
				never := strings.NewReplacer(":secret", strings.Repeat("a", 52), ":number", "424242", ":id", string(store.NewID()), ":name", "salaries.txt").Replace(route.Path)
				ofOne := strings.Contains(route.Path, ":number") || strings.Contains(route.Path, ":id")
				if route.Path == "/sign-out" {
					continue // it would end the matrix; TestP8 has it
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
				open := strings.HasPrefix(route.Path, "/sign-in") || route.Path == "/forgot" || strings.HasPrefix(route.Path, "/password")
				switch {
				case strings.HasPrefix(route.Path, "/stop/"), strings.HasPrefix(route.Path, "/linked/"): // links that nobody was mailed
					v.want(what, a, http.StatusNotFound)
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
	in, anonymous := r.signIn(ann), &visitor{r: r}
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
		for _, v := range []*visitor{in, anonymous} {
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

func (v *visitor) want(what string, a answer, status int) {
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
		"asset that is not": in.get("/assets/nope.css"), "no multipart": in.post("/tickets/new"), "anonymous": (&visitor{r: r}).get("/tickets/1"),
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

// TestP8_Sessions: a session's token changes when somebody signs in, ends on the server when they sign out, with a new
// password, when the contact is disabled, and when nothing happens for a while.
func TestP8_Sessions(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")

		// Fixation: the token somebody brings along, made up or from before, is not the one they get.
		v := &visitor{r: r, cookie: &http.Cookie{Name: "postern", Value: strings.Repeat("x", 43)}}
		v.post("/sign-in/link/" + r.link(ann, desk.LinkSignIn, time.Hour))
		first := v.cookie.Value
		if first == strings.Repeat("x", 43) || len(first) < 43 {
			t.Errorf("the token after signing in is %q", first)
		}
		v.post("/sign-in/link/" + r.link(ann, desk.LinkSignIn, time.Hour))
		if v.cookie.Value == first {
			t.Error("the token stays when somebody signs in again")
		}
		old := &visitor{r: r, cookie: &http.Cookie{Name: "postern", Value: first}}
		old.want("the token from before", old.get("/tickets"), http.StatusSeeOther)

		// A password by link ends all other sessions and links.
		other, link := r.signIn(ann), r.link(ann, desk.LinkSignIn, time.Hour)
		v = &visitor{r: r}
		v.want("set the password", v.post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword), http.StatusSeeOther)
		v.want("the one who set it", v.get("/tickets"), http.StatusOK)
		other.want("a session from before the password", other.get("/tickets"), http.StatusSeeOther)
		other.want("a link from before the password", other.post("/sign-in/link/"+link), http.StatusGone)

		// Signing out.
		kept := *v.cookie
		if a := v.post("/sign-out"); a.location != "/sign-in?why=out" {
			t.Errorf("signing out leads to %s", a.location)
		}
		v.cookie = &kept
		v.want("signed out with the cookie kept", v.get("/tickets"), http.StatusSeeOther)

		// Nothing happens for 31 minutes: the session is over, what is sent is not taken, and the way back is remembered.
		v = r.signIn(ann)
		r.age(v, 29)
		v.want("after 29 minutes", v.get("/tickets"), http.StatusOK)
		r.age(v, 31)
		back := "/sign-in?" + url.Values{"to": {ticketPath(mine.Number)}, "why": {"idle"}}.Encode()
		if a := v.send(ticketPath(mine.Number), map[string]string{"text": "too late"}); a.status != http.StatusSeeOther || a.location != back {
			t.Errorf("after 31 minutes a reply gives %d %s", a.status, a.location)
		}
		if got := r.messages(mine.ID); len(got) != 1 {
			t.Errorf("a reply after the time-out was taken: %+v", got)
		}
		v.want("and again", v.get("/tickets"), http.StatusSeeOther)

		// F37: disabled in an open session.
		v = r.signIn(ann)
		off := true
		_, err := r.desk.ChangeContact(t.Context(), ann.ID, tickets.ContactChange{Disabled: &off})
		ok(t, err)
		v.want("disabled", v.get("/tickets"), http.StatusSeeOther)
	})
}

// age makes a visitor's session look as if nothing happened for some minutes.
func (r *rig) age(v *visitor, minutes int64) {
	r.t.Helper()
	sum := sha256.Sum256([]byte(v.cookie.Value))
	key := base64.RawURLEncoding.EncodeToString(sum[:])
	b, found, err := r.db.Session(r.t.Context(), key)
	ok(r.t, err)
	if !found {
		r.t.Fatal("the session is not stored under the hash of its token")
	}
	var d map[string]any
	ok(r.t, json.Unmarshal(b, &d))
	d["values"].(map[string]any)["seen"] = time.Now().Unix()/60 - minutes
	b, err = json.Marshal(d)
	ok(r.t, err)
	ok(r.t, r.db.PutSession(r.t.Context(), key, desk.ID(d["values"].(map[string]any)["contact"].(string)), b, time.Now().Add(time.Hour)))
}

// TestP11_TheWayBackIsOurs: after signing in people get to the page they asked for, and nowhere else.
func TestP11_TheWayBackIsOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	(&visitor{r: r}).post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword)
	if a := (&visitor{r: r}).get("/tickets/7"); a.location != "/sign-in?to=%2Ftickets%2F7" {
		t.Fatalf("a ticket leads to %s", a.location)
	} else if a = (&visitor{r: r}).get(a.location); !strings.Contains(a.body, `name="to" value="/tickets/7"`) {
		t.Errorf("the sign-in page forgets where to go: %s", a.body)
	}
	for to, want := range map[string]string{
		"/tickets/7": "/tickets/7", "/tickets/new": "/tickets/new", "": "/tickets", "//evil.example": "/tickets", "/\\evil.example": "/tickets", "https://evil.example": "/tickets",
		"javascript:alert(1)": "/tickets", "/tickets/7\r\nSet-Cookie: a=b": "/tickets", "/tickets/../..//evil.example": "/tickets", "/sign-out": "/tickets", "/tickets/7\n": "/tickets",
	} {
		if a := (&visitor{r: r}).post("/sign-in", "email", "ann@acme.example", "password", goodPassword, "to", to); a.location != want {
			t.Errorf("%q leads to %q, want %q", to, a.location, want)
		}
		if a := (&visitor{r: r}).get("/sign-in?to=" + url.QueryEscape(to)); !strings.Contains(a.body, `name="to" value="`+want+`"`) {
			t.Errorf("the page for %q goes elsewhere", to)
		}
	}
}

// TestP7_Limits: after five wrong tries from one place the sixth has to wait, the right password too; and nobody escapes by
// claiming to come from elsewhere.
func TestP7_Limits(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		(&visitor{r: r}).post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword)
		try := func(email, password, from string) answer {
			v := &visitor{r: r}
			req := v.request("POST", "/sign-in", urlencoded, []byte(url.Values{"email": {email}, "password": {password}}.Encode()))
			for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Cf-Connecting-Ip", "Forwarded"} {
				req.Header.Set(name, from)
			}
			return v.do(req)
		}
		var known, unknown answer
		for i := range 5 {
			known, unknown = try("ann@acme.example", "wrong", fmt.Sprintf("192.0.2.%d", i)), try("nobody@acme.example", "wrong", fmt.Sprintf("192.0.2.%d", i))
			if known.status != http.StatusUnprocessableEntity || known.status != unknown.status || strings.ReplaceAll(unknown.body, "nobody@", "ann@") != known.body {
				t.Fatalf("P2: a known and an unknown address differ: %d %s\n%d %s", known.status, known.body, unknown.status, unknown.body)
			}
		}
		for _, email := range []string{"ann@acme.example", "nobody@acme.example"} {
			if a := try(email, goodPassword, "192.0.2.99"); a.status != http.StatusTooManyRequests || !strings.Contains(a.body, "Too many wrong tries") || a.header.Get("Retry-After") == "" {
				t.Errorf("%s: the sixth try gives %d, Retry-After %q: %s", email, a.status, a.header.Get("Retry-After"), textOf(a.body))
			}
		}
		// P2, P7: links. The answer is the same for everybody, until one place asks for very many.
		same := ""
		for i := range 21 {
			email := []string{"ann@acme.example", "nobody@acme.example"}[i%2]
			a := (&visitor{r: r}).post("/forgot", "email", email)
			if i == 20 {
				if a.status != http.StatusTooManyRequests {
					t.Errorf("the 21st link gives %d", a.status)
				}
				break
			}
			if same == "" {
				same = a.body
			}
			if a.status != http.StatusOK || a.body != same {
				t.Errorf("asking for a link for %s gives %d %s", email, a.status, textOf(a.body))
			}
		}
	})
}

// TestP7_ALinkLeadsInMeanwhile: who has to wait after wrong passwords is told so, and gets in by a mailed link at once, by
// the button on that very page.
func TestP7_ALinkLeadsInMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	v := &visitor{r: r}
	v.post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword)
	v.post("/sign-out")
	var a answer
	for range 6 {
		a = v.post("/sign-in", "email", "ann@acme.example", "password", "wrong")
	}
	v.want("the sixth try", a, http.StatusTooManyRequests)
	for _, has := range []string{"have a link mailed to you", `formaction="/sign-in/link"`, `value="ann@acme.example"`} {
		if !strings.Contains(a.body, has) {
			t.Errorf("the page lacks %s: %s", has, textOf(a.body))
		}
	}
	mailed := func(kind desk.EffectKind) string {
		t.Helper()
		rows, err := r.db.Effects(t.Context(), "", store.Page{})
		ok(t, err)
		for _, e := range rows {
			if e.Kind == kind && e.Recipient == "ann@acme.example" {
				return mailmsg.OneTimeSecret(r.keys, e.ID)
			}
		}
		t.Fatalf("no %s among %+v", kind, rows)
		return ""
	}
	v.want("ask for a link", v.post("/sign-in/link", "email", "ann@acme.example", "password", "wrong"), http.StatusOK)
	v.want("sign in by it", v.post("/sign-in/link/"+mailed(desk.SignInMail)), http.StatusSeeOther)
	v.want("inside", v.get("/tickets"), http.StatusOK)
	v.post("/sign-out")
	v.want("the password still has to wait", v.post("/sign-in", "email", "ann@acme.example", "password", goodPassword), http.StatusTooManyRequests)
	v.want("ask for a new password", v.post("/forgot", "email", "ann@acme.example"), http.StatusOK)
	v.want("choose it", v.post("/password/"+mailed(desk.PasswordMail), "password", goodPassword), http.StatusSeeOther)
	v.want("inside again", v.get("/tickets"), http.StatusOK)
}

// TestP7_ATrustedProxyIsBelieved: only what a configured proxy says about where people come from counts.
func TestP7_ATrustedProxyIsBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Web.TrustedProxies = []string{"127.0.0.1"} })
	try := func(from string) int {
		v := &visitor{r: r}
		req := v.request("POST", "/sign-in", urlencoded, []byte("email=ann%40acme.example&password=wrong"))
		req.Header.Set("X-Forwarded-For", from)
		return v.do(req).status
	}
	for i := range 6 {
		want := http.StatusUnprocessableEntity
		if i == 5 {
			want = http.StatusTooManyRequests
		}
		// What the client claims stands left of what the proxy saw.
		if got := try(fmt.Sprintf("203.0.113.%d, 192.0.2.1", i)); got != want {
			t.Errorf("try %d gives %d, want %d", i+1, got, want)
		}
	}
	if got := try("192.0.2.2"); got != http.StatusUnprocessableEntity {
		t.Errorf("somebody else's first try gives %d", got)
	}
}

// TestP16_FilesAreNeverRun: whatever somebody sends, the browser saves it, and its name puts nothing into the header.
func TestP16_FilesAreNeverRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Files", "Look.")
	in := r.signIn(ann)
	const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	files := []upload{
		{"page.html", "text/html", "<script>alert(1)</script>"}, {"pic.svg", "image/svg+xml; x", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`},
		{"script.js", "text/javascript", "alert(1)"}, {"fake.png", "image/png", "<html><script>alert(1)</script>"}, {"doc.pdf", "application/pdf", "%PDF-1.4"},
		{"real.png", "text/html", png}, {"a\"b;c\r\nSet-Cookie: x=y\r\n\r\n.txt", "text/plain", "x"}, {"\u202etxt.exe", "text/plain", "x"}, {"../../etc/passwd", "text/plain", "x"}, {"grüße 100%.txt", "text/plain", "x"},
	}
	in.want("upload", in.send(ticketPath(mine.Number), map[string]string{"text": "Files."}, files...), http.StatusSeeOther)
	said := r.messages(mine.ID)
	stored := said[len(said)-1].Attachments
	if len(stored) != len(files) {
		t.Fatalf("%d of %d files are stored", len(stored), len(files))
	}
	page := in.get(ticketPath(mine.Number)).body
	for i, a := range stored {
		path := fileURL(a)
		if !strings.Contains(page, `href="`+strings.ReplaceAll(path, "'", "&#39;")+`"`) {
			t.Errorf("the thread has no link %s", path)
		}
		got := in.get(path)
		in.want(a.Name, got, http.StatusOK)
		media, wantMedia := got.header.Get("Content-Type"), "application/octet-stream"
		if files[i].name == "real.png" {
			wantMedia = "image/png"
		}
		how, params, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
		if err != nil || how != "attachment" || params["filename"] != a.Name || media != wantMedia || got.body != files[i].content {
			t.Errorf("%q comes as %s, %q: %v", a.Name, media, got.header.Get("Content-Disposition"), err)
		}
		if got.header.Get("Content-Security-Policy") != "sandbox; default-src 'none'; frame-ancestors 'none'" || got.header.Get("Set-Cookie") != "" || got.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%q has the header %v", a.Name, got.header)
		}
		if strings.ContainsAny(a.Name, "\r\n\"/\u202e") {
			t.Errorf("the name is %q", a.Name)
		}
	}
}

// TestP14_TheTitleIsText: whatever the settings hold, from before it was checked, is text on a page and nothing in a header.
func TestP14_TheTitleIsText(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	settings := desk.DefaultSettings()
	settings.PortalTitle = "Acme\r\nSet-Cookie: canary=1\r\n\r\n</title><script>canary()</script>\" onload=canary()"
	ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutSettings(t.Context(), settings) }))
	ann := r.contact("Ann", "ann@acme.example")
	r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	for _, path := range []string{"/tickets", "/tickets/1", "/sign-in", "/nope"} {
		a := in.get(path)
		if !strings.Contains(a.body, "canary()") || strings.Contains(a.body, "<script>canary") || strings.Contains(a.body, `" onload`) || strings.Contains(shape(a.header), "canary") {
			t.Errorf("%s: %v %s", path, a.header, a.body)
		}
	}
}

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

// TestP4_ProgramsThatOpenLinksDoNotSpendThem: HEAD and GET as often as anybody likes, then the person's POST works, once.
func TestP4_ProgramsThatOpenLinksDoNotSpendThem(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		for purpose, path := range map[string]string{desk.LinkSignIn: "/sign-in/link/", desk.LinkSetPassword: "/password/"} {
			path += r.link(ann, purpose, time.Hour)
			scanner := &visitor{r: r}
			for range 5 {
				scanner.want("GET", scanner.get(path), http.StatusOK)
				scanner.want("HEAD", scanner.head(path), http.StatusOK)
			}
			v := &visitor{r: r}
			v.want("POST "+purpose, v.post(path, "password", goodPassword), http.StatusSeeOther)
			again := &visitor{r: r}
			again.want("POST again "+purpose, again.post(path, "password", goodPassword), http.StatusGone)
			again.want("GET again "+purpose, again.get(path), http.StatusGone)
		}
		expired, wrong := r.link(ann, desk.LinkSignIn, -time.Second), r.link(ann, desk.LinkSetPassword, time.Hour)
		v := &visitor{r: r}
		v.want("P3: expired", v.post("/sign-in/link/"+expired), http.StatusGone)
		v.want("P3: for another purpose", v.post("/sign-in/link/"+wrong), http.StatusGone)
		v.want("P3: empty", v.post("/sign-in/link/%20"), http.StatusGone)
	})
}

// TestEveryPageInEveryLanguage renders each page with everything on it: no text is missing, and no template names a field
// that is not there.
func TestEveryPageInEveryLanguage(t *testing.T) {
	t.Parallel()
	texts, err := i18n.Load()
	ok(t, err)
	assets, err := web.LoadAssets()
	ok(t, err)
	p, err := parsePages(texts, assets)
	ok(t, err)
	h := head{Title: "T", Portal: "P", Help: "a@b.example", User: &user{"N", "N", "m"}, Notice: "n", Kept: "k", Problems: []problem{{"email", "e"}, {"password", "p"}, {"text", "t"}, {"subject", "s"}, {"files", "f"}}}
	tag := statusTag{"open", "Open"}
	views := map[string]any{
		"sign-in": accessView{head: h}, "forgot": accessView{head: h}, "check-mail": accessView{head: h}, "link": accessView{head: h}, "link-expired": accessView{head: h}, "set-password": accessView{head: h},
		"oops": oopsView{head: h, Again: &againView{Action: "/tickets/new", Files: "a.txt", Solved: true}}, "new": newView{head: h, limits: theLimits},
		"list": listView{head: h, Waiting: 2, Pills: []pill{{"/", "All", true}}, Rows: []row{{Number: 1, Subject: "<s>", Files: true, By: "b", Snippet: "s", Status: tag}}, NewerURL: "/n", OlderURL: "/o"},
		"thread": threadView{head: h, Status: tag, Closed: true, Waiting: true, EarlierURL: "/e", LatestURL: "/l", People: []person{{"N", "N", "R"}}, limits: theLimits,
			Messages: []message{{Team: true, Author: "A", Via: "v", Unverified: true, Body: "b", Quoted: "q", Files: []file{{Name: "f", Size: 1}}, Delivery: "d"}}},
	}
	for _, lang := range texts.Languages() {
		for name, view := range views {
			w := httptest.NewRecorder()
			if err := p.write(w, http.StatusOK, lang, name, view); err != nil {
				t.Errorf("%s in %s: %v", name, lang, err)
			}
			if body := w.Body.String(); strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "onclick") || strings.Contains(body, "&lt;no value") {
				t.Errorf("%s in %s has inline style or script, or lacks a value", name, lang)
			}
		}
	}
	for _, key := range []string{"not_found", "too_large", "too_many", "unavailable", "forbidden", "refused", "internal", "broken", "form_too_large", "text_too_long"} {
		for _, lang := range texts.Languages() {
			if _, err := texts.For(lang).T("oops."+key+"_title", "Ref", "r"); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestCustomersReadTheCatalogue: what an operator or a program is told of an error is not for customers: they read the text of
// its key, in their language, or what the page says to everybody.
func TestCustomersReadTheCatalogue(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	texts, err := i18n.Load()
	ok(t, err)
	has := func(what string, a answer, status int, key string, pairs ...any) {
		t.Helper()
		want, err := texts.For("en").T(key, pairs...)
		ok(t, err)
		in.want(what, a, status)
		if !strings.Contains(a.body, html.EscapeString(want)) {
			t.Errorf("%s: the page lacks %q: %s", what, want, textOf(a.body))
		}
	}
	has("a wrong password", (&visitor{r: r}).post("/sign-in", "email", "ann", "password", "wrong"), 422, "wrong_pair")
	link := "/password/" + r.link(ann, desk.LinkSetPassword, time.Hour)
	has("a short password", in.post(link, "password", "short"), 422, "password_short", "Limit", accounts.MinPassword)
	has("a long password", in.post(link, "password", strings.Repeat("x", 300)), 422, "password_long", "Limit", accounts.MaxPassword)
	has("a known password", in.post(link, "password", "password1"), 422, "password_common")
	for range 20 {
		in.post("/forgot", "email", "ann")
	}
	has("many links", in.post("/forgot", "email", "ann"), 429, "too_many_links")

	settings := desk.DefaultSettings()
	settings.Pipelines[0].Statuses = settings.Pipelines[0].Statuses[:1] // as nobody can set it
	ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutSettings(t.Context(), settings) }))
	a := in.post(ticketPath(mine.Number) + "/solved")
	has("no closed status", a, 422, "oops.refused")
	if strings.Contains(a.body, "pipeline") {
		t.Errorf("a customer is told %s", textOf(a.body))
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

// TestEveryFileOfAMailIsThere: a picture that the history or its missing id keeps out of the text is listed as a file.
func TestEveryFileOfAMailIsThere(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		ticket := r.open(ann, "Pictures", "see below")
		files := func() []desk.Attachment {
			seen, nowhere, like := r.file("seen.png", "image/png", "1", true), r.file("nowhere.png", "image/png", "2", true), r.file("like.png", "image/png", "3", true)
			seen.ContentID, nowhere.ContentID, like.ContentID = "img10@x", "", "img1"
			return []desk.Attachment{seen, nowhere, like}
		}
		said := r.messages(ticket.ID)[0]
		add := func(text, reply string) {
			m := said
			m.ID, m.Source, m.Text, m.Reply, m.MessageID, m.Attachments = store.NewID(), desk.FromMail, text, reply, "", files()
			m.HTML = `<p>` + text + `</p><img src="cid:img10@x">`
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.AddMessage(t.Context(), m); return err }))
		}
		listed := func() map[string]int {
			page := r.signIn(ann).get(fmt.Sprintf("/tickets/%d", ticket.Number)).body
			n := map[string]int{}
			for _, name := range []string{"seen.png", "nowhere.png", "like.png"} {
				n[name] = strings.Count(page, "/"+name+`"`)
			}
			return n
		}
		add("all of it", "all of it")
		if got := listed(); got["seen.png"] != 1 || got["nowhere.png"] != 1 || got["like.png"] != 1 {
			t.Errorf("without history: %v", got)
		}
		add("new words\n> old words", "new words")
		if got := listed(); got["seen.png"] != 2 || got["nowhere.png"] != 2 || got["like.png"] != 2 {
			t.Errorf("with history: %v", got)
		}
	})
}
