package mailmsg

import (
	"bytes"
	"errors"
	"io"
)

const (
	sourceBuffer = 8 << 10
	maxBoundary  = 512 // longer than RFC 2046 allows; what a boundary line may have, its blanks included
)

const byteOrderMark = "\xEF\xBB\xBF"

// source reads a mail once, from front to back, and knows the boundaries of the multiparts that are open. A body ends
// where any of them stands, so a part that was cut off can't swallow those after it.
type source struct {
	r         io.Reader
	buf       []byte
	pos, end  int
	eof       bool
	err       error // what r failed with, beside io.EOF
	left      int64 // bytes that may still be read
	cut       bool  // there was more than left
	lineStart bool  // the byte at pos begins a line
	barCR     bool  // lines end in a bare CR
	mark      bool  // there was a byte order mark, as in a mail that was saved as a text file

	boundaries []string       // of the open multiparts, outermost first
	levels     map[string]int // where each of them stands in boundaries, the innermost if it stands there more than once
	lookups    int            // how often a line was compared with them: what tests count
	level      int            // the boundary that ended the body: an index into boundaries; -1: none
	closing    bool           // it was the last of its multipart
}

func newSource(r io.Reader, limit int64) *source {
	s := &source{r: r, buf: make([]byte, sourceBuffer), left: limit, lineStart: true, levels: map[string]int{}, level: -1}
	for !s.eof && s.end < len(s.buf) && bytes.IndexByte(s.buf[:s.end], '\n') < 0 {
		s.fill()
	}
	if head := s.buf[:s.end]; bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		s.barCR = true
		s.newlines(0)
	}
	if bytes.HasPrefix(s.buf[:s.end], []byte(byteOrderMark)) {
		s.mark = true
		s.pos = len(byteOrderMark)
	}
	return s
}

// fill reads more, until there is something or the end.
func (s *source) fill() {
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	for tries := 0; !s.eof && s.end < len(s.buf); tries++ {
		room := s.buf[s.end:]
		if int64(len(room)) > s.left {
			room = room[:s.left]
		}
		if len(room) == 0 {
			s.cut, s.eof = s.more(), true
			return
		}
		n, err := s.r.Read(room)
		start := s.end
		s.end += n
		s.left -= int64(n)
		if s.barCR {
			s.newlines(start)
		}
		switch {
		case errors.Is(err, io.EOF):
			s.eof = true
		case err != nil:
			s.eof, s.err = true, err
		case n == 0 && tries > 100:
			s.eof, s.err = true, io.ErrNoProgress
		}
		if n > 0 {
			return
		}
	}
}

// more tells whether r has anything left. What it reads for that is put back.
func (s *source) more() bool {
	var one [1]byte
	n, err := io.ReadFull(s.r, one[:])
	if n == 1 {
		s.r = io.MultiReader(bytes.NewReader(one[:]), s.r)
	} else if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n == 1
}

func (s *source) newlines(from int) {
	for i := from; i < s.end; i++ {
		if s.buf[i] == '\r' {
			s.buf[i] = '\n'
		}
	}
}

// rest gives what lies behind the limit.
func (s *source) rest() io.Reader { return s.r }

// peekLine gives the line at pos with its end, as much of it as limit allows.
func (s *source) peekLine(limit int) []byte {
	from := 0
	for {
		have := s.buf[s.pos:s.end]
		if i := bytes.IndexByte(have[from:], '\n'); i >= 0 {
			return have[:from+i+1]
		}
		if len(have) >= limit || s.eof {
			return have
		}
		from = len(have)
		s.fill()
	}
}

// peek gives the next n bytes, or as many as there are.
func (s *source) peek(n int) []byte {
	for s.end-s.pos < n && !s.eof {
		s.fill()
	}
	return s.buf[s.pos:min(s.end, s.pos+n)]
}

// line takes a line of a header, without its end. It answers false at the end of the input and at a boundary, which it
// leaves where it is. part is set while the line is longer than what is given.
func (s *source) line() (line []byte, part, ok bool) {
	line = s.peekLine(sourceBuffer)
	if len(line) == 0 {
		return nil, false, false
	}
	if s.lineStart && s.boundaryAt(line) {
		return nil, false, false
	}
	s.pos += len(line)
	s.lineStart = line[len(line)-1] == '\n'
	part = !s.lineStart && !s.eof
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), part, true
}

// boundaryAt tells whether a line is one of the boundaries, without taking it.
func (s *source) boundaryAt(line []byte) bool {
	_, _, ok := s.match(line)
	return ok
}

