package outbound

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"slices"
	"strings"

	"postern/desk"
	"postern/mailmsg"
	"postern/safehtml"
	"postern/store"
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
	link, words := t.ticket(number), w.Texts.For(t.Language).Notification
	said := cmp.Or(strings.TrimSpace(m.Reply), words.NoText)
	var files []string
	for _, a := range m.Attachments {
		files = append(files, a.Name)
	}
	if slices.Sort(files); len(files) > 0 {
		said += "\n\n" + desk.Expand(words.Files, map[string]string{"files": strings.Join(files, ", ")})
	}
	footer := words.Footer(number, link, address(mailmsg.ForNote))
	d.Text = said + "\n\n-- \n" + footer + "\n"
	d.HTML, err = render(t, page{
		Title: d.Subject, Body: template.HTML(safehtml.FromText(said)), //nolint:gosec // escaped
		Button: words.Button, Link: link, Footer: footer,
	})
	return err
}

// noteRefused notes that an agent's address is none, as a bounce would: the agent gets no more notifications, and whoever runs the
// gateway sees why.
func (w *Worker) noteRefused(ctx context.Context, j job, err error) {
	refusal, refused := errors.AsType[*Refusal](err)
	if !refused || j.row.Kind != desk.NotifyMail || refusal.Stage != StageRcpt || !refusal.Permanent() {
		return
	}
	err = w.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.Suppress(ctx, desk.Suppression{Address: j.row.Recipient, Reason: desk.Bounced, Status: refusal.Enhanced, At: tx.Now()})
	})
	if err != nil {
		w.Log.WarnContext(ctx, "an agent's address that was refused can't be noted", slog.String("outbox_id", string(j.row.ID)), slog.String("error", err.Error()))
	}
}
