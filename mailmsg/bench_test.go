package mailmsg

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	_ "github.com/emersion/go-message/charset"
	"github.com/emersion/go-message/mail"
)

// sampleMail gives a mail as customers write them: text, the same as HTML, and a file, of about size bytes.
func sampleMail(size int, html bool) []byte {
	var b strings.Builder
	b.WriteString("Received: from mx.example.net (mx.example.net [192.0.2.1])\r\n\tby mail.example.com with ESMTPS id abc\r\n\tfor <support@example.com>; Mon, 02 Mar 2026 10:00:00 +0000\r\n" +
		"From: =?utf-8?q?Ann_M=C3=BCller?= <ann@example.net>\r\nTo: Support <support@example.com>\r\nSubject: =?utf-8?q?Drucker_f=C3=BCr_B=C3=BCro?=\r\n" +
		"Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\nReferences: <a@example.com> <b@example.com>\r\nMIME-Version: 1.0\r\n")
	text := "Hallo,\r\n\r\nder Drucker im zweiten Stock geht nicht mehr. Er blinkt nur noch rot.\r\nK=C3=B6nnen Sie helfen?\r\n\r\n> Zitat einer =C3=A4lteren Nachricht\r\n> noch eine Zeile\r\n\r\n-- \r\nAnn\r\n"
	if !html {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		for b.Len() < size {
			b.WriteString(text)
		}
		return []byte(b.String())
	}
	b.WriteString("Content-Type: multipart/mixed; boundary=\"=_m\"\r\n\r\n--=_m\r\nContent-Type: multipart/alternative; boundary=\"=_a\"\r\n\r\n--=_a\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("Der Drucker im zweiten Stock geht nicht mehr f=C3=BCr uns.\r\n", 15) + text + "\r\n--=_a\r\n" +
		"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body><p>Hallo,</p><p>der Drucker im zweiten Stock geht nicht mehr. Er blinkt nur noch rot.<br>K=F6nnen Sie helfen?</p>\r\n<blockquote>Zitat einer =E4lteren Nachricht<br>noch eine Zeile</blockquote>\r\n" +
		strings.Repeat("<p class=3D\"x\">Der Drucker im <b>zweiten</b> Stock geht nicht mehr f=FCr <a href=3D\"https://example.net/a?b=3D1\">uns</a>.</p>\r\n", 15) +
		"</body></html>\r\n--=_a--\r\n--=_m\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for b.Len() < size {
		b.WriteString(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("%PDF-1"), 9)) + "\r\n")
	}
	b.WriteString("\r\n--=_m--\r\n")
	return []byte(b.String())
}

// readAll is what go-message needs to read a mail in full: each part decoded, in memory.
func readAll(r io.Reader) error {
	m, err := mail.CreateReader(r)
	if err != nil {
		return err
	}
	for {
		part, err := m.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.ReadAll(part.Body); err != nil {
			return err
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"text4K", sampleMail(4<<10, false)},
		{"text100K", sampleMail(100<<10, false)},
		{"html10K", sampleMail(10<<10, true)},
		{"html1M", sampleMail(1<<20, true)},
	} {
		b.Run(c.name+"/mailmsg", func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(bytes.NewReader(c.raw), ParseOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/go-message", func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if err := readAll(bytes.NewReader(c.raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
