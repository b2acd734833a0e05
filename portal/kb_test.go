package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/tickets"
)

const aPNG = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

// writes puts articles into the knowledge base, beside the category billing.
func (r *rig) writes(as ...desk.Article) {
	r.t.Helper()
	_, err := r.desk.ChangeLibrary(r.t.Context(), tickets.Library{Categories: []desk.Category{{Key: "billing", Names: map[string]string{"en": "Billing matters"}}, {Key: "inner", Names: map[string]string{"en": "Inner matters"}}}, Articles: as}, false)
	ok(r.t, err)
	_, err = r.db.FreshOrganisation(r.t.Context())
	ok(r.t, err)
}

func (r *rig) sets(patch map[string]any) {
	r.t.Helper()
	_, err := r.desk.ChangeSettings(r.t.Context(), patch)
	ok(r.t, err)
}

func (r *rig) picture(name string) desk.PictureOf {
	r.t.Helper()
	p, err := tickets.KeepPicture(r.t.Context(), r.blobs, name, []byte(aPNG))
	ok(r.t, err)
	return p
}

func english(title, body string) []desk.Version {
	return []desk.Version{{Language: "en", Title: title, Body: body}}
}

func (v *browser) says(what string, a answer, words ...string) {
	v.r.t.Helper()
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			v.r.t.Errorf("%s does not say %q:\n%s", what, w, a.body)
		}
	}
}

func (v *browser) saysNot(what string, a answer, words ...string) {
	v.r.t.Helper()
	for _, w := range words {
		if strings.Contains(a.body, w) {
			v.r.t.Errorf("%s says %q", what, w)
		}
	}
}

func TestB4_AnArticleIsFoundAndRead(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		stranger := &browser{r: r}
		stranger.want("an empty knowledge base", stranger.get("/en/kb"), http.StatusNotFound)
		stranger.saysNot("a page without articles", stranger.get("/sign-in"), `href="/en/kb"`)
		pic := r.picture("a.png")
		r.writes(
			desk.Article{Slug: "refunds", Category: "billing", Pictures: []desk.PictureOf{pic}, Texts: []desk.Version{{Language: "en", Title: "Refunds & <b>returns</b>", Summary: "When money comes back.", Body: "# One\n\nYour money comes within **ten** days.\n\n![How](a.png) ![Not](b.png)\n\n# Two\n\n# Three\n\n## Four\n\n<script>alert(1)</script>\n\n[other](hours.md)"}}},
			desk.Article{Slug: "hours", Texts: english("Opening hours", "# One\n\nNine to five.")},
		)
		stranger.says("the sign-in page", stranger.get("/sign-in"), `<a href="/en/kb">`)
		if a := stranger.get("/kb"); a.status != http.StatusSeeOther || a.location != "/en/kb" {
			t.Errorf("/kb leads to %d %s", a.status, a.location)
		}
		a := stranger.get("/en/kb")
		stranger.want("the knowledge base", a, http.StatusOK)
		stranger.says("the knowledge base", a, "Billing matters", "Refunds &amp; &lt;b&gt;returns&lt;/b&gt;", "When money comes back.", "Opening hours", "More articles", `action="/en/kb/search"`, `aria-current="page">Help articles`)
		stranger.saysNot("the knowledge base", a, "Inner matters", "<b>returns")

		a = stranger.get("/en/kb/refunds")
		stranger.want("an article", a, http.StatusOK)
		stranger.says("an article", a, `<h2 id="s-one">One</h2>`, `<a href="#s-four">`, "On this page", `src="/kb/files/`, "[Not]", `<a href="/en/kb/hours">other</a>`, `href="/tickets/new?article=refunds"`, "Go to Support",
			`<meta name="description" content="When money comes back.">`, "Was this useful?", "Updated ", `method="post"`)
		stranger.saysNot("an article", a, "<script>alert", "Not yet in")
		if a.header.Get("X-Robots-Tag") != "" {
			t.Errorf("a public article is %s", a.header.Get("X-Robots-Tag"))
		}
		stranger.saysNot("a short article", stranger.get("/en/kb/hours"), "On this page")
		for _, path := range []string{"/en/kb/nothing", "/xx/kb", "/xx/kb/refunds", "/en/kb/Refunds", "/kb/files/x/y"} {
			stranger.want(path, stranger.get(path), http.StatusNotFound)
		}
		_, src, _ := strings.Cut(a.body, `src="/kb/files/`)
		src, _, _ = strings.Cut(src, `"`)
		file := stranger.get("/kb/files/" + src)
		if file.status != http.StatusOK || file.body != aPNG || file.header.Get("Content-Type") != "image/png" || !strings.Contains(file.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("the picture is %d %v", file.status, file.header)
		}

		a = stranger.get("/en/kb/search?q=MONEY+ten")
		stranger.says("a search", a, "<mark>money</mark>", "<mark>ten</mark>", `href="/en/kb/refunds"`, "1 article", `value="MONEY ten"`)
		if a.header.Get("X-Robots-Tag") != "noindex" {
			t.Error("what is found is for search engines")
		}
		stranger.says("a search for nothing there", stranger.get("/en/kb/search?q=%3Cb%3Ezebra"), "No article has “&lt;b&gt;zebra”")
		stranger.want("a search of wild bytes", stranger.get("/en/kb/search?q=%ff%00"), http.StatusOK)

		ann := r.signIn(r.contact("Ann", "ann@acme.example"))
		ann.says("a new ticket about an article", ann.get("/tickets/new?article=hours"), `value="Opening hours"`)
		ann.want("a new ticket about nothing", ann.get("/tickets/new?article=nothing"), http.StatusOK)
		ann.says("the list", ann.get("/tickets"), `<a href="/en/kb">`)

		r.sets(map[string]any{"knowledge": map[string]any{"portal_link": false}})
		stranger.saysNot("an article without the link", stranger.get("/en/kb/hours"), "Go to Support")
		r.sets(map[string]any{"knowledge": map[string]any{"enabled": false}})
		for _, path := range []string{"/kb", "/en/kb", "/en/kb/hours", "/en/kb/search?q=money", "/kb/files/" + src, "/kb/suggest?q=money"} {
			stranger.want("switched off, "+path, stranger.get(path), http.StatusNotFound)
		}
		stranger.saysNot("the sign-in page of a portal without", stranger.get("/sign-in"), "/en/kb")
	})
}

