package ingest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

const (
	ann     = "Ann <ann@customer.example>"
	support = "support@acme.example"
)

func TestM7_MailOpensATicketAndAnswersJoinIt(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken", "Cc: bob@customer.example, sales@acme.example"))
		r.want(first, desk.NewTicket)
		ticket := r.ticket(first.TicketID)
		if ticket.Subject != "Printer" || ticket.Status != desk.Open || !ticket.LastCustomer || ticket.Number != 1 {
			r.t.Errorf("ticket %+v", ticket)
		}
		parts := map[string]desk.Role{}
		for _, p := range ticket.Participants {
			parts[p.Email] = p.Role
		}
		if len(parts) != 2 || parts["ann@customer.example"] != desk.Requester || parts["bob@customer.example"] != desk.Mentioned {
			r.t.Errorf("M13: participants %v", parts)
		}
		again := r.arrives(mail(ann, support, "2@customer.example", "still broken", "References: <0@x.example> <1@customer.example>", "Subject: something else"))
		r.want(again, desk.Appended)
		if again.TicketID != first.TicketID {
			r.t.Errorf("joined %s, not %s", again.TicketID, first.TicketID)
		}
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "still broken")
		m := r.messages(first.TicketID, "")[1]
		if m.Trust != desk.V0 || !slices.Contains(m.Reasons, "sender not verified") {
			r.t.Errorf("M12: trust %s, reasons %q", m.Trust, m.Reasons)
		}
		same := r.arrives(mail(ann, support, "3@customer.example", "the same subject", "Subject: Re: [#1] Printer"))
		r.want(same, desk.NewTicket)
		r.clean()
	})
}

// TestALongSubjectIsCutVisibly: a mail can't be refused, so its subject ends with an ellipsis, and the mail is kept as it came.
func TestALongSubjectIsCutVisibly(t *testing.T) {
	both(t, func(r *rig) {
		long := strings.TrimSpace(strings.Repeat("many words ", 200)) + " the end"
		e := r.arrives(mail(ann, support, "1@customer.example", "it is broken", "Subject: "+strings.ReplaceAll(long, "many", "\r\n many")))
		r.want(e, desk.NewTicket)
		want := long[:desk.MaxSubject-1] + "…"
		if ticket, m := r.ticket(e.TicketID), r.messages(e.TicketID, "")[0]; ticket.Subject != want || m.Subject != want {
			r.t.Errorf("the subjects are %q and %q", ticket.Subject, m.Subject)
		}
		raw, err := r.ingest().Raw(r.t.Context(), e)
		if err != nil {
			r.t.Fatal(err)
		}
		defer raw.Close()
		whole, err := mailmsg.Parse(raw, mailmsg.ParseOptions{})
		if err != nil || whole.Subject != long {
			r.t.Errorf("the mail's own subject is %q, %v", whole.Subject, err)
		}
	})
}

func TestM8_MailsWithoutAnIDAreNotOne(t *testing.T) {
	both(t, func(r *rig) {
		one := r.arrives(mail(ann, support, "", "one", "-Message-ID"))
		two := r.arrives(mail(ann, support, "", "two", "-Message-ID", "In-Reply-To: <>", "References: < >"))
		three := r.arrives(mail(ann, support, " ", "three"))
		for _, e := range []desk.LedgerEntry{one, two, three} {
			r.want(e, desk.NewTicket)
		}
		if r.tickets() != 3 {
			r.t.Errorf("%d tickets", r.tickets())
		}
	})
}

func TestM12_StrangersMailIsHeldAndChangesNothing(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		before := r.ticket(first.TicketID)
		held := r.arrives(mail("Eve <eve@evil.example>", support, "2@evil.example", "show me", answering("1@customer.example"), "Cc: ann@customer.example"))
		r.want(held, desk.Held)
		if held.TicketID != first.TicketID {
			r.t.Errorf("held for %q", held.TicketID)
		}
		r.wantTexts(first.TicketID, "", "it is broken")
		if after := r.ticket(first.TicketID); len(after.Participants) != len(before.Participants) || !after.LastActivityAt.Equal(before.LastActivityAt) {
			r.t.Errorf("the ticket changed: %+v", after)
		}
		if _, err := r.db.ContactByEmail(r.t.Context(), "eve@evil.example"); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("a contact for a held mail: %v", err)
		}
	})
}

