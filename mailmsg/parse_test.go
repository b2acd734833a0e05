package mailmsg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"postern/desk"
)

// crlf gives the bytes of a mail written with "\n".
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func parse(t *testing.T, raw string) desk.Mail {
	t.Helper()
	m, err := Parse(strings.NewReader(raw), ParseOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	checkMail(t, "mail", m)
	return m
}

// parseKeeping also gives what was attached.
func parseKeeping(t *testing.T, raw string, l Limits) (desk.Mail, []string) {
	t.Helper()
	var files []string
	m, err := Parse(strings.NewReader(raw), ParseOptions{Limits: l, Attach: func(r io.Reader) (string, int64, error) {
		b, err := io.ReadAll(r)
		files = append(files, string(b))
		return strings.Repeat("0", 64), int64(len(b)), err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return m, files
}

func TestParseOrdinaryMail(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf(`Return-Path: <ann@example.net>
Delivered-To: support@example.com
From: =?utf-8?q?Ann_M=C3=BCller?= <Ann@Example.net>
To: "Support, EU" <support@example.com>, Bob <bob@example.org>
Cc: Team: x@example.org, y@example.org;
Reply-To: ann.mueller@example.net
Subject: =?utf-8?b?RHJ1Y2tlciBmw7w=?= =?utf-8?b?ciBCw7xybw==?=
Date: Mon, 2 Mar 2026 11:00:00 +0100
Message-ID: <1@example.net>
In-Reply-To: <b@example.com>
References: <a@example.com>
 <b@example.com>
X-Google-Original-Message-ID: <orig@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Der Drucker f=C3=BCr das =
B=C3=BCro
`))
	want := desk.Mail{
		Subject: "Drucker für Büro", From: desk.Address{Name: "Ann Müller", Email: "ann@example.net"},
		Text: "Der Drucker für das Büro", HTML: "<p>Der Drucker für das Büro</p>", Reply: "Der Drucker für das Büro", MessageID: "1@example.net", Class: desk.Human,
	}
	if m.Subject != want.Subject || m.From != want.From || m.FromUnsure || m.Text != want.Text || m.HTML != want.HTML || m.Reply != want.Reply || m.MessageID != want.MessageID || m.Class != want.Class {
		t.Errorf("got %+v", m)
	}
	if got := fmt.Sprint(m.To, m.Cc, m.ReplyTo, m.References, m.InReplyTo, m.OriginalIDs, m.DeliveredTo); got !=
		"[Support, EU <support@example.com> Bob <bob@example.org>] [x@example.org y@example.org] [ann.mueller@example.net] [a@example.com b@example.com] [b@example.com] [orig@example.com] [support@example.com]" {
		t.Error(got)
	}
	if !m.Date.Equal(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)) || len(m.Defects) > 0 {
		t.Errorf("date %v, defects %q", m.Date, m.Defects)
	}
}

func TestParseAlternativesAndFiles(t *testing.T) {
	t.Parallel()
	raw := crlf(`From: ann@example.net
Content-Type: multipart/mixed; boundary="m"

This is a multi-part message in MIME format.
--m
Content-Type: multipart/related; boundary=r

--r
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain

text
--a
Content-Type: text/html

<p>html <img src="cid:logo@example.net"></p>
--a--
--r
Content-Type: image/png
Content-ID: <logo@example.net>
Content-Disposition: inline; filename="logo.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--r--
--m
Content-Type: application/pdf; name="=?utf-8?q?=C3=BCbersicht.pdf?="
Content-Transfer-Encoding: base64

JVBE
Rg==
--m
Content-Disposition: attachment; filename*=utf-8''%C3%BC%20x.txt

file
--m--
`)
	m, files := parseKeeping(t, raw, Limits{})
	if m.Text != "text" || m.HTML != `<p>html <img src="cid:logo@example.net"></p>` {
		t.Errorf("text %q, html %q", m.Text, m.HTML)
	}
	var got []string
	for _, a := range m.Attachments {
		got = append(got, fmt.Sprint(a.Name, "|", a.Type, "|", a.Size, "|", a.Inline, "|", a.ContentID))
	}
	if fmt.Sprint(got) != "[logo.png|image/png|8|true|logo@example.net übersicht.pdf|application/pdf|4|false| ü x.txt|text/plain|4|false|]" {
		t.Errorf("attachments %v", got)
	}
	if fmt.Sprintf("%q", files) != `["\x89PNG\r\n\x1a\n" "%PDF" "file"]` {
		t.Errorf("files %q", files)
	}
	if len(m.Defects) != 0 {
		t.Errorf("defects %q", m.Defects)
	}
}

// TestI7_BrokenMailIsRead has what arrives in the wild and stricter readers give up on.
func TestI7_BrokenMailIsRead(t *testing.T) {
	t.Parallel()
	const head = "From: ann@example.net\nSubject: s\n"
	for name, c := range map[string]struct{ raw, text, files string }{
		"mbox line":             {"From ann@example.net Mon Mar  2 10:00:00 2026\n" + head + "\ntext", "text", "[]"},
		"line without colon":    {"From: ann@example.net\nthis is no header\nSubject: s\n\ntext", "text", "[]"},
		"leading fold":          {" folded\n" + head + "\ntext", "text", "[]"},
		"no empty line":         {head + "Hello there\nsecond line", "Hello there\nsecond line", "[]"},
		"no boundary parameter": {head + "Content-Type: multipart/mixed\n\n--b\nContent-Type: text/plain\n\ntext\n--b--\n", "text", "[]"},
		"special boundary":      {head + "Content-Type: multipart/mixed; boundary=a=_b/c:d\n\n--a=_b/c:d\n\ntext\n--a=_b/c:d--\n", "text", "[]"},
		"junk after boundary":   {head + "Content-Type: multipart/mixed; boundary=\"zz\"; foo\n\n--zz\n\ntext\n--zz--\n", "text", "[]"},
		"boundary never there":  {head + "Content-Type: multipart/mixed; boundary=zz\n\ntext", "text", "[]"},
		"no closing boundary":   {head + "Content-Type: multipart/mixed; boundary=zz\n\n--zz\n\ntext", "text", "[]"},
		"inner never closed": {
			head + "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\ntext\n--o\nContent-Type: application/x-y\n\nfile\n--o--\n",
			"text", `["file"]`,
		},
		"bad base64":            {head + "Content-Transfer-Encoding: base64\n\nSGVs*bG8gd2\n9ybGQ=", "Hello world", "[]"},
		"no padding":            {head + "Content-Transfer-Encoding: base64\n\nSGVsbG8gd29ybGQ", "Hello world", "[]"},
		"words after base64":    {head + "Content-Transfer-Encoding: base64\n\ndGV4dA==\n\n____\nA list's footer", "text\n____\nA list's footer", "[]"},
		"base64 twice":          {head + "Content-Transfer-Encoding: base64\n\ndGV4dA==\ndGV4dA==", "texttext", "[]"},
		"no base64 at all":      {head + "Content-Transfer-Encoding: base64\n\nthis is just a text with words", "this is just a text with words", "[]"},
		"bad quoted-printable":  {head + "Content-Transfer-Encoding: quoted-printable\n\n100=% =zz =\n end=", "100=% =zz  end", "[]"},
		"soft break and blanks": {head + "Content-Transfer-Encoding: quoted-printable\n\na= \t\nb", "ab", "[]"},
		"unknown encoding":      {head + "Content-Transfer-Encoding: x-weird\n\ntext", "text", "[]"},
		"encoding with junk":    {head + "Content-Transfer-Encoding: BASE64;\n\ndGV4dA==", "text", "[]"},
		"unknown charset":       {head + "Content-Type: text/plain; charset=x-nobody\n\ngr\xfcn", "grün", "[]"},
		"no charset, latin1":    {head + "\ngr\xfcn", "grün", "[]"},
		"no charset, utf-8":     {head + "\ngrün", "grün", "[]"},
		"utf-8 that isn't":      {head + "Content-Type: text/plain; charset=utf-8\n\ngr\xfcn", "grün", "[]"},
		"latin1 that isn't":     {head + "Content-Type: text/plain; charset=iso-8859-1\n\ngrün", "grün", "[]"},
		"quotes in latin1":      {head + "Content-Type: text/plain; charset=iso-8859-1\n\n\x93a\x94", "“a”", "[]"},
		"japanese":              {head + "Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B$3$s\x1b(B", "こん", "[]"},
		"utf-7":                 {head + "Content-Type: text/plain; charset=utf-7\n\ngr+APw-n", "grün", "[]"},
		"gb2312":                {head + "Content-Type: text/plain; charset=gb2312\n\n\xc4\xe3\xba\xc3", "你好", "[]"},
		"nul":                   {head + "\nte\x00xt", "text", "[]"},
		"bare cr":               {strings.ReplaceAll(head+"\ntext", "\n", "\r"), "text", "[]"},
		"bad content type":      {head + "Content-Type: ;;;\n\ntext", "text", "[]"},
		"type only":             {head + "Content-Type: text\n\ntext", "text", "[]"},
		"uuencoded":             {head + "\ntext\nbegin 644 a.txt\n#0V%T\n`\nend\nafter", "text\nafter", `["Cat"]`},
		"flowed":                {head + "Content-Type: text/plain; format=flowed\n\nlong \nline\n> q \n> r\n-- \nsig", "long line\n> q r\n-- \nsig", "[]"},
		"html only":             {head + "Content-Type: text/html\n\n<p>a</p><p>b</p>", "a\n\nb", "[]"},
		"two texts":             {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--", "one\n\ntwo", "[]"},
		"blank text, real html": {head + "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<b>x</b>\n--b--", "x", "[]"},
		"only a header":         {head, "", "[]"},
		"nothing":               {"", "", "[]"},
		"boundary with blanks":  {head + "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b  \n\ntext\n--b-- \n", "text", "[]"},
		"boundary is a prefix":  {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bc\ntext\n--b--", "--bc\ntext", "[]"},
		"unquoted file name":    {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; filename=my file.pdf\n\nx\n--b--", "", `["x"]`},
		"part without body":     {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n--b\n\ntext\n--b--", "text", "[]"},
		"calendar":              {head + "Content-Type: multipart/alternative; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: text/calendar\n\nBEGIN\n--b--", "text", `["BEGIN"]`},
	} {
		for kind, raw := range map[string]string{"lf": c.raw, "crlf": crlf(c.raw)} {
			if name == "bare cr" && kind == "crlf" {
				continue
			}
			m, files := parseKeeping(t, raw, Limits{})
			if m.Text != c.text || fmt.Sprintf("%q", files) != c.files {
				t.Errorf("%s (%s): text %q, files %q, defects %q", name, kind, m.Text, files, m.Defects)
			}
			if !strings.Contains(raw, "From") || m.From.Email == "ann@example.net" {
				continue
			}
			t.Errorf("%s (%s): from %+v", name, kind, m.From)
		}
	}
}

func TestI7_LimitsKeepTheRest(t *testing.T) {
	t.Parallel()
	const head = "From: ann@example.net\n"
	for name, c := range map[string]struct {
		raw  string
		l    Limits
		text string
		kept string // in what was attached
	}{
		"text":   {head + "\n" + strings.Repeat("line\n", 10) + "last", Limits{Text: 12}, "line\nline", "line\nline\nline\nline\nline\nline\nline\nline\nlast"},
		"size":   {head + "\n" + strings.Repeat("x", 100), Limits{Size: 72}, strings.Repeat("x", 49), strings.Repeat("x", 51)},
		"fields": {head + "A: 1\nB: 2\nC: 3\nD: 4\n\ntext", Limits{Fields: 3}, "text", "C: 3\r\nD: 4\r\n"},
		"header": {head + "A: " + strings.Repeat("x", 200) + "\nB: 2\n\ntext", Limits{HeaderBytes: 100}, "text", "A: " + strings.Repeat("x", 200) + "\r\nB: 2\r\n"},
		"parts":  {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b\n\nthree\n--b--\n", Limits{Parts: 1}, "one", "\ntwo\n--b\n\nthree\n--b--\n"},
		"depth": {
			head + "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntwo\n--b--\n--a--\n",
			Limits{Depth: 1}, "one", "--b\n\ntwo\n--b--",
		},
	} {
		m, files := parseKeeping(t, c.raw, c.l)
		if m.Text != c.text || !m.Truncated || len(files) != 1 || files[0] != c.kept {
			t.Errorf("%s: truncated %v, text %q, files %q", name, m.Truncated, m.Text, files)
		}
	}
}

func TestI7_BombsTakeNoTime(t *testing.T) {
	t.Parallel()
	const head = "From: ann@example.net\n"
	var nested strings.Builder
	nested.WriteString(head + "Content-Type: multipart/mixed; boundary=b0\n\n")
	for i := range 1000 {
		fmt.Fprintf(&nested, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	for name, raw := range map[string]string{
		"fields":         strings.Repeat("X: y\n", 100_000) + "\ntext",
		"one long field": "X: " + strings.Repeat("y", 5<<20) + "\n\ntext",
		"continuations":  head + strings.Repeat(" x\n", 500_000) + "\ntext",
		"bad lines":      head + strings.Repeat("no header\n", 100_000) + "\ntext",
		"parts":          head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 100_000),
		"nesting":        nested.String(),
		"dashes":         head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("--\n", 500_000),
		"long line":      head + "\n" + strings.Repeat("x", 10<<20),
		"addresses":      "From: " + strings.Repeat("<a@example.net>,", 50_000) + "\n\n",
		"quotes":         "From: " + strings.Repeat(`"`, 200_000) + "\n\n",
		"comments":       "From: " + strings.Repeat("(", 200_000) + "\n\n",
		"angles":         "From: " + strings.Repeat("<,", 100_000) + "\n\n",
		"words":          "Subject: " + strings.Repeat("=?utf-8?q?a", 50_000) + "\n\n",
		"word starts":    "Subject: " + strings.Repeat("=?", 200_000) + "\n\n",
		"references":     "References: " + strings.Repeat("<", 400_000) + "\n\n",
		"many ids":       "References: " + strings.Repeat("<a@b>", 100_000) + "\n\n",
		"parameters":     "Content-Type: text/plain" + strings.Repeat("; a=b", 100_000) + "\n\n",
		"html":           "Content-Type: text/html\n\n" + strings.Repeat("<div>", 200_000),
		"introductions":  head + "\n" + strings.Repeat("On 1 wrote:\n> x\n", 30_000),
		"colons":         head + "\n" + strings.Repeat("on 1:\n", 100_000),
		"dashes of text": head + "\n" + strings.Repeat("x\n--\n", 100_000),
		"labels":         head + "\n" + strings.Repeat("From: x\n", 100_000),
		"devices":        head + "\nx\n" + strings.Repeat("sent from my x\n\n", 50_000),
		"uu":             head + "\n" + strings.Repeat("begin 644 a\n#0V%T\n", 30_000),
		"flowed":         head + "Content-Type: text/plain; format=flowed; delsp=yes\n\n" + strings.Repeat("x \n", 300_000),
	} {
		t.Run(name, func(t *testing.T) { readAtLast(t, raw) })
	}
}

// readAtLast reads a mail, and fails if that has no end: it takes a small part of the time allowed.
func readAtLast(t *testing.T, raw string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m := parse(t, raw)
		said := m.Text[max(0, len(m.Text)-maxRecalled/4):] // as if its ticket had that already
		Fold(m.Text, m.Marks, []desk.Said{{Reply: "a b c d e f a b c d e f", Text: said, SameAuthor: true}, {Reply: said}})
	}()
	select {
	case <-done:
	case <-ctx.Done():
		stack := make([]byte, 1<<16)
		t.Fatalf("%d bytes are still being read\n%s", len(raw), stack[:runtime.Stack(stack, true)])
	}
}

func TestParseFailsOnlyWithItsReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	raw := string(sampleMail(3000, true))
	for n := range 40 {
		r := io.MultiReader(strings.NewReader(raw[:n*70]), iotest.ErrReader(broken))
		if _, err := Parse(r, ParseOptions{}); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: error %v", n*70, err)
		}
	}
	_, err := Parse(strings.NewReader(raw), ParseOptions{Attach: func(io.Reader) (string, int64, error) { return "", 0, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("error of Attach became %v", err)
	}
	if _, err := Parse(strings.NewReader(raw), ParseOptions{Attach: func(io.Reader) (string, int64, error) { panic("x") }}); err == nil {
		t.Error("a panic gave no error")
	}
}

// TestParseDependsOnBytesOnly reads the same mail in pieces of every size: where a read ends must not matter.
func TestParseDependsOnBytesOnly(t *testing.T) {
	t.Parallel()
	raw := sampleMail(60<<10, true)
	want, err := Parse(bytes.NewReader(raw), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(raw)), iotest.HalfReader(bytes.NewReader(raw)), iotest.DataErrReader(bytes.NewReader(raw))} {
		got, err := Parse(r, ParseOptions{})
		if err != nil || got.Fingerprint != want.Fingerprint || got.HTML != want.HTML {
			t.Errorf("differs: %v", err)
		}
	}
}

func TestA2_FromThatProvesNothing(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]struct {
		email  string
		unsure bool
	}{
		"From: Ann <ann@example.net>":                                   {"ann@example.net", false},
		"From: ann@example.net":                                         {"ann@example.net", false},
		"From: ann@example.net (Ann)":                                   {"ann@example.net", false},
		"From: \"ann@evil.example\" <ann@example.net>":                  {"ann@example.net", false},
		"From: =?utf-8?q?Ann_=3Cann=40x.example=3E?= <ann@example.net>": {"ann@example.net", false},
		"From: M\xfcller <ann@example.net>":                             {"ann@example.net", false},
		"From: A <a@example.net>\nFrom: B <b@example.net>":              {"", true},
		"From: a@example.net, b@example.net":                            {"", true},
		"From: Team: a@example.net;":                                    {"a@example.net", true},
		"From: =?utf-8?q?a=40victim.example=3Eb?=@evil.example":         {"=?utf-8?q?a=40victim.example=3eb?=@evil.example", true},
		"From: <a@victim.example>b@evil.example":                        {"", true},
		"From: \"a@victim.example\"@evil.example":                       {"", true},
		"From: a(x)@example.net":                                        {"a@example.net", true},
		"From: <@relay.example:a@example.net>":                          {"a@example.net", true},
		"From: a@b@example.net":                                         {"", true},
		"From: Bob <bob@example.net":                                    {"bob@example.net", true},
		"From: Foo. Bar <a.@example.net>":                               {"a.@example.net", true},
		"From: <>":                                                      {"", true},
		"From: nobody":                                                  {"", true},
		"From: Ann \u202egro.elpmaxe <ann@example.net>":                 {"ann@example.net", true},
		"From: Ann <ann\u200b@example.net>":                             {"", true},
		"Subject: x":                                                    {"", true},
	} {
		m := parse(t, raw+"\n\nx")
		if m.From.Email != want.email || m.FromUnsure != want.unsure {
			t.Errorf("%q: %q, unsure %v", raw, m.From.Email, m.FromUnsure)
		}
	}
}

func TestM8_EmptyIDsNeverKept(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "<>", "< >", "<\t>", "<> <>", "<@>", "@", "   "} {
		m := parse(t, "Message-ID: "+v+"\nIn-Reply-To: "+v+"\nReferences: "+v+" <a@example.com> <>\nX-Microsoft-Original-Message-ID: "+v+"\n\n")
		if m.MessageID != "" || len(m.InReplyTo) != 0 || fmt.Sprint(m.References) != "[a@example.com]" || len(m.OriginalIDs) != 0 {
			t.Errorf("%q: %q %q %q %q", v, m.MessageID, m.InReplyTo, m.References, m.OriginalIDs)
		}
	}
}

func TestM9_References(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("<%d@example.com>", i))
	}
	long := strings.Repeat("x", 2000)
	for v, want := range map[string]string{
		"<a@b> <c@d>":                        "[a@b c@d]",
		"<a@b><c@d>":                         "[a@b c@d]",
		"<a@b>, <c@d>":                       "[a@b c@d]",
		"<a@\n b>":                           "[a@b]",
		"a@b c@d":                            "[a@b c@d]",
		"<a@b> <a@b>":                        "[a@b]",
		"Your message of Tuesday <a@b>":      "[a@b]",
		"\"Ann\" <a@b>'s message of 2 March": "[a@b]",
		"<" + long + "@b> <c@d>":             "[c@d]",
		"<a@b":                               "[a@b]",
		"<<a@b>":                             "[a@b]",
		"no id":                              "[]",
		strings.Join(many, " "):              "[0@example.com " + strings.Join(strings.Fields(strings.NewReplacer("<", "", ">", "").Replace(strings.Join(many[151:], " "))), " ") + "]",
	} {
		if got := fmt.Sprint(ParseMessageIDs(strings.ReplaceAll(v, "\n", ""))); got != want {
			t.Errorf("%.60q: got %s, want %s", v, got, want)
		}
	}
}

func TestP15_FileNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.txt": "a.txt", "../../etc/passwd": "passwd", `C:\Users\ann\a.txt`: "a.txt", "": "attachment", "...": "attachment", ".htaccess": "htaccess", "\u200b.htaccess": "htaccess",
		"a\u202etxt.exe": "atxt.exe", "a\x00b\r\n.txt": "ab .txt", "  a  b .txt ": "a b .txt", "con.txt": "_con.txt", "LPT1": "_LPT1", "a<b>:c.txt": "a_b__c.txt",
		"gr\xfcn.txt": "gr_n.txt", "über.txt": "über.txt", strings.Repeat("ä", 200) + ".pdf": strings.Repeat("ä", 98) + ".pdf", "/": "attachment", "a/": "attachment",
	} {
		if got := SafeFileName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if got := SafeFileName(SafeFileName(in)); got != SafeFileName(in) {
			t.Errorf("%q: not stable: %q", in, got)
		}
	}
}

