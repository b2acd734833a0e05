package ingest

import (
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

// begins has the mailbox make tickets of what agents begin.
func (r *rig) begins() {
	r.t.Helper()
	r.mb.SentOpens = true
	r.update(func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
}

// TestAConversationThatAnAgentBeginsIsATicket of those the agent writes to, and nobody is mailed because of it.
func TestAConversationThatAnAgentBeginsIsATicket(t *testing.T) {
	both(t, func(r *rig) {
		colleague := "Cora <cora@acme.example>"
		write := func(id string, more ...string) string {
			return mail(support, "Ann Lee <ann@customer.example>, Bob <bob@partner.example>", id, "your machine is ready", append(more, "Cc: "+colleague, "Bcc: secret@elsewhere.example")...)
		}
		r.want(r.sends(write("0@acme.example")), desk.Ignored) // the mailbox does not say so
		r.begins()
		e := r.sends(write("1@acme.example"))
		r.want(e, desk.NewTicket)
		ticket := r.ticket(e.TicketID)
		roles := map[string]desk.Role{}
		for _, p := range ticket.Participants {
			roles[p.Email] = p.Role
		}
		if len(roles) != 2 || roles["ann@customer.example"] != desk.Requester || roles["bob@partner.example"] != desk.Copied || ticket.LastCustomer || ticket.Status != desk.Waiting || ticket.ContactID != r.contact("ann@customer.example").ID {
			r.t.Errorf("%+v", ticket)
		}
		for _, who := range []string{"ann@customer.example", "bob@partner.example"} {
			r.wantTexts(ticket.ID, who, "your machine is ready")
		}
		m := r.messages(ticket.ID, "")[0]
		if m.Author.Kind != desk.Agent || m.Internal || len(m.To) != 2 || len(m.Cc) != 1 {
			r.t.Errorf("%+v", m)
		}
		for _, kind := range []desk.EffectKind{desk.WelcomeMail, desk.AcknowledgeMail, desk.ReplyMail, desk.PutInInbox} {
			if n := len(r.effects(kind)); n != 0 {
				r.t.Errorf("%d rows of %s", n, kind)
			}
		}
		for id, from := range map[string]string{"2@customer.example": ann, "3@partner.example": "Bob <bob@partner.example>"} {
			answer := r.arrives(mail(from, support, id, "thank you", answering("1@acme.example")))
			if r.want(answer, desk.Appended); answer.TicketID != ticket.ID {
				r.t.Errorf("the answer of %s is in another ticket", from)
			}
		}
		r.want(r.arrives(mail(colleague, support, "4@acme.example", "me too", answering("1@acme.example"))), desk.Held)
		r.clean()
	})
}

// TestWhatBeginsNoConversation: mail among colleagues, answers, what machines wrote, and mail whose recipients nobody may see.
func TestWhatBeginsNoConversation(t *testing.T) {
	both(t, func(r *rig) {
		r.mb.Aliases = append(r.mb.Aliases, "help@acme-help.example")
		r.begins()
		for what, raw := range map[string]string{
			"to a colleague": mail(support, "Cora <cora@acme.example>", "1@acme.example", "x"),
			"to a colleague in another domain of ours": mail(support, "cora@acme-help.example", "6@acme.example", "x"),
			"to a colleague below our domain":          mail(support, "cora@mail.acme.example", "7@acme.example", "x"),
			"to a machine":                             mail(support, "no-reply@customer.example", "8@acme.example", "x"),
			"to ourselves":                             mail(support, support, "2@acme.example", "x"),
			"to nobody but Bcc":                        mail(support, "undisclosed-recipients:;", "3@acme.example", "x", "Bcc: ann@customer.example"),
			"an answer":                                mail(support, ann, "4@acme.example", "x", answering("nobody-knows@customer.example")),
			"written by a machine":                     mail(support, ann, "5@acme.example", "x", "Auto-Submitted: auto-generated"),
		} {
			if e := r.sends(raw); e.Outcome != desk.Ignored || e.TicketID != "" {
				r.t.Errorf("%s: %s (%s)", what, e.Outcome, e.Reason)
			}
		}
		if n := r.tickets(); n != 0 {
			r.t.Errorf("%d tickets", n)
		}
		r.clean()
	})
}

// TestAnAnswerMayComeBeforeSentTellsWhatBegan of the mail that it answers: the two are one ticket all the same.
func TestAnAnswerMayComeBeforeSentTellsWhatBegan(t *testing.T) {
	both(t, func(r *rig) {
		r.begins()
		answer := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, "2@customer.example", "thank you", answering("1@acme.example")))[0]
		begun := r.keep(r.mb.ID, desk.Sent, time.Now(), mail(support, ann, "1@acme.example", "your machine is ready"))[0]
		r.read()
		r.want(r.entry(begun), desk.NewTicket)
		r.want(r.entry(answer), desk.Appended)
		if a, b := r.entry(begun).TicketID, r.entry(answer).TicketID; a != b {
			r.t.Errorf("two tickets, %s and %s", a, b)
		}
		if got := strings.Join(r.replies(r.entry(begun).TicketID), ", "); !strings.Contains(got, "thank you") {
			r.t.Errorf("%q", got)
		}
		r.clean()
	})
}

