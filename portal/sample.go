package portal

import (
	"time"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
)

// sample is a page with everything on it that it may have, for a preview and to try templates with.
type sample struct {
	Name string // the template
	View any
}

// teller gives the texts of samples and keeps the first error.
type teller struct {
	*i18n.Texts
	err error
}

func (t *teller) say(key string, pairs ...any) string {
	s, err := t.T(key, pairs...)
	if t.err == nil {
		t.err = err
	}
	return s
}

// samples gives one of every page. signedIn and out are what pages show at their top for somebody who is signed in, and for somebody who is not.
func samples(texts *i18n.Texts, signedIn, out head) ([]sample, error) {
	t := &teller{Texts: texts}
	problems := func(h head, fields ...string) head {
		for _, f := range fields {
			h.Problems = append(h.Problems, problem{f, t.say("need_" + f)})
		}
		return h
	}
	titled := func(h head, key string) head {
		h.Title = t.say(key)
		return h
	}
	notified := titled(out, "sign_in")
	notified.Notice, notified.Kept = t.say("timed_out"), t.say("timed_out_kept")
	access := func(h head) accessView {
		return accessView{head: h, Email: "ingrid@halvorsen.example", Name: "Ingrid Halvorsen", Again: "/sign-in", To: home, Password: true, Link: true, Passkeys: true, Register: true, Code: true}
	}
	consent := &consentView{Text: "<p>We keep what you write, to <strong>help you</strong>.</p>", Label: "I agree to that", Version: "1", Lang: "en", To: home}
	account := accountView{
		head: titled(signedIn, "account.title"), Name: "Ingrid Halvorsen", Username: "ingrid.halvorsen", Addresses: []string{"ingrid@halvorsen.example"}, TimeZone: "Europe/Oslo", Login: "ingrid@halvorsen.example",
		HasPassword: true, ByPassword: true, MinPassword: accounts.MinPassword, Consents: []consentLine{{true, sampleMoment(texts, 9)}, {false, sampleMoment(texts, 99)}},
		Passkeys: true, Keys: []keyLine{{ID: "k1", Name: "Phone", Created: sampleMoment(texts, 90), Used: sampleMoment(texts, 2)}, {ID: "k2", Created: sampleMoment(texts, 40), NeverUsed: true}},
		Sessions: []sessionView{
			{ID: "1", Browser: "Firefox, Linux", Where: "192.0.2.7", Way: t.say("account.by_password"), Began: sampleMoment(texts, 2), Seen: sampleMoment(texts, 0), This: true},
			{ID: "2", Where: "198.51.100.9", Way: t.say("account.by_link"), Began: sampleMoment(texts, 30), Seen: sampleMoment(texts, 25)},
		},
	}
	looked := titled(signedIn, "tickets")
	looked.Seeing, looked.Active = "Ingrid Halvorsen", "tickets"
	pages := []sample{
		{"sign-in", access(problems(notified, "email", "password"))}, {"forgot", access(titled(out, "forgot_title"))}, {"check-mail", access(titled(out, "mail_title"))},
		{"link", access(titled(out, "link_title"))}, {"link-expired", access(titled(out, "link_expired_title"))}, {"set-password", access(titled(out, "set_title"))},
		{"register", registerView{head: problems(titled(out, "register.title"), "email"), Name: "Ingrid Halvorsen", MinPassword: accounts.MinPassword, ByPassword: true, Consent: consent}},
		{"confirm", access(titled(out, "register.confirm_title"))}, {"consent", registerView{head: titled(signedIn, "consent.title"), Consent: consent}},
		{"must-change", account}, {"list", sampleList(t, looked)}, {"thread", sampleThread(t, titled(signedIn, "tickets"))},
		{"late", lateView{head: titled(signedIn, "late.title"), Number: 4821, Subject: "Label printer drops offline", Reason: t.say("thread.locked"), Form: "support", Text: "It is offline again.", Files: "log.txt"}},
		{"new", sampleForm(t, problems(titled(signedIn, "new.title"), "subject", "text"))},
		{"choose-form", chooseView{head: titled(signedIn, "new.title"), Forms: []pill{{URL: "/tickets/new?form=support", Label: "Contact support"}, {URL: "/tickets/new?form=order", Label: "Order a printer"}}}},
		{"account", account}, {"denied", access(titled(signedIn, "denied_title"))}, {"off", access(titled(out, "off.title"))}, {"view", access(titled(out, "view.title"))},
		{"stop", access(titled(out, "stop_title"))}, {"stopped", access(titled(out, "stopped_title"))},
		{"oops", oopsView{head: titled(out, "oops.unavailable_title"), Text: t.say("oops.unavailable"), Again: &againView{Action: "/tickets/new", Subject: "Label printer", Text: "Since the update", Solved: true, Files: "log.txt"}}},
	}
	return append(pages, sampleArticles(t, signedIn)...), t.err
}

