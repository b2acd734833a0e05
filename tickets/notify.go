package tickets

import (
	"context"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/store"
)

// notifyAgents mails a customer's message to the agents who want it. It is part of the caller's transaction.
func (d *Desk) notifyAgents(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, t desk.Ticket, m desk.Message) error {
	if mb.SMTP == "" {
		return nil
	}
	for _, a := range org.Agents {
		if !a.Wants(t, mb.ID) {
			continue
		}
		email := a.Addresses[0]
		if suppressed, err := tx.Suppressed(ctx, email); err != nil || suppressed {
			if err != nil {
				return err
			}
			continue
		}
		if err := d.notifyAgent(ctx, tx, mb, t, m, a.ID, email); err != nil {
			return err
		}
	}
	return nil
}

// notifyAgent gives an agent the addresses to answer at. Where the mailbox takes no sub-addresses, the Message-ID of the
// notification tells whose answer it is.
func (d *Desk) notifyAgent(ctx context.Context, tx *store.Tx, mb desk.Mailbox, t desk.Ticket, m desk.Message, agent desk.ID, email string) error {
	own := d.keys.Token(mailmsg.ForNotice, string(mb.ID), string(t.ID), string(agent), string(m.ID))
	tokens := []store.ReplyToken{{Token: own, SubjectID: m.ID}}
	if mb.SubAddress {
		tokens = []store.ReplyToken{
			{Token: d.keys.Token(mailmsg.ForAgent, string(mb.ID), string(t.ID), string(agent))},
			{Token: d.keys.Token(mailmsg.ForNote, string(mb.ID), string(t.ID), string(agent))},
		}
	}
	for _, token := range tokens {
		token.MailboxID, token.TicketID, token.AgentID = mb.ID, t.ID, agent
		if err := tx.AddReplyToken(ctx, token); err != nil {
			return err
		}
	}
	return d.send(ctx, tx, mb, desk.Effect{
		ID: store.NewID(), Kind: desk.NotifyMail, MailboxID: mb.ID, TicketID: t.ID, SubjectID: m.ID, ContactID: agent, Recipient: email,
		Trust: m.Trust, MessageID: mailmsg.NoticeID(own, mb.MIDDomain), CreatedAt: tx.Now(),
	})
}

// Agents are told of so many mails that one of them wrote and that are held, in so long: there may be very many after a backup was played back.
const (
	mostHeldTold = 10
	heldToldIn   = time.Hour
)

// tellHeld tells the agents, in the conversation, that what one of them wrote is held: they rely on its being sent.
func (d *Desk) tellHeld(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, e desk.LedgerEntry, a desk.KnownAgent, t desk.Ticket) error {
	if n, err := tx.Hit(ctx, "held "+string(a.ID), heldToldIn); err != nil || n > mostHeldTold {
		return err
	}
	if its, ok := org.Mailbox(t.MailboxID); ok && its.IMAP != "" {
		mb = its
	}
	about := desk.Effect{TicketID: t.ID}
	seen, _, err := tx.NewestMessages(ctx, readers(t.ContactID, false), t.ID, "", 1, 0)
	if err != nil {
		return err
	}
	if len(seen) > 0 {
		about.SubjectID = seen[0].ID
	}
	return d.notify(ctx, tx, org, mb, about, func(t i18n.MailTexts) i18n.NoticeTexts { return t.Held }, map[string]string{"agent.name": a.Name, "reason": e.Reason, "held.id": string(e.ID)})
}

// notifyOfMail is notifyAgents for a message that came by mail, unless that is a machine's, was sent in bulk, is taken for spam or
// is old (REQUIREMENTS L1, L11).
func (d *Desk) notifyOfMail(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail, m desk.Message) error {
	if m.Author.Kind != desk.Customer || m.Internal || mail.Class != desk.Human || mail.Spam != "" || !live(tx.Now(), mb, e) || !anyNotified(org) {
		return nil
	}
	t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), e.TicketID)
	if err != nil {
		return err
	}
	return d.notifyAgents(ctx, tx, org, mb, t, m)
}

func anyNotified(org *store.Organisation) bool {
	for _, a := range org.Agents {
		if !a.Disabled && a.Notify != desk.NotifyNothing {
			return true
		}
	}
	return false
}
