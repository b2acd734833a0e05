package ingest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/desk"
	"postern/mailmsg"
	"postern/tickets"
)

// Post is the content of a form post: fields in the order they came, and files.
type Post struct {
	Fields []Field
	Files  []desk.Attachment
	text   int // bytes of all fields, with their paths: a name in JSON counts for every value below it
}

// Field is one value of a post. Path is its name; inside JSON the names and indexes that lead to it, joined by dots.
type Field struct{ Path, Value string }

// The bounds of a post (REQUIREMENTS W8).
const (
	MaxPostText   = 1 << 20
	maxPostFields = 500
	maxPostDepth  = 10
	maxPostFiles  = 50
	maxPostParts  = maxPostFields + 2*maxPostFiles // of a multipart body, with the file fields that were left empty
)

// ReadPost reads the body of a post: JSON, url-encoded or multipart. attach keeps a file's bytes as
// mailmsg.ParseOptions.Attach does; nil: they are passed over. What it can't read is desk.Invalid, with what is wrong; an
// error of body that is desk.Unavailable stays that.
func ReadPost(contentType string, body io.Reader, attach func(io.Reader) (string, int64, error)) (Post, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return Post{}, desk.Refuse("Content-Type", "%q can't be read", contentType)
	}
	var p Post
	switch {
	case media == "application/x-www-form-urlencoded":
		err = p.readURLEncoded(body)
	case media == "multipart/form-data":
		err = p.readMultipart(body, params["boundary"], attach)
	case media == "application/json", strings.HasSuffix(media, "+json"), media == "":
		err = p.readJSON(body)
	default:
		return p, desk.Refuse("Content-Type", "%s can't be read; send application/json, application/x-www-form-urlencoded or multipart/form-data", media)
	}
	if err == nil && len(p.Fields) == 0 && len(p.Files) == 0 {
		err = desk.Refuse("body", "the post has no fields")
	}
	return p, err
}

func (p *Post) add(path, value string) error {
	if len(p.Fields) == maxPostFields {
		return &desk.Error{Kind: desk.TooLarge, Field: "body", Text: fmt.Sprintf("more than %d fields", maxPostFields)}
	}
	if p.text += len(path) + len(value); p.text > MaxPostText {
		return errTooMuchText
	}
	p.Fields = append(p.Fields, Field{plain(path), plain(value)})
	return nil
}

var errTooMuchText = &desk.Error{Kind: desk.TooLarge, Field: "body", Text: "more than 1 MB of text, names counted; send files as multipart/form-data"} //nolint:gochecknoglobals // never changes

func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// text reads at most MaxPostText bytes.
func text(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxPostText+1))
	if err == nil && len(b) > MaxPostText {
		err = errTooMuchText
	}
	return b, err
}

func (p *Post) readURLEncoded(body io.Reader) error {
	b, err := text(body)
	if err != nil {
		return err
	}
	for pair := range strings.SplitSeq(string(b), "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err := errors.Join(err1, err2); err != nil {
			return &desk.Error{Kind: desk.Invalid, Field: "body", Text: "the url-encoded body is broken", Err: err}
		}
		if err := p.add(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *Post) readMultipart(body io.Reader, boundary string, attach func(io.Reader) (string, int64, error)) error {
	if boundary == "" {
		return desk.Refuse("Content-Type", "multipart/form-data without a boundary")
	}
	r := multipart.NewReader(body, boundary)
	for parts := 0; ; parts++ {
		if parts > maxPostParts {
			return &desk.Error{Kind: desk.TooLarge, Field: "body", Text: fmt.Sprintf("more than %d parts", maxPostParts)}
		}
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return brokenMultipart(err)
		}
		if part.FileName() == "" {
			b, err := text(part)
			if desk.KindOf(err) == desk.TooLarge {
				return err
			}
			if err != nil {
				return brokenMultipart(err)
			}
			if err := p.add(part.FormName(), string(b)); err != nil {
				return err
			}
			continue
		}
		if err := p.addFile(part, attach); err != nil {
			return err
		}
	}
}

// brokenMultipart is the error for a body that ends where it must not, unless it could not be read at all just now: that
// is not the sender's fault.
func brokenMultipart(err error) error {
	if desk.KindOf(err) == desk.Unavailable {
		return err
	}
	return &desk.Error{Kind: desk.Invalid, Field: "body", Text: "the multipart body is broken or cut short", Err: err}
}

