package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// timed notes the read deadlines that are set on it.
type timed struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *timed) SetReadDeadline(at time.Time) error {
	w.deadlines = append(w.deadlines, at)
	return nil
}

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
			w, before := &timed{ResponseRecorder: httptest.NewRecorder()}, time.Now()
			c.handler.ServeHTTP(w, req)
			n := len(w.deadlines)
			if n == 0 || !w.deadlines[n-1].IsZero() {
				t.Fatalf("%s %s ends with the deadlines %v", method, path, w.deadlines)
			}
			for _, d := range w.deadlines {
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
