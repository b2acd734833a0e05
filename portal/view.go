package portal

import (
	"github.com/gin-gonic/gin"

	"postern/web"
)

// viewPage only shows a button, as linkPage does.
func (p *portal) viewPage(c *gin.Context) error {
	who, err := p.Accounts.Viewed(c.Request.Context(), c.Param("secret"))
	if err != nil {
		return p.expired(c, err, "/sign-in")
	}
	t, h, err := p.page(c, visitor{}, "view.title")
	if err != nil {
		return err
	}
	return p.show(c, t, "view", accessView{head: h, Name: nameOf(who)}, 0)
}

// view lets an operator look at the portal as a contact does. Nothing can be changed from there, and the contact's own sessions don't list it.
func (p *portal) view(c *gin.Context) error {
	who, err := p.Accounts.View(c.Request.Context(), c.Param("secret"))
	if err != nil {
		return p.expired(c, err, "/sign-in")
	}
	if err := p.begin(c, web.Session{Contact: who.ID, Way: web.AsOperator, IP: c.ClientIP(), Agent: c.Request.UserAgent()}); err != nil {
		return err
	}
	return redirect(c, home)
}
