package portal

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/desk"
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

// TestNoGETHasADeadline: what is sent slowly, such as a file from far away, must not be cut while it is sent.
func TestNoGETHasADeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.", r.file("a.txt", "text/plain", "a file", false))
	in := r.signIn(ann)
	path := strings.NewReplacer(":number", fmt.Sprint(mine.Number), ":id", string(r.messages(mine.ID)[0].Attachments[0].ID), ":name", "a.txt", ":secret", r.link(ann, desk.LinkSignIn, time.Hour))
	for _, route := range routes(t) {
		req := in.request(route.Method, path.Replace(route.Path), urlencoded, []byte("a=b"))
		if route.Method != "POST" {
			req.Body = nil
		}
		req.AddCookie(in.cookie)
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		r.handler.ServeHTTP(w, req)
		n := len(w.deadlines)
		switch {
		case route.Method != "POST" && n > 0:
			t.Errorf("%s %s sets a deadline", route.Method, route.Path)
		case route.Method == "POST" && (n == 0 || !w.deadlines[n-1].IsZero()):
			t.Errorf("POST %s has the deadlines %v, want one for the body that ends with it", route.Path, w.deadlines)
		}
	}
}

// TestUploadsAreReadBeforeTheyAreRefused: a browser that is refused before it has sent everything shows a connection that
// was reset, and not the page.
func TestUploadsAreReadBeforeTheyAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann, bea := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	ended := r.signIn(ann)
	r.age(ended, 31)
	const size = 20 << 20
	for what, c := range map[string]struct {
		v            *visitor
		path, origin string
		want         int
	}{
		"signed out":        {&visitor{r: r}, ticketPath(mine.Number), r.url, http.StatusSeeOther},
		"session timed out": {ended, "/tickets/new", r.url, http.StatusSeeOther},
		"somebody else's":   {r.signIn(bea), ticketPath(mine.Number), r.url, http.StatusNotFound},
		"no page":           {r.signIn(ann), "/nope", r.url, http.StatusNotFound},
		"another site":      {r.signIn(ann), ticketPath(mine.Number), "https://evil.example", http.StatusForbidden},
		"no form":           {r.signIn(ann), ticketPath(mine.Number), r.url, http.StatusBadRequest},
		"the sign-in page":  {&visitor{r: r}, "/sign-in", r.url, http.StatusRequestEntityTooLarge},
	} {
		upload := &endless{size}
		contentType := "multipart/form-data; boundary=b"
		if c.path == "/sign-in" {
			contentType = urlencoded
		}
		req := c.v.request("POST", c.path, contentType, nil)
		req.Header.Set("Origin", c.origin)
		if c.origin != r.url {
			req.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		req.Body, req.ContentLength = io.NopCloser(upload), size
		c.v.want(what, c.v.do(req), c.want)
		if upload.left != 0 {
			t.Errorf("%s: %d bytes were not taken", what, upload.left)
		}
	}
}
