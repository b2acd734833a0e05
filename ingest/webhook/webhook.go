// Package webhook takes form posts: it authenticates the raw body, makes it durable, and only then says 200. What the
// post means is read afterwards, by ingest.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"postern/desk"
	"postern/ingest"
	"postern/store"
	"postern/web"
)

// Options are what the handler needs.
type Options struct {
	DB      *store.DB
	Ingest  *ingest.Ingest
	Log     *slog.Logger
	MaxBody int64         // bytes; 0: 25 MB and some room for the form around the files
	Within  time.Duration // how long one body may take to arrive; 0: a minute
	Now     func() time.Time
}

const (
	maxBody     = 26 << 20
	readWithin  = time.Minute    // one body
	sameBodyFor = 24 * time.Hour // how long the same body without an id of its own counts as the same post
)

// New gives the handler of POST /hooks/{form}.
func New(o Options) http.Handler {
	if o.MaxBody == 0 {
		o.MaxBody = maxBody
	}
	if o.Within == 0 {
		o.Within = readWithin
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &handler{o}
}

type handler struct{ Options }

// answer is the body of a success.
type answer struct {
	Status string  `json:"status"` // accepted, or duplicate: it is there already
	ID     desk.ID `json:"id"`
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := h.take(w, r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if err := json.NewEncoder(w).Encode(a); err != nil {
		h.Log.DebugContext(r.Context(), "the sender did not wait for the answer", slog.String("error", err.Error()))
	}
}

func (h *handler) take(w http.ResponseWriter, r *http.Request) (answer, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return answer{}, &desk.Error{Kind: desk.Invalid, Field: "method", Text: "post to this URL"}
	}
	ctx := r.Context()
	form, err := h.form(ctx, strings.TrimPrefix(r.URL.Path, "/hooks/"))
	if err != nil {
		return answer{}, err
	}
	if r.ContentLength > h.MaxBody {
		return answer{}, tooLarge(h.MaxBody)
	}
	// A server without read deadlines (a test recorder) is no reason to refuse the post.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.Within)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return answer{}, err
	}
	check, err := newCheck(form, r.Header, h.Now())
	if err != nil {
		return answer{}, err
	}
	body, err := spool(http.MaxBytesReader(w, r.Body, h.MaxBody), check)
	if err != nil {
		return answer{}, bodyError(err, h.MaxBody)
	}
	defer body.close()
	if err := check.verify(); err != nil {
		return answer{}, err
	}
	contentType := r.Header.Get("Content-Type")
	content, err := body.open()
	if err != nil {
		return answer{}, err
	}
	if _, err := ingest.ReadPost(contentType, content, nil); err != nil {
		return answer{}, err
	}
	return h.keep(ctx, form, r, contentType, body)
}

func (h *handler) form(ctx context.Context, key string) (desk.Form, error) {
	org, err := h.DB.Organisation(ctx)
	if err != nil {
		return desk.Form{}, err
	}
	form, ok := org.Form(key)
	if !ok { // it may have been added a moment ago
		if org, err = h.DB.FreshOrganisation(ctx); err != nil {
			return desk.Form{}, err
		}
		if form, ok = org.Form(key); !ok {
			return form, &desk.Error{Kind: desk.NotFound, Text: "there is no form at this URL; gateway form list shows them"}
		}
	}
	if form.Disabled {
		return form, &desk.Error{Kind: desk.Gone, Text: "this form has been taken away"}
	}
	return form, nil
}

