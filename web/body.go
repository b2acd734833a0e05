package web

import (
	"io"
	"net/http"
	"time"
)

// Bodies has every answer wait until the request's body has been read: a browser reads its answer only after it has sent
// everything, and sees a connection that was reset if the server stops reading before. Of what h leaves unread, limit
// bytes are read.
//
// A body has to arrive within a time, which h may shorten or extend by setting another read deadline. Once it is there the
// deadline is gone: net/http would take one that passes while h still works for a client that has hung up. A GET has none.
func Bodies(h http.Handler, limit int64, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		b := &body{ReadCloser: r.Body, control: http.NewResponseController(w)}
		_ = b.control.SetReadDeadline(time.Now().Add(within)) // a writer without deadlines (a test's) has no client that is slow
		whole := *r
		whole.Body = b
		aw := &afterBody{ResponseWriter: w, body: b, left: limit, declined: r.Header.Get("Expect") != ""}
		h.ServeHTTP(aw, &whole)
		aw.drain()
	})
}

// body is a request's body that takes its deadline away at its end.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	begun   bool
}

func (b *body) Read(p []byte) (int, error) {
	b.begun = true
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // as io.Reader has it
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Close leaves the body open, as what a handler left of it is still to be read: net/http closes it
// after the answer.
func (b *body) Close() error { return nil }

// afterBody is the writer of an answer that waits for the body.
type afterBody struct {
	http.ResponseWriter
	body     *body
	left     int64
	declined bool // the client asks before it sends; until somebody reads, it sends nothing
	drained  bool
}

func (w *afterBody) drain() {
	if w.drained {
		return
	}
	w.drained = true
	if w.body.begun || !w.declined {
		_, _ = io.CopyN(io.Discard, w.body, w.left) // the client may give up
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *afterBody) WriteHeader(status int) {
	w.drain()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *afterBody) Write(b []byte) (int, error) {
	w.drain()
	return w.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController the writer inside.
func (w *afterBody) Unwrap() http.ResponseWriter { return w.ResponseWriter }