func (r *rig) agentAnswers(ticket desk.ID, text string) desk.Message {
	r.t.Helper()
	m, err := r.desk.ReplyByAgent(r.t.Context(), tickets.AgentReply{Ticket: ticket, Text: text, Source: desk.FromAPI})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *rig) replyAddress(ticket desk.ID, email string) string {
	r.t.Helper()
	keys, err := mailmsg.NewKeyring(map[byte][]byte{1: []byte(strings.Repeat("k", 32))}, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	address, ok := mailmsg.ReplyAddress(r.mb.Address, keys.Token(mailmsg.ForReply, string(r.mb.ID), string(ticket), email))
	if !ok {
		r.t.Fatal("no reply address")
	}
	return address
}

func TestM2_ReplyAddressJoinsAndNothingForgedDoes(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		address := r.replyAddress(first.TicketID, "ann@customer.example")

		byToken := r.arrives(mail(ann, address, "2@customer.example", "by token"))
		r.want(byToken, desk.Appended)
		r.wantTexts(first.TicketID, "", "it is broken", "try again", "by token")
		if m := r.messages(first.TicketID, "")[2]; m.Trust != desk.V1 {
			r.t.Errorf("trust %s, want V1: their own token", m.Trust)
		}
		deliveredTo := r.arrives(mail(ann, "undisclosed-recipients:;", "3@customer.example", "delivered", "Delivered-To: "+strings.ToUpper(address)))
		r.want(deliveredTo, desk.Appended)

		flipped := strings.Replace(address, "@", "", 1)
		flipped = address[:len("support+")] + map[bool]string{true: "b", false: "a"}[flipped[len("support+")] == 'a'] + address[len("support+")+1:]
		r.want(r.arrives(mail(ann, flipped, "4@customer.example", "forged")), desk.NewTicket) // M4: not dropped, and no part of the ticket
		third := r.arrives(mail("no-reply@slack.example", address, "5@slack.example", "confirm your address", "Auto-Submitted: auto-generated"))
		r.want(third, desk.Held) // H1
		stranger := r.arrives(mail("eve@evil.example", address, "6@evil.example", "forwarded to me"))
		r.want(stranger, desk.Held)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "try again", "by token", "delivered")
		r.clean()
	})
}

func TestH4_DuplicateOrTheSameIDWithOtherContent(t *testing.T) {
	both(t, func(r *rig) {
		original := mail(ann, support, "1@customer.example", "it is broken")
		squat := r.arrives(mail("eve@evil.example", support, "1@customer.example", "I was here first"))
		r.want(squat, desk.NewTicket)
		first := r.arrives(original)
		r.want(first, desk.NewTicket)
		if reasons := r.messages(first.TicketID, "")[0].Reasons; !slices.ContainsFunc(reasons, func(s string) bool { return strings.Contains(s, "same Message-ID") }) {
			r.t.Errorf("not flagged: %q", reasons)
		}
		r.want(r.arrives(original), desk.Duplicate)
		r.want(r.arrives("X-Copy: re-rendered\r\n"+original), desk.Duplicate)
		if r.tickets() != 2 {
			r.t.Errorf("%d tickets", r.tickets())
		}
		r.clean()
	})
}

func TestH5_OurAddressInTheInboxIsNobody(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.want(r.arrives(mail("Support <support@acme.example>", "ann@customer.example", "2@evil.example", "send money", answering("1@customer.example"))), desk.Held)
		r.want(r.arrives(mail("support+x@acme.example", support, "3@evil.example", "send money", answering("1@customer.example"))), desk.Held)
		r.want(r.arrives(mail("sales@acme.example", support, "4@evil.example", "send money")), desk.Held)
		r.wantTexts(first.TicketID, "", "it is broken")
	})
}

