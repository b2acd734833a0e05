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
		return &base64Reader{r: r, text: text}, true
	case "quoted-printable":
		return &quotedReader{r: r}, true
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "none":
		return r, true
	case "x-uuencode", "x-uue", "uuencode", "uue":
		return &uuReader{lines: lineReader{r: r}}, true
	}
	return r, false
}

// base64Reader decodes base64 as it comes: what is not of the alphabet is skipped, padding may be missing or stand in
// the middle.
type base64Reader struct {
	r    *body
	text bool
	end  bool // the padding was seen
	tail bool // what follows is no base64, such as the footer of a mailing list
	hold []byte
	out  []byte
	keep []byte
	acc  uint32
	n    int
	done bool
}

func (d *base64Reader) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.done {
			if d.r.s.err != nil {
				return 0, d.r.s.err
			}
			return 0, io.EOF
		}
		chunk := d.r.next(sourceBuffer)
		if d.keep == nil {
			d.keep = make([]byte, 0, 8<<10)
		}
		d.out = d.keep[:0]
		if len(chunk) == 0 {
			d.done = true
			if d.hold != nil {
				d.decide()
			}
			d.flush()
			break
		}
		d.decode(chunk)
		d.keep = d.out[:0]
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	if n == 0 && len(p) > 0 && d.done {
		return 0, io.EOF
	}
	return n, nil
}

func (d *base64Reader) decode(chunk []byte) {
	for i := 0; i < len(chunk); i++ {
		c := chunk[i]
		// nearly all of it: characters of the alphabet
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
				d.decode(chunk[i:])
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
func (d *base64Reader) take(c byte) {
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
func (d *base64Reader) decide() {
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
func (d *base64Reader) flush() {
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
	d := base64Reader{}
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

// quotedReader decodes quoted-printable; what is none is left as it is.
type quotedReader struct {
	r    *body
	in   []byte // not yet decoded: at most an escape or a line's trailing blanks
	out  []byte
	keep []byte
	done bool
}

func (d *quotedReader) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.done {
			if d.r.s.err != nil {
				return 0, d.r.s.err
			}
			return 0, io.EOF
		}
		chunk := d.r.next(sourceBuffer)
		if len(chunk) == 0 {
			d.done = true
		}
		if len(d.in) > 0 {
			chunk = append(d.in, chunk...)
			d.in = d.in[:0]
		}
		if cap(d.keep) < len(chunk) {
			d.keep = make([]byte, 0, len(chunk))
		}
		d.out = d.decode(d.keep[:0], chunk)
		d.keep = d.out[:0]
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// maxTrailing is how many blanks after a "=" may be held back for the line end that could follow.
const maxTrailing = 256

func (d *quotedReader) decode(out, in []byte) []byte {
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
		case !d.done && (k == len(in) || k+1 == len(in)) && k < maxTrailing:
			// It may go on with the next bytes.
			d.in = append([]byte(nil), in...)
			return out
		case d.done && k == len(in):
			in = nil // a soft break at the very end
		default:
			out = append(out, '=')
			in = in[1:]
		}
	}
	return out
}

// lineReader gives the lines of a body; one longer than 8 KB comes in pieces.
type lineReader struct {
	r    *body
	rest []byte
	line []byte
}

func (l *lineReader) next() ([]byte, bool) {
	l.line = l.line[:0]
	for {
		if i := bytes.IndexByte(l.rest, '\n'); i >= 0 {
			l.line = append(l.line, l.rest[:i+1]...)
			l.rest = l.rest[i+1:]
			return l.line, true
		}
		l.line = append(l.line, l.rest...)
		l.rest = nil
		if len(l.line) > 8<<10 {
			return l.line, true
		}
		chunk := l.r.next(4 << 10)
		if len(chunk) == 0 {
			return l.line, len(l.line) > 0
		}
		l.rest = append([]byte(nil), chunk...)
	}
}

// uuReader decodes a part that is uuencoded as a whole.
type uuReader struct {
	lines lineReader
	out   []byte
	begun bool
	done  bool
}

func (d *uuReader) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.done {
			return 0, io.EOF
		}
		line, ok := d.lines.next()
		if !ok {
			d.done = true
			continue
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case !d.begun:
			d.begun = bytes.HasPrefix(line, []byte("begin "))
		case string(line) == "end":
			d.done = true
			for ok {
				_, ok = d.lines.next()
			}
		default:
			d.out = uuLine(d.out[:0], line)
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
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