func (s *source) match(line []byte) (level int, closing, ok bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' || len(s.boundaries) == 0 {
		return 0, false, false
	}
	text := bytes.TrimRight(line[2:], " \t\r\n")
	if len(text) == 0 { // as a boundary is never: a mail may consist of such lines
		return 0, false, false
	}
	// However many multiparts are open, a line costs two lookups.
	level, ok = s.lookUp(text)
	if whole, has := bytes.CutSuffix(text, []byte("--")); has {
		// A boundary may end in "--" itself: the innermost one counts.
		if l, there := s.lookUp(whole); there && (!ok || l > level) {
			return l, true, true
		}
	}
	return level, false, ok
}

func (s *source) lookUp(boundary []byte) (level int, ok bool) {
	s.lookups++
	level, ok = s.levels[string(boundary)]
	return level, ok
}

// enter opens a multipart, whose boundary ends bodies from now on.
func (s *source) enter(boundary string) (level int) {
	level = len(s.boundaries)
	s.boundaries = append(s.boundaries, boundary)
	s.levels[boundary] = level
	return level
}

// leave closes those of the open multiparts that stand at level or deeper.
func (s *source) leave(level int) {
	if len(s.boundaries) <= level {
		return
	}
	s.boundaries = s.boundaries[:level]
	clear(s.levels)
	for i, b := range s.boundaries {
		s.levels[b] = i
	}
}

// body reads up to the next boundary of an open multipart, or to the end.
type body struct {
	s    *source
	done bool
}

// open starts the body that begins here.
func (s *source) open() *body {
	s.level, s.closing = -1, false
	return &body{s: s}
}

// Read gives the body's bytes; the line end before a boundary belongs to the boundary.
func (b *body) Read(p []byte) (int, error) {
	chunk := b.next(len(p))
	if len(chunk) == 0 && len(p) > 0 {
		return 0, b.end()
	}
	return copy(p, chunk), nil
}

// WriteTo writes the bytes that are left; with it io.Copy needs no buffer.
func (b *body) WriteTo(w io.Writer) (written int64, err error) {
	for {
		chunk := b.next(sourceBuffer)
		if len(chunk) == 0 {
			return written, b.s.err
		}
		n, err := w.Write(chunk)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
}

// end gives why there are no more bytes.
func (b *body) end() error {
	if b.s.err != nil {
		return b.s.err
	}
	return io.EOF
}

// next gives up to limit bytes, valid until the next call; none at the end.
func (b *body) next(limit int) []byte {
	s := b.s
	for !b.done && limit > 0 {
		if s.end-s.pos < maxBoundary && !s.eof {
			s.fill()
			if s.end-s.pos < maxBoundary && !s.eof {
				continue
			}
		}
		have := s.buf[s.pos:s.end]
		if len(have) == 0 {
			b.done = true
			break
		}
		if s.lineStart && have[0] == '-' {
			if level, closing, ok := s.match(b.candidate(0)); ok {
				b.stop(0, level, closing)
				break
			}
			have = s.buf[s.pos:s.end]
		}
		n, stop := b.scan(have, limit)
		if n > 0 {
			s.lineStart = have[n-1] == '\n'
			s.pos += n
			return have[:n]
		}
		if stop {
			break
		}
	}
	return nil
}

// scan finds how much of have belongs to the body.
func (b *body) scan(have []byte, limit int) (n int, stop bool) {
	s := b.s
	if len(s.boundaries) == 0 {
		return min(len(have), limit), false
	}
	for from := 0; ; {
		i := bytes.Index(have[from:], []byte("\n--"))
		if i < 0 {
			break
		}
		i += from
		lineEnd := i
		if i > 0 && have[i-1] == '\r' {
			lineEnd--
		}
		if lineEnd >= limit {
			return limit, false
		}
		if len(have)-i-1 < maxBoundary && !s.eof {
			// The line may go on behind what is in the buffer: first give what is before it.
			if lineEnd > 0 {
				return lineEnd, false
			}
			s.fill()
			return 0, false
		}
		if level, closing, ok := s.match(b.candidate(i + 1)); ok {
			if lineEnd > 0 {
				return lineEnd, false
			}
			b.stop(i+1, level, closing)
			return 0, true
		}
		from = i + 1
	}
	n = len(have)
	if !s.eof {
		// "\r\n-" at the end may be the beginning of a boundary.
		for back := min(3, n); back > 0; back-- {
			if bytes.HasPrefix([]byte("\r\n--"), have[n-back:]) || bytes.HasPrefix([]byte("\n--"), have[n-back:]) {
				n -= back
				break
			}
		}
	}
	return min(n, limit), false
}

// candidate gives the line that begins at offset, as far as a boundary can reach.
func (b *body) candidate(offset int) []byte {
	line := b.s.buf[b.s.pos+offset : b.s.end]
	if len(line) > maxBoundary {
		line = line[:maxBoundary]
	}
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	return line
}

// stop ends the body at the boundary line that begins at offset, and takes that line.
func (b *body) stop(offset, level int, closing bool) {
	s := b.s
	b.done = true
	s.level, s.closing = level, closing
	s.pos += offset + len(b.candidate(offset))
	s.lineStart = true
}