// sampleMoment is some hours ago.
func sampleMoment(t *i18n.Texts, hours int) moment {
	return momentOf(t, time.Date(2026, 3, 12, 9, 41, 0, 0, time.UTC).Add(-time.Duration(hours)*time.Hour))
}

func sampleList(t *teller, h head) listView {
	tags := []statusTag{{"wait", t.say("status_waiting")}, {"open", t.say("status_open")}, {"shut", t.say("status_closed")}}
	v := listView{
		head: h, Waiting: 2, From: 1, To: 3, Total: 203, OtherURL: "/tickets?view=company", ClearURL: "/tickets", Query: listQuery{Shared: true, Text: "printer", Kind: "open", Sort: "number", Up: true},
		Tabs:  []pill{{"/tickets", t.say("list.mine"), 203, true}, {"/tickets?view=company", t.say("list.company"), 571, false}},
		Pills: []pill{{"/tickets", t.say("all"), 203, true}, {"/tickets?status=open", t.say("open"), 12, false}, {"/tickets?status=closed", t.say("closed"), 191, false}},
		Filters: []field{
			{Name: "from", Label: t.say("list.from"), Type: desk.DateProperty}, {Name: "p", Label: "Site", Type: desk.ChoiceProperty, Choices: []choice{{"a", "Hamburg", true}, {"b", "Bergen", false}}},
			{Name: "y", Label: "Urgent", Type: desk.BooleanProperty, Value: "true"},
		},
		Pages: []pageLink{{1, "/tickets", true}, {2, "/tickets?page=2", false}, {}, {9, "/tickets?page=9", false}},
	}
	for i, subject := range []string{"Label printer drops offline after firmware 3.2", "Invoice 2026-1187 shows the wrong VAT number", "Change of billing contact"} {
		r := row{
			Number: int64(4821 - i), Subject: []i18n.Piece{{Text: subject, Hit: i == 0}}, Unread: i == 0, Files: i == 0, By: "Mette Lund", Status: tags[i],
			Snippet: []i18n.Piece{{Text: "Could you install 3.2.1 tonight?"}}, Created: sampleMoment(t.Texts, 70*i+48), Last: sampleMoment(t.Texts, 30*i),
		}
		for _, key := range append(desk.BuiltInColumns(), "property") {
			col := column{Key: key, Label: "Site", URL: "/tickets?sort=" + key, Order: map[bool]string{true: "ascending"}[key == "number"]}
			if key != "property" {
				col.Label = t.say("col_" + key)
			}
			if i == 0 {
				v.Columns = append(v.Columns, col)
			}
			r.Cells = append(r.Cells, cell{col, "Hamburg"})
		}
		v.Rows = append(v.Rows, r)
	}
	return v
}

func sampleForm(t *teller, h head) newView {
	h.Problems = append(h.Problems, problem{"p_serial", t.say("property_required", "Name", "Serial number")})
	choices := []choice{{"a", "Hamburg", true}, {"b", "Bergen", false}}
	return newView{
		head: h, Form: "support", Named: "Printers", Follows: 4812, Suggest: true, limits: limitsOf(desk.DefaultSettings()),
		Fields: []formField{
			{Kind: desk.FieldSubject, Name: desk.FieldSubject, Value: "Label printer", Required: true}, {Kind: desk.FieldText, Name: desk.FieldText, Value: "Since the update", Required: true},
			{Kind: ownText, Name: "p_serial", Label: "Serial number", Hint: "On the back.", Required: true}, {Kind: string(desk.NumberProperty), Name: "p_pages", Label: "Pages", Value: "12"},
			{Kind: string(desk.DateProperty), Name: "p_since", Label: "Since", Value: "2026-03-12"}, {Kind: string(desk.ChoiceProperty), Name: "p_site", Label: "Site", Choices: choices},
			{Kind: string(desk.BooleanProperty), Name: "p_urgent", Label: "Urgent", Value: "true"}, {Kind: desk.FieldFiles, Name: desk.FieldFiles},
		},
	}
}

