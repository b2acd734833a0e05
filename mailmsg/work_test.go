package mailmsg

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"postern/desk"
	"postern/safehtml"
)

// allocated counts the bytes that f takes from the heap: of all that grows when work is done over and over, what can be
// counted the same on every machine. Nothing else may run meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// linear fails if f takes more memory than a bounded number of bytes for each byte it reads, and what it may take to begin
// with: much, for the race detector has regexps forget what they keep. Whoever copies the rest of 8 KB at each byte takes more.
func linear(t *testing.T, what string, size, perByte int, f func()) {
	t.Helper()
	const begin = 16 << 20
	if took := allocated(f); took > uint64(begin+perByte*size) {
		t.Errorf("%s of %d bytes took %d bytes of memory", what, size, took)
	}
}

// TestI7_TwiceTheBytesAreTwiceTheMemory reads what tempts a reader to go over the same bytes again and again, and twice as much
// of it: that may take twice the memory, and not four times. It is not parallel, for it counts what the process takes.
func TestI7_TwiceTheBytesAreTwiceTheMemory(t *testing.T) {
	for name, c := range map[string]struct {
		head, again string
		times       int
	}{
		"text":            {"From: a@b.example\n\n", "words of a text\n", 8000},
		"long line":       {"From: a@b.example\n\n", "x", 200_000},
		"quotes":          {"From: a@b.example\n\n", "> x\n", 20_000},
		"answers between": {"From: a@b.example\n\n", "> x\n\ny\n\n", 10_000},
		"introductions":   {"From: a@b.example\n\n", "On 1 wrote:\n> x\n", 6000},
		"header blocks":   {"From: a@b.example\n\n", "From: x\nSent: y\n", 6000},
		"flowing":         {"From: a@b.example\nContent-Type: text/plain; format=flowed\n\n", "x \n", 40_000},
		"files in text":   {"From: a@b.example\n\n", "begin 644 a\n#0V%T\nx\n", 5000},
		"quoted text":     {"From: a@b.example\nContent-Transfer-Encoding: quoted-printable\n\n", "=C3=BC =\n", 10_000},
		"base64":          {"From: a@b.example\nContent-Transfer-Encoding: base64\n\n", "QUJD\n", 30_000},
		"html":            {"From: a@b.example\nContent-Type: text/html\n\n", "<div>x", 15_000},
		"html ends":       {"From: a@b.example\nContent-Type: text/html\n\n", "<b>x</p></div>", 8000},
		"html comments":   {"From: a@b.example\nContent-Type: text/html\n\n", "<!-- <svg>", 8000},
		"html quotes":     {"From: a@b.example\nContent-Type: text/html\n\n", `<a b="><a b='>`, 8000},
		"parts":           {"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n", 400},
		"files":           {"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: a/b\n\nx\n", 400},
		"boundaries":      {"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n", "--bc\n", 20_000},
		"fields":          {"From: a@b.example\n", "X: y\n", 900},
		"folded field":    {"From: a@b.example\nSubject:\n", " word\n", 5000},
		"encoded words":   {"From: a@b.example\nSubject:\n", " =?utf-8?q?=C3=BC?=\n", 1500},
		"recipients":      {"From: a@b.example\nTo: x@y.example\n", " , c@d.example\n", 2000},
		"references":      {"From: a@b.example\nReferences:\n", " <c@d.example>\n", 1000},
		"parameters":      {"From: a@b.example\nContent-Type: text/plain\n", " ; a=b\n", 2000},
		"results":         {"From: a@b.example\nAuthentication-Results: mx.example\n", " ; spf=pass (a)\n", 1500},
		"reported":        {"From: mailer-daemon@b.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n", "Final-Recipient: rfc822; a@b.example\nAction: failed\n\n", 400},
		"bounced":         {"From: mailer-daemon@b.example\n\ncould not be delivered\n", "<a@b.example>\n 550 5.1.1 no\n\n", 500},
		"calendar":        {"From: a@b.example\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\n", "ATTENDEE:mailto:a@b.example\n", 2000},
	} {
		once, twice := c.head+strings.Repeat(c.again, c.times), c.head+strings.Repeat(c.again, 2*c.times)
		took := func(raw string) uint64 { return allocated(func() { parse(t, raw) }) }
		took(once) // what is made once for all
		if n, m := took(once), took(twice); m > 3*n {
			t.Errorf("%s: %d bytes take %d of memory, and %d bytes %d", name, len(once), n, len(twice), m)
		}
	}
}

// TestI7_OpenMultipartsMakeNoLineMoreWork: however many boundaries may end a body, a line that looks like one of them costs the
// same, and one that is too short for any costs nothing.
func TestI7_OpenMultipartsMakeNoLineMoreWork(t *testing.T) {
	const lines = 10_000
	for line, each := range map[string]int{"--\n": 0, "-- \r\n": 0, "--b\n": 1, "--b0x\n": 1, "----\n": 2, "--b4711--\n": 2} {
		for _, depth := range []int{1, 49} {
			s := newSource(strings.NewReader(strings.Repeat(line, lines)), lines*100)
			for i := range depth {
				s.enter(fmt.Sprintf("b%d", i))
			}
			n, err := io.Copy(io.Discard, s.open())
			if err != nil || n != int64(lines*len(line)) {
				t.Errorf("%q: %d bytes are read, %v", line, n, err)
			}
			if s.lookups > each*lines+10 {
				t.Errorf("%q: %d lines take %d lookups with %d multiparts open", line, lines, s.lookups, depth)
			}
		}
	}
}

