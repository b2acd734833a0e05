// Package api is Postern for programs: JSON over HTTP under /api/v1, described by its own OpenAPI document. What it
// promises stays as it is; source and kind are open sets, so clients must take values they don't know.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/blob"
	"postern/desk"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

// Options are what the API needs.
type Options struct {
	DB         *store.DB
	Desk       *tickets.Desk
	Accounts   *accounts.Accounts
	Held       Held
	Quarantine Quarantine
	Blobs      blob.Store
	Web        web.Options
	Version    string
	BaseURL    string
}

type server struct{ Options }

const root = "/api/v1"

// New makes the handler of /api/.
func New(o Options) (http.Handler, error) {
	s := &server{o}
	e, err := web.Engine(o.Web, func(c *gin.Context, err error) {
		c.Header("Content-Type", "application/problem+json")
		c.JSON(http.StatusInternalServerError, s.problem(c.Request.Context(), err))
	})
	if err != nil {
		return nil, err
	}
	e.HandleMethodNotAllowed = true
	e.NoMethod(func(c *gin.Context) {
		c.Header("Content-Type", "application/problem+json")
		c.Header("Allow", strings.Replace(c.Writer.Header().Get("Allow"), "GET", "GET, HEAD", 1))
		c.JSON(http.StatusMethodNotAllowed, huma.NewError(http.StatusMethodNotAllowed, "the header Allow says what this path takes"))
	})
	e.NoRoute(func(c *gin.Context) {
		c.Header("Content-Type", "application/problem+json")
		c.JSON(http.StatusNotFound, s.problem(c.Request.Context(), desk.Missing("resource")))
	})
	config := huma.DefaultConfig("Postern", o.Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = root+"/openapi", "", ""
	config.CreateHooks = nil // no $schema links in the answers
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{tellOnlyWhere}
	config.Servers = []*huma.Server{{URL: o.BaseURL}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "A token from: gateway token create"}}
	h := humagin.New(e, config)
	h.UseMiddleware(s.authenticate(h))
	s.routes(h)
	delete(h.OpenAPI().Components.Schemas.Map()["ErrorDetail"].Properties, "value")
	return web.Headers(web.Bodies(headAsGet(e), maxBody, bodyWithin), strings.HasPrefix(o.BaseURL, "https://")), nil
}

// headAsGet answers a HEAD as a GET, whose body net/http leaves out: no GET changes anything.
func headAsGet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		h.ServeHTTP(w, r)
	})
}

// The most of a request that its refusal names.
const (
	maxFaults   = 20
	maxLocation = 100 // bytes: an unknown field's name is the client's own
)

// tellOnlyWhere has a refusal say what is wrong in which place, but not what stood there: it may be a secret, or large.
func tellOnlyWhere(_ huma.Context, _ string, body any) (any, error) {
	p, ok := body.(*huma.ErrorModel)
	if !ok || len(p.Errors) == 0 {
		return body, nil
	}
	p.Errors = p.Errors[:min(len(p.Errors), maxFaults)]
	for _, e := range p.Errors {
		e.Value = nil
		if len(e.Location) > maxLocation {
			e.Location = strings.ToValidUTF8(e.Location[:maxLocation], "") + "…"
		}
	}
	if p.Detail == "validation failed" { // huma's words: the first fault says more
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	return p, nil
}

// needs is the key of an operation's metadata that names the scope it wants.
const needs = "scope"

func (s *server) authenticate(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		c.SetHeader("Cache-Control", "no-store")
		refuse := func(err error) {
			p := s.problem(c.Context(), err)
			if p.GetStatus() < http.StatusInternalServerError {
				c.SetHeader("WWW-Authenticate", "Bearer")
			}
			if err := huma.WriteErr(h, c, p.GetStatus(), p.Error()); err != nil {
				s.Web.Log.DebugContext(c.Context(), "the client did not wait for the answer", slog.String("error", err.Error()))
			}
		}
		// RFC 9110 11.1: the scheme is matched without case.
		scheme, secret, _ := strings.Cut(c.Header("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			refuse(&desk.Error{Kind: desk.Unauthenticated, Text: "send the header Authorization: Bearer TOKEN; make a token with gateway token create"})
			return
		}
		token, err := s.Accounts.Token(c.Context(), strings.TrimSpace(secret))
		if err != nil {
			refuse(err)
			return
		}
		c = huma.WithContext(c, desk.As(c.Context(), desk.Actor{Kind: desk.ActorToken, ID: token.ID, Name: token.Name}))
		if scope, _ := c.Operation().Metadata[needs].(string); !token.Allows(scope) {
			if scope == desk.ScopeSettings {
				if err := s.refused(c.Context(), c.Operation()); err != nil {
					refuse(err)
					return
				}
			}
			refuse(&desk.Error{Kind: desk.Forbidden, Text: "this token lacks the scope " + scope})
			return
		}
		next(c)
	}
}

// refused writes down that somebody without the right wanted to read or change what only the operator may.
func (s *server) refused(ctx context.Context, op *huma.Operation) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error { return tx.Audit(ctx, desk.SettingsRefused, op.OperationID, nil) })
}