func TestL1_Class(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]desk.Class{
		"From: ann@example.net":                                                               desk.Human,
		"From: ann@example.net\nAuto-Submitted: no":                                           desk.Human,
		"From: ann@example.net\nX-Auto-Response-Suppress: All":                                desk.Human,
		"From: ann@example.net\nPrecedence: first-class":                                      desk.Human,
		"From: ann@example.net\nSubject: Re: out of office hours":                             desk.Human,
		"From: ann@example.net\nReturn-Path: <ann@example.net>":                               desk.Human,
		"From: ann@example.net\nAuto-Submitted: auto-replied (vacation)":                      desk.Automatic,
		"From: ann@example.net\nAuto-Submitted: auto-generated; owner-email=\"x\"":            desk.Automatic,
		"From: ann@example.net\nX-Autoreply: yes":                                             desk.Automatic,
		"From: ann@example.net\nX-Autorespond: Re: x":                                         desk.Automatic,
		"From: ann@example.net\nPrecedence: auto_reply":                                       desk.Automatic,
		"From: ann@example.net\nPrecedence: bulk":                                             desk.Automatic,
		"From: ann@example.net\nPrecedence: junk":                                             desk.Automatic,
		"From: ann@example.net\nReturn-Path: <>":                                              desk.Automatic,
		"From: no-reply@example.net":                                                          desk.Automatic,
		"From: mailer-daemon@example.net":                                                     desk.Automatic,
		"From: postmaster@example.net":                                                        desk.Automatic,
		"From: ann@example.net\nSubject: Out of office printer is broken":                     desk.Human,
		"From: ann@example.net\nSubject: Automatische Antwort: Drucker\nIn-Reply-To: <a@b>":   desk.Automatic,
		"From: ann@example.net\nSubject: Out of Office: x\nReferences: <a@b>":                 desk.Automatic,
		"From: ann@example.net\nList-Id: <l.example.net>":                                     desk.List,
		"From: ann@example.net\nList-Unsubscribe: <mailto:x@example.net>":                     desk.List,
		"From: ann@example.net\nPrecedence: list":                                             desk.List,
		"From: ann@example.net\nList-Id: <l.example.net>\nPrecedence: bulk":                   desk.List,
		"From: ann@example.net\nSender: owner-news@example.net\nPrecedence: bulk":             desk.List,
		"From: ann@example.net\nSender: News <news-owner@example.net>":                        desk.List,
		"From: ann@example.net\nSender: bob@example.net\nPrecedence: bulk":                    desk.Automatic,
		"From: ann@example.net\nSender: owner-news@example.net\nAuto-Submitted: auto-replied": desk.Automatic,
		"From: ann@example.net\nContent-Type: multipart/report; boundary=b; report-type=x":    desk.Automatic,
	} {
		m := parse(t, head+"\n\nx")
		if m.Class != want {
			t.Errorf("%q: %s because %q", head, m.Class, m.Reasons)
		}
		if m.Class != desk.Human && len(m.Reasons) == 0 {
			t.Errorf("%q: no reason for %s", head, m.Class)
		}
	}
}

