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
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// set changes the organisation's settings.
func (r *rig) set(change func(*desk.Settings)) {
	r.t.Helper()
	s, err := r.db.Settings(r.t.Context())
	ok(r.t, err)
	change(&s)
	ok(r.t, desk.CheckSettings(s))
	ok(r.t, r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.PutSettings(r.t.Context(), s) }))
}

// mailed lists the mails of a kind to somebody that are to go out, the oldest first.
func (r *rig) mailed(kind desk.EffectKind, to string) []desk.Effect {
	r.t.Helper()
	all, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
	ok(r.t, err)
	var out []desk.Effect
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Kind == kind && all[i].Recipient == to {
			out = append(out, all[i])
		}
	}
	return out
}

var versionField = regexp.MustCompile(`name="version" value="([0-9a-f]+)"`)

const consentEN = "We keep what you write to help you."

func askConsent(s *desk.Settings) {
	s.Access.Consent.Enabled = true
	s.Access.Consent.Texts = map[string]desk.ConsentText{"en": {Text: consentEN, Label: "I agree"}}
}

// TestP4_RegisterWithConsent: from the form to the tickets. Nothing is made before the address is proved, consent is on record with its words, and
// who is known already gets another mail and the same page.
func TestP4_RegisterWithConsent(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		ann := r.contact("Ann", "ann@acme.example")
		v := &browser{r: r}
		v.want("closed", v.get("/register"), http.StatusNotFound)
		v.want("closed to posts", v.post("/register", "email", "noa@new.example", "name", "Noa"), http.StatusNotFound)
		r.set(func(s *desk.Settings) { s.Access.Registration = desk.RegistrationOpen; askConsent(s) })
		page := v.get("/register")
		v.want("open", page, http.StatusOK)
		if !strings.Contains(page.body, consentEN) || strings.Contains(page.body, "checked") {
			t.Errorf("the form: %s", textOf(page.body))
		}
		version := versionField.FindStringSubmatch(page.body)[1]
		form := func(pairs ...string) answer { return v.post("/register", append(pairs, "version", version)...) }
		v.want("without consent", form("email", "noa@new.example", "name", "Noa"), 422)
		v.want("a weak password", form("email", "noa@new.example", "name", "Noa", "consent", "1", "password", "password"), 422)
		v.want("no address", form("email", "noa", "name", "Noa", "consent", "1"), 422)
		done := form("email", "Noa@new.example", "name", "Noa <b>", "consent", "1", "password", goodPassword, "company", "New Ltd")
		v.want("registered", done, http.StatusOK)
		known := form("email", "ann@acme.example", "name", "Somebody", "consent", "1", "password", goodPassword)
		if known.body != done.body || known.status != done.status {
			t.Error("P2: a known address gets another page")
		}
		if n := len(r.mailed(desk.KnownMail, "ann@acme.example")); n != 1 || len(r.mailed(desk.RegisterMail, "ann@acme.example")) != 0 {
			t.Errorf("a known address gets %d notices", n)
		}
		if _, err := r.db.ContactByEmail(ctx, "noa@new.example"); desk.KindOf(err) != desk.NotFound {
			t.Errorf("somebody is a contact before the address is proved: %v", err)
		}
		mails := r.mailed(desk.RegisterMail, "noa@new.example")
		if len(mails) != 1 {
			t.Fatalf("%d mails", len(mails))
		}
		link := "/register/" + mailmsg.OneTimeSecret(r.keys, mails[0].ID)
		for range 3 {
			v.want("P4: a program opens the link", v.get(link), http.StatusOK)
			v.head(link)
		}
		if a := v.post(link); a.status != http.StatusSeeOther || a.location != "/tickets" {
			t.Fatalf("confirmed: %d %s", a.status, a.location)
		}
		v.want("inside", v.get("/tickets"), http.StatusOK)
		(&browser{r: r}).want("twice", (&browser{r: r}).post(link), http.StatusGone)
		noa, err := r.db.ContactByEmail(ctx, "noa@new.example")
		ok(t, err)
		records, err := r.db.Consents(ctx, noa.ID, desk.PortalPurpose, 10)
		ok(t, err)
		if len(records) != 1 || !records[0].Given || records[0].Version != version || records[0].Channel != "registration" || records[0].Language != "en" || records[0].IP != "127.0.0.0/24" {
			t.Errorf("G1: on record is %+v", records)
		}
		if words, err := r.db.ConsentText(ctx, version); err != nil || words.Text != consentEN {
			t.Errorf("G1: the words kept: %+v, %v", words, err)
		}
		again := &browser{r: r}
		if a := again.post("/sign-in", "email", "noa@new.example", "password", goodPassword); a.location != "/tickets" {
			t.Errorf("by password: %d %s", a.status, a.location)
		}

		// Who was there before is asked once; a changed text is asked for once more, a new translation is not.
		in := r.signIn(ann)
		asks := func(what string, b *browser, want bool) {
			t.Helper()
			a := b.get("/tickets/new")
			if got := a.location == "/consent?to=%2Ftickets%2Fnew"; got != want {
				t.Errorf("%s: asked %t (%d %s)", what, got, a.status, a.location)
			}
		}
		asks("Ann never agreed", in, true)
		asks("Noa did", again, false)
		in.want("no answers meanwhile", in.post("/tickets/new", "subject", "x", "text", "y"), http.StatusSeeOther)
		ask := in.get("/consent?to=%2Ftickets%2Fnew")
		version = versionField.FindStringSubmatch(ask.body)[1]
		in.want("not ticked", in.post("/consent", "version", version, "lang", "en"), 422)
		if a := in.post("/consent", "consent", "1", "version", version, "lang", "en", "to", "/tickets/new"); a.location != "/tickets/new" {
			t.Errorf("agreed: %d %s", a.status, a.location)
		}
		asks("Ann agreed", in, false)
		r.set(func(s *desk.Settings) {
			s.Access.Consent.Texts["de"] = desk.ConsentText{Text: "Wir bewahren auf, was Sie schreiben.", Label: "Einverstanden"}
		})
		asks("a translation was added", in, false)
		r.set(func(s *desk.Settings) {
			s.Access.Consent.Texts["en"] = desk.ConsentText{Text: consentEN + " For a year.", Label: "I agree"}
		})
		asks("the text was changed", in, true)
		if a := in.post("/consent", "consent", "1", "version", version, "lang", "en"); a.location != "/consent" {
			t.Errorf("an old text was agreed to: %d %s", a.status, a.location)
		}
		asks("the old text does not do", in, true)
		version = versionField.FindStringSubmatch(in.get("/consent").body)[1]
		if a := in.post("/consent", "decline", "1", "version", version, "lang", "en"); a.location != "/sign-in?why=out" {
			t.Errorf("declining leads to %d %s", a.status, a.location)
		}
		in.want("declined is signed out", in.get("/tickets"), http.StatusSeeOther)
		asks("declined is asked again", r.signIn(ann), true)
	})
}

