package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
)

// Published tells whether there is anything to read in the knowledge base: for everybody, and for who is signed in.
type Published struct{ Public, Private bool }

// HasArticles tells whether there is an article that who has the scope may read, in a knowledge base that is switched on.
func (o *Organisation) HasArticles(s desk.Scope) bool {
	return o.Settings.Knowledge.Enabled && (o.Published.Public || o.Published.Private && s.ReadsPrivate())
}

func (r reads) published(ctx context.Context) (p Published, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM articles WHERE NOT draft AND NOT private), EXISTS (SELECT 1 FROM articles WHERE NOT draft AND private)`).
		Scan(&p.Public, &p.Private)
	return p, err
}

// readable gives the condition that an article (alias a) may be read in the scope. It is the only place where that becomes SQL.
func readable(s desk.Scope) string {
	switch {
	case s.ReadsDrafts():
		return `TRUE`
	case s.ReadsPrivate():
		return `NOT a.draft`
	}
	return `(NOT a.draft AND NOT a.private)`
}

// Categories lists the groups of articles in their order.
func (r reads) Categories(ctx context.Context) ([]desk.Category, error) {
	return collect(ctx, r.x, func(row scanner) (c desk.Category, err error) {
		err = row.Scan(&c.Key, &c.Position, packed[map[string]string]{&c.Names})
		return c, err
	}, `SELECT key, position, names FROM categories ORDER BY position, key`)
}

// Category finds a category by its key.
func (r reads) Category(ctx context.Context, key string) (desk.Category, error) {
	c := desk.Category{Key: key}
	err := r.x.QueryRowContext(ctx, `SELECT position, names FROM categories WHERE key = $1`, key).Scan(&c.Position, packed[map[string]string]{&c.Names})
	return one("category", c, err)
}

// PutCategory adds a category, or changes it if its key is there.
func (tx *Tx) PutCategory(ctx context.Context, c desk.Category) error {
	return tx.exec(ctx, `INSERT INTO categories (key, position, names) VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET position = $2, names = $3`, c.Key, c.Position, pack(c.Names))
}

// DeleteCategory takes a category away. One that has articles is a Conflict.
func (tx *Tx) DeleteCategory(ctx context.Context, key string) error {
	n, err := tx.changed(ctx, `DELETE FROM categories WHERE key = $1 AND NOT EXISTS (SELECT 1 FROM articles WHERE category = $1)`, key)
	if err != nil || n == 1 {
		return err
	}
	if _, err := tx.Category(ctx, key); err != nil {
		return err
	}
	return &desk.Error{Kind: desk.Conflict, Text: "the category " + key + " has articles; move or delete them first"}
}

const articleColumns = `a.id, a.slug, a.category, a.position, a.private, a.draft, a.created_at, a.updated_at`

func scanArticle(row scanner) (a desk.Article, err error) {
	err = row.Scan(&a.ID, &a.Slug, &a.Category, &a.Position, &a.Private, &a.Draft, millis{&a.CreatedAt}, millis{&a.UpdatedAt})
	return a, err
}

// Articles lists the articles in scope by category and position, without what they say and without their pictures.
func (r reads) Articles(ctx context.Context, s desk.Scope) ([]desk.Article, error) {
	as, err := collect(ctx, r.x, scanArticle, `SELECT `+articleColumns+` FROM articles a WHERE `+readable(s)+` ORDER BY a.category, a.position, a.slug`)
	if err != nil {
		return nil, err
	}
	at := make(map[desk.ID]int, len(as))
	for i, a := range as {
		at[a.ID] = i
	}
	_, err = collect(ctx, r.x, func(row scanner) (v desk.Version, err error) {
		var id desk.ID
		err = row.Scan(&id, &v.Language, &v.Title, &v.Summary, millis{&v.UpdatedAt})
		if i, ok := at[id]; ok {
			as[i].Texts = append(as[i].Texts, v)
		}
		return v, err
	}, `SELECT x.article_id, x.language, x.title, x.summary, x.updated_at FROM article_texts x JOIN articles a ON a.id = x.article_id WHERE `+readable(s)+` ORDER BY x.language`)
	return as, err
}

// Article finds an article by its slug, whole. One that is out of scope is NotFound.
func (r reads) Article(ctx context.Context, s desk.Scope, slug string) (desk.Article, error) {
	return r.article(ctx, s, `a.slug`, slug)
}

// ArticleByID is Article by the id.
func (r reads) ArticleByID(ctx context.Context, s desk.Scope, id desk.ID) (desk.Article, error) {
	return r.article(ctx, s, `a.id`, string(id))
}

func (r reads) article(ctx context.Context, s desk.Scope, column, value string) (desk.Article, error) {
	a, err := scanArticle(r.x.QueryRowContext(ctx, `SELECT `+articleColumns+` FROM articles a WHERE `+column+` = $1 AND `+readable(s), value))
	if err != nil {
		return one("article", a, err)
	}
	if a.Texts, err = collect(ctx, r.x, func(row scanner) (v desk.Version, err error) {
		err = row.Scan(&v.Language, &v.Title, &v.Summary, &v.Body, millis{&v.UpdatedAt})
		return v, err
	}, `SELECT language, title, summary, body, updated_at FROM article_texts WHERE article_id = $1 ORDER BY language`, a.ID); err != nil {
		return a, err
	}
	a.Pictures, err = collect(ctx, r.x, scanPicture, `SELECT id, name, size, sha256 FROM article_pictures WHERE article_id = $1 ORDER BY name`, a.ID)
	return a, err
}

func scanPicture(row scanner) (p desk.PictureOf, err error) {
	err = row.Scan(&p.ID, &p.Name, &p.Size, &p.SHA256)
	return p, err
}

// Picture finds a picture of an article in scope.
func (r reads) Picture(ctx context.Context, s desk.Scope, id desk.ID) (desk.PictureOf, error) {
	p, err := scanPicture(r.x.QueryRowContext(ctx, `SELECT p.id, p.name, p.size, p.sha256 FROM article_pictures p JOIN articles a ON a.id = p.article_id WHERE p.id = $1 AND `+readable(s), id))
	return one("file", p, err)
}

// maxFoldedArticle is how much of an article it can be found by.
const maxFoldedArticle = 256 << 10

// PutArticle adds an article, or changes it if its id is there. Another article with its slug is a Conflict; so is a category that is not there.
// The votes stay.
func (tx *Tx) PutArticle(ctx context.Context, a desk.Article) error {
	if a.Category != "" {
		if _, err := tx.Category(ctx, a.Category); err != nil {
			if desk.KindOf(err) == desk.NotFound {
				return desk.Refuse("category", "there is no category %s; add it first", a.Category)
			}
			return err
		}
	}
	_, taken, err := tx.unlessTaken(ctx, `INSERT INTO articles (id, slug, category, position, private, draft, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET slug = $2, category = $3, position = $4, private = $5, draft = $6, updated_at = $8`,
		a.ID, a.Slug, a.Category, a.Position, a.Private, a.Draft, ms(a.CreatedAt), ms(a.UpdatedAt))
	if err != nil {
		if taken {
			return &desk.Error{Kind: desk.Conflict, Field: "slug", Text: "there is an article at " + a.Slug}
		}
		return err
	}
	for _, table := range []string{"article_texts", "article_pictures"} {
		if err := tx.exec(ctx, `DELETE FROM `+table+` WHERE article_id = $1`, a.ID); err != nil {
			return err
		}
	}
	for _, v := range a.Texts {
		said := safehtml.MarkdownText(v.Body)
		folded := clip(i18n.Fold(v.Title+"\n"+v.Summary+"\n"+said), maxFoldedArticle)
		if err := tx.exec(ctx, `INSERT INTO article_texts (article_id, language, title, summary, folded, said, updated_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			a.ID, v.Language, v.Title, v.Summary, folded, said, ms(v.UpdatedAt), v.Body); err != nil {
			return err
		}
	}
	for _, p := range a.Pictures {
		if err := tx.exec(ctx, `INSERT INTO article_pictures (id, article_id, name, size, sha256) VALUES ($1, $2, $3, $4, $5)`, p.ID, a.ID, p.Name, p.Size, p.SHA256); err != nil {
			return err
		}
	}
	return tx.changedSetup(ctx)
}

