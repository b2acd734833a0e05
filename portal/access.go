package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/web"
)

func (p *portal) signInPage(c *gin.Context) error {
	t, h, err := p.page(c, visitor{}, "sign_in")
	if err != nil {
		return err
	}
	switch c.Query("why") {
	case "idle":
		var keptErr error
		h.Notice, err = t.T("timed_out")
		h.Kept, keptErr = t.T("timed_out_kept")
		err = errors.Join(err, keptErr)
	case "out":
		h.Notice, err = t.T("signed_out")
	case "code":
		h.Notice, err = t.T("wrong_code")
	}
	if err != nil {
		return err
	}
	return p.showSignIn(c, t, h, "", returnTo(c.Query("to")), 0)
}

// required adds a problem for a field that was left empty.
func required(h *head, t *i18n.Texts, field, value, key string) error {
	if !desk.Blank(value) {
		return nil
	}
	text, err := t.T(key)
	h.Problems = append(h.Problems, problem{field, text})
	return err
}

func (p *portal) signIn(c *gin.Context) error {
	t, h, err := p.page(c, visitor{}, "sign_in")
	if err != nil {
		return err
	}
	login, password := c.PostForm("email"), c.PostForm("password")
	if err := errors.Join(required(&h, t, "email", login, "need_email"), required(&h, t, "password", password, "need_password")); err != nil {
		return err
	}
	if len(h.Problems) == 0 {
		who, err := p.Accounts.SignIn(c.Request.Context(), login, password, c.ClientIP())
		if err == nil {
			return p.enter(c, who, web.ByPassword, returnTo(c.PostForm("to")))
		}
		if err := notLetIn(c, t, &h, "email", err); err != nil {
			return err
		}
	}
	return p.showSignIn(c, t, h, login, returnTo(c.PostForm("to")), len(h.Problems))
}

// notLetIn says at a field why a sign-in was refused. What is no refusal is given back.
func notLetIn(c *gin.Context, t *i18n.Texts, h *head, field string, err error) error {
	e, ok := errors.AsType[*desk.Error](err)
	if !ok || e.Kind != desk.Unauthenticated && e.Kind != desk.TooMany {
		return err
	}
	text, err := t.T(e.Key, e.Args...)
	if err != nil {
		return err
	}
	h.Problems = append(h.Problems, problem{field, text})
	if e.Kind == desk.TooMany {
		comeBack(c.Writer)
		c.Status(http.StatusTooManyRequests)
	}
	return nil
}

func (p *portal) showSignIn(c *gin.Context, t *i18n.Texts, h head, login, to string, problems int) error {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	a := org.Settings.Access
	return p.show(c, t, "sign-in", accessView{head: h, Email: login, To: to, Password: a.Password, Link: a.Link, Passkeys: p.offers(org.Settings), Register: a.Registration != desk.RegistrationClosed}, problems)
}

// enter signs somebody in and leads to a page of ours.
func (p *portal) enter(c *gin.Context, who desk.Contact, way web.Way, to string) error {
	if err := p.begin(c, web.Session{Contact: who.ID, Way: way, IP: c.ClientIP(), Agent: c.Request.UserAgent()}); err != nil {
		return err
	}
	if err := p.learn(c, who); err != nil {
		return err
	}
	if err := p.Accounts.Entered(c.Request.Context(), who, string(way), c.ClientIP()); err != nil {
		return err
	}
	return redirect(c, to)
}

// begin begins a session, which ends when the operator's settings say.
func (p *portal) begin(c *gin.Context, in web.Session) error {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	return p.sessions.SignIn(c.Request.Context(), in, time.Duration(org.Settings.Access.LongestHours)*time.Hour)
}

func (p *portal) signOut(c *gin.Context) error {
	if err := p.sessions.SignOut(c.Request.Context()); err != nil {
		return err
	}
	return redirect(c, "/sign-in?why=out")
}

func (p *portal) requestLink(c *gin.Context) error {
	return p.request(c, "sign_in", "sign-in", p.Accounts.RequestSignIn)
}

