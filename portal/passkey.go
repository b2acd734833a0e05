package portal

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/desk"
	"postern/web"
)

type keyLine struct {
	ID, Name      string
	Created, Used moment
	NeverUsed     bool
}

// keys gives the portal's passkeys; false where the operator has none, or browsers offer none at its address.
func (p *portal) keys(settings desk.Settings) (accounts.Passkeys, bool, error) {
	if !settings.Access.Passkeys {
		return accounts.Passkeys{}, false, nil
	}
	return p.Accounts.Passkeys(p.BaseURL, settings.PortalTitle)
}

// offers tells whether people may use passkeys.
func (p *portal) offers(settings desk.Settings) bool {
	_, ok, err := p.keys(settings)
	return ok && err == nil
}

// askedOfBrowser is what a browser is to prove, in its session.
const askedOfBrowser = "passkey"

// begins answers a script that asks for what its browser is to prove. What it is to be held against stays in the session, for one answer.
func (p *portal) begins(c *gin.Context, options, state []byte, err error) error {
	if err != nil {
		return err
	}
	p.sessions.Put(c.Request.Context(), askedOfBrowser, string(state))
	c.Data(http.StatusOK, "application/json", options)
	return nil
}

func (p *portal) beginPasskeySignIn(c *gin.Context) error {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	keys, ok, err := p.keys(org.Settings)
	if err != nil || !ok {
		return errors.Join(err, desk.Missing("page"))
	}
	options, state, err := keys.BeginSigningIn(c.Request.Context(), c.ClientIP())
	return p.begins(c, options, state, err)
}

func (p *portal) signInByPasskey(c *gin.Context) error {
	ctx := c.Request.Context()
	org, err := p.DB.Organisation(ctx)
	if err != nil {
		return err
	}
	keys, ok, err := p.keys(org.Settings)
	if err != nil || !ok {
		return errors.Join(err, desk.Missing("page"))
	}
	who, err := keys.SignIn(ctx, []byte(p.sessions.Take(ctx, askedOfBrowser)), []byte(c.PostForm("answer")), c.ClientIP())
	if err == nil {
		return p.enter(c, who, web.ByPasskey, returnTo(c.PostForm("to")))
	}
	t, h, pageErr := p.page(c, visitor{}, "sign_in")
	if err := cmp.Or(pageErr, notLetIn(c, t, &h, "email", err)); err != nil {
		return err
	}
	return p.showSignIn(c, t, h, "", returnTo(c.PostForm("to")), 1)
}

func (p *portal) beginPasskey(c *gin.Context, who visitor) error {
	keys, ok, err := p.keys(who.org.Settings)
	if err != nil || !ok {
		return errors.Join(err, desk.Missing("page"))
	}
	options, state, err := keys.BeginAdding(c.Request.Context(), who.ID)
	return p.begins(c, options, state, err)
}

func (p *portal) addPasskey(c *gin.Context, who visitor) error {
	ctx, t := c.Request.Context(), p.texts(c.Request, who)
	keys, ok, err := p.keys(who.org.Settings)
	if err != nil || !ok {
		return errors.Join(err, desk.Missing("page"))
	}
	err = keys.Add(ctx, who.ID, []byte(p.sessions.Take(ctx, askedOfBrowser)), []byte(c.PostForm("answer")), oneLine(c.PostForm("name")))
	if kind := desk.KindOf(err); kind == desk.Unauthenticated || kind == desk.Conflict {
		text, err := t.T("passkey.failed")
		if err != nil {
			return err
		}
		return p.showAccount(c, who, []problem{{"key-name", text}})
	}
	if err != nil {
		return err
	}
	return p.done(c, t, "/account", "passkey.added")
}

func (p *portal) removePasskey(c *gin.Context, who visitor) error {
	err := p.Accounts.RemovePasskey(c.Request.Context(), who.ID, c.PostForm("key"))
	if err != nil && desk.KindOf(err) != desk.NotFound { // it is gone already
		return err
	}
	return p.done(c, p.texts(c.Request, who), "/account", "passkey.removed")
}

// keysOf lists the visitor's passkeys.
func (p *portal) keysOf(c *gin.Context, who visitor) (out []keyLine, err error) {
	t := p.texts(c.Request, who)
	all, err := p.DB.Passkeys(c.Request.Context(), who.ID)
	for _, k := range all {
		line := keyLine{ID: k.ID, Name: strings.TrimSpace(k.Name), Created: momentOf(t, k.CreatedAt), NeverUsed: k.UsedAt.IsZero()}
		if !line.NeverUsed {
			line.Used = momentOf(t, k.UsedAt)
		}
		out = append(out, line)
	}
	return out, err
}