// DeleteArticle takes an article away, with its votes. The bytes of its pictures stay in the blob store, which others may share.
func (tx *Tx) DeleteArticle(ctx context.Context, id desk.ID) error {
	n, err := tx.changed(ctx, `DELETE FROM articles WHERE id = $1`, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return desk.Missing("article")
	}
	return tx.changedSetup(ctx)
}

// ArticleHit is an article that was searched for, in the language in which it was found.
type ArticleHit struct {
	Slug, Language, Title, Summary string
	Said                           string // the whole text, without the marks of Markdown
	UpdatedAt                      time.Time
}

// SearchArticles finds the articles in scope that have all the words (as i18n.Words gives them) in one of their languages, n at the most, and tells how
// many there are. An article is found once: in the first of the languages that has the words. Those found in an earlier language come first, then
// those with the words in their titles, then the newest.
func (r reads) SearchArticles(ctx context.Context, s desk.Scope, words, languages []string, n int) (hits []ArticleHit, total int, err error) {
	if len(words) == 0 {
		return nil, 0, nil
	}
	var args arguments
	where := []string{readable(s)}
	for _, w := range words {
		where = append(where, `x.folded LIKE `+args.add(contains(w))+` ESCAPE '\'`)
	}
	type found struct {
		id       desk.ID
		language string
		rank     int
		titled   bool
		updated  time.Time
	}
	all, err := collect(ctx, r.x, func(row scanner) (f found, err error) {
		var title string
		if err = row.Scan(&f.id, &f.language, &title, millis{&f.updated}); err != nil {
			return f, err
		}
		title = i18n.Fold(title)
		f.titled = !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(title, w) })
		if f.rank = slices.Index(languages, f.language); f.rank < 0 {
			f.rank = len(languages)
		}
		return f, nil
	}, `SELECT x.article_id, x.language, x.title, x.updated_at FROM article_texts x JOIN articles a ON a.id = x.article_id WHERE `+strings.Join(where, ` AND `)+
		` ORDER BY x.language, a.slug`, args...)
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(all, func(a, b found) int {
		titled := 0
		if a.titled != b.titled {
			titled = 1
			if a.titled {
				titled = -1
			}
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), titled, b.updated.Compare(a.updated), strings.Compare(string(a.id), string(b.id)))
	})
	seen := map[desk.ID]bool{}
	all = slices.DeleteFunc(all, func(f found) bool {
		was := seen[f.id]
		seen[f.id] = true
		return was
	})
	for _, f := range all[:min(n, len(all))] {
		h := ArticleHit{Language: f.language, UpdatedAt: f.updated}
		err := r.x.QueryRowContext(ctx, `SELECT a.slug, x.title, x.summary, x.said FROM articles a JOIN article_texts x ON x.article_id = a.id WHERE a.id = $1 AND x.language = $2 AND `+readable(s), f.id, f.language).
			Scan(&h.Slug, &h.Title, &h.Summary, &h.Said)
		if _, err := one("article", h, err); desk.KindOf(err) == desk.NotFound {
			continue // it went meanwhile
		} else if err != nil {
			return nil, 0, err
		}
		hits = append(hits, h)
	}
	return hits, len(all), nil
}

