package mailmsg

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"postern/desk"
	"postern/safehtml"
)

// Limits bound what Parse takes from one mail. Past a limit the rest is kept as an attachment.
type Limits struct {
	Size        int64 // bytes of the whole mail
	Parts       int
	Depth       int // of multiparts in each other
	Fields      int // of one header
	HeaderBytes int // of one header
	Text        int // bytes of a text part that are read as text; all of them together: twice as many
	Work        int // bytes of headers and reports that are read, of all parts together
}

// DefaultLimits gives what REQUIREMENTS I7 says. The 10 s of CPU it allows are kept without a clock, so that a mail reads the
// same on every machine: nothing is done with a byte more than a bounded number of times, attachments only pass through, and
// Text and Work bound the rest.
func DefaultLimits() Limits {
	return Limits{Size: 150 << 20, Parts: 1000, Depth: 50, Fields: 2000, HeaderBytes: 1 << 20, Text: 1 << 20, Work: 16 << 20}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Size > 0 {
		d.Size = l.Size
	}
	if l.Parts > 0 {
		d.Parts = l.Parts
	}
	if l.Depth > 0 {
		d.Depth = l.Depth
	}
	if l.Fields > 0 {
		d.Fields = l.Fields
	}
	if l.HeaderBytes > 0 {
		d.HeaderBytes = l.HeaderBytes
	}
	if l.Text > 0 {
		d.Text = l.Text
	}
	if l.Work > 0 {
		d.Work = l.Work
	}
	return d
}

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
	// textOnly leaves out what the fingerprint does not need: the HTML and what is new in the text.
	textOnly bool
}