func (p *Post) addFile(part *multipart.Part, attach func(io.Reader) (string, int64, error)) error {
	if len(p.Files) == maxPostFiles {
		return &desk.Error{Kind: desk.TooLarge, Field: "body", Text: fmt.Sprintf("more than %d files", maxPostFiles)}
	}
	if attach == nil {
		attach = func(r io.Reader) (string, int64, error) { n, err := io.Copy(io.Discard, r); return "", n, err }
	}
	whole := &remembering{r: part}
	content := bufio.NewReader(whole)
	if _, err := content.Peek(1); errors.Is(err, io.EOF) {
		return nil // a file field that was left empty
	}
	sha, size, err := attach(content)
	if whole.err != nil {
		return brokenMultipart(whole.err)
	}
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		media = "application/octet-stream"
	}
	p.Files = append(p.Files, desk.Attachment{Name: mailmsg.SafeFileName(part.FileName()), Type: media, Size: size, SHA256: sha})
	return nil
}

// remembering tells a broken source from a broken destination.
type remembering struct {
	r   io.Reader
	err error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (p *Post) readJSON(body io.Reader) error {
	b, err := text(body)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return desk.Refuse("body", "the JSON is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := p.walk(dec, "", 0); err != nil {
		if _, ours := errors.AsType[*desk.Error](err); ours {
			return err
		}
		return &desk.Error{Kind: desk.Invalid, Field: "body", Text: fmt.Sprintf("the JSON is broken at byte %d", dec.InputOffset()), Err: err}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return desk.Refuse("body", "there is more behind the JSON value, at byte %d", dec.InputOffset())
	}
	return nil
}

// walk reads one JSON value and adds its leaves, in the order they come.
func (p *Post) walk(dec *json.Decoder, path string, depth int) error {
	if depth > maxPostDepth {
		return &desk.Error{Kind: desk.TooLarge, Field: "body", Text: fmt.Sprintf("the JSON is nested deeper than %d levels", maxPostDepth)}
	}
	token, err := dec.Token()
	if err != nil {
		return err
	}
	under := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch v := token.(type) {
	case json.Delim:
		for i := 0; dec.More(); i++ {
			name := strconv.Itoa(i)
			if v == '{' {
				key, err := dec.Token()
				if err != nil {
					return err
				}
				name = fmt.Sprint(key)
			}
			if err := p.walk(dec, under(name), depth+1); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return err
	case nil:
		return nil
	default:
		return p.add(path, fmt.Sprint(v))
	}
}

// value finds the field that a mapping names; several values of one name (check boxes) are listed.
func (p Post) value(path string) string {
	var found []string
	for _, f := range p.Fields {
		if f.Path == path || strings.TrimSuffix(f.Path, "[]") == path {
			found = append(found, strings.TrimSpace(f.Value))
		}
	}
	return strings.Join(found, ", ")
}

// submission makes what a post says into a ticket's fields. held says why an agent has to look, if so.
func submission(form desk.Form, p Post) (s tickets.Submission, held string) {
	mapped := func(field string) string {
		if path := form.Mapping[field]; path != "" {
			return p.value(path)
		}
		return p.value(field)
	}
	s.Name, s.Subject, s.Attachments = oneLine(mapped("name")), oneLine(mapped("subject")), p.Files
	if s.Subject == "" {
		s.Subject = form.Name
	}
	s.Text = withOthers(mapped("message"), form, p)
	email := mapped("email")
	var ok bool
	if s.Email, ok = desk.NormalizeEmail(email); !ok {
		if email == "" {
			return s, "the post has no e-mail address in the field " + strconv.Quote(pathOf(form, "email"))
		}
		return s, fmt.Sprintf("%q is not one e-mail address", email)
	}
	return s, ""
}

func pathOf(form desk.Form, field string) string {
	if path := form.Mapping[field]; path != "" {
		return path
	}
	return field
}

// oneLine makes a text one line of what can be seen: names and subjects are shown in terminals too.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)), " ")
}

// withOthers puts what no mapping names behind the message, so that nothing is lost.
func withOthers(message string, form desk.Form, p Post) string {
	var used []string
	for _, field := range desk.FormFields() {
		used = append(used, pathOf(form, field))
	}
	var b strings.Builder
	b.WriteString(message)
	first := true
	for _, f := range p.Fields {
		if slices.Contains(used, f.Path) || slices.Contains(used, strings.TrimSuffix(f.Path, "[]")) || strings.TrimSpace(f.Value) == "" {
			continue
		}
		if first && b.Len() > 0 {
			b.WriteString("\n\n")
		}
		first = false
		fmt.Fprintf(&b, "%s: %s\n", f.Path, f.Value)
	}
	return strings.TrimSpace(b.String())
}