// SuggestArticles finds the articles in scope that have some of the words (as i18n.Words gives them) in one of their languages, n at the most and each once: those first
// that have most of them, then those in the earliest of the languages, then the newest. What they say is left out.
func (r reads) SuggestArticles(ctx context.Context, s desk.Scope, words, languages []string, n int) ([]ArticleHit, error) {
	if len(words) == 0 {
		return nil, nil
	}
	var args arguments
	var has []string
	for _, w := range words {
		has = append(has, `CASE WHEN x.folded LIKE `+args.add(contains(w))+` ESCAPE '\' THEN 1 ELSE 0 END`)
	}
	rank := `CASE WHEN FALSE THEN 0` // there may be no languages
	for i, lang := range languages {
		rank += ` WHEN x.language = ` + args.add(lang) + ` THEN ` + strconv.Itoa(i)
	}
	rank += ` ELSE ` + strconv.Itoa(len(languages)) + ` END`
	return collect(ctx, r.x, func(row scanner) (h ArticleHit, err error) {
		err = row.Scan(&h.Slug, &h.Language, &h.Title, &h.Summary, millis{&h.UpdatedAt})
		return h, err
	}, `SELECT slug, language, title, summary, updated_at FROM (
			SELECT f.*, ROW_NUMBER() OVER (PARTITION BY slug ORDER BY score DESC, rank, language) AS nth FROM (
				SELECT a.slug, x.language, x.title, x.summary, x.updated_at, `+strings.Join(has, ` + `)+` AS score, `+rank+` AS rank
				FROM article_texts x JOIN articles a ON a.id = x.article_id WHERE `+readable(s)+`) AS f
			WHERE score > 0) AS g
		WHERE nth = 1 ORDER BY score DESC, rank, updated_at DESC, slug LIMIT `+args.add(n), args...)
}

// Vote stores whether an article was useful to a voter: a contact's id, or what else a visitor is known by. A voter has one vote and may change it.
func (tx *Tx) Vote(ctx context.Context, article desk.ID, voter string, useful bool) error {
	return tx.exec(ctx, `INSERT INTO article_votes (article_id, voter, useful, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (article_id, voter) DO UPDATE SET useful = $3, at = $4`, article, voter, useful, ms(tx.Now()))
}

// VoteOf gives a voter's vote on an article; cast tells whether there is one.
func (r reads) VoteOf(ctx context.Context, article desk.ID, voter string) (useful, cast bool, err error) {
	found, err := collect(ctx, r.x, func(row scanner) (b bool, err error) {
		err = row.Scan(&b)
		return b, err
	}, `SELECT useful FROM article_votes WHERE article_id = $1 AND voter = $2`, article, voter)
	return len(found) > 0 && found[0], len(found) > 0, err
}

// Votes counts how many found each article useful, and how many did not.
func (r reads) Votes(ctx context.Context) (map[desk.ID]ArticleVotes, error) {
	out := map[desk.ID]ArticleVotes{}
	_, err := collect(ctx, r.x, func(row scanner) (v ArticleVotes, err error) {
		var id desk.ID
		err = row.Scan(&id, &v.Useful, &v.NotUseful)
		out[id] = v
		return v, err
	}, `SELECT article_id, sum(CASE WHEN useful THEN 1 ELSE 0 END), sum(CASE WHEN useful THEN 0 ELSE 1 END) FROM article_votes GROUP BY article_id`)
	return out, err
}

// ArticleVotes are the votes on an article.
type ArticleVotes struct {
	Useful    int `json:"useful"`
	NotUseful int `json:"not_useful"`
}