// piece is what one part adds to the body: text, HTML, or the two as alternatives.
type piece struct{ text, html string }

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
		if err := p.attach(rest, desk.Attachment{Name: "rest-of-message.bin", Type: "application/octet-stream"}); err != nil {
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

// envelope reads what the header says about the mail itself.
func (p *parser) envelope(h header) {
	m := &p.mail
	fromIsCut := p.clipAddresses(h)
	m.Subject = headerLine(h.get("subject"))
	m.From, m.FromUnsure = sender(h)
	m.FromUnsure = m.FromUnsure || fromIsCut
	m.To, m.Cc, m.ReplyTo = addressField(h, "to"), addressField(h, "cc"), addressField(h, "reply-to")
	m.DeliveredTo = deliveredTo(h)
	for _, v := range h.all("return-path") {
		if strings.Join(strings.Fields(v), "") == "<>" {
			m.NullReturnPath = true
		}
	}
	m.Date = parseDate(h.get("date"))
	m.MessageID, _ = ParseMessageID(h.get("message-id"))
	m.InReplyTo = ParseMessageIDs(strings.Join(h.all("in-reply-to"), " "))
	m.References = ParseMessageIDs(strings.Join(h.all("references"), " "))
	m.OriginalIDs = originalIDs(h)
	m.Peers = peers(h.all("received"))
	m.LoopMark = clipValue(strings.TrimSpace(h.get(strings.ToLower(LoopField))))
	m.List = listID(h.get("list-id"))
	switch from := len(h.all("from")); {
	case from == 0:
		p.defect("there is no From line")
	case from > 1:
		p.defect("there is more than one From line")
	case m.FromUnsure:
		p.defect("the From line can be read in more than one way")
	}
	if h.has("date") && m.Date.IsZero() {
		p.defect("the date can't be read")
	}
}

// proofs reads what may prove who the mail is from, for those who know the mailbox and can judge it.
func (p *parser) proofs(h header) {
	if p.textOnly {
		return
	}
	p.mail.AuthResults = authResults(h)
	p.mail.Signers = signers(h)
}

func addressField(h header, name string) []desk.Address {
	var out []desk.Address
	for i := range h {
		if h[i].name == name {
			list, _ := parseAddresses(h[i].value)
			out = append(out, list...)
		}
	}
	return out
}

// clipAddresses cuts the address fields of each name where they are far longer than people's: hostile ones take long to read.
// It tells whether From was among them.
func (p *parser) clipAddresses(h header) (fromIsCut bool) {
	taken := map[string]int{}
	for i := range h {
		most := maxValue / 4
		switch name := h[i].name; name {
		case "to", "cc":
			most = maxValue
			fallthrough
		case "from", "reply-to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "x-failed-recipients":
			if room := most - taken[name]; len(h[i].value) > room {
				h[i].value = h[i].value[:room]
				h[i].value = h[i].value[:strings.LastIndexByte(h[i].value, ',')+1] // a part of an address would be another one
				p.defect("an address field is longer than is read")
				fromIsCut = fromIsCut || name == "from"
			}
			taken[name] += len(h[i].value)
		}
	}
	return fromIsCut
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

// entity reads one part, whose header has been read, up to the boundary that ends it.
func (p *parser) entity(h header, depth int, parent string) ([]piece, error) {
	var ct value
	if raw := h.get("content-type"); raw != "" {
		ct = parseValue(raw)
	}
	mediaType := mediaTypeToken(ct.main)
	switch {
	case mediaType == "" && parent == "multipart/digest":
		mediaType = "message/rfc822"
	case mediaType == "":
		mediaType = "text/plain"
		if h.get("content-type") != "" && ct.main != "text" {
			p.defect("a content type can't be read")
			if parent != "" && ct.main != "" {
				mediaType = "application/octet-stream"
			}
		}
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		return p.leaf(h, ct, mediaType, parent)
	}
	if depth >= p.limits.Depth {
		p.truncated("parts are nested deeper than %d", p.limits.Depth)
		return nil, p.attach(p.src.open(), desk.Attachment{Name: "nested-parts.bin", Type: "application/octet-stream"})
	}
	if mediaType == "multipart/report" {
		p.reports.kind(ct.param("report-type"))
	}
	return p.multipart(h, ct, mediaType, depth)
}

func (p *parser) multipart(h header, ct value, mediaType string, depth int) ([]piece, error) {
	boundary := strings.TrimRight(ct.param("boundary"), " \t\r\n")
	if boundary == "" || len(boundary) > maxBoundary/2 {
		if boundary = p.guessBoundary(); boundary == "" {
			p.defect("a multipart has no boundary")
			return p.leaf(h, value{main: "text/plain"}, "text/plain", "")
		}
		p.defect("a multipart doesn't say its boundary")
	}
	return p.readParts(boundary, mediaType, depth)
}

// readParts reads the parts of a multipart, up to its last boundary or that of an outer one.
func (p *parser) readParts(boundary, mediaType string, depth int) ([]piece, error) {
	src := p.src
	level := len(src.boundaries)
	src.boundaries = append(src.boundaries, boundary)
	preamble, over, err := readUpTo(src.open(), p.textLeft())
	if err != nil {
		return nil, err
	}
	if src.level != level && !over {
		src.boundaries = src.boundaries[:level]
		if len(bytes.TrimSpace(preamble)) == 0 {
			p.defect("a multipart has no parts")
			return nil, nil
		}
		if pieces, ok, err := p.misnamed(preamble, mediaType, depth); ok {
			return pieces, err
		}
		p.defect("a multipart's boundary never appears")
		return []piece{{text: p.decoded(preamble, "")}}, nil
	}
	if over { // a preamble nobody writes; it is not shown, but kept
		p.truncated("the text before a multipart's first part is too long")
		rest := io.MultiReader(bytes.NewReader(preamble), &body{s: src})
		if err := p.attach(rest, desk.Attachment{Name: "preamble.txt", Type: "text/plain"}); err != nil {
			return nil, err
		}
	}
	var children [][]piece
	ended := false
	for src.level == level {
		if src.closing {
			// Behind the last boundary there is an epilogue, and rarely, where mails were glued together, another part.
			ended = true
			if err := discard(src.open()); err != nil {
				return nil, err
			}
			continue
		}
		if p.parts++; p.parts > p.limits.Parts {
			p.truncated("there are more than %d parts", p.limits.Parts)
			return flatten(children, mediaType), p.attachRest()
		}
		if p.work > p.limits.Work {
			p.truncated("there are more than %d bytes of headers and reports", p.limits.Work)
			return flatten(children, mediaType), p.attachRest()
		}
		src.level = -1
		partHeader, err := p.header(false)
		if err != nil {
			return nil, err
		}
		pieces, err := p.entity(partHeader, depth+1, mediaType)
		if err != nil {
			return nil, err
		}
		children = append(children, pieces)
	}
	if !ended {
		p.defect("a multipart ends before its last boundary")
	}
	if len(src.boundaries) > level {
		src.boundaries = src.boundaries[:level]
	}
	return flatten(children, mediaType), nil
}

// misnamed reads a multipart whose lines have another boundary than its header says. It answers false if that is none.
func (p *parser) misnamed(content []byte, mediaType string, depth int) (pieces []piece, ok bool, err error) {
	outer := p.src
	defer func() { p.src = outer }()
	p.src = newSource(bytes.NewReader(content), int64(len(content)))
	boundary := p.guessBoundary()
	if boundary == "" {
		return nil, false, nil
	}
	p.defect("a multipart doesn't say its boundary")
	pieces, err = p.readParts(boundary, mediaType, depth)
	return pieces, true, err
}

// attachRest keeps what is left of the mail as one file.
func (p *parser) attachRest() error {
	p.src.boundaries = nil
	return p.attach(p.src.open(), desk.Attachment{Name: "rest-of-message.bin", Type: "application/octet-stream"})
}

// guessBoundary finds the boundary of a multipart that doesn't tell it: a "--" line with a part's header behind.
func (p *parser) guessBoundary() string {
	src := p.src
	for src.end-src.pos < sourceBuffer/2 && !src.eof {
		src.fill()
	}
	have := src.buf[src.pos:min(src.end, src.pos+sourceBuffer/2)]
	for n := 0; n < 200 && len(have) > 0; n++ {
		line, rest, _ := bytes.Cut(have, []byte("\n"))
		line = bytes.TrimRight(line, " \t\r")
		if len(line) > 2 && len(line) < 100 && bytes.HasPrefix(line, []byte("--")) && len(rest) > 8 && strings.EqualFold(string(rest[:8]), "content-") {
			return string(line[2:])
		}
		have = rest
	}
	return ""
}

// flatten makes the body of a multipart of the bodies of its parts.
func flatten(children [][]piece, mediaType string) []piece {
	if mediaType != "multipart/alternative" {
		return slices.Concat(children...)
	}
	// The first that is text and the last that is HTML are the same body twice.
	var out piece
	for _, pieces := range children {
		m := merge(pieces)
		switch {
		case m.html != "":
			out.html = m.html
			if strings.TrimSpace(out.text) == "" { // else the outer multiparts would make it of the HTML again, each of them
				out.text = m.text
			}
		case strings.TrimSpace(out.text) == "":
			out.text = m.text
		}
	}
	if out == (piece{}) {
		return nil
	}
	return []piece{out}
}

// merge puts pieces one after the other, as one.
func merge(pieces []piece) piece {
	switch len(pieces) {
	case 0:
		return piece{}
	case 1:
		return pieces[0]
	}
	html, text := false, false
	for _, x := range pieces {
		html = html || x.html != ""
		text = text || strings.TrimSpace(x.text) != ""
	}
	var out piece
	var texts, htmls []string
	for _, x := range pieces {
		if html {
			if x.html == "" {
				htmls = append(htmls, safehtml.FromText(x.text))
			} else {
				htmls = append(htmls, x.html)
			}
		}
		if !text {
			continue
		}
		if strings.TrimSpace(x.text) == "" && x.html != "" {
			x.text = safehtml.Text(x.html)
		}
		if x.text = strings.Trim(x.text, "\n"); x.text != "" {
			texts = append(texts, x.text)
		}
	}
	out.text, out.html = strings.Join(texts, "\n\n"), strings.Join(htmls, "\n")
	return out
}

// leaf reads a part that is no multipart.
func (p *parser) leaf(h header, ct value, mediaType, parent string) ([]piece, error) {
	b := p.src.open()
	text := mediaType == "text/plain" || mediaType == "text/html"
	r, known := decoder(b, h.get("content-transfer-encoding"), text)
	if !known {
		p.defect("a part's encoding is unknown")
	}
	disposition := parseValue(h.get("content-disposition"))
	name := disposition.param("filename")
	if name == "" {
		name = ct.param("name")
	}
	file := desk.Attachment{
		Name:   name,
		Type:   mediaType,
		Inline: firstToken(disposition.main) == "inline" || disposition.main == "" && (parent == "multipart/related" || h.has("content-id")),
	}
	if id, ok := ParseMessageID(h.get("content-id")); ok {
		file.ContentID = string(id)
	}
	attached := firstToken(disposition.main) == "attachment"
	switch {
	case isTNEF(mediaType, name):
		return nil, p.tnefPart(r, file)
	case text && !attached && (name == "" || parent == ""):
		return p.textPart(r, ct, mediaType, file)
	case isCalendar(mediaType, name):
		return nil, p.calendarPart(r, ct, file)
	case mediaType == "message/rfc822" || mediaType == "message/global":
		return nil, p.enclosedMail(r, mediaType, file)
	case reportType(mediaType):
		return nil, p.report(r, mediaType, file)
	}
	return nil, p.attach(r, file)
}

// textPart reads a part that people read.
func (p *parser) textPart(r io.Reader, ct value, mediaType string, file desk.Attachment) ([]piece, error) {
	room := p.textLeft()
	if room == 0 {
		p.truncated("there is more text than is shown")
		return nil, p.attach(r, file)
	}
	raw, over, err := readUpTo(r, room)
	if err != nil {
		return nil, err
	}
	if over {
		// Cut at the end of a line, or at least of a character.
		cut := bytes.LastIndexByte(raw[:room], '\n') + 1
		if cut < room/2 {
			cut = runeEnd(raw[:room])
		}
		rest := bytes.Clone(raw[cut:])
		raw = raw[:cut]
		p.truncated("a text is longer than %d bytes", p.limits.Text)
		file.Name = "rest-of-text.txt"
		if mediaType == "text/html" {
			file.Name = "rest-of-text.html"
		}
		if err := p.attach(io.MultiReader(bytes.NewReader(rest), r), file); err != nil {
			return nil, err
		}
	}
	p.text += len(raw)
	charset := ct.param("charset")
	if charset == "" && mediaType == "text/html" && !utf8.Valid(raw) {
		charset = metaCharset(raw)
	}
	text := p.decoded(raw, charset)
	if mediaType == "text/html" {
		return []piece{{html: text}}, nil
	}
	if strings.EqualFold(ct.param("format"), "flowed") {
		text = unflow(text, strings.EqualFold(ct.param("delsp"), "yes"))
	}
	if strings.Contains(text, "begin ") {
		var err error
		if text, err = p.uuencoded(text); err != nil {
			return nil, err
		}
	}
	return []piece{{text: text}}, nil
}

// runeEnd gives the length of b without the piece of a character that may stand at its end.
func runeEnd(b []byte) int {
	for k := 1; k < utf8.UTFMax && k < len(b); k++ {
		if utf8.RuneStart(b[len(b)-k]) {
			if !utf8.FullRune(b[len(b)-k:]) {
				return len(b) - k
			}
			break
		}
	}
	return len(b)
}

// decoded makes text of bytes, with "\n" at the end of lines.
func (p *parser) decoded(raw []byte, charset string) string {
	if bytes.IndexByte(raw, 0) < 0 { // else it may be UTF-16
		raw = unixLines(raw)
	}
	text := decodeText(raw, charset)
	if strings.IndexByte(text, '\r') >= 0 {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	return text
}

// unixLines makes "\r\n" and "\r" a "\n", in place.
func unixLines(b []byte) []byte {
	i := bytes.IndexByte(b, '\r')
	if i < 0 {
		return b
	}
	out := i
	for i < len(b) {
		next := bytes.IndexByte(b[i:], '\r')
		if next < 0 {
			next = len(b) - i
		}
		out += copy(b[out:], b[i:i+next])
		i += next
		if i == len(b) {
			break
		}
		b[out] = '\n'
		out++
		i++
		if i < len(b) && b[i] == '\n' {
			i++
		}
	}
	return b[:out]
}

func (p *parser) textLeft() int { return max(0, min(p.limits.Text, 2*p.limits.Text-p.text)) }

// compose makes text and HTML of what the parts gave, each from the other if there is only one.
func (p *parser) compose(body piece) {
	m := &p.mail
	var spans []safehtml.Span
	m.Text = strings.Trim(body.text, "\n")
	if strings.TrimSpace(m.Text) == "" && body.html != "" {
		m.Text, spans = safehtml.Read(body.html)
	}
	if p.textOnly {
		return
	}
	if body.html != "" {
		m.HTML = strings.TrimSpace(safehtml.Clean(body.html, safehtml.Options{KeepCID: true}))
	} else {
		m.HTML = safehtml.FromText(m.Text)
	}
	f := Fold(m.Text, spans)
	m.Reply, m.Quoted, m.Signature = f.Reply, f.Quoted, f.Signature
}

// spareText notes what a file says, for a mail that has no text of its own; the same thing once.
func (p *parser) spareText(x piece) {
	if !slices.Contains(p.spare, x) {
		p.spare = append(p.spare, x)
	}
}

// orSpare gives the mail's body, or what its files say if that shows nothing.
func (p *parser) orSpare(body piece) piece {
	if len(p.spare) == 0 || strings.TrimSpace(body.text) != "" {
		return body
	}
	if body.html != "" && (strings.TrimSpace(safehtml.Text(body.html)) != "" || strings.Contains(strings.ToLower(body.html), "<img")) {
		return body
	}
	return merge(p.spare)
}

// attach keeps a file.
func (p *parser) attach(r io.Reader, a desk.Attachment) error {
	keep := p.o.Attach
	if keep == nil {
		keep = hashOnly
	}
	sum, size, err := keep(r)
	if err != nil {
		return fmt.Errorf("keep attachment: %w", err)
	}
	// Whatever keep left, the next part begins behind it.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	a.SHA256, a.Size = sum, size
	if a.Name == "" {
		a.Name = "attachment" + extensionFor(a.Type)
	}
	a.Name = SafeFileName(a.Name)
	p.mail.Attachments = append(p.mail.Attachments, a)
	return nil
}

func hashOnly(r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
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

// readUpTo reads at most limit bytes; over tells that there are more.
func readUpTo(r io.Reader, limit int) (out []byte, over bool, err error) {
	out = make([]byte, 0, min(limit+1, 4<<10))
	for {
		if len(out) == cap(out) {
			out = slices.Grow(out, len(out))
		}
		n, err := r.Read(out[len(out):min(cap(out), limit+1)])
		out = out[:len(out)+n]
		switch {
		case len(out) > limit:
			return out, true, nil
		case err == io.EOF:
			return out, false, nil
		case err != nil:
			return nil, false, err
		}
	}
}

func discard(b *body) error {
	for len(b.next(sourceBuffer)) > 0 {
	}
	return b.s.err
}

// extensionFor gives the suffix of a file that came without a name.
func extensionFor(mediaType string) string {
	switch mediaType {
	case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
		return ".eml"
	case "image/jpeg":
		return ".jpg"
	case "image/png", "image/gif", "image/webp", "image/bmp", "application/pdf", "application/zip", "text/csv", "text/html":
		return "." + mediaType[strings.IndexByte(mediaType, '/')+1:]
	case "image/svg+xml":
		return ".svg"
	case "text/plain", "message/delivery-status", "message/global-delivery-status", "message/disposition-notification", "message/global-disposition-notification", "message/feedback-report":
		return ".txt"
	case "text/calendar":
		return ".ics"
	case "text/vcard", "text/x-vcard":
		return ".vcf"
	case "application/ms-tnef":
		return ".dat"
	}
	return ".bin"
}
