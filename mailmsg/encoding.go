package mailmsg

import (
	"bytes"
	"io"
)

// decoder gives a part's bytes as they were before transport, and whether the name of the encoding is known. text says that
// people read the part: plain words in what should be base64 are then taken as what they are.
func decoder(r *body, encoding string, text bool) (io.Reader, bool) {
	switch firstToken(encoding) {
	case "base64":
		if text && r.s.plainWords() {
			return r, true
		}
		return &decodedReader{r: r, by: &base64Decoder{text: text}}, true
	case "quoted-printable":
		return &decodedReader{r: r, by: &quotedDecoder{}}, true
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "none":
		return r, true
	case "x-uuencode", "x-uue", "uuencode", "uue":
		return &decodedReader{r: r, by: &uuDecoder{}}, true
	}
	return r, false
}

// decoding undoes one of the ways in which a part's bytes are written. It gets them piece by piece, and an empty piece at the
// end; it appends what they stand for to out.
type decoding interface {
	decode(out, in []byte) []byte
}

// decodedReader gives what a body stands for.
type decodedReader struct {
	r    *body
	by   decoding
	keep []byte // what out is a piece of
	out  []byte // decoded and not yet read
	done bool
}

// next gives what is decoded and not yet read; nothing at the end.
func (d *decodedReader) next() []byte {
	for len(d.out) == 0 && !d.done {
		in := d.r.next(sourceBuffer)
		d.done = len(in) == 0
		if cap(d.keep) < len(in) {
			d.keep = make([]byte, 0, len(in)+64)
		}
		d.keep = d.by.decode(d.keep[:0], in)
		d.out = d.keep
	}
	return d.out
}

// Read gives the decoded bytes.
func (d *decodedReader) Read(p []byte) (int, error) {
	n := copy(p, d.next())
	d.out = d.out[n:]
	if n == 0 && len(p) > 0 {
		return 0, d.r.end()
	}
	return n, nil
}

// WriteTo writes all decoded bytes; with it io.Copy needs no buffer.
func (d *decodedReader) WriteTo(w io.Writer) (written int64, err error) {
	for len(d.next()) > 0 {
		n, err := w.Write(d.out)
		d.out = d.out[n:]
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, d.r.s.err
}

// base64Decoder decodes base64 as it comes: what is not of the alphabet is skipped, padding may be missing or stand in
// the middle.
type base64Decoder struct {
	text bool
	end  bool // the padding was seen
	tail bool // what follows is no base64, such as the footer of a mailing list
	hold []byte
	out  []byte
	acc  uint32
	n    int
}

func (d *base64Decoder) decode(out, in []byte) []byte {
	d.out = out
	if len(in) == 0 {
		if d.hold != nil {
			d.decide()
		}
		d.flush()
	}
	d.piece(in)
	return d.out
}

func (d *base64Decoder) piece(chunk []byte) {
	for i := 0; i < len(chunk); i++ {
		// nearly all of it: characters of the alphabet, four at a time
		for d.n == 0 && !d.end && !d.tail && d.hold == nil && i+4 <= len(chunk) {
			four := chunk[i : i+4]
			a, b, c, e := base64Value[four[0]], base64Value[four[1]], base64Value[four[2]], base64Value[four[3]]
			if a|b|c|e >= 64 {
				break
			}
			d.out = append(d.out, a<<2|b>>4, b<<4|c>>2, c<<6|e)
			if i += 4; i == len(chunk) {
				return
			}
		}
		c := chunk[i]
		if v := base64Value[c]; v < 64 && !d.end && !d.tail && d.hold == nil {
			d.acc = d.acc<<6 | uint32(v)
			if d.n++; d.n == 4 {
				d.out = append(d.out, byte(d.acc>>16), byte(d.acc>>8), byte(d.acc))
				d.acc, d.n = 0, 0
			}
			continue
		}
		switch {
		case d.tail:
			if d.text {
				d.out = append(d.out, chunk[i:]...)
			}
			return
		case d.hold != nil:
			if c != '\r' && c != '\n' && len(d.hold) < maxHold {
				d.hold = append(d.hold, c)
				continue
			}
			if d.decide(); d.tail {
				d.piece(chunk[i:])
				return
			}
			d.take(c)
		case d.end && c != '=' && c != '\r' && c != '\n':
			d.end = false
			d.hold = append(make([]byte, 0, maxHold), c)
		default:
			d.take(c)
		}
	}
}

// maxHold is how much of the line behind the padding is looked at.
const maxHold = 100

// take decodes one character.
func (d *base64Decoder) take(c byte) {
	v := base64Value[c]
	if v >= 64 {
		if c == '=' {
			d.flush()
			d.end = true
		}
		return
	}
	d.acc = d.acc<<6 | uint32(v)
	if d.n++; d.n == 4 {
		d.out = append(d.out, byte(d.acc>>16), byte(d.acc>>8), byte(d.acc))
		d.acc, d.n = 0, 0
	}
}

// decide tells whether the line behind the padding begins another piece of base64, or plain words.
func (d *base64Decoder) decide() {
	held := d.hold
	d.hold = nil
	for _, c := range held {
		if base64Value[c] >= 64 && c != '=' || c == '_' {
			d.tail = true
			if d.text {
				d.out = append(append(d.out, '\n'), held...)
			}
			return
		}
	}
	for _, c := range held {
		d.take(c)
	}
}

// plainWords tells whether the body that begins here is prose: words with blanks between.
func (s *source) plainWords() bool {
	for s.end-s.pos < maxBoundary && !s.eof {
		s.fill()
	}
	have := s.buf[s.pos:min(s.end, s.pos+maxBoundary)]
	if i := bytes.Index(have, []byte("\n--")); i >= 0 {
		have = have[:i]
	}
	blanks := 0
	for i := 1; i+1 < len(have); i++ {
		if have[i] == ' ' && have[i-1] > ' ' && have[i+1] > ' ' {
			blanks++
		}
	}
	return blanks >= 3 && blanks*20 >= len(have)
}

// flush gives what a group that is not full holds.
func (d *base64Decoder) flush() {
	switch d.n {
	case 2:
		d.out = append(d.out, byte(d.acc>>4))
	case 3:
		d.out = append(d.out, byte(d.acc>>10), byte(d.acc>>2))
	}
	d.acc, d.n = 0, 0
}

var base64Value = base64Values()

func base64Values() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['-'], t['_'] = 62, 63 // the alphabet for URLs, which some mailers take
	return t
}

