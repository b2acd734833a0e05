package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
	"postern/store"
	"postern/tickets"
)

// about is what search engines are told of a page.
type about struct {
	Description string
	Canonical   string
	Alternates  []alternate
}

// alternate is the same page in a language.
type alternate struct{ Language, Name, URL string }

type knowledgeView struct {
	head
	Query  string
	Groups []articleGroup
}

type articleGroup struct {
	Name  string // "": they are in no category
	Lines []articleLine
}

// articleLine is an article in a list. Lang is set where it is another language than the page's.
type articleLine struct {
	URL, Lang, Dir string
	Title, Text    []i18n.Piece
}

type articleSearchView struct {
	head
	Query  string
	NewURL string // where a ticket is opened, by whoever signs in; empty: nowhere
	Lines  []articleLine
	Total  int
}

type articleView struct {
	head
	Name            string
	Shown, ShownDir string // the language of the article
	Fallback        string // says that it is another one than the page's
	Updated         moment
	Private         bool
	Body            template.HTML
	Contents        []safehtml.Heading
	Others          []alternate
	UsefulURL       string
	Voted, Useful   bool
	NewURL          string
	PortalLink      bool
}

func knowledgePath(lang string) string { return "/" + lang + "/kb" }

func articlePath(lang, slug string) string { return knowledgePath(lang) + "/" + slug }

func (p *portal) knowledgeRoutes(open func(method, path string, h func(*gin.Context) error)) {
	reading := func(h func(*gin.Context, visitor) error) func(*gin.Context) error {
		return func(c *gin.Context) error {
			who, err := p.reader(c)
			if err != nil {
				return err
			}
			if lang := c.Param("lang"); !who.org.Settings.Knowledge.Enabled || lang != "" && !slices.Contains(who.org.Settings.Offered(), lang) {
				return desk.Missing("page")
			}
			return h(c, who)
		}
	}
	open("GET", "/kb", reading(func(c *gin.Context, who visitor) error { return redirect(c, knowledgePath(p.lang(c.Request, who))) }))
	open("GET", "/kb/suggest", reading(p.suggest))
	open("GET", "/kb/files/:id/:name", reading(p.articlePicture))
	open("GET", "/:lang/kb", reading(p.knowledge))
	open("GET", "/:lang/kb/search", reading(p.searchArticles))
	open("GET", "/:lang/kb/:slug", reading(p.article))
	open("POST", "/:lang/kb/:slug/useful", reading(p.vote))
}

// reader is who reads a page that is open to everybody: a signed-in contact who may enter, or nobody.
func (p *portal) reader(c *gin.Context) (visitor, error) {
	ctx := c.Request.Context()
	org, err := p.DB.Organisation(ctx)
	if err != nil {
		return visitor{}, err
	}
	nobody := visitor{org: org}
	in, _, err := p.session(c, org.Settings.Access)
	if err != nil || in.Contact == "" {
		return nobody, err
	}
	who, err := p.visitorOf(c, org, in)
	switch {
	case desk.KindOf(err) == desk.NotFound:
		return nobody, nil
	case err != nil:
		return nobody, err
	case !who.scope.ReadsPrivate(): // disabled, or not on a list that may enter
		return nobody, nil
	}
	if to, err := p.first(c, who); err != nil || to != "" { // they have not come in yet
		return nobody, err
	}
	return who, nil
}

// knowledgeHead is the head of a page of the knowledge base, in the language of its address.
func (p *portal) knowledgeHead(c *gin.Context, who visitor, titleKey string) (*i18n.Texts, head, error) {
	t := p.textsIn(c.Request, who, c.Param("lang"))
	title, err := t.T(titleKey)
	h := p.headOf(c.Request, t, who, title)
	h.Active, h.Knowledge = "kb", knowledgePath(t.Lang())
	return t, h, err
}

// forSearchEngines lets a page be found by everybody: its reader sees what a stranger sees.
func (p *portal) forSearchEngines(c *gin.Context, a about) *about {
	c.Writer.Header().Del("X-Robots-Tag")
	return &a
}

// at is the address of a page for others than its reader; "" if nobody has set where the portal is reached.
func (p *portal) at(path string) string {
	if p.BaseURL == "" {
		return ""
	}
	return strings.TrimSuffix(p.BaseURL, "/") + path
}

