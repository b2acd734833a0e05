package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/desktest"
)

// TestBodiesAreReadBeforeTheAnswer: what a handler leaves of a body is read before the first byte of its answer leaves, up
// to a limit, and not if the client waits to be asked for it.
func TestBodiesAreReadBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, expect string
		size           int
		h              http.HandlerFunc
		left           int // when the answer has gone
	}{
		"a refusal":       {"POST", "", 1000, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 0},
		"a page":          {"POST", "", 1000, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 0},
		"nothing":         {"PATCH", "", 1000, func(http.ResponseWriter, *http.Request) {}, 0},
		"half of it read": {"POST", "", 1000, func(w http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(w, r.Body, 500) }, 0},
		"over the limit":  {"POST", "", 3000, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 1000},
		"nobody asked":    {"POST", "100-continue", 1000, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 1000},
		"closed by it": {"POST", "", 1000, func(w http.ResponseWriter, r *http.Request) {
			_ = r.Body.Close()
			w.WriteHeader(http.StatusForbidden)
		}, 0},
		"asked and refused": {"POST", "100-continue", 1000, func(w http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(w, r.Body, 1) }, 0},
		"a GET":             {"GET", "", 1000, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, 1000},
	} {
		body := strings.NewReader(strings.Repeat("x", tc.size))
		req := httptest.NewRequest(tc.method, "/", &closing{Reader: body})
		req.Header.Set("Expect", tc.expect)
		left := -1
		w := &desktest.Timed{ResponseRecorder: httptest.NewRecorder()}
		Bodies(tc.h, 2000, time.Minute).ServeHTTP(&noting{w, func() { left = body.Len() }}, req)
		if left < 0 {
			left = body.Len()
		}
		if left != tc.left {
			t.Errorf("%s: %d bytes are left when the answer goes, want %d", name, left, tc.left)
		}
	}
}

// closing is a body that can't be read after it has been closed, as net/http's.
type closing struct {
	io.Reader
	closed bool
}

func (b *closing) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.Reader.Read(p)
}

func (b *closing) Close() error {
	b.closed = true
	return nil
}

// noting calls a function when the first byte of an answer leaves.
type noting struct {
	*desktest.Timed
	first func()
}

func (w *noting) WriteHeader(status int) {
	w.first()
	w.Timed.WriteHeader(status)
}

func (w *noting) Write(b []byte) (int, error) {
	w.first()
	return w.Timed.Write(b)
}

// TestADeadlineEndsWithTheBody: while a handler works, and while it answers a GET, no read deadline is set: net/http would
// cancel its context when it passes.
func TestADeadlineEndsWithTheBody(t *testing.T) {
	t.Parallel()
	w := &desktest.Timed{ResponseRecorder: httptest.NewRecorder()}
	before := time.Now()
	Bodies(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if len(w.Deadlines) != 1 || w.Deadlines[0].Before(before.Add(time.Hour)) {
			t.Errorf("while the body is read, the deadlines are %v", w.Deadlines)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		if n := len(w.Deadlines); n < 2 || !w.Deadlines[n-1].IsZero() {
			t.Errorf("after the body was read, the deadlines are %v", w.Deadlines)
		}
	}), 2000, time.Hour).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader("hello")))

	w = &desktest.Timed{ResponseRecorder: httptest.NewRecorder()}
	Bodies(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), 2000, time.Hour).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if len(w.Deadlines) != 0 {
		t.Errorf("a GET has the deadlines %v", w.Deadlines)
	}
}