func (p *portal) forgotPage(c *gin.Context) error {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	if !org.Settings.Access.Password {
		return desk.Missing("page")
	}
	t, h, err := p.page(c, visitor{}, "forgot_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "forgot", accessView{head: h}, 0)
}

func (p *portal) requestPassword(c *gin.Context) error {
	return p.request(c, "forgot_title", "forgot", p.Accounts.RequestPassword)
}

// request has a link mailed. The page that follows is the same whether the name is known or not (REQUIREMENTS P2).
func (p *portal) request(c *gin.Context, titleKey, form string, ask func(ctx context.Context, login, ip string) error) error {
	t, h, err := p.page(c, visitor{}, titleKey)
	if err != nil {
		return err
	}
	login := c.PostForm("email")
	if err := required(&h, t, "email", login, "need_email"); err != nil {
		return err
	}
	if len(h.Problems) > 0 {
		if form == "sign-in" {
			return p.showSignIn(c, t, h, login, returnTo(c.PostForm("to")), len(h.Problems))
		}
		return p.show(c, t, form, accessView{head: h, Email: login}, len(h.Problems))
	}
	if err := ask(c.Request.Context(), login, c.ClientIP()); err != nil {
		return err
	}
	if h.Title, err = t.T("mail_title"); err != nil {
		return err
	}
	v := accessView{head: h, Code: form == "sign-in"}
	if v.Code {
		p.sessions.Put(c.Request.Context(), "code-for", login)
		p.sessions.Put(c.Request.Context(), "code-to", returnTo(c.PostForm("to")))
	}
	return p.show(c, t, "check-mail", v, 0)
}

// linkPage only shows a button: programs that open every link in a mail must not spend it (REQUIREMENTS P4).
func (p *portal) linkPage(c *gin.Context) error {
	if _, err := p.Accounts.Link(c.Request.Context(), c.Param("secret"), desk.LinkSignIn); err != nil {
		return p.expired(c, err, "/sign-in")
	}
	t, h, err := p.page(c, visitor{}, "link_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "link", accessView{head: h}, 0)
}

func (p *portal) signInByLink(c *gin.Context) error {
	who, err := p.Accounts.SignInByLink(c.Request.Context(), c.Param("secret"))
	if err != nil {
		return p.expired(c, err, "/sign-in")
	}
	return p.enter(c, who, web.ByLink, home)
}

// signInByCode is for who reads the mail on another device than the one they asked on.
func (p *portal) signInByCode(c *gin.Context) error {
	ctx := c.Request.Context()
	login := p.sessions.Read(ctx, "code-for")
	if login == "" { // they asked too long ago, or elsewhere
		return redirect(c, "/sign-in?why=code")
	}
	who, err := p.Accounts.SignInByCode(ctx, login, c.PostForm("code"), c.ClientIP())
	if err == nil {
		to := p.sessions.Take(ctx, "code-to")
		p.sessions.Take(ctx, "code-for")
		return p.enter(c, who, web.ByLink, returnTo(to))
	}
	t, h, pageErr := p.page(c, visitor{}, "mail_title")
	if err := cmp.Or(pageErr, notLetIn(c, t, &h, "code", err)); err != nil {
		return err
	}
	return p.show(c, t, "check-mail", accessView{head: h, Code: true}, 1)
}

// expired shows what to do about a link that is of no use any more; other errors go on.
func (p *portal) expired(c *gin.Context, err error, again string) error {
	if !errors.Is(err, accounts.ErrLink) {
		return err
	}
	t, h, err := p.page(c, visitor{}, "link_expired_title")
	if err != nil {
		return err
	}
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	if again == "/forgot" && !org.Settings.Access.Password {
		again = "/sign-in"
	}
	return p.pages.write(c.Writer, web.Status(accounts.ErrLink), t.Lang(), "link-expired", accessView{head: h, Again: again})
}

func (p *portal) passwordPage(c *gin.Context) error {
	who, err := p.Accounts.Link(c.Request.Context(), c.Param("secret"), desk.LinkSetPassword)
	if err != nil {
		return p.expired(c, err, "/forgot")
	}
	t, h, err := p.page(c, visitor{}, "set_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "set-password", accessView{head: h, Name: nameOf(who), Email: who.LoginAddress()}, 0)
}

func (p *portal) setPassword(c *gin.Context) error {
	ctx, secret := c.Request.Context(), c.Param("secret")
	who, err := p.Accounts.SetPasswordByLink(ctx, secret, c.PostForm("password"))
	if err == nil {
		keys, err := p.DB.Passkeys(ctx, who.ID)
		if err != nil {
			return err
		}
		to := home
		if len(keys) > 0 { // somebody who resets a password because of a stranger should know of them
			to = "/account?why=passkeys#key-h"
		}
		return p.enter(c, who, web.ByLink, to)
	}
	e, ok := errors.AsType[*desk.Error](err)
	if !ok || e.Kind != desk.Invalid {
		return p.expired(c, err, "/forgot")
	}
	t, h, err := p.page(c, visitor{}, "set_title")
	if err != nil {
		return err
	}
	text, err := t.T(e.Key, e.Args...)
	if err != nil {
		return err
	}
	h.Problems = []problem{{"password", text}}
	return p.show(c, t, "set-password", accessView{head: h, Name: nameOf(who), Email: who.LoginAddress()}, 1)
}
