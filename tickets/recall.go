package tickets

import (
	"context"

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

// foldKnown tells once more what is new in a mail that joins a ticket, now that it is known what the ticket's messages have said.
// What customers will see is compared with what they may see: else what is folded would tell of internal notes.
func foldKnown(ctx context.Context, tx *store.Tx, t desk.Ticket, mail desk.Mail, internal bool) (desk.Mail, error) {
	if len(mail.Text) < shortest || len(mail.Text) > longest {
		return mail, nil
	}
	scope := desk.ScopeOfContact(desk.Contact{ID: t.ContactID})
	if internal {
		scope = desk.ScopeOfProgram()
	}
	earlier, err := tx.Said(ctx, scope, t.ID, mail.From.Email, recalled)
	if err != nil || len(earlier) == 0 {
		return mail, err
	}
	f := mailmsg.Fold(mail.Text, mail.Marks, earlier)
	mail.Reply, mail.Quoted, mail.Signature = f.Reply, f.Quoted, f.Signature
	return mail, nil
}
