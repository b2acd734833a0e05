package ingest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// import puts mails into the INBOX that are days old, and reads them.
func (r *rig) imports(mails ...string) []item {
	r.t.Helper()
	items := r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-48*time.Hour), mails...)
	r.read()
	return items
}

const bob = "Bob <bob@customer.example>"

func TestM9_MailsThatNameTheSameUnseenMailBelongTogether(t *testing.T) {
	both(t, func(r *rig) {
		toAll := "Cc: list@customer.example"
		first := r.arrives(mail(ann, support, "1@customer.example", "yes", answering("0@elsewhere.example"), toAll))
		r.want(first, desk.NewTicket)
		second := r.arrives(mail(bob, support, "2@customer.example", "no", answering("0@elsewhere.example"), toAll))
		r.want(second, desk.Held) // Bob has no part in Ann's ticket
		third := r.arrives(mail(ann, support, "3@customer.example", "and one thing more", "References: <0@elsewhere.example>", toAll))
		r.want(third, desk.Appended)
		parent := r.arrives(mail("Chris <chris@customer.example>", support, "0@elsewhere.example", "shall we?", toAll))
		r.want(parent, desk.Held)
		answer := r.arrives(mail(ann, support, "4@customer.example", "what Bob says", answering("2@customer.example")))
		r.want(answer, desk.Appended)
		for _, e := range []desk.LedgerEntry{second, third, parent, answer} {
			if e.TicketID != first.TicketID {
				r.t.Errorf("%s: in or held for ticket %q", e.Subject, e.TicketID)
			}
		}
		r.wantTexts(first.TicketID, "ann@customer.example", "yes", "and one thing more", "what Bob says")
		r.clean()
	})
}

func TestM9_StrangersWhoAnswerANewsletterStayApart(t *testing.T) {
	both(t, func(r *rig) {
		seen := map[desk.ID]bool{}
		for i := range 5 {
			e := r.arrives(mail(fmt.Sprintf("c%d@customer%d.example", i, i), support, fmt.Sprintf("%d@customer.example", i), "unsubscribe me", answering("newsletter@sender.example")))
			r.want(e, desk.NewTicket)
			seen[e.TicketID] = true
		}
		if len(seen) != 5 {
			r.t.Errorf("%d tickets", len(seen))
		}
	})
}

// TestM9_TheOrderOfArrivalDoesNotMatterToAnImport imports a conversation of three people in every order.
func TestM9_TheOrderOfArrivalDoesNotMatterToAnImport(t *testing.T) {
	both(t, func(r *rig) {
		for round := range 8 {
			id := func(n int) string { return fmt.Sprintf("%d.%d@customer.example", round, n) }
			people := []string{ann, bob, "Chris <chris@customer.example>"}
			mails := []string{mail(people[0], support, id(0), "0", "Cc: list@customer.example")}
			for n := 1; n < 6; n++ { // each answers the one before, and names that alone
				mails = append(mails, mail(people[n%3], support, id(n), fmt.Sprint(n), answering(id(n-1)), "Cc: list@customer.example"))
			}
			shuffle := rand.New(rand.NewPCG(uint64(round), 7)) //nolint:gosec // the same orders each time
			shuffle.Shuffle(len(mails), func(i, k int) { mails[i], mails[k] = mails[k], mails[i] })
			before := r.tickets()
			places := map[desk.ID]int{}
			for _, it := range r.imports(mails...) {
				places[r.entry(it).TicketID]++
			}
			if len(places) != 1 || r.tickets() != before+1 {
				r.t.Errorf("round %d: %d tickets more, mails in %v", round, r.tickets()-before, places)
			}
		}
		if sent := len(r.effects(desk.WelcomeMail)); sent != 0 {
			r.t.Errorf("L11: %d welcome mails", sent)
		}
		r.clean()
	})
}