func TestB4_AnotherLanguageIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.BaseURL = "https://help.example" })
	r.writes(
		desk.Article{Slug: "zeiten", Texts: []desk.Version{{Language: "he", Title: "שעות", Body: "תשע עד חמש"}}},
		desk.Article{Slug: "hours", Texts: english("Hours", "Nine to five.")},
	)
	stranger := &browser{r: r}
	a := stranger.get("/en/kb/zeiten")
	stranger.says("a Hebrew article on an English page", a, "Not yet in English, shown in Hebrew.", `<article class="article" lang="he" dir="rtl">`, `<html lang="en" dir="ltr"`)
	stranger.says("the list", stranger.get("/en/kb"), `<li lang="he" dir="rtl">`, "<li><a")
	a = stranger.get("/en/kb/hours")
	stranger.says("an article", a, `<link rel="canonical" href="https://help.example/en/kb/hours">`, `<link rel="alternate" hreflang="en" href="https://help.example/en/kb/hours">`, `content="Nine to five."`)
	stranger.saysNot("an article", a, "Not yet in")
}

// TestB4_PrivateArticles goes through every way to an article for every kind of visitor.
func TestB4_PrivateArticles(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		public, private, draft := r.picture("public.png"), r.picture("private.png"), r.picture("draft.png")
		r.writes(
			desk.Article{Slug: "public", Category: "billing", Texts: english("Public matter", "zebra\n\n![x](public.png)"), Pictures: []desk.PictureOf{public}},
			desk.Article{Slug: "private", Category: "inner", Private: true, Texts: english("Private matter", "zebra\n\n![x](private.png)"), Pictures: []desk.PictureOf{private}},
			desk.Article{Slug: "draft", Category: "inner", Draft: true, Texts: english("Draft matter", "zebra\n\n![x](draft.png)"), Pictures: []desk.PictureOf{draft}},
		)
		all, err := r.db.Articles(t.Context(), desk.ScopeOfProgram())
		ok(t, err)
		ids := map[string]string{}
		for _, a := range all {
			whole, err := r.db.ArticleByID(t.Context(), desk.ScopeOfProgram(), a.ID)
			ok(t, err)
			ids[a.Slug] = string(whole.Pictures[0].ID)
		}
		ann, ben := r.contact("Ann", "ann@acme.example"), r.contact("Ben", "ben@acme.example")
		in, gone := r.signIn(ann), r.signIn(ben)
		disabled := true
		_, err = r.desk.ChangeContact(t.Context(), ben.ID, tickets.ContactChange{Disabled: &disabled})
		ok(t, err)
		for _, v := range []struct {
			*browser
			name string
			sees map[string]bool
		}{
			{&browser{r: r}, "anonymous", map[string]bool{"public": true}}, {in, "signed in", map[string]bool{"public": true, "private": true}}, {gone, "disabled", map[string]bool{"public": true}},
		} {
			pages := map[string]answer{"list": v.get("/en/kb"), "search": v.get("/en/kb/search?q=zebra"), "suggest": v.get("/kb/suggest?q=zebra")}
			for slug, title := range map[string]string{"public": "Public matter", "private": "Private matter", "draft": "Draft matter"} {
				what := v.name + " " + slug
				status, voted := http.StatusNotFound, http.StatusNotFound
				if v.sees[slug] {
					status, voted = http.StatusOK, http.StatusSeeOther
				}
				page := v.get("/en/kb/" + slug)
				v.want(what+" page", page, status)
				v.want(what+" file", v.get("/kb/files/"+ids[slug]+"/x.png"), status)
				v.want(what+" vote", v.post("/en/kb/"+slug+"/useful", "useful", "yes"), voted)
				for name, a := range pages {
					v.want(what+" "+name, a, http.StatusOK)
					if strings.Contains(a.body, title) != v.sees[slug] {
						t.Errorf("%s: %s shows %q: %v", what, name, title, !v.sees[slug])
					}
				}
				if robots := page.header.Get("X-Robots-Tag"); (robots == "") != (slug == "public") {
					t.Errorf("%s: X-Robots-Tag is %q", what, robots)
				}
			}
			if strings.Contains(pages["list"].body, `action="/sign-out"`) != v.sees["private"] {
				t.Errorf("%s: the list is for somebody who is signed in: %v", v.name, !v.sees["private"])
			}
			if n := len(v.sees); !strings.Contains(pages["search"].body, fmt.Sprintf(">%d article", n)) {
				t.Errorf("%s: the search does not count %d", v.name, n)
			}
			if strings.Contains(pages["list"].body, "Inner matters") != v.sees["private"] {
				t.Errorf("%s: the list names the inner category: %v", v.name, !v.sees["private"])
			}
		}
	})
}