func TestH6_SentMailIsPublicOnlyToTheCustomer(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken", "Cc: eve@customer.example"))
		r.want(r.sends(mail(support, "vendor@parts.example", "2@acme.example", "stupid customer", answering("1@customer.example"))), desk.Appended)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken")
		if status := r.ticket(first.TicketID).Status; status != desk.Open {
			r.t.Errorf("a note made it %s", status)
		}
		r.want(r.sends(mail(support, "eve@customer.example", "3@acme.example", "to who was only mentioned", answering("1@customer.example"))), desk.Appended)
		r.want(r.sends(mail(support, ann, "4@acme.example", "fixed", answering("1@customer.example"))), desk.Appended)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "fixed")
		r.wantTexts(first.TicketID, "", "it is broken", "stupid customer", "to who was only mentioned", "fixed")
		if ticket := r.ticket(first.TicketID); ticket.Status != desk.Waiting || ticket.LastCustomer {
			r.t.Errorf("after an answer: %+v", ticket)
		}
		// F40: the vendor answers all, and names the customer's mail
		r.want(r.arrives(mail("vendor@parts.example", support, "5@parts.example", "we agree", "Cc: ann@customer.example", "References: <1@customer.example> <2@acme.example>")), desk.Held)
		r.want(r.sends(mail(support, "friend@else.example", "6@acme.example", "lunch?")), desk.Ignored)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "fixed")
		r.clean()
	})
}

func TestH6_SentCopyCountsThoughTheInboxHadItFirst(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := mail(support, ann, "2@acme.example", "fixed", answering("1@customer.example"), "Cc: support@acme.example")
		inbox := r.keep(r.mb.ID, desk.Inbox, time.Now(), answer)[0]
		r.read()
		r.want(r.entry(inbox), desk.Held)
		r.want(r.sends(answer), desk.Appended)
		r.want(r.entry(inbox), desk.Duplicate)
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "fixed")
		r.want(r.arrives(answer), desk.Duplicate)
		r.clean()
	})
}

func TestSentMailThatComesBeforeItsParentIsJoined(t *testing.T) {
	both(t, func(r *rig) {
		answer := r.keep(r.mb.ID, desk.Sent, time.Now(), mail(support, ann, "2@acme.example", "fixed", answering("1@customer.example")))[0]
		r.read()
		r.want(r.entry(answer), desk.Ignored)
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.want(first, desk.NewTicket)
		r.want(r.entry(answer), desk.Appended)
		if got := texts(r.messages(first.TicketID, "ann@customer.example")); len(got) != 2 {
			r.t.Errorf("the customer sees %q", got)
		}
		r.clean()
	})
}

func TestH8_AnotherMailboxsIDsAndTokensMeanNothing(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		it := r.keep(r.other.ID, desk.Inbox, time.Now(),
			"Delivered-To: sales@acme.example\r\n"+mail(ann, r.replyAddress(first.TicketID, "ann@customer.example"), "2@customer.example", "hello sales", answering("1@customer.example")),
			"Delivered-To: sales@acme.example\r\n"+mail(ann, support, "1@customer.example", "it is broken")) // M15: the same mail to both
		r.read()
		for i, want := range []desk.Outcome{desk.NewTicket, desk.Appended} { // there it is the mail that the other one answers
			e := r.entry(it[i])
			r.want(e, want)
			if e.TicketID == first.TicketID {
				r.t.Error("joined the other mailbox's ticket")
			}
		}
		r.wantTexts(first.TicketID, "", "it is broken", "try again")
		r.clean()
	})
}

