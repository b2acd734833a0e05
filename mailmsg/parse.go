package mailmsg

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"postern/desk"
)

// ParseOptions say how Parse reads.
type ParseOptions struct {
	// Limits that are zero are those of DefaultLimits.
	Limits Limits
	// Attach keeps an attachment's bytes and gives their SHA-256 (hex) and number. It must read to the end. Nil: they are
	// hashed and counted only.
	Attach func(io.Reader) (sha256 string, size int64, err error)
}

// Parse reads one mail from its first to its last byte. It fails only where r or Attach does, or by a mistake of its own
// (which it answers as an error, never as a panic): bytes that are no mail give a desk.Mail with what could be read, and
// its Defects. Attachments stream to Attach; the bytes in memory are bounded by the limits, not by the mail.
// Pictures in the HTML still have their "cid:" references.
func Parse(r io.Reader, o ParseOptions) (m desk.Mail, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = desk.Mail{}, fmt.Errorf("parse mail: %v", v)
		}
	}()
	p := &parser{o: o, limits: o.Limits.orDefault()}
	p.src = newSource(r, p.limits.Size)
	if err := p.read(); err != nil {
		return desk.Mail{}, fmt.Errorf("parse mail: %w", err)
	}
	return p.mail, nil
}

// Fingerprint gives what Parse would give as the mail's Fingerprint, and does no more than that takes.
func Fingerprint(r io.Reader) (sum string, err error) {
	defer func() {
		if v := recover(); v != nil {
			sum, err = "", fmt.Errorf("fingerprint mail: %v", v)
		}
	}()
	p := &parser{limits: DefaultLimits(), textOnly: true}
	p.src = newSource(r, p.limits.Size)
	if err := p.read(); err != nil {
		return "", fmt.Errorf("fingerprint mail: %w", err)
	}
	return p.mail.Fingerprint, nil
}

// Fields gives the fields of a mail's header, topmost first: names in lower case, values unfolded but not decoded, within
// DefaultLimits. It reads no further than the buffer needs. It is for what desk.Mail doesn't hold, such as marks of our own.
func Fields(r io.Reader) (fields []HeaderField, err error) {
	defer func() {
		if v := recover(); v != nil {
			fields, err = nil, fmt.Errorf("read header: %v", v)
		}
	}()
	limits := DefaultLimits()
	src := newSource(r, limits.Size)
	hr := headerReader{limits: limits, defect: func(string) {}}
	for _, f := range hr.read(src, true) {
		fields = append(fields, HeaderField{Name: f.name, Value: f.value})
	}
	if src.err != nil {
		return nil, fmt.Errorf("read header: %w", src.err)
	}
	return fields, nil
}

// OriginalHTML gives the HTML of a mail as its sender wrote it, before it is made harmless: it must go through safehtml.Original before anybody
// sees it. "" if the mail has none.
func OriginalHTML(r io.Reader) (s string, err error) {
	defer func() {
		if v := recover(); v != nil {
			s, err = "", fmt.Errorf("read mail: %v", v)
		}
	}()
	p := &parser{limits: DefaultLimits(), textOnly: true}
	p.src = newSource(r, p.limits.Size)
	if err := p.read(); err != nil {
		return "", fmt.Errorf("read mail: %w", err)
	}
	return p.html, nil
}

type parser struct {
	o       ParseOptions
	limits  Limits
	src     *source
	mail    desk.Mail
	parts   int
	text    int // bytes of text taken so far
	work    int // bytes of headers and reports read so far
	reports reports
	failed  map[desk.BouncedRecipient]bool // those in mail.Bounced
	spare   []piece                        // shown where the mail has no text of its own
	html    string                         // as it came
	// textOnly leaves out what the fingerprint does not need: the HTML and what is new in the text.
	textOnly bool
}

func (p *parser) read() error {
	h, err := p.header(true)
	if err != nil {
		return err
	}
	p.envelope(h)
	p.proofs(h)
	pieces, err := p.entity(h, 0, "")
	if err != nil {
		return err
	}
	if p.src.cut {
		p.truncated("the mail is longer than %d bytes", p.limits.Size)
		rest := io.MultiReader(bytes.NewReader(slices.Clone(p.src.buf[p.src.pos:p.src.end])), p.src.rest())
		if err := p.attach(rest, restOfMessage()); err != nil {
			return err
		}
	}
	if p.src.err != nil {
		return p.src.err
	}
	p.compose(p.orSpare(merge(pieces)))
	p.classify(h)
	p.mail.Fingerprint = fingerprint(p.mail)
	return nil
}

// header reads the header that begins here. What goes over its limits becomes an attachment.
func (p *parser) header(root bool) (header, error) {
	r := headerReader{limits: p.limits, defect: p.defect}
	h := r.read(p.src, root)
	p.work += len(r.block)
	if root {
		p.mail.HeaderUnsure = r.unsure || p.src.barCR || p.src.mark
		if p.src.mark {
			p.defect("there is a byte order mark before the header")
		}
	}
	if r.over {
		p.truncated("a header has more than %d fields or %d bytes", p.limits.Fields, p.limits.HeaderBytes)
		if err := p.attach(r.rest(p.src), desk.Attachment{Name: "rest-of-header.txt", Type: "text/plain"}); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (p *parser) truncated(format string, args ...any) {
	p.mail.Truncated = true
	p.defect(fmt.Sprintf(format, args...))
}

// defect notes what was wrong, each thing once.
func (p *parser) defect(what string) {
	if !slices.Contains(p.mail.Defects, what) {
		p.mail.Defects = append(p.mail.Defects, what)
	}
}
