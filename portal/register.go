package portal

import (
	"cmp"
	"crypto/rand"
	"errors"
	"html/template"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
	"postern/web"
)

// registeredIn is where a session keeps the secret of a browser in which somebody has registered.
const registeredIn = "registered-in"

type registerView struct {
	head
	Name, Email, Company string
	MinPassword          int
	ByPassword           bool // people may sign in by one
	Consent              *consentView
}

// consentView is a text that is agreed to. Version names it exactly: what is agreed to is what was shown.
type consentView struct {
	Text    template.HTML
	Label   string
	Version string
	Lang    string
	To      string // the page to go on to
}

func consentOf(t desk.ConsentText, lang string) *consentView {
	return &consentView{Text: template.HTML(safehtml.Markdown(t.Text, safehtml.ArticleOptions{}).HTML), Label: t.Label, Version: t.Version(), Lang: lang} //nolint:gosec // cleaned
}

// registering tells whether people can register, and gives the page they do it on.
func (p *portal) registering(c *gin.Context) (*i18n.Texts, registerView, desk.Settings, error) {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return nil, registerView{}, desk.Settings{}, err
	}
	if org.Settings.Access.Registration == desk.RegistrationClosed {
		return nil, registerView{}, desk.Settings{}, desk.Missing("page")
	}
	t, h, err := p.page(c, visitor{}, "register.title")
	v := registerView{head: h, MinPassword: accounts.MinPassword, ByPassword: org.Settings.Access.Password}
	if consent := org.Settings.Access.Consent; consent.Enabled {
		text, lang := consent.In(t.Lang(), org.Settings.DefaultLanguage)
		v.Consent = consentOf(text, lang)
	}
	return t, v, org.Settings, err
}

func (p *portal) registerPage(c *gin.Context) error {
	t, v, _, err := p.registering(c)
	if err != nil {
		return err
	}
	return p.show(c, t, "register", v, 0)
}

func (p *portal) register(c *gin.Context) error {
	t, v, settings, err := p.registering(c)
	if err != nil {
		return err
	}
	v.Name, v.Email, v.Company = c.PostForm("name"), c.PostForm("email"), c.PostForm("company")
	if err := required(&v.head, t, "name", v.Name, "register.need_name"); err != nil {
		return err
	}
	if err := required(&v.head, t, "email", v.Email, "register.need_email"); err != nil {
		return err
	}
	if settings.Access.Consent.Enabled && c.PostForm("consent") == "" {
		if err := required(&v.head, t, "consent", "", "register.need_consent"); err != nil {
			return err
		}
	}
	if len(v.Problems) > 0 {
		return p.show(c, t, "register", v, len(v.Problems))
	}
	browser := cmp.Or(p.sessions.Read(c.Request.Context(), registeredIn), rand.Text())
	err = p.Accounts.Register(c.Request.Context(), accounts.Applicant{
		Name: oneLine(v.Name), Email: v.Email, Company: oneLine(v.Company), Password: c.PostForm("password"), Language: t.Lang(), TimeZone: c.PostForm("zone"),
		Agreed: c.PostForm("consent") != "", Version: c.PostForm("version"), IP: c.ClientIP(), Browser: browser,
	})
	if e, ok := errors.AsType[*desk.Error](err); ok && e.Kind == desk.Invalid && e.Key != "" {
		text, err := t.T(e.Key, e.Args...)
		if err != nil {
			return err
		}
		v.Problems = append(v.Problems, problem{e.Field, text})
		return p.show(c, t, "register", v, 1)
	}
	if err != nil {
		return err
	}
	p.sessions.Put(c.Request.Context(), registeredIn, browser)
	h := v.head
	if h.Title, err = t.T("mail_title"); err != nil {
		return err
	}
	return p.show(c, t, "check-mail", accessView{head: h, Registered: true}, 0)
}

// oneLine makes what was typed into one line of text, without characters that nobody sees or that turn what others read.
func oneLine(s string) string {
	if desk.Blank(s) {
		return ""
	}
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case desk.Unseen(r):
			return -1
		}
		return r
	}, s)), " ")
}

// confirmPage only shows a button, as linkPage does.
func (p *portal) confirmPage(c *gin.Context) error {
	if _, err := p.Accounts.Confirmation(c.Request.Context(), c.Param("secret")); err != nil {
		return p.expired(c, err, "/register")
	}
	t, h, err := p.page(c, visitor{}, "register.confirm_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "confirm", accessView{head: h}, 0)
}

func (p *portal) confirm(c *gin.Context) error {
	who, again, err := p.Accounts.Confirm(c.Request.Context(), c.Param("secret"), p.sessions.Read(c.Request.Context(), registeredIn))
	if err != nil {
		return p.expired(c, err, "/register")
	}
	to := home
	if again {
		to = "/account?why=password#pw-h"
	}
	return p.enter(c, who, web.ByLink, to)
}

// consentPage asks somebody who is signed in for what they have not agreed to yet.
func (p *portal) consentPage(c *gin.Context, who visitor) error { return p.showConsent(c, who, nil) }

func (p *portal) showConsent(c *gin.Context, who visitor, problems []problem) error {
	t, h, err := p.page(c, who, "consent.title")
	if err != nil {
		return err
	}
	h.Problems = problems
	text, lang, needed, err := p.Accounts.ConsentNeeded(c.Request.Context(), who.org.Settings, who.Contact, t.Lang())
	if err != nil {
		return err
	}
	if !needed {
		return redirect(c, home)
	}
	v := consentOf(text, lang)
	v.To = returnTo(c.Query("to"))
	return p.show(c, t, "consent", registerView{head: h, Consent: v}, len(problems))
}

func (p *portal) consent(c *gin.Context, who visitor) error {
	ctx, agreed := c.Request.Context(), c.PostForm("decline") == ""
	if agreed && c.PostForm("consent") == "" {
		t := p.texts(c.Request, who)
		text, err := t.T("register.need_consent")
		if err != nil {
			return err
		}
		return p.showConsent(c, who, []problem{{"consent", text}})
	}
	err := p.Accounts.Consent(ctx, who.Contact, agreed, c.PostForm("lang"), c.PostForm("version"), "sign-in", c.ClientIP())
	if desk.KindOf(err) == desk.Conflict {
		return redirect(c, "/consent") // it was changed while they read
	}
	if err != nil {
		return err
	}
	if !agreed {
		return p.signOut(c)
	}
	return redirect(c, returnTo(c.PostForm("to")))
}