// cleanBase64 decodes a short text the same way.
func cleanBase64(s string) []byte {
	d := base64Decoder{}
	d.out = make([]byte, 0, len(s)*3/4+3)
	for i := range len(s) {
		v := base64Value[s[i]]
		if v >= 64 {
			if s[i] == '=' {
				d.flush()
			}
			continue
		}
		d.acc = d.acc<<6 | uint32(v)
		if d.n++; d.n == 4 {
			d.out = append(d.out, byte(d.acc>>16), byte(d.acc>>8), byte(d.acc))
			d.acc, d.n = 0, 0
		}
	}
	d.flush()
	return d.out
}

// quotedDecoder decodes quoted-printable; what is none is left as it is.
type quotedDecoder struct {
	hold []byte // at most an escape or a line's trailing blanks
}

// maxTrailing is how many blanks after a "=" may be held back for the line end that could follow.
const maxTrailing = 256

func (d *quotedDecoder) decode(out, in []byte) []byte {
	last := len(in) == 0
	if len(d.hold) > 0 {
		in = append(d.hold, in...)
		d.hold = nil
	}
	for len(in) > 0 {
		i := bytes.IndexByte(in, '=')
		if i < 0 {
			return append(out, in...)
		}
		out = append(out, in[:i]...)
		in = in[i:]
		if len(in) >= 3 {
			if hi, lo := unhex(in[1]), unhex(in[2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				in = in[3:]
				continue
			}
		}
		// "=", blanks, line end: a soft line break
		k := 1
		for k < len(in) && k < maxTrailing && (in[k] == ' ' || in[k] == '\t') {
			k++
		}
		switch {
		case k < len(in) && in[k] == '\n':
			in = in[k+1:]
		case k+1 < len(in) && in[k] == '\r' && in[k+1] == '\n':
			in = in[k+2:]
		case !last && (k == len(in) || k+1 == len(in)) && k < maxTrailing:
			// It may go on with the next bytes.
			d.hold = bytes.Clone(in)
			return out
		case last && k == len(in):
			in = nil // a soft break at the very end
		default:
			out = append(out, '=')
			in = in[1:]
		}
	}
	return out
}

// maxUULine is how much of a line of uuencoded bytes is kept: it has 61 characters.
const maxUULine = 8 << 10

// uuDecoder decodes a part that is uuencoded as a whole.
type uuDecoder struct {
	line  []byte // the beginning of a line whose end has not come
	begun bool
	ended bool
}

func (d *uuDecoder) decode(out, in []byte) []byte {
	if len(in) == 0 {
		return d.take(out, d.line)
	}
	for !d.ended {
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			d.line = append(d.line, in[:min(len(in), maxUULine-len(d.line))]...)
			break
		}
		line := in[:i]
		if len(d.line) > 0 {
			line = append(d.line, line[:min(len(line), maxUULine-len(d.line))]...)
			d.line = d.line[:0]
		}
		out = d.take(out, line)
		in = in[i+1:]
	}
	return out
}

// take decodes one line.
func (d *uuDecoder) take(out, line []byte) []byte {
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case d.ended:
	case !d.begun:
		d.begun = bytes.HasPrefix(line, []byte("begin "))
	case string(line) == "end":
		d.ended = true
	default:
		out = uuLine(out, line)
	}
	return out
}

// uuLine decodes a line of uuencoded bytes.
func uuLine(out, line []byte) []byte {
	if len(line) == 0 {
		return out
	}
	n := int(line[0]-' ') & 63
	line = line[1:]
	at := func(i int) byte {
		if i < len(line) {
			return (line[i] - ' ') & 63
		}
		return 0
	}
	for i := 0; n > 0; i, n = i+4, n-3 {
		three := [3]byte{at(i)<<2 | at(i+1)>>4, at(i+1)<<4 | at(i+2)>>2, at(i+2)<<6 | at(i+3)}
		out = append(out, three[:min(3, n)]...)
	}
	return out
}