func TestL2_SuppressedAnswersKeepTheClass(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]bool{"All": true, "DR, RN, AutoReply": true, "OOF": true, "DR, RN, NRN": false, "": false} {
		m := parse(t, "From: ann@example.net\nX-Auto-Response-Suppress: "+v+"\n\nx")
		if m.SuppressAnswers != want || m.Class != desk.Human {
			t.Errorf("%q: %v, %s", v, m.SuppressAnswers, m.Class)
		}
	}
}

func TestL1_AnAwaySubjectAloneOnlySuppressesAnswers(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"Out of office printer is broken", "Automatic reply: your mail", "Abwesenheitsnotiz"} {
		if m := parse(t, "From: ann@example.net\nSubject: "+subject+"\n\nx"); m.Class != desk.Human || !m.SuppressAnswers || len(m.Reasons) != 1 {
			t.Errorf("%q: %s, answers suppressed: %t, because %q", subject, m.Class, m.SuppressAnswers, m.Reasons)
		}
	}
}

func TestL6_Bounce(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf(`From: Mail Delivery System <mailer-daemon@mx.example.net>
Return-Path: <>
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

I'm sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; gone@example.net
Original-Recipient: rfc822;ann@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <gone@example.net>: no such
 user

Final-Recipient: rfc822; slow@example.net
Action: delayed
Status: 4.4.1 (no answer)
--b
Content-Type: message/rfc822

Message-ID: <m.abc@example.com>
Subject: Re: Drucker

old
--b--
`))
	if m.Class != desk.Bounce || m.BouncedMessageID != "m.abc@example.com" || !m.NullReturnPath {
		t.Errorf("class %s, id %q", m.Class, m.BouncedMessageID)
	}
	want := []desk.BouncedRecipient{
		{Address: "ann@example.net", Action: "failed", Status: "5.1.1", Diagnostic: "550 5.1.1 <gone@example.net>: no such user"},
		{Address: "slow@example.net", Action: "delayed", Status: "4.4.1"},
	}
	if fmt.Sprint(m.Bounced) != fmt.Sprint(want) {
		t.Errorf("recipients %+v", m.Bounced)
	}
	if len(m.Attachments) != 2 || m.Attachments[1].Name != "Re_ Drucker.eml" {
		t.Errorf("attachments %+v", m.Attachments)
	}
}