func textOf(err error) string {
	if e, ok := errors.AsType[*desk.Error](err); ok && e.Kind != desk.Internal {
		return e.Text
	}
	return "something went wrong here; try again"
}

// problem makes the answer for an error: a problem document (RFC 9457). What is inside stays in the log.
func (s *server) problem(ctx context.Context, err error) huma.StatusError {
	status := web.Status(err)
	if status >= http.StatusInternalServerError {
		s.Web.Log.ErrorContext(ctx, "an API call failed", slog.String("error", err.Error()))
	}
	if e, ok := errors.AsType[*desk.Error](err); ok && e.Field != "" {
		return huma.NewError(status, textOf(err), &huma.ErrorDetail{Message: e.Text, Location: "body." + e.Field})
	}
	return huma.NewError(status, textOf(err))
}

// handle registers an operation whose errors become problem documents.
func handle[I, O any](s *server, h huma.API, op huma.Operation, scope string, do func(context.Context, *I) (*O, error)) {
	op.Path = root + op.Path
	op.Security = []map[string][]string{{"token": {}}}
	op.Metadata = map[string]any{needs: scope}
	op.Errors = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}
	huma.Register(h, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}

// PageParams are how lists are read.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at the most."`
	Cursor string `query:"cursor" maxLength:"36" doc:"The next_cursor of the page before."`
}

var cursors = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Resolve refuses what can be no cursor: it would be answered with the first page, or with an empty one.
func (p *PageParams) Resolve(huma.Context) []error {
	if p.Cursor == "" || cursors.MatchString(p.Cursor) {
		return nil
	}
	return []error{&huma.ErrorDetail{Location: "query.cursor", Message: "this is no cursor; send the next_cursor of the page before"}}
}

func (p PageParams) page() store.Page {
	return store.Page{Before: desk.ID(p.Cursor), Limit: p.Limit}
}

// listBody is a page of a list, newest first.
type listBody[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"Where the next page begins; null on the last one."`
}

type listOutput[T any] struct{ Body listBody[T] }

// listed makes the answer of a list; more tells the id of the last item if there may be others.
func listed[S, T any](p PageParams, found []S, id func(S) desk.ID, view func(S) T) *listOutput[T] {
	out := &listOutput[T]{Body: listBody[T]{Items: []T{}}}
	for _, s := range found {
		out.Body.Items = append(out.Body.Items, view(s))
	}
	if len(found) == p.page().Limit {
		last := string(id(found[len(found)-1]))
		out.Body.NextCursor = &last
	}
	return out
}

// IDParam is the id in a path. Embedded parameters must be exported for huma to see them.
type IDParam struct {
	ID string `path:"id" maxLength:"36"`
}

type output[T any] struct{ Body T }

// orNull gives null for no id.
func orNull(id desk.ID) *desk.ID {
	if id == "" {
		return nil
	}
	return &id
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