func (p *portal) knowledge(c *gin.Context, who visitor) error {
	ctx := c.Request.Context()
	t, h, err := p.knowledgeHead(c, who, "kb.title")
	if err != nil {
		return err
	}
	articles, err := p.DB.Articles(ctx, who.scope)
	if err != nil {
		return err
	}
	if len(articles) == 0 {
		return desk.Missing("page")
	}
	categories, err := p.DB.Categories(ctx)
	if err != nil {
		return err
	}
	portalLang := who.org.Settings.DefaultLanguage
	desk.SortArticles(articles, t.Lang(), portalLang)
	v := knowledgeView{head: h}
	for _, cat := range append(categories, desk.Category{}) {
		g := articleGroup{}
		if cat.Key != "" {
			g.Name = cat.In(t.Lang(), portalLang)
		}
		for _, a := range articles {
			if a.Category == cat.Key {
				text, _ := a.In(t.Lang(), portalLang)
				g.Lines = append(g.Lines, lineOf(t, a.Slug, text.Language, text.Title, text.Summary, nil))
			}
		}
		if len(g.Lines) > 0 { // a category that has nothing for this reader is not there
			v.Groups = append(v.Groups, g)
		}
	}
	if who.ID == "" {
		sub, err := t.T("kb.sub")
		if err != nil {
			return err
		}
		v.About = p.forSearchEngines(c, about{Description: sub, Canonical: p.at(knowledgePath(t.Lang()))})
	}
	return p.show(c, t, "kb", v, 0)
}

// lineOf is an article in a list, with the words marked that were searched for.
func lineOf(t *i18n.Texts, slug, language, title, text string, words []string) articleLine {
	l := articleLine{URL: articlePath(t.Lang(), slug), Title: i18n.Marked(title, words), Text: i18n.Marked(text, words)}
	if language != t.Lang() {
		l.Lang, l.Dir = language, i18n.DirOf(language)
	}
	return l
}

// What a search shows.
const (
	maxArticleHits  = 30
	maxSuggestions  = 3
	articleHitText  = 200 // bytes
	maxArticleQuery = 200 // bytes
)

// find searches for articles, in a language first, then in the portal's.
func (p *portal) find(c *gin.Context, who visitor, query, lang string, n int) (hits []store.ArticleHit, words []string, total int, err error) {
	if len(query) > maxArticleQuery {
		query = query[:maxArticleQuery]
	}
	words = i18n.Words(strings.ToValidUTF8(query, " "))
	hits, total, err = p.DB.SearchArticles(c.Request.Context(), who.scope, words, []string{lang, who.org.Settings.DefaultLanguage}, n)
	return hits, words, total, err
}

func (p *portal) searchArticles(c *gin.Context, who visitor) error {
	t, h, err := p.knowledgeHead(c, who, "kb.search")
	if err != nil {
		return err
	}
	v := articleSearchView{head: h, Query: strings.TrimSpace(c.Query("q")), NewURL: newFrom(who.org, "")}
	hits, words, total, err := p.find(c, who, v.Query, t.Lang(), maxArticleHits)
	if err != nil {
		return err
	}
	v.Total = total
	for _, hit := range hits {
		text := i18n.Around(hit.Said, words, articleHitText)
		if text == "" {
			text = hit.Summary
		}
		v.Lines = append(v.Lines, lineOf(t, hit.Slug, hit.Language, hit.Title, text, words))
	}
	return p.show(c, t, "kb-search", v, 0)
}

// suggestion is an article that may answer what somebody is about to ask.
type suggestion struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// wordsSuggested is how many words of a subject are looked for.
const wordsSuggested = 8

