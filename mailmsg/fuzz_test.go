package mailmsg

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/mail"
	"slices"
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
	f.Add([]byte("Content-Type: text/plain; charset=iso-2022-cn\n\n\x1b$)A\x0eTu\x1b$)Gk{\x0f \x1b$*H\x1bN!!\x1b$+I\x1bO!!\n"))
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
		if others, err := mail.ParseAddressList(s); err == nil && plainAddress(s, list[0].Email) && (len(others) != 1 || !sameAddress(others[0].Address, list[0].Email)) {
			t.Errorf("%q is plain, and %q, but others read %v", s, list[0].Email, others)
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

// FuzzFold: every line of the text is in exactly one part, in order, whatever was said before; and what names no time, no
// address and no mark of a quote, and was not said before, is nobody else's.
func FuzzFold(f *testing.F) {
	f.Add("Hello\n\nOn Mon, 2 Mar 2026, Ann wrote:\n> x\n\n-- \nBob", 0, 0, "")
	f.Add("Hello\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: x\n\ny", 3, 9, "y")
	f.Add("ello\n\nOn Mon, 2ar:\n> x\n\n- 2026, Ann wro\xffe:\n> x\n\n--", 29, 50, "")
	f.Add("Yes\n\nPrej: Ann\nDatum: 2. 3.\n\nwe have six words here and\nnone\nsix more words that are here", 0, 0, "we have six words here and six more words that are here")
	f.Add("Hello\nVon: Ann\nDatum: 2.3.2026 10:15\nAn: Bob\nBetreff: x\n\ny\n-- \nAnn\n--\nz", 0, 0, "")
	f.Fuzz(func(t *testing.T, text string, start, end int, said string) {
		var list []desk.Mark
		if start >= 0 && start < end && end <= len(text) {
			list = []desk.Mark{{Start: start, End: end}}
		}
		first, second, _ := strings.Cut(said, "\x00")
		checkFolded(t, text, Fold(text, list, []desk.Said{{Reply: first, Text: said}, {Reply: second, Text: second}}))
		if f := Fold(text, nil, nil); f.Quoted != "" && !strings.ContainsAny(text, "0123456789@<>-_—") && !containsAny(strings.ToLower(text), answerAbove) {
			t.Errorf("%q is folded of %q", f.Quoted, text)
		}
	})
}

// FuzzHeaderWords: decoding gives clean text, on one line.
func FuzzHeaderWords(f *testing.F) {
	f.Add("=?utf-8?q?=C3?= =?utf-8?q?=BC?= =?x?b?!?=")
	f.Add("=?utf-8?b?77u/77u/?=")
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

// FuzzReachable: nothing that a mail holds is lost, however its parts lie in each other, are written and break off, and
// whatever limit is reached: the word in each part is in the text, in the HTML or in a file.
func FuzzReachable(f *testing.F) {
	f.Add([]byte("mtfe"))
	f.Add([]byte("mamthbqt)uf"))
	f.Add([]byte("mmmmmt(((xrtf"))
	f.Add([]byte("mwtmntfb"))
	f.Add([]byte("mtttttttttttttttt"))
	f.Fuzz(func(t *testing.T, plan []byte) {
		raw, placed := planned(plan[:min(len(plan), 200)])
		for _, l := range []Limits{{}, {Size: int64(len(raw)/2 + 1)}, {Parts: 3}, {Depth: 2}, {Text: 30}, {Fields: 2}, {Work: 100}} {
			m, files := parseKeeping(t, raw, l)
			shown := m.Text + "\n" + m.HTML + "\n" + strings.Join(files, "\n")
			for _, word := range placed {
				if !strings.Contains(shown, word) && !(m.Truncated && cutIn(shown, word)) {
					t.Fatalf("%+v: %q is lost of\n%s\n%+v\n%q", l, word, raw, m, files)
				}
			}
		}
		whole := wrapped64(raw)
		for _, l := range []Limits{{}, {Parts: 3}, {Depth: 2}, {Text: 100}, {Work: 200}} {
			m, files := parseKeeping(t, whole, l)
			shown := m.Text + "\n" + m.HTML + "\n" + strings.Join(files, "\n")
			for _, word := range placed {
				if !strings.Contains(shown, word) && !(m.Truncated && cutIn(shown, word)) {
					t.Fatalf("%+v: encoded as a whole, %q is lost of\n%s\n%+v\n%q", l, word, raw, m, files)
				}
			}
		}
	})
}

// wrapped64 makes a mail the only part of a multipart that is in base64 as a whole.
func wrapped64(raw string) string {
	_, part, _ := strings.Cut(raw, "\n")
	return "From: ann@example.net\nContent-Type: multipart/mixed; boundary=whole\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString([]byte("--whole\n"+part+"\n--whole--\n"))
}

// FuzzAlternatives: whatever stands beside it as HTML, what a mail says as text is in its text or, if it was put aside, noted.
func FuzzAlternatives(f *testing.F) {
	f.Add("This mail is HTML", "<p>Hello, it works")
	f.Add("See https://a.example/b", "<a href='https://a.example/b'>one two three</a>")
	f.Add("\U0001F44D yes", "<p>yes")
	f.Fuzz(func(t *testing.T, text, html string) {
		if strings.Contains(text+html, "--b") || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b") {
			return
		}
		raw := "From: a@b.example\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n" + text +
			"\n--b\nContent-Type: text/html; charset=utf-8\n\n" + html + "\n--b--\n"
		m, files := parseKeeping(t, raw, Limits{})
		if len(files) > 0 {
			return // what was uuencoded
		}
		kept := strings.Join(append(m.Reasons, m.Text), " ")
		if _, missing := compareWords(text, kept); missing > 0 {
			t.Errorf("%d words of %q are lost beside %q: %q", missing, text, html, kept)
		}
	})
}

// cutIn tells whether a word is there in two pieces, the second of which may not be decoded.
func cutIn(shown, word string) bool {
	code := coded(word)
	for i := range word {
		if strings.Contains(shown, word[:i]) && strings.Contains(shown, "\n"+word[i:]) {
			return true
		}
	}
	for i := range code {
		if strings.Contains(shown, word[:i*3/4]) && strings.Contains("\n"+shown, code[i:]) {
			return true
		}
	}
	return false
}

// coded is how a word looks in a file with the rest of a mail, whose parts are not decoded.
func coded(word string) string { return base64.StdEncoding.EncodeToString([]byte(word)) }

// planned makes a mail of a plan, in which each byte is a step: a multipart that begins or ends, in the right way or not, or a
// part. It tells the words that it put into the parts.
func planned(plan []byte) (raw string, words []string) {
	var b strings.Builder
	b.WriteString("From: ann@example.net\n")
	var open []string
	parts := 0
	header := func(s string) {
		if len(open) > 0 {
			b.WriteString("\n--" + open[len(open)-1] + "\n")
		}
		b.WriteString(s)
	}
	for _, step := range plan {
		if len(open) == 0 && parts > 0 {
			break // behind the last boundary there is nothing to be read
		}
		word := fmt.Sprintf("word%06dword", len(words)) // a multiple of three bytes has the same base64 anywhere
		parts++
		switch step {
		case 'm', 'n', 'r', 'w', 'x':
			name, said := fmt.Sprintf("b%d", parts), ""
			switch step {
			case 'm':
				said = "; boundary=" + name
			case 'w':
				said = "; boundary=other" + name // than the lines have
			case 'x':
				said = "; boundary=\"" + name + "\"; junk"
			case 'r':
				said = "; boundary=" + name + "; type=text/plain"
			}
			header("Content-Type: multipart/mixed" + said + "\n\n")
			open = append(open, name)
			continue
		case ')':
			if len(open) > 0 {
				b.WriteString("\n--" + open[len(open)-1] + "--\n")
				open = open[:len(open)-1]
			}
			continue
		case '(':
			if len(open) > 1 { // it is never closed
				open = open[:len(open)-1]
			}
			continue
		case 't':
			header("Content-Type: text/plain\n\n" + word + "\n")
		case 'h':
			header("Content-Type: text/html\n\n<p>" + word + "</p>\n")
		case 'f':
			header("Content-Type: application/pdf; name=a.pdf\n\n" + word)
		case 'b':
			header("Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n" + coded(word))
		case 'q':
			header("Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" + word + "=")
		case 'u':
			header("Content-Transfer-Encoding: x-nobody\n\n" + word)
		case 'e':
			header("Content-Type: message/rfc822\n\nSubject: x\n\n" + word)
		case 'c':
			header("Content-Type: text/calendar\n\n" + word)
		case 'd':
			header("Content-Type: message/delivery-status\n\n" + word)
		default:
			header("X: y\n\n" + word)
		}
		words = append(words, word)
	}
	return b.String(), words
}

// FuzzReports: a report names people by their addresses and in words that we know, is kept as a file whole, and says the same
// when it is written again in the form of RFC 3464. Nobody is called bounced whom the report does not name.
func FuzzReports(f *testing.F) {
	f.Add("could not be delivered to\n<gone@example.net>: 550 5.1.1 no such user\n", "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; gone@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n")
	f.Add("", "Original-Recipient: rfc822;ann@example.net\nFinal-Recipient: utf-8; \\x{e4}@b.example\nAction: delayed\n\nStatus: 4.4.1 (x)")
	f.Add("Delivery is delayed.\nTo: slow@example.net\n", "")
	f.Fuzz(func(t *testing.T, text, status string) {
		if strings.Contains(text+status, "--b") {
			return // it would be a boundary
		}
		raw := reportMail(text, status)
		m, files := parseKeeping(t, raw, Limits{})
		checkMail(t, "report", m)
		if !slices.Contains(files, strings.TrimSuffix(status, "\r")) { // the boundary takes its line end
			t.Errorf("the report %q is not among the files %q", status, files)
		}
		if len(m.Bounced) > maxRecipients {
			t.Errorf("%d recipients", len(m.Bounced))
		}
		named := strings.ToLower(m.Text + fmt.Sprintf("%q", status) + headerLine(status) + status)
		again := ""
		for _, b := range m.Bounced {
			if _, domain, ok := strings.Cut(b.Address, "@"); !ok || domain == "" || strings.ContainsAny(b.Address, " \t\r\n<>") {
				t.Errorf("address %q", b.Address)
			}
			if b.Action != actionFailed && b.Action != actionDelayed && b.Action != "delivered" && b.Action != "relayed" && b.Action != "expanded" {
				t.Errorf("action %q", b.Action)
			}
			if b.Status != "" && enhanced(b.Status) != b.Status {
				t.Errorf("status %q", b.Status)
			}
			if strings.ContainsAny(b.Diagnostic, "\r\n") || !utf8.ValidString(b.Diagnostic) || len(b.Diagnostic) > 1000 {
				t.Errorf("diagnostic %q", b.Diagnostic)
			}
			if local, _, _ := strings.Cut(b.Address, "@"); plain(local) && !strings.Contains(named, local) {
				t.Errorf("%q is not named in %q, %q", b.Address, text, status)
			}
			again += "Final-Recipient: rfc822; " + b.Address + "\nAction: " + b.Action + "\nStatus: " + b.Status + "\n"
			if b.Status == "" {
				return // it is found again in the words
			}
			again += "\n"
		}
		second, _ := parseKeeping(t, reportMail("could not be delivered", again), Limits{})
		for i, b := range second.Bounced {
			if i < len(m.Bounced) && plain(m.Bounced[i].Address) && m.Bounced[i].Diagnostic == "" && b != m.Bounced[i] {
				t.Errorf("%+v is read again as %+v", m.Bounced[i], b)
			}
		}
	})
}

// reportMail gives a mail with a delivery report, and with what it says to people.
func reportMail(text, status string) string {
	return "From: mailer-daemon@mx.example.net\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n" + text +
		"\n--b\nContent-Type: message/delivery-status\n\n" + status + "\n--b--\n"
}

// plain tells whether an address has nothing that could be written in two ways.
func plain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789@.-") == ""
}
