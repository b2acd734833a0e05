// Package portal is the customers' home: they sign in, see their tickets, answer with files and open new ones. Every page
// works without script, and every query carries the scope of the person who is signed in.
package portal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
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
	BaseURL  string // where people reach the portal; its path is before every address of ours. Empty: search engines are told nothing
	HTTPS    bool   // people come over TLS: cookies are for TLS only
	// Originals gives mails as their senders laid them out; nil: none are shown. Fetch gets pictures from elsewhere; nil: from public addresses.
	Originals Originals
	Fetch     *web.Fetcher
	// Templates are the operator's own, which take the place of ours block by block; nil: none.
	Templates fs.FS
	Closing   <-chan struct{} // closed when the process stops: pages that wait for news are let go. Nil: never
	// Drawn is told of each page that is drawn, and may have it drawn again, to nowhere; nil: nobody is. It is for measuring.
	Drawn func(again func() error)
}

// The limits of what a customer sends at once.
const (
	maxFiles     = 10
	maxFormText  = 1 << 20
	maxSmallForm = 64 << 10 // a form without files
	formWithin   = 30 * time.Second
	filesWithin  = 10 * time.Minute
)

type portal struct {
	Options
	sessions *web.Sessions
	pages    *pages
	live     *live
	brands   brands
}

