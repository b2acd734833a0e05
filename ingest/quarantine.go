package ingest

import (
	"context"
	"errors"

	"postern/desk"
	"postern/safehtml"
	"postern/store"
	"postern/tickets"
)

// DeliverRaw makes a ticket of an item in quarantine by an operator's word: for the customer who is named, with the bytes as
// an attachment, for nobody could read them (REQUIREMENTS I7). It gives the item as it is then, and fails with Conflict if it is
// not in quarantine, or no longer.
func (g *Ingest) DeliverRaw(ctx context.Context, id desk.ID, customer desk.Address, subject, by string) (desk.LedgerEntry, error) {
	e, err := g.DB.Ledger(ctx, id)
	if err == nil {
		err = e.InQuarantine()
	}
	if err != nil {
		return e, err
	}
	var ok bool
	if customer.Email, ok = desk.NormalizeEmail(customer.Email); !ok {
		return e, desk.Refuse("address", "name the address of the customer whose ticket it is to be")
	}
	if customer.Name = oneLine(customer.Name); subject == "" {
		subject = "A message that could not be read"
	}
	org, err := g.DB.FreshOrganisation(ctx)
	if err != nil {
		return e, err
	}
	if org.Inside(customer.Email) {
		return e, desk.Refuse("address", "%s is our own address or an agent's", customer.Email)
	}
	file, err := g.rawFile(ctx, e)
	if err != nil {
		return e, err
	}
	const text = "This message could not be read here. It is attached as it came."
	var delivered desk.LedgerEntry // not e: the database may have the transaction run again, from what was read above
	err = g.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.Unpark(ctx, e.ID); err != nil {
			return err
		}
		if e.FormID == "" {
			mail := desk.Mail{
				Subject: oneLine(subject), From: customer, Text: text, Reply: text, HTML: safehtml.FromText(text), Class: desk.Human, SuppressAnswers: true,
				Attachments: []desk.Attachment{file}, Reasons: []string{"it could not be read: " + e.Reason},
			}
			delivered, err = g.Desk.SplitHeld(ctx, tx, org, tickets.ReadMail{Entry: e, Mail: mail}, desk.Address{}, by)
			return err
		}
		form, ok := org.FormByID(e.FormID)
		if !ok {
			return desk.Missing("form of item " + string(e.ID))
		}
		s := tickets.Submission{
			Email: customer.Email, Name: customer.Name, Subject: oneLine(subject), Text: text, Attachments: []desk.Attachment{file}, Reasons: []string{"it could not be read: " + e.Reason}, Quiet: true,
		}
		delivered, err = g.Desk.SplitHeldForm(ctx, tx, org, e, form, s, by)
		return err
	})
	return delivered, err
}

// rawFile keeps the bytes of an item as a file that can be attached.
func (g *Ingest) rawFile(ctx context.Context, e desk.LedgerEntry) (desk.Attachment, error) {
	a := desk.Attachment{Name: "message.eml", Type: "message/rfc822"}
	if e.FormID != "" {
		a.Name, a.Type = "post.bin", "application/octet-stream"
	}
	raw, err := g.Raw(ctx, e)
	if err != nil {
		return a, err
	}
	a.SHA256, a.Size, err = g.attach(ctx)(raw)
	return a, errors.Join(err, raw.Close())
}
