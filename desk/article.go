package desk

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Article is a page of the knowledge base, in one language or several.
type Article struct {
	ID       ID          `json:"id"`
	Slug     string      `json:"slug"`     // its place in the URL
	Category string      `json:"category"` // the key of a Category; empty: none
	Position int         `json:"position"` // in its category; those of the same position stand by their titles
	Private  bool        `json:"private"`  // for who is signed in; for nobody else it is not there
	Draft    bool        `json:"draft"`    // not on any page yet
	Texts    []Version   `json:"texts"`    // one a language, by language
	Pictures []PictureOf `json:"pictures"` // those that the texts name, by name
	// CreatedAt and UpdatedAt are set where the article is stored.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Version is an article in one language.
type Version struct {
	Language  string    `json:"language"` // a tag such as "de"
	Title     string    `json:"title"`
	Summary   string    `json:"summary"` // one line, for lists and for search engines
	Body      string    `json:"body"`    // Markdown
	UpdatedAt time.Time `json:"updated_at"`
}

// PictureOf is a picture of an article.
type PictureOf struct {
	ID     ID     `json:"id"`
	Name   string `json:"name"` // as the texts name it
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Category is a group of articles.
type Category struct {
	Key      string            `json:"key"`
	Position int               `json:"position"`
	Names    map[string]string `json:"names"` // by language
}

// Knowledge is what the operator sets of the knowledge base.
type Knowledge struct {
	// Enabled is whether there is one.
	Enabled bool `json:"enabled"`
	// PortalLink shows the link "Go to [portal name]" on each article.
	PortalLink bool `json:"portal_link"`
}

// DefaultKnowledge gives what an installation starts with: a knowledge base that shows as soon as it has an article.
func DefaultKnowledge() Knowledge { return Knowledge{Enabled: true, PortalLink: true} }

// What an article may hold.
const (
	MaxSlug        = 100
	MaxArticleBody = 256 << 10
	MaxTitle       = 200 // characters
	MaxSummary     = 300 // characters
	MaxPictures    = 50
	MaxPicture     = 5 << 20
	maxVersions    = 50
	maxPosition    = 1_000_000
)

// What is done to the knowledge base, in the audit log.
const (
	ArticleAdded    Action = "article.added"
	ArticleChanged  Action = "article.changed"
	ArticleDeleted  Action = "article.deleted"
	CategoryPut     Action = "category.changed"
	CategoryDeleted Action = "category.deleted"
)

var (
	slugs        = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	languageTags = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	pictureNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
)

// reservedSlugs are the pages of the knowledge base that are no article.
func reservedSlugs() []string { return []string{"search"} }

// CheckSlug refuses what can't be the place of an article, or of a category, in a URL.
func CheckSlug(field, slug string) error {
	if len(slug) > MaxSlug || !slugs.MatchString(slug) {
		return Refuse(field, "%q can't stand in a URL; use small letters a to z, digits, and single hyphens between them, at most %d", slug, MaxSlug)
	}
	if slices.Contains(reservedSlugs(), slug) {
		return Refuse(field, "%q is a page of its own; choose another name", slug)
	}
	return nil
}

// CheckLanguage refuses what is no language such as en or pt-BR.
func CheckLanguage(field, tag string) error {
	if len(tag) > 35 || !languageTags.MatchString(tag) {
		return Refuse(field, "%q is not a language such as en or pt-BR", tag)
	}
	return nil
}

// CheckPictureName refuses what can't be the name of an article's picture.
func CheckPictureName(field, name string) error {
	if !pictureNames.MatchString(name) {
		return Refuse(field, "a picture can't be called %q; use letters a to z, digits, dots and hyphens, at most 100", name)
	}
	return nil
}

// Check refuses an article that could not be shown.
func (a Article) Check() error {
	if err := CheckSlug("slug", a.Slug); err != nil {
		return err
	}
	if a.Category != "" {
		if err := CheckSlug("category", a.Category); err != nil {
			return err
		}
	}
	if err := checkPosition(a.Position); err != nil {
		return err
	}
	if len(a.Texts) == 0 || len(a.Texts) > maxVersions {
		return Refuse("texts", "an article needs a text in one language at least, and at most %d", maxVersions)
	}
	seen := map[string]bool{}
	for _, v := range a.Texts {
		field := "texts." + v.Language
		if err := CheckLanguage(field, v.Language); err != nil {
			return err
		}
		if seen[v.Language] {
			return Refuse(field, "there are two texts in %s", v.Language)
		}
		seen[v.Language] = true
		if err := v.check(field); err != nil {
			return err
		}
	}
	if len(a.Pictures) > MaxPictures {
		return Refuse("pictures", "an article takes at most %d pictures", MaxPictures)
	}
	names := map[string]bool{}
	for _, p := range a.Pictures {
		if err := CheckPictureName("pictures", p.Name); err != nil {
			return err
		}
		if names[p.Name] {
			return Refuse("pictures", "there are two pictures called %s", p.Name)
		}
		names[p.Name] = true
	}
	return nil
}

func (v Version) check(field string) error {
	if strings.TrimSpace(v.Title) == "" {
		return Refuse(field+".title", "the article needs a title")
	}
	for _, line := range []struct {
		name, text string
		limit      int
	}{{"title", v.Title, MaxTitle}, {"summary", v.Summary, MaxSummary}} {
		if len([]rune(line.text)) > line.limit || strings.ContainsFunc(line.text, Unseen) {
			return Refuse(field+"."+line.name, "write it in one line of at most %d characters", line.limit)
		}
	}
	if len(v.Body) > MaxArticleBody {
		return &Error{Kind: TooLarge, Field: field + ".body", Text: "an article takes at most 256 KB of text; make two of it"}
	}
	return nil
}

// Check refuses a category that could not be shown.
func (c Category) Check() error {
	if err := CheckSlug("key", c.Key); err != nil {
		return err
	}
	if err := checkPosition(c.Position); err != nil {
		return err
	}
	if len(c.Names) == 0 || len(c.Names) > maxVersions {
		return Refuse("names", "a category needs a name in one language at least, and at most %d", maxVersions)
	}
	for lang, name := range c.Names {
		if err := CheckLanguage("names", lang); err != nil {
			return err
		}
		if strings.TrimSpace(name) == "" || len([]rune(name)) > MaxTitle || strings.ContainsFunc(name, Unseen) {
			return Refuse("names."+lang, "write the name in one line of at most %d characters", MaxTitle)
		}
	}
	return nil
}

func checkPosition(n int) error {
	if n < 0 || n > maxPosition {
		return Refuse("position", "a position is a number from 0 to %d", maxPosition)
	}
	return nil
}

// In gives the article as a reader of a language gets it: in that language, else in the same language of another country, else in
// the portal's default language, else in the first there is. fallback says that it is another language than the reader's.
func (a Article) In(language, portal string) (v Version, fallback bool) {
	i := languageFor(len(a.Texts), func(i int) string { return a.Texts[i].Language }, language, portal)
	if i < 0 {
		return Version{}, true
	}
	return a.Texts[i], baseLanguage(a.Texts[i].Language) != baseLanguage(language)
}

// In gives the category's name in a language, chosen as an article's.
func (c Category) In(language, portal string) string {
	var tags []string
	for tag := range c.Names {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	i := languageFor(len(tags), func(i int) string { return tags[i] }, language, portal)
	if i < 0 {
		return c.Key
	}
	return c.Names[tags[i]]
}

// languageFor finds the best of n languages; -1: there are none.
func languageFor(n int, tag func(int) string, wanted ...string) int {
	for _, want := range wanted {
		for _, same := range []func(string) bool{
			func(t string) bool { return strings.EqualFold(t, want) },
			func(t string) bool { return baseLanguage(t) == baseLanguage(want) },
		} {
			for i := range n {
				if same(tag(i)) {
					return i
				}
			}
		}
	}
	return min(n, 1) - 1
}

func baseLanguage(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return strings.ToLower(base)
}

// SortArticles puts articles in the order in which their category shows them to readers of a language.
func SortArticles(as []Article, language, portal string) {
	slices.SortStableFunc(as, func(a, b Article) int {
		x, _ := a.In(language, portal)
		y, _ := b.In(language, portal)
		return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(x.Title, y.Title), strings.Compare(a.Slug, b.Slug))
	})
}

// ReadsPrivate tells whether who has the scope is signed in and may enter, and so may read what is for no stranger.
func (s Scope) ReadsPrivate() bool { return s.everything || s.reader != "" }

// ReadsDrafts tells whether who has the scope may read articles that are not published.
func (s Scope) ReadsDrafts() bool { return s.everything }
