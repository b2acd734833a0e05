package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/web"
)

func (p *portal) signInPage(c *gin.Context) error {
	t, h, err := p.page(c, desk.Contact{}, "sign_in")
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
	}
	if err != nil {
		return err
	}
	return p.show(c, t, "sign-in", accessView{head: h, To: returnTo(c.Query("to"))}, 0)
}

// required adds a problem for a field that was left empty.
func required(h *head, t *i18n.Texts, field, value, key string) error {
	if strings.TrimSpace(value) != "" {
		return nil
	}
	text, err := t.T(key)
	h.Problems = append(h.Problems, problem{field, text})
	return err
}

func (p *portal) signIn(c *gin.Context) error {
	t, h, err := p.page(c, desk.Contact{}, "sign_in")
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
			return p.enter(c, who, returnTo(c.PostForm("to")))
		}
		e, ok := errors.AsType[*desk.Error](err)
		if !ok || e.Kind != desk.Unauthenticated && e.Kind != desk.TooMany {
			return err
		}
		text, err := t.T(e.Key, e.Args...)
		if err != nil {
			return err
		}
		h.Problems = append(h.Problems, problem{"email", text})
		if e.Kind == desk.TooMany {
			comeBack(c.Writer)
			c.Status(http.StatusTooManyRequests)
		}
	}
	return p.show(c, t, "sign-in", accessView{head: h, Email: login, To: returnTo(c.PostForm("to"))}, len(h.Problems))
}

// enter signs somebody in and leads to a page of ours.
func (p *portal) enter(c *gin.Context, who desk.Contact, to string) error {
	if err := p.sessions.SignIn(c.Request.Context(), who.ID); err != nil {
		return err
	}
	return redirect(c, to)
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
	t, h, err := p.page(c, desk.Contact{}, "forgot_title")
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
	t, h, err := p.page(c, desk.Contact{}, titleKey)
	if err != nil {
		return err
	}
	login := c.PostForm("email")
	if err := required(&h, t, "email", login, "need_email"); err != nil {
		return err
	}
	if len(h.Problems) > 0 {
		return p.show(c, t, form, accessView{head: h, Email: login}, len(h.Problems))
	}
	if err := ask(c.Request.Context(), login, c.ClientIP()); err != nil {
		return err
	}
	if h.Title, err = t.T("mail_title"); err != nil {
		return err
	}
	return p.show(c, t, "check-mail", accessView{head: h}, 0)
}

// linkPage only shows a button: programs that open every link in a mail must not spend it (REQUIREMENTS P4).
func (p *portal) linkPage(c *gin.Context) error {
	if _, err := p.Accounts.Link(c.Request.Context(), c.Param("secret"), desk.LinkSignIn); err != nil {
		return p.expired(c, err, "/sign-in")
	}
	t, h, err := p.page(c, desk.Contact{}, "link_title")
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
	return p.enter(c, who, home)
}

// expired shows what to do about a link that is of no use any more; other errors go on.
func (p *portal) expired(c *gin.Context, err error, again string) error {
	if !errors.Is(err, accounts.ErrLink) {
		return err
	}
	t, h, err := p.page(c, desk.Contact{}, "link_expired_title")
	if err != nil {
		return err
	}
	return p.pages.write(c.Writer, web.Status(accounts.ErrLink), t.Lang(), "link-expired", accessView{head: h, Again: again})
}

func (p *portal) passwordPage(c *gin.Context) error {
	who, err := p.Accounts.Link(c.Request.Context(), c.Param("secret"), desk.LinkSetPassword)
	if err != nil {
		return p.expired(c, err, "/forgot")
	}
	t, h, err := p.page(c, desk.Contact{}, "set_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "set-password", accessView{head: h, Name: nameOf(who), Email: who.LoginAddress()}, 0)
}

func (p *portal) setPassword(c *gin.Context) error {
	ctx, secret := c.Request.Context(), c.Param("secret")
	who, err := p.Accounts.SetPasswordByLink(ctx, secret, c.PostForm("password"))
	if err == nil {
		return p.enter(c, who, home)
	}
	e, ok := errors.AsType[*desk.Error](err)
	if !ok || e.Kind != desk.Invalid {
		return p.expired(c, err, "/forgot")
	}
	t, h, err := p.page(c, desk.Contact{}, "set_title")
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
