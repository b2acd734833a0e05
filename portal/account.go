package portal

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

type accountView struct {
	head
	Name        string
	Username    string
	Addresses   []string
	TimeZone    string
	Login       string // what a password manager keeps the password under
	HasPassword bool
	Must        bool // a password has to be chosen before anything else
	MinPassword int
	ByPassword  bool // people may sign in by one
	Sessions    []sessionView
	Passkeys    bool // people may use them
	Keys        []keyLine
	Consents    []consentLine
}

type sessionView struct {
	ID          string // what it is ended by; its token can't be told from it
	Browser     string
	Where, Way  string
	Began, Seen moment
	This        bool
}

type consentLine struct {
	Given bool
	At    moment
}

func (p *portal) account(c *gin.Context, who visitor) error { return p.showAccount(c, who, nil) }

func (p *portal) showAccount(c *gin.Context, who visitor, problems []problem) error {
	ctx := c.Request.Context()
	t, h, err := p.page(c, who, "account.title")
	if err != nil {
		return err
	}
	h.Active, h.Problems = "account", problems
	if key, ok := map[string]string{"password": "account.password_again", "passkeys": "account.passkeys_stay"}[c.Query("why")]; ok && len(problems) == 0 {
		if h.Notice, err = t.T(key); err != nil {
			return err
		}
	}
	v := accountView{head: h, Name: who.Name, Username: who.Username, TimeZone: who.TimeZone, Addresses: who.Addresses, Login: cmp.Or(who.LoginAddress(), who.Username), MinPassword: accounts.MinPassword, ByPassword: who.org.Settings.Access.Password}
	if _, err := p.DB.Password(ctx, who.ID); err == nil {
		v.HasPassword = true
	} else if desk.KindOf(err) != desk.NotFound {
		return err
	}
	sessions, err := p.sessionsOf(c, who)
	if err != nil {
		return err
	}
	current := p.sessions.Token(ctx)
	for _, s := range sessions {
		line, err := sessionLine(t, s, s.Token == current)
		if err != nil {
			return err
		}
		v.Sessions = append(v.Sessions, line)
	}
	v.Passkeys = p.offers(who.org.Settings)
	if v.Keys, err = p.keysOf(c, who); err != nil {
		return err
	}
	consents, err := p.DB.Consents(ctx, who.ID, desk.PortalPurpose, 20)
	if err != nil {
		return err
	}
	for _, r := range consents {
		v.Consents = append(v.Consents, consentLine{r.Given, momentOf(t, r.At)})
	}
	return p.show(c, t, "account", v, len(problems))
}

// sessionsOf lists the visitor's own sessions that have not ended; an operator who looks on is none of theirs.
func (p *portal) sessionsOf(c *gin.Context, who visitor) ([]web.Session, error) {
	stored, err := p.DB.SessionsOf(c.Request.Context(), who.ID, p.DB.Now())
	if err != nil {
		return nil, err
	}
	all, err := web.Listed(stored)
	var out []web.Session
	idle := time.Duration(who.org.Settings.Access.IdleMinutes) * time.Minute
	for _, s := range all {
		if s.Way != web.AsOperator && time.Since(s.Seen) <= idle+time.Minute {
			out = append(out, s)
		}
	}
	return out, err
}

func sessionLine(t *i18n.Texts, s web.Session, current bool) (sessionView, error) {
	way, err := t.T("account.by_" + string(s.Way))
	return sessionView{ID: sessionID(s.Token), Browser: browserOf(s.Agent), Where: s.IP, Way: way, Began: momentOf(t, s.Began), Seen: momentOf(t, s.Seen), This: current}, err
}

// sessionID names a session on a page.
func sessionID(token string) string {
	sum := sha256.Sum256([]byte("session " + token))
	return hex.EncodeToString(sum[:12])
}

// browserOf says in a few words what a browser calls itself. All of them claim to be others: the most particular name is looked for first.
func browserOf(agent string) string {
	pick := func(names ...string) string {
		for _, n := range names {
			mark, name, _ := strings.Cut(n, "=")
			if strings.Contains(agent, mark) {
				return name
			}
		}
		return ""
	}
	browser := pick("Edg=Edge", "OPR/=Opera", "Vivaldi=Vivaldi", "SamsungBrowser=Samsung Internet", "Firefox/=Firefox", "FxiOS=Firefox", "CriOS=Chrome", "Chrome/=Chrome", "Safari/=Safari")
	system := pick("iPhone=iPhone", "iPad=iPad", "Android=Android", "Windows=Windows", "Mac OS X=macOS", "CrOS=ChromeOS", "Linux=Linux")
	return strings.Trim(browser+", "+system, ", ")
}

