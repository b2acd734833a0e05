package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// token signs as the installation does.
func (r *rig) token(p mailmsg.Purpose, parts ...desk.ID) string {
	r.t.Helper()
	keys, err := mailmsg.NewKeyring(map[byte][]byte{1: []byte(strings.Repeat("k", 32))}, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	var texts []string
	for _, part := range parts {
		texts = append(texts, string(part))
	}
	return keys.Token(p, texts...)
}

// TestM3_AnIDMeansNothingUntilItIsStored: an id in our own form, even one signed with our key, names a ticket only if we gave it out.
func TestM3_AnIDMeansNothingUntilItIsStored(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := r.agentAnswers(first.TicketID, "try again")
		for i, id := range []string{
			"m." + r.token(mailmsg.ForMessage, r.mb.ID, first.TicketID, "another message") + "@acme.example",
			"m." + strings.Repeat("a", mailmsg.TokenLen) + "@acme.example",
			strings.Replace(string(answer.MessageID), "m.", "", 1),
			"ticket-1@acme.example", "1@acme.example", string(first.TicketID) + "@acme.example",
		} {
			r.want(r.arrives(mail(ann, support, fmt.Sprintf("x%d@customer.example", i), "by "+id, answering(id))), desk.NewTicket)
		}
		unknown := "support+" + r.token(mailmsg.ForReply, r.mb.ID, first.TicketID, "carol@customer.example") + "@acme.example" // signed, but never sent to anybody
		r.want(r.arrives(mail("carol@customer.example", unknown, "y@customer.example", "by token")), desk.NewTicket)
		r.want(r.arrives(mail(ann, support, "z@customer.example", "by the real one", answering(string(answer.MessageID)))), desk.Appended)
		r.clean()
	})
}

// TestM4_AForgedTokenLosesNoMail: it is a new ticket, or held, and flagged nowhere as ours.
func TestM4_AForgedTokenLosesNoMail(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		good := r.replyAddress(first.TicketID, "ann@customer.example")
		at := len("support+")
		for i := range mailmsg.TokenLen { // one character at a time
			other := map[bool]string{true: "b", false: "a"}[good[at+i] == 'a']
			address := good[:at+i] + other + good[at+i+1:]
			e := r.arrives(mail(fmt.Sprintf("eve%d@evil.example", i), address, fmt.Sprintf("e%d@evil.example", i), "let me in"))
			r.want(e, desk.NewTicket)
			if e.TicketID == first.TicketID {
				r.t.Fatalf("%s led into the ticket", address)
			}
		}
		for i, address := range []string{"support+@acme.example", "support+" + strings.Repeat("a", 200) + "@acme.example", "support+1@acme.example", good[:at] + "x" + good[at:]} {
			r.want(r.arrives(mail(ann, address, fmt.Sprintf("a%d@customer.example", i), "still mine")), desk.NewTicket)
		}
		r.want(r.arrives(mail("eve@evil.example", good, "held@evil.example", "a token that was passed on")), desk.Held)
		r.wantTexts(first.TicketID, "", "it is broken", "try again")
		r.clean()
	})
}

// TestM10_WordsAndConversationIndexesJoinNothing: Outlook's collide where subjects are the same.
func TestM10_WordsAndConversationIndexesJoinNothing(t *testing.T) {
	both(t, func(r *rig) {
		outlook := []string{"Thread-Topic: Printer", "Thread-Index: AdZ0ZXN0AAAAAAAAAAAAAAAAAAAAAA==", "X-MS-Exchange-Organization-ConversationId: 1"}
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken", outlook...))
		for i, subject := range []string{"Printer", "Re: Printer", "AW: RE: Printer", "[Ticket#1] Printer", "Printer (#1)", "[#1] Printer"} {
			e := r.arrives(mail(ann, support, fmt.Sprintf("s%d@customer.example", i), "the same subject", append(slices.Clone(outlook), "Subject: "+subject)...))
			r.want(e, desk.NewTicket)
			if e.TicketID == first.TicketID {
				r.t.Errorf("%q joined", subject)
			}
		}
		r.clean()
	})
}