func TestINV3_MachinesOpenNothingAndGetNothing(t *testing.T) {
	both(t, func(r *rig) {
		for i, more := range [][]string{
			{"Auto-Submitted: auto-replied"}, {"Precedence: auto_reply"}, {"X-Autoreply: yes"}, {"Return-Path: <>", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"},
		} {
			e := r.arrives(mail("bot@customer.example", support, string(rune('a'+i))+"@customer.example", "beep", more...))
			r.want(e, desk.Automated)
		}
		if n := r.tickets(); n != 0 {
			r.t.Errorf("%d tickets", n)
		}
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		before := r.ticket(first.TicketID)
		r.want(r.arrives(mail(ann, support, "2@customer.example", "I am away", answering("1@customer.example"), "Auto-Submitted: auto-replied")), desk.Appended)
		if after := r.ticket(first.TicketID); after.Status != before.Status {
			r.t.Errorf("L7: the status became %s", after.Status)
		}
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "try again")
		r.clean()
	})
}

func TestL9_WelcomeOnceEverAndNeutral(t *testing.T) {
	both(t, func(r *rig) {
		welcomes := func(want int) []desk.Effect {
			r.t.Helper()
			es := r.effects(desk.WelcomeMail)
			if len(es) != want {
				r.t.Errorf("%d welcome mails, want %d", len(es), want)
			}
			return es
		}
		r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		e := welcomes(1)[0]
		text, err := r.db.Template(r.t.Context(), e.Template)
		if err != nil || e.Recipient != "ann@customer.example" || text.Body != desk.DefaultSettings().Welcome.NeutralBody {
			r.t.Errorf("welcome %+v with %+v, %v", e, text, err)
		}
		r.arrives(mail(ann, support, "2@customer.example", "and again"))
		welcomes(1)

		// the address is somebody else's now: still no second welcome
		c := r.contact("ann@customer.example")
		if _, err := r.desk.ChangeContact(r.t.Context(), c.ID, tickets.ContactChange{Addresses: &[]string{"new@customer.example"}}); err != nil {
			r.t.Fatal(err)
		}
		r.arrives(mail(ann, support, "3@customer.example", "who am I"))
		welcomes(1)

		for i, m := range []string{ // L1, L2, L4
			mail("list@lists.example", support, "4@lists.example", "news", "List-Id: <x.lists.example>"),
			mail("quiet@customer.example", support, "5@customer.example", "hush", "X-Auto-Response-Suppress: All"),
			mail("spam@customer.example", support, "5s@customer.example", "buy", "X-Spam-Flag: YES"),
			mail("null@customer.example", support, "6@customer.example", "no way back", "Return-Path: <>"),
			mail("postmaster@customer.example", support, "7@customer.example", "a human after all"),
		} {
			r.arrives(m)
			if es := r.effects(desk.WelcomeMail); len(es) != 1 {
				r.t.Errorf("mail %d was answered: %+v", i, es[0])
			}
		}
		r.clean()
	})
}

func TestL11_ImportSendsNothing(t *testing.T) {
	both(t, func(r *rig) {
		var old []string
		for i := range 30 {
			id := string(rune('a'+i%26)) + strings.Repeat("x", i)
			old = append(old, mail(id+"@customer.example", support, id+"@customer.example", "old"))
		}
		r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-31*time.Minute), old...)
		r.read()
		if n := r.tickets(); n != 30 {
			r.t.Errorf("%d tickets", n)
		}
		if es, err := r.db.EffectCounts(r.t.Context()); err != nil || len(es) != 0 {
			r.t.Errorf("outbox %v, %v", es, err)
		}
		r.clean()
	})
}

func TestCompanyComesFromTheDomain(t *testing.T) {
	both(t, func(r *rig) {
		if _, err := r.desk.AddCompany(r.t.Context(), "Mail", []string{"gmail.com"}); desk.KindOf(err) != desk.Invalid {
			r.t.Errorf("T1: a public domain: %v", err)
		}
		co, err := r.desk.AddCompany(r.t.Context(), "Customer", []string{"Customer.example"})
		if err != nil {
			r.t.Fatal(err)
		}
		e := r.arrives(mail("x@berlin.customer.example", support, "1@customer.example", "hello"))
		if got := r.ticket(e.TicketID).CompanyID; got != co.ID {
			r.t.Errorf("company %q", got)
		}
		e = r.arrives(mail("x@gmail.com", support, "2@gmail.com", "hello"))
		if got := r.ticket(e.TicketID).CompanyID; got != "" {
			r.t.Errorf("company %q for a public address", got)
		}
	})
}

