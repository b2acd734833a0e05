package tickets

import (
	"context"

	"postern/desk"
	"postern/store"
)

// lookElsewhere asks which of the mails have come to another mailbox too, where that matters. It is asked before anything else, because others
// who file the same mails have to wait from here on.
func lookElsewhere(ctx context.Context, tx *store.Tx, org *store.Organisation, mails []ReadMail) (map[store.Likeness]store.Copy, error) {
	if !org.Settings.OneTicket || len(org.Mailboxes) < 2 || len(mails) == 0 {
		return nil, nil
	}
	var arrived []store.Likeness
	for _, m := range mails {
		if m.Entry.Role == desk.Inbox {
			arrived = append(arrived, likeness(m.Mail))
		}
	}
	return tx.Elsewhere(ctx, mails[0].Entry.MailboxID, arrived)
}

// elsewhere puts into a mail's facts the ticket that has the same mail from another mailbox, where a mail to several is to be one ticket.
// What the mail itself says of where it belongs in its own mailbox goes before: a mail that answers one of another ticket there joins that.
func elsewhere(ctx context.Context, tx *store.Tx, k *known, e desk.LedgerEntry, mail desk.Mail, f *desk.Facts, th *thread) error {
	copied, ok := k.elsewhere[likeness(mail)]
	if !ok || e.Role != desk.Inbox || f.OwnCopy || f.Duplicate || f.AtAgent != nil || f.FromOurs || mail.Class != desk.Human && mail.Class != desk.List {
		return nil
	}
	for _, t := range []*desk.Ticket{f.ByToken, f.ByRef, f.ByTie, f.ByTag} {
		if t != nil && t.ID != copied.TicketID {
			return nil
		}
	}
	t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), copied.TicketID)
	if err != nil {
		return err
	}
	f.Elsewhere, th.copyOf, th.twin = &t, copied.Ledger, copied.MessageID
	return nil
}

// fileElsewhere makes what came to this mailbox too known in it, under the message that it is already: what its agents answer, and what is
// answered to them, belongs to that ticket, and the mailbox follows it. Nothing is said to anybody.
func (d *Desk) fileElsewhere(ctx context.Context, tx *store.Tx, mb desk.Mailbox, t *desk.Ticket, m desk.Message, twin desk.ID) error {
	if _, err := d.conversation(ctx, tx, t, mb.ID, desk.FromMail, m.CreatedAt); err != nil {
		return err
	}
	if err := tx.AddMessageIDs(ctx, mb.ID, t.ID, twin, false, m.MessageID); err != nil {
		return err
	}
	return tx.ReopenOrphans(ctx, mb.ID, []desk.MessageID{m.MessageID})
}
