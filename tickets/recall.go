package tickets

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// A mail is compared with so many messages of its ticket. One of fewer bytes repeats nothing; of one that has more the patterns have to
// do, for others wait meanwhile.
const (
	recalled = 12
	shortest = 24
	longest  = 128 << 10
)

// comparison is what is new in a mail by author, in the light of what messages of a ticket have said.
type comparison struct {
	ticket   desk.ID
	author   string
	internal bool
	messages []desk.ID
	fold     mailmsg.Folded
}

// Compare tells what is new in mails of one mailbox that seem to join a ticket, before they are filed, for comparing takes time. It
// decides nothing: a mail that it does not compare, or that joins another ticket, or one that has got a message meanwhile, is
// compared when it is filed. An error means that some of them were not compared.
func (d *Desk) Compare(ctx context.Context, mailbox desk.ID, mails []*ReadMail) error {
	byParent := map[desk.MessageID][]*ReadMail{}
	for _, m := range mails {
		if named := ids(m.Mail); len(named) > 0 && m.Entry.Role == desk.Inbox && canRepeat(m.Mail) {
			byParent[named[0]] = append(byParent[named[0]], m)
		}
	}
	known, err := d.db.KnownIDs(ctx, mailbox, slices.Collect(maps.Keys(byParent)))
	if err != nil {
		return err
	}
	having := map[desk.MessageID][]desk.ID{}
	var found []desk.ID
	for _, k := range known {
		if k.Seen {
			having[k.MessageID], found = append(having[k.MessageID], k.TicketID), append(found, k.TicketID)
		}
	}
	requesters, err := d.db.Requesters(ctx, found)
	if err != nil {
		return err
	}
	for mid, of := range having {
		requester, ok := requesters[of[0]]
		if !ok || len(of) > 1 { // anybody can send many mails under one id: filing tells which counts
			continue
		}
		for _, m := range byParent[mid] {
			if m.compared, err = compare(ctx, d.db, of[0], requester, m.Mail, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// canRepeat tells whether a mail may repeat something that is looked for.
func canRepeat(mail desk.Mail) bool { return len(mail.Text) >= shortest && len(mail.Text) <= longest }

// sayings is where it is kept what messages have said.
type sayings interface {
	Said(ctx context.Context, s desk.Scope, ticket desk.ID, author string, most int) ([]desk.Said, error)
}

func compare(ctx context.Context, from sayings, ticket, requester desk.ID, mail desk.Mail, internal bool) (_ *comparison, err error) {
	defer func() {
		if r := recover(); r != nil { // it must cost no more than this mail
			err = fmt.Errorf("compare a mail with what was said: panic: %v", r)
		}
	}()
	c := comparison{ticket: ticket, author: mail.From.Email, internal: internal}
	earlier, err := from.Said(ctx, readers(requester, internal), ticket, c.author, recalled)
	if err != nil {
		return nil, err
	}
	for _, e := range earlier {
		c.messages = append(c.messages, e.MessageID)
	}
	if len(earlier) > 0 {
		c.fold = mailmsg.Fold(mail.Text, mail.Marks, earlier)
	}
	return &c, nil
}

// readers are those who see a message. What customers will see is compared with what they may see: else what is folded would tell of
// internal notes.
func readers(requester desk.ID, internal bool) desk.Scope {
	if internal {
		return desk.ScopeOfProgram()
	}
	return desk.ScopeOfContact(desk.Contact{ID: requester})
}

// foldKnown tells once more what is new in a mail that joins a ticket, now that it is known what the ticket's messages have said. before
// may be nil.
func foldKnown(ctx context.Context, tx *store.Tx, t desk.Ticket, mail desk.Mail, internal bool, before *comparison) (desk.Mail, error) {
	if !canRepeat(mail) {
		return mail, nil
	}
	holds, err := before.holds(ctx, tx, t, mail, internal)
	if err != nil {
		return mail, err
	}
	if !holds {
		if before, err = compare(ctx, tx, t.ID, t.ContactID, mail, internal); err != nil {
			return mail, err
		}
	}
	if len(before.messages) == 0 {
		return mail, nil
	}
	mail.Reply, mail.Quoted, mail.Signature = before.fold.Reply, before.fold.Quoted, before.fold.Signature
	return mail, nil
}

// holds tells whether comparing once more would give the same.
func (c *comparison) holds(ctx context.Context, tx *store.Tx, t desk.Ticket, mail desk.Mail, internal bool) (bool, error) {
	if c == nil || c.ticket != t.ID || c.author != mail.From.Email || c.internal != internal {
		return false, nil
	}
	now, err := tx.Newest(ctx, readers(t.ContactID, internal), t.ID, recalled)
	return slices.Equal(now, c.messages), err
}
