package portal

import (
	"context"
	"fmt"
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
)

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
		w := &desktest.Timed{ResponseRecorder: httptest.NewRecorder()}
		r.handler.ServeHTTP(w, req)
		n := len(w.Deadlines)
		if route.Method == "POST" {
			bare := in.request("POST", path.Replace(route.Path), urlencoded, nil)
			bare.Body = http.NoBody
			b := &desktest.Timed{ResponseRecorder: httptest.NewRecorder()}
			if r.handler.ServeHTTP(b, bare); len(b.Deadlines) > 0 {
				t.Errorf("POST %s without a body sets a deadline", route.Path)
			}
		}
		switch {
		case route.Method != "POST" && n > 0:
			t.Errorf("%s %s sets a deadline", route.Method, route.Path)
		case route.Method == "POST" && (n == 0 || !w.Deadlines[n-1].IsZero()):
			t.Errorf("POST %s has the deadlines %v, want one for the body that ends with it", route.Path, w.Deadlines)
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
		v            *browser
		path, origin string
		want         int
	}{
		"signed out":        {&browser{r: r}, ticketPath(mine.Number), r.url, http.StatusSeeOther},
		"session timed out": {ended, "/tickets/new", r.url, http.StatusSeeOther},
		"somebody else's":   {r.signIn(bea), ticketPath(mine.Number), r.url, http.StatusNotFound},
		"no page":           {r.signIn(ann), "/nope", r.url, http.StatusNotFound},
		"another site":      {r.signIn(ann), ticketPath(mine.Number), "https://evil.example", http.StatusForbidden},
		"no form":           {r.signIn(ann), ticketPath(mine.Number), r.url, http.StatusBadRequest},
		"the sign-in page":  {&browser{r: r}, "/sign-in", r.url, http.StatusRequestEntityTooLarge},
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

// counting counts what is kept.
type counting struct {
	blob.Store
	kept atomic.Int64
}

func (b *counting) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	sha, size, err := b.Store.Put(ctx, r)
	if err == nil {
		b.kept.Add(1)
	}
	return sha, size, err
}

// TestRefusedFormsKeepNoFiles: bytes that no message will ever name are not kept.
func TestRefusedFormsKeepNoFiles(t *testing.T) {
	t.Parallel()
	blobs := &counting{}
	r := newRig(t, func(o *Options) { blobs.Store, o.Blobs = o.Blobs, blobs })
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	file := upload{"a.txt", "text/plain", "bytes"}
	big := upload{"big.bin", "text/plain", strings.Repeat("x", 25<<20+1)}
	for what, c := range map[string]struct {
		path   string
		fields map[string]string
		files  []upload
		says   string
	}{
		"no text":           {ticketPath(mine.Number), map[string]string{"text": " "}, []upload{file}, "a.txt"},
		"no subject":        {"/tickets/new", map[string]string{"text": "my draft"}, []upload{file}, "a.txt"},
		"a subject in full": {"/tickets/new", map[string]string{"subject": strings.Repeat("x", desk.MaxSubject+1), "text": "my draft"}, []upload{file}, "a.txt"},
		"too large":         {ticketPath(mine.Number), map[string]string{"text": "my draft"}, []upload{big, file}, "big.bin is larger"},
	} {
		a := in.send(c.path, c.fields, c.files...)
		in.want(what, a, http.StatusUnprocessableEntity)
		if !strings.Contains(a.body, c.says) {
			t.Errorf("%s: the page lacks %q: %s", what, c.says, textOf(a.body))
		}
	}
	late := "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nbytes\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nmy draft\r\n--b--\r\n"
	in.want("the text after the files", in.do(in.request("POST", ticketPath(mine.Number), "multipart/form-data; boundary=b", []byte(late))), http.StatusBadRequest)
	if n := blobs.kept.Load(); n != 0 || len(r.messages(mine.ID)) != 1 {
		t.Errorf("%d files and %d messages are kept", n, len(r.messages(mine.ID)))
	}
}