// TestI7_TheInnermostBoundaryCounts where a line is one of several, which may be written alike and end as closing ones do.
func TestI7_TheInnermostBoundaryCounts(t *testing.T) {
	for _, c := range []struct {
		open    []string
		left    int // after these were closed again: how many are open
		line    string
		level   int
		closing bool
		ok      bool
	}{
		{[]string{"a", "b", "a"}, 3, "--a", 2, false, true},
		{[]string{"a", "b", "a"}, 2, "--a", 0, false, true},
		{[]string{"a", "b", "a"}, 1, "--b", 0, false, false},
		{[]string{"a", "a--"}, 2, "--a--", 1, false, true},
		{[]string{"a--", "a"}, 2, "--a-- \t", 1, true, true},
		{[]string{"a--", "a"}, 1, "--a--", 0, false, true},
		{[]string{"a--", "a"}, 1, "--a----", 0, true, true},
		{[]string{"a"}, 0, "--a", 0, false, false},
		{[]string{"--"}, 1, "----", 0, false, true},
		{[]string{"-"}, 1, "-----", 0, true, true},
	} {
		s := newSource(strings.NewReader(""), 0)
		for _, b := range c.open {
			s.enter(b)
		}
		s.leave(c.left)
		level, closing, ok := s.match([]byte(c.line + "\n"))
		if ok != c.ok || ok && (level != c.level || closing != c.closing) {
			t.Errorf("%q with %q: level %d, closing %v, %v", c.line, c.open[:c.left], level, closing, ok)
		}
	}
}

// TestI7_ReadingInPiecesIsNoMoreWork: a mail that comes byte by byte is read as often as one that comes at once.
func TestI7_ReadingInPiecesIsNoMoreWork(t *testing.T) {
	raw := sampleMail(100<<10, true)
	for _, n := range []int{1, 100, len(raw)} {
		r := &counted{r: &pieces{raw, n}}
		if _, err := Parse(r, ParseOptions{}); err != nil {
			t.Fatal(err)
		}
		if r.bytes != len(raw) {
			t.Errorf("%d bytes at a time: %d bytes are read of %d", n, r.bytes, len(raw))
		}
	}
}

// counted counts the bytes that are read.
type counted struct {
	r     *pieces
	bytes int
}

// Read counts.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.bytes += n
	return n, err
}

// FuzzWork: nothing that reads takes more memory than a bounded number of bytes for each byte it is given.
func FuzzWork(f *testing.F) {
	f.Add([]byte("On 1 wrote:\n> x\n"), 300)
	f.Add([]byte("=?utf-8?q?a?= <a@b.c>,"), 200)
	f.Add([]byte("<div><a href='http://a'>x"), 300)
	f.Add([]byte("Final-Recipient: rfc822;a@b.c\n\n"), 200)
	f.Add([]byte("; spf=pass (\"a\" b.c=d) "), 200)
	f.Add([]byte("--b\nContent-Type: multipart/mixed; boundary=b\n\n"), 200)
	f.Fuzz(func(t *testing.T, piece []byte, times int) {
		if len(piece) == 0 || len(piece) > 4000 {
			return
		}
		raw := bytes.Repeat(piece, 1+max(0, min(times, 8<<10/len(piece))))
		s, k := string(raw), keys(t)
		for what, c := range map[string]struct {
			perByte int
			read    func()
		}{
			"mail":       {1000, func() { parse(t, s) }},
			"text":       {500, func() { parse(t, "From: mailer-daemon@b.example\n\n"+s) }},
			"parts":      {1000, func() { parse(t, "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"+s) }},
			"report":     {1000, func() { parse(t, reportMail("", s)) }},
			"addresses":  {500, func() { parseAddresses(s) }},
			"references": {100, func() { ParseMessageIDs(s) }},
			"results":    {200, func() { parseAuthResults(s) }},
			"words":      {100, func() { headerLine(s) }},
			"folding":    {100, func() { Fold(s, nil, nil) }},
			"comparing":  {1000, func() { Fold(s, nil, []desk.Said{{Reply: s, Text: s + s}}) }},
			"token":      {100, func() { k.Verify(s, ForReply, s); TokenIn(s, "support@example.com") }},
			"cleaning":   {500, func() { safehtml.Clean(s, safehtml.Options{KeepCID: true}) }},
			"showing":    {500, func() { safehtml.Clean(s, safehtml.Options{}) }},
			"HTML":       {200, func() { safehtml.Read(s) }},
			"from text":  {200, func() { safehtml.FromText(s) }},
		} {
			linear(t, what, len(s), c.perByte, c.read)
		}
	})
}