func (h *handler) keep(ctx context.Context, form desk.Form, r *http.Request, contentType string, body *spooled) (answer, error) {
	e := desk.LedgerEntry{FormID: form.ID, MailboxID: form.MailboxID, ContentType: contentType, Size: body.size}
	within := time.Duration(0)
	switch id := firstHeader(r.Header, "Webhook-Id", "Idempotency-Key"); {
	case id != "" && len(id) <= 200:
		e.DeliveryID = "id " + id
	default:
		e.DeliveryID = "body " + body.sum
		within = sameBodyFor
	}
	raw := body.memory
	if body.file != nil {
		content, err := body.open()
		if err != nil {
			return answer{}, err
		}
		if e.RawSHA256, _, err = h.Ingest.Blobs.Put(ctx, content); err != nil {
			return answer{}, &desk.Error{Kind: desk.Unavailable, Text: "the post can't be stored; send it again later", Err: err}
		}
		raw = nil
	}
	e, fresh, err := h.Ingest.KeepDelivery(ctx, e, raw, within)
	if err != nil {
		return answer{}, err
	}
	if !fresh {
		return answer{Status: "duplicate", ID: e.ID}, nil
	}
	return answer{Status: "accepted", ID: e.ID}, nil
}

func firstHeader(h http.Header, names ...string) string {
	for _, n := range names {
		if v := h.Get(n); v != "" {
			return v
		}
	}
	return ""
}

// problem is a problem document (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
}

// statusOf chooses the answers senders understand: most give up for good on a 4xx and try again after a 5xx, and some
// give up on 403, so that is never sent (REQUIREMENTS W2). All else is as everywhere.
func statusOf(err error) int {
	if e, ok := errors.AsType[*desk.Error](err); ok && e.Field == "method" {
		return http.StatusMethodNotAllowed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout
	}
	if status := web.Status(err); status != http.StatusForbidden {
		return status
	}
	return http.StatusUnauthorized
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "something went wrong here; send it again later"}
	if e, ok := errors.AsType[*desk.Error](err); ok {
		p.Detail, p.Field = e.Text, e.Field
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
		w.Header().Set("Retry-After", "30")
	}
	h.Log.Log(r.Context(), level, "a form post was refused", slog.Int("status", status), slog.String("error", err.Error()))
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		h.Log.DebugContext(r.Context(), "the sender did not wait for the answer", slog.String("error", err.Error()))
	}
}

func tooLarge(limit int64) error {
	return &desk.Error{Kind: desk.TooLarge, Field: "body", Text: "the post is larger than " + megabytes(limit)}
}

func bodyError(err error, limit int64) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return tooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &desk.Error{Kind: desk.Invalid, Field: "body", Text: "the post took too long to arrive", Err: err}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &desk.Error{Kind: desk.Invalid, Field: "body", Text: "the post was cut short", Err: err}
	}
	return err
}

// spooled is a body that has been read: in memory if small, else in a temporary file.
type spooled struct {
	memory []byte
	file   *os.File
	size   int64
	sum    string
}

// spool reads a body to its end and shows every byte to the check.
func spool(r io.Reader, check *check) (*spooled, error) {
	h := sha256.New()
	r = io.TeeReader(r, io.MultiWriter(h, check))
	head, err := io.ReadAll(io.LimitReader(r, desk.MaxInlineRaw+1))
	if err != nil {
		return nil, err
	}
	s := &spooled{memory: head, size: int64(len(head))}
	if len(head) > desk.MaxInlineRaw {
		if s.file, err = os.CreateTemp("", "postern-post-"); err != nil {
			return nil, noRoom(err)
		}
		n, err := io.Copy(s.file, io.MultiReader(bytes.NewReader(head), r))
		if err != nil {
			s.close()
			if _, ours := errors.AsType[*fs.PathError](err); ours {
				err = noRoom(err)
			}
			return nil, err
		}
		s.memory, s.size = nil, n
	}
	s.sum = hex.EncodeToString(h.Sum(nil))
	return s, nil
}

// noRoom is the error for a post that this machine has no place for just now: it may be sent again (REQUIREMENTS W2).
func noRoom(err error) error {
	return &desk.Error{Kind: desk.Unavailable, Text: "the post can't be stored now; send it again later", Err: err}
}

func (s *spooled) open() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory), nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

func (s *spooled) close() {
	if s.file != nil {
		_ = s.file.Close()           // it was only read since
		_ = os.Remove(s.file.Name()) // a file left in the temporary folder does no harm
	}
}