// TestEveryPartCounts: neither many empty files nor long names get past the limits of a form, and no empty file is kept.
func TestEveryPartCounts(t *testing.T) {
	t.Parallel()
	blobs := &counting{}
	r := newRig(t, func(o *Options) { blobs.Store, o.Blobs = o.Blobs, blobs })
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	draft := map[string]string{"text": "my draft"}
	files := make([]upload, maxParts)
	for i := range files {
		files[i] = upload{"empty.txt", "text/plain", ""}
	}
	a := in.send(ticketPath(mine.Number), draft, files...)
	in.want("many empty files", a, http.StatusUnprocessableEntity)
	if !strings.Contains(a.body, "Send at most 10 files") || !strings.Contains(a.body, "my draft") {
		t.Errorf("many empty files give %s", textOf(a.body))
	}
	for i := range files[:20] {
		files[i].name = strings.Repeat("n", 100_000)
	}
	in.want("long names", in.send(ticketPath(mine.Number), draft, files[:20]...), http.StatusRequestEntityTooLarge)
	fields := map[string]string{"text": "my draft"}
	for i := range 20 {
		fields[strings.Repeat("f", 100_000)+fmt.Sprint(i)] = ""
	}
	in.want("long names of fields", in.send(ticketPath(mine.Number), fields), http.StatusRequestEntityTooLarge)
	in.want("one empty file", in.send(ticketPath(mine.Number), draft, upload{"empty.txt", "text/plain", ""}), http.StatusSeeOther)
	said := r.messages(mine.ID)
	if n := blobs.kept.Load(); n != 0 || len(said) != 2 || len(said[1].Attachments) != 0 {
		t.Errorf("%d files are kept; the messages are %+v", n, said)
	}
}

// TestT9_OurScriptIsToldWhereToGo: our script, which shows how far a form has come, gets the place to go to, and the notice is there when it gets there.
func TestT9_OurScriptIsToldWhereToGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	send := func(text string) answer {
		contentType, body := multipartBody(t, map[string]string{"text": text}, upload{"a.txt", "text/plain", "a file"})
		req := in.request("POST", fmt.Sprintf("/tickets/%d", mine.Number), contentType, body)
		req.Header.Set("Postern-Send", "1")
		return in.do(req)
	}
	to := fmt.Sprintf("/tickets/%d#sent", mine.Number)
	if a := send("With a file."); a.status != http.StatusNoContent || a.location != to || a.body != "" {
		t.Errorf("sent: %d %q %q", a.status, a.location, a.body)
	}
	refresh := in.request("GET", strings.TrimSuffix(to, "#sent"), "", nil)
	refresh.Header.Set("Postern-Refresh", "1")
	if a := in.do(refresh); strings.Contains(a.body, "We got it") {
		t.Error("a page that looks for news takes the notice of the next")
	}
	if a := in.get(strings.TrimSuffix(to, "#sent") + "?"); !strings.Contains(a.body, "We got it") || !strings.Contains(a.body, "With a file.") || !strings.Contains(a.body, "a.txt") {
		t.Errorf("the page after it: %s", a.body)
	}
	if a := send(""); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "Write what you want to say") {
		t.Errorf("without words: %d %s", a.status, a.body)
	}
	if n := len(r.messages(mine.ID)); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// TestT9_TheOperatorSaysHowLargeAFileMayBe: the page says so, and it holds.
func TestT9_TheOperatorSaysHowLargeAFileMayBe(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	sized := func(mb int) {
		t.Helper()
		r.set(func(s *desk.Settings) { s.FileMB = mb })
		if page := in.get(ticketPath(mine.Number)).body; !strings.Contains(page, fmt.Sprintf(`data-limit="%d"`, mb<<20)) || !strings.Contains(page, fmt.Sprintf("up to 10 files, \u2066%d MB\u2069 each", mb)) {
			t.Errorf("with %d MB the page says %s", mb, textOf(page))
		}
	}
	send := func(size int) answer {
		return in.send(ticketPath(mine.Number), map[string]string{"text": "see there"}, upload{"a.bin", "text/plain", strings.Repeat("x", size)})
	}
	sized(1)
	in.want("just as large", send(1<<20), http.StatusSeeOther)
	if a := send(1<<20 + 1); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "a.bin is larger than \u20661 MB\u2069") {
		t.Errorf("one byte more: %d %s", a.status, textOf(a.body))
	}
	in.want("more than all files together", send(12<<20), http.StatusRequestEntityTooLarge)
	sized(30)
	in.want("beyond what it is at first", send(26<<20), http.StatusSeeOther)
	if n := len(r.messages(mine.ID)); n != 3 {
		t.Errorf("the ticket has %d messages", n)
	}
	for _, mb := range []int{0, -1, desk.MaxFileMB + 1} {
		s := desk.DefaultSettings()
		s.FileMB = mb
		if err := desk.CheckSettings(s); desk.KindOf(err) != desk.Invalid {
			t.Errorf("%d MB: %v", mb, err)
		}
	}
}
