package mailmsg

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode"

	"postern/desk"
)

// maxPreamble is how long what mailers write before the first part may be.
const maxPreamble = 600

// usualPreamble tells whether each sentence is one about MIME, as mailers write it before the first part. What stands around the
// parts is no part of the mail (RFC 2046 section 5.1.1); where it is anything else, it is kept as a file.
func usualPreamble(preamble []byte) bool {
	if len(bytes.TrimSpace(preamble)) == 0 {
		return true
	}
	if len(preamble) > maxPreamble {
		return false
	}
	text := strings.Join(strings.Fields(strings.ToLower(string(preamble))), " ")
	for sentence := range strings.SplitSeq(text, ". ") {
		if strings.ContainsFunc(sentence, unicode.IsLetter) && !containsAny(sentence, preambleWords) {
			return false
		}
	}
	return true
}

// preambleWords stand in those sentences.
var preambleWords = []string{
	"mime", "multi-part", "multipart", "multi part", "mail reader", "mail client", "mailreader", "mail program", "legible", "mehrteilig", "mehreren teilen", "plusieurs parties", "varias partes", "più parti", "várias partes", "meerdere delen", "wieloczęściow", "cryptographically signed",
}

// epilogue reads what stands behind the last part of a multipart.
func (p *parser) epilogue() error {
	src := p.src
	b := src.open()
	for {
		chunk := b.next(sourceBuffer)
		if len(chunk) == 0 {
			return src.err
		}
		if !saysAnything(chunk) {
			continue
		}
		p.defect("there is text behind a multipart's last part")
		file := desk.Attachment{Name: "epilogue.txt", Type: "text/plain"}
		var rest io.Reader = b
		if p.parts++; p.parts > p.limits.Parts {
			p.truncated("there are more than %d parts", p.limits.Parts)
			file = restOfMessage()
			src.leave(0)
			rest = &body{s: src}
		}
		return p.attach(io.MultiReader(bytes.NewReader(slices.Clone(chunk)), rest), file)
	}
}

// saysAnything tells whether there is more than blanks, and boundaries that nobody opened.
func saysAnything(b []byte) bool {
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("--")) && !bytes.ContainsAny(line, " \t") {
			continue
		}
		if bytes.ContainsFunc(line, func(r rune) bool {
			return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsSymbol(r) || r >= 0x80
		}) {
			return true
		}
	}
	return false
}

// restOfMessage is the file with what is left of a mail.
func restOfMessage() desk.Attachment {
	return desk.Attachment{Name: "rest-of-message.bin", Type: "application/octet-stream"}
}

// encodedParts gives what decodes the multipart that begins here, if all of it is encoded, parts and boundaries together. That is
// forbidden (RFC 2045 section 6.4). More often it is only said; then it gives nil.
func (p *parser) encodedParts(encoding, boundary string) decoding {
	encoding = firstToken(encoding)
	if encoding != "base64" && encoding != "quoted-printable" {
		return nil
	}
	begin := p.src.peek(sourceBuffer / 2)
	at := boundaryIn(begin, boundary)
	if encoding == "base64" {
		if at < 0 && boundaryIn((&base64Decoder{}).decode(nil, begin), boundary) >= 0 {
			return &base64Decoder{}
		}
		return nil
	}
	if at < 0 {
		if boundaryIn((&quotedDecoder{}).decode(nil, begin), boundary) >= 0 {
			return &quotedDecoder{}
		}
		return nil
	}
	// A boundary may be the same in quoted-printable, but hardly the header of the part behind it.
	head := begin[at:]
	for _, blank := range []string{"\n\n", "\n\r\n"} {
		if end := bytes.Index(head, []byte(blank)); end >= 0 {
			head = head[:end]
		}
	}
	if bytes.Contains(head, []byte("=3D")) {
		return &quotedDecoder{}
	}
	return nil
}

// boundaryIn gives where the first line stands that is the boundary, or -1.
func boundaryIn(b []byte, boundary string) int {
	at := 0
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("--"+boundary)); ok && len(bytes.TrimSpace(rest)) == 0 {
			return at
		}
		at += len(line)
	}
	return -1
}

// readEncoded reads the parts of a multipart that is encoded as a whole.
func (p *parser) readEncoded(by decoding, boundary, mediaType string, depth int) ([]piece, error) {
	p.defect("a multipart is encoded as a whole")
	outer := p.src
	b := outer.open()
	p.src = newSource(&decodedReader{r: b, by: by}, p.limits.Size)
	pieces, err := p.readParts(boundary, mediaType, depth)
	p.src = outer
	if err != nil {
		return nil, err
	}
	for len(b.next(sourceBuffer)) > 0 { // what is left behind a limit was kept
	}
	return pieces, outer.err
}