// New makes the portal's handler. It fails if a template or a text is wrong.
func New(o Options) (http.Handler, error) {
	assets, err := web.LoadAssets()
	if err != nil {
		return nil, err
	}
	o.Fetch = o.fetcher()
	p := &portal{Options: o, live: newLive(o.DB, o.Web.Log)}
	if p.pages, err = parsePages(o.Texts, assets, o.Templates); err != nil {
		return nil, err
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, err
	}
	p.pages.under = strings.TrimSuffix(base.Path, "/")
	p.pages.drawn = o.Drawn
	if o.Templates != nil {
		if err := p.pages.try(o.Texts); err != nil {
			return nil, fmt.Errorf("own templates: %w; gateway portal preview shows it", err)
		}
	}
	p.sessions = web.NewSessions(o.DB, o.HTTPS, p.sessionTrouble)
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
	return web.Headers(web.Bodies(mux, maxUpload(desk.MaxFileMB<<20), filesWithin), o.HTTPS), nil
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
			off, err := p.off(c)
			if err == nil && !off {
				err = h(c)
			}
			if err != nil {
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
	open("POST", "/sign-in/code", p.signInByCode)
	open("POST", "/sign-in/passkey/begin", p.beginPasskeySignIn)
	open("POST", "/sign-in/passkey", p.signInByPasskey)
	open("GET", "/register", p.registerPage)
	open("POST", "/register", p.register)
	open("GET", "/register/:secret", p.confirmPage)
	open("POST", "/register/:secret", p.confirm)
	open("GET", "/view/:secret", p.viewPage)
	open("POST", "/view/:secret", p.view)
	open("GET", "/forgot", p.forgotPage)
	open("POST", "/forgot", p.requestPassword)
	open("GET", "/password/:secret", p.passwordPage)
	open("POST", "/password/:secret", p.setPassword)
	open("POST", "/sign-out", p.signOut)
	open("POST", "/language", p.chooseLanguage)
	open("GET", "/stop/:contact/:token", p.stopPage)
	open("POST", "/stop/:contact/:token", p.stop)
	open("GET", "/linked/:file/:until/:token", p.linkedFile)
	open("GET", desk.BrandPath+":name", p.brandFile)
	p.knowledgeRoutes(open)

	signedIn := func(h func(*gin.Context, visitor) error) func(*gin.Context) error {
		return func(c *gin.Context) error {
			who, ok, err := p.visitor(c)
			if err != nil || !ok {
				return err
			}
			return h(c, who)
		}
	}
	member := func(method, path string, h func(*gin.Context, visitor) error) { open(method, path, signedIn(h)) }
	memberWithFiles := func(path string, h func(*gin.Context, visitor) error) {
		answer("POST", path, signedIn(h))
	}
	member("GET", "/", func(c *gin.Context, _ visitor) error { return redirect(c, "/tickets") })
	member("GET", "/consent", p.consentPage)
	member("POST", "/consent", p.consent)
	member("GET", "/account", p.account)
	member("POST", "/account", p.changeAccount)
	member("POST", "/account/password", p.changePassword)
	member("GET", "/account/first-password", p.mustChangePage)
	member("POST", "/account/sessions", p.endSessions)
	member("POST", "/account/passkeys/begin", p.beginPasskey)
	member("POST", "/account/passkeys", p.addPasskey)
	member("POST", "/account/passkeys/remove", p.removePasskey)
	member("GET", "/tickets", p.list)
	member("GET", "/tickets/new", p.newPage)
	memberWithFiles("/tickets/new", p.create)
	member("GET", "/tickets/:number", p.thread)
	memberWithFiles("/tickets/:number", p.reply)
	member("GET", "/tickets/:number/events", p.events)
	member("GET", "/tickets/:number/messages/:message/original", p.originalFrame)
	member("GET", "/tickets/:number/messages/:message/pictures/:n", p.remotePicture)
	member("POST", "/account/stay", p.stay)
	member("POST", "/tickets/:number/solved", p.solve)
	member("POST", "/tickets/:number/mail", p.wantMail)
	member("POST", "/tickets/:number/rating", p.rate)
	member("GET", "/files/:id/:name", p.file)
}

// off answers with a plain page where the portal is switched off, and tells whether it did. Links in mails that are no pages of it, to stop
// automatic mail or for an agent to get a file, keep.
func (p *portal) off(c *gin.Context) (bool, error) {
	if path := c.FullPath(); strings.HasPrefix(path, "/stop/") || strings.HasPrefix(path, "/linked/") || strings.HasPrefix(path, desk.BrandPath) {
		return false, nil
	}
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil || org.Settings.PortalOn {
		return false, err
	}
	t, h, err := p.page(c, visitor{}, "off.title")
	if err != nil {
		return true, err
	}
	c.Header("Retry-After", "3600")
	c.Status(http.StatusServiceUnavailable)
	return true, p.show(c, t, "off", accessView{head: h}, 0)
}

// signInPath leads to the sign-in page, and from there to the page that was asked for.
func signInPath(r *http.Request, why string) string {
	q := url.Values{}
	if why != "" {
		q.Set("why", why)
	}
	if to := r.URL.RequestURI(); returnTo(to) != home {
		q.Set("to", to)
	}
	if len(q) == 0 {
		return "/sign-in"
	}
	return "/sign-in?" + q.Encode()
}

// home is where people are after they have signed in.
const home = "/tickets"

var pageOfOurs = regexp.MustCompile(`^/(tickets/([0-9]{1,18}|new(\?(form|article)=[a-z0-9_-]{1,100})?)|account(\?why=(password|passkeys))?)$`)

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
	var who visitor
	if status < http.StatusInternalServerError {
		who, _ = p.reader(c) // for their language; without it, the page is in the browser's
	}
	p.writeOops(c.Request.Context(), c.Writer, c.Request, who, status, err)
}

func (p *portal) writeOops(ctx context.Context, w http.ResponseWriter, r *http.Request, who visitor, status int, err error) {
	w.Header().Set("Cache-Control", "private, no-store")
	if status == http.StatusTooManyRequests {
		comeBack(w)
	}
	texts := p.texts(r, who)
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
	v := oopsView{head: p.headOf(r, texts, visitor{}, title), Text: text}
	if v.Here = home; status >= http.StatusInternalServerError { // the same for every address: nobody learns which exist
		v.Languages = nil // it could not be kept
	}
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
	p.writeOops(r.Context(), w, r, visitor{}, http.StatusForbidden, nil)
}

// sessionTrouble answers when the session can't be read or stored.
func (p *portal) sessionTrouble(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	p.Web.Log.ErrorContext(r.Context(), "sessions have trouble", slog.String("error", err.Error()))
	p.writeOops(r.Context(), w, r, visitor{}, status, err)
}
