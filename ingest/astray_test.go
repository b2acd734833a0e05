package ingest

import (
	"testing"

	"postern/desk"
	"postern/store"
)

// TestM1_MailOfOthersNeverAppears: what is neither to the mailbox nor from it makes no ticket. Who is in a conversation goes on with it
// whatever they write to; and an alias that is named later has its mail read.
func TestM1_MailOfOthersNeverAppears(t *testing.T) {
	both(t, func(r *rig) {
		const other = "Help <help@acme.example>"
		private := r.arrives(mail(ann, "Jo <jo@home.example>", "1@customer.example", "private"))
		if r.want(private, desk.Ignored); private.Reason != desk.Unaddressed {
			r.t.Errorf("it is ignored: %s", private.Reason)
		}
		alias := r.arrives(mail(ann, other, "2@customer.example", "to an alias that nobody has named"))
		r.want(alias, desk.Ignored)
		for what, raw := range map[string]string{
			"a blind copy":                    "Delivered-To: " + support + "\r\n" + mail(ann, "Jo <jo@home.example>", "3@customer.example", "blind"),
			"mail to a list it belongs to":    "Delivered-To: support+list@acme.example\r\n" + mail(ann, "list@lists.example", "4@customer.example", "to all", "List-Id: <all.lists.example>"),
			"a blind copy on other servers":   mail(ann, "undisclosed-recipients:;", "3b@customer.example", "blind too"),
			"in copy":                         mail(ann, "Jo <jo@home.example>", "5@customer.example", "in copy", "Cc: "+support),
			"to a sub-address":                mail(ann, "support+shop@acme.example", "6@customer.example", "with a sub-address"),
			"X-Original-To, before a forward": "X-Original-To: " + support + "\r\n" + mail(ann, "Jo <jo@home.example>", "7@customer.example", "forwarded"),
		} {
			if e := r.arrives(raw); e.Outcome != desk.NewTicket {
				r.t.Errorf("%s is %s: %s", what, e.Outcome, e.Reason)
			}
		}
		r.want(r.arrives(mail(ann, other, "8@customer.example", "goes on", answering("5@customer.example"))), desk.Appended)
		r.want(r.arrives(mail(support, "Jo <jo@home.example>", "9@acme.example", "it says it is from us")), desk.Held)

		r.mb.Aliases = []string{"help@acme.example"}
		r.update(func(tx *store.Tx) error {
			n, err := tx.ReopenUnaddressed(r.t.Context(), r.mb.ID)
			if n != 2 {
				r.t.Errorf("%d mails are read once more", n)
			}
			return err
		}, func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
		r.org()
		r.read()
		for e, want := range map[desk.ID]desk.Outcome{alias.ID: desk.NewTicket, private.ID: desk.Ignored} {
			if got, err := r.db.Ledger(r.t.Context(), e); err != nil || got.Outcome != want {
				r.t.Errorf("with the alias: %s %s, %v; want %s", got.Outcome, got.Reason, err, want)
			}
		}
		r.mb.Policy.AnyRecipient = true
		r.update(func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
		r.org()
		r.want(r.arrives(mail(ann, "Jo <jo@home.example>", "10@customer.example", "whoever it is to")), desk.NewTicket)
		r.clean()
	})
}
