package mailmsg

import (
	"strings"

	"postern/desk"
)

// envelope reads what the header says about the mail itself.
func (p *parser) envelope(h header) {
	m := &p.mail
	fromIsCut := p.clipAddresses(h)
	m.Subject = headerLine(h.get("subject"))
	m.From, m.FromUnsure = sender(h, "from")
	m.FromUnsure = m.FromUnsure || fromIsCut
	m.To, m.Cc, m.ReplyTo = addressField(h, "to"), addressField(h, "cc"), addressField(h, "reply-to")
	if len(m.ReplyTo) > 0 {
		_, m.ReplyToUnsure = sender(h, "reply-to")
	}
	m.DeliveredTo = deliveredTo(h)
	for _, v := range h.all("return-path") {
		if strings.Join(strings.Fields(v), "") == "<>" {
			m.NullReturnPath = true
		}
	}
	m.Date = parseDate(h.get("date"))
	m.MessageID, _ = ParseMessageID(h.get("message-id"))
	m.InReplyTo = ParseMessageIDs(strings.Join(h.all("in-reply-to"), " "))
	m.References = ParseMessageIDs(strings.Join(h.all("references"), " "))
	m.OriginalIDs = originalIDs(h)
	m.Peers = peers(h.all("received"))
	m.LoopMark = clipValue(strings.TrimSpace(h.get(strings.ToLower(LoopField))))
	m.ThreadIndex = ThreadIndex(h.get("thread-index"))
	m.List = listID(h.get("list-id"))
	switch from := len(h.all("from")); {
	case from == 0:
		p.defect("there is no From line")
	case from > 1:
		p.defect("there is more than one From line")
	case m.FromUnsure:
		p.defect("the From line can be read in more than one way")
	}
	if h.has("date") && m.Date.IsZero() {
		p.defect("the date can't be read")
	}
}

// proofs reads what may prove who the mail is from, for those who know the mailbox and can judge it.
func (p *parser) proofs(h header) {
	if p.textOnly {
		return
	}
	p.mail.AuthResults = authResults(h)
	p.mail.Signers = signers(h)
}

func addressField(h header, name string) []desk.Address {
	var out []desk.Address
	for i := range h {
		if h[i].name == name {
			list, _ := parseAddresses(h[i].value)
			out = append(out, list...)
		}
	}
	return out
}

// clipAddresses cuts the address fields of each name where they are far longer than people's: hostile ones take long to read.
// It tells whether From was among them.
func (p *parser) clipAddresses(h header) (fromIsCut bool) {
	taken := map[string]int{}
	for i := range h {
		most := maxValue / 4
		switch name := h[i].name; name {
		case "to", "cc":
			most = maxValue
			fallthrough
		case "from", "reply-to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "x-failed-recipients":
			if room := most - taken[name]; len(h[i].value) > room {
				h[i].value = h[i].value[:room]
				h[i].value = h[i].value[:strings.LastIndexByte(h[i].value, ',')+1] // a part of an address would be another one
				p.defect("an address field is longer than is read")
				fromIsCut = fromIsCut || name == "from"
			}
			taken[name] += len(h[i].value)
		}
	}
	return fromIsCut
}
