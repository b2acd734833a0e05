package portal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
)

// form is what a page with files sent.
type form struct {
	limits   limits
	needed   []string // the fields that must not be empty
	lost     bool     // it will not be taken in any case: it is read for its fields
	values   map[string]string
	files    []desk.Attachment
	tooLarge []string // names of files over the limit
	tooMany  bool
	over     bool // more arrived than may be sent at once; the text comes before the files
	unkept   bool // files are known by name only: what came before them is refused
}

func (f *form) value(name string) string { return f.values[name] }

// subject is the form's subject in one line.
func (f *form) subject() string { return strings.Join(strings.Fields(f.value("subject")), " ") }

// names lists the files that came.
func (f *form) names() string {
	var names []string
	for _, a := range f.files {
		names = append(names, a.Name)
	}
	return strings.Join(names, ", ")
}

// refused tells that a form will not be taken, from what has come of it.
func (f *form) refused() bool {
	empty := func(field string) bool { return desk.Blank(f.value(field)) }
	people, bad := desk.NamedIn(f.value("copies"))
	return f.lost || slices.ContainsFunc(f.needed, empty) || desk.CheckSubject(f.subject()) != nil || len(f.tooLarge) > 0 || f.tooMany || bad != "" || len(people) > desk.MostNamed
}

// readForm reads a multipart form; its files stream into the blob store. Those of a form that is refused for what came
// before them are not kept: nothing would ever name them. So our pages have their fields before the files.
func (p *portal) readForm(c *gin.Context, who visitor, needed ...string) (*form, error) {
	f := &form{limits: limitsOf(who.org.Settings), needed: needed}
	if sent, ok := c.Request.Context().Value(sentKey{}).(*sent); ok {
		sent.form = f
	}
	err := p.readParts(c.Request, f)
	if err == nil && f.unkept && !f.refused() {
		err = unreadable(errors.New("the fields come after the files"))
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		f.over = true
		c.Status(http.StatusRequestEntityTooLarge)
		err = nil
	}
	return f, err
}

const maxParts = 600 // a browser sends one for each file that was chosen: people are told of too many

// maxUpload is how many bytes a form may have whose files have so many each.
func maxUpload(perFile int64) int64 { return maxFiles*perFile + maxFormText + 1<<20 }

func (p *portal) readParts(req *http.Request, f *form) error {
	f.values = map[string]string{}
	req.Body = http.MaxBytesReader(nil, req.Body, maxUpload(f.limits.MaxFileSize))
	r, err := req.MultipartReader()
	if err != nil {
		return unreadable(err)
	}
	for text, parts := 0, 0; ; parts++ {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) && parts > 0 {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		if parts == maxParts {
			f.tooMany = true
			return nil
		}
		if part.FormName() == "" {
			return unreadable(errors.New("a part has no name that can be read"))
		}
		var b []byte
		if part.FileName() == "" {
			if b, err = io.ReadAll(io.LimitReader(part, maxFormText+1)); err != nil {
				return unreadable(err)
			}
		}
		if text += len(b) + len(part.FormName()) + len(part.FileName()); text > maxFormText {
			return &refused{http.StatusRequestEntityTooLarge, "oops.text_too_long", errors.New("more text than a form takes")}
		}
		if part.FileName() != "" {
			if err := p.readFile(req.Context(), f, part); err != nil {
				return err
			}
			continue
		}
		if name := part.FormName(); name != "files" {
			f.values[name] = strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "") // as it can be stored
		}
	}
}

// sent is what a request has sent, for the page that says that it could not be taken.
type sent struct{ form *form }

type sentKey struct{}

// remembering lets a request's form be found when the request fails, wherever that is.
func remembering(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sentKey{}, &sent{})))
	})
}

// formOf gives what somebody has written into a page with files, whether a handler has come to read it or not; nil for any
// other request.
func (p *portal) formOf(r *http.Request) *form {
	sent, ok := r.Context().Value(sentKey{}).(*sent)
	if !ok || r.Method != http.MethodPost || !pageOfOurs.MatchString(r.URL.Path) {
		return nil
	}
	if sent.form == nil {
		sent.form = &form{lost: true, limits: limitsOf(desk.Settings{FileMB: desk.MaxFileMB})} // the operator's may be out of reach
		_ = p.readParts(r, sent.form)                                                          // what came whole is there
	}
	return sent.form
}

// parseForm reads a form without files. One that can't be read is refused: its fields would all seem empty.
func parseForm(c *gin.Context) error {
	if c.Request.Method == http.MethodPost && c.Request.Body != http.NoBody {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(formWithin)) // as in web.Bodies
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxSmallForm)
	err := c.Request.ParseForm()
	if err == nil {
		if err = c.Request.ParseMultipartForm(maxSmallForm); errors.Is(err, http.ErrNotMultipart) {
			err = nil
		}
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &refused{http.StatusRequestEntityTooLarge, "oops.form_too_large", err}
	}
	if err != nil {
		return unreadable(err)
	}
	return nil
}

