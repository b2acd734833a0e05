package mailmsg

import (
	"fmt"
	"strings"
	"testing"
)

func TestI7_FilesInsideATextCountAsParts(t *testing.T) {
	t.Parallel()
	const file = "begin 644 a.txt\n#0V%T\n`\nend\n"
	m, err := Parse(strings.NewReader("From: a@b.example\n\n"+strings.Repeat(file, 5)+"after\n"), ParseOptions{Limits: Limits{Parts: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Attachments) != 3 || !m.Truncated || m.Text != strings.Repeat(file, 2)+"after" {
		t.Errorf("%d files, truncated: %t, text %q", len(m.Attachments), m.Truncated, m.Text)
	}
}

func TestI7_HeadersOfAllPartsAreBounded(t *testing.T) {
	t.Parallel()
	part := func(i int) string { return fmt.Sprintf("--b\nX-Long: %s\n\npart %d\n", strings.Repeat("x", 1000), i) }
	raw := "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n" + part(1) + part(2) + part(3) + part(4) + "--b--\n"
	m, files := parseKeeping(t, raw, Limits{Work: 2500})
	if !m.Truncated || len(files) != 1 || m.Text != "part 1\n\npart 2\n\npart 3" || !strings.HasSuffix(files[0], "part 4\n--b--\n") {
		t.Errorf("truncated: %t, text %q, files %.60q", m.Truncated, m.Text, files)
	}
	report := "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\n" + strings.Repeat("X: y\n", 300) + "\n"
	if m, _ := parseKeeping(t, "From: a@b.example\nContent-Type: multipart/report; boundary=b\n\n"+strings.Repeat(report, 9)+"--b--\n", Limits{Work: 2500}); !m.Truncated || len(m.Attachments) != 3 {
		t.Errorf("reports: truncated: %t, %d files", m.Truncated, len(m.Attachments))
	}
}

func TestI7_AddressesBeyondTheLimitAreLeftOutWhole(t *testing.T) {
	t.Parallel()
	to := strings.Repeat("Ann <ann@example.net>, ", maxValue/23) + "bob@example.net.evil.example"
	m := parse(t, "From: a@b.example\nTo: "+to+"\nTo: late@example.net\nReply-To: "+strings.Repeat("x", maxValue)+"@example.net\n\nx")
	if len(m.To) < 1000 || len(m.ReplyTo) != 0 || len(m.Defects) == 0 || m.From.Email != "a@b.example" || m.FromUnsure {
		t.Errorf("to %d, reply to %v, from %v, defects %q", len(m.To), m.ReplyTo, m.From, m.Defects)
	}
	for _, a := range m.To {
		if a.Email != "ann@example.net" {
			t.Errorf("to %q", a.Email)
		}
	}
}

// TestI7_NoMailTakesTimeBeyondItsSize reads what would take minutes where a loop in a loop goes over the same bytes.
func TestI7_NoMailTakesTimeBeyondItsSize(t *testing.T) {
	t.Parallel()
	const from = "From: ann@example.net\n"
	fill := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	parts := func(n int, part string) string {
		return from + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n"+part+"\n", n) + "--b--\n"
	}
	fields := func(name, value string) string {
		return strings.Repeat(name+": "+value+"\n", (1<<20)/(len(name)+len(value)+3))
	}
	badWords := fill("=?a?x? ", 1<<20-500) + "?="
	nested := fill("<b>x</b>", 500_000)
	for i := range 24 {
		nested = fmt.Sprintf("Content-Type: multipart/alternative; boundary=a%[1]d\n\n--a%[1]d\n\n \n--a%[1]d\nContent-Type: multipart/mixed; boundary=m%[1]d\n\n--m%[1]d\n%[2]s\n--m%[1]d\n\nx\n--m%[1]d--\n--a%[1]d--\n",
			i, map[bool]string{true: "Content-Type: text/html\n\n" + nested, false: nested}[i == 0])
	}
	encoded := "--e0\n\n" + fill("x\n", 1<<20)
	for i := range 24 {
		encoded = fmt.Sprintf("--e%[2]d\nContent-Type: multipart/mixed; boundary=e%[1]d\nContent-Transfer-Encoding: quoted-printable\nX: =3D\n\n%[3]s", i, i+1, encoded)
	}
	encoded = "Content-Type: multipart/mixed; boundary=e24\nContent-Transfer-Encoding: quoted-printable\n\n" + encoded
	for name, raw := range map[string]string{
		"words in subject":      "Subject: " + badWords + "\n\n",
		"words in names":        parts(40, `Content-Disposition: attachment; filename="`+badWords+"\"\n\nx"),
		"words in types":        parts(40, `Content-Type: application/pdf; name="`+badWords+"\"\n\nx"),
		"words that end":        parts(40, `Content-Disposition: attachment; filename="`+fill("=?a?q?x?=AA", 1<<20-500)+"\"\n\nx"),
		"words of charsets":     parts(40, `Content-Disposition: attachment; filename="`+fill("=?iso-2022-jp?q?x?= =?big5?q?x?= ", 1<<20-500)+"\"\n\nx"),
		"words in addresses":    fields("To", "=?a?x? =?a?x? <a@b.example>") + fields("Cc", badWords[:200]) + "\n",
		"extended names":        parts(40, "Content-Disposition: attachment"+fill("; filename*0*=%e4", 1<<20-500)+"\n\nx"),
		"one extended name":     parts(40, "Content-Disposition: attachment; filename*=utf-8''"+fill("\u4e2d", 1<<20-500)+"\n\nx"),
		"parameters":            parts(40, "Content-Type: text/plain"+fill(";a=\"\\\"\"", 1<<20-500)+"\n\nx"),
		"fields":                parts(300, fields("a", "b")[:10_000]+"\nx"),
		"commas in angles":      fields("To", "<"+fill(",", 100_000)+">") + "\n",
		"colons":                "To: x," + fill(" ", 500_000) + "@" + fill(":", 500_000) + "\n\n",
		"colons within bounds":  everyAddressField("x,"+fill(" ", maxValue/2)+"@"+fill(":", maxValue/2)) + "\n",
		"quotes in addresses":   "From: " + fill(`"\"`, 1<<20-500) + "\n\n",
		"one character each":    "Cc: " + fill("x,", 1<<20-500) + "\n\n",
		"comments":              fields("To", fill("(a)", 100_000)+fill("a@b ", 100_000)) + "\n",
		"failed recipients":     fields("X-Failed-Recipients", "a@b.example,c@d.example") + "\n" + fill("5xx\n", 1<<20),
		"failures in one":       "X-Failed-Recipients: " + fill("a@b.example,", 1<<20-500) + "\n\n" + fill("5.\n", 1<<20),
		"plain bounce":          "From: mailer-daemon@b.example\nReturn-Path: <>\nSubject: undeliverable\n\n" + fill("<"+fill("a@", 300)+">\n\n", 1<<20),
		"references":            "References: " + fill("<>", 500_000) + fill("< <", 500_000) + "\nIn-Reply-To: " + fill("a@ ", 500_000) + "\n\n",
		"original ids":          fields("X-Google-Original-Message-Id", fill("<<", 400)) + "\n",
		"automatic fields":      fields("Precedence", fill("x ", 400)) + "\n",
		"results":               fields("Authentication-Results", "mx.example; a=b c.d=e "+fill("(", 400)) + "\n",
		"results in one":        "Authentication-Results: mx.example" + fill("; a=\"b\" c . d = e (f)", 1<<20-500) + "\n\n",
		"signatures in header":  fields("DKIM-Signature", fill("d=; ", 400)) + "\n",
		"failed, and words":     "From: mailer-daemon@b.example\nX-Failed-Recipients: " + strings.TrimSuffix(fill("someone@b.example, ", 100_000), ", ") + "\n\n" + fill("could not be delivered to <x@b.example>: 550 5.1.1 no\n", 64<<10),
		"recipients in text":    "From: mailer-daemon@b.example\n\ncould not be delivered\n" + fill("<x@b.example>\n 550 5.1.1 no\n", 64<<10),
		"delivery reports":      parts(300, "Content-Type: message/delivery-status\n\n"+recipients(999)+fill("Final-Recipient: rfc822;r998@b.example\n\n", 100_000)),
		"reported addresses":    parts(60, "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; x,"+fill(" ", 120_000)+"@"+fill(":", 120_000)+"\n"),
		"nested mails":          parts(300, "Content-Type: message/rfc822\n\nSubject: "+fill("=?a?x? ", 100_000)),
		"short introductions":   from + "\n" + fill("on:\n", 1<<20),
		"introductions":         from + "\n" + fill("on 1 wrote\nx:\n", 1<<20),
		"marked introductions":  from + "\n" + fill("x 1:\n> y\n", 1<<20),
		"long introductions":    from + "\n" + fill(fill("on 1 ", 30_000)+":\n> x\n", 1<<20),
		"blanks":                from + "\n" + fill("wrote:"+fill("\n", 100)+"> x\n", 1<<20),
		"blank lines":           from + "\nwrote:" + fill(" \n", 1<<20),
		"labels":                from + "\n" + fill("Sent: x\nTo: y\n", 1<<20),
		"separators":            from + "\n" + fill("--- x\n", 1<<20),
		"signatures":            from + "\n" + fill("x\n\nregards\n_\n", 1<<20),
		"marks":                 from + "\n" + fill("-- \n", 1<<20),
		"marks and quotes":      from + "\n" + fill("x\n-- \n> y\n", 1<<20),
		"dashes and words":      from + "\n" + fill("x y z.\n--\u00a0\n", 1<<20),
		"fields in text":        from + "\n" + fill("Von: x\n\nDatum: 2.3.2026\n", 1<<20),
		"quoted ends":           parts(2, "Content-Transfer-Encoding: quoted-printable\n\n"+fill("="+fill(" ", 254), 1<<20)),
		"nested alternatives":   from + nested,
		"files in text":         from + "\n" + fill("begin 644 a\n#0V%T\nend\n", 1<<20),
		"epilogues":             from + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n" + fill("--b--\ny\n", 1<<20),
		"preamble":              from + "Content-Type: multipart/mixed; boundary=b\n\n" + fill("mime. ", 1<<20) + "\n--b\n\nx\n--b--\n",
		"encoded in encoded":    from + encoded,
		"repeated behind marks": from + "\n" + fill(">", 500_000) + " a b c d e f " + fill("x ", 200_000) + " a b c d e f\n",
		"repeated in lines":     from + "\n" + fill("> a b c d e f x\n\ny\n", 1<<20),
		"repeated headers":      from + "\n" + fill("x: 10:00\ny: z\n\na b c d e f\n\n", 1<<20),
		"flowing":               from + "Content-Type: text/plain; format=flowed\n\n" + fill("> > >> \n", 1<<20),
	} {
		t.Run(name, func(t *testing.T) { readAtLast(t, raw) })
	}
}

// everyAddressField gives a header in which each field of addresses has the value.
func everyAddressField(value string) string {
	var b strings.Builder
	for _, name := range []string{"From", "To", "Cc", "Reply-To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "X-Failed-Recipients"} {
		b.WriteString(name + ": " + value + "\n")
	}
	return b.String()
}

// recipients gives the blocks of a delivery report about n people.
func recipients(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Final-Recipient: rfc822;r%d@b.example\n\n", i)
	}
	return b.String()
}