// TestH6_ATagInAForwardGivesNobodyALook: mail clients forward without naming the mail, and agents put customers in copy.
func TestH6_ATagInAForwardGivesNobodyALook(t *testing.T) {
	both(t, func(r *rig) {
		r.mb.SubjectTag = true
		r.begins()
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		tag := "Subject: Fwd: A " + mailmsg.SubjectTag(r.token(mailmsg.ForSubject, r.mb.ID, first.TicketID))
		r.want(r.sends(mail(support, dan, "2@acme.example", "please help", tag, "Cc: "+ann)), desk.Appended)
		r.wantRoles("a forward", first.TicketID, "ann@customer.example=requester", "dan@partner.example=correspondent")
	})
}

// TestI1_ALinkToAFileThatIsQuotedLeadsNowhere in the ticket, whoever quotes it: who reads along need not have the file.
func TestI1_ALinkToAFileThatIsQuotedLeadsNowhere(t *testing.T) {
	both(t, func(r *rig) {
		link := "https://help.acme.example" + tickets.FilePath(r.keys(), "01a2-b", "2026-12-23")
		token := link[strings.LastIndexByte(link, '/')+1:]
		first := r.arrives(mail(ann, support, "1@customer.example", "see the plan"))
		r.want(r.sends(mail(support, ann, "2@acme.example", "We have it: "+link+"\r\n\r\n> plan.txt\r\n> "+link, answering("1@customer.example"))), desk.Appended)
		answer := r.messages(first.TicketID, "ann@customer.example")[1]
		if !strings.Contains(answer.Reply, "We have it: https://help.acme.example/linked/01a2-b/") || strings.Contains(answer.Text+answer.Reply+answer.HTML, token) {
			t.Errorf("%q, %q, %q", answer.Text, answer.Reply, answer.HTML)
		}
	})
}

// TestM11_ASubjectTagIsAHint: it joins a proved participant's mail, and nobody else's.
func TestM11_ASubjectTagIsAHint(t *testing.T) {
	both(t, func(r *rig) {
		r.mb.SubjectTag = true
		r.trusts(desk.Receiver{AuthServID: mx})
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		tag := "Subject: Your number 17 " + mailmsg.SubjectTag(strings.ToUpper(r.token(mailmsg.ForSubject, r.mb.ID, first.TicketID)))

		joined := r.arrives(found("pass", "customer.example", mail(ann, support, "2@customer.example", "by our program", tag)))
		r.want(joined, desk.Appended)
		r.wantTrust(joined, desk.V1, "signed tag of ticket #1")
		r.want(r.arrives(mail(ann, support, "3@customer.example", "who knows whose", tag)), desk.Held)
		r.want(r.arrives(found("fail", "customer.example", mail(ann, support, "4@customer.example", "forged", tag))), desk.Held)
		r.want(r.arrives(found("pass", "evil.example", mail("eve@evil.example", support, "5@evil.example", "a stranger", tag))), desk.Held)
		r.want(r.arrives(found("pass", "customer.example", mail(ann, support, "6@customer.example", "I am away", tag, "Auto-Submitted: auto-replied"))), desk.Automated)

		for i, subject := range []string{
			"Printer [#1]", "Printer [#" + strings.Repeat("a", mailmsg.TokenLen) + "]", "Printer " + r.token(mailmsg.ForSubject, r.mb.ID, first.TicketID),
			"Printer " + mailmsg.SubjectTag(r.token(mailmsg.ForSubject, r.other.ID, first.TicketID)), "Printer " + mailmsg.SubjectTag(r.token(mailmsg.ForReply, r.mb.ID, first.TicketID, "ann@customer.example")),
		} {
			e := r.arrives(found("pass", "customer.example", mail(ann, support, fmt.Sprintf("n%d@customer.example", i), "no tag", "Subject: "+subject)))
			if e.Outcome != desk.NewTicket || e.TicketID == first.TicketID {
				r.t.Errorf("%q: %s, %s", subject, e.Outcome, e.Reason)
			}
		}
		// Tags are cut off what is shown, for our answers add theirs; of two the newest counts.
		if subject := r.ticket(r.arrives(mail(bob, support, "cut@customer.example", "x", "Subject: Re: A "+mailmsg.SubjectTag(strings.Repeat("b", mailmsg.TokenLen))+" b [#1]")).TicketID).Subject; subject != "Re: A b [#1]" {
			r.t.Errorf("subject %q", subject)
		}
		other := r.arrives(mail(ann, support, "p@customer.example", "a second printer"))
		r.agentAnswers(other.TicketID, "which?")
		both := tag + " " + mailmsg.SubjectTag(r.token(mailmsg.ForSubject, r.mb.ID, other.TicketID))
		if e := r.arrives(found("pass", "customer.example", mail(ann, support, "q@customer.example", "the newest counts", both))); e.TicketID != other.TicketID {
			r.t.Errorf("two tags: %s of %s", e.Outcome, e.TicketID)
		}
		it := r.keep(r.other.ID, desk.Inbox, time.Now(), mail(ann, "sales@acme.example", "o@customer.example", "elsewhere", tag))[0] // H8
		r.read()
		r.want(r.entry(it), desk.NewTicket)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "try again", "by our program")
		r.clean()
	})
}