// TestAnEarlyAnswerTakesNoConversationOver: whoever answers before Sent has told of the mail gets a ticket of what they say. Those whom the agent wrote
// to get theirs all the same.
func TestAnEarlyAnswerTakesNoConversationOver(t *testing.T) {
	both(t, func(r *rig) {
		r.begins()
		both := "Ann Lee <ann@customer.example>, Bob <bob@partner.example>"
		early := r.arrives(mail(eve, support, "2@evil.example", "give me more of it", answering("1@acme.example"))) // a copy was passed on to her
		r.want(early, desk.NewTicket)
		begun := r.sends(mail(support, both, "1@acme.example", "your machine is ready"))
		r.want(begun, desk.NewTicket)
		if begun.TicketID == early.TicketID || len(r.messages(early.TicketID, "")) != 1 {
			r.t.Error("the agent's mail is in the ticket of who answered first")
		}
		answer := r.arrives(mail(ann, support, "3@customer.example", "thank you", answering("1@acme.example")))
		if r.want(answer, desk.Appended); answer.TicketID != begun.TicketID {
			r.t.Error("Ann's answer is in another ticket")
		}

		first := r.arrives(mail(ann, support, "5@customer.example", "thank you for that", answering("4@acme.example")))
		r.want(first, desk.NewTicket)
		later := r.sends(mail(support, both, "4@acme.example", "another machine is ready"))
		if r.want(later, desk.Appended); later.TicketID != first.TicketID {
			r.t.Error("what Ann has answered is in another ticket")
		}
		third := r.arrives(mail("Bob <bob@partner.example>", support, "6@partner.example", "I come too", answering("4@acme.example")))
		if r.want(third, desk.Appended); third.TicketID != first.TicketID {
			r.t.Error("Bob's answer is in another ticket")
		}
		r.wantTexts(first.TicketID, "bob@partner.example", "thank you for that", "another machine is ready", "I come too")
		r.clean()
	})
}

// TestWhatAnAgentBeganJoinsTheTicketOfItsAnswer, in a mailbox that makes no tickets of such mail.
func TestWhatAnAgentBeganJoinsTheTicketOfItsAnswer(t *testing.T) {
	both(t, func(r *rig) {
		begun := r.keep(r.mb.ID, desk.Sent, time.Now(), mail(support, ann, "1@acme.example", "your machine is ready"))[0]
		r.read()
		r.want(r.entry(begun), desk.Ignored)
		answer := r.arrives(mail(ann, support, "2@customer.example", "thank you", answering("1@acme.example")))
		r.want(answer, desk.NewTicket)
		r.read()
		if e := r.entry(begun); e.Outcome != desk.Appended || e.TicketID != answer.TicketID {
			r.t.Errorf("the agent's mail: %s (%s)", e.Outcome, e.Reason)
		}
		r.wantTexts(answer.TicketID, "ann@customer.example", "your machine is ready", "thank you")
		r.clean()
	})
}
