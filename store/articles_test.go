package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/i18n"
)

// put stores an article with texts given as language, title and body.
func put(t *testing.T, db *DB, slug string, change func(*desk.Article), texts ...string) desk.Article {
	t.Helper()
	a := desk.Article{ID: NewID(), Slug: slug, CreatedAt: db.Now().UTC().Truncate(time.Millisecond)}
	a.UpdatedAt = a.CreatedAt
	for i := 0; i+2 < len(texts); i += 3 {
		a.Texts = append(a.Texts, desk.Version{Language: texts[i], Title: texts[i+1], Body: texts[i+2], UpdatedAt: a.UpdatedAt})
	}
	if change != nil {
		change(&a)
	}
	commit(t, db, func(tx *Tx) error { return tx.PutArticle(t.Context(), a) })
	return a
}

// found gives the slugs and languages that a search finds, in order.
func found(t *testing.T, db *DB, s desk.Scope, query string, languages ...string) string {
	t.Helper()
	hits, total, err := db.SearchArticles(t.Context(), s, i18n.Words(query), languages, 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range hits {
		out = append(out, h.Slug+"/"+h.Language)
	}
	if total != len(out) {
		t.Errorf("%q: %d are counted and %d given", query, total, len(out))
	}
	return strings.Join(out, " ")
}

func TestB4_ArticlesAreFoundInAllScripts(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		var stranger desk.Scope
		put(t, db, "refunds", nil, "en", "Refunds", "You get your **money** back within ten days.", "de", "Rückerstattung", "Sie erhalten Ihr Geld zurück; money back.", "th", "การคืนเงิน", "คุณจะได้รับเงินคืนภายในสิบวัน", "he", "החזרים", "תקבלו את הכסף בחזרה")
		put(t, db, "money", func(a *desk.Article) {
			a.UpdatedAt = a.UpdatedAt.Add(-time.Hour)
			a.Texts[0].UpdatedAt = a.UpdatedAt
		}, "en", "About money", "Ten coins, 100% and a_b.")
		put(t, db, "geld", nil, "de", "Geld", "Money und café.")
		for query, want := range map[string]string{
			"MONEY": "money/en refunds/en geld/de", "money back": "refunds/en", "ruckerstattung": "refunds/de", "cafe": "geld/de", "CAFÉ": "geld/de",
			"เงินคืน": "refunds/th", "הכסף": "refunds/he", "ten money": "refunds/en money/en", "nowhere": "", "money nowhere": "", "100%": "money/en", "a_b": "money/en", "aXb": "", "**": "", " ": "",
		} {
			if got := found(t, db, stranger, query, "en"); got != want {
				t.Errorf("%q finds %q, want %q", query, got, want)
			}
		}
		if got := found(t, db, stranger, "money", "de", "en"); got != "geld/de refunds/de money/en" {
			t.Errorf("for a German reader money finds %q", got)
		}
	})
}

// TestB4_SuggestionsHaveSomeOfTheWords: each article once, in the text that has most of them; an earlier language where two have as many.
func TestB4_SuggestionsHaveSomeOfTheWords(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		put(t, db, "offline", nil, "de", "Drucker offline", "Der printer ist offline.", "en", "Printer offline", "The printer is offline.")
		put(t, db, "network", nil, "en", "The network", "100% of it.", "de", "Das Netz", "network, printer, offline")
		put(t, db, "inner", func(a *desk.Article) { a.Private = true }, "en", "Printer offline network", "All of it.")
		put(t, db, "bill", nil, "en", "Bills", "Money.")
		for query, want := range map[string]string{
			"printer offline network": "network/de offline/en", "OFFLINE printer": "offline/en network/de", "network": "network/en", "100%": "network/en", "%": "network/en", "nowhere": "", "": "",
		} {
			hits, err := db.SuggestArticles(t.Context(), desk.Scope{}, i18n.Words(query), []string{"en", "de", "en"}, 2)
			var got []string
			for _, h := range hits {
				got = append(got, h.Slug+"/"+h.Language)
			}
			if s := strings.Join(got, " "); s != want || err != nil {
				t.Errorf("%q suggests %q, want %q: %v", query, s, want, err)
			}
		}
		if hits, err := db.SuggestArticles(t.Context(), desk.Scope{}, []string{"printer", "offline", "network"}, nil, 1); len(hits) != 1 || err != nil {
			t.Errorf("one is asked for: %+v, %v", hits, err)
		}
	})
}

