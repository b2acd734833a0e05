package api

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (s *server) articleRoutes(h huma.API) {
	handle(s, h, get("list-articles", "/articles", "List the articles of the knowledge base, without their texts"), desk.ScopeRead, s.articles)
	handle(s, h, get("get-article", "/articles/{id}", "Read an article"), desk.ScopeRead, s.article)
	handle(s, h, post("add-article", "/articles", "Add an article"), desk.ScopeSettings, s.addArticle)
	handle(s, h, patch("change-article", "/articles/{id}", "Change an article"), desk.ScopeSettings, s.changeArticle)
	handle(s, h, remove("delete-article", "/articles/{id}", "Delete an article and the votes on it"), desk.ScopeSettings, s.deleteArticle)
	handle(s, h, get("list-categories", "/categories", "List the categories of the knowledge base"), desk.ScopeRead, s.categories)
	handle(s, h, get("get-category", "/categories/{id}", "Read a category, by its key"), desk.ScopeRead, s.category)
	handle(s, h, put("put-category", "/categories/{id}", "Add or change a category, by its key"), desk.ScopeSettings, s.putCategory)
	handle(s, h, remove("delete-category", "/categories/{id}", "Delete a category that has no articles"), desk.ScopeSettings, s.deleteCategory)
}

func put(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPut, Path: path, Summary: summary, BodyReadTimeout: bodyWithin}
}

// versionView is an article in one language.
type versionView struct {
	Title     string    `json:"title"`
	Summary   string    `json:"summary"`
	Body      *string   `json:"body,omitempty" doc:"Markdown. Left out in lists."`
	UpdatedAt time.Time `json:"updated_at"`
}

type pictureView struct {
	ID   desk.ID `json:"id"`
	Name string  `json:"name" doc:"As the texts name it."`
	Size int64   `json:"size"`
}

type articleView struct {
	ID        desk.ID                `json:"id"`
	Slug      string                 `json:"slug" doc:"Its place in the URL."`
	Category  *string                `json:"category" doc:"The key of its category; null: it is in none."`
	Position  int                    `json:"position"`
	Private   bool                   `json:"private" doc:"For who is signed in alone."`
	Draft     bool                   `json:"draft" doc:"On no page yet."`
	Texts     map[string]versionView `json:"texts" doc:"By language."`
	Pictures  []pictureView          `json:"pictures" doc:"Empty in lists."`
	Votes     store.ArticleVotes     `json:"votes"`
	CreatedAt time.Time              `json:"created_at"`
	UpdatedAt time.Time              `json:"updated_at"`
}

func viewArticle(a desk.Article, votes store.ArticleVotes, whole bool) articleView {
	v := articleView{
		ID: a.ID, Slug: a.Slug, Position: a.Position, Private: a.Private, Draft: a.Draft, Texts: map[string]versionView{}, Pictures: []pictureView{},
		Votes: votes, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
	if a.Category != "" {
		v.Category = &a.Category
	}
	for _, t := range a.Texts {
		view := versionView{Title: t.Title, Summary: t.Summary, UpdatedAt: t.UpdatedAt}
		if whole {
			view.Body = &t.Body
		}
		v.Texts[t.Language] = view
	}
	for _, p := range a.Pictures {
		v.Pictures = append(v.Pictures, pictureView{p.ID, p.Name, p.Size})
	}
	return v
}

func (s *server) articles(ctx context.Context, in *PageParams) (*listOutput[articleView], error) {
	all, err := s.DB.Articles(ctx, desk.ScopeOfProgram())
	if err != nil {
		return nil, err
	}
	votes, err := s.DB.Votes(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b desk.Article) int { return cmp.Compare(b.ID, a.ID) })
	if in.Cursor != "" {
		all = slices.DeleteFunc(all, func(a desk.Article) bool { return a.ID >= desk.ID(in.Cursor) })
	}
	all = all[:min(in.Limit, len(all))]
	return listed(*in, all, func(a desk.Article) desk.ID { return a.ID }, func(a desk.Article) articleView { return viewArticle(a, votes[a.ID], false) }), nil
}

