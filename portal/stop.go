package portal

import (
	"github.com/gin-gonic/gin"

	"postern/desk"
)

// stopPage only shows a button: programs that open every link in a mail must not press it.
func (p *portal) stopPage(c *gin.Context) error {
	if err := p.Desk.CheckStop(c.Request.Context(), desk.ID(c.Param("contact")), c.Param("token")); err != nil {
		return err
	}
	t, h, err := p.page(c, visitor{}, "stop_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "stop", accessView{head: h}, 0)
}

// stop ends automatic mail to an address. A mail program may call it for the reader, without a page before (RFC 8058).
func (p *portal) stop(c *gin.Context) error {
	if err := p.Desk.StopAutomatic(c.Request.Context(), desk.ID(c.Param("contact")), c.Param("token")); err != nil {
		return err
	}
	t, h, err := p.page(c, visitor{}, "stopped_title")
	if err != nil {
		return err
	}
	return p.show(c, t, "stopped", accessView{head: h}, 0)
}
