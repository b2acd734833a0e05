package mailmsg

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"time"

	"postern/desk"
)

// Draft is a mail to be written. The same Draft always gives the same bytes.
type Draft struct {
	From        desk.Address
	To, Cc      []desk.Address
	ReplyTo     []desk.Address
	Subject     string
	Date        time.Time // written in UTC
	MessageID   desk.MessageID
	InReplyTo   desk.MessageID
	References  []desk.MessageID // oldest first
	Headers     []HeaderField    // further ones: Auto-Submitted, List-Unsubscribe, …
	Text        string           // empty: only the HTML is sent
	HTML        string           // empty: only the text is sent
	Attachments []DraftFile
	Seed        string // what the boundaries are made from, besides the Message-ID
}

// HeaderField is one field of a header. Its value is text: what can't stand in a header is encoded or made a space.
type HeaderField struct{ Name, Value string }

// DraftFile is a file that goes with a mail.
type DraftFile struct {
	Name      string
	Type      string // media type without parameters; empty or unreadable: application/octet-stream
	ContentID string // what the HTML's "cid:" calls it
	Inline    bool   // part of the HTML, not of the list of files
	// Open gives the bytes. It is called once.
	Open func() (io.ReadCloser, error)
}

// ErrDraft is wrapped by errors about a Draft that can't become a mail, however often it is tried.
var ErrDraft = errors.New("mail can't be composed")

// Compose writes d as an RFC 5322 mail with CRLF line ends: text and HTML as alternatives, inline files beside the HTML,
// other files after both. Attachments stream. Nothing in a Draft can add a header field or a part of its own
// (REQUIREMENTS O9). Bcc doesn't exist. A local part outside ASCII is written as it is and needs SMTPUTF8 to be sent.
func Compose(w io.Writer, d Draft) error {
	root, err := layout(d)
	if err != nil {
		return err
	}
	header, err := composeHeader(d, root)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	if err := root.writeBody(w); err != nil || root.children != nil {
		return err
	}
	_, err = io.WriteString(w, "\r\n") // a body ends with a line end
	return err
}

func composeHeader(d Draft, root *node) ([]byte, error) {
	if d.Date.IsZero() {
		return nil, fmt.Errorf("%w: it has no date", ErrDraft)
	}
	if !writableID(d.MessageID) {
		return nil, fmt.Errorf("%w: message id %q", ErrDraft, d.MessageID)
	}
	h := &headerWriter{}
	h.field("Date", d.Date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.addresses("From", []desk.Address{d.From})
	h.addresses("Reply-To", d.ReplyTo)
	h.addresses("To", d.To)
	h.addresses("Cc", d.Cc)
	h.text("Subject", d.Subject)
	h.ids("Message-ID", d.MessageID)
	h.ids("In-Reply-To", d.InReplyTo)
	h.ids("References", d.References...)
	for _, f := range d.Headers {
		h.extra(f)
	}
	h.field("MIME-Version", "1.0")
	root.writeHeader(h)
	if h.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDraft, h.err)
	}
	h.buf.WriteString("\r\n")
	return h.buf.Bytes(), nil
}

// node is one part of the mail to be: a multipart with children, or a leaf with content.
type node struct {
	mediaType string
	boundary  string
	children  []*node

	charset  bool
	encoding string
	file     *DraftFile
	content  string
}

func layout(d Draft) (*node, error) {
	var inline, files []*DraftFile
	for i := range d.Attachments {
		f := &d.Attachments[i]
		if f.Open == nil {
			return nil, fmt.Errorf("%w: attachment %q has no content", ErrDraft, f.Name)
		}
		if f.Inline && f.ContentID != "" && d.HTML != "" {
			inline = append(inline, f)
		} else {
			files = append(files, f)
		}
	}
	n := 0
	multipart := func(kind string, children ...*node) *node {
		n++
		return &node{mediaType: "multipart/" + kind, boundary: boundary(d, n), children: children}
	}
	var html, body *node
	if d.HTML != "" {
		html = textNode("text/html", d.HTML)
		if len(inline) > 0 {
			html = multipart("related", append([]*node{html}, fileNodes(inline, true)...)...)
		}
	}
	switch {
	case html == nil:
		body = textNode("text/plain", d.Text)
	case d.Text == "":
		body = html
	default:
		body = multipart("alternative", textNode("text/plain", d.Text), html)
	}
	if len(files) > 0 {
		body = multipart("mixed", append([]*node{body}, fileNodes(files, false)...)...)
	}
	return body, nil
}

