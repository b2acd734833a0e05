package mailmsg

import (
	"bytes"
	"cmp"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

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
	groups              []statusGroup  // of the delivery reports
	enclosed            desk.MessageID // of the first mail that is enclosed
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
		p.feedback(p.block(src))
	default:
		h := p.block(src)
		if id, ok := ParseMessageID(h.get("message-id")); ok && p.reports.enclosed == "" {
			p.reports.enclosed = id
		}
		// Hotmail's reports have no feedback-report, but this field in the mail they enclose.
		if to := reportAddress(h.get("x-hmxmroriginalrecipient")); to != "" {
			p.reports.abuse = true
			p.bounced(desk.BouncedRecipient{Address: to, Action: actionComplained})
		}
		last := &p.mail.Attachments[len(p.mail.Attachments)-1]
		if subject := headerLine(h.get("subject")); subject != "" && file.Name == "" && mediaType != "text/rfc822-headers" {
			last.Name = SafeFileName(subject + ".eml")
		}
	}
	return nil
}

// feedback reads a report of RFC 5965. Of its types (section 7.3, RFC 6591), two complain about nothing: that a mail is no spam,
// and that somebody's authentication failed.
func (p *parser) feedback(h header) {
	switch firstToken(h.get("feedback-type")) {
	case "not-spam", "auth-failure", "dmarc":
		return
	}
	p.reports.abuse = true
	for _, name := range []string{"original-rcpt-to", "removal-recipient"} {
		for _, v := range h.all(name) {
			p.bounced(desk.BouncedRecipient{Address: reportAddress(v), Action: actionComplained})
		}
	}
}

// actionComplained is what we write for a recipient who called a mail spam; reports of delivery have no such action.
const actionComplained = "complained"

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

// deliveryStatus reads the blocks of RFC 3464: one about the mail, then one about each recipient. Real ones forget the empty
// line between two recipients, or put one between a recipient and its fate.
func (p *parser) deliveryStatus(s *source) {
	var groups []statusGroup
	for n := 0; n < 2*maxRecipients && s.pos < s.end; n++ {
		h := p.block(s)
		if len(h) == 0 {
			if len(s.peekLine(1)) == 0 {
				break
			}
			continue
		}
		p.original(h.get("x-original-message-id"))
		p.original(h.get("original-message-id"))
		for _, g := range statusGroups(h) {
			if last := len(groups) - 1; last >= 0 && !g.names() && groups[last].names() && groups[last].action+groups[last].status == "" {
				groups[last].action, groups[last].status = g.action, g.status
				groups[last].diagnostic = cmp.Or(groups[last].diagnostic, g.diagnostic)
				continue
			}
			groups = append(groups, g)
		}
	}
	p.reports.groups = append(p.reports.groups, groups...)
	if len(p.reports.groups) > maxRecipients {
		p.reports.groups = p.reports.groups[:maxRecipients]
	}
}

// statusGroup is what a delivery report says about one recipient, as it came.
type statusGroup struct {
	final, original, actual    string
	action, status, diagnostic string
}

func (g *statusGroup) names() bool { return g.final+g.original+g.actual != "" }

// slot is where the value of a field goes, by what the field is called in reports of all sorts; nil if nothing asks for it.
func (g *statusGroup) slot(name string) *string {
	switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(name) {
	case "finalrecipient", "failedrecipient", "xfailedrecipient", "recipient", "recipientaddress":
		return &g.final
	case "originalrecipient", "xoriginalrecipient":
		return &g.original
	case "xactualrecipient", "actualrecipient":
		return &g.actual
	case "action":
		return &g.action
	case "status":
		return &g.status
	case "diagnosticcode", "diagnostic", "diagnosticinformation", "xdiagnosticcode", "xsupplementaryinfo", "smtpremoteresponse":
		return &g.diagnostic
	}
	return nil
}

// statusGroups takes a block apart: where a field comes a second time, the next recipient begins.
func statusGroups(h header) (groups []statusGroup) {
	var g statusGroup
	for _, f := range h {
		switch at := g.slot(f.name); {
		case at == nil || strings.TrimSpace(f.value) == "":
		case *at != "" && at != &g.diagnostic:
			groups = append(groups, g)
			g = statusGroup{}
			*g.slot(f.name) = f.value
		case *at == "":
			*at = f.value
		}
	}
	if g != (statusGroup{}) {
		groups = append(groups, g)
	}
	return groups
}

// settleGroups makes recipients of what the delivery reports said. late tells that the text speaks of a mail that is still
// being tried, for reports that don't say what became of it.
func (p *parser) settleGroups(late bool) {
	for _, g := range p.reports.groups {
		// The original recipient is the one we wrote to; the final one is where a forward led (RFC 3464 section 2.3.1).
		address := cmp.Or(reportAddress(g.original), reportAddress(g.final), reportAddress(g.actual))
		why := diagnostic(g.diagnostic)
		status := cmp.Or(enhanced(g.status), enhanced(why), statusOfReply(g.status), statusOfReply(why))
		p.bounced(desk.BouncedRecipient{Address: address, Action: actionOf(firstToken(g.action), status, late), Status: status, Diagnostic: why})
	}
}

// actionOf gives one of RFC 3464's actions. Where a report forgets it, its status tells: a 4 says that it is tried again.
func actionOf(said, status string, late bool) string {
	for _, known := range []struct{ begins, action string }{
		{"fail", actionFailed}, {"delay", actionDelayed}, {"defer", actionDelayed}, {"deliver", "delivered"}, {"relay", "relayed"}, {"expand", "expanded"},
	} {
		if strings.HasPrefix(said, known.begins) {
			return known.action
		}
	}
	switch {
	case late || strings.HasPrefix(status, "4"):
		return actionDelayed
	case strings.HasPrefix(status, "2"):
		return "delivered"
	}
	return actionFailed
}

// The actions that Postern itself tells apart.
const (
	actionFailed  = "failed"
	actionDelayed = "delayed"
)

// reportAddress reads "rfc822; ann@example.com", and "utf-8; ann@\\x{e4}.example" (RFC 6533 section 3).
func reportAddress(v string) string {
	if kind, rest, ok := strings.Cut(v, ";"); ok && !strings.Contains(kind, "@") {
		v = rest
		if strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
			v = utf8Xtext.ReplaceAllStringFunc(v, fromXtext)
		}
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

var utf8Xtext = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{2,6})\}`)

func fromXtext(s string) string {
	n, err := strconv.ParseUint(s[len(`\x{`):len(s)-1], 16, 32)
	if err != nil || n < ' ' || n > utf8.MaxRune {
		return s
	}
	return string(rune(n))
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
