package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"postern/desk"
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
	t.Parallel()
	c := newClient(t)
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
		r := c.ask("DELETE", url, nil)
		c.problem("DELETE "+path, r, http.StatusMethodNotAllowed)
		if r.header.Get("Allow") == "" {
			t.Errorf("DELETE %s: no Allow", path)
		}
	}
}

// TestEveryRefusalIsAProblem tries what clients get wrong.
func TestEveryRefusalIsAProblem(t *testing.T) {
	t.Parallel()
	c := newClient(t)
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
}
