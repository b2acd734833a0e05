package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// TestP8_Sessions: a session's token changes when somebody signs in, ends on the server when they sign out, with a new
// password, when the contact is disabled, and when nothing happens for a while.
func TestP8_Sessions(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")

		// Fixation: the token somebody brings along, made up or from before, is not the one they get.
		v := &browser{r: r, cookie: &http.Cookie{Name: "postern", Value: strings.Repeat("x", 43)}}
		v.post("/sign-in/link/" + r.link(ann, desk.LinkSignIn, time.Hour))
		first := v.cookie.Value
		if first == strings.Repeat("x", 43) || len(first) < 43 {
			t.Errorf("the token after signing in is %q", first)
		}
		v.post("/sign-in/link/" + r.link(ann, desk.LinkSignIn, time.Hour))
		if v.cookie.Value == first {
			t.Error("the token stays when somebody signs in again")
		}
		old := &browser{r: r, cookie: &http.Cookie{Name: "postern", Value: first}}
		old.want("the token from before", old.get("/tickets"), http.StatusSeeOther)

		// A password by link ends all other sessions and links.
		other, link := r.signIn(ann), r.link(ann, desk.LinkSignIn, time.Hour)
		v = &browser{r: r}
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

// age makes a browser's session look as if nothing happened for some minutes.
func (r *rig) age(v *browser, minutes int64) {
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
	(&browser{r: r}).post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword)
	if a := (&browser{r: r}).get("/tickets/7"); a.location != "/sign-in?to=%2Ftickets%2F7" {
		t.Fatalf("a ticket leads to %s", a.location)
	} else if a = (&browser{r: r}).get(a.location); !strings.Contains(a.body, `name="to" value="/tickets/7"`) {
		t.Errorf("the sign-in page forgets where to go: %s", a.body)
	}
	for to, want := range map[string]string{
		"/tickets/7": "/tickets/7", "/tickets/new": "/tickets/new", "": "/tickets", "//evil.example": "/tickets", "/\\evil.example": "/tickets", "https://evil.example": "/tickets",
		"javascript:alert(1)": "/tickets", "/tickets/7\r\nSet-Cookie: a=b": "/tickets", "/tickets/../..//evil.example": "/tickets", "/sign-out": "/tickets", "/tickets/7\n": "/tickets",
	} {
		if a := (&browser{r: r}).post("/sign-in", "email", "ann@acme.example", "password", goodPassword, "to", to); a.location != want {
			t.Errorf("%q leads to %q, want %q", to, a.location, want)
		}
		if a := (&browser{r: r}).get("/sign-in?to=" + url.QueryEscape(to)); !strings.Contains(a.body, `name="to" value="`+want+`"`) {
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
		(&browser{r: r}).post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword)
		try := func(email, password, from string) answer {
			v := &browser{r: r}
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
			a := (&browser{r: r}).post("/forgot", "email", email)
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
	v := &browser{r: r}
	v.post("/password/"+r.link(ann, desk.LinkSetPassword, time.Hour), "password", goodPassword)
	v.post("/sign-out")
	var a answer
	for range 6 {
		a = v.post("/sign-in", "email", "ann@acme.example", "password", "wrong")
	}
	v.want("the sixth try", a, http.StatusTooManyRequests)
	for _, has := range []string{"Try again in 15 minutes", `formaction="/sign-in/link"`, `value="ann@acme.example"`} {
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
		v := &browser{r: r}
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

// TestP4_ProgramsThatOpenLinksDoNotSpendThem: HEAD and GET as often as anybody likes, then the person's POST works, once.
func TestP4_ProgramsThatOpenLinksDoNotSpendThem(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		for purpose, path := range map[string]string{desk.LinkSignIn: "/sign-in/link/", desk.LinkSetPassword: "/password/"} {
			path += r.link(ann, purpose, time.Hour)
			scanner := &browser{r: r}
			for range 5 {
				scanner.want("GET", scanner.get(path), http.StatusOK)
				scanner.want("HEAD", scanner.head(path), http.StatusOK)
			}
			v := &browser{r: r}
			v.want("POST "+purpose, v.post(path, "password", goodPassword), http.StatusSeeOther)
			again := &browser{r: r}
			again.want("POST again "+purpose, again.post(path, "password", goodPassword), http.StatusGone)
			again.want("GET again "+purpose, again.get(path), http.StatusGone)
		}
		expired, wrong := r.link(ann, desk.LinkSignIn, -time.Second), r.link(ann, desk.LinkSetPassword, time.Hour)
		v := &browser{r: r}
		v.want("P3: expired", v.post("/sign-in/link/"+expired), http.StatusGone)
		v.want("P3: for another purpose", v.post("/sign-in/link/"+wrong), http.StatusGone)
		v.want("P3: empty", v.post("/sign-in/link/%20"), http.StatusGone)
	})
}