func TestM9_TicketsThatPeopleHaveSeenStay(t *testing.T) {
	both(t, func(r *rig) {
		live := r.arrives(mail(ann, support, "1@customer.example", "live", answering("x@elsewhere.example")))
		old := r.entry(r.imports(mail(bob, support, "2@customer.example", "old", answering("y@elsewhere.example")))[0])
		worked := r.entry(r.imports(mail("Chris <chris@customer.example>", support, "3@customer.example", "worked on", answering("z@elsewhere.example")))[0])
		r.agentAnswers(worked.TicketID, "we are on it")
		decided := r.entry(r.imports(mail("Dora <dora@customer.example>", support, "5@customer.example", "closed", answering("w@elsewhere.example")))[0])
		closed := desk.Closed
		if _, err := r.desk.Change(r.t.Context(), desk.ScopeOfProgram(), decided.TicketID, tickets.Change{Status: &closed}); err != nil {
			r.t.Fatal(err)
		}
		taken := r.entry(r.imports(mail("Emil <emil@customer.example>", support, "6@customer.example", "joined by an agent", answering("v@elsewhere.example")))[0])
		stranger := r.entry(r.imports(mail(eve, support, "7@evil.example", "me too", answering("6@customer.example")))[0])
		if _, err := r.g.AcceptHeld(r.t.Context(), stranger.ID, "", desk.Acceptance{By: "Mette"}); err != nil {
			r.t.Fatal(err)
		}
		two := r.imports(mail("Finn <finn@customer.example>", support, "8@customer.example", "split by an agent", answering("u@elsewhere.example")),
			mail("Finn <finn@customer.example>", support, "9@customer.example", "a second matter", answering("8@customer.example")))
		parted := r.entry(two[0])
		if _, err := r.desk.Split(r.t.Context(), parted.TicketID, []desk.ID{r.messages(parted.TicketID, "")[1].ID}, "The second matter"); err != nil {
			r.t.Fatal(err)
		}
		merged := r.entry(r.imports(mail("Gail <gail@customer.example>", support, "10@customer.example", "merged by an agent", answering("t@elsewhere.example")))[0])
		other := r.entry(r.imports(mail("Hugo <hugo@customer.example>", support, "11@customer.example", "the same matter"))[0])
		if _, err := r.desk.Merge(r.t.Context(), other.TicketID, merged.TicketID); err != nil {
			r.t.Fatal(err)
		}
		all := []string{"References: <t@elsewhere.example> <u@elsewhere.example> <v@elsewhere.example> <w@elsewhere.example> <x@elsewhere.example> <y@elsewhere.example> <z@elsewhere.example>",
			"Cc: ann@customer.example, bob@customer.example, chris@customer.example, dora@customer.example, emil@customer.example, finn@customer.example, gail@customer.example"}
		tie := r.arrives(mail(ann, support, "4@customer.example", "all one matter", all...))
		if e := r.ledger(old.ID); e.Outcome != desk.Held || e.TicketID != tie.TicketID {
			r.t.Errorf("what was imported is %s of ticket %q, want it held for %q", e.Outcome, e.TicketID, tie.TicketID)
		}
		for _, e := range []desk.LedgerEntry{live, worked, decided, taken, parted, merged} {
			if now := r.ledger(e.ID); now.Outcome != desk.NewTicket || now.TicketID != e.TicketID {
				r.t.Errorf("%s ticket: %+v", e.Subject, now)
			}
		}
		r.clean()
	})
}

func TestL10_AFloodOfTicketsIsHeldAndAnImportIsNone(t *testing.T) {
	both(t, func(r *rig) {
		var old []string
		for i := range desk.DefaultBudgets().NewTickets + 2 {
			old = append(old, mail(ann, support, fmt.Sprintf("old%d@customer.example", i), "import"))
		}
		r.imports(old...)
		if r.tickets() != len(old) {
			r.t.Errorf("%d tickets of %d imported mails", r.tickets(), len(old))
		}
		var last desk.LedgerEntry
		for i := range desk.DefaultBudgets().NewTickets {
			last = r.arrives(mail(bob, support, fmt.Sprintf("%d@customer.example", i), "flood"))
			r.want(last, desk.NewTicket)
		}
		more := r.arrives(mail(bob, support, "more@customer.example", "and more"))
		r.want(more, desk.Held)
		r.want(r.arrives(mail(bob, support, "answer@customer.example", "an answer", answering("1@customer.example"))), desk.Appended)
		r.want(r.arrives(mail(ann, support, "new@customer.example", "somebody else")), desk.NewTicket)
		if _, err := r.g.SplitHeld(r.t.Context(), more.ID, desk.Address{}, "Mette"); err != nil {
			r.t.Error(err)
		}
		r.clean()
	})
}

