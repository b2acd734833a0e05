package tickets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// Library is what there is to change of the knowledge base at once: an import, or a single article. Articles are named by their slugs, categories by
// their keys.
type Library struct {
	Categories []desk.Category
	Articles   []desk.Article
	// Prune takes away the articles and categories that are not named here.
	Prune bool
}

// LibraryChange is one thing that a change of the knowledge base did, or would do.
type LibraryChange struct {
	Action desk.Action `json:"action"`
	Name   string      `json:"name"` // a slug, or a category's key
}

// Pictures keep bytes; a blob.Store does.
type Pictures interface {
	Put(ctx context.Context, r io.Reader) (sha256 string, size int64, err error)
}

// KeepPicture keeps the bytes of an article's picture, durably. What is no picture of a kind that every browser shows and that can't act is refused.
func KeepPicture(ctx context.Context, blobs Pictures, name string, b []byte) (desk.PictureOf, error) {
	p, err := CheckPicture(name, b)
	if err != nil {
		return p, err
	}
	p.SHA256, p.Size, err = blobs.Put(ctx, bytes.NewReader(b))
	return p, err
}

// CheckPicture is KeepPicture without keeping anything.
func CheckPicture(name string, b []byte) (desk.PictureOf, error) {
	sum := sha256.Sum256(b)
	p := desk.PictureOf{ID: store.NewID(), Name: name, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
	if err := desk.CheckPictureName("pictures", name); err != nil {
		return p, err
	}
	if len(b) > desk.MaxPicture {
		return p, &desk.Error{Kind: desk.TooLarge, Field: "pictures", Text: fmt.Sprintf("the picture %s is larger than %d MB", name, desk.MaxPicture>>20)}
	}
	switch http.DetectContentType(b) {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return p, nil
	}
	return p, desk.Refuse("pictures", "%s is no picture of the kinds PNG, JPEG, GIF and WebP, whatever its name says", name)
}

// ChangeLibrary brings the knowledge base to what l says, in one transaction, and tells what it changed: what is as l says already is not touched.
// dry tells what it would change, and changes nothing.
func (d *Desk) ChangeLibrary(ctx context.Context, l Library, dry bool) ([]LibraryChange, error) {
	for _, c := range l.Categories {
		if err := c.Check(); err != nil {
			return nil, err
		}
	}
	for _, a := range l.Articles {
		if err := a.Check(); err != nil {
			return nil, err
		}
	}
	var done []LibraryChange
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		done, err = changeLibrary(ctx, tx, l, dry)
		return err
	})
	return done, err
}

