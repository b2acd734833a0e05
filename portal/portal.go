// Package portal is the customers' home: they sign in, see their tickets, answer with files and open new ones. Every page
// works without script, and every query carries the scope of the person who is signed in.
package portal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/blob"
	"postern/desk"
	"postern/i18n"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

// Options are what the portal needs.
type Options struct {
	DB       *store.DB
	Desk     *tickets.Desk
	Accounts *accounts.Accounts
	Blobs    blob.Store
	Texts    *i18n.Catalogue
	Web      web.Options
	HTTPS    bool          // people come over TLS: cookies are for TLS only
	Idle     time.Duration // how long a session lasts without a request; 0: 30 minutes
}

// The limits of what a customer sends at once.
const (
	maxFiles     = 10
	maxFileSize  = 25 << 20
	shownSize    = 25_000_000 // the limit as people are told it
	maxFormText  = 1 << 20
	maxSmallForm = 64 << 10 // a form without files
	formWithin   = 30 * time.Second
	filesWithin  = 10 * time.Minute
)

type portal struct {
	Options
	sessions *web.Sessions
	pages    *pages
}

// New makes the portal's handler. It fails if a template or a text is wrong.
func New(o Options) (http.Handler, error) {
	if o.Idle == 0 {
		o.Idle = 30 * time.Minute
	}
	assets, err := web.LoadAssets()
	if err != nil {
		return nil, err
	}
	p := &portal{Options: o}
	if p.pages, err = parsePages(o.Texts, assets); err != nil {
		return nil, err
	}
	p.sessions = web.NewSessions(o.DB, o.HTTPS, o.Idle, p.sessionTrouble)
	e, err := web.Engine(o.Web, p.oops)
	if err != nil {
		return nil, err
	}
	p.routes(e)
	mux := http.NewServeMux()
	mux.Handle(web.AssetsPath, assets)
	// A mail program may have its reader's browser post there, from its own page; whoever has the link may (RFC 8058).
	mux.Handle("/stop/", remembering(p.sessions.Handler(e)))
	mux.Handle("/", web.SameOrigin(remembering(p.sessions.Handler(e)), http.HandlerFunc(p.foreign)))
	return web.Headers(web.Bodies(mux, maxUpload, filesWithin), o.HTTPS), nil
}

func (p *portal) routes(e *gin.Engine) {
	e.NoRoute(func(c *gin.Context) { p.oops(c, desk.Missing("page")) })
	answer := func(method, path string, h func(*gin.Context) error) {
		methods := []string{method}
		if method == http.MethodGet { // what answers a GET answers a HEAD; net/http leaves the body out
			methods = append(methods, http.MethodHead)
		}
		e.Match(methods, path, func(c *gin.Context) {
			c.Header("Cache-Control", "private, no-store")
			if err := h(c); err != nil {
				p.oops(c, err)
			}
		})
	}
	open := func(method, path string, h func(*gin.Context) error) {
		answer(method, path, func(c *gin.Context) error {
			if err := parseForm(c); err != nil {
				return err
			}
			return h(c)
		})
	}
	open("GET", "/sign-in", p.signInPage)
	open("POST", "/sign-in", p.signIn)
	open("POST", "/sign-in/link", p.requestLink)
	open("GET", "/sign-in/link/:secret", p.linkPage)
	open("POST", "/sign-in/link/:secret", p.signInByLink)
	open("GET", "/forgot", p.forgotPage)
	open("POST", "/forgot", p.requestPassword)
	open("GET", "/password/:secret", p.passwordPage)
	open("POST", "/password/:secret", p.setPassword)
	open("POST", "/sign-out", p.signOut)
	open("GET", "/stop/:contact/:token", p.stopPage)
	open("POST", "/stop/:contact/:token", p.stop)
	open("GET", "/linked/:file/:until/:token", p.linkedFile)

	signedIn := func(h func(*gin.Context, desk.Contact) error) func(*gin.Context) error {
		return func(c *gin.Context) error {
			who, ok, err := p.member(c)
			if err != nil || !ok {
				return err
			}
			return h(c, who)
		}
	}
	member := func(method, path string, h func(*gin.Context, desk.Contact) error) { open(method, path, signedIn(h)) }
	memberWithFiles := func(path string, h func(*gin.Context, desk.Contact) error) {
		answer("POST", path, signedIn(h))
	}
	member("GET", "/", func(c *gin.Context, _ desk.Contact) error { return redirect(c, "/tickets") })
	member("GET", "/tickets", p.list)
	member("GET", "/tickets/new", p.newPage)
	memberWithFiles("/tickets/new", p.create)
	member("GET", "/tickets/:number", p.thread)
	memberWithFiles("/tickets/:number", p.reply)
	member("POST", "/tickets/:number/solved", p.solve)
	member("GET", "/files/:id/:name", p.file)
}

// member finds who is signed in. It answers false after it has sent everybody else to the sign-in page.
func (p *portal) member(c *gin.Context) (desk.Contact, bool, error) {
	ctx := c.Request.Context()
	id, timedOut, err := p.sessions.Contact(ctx)
	if err != nil {
		return desk.Contact{}, false, err
	}
	if timedOut {
		return desk.Contact{}, false, redirect(c, signInPath(c.Request, "idle"))
	}
	if id != "" {
		who, err := p.DB.Contact(ctx, id)
		if err == nil && !who.Disabled {
			return who, true, nil
		}
		if err != nil && desk.KindOf(err) != desk.NotFound {
			return who, false, err
		}
		if err := p.sessions.SignOut(ctx); err != nil {
			return who, false, err
		}
	}
	return desk.Contact{}, false, redirect(c, signInPath(c.Request, ""))
}

