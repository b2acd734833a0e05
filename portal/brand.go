package portal

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/palette"
	"postern/safehtml"
	"postern/store"
)

// brand is what pages show of the branding.
type brand struct {
	of       *store.Organisation // what it was made from
	CSS      string              // the address of the style sheet; empty: there is nothing in it
	Logo     *brandPicture
	LogoDark *brandPicture
	Favicon  *brandPicture
	Site     string
	SiteName string
	sheet    string
	footers  map[string]template.HTML
	pictures map[string]desk.BrandImage // by name
}

type brandPicture struct {
	URL           string
	Width, Height int
}

// brands keeps what was made of the settings last: they change seldom.
type brands struct{ last atomic.Pointer[brand] }

func (b *brands) of(org *store.Organisation) (*brand, error) {
	if last := b.last.Load(); last != nil && last.of == org {
		return last, nil
	}
	made, err := brandOf(org)
	if err == nil {
		b.last.Store(made)
	}
	return made, err
}

func brandOf(org *store.Organisation) (*brand, error) {
	s := org.Settings.Branding
	out := &brand{of: org, Site: s.Site, footers: map[string]template.HTML{}, pictures: map[string]desk.BrandImage{}}
	if u, err := url.Parse(s.Site); err == nil {
		out.SiteName = strings.TrimPrefix(u.Host, "www.")
	}
	for image, to := range map[*desk.BrandImage]**brandPicture{s.Logo: &out.Logo, s.LogoDark: &out.LogoDark, s.Favicon: &out.Favicon} {
		if image == nil {
			continue
		}
		out.pictures[image.Path()] = *image
		*to = &brandPicture{image.Path(), image.Width, image.Height}
	}
	for _, lang := range org.Settings.Offered() {
		out.footers[lang] = template.HTML(safehtml.Markdown(s.FooterIn(lang), safehtml.ArticleOptions{}).HTML) //nolint:gosec // cleaned
	}
	sheet, err := sheetOf(s)
	if err != nil {
		return nil, err
	}
	if sheet != "" {
		sum := sha256.Sum256([]byte(sheet))
		out.sheet, out.CSS = sheet, desk.BrandPath+hex.EncodeToString(sum[:8])+".css"
	}
	return out, nil
}

// sheetOf writes the tokens of app.css that are other ones here.
func sheetOf(s desk.Branding) (string, error) {
	var b strings.Builder
	if len(s.Tokens) > 0 {
		b.WriteString(":root{")
		for _, name := range slices.Sorted(maps.Keys(s.Tokens)) {
			fmt.Fprintf(&b, "--%s:%s;", name, s.Tokens[name])
		}
		b.WriteString("}\n")
	}
	if s.Color == "" {
		return b.String(), nil
	}
	p, err := palette.Of(s.Color)
	if err != nil {
		return "", err
	}
	shades := func(s palette.Shades) string {
		return fmt.Sprintf("{--accent:%s;--accent-2:%s;--on-accent:%s;--accent-soft:%s;--accent-line:%s}", s.Accent, s.Hover, s.On, s.Soft, s.Line)
	}
	fmt.Fprintf(&b, ":root%s\n:root[data-theme=dark]%s\n@media (prefers-color-scheme:dark){:root:not([data-theme=light])%s}\n", shades(p.Light), shades(p.Dark), shades(p.Dark))
	return b.String(), nil
}

// brandFile serves what the pages of this moment name, and nothing else.
func (p *portal) brandFile(c *gin.Context) error {
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	b, err := p.brands.of(org)
	if err != nil {
		return err
	}
	name := c.Param("name")
	image, ok := b.pictures[desk.BrandPath+name]
	if !ok && desk.BrandPath+name != b.CSS {
		return desk.Missing("file")
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	if !ok {
		c.Data(http.StatusOK, "text/css; charset=utf-8", []byte(b.sheet))
		return nil
	}
	c.Header("Cross-Origin-Resource-Policy", "cross-origin") // readers of our mail on the web see the logo
	return p.send(c, desk.Attachment{Name: name, Size: image.Size, SHA256: image.SHA256, Inline: true})
}

// menuLink is one link of the navigation.
type menuLink struct {
	URL, Label string // Label is empty for pages of ours that are called as the catalogue says
	Page       string // which page of ours it is, as head.Active says it
}

// menuOf gives the links of the operator's menu that lead its reader somewhere.
func menuOf(h head, items []desk.MenuItem) (out []menuLink) {
	for _, i := range items {
		link := menuLink{URL: i.To, Label: i.In(h.Lang)}
		inside := false
		switch i.To {
		case desk.MenuTickets:
			link.URL, link.Page, inside = home, "tickets", true
		case desk.MenuNew:
			link.URL, link.Page, inside = "/tickets/new", "new", true
			if !h.MayOpen {
				continue
			}
		case desk.MenuArticles:
			link.URL, link.Page = h.Knowledge, "kb"
		}
		if link.URL == "" || inside && h.User == nil {
			continue
		}
		out = append(out, link)
	}
	return out
}

// themeCookie keeps whether pages are light or dark in this browser; without it they are as the device is.
const themeCookie = "postern-theme"

// themes are what somebody may choose; "" is as the device is.
func themes() []string { return []string{"", "light", "dark"} }

func themeOf(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil || !slices.Contains(themes(), c.Value) {
		return ""
	}
	return c.Value
}

func (p *portal) keepTheme(c *gin.Context, theme string) {
	if slices.Contains(themes(), theme) {
		p.keepHere(c, themeCookie, theme)
	}
}

// keepHere keeps a choice in the browser, for a year; "" takes it away.
func (p *portal) keepHere(c *gin.Context, name, value string) {
	cookie := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: p.HTTPS, SameSite: http.SameSiteLaxMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.Writer, cookie)
}

// shown is the logo that a page of a theme shows; dark is nil where it is the same.
func (b *brand) shown(theme string) (logo, dark *brandPicture) {
	logo, dark = b.Logo, b.LogoDark
	switch {
	case theme == "dark":
		return cmp.Or(dark, logo), nil
	case theme == "light" || logo == nil:
		return logo, nil
	}
	return logo, dark
}
