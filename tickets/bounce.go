package tickets

import (
	"context"
	"slices"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// reached notes what a mail tells of who can be reached by mail: a report about a mail of ours that it failed, anything else
// that its sender's address works again.
func reached(ctx context.Context, tx *store.Tx, k *known, e desk.LedgerEntry, mail desk.Mail, decision desk.Decision) error {
	if e.Role != desk.Inbox || decision.Outcome == desk.Duplicate || decision.Outcome == desk.OwnCopy {
		return nil
	}
	switch mail.Class {
	case desk.Bounce, desk.Complaint:
		return landReport(ctx, tx, k, e, mail)
	case desk.Receipt, desk.List:
		return nil
	case desk.Human, desk.Automatic:
	}
	if mail.FromUnsure || !k.bounced[mail.From.Email] {
		return nil
	}
	return tx.Reached(ctx, mail.From.Email, arrived(e))
}

// landReport marks what a bounce or a complaint is about. It counts only if it names a mail of ours and somebody whom that mail
// was sent to: anybody can write a report (REQUIREMENTS L6), and only who has the mail knows both.
func landReport(ctx context.Context, tx *store.Tx, k *known, e desk.LedgerEntry, mail desk.Mail) error {
	sent, err := tx.SentAs(ctx, e.MailboxID, mail.BouncedMessageID)
	if err != nil || len(sent) == 0 {
		return err
	}
	at := arrived(e)
	if now := tx.Now(); at.After(now) {
		at = now // or nothing that comes later could lift it
	}
	if mail.Class == desk.Complaint {
		return landComplaint(ctx, tx, at, mail, sent)
	}
	for _, b := range mail.Bounced {
		if b.Action != "failed" {
			continue // a delay is none: it may still arrive
		}
		for _, s := range sent {
			if s.Recipient != b.Address {
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

// landComplaint ends automatic mail to those who complained. Many reports hide who that is (RFC 5965 section 3.2); then it is
// whom the mail went to, if that was one alone.
func landComplaint(ctx context.Context, tx *store.Tx, at time.Time, mail desk.Mail, sent []store.Sending) error {
	alone := !slices.ContainsFunc(sent, func(s store.Sending) bool { return s.Recipient != sent[0].Recipient })
	for _, s := range sent {
		if alone && len(mail.Bounced) == 0 || slices.ContainsFunc(mail.Bounced, func(b desk.BouncedRecipient) bool { return b.Address == s.Recipient }) {
			if err := tx.Suppress(ctx, desk.Suppression{Address: s.Recipient, Reason: desk.Complained, At: at}); err != nil {
				return err
			}
		}
	}
	return nil
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