// TestP2_WhatSomebodyElseTypedDoesNotCount: whoever registers another's address gives them no password and no consent, as the link proves only who reads
// the mail. In the browser in which it was typed, both count.
func TestP2_WhatSomebodyElseTypedDoesNotCount(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.set(func(s *desk.Settings) { s.Access.Registration = desk.RegistrationOpen; askConsent(s) })
		register := func(b *browser, email string) string {
			t.Helper()
			version := versionField.FindStringSubmatch(b.get("/register").body)[1]
			b.want("registered", b.post("/register", "email", email, "name", "X", "password", goodPassword, "consent", "1", "version", version), 200)
			mails := r.mailed(desk.RegisterMail, email)
			return "/register/" + mailmsg.OneTimeSecret(r.keys, mails[len(mails)-1].ID)
		}
		stranger, victim := &browser{r: r}, &browser{r: r}
		register(victim, "victim@new.example")
		link := register(stranger, "victim@new.example")
		if a := victim.post(link); a.status != http.StatusSeeOther || a.location != "/account?why=password#pw-h" {
			t.Fatalf("confirmed in another browser: %d %s", a.status, a.location)
		}
		if a := victim.get("/account?why=password"); a.location != "/consent?to=%2Faccount%3Fwhy%3Dpassword" {
			t.Errorf("consent is not asked for: %d %s", a.status, a.location)
		}
		c, err := r.db.ContactByEmail(ctx, "victim@new.example")
		ok(t, err)
		if _, err := r.db.Password(ctx, c.ID); desk.KindOf(err) != desk.NotFound {
			t.Errorf("the stranger's password is set: %v", err)
		}
		if records, err := r.db.Consents(ctx, c.ID, desk.PortalPurpose, 10); err != nil || len(records) != 0 {
			t.Errorf("the stranger's consent is on record: %+v, %v", records, err)
		}
		version := versionField.FindStringSubmatch(victim.get("/consent").body)[1]
		if a := victim.post("/consent", "consent", "1", "version", version, "lang", "en", "to", "/account?why=password"); a.location != "/account?why=password" {
			t.Errorf("agreed: %d %s", a.status, a.location)
		}
		if page := victim.get("/account?why=password"); !strings.Contains(textOf(page.body), "Choose your password once more") {
			t.Errorf("the account says %s", textOf(page.body))
		}
		(&browser{r: r}).want("by the stranger's password", (&browser{r: r}).post("/sign-in", "email", "victim@new.example", "password", goodPassword), 422)

		own := &browser{r: r}
		first, second := register(own, "own@new.example"), register(own, "own@new.example")
		if a := own.post(first); a.location != "/tickets" {
			t.Errorf("the first of two mails, in the same browser: %d %s", a.status, a.location)
		}
		own.want("the second", own.post(second), http.StatusGone)
		if a := (&browser{r: r}).post("/sign-in", "email", "own@new.example", "password", goodPassword); a.location != "/tickets" {
			t.Errorf("by the own password: %d %s", a.status, a.location)
		}
	})
}

