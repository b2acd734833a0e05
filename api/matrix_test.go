package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// described reads the routes from the API's own description.
func (c *client) described() map[string]map[string]any {
	c.t.Helper()
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	ok(c.t, json.Unmarshal(c.ask("GET", "/api/v1/openapi.json", nil).body, &doc))
	if len(doc.Paths) < 14 {
		c.t.Fatalf("only %d paths are described", len(doc.Paths))
	}
	return doc.Paths
}

// problem checks that an answer is a problem document that tells its own status.
func (c *client) problem(what string, r reply, status int) {
	c.t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal(r.body, &p); err != nil || r.status != status || p.Status != status || p.Title == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") {
		c.t.Errorf("%s gives %d %s %s, want a problem of %d", what, r.status, r.header.Get("Content-Type"), r.body, status)
	}
	for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"} {
		if r.header.Get(name) == "" {
			c.t.Errorf("P10: %s comes without %s", what, name)
		}
	}
}

// TestT4_EveryRouteWantsATokenThatAllowsIt goes through all routes with no token, a wrong one, and one for something else.
func TestT4_EveryRouteWantsATokenThatAllowsIt(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		good := c.token
		paths := c.described()
		reader, err := c.who.CreateToken(t.Context(), "reader", []string{desk.ScopeRead})
		ok(t, err)
		operator, err := c.who.CreateToken(t.Context(), "operator", []string{desk.ScopeSettings})
		ok(t, err)
		for path, methods := range paths {
			url := strings.ReplaceAll(path, "{id}", string(store.NewID()))
			for m := range methods {
				method := strings.ToUpper(m)
				if m != "get" && m != "post" && m != "patch" && m != "delete" && m != "put" {
					continue
				}
				for _, token := range []string{"", "x", good[:len(good)-1]} {
					c.token = token
					r := c.ask(method, url, map[string]any{})
					c.problem(method+" "+path+" without a token", r, http.StatusUnauthorized)
					if r.header.Get("WWW-Authenticate") != "Bearer" {
						t.Errorf("%s %s does not say how to sign in", method, path)
					}
				}
				c.token = reader
				if method == "GET" {
					c.token = operator
				}
				c.problem(method+" "+path+" with the wrong scope", c.ask(method, url, map[string]any{}), http.StatusForbidden)
			}
			c.token = good
		}
	})
}

// TestOtherMethodsAreToldWhatThereIs: on a path that is there, a method that isn't gives 405 and the list of those that are;
// HEAD is one of them wherever GET is.
func TestOtherMethodsAreToldWhatThereIs(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for path, described := range c.described() {
		url := strings.ReplaceAll(path, "{id}", string(store.NewID()))
		var there []string
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if described[strings.ToLower(method)] != nil || method == "HEAD" && described["get"] != nil {
				there = append(there, method)
			}
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(there, method) {
				continue
			}
			r := c.ask(method, url, nil)
			c.problem(method+" "+path, r, http.StatusMethodNotAllowed)
			allow := strings.Split(r.header.Get("Allow"), ", ")
			slices.SortFunc(allow, func(a, b string) int { return slices.Index(there, a) - slices.Index(there, b) })
			if !slices.Equal(allow, there) {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, r.header.Get("Allow"), there)
			}
		}
		if described["get"] != nil {
			head, get := c.ask("HEAD", url, nil), c.ask("GET", url, nil)
			if head.status != get.status || len(head.body) > 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
				t.Errorf("HEAD %s gives %d %s, GET %d %s", path, head.status, head.header, get.status, get.header)
			}
		}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			c.problem(method+" "+path+"/nothing", c.ask(method, strings.Replace(url, "/v1/", "/v1/x/", 1), nil), http.StatusNotFound)
		}
	}
}

// TestListsRefuseWhatTheyDoNotKnow: a cursor that is none, or a parameter that nobody reads, must not look like a page one
// that was asked for.
func TestListsRefuseWhatTheyDoNotKnow(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		for path, described := range c.described() {
			if described["get"] == nil {
				continue
			}
			url := strings.ReplaceAll(path, "{id}", "1")
			refused := func(query, location, says string) {
				t.Helper()
				r := c.ask("GET", url+query, nil)
				c.problem("GET "+path+query, r, http.StatusUnprocessableEntity)
				var p struct {
					Detail string
					Errors []struct{ Location string }
				}
				ok(t, json.Unmarshal(r.body, &p))
				if len(p.Errors) != 1 || p.Errors[0].Location != location || !strings.Contains(p.Detail, location) || !strings.Contains(p.Detail, says) {
					t.Errorf("GET %s%s says %s", path, query, r.body)
				}
			}
			refused("?colour=red", "query.colour", "unknown query parameter")
		}
		for _, list := range []string{"companies", "contacts", "tickets", "held", "quarantine", "outbox"} {
			for _, cursor := range []string{"x", "1", "%00", "ZZZZZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZZZZZZZZZ", strings.ToUpper(string(store.NewID())), "{" + string(store.NewID())[:34] + "}"} {
				r := c.ask("GET", "/api/v1/"+list+"?cursor="+cursor, nil)
				c.problem(list+" after "+cursor, r, http.StatusUnprocessableEntity)
				if !bytes.Contains(r.body, []byte("query.cursor")) || !bytes.Contains(r.body, []byte("next_cursor")) {
					t.Errorf("%s after %q says %s", list, cursor, r.body)
				}
			}
			c.want(http.StatusOK, "GET", "/api/v1/"+list+"?cursor=", nil, nil)
			c.want(http.StatusOK, "GET", "/api/v1/"+list+"?cursor="+string(store.NewID()), nil, nil)
		}
	})
}

