package tickets

import (
	"context"
	"slices"
	"strings"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/store"
)

// reached notes what a mail tells of who can be reached by mail: a report about a mail of ours that it failed, anything else
// that its sender's address works again.
func (d *Desk) reached(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail, decision desk.Decision) error {
	if e.Role != desk.Inbox || decision.Outcome == desk.Duplicate || decision.Outcome == desk.OwnCopy || mail.Form != "" {
		return nil // nothing came from an address that was typed into a form
	}
	switch mail.Class {
	case desk.Bounce, desk.Complaint:
		return d.landReport(ctx, tx, org, k, mb, e, mail)
	case desk.Receipt, desk.List:
		return nil
	case desk.Human, desk.Automatic:
	}
	if mail.FromUnsure || !k.bounced[mail.From.Email] {
		return nil
	}
	return tx.Reached(ctx, mail.From.Email, arrived(e))
}

// landReport marks what a bounce or a complaint is about. Anybody can write a report, so it counts only if it knows what a
// stranger can't (REQUIREMENTS L6): it came to the envelope sender that mail to this recipient has, or, where mail goes out under
// the mailbox's own address, it names a mail of ours and somebody whom that mail went to.
func (d *Desk) landReport(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, mb desk.Mailbox, e desk.LedgerEntry, mail desk.Mail) error {
	sent, err := tx.SentAs(ctx, e.MailboxID, mail.BouncedMessageID)
	if err != nil {
		return err
	}
	proved, byToken, err := d.bouncedTo(ctx, tx, mb, mail)
	if err != nil {
		return err
	}
	if byToken {
		sent = slices.DeleteFunc(sent, func(s store.Sending) bool { return s.Recipient != proved })
		if len(sent) == 0 { // it does not say which mail
			sent = []store.Sending{{Recipient: proved}}
		}
	} else {
		sent = slices.DeleteFunc(sent, func(s store.Sending) bool { return s.Token })
	}
	if len(sent) == 0 {
		return nil
	}
	at := arrived(e)
	if now := tx.Now(); at.After(now) {
		at = now // or nothing that comes later could lift it
	}
	if mail.Class == desk.Complaint {
		return d.landComplaint(ctx, tx, org, mb, at, mail, sent)
	}
	if byToken && len(mail.Bounced) == 0 { // the address it came to says whose it is
		mail.Bounced = []desk.BouncedRecipient{{Address: proved, Action: "failed"}}
	}
	for _, b := range mail.Bounced {
		if b.Action != "failed" {
			continue // a delay is none: it may still arrive
		}
		for _, s := range sent {
			if s.Recipient != b.Address && !byToken { // a forwarded mail bounces at an address that we never heard of
				continue
			}
			if err := tx.NoteBounce(ctx, s, whyBounced(b), at); err != nil {
				return err
			}
			if err := tx.Suppress(ctx, desk.Suppression{Address: s.Recipient, Reason: desk.Bounced, Status: b.Status, At: at}); err != nil {
				return err
			}
			k.bounced[s.Recipient] = true
		}
	}
	return nil
}

// bouncedTo tells whose mail a report is about, if it came to an envelope sender of ours.
func (d *Desk) bouncedTo(ctx context.Context, tx *store.Tx, mb desk.Mailbox, mail desk.Mail) (email string, ok bool, err error) {
	for _, token := range tokens(mb, mail) {
		known, err := tx.BounceToken(ctx, token)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err != nil {
			return "", false, err
		}
		if known.MailboxID == mb.ID && d.keys.Verify(token, mailmsg.ForBounce, string(mb.ID), known.Email) {
			return known.Email, true, nil
		}
	}
	return "", false, nil
}

func (d *Desk) bounceToken(mb desk.Mailbox, email string) string {
	return d.keys.Token(mailmsg.ForBounce, string(mb.ID), email)
}

// send adds the outbox row of a mail. Where the mailbox takes such addresses, its envelope sender will tell whom it went to
// (VERP, REQUIREMENTS L5).
func (d *Desk) send(ctx context.Context, tx *store.Tx, mb desk.Mailbox, e desk.Effect) error {
	if mb.SubAddress {
		e.BounceToken = d.bounceToken(mb, e.Recipient)
		if err := tx.AddBounceToken(ctx, store.BounceToken{Token: e.BounceToken, MailboxID: mb.ID, Email: e.Recipient}); err != nil {
			return err
		}
	}
	return tx.AddEffect(ctx, e)
}

// landComplaint ends automatic mail to those who complained. Many reports hide who that is (RFC 5965 section 3.2); then it is
// whom the mail went to, if that was one alone.
func (d *Desk) landComplaint(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, at time.Time, mail desk.Mail, sent []store.Sending) error {
	alone := !slices.ContainsFunc(sent, func(s store.Sending) bool { return s.Recipient != sent[0].Recipient })
	for _, s := range sent {
		if alone && len(mail.Bounced) == 0 || slices.ContainsFunc(mail.Bounced, func(b desk.BouncedRecipient) bool { return b.Address == s.Recipient }) {
			if err := tx.Suppress(ctx, desk.Suppression{Address: s.Recipient, Reason: desk.Complained, At: at}); err != nil {
				return err
			}
			if err := d.tellOfComplaint(ctx, tx, org, mb, s.Recipient); err != nil {
				return err
			}
		}
	}
	return nil
}

// complaintEvery is how often agents are told of complaints by one address at most.
const complaintEvery = 7 * 24 * time.Hour

// tellOfComplaint tells the agents that somebody called our mail spam (REQUIREMENTS L7).
func (d *Desk) tellOfComplaint(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, email string) error {
	if n, err := tx.Hit(ctx, "complaint "+email, complaintEvery); err != nil || n > 1 {
		return err
	}
	return d.notify(ctx, tx, org, mb, desk.Effect{}, func(t i18n.MailTexts) i18n.NoticeTexts { return t.Complaint }, map[string]string{"recipient": email, "mailbox.address": mb.Address})
}

// whyBounced says why, for people: the server's words, or at least its code.
func whyBounced(b desk.BouncedRecipient) string {
	why := b.Diagnostic
	if !strings.Contains(why, b.Status) {
		why = strings.TrimSpace(b.Status + " " + why)
	}
	if why == "" {
		return "bounced: " + b.Address
	}
	return "bounced: " + b.Address + ": " + why
}