// TestP3_AWayInThatIsSwitchedOffIsNotThere: neither its form nor its address.
func TestP3_AWayInThatIsSwitchedOffIsNotThere(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		secret := r.link(ann, desk.LinkSetPassword, time.Hour)
		(&browser{r: r}).want("a password", (&browser{r: r}).post("/password/"+secret, "password", goodPassword), http.StatusSeeOther)
		v, in := &browser{r: r}, r.signIn(ann)
		has := func(what string, a answer, marks map[string]bool) {
			t.Helper()
			for mark, want := range marks {
				if strings.Contains(a.body, mark) != want {
					t.Errorf("%s: %q is there: %v", what, mark, !want)
				}
			}
		}
		r.set(func(s *desk.Settings) { s.Access.Password, s.Access.Registration = false, desk.RegistrationOpen })
		has("sign-in", v.get("/sign-in"), map[string]bool{`name="password"`: false, "/forgot": false, "/sign-in/link": true})
		has("registration", v.get("/register"), map[string]bool{`name="password"`: false, `name="email"`: true})
		has("account", in.get("/account"), map[string]bool{`/account/password`: false})
		v.want("by password", v.post("/sign-in", "email", "ann@acme.example", "password", goodPassword), http.StatusNotFound)
		v.want("forgotten", v.get("/forgot"), http.StatusNotFound)
		v.want("forgotten, sent", v.post("/forgot", "email", "ann@acme.example"), http.StatusNotFound)
		in.want("another password", in.post("/account/password", "former", goodPassword, "password", goodPassword+"x"), http.StatusNotFound)
		has("a used link", v.get("/password/"+secret), map[string]bool{`href="/forgot"`: false, `href="/sign-in"`: true})
		r.set(func(s *desk.Settings) { s.Access.Password, s.Access.Link = true, false })
		has("sign-in", v.get("/sign-in"), map[string]bool{`name="password"`: true, "/sign-in/link": false})
		v.want("by link", v.post("/sign-in/link", "email", "ann@acme.example"), http.StatusNotFound)
		v.want("by password", v.post("/sign-in", "email", "ann@acme.example", "password", goodPassword), http.StatusSeeOther)
	})
}

