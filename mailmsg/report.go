package mailmsg

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"postern/desk"
)

const (
	maxReport        = 256 << 10 // bytes of a report that are read
	maxRecipients    = 1000      // of one report
	maxReportAddress = 1000      // bytes of an address in a report
)

// reports collects what the machine-readable parts of a mail say.
type reports struct {
	typ                 string // the report-type of a multipart/report
	dsn, receipt, abuse bool
}

func (r *reports) kind(reportType string) {
	if r.typ == "" {
		r.typ = firstToken(reportType)
		if r.typ == "" {
			r.typ = "unknown"
		}
	}
}

// reportType tells which media types may say something about an earlier mail.
func reportType(mediaType string) bool {
	switch mediaType {
	case "message/delivery-status", "message/global-delivery-status", "message/disposition-notification", "message/feedback-report",
		"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers":
		return true
	}
	return false
}

// report reads a part about another mail, and keeps it as a file.
func (p *parser) report(r io.Reader, mediaType string, file desk.Attachment) error {
	var head bytes.Buffer
	if err := p.attach(&teeReader{r: r, keep: &head}, file); err != nil {
		return err
	}
	p.work += head.Len()
	src := newSource(bytes.NewReader(head.Bytes()), maxReport)
	switch mediaType {
	case "message/delivery-status", "message/global-delivery-status":
		p.reports.dsn = true
		p.deliveryStatus(src)
	case "message/disposition-notification":
		p.reports.receipt = true
		p.original(p.block(src).get("original-message-id"))
	case "message/feedback-report":
		p.reports.abuse = true
		h := p.block(src)
		for _, v := range h.all("original-rcpt-to") {
			p.bounced(desk.BouncedRecipient{Address: reportAddress(v), Action: "complained"})
		}
	default:
		h := p.block(src)
		if p.reports.typ != "" {
			p.original(h.get("message-id"))
		}
		last := &p.mail.Attachments[len(p.mail.Attachments)-1]
		if subject := headerLine(h.get("subject")); subject != "" && file.Name == "" && mediaType != "text/rfc822-headers" {
			last.Name = SafeFileName(subject + ".eml")
		}
	}
	return nil
}

// teeReader keeps the beginning of what passes through.
type teeReader struct {
	r    io.Reader
	keep *bytes.Buffer
}

func (t *teeReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if room := maxReport - t.keep.Len(); room > 0 {
		t.keep.Write(p[:min(n, room)])
	}
	return n, err
}

// block reads a block of fields in a report.
func (p *parser) block(s *source) header {
	r := headerReader{limits: p.limits, defect: func(string) {}}
	return r.read(s, false)
}

// original notes the id of the mail that a report is about. The first that says so counts.
func (p *parser) original(raw string) {
	if id, ok := ParseMessageID(raw); ok && p.mail.BouncedMessageID == "" {
		p.mail.BouncedMessageID = id
	}
}

func (p *parser) bounced(b desk.BouncedRecipient) {
	if b.Address == "" || len(p.mail.Bounced) == maxRecipients || p.failed[b] {
		return
	}
	if p.failed == nil {
		p.failed = map[desk.BouncedRecipient]bool{}
	}
	p.failed[b] = true
	p.mail.Bounced = append(p.mail.Bounced, b)
}

// deliveryStatus reads the blocks of RFC 3464: one about the mail, then one about each recipient.
func (p *parser) deliveryStatus(s *source) {
	for n := 0; n < 2*maxRecipients && s.pos < s.end; n++ {
		h := p.block(s)
		if len(h) == 0 {
			if len(s.peekLine(1)) == 0 {
				return
			}
			continue
		}
		p.original(h.get("x-original-message-id"))
		address := reportAddress(h.get("final-recipient"))
		if original := reportAddress(h.get("original-recipient")); original != "" {
			address = original // the one we wrote to
		}
		p.bounced(desk.BouncedRecipient{
			Address:    address,
			Action:     firstToken(h.get("action")),
			Status:     statusCode(h.get("status")),
			Diagnostic: diagnostic(h.get("diagnostic-code")),
		})
	}
}