func TestB4_WhatIsPrivateOrADraftIsThereForNobodyElse(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		picture := func(a *desk.Article) {
			a.Pictures = []desk.PictureOf{{ID: NewID(), Name: "a.png", SHA256: strings.Repeat("a", 64)}}
		}
		public := put(t, db, "public", picture, "en", "Public", "word")
		private := put(t, db, "private", func(a *desk.Article) { picture(a); a.Private = true }, "en", "Private", "word")
		draft := put(t, db, "draft", func(a *desk.Article) { picture(a); a.Draft = true }, "en", "Draft", "word")
		for name, c := range map[string]struct {
			s    desk.Scope
			sees []desk.Article
		}{
			"stranger": {desk.Scope{}, []desk.Article{public}}, "contact": {desk.ScopeOfContact(desk.Contact{ID: NewID()}), []desk.Article{public, private}},
			"disabled": {desk.ScopeOfContact(desk.Contact{ID: NewID(), Disabled: true}), []desk.Article{public}}, "program": {desk.ScopeOfProgram(), []desk.Article{public, private, draft}},
		} {
			var want []string
			for _, a := range []desk.Article{public, private, draft} {
				sees := slices.ContainsFunc(c.sees, func(s desk.Article) bool { return s.ID == a.ID })
				if sees {
					want = append(want, a.Slug)
				}
				_, bySlug := db.Article(t.Context(), c.s, a.Slug)
				_, byID := db.ArticleByID(t.Context(), c.s, a.ID)
				_, file := db.Picture(t.Context(), c.s, a.Pictures[0].ID)
				for _, err := range []error{bySlug, byID, file} {
					if sees && err != nil {
						t.Errorf("%s can't see %s: %v", name, a.Slug, err)
					} else if !sees {
						wantKind(t, err, desk.NotFound)
					}
				}
			}
			list := must[[]desk.Article](t)(db.Articles(t.Context(), c.s))
			var got []string
			for _, a := range list {
				got = append(got, a.Slug)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s lists %v, want %v", name, got, want)
			}
			if hits := strings.Fields(found(t, db, c.s, "word", "en")); len(hits) != len(want) {
				t.Errorf("%s finds %v, want %v", name, hits, want)
			}
		}
		org := must[*Organisation](t)(db.FreshOrganisation(t.Context()))
		if !org.HasArticles(desk.Scope{}) {
			t.Error("there is nothing to read")
		}
		commit(t, db, func(tx *Tx) error { return tx.DeleteArticle(t.Context(), public.ID) })
		org = must[*Organisation](t)(db.Organisation(t.Context()))
		if org.HasArticles(desk.Scope{}) || !org.HasArticles(desk.ScopeOfContact(desk.Contact{ID: NewID()})) {
			t.Errorf("published: %+v", org.Published)
		}
	})
}

func TestB4_AVoterHasOneVote(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		a := put(t, db, "a", nil, "en", "A", "a")
		b := put(t, db, "b", nil, "en", "B", "b")
		vote := func(voter string, useful bool) {
			t.Helper()
			commit(t, db, func(tx *Tx) error { return tx.Vote(t.Context(), a.ID, voter, useful) })
		}
		vote("ann", true)
		vote("ann", true)
		vote("ben", false)
		vote("cid", true)
		vote("cid", false)
		a.Texts[0].Title = "Another"
		commit(t, db, func(tx *Tx) error { return tx.PutArticle(t.Context(), a) })
		votes := must[map[desk.ID]ArticleVotes](t)(db.Votes(t.Context()))
		if votes[a.ID] != (ArticleVotes{Useful: 1, NotUseful: 2}) || votes[b.ID] != (ArticleVotes{}) {
			t.Errorf("the votes are %+v", votes)
		}
		if useful, cast, err := db.VoteOf(t.Context(), a.ID, "ann"); err != nil || !useful || !cast {
			t.Errorf("Ann's vote is %v %v %v", useful, cast, err)
		}
		if _, cast, err := db.VoteOf(t.Context(), b.ID, "ann"); err != nil || cast {
			t.Errorf("Ann's vote on another is %v %v", cast, err)
		}
	})
}

func TestB4_ArticlesAndCategoriesComeBackAsTheyWerePut(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		commit(t, db, func(tx *Tx) error {
			return tx.PutCategory(t.Context(), desk.Category{Key: "billing", Position: 2, Names: map[string]string{"en": "Billing"}})
		})
		a := put(t, db, "a", func(a *desk.Article) {
			a.Category, a.Position, a.Private = "billing", 3, true
			a.Texts[0].Summary = "Short"
			a.Pictures = []desk.PictureOf{{ID: NewID(), Name: "a.png", Size: 5, SHA256: strings.Repeat("a", 64)}}
		}, "de", "Ä", "# Ja", "en", "A", "# Yes")
		got := must[desk.Article](t)(db.Article(t.Context(), desk.ScopeOfProgram(), "a"))
		if diff := desk.Differences(a, got); len(diff) > 0 {
			t.Errorf("it came back with %v", diff)
		}
		err := db.Update(t.Context(), func(tx *Tx) error { return tx.PutArticle(t.Context(), desk.Article{ID: NewID(), Slug: "a"}) })
		wantKind(t, err, desk.Conflict)
		err = db.Update(t.Context(), func(tx *Tx) error {
			return tx.PutArticle(t.Context(), desk.Article{ID: NewID(), Slug: "b", Category: "none"})
		})
		wantKind(t, err, desk.Invalid)
		err = db.Update(t.Context(), func(tx *Tx) error { return tx.DeleteCategory(t.Context(), "billing") })
		wantKind(t, err, desk.Conflict)
		commit(t, db, func(tx *Tx) error {
			if err := tx.DeleteArticle(t.Context(), a.ID); err != nil {
				return err
			}
			return tx.DeleteCategory(t.Context(), "billing")
		})
		_, err = db.Category(t.Context(), "billing")
		wantKind(t, err, desk.NotFound)
	})
}

// BenchmarkSearchArticles searches 2,000 articles of 5 KB in two languages each.
func BenchmarkSearchArticles(b *testing.B) {
	for name, options := range engines {
		b.Run(name, func(b *testing.B) {
			db := open(b, options(b))
			text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 110)
			commit(b, db, func(tx *Tx) error {
				for i := range 2000 {
					a := desk.Article{ID: NewID(), Slug: fmt.Sprintf("a-%d", i), CreatedAt: db.Now(), UpdatedAt: db.Now(), Texts: []desk.Version{
						{Language: "en", Title: "English", Body: text + fmt.Sprint("number", i)}, {Language: "de", Title: "Deutsch", Body: text + fmt.Sprint("nummer", i)},
					}}
					if err := tx.PutArticle(b.Context(), a); err != nil {
						return err
					}
				}
				return nil
			})
			for b.Loop() {
				if _, n, err := db.SearchArticles(b.Context(), desk.Scope{}, []string{"lazy", "number1999"}, []string{"en"}, 20); err != nil || n != 1 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