// changeAccount changes what people decide about themselves.
func (p *portal) changeAccount(c *gin.Context, who visitor) error {
	t := p.texts(c.Request, who)
	name, named := c.GetPostForm("name")
	zone, zoned := c.GetPostForm("zone")
	if name, zone = oneLine(name), strings.TrimSpace(zone); desk.CheckTimeZone("", zone) != nil {
		text, err := t.T("account.no_zone")
		if err != nil {
			return err
		}
		return p.showAccount(c, who, []problem{{"zone", text}})
	}
	var own tickets.Own // what was not sent stays as it is
	if named {
		own.Name = &name
	}
	if zoned {
		own.TimeZone = &zone
	}
	if lang := c.PostForm("language"); slices.Contains(who.org.Settings.Offered(), lang) {
		own.Language, t = &lang, p.textsIn(c.Request, who, lang)
	}
	if err := p.Desk.ChangeOwn(c.Request.Context(), who.ID, own); err != nil {
		return err
	}
	if theme, ok := c.GetPostForm("theme"); ok {
		p.keepTheme(c, theme)
	}
	return p.done(c, t, "/account", "account.saved")
}

func (p *portal) endSessions(c *gin.Context, who visitor) error {
	ctx, t := c.Request.Context(), p.texts(c.Request, who)
	current := p.sessions.Token(ctx)
	if c.PostForm("all") != "" {
		if err := p.DB.Update(ctx, func(tx *store.Tx) error { return tx.EndSession(ctx, who.ID, current, true) }); err != nil {
			return err
		}
		return p.done(c, t, "/account", "account.ended_others")
	}
	sessions, err := p.sessionsOf(c, who)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if sessionID(s.Token) != c.PostForm("session") {
			continue
		}
		if s.Token == current {
			return p.signOut(c)
		}
		if err := p.DB.Update(ctx, func(tx *store.Tx) error { return tx.EndSession(ctx, who.ID, s.Token, false) }); err != nil {
			return err
		}
		return p.done(c, t, "/account", "account.ended")
	}
	return redirect(c, "/account") // it has ended meanwhile: the page shows which there are
}

// changePassword sets a new password for somebody who is signed in. The session goes on under a new token; all others end.
func (p *portal) changePassword(c *gin.Context, who visitor) error {
	ctx, t := c.Request.Context(), p.texts(c.Request, who)
	must, err := p.Accounts.MustChange(ctx, who.ID)
	if err != nil {
		return err
	}
	err = p.Accounts.ChangePassword(ctx, who.Contact, c.PostForm("former"), c.PostForm("password"))
	if e, ok := errors.AsType[*desk.Error](err); ok && (e.Kind == desk.Invalid || e.Kind == desk.TooMany) && e.Key != "" {
		text, err := t.T(e.Key, e.Args...)
		if err != nil {
			return err
		}
		if e.Kind == desk.TooMany {
			comeBack(c.Writer)
			c.Status(http.StatusTooManyRequests)
		}
		problems := []problem{{cmp.Or(e.Field, "former"), text}}
		if must {
			return p.showMustChange(c, who, problems)
		}
		return p.showAccount(c, who, problems)
	}
	if err != nil {
		return err
	}
	if err := p.begin(c, who.session); err != nil {
		return err
	}
	if must {
		return redirect(c, home)
	}
	return p.done(c, t, "/account", "account.password_saved")
}

func (p *portal) mustChangePage(c *gin.Context, who visitor) error {
	return p.showMustChange(c, who, nil)
}

func (p *portal) showMustChange(c *gin.Context, who visitor, problems []problem) error {
	must, err := p.Accounts.MustChange(c.Request.Context(), who.ID)
	if err != nil {
		return err
	}
	if !must {
		return redirect(c, "/account")
	}
	t, h, err := p.page(c, who, "set_title")
	if err != nil {
		return err
	}
	h.Problems = problems
	return p.show(c, t, "must-change", accountView{head: h, Name: nameOf(who.Contact), Username: who.Username, MinPassword: accounts.MinPassword}, len(problems))
}