func TestPortalTicketIsMadeOnceAndKnown(t *testing.T) {
	both(t, func(r *rig) {
		e := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		c := r.contact("ann@customer.example")
		in := tickets.CustomerTicket{Contact: c, Subject: "Second", Text: "from the portal", Nonce: store.NewID()}
		var ids []desk.ID
		for range 3 {
			made, err := r.desk.OpenByCustomer(r.t.Context(), in)
			if err != nil {
				r.t.Fatal(err)
			}
			ids = append(ids, made.ID)
		}
		if ids[0] != ids[1] || ids[0] != ids[2] || len(r.effects(desk.PutInInbox)) != 1 {
			r.t.Errorf("sent three times: %v", ids)
		}
		eve, _, err := r.desk.AddContact(r.t.Context(), tickets.NewContact{Name: "Eve", Addresses: []string{"eve@evil.example"}})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.desk.ReplyByCustomer(r.t.Context(), tickets.CustomerReply{Contact: eve, Ticket: e.TicketID, Text: "mine"}); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("T4: a stranger answers: %v", err)
		}
		if err := r.desk.CloseByCustomer(r.t.Context(), eve, e.TicketID); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("T4: a stranger closes: %v", err)
		}
		m, err := r.desk.ReplyByCustomer(r.t.Context(), tickets.CustomerReply{Contact: c, Ticket: e.TicketID, Text: "solved", Solved: true})
		if err != nil || r.ticket(e.TicketID).Status != desk.Closed {
			r.t.Errorf("solved: %v, %+v", err, r.ticket(e.TicketID))
		}
		// the agent answers what was put into the inbox, and the customer by mail what they wrote in the portal
		r.want(r.sends(mail(support, ann, "9@acme.example", "glad", answering(string(m.MessageID)))), desk.Appended)
		r.want(r.arrives(mail(ann, support, "2@customer.example", "thanks", "References: <"+string(m.References[0])+">")), desk.Appended)
		r.clean()
	})
}

func TestH4_M8_MailsThatAreFiledTogetherKnowOfEachOther(t *testing.T) {
	both(t, func(r *rig) {
		twin := mail(ann, support, "1@customer.example", "it is broken")
		items := r.keep(r.mb.ID, desk.Inbox, time.Now(),
			twin, twin, mail(ann, support, "1@customer.example", "something else"), // one mail twice, and another one with its id
			mail(ann, support, "", "no id"), mail(ann, support, "", "no id either"),
			mail("bob@customer.example", support, "2@customer.example", "hello"), mail("bob@customer.example", support, "3@customer.example", "hello again"),
			mail("bob@customer.example", support, "4@customer.example", "an answer", answering("3@customer.example")),
		)
		r.read()
		want := []desk.Outcome{desk.NewTicket, desk.Duplicate, desk.NewTicket, desk.NewTicket, desk.NewTicket, desk.NewTicket, desk.NewTicket, desk.Appended}
		for i, it := range items {
			r.want(r.entry(it), want[i])
		}
		flagged := func(i int) bool {
			return slices.ContainsFunc(r.messages(r.entry(items[i]).TicketID, "")[0].Reasons, func(s string) bool { return strings.Contains(s, "same Message-ID") })
		}
		if flagged(0) || !flagged(2) || flagged(4) {
			r.t.Errorf("flagged for the id: first %v, second %v, one without an id %v", flagged(0), flagged(2), flagged(4))
		}
		if a, b := r.contact("bob@customer.example").ID, r.ticket(r.entry(items[6]).TicketID).ContactID; a != b {
			r.t.Errorf("Bob's second ticket belongs to %s, he is %s", b, a)
		}
		r.clean()
	})
}
