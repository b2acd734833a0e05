package desk

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Branding is how the portal, its articles and the mails look. The zero value is as Postern comes.
type Branding struct {
	// Color is #rrggbb; the colours of links, buttons and tints are derived from it for light and dark, such that words on them can be read.
	Color    string      `json:"color"`
	Logo     *BrandImage `json:"logo,omitempty"`
	LogoDark *BrandImage `json:"logo_dark,omitempty"` // for dark pages; nil: Logo
	Favicon  *BrandImage `json:"favicon,omitempty"`
	// Site is the address of the main site, which the footer links; empty: none.
	Site string `json:"site"`
	// Footer is a text under every page, in Markdown; Footers are the same in further languages, by tag.
	Footer  string            `json:"footer"`
	Footers map[string]string `json:"footers,omitempty"`
	// Menus are by name; Menu names the one that pages show. Empty: tickets and articles.
	Menus map[string][]MenuItem `json:"menus,omitempty"`
	Menu  string                `json:"menu"`
	// Tokens set fonts, corners and widths of the style sheet, by name: see TokenNames.
	Tokens map[string]string `json:"tokens,omitempty"`
}

// BrandImage is a picture that was uploaded.
type BrandImage struct {
	SHA256 string `json:"sha256"`
	Type   string `json:"type"` // the media type
	Width  int    `json:"width"`
	Height int    `json:"height"` // in pixels
	Size   int64  `json:"size"`   // in bytes
}

// BrandPath is where the portal serves what belongs to the branding, under names that hold a hash of it.
const BrandPath = "/brand/"

// Path is where the portal serves the picture.
func (i BrandImage) Path() string {
	return BrandPath + i.SHA256[:16] + "." + strings.TrimPrefix(i.Type, "image/")
}

// MaxBrandImage is how large a logo or a favicon may be, in bytes.
const MaxBrandImage = 256 << 10

// MenuItem is one link of a navigation menu.
type MenuItem struct {
	// To is what it leads to: tickets, new or articles, which show only to whom they lead somewhere, or an address beginning with https:// or a slash.
	To     string            `json:"to"`
	Label  string            `json:"label"` // empty for pages of ours: their own name in the page's language
	Labels map[string]string `json:"labels,omitempty"`
}

// Pages of ours that a menu may lead to.
const (
	MenuTickets  = "tickets"
	MenuNew      = "new"
	MenuArticles = "articles"
)

// Items gives the menu that pages show.
func (b Branding) Items() []MenuItem {
	if items := b.Menus[b.Menu]; len(items) > 0 {
		return items
	}
	return []MenuItem{{To: MenuTickets}, {To: MenuArticles}}
}

// In gives the label in a language.
func (i MenuItem) In(lang string) string { return Named(i.Label, i.Labels, lang) }

// FooterIn gives the footer's text in a language.
func (b Branding) FooterIn(lang string) string { return Named(b.Footer, b.Footers, lang) }

// token is what a token of the style sheet may be set to.
type token struct {
	like *regexp.Regexp
	say  string
}

var (
	length = token{regexp.MustCompile(`^(0|[0-9]{1,4}(\.[0-9]{1,3})?(px|rem|em))$`), "a length such as 6px or 0.5rem"}                  //nolint:gochecknoglobals // never changes
	fonts  = token{regexp.MustCompile(`^[\p{L}\p{N} ,"'-]{1,300}$`), `names of fonts with commas between them, such as Georgia, serif`} //nolint:gochecknoglobals // never changes
	tokens = map[string]token{"font": fonts, "mono": fonts, "r1": length, "r2": length, "r3": length, "wrap": length}                   //nolint:gochecknoglobals // never changes
	hex6   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)                                                                                    //nolint:gochecknoglobals // never changes
	hash   = regexp.MustCompile(`^[0-9a-f]{64}$`)                                                                                       //nolint:gochecknoglobals // never changes
)