// TestP3_WhoMayRegister: by domain or on lists alone.
func TestP3_WhoMayRegister(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		list := desk.ContactList{ID: store.NewID(), Name: "L", CreatedAt: r.db.Now()}
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutContactList(t.Context(), list) }))
		r.set(func(s *desk.Settings) {
			s.Access.Registration, s.Access.Domains = desk.RegistrationDomains, []string{"acme.example"}
		})
		v := &browser{r: r}
		v.want("another domain", v.post("/register", "email", "x@else.example", "name", "X"), 422)
		v.want("a sub-domain", v.post("/register", "email", "x@sub.acme.example", "name", "X"), 422)
		v.want("the domain", v.post("/register", "email", "x@acme.example", "name", "X"), 200)
		if len(r.mailed(desk.RegisterMail, "x@acme.example")) != 1 || len(r.mailed(desk.RegisterMail, "x@else.example")) != 0 {
			t.Error("mails by domain")
		}
		r.set(func(s *desk.Settings) {
			s.Access.Registration, s.Access.Entry, s.Access.Lists = desk.RegistrationLists, desk.EntryLists, []desk.ID{list.ID}
		})
		unlisted, unknown := v.post("/register", "email", "ann@acme.example", "name", "A"), v.post("/register", "email", "nobody@acme.example", "name", "A")
		ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.AddMember(t.Context(), list.ID, ann.ID); return err }))
		listed := v.post("/register", "email", "ann@acme.example", "name", "A")
		if unlisted.body != listed.body || unknown.body != listed.body {
			t.Error("P2: the page tells who is on a list")
		}
		if len(r.mailed(desk.KnownMail, "ann@acme.example")) != 1 || len(r.mailed(desk.RegisterMail, "nobody@acme.example")) != 0 {
			t.Errorf("mails by list: %d", len(r.mailed(desk.KnownMail, "ann@acme.example")))
		}
	})
}

// TestL10_RegistrationMailsAreFew: an address that is not one's own can't be bombed with them.
func TestL10_RegistrationMailsAreFew(t *testing.T) {
	r := newRig(t, nil)
	r.set(func(s *desk.Settings) { s.Access.Registration = desk.RegistrationOpen })
	v := &browser{r: r}
	for range 8 {
		v.want("registered", v.post("/register", "email", "victim@else.example", "name", "X"), 200)
	}
	if n := len(r.mailed(desk.RegisterMail, "victim@else.example")); n != 3 {
		t.Errorf("%d mails", n)
	}
	for i := range 12 {
		v.post("/register", "email", strings.Repeat("x", i+1)+"@else.example", "name", "X")
	}
	v.want("too many from one place", v.post("/register", "email", "last@else.example", "name", "X"), http.StatusTooManyRequests)
}

// TestP9_TheCodeDoesWhatTheLinkDoes: for who reads the mail elsewhere; a few wrong ones end it for a while, and one works once.
func TestP9_TheCodeDoesWhatTheLinkDoes(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.contact("Ann", "ann@acme.example")
		v := &browser{r: r}
		ask := v.post("/sign-in/link", "email", "ann@acme.example", "to", "/tickets/new")
		if v.want("asked", ask, 200); !strings.Contains(ask.body, `name="code"`) {
			t.Fatal("no code is asked for")
		}
		stranger := &browser{r: r}
		if a := stranger.post("/sign-in/link", "email", "nobody@acme.example"); textOf(a.body) != textOf(ask.body) {
			t.Error("P2: an unknown address gets another page")
		}
		mail := r.mailed(desk.SignInMail, "ann@acme.example")[0]
		code := mailmsg.OneTimeCode(r.keys, mail.ID)
		wrong := "000000"
		if code == wrong {
			wrong = "000001"
		}
		v.want("wrong", v.post("/sign-in/code", "code", wrong), 422)
		stranger.want("P2: a code for nobody", stranger.post("/sign-in/code", "code", code), 422)
		elsewhere := &browser{r: r}
		if a := elsewhere.post("/sign-in/code", "code", code); a.location != "/sign-in?why=code" || !strings.Contains(elsewhere.get(a.location).body, "This code is not right, or has run out") {
			t.Errorf("who did not ask: %d %s", a.status, a.location)
		}
		if a := v.post("/sign-in/code", "code", code[:3]+" "+code[3:]); a.location != "/tickets/new" {
			t.Fatalf("the code leads to %d %s", a.status, a.location)
		}
		v.want("inside", v.get("/tickets"), 200)
		(&browser{r: r}).want("the link is spent too", (&browser{r: r}).post("/sign-in/link/"+mailmsg.OneTimeSecret(r.keys, mail.ID)), http.StatusGone)
		again := &browser{r: r}
		again.post("/sign-in/link", "email", "ann@acme.example")
		for range 5 {
			again.post("/sign-in/code", "code", wrong)
		}
		next := r.mailed(desk.SignInMail, "ann@acme.example")[1]
		again.want("P7: slowed down", again.post("/sign-in/code", "code", mailmsg.OneTimeCode(r.keys, next.ID)), http.StatusTooManyRequests)
	})
}

