package mailmsg

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/unicode"

	"postern/desk"
)

const (
	maxTNEF      = 16 << 20 // bytes of a TNEF file that lie in memory; a longer one is kept as it is
	smallTNEF    = 1 << 20  // bytes for which a buffer grows
	maxTNEFDepth = 8        // of messages in each other, in one TNEF file
	maxTNEFName  = 4 << 10  // bytes of a name, type or content id that are read
)

// What TNEF calls its attributes (MS-OXTNEF section 2.1.3.2) and MAPI its properties (MS-OXPROPS section 2).
const (
	tnefSignature = 0x223E9F78

	tnefSubject         = 0x8004
	tnefBody            = 0x800C
	tnefOEMCodepage     = 0x9007
	tnefMsgProps        = 0x9003
	tnefAttachTitle     = 0x8010
	tnefAttachData      = 0x800F
	tnefAttachRendData  = 0x9002
	tnefAttachment      = 0x9005
	tnefLevelAttachment = 2

	mapiSubject          = 0x0037
	mapiBody             = 0x1000
	mapiRTF              = 0x1009
	mapiHTML             = 0x1013
	mapiDisplayName      = 0x3001
	mapiAttachData       = 0x3701
	mapiAttachName       = 0x3704
	mapiAttachLongName   = 0x3707
	mapiAttachMIMETag    = 0x370E
	mapiAttachContentID  = 0x3712
	mapiInternetCodepage = 0x3FDE

	mapiInt16   = 0x02
	mapiInt32   = 0x03
	mapiBoolean = 0x0B
	mapiObject  = 0x0D
	mapiString8 = 0x1E
	mapiUnicode = 0x1F
	mapiBinary  = 0x102
	mapiMany    = 0x1000 // flag of a type: more than one value
)

// tnef is what a TNEF file holds. Its bytes lie in the file's own.
type tnef struct {
	oem           uint32 // the code page of strings
	htmlCodepage  uint32
	subject, body tnefString
	html          tnefString
	rtf           []byte // compressed
	files         []tnefAttached
	broken        bool // it breaks the rules
	over          bool // it has more files than were asked for
}

// tnefString is text that was not decoded yet.
type tnefString struct {
	raw  []byte
	wide bool // UTF-16, little-endian
}

// tnefAttached is a file in a TNEF file.
type tnefAttached struct {
	title, short, long, display tnefString
	mediaType, contentID        tnefString
	data                        []byte
	hasData                     bool
	message                     []byte // the TNEF of a message that is attached
}

// isTNEF tells whether a part is the file in which Outlook hides a message.
func isTNEF(mediaType, name string) bool {
	return mediaType == "application/ms-tnef" || mediaType == "application/vnd.ms-tnef" || strings.EqualFold(name, "winmail.dat")
}

// tnefPart reads a part that is TNEF (MS-OXTNEF): it keeps the files in it, and its text for a mail that has no other. The
// part itself is kept too where it is not read to its end, or gives nothing.
func (p *parser) tnefPart(r io.Reader, file desk.Attachment) error {
	raw, over, err := tnefBytes(r)
	if err != nil {
		return err
	}
	whole := false
	if over {
		p.defect("a TNEF file is too large to be opened")
	} else if whole, err = p.tnefFiles(raw, len(p.src.boundaries), 0); err != nil {
		return err
	}
	if whole {
		return nil
	}
	if file.Name == "" {
		file.Name = "winmail.dat"
	}
	return p.attach(io.MultiReader(bytes.NewReader(raw), r), file)
}

// tnefBytes reads a TNEF file; over tells that there is more of it. One that is not small gets its room at once: of that, only
// what is written to takes memory, where a buffer that grows leaves as much again behind.
func tnefBytes(r io.Reader) (raw []byte, over bool, err error) {
	raw, over, err = readUpTo(r, smallTNEF)
	if err != nil || !over {
		return raw, over, err
	}
	all := make([]byte, maxTNEF+1)
	n := copy(all, raw)
	more, err := io.ReadFull(r, all[n:])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return all[:n+more], false, nil
	}
	return all, err == nil, err
}

// tnefFiles keeps what a TNEF file holds, and tells whether that is all of it. inner counts the messages around it in the
// same file, depth the multiparts around that.
func (p *parser) tnefFiles(raw []byte, depth, inner int) (whole bool, err error) {
	t := readTNEF(raw, p.limits.Parts-p.parts)
	whole = !t.broken && !t.over
	if t.broken {
		p.defect("a TNEF file is broken")
	}
	if t.over {
		p.truncated("there are more than %d parts", p.limits.Parts)
	}
	gave, fits, err := p.tnefText(t, inner)
	if err != nil {
		return false, err
	}
	for _, f := range t.files {
		if p.parts++; p.parts > p.limits.Parts {
			p.truncated("there are more than %d parts", p.limits.Parts)
			return false, nil
		}
		if f.message != nil && inner+1 < maxTNEFDepth && depth+inner+1 < p.limits.Depth {
			ok, err := p.tnefFiles(f.message, depth, inner+1)
			if err != nil {
				return false, err
			}
			if ok {
				gave = true
				continue
			}
		}
		if err := p.tnefAttach(f, t.oem); err != nil {
			return false, err
		}
		gave = true
	}
	return whole && fits && gave, nil
}