// TokenNames lists the tokens that may be set: font and mono, the corners r1 (controls), r2 (cards) and r3 (dialogs), and wrap, how wide pages get.
func TokenNames() []string { return slices.Sorted(maps.Keys(tokens)) }

// limits of what is shown on every page.
const (
	maxFooter    = 4000
	maxMenuItems = 12
	maxLabel     = 80
)

// Check refuses what pages could not show.
func (b Branding) Check() error {
	if b.Color != "" && !hex6.MatchString(b.Color) {
		return Refuse("branding.color", "%q is not a colour such as #0b6a5d", b.Color)
	}
	if b.Site != "" && !webAddress(b.Site) {
		return Refuse("branding.site", "the main site's address begins with https://")
	}
	for name, image := range map[string]*BrandImage{"logo": b.Logo, "logo_dark": b.LogoDark, "favicon": b.Favicon} {
		if image != nil && (!hash.MatchString(image.SHA256) || !slices.Contains(BrandImageTypes(), image.Type) || image.Width < 1 || image.Height < 1 || image.Size < 1 || image.Size > MaxBrandImage) {
			return Refuse("branding."+name, "upload the picture with gateway portal brand --%s FILE, or by the API", strings.ReplaceAll(name, "_", "-"))
		}
	}
	if len(b.Footer) > maxFooter {
		return Refuse("branding.footer", "the footer is longer than %d bytes", maxFooter)
	}
	for lang, text := range b.Footers {
		if !slices.Contains(Languages(), lang) || len(text) > maxFooter {
			return Refuse("branding.footers", "%q: footers are by language, such as de, and up to %d bytes", lang, maxFooter)
		}
	}
	if b.Menu != "" && len(b.Menus[b.Menu]) == 0 {
		return Refuse("branding.menu", "there is no menu %q, or it is empty; make it in branding.menus first", b.Menu)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Menus)) {
		if err := checkMenu("branding.menus."+name, b.Menus[name]); err != nil {
			return err
		}
	}
	for name, value := range b.Tokens {
		t, ok := tokens[name]
		if !ok {
			return Refuse("branding.tokens", "there is no token %q; there are %s", name, strings.Join(TokenNames(), ", "))
		}
		if !t.like.MatchString(value) || strings.Count(value, `"`)%2+strings.Count(value, `'`)%2 > 0 {
			return Refuse("branding.tokens."+name, "%q is not %s", value, t.say)
		}
	}
	return nil
}

func checkMenu(field string, items []MenuItem) error {
	if len(items) > maxMenuItems {
		return Refuse(field, "a menu has at most %d links", maxMenuItems)
	}
	for _, i := range items {
		ours := i.To == MenuTickets || i.To == MenuNew || i.To == MenuArticles
		if !ours && !webAddress(i.To) && !ownPath(i.To) {
			return Refuse(field, "%q: a link leads to tickets, new or articles, to an address beginning with https://, or to a path such as /en/kb/prices", i.To)
		}
		if !ours && i.Label == "" {
			return Refuse(field, "the link to %s needs a label", i.To)
		}
		for lang, label := range i.Labels {
			if !slices.Contains(Languages(), lang) {
				return Refuse(field, "%q is not one of the languages %s", lang, strings.Join(Languages(), ", "))
			}
			if len(label) > maxLabel {
				return Refuse(field, "a label is at most %d bytes long", maxLabel)
			}
		}
		if len(i.Label) > maxLabel || strings.ContainsFunc(i.Label, Unseen) {
			return Refuse(field, "a label is one line of at most %d bytes", maxLabel)
		}
	}
	return nil
}

// BrandImageTypes lists the media types that logos and favicons may have: those that every browser shows and that can't act.
func BrandImageTypes() []string {
	return []string{"image/png", "image/jpeg", "image/gif", "image/webp"}
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

func ownPath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.Contains(s, `\`)
}