// suggestions finds articles for what somebody writes as a subject, a few at the most: those first that have most of its words. Words of one or two
// letters say nothing.
func (p *portal) suggestions(c *gin.Context, who visitor, subject string) ([]suggestion, error) {
	out := []suggestion{}
	if !who.org.HasArticles(who.scope) {
		return out, nil
	}
	lang := p.lang(c.Request, who)
	if len(subject) > maxArticleQuery {
		subject = strings.ToValidUTF8(subject[:maxArticleQuery], "")
	}
	words := slices.DeleteFunc(i18n.Words(subject), func(w string) bool { return utf8.RuneCountInString(w) < 3 })
	if len(words) > wordsSuggested {
		words = words[:wordsSuggested]
	}
	hits, err := p.DB.SuggestArticles(c.Request.Context(), who.scope, words, []string{lang, who.org.Settings.DefaultLanguage}, maxSuggestions)
	for _, hit := range hits {
		out = append(out, suggestion{hit.Title, p.pages.under + articlePath(lang, hit.Slug)})
	}
	return out, err
}

// newFrom is where a ticket is opened that begins with something; empty where no form is connected.
func newFrom(org *store.Organisation, with string) string {
	if len(tickets.Forms(org)) == 0 {
		return ""
	}
	return "/tickets/new" + with
}

func (p *portal) suggest(c *gin.Context, who visitor) error {
	found, err := p.suggestions(c, who, c.Query("q"))
	if err == nil {
		c.JSON(http.StatusOK, gin.H{"items": found})
	}
	return err
}

func (p *portal) article(c *gin.Context, who visitor) error {
	ctx := c.Request.Context()
	a, err := p.DB.Article(ctx, who.scope, c.Param("slug"))
	if err != nil {
		return err
	}
	t, h, err := p.knowledgeHead(c, who, "kb.title")
	if err != nil {
		return err
	}
	text, fallback := a.In(t.Lang(), who.org.Settings.DefaultLanguage)
	made := safehtml.Markdown(text.Body, safehtml.ArticleOptions{
		Picture: func(name string) (string, bool) {
			i := slices.IndexFunc(a.Pictures, func(pic desk.PictureOf) bool { return pic.Name == name })
			if i < 0 {
				return "", false
			}
			return "/kb/files/" + string(a.Pictures[i].ID) + "/" + url.PathEscape(name), true
		},
		Link: func(slug string) string { return articlePath(t.Lang(), slug) },
	})
	h.Title = text.Title
	v := articleView{
		head: h, Name: text.Title, Shown: text.Language, ShownDir: i18n.DirOf(text.Language), Updated: momentOf(t, text.UpdatedAt), Private: a.Private,
		Body:      template.HTML(made.HTML), //nolint:gosec // Markdown gives what Clean has cleaned
		UsefulURL: articlePath(t.Lang(), a.Slug) + "/useful#useful", NewURL: newFrom(who.org, "?article="+a.Slug), PortalLink: who.org.Settings.Knowledge.PortalLink,
	}
	if fallback {
		if v.Fallback, err = t.T("kb.fallback", "Wanted", t.LanguageName(t.Lang()), "Shown", t.LanguageName(text.Language)); err != nil {
			return err
		}
	}
	v.Contents = slices.DeleteFunc(made.Headings, func(h safehtml.Heading) bool { return h.Level > 3 || h.Text == "" })
	if len(v.Contents) <= 3 {
		v.Contents = nil
	}
	all := writtenIn(a, who.org.Settings.Offered())
	v.Others = slices.DeleteFunc(slices.Clone(all), func(o alternate) bool { return o.Language == t.Lang() })
	if voter := p.voter(c, who); voter != "" {
		if v.Useful, v.Voted, err = p.DB.VoteOf(ctx, a.ID, voter); err != nil {
			return err
		}
	}
	if !a.Private {
		v.About = p.publicAbout(c, t, a, text, made, all)
	}
	return p.show(c, t, "article", v, 0)
}

// writtenIn lists the pages on which an article is in the page's own language, of those that are offered.
func writtenIn(a desk.Article, offered []string) (out []alternate) {
	for _, lang := range offered {
		if v, fallback := a.In(lang, ""); !fallback && v.Language != "" {
			out = append(out, alternate{Language: lang, Name: i18n.OwnName(lang), URL: articlePath(lang, a.Slug)})
		}
	}
	return out
}

