package ingest

import (
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

func TestI5_MailOfANewGenerationIsKnownByItsContent(t *testing.T) {
	both(t, func(r *rig) {
		first, second, third := mail(ann, support, "1@customer.example", "one"), mail("bob@customer.example", support, "2@customer.example", "two", "-Message-ID"), mail("cy@customer.example", support, "3@customer.example", "three")
		for _, it := range r.keep(r.mb.ID, desk.Inbox, time.Now(), first, second) {
			r.read()
			r.want(r.entry(it), desk.NewTicket)
		}
		b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1, Generation: 1}
		for i, raw := range []string{third, second, first} { // other UIDs for what is there, and an old one for what is new
			b.Items = append(b.Items, desk.FolderItem{UID: uint32(i + 1), InternalDate: time.Now(), Size: int64(len(raw)), Raw: []byte(raw)})
		}
		if err := r.g.Keep(r.t.Context(), r.lease[r.mb.ID], b); err != nil {
			r.t.Fatal(err)
		}
		r.read()
		for outcome, want := range map[desk.Outcome]int{desk.NewTicket: 3, desk.Duplicate: 2} {
			if es, err := r.db.LedgerWith(r.t.Context(), outcome, store.Page{Limit: 10}); err != nil || len(es) != want {
				r.t.Errorf("%d mails are %s, want %d; %v", len(es), outcome, want, err)
			}
		}
		if n := r.tickets(); n != 3 {
			r.t.Errorf("%d tickets", n)
		}
		if n := len(r.effects(desk.WelcomeMail)); n != 3 {
			r.t.Errorf("%d welcome mails", n)
		}
		r.clean()
	})
}
