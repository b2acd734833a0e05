package mailmsg

import (
	"bytes"
	"io"
	"strings"
)

// field is a field of a header as it came: unfolded, not decoded, its name in lower case.
type field struct{ name, value string }

// header is what stands before a body.
type header []field

// get gives the first field of a name, which is written in lower case, or "".
func (h header) get(name string) string {
	for i := range h {
		if h[i].name == name {
			return h[i].value
		}
	}
	return ""
}

func (h header) has(name string) bool {
	for i := range h {
		if h[i].name == name {
			return true
		}
	}
	return false
}

// all gives every field of a name, topmost first.
func (h header) all(name string) []string {
	var out []string
	for i := range h {
		if h[i].name == name {
			out = append(out, h[i].value)
		}
	}
	return out
}

// headerReader collects a header block.
type headerReader struct {
	limits  Limits
	defect  func(string)
	block   []byte
	spans   []span // of the fields in block
	unsure  bool   // others may find other fields in it
	over    bool   // a limit was reached
	overRow []byte // the line that was over it
}

type span struct{ start, colon, end int }

// read takes the header at the source's position, up to and with the empty line after it. What is no header line is
// dropped, but for one that begins the body because the empty line was forgotten.
func (r *headerReader) read(s *source, root bool) header {
	folding := false // the line before was one whose continuation belongs to nothing
	inLong := false  // the rest of a line longer than the buffer
	for first := true; ; first = false {
		ahead := s.peekLine(sourceBuffer)
		if len(ahead) == 0 {
			break
		}
		row := bytes.TrimRight(ahead, "\r\n")
		r.unsure = r.unsure || inLong || bareCR(ahead)
		if !inLong && len(row) == 0 {
			s.line()
			break
		}
		bad := !inLong && row[0] != ' ' && row[0] != '\t' && colonOf(row) < 0
		mbox := bad && root && first && (bytes.HasPrefix(row, []byte("From ")) || bytes.HasPrefix(row, []byte(">From ")))
		r.unsure = r.unsure || bad && !mbox
		if bad && !mbox && !s.boundaryAt(ahead) && !headerFollows(s, len(ahead)) {
			r.defect("the empty line after the header is missing")
			break
		}
		line, part, ok := s.line()
		if !ok {
			break
		}
		if len(r.block)+len(line) > r.limits.HeaderBytes || len(r.spans) >= r.limits.Fields && !inLong && line[0] != ' ' && line[0] != '\t' {
			r.over, r.unsure, r.overRow = true, true, append([]byte(nil), line...)
			break
		}
		switch {
		case inLong:
			if !folding {
				r.extend(line)
			}
		case line[0] == ' ' || line[0] == '\t':
			switch {
			case folding:
			case len(r.spans) == 0:
				r.defect("the header begins with a continuation")
				folding, r.unsure = true, true
			default:
				r.extend(line)
			}
		case bad:
			if !mbox {
				r.defect("a line in the header has no field name")
			}
			folding = true
		default:
			folding = false
			start, colon := len(r.block), colonOf(line)
			r.block = append(r.block, line...)
			lower(r.block[start : start+colon])
			r.spans = append(r.spans, span{start, start + colon, len(r.block)})
		}
		inLong = part
	}
	return r.header()
}

func (r *headerReader) extend(line []byte) {
	if len(r.spans) == 0 {
		return
	}
	r.block = append(r.block, line...)
	r.spans[len(r.spans)-1].end = len(r.block)
}

func (r *headerReader) header() header {
	text := string(r.block)
	h := make(header, len(r.spans))
	for i, sp := range r.spans {
		h[i] = field{
			name:  strings.TrimRight(text[sp.start:sp.colon], " \t"),
			value: strings.TrimSpace(text[sp.colon+1 : sp.end]),
		}
	}
	return h
}

// bareCR tells of a carriage return that is not the end of the line: to some readers it ends one.
func bareCR(line []byte) bool {
	i := bytes.IndexByte(line, '\r')
	return i >= 0 && (i != len(line)-2 || line[i+1] != '\n')
}

func lower(name []byte) {
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			name[i] = c | 0x20
		}
	}
}

// colonOf finds the colon after a field name; -1 if the line is no field.
func colonOf(line []byte) int {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return -1
	}
	name := bytes.TrimRight(line[:colon], " \t")
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return -1
		}
	}
	return colon
}

// headerFollows tells whether the line after the one of the given length looks like a header again.
func headerFollows(s *source, length int) bool {
	for s.end-s.pos < min(length+256, len(s.buf)) && !s.eof {
		s.fill()
	}
	have := s.buf[s.pos:min(s.end, s.pos+length+256)]
	if length >= len(have) {
		return false
	}
	next := have[length:]
	if i := bytes.IndexByte(next, '\n'); i >= 0 {
		next = next[:i]
	}
	next = bytes.TrimRight(next, "\r")
	if len(next) == 0 {
		return true // the block ends as it should
	}
	colon := colonOf(next)
	return next[0] == ' ' || next[0] == '\t' || colon > 0 && bytes.IndexByte(next[:colon], ' ') < 0
}

// rest reads what is left of a header block that was too long, up to its end.
func (r *headerReader) rest(s *source) io.Reader {
	return &headerRest{s: s, row: append(r.overRow, '\r', '\n')}
}

type headerRest struct {
	s    *source
	row  []byte
	done bool
}

func (r *headerRest) Read(p []byte) (int, error) {
	for len(r.row) == 0 {
		if r.done {
			return 0, io.EOF
		}
		line, part, ok := r.s.line()
		if !ok || len(line) == 0 {
			r.done = true
			continue
		}
		r.row = append(r.row[:0], line...)
		if !part {
			r.row = append(r.row, '\r', '\n')
		}
	}
	n := copy(p, r.row)
	r.row = r.row[n:]
	return n, nil
}
