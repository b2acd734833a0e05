package mailmsg

import (
	"bytes"
	"io"

	"postern/desk"
)

// enclosedMail keeps a mail that is attached to this one (RFC 2046 section 5.2.1). Somebody who forwards a mail as a file often
// writes nothing: then the text says what was forwarded.
func (p *parser) enclosedMail(r io.Reader, mediaType string, file desk.Attachment) error {
	var head bytes.Buffer
	if err := p.report(&teeReader{r: r, keep: &head}, mediaType, file); err != nil {
		return err
	}
	if p.reports.typ != "" || p.textLeft() == 0 {
		return nil
	}
	h := p.block(newSource(&head, maxReport))
	p.clipAddresses(h)
	from, _ := sender(h, "from")
	subject := headerLine(h.get("subject"))
	text := "Attached mail"
	if subject != "" {
		text += ": " + subject
	}
	if from.Email != "" {
		text += "\nSender: " + from.String()
	}
	if date := parseDate(h.get("date")); !date.IsZero() {
		text += "\nDate: " + date.Format("2006-01-02 15:04 -0700")
	}
	if subject != "" || from.Email != "" {
		text = text[:runeEnd([]byte(text)[:min(len(text), p.textLeft())])]
		p.text += len(text)
		p.spareText(piece{text: text})
	}
	return nil
}