// TestP6_APasswordMadeByTheOperator is for the first time alone: it ends the former one, must be changed, and runs out.
func TestP6_APasswordMadeByTheOperator(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		ann := r.contact("Ann Example", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")
		first, err := r.accounts.MakePassword(ctx, ann.ID)
		ok(t, err)
		made, err := r.accounts.MakePassword(ctx, ann.ID)
		ok(t, err)
		if made.Username != "ann.example" || len(made.Password) < 16 || made.Password == first.Password {
			t.Errorf("made %+v, %+v", first, made)
		}
		r.contact("Ann Example", "ann@other.example")
		other, err := r.db.ContactByEmail(ctx, "ann@other.example")
		ok(t, err)
		twin, err := r.accounts.MakePassword(ctx, other.ID)
		ok(t, err)
		if twin.Username != "ann.example.2" {
			t.Errorf("the second Ann is %q", twin.Username)
		}
		v := &browser{r: r}
		v.want("the first has ended", v.post("/sign-in", "email", made.Username, "password", first.Password), 422)
		if a := v.post("/sign-in", "email", strings.ToUpper(made.Username), "password", made.Password); a.location != "/tickets" {
			t.Fatalf("by user name: %d %s", a.status, a.location)
		}
		for _, path := range []string{"/tickets", ticketPath(mine.Number), "/account", "/tickets/new"} {
			if a := v.get(path); a.location != "/account/first-password" {
				t.Errorf("before it is changed, %s gives %d %s", path, a.status, a.location)
			}
		}
		v.want("no answer", v.send(ticketPath(mine.Number), map[string]string{"text": "x"}), http.StatusSeeOther)
		v.want("the page", v.get("/account/first-password"), 200)
		v.want("the same again", v.post("/account/password", "password", made.Password), 422)
		if a := v.post("/account/password", "password", goodPassword); a.location != "/tickets" {
			t.Fatalf("changed: %d %s", a.status, a.location)
		}
		v.want("inside", v.get("/tickets"), 200)
		v.want("it was for once", (&browser{r: r}).post("/sign-in", "email", "ann@acme.example", "password", made.Password), 422)
		if a := (&browser{r: r}).post("/sign-in", "email", "ann@acme.example", "password", goodPassword); a.location != "/tickets" {
			t.Errorf("by address: %d %s", a.status, a.location)
		}
		ok(t, r.db.Update(ctx, func(tx *store.Tx) error {
			p, err := tx.Password(ctx, other.ID)
			if err != nil {
				return err
			}
			p.ChangedAt = p.ChangedAt.AddDate(0, 0, -4)
			return tx.PutPassword(ctx, other.ID, p)
		}))
		v.want("after three days", (&browser{r: r}).post("/sign-in", "email", twin.Username, "password", twin.Password), 422)
	})
}

// TestP7_OwnSessions: people see where they are signed in, and end it there.
func TestP7_OwnSessions(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann, eve := r.contact("Ann", "ann@acme.example"), r.contact("Eve", "eve@other.example")
		here, there, third, eves := r.signIn(ann), r.signIn(ann), r.signIn(ann), r.signIn(eve)
		r.age(r.signIn(ann), 45) // it has ended by itself, and is not listed
		ids := regexp.MustCompile(`name="session" value="([0-9a-f]+)"`)
		page := here.get("/account")
		found := ids.FindAllStringSubmatch(page.body, -1)
		if len(found) != 3 || strings.Contains(page.body, here.cookie.Value) || strings.Count(page.body, ">this device<") != 1 {
			t.Fatalf("the page lists %d sessions: %s", len(found), textOf(page.body))
		}
		for _, f := range found {
			if v := eves.post("/account/sessions", "session", f[1]); v.location != "/account" {
				t.Errorf("one that is not hers: %d %s", v.status, v.location)
			}
		}
		there.want("nobody else ends it", there.get("/tickets"), 200)
		own := ids.FindAllStringSubmatch(there.get("/account").body, -1)
		for _, f := range own {
			if v := here.post("/account/sessions", "session", f[1]); v.location == "/sign-in?why=out" {
				break
			}
		}
		ended := 0
		for _, b := range []*browser{here, there, third} {
			if b.get("/tickets").status != 200 {
				ended++
			}
		}
		if ended == 0 {
			t.Error("no session was ended")
		}
		a, b := r.signIn(ann), r.signIn(ann)
		a.want("all others", a.post("/account/sessions", "all", "1"), http.StatusSeeOther)
		a.want("this one stays", a.get("/tickets"), 200)
		b.want("the other one ends", b.get("/tickets"), http.StatusSeeOther)
		eves.want("Eve stays", eves.get("/tickets"), 200)
	})
}