// tnefText takes the text of a message: of the outermost as the mail's, of one in it as a file. fits tells that there was
// room for it.
func (p *parser) tnefText(t tnef, inner int) (gave, fits bool, err error) {
	room := p.textLeft()
	body, isHTML, over := t.text(room)
	if body == "" {
		return false, !over, nil
	}
	if over {
		p.truncated("a text is longer than %d bytes", p.limits.Text)
	}
	p.text += len(body)
	if inner == 0 {
		if isHTML {
			p.spareText(piece{html: body})
		} else {
			p.spareText(piece{text: body})
		}
		return true, !over, nil
	}
	if p.parts++; p.parts > p.limits.Parts {
		p.truncated("there are more than %d parts", p.limits.Parts)
		return false, false, nil
	}
	file := desk.Attachment{Name: headerLine(t.subject.decode(t.oem, maxTNEFName)), Type: "text/plain"}
	if file.Name == "" {
		file.Name = "message"
	}
	file.Name += ".txt"
	if isHTML {
		file.Type, file.Name = "text/html", strings.TrimSuffix(file.Name, "txt")+"html"
	}
	return true, !over, p.attach(strings.NewReader(body), file)
}

// tnefAttach keeps one file.
func (p *parser) tnefAttach(f tnefAttached, oem uint32) error {
	a := desk.Attachment{Type: mediaTypeToken(f.mediaType.decode(oem, maxTNEFName))}
	for _, name := range []tnefString{f.long, f.short, f.title, f.display} {
		if a.Name = headerLine(name.decode(oem, maxTNEFName)); a.Name != "" {
			break
		}
	}
	if id, ok := ParseMessageID("<" + strings.Trim(f.contentID.decode(oem, maxTNEFName), "<> ") + ">"); ok {
		a.ContentID, a.Inline = string(id), true
	}
	data := f.data
	if f.message != nil {
		data, a.Type = f.message, "application/ms-tnef"
	}
	if a.Type == "" {
		a.Type = "application/octet-stream"
	}
	return p.attach(bytes.NewReader(data), a)
}

// text gives the message's text, decoded, of at most room bytes; over tells that there is more. HTML goes before plain
// text, which was made of it.
func (t *tnef) text(room int) (body string, isHTML, over bool) {
	if room == 0 {
		return "", false, len(t.html.raw)+len(t.body.raw)+len(t.rtf) > 0
	}
	htmlPage := t.htmlCodepage
	if htmlPage == 0 {
		htmlPage = t.oem
	}
	if html := t.html.decode(htmlPage, room); strings.TrimSpace(html) != "" {
		return html, true, len(t.html.raw) > room
	}
	if text := t.body.decode(t.oem, room); strings.TrimSpace(text) != "" {
		return text, false, len(t.body.raw) > room
	}
	rtf, over := decompressRTF(t.rtf, room)
	return strings.TrimSpace(rtfText(rtf)), false, over
}

