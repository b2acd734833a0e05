package portal

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/tickets"
	"postern/web"
)

// languageCookie keeps what somebody has chosen who is not signed in. It moves to their profile when they are.
const languageCookie = "postern-language"

// languageChoice is one line of the language picker.
type languageChoice struct {
	Tag, Dir, Name string
	Chosen         bool
}

func languagesOf(offered []string, shown string) (out []languageChoice) {
	for _, lang := range offered {
		out = append(out, languageChoice{Tag: lang, Dir: i18n.DirOf(lang), Name: i18n.OwnName(lang), Chosen: lang == shown})
	}
	slices.SortFunc(out, func(a, b languageChoice) int { return strings.Compare(i18n.Fold(a.Name), i18n.Fold(b.Name)) })
	return out
}

// texts are those of a page, in its language, with times in the person's zone, else the portal's.
func (p *portal) texts(r *http.Request, who visitor) *i18n.Texts {
	return p.textsIn(r, who, p.lang(r, who))
}

func (p *portal) textsIn(r *http.Request, who visitor, lang string) *i18n.Texts {
	zone := who.TimeZone
	if zone == "" {
		if org, err := p.DB.Organisation(r.Context()); err == nil { // an error page must come up without a database
			zone = org.Settings.TimeZone
		}
	}
	return p.Texts.For(lang).In(zone)
}

// lang is the language of a page among those that are offered: the person's, then what was chosen in this browser, then what the browser asks for,
// then the portal's.
func (p *portal) lang(r *http.Request, who visitor) string {
	var offered []string // all of them, where there is no database
	fallback := "en"
	if org, err := p.DB.Organisation(r.Context()); err == nil {
		offered, fallback = org.Settings.Offered(), org.Settings.DefaultLanguage
	}
	return p.Texts.Match(offered, who.Language, chosenLanguage(r), r.Header.Get("Accept-Language"), fallback)
}

func chosenLanguage(r *http.Request) string {
	c, err := r.Cookie(languageCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// chooseLanguage has the portal speak another language to whoever asks, signed in or not: with the person where there is one, so that mails are in it
// too, else in the browser.
func (p *portal) chooseLanguage(c *gin.Context) error {
	ctx, lang := c.Request.Context(), c.PostForm("language")
	org, err := p.DB.Organisation(ctx)
	if err != nil {
		return err
	}
	offered := org.Settings.Offered()
	if !slices.Contains(offered, lang) {
		return desk.Refuse("language", "the portal is not offered in %q", lang)
	}
	in, _, err := p.session(c, org.Settings.Access)
	if err != nil {
		return err
	}
	if in.Contact != "" && in.Way != web.AsOperator {
		if err := p.Desk.ChangeOwn(ctx, in.Contact, tickets.Own{Language: &lang}); err != nil {
			return err
		}
	} else {
		p.keepHere(c, languageCookie, lang)
	}
	return redirect(c, inLanguage(pageOf(c.PostForm("to")), offered, lang))
}

// learn keeps with somebody who has just come in what their browser knows of them: the language they chose before, and the time zone, if they have
// none yet.
func (p *portal) learn(c *gin.Context, who desk.Contact) error {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	var own tickets.Own
	if lang := chosenLanguage(c.Request); lang != "" {
		p.keepHere(c, languageCookie, "") // the next one at this browser may be somebody else
		if lang != who.Language && slices.Contains(org.Settings.Offered(), lang) {
			own.Language = &lang
		}
	}
	if zone := c.PostForm("zone"); zone != "" && who.TimeZone == "" && desk.CheckTimeZone("zone", zone) == nil {
		own.TimeZone = &zone
	}
	if own == (tickets.Own{}) {
		return nil
	}
	return p.Desk.ChangeOwn(c.Request.Context(), who.ID, own)
}

// inLanguage is a page's address in another language: only those of the knowledge base have it in their address.
func inLanguage(to string, offered []string, lang string) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(to, "/"), "/")
	if !slices.Contains(offered, first) {
		return to
	}
	return "/" + lang + "/" + rest
}

// here is the page that a request shows, to come back to.
func here(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.RequestURI()
	}
	switch p := r.URL.Path; p { // what a form shows that is no page of its own
	case "/sign-in/link", "/sign-in/code", "/sign-in/passkey":
		return "/sign-in"
	case "/account/password", "/account/passkeys":
		return "/account"
	default:
		return p
	}
}

// pageOf is the path and query of a page of ours, whatever was sent: it never leads to another site (REQUIREMENTS P11).
func pageOf(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.ContainsFunc(u.Path, func(r rune) bool { return r == '\\' || r < ' ' }) {
		return home
	}
	return (&url.URL{Path: path.Clean(u.Path), RawQuery: u.RawQuery}).String()
}
