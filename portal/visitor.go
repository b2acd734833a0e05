package portal

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/store"
	"postern/web"
)

// visitor is who a page is made for: a signed-in contact with what they may see at this moment, or nobody (the zero value).
type visitor struct {
	desk.Visitor
	scope   desk.Scope
	org     *store.Organisation
	session web.Session
}

// visitor finds who is signed in. It answers false after it has sent everybody else to another page: to sign in, or to be told that they
// may not enter.
func (p *portal) visitor(c *gin.Context) (visitor, bool, error) {
	ctx := c.Request.Context()
	org, err := p.DB.Organisation(ctx)
	if err != nil {
		return visitor{}, false, err
	}
	in, timedOut, err := p.session(c, org.Settings.Access)
	if err != nil {
		return visitor{}, false, err
	}
	if timedOut {
		return visitor{}, false, redirect(c, signInPath(c.Request, "idle"))
	}
	if in.Contact == "" {
		return visitor{}, false, redirect(c, signInPath(c.Request, ""))
	}
	who, err := p.visitorOf(c, org, in)
	if desk.KindOf(err) == desk.NotFound || err == nil && who.Disabled {
		if err := p.sessions.SignOut(ctx); err != nil {
			return visitor{}, false, err
		}
		return visitor{}, false, redirect(c, signInPath(c.Request, ""))
	}
	if err != nil {
		return visitor{}, false, err
	}
	if !org.Settings.Access.MayEnter(who.Visitor, org.Lists, p.DB.Now()) {
		return visitor{}, false, p.denied(c, who)
	}
	if to, err := p.first(c, who); err != nil || to != "" {
		if err == nil {
			err = redirect(c, to)
		}
		return visitor{}, false, err
	}
	if who.Seeing && c.FullPath() != "/account/stay" && c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead {
		return visitor{}, false, &refused{http.StatusForbidden, "oops.seeing", errors.New("an operator who looks on can change nothing")}
	}
	return who, true, nil
}

// first tells which page somebody has to see to before any other; "" if none. An operator who looks on sees the others.
func (p *portal) first(c *gin.Context, who visitor) (string, error) {
	path := c.FullPath()
	if who.Seeing || path == "/account/password" || path == "/account/first-password" {
		return "", nil
	}
	if who.org.Settings.Access.Password {
		must, err := p.Accounts.MustChange(c.Request.Context(), who.ID)
		if err != nil || must {
			return "/account/first-password", err
		}
	}
	if path == "/consent" {
		return "", nil
	}
	_, _, needed, err := p.Accounts.ConsentNeeded(c.Request.Context(), who.org.Settings, who.Contact, "")
	if err != nil || !needed {
		return "", err
	}
	if to := returnTo(c.Request.URL.RequestURI()); to != home {
		return "/consent?to=" + url.QueryEscape(to), nil
	}
	return "/consent", nil
}

// session is this request's, if it has not ended.
func (p *portal) session(c *gin.Context, a desk.Access) (in web.Session, timedOut bool, err error) {
	return p.sessions.Current(c.Request.Context(), time.Duration(a.IdleMinutes)*time.Minute, time.Duration(a.LongestHours)*time.Hour, byItself(c.Request))
}

// byItself tells whether a page has sent a request without its reader having done anything: their session does not go on for it.
func byItself(r *http.Request) bool {
	return r.Header.Get("Accept") == "text/event-stream" || r.Header.Get("Postern-Refresh") != ""
}

// stay is what a page asks for whose reader says that they are still there.
func (p *portal) stay(c *gin.Context, _ visitor) error {
	c.Status(http.StatusNoContent)
	return nil
}

func (p *portal) visitorOf(c *gin.Context, org *store.Organisation, in web.Session) (visitor, error) {
	now := p.DB.Now()
	v, err := p.DB.Visitor(c.Request.Context(), in.Contact, now)
	if err != nil {
		return visitor{}, err
	}
	v.Seeing = in.Way == web.AsOperator
	return visitor{Visitor: v, scope: desk.ScopeOfVisitor(org.Settings, org.Lists, v, now), org: org, session: in}, nil
}

// denied tells somebody who is signed in that they may not enter, and whom to ask. It tells nothing of what is inside.
func (p *portal) denied(c *gin.Context, who visitor) error {
	t, h, err := p.page(c, who, "denied_title")
	if err != nil {
		return err
	}
	ask := who.org.Settings.Access.Ask
	if ask == "" {
		ask = h.Help
	}
	c.Status(http.StatusForbidden)
	return p.show(c, t, "denied", accessView{head: h, Name: ask}, 0)
}
