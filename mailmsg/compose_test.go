package mailmsg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"

	"postern/desk"
)

func file(name, kind, content string) DraftFile {
	return DraftFile{Name: name, Type: kind, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func draft() Draft {
	return Draft{
		From: desk.Address{Name: "Büro, Support", Email: "support@example.com"}, To: []desk.Address{{Name: "Ann Lee", Email: "ann@example.net"}},
		Subject: "Re: Drucker für Büro", Date: time.Date(2026, 3, 2, 11, 0, 0, 0, time.FixedZone("", 3600)), MessageID: "m.abc@example.com",
		InReplyTo: "1@example.net", References: []desk.MessageID{"t.abc@example.com", "1@example.net"}, Text: "Hallo Ann,\n\nschön.\n",
		Headers: []HeaderField{{"Auto-Submitted", "auto-replied"}}, Seed: "row-1",
	}
}

func composed(t *testing.T, d Draft) string {
	t.Helper()
	var b bytes.Buffer
	if err := Compose(&b, d); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("a line of %d bytes, or with bare line ends: %.80q", len(line), line)
		}
	}
	return b.String()
}

func TestComposeText(t *testing.T) {
	t.Parallel()
	want := crlf(`Date: Mon, 02 Mar 2026 10:00:00 +0000
From: =?utf-8?q?B=C3=BCro=2C_Support?= <support@example.com>
To: Ann Lee <ann@example.net>
Subject: =?utf-8?q?Re=3A_Drucker_f=C3=BCr_B=C3=BCro?=
Message-ID: <m.abc@example.com>
In-Reply-To: <1@example.net>
References: <t.abc@example.com> <1@example.net>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

Hallo Ann,

sch=C3=B6n.
`)
	if got := composed(t, draft()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func fullDraft() Draft {
	d := draft()
	d.Cc = []desk.Address{{Name: `Bob "B" O'Neil`, Email: "bob@example.org"}}
	d.ReplyTo = []desk.Address{{Email: "support+aaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com"}}
	d.HTML = `<p>schön <img src="cid:logo@example.com"></p>`
	logo := file("logo.png", "image/png", "\x89PNG")
	logo.Inline, logo.ContentID = true, "logo@example.com"
	d.Attachments = []DraftFile{logo, file("Übersicht über das Quartal und noch viel mehr als das, was in eine Zeile passt.pdf", "application/pdf", strings.Repeat("%PDF", 1000))}
	return d
}

func TestComposeIsDeterministicAndReadable(t *testing.T) {
	t.Parallel()
	d := fullDraft()
	raw := composed(t, d)
	if again := composed(t, d); again != raw {
		t.Error("the second time it is different")
	}
	d.Seed = "row-2"
	if other := composed(t, d); other == raw {
		t.Error("the seed doesn't matter")
	}
	m, files := parseKeeping(t, raw, Limits{})
	if m.Text != strings.TrimSpace(d.Text) || m.Subject != d.Subject || m.From != d.From || fmt.Sprint(m.To, m.Cc, m.ReplyTo) != fmt.Sprint(d.To, d.Cc, d.ReplyTo) || !m.Date.Equal(d.Date) ||
		m.HTML != d.HTML || m.MessageID != d.MessageID || fmt.Sprint(m.References) != fmt.Sprint(d.References) || len(m.Defects) > 0 || m.FromUnsure {
		t.Errorf("read back as %+v", m)
	}
	if len(files) != 2 || files[0] != "\x89PNG" || files[1] != strings.Repeat("%PDF", 1000) || m.Attachments[1].Name != d.Attachments[1].Name || m.Attachments[0].ContentID != "logo@example.com" || !m.Attachments[0].Inline || m.Attachments[1].Inline {
		t.Errorf("attachments %+v", m.Attachments)
	}
	if _, err := mail.ReadMessage(strings.NewReader(raw)); err != nil {
		t.Error(err)
	}
}

// TestO9_NothingInjects puts every character that could end a value into every value that people choose.
func TestAddressesAreWrittenAsTheNetworkKnowsThem(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"example.net": "example.net", "bücher.example": "xn--bcher-kva.example", "ab--cd.example": "ab--cd.example", "": "", "a..b": "", "a b.example": "", "a\x00.example": "", "a_b.example": "",
	} {
		got, err := ASCIIDomain(domain)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", domain, got, err)
		}
		d := draft()
		d.To[0].Email = "ann@" + domain
		if err := Compose(io.Discard, d); (err == nil) != (want != "") {
			t.Errorf("a mail to %q: %v", domain, err)
		}
	}
}