// publicAbout tells search engines of an article that everybody may read. Where it is shown in another language than the page's, the page that it
// belongs to is the one of that language.
func (p *portal) publicAbout(c *gin.Context, t *i18n.Texts, a desk.Article, text desk.Version, made safehtml.Article, all []alternate) *about {
	out := about{Description: text.Summary}
	if out.Description == "" {
		out.Description = firstWords(safehtml.Text(made.HTML), 160)
	}
	if p.BaseURL != "" {
		canonical := t.Lang()
		if shown := p.Texts.Match(nil, text.Language); slices.ContainsFunc(all, func(o alternate) bool { return o.Language == shown }) {
			canonical = shown
		}
		out.Canonical = p.at(articlePath(canonical, a.Slug))
		for _, o := range all {
			o.URL = p.at(o.URL)
			out.Alternates = append(out.Alternates, o)
		}
	}
	return p.forSearchEngines(c, out)
}

// firstWords is the beginning of a text in one line, about n characters long.
func firstWords(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	s = string(r[:n])
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		s = s[:i]
	}
	return s + " …"
}

func (p *portal) articlePicture(c *gin.Context, who visitor) error {
	pic, err := p.DB.Picture(c.Request.Context(), who.scope, desk.ID(c.Param("id")))
	if err != nil {
		return err
	}
	return p.send(c, desk.Attachment{ID: pic.ID, Name: pic.Name, Size: pic.Size, SHA256: pic.SHA256, Inline: true})
}

// readerCookie knows the browser of somebody who has voted and is not signed in: a random number, of which the hash alone is stored.
const readerCookie = "postern-reader"

var readerNumber = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// voter is who a vote is counted for; "" if it is a browser that we do not know.
func (p *portal) voter(c *gin.Context, who visitor) string {
	if who.ID != "" {
		return string(who.ID)
	}
	number, err := c.Cookie(p.readerCookie())
	if err != nil || !readerNumber.MatchString(number) {
		return ""
	}
	return anonymousVoter(number)
}

func (p *portal) readerCookie() string {
	if p.HTTPS {
		return "__Host-" + readerCookie
	}
	return readerCookie
}

func anonymousVoter(number string) string {
	sum := sha256.Sum256([]byte("reader " + number))
	return hex.EncodeToString(sum[:])
}

// maxVotes is how many votes of people who are not signed in an article takes within an hour: more are no readers. It needs nobody's address.
const maxVotes = 200

func (p *portal) vote(c *gin.Context, who visitor) error {
	ctx := c.Request.Context()
	a, err := p.DB.Article(ctx, who.scope, c.Param("slug"))
	if err != nil {
		return err
	}
	if who.Seeing {
		return &refused{http.StatusForbidden, "oops.seeing", errors.New("an operator who looks on can change nothing")}
	}
	answer := c.PostForm("useful")
	if answer != "yes" && answer != "no" {
		return desk.Refuse("useful", "say yes or no")
	}
	voter := p.voter(c, who)
	if voter == "" {
		number := rand.Text()
		http.SetCookie(c.Writer, &http.Cookie{Name: p.readerCookie(), Value: number, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()), HttpOnly: true, Secure: p.HTTPS, SameSite: http.SameSiteLaxMode})
		voter = anonymousVoter(number)
	}
	err = p.DB.Update(ctx, func(tx *store.Tx) error {
		if who.ID == "" {
			n, err := tx.Hit(ctx, "useful:"+string(a.ID), time.Hour)
			if err != nil {
				return err
			}
			if n > maxVotes {
				return &desk.Error{Kind: desk.TooMany, Text: "too many votes within an hour"}
			}
		}
		return tx.Vote(ctx, a.ID, voter, answer == "yes")
	})
	if err != nil {
		return err
	}
	return redirect(c, articlePath(c.Param("lang"), a.Slug)+"#useful")
}

// articleTitle is the title of the article that somebody comes from who opens a ticket; "" if there is none, or none for them.
func (p *portal) articleTitle(c *gin.Context, who visitor) (string, error) {
	slug := c.Query("article")
	if slug == "" || !who.org.HasArticles(who.scope) {
		return "", nil
	}
	a, err := p.DB.Article(c.Request.Context(), who.scope, slug)
	if desk.KindOf(err) == desk.NotFound {
		return "", nil
	}
	text, _ := a.In(p.lang(c.Request, who), who.org.Settings.DefaultLanguage)
	return text.Title, err
}