// reportAddress reads "rfc822; ann@example.com".
func reportAddress(v string) string {
	if kind, rest, ok := strings.Cut(v, ";"); ok && !strings.Contains(kind, "@") {
		v = rest
	}
	if v = strings.TrimSpace(v); len(v) > maxReportAddress {
		return ""
	}
	list, _ := parseAddresses(v)
	if len(list) == 0 {
		return ""
	}
	return list[0].Email
}

// diagnostic gives the text of "smtp; 550 no such user".
func diagnostic(v string) string {
	if kind, rest, ok := strings.Cut(v, ";"); ok && !strings.ContainsAny(strings.TrimSpace(kind), " ") {
		v = rest
	}
	v = headerLine(v)
	if len(v) > 1000 {
		v = strings.ToValidUTF8(v[:1000], "")
	}
	return v
}

var enhancedStatus = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)

// statusCode finds an enhanced status code (RFC 3463).
func statusCode(v string) string { return enhancedStatus.FindString(v) }

var (
	qmailRecipient = regexp.MustCompile(`(?m)^<([^<>\s]{1,200}@[^<>\s]{1,200})>:?[ \t]*\n(.{0,500})`)
	replyCode      = regexp.MustCompile(`\b[45]\d\d\b`)
	textID         = regexp.MustCompile(`(?im)^\s*message-id:\s*(<[^<>\n]{1,500}>)`)
)

// plainBounce reads a bounce that has no machine-readable part, from the header Exim writes or the text qmail writes.
func (p *parser) plainBounce(h header) bool {
	m := &p.mail
	text := m.Text
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	failed := addressField(h, "x-failed-recipients")
	found := len(failed) > 0
	if found {
		status, why := statusCode(text), bounceLine(text)
		for _, a := range failed {
			p.bounced(desk.BouncedRecipient{Address: a.Email, Action: "failed", Status: status, Diagnostic: why})
		}
	}
	if !found && fromDaemon(m.From.Email, m.NullReturnPath) && bounceWords(m.Subject, text) {
		found = true
		for _, hit := range qmailRecipient.FindAllStringSubmatch(text, 100) {
			if list, _ := parseAddresses(hit[1]); len(list) == 1 {
				p.bounced(desk.BouncedRecipient{Address: list[0].Email, Action: "failed", Status: statusCode(hit[2]), Diagnostic: diagnostic(hit[2])})
			}
		}
	}
	if found {
		if hit := textID.FindStringSubmatch(text); hit != nil {
			p.original(hit[1])
		}
	}
	return found
}

// bounceLine gives the line of a bounce that says why.
func bounceLine(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if replyCode.MatchString(line) {
			return diagnostic(strings.TrimSpace(line))
		}
	}
	return ""
}

func fromDaemon(email string, nullReturnPath bool) bool {
	local := desk.LocalPart(email)
	return local == "mailer-daemon" || local == "postmaster" || local == "mail-daemon" || nullReturnPath
}

// bounceWords tells whether subject or text speak of a mail that was not delivered.
func bounceWords(subject, text string) bool {
	if strings.Contains(text, "This is the qmail-send program") || strings.Contains(text, "This message was created automatically by mail delivery software") {
		return true
	}
	subject = strings.ToLower(subject)
	for _, words := range []string{
		"undeliver", "delivery failure", "delivery status notification", "mail delivery failed", "delivery failed", "returned mail", "failure notice",
		"unzustellbar", "nicht zugestellt", "non remis", "non distribu", "no se puede entregar", "no entregado", "mancato recapito", "não entregue",
		"onbestelbaar", "niet bezorgd", "niedostarczon", "nedoruč", "не доставлено", "недоставлен", "配信不能", "配信できません", "退信",
	} {
		if strings.Contains(subject, words) {
			return true
		}
	}
	return false
}