func TestM13_WhoIsOnlyMentionedGetsAndSeesNothing(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken", "Cc: bob@customer.example"))
		r.agentAnswers(first.TicketID, "try again")
		for _, e := range r.effects(desk.ReplyMail) {
			if e.Recipient != "ann@customer.example" {
				r.t.Errorf("an answer went to %s", e.Recipient)
			}
		}
		r.want(r.arrives(mail(bob, support, "2@customer.example", "me too", answering("1@customer.example"))), desk.Held)
		bobs := r.arrives(mail(bob, support, "3@customer.example", "my own matter"))
		r.want(bobs, desk.NewTicket)
		if seen, err := r.db.Messages(r.t.Context(), desk.ScopeOfContact(r.contact("bob@customer.example")), first.TicketID); err != nil || len(seen) > 0 {
			r.t.Errorf("Bob reads %q, %v", texts(seen), err)
		}
		r.clean()
	})
}

// TestM15_OneMailToTwoMailboxesIsTwo: neither department is left in the dark.
func TestM15_OneMailToTwoMailboxesIsTwo(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRig(t, o)
		raw := mail(ann, "support@acme.example, sales@acme.example", "1@customer.example", "to both of you")
		a, b := r.keep(r.mb.ID, desk.Inbox, time.Now(), raw)[0], r.keep(r.other.ID, desk.Inbox, time.Now(), raw)[0]
		r.read()
		first, second := r.entry(a), r.entry(b)
		r.want(first, desk.NewTicket)
		r.want(second, desk.NewTicket)
		if first.TicketID == second.TicketID {
			t.Error("one ticket for two mailboxes")
		}
		r.clean()
	})
}

// TestH4_WhoTakesAMessageIDFirstTakesNoAnswers: of two tickets that have a mail with the id that is answered, the one counts in which
// the answer's people take part.
func TestH4_WhoTakesAMessageIDFirstTakesNoAnswers(t *testing.T) {
	both(t, func(r *rig) {
		squat := r.arrives(mail("eve@evil.example", support, "x@customer.example", "I was here first"))
		r.want(squat, desk.NewTicket)
		real := r.arrives(mail(ann, support, "x@customer.example", "it is broken", "Cc: eve@evil.example"))
		r.want(real, desk.NewTicket)
		answer := r.sends(mail(support, ann, "a@acme.example", "try again", answering("x@customer.example")))
		r.want(answer, desk.Appended)
		r.want(r.arrives(mail(ann, support, "y@customer.example", "that helped", answering("a@acme.example"), "References: <x@customer.example> <a@acme.example>")), desk.Appended)
		r.wantTexts(real.TicketID, "ann@customer.example", "it is broken", "try again", "that helped")
		r.wantTexts(squat.TicketID, "", "I was here first")
		r.clean()
	})
}
