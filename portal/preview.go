package portal

import (
	"cmp"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/web"
)

// preview shows every page with sample data.
type preview struct{ *portal }

type previewView struct {
	Portal, Theme string
	Brand         *brand
	Languages     []previewLanguage
	Themes, Pages []pill
	Trouble       string // why the operator's templates do not work; the pages are ours then
}

type previewLanguage struct {
	languageChoice
	URL string
}

// Preview makes a handler that shows every page with sample data, in the languages that are offered, with the operator's branding and templates as they
// are at each request. It needs of o the database, the files, the texts and the templates, and changes nothing.
func Preview(o Options) (http.Handler, error) {
	assets, err := web.LoadAssets()
	if err != nil {
		return nil, err
	}
	p := preview{&portal{Options: o}}
	e, err := web.Engine(o.Web, func(c *gin.Context, err error) {
		c.String(web.Status(err), "%v\n", err)
	})
	if err != nil {
		return nil, err
	}
	answer := func(path string, h func(*gin.Context) error) {
		e.GET(path, func(c *gin.Context) {
			c.Header("Cache-Control", "no-store")
			if err := h(c); err != nil {
				c.String(web.Status(err), "%v\n", err)
			}
		})
	}
	answer(desk.BrandPath+":name", p.brandFile)
	answer("/", func(c *gin.Context) error { return p.index(c, assets) })
	answer("/page/:name", func(c *gin.Context) error { return p.one(c, assets) })
	e.GET("/tickets/:number/events", func(c *gin.Context) { // a sample has no news
		c.Data(http.StatusOK, "text/event-stream", []byte("retry: 3600000\n\n"))
	})
	e.NoRoute(func(c *gin.Context) { c.Redirect(http.StatusSeeOther, "/") }) // where the links of the samples lead
	mux := http.NewServeMux()
	mux.Handle(web.AssetsPath, assets)
	mux.Handle("/", e)
	return web.Headers(mux, false), nil
}

// chosen are the language and the theme that a request asks for.
func (p preview) chosen(c *gin.Context) (lang, theme string, err error) {
	org, err := p.DB.FreshOrganisation(c.Request.Context())
	if err != nil {
		return "", "", err
	}
	lang, theme = cmp.Or(c.Query("lang"), org.Settings.DefaultLanguage), c.Query("theme")
	if !slices.Contains(org.Settings.Offered(), lang) || !slices.Contains(themes(), theme) {
		return "", "", desk.Missing("page")
	}
	return lang, theme, nil
}

func previewURL(path, lang, theme string) string {
	return path + "?" + url.Values{"lang": {lang}, "theme": {theme}}.Encode()
}

func (p preview) index(c *gin.Context, assets *web.Assets) error {
	lang, theme, err := p.chosen(c)
	if err != nil {
		return err
	}
	pages, trouble := parsePages(p.Texts, assets, p.Templates)
	if trouble == nil {
		trouble = pages.try(p.Texts)
	}
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return err
	}
	all, err := p.samples(c, lang, theme)
	if err != nil {
		return err
	}
	v := previewView{Portal: org.Settings.PortalTitle, Theme: theme}
	if v.Brand, err = p.brands.of(org); err != nil {
		return err
	}
	if trouble != nil {
		v.Trouble = trouble.Error()
	}
	for _, l := range languagesOf(org.Settings.Offered(), lang) {
		v.Languages = append(v.Languages, previewLanguage{l, previewURL("/", l.Tag, theme)})
	}
	for _, t := range themes() {
		v.Themes = append(v.Themes, pill{URL: previewURL("/", lang, t), Label: cmp.Or(t, "as the device is"), On: t == theme})
	}
	for _, s := range all {
		v.Pages = append(v.Pages, pill{URL: previewURL("/page/"+s.Name, lang, theme), Label: s.Name})
	}
	ours, err := parsePages(p.Texts, assets, nil)
	if err != nil {
		return err
	}
	return ours.write(c.Writer, http.StatusOK, lang, "preview", v)
}

func (p preview) one(c *gin.Context, assets *web.Assets) error {
	lang, theme, err := p.chosen(c)
	if err != nil {
		return err
	}
	pages, err := parsePages(p.Texts, assets, p.Templates)
	if err != nil {
		return err
	}
	all, err := p.samples(c, lang, theme)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s sample) bool { return s.Name == c.Param("name") })
	if i < 0 {
		return desk.Missing("page")
	}
	return pages.write(c.Writer, http.StatusOK, lang, all[i].Name, all[i].View)
}

// samples are those of the operator's own portal: with its title, languages and branding.
func (p preview) samples(c *gin.Context, lang, theme string) ([]sample, error) {
	t := p.textsIn(c.Request, visitor{}, lang)
	out := p.headOf(c.Request, t, visitor{}, "")
	out.Theme = theme
	if out.Brand != nil {
		out.Logo, out.LogoDark = out.Brand.shown(theme)
	}
	in := out
	in.User, in.Knowledge = &user{"Ingrid Halvorsen", "IH", "sample"}, knowledgePath(lang)
	org, err := p.DB.Organisation(c.Request.Context())
	if err != nil {
		return nil, err
	}
	in.Menu = menuOf(in, org.Settings.Branding.Items())
	return samples(t, in, out)
}

// CheckTemplates tells what is wrong with the operator's templates: each page is made of them, with sample data, in every language.
func CheckTemplates(texts *i18n.Catalogue, own fs.FS) error {
	assets, err := web.LoadAssets()
	if err != nil {
		return err
	}
	p, err := parsePages(texts, assets, own)
	if err != nil {
		return err
	}
	return p.try(texts)
}

// try renders every page in every language with sample data: what is wrong in templates is found before anybody reads them.
func (p *pages) try(texts *i18n.Catalogue) error {
	for _, lang := range texts.Languages() {
		h := head{
			Lang: lang, Dir: i18n.DirOf(lang), Title: "Support", Portal: "Support", Zone: "UTC", Help: "support@acme.example", Here: home, Knowledge: knowledgePath(lang), Idle: 1800, Footer: template.HTML("<p>Acme</p>"),
			Languages: languagesOf(desk.Languages(), lang), Menu: []menuLink{{home, "", "tickets"}, {"/tickets/new", "", "new"}, {knowledgePath(lang), "", "kb"}, {"https://acme.example", "Acme", ""}},
			Brand: &brand{CSS: desk.BrandPath + "a.css", Favicon: &brandPicture{desk.BrandPath + "f.png", 1, 1}, Site: "https://acme.example", SiteName: "acme.example"},
			Logo:  &brandPicture{desk.BrandPath + "l.png", 2, 1}, LogoDark: &brandPicture{desk.BrandPath + "d.png", 2, 1},
		}
		in := h
		in.User = &user{"Ingrid Halvorsen", "IH", "sample"}
		all, err := samples(texts.For(lang), in, h)
		if err != nil {
			return err
		}
		for _, s := range all {
			if _, err := p.render(lang, s.Name, s.View); err != nil {
				return fmt.Errorf("the page %q in %s: %w", s.Name, lang, err)
			}
		}
	}
	return nil
}