// TestP1_OffIsAPlainPage: switched off, visitors and those who are signed in get a plain page; links to stop mail keep.
func TestP1_OffIsAPlainPage(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Secret matter", "Hi.")
		in := r.signIn(ann)
		link := "/sign-in/link/" + r.link(ann, desk.LinkSignIn, 1e12)
		r.set(func(s *desk.Settings) { s.PortalOn = false })
		for _, path := range []string{"/", "/sign-in", "/tickets", ticketPath(mine.Number), "/register", link, "/account"} {
			a := in.get(path)
			in.want("off: "+path, a, http.StatusServiceUnavailable)
			if strings.Contains(a.body, "Secret") || !strings.Contains(a.body, "closed for now") {
				t.Errorf("%s: %s", path, textOf(a.body))
			}
		}
		in.want("off: post", in.post(link), http.StatusServiceUnavailable)
		in.want("mail can be stopped: the page of a wrong link is its own", in.get("/stop/x/y"), http.StatusNotFound)
		r.set(func(s *desk.Settings) { s.PortalOn = true })
		in.want("on again", in.get(ticketPath(mine.Number)), http.StatusOK)
		in.want("the link keeps", (&browser{r: r}).post(link), http.StatusSeeOther)
	})
}

// TestB2_TimesAreInTheReadersZone: the portal's, until somebody has one of their own; the page says which.
func TestB2_TimesAreInTheReadersZone(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		r.set(func(s *desk.Settings) { s.TimeZone = "Asia/Kolkata" })
		in := r.signIn(ann)
		if page := html.UnescapeString(in.get("/tickets").body); !strings.Contains(page, "Kolkata (GMT+5:30)") {
			t.Errorf("the portal's zone: %s", textOf(page))
		}
		in.want("no such zone", in.post("/account", "name", "Ann", "zone", "Mars/Olympus"), 422)
		in.want("her own", in.post("/account", "name", "Ann", "zone", "America/New_York"), http.StatusSeeOther)
		mine := r.open(ann, "Hello", "Hi.")
		page := in.get(ticketPath(mine.Number)).body
		zone, err := time.LoadLocation("America/New_York")
		ok(t, err)
		if !strings.Contains(page, "New York (GMT-") || !strings.Contains(page, r.ticket(mine.ID).CreatedAt.In(zone).Format("2 Jan 2006, 15:04")) {
			t.Errorf("her own zone: %s", textOf(page))
		}
		s, err := r.db.Settings(t.Context())
		ok(t, err)
		for _, zone := range []string{"", "Local", "Mars/Olympus"} {
			if s.TimeZone = zone; desk.KindOf(desk.CheckSettings(s)) != desk.Invalid {
				t.Errorf("the portal may have the zone %q", zone)
			}
		}
	})
}