// refused is a form that can't be taken as a whole: there is no field to show it at, so it gets a page with the text of key.
type refused struct {
	status int
	key    string
	err    error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// unreadable is what a browser, or what stands between, has damaged or did not send in time.
func unreadable(err error) error {
	status := http.StatusBadRequest
	if errors.Is(err, os.ErrDeadlineExceeded) {
		status = http.StatusRequestTimeout
	}
	return &refused{status, "oops.broken", err}
}

// incoming tells that it was the reading of a part that failed, whoever reads it.
type incoming struct{ *multipart.Part }

func (in incoming) Read(b []byte) (int, error) {
	n, err := in.Part.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(err)
	}
	return n, err
}

// atMost fails when more than left bytes come, so that what is too large is not kept.
type atMost struct {
	io.Reader
	left int64
	over bool
}

func (a *atMost) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if a.left -= int64(n); a.left < 0 {
		a.over = true
		return 0, errors.New("too large")
	}
	return n, err
}

// readFile reads one file. An empty one is no file.
func (p *portal) readFile(ctx context.Context, f *form, part *multipart.Part) error {
	if len(f.files) >= maxFiles {
		f.tooMany = true
		return nil
	}
	in := bufio.NewReader(incoming{part})
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	limited := &atMost{Reader: in, left: f.limits.MaxFileSize}
	file := desk.Attachment{Name: mailmsg.SafeFileName(part.FileName()), Type: "application/octet-stream"}
	if media, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil {
		file.Type = media
	}
	var err error
	if f.refused() {
		f.unkept = true
		file.Size, err = io.Copy(io.Discard, limited)
	} else {
		file.SHA256, file.Size, err = p.Blobs.Put(ctx, limited)
	}
	if limited.over {
		f.tooLarge = append(f.tooLarge, file.Name)
		return nil
	}
	if err == nil {
		f.files = append(f.files, file)
	}
	return err
}

// problems says what is wrong with what was sent: fields that must not be empty, and the files. A browser forgets chosen
// files when a page comes back, so those that were fine have to be chosen again.
func (f *form) problems(t *i18n.Texts, needed ...string) ([]problem, error) {
	var out []problem
	add := func(field, key string, pairs ...any) error {
		text, err := t.T(key, pairs...)
		out = append(out, problem{field, text})
		return err
	}
	for _, field := range needed {
		if desk.Blank(f.value(field)) {
			if err := add(field, "need_"+field); err != nil {
				return nil, err
			}
		}
	}
	if desk.CheckSubject(f.subject()) != nil {
		if err := add("subject", "subject_too_long"); err != nil {
			return nil, err
		}
	}
	for _, name := range f.tooLarge {
		if err := add("files", "file_too_large", "Name", name, "Limit", t.Bytes(f.limits.ShownSize)); err != nil {
			return nil, err
		}
	}
	if f.over {
		if err := add("files", "all_too_large"); err != nil {
			return nil, err
		}
	}
	if f.tooMany {
		if err := add("files", "too_many_files"); err != nil {
			return nil, err
		}
	}
	if len(out) > 0 && len(f.files) > 0 {
		if err := add("files", "files_again", "Names", f.names()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// copies reads whom the writer names to get copies, and says what is wrong with it.
func (f *form) copies(t *i18n.Texts) ([]desk.Address, []problem, error) {
	people, bad := desk.NamedIn(f.value("copies"))
	switch {
	case bad != "":
		text, err := t.T("thread.copies_bad", "Address", bad)
		return nil, []problem{{"copies", text}}, err
	case len(people) > desk.MostNamed:
		text, err := t.T("thread.copies_many", "Most", desk.MostNamed)
		return nil, []problem{{"copies", text}}, err
	default:
		return people, nil, nil
	}
}

// picture tells whether a media type is one that may be shown in a page (REQUIREMENTS P16).
func picture(media string) bool {
	switch media {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

// linkedFile sends an attachment to whoever has the link that agents got.
func (p *portal) linkedFile(c *gin.Context) error {
	a, err := p.Desk.LinkedFile(c.Request.Context(), desk.ID(c.Param("file")), c.Param("until"), c.Param("token"))
	if err != nil {
		return err
	}
	return p.send(c, a)
}

// file sends an attachment to somebody who may read it.
func (p *portal) file(c *gin.Context, who visitor) error {
	a, err := p.DB.Attachment(c.Request.Context(), who.scope, desk.ID(c.Param("id")))
	if err != nil {
		return err
	}
	return p.send(c, a)
}

// send sends an attachment. It is never anything that a browser would run: pictures that are what they say may be shown,
// all else is to be saved.
func (p *portal) send(c *gin.Context, a desk.Attachment) error {
	r, err := p.Blobs.Open(c.Request.Context(), a.SHA256)
	if err != nil {
		return fmt.Errorf("open file %s: %w", a.ID, err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	start := make([]byte, 512)
	n, err := io.ReadFull(r, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	h := c.Writer.Header()
	media, how := "application/octet-stream", "attachment"
	if sniffed := http.DetectContentType(start[:n]); picture(sniffed) {
		media = sniffed
		if a.Inline {
			how = "inline"
		}
	}
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": a.Name}))
	h.Set("Content-Length", strconv.FormatInt(a.Size, 10))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	c.Status(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(c.Writer, io.MultiReader(bytes.NewReader(start[:n]), r)); err != nil {
		c.Abort() // the browser has gone, or the bytes are short: the length tells
	}
	return nil
}
