package ingest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/tickets"
)

// replies lists what is new in the messages of a ticket.
func (r *rig) replies(ticket desk.ID) []string {
	r.t.Helper()
	out := []string{}
	for _, m := range r.messages(ticket, "") {
		out = append(out, m.Reply)
	}
	return out
}

// TestM9_WhatTheTicketHasSaidIsFolded: no pattern tells these quotes, and no mark.
func TestM9_WhatTheTicketHasSaidIsFolded(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "the printer is broken"))
		question := "Which model do you have, and since when?\r\n\r\nDoes it print when it is switched off and on again?"
		r.want(r.sends(mail(support, ann, "2@acme.example", question, answering("1@customer.example"))), desk.Appended)
		r.want(r.arrives(mail(ann, support, "3@customer.example", "An Example 400.\r\n\r\nPrej: Support\r\nDatum: 2. 3. 2026 10:00\r\n\r\n"+question, answering("2@acme.example"))), desk.Appended)
		inside := strings.Replace(question, "when?", "when?\r\n\r\nan Example 500, I mean", 1)
		r.want(r.arrives(mail(ann, support, "4@customer.example", "See below\r\n\r\nFrom: Support\r\nSent: Monday, 2 March 2026 10:00\r\nTo: Ann\r\nSubject: Printer\r\n\r\n"+inside, answering("2@acme.example"))), desk.Appended)
		held := r.arrives(mail(bob, support, "5@customer.example", "I have one too.\r\n\r\n"+question, answering("2@acme.example"), "Cc: ann@customer.example"))
		r.want(held, desk.Held)
		if _, err := r.g.AcceptHeld(r.t.Context(), held.ID, "", desk.Acceptance{By: "Mette"}); err != nil {
			r.t.Fatal(err)
		}
		got := r.replies(first.TicketID)
		if len(got) != 5 || got[2] != "An Example 400." || !strings.Contains(got[3], "an Example 500, I mean") || strings.Contains(got[3], "switched off") || got[4] != "I have one too." {
			r.t.Errorf("what is new: %q", got)
		}
		if all := r.messages(first.TicketID, ""); !strings.Contains(all[2].Text, "switched off") {
			r.t.Errorf("the whole text is %q", all[2].Text)
		}
		r.clean()
	})
}

// TestINV4_FoldingTellsNothingOfInternalNotes: who guesses the words of a note learns nothing from what is folded.
func TestINV4_FoldingTellsNothingOfInternalNotes(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "the printer is broken"))
		note := "we will not pay for the repair, because she has broken it herself"
		r.want(r.sends(mail(support, "Vendor <vendor@parts.example>", "2@acme.example", note, answering("1@customer.example"))), desk.Appended)
		guess := "What do you say?\r\n\r\n" + note
		r.want(r.arrives(mail(ann, support, "3@customer.example", guess, answering("1@customer.example"))), desk.Appended)
		got := r.replies(first.TicketID)
		if len(got) != 3 || got[2] != strings.ReplaceAll(guess, "\r\n", "\n") {
			r.t.Errorf("what is new: %q", got)
		}
		r.wantTexts(first.TicketID, "ann@customer.example", "the printer is broken", got[2])
	})
}

// TestWhatIsComparedBeforeItIsFiledHolds while the ticket has got no message meanwhile, and not a moment longer.
func TestWhatIsComparedBeforeItIsFiledHolds(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "the printer is broken"))
		question := "Which model do you have, and since when was it there?"
		r.want(r.sends(mail(support, ann, "2@acme.example", question, answering("1@customer.example"))), desk.Appended)
		later := "Does it print when it is switched off and on again?"
		compared := func(id, answer, more string) []parsed {
			e := r.entry(r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, id, answer+"\r\n\r\n"+question+"\r\n\r\n"+more, answering("1@customer.example")))[0])
			batch := []parsed{r.g.parse(r.t.Context(), e, nil)}
			r.g.compare(r.t.Context(), r.mb.ID, batch)
			return batch
		}
		file := func(batch []parsed) string {
			if _, err := r.g.file(r.t.Context(), batch, &round{}); err != nil {
				r.t.Fatal(err)
			}
			r.want(r.entry(item{batch[0].Entry.MailboxID, batch[0].Entry.Folder, batch[0].Entry.UID}), desk.Appended)
			of := func(m desk.Message) bool { return m.LedgerID == batch[0].Entry.ID }
			all := r.messages(first.TicketID, "")
			return all[slices.IndexFunc(all, of)].Reply
		}
		batch := compared("3@customer.example", "An Example 400.", "Thank you")
		batch[0].Mail.Text = "what stands here is not looked at once more"
		if got := file(batch); !strings.HasPrefix(got, "An Example 400.") {
			r.t.Errorf("what was found before is not used: %q", got)
		}
		batch = compared("4@customer.example", "No, a Sample 500.", later)
		if _, err := r.desk.ReplyByAgent(r.t.Context(), tickets.AgentReply{Ticket: first.TicketID, Text: later, Source: desk.FromAPI}); err != nil {
			r.t.Fatal(err)
		}
		if got := file(batch); got != "No, a Sample 500." {
			r.t.Errorf("with the newer message known is new: %q", got)
		}
		r.clean()
	})
}