func TestO9_NothingInjects(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{"x\r\nBcc: evil@example.net\r\n\r\n<script>", "x\nBcc: evil@example.net", "x\rBcc: evil@example.net", "x\x00\r\n\tBcc: y", "\u2028Bcc: z", "=?utf-8?q?=0D=0ABcc:_evil?="} {
		d := draft()
		d.From.Name, d.Subject, d.To[0].Name = evil, evil, evil
		d.Headers = append(d.Headers, HeaderField{"List-Unsubscribe", evil})
		d.References = append(d.References, desk.MessageID(evil))
		d.InReplyTo = desk.MessageID(evil)
		f := file(evil, "text/plain\r\nBcc: evil@example.net", "x")
		f.ContentID = evil
		d.Attachments = []DraftFile{f}
		raw := composed(t, d)
		m, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Header["Bcc"]) > 0 || len(m.Header["Subject"]) != 1 || strings.Contains(raw, "\r\nBcc") || strings.Contains(raw, "\r\n\tBcc") {
			t.Errorf("%q:\n%s", evil, raw)
		}
		for what, change := range map[string]func(*Draft){
			"address":    func(d *Draft) { d.To[0].Email = "ann@example.net" + evil },
			"local part": func(d *Draft) { d.To[0].Email = evil + "@example.net" },
			"id":         func(d *Draft) { d.MessageID = desk.MessageID(evil) },
			"name":       func(d *Draft) { d.Headers = []HeaderField{{evil, "x"}} },
			"own name":   func(d *Draft) { d.Headers = []HeaderField{{"Bcc", "x@example.net"}} },
		} {
			d := draft()
			change(&d)
			if err := Compose(io.Discard, d); !errors.Is(err, ErrDraft) && !(what != "name" && what != "own name" && !strings.ContainsAny(evil, "\r\n\x00\u2028")) {
				t.Errorf("%s %q: error %v", what, evil, err)
			}
		}
	}
}

func TestComposeLongAndOddValues(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "ü", strings.Repeat("x", 3000), strings.Repeat("wort ", 400), strings.Repeat("日本語", 300), "two  blanks", "=?utf-8?q?x?=", `"quoted" \ back`, "a\u00a0b", "😀" + strings.Repeat("é", 100), "ends =", "tab"} {
		d := draft()
		d.Subject, d.To[0].Name, d.Attachments = s, s, []DraftFile{file(s, "", "x")}
		m := parse(t, composed(t, d))
		if want := words(s); words(m.Subject) != want {
			t.Errorf("subject %.60q became %.60q", s, m.Subject)
		}
		if want := SafeFileName(s); m.Attachments[0].Name != want {
			t.Errorf("file %.60q became %.60q", want, m.Attachments[0].Name)
		}
	}
}

func TestComposeBodiesSurvive(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"From here\nto there", ".\n..", strings.Repeat("x", 5000), "a \nb\t\n", "--=_abc", "tab\tü", "a\r\nb\rc"} {
		d := draft()
		d.Text = s
		want := strings.Trim(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n")
		if m := parse(t, composed(t, d)); m.Text != want {
			t.Errorf("%.40q became %.40q", s, m.Text)
		}
	}
}

func FuzzCompose(f *testing.F) {
	f.Add([]byte(crlf("From: Ann <ann@example.net>\nTo: b@example.com\nSubject: s\nDate: Mon, 2 Mar 2026 10:00:00 +0000\nMessage-ID: <a@b>\nContent-Type: text/html\n\n<p>x</p>")))
	f.Add(sampleMail(2000, true))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(bytes.NewReader(raw), ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d := Draft{From: m.From, To: m.To, Cc: m.Cc, ReplyTo: m.ReplyTo, Subject: m.Subject, Date: m.Date, MessageID: m.MessageID, References: m.References, Text: m.Text, HTML: m.HTML, Seed: "s"}
		for _, a := range m.Attachments {
			d.Attachments = append(d.Attachments, file(a.Name, a.Type, a.SHA256))
		}
		var b bytes.Buffer
		if err := Compose(&b, d); err != nil {
			if !errors.Is(err, ErrDraft) {
				t.Fatal(err)
			}
			return
		}
		again, err := Parse(bytes.NewReader(b.Bytes()), ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if again.From.Email != m.From.Email || again.Subject != m.Subject || len(again.To) != len(m.To) || again.MessageID != m.MessageID || len(again.Attachments) != len(m.Attachments) ||
			words(again.Text) != words(m.Text) || again.HTML != m.HTML && m.HTML != "" || !again.Date.Equal(m.Date) {
			t.Errorf("%q\nbecame\n%q\n%+v\n%+v", raw, b.Bytes(), m, again)
		}
	})
}