func changeLibrary(ctx context.Context, tx *store.Tx, l Library, dry bool) (done []LibraryChange, err error) {
	did := func(action desk.Action, name string, changes map[string]desk.Changed, do func() error) error {
		done = append(done, LibraryChange{action, name})
		if dry {
			return nil
		}
		if err := do(); err != nil {
			return err
		}
		return tx.Audit(ctx, action, name, changes)
	}
	categories, err := tx.Categories(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range l.Categories {
		var before desk.Category
		if i := slices.IndexFunc(categories, func(o desk.Category) bool { return o.Key == c.Key }); i >= 0 {
			before = categories[i]
		}
		changes := desk.Differences(before, c)
		if len(changes) == 0 {
			continue
		}
		if err := did(desk.CategoryPut, c.Key, changes, func() error { return tx.PutCategory(ctx, c) }); err != nil {
			return nil, err
		}
	}
	for _, a := range l.Articles {
		before, err := tx.Article(ctx, desk.ScopeOfProgram(), a.Slug)
		if err != nil && desk.KindOf(err) != desk.NotFound {
			return nil, err
		}
		action := desk.ArticleChanged
		if before.ID == "" {
			action = desk.ArticleAdded
		}
		after := stamped(before, a, tx)
		changes := articleChanges(before, after)
		if len(changes) == 0 {
			continue
		}
		if err := did(action, a.Slug, changes, func() error { return tx.PutArticle(ctx, after) }); err != nil {
			return nil, err
		}
	}
	if !l.Prune {
		return done, nil
	}
	articles, err := tx.Articles(ctx, desk.ScopeOfProgram())
	if err != nil {
		return nil, err
	}
	for _, o := range articles {
		if slices.ContainsFunc(l.Articles, func(a desk.Article) bool { return a.Slug == o.Slug }) {
			continue
		}
		if err := did(desk.ArticleDeleted, o.Slug, nil, func() error { return tx.DeleteArticle(ctx, o.ID) }); err != nil {
			return nil, err
		}
	}
	for _, o := range categories {
		if slices.ContainsFunc(l.Categories, func(c desk.Category) bool { return c.Key == o.Key }) {
			continue
		}
		if err := did(desk.CategoryDeleted, o.Key, nil, func() error { return tx.DeleteCategory(ctx, o.Key) }); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// stamped gives the article as it is to be stored over the one before: with the ids it has there, and the times of what is new in it.
func stamped(before, a desk.Article, tx *store.Tx) desk.Article {
	now := tx.Now().UTC().Truncate(time.Millisecond) // as it is stored
	a.ID, a.CreatedAt, a.UpdatedAt = before.ID, before.CreatedAt, before.UpdatedAt
	if a.ID == "" {
		a.ID, a.CreatedAt, a.UpdatedAt = store.NewID(), now, now
	}
	a.Texts, a.Pictures = slices.Clone(a.Texts), append([]desk.PictureOf(nil), a.Pictures...) // no pictures are nil, as they are read
	slices.SortFunc(a.Texts, func(x, y desk.Version) int { return strings.Compare(x.Language, y.Language) })
	slices.SortFunc(a.Pictures, func(x, y desk.PictureOf) int { return strings.Compare(x.Name, y.Name) })
	for i := range a.Texts {
		v := &a.Texts[i]
		v.UpdatedAt, v.Title, v.Summary = now, strings.TrimSpace(v.Title), strings.TrimSpace(v.Summary)
		v.Body = strings.Trim(strings.ReplaceAll(v.Body, "\r\n", "\n"), "\n")
		for _, o := range before.Texts {
			if same := o.UpdatedAt; o.Language == v.Language {
				if o.UpdatedAt = now; o == *v {
					v.UpdatedAt = same
				}
			}
		}
		if v.UpdatedAt.Equal(now) {
			a.UpdatedAt = now
		}
	}
	for i := range a.Pictures {
		for _, o := range before.Pictures {
			if o.Name == a.Pictures[i].Name && o.SHA256 == a.Pictures[i].SHA256 {
				a.Pictures[i] = o
			}
		}
	}
	return a
}

// articleChanges is what the audit log says of a change: which texts, but not what they say.
func articleChanges(before, after desk.Article) map[string]desk.Changed {
	changes := desk.Differences(before, after)
	delete(changes, "id")
	delete(changes, "created_at")
	delete(changes, "updated_at")
	for _, long := range []string{"texts", "pictures"} {
		if _, ok := changes[long]; ok {
			changes[long] = desk.Changed{Was: namesOf(before, long), Is: namesOf(after, long)}
		}
	}
	return changes
}

func namesOf(a desk.Article, what string) []string {
	names := []string{}
	for _, v := range a.Texts {
		if what == "texts" {
			names = append(names, v.Language+": "+v.Title)
		}
	}
	for _, p := range a.Pictures {
		if what == "pictures" {
			names = append(names, p.Name+" "+p.SHA256[:min(8, len(p.SHA256))])
		}
	}
	return names
}

// AddArticle adds an article. One at its slug is a Conflict.
func (d *Desk) AddArticle(ctx context.Context, a desk.Article) (desk.Article, error) {
	if err := a.Check(); err != nil {
		return a, err
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		a = stamped(desk.Article{}, a, tx)
		if err := tx.PutArticle(ctx, a); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ArticleAdded, a.Slug, articleChanges(desk.Article{}, a))
	})
	return a, err
}

// ChangeArticle changes an article as it is now, and gives it as it is then.
func (d *Desk) ChangeArticle(ctx context.Context, id desk.ID, change func(*desk.Article)) (desk.Article, error) {
	var a desk.Article
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		before, err := tx.ArticleByID(ctx, desk.ScopeOfProgram(), id)
		if err != nil {
			return err
		}
		a = before
		a.Texts = slices.Clone(a.Texts)
		change(&a)
		if err := a.Check(); err != nil {
			return err
		}
		a = stamped(before, a, tx)
		changes := articleChanges(before, a)
		if len(changes) == 0 {
			return nil
		}
		if err := tx.PutArticle(ctx, a); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ArticleChanged, a.Slug, changes)
	})
	return a, err
}

// DeleteArticle takes an article away, with its votes.
func (d *Desk) DeleteArticle(ctx context.Context, id desk.ID) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.ArticleByID(ctx, desk.ScopeOfProgram(), id)
		if err != nil {
			return err
		}
		if err := tx.DeleteArticle(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ArticleDeleted, a.Slug, nil)
	})
}

// DeleteCategory takes a category away. One that has articles is a Conflict.
func (d *Desk) DeleteCategory(ctx context.Context, key string) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteCategory(ctx, key); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.CategoryDeleted, key, nil)
	})
}
