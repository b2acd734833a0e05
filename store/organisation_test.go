package store

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"postern/desk"
)

func TestAMailboxComesBackAsItWasPut(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
		want := desk.Mailbox{
			ID: NewID(), Address: "support@example.com", Aliases: []string{"help@example.com"}, Name: "Support", IMAP: "imaps://mail.example", SMTP: "smtps://mail.example",
			Secrets: desk.MailboxSecrets{IMAPPassword: "a", SMTPPassword: "b", OAuthClientSecret: "c"}, Since: at, Sent: "Sent", Folders: []string{"Done", "Größe"}, MIDDomain: "example.com", SubAddress: true, SubjectTag: true,
			Receiver: desk.Receiver{Profile: desk.RFC8601, AuthServID: "mx.example.com", Hops: 2, DKIM: true, CalibratedAt: at.Add(time.Hour)},
			OAuth:    desk.OAuth{Provider: desk.OAuthCustom, ClientID: "c", Tenant: "t", AuthURL: "https://a.example", TokenURL: "https://t.example", DeviceURL: "https://d.example", Scope: "mail"},
			Pipeline: "support", Paused: true, CreatedAt: at,
		}
		check := func() {
			t.Helper()
			if got := must[*Organisation](t)(db.FreshOrganisation(t.Context())).Mailboxes[0]; !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		commit(t, db, func(tx *Tx) error { return tx.PutMailbox(t.Context(), want) })
		check()
		want.Receiver, want.Name = desk.Receiver{Profile: desk.M365}, "Help"
		commit(t, db, func(tx *Tx) error {
			return tx.ChangeMailbox(t.Context(), want.ID, func(m *desk.Mailbox) error { m.Receiver, m.Name = want.Receiver, "Help"; return nil })
		})
		check()
	})
}

func TestA5_TheNewestMailsOfAMailboxComeFirst(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		m, other := addMailbox(t, db, "support@example.com"), addMailbox(t, db, "sales@example.com")
		l := takeLease(t, db, m.ID, "me", time.Hour)
		keep(t, db, l, 7, 1, 2, 5)
		keep(t, db, takeLease(t, db, other.ID, "me", time.Hour), 7, 3)
		sent, raws := batch(m.ID, 7, 9)
		sent.Folder, sent.Role = "Sent", desk.Sent
		commit(t, db, func(tx *Tx) error { return tx.Keep(t.Context(), l, sent, raws) })
		uids := func(p Page) (out []uint32) {
			for _, e := range must[[]desk.LedgerEntry](t)(db.LedgerOf(t.Context(), m.ID, desk.Inbox, p)) {
				out = append(out, e.UID)
			}
			return out
		}
		if got := uids(Page{}); !slices.Equal(got, []uint32{5, 2, 1}) {
			t.Errorf("%v", got)
		}
		if got := uids(Page{Limit: 2}); !slices.Equal(got, []uint32{5, 2}) {
			t.Errorf("two of them: %v", got)
		}
	})
}