func TestL6_BouncesWithoutReport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, want string }{
		"exim": {
			"From: Mail Delivery System <Mailer-Daemon@mx.example.net>\nX-Failed-Recipients: gone@example.net\nSubject: Mail delivery failed\n\nThis message was created automatically by mail delivery software.\n\n  gone@example.net\n    550 5.1.1 unknown user\n\nMessage-ID: <m.abc@example.com>\n",
			"[{gone@example.net failed 5.1.1 550 5.1.1 unknown user}] m.abc@example.com",
		},
		"qmail": {
			"From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.net.\n\n<gone@example.net>:\n192.0.2.1 does not like recipient. 550 5.1.1 unknown\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <m.abc@example.com>\n",
			"[{gone@example.net failed 5.1.1 192.0.2.1 does not like recipient. 550 5.1.1 unknown}] m.abc@example.com",
		},
	} {
		m := parse(t, c.raw)
		if got := fmt.Sprint(m.Bounced, " ", m.BouncedMessageID); m.Class != desk.Bounce || got != c.want {
			t.Errorf("%s: %s %s", name, m.Class, got)
		}
	}
}

func TestL7_ReceiptsAndComplaints(t *testing.T) {
	t.Parallel()
	receipt := parse(t, "From: ann@example.net\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; ann@example.net\nOriginal-Message-ID: <m.abc@example.com>\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--\n")
	if receipt.Class != desk.Receipt || receipt.BouncedMessageID != "m.abc@example.com" {
		t.Errorf("receipt: %s %q", receipt.Class, receipt.BouncedMessageID)
	}
	complaint := parse(t, "From: abuse@example.net\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nspam\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: <ann@example.net>\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <m.abc@example.com>\n\nx\n--b--\n")
	if complaint.Class != desk.Complaint || complaint.BouncedMessageID != "m.abc@example.com" || len(complaint.Bounced) != 1 || complaint.Bounced[0].Address != "ann@example.net" {
		t.Errorf("complaint: %+v", complaint)
	}
}