// boundary gives the n-th boundary of a mail. It starts with "=_", which neither quoted-printable nor base64 can hold.
func boundary(d Draft, n int) string {
	h := sha256.New()
	writeCounted(h, "boundary")
	writeCounted(h, d.Seed)
	writeCounted(h, string(d.MessageID))
	writeCounted(h, strconv.Itoa(n))
	return "=_" + hex.EncodeToString(h.Sum(nil)[:18])
}

func textNode(mediaType, content string) *node {
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\r", "\n")
	content = strings.ToValidUTF8(strings.ReplaceAll(content, "\x00", ""), "\uFFFD")
	content = strings.TrimSuffix(content, "\n") // what follows writes the last line end
	n := &node{mediaType: mediaType, charset: true, encoding: "quoted-printable", content: content}
	if plainSevenBit(content) {
		n.encoding = "7bit"
	}
	return n
}

// plainSevenBit tells whether text can travel as it is: short lines of printable ASCII that no server will touch.
func plainSevenBit(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if len(line) > 78 || strings.HasPrefix(line, "From ") || strings.HasPrefix(line, ".") || strings.HasPrefix(line, "--=_") || strings.HasSuffix(line, " ") {
			return false
		}
		for i := range len(line) {
			if c := line[i]; c != '\t' && (c < ' ' || c > '~') {
				return false
			}
		}
	}
	return true
}

func fileNodes(files []*DraftFile, inline bool) []*node {
	out := make([]*node, 0, len(files))
	for _, f := range files {
		copied := *f
		copied.Inline = inline
		mediaType := mediaTypeToken(f.Type)
		if mediaType == "" || strings.HasPrefix(mediaType, "multipart/") || strings.HasPrefix(mediaType, "message/") {
			// RFC 2046 section 5.2 allows no base64 for message types, and a multipart would become part of ours.
			mediaType = "application/octet-stream"
		}
		out = append(out, &node{mediaType: mediaType, encoding: "base64", file: &copied})
	}
	return out
}

func (n *node) writeHeader(h *headerWriter) {
	switch {
	case n.children != nil:
		h.parameters("Content-Type", n.mediaType, "boundary", n.boundary)
		return
	case n.charset:
		h.parameters("Content-Type", n.mediaType, "charset", "utf-8")
	default:
		h.parameters("Content-Type", n.mediaType)
	}
	h.field("Content-Transfer-Encoding", n.encoding)
	if n.file == nil {
		return
	}
	disposition := "attachment"
	if n.file.Inline {
		disposition = "inline"
	}
	h.parameters("Content-Disposition", disposition, "filename", SafeFileName(n.file.Name))
	if id := desk.MessageID(strings.Trim(n.file.ContentID, "<>")); writableID(id) {
		h.ids("Content-ID", id)
	}
}

func (n *node) writeBody(w io.Writer) error {
	if n.children == nil {
		return n.writeLeaf(w)
	}
	for _, child := range n.children {
		h := &headerWriter{}
		child.writeHeader(h)
		if h.err != nil {
			return fmt.Errorf("%w: %w", ErrDraft, h.err)
		}
		if _, err := fmt.Fprintf(w, "--%s\r\n%s\r\n", n.boundary, h.buf.Bytes()); err != nil {
			return err
		}
		if err := child.writeBody(w); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\r\n"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "--%s--\r\n", n.boundary)
	return err
}

func (n *node) writeLeaf(w io.Writer) error {
	if n.file != nil {
		return writeFile(w, *n.file)
	}
	if n.encoding == "7bit" {
		_, err := io.WriteString(w, strings.ReplaceAll(n.content, "\n", "\r\n"))
		return err
	}
	q := quotedprintable.NewWriter(w)
	if _, err := io.WriteString(q, n.content); err != nil {
		return err
	}
	return q.Close()
}

func writeFile(w io.Writer, f DraftFile) (err error) {
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("open attachment %q: %w", f.Name, err)
	}
	defer func() {
		if cerr := r.Close(); err == nil {
			err = cerr
		}
	}()
	lines := &lineWriter{w: w}
	enc := base64.NewEncoder(base64.StdEncoding, lines)
	if _, err := io.Copy(enc, r); err != nil {
		return fmt.Errorf("attachment %q: %w", f.Name, err)
	}
	return enc.Close()
}

// lineWriter breaks what is written into lines of 76 characters.
type lineWriter struct {
	w   io.Writer
	n   int
	buf bytes.Buffer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	total := len(p)
	l.buf.Reset()
	for len(p) > 0 {
		if l.n == 76 {
			l.buf.WriteString("\r\n")
			l.n = 0
		}
		k := min(76-l.n, len(p))
		l.buf.Write(p[:k])
		l.n += k
		p = p[k:]
	}
	if _, err := l.w.Write(l.buf.Bytes()); err != nil {
		return 0, err
	}
	return total, nil
}
