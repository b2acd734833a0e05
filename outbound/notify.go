package outbound

import (
	"cmp"
	"html/template"
	"slices"
	"strings"

	"postern/desk"
	"postern/mailmsg"
	"postern/safehtml"
)

// notification tells an agent of a customer's message: what is new in it, the names of its files, and where an answer goes. It goes
// to one agent alone, with addresses that count from nobody else.
func (w *Worker) notification(d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	m, err := n.message(row)
	if err != nil {
		return err
	}
	number, ok := n.numbers[row.TicketID]
	if !ok {
		return desk.Missing("ticket")
	}
	address := func(p mailmsg.Purpose) string {
		if !t.SubAddress {
			return ""
		}
		to, _ := mailmsg.ReplyAddress(mb.Address, w.Keys.Token(p, string(mb.ID), string(row.TicketID), string(row.ContactID)))
		return to
	}
	customer := cmp.Or(m.Author.Name, m.Author.Email)
	d.From.Name, d.To, d.Subject = customer, []desk.Address{{Email: row.Recipient}}, withoutRe(m.Subject)
	d.References = []desk.MessageID{mailmsg.RootID(w.Keys, mb.ID, row.TicketID, mb.MIDDomain)} // all of a ticket are one thread
	if to := address(mailmsg.ForAgent); to != "" {
		d.ReplyTo = []desk.Address{{Name: customer, Email: to}}
	}
	automatic(d, "auto-generated")
	link := t.ticket(number)
	said := cmp.Or(strings.TrimSpace(m.Reply), "(no text)")
	var files []string
	for _, a := range m.Attachments {
		files = append(files, a.Name)
	}
	if slices.Sort(files); len(files) > 0 {
		said += "\n\nFiles, in the support mailbox: " + strings.Join(files, ", ")
	}
	footer := desk.NotificationFooter(number, link, address(mailmsg.ForNote))
	d.Text = said + "\n\n-- \n" + footer + "\n"
	d.HTML, err = render(t, page{
		Title: d.Subject, Body: template.HTML(safehtml.FromText(said)), //nolint:gosec // escaped
		Button: "Open the ticket", Link: link, Footer: footer,
	})
	return err
}
