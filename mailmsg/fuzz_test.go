package mailmsg

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"postern/desk"
	"postern/safehtml"
)

// FuzzParse: any bytes are a mail that can be stored, all limits hold, and reading in other pieces gives the same.
func FuzzParse(f *testing.F) {
	f.Add(sampleMail(1500, false))
	f.Add(sampleMail(3000, true))
	f.Add([]byte("From a@b Mon\nFrom: =?utf-8?q?a?= <a@b.c>\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\nFinal-Recipient: rfc822;a@b.c\n--b--"))
	f.Add([]byte("Content-Type: multipart/mixed\n\n--b\nContent-Type: text/html\n\n<p>\n--b\nContent-Disposition: attachment; filename*0*=utf-8''a; filename*1=b\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#0V%T\nend\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := Limits{Size: 64 << 10, Parts: 8, Depth: 3, Fields: 20, HeaderBytes: 2000, Text: 3000}
		kept := 0
		m, err := Parse(bytes.NewReader(raw), ParseOptions{Limits: l, Attach: func(r io.Reader) (string, int64, error) {
			kept++
			return hashOnly(r)
		}})
		if err != nil {
			t.Fatal(err)
		}
		checkMail(t, "fuzz", m)
		if kept != len(m.Attachments) {
			t.Errorf("%d attachments of %d kept", len(m.Attachments), kept)
		}
		checkFolded(t, m.Text, Folded{Reply: m.Reply, Quoted: m.Quoted, Signature: m.Signature})
		if again := safehtml.Clean(m.HTML, safehtml.Options{KeepCID: true}); again != m.HTML {
			t.Errorf("the HTML is not clean: %q, %q", m.HTML, again)
		}
		slow, err := Parse(&pieces{raw, 7}, ParseOptions{Limits: l})
		if err != nil || slow.Fingerprint != m.Fingerprint || slow.Text != m.Text || len(slow.Defects) != len(m.Defects) {
			t.Errorf("read in pieces it is different: %v\n%+v\n%+v", err, m, slow)
		}
	})
}

// pieces gives n bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

// FuzzAddresses: what is sure is one plain address that survives being written and read again, and a local part in quotes is
// taken as a whole or not at all.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{`Ann <ann@example.net>, "B, C" <b@example.org>`, `Team: a@b.c, d@e.f;`, `=?q?a=40b?=c@host`, `<a@b>c@d`, `a@b (Ann (x))`, `"a\"b" <@r:a@b.c`, `mailto:a@b.c`, `"a b"@c.d`, `<a . b@c . d>`, `a\ b@c.d`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, sure := parseAddresses(s)
		for _, a := range list {
			if a.Email == "" || strings.ContainsAny(a.Email, "\r\n\x00 ") || !strings.Contains(a.Email, "@") {
				t.Errorf("%q gave %+v", s, a)
			}
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"@b.example`
		for _, written := range []string{quoted, "Ann <" + quoted + ">"} {
			others, _ := parseAddresses(written)
			for _, a := range others {
				if a.Email != strings.ToLower(s)+"@b.example" {
					t.Errorf("%q gave somebody else: %q", written, a.Email)
				}
			}
		}
		if !sure || len(list) != 1 {
			return
		}
		if email, ok := desk.NormalizeEmail(list[0].Email); !ok || email != list[0].Email {
			t.Errorf("%q: sure of %q", s, list[0].Email)
		}
		written, err := headerAddress(list[0])
		if err != nil {
			return // a domain that has no form in ASCII
		}
		again, sure := parseAddresses(strings.ReplaceAll(written, "\r\n", ""))
		if ascii([]byte(list[0].Email)) && (!sure || len(again) != 1 || again[0].Email != list[0].Email) {
			t.Errorf("%q written as %q is read as %+v", s, written, again)
		}
	})
}

// FuzzReferences: ids are never empty, never too many, and survive being written and read again.
func FuzzReferences(f *testing.F) {
	f.Add("<a@b> <c@d>")
	f.Add("Your message <a@b> of <>")
	f.Fuzz(func(t *testing.T, s string) {
		ids := ParseMessageIDs(s)
		if len(ids) > maxIDs {
			t.Errorf("%d ids", len(ids))
		}
		seen := map[desk.MessageID]bool{}
		written := ""
		for _, id := range ids {
			if id == "" || len(id) > maxIDLen || strings.ContainsAny(string(id), "<> \t\r\n") || seen[id] {
				t.Errorf("%q gave %q", s, id)
			}
			seen[id] = true
			written += "<" + string(id) + "> "
		}
		if again := ParseMessageIDs(written); len(again) != len(ids) {
			t.Errorf("%q: %q is read as %q", s, ids, again)
		}
	})
}