func TestI6_FingerprintIsOfTheContent(t *testing.T) {
	t.Parallel()
	base := "From: Ann <ann@example.net>\nDate: Mon, 2 Mar 2026 10:00:00 +0000\nSubject: s\n"
	first := parse(t, base+"\nHällo  Welt\n").Fingerprint
	for name, raw := range map[string]string{
		"other transport": "Received: x\n" + base + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nSMOkbGxvICBXZWx0\n",
		"other blanks":    base + "\nHällo Welt\n\n\n",
		"other zone":      "From: \"Ann\" <ann@example.net>\nDate: Mon, 2 Mar 2026 11:00:00 +0100\nSubject: s\n\nHällo\nWelt",
	} {
		if got := parse(t, raw).Fingerprint; got != first {
			t.Errorf("%s: differs", name)
		}
	}
	for name, raw := range map[string]string{
		"other text":    base + "\nHallo Welt\n",
		"other sender":  strings.Replace(base, "ann@", "bob@", 1) + "\nHällo Welt\n",
		"other subject": strings.Replace(base, ": s", ": t", 1) + "\nHällo Welt\n",
		"a file more":   base + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHällo Welt\n--b\nContent-Type: a/b\n\nx\n--b--",
	} {
		if got := parse(t, raw).Fingerprint; got == first {
			t.Errorf("%s: is the same", name)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, v := range []string{
		"Mon, 2 Mar 2026 10:00:00 +0000", "Mon, 02 Mar 2026 11:00:00 +0100 (CET)", "2 Mar 2026 10:00:00 GMT", "Mon, 2 Mar 2026 12:00:00 GMT+0200", "Mon Mar  2 10:00:00 2026",
		"2026-03-02T10:00:00Z", "2026-03-02 10:00:00", "Mon, 2 Mar 26 10:00:00 +0000", "Montag, 2 Mar 2026 10:00:00 +0000", "Mon, 2 Mar 2026 10.00.00 +0000", "Mon, 2 Mar 2026 6:0:0 +-0400", "2 Mar 26 10:00:00 AM", "Mon, 2 Mar 0126 10:00:00 +0000", "Mon, 02 Mar 2026 10:00:00 Some Standard Time",
	} {
		if got := parseDate(v); !got.Equal(want) {
			t.Errorf("%q: %v", v, got)
		}
	}
	for _, v := range []string{"", "yesterday", "Mon, 99 Mar 2026 10:00:00 +0000", "1 Jan 1900 00:00:00 +0000"} {
		if got := parseDate(v); !got.IsZero() {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestHeaderWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", "=?utf-8?q?a_b?=": "a b", "=?UTF-8?B?w7w=?=": "ü", "=?iso-8859-1?q?=FC?=": "ü", "=?utf-8?q?=C3?= =?utf-8?q?=BC?=": "ü", "a =?utf-8?q?b?= c": "a b c",
		"=?utf-8?q?a?= =?iso-8859-1?q?b?=": "ab", "=?x-nobody?q?gr=FCn?=": "grün", "gr\xfcn": "grün", "=?utf-8?q?unfinished": "=?utf-8?q?unfinished", "=?utf-8?q?a b?=": "a b",
		"=?utf-8?b?w7w?=": "ü", "=?utf-8*de?q?=C3=BC?=": "ü", "=?=?utf-8?q?x?=": "=?x", "a\r\n b": "a b", "=?utf-8?q?a=0D=0ABcc:_x?=": "a Bcc: x",
	} {
		if got := headerLine(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestA3_FieldsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	got, err := Fields(strings.NewReader("Authentication-Results: mx.example.com;\r\n dmarc=pass\r\nReceived: a\r\nauthentication-results: forged\r\n\r\nX: body\r\n"))
	if want := "[{authentication-results mx.example.com; dmarc=pass} {received a} {authentication-results forged}]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v", got, err)
	}
}