// TestL10_ForgedMailLocksNobodyOut: what others write under an address takes nothing from its proved owner.
func TestL10_ForgedMailLocksNobodyOut(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		most := desk.DefaultBudgets().NewTickets
		for i := range most {
			r.want(r.arrives(mail(bob, support, fmt.Sprintf("f%d@evil.example", i), "forged")), desk.NewTicket)
		}
		r.want(r.arrives(mail(bob, support, "more@evil.example", "forged")), desk.Held)
		for i := range most {
			r.want(r.arrives(found("pass", "customer.example", mail(bob, support, fmt.Sprintf("b%d@customer.example", i), "mine"))), desk.NewTicket)
		}
		r.want(r.arrives(found("pass", "customer.example", mail(bob, support, "more@customer.example", "a loop of mine"))), desk.Held)
	})
}

func TestL8_AMailOfALoopIsHeld(t *testing.T) {
	both(t, func(r *rig) {
		hops := func(n int) []string {
			var fields []string
			for i := range n {
				fields = append(fields, fmt.Sprintf("Received: from a by b%d", i))
			}
			return []string{strings.Join(fields, "\r\n")}
		}
		r.want(r.arrives(mail(ann, support, "1@customer.example", "far", hops(desk.MostHops)...)), desk.NewTicket)
		r.want(r.arrives(mail(ann, support, "2@customer.example", "round and round", hops(desk.MostHops+1)...)), desk.Held)
	})
}

func TestL6_AReportIsAboutAMailOfOurs(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := r.agentAnswers(first.TicketID, "try again")
		report := func(id, about string) string {
			return mail("MAILER-DAEMON@mx.example", support, id, "--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"+
				"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ann@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <"+about+">\r\n\r\n.\r\n--b--",
				`Content-Type: multipart/report; report-type=delivery-status; boundary="b"`)
		}
		if e := r.arrives(report("2@mx.example", string(answer.MessageID))); e.Outcome != desk.Appended || e.TicketID != first.TicketID {
			r.t.Errorf("about our answer: %+v", e)
		}
		r.want(r.arrives(report("3@mx.example", "1@customer.example")), desk.Automated) // Ann's own mail never was ours to bounce
		if texts := texts(r.messages(first.TicketID, "ann@customer.example")); slices.Contains(texts, "It could not be delivered.") {
			r.t.Errorf("Ann sees %q", texts)
		}
		r.clean()
	})
}

// TestM5_AMailThatAServerRenamedIsAnsweredUnderBothNames: the server that takes our mail gives it another Message-ID, and keeps
// ours in a field of its own.
func TestM5_AMailThatAServerRenamedIsAnsweredUnderBothNames(t *testing.T) {
	both(t, func(r *rig) {
		for _, field := range []string{"X-Microsoft-Original-Message-ID", "X-Google-Original-Message-ID"} {
			n := len(field)
			first := r.arrives(mail(ann, support, fmt.Sprintf("%d.1@customer.example", n), "it is broken"))
			answer := r.agentAnswers(first.TicketID, "try again")
			renamed := mail("support@acme.example", "ann@customer.example", fmt.Sprintf("%d@prod.outlook.example", n), "try again", field+": <"+string(answer.MessageID)+">")
			fingerprint, err := mailmsg.Fingerprint(strings.NewReader(renamed))
			if err != nil {
				r.t.Fatal(err)
			}
			effects := r.effects(desk.ReplyMail)
			effects[0].Fingerprint = fingerprint // as composing it would have noted
			if err := r.db.NoteComposed(r.t.Context(), effects[:1]); err != nil {
				r.t.Fatal(err)
			}
			r.want(r.sends(renamed), desk.OwnCopy)
			for i, id := range []string{fmt.Sprintf("%d@prod.outlook.example", n), string(answer.MessageID)} {
				if e := r.arrives(mail(ann, support, fmt.Sprintf("%d.2.%d@customer.example", n, i), "thanks", answering(id))); e.Outcome != desk.Appended || e.TicketID != first.TicketID {
					r.t.Errorf("%s: an answer to %s: %+v", field, id, e)
				}
			}
		}
		r.clean()
	})
}

