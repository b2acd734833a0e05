package tickets

import (
	"context"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// known is what the database knows of mails that are filed together: asked once for all of them, and kept up to date as
// they are filed.
type known struct {
	senders map[string]desk.Contact // by address
	bounced map[string]bool         // the addresses to which mail of ours bounced
	before  map[store.Likeness]store.Seen
	// elsewhere are those that came to another mailbox too and have been filed there, where that is to be one ticket.
	elsewhere map[store.Likeness]store.Copy
	opened    map[desk.ID]int // how many tickets these senders have opened of late
	// mentioned are their own Message-IDs that a ticket has or names.
	mentioned map[desk.MessageID]bool
	noted     map[desk.MessageID][]noted // what these mails have added to that
}

type noted struct {
	fingerprint string
	ledger      desk.ID
}

// lookUp asks for what is to be known of mails of one mailbox.
func lookUp(ctx context.Context, tx *store.Tx, mails []ReadMail) (*known, error) {
	k := &known{noted: map[desk.MessageID][]noted{}}
	if len(mails) == 0 {
		return k, nil
	}
	var addresses []string
	var likenesses []store.Likeness
	var own []desk.MessageID
	for _, m := range mails {
		addresses = append(addresses, m.Mail.From.Email)
		likenesses = append(likenesses, likeness(m.Mail))
		own = append(own, m.Mail.MessageID)
	}
	var err error
	if k.senders, err = tx.Senders(ctx, addresses); err != nil {
		return nil, err
	}
	var contacts []desk.ID
	for _, c := range k.senders {
		contacts = append(contacts, c.ID)
	}
	if k.opened, err = tx.OpenedSince(ctx, contacts, tx.Now().Add(-time.Hour)); err != nil {
		return nil, err
	}
	if k.mentioned, err = tx.Mentioned(ctx, mails[0].Entry.MailboxID, own); err != nil {
		return nil, err
	}
	if k.bounced, err = tx.BouncedAmong(ctx, addresses); err != nil {
		return nil, err
	}
	k.before, err = tx.SeenBefore(ctx, mails[0].Entry.MailboxID, likenesses)
	return k, err
}

func likeness(m desk.Mail) store.Likeness {
	return store.Likeness{MessageID: m.MessageID, Fingerprint: m.Fingerprint}
}

// note takes down that the mailbox has this mail. First is the ledger row that had it before, or "" if this is it: the same
// Message-ID with the same content is the same mail, the same id alone is not. OtherContent tells that the mailbox has
// another mail with this Message-ID (REQUIREMENTS H4, I6).
func (k *known) note(ctx context.Context, tx *store.Tx, e desk.LedgerEntry, mail desk.Mail) (first desk.ID, otherContent bool, err error) {
	before := k.before[likeness(mail)]
	first, otherContent = before.Ledger, before.OtherContent
	for _, n := range k.noted[mail.MessageID] {
		if n.fingerprint == mail.Fingerprint {
			first = n.ledger
		} else {
			otherContent = true
		}
	}
	if strings.TrimSpace(string(mail.MessageID)) == "" {
		otherContent = false // mails without an id have nothing in common (REQUIREMENTS M8)
	}
	switch first {
	case "":
		k.noted[mail.MessageID] = append(k.noted[mail.MessageID], noted{mail.Fingerprint, e.ID})
		err = tx.NoteSeen(ctx, e, likeness(mail))
	case e.ID: // it is read once more
		first = ""
	}
	return first, otherContent, err
}

// contactFor finds the contact with the address, or adds one and puts it with the company that owns the domain. senders are
// the contacts that are known.
func contactFor(ctx context.Context, tx *store.Tx, senders map[string]desk.Contact, from desk.Address, at time.Time) (c desk.Contact, isNew bool, err error) {
	if c, ok := senders[from.Email]; ok {
		return c, false, nil
	}
	c = desk.Contact{ID: store.NewID(), Name: strings.TrimSpace(from.Name), Addresses: []string{from.Email}, CreatedAt: at}
	company, err := tx.CompanyForEmail(ctx, from.Email)
	switch {
	case err == nil:
		c.Companies = []desk.ID{company}
	case desk.KindOf(err) != desk.NotFound:
		return c, false, err
	}
	isNew, err = tx.AddContact(ctx, c)
	if err == nil && !isNew { // somebody has added it since
		var theirs map[string]desk.Contact
		if theirs, err = tx.Senders(ctx, c.Addresses); err == nil && len(theirs) == 0 {
			err = desk.Missing("contact " + from.Email)
		}
		c = theirs[from.Email]
	}
	if err == nil {
		senders[from.Email] = c
	}
	return c, isNew, err
}
