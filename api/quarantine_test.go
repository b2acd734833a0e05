package api

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// park puts all that is pending in the client's mailbox, and its form posts, into quarantine.
func (c *client) park(mails ...desk.FolderItem) {
	c.t.Helper()
	org, err := c.db.Organisation(c.t.Context())
	ok(c.t, err)
	mb := org.Mailboxes[0].ID
	var lease desk.Lease
	ok(c.t, c.db.Update(c.t.Context(), func(tx *store.Tx) error {
		lease, _, err = tx.TakeLease(c.t.Context(), mb, "test", time.Hour)
		return err
	}))
	ok(c.t, c.ingest.Keep(c.t.Context(), lease, desk.FolderBatch{MailboxID: mb, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 9, Items: mails}))
	_, _, err = c.ingest.KeepDelivery(c.t.Context(), desk.LedgerEntry{MailboxID: mb, FormID: org.Forms[0].ID, DeliveryID: "1", ContentType: "text/html", Size: 19}, []byte("<script>1</script>!"), time.Hour)
	ok(c.t, err)
	ok(c.t, c.db.Update(c.t.Context(), func(tx *store.Tx) error {
		es, err := tx.PendingOf(c.t.Context(), mb, "", 10)
		ok(c.t, err)
		posts, err := tx.PendingForms(c.t.Context(), "", 10)
		ok(c.t, err)
		for _, e := range append(es, posts...) {
			e.Outcome, e.Reason = desk.Quarantined, "the parser fell over it"
			ok(c.t, tx.Settle(c.t.Context(), e))
		}
		return nil
	}))
}

func TestI7_QuarantineOverTheAPI(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		raw := []byte(mailFrom("Ann <ann@acme.example>", "1@acme.example", "it is broken"))
		large := []byte(mailFrom("Bob <bob@acme.example>", "2@acme.example", strings.Repeat("0123456789", 1<<17)))
		sha, size, err := c.blobs.Put(t.Context(), bytes.NewReader(large))
		ok(t, err)
		at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
		c.park(desk.FolderItem{UID: 4, InternalDate: at, Size: int64(len(raw)), Raw: raw}, desk.FolderItem{UID: 5, Size: size, RawSHA256: sha},
			desk.FolderItem{UID: 6, Size: 1 << 30, Raw: raw[:50], HeaderOnly: true})
		var list items[struct{ ID, Reason string }]
		c.want(200, "GET", "/api/v1/quarantine", nil, &list)
		if len(list.Items) != 4 || list.Items[0].Reason != "the parser fell over it" {
			t.Fatalf("%+v", list.Items)
		}
		path := func(i int) string { return "/api/v1/quarantine/" + list.Items[3-i].ID } // newest first
		var item map[string]any
		c.want(200, "GET", path(0), nil, &item)
		c.fields("an item", item, "id mailbox_id folder form_id subject from size outcome reason ticket_id received_at uidvalidity uid internal_date content_type attempts")
		if item["uid"] != 4.0 || item["uidvalidity"] != 9.0 || item["folder"] != "INBOX" || item["attempts"] != 0.0 || item["internal_date"] != "2026-03-02T10:00:00Z" || item["outcome"] != "quarantined" {
			t.Errorf("%v", item)
		}
		c.want(200, "GET", path(1), nil, &item)
		if item["internal_date"] != nil {
			t.Errorf("%v", item)
		}
		for i, want := range [][]byte{raw, large, raw[:50], []byte("<script>1</script>!")} {
			r := c.ask("GET", path(i)+"/raw", nil)
			name := list.Items[3-i].ID + map[bool]string{false: ".eml", true: ".bin"}[i == 3]
			if r.status != 200 || !bytes.Equal(r.body, want) || r.header.Get("Content-Type") != "application/octet-stream" || r.header.Get("Content-Disposition") != "attachment; filename="+name ||
				r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("Cache-Control") != "no-store" || !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("the bytes of item %d: %d %q %v", i, r.status, r.body[:min(len(r.body), 80)], r.header)
			}
		}
		good := c.token
		c.token, err = c.who.CreateToken(t.Context(), "reader", []string{desk.ScopeRead})
		ok(t, err)
		c.want(403, "POST", path(0)+"/retry", nil, nil)
		c.token = good
		c.want(200, "POST", path(0)+"/retry", nil, &item)
		if item["outcome"] != "pending" || item["reason"] != "" {
			t.Errorf("retried: %v", item)
		}
		for _, call := range [][2]string{{"GET", ""}, {"GET", "/raw"}, {"POST", "/retry"}} {
			c.want(409, call[0], path(0)+call[1], nil, nil)
			c.want(404, call[0], "/api/v1/quarantine/"+string(store.NewID())+call[1], nil, nil)
		}
		c.want(422, "POST", path(1)+"/deliver", map[string]any{"address": "nobody"}, nil)
		c.want(422, "POST", path(1)+"/deliver", map[string]any{}, nil)
		c.want(404, "POST", "/api/v1/quarantine/"+string(store.NewID())+"/deliver", map[string]any{"address": "ann@acme.example"}, nil)
		c.want(200, "POST", path(1)+"/deliver", map[string]any{"address": "ann@acme.example", "subject": "Her order"}, &item)
		if item["outcome"] != "new-ticket" || item["ticket_id"] == nil {
			t.Errorf("delivered: %v", item)
		}
		c.want(409, "POST", path(1)+"/deliver", map[string]any{"address": "ann@acme.example"}, nil)
		c.want(200, "GET", "/api/v1/quarantine", nil, &list)
		if len(list.Items) != 2 {
			t.Errorf("left: %+v", list.Items)
		}
	})
}

// TestI5_MailboxesTellHowTheirFoldersAre, and nothing of how they are reached.
func TestI5_MailboxesTellHowTheirFoldersAre(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.park(desk.FolderItem{UID: 4, Size: 3, Raw: []byte("x\r\n")})
		org, err := c.db.Organisation(t.Context())
		ok(t, err)
		lease := desk.Lease{MailboxID: org.Mailboxes[0].ID, Owner: "test", Epoch: 1}
		ok(t, c.ingest.SetProblem(t.Context(), lease, "Done", desk.Inbox, "The folder is gone. Bring it back."))
		var list items[map[string]any]
		c.want(200, "GET", "/api/v1/mailboxes", nil, &list)
		c.fields("a mailbox", list.Items[0], "id address aliases name paused created_at folders sub_address subject_tag sent_opens policy form_senders receiver")
		folders := list.Items[0]["folders"].([]any)
		if len(folders) != 2 {
			t.Fatalf("%v", folders)
		}
		gone, inbox := folders[0].(map[string]any), folders[1].(map[string]any)
		c.fields("a folder", inbox, "name role read seen passed_over replaced problem")
		if inbox["name"] != "INBOX" || inbox["role"] != "inbox" || inbox["seen"] != 1.0 || inbox["problem"] != "" || inbox["read"] != true || gone["read"] != false || gone["problem"] != "The folder is gone. Bring it back." {
			t.Errorf("%v", folders)
		}
	})
}
