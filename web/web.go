// Package web is what the portal, the console and the API share: the Gin engine, sessions, protection of forms, headers,
// assets, and the one place that turns an error into a status.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"postern/desk"
)

// Options are what every engine needs.
type Options struct {
	Log            *slog.Logger
	TrustedProxies []string // whose X-Forwarded-For is believed; none: nobody's (REQUIREMENTS P7)
}

// Engine makes a Gin engine that logs through slog, survives panics and believes no proxy it was not told of. fail answers
// a request whose handler panicked.
func Engine(o Options, fail func(*gin.Context, error)) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.ContextWithFallback = true
	e.HandleMethodNotAllowed = false
	if err := e.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, err
	}
	e.Use(logged(o.Log), recovered(o.Log, fail))
	return e, nil
}

func logged(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		c.Next()
		route := c.FullPath() // the pattern: the path itself may hold the secret of a link
		if route == "" {
			route = "(none)"
		}
		log.DebugContext(c.Request.Context(), "request", slog.String("method", c.Request.Method), slog.String("route", route),
			slog.Int("status", c.Writer.Status()), slog.Duration("took", time.Since(start)), slog.Int("bytes", c.Writer.Size()))
	}
}

type panicked struct{ value any }

func (p panicked) Error() string { return "panic in a handler" }

func recovered(log *slog.Logger, fail func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if !Panicked(c.Request.Context(), log, p) {
				return
			}
			if !c.Writer.Written() {
				fail(c, panicked{p})
			}
			c.Abort()
		}()
		c.Next()
	}
}

// Panicked logs what a handler panicked with, and tells whether it did: p is what recover gave. A handler that wants its
// request broken off (http.ErrAbortHandler) gets that.
func Panicked(ctx context.Context, log *slog.Logger, p any) bool {
	if p == nil {
		return false
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		panic(p)
	}
	log.ErrorContext(ctx, "a handler panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	return true
}

// Status gives the HTTP status for an error. It is the only place that knows.
func Status(err error) int {
	switch desk.KindOf(err) {
	case desk.NotFound:
		return http.StatusNotFound
	case desk.Invalid:
		return http.StatusUnprocessableEntity
	case desk.Conflict:
		return http.StatusConflict
	case desk.Forbidden:
		return http.StatusForbidden
	case desk.Unauthenticated:
		return http.StatusUnauthorized
	case desk.TooLarge:
		return http.StatusRequestEntityTooLarge
	case desk.TooMany:
		return http.StatusTooManyRequests
	case desk.Gone:
		return http.StatusGone
	case desk.Unavailable:
		return http.StatusServiceUnavailable
	case desk.Internal:
	}
	return http.StatusInternalServerError
}

// pageCSP lets a page use what we serve and nothing else (UX section 6).
const pageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types swap"

// Headers puts the headers of REQUIREMENTS P10 on every answer. https says that people come over TLS.
func Headers(h http.Handler, https bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		r.Header.Del("X-Forwarded-Prefix") // Gin puts it before the paths it redirects to, whoever sent it
		head.Set("Content-Security-Policy", pageCSP)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("X-Robots-Tag", "noindex")
		if https {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.ServeHTTP(w, r)
	})
}

// SameOrigin refuses unsafe requests that another site's page had the browser send (REQUIREMENTS P9). deny answers them.
func SameOrigin(h http.Handler, deny http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(deny)
	return p.Handler(h)
}