func (s *server) article(ctx context.Context, in *IDParam) (*output[articleView], error) {
	a, err := s.DB.ArticleByID(ctx, desk.ScopeOfProgram(), desk.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return s.shownArticle(ctx, a)
}

func (s *server) shownArticle(ctx context.Context, a desk.Article) (*output[articleView], error) {
	votes, err := s.DB.Votes(ctx)
	return &output[articleView]{viewArticle(a, votes[a.ID], true)}, err
}

// newVersion is an article in one language, in a request.
type newVersion struct {
	Title   string `json:"title" minLength:"1" maxLength:"200"`
	Summary string `json:"summary,omitempty" maxLength:"300"`
	Body    string `json:"body" maxLength:"262144" doc:"Markdown; pictures by their names, other articles as slug.md."`
}

func versions(texts map[string]newVersion) (out []desk.Version) {
	for _, lang := range slices.Sorted(maps.Keys(texts)) {
		t := texts[lang]
		out = append(out, desk.Version{Language: lang, Title: t.Title, Summary: t.Summary, Body: t.Body})
	}
	return out
}

// newPicture is a picture in a request.
type newPicture struct {
	Name    string `json:"name" minLength:"1" maxLength:"100"`
	Content []byte `json:"content" doc:"PNG, JPEG, GIF or WebP, in base64."`
}

func (s *server) keepPictures(ctx context.Context, pictures []newPicture) (out []desk.PictureOf, err error) {
	for _, p := range pictures { // none is kept unless all can be
		if _, err := tickets.CheckPicture(p.Name, p.Content); err != nil {
			return nil, err
		}
	}
	for _, p := range pictures {
		kept, err := tickets.KeepPicture(ctx, s.Blobs, p.Name, p.Content)
		if err != nil {
			return nil, err
		}
		out = append(out, kept)
	}
	return out, nil
}

type newArticle struct {
	Body struct {
		Slug     string                `json:"slug" minLength:"1" maxLength:"100"`
		Category string                `json:"category,omitempty" maxLength:"100"`
		Position int                   `json:"position,omitempty" minimum:"0" maximum:"1000000"`
		Private  bool                  `json:"private,omitempty"`
		Draft    bool                  `json:"draft,omitempty"`
		Texts    map[string]newVersion `json:"texts" doc:"By language; one at least."`
		Pictures []newPicture          `json:"pictures,omitempty" maxItems:"50"`
	}
}

func (s *server) addArticle(ctx context.Context, in *newArticle) (*output[articleView], error) {
	b := in.Body
	a := desk.Article{Slug: b.Slug, Category: b.Category, Position: b.Position, Private: b.Private, Draft: b.Draft, Texts: versions(b.Texts)}
	if err := a.Check(); err != nil {
		return nil, err
	}
	var err error
	if a.Pictures, err = s.keepPictures(ctx, b.Pictures); err != nil {
		return nil, err
	}
	if a, err = s.Desk.AddArticle(ctx, a); err != nil {
		return nil, err
	}
	return s.shownArticle(ctx, a)
}

type articlePatch struct {
	IDParam
	Body struct {
		Slug     *string               `json:"slug,omitempty" minLength:"1" maxLength:"100"`
		Category *string               `json:"category,omitempty" maxLength:"100" doc:"Empty: none."`
		Position *int                  `json:"position,omitempty" minimum:"0" maximum:"1000000"`
		Private  *bool                 `json:"private,omitempty"`
		Draft    *bool                 `json:"draft,omitempty"`
		Texts    map[string]newVersion `json:"texts,omitempty" doc:"The languages to add or to change."`
		Without  []string              `json:"without,omitempty" maxItems:"50" doc:"The languages to take away."`
		Pictures *[]newPicture         `json:"pictures,omitempty" maxItems:"50" doc:"All there are then."`
	}
}

func (s *server) changeArticle(ctx context.Context, in *articlePatch) (*output[articleView], error) {
	b := in.Body
	if _, err := s.DB.ArticleByID(ctx, desk.ScopeOfProgram(), desk.ID(in.ID)); err != nil {
		return nil, err
	}
	var pictures []desk.PictureOf
	if b.Pictures != nil {
		var err error
		if pictures, err = s.keepPictures(ctx, *b.Pictures); err != nil {
			return nil, err
		}
	}
	a, err := s.Desk.ChangeArticle(ctx, desk.ID(in.ID), func(a *desk.Article) {
		set(&a.Slug, b.Slug)
		set(&a.Category, b.Category)
		set(&a.Position, b.Position)
		set(&a.Private, b.Private)
		set(&a.Draft, b.Draft)
		a.Texts = slices.DeleteFunc(a.Texts, func(v desk.Version) bool {
			_, anew := b.Texts[v.Language]
			return anew || slices.Contains(b.Without, v.Language)
		})
		a.Texts = append(a.Texts, versions(b.Texts)...)
		if b.Pictures != nil {
			a.Pictures = pictures
		}
	})
	if err != nil {
		return nil, err
	}
	return s.shownArticle(ctx, a)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s *server) deleteArticle(ctx context.Context, in *IDParam) (*struct{}, error) {
	return &struct{}{}, s.Desk.DeleteArticle(ctx, desk.ID(in.ID))
}

type categoriesOutput struct {
	Body struct {
		Items []desk.Category `json:"items" doc:"All there are, in their order."`
	}
}

func (s *server) categories(ctx context.Context, _ *struct{}) (*categoriesOutput, error) {
	all, err := s.DB.Categories(ctx)
	out := &categoriesOutput{}
	out.Body.Items = orEmpty(all)
	return out, err
}

// KeyParam is a category's key in a path.
type KeyParam struct {
	Key string `path:"id" maxLength:"100" doc:"The category's key."`
}

func (s *server) category(ctx context.Context, in *KeyParam) (*output[desk.Category], error) {
	c, err := s.DB.Category(ctx, in.Key)
	return &output[desk.Category]{c}, err
}

type categoryPut struct {
	KeyParam
	Body struct {
		Position int               `json:"position,omitempty" minimum:"0" maximum:"1000000"`
		Names    map[string]string `json:"names" doc:"By language; one at least."`
	}
}

func (s *server) putCategory(ctx context.Context, in *categoryPut) (*output[desk.Category], error) {
	c := desk.Category{Key: in.Key, Position: in.Body.Position, Names: in.Body.Names}
	_, err := s.Desk.ChangeLibrary(ctx, tickets.Library{Categories: []desk.Category{c}}, false)
	return &output[desk.Category]{c}, err
}

func (s *server) deleteCategory(ctx context.Context, in *KeyParam) (*struct{}, error) {
	return &struct{}{}, s.Desk.DeleteCategory(ctx, in.Key)
}