func sampleThread(t *teller, h head) threadView {
	h.Notice = t.say("thread.got_it")
	team := message{
		ID: "m1", Team: true, Author: "Mette Lund", Initials: "ML", At: sampleMoment(t.Texts, 20), Body: "<p>Two questions, so that I can rule out the network:</p><ol><li>Is the printer on Wi-Fi?</li><li>What does this print?</li></ol>",
		Files: []file{{URL: "/files/1/notes.pdf", Name: "Release-notes.pdf", Ext: "PDF", Size: 812}},
	}
	own := message{
		ID: "m2", Own: true, Author: "Ingrid Halvorsen", Initials: "IH", Via: t.say("thread.via_mail"), Unverified: true, At: sampleMoment(t.Texts, 18), Body: "<p>On a cable.</p>", Quoted: "<p>Two questions</p>",
		Original: "/tickets/4821/messages/m2/original", Pictures: "/tickets/4821?pictures=m2", Before: []string{t.say("thread.closed", "When", sampleMoment(t.Texts, 19).Text)},
	}
	folded := message{ID: "m0", Author: "Ingrid Halvorsen", Initials: "IH", Folded: true, Line: "Since the update this weekend …", At: sampleMoment(t.Texts, 48), Body: "<p>Since the update this weekend the label printer is offline.</p>", Delivery: t.say("thread.sent"), Own: true}
	return threadView{
		head: h, Number: 4821, Subject: "Label printer drops offline after firmware 3.2", Status: statusTag{"wait", t.say("status_waiting")}, Closed: true, Folds: true, Waiting: true,
		After: []string{t.say("thread.reopened", "When", sampleMoment(t.Texts, 1).Text)}, Properties: []field{{Label: "Site", Value: "Hamburg"}},
		TakesPart: true, copying: copying{desk.CopyAsked, "bo@halvorsen.example"},
		Scores:  []choice{{"good", t.say("thread.rate_good"), true}, {"fair", t.say("thread.rate_fair"), false}, {"bad", t.say("thread.rate_bad"), false}},
		Created: sampleMoment(t.Texts, 48), Last: sampleMoment(t.Texts, 0), Messages: []message{folded, team, own}, Newest: "m2", Similar: 4811, SimilarAt: sampleMoment(t.Texts, 26), EarlierURL: "/tickets/4821?before=m0", LatestURL: "/tickets/4821",
		People: []person{{"Ingrid Halvorsen", "IH", t.say("thread.requester")}, {"Mette Lund", "ML", t.say("thread.team")}}, limits: limitsOf(desk.DefaultSettings()),
	}
}

func sampleArticles(t *teller, h head) []sample {
	h.Active = "kb"
	lines := []articleLine{
		{URL: "#", Title: []i18n.Piece{{Text: "Install the "}, {Text: "label printer", Hit: true}}, Text: []i18n.Piece{{Text: "From the box to the first label."}}},
		{URL: "#", Lang: "he", Dir: "rtl", Title: []i18n.Piece{{Text: "מדפסת"}}, Text: []i18n.Piece{{Text: "איך מתחילים"}}},
	}
	titled := func(key string) head {
		h := h
		h.Title = t.say(key)
		return h
	}
	public := titled("kb.title")
	public.About = &about{Description: "From the box to the first label.", Canonical: "https://help.acme.example/en/kb/printer", Alternates: []alternate{{"de", i18n.OwnName("de"), "#"}}}
	return []sample{
		{"kb", knowledgeView{head: titled("kb.title"), Query: "", Groups: []articleGroup{{"Printers", lines}, {"", lines[:1]}}}},
		{"kb-search", articleSearchView{head: titled("kb.title"), Query: "printer", Lines: lines, Total: 2}},
		{"article", articleView{
			head: public, Name: "Install the label printer", Shown: "en", ShownDir: "ltr", Fallback: t.say("kb.fallback", "Wanted", t.LanguageName(t.Lang()), "Shown", t.LanguageName("en")), Updated: sampleMoment(t.Texts, 200), Private: true,
			Body:     `<h2 id="box">The box</h2><p>Open it.</p><h2 id="cable">The cable</h2><p>Plug it in.</p><h2 id="first">The first label</h2><p>Press the button.</p><h2 id="help">If it does not work</h2><p>Write to us.</p>`,
			Contents: []safehtml.Heading{{Level: 2, ID: "box", Text: "The box"}, {Level: 2, ID: "cable", Text: "The cable"}, {Level: 2, ID: "first", Text: "The first label"}, {Level: 2, ID: "help", Text: "If it does not work"}},
			Others:   []alternate{{"de", i18n.OwnName("de"), "#"}}, UsefulURL: "#", Voted: true, Useful: true, NewURL: "/tickets/new", PortalLink: true,
		}},
	}
}