// TestH4_ManyMailsUnderOneIDAreNotComparedWith: strangers who send mails under one Message-ID make each answer to it no more work.
func TestH4_ManyMailsUnderOneIDAreNotComparedWith(t *testing.T) {
	both(t, func(r *rig) {
		question := "Which model do you have, and since when was it there?"
		for n := range 3 {
			r.want(r.arrives(mail("Eve <eve"+strconv.Itoa(n)+"@evil.example>", support, "1@customer.example", question+" "+strconv.Itoa(n))), desk.NewTicket)
		}
		e := r.entry(r.keep(r.mb.ID, desk.Inbox, time.Now(), mail("Eve <eve1@evil.example>", support, "2@customer.example", "An Example 400.\r\n\r\n"+question, answering("1@customer.example")))[0])
		batch := []parsed{r.g.parse(r.t.Context(), e, nil)}
		before := batch[0].ReadMail
		if r.g.compare(r.t.Context(), r.mb.ID, batch); !reflect.DeepEqual(batch[0].ReadMail, before) {
			r.t.Error("it was compared with one of them")
		}
		r.read()
		ticket := r.entry(item{e.MailboxID, e.Folder, e.UID}).TicketID
		if got := r.replies(ticket); len(got) != 2 || got[1] != "An Example 400." {
			r.t.Errorf("what is new: %q", got)
		}
		r.clean()
	})
}

// TestATicketBeginsWithAllThatIsTheMatter: what a first mail quotes, or passes on, was said to nobody here.
func TestATicketBeginsWithAllThatIsTheMatter(t *testing.T) {
	both(t, func(r *rig) {
		words := "Please take care of this."
		quoted := "\r\n\r\nFrom: Bob Example <bob@supplier.example>\r\nSent: Monday, March 2, 2026 10:15 AM\r\nTo: Ann\r\nSubject: Model 400\r\n\r\nAll of them have to be sent back."
		all := strings.ReplaceAll(words+quoted, "\r\n", "\n")
		for n, c := range []struct {
			subject, answers string
			want             string
		}{
			{"Model 400", "", all}, {"Urgent: model 400", "", all}, {"10:30, model 400", "", all}, {"Model 400", "1@supplier.example", words},
			{"Re: Model 400", "", words}, {"AW[2]: Model 400", "", words}, {"[machines] RE: FW: Model 400", "", words}, {"答复：Model 400", "", words},
		} {
			more := []string{"Subject: " + c.subject}
			if c.answers != "" {
				more = append(more, answering(c.answers))
			}
			e := r.arrives(mail(ann, support, strconv.Itoa(n)+"@customer.example", words+quoted, more...))
			if r.want(e, desk.NewTicket); r.replies(e.TicketID)[0] != c.want {
				r.t.Errorf("%+v: new is %q", c, r.replies(e.TicketID)[0])
			}
		}
		for n, subject := range []string{"FW: Model 400", "[machines] WG: Model 400", "转发：Model 400", "Fwd: Re: Model 400"} { // Outlook names the mail as one that it answers
			e := r.arrives(mail(bob, support, strconv.Itoa(n)+"@elsewhere.example", words+quoted, "Subject: "+subject, answering("2@supplier.example")))
			if e.Outcome == desk.Appended { // they name the same mail
				continue
			}
			if got := r.replies(e.TicketID)[0]; got != all {
				r.t.Errorf("of %q is new: %q", subject, got)
			}
		}
		signed := "Please look.\r\n\r\n> All of them\r\n\r\nThat is all.\r\n\r\n-- \r\nAnn"
		e := r.arrives(mail("Chris <chris@customer.example>", support, "signed@customer.example", signed))
		if got := r.replies(e.TicketID)[0]; got != strings.ReplaceAll(signed, "\r\n", "\n") {
			r.t.Errorf("new is %q", got)
		}
		r.clean()
	})
}