// TestRefusalsRepeatNothing: what was sent may be a secret, or large; a refusal names the place and not what stood there.
func TestRefusalsRepeatNothing(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	long := strings.Repeat("canary", 10_000)
	many := map[string]any{}
	for i := range 1000 {
		many[fmt.Sprint("field-", i)] = "canary"
	}
	for _, tc := range []struct {
		method, path string
		body         any
		status       int
	}{
		{"POST", "/tickets", map[string]any{"subject": "canary", "text": "canary", "password": "canary"}, 422},
		{"POST", "/tickets", map[string]any{"subject": long, "text": "x"}, 422},
		{"POST", "/companies", map[string]any{"name": long}, 422},
		{"POST", "/companies", map[string]any{"name": []string{"canary"}}, 422},
		{"POST", "/companies", map[string]any{long: 1, "name": "Acme"}, 422},
		{"POST", "/companies", many, 422},
		{"POST", "/companies", `{"name":"canary`, 400},
		{"POST", "/companies", "canary", 400},
		{"POST", "/contacts", map[string]any{"welcome": "canary"}, 422},
		{"PATCH", "/tickets/1", `"canary"`, 422},
		{"POST", "/tickets/1/messages", map[string]any{"text": "canary", "attachments": []map[string]any{{"name": "x", "content": "canary!"}}}, 422},
		{"GET", "/tickets?limit=canary", nil, 422},
		{"GET", "/tickets?cursor=canary", nil, 422},
		{"GET", "/outbox?state=canary", nil, 422},
		{"GET", "/tickets?colour=canary", nil, 422},
		{"GET", "/tickets/" + long[:60], nil, 422},
	} {
		r := c.ask(tc.method, "/api/v1"+tc.path, tc.body)
		c.problem(tc.method+" "+tc.path, r, tc.status)
		// A name that was sent may come back, as the place of the fault, but not all of it.
		if n := bytes.Count(r.body, []byte("canary")); n > 0 && tc.body == nil || n > 40 || len(r.body) > 5000 || bytes.Contains(r.body, []byte(`"value"`)) {
			t.Errorf("%s %s repeats what was sent: %.300s", tc.method, tc.path, r.body)
		}
	}
	if b := c.ask("GET", "/api/v1/openapi.json", nil).body; bytes.Contains(b, []byte("The value at the given location")) {
		t.Error("the description promises the value")
	}
}

// TestEveryRefusalIsAProblem tries what clients get wrong.
func TestEveryRefusalIsAProblem(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		for _, tc := range []struct {
			method, path string
			body         any
			status       int
		}{
			{"GET", "/api/v1/nothing", nil, 404}, {"GET", "/api/", nil, 404}, {"GET", "/api/v2/tickets", nil, 404}, {"POST", "/api/v1/nothing", "{}", 404},
			{"GET", "/api/v1/tickets?limit=0", nil, 422}, {"GET", "/api/v1/tickets?limit=-1", nil, 422}, {"GET", "/api/v1/tickets?limit=201", nil, 422}, {"GET", "/api/v1/tickets?limit=many", nil, 422},
			{"GET", "/api/v1/tickets?cursor=" + strings.Repeat("x", 37), nil, 422}, {"GET", "/api/v1/tickets/99999999999999999999", nil, 404}, {"GET", "/api/v1/files/x", nil, 404},
			{"PATCH", "/api/v1/tickets/1", map[string]any{"status": "closed"}, 404}, {"PATCH", "/api/v1/tickets/1", map[string]any{"number": 3}, 422}, {"PATCH", "/api/v1/tickets/1", "[]", 422},
			{"POST", "/api/v1/contacts", map[string]any{"id": "mine"}, 422}, {"POST", "/api/v1/companies", "not json", 400}, {"POST", "/api/v1/companies", nil, 400},
			{"PATCH", "/api/v1/companies/x", map[string]any{"name": strings.Repeat("x", 2<<20)}, 413},
			{"POST", "/api/v1/tickets/1/messages", map[string]any{"text": "x", "attachments": []map[string]any{{"name": "x", "content": "not base64!"}}}, 422},
		} {
			r := c.ask(tc.method, tc.path, tc.body)
			c.problem(tc.method+" "+tc.path, r, tc.status)
			if bytes.Contains(r.body, []byte("SQL")) || bytes.Contains(r.body, []byte(".go:")) {
				t.Errorf("%s %s tells what is inside: %s", tc.method, tc.path, r.body)
			}
		}
	})
}