// TestP5_APasswordInAMail only where the operator has switched that on: it is for the first time alone, the link beside it works too, and it is
// stored as a hash and nowhere else.
func TestP5_APasswordInAMail(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		s, err := r.db.Settings(ctx)
		ok(t, err)
		s.Welcome.Body = "User name {{portal.username}}, password {{portal.password}}"
		if desk.KindOf(desk.CheckSettings(s)) != desk.Invalid {
			t.Error("a password in a mail is taken without the switch")
		}
		s.Access.PasswordInMail = true
		ok(t, desk.CheckSettings(s))
		s.Welcome.Body = "password {{portal.password}}"
		if desk.KindOf(desk.CheckSettings(s)) != desk.Invalid {
			t.Error("a password without its user name is taken")
		}
		r.desk.HashBy(r.accounts.Hash)
		r.set(func(s *desk.Settings) {
			s.Access.PasswordInMail = true
			s.Welcome.Body = "User name {{portal.username}}, password {{portal.password}}, or {{portal.set_password_link}}"
		})
		ann, sent, err := r.desk.AddContact(ctx, tickets.NewContact{Name: "Ann", Addresses: []string{"ann@acme.example"}, Welcome: true})
		ok(t, err)
		mails := r.mailed(desk.WelcomeMail, "ann@acme.example")
		if !sent || len(mails) != 1 {
			t.Fatalf("sent %t, %d mails", sent, len(mails))
		}
		password := mailmsg.MadePassword(r.keys, mails[0].ID)
		stored, err := r.db.Password(ctx, ann.ID)
		ok(t, err)
		if row := fmt.Sprintf("%+v %+v", mails[0], stored); strings.Contains(row, password) || !stored.MustChange || len(password) < 16 {
			t.Errorf("stored: %s", row)
		}
		v := &browser{r: r}
		if a := v.post("/sign-in", "email", "ann@acme.example", "password", password); a.location != "/tickets" {
			t.Fatalf("by the password: %d %s", a.status, a.location)
		}
		if a := v.get("/tickets"); a.location != "/account/first-password" {
			t.Errorf("it is good for more than once: %d %s", a.status, a.location)
		}
		if a := (&browser{r: r}).post("/password/"+mailmsg.OneTimeSecret(r.keys, mails[0].ID), "password", goodPassword); a.location != "/tickets" {
			t.Errorf("by the link: %d %s", a.status, a.location)
		}
		v.want("the password has ended", (&browser{r: r}).post("/sign-in", "email", "ann@acme.example", "password", password), 422)
	})
}

// TestAnAccountIsChangedByWhatWasSent: a form that did not arrive whole, or says nothing of a field, takes nothing away; a name is one line that turns nothing.
func TestAnAccountIsChangedByWhatWasSent(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ann := r.contact("Ann", "ann@acme.example")
		in := r.signIn(ann)
		has := func(what, name, zone string) {
			t.Helper()
			c, err := r.db.Contact(t.Context(), ann.ID)
			ok(t, err)
			if c.Name != name || c.TimeZone != zone {
				t.Errorf("%s: the name is %q, the zone %q", what, c.Name, c.TimeZone)
			}
		}
		in.want("a name", in.post("/account", "name", "Ann\x1b[31m \u202eelpmaxe\u202c\r\n\tB. \u0645\u06cc\u200c\u062e", "zone", "Europe/Oslo"), http.StatusSeeOther)
		const name = "Ann[31m elpmaxe B. \u0645\u06cc\u200c\u062e"
		has("cleaned", name, "Europe/Oslo")
		in.want("the look alone", in.post("/account", "theme", "dark"), http.StatusSeeOther)
		has("the look alone", name, "Europe/Oslo")
		whole := "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nEve\r\n--b--\r\n"
		in.want("broken", in.do(in.request(http.MethodPost, "/account", "multipart/form-data; boundary=b", []byte(whole[:len(whole)-8]))), http.StatusBadRequest)
		has("broken", name, "Europe/Oslo")
		in.want("another kind of form", in.do(in.request(http.MethodPost, "/account", "multipart/form-data; boundary=b", []byte(whole))), http.StatusSeeOther)
		has("another kind of form", "Eve", "Europe/Oslo")
		in.want("nothing to be seen", in.post("/account", "name", "\u200b\u2060"), http.StatusSeeOther)
		has("nothing to be seen", "", "Europe/Oslo")
	})
}

// TestP11_NobodySteersRedirects by headers that a proxy would have to vouch for.
func TestP11_NobodySteersRedirects(t *testing.T) {
	r := newRig(t, nil)
	v := &browser{r: r}
	req := v.request(http.MethodGet, "/sign-in/", "", nil)
	req.Header.Set("X-Forwarded-Prefix", "/evil")
	req.Header.Set("X-Forwarded-Host", "evil.example")
	if a := v.do(req); a.location != "/sign-in" {
		t.Errorf("it leads to %d %q", a.status, a.location)
	}
}
