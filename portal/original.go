package portal

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/safehtml"
	"postern/web"
)

// Originals gives mails as they came.
type Originals interface {
	// Original gives the HTML of the mail of a ledger row, not harmless; "" if it has none.
	Original(ctx context.Context, item desk.ID) (string, error)
}

// maxRemote is how large a picture from elsewhere may be.
const maxRemote = 5 << 20

// frameCSP has the frame of an original run no script, send no form and load nothing but our own pictures. It is of our origin so that the page can
// measure its height; without scripts that gives it nothing.
const frameCSP = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"

// laidOut tells whether a message is a mail that its reader may see as its sender laid it out: a customer's, or an agent's that went to customers so.
// What an agent wrote to us alone, such as an answer that was relayed, is not theirs to see.
func laidOut(m desk.Message) bool {
	return m.Source == desk.FromMail && m.LedgerID != "" && !m.Internal && m.Author.Kind == desk.Customer && m.HTML != safehtml.FromText(m.Text)
}

// message finds the message that the path names, if its reader may see it, with its original.
func (p *portal) original(c *gin.Context, who visitor) (desk.Ticket, desk.Message, string, error) {
	ctx := c.Request.Context()
	ticket, err := p.ticket(c, who)
	if err != nil {
		return ticket, desk.Message{}, "", err
	}
	m, err := p.DB.Message(ctx, who.scope, ticket.ID, desk.ID(c.Param("message")))
	if err != nil {
		return ticket, m, "", err
	}
	if !laidOut(m) || p.Originals == nil {
		return ticket, m, "", desk.Missing("original")
	}
	html, err := p.Originals.Original(ctx, m.LedgerID)
	if err == nil && html == "" {
		err = desk.Missing("original")
	}
	return ticket, m, html, err
}

// originalFrame is what the frame of an original shows. Pictures from elsewhere are in it only where the reader asked for them: fetching one tells
// its sender that the mail is read.
func (p *portal) originalFrame(c *gin.Context, who visitor) error {
	ticket, m, html, err := p.original(c, who)
	if err != nil {
		return err
	}
	o := safehtml.OriginalOptions{CID: pictures(m)}
	if c.Query("pictures") != "" {
		o.Remote = func(n int) string {
			return ticketPath(ticket.Number) + "/messages/" + string(m.ID) + "/pictures/" + strconv.Itoa(n)
		}
	}
	doc, _ := safehtml.Original(html, o)
	doc = p.Desk.ForReaders(doc) // the sender's program quotes what our mail to them had in it
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", frameCSP)
	c.Data(http.StatusOK, "text/html; charset=utf-8", safehtml.Under(p.pages.under, []byte(`<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><style>html,body{margin:0;height:auto!important;background:#fff;color:#111;font:15px/1.5 sans-serif;overflow-wrap:anywhere}body{padding:12px}img{max-width:100%;height:auto}table{max-width:100%}</style></head><body dir="auto">`+doc+`</body></html>`)))
	return nil
}

// remotePicture fetches a picture from elsewhere that an original names: no other address can be asked for.
func (p *portal) remotePicture(c *gin.Context, who visitor) error {
	_, _, html, err := p.original(c, who)
	if err != nil {
		return err
	}
	_, remote := safehtml.Original(html, safehtml.OriginalOptions{})
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil || n < 0 || n >= len(remote) {
		return desk.Missing("picture")
	}
	b, err := p.Fetch.Get(c.Request.Context(), remote[n], maxRemote)
	if err != nil {
		return err
	}
	media := http.DetectContentType(b)
	if !picture(media) {
		return desk.Missing("picture")
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "private, max-age=3600")
	c.Data(http.StatusOK, media, b)
	return nil
}

// fetcher is what gets pictures from elsewhere.
func (o Options) fetcher() *web.Fetcher {
	if o.Fetch == nil {
		return web.NewFetcher(nil)
	}
	return o.Fetch
}