// signInPath leads to the sign-in page, and from there to the page that was asked for.
func signInPath(r *http.Request, why string) string {
	q := url.Values{}
	if why != "" {
		q.Set("why", why)
	}
	if to := r.URL.EscapedPath(); returnTo(to) != home {
		q.Set("to", to)
	}
	if len(q) == 0 {
		return "/sign-in"
	}
	return "/sign-in?" + q.Encode()
}

// home is where people are after they have signed in.
const home = "/tickets"

var pageOfOurs = regexp.MustCompile(`^/tickets/([0-9]{1,18}|new)$`)

// returnTo gives the path if it is a page that somebody can be sent to after signing in, else home (REQUIREMENTS P11).
func returnTo(path string) string {
	if pageOfOurs.MatchString(path) {
		return path
	}
	return home
}

// redirect answers a request with another page. The path is always one of ours (REQUIREMENTS P11).
func redirect(c *gin.Context, path string) error {
	c.Redirect(http.StatusSeeOther, path)
	return nil
}

// oops is the page for every error: it says what to do, and nothing about what is inside.
func (p *portal) oops(c *gin.Context, err error) {
	status := web.Status(err)
	if r, ok := errors.AsType[*refused](err); ok {
		status = r.status
	}
	if status >= http.StatusInternalServerError {
		p.Web.Log.ErrorContext(c.Request.Context(), "a page failed", slog.String("route", c.FullPath()), slog.Int("status", status), slog.String("error", err.Error()))
	}
	c.Abort()
	p.writeOops(c.Request.Context(), c.Writer, c.Request, status, err)
}

func (p *portal) writeOops(ctx context.Context, w http.ResponseWriter, r *http.Request, status int, err error) {
	w.Header().Set("Cache-Control", "private, no-store")
	if status == http.StatusTooManyRequests {
		comeBack(w)
	}
	texts := p.Texts.For(p.lang(r, desk.Contact{}))
	key, pairs := oopsText(status)
	if r, ok := errors.AsType[*refused](err); ok {
		key = r.key
	}
	title, titleErr := texts.T(key + "_title")
	if e, ok := errors.AsType[*desk.Error](err); ok && e.Key != "" && status < http.StatusInternalServerError {
		key, pairs = e.Key, e.Args
	}
	text, textErr := texts.T(key, pairs...)
	if err := errors.Join(titleErr, textErr); err != nil {
		p.Web.Log.ErrorContext(ctx, "an error page lacks its text", slog.String("error", err.Error()))
	}
	v := oopsView{head: p.headOf(ctx, texts, desk.Contact{}, title), Text: text}
	if f := p.formOf(r); f != nil && status >= http.StatusInternalServerError && f.value("subject")+f.value("text") != "" {
		v.Again = &againView{Action: r.URL.Path, Subject: f.value("subject"), Text: f.value("text"), Nonce: f.value("nonce"), Solved: f.value("solved") != "", Files: f.names()}
	}
	if err := p.pages.write(w, status, texts.Lang(), "oops", v); err != nil {
		p.Web.Log.ErrorContext(ctx, "an error page failed", slog.String("error", err.Error()))
	}
}

// comeBack says when it makes sense to try again: the windows of all limits are a quarter of an hour or longer.
func comeBack(w http.ResponseWriter) { w.Header().Set("Retry-After", "900") }

// oopsText chooses the text for a status. What is our own fault has a time to find it by.
func oopsText(status int) (key string, pairs []any) {
	switch status {
	case http.StatusNotFound:
		return "oops.not_found", nil
	case http.StatusRequestEntityTooLarge:
		return "oops.too_large", nil
	case http.StatusTooManyRequests:
		return "oops.too_many", nil
	case http.StatusServiceUnavailable:
		return "oops.unavailable", nil
	case http.StatusForbidden:
		return "oops.forbidden", nil
	}
	if status < http.StatusInternalServerError {
		return "oops.refused", nil
	}
	return "oops.internal", []any{"Ref", time.Now().UTC().Format("15:04:05.000") + " UTC"}
}

// foreign answers what another site's page sent.
func (p *portal) foreign(w http.ResponseWriter, r *http.Request) {
	p.writeOops(r.Context(), w, r, http.StatusForbidden, nil)
}

// sessionTrouble answers when the session can't be read or stored.
func (p *portal) sessionTrouble(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	p.Web.Log.ErrorContext(r.Context(), "sessions have trouble", slog.String("error", err.Error()))
	p.writeOops(r.Context(), w, r, status, err)
}

// lang is the language of a page: the person's, then the browser's, then the portal's.
func (p *portal) lang(r *http.Request, who desk.Contact) string {
	org, err := p.DB.Organisation(r.Context())
	fallback := "en"
	if err == nil {
		fallback = org.Settings.DefaultLanguage
	}
	return p.Texts.Match(who.Language, r.Header.Get("Accept-Language"), fallback)
}