// FuzzFold: every line of the text is in exactly one part, in order.
func FuzzFold(f *testing.F) {
	f.Add("Hello\n\nOn Mon, 2 Mar 2026, Ann wrote:\n> x\n\n-- \nBob", 0, 0)
	f.Add("Hello\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: x\n\ny", 3, 9)
	f.Fuzz(func(t *testing.T, text string, start, end int) {
		var spans []safehtml.Span
		if start >= 0 && start < end && end <= len(text) {
			spans = []safehtml.Span{{Start: start, End: end}}
		}
		checkFolded(t, text, Fold(text, spans))
	})
}

// FuzzHeaderWords: decoding gives clean text, on one line.
func FuzzHeaderWords(f *testing.F) {
	f.Add("=?utf-8?q?=C3?= =?utf-8?q?=BC?= =?x?b?!?=")
	f.Fuzz(func(t *testing.T, s string) {
		got := headerLine(s)
		if strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q gave %q", s, got)
		}
		if back := headerLine(headerText(got)); back != got {
			t.Errorf("%q is written as %q and read as %q", got, headerText(got), back)
		}
	})
}

// FuzzAuthResults: what is read stays within its bounds and is clean text, and a value in quotes says nothing about another
// method, whatever is in it.
func FuzzAuthResults(f *testing.F) {
	f.Add("mx.example 1; dmarc=pass (p=none) header.from=a.example; spf=none reason=\"x\" smtp.mailfrom=\"a b\"@c.d")
	f.Add("spf=pass smtp.mailfrom=a.example; b.test; dkim/1 = pass header . d = a.example;dmarc=bestguesspass action=none")
	f.Add(`(a\(b)) "m x";none`)
	f.Fuzz(func(t *testing.T, s string) {
		a := parseAuthResults(s)
		if len(a.Results) > maxAuthResults {
			t.Errorf("%d results", len(a.Results))
		}
		clean := func(s string) {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) || !utf8.ValidString(s) {
				t.Errorf("not clean: %q", s)
			}
		}
		clean(a.ServID)
		for _, r := range a.Results {
			clean(r.Method + r.Result + r.Reason)
			if r.Method == "" || len(r.Props) > maxAuthProps {
				t.Errorf("%q has %d properties", r.Method, len(r.Props))
			}
			for _, p := range r.Props {
				clean(p.Name + p.Value)
			}
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		inside := parseAuthResults("mx.example; spf=fail smtp.mailfrom=" + quoted + "; dmarc=fail")
		if len(quoted) < maxValue/2 && (inside.Broken || inside.ServID != "mx.example" || len(inside.Results) != 2 || inside.Results[1].Result != "fail") {
			t.Errorf("%q in quotes is read as %+v", s, inside)
		}
	})
}

// FuzzHeaderSure: a header that counts as sure has the same lines and the same From fields for a reader that knows nothing
// but lines.
func FuzzHeaderSure(f *testing.F) {
	f.Add([]byte("From: a@b.example\r\nX: y\r\n z\r\n\r\nFrom: c@d.example\r\n"))
	f.Add([]byte("From: a@b.example\r\n\r\r\nFrom: c@d.example\r\n\r\n"))
	f.Add([]byte("From: a@b.example\nx\ny\nFrom : c@d.example\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(bytes.NewReader(raw), ParseOptions{Limits: Limits{Fields: 20, HeaderBytes: 2000}})
		if err != nil {
			t.Fatal(err)
		}
		if m.HeaderUnsure || m.FromUnsure {
			return
		}
		senders := 0
		for line := range bytes.Lines(raw) {
			if line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")); len(line) == 0 {
				break
			}
			name, _, _ := bytes.Cut(line, []byte(":"))
			if bytes.EqualFold(bytes.TrimSpace(name), []byte("from")) && line[0] != ' ' && line[0] != '\t' {
				senders++
			}
		}
		if senders != 1 {
			t.Errorf("%d From fields, and it is sure of %s", senders, m.From)
		}
	})
}