// decode makes text of at most limit bytes, with "\n" at the end of lines.
func (s tnefString) decode(codepage uint32, limit int) string {
	raw := s.raw
	if len(raw) > limit {
		raw = raw[:runeEnd(raw[:limit])]
	}
	var text string
	if s.wide {
		raw = raw[:len(raw)&^1]
		text = stripNUL(decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), raw))
	} else {
		text = decodeText(bytes.TrimRight(raw, "\x00"), codepageName(codepage))
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// codepageName gives the charset that Windows knows by a number, or "".
func codepageName(n uint32) string {
	switch {
	case n >= 1250 && n <= 1258:
		return "windows-" + strconv.Itoa(int(n))
	case n > 28590 && n <= 28606:
		return "iso-8859-" + strconv.Itoa(int(n-28590))
	}
	switch n {
	case 0, 20127:
		return ""
	case 65001:
		return "utf-8"
	case 874:
		return "windows-874"
	case 20866:
		return "koi8-r"
	case 21866:
		return "koi8-u"
	case 50220, 50221, 50222:
		return "iso-2022-jp"
	case 51932:
		return "euc-jp"
	case 51949:
		return "euc-kr"
	case 54936:
		return "gb18030"
	}
	return "cp" + strconv.Itoa(int(n))
}

// readTNEF reads a TNEF file (MS-OXTNEF section 2.1.3), with at most maxFiles files. It goes over every byte a fixed number of
// times.
func readTNEF(b []byte, maxFiles int) tnef {
	var t tnef
	in := tnefReader{b: b}
	if in.uint32() != tnefSignature {
		return tnef{broken: true}
	}
	in.take(2)                                                                    // a key, of no use
	for len(bytes.TrimLeft(in.b[:min(len(in.b), 12)], "\x00")) > 0 && !in.short { // zeros fill it up behind its end
		level, id := in.take(1), uint16(in.uint32()) // the upper half is the type of its data, which the id implies
		data := in.take(int64(in.uint32()))
		sum := in.take(2)
		if in.short {
			break
		}
		if binary.LittleEndian.Uint16(sum) != checksum(data) {
			t.broken = true
		}
		if level[0] != tnefLevelAttachment {
			t.message(id, data)
			continue
		}
		if id == tnefAttachRendData || len(t.files) == 0 {
			if len(t.files) >= maxFiles {
				t.over = true
				break
			}
			t.files = append(t.files, tnefAttached{})
		}
		if !t.files[len(t.files)-1].attribute(id, data) {
			t.broken = true
		}
	}
	t.broken = t.broken || in.short
	// One whose bytes are missing is no file.
	kept := t.files[:0]
	for _, f := range t.files {
		if f.hasData || f.message != nil {
			kept = append(kept, f)
		} else {
			t.broken = true
		}
	}
	t.files = kept
	return t
}

func checksum(b []byte) (sum uint16) {
	for _, c := range b {
		sum += uint16(c)
	}
	return sum
}

// message takes an attribute of the message.
func (t *tnef) message(id uint16, data []byte) {
	switch id {
	case tnefOEMCodepage:
		if len(data) >= 4 {
			t.oem = binary.LittleEndian.Uint32(data)
		}
	case tnefSubject:
		if t.subject.raw == nil {
			t.subject.raw = data
		}
	case tnefBody:
		if t.body.raw == nil {
			t.body.raw = data
		}
	case tnefMsgProps:
		whole := readProps(data, func(id, typ uint16, value []byte) {
			s := tnefString{raw: value, wide: typ == mapiUnicode}
			switch id {
			case mapiSubject:
				t.subject = s
			case mapiBody:
				t.body = s
			case mapiHTML:
				t.html = s
			case mapiRTF:
				t.rtf = value
			case mapiInternetCodepage:
				if typ == mapiInt32 {
					t.htmlCodepage = binary.LittleEndian.Uint32(value)
				}
			}
		})
		t.broken = t.broken || !whole
	}
}

// attribute takes an attribute of an attached file, and tells whether it keeps the rules.
func (f *tnefAttached) attribute(id uint16, data []byte) bool {
	switch id {
	case tnefAttachTitle:
		f.title.raw = data
	case tnefAttachData:
		f.data, f.hasData = data, true
	case tnefAttachment:
		return readProps(data, func(id, typ uint16, value []byte) {
			s := tnefString{raw: value, wide: typ == mapiUnicode}
			switch id {
			case mapiDisplayName:
				f.display = s
			case mapiAttachName:
				f.short = s
			case mapiAttachLongName:
				f.long = s
			case mapiAttachMIMETag:
				f.mediaType = s
			case mapiAttachContentID:
				f.contentID = s
			case mapiAttachData:
				f.object(typ, value)
			}
		})
	}
	return true
}

// object takes the bytes of a file that stand among its properties: a message, or what is in no attribute of its own.
func (f *tnefAttached) object(typ uint16, value []byte) {
	if typ == mapiObject {
		if len(value) < 16 {
			return
		}
		value = value[16:] // which interface it has
		if len(value) >= 4 && binary.LittleEndian.Uint32(value) == tnefSignature {
			f.message = value
			return
		}
	}
	if !f.hasData {
		f.data, f.hasData = value, true
	}
}

// readProps reads a list of MAPI properties (MS-OXTNEF section 2.1.3.4), and gives the first value of each. It tells whether
// the list is whole.
func readProps(b []byte, take func(id, typ uint16, value []byte)) bool {
	in := tnefReader{b: b}
	for n := in.uint32(); n > 0 && !in.short; n-- {
		tag := in.uint32()
		typ, id := uint16(tag), uint16(tag>>16)
		if id >= 0x8000 { // a named property
			in.take(16)
			if in.uint32() == 0 {
				in.take(4)
			} else {
				in.padded(int64(in.uint32()))
			}
		}
		count, size := uint32(1), fixedSize(typ&^mapiMany)
		if typ&mapiMany != 0 || size == 0 {
			count = in.uint32()
		}
		for i := range count {
			length := size
			if size == 0 {
				length = int64(in.uint32())
			}
			value := in.padded(length)
			if in.short {
				return false
			}
			if i == 0 {
				take(id, typ&^mapiMany, value)
			}
		}
	}
	return !in.short
}

// fixedSize gives how long the values of a type are; 0: each says it itself.
func fixedSize(typ uint16) int64 {
	switch typ {
	case mapiInt16, mapiBoolean:
		return 2
	case mapiObject, mapiString8, mapiUnicode, mapiBinary:
		return 0
	case 0x05, 0x06, 0x07, 0x14, 0x40: // numbers and times
		return 8
	case 0x48: // GUID
		return 16
	}
	return 4
}

// tnefReader takes values off the front. Once one is cut off, short is set, and there are only zeros.
type tnefReader struct {
	b     []byte
	short bool
}

func (r *tnefReader) take(n int64) []byte {
	if r.short || n > int64(len(r.b)) {
		r.short = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *tnefReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// padded takes n bytes, and those that fill up the last group of four; at the end they may be missing.
func (r *tnefReader) padded(n int64) []byte {
	out := r.take(n)
	r.take(min(-n&3, int64(len(r.b))))
	return out
}
