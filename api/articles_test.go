package api

import (
	"encoding/base64"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

func TestB4_ArticlesByAPI(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.token = c.operator()
		var cat desk.Category
		c.want(200, "PUT", "/api/v1/categories/billing", map[string]any{"position": 2, "names": map[string]string{"en": "Billing", "de": "Rechnungen"}}, &cat)
		if cat.Key != "billing" || cat.Names["de"] != "Rechnungen" {
			t.Errorf("the category is %+v", cat)
		}
		c.want(422, "PUT", "/api/v1/categories/Billing", map[string]any{"names": map[string]string{"en": "x"}}, nil)
		c.want(422, "PUT", "/api/v1/categories/empty", map[string]any{"names": map[string]string{}}, nil)

		png := base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"))
		body := map[string]any{"slug": "refunds", "category": "billing", "private": true, "texts": map[string]any{"en": map[string]any{"title": "Refunds", "body": "![x](a.png)"}}, "pictures": []map[string]any{{"name": "a.png", "content": png}}}
		var a articleView
		c.want(201, "POST", "/api/v1/articles", body, &a)
		if a.Slug != "refunds" || *a.Category != "billing" || !a.Private || *a.Texts["en"].Body != "![x](a.png)" || len(a.Pictures) != 1 || a.Pictures[0].Size != 16 {
			t.Errorf("the article is %+v", a)
		}
		c.want(409, "POST", "/api/v1/articles", body, nil)
		for what, bad := range map[string]map[string]any{
			"slug": {"slug": "A b", "texts": body["texts"]}, "reserved slug": {"slug": "search", "texts": body["texts"]}, "no text": {"slug": "b", "texts": map[string]any{}},
			"category": {"slug": "b", "category": "none", "texts": body["texts"]}, "language": {"slug": "b", "texts": map[string]any{"<b>": map[string]any{"title": "x", "body": "x"}}},
			"picture": {"slug": "b", "texts": body["texts"], "pictures": []map[string]any{{"name": "a.png", "content": base64.StdEncoding.EncodeToString([]byte("<svg onload=alert(1)>"))}}},
		} {
			if r := c.ask("POST", "/api/v1/articles", bad); r.status != 422 {
				t.Errorf("%s: %d %s", what, r.status, r.body)
			}
		}
		path := "/api/v1/articles/" + string(a.ID)
		before := a.UpdatedAt
		c.want(200, "PATCH", path, map[string]any{"private": false, "texts": map[string]any{"de": map[string]any{"title": "Rückgabe", "body": "x"}}}, &a)
		if a.Private || len(a.Texts) != 2 || len(a.Pictures) != 1 || a.Texts["en"].UpdatedAt.After(before) {
			t.Errorf("changed: %+v", a)
		}
		a = articleView{}
		c.want(200, "PATCH", path, map[string]any{"without": []string{"de"}, "pictures": []any{}}, &a)
		if len(a.Texts) != 1 || len(a.Pictures) != 0 {
			t.Errorf("changed: %+v", a)
		}
		c.want(422, "PATCH", path, map[string]any{"without": []string{"en"}}, nil)

		var list listBody[articleView]
		c.want(201, "POST", "/api/v1/articles", map[string]any{"slug": "b", "draft": true, "texts": body["texts"]}, nil)
		c.want(200, "GET", "/api/v1/articles?limit=1", nil, &list)
		if len(list.Items) != 1 || list.Items[0].Slug != "b" || list.NextCursor == nil || list.Items[0].Texts["en"].Body != nil {
			t.Fatalf("the first page is %+v", list)
		}
		c.want(200, "GET", "/api/v1/articles?limit=1&cursor="+*list.NextCursor, nil, &list)
		if len(list.Items) != 1 || list.Items[0].Slug != "refunds" {
			t.Errorf("the second page is %+v", list)
		}
		c.want(409, "DELETE", "/api/v1/categories/billing", nil, nil)
		c.want(204, "DELETE", path, nil, nil)
		c.want(404, "GET", path, nil, nil)
		c.want(404, "DELETE", path, nil, nil)
		c.want(204, "DELETE", "/api/v1/categories/billing", nil, nil)
		c.want(404, "GET", "/api/v1/categories/billing", nil, nil)

		reader, err := c.who.CreateToken(t.Context(), "reader", []string{desk.ScopeRead})
		ok(t, err)
		c.token = reader
		c.want(200, "GET", "/api/v1/articles", nil, nil)
		c.want(403, "PUT", "/api/v1/categories/x", map[string]any{"names": map[string]string{"en": "x"}}, nil)
		log, err := c.db.AuditLog(t.Context(), "refunds", store.Page{})
		ok(t, err)
		var did []string
		for _, e := range log {
			did = append(did, string(e.Action))
		}
		if got := strings.Join(did, " "); got != "article.deleted article.changed article.changed article.added" {
			t.Errorf("the audit log says %s", got)
		}
	})
}
