package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/desk"
)

// TestI9_AMailThatIsTooLargeIsTheSameHoweverMuchOfItIsSent: a server may tell of its text at one time, and not at another.
func TestI9_AMailThatIsTooLargeIsTheSameHoweverMuchOfItIsSent(t *testing.T) {
	both(t, func(r *rig) {
		header := "From: " + ann + "\r\nTo: " + support + "\r\nSubject: Plans\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@customer.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		body := "--b\r\n\r\nThe plans.\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nabc\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=b.txt\r\n\r\n"
		var entries []desk.LedgerEntry
		for i, raw := range []string{header + body, header, header + body[:25]} {
			b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
			b.Items = []desk.FolderItem{{UID: uint32(i + 1), InternalDate: time.Now(), Size: 200 << 20, HeaderOnly: true, Raw: []byte(raw)}}
			if err := r.g.Keep(r.t.Context(), r.lease[r.mb.ID], b); err != nil {
				r.t.Fatal(err)
			}
			r.read()
			entries = append(entries, r.entry(item{r.mb.ID, "INBOX", uint32(i + 1)}))
		}
		r.want(entries[0], desk.NewTicket)
		r.want(entries[1], desk.Duplicate)
		r.want(entries[2], desk.Duplicate)
		r.wantTexts(entries[0].TicketID, "", "The plans.\n\nThis mail is too large to be shown here in full: it has 200 MB. It has arrived, and lies in the support mailbox. "+
			"Whoever answers it opens it there. It has files: a.pdf, b.txt.")
	})
}

// TestI9_EachMailThatIsTooLargeSaysSo: that it was said of the one before makes it no part of what was said before.
func TestI9_EachMailThatIsTooLargeSaysSo(t *testing.T) {
	both(t, func(r *rig) {
		const full, none = "This mail is too large to be shown here in full: it has 200 MB.", "This mail is too large to be shown here: it has 200 MB."
		const rest = " It has arrived, and lies in the support mailbox. Whoever answers it opens it there."
		var ticket desk.ID
		for i, text := range []string{"Here are the plans of the house.", "And these are those of the garden.", "I forgot the garage, sorry.", "", "And the film.\r\n\r\n-----Original Message-----\r\nFrom: Support\r\n\r\nold"} {
			words, _, _ := strings.Cut(text, "\r\n")
			want := words + "\n\n" + full + rest
			if text == "" {
				want = none + rest
			}
			raw := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: Plans\r\nDate: Mon, 02 Mar 2026 10:0%d:00 +0000\r\nMessage-ID: <%d@customer.example>\r\nIn-Reply-To: <%d@customer.example>\r\n\r\n%s\r\n", ann, support, i, i, i-1, text)
			b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
			b.Items = []desk.FolderItem{{UID: uint32(i + 1), InternalDate: time.Now(), Size: 200 << 20, HeaderOnly: true, Raw: []byte(raw)}}
			if err := r.g.Keep(r.t.Context(), r.lease[r.mb.ID], b); err != nil {
				r.t.Fatal(err)
			}
			r.read()
			ticket = r.entry(item{r.mb.ID, "INBOX", 1}).TicketID
			ms := r.messages(ticket, "")
			if len(ms) != i+1 || ms[i].Reply != want {
				r.t.Errorf("of %d messages the last says %q", len(ms), ms[len(ms)-1].Reply)
			}
		}
	})
}