// TestB4_WhoMayNotEnterReadsAsAStranger: a contact who is signed in still, but is on no list of those who may enter.
func TestB4_WhoMayNotEnterReadsAsAStranger(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.writes(desk.Article{Slug: "public", Texts: english("Public matter", "zebra")}, desk.Article{Slug: "private", Private: true, Texts: english("Private matter", "zebra")})
	ann := r.signIn(r.contact("Ann", "ann@acme.example"))
	ann.want("a private article before", ann.get("/en/kb/private"), http.StatusOK)
	nobody, err := r.desk.AddList(t.Context(), "nobody", nil)
	ok(t, err)
	r.sets(map[string]any{"access": map[string]any{"entry": desk.EntryLists, "lists": []desk.ID{nobody.ID}}})
	ann.want("a private article", ann.get("/en/kb/private"), http.StatusNotFound)
	list := ann.get("/en/kb")
	ann.says("the list", list, "Public matter")
	ann.saysNot("the list", list, "Private matter", "Ann", "/sign-out")
}

func TestB4_WasThisUseful(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.writes(desk.Article{Slug: "a", Texts: english("A", "a")})
		votes := func() string {
			t.Helper()
			all, err := r.db.Votes(t.Context())
			ok(t, err)
			for _, v := range all {
				return fmt.Sprintf("%d+ %d-", v.Useful, v.NotUseful)
			}
			return ""
		}
		one, other := &browser{r: r}, &browser{r: r}
		for _, step := range []struct {
			v      *browser
			answer string
			want   string
		}{{one, "yes", "1+ 0-"}, {one, "yes", "1+ 0-"}, {one, "no", "0+ 1-"}, {other, "no", "0+ 2-"}} {
			a := step.v.post("/en/kb/a/useful", "useful", step.answer)
			if a.status != http.StatusSeeOther || a.location != "/en/kb/a#useful" || votes() != step.want {
				t.Errorf("%s: %d %s, the votes are %s, want %s", step.answer, a.status, a.location, votes(), step.want)
			}
		}
		one.says("an article after a vote", one.get("/en/kb/a"), "You did not find this useful.", `value="no" aria-pressed="true"`)
		(&browser{r: r}).saysNot("an article for another", (&browser{r: r}).get("/en/kb/a"), "Thank you")
		one.want("no answer", one.post("/en/kb/a/useful", "useful", "maybe"), http.StatusUnprocessableEntity)
		ann := r.contact("Ann", "ann@acme.example")
		for range 2 { // from two browsers
			r.signIn(ann).post("/en/kb/a/useful", "useful", "yes")
		}
		if votes() != "1+ 2-" {
			t.Errorf("a contact has more than one vote: %s", votes())
		}
		for i := range maxVotes + 2 {
			a := (&browser{r: r}).post("/en/kb/a/useful", "useful", "yes")
			if i > maxVotes && a.status != http.StatusTooManyRequests {
				t.Errorf("vote %d within an hour is %d", i, a.status)
			}
		}
	})
}

func TestB4_ArticlesAreSuggested(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var as []desk.Article
	for i := range 5 {
		as = append(as, desk.Article{Slug: fmt.Sprint("a", i), Texts: english(fmt.Sprint("Printer ", i), "ink")})
	}
	r.writes(as...)
	var got struct{ Items []suggestion }
	a := (&browser{r: r}).get("/kb/suggest?q=printer+ink")
	ok(t, json.Unmarshal([]byte(a.body), &got))
	if len(got.Items) != 3 || !strings.HasPrefix(got.Items[0].Title, "Printer ") || !strings.HasPrefix(got.Items[0].URL, "/en/kb/a") {
		t.Errorf("suggested: %s", a.body)
	}
	if a := (&browser{r: r}).get("/kb/suggest?q="); !strings.Contains(a.body, `"items":[]`) {
		t.Errorf("for nothing: %s", a.body)
	}
}
