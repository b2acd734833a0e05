package ingest

import (
	"strconv"
	"strings"
	"testing"

	"postern/desk"
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

// TestM9_ATicketBeginsWithAllThatIsTheMatter: what a first mail quotes, or passes on, was said to nobody here.
func TestM9_ATicketBeginsWithAllThatIsTheMatter(t *testing.T) {
	both(t, func(r *rig) {
		words := "Please take care of this."
		quoted := "\r\n\r\nFrom: Bob Example <bob@supplier.example>\r\nSent: Monday, March 2, 2026 10:15 AM\r\nTo: Ann\r\nSubject: Model 400\r\n\r\nAll of them have to be sent back."
		for subject, whole := range map[string]bool{
			"Model 400": true, "FW: Model 400": true, "[machines] WG: Model 400": true, "转发：Model 400": true,
			"Re: Model 400": false, "AW[2]: Model 400": false, "[machines] RE: FW: Model 400": false, "答复：Model 400": false,
		} {
			e := r.arrives(mail(ann, support, strconv.Itoa(len(subject))+"."+strconv.FormatBool(whole)+"@customer.example", words+quoted, "Subject: "+subject))
			r.want(e, desk.NewTicket)
			got, all := r.replies(e.TicketID)[0], strings.ReplaceAll(words+quoted, "\r\n", "\n")
			if whole && got != all || !whole && got != words {
				r.t.Errorf("of %q is new: %q", subject, got)
			}
		}
		e := r.arrives(mail(ann, support, "fw@customer.example", words+quoted, "Subject: Fwd: Model 400", answering("1@supplier.example")))
		if got := r.replies(e.TicketID)[0]; !strings.Contains(got, "sent back") {
			r.t.Errorf("of a mail that is passed on, and says what it answers, is new: %q", got)
		}
		e = r.arrives(mail(ann, support, "re@customer.example", words+quoted, answering("2@supplier.example")))
		if got := r.replies(e.TicketID)[0]; got != words {
			r.t.Errorf("of an answer to a mail that nobody here has is new: %q", got)
		}
		r.clean()
	})
}
