package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/blob"
	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// TestABodyHasMinutesToArrive: 36 MB take a while, and once they are here nothing cuts what is done with them.
func TestABodyHasMinutesToArrive(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for path, methods := range c.described() {
		for method := range methods {
			if method != "post" && method != "patch" {
				continue
			}
			scope := c.token
			if path == root+"/settings" {
				scope = c.operator()
			}
			req := httptest.NewRequest(strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "1"), strings.NewReader("{}"))
			req.Header.Set("Authorization", "Bearer "+scope)
			w, before := &desktest.Timed{ResponseRecorder: httptest.NewRecorder()}, time.Now()
			c.handler.ServeHTTP(w, req)
			n := len(w.Deadlines)
			if n == 0 || !w.Deadlines[n-1].IsZero() {
				t.Fatalf("%s %s ends with the deadlines %v", method, path, w.Deadlines)
			}
			for _, d := range w.Deadlines {
				if !d.IsZero() && d.Before(before.Add(5*time.Minute)) {
					t.Errorf("%s %s gives a body %v", method, path, d.Sub(before))
				}
			}
		}
	}
}

// TestUploadsAreReadBeforeTheyAreRefused: a client that is refused before it has sent everything may see a connection that
// was reset, and not the problem.
func TestUploadsAreReadBeforeTheyAreRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, tc := range []struct {
		token, path  string
		size, status int
	}{{"wrong", root + "/tickets", 20 << 20, 401}, {c.token, root + "/nothing", 20 << 20, 404}, {c.token, root + "/tickets", maxBody + 1<<20, 413}} {
		body := strings.NewReader(strings.Repeat("x", tc.size))
		req, err := http.NewRequestWithContext(t.Context(), "POST", c.url+tc.path, io.NopCloser(body))
		ok(t, err)
		req.Header.Set("Authorization", "Bearer "+tc.token)
		req.ContentLength = int64(tc.size)
		resp, err := http.DefaultTransport.RoundTrip(req)
		ok(t, err)
		ok(t, resp.Body.Close())
		if resp.StatusCode != tc.status || body.Len() != 0 {
			t.Errorf("%s: %d, and %d bytes were not taken", tc.path, resp.StatusCode, body.Len())
		}
	}
}

// counting counts what is kept.
type counting struct {
	blob.Store
	kept atomic.Int64
}

func (b *counting) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	b.kept.Add(1)
	return b.Store.Put(ctx, r)
}

// TestRefusedRequestsKeepNoFiles: bytes that no message will ever name are not kept.
func TestRefusedRequestsKeepNoFiles(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want(201, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"ann@acme.example"}}, nil)
	c.want(201, "POST", "/api/v1/tickets", map[string]any{"address": "ann@acme.example", "subject": "S", "text": "T"}, nil)
	file := []map[string]any{{"name": "a.txt", "content": []byte("bytes")}}
	for _, tc := range []struct {
		path   string
		body   map[string]any
		status int
	}{
		{"/tickets", map[string]any{"address": "nobody@acme.example", "subject": "S", "text": "T"}, 422},
		{"/tickets", map[string]any{"contact_id": store.NewID(), "subject": "S", "text": "T"}, 404},
		{"/tickets", map[string]any{"address": "ann@acme.example", "subject": strings.Repeat("x", desk.MaxSubject+1), "text": "T"}, 422},
		{"/tickets", map[string]any{"address": "ann@acme.example", "subject": "S", "text": "T", "mailbox_id": store.NewID()}, 422},
		{"/tickets/2/messages", map[string]any{"text": "T"}, 404},
		{"/tickets/1/messages", map[string]any{"text": " "}, 422},
	} {
		tc.body["attachments"] = file
		c.want(tc.status, "POST", root+tc.path, tc.body, nil)
		if n := c.blobs.kept.Load(); n != 0 {
			t.Fatalf("%s %v keeps %d files", tc.path, tc.body, n)
		}
	}
}