// TestM1_M5_WhatClientAndServerHaveBothSavedIsOneAnswer: the server has given its copy another Message-ID, and that is what customers answer. Two
// answers of the same words are two.
func TestM1_M5_WhatClientAndServerHaveBothSavedIsOneAnswer(t *testing.T) {
	both(t, func(r *rig) {
		r.mb.SentOpens = true
		r.update(func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
		r.org()
		const from = "support@acme.example"
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := func(to, id string, more ...string) string { return mail(from, to, id, "try again", more...) }
		r.want(r.sends(answer("ann@customer.example", "a@acme.example", answering("1@customer.example"))), desk.Appended)
		r.want(r.sends(answer("Ann Lee <ann@customer.example>", "b@prod.outlook.example", answering("1@customer.example"))), desk.Duplicate)
		r.want(r.sends(answer("ann@customer.example", "c@prod.outlook.example", answering("1@customer.example"), "Date: Mon, 02 Mar 2026 10:00:07 +0000")), desk.Appended)
		if got := r.messages(first.TicketID, "ann@customer.example"); len(got) != 3 {
			r.t.Errorf("she sees %q", texts(got))
		}
		for i, id := range []string{"a@acme.example", "b@prod.outlook.example", "c@prod.outlook.example"} {
			if e := r.arrives(mail(ann, support, fmt.Sprintf("2.%d@customer.example", i), "thanks", answering(id))); e.Outcome != desk.Appended || e.TicketID != first.TicketID {
				r.t.Errorf("an answer to %s: %+v", id, e)
			}
		}
		// The same words, in the same second, to what she asked elsewhere.
		other := r.arrives(mail(ann, support, "4@customer.example", "so is the other one"))
		r.want(other, desk.NewTicket)
		if e := r.sends(answer("ann@customer.example", "i@acme.example", answering("4@customer.example"))); e.Outcome != desk.Appended || e.TicketID != other.TicketID {
			r.t.Errorf("%+v", e)
		}
		// What is begun has no mail that it answers; the same to somebody else is another mail.
		begun := r.sends(answer("bob@customer.example", "d@acme.example"))
		r.want(begun, desk.NewTicket)
		r.want(r.sends(answer("bob@customer.example", "e@prod.outlook.example")), desk.Duplicate)
		if other := r.sends(answer("cid@customer.example", "f@acme.example")); other.Outcome != desk.NewTicket || other.TicketID == begun.TicketID {
			r.t.Errorf("%+v", other)
		}
		if e := r.arrives(mail("bob@customer.example", support, "3@customer.example", "thanks", answering("e@prod.outlook.example"))); e.Outcome != desk.Appended || e.TicketID != begun.TicketID {
			r.t.Errorf("an answer to the server's copy: %+v", e)
		}
		both := r.keep(r.mb.ID, desk.Sent, time.Now(), answer("dan@customer.example", "g@acme.example"), answer("dan@customer.example", "h@prod.outlook.example"))
		r.read()
		r.want(r.entry(both[0]), desk.NewTicket)
		r.want(r.entry(both[1]), desk.Duplicate)
		r.clean()
	})
}

func TestM14_ALateAnswerToAClosedTicketOpensANewOne(t *testing.T) {
	both(t, func(r *rig) {
		first := r.entry(r.keepOld(mail(ann, support, "1@customer.example", "it is broken"), 100*24*time.Hour))
		closed := desk.Closed
		if _, err := r.desk.Change(r.t.Context(), desk.ScopeOfProgram(), first.TicketID, tickets.Change{Status: &closed}); err != nil {
			r.t.Fatal(err)
		}
		late := r.arrives(mail(ann, support, "2@customer.example", "broken again", answering("1@customer.example")))
		r.want(late, desk.NewTicket)
		more := r.arrives(mail(ann, support, "3@customer.example", "and again", answering("2@customer.example")))
		if more.Outcome != desk.Appended || more.TicketID != late.TicketID || late.TicketID == first.TicketID {
			r.t.Errorf("%+v after %+v", more, late)
		}
		r.clean()
	})
}

// keepOld files a mail that is of some age.
func (r *rig) keepOld(raw string, age time.Duration) item {
	r.t.Helper()
	it := r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-age), raw)[0]
	r.read()
	return it
}
