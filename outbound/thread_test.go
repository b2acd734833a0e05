package outbound_test

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

// conversation has a customer begin by mail, and answers in the portal and by an agent elsewhere. It gives the headers of the mails: the customer's
// own, what agents get, and what the customer gets, in that order.
func (r *rig) conversation(first string) (out []map[string]string) {
	r.t.Helper()
	if got := r.filing()(desk.Inbox, first); got != desk.NewTicket {
		r.t.Fatalf("the first mail became %s", got)
	}
	ts, err := r.db.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{Limit: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	r.ticket = ts[0]
	r.server.put = nil
	r.answer("have you tried?", false)
	r.pass(time.Minute)
	r.says("yes, I have")
	r.pass(time.Minute)
	r.answer("then it is broken", false)
	r.drain(desk.QueueMail)
	r.drain(desk.QueueMailbox)
	sent := r.sent()
	out = append(out, header(r.t, first))
	for _, raw := range []string{sent[0], r.server.put[len(r.server.put)-1], sent[1]} {
		out = append(out, header(r.t, raw))
	}
	return out
}

// The first mails of customers, as Outlook and as another program write them.
const (
	fromOutlook = "From: Ann Lee <ann@customer.example>\r\nTo: <support@acme.example>\r\nSubject: Printer: no paper\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <01@customer.example>\r\n" +
		"Thread-Topic: Printer: no paper\r\nThread-Index: AdypYCoAAAECAwQFBgcICQoLDA0ODw==\r\n\r\nIt is broken.\r\n"
	fromAnother = "From: Ann Lee <ann@customer.example>\r\nTo: support@acme.example\r\nSubject: Printer: no paper\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <02@customer.example>\r\n\r\nIt is broken.\r\n"
)

var ids = regexp.MustCompile(`<([^<>]+)>`)

// TestO8_ThreadedInThunderbirdAndAppleMail: they follow References and In-Reply-To, so each mail names the ones before it, of both sides.
func TestO8_ThreadedInThunderbirdAndAppleMail(t *testing.T) {
	both(t, func(r *rig) {
		mails := r.conversation(fromAnother)
		for i, h := range mails[1:] {
			before := mails[i]["message-id"]
			if h["in-reply-to"] != before {
				r.t.Errorf("mail %d answers %s, want %s", i+1, h["in-reply-to"], before)
			}
			refs := ids.FindAllString(h["references"], -1)
			if len(refs) != i+2 { // the ticket's root is the first
				r.t.Fatalf("mail %d names %q", i+1, refs)
			}
			for n, earlier := range mails[:i+1] {
				if refs[n+1] != earlier["message-id"] {
					r.t.Errorf("mail %d names %q, want %s at %d", i+1, refs, earlier["message-id"], n+1)
				}
			}
		}
	})
}

// TestO8_ThreadedInGmail: it wants a reference and the same subject, but for "Re:".
func TestO8_ThreadedInGmail(t *testing.T) {
	both(t, func(r *rig) {
		mails := r.conversation(fromAnother)
		for i, h := range mails[1:] {
			if !strings.Contains(h["references"], mails[0]["message-id"]) || h["subject"] != "Re: "+mails[0]["subject"] {
				r.t.Errorf("mail %d: %v", i+1, h)
			}
		}
	})
}

// TestO8_ThreadedInOutlook: its index goes on from the one of the mail before, byte for byte, and the topic is the same. Where the customer's program writes
// none, ours begins one.
func TestO8_ThreadedInOutlook(t *testing.T) {
	both(t, func(r *rig) {
		for name, first := range map[string]string{"Outlook": fromOutlook, "another": fromAnother} {
			mails := r.conversation(first)
			var before []byte
			for i, h := range mails {
				index, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(h["thread-index"]), ""))
				if err != nil {
					r.t.Fatal(err)
				}
				if i == 0 && name == "another" {
					continue
				}
				if i > 0 && before != nil && (!bytes.HasPrefix(index, before) || len(index) != len(before)+5) {
					r.t.Errorf("%s: mail %d has %x, the one before %x", name, i, index, before)
				}
				if len(index) < 22 || index[0] != 1 || h["thread-topic"] != "Printer: no paper" {
					r.t.Errorf("%s: mail %d has %x, topic %q", name, i, index, h["thread-topic"])
				}
				before = index
			}
			r.server.sent = map[string][]string{}
		}
	})
}

// TestM10_AThreadIndexJoinsNothing: a stranger's mail with the index and the topic of a ticket is a new one.
func TestM10_AThreadIndexJoinsNothing(t *testing.T) {
	both(t, func(r *rig) {
		files := r.filing()
		if got := files(desk.Inbox, fromOutlook); got != desk.NewTicket {
			r.t.Fatal(got)
		}
		same := strings.NewReplacer("01@customer.example", "03@customer.example").Replace(fromOutlook)
		if got := files(desk.Inbox, strings.Replace(same, "Date: Mon, 2", "Date: Tue, 3", 1)); got != desk.NewTicket {
			r.t.Errorf("by its Thread-Index it became %s", got)
		}
	})
}

// TestO8_ReplyGoesToTheCustomerAndReplyAllToThoseInCopy, by what a mail client reads in the mail that is put into the inbox; agents and who is only
// mentioned are not among them.
func TestO8_ReplyGoesToTheCustomerAndReplyAllToThoseInCopy(t *testing.T) {
	both(t, func(r *rig) {
		r.with("Bob Ray", "bob@customer.example")
		err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
			return tx.AddParticipant(r.t.Context(), r.ticket.ID, desk.Participant{Name: "Cy", Email: "cy@customer.example", Role: desk.Mentioned})
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.says("it still is")
		r.drain(desk.QueueMailbox)
		h := header(r.t, r.server.put[len(r.server.put)-1])
		if h["reply-to"] != "Ann Lee <ann@customer.example>" || h["from"] != "Ann Lee <ann@customer.example>" || h["cc"] != "Bob Ray <bob@customer.example>" || h["to"] != "Acme <support@acme.example>" {
			r.t.Errorf("%v", h)
		}
	})
}
