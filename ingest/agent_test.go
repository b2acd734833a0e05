package ingest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

const mary = "Mary Major <mary@home.example>"

// keys are those of the rig.
func (r *rig) keys() *mailmsg.Keyring {
	r.t.Helper()
	k, err := mailmsg.NewKeyring(map[byte][]byte{1: bytes.Repeat([]byte("k"), 32)}, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

func (r *rig) agent(name, address string, notify desk.Notify) desk.KnownAgent {
	r.t.Helper()
	a, err := r.desk.AddAgent(r.t.Context(), tickets.AgentChange{Name: &name, Addresses: &[]string{address}, Notify: &notify})
	if err != nil {
		r.t.Fatal(err)
	}
	r.org()
	return a
}

// address is where an agent answers, or writes notes.
func (r *rig) address(p mailmsg.Purpose, ticket desk.ID, a desk.KnownAgent) string {
	r.t.Helper()
	to, ok := mailmsg.ReplyAddress(r.mb.Address, r.keys().Token(p, string(r.mb.ID), string(ticket), string(a.ID)))
	if !ok {
		r.t.Fatal("no address")
	}
	return to
}

// asked has Ann's question arrive, proved, and gives its ticket.
func (r *rig) asked(id string) desk.ID {
	r.t.Helper()
	e := r.arrives(found("pass", "customer.example", mail(ann, support, id, "The printer in room four is jammed since monday morning.")))
	r.want(e, desk.NewTicket)
	return e.TicketID
}

// proved is a mail from Mary that the receiver vouches for.
func proved(to, id, text string, more ...string) string {
	return found("pass", "home.example", mail(mary, to, id, text, more...))
}

func TestI3_CustomersMessageIsMailedToTheAgentsWhoWantIt(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		assigned := r.agent("Joe", "joe@home.example", desk.NotifyAssigned)
		r.agent("Zoe", "zoe@home.example", desk.NotifyNothing)
		notified := func(want ...string) {
			r.t.Helper()
			var got []string
			for _, e := range r.effects(desk.NotifyMail) {
				got = append(got, e.Recipient)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				r.t.Errorf("notified %q, want %q", got, want)
			}
		}
		ticket := r.asked("1@customer.example")
		notified("mary@home.example")
		for token, want := range map[string]desk.ID{
			r.keys().Token(mailmsg.ForAgent, string(r.mb.ID), string(ticket), string(a.ID)): a.ID, r.keys().Token(mailmsg.ForNote, string(r.mb.ID), string(ticket), string(a.ID)): a.ID,
		} {
			if known, err := r.db.ReplyToken(r.t.Context(), token); err != nil || known.AgentID != want || known.TicketID != ticket {
				r.t.Errorf("%+v, %v", known, err)
			}
		}
		if _, err := r.desk.Change(r.t.Context(), desk.ScopeOfProgram(), ticket, tickets.Change{Assignee: &assigned.ID}); err != nil {
			r.t.Fatal(err)
		}
		r.want(r.arrives(found("pass", "customer.example", mail(ann, support, "2@customer.example", "still jammed", answering("1@customer.example")))), desk.Appended)
		notified("joe@home.example", "mary@home.example", "mary@home.example")
		for n, more := range []string{"Auto-Submitted: auto-replied", "Precedence: bulk", "List-Id: <l.customer.example>", "X-Spam-Flag: YES"} {
			r.arrives(found("pass", "customer.example", mail(ann, support, fmt.Sprintf("3%d@customer.example", n), "of a machine", answering("1@customer.example"), more)))
		}
		old := r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-2*desk.LiveFor), mail(ann, support, "4@customer.example", "of last year", answering("1@customer.example")))[0]
		r.read()
		r.want(r.entry(old), desk.Appended)
		r.want(r.arrives(mail("Eve <eve@evil.example>", support, "5@evil.example", "of a stranger", answering("1@customer.example"))), desk.Held)
		notified("joe@home.example", "mary@home.example", "mary@home.example")
		off := true
		if _, err := r.desk.ChangeAgent(r.t.Context(), a.ID, tickets.AgentChange{Disabled: &off}); err != nil {
			r.t.Fatal(err)
		}
		r.org()
		r.want(r.arrives(found("pass", "customer.example", mail(ann, support, "6@customer.example", "hello again", answering("1@customer.example")))), desk.Appended)
		notified("joe@home.example", "joe@home.example", "mary@home.example", "mary@home.example")
		r.clean()
	})
}

func TestI3_AgentsAnswerGoesToTheCustomerAsOurs(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		to, note := r.address(mailmsg.ForAgent, ticket, a), r.address(mailmsg.ForNote, ticket, a)
		text := "Please pull the red lever.\n\nYou reach me at MARY@home.example, mary+desk@home.example or " + to + ".\n\n-- \nMary Major\nmary@home.example, +45 12345678\n\n" +
			"On Mon, 2 Mar 2026 at 10:00, Ann via Support <" + to + "> wrote:\n> The printer in room four is jammed since monday morning.\n>\n> -- \n> " +
			strings.ReplaceAll(r.footer("en", note), "\n", "\n> ")
		e := r.arrives(proved(to, "laptop.1@home.example", text, "In-Reply-To: <n.x@acme.example>"))
		r.want(e, desk.Appended)
		if e.TicketID != ticket || !strings.Contains(e.Reason, "Mary Major") {
			r.t.Errorf("%+v", e)
		}
		const want = "Please pull the red lever.\n\nYou reach me at support@acme.example, support@acme.example or support@acme.example."
		r.wantTexts(ticket, "ann@customer.example", "The printer in room four is jammed since monday morning.", want)
		m := r.messages(ticket, "ann@customer.example")[1]
		if m.Author.Name != "Mary Major" || m.Author.Email != "support@acme.example" || m.Author.Kind != desk.Agent || m.Trust != desk.V2 || m.LedgerID != e.ID || !strings.HasSuffix(string(m.MessageID), "@acme.example") {
			r.t.Errorf("%+v", m)
		}
		private(r, fmt.Sprintf("%+v", m), to, note)
		sent := r.effects(desk.ReplyMail)
		if len(sent) != 1 || sent[0].Recipient != "ann@customer.example" || sent[0].SubjectID != m.ID {
			r.t.Errorf("%+v", sent)
		}
		if got := r.ticket(ticket); got.Status != desk.Waiting || got.LastCustomer || len(got.Participants) != 1 {
			r.t.Errorf("%+v", got)
		}
		// A second copy, and what is merged.
		r.want(r.arrives(proved(to, "laptop.1@home.example", text, "In-Reply-To: <n.x@acme.example>")), desk.Duplicate)
		other := r.arrives(found("pass", "customer.example", mail(ann, support, "other@customer.example", "Another matter.")))
		if _, err := r.desk.Merge(r.t.Context(), ticket, other.TicketID); err != nil {
			r.t.Fatal(err)
		}
		if e := r.arrives(proved(to, "laptop.2@home.example", "It is one matter.")); e.Outcome != desk.Appended || e.TicketID != other.TicketID {
			r.t.Errorf("after the merge: %+v", e)
		}
		r.clean()
	})
}

// TestI3_AnOldAnswerDoesNotGoOutOnceMore: after a restore an answer that went out is new to us. Notes do no harm.
func TestI3_AnOldAnswerDoesNotGoOutOnceMore(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		to := r.address(mailmsg.ForAgent, ticket, a)
		came := func(id, text string, ago time.Duration) desk.LedgerEntry {
			it := r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-ago), proved(to, id, text))[0]
			r.read()
			return r.entry(it)
		}
		r.want(came("old@home.example", "Pull the lever.", desk.RelayFor+time.Minute), desk.Held)
		if sent := r.effects(desk.ReplyMail); len(sent) != 0 {
			r.t.Errorf("an old answer went out: %+v", sent)
		}
		if told := r.effects(desk.NoticeInInbox); len(told) != 1 { // it may be that our server was away for long
			r.t.Errorf("the agents are told %+v", told)
		}
		r.want(came("note@home.example", "#note\nShe called.", desk.RelayFor+time.Minute), desk.Appended)
		r.want(came("late@home.example", "Pull the lever.", desk.RelayFor-time.Minute), desk.Appended)
		if sent := r.effects(desk.ReplyMail); len(sent) != 1 {
			r.t.Errorf("an answer that is late went out %d times", len(sent))
		}
	})
}

// private checks that nothing of an agent's is in what a customer gets.
func private(r *rig, text string, secrets ...string) {
	r.t.Helper()
	for _, s := range append(secrets, "home.example", "laptop") {
		if strings.Contains(strings.ToLower(text), s) {
			r.t.Errorf("%q is in %q", s, text)
		}
	}
}

func TestI3_WhereThereAreNoSubAddressesTheNotificationsOwnIDTells(t *testing.T) {
	both(t, func(r *rig) {
		r.mb.SubAddress = false
		r.trusts(desk.Receiver{AuthServID: mx})
		r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		notice := r.effects(desk.NotifyMail)[0]
		id := answering(string(notice.MessageID))
		r.want(r.arrives(found("pass", "evil.example", mail("Eve <eve@evil.example>", support, "2@evil.example", "I am she", id))), desk.Held)
		r.want(r.arrives(found("fail", "home.example", mail(mary, support, "3@home.example", "I am she", id))), desk.Held)
		r.want(r.arrives(proved(support, "4@home.example", "no id at all")), desk.Held)
		r.want(r.arrives(proved(support, "5@home.example", "in the References alone", "References: <"+string(notice.MessageID)+">")), desk.Held)
		r.want(r.arrives(proved(support, "6@home.example", "Pull the lever.", id)), desk.Appended)
		r.want(r.arrives(proved(support, "7@home.example", "#note\nHe is slow.", id)), desk.Appended)
		r.wantTexts(ticket, "ann@customer.example", "The printer in room four is jammed since monday morning.", "Pull the lever.")
		r.clean()
	})
}

func TestH5_WhatIsNotAProvedAgentsIsHeld(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		joe := r.agent("Joe", "joe@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		second := r.arrives(found("pass", "customer.example", mail(ann, support, "other@customer.example", "Another matter."))).TicketID
		to := r.address(mailmsg.ForAgent, ticket, a)
		forged := "Authentication-Results: " + mx + "; dmarc=pass header.from=home.example"
		wrong := []byte(to)
		if i := strings.IndexByte(to, '+') + 9; wrong[i] == 'a' {
			wrong[i] = 'b'
		} else {
			wrong[i] = 'a'
		}
		for n, c := range []struct{ what, raw string }{
			{"not proved", found("fail", "home.example", mail(mary, to, "x", "forged"))},
			{"no result", mail(mary, to, "x", "forged")},
			{"a forged result", "Received: from evil.example by " + mx + "; Mon, 02 Mar 2026 10:00:01 +0000\r\n" + mail(mary, to, "x", "forged", forged)},
			{"two senders", found("pass", "home.example", mail("mary@home.example, eve@evil.example", to, "x", "forged"))},
			{"a customer", found("pass", "customer.example", mail(ann, to, "x", "I am Ann"))},
			{"a stranger", found("pass", "evil.example", mail("Eve <eve@evil.example>", to, "x", "I am Eve"))},
			{"the support address", found("pass", "acme.example", mail("support@acme.example", to, "x", "I am you"))},
			{"another agent's token", proved(r.address(mailmsg.ForAgent, ticket, joe), "x", "not mine")},
			{"addresses of two tickets", proved(to+", "+r.address(mailmsg.ForAgent, second, a), "x", "which?")},
			{"no token", proved(support, "x", "to all", answering("1@customer.example"))},
			{"a token that was changed", proved(string(wrong), "x", "to all", answering("1@customer.example"))},
			{"nothing but a quote", proved(to, "x", "> The printer in room four is jammed since monday morning.\r\n> \r\n> -- \r\n> Ticket #1: https://help.acme.example/tickets/1")},
			{"nothing at all", proved(to, "x", "")},
			{"a mistyped command", proved(to, "x", "#nots\r\nHe lies.")},
			{"nobody to assign to", proved(to, "x", "#assign eve\r\nDone.")},
			{"a mail in it", proved(to, "x", "--b\r\nContent-Type: text/plain\r\n\r\nlook\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@evil.example\r\nSubject: x\r\n\r\nbetween us\r\n--b--", `Content-Type: multipart/mixed; boundary="b"`)},
		} {
			e := r.arrives(strings.Replace(c.raw, "Message-ID: <x>", fmt.Sprintf("Message-ID: <h%d@home.example>", n), 1))
			if e.Outcome != desk.Held || e.Reason == "" {
				r.t.Errorf("%s: %s (%s)", c.what, e.Outcome, e.Reason)
			}
		}
		const hers = 6 // that to two tickets, and the last five; others have forged the rest, and of that nobody is told
		if told := r.effects(desk.NoticeInInbox); len(told) != hers {
			r.t.Errorf("agents are told %d times of what Mary wrote, want %d", len(told), hers)
		}
		off := true
		if _, err := r.desk.ChangeAgent(r.t.Context(), a.ID, tickets.AgentChange{Disabled: &off}); err != nil {
			r.t.Fatal(err)
		}
		r.org()
		r.want(r.arrives(proved(to, "late@home.example", "I am gone")), desk.Held)
		if got := r.effects(desk.ReplyMail); len(got) != 0 {
			r.t.Errorf("%d mails to customers", len(got))
		}
		r.wantTexts(ticket, "", "The printer in room four is jammed since monday morning.")
		for _, email := range []string{"mary@home.example", "joe@home.example"} {
			if _, err := r.db.ContactByEmail(r.t.Context(), email); desk.KindOf(err) != desk.NotFound {
				r.t.Errorf("%s is a contact: %v", email, err)
			}
		}
		r.clean()
	})
}

func TestI4_NotesOfAgentsStayInside(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		r.agent("Joe", "joe@home.example", desk.NotifyNothing)
		ticket := r.asked("1@customer.example")
		to, note := r.address(mailmsg.ForAgent, ticket, a), r.address(mailmsg.ForNote, ticket, a)
		before := r.ticket(ticket)
		for n, raw := range []string{
			proved(note, "", "He is slow."), proved(to, "", "He is late.", "Cc: "+note), proved(note+", "+to, "", "He is loud."), proved(to, "", "#note\r\nHe is old."),
			proved(to, "", "#Note he is odd."),
		} {
			r.want(r.arrives(strings.Replace(raw, "Message-ID: <>", fmt.Sprintf("Message-ID: <n%d@home.example>", n), 1)), desk.Appended)
		}
		r.wantTexts(ticket, "ann@customer.example", "The printer in room four is jammed since monday morning.")
		r.wantTexts(ticket, "", "The printer in room four is jammed since monday morning.", "He is slow.", "He is late.", "He is loud.", "He is old.", "he is odd.")
		if after := r.ticket(ticket); after.Status != before.Status || !after.LastActivityAt.Equal(before.LastActivityAt) {
			r.t.Errorf("%+v, before %+v", after, before)
		}
		r.want(r.arrives(proved(to, "c1@home.example", "#assign joe\r\n#close")), desk.Appended)
		if after := r.ticket(ticket); after.Status != desk.Closed || after.AssigneeID == "" || after.AssigneeID == a.ID {
			r.t.Errorf("%+v", after)
		}
		r.want(r.arrives(proved(to, "c2@home.example", "#open\r\n#assign me")), desk.Appended)
		if after := r.ticket(ticket); after.Status != desk.Open || after.AssigneeID != a.ID {
			r.t.Errorf("%+v", after)
		}
		if got := append(r.effects(desk.ReplyMail), r.effects(desk.PutInInbox)...); len(got) != 0 {
			r.t.Errorf("mails went out: %+v", got)
		}
		r.want(r.arrives(proved(to, "c3@home.example", "#close\r\n\r\nIt is #1 on the list: done.")), desk.Appended)
		if after := r.ticket(ticket); after.Status != desk.Closed || len(r.effects(desk.ReplyMail)) != 1 {
			r.t.Errorf("%+v", after)
		}
		r.want(r.arrives(found("pass", "customer.example", mail(ann, support, "c4@customer.example", "#close\r\nno, open", answering("1@customer.example")))), desk.Appended)
		if ms := r.messages(ticket, "ann@customer.example"); r.ticket(ticket).Status != desk.Open || ms[len(ms)-1].Text != "#close\nno, open" {
			r.t.Errorf("a customer's first line: %+v", ms[len(ms)-1])
		}
		r.clean()
	})
}

func TestI3_WhatMachinesAnswerToNotificationsGoesNowhere(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		closed := desk.Closed
		if _, err := r.desk.Change(r.t.Context(), desk.ScopeOfProgram(), ticket, tickets.Change{Status: &closed}); err != nil {
			r.t.Fatal(err)
		}
		notice := r.effects(desk.NotifyMail)[0]
		rows, err := r.db.Claim(r.t.Context(), desk.QueueAutomatic, "test", 10, time.Minute)
		if err != nil || len(rows) == 0 {
			r.t.Fatal(err)
		}
		to := r.address(mailmsg.ForAgent, ticket, a)
		bounceTo, _ := mailmsg.ReplyAddress(r.mb.Address, notice.BounceToken)
		dsn := func(id, to string) string {
			return mail("mailer-daemon@home.example", to, id, "--b\r\nContent-Type: text/plain\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.home.example\r\n\r\n"+
				"Final-Recipient: rfc822; mary@home.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <"+string(notice.MessageID)+">\r\n\r\n--b--",
				`Content-Type: multipart/report; report-type=delivery-status; boundary="b"`, "Return-Path: <>")
		}
		for _, c := range []struct{ what, raw string }{ // what comes from her says that mail arrives there, so the bounces are last
			{"out of office", mail(mary, to, "o1@home.example", "I am away.", "Auto-Submitted: auto-replied", answering(string(notice.MessageID)))},
			{"out of office, proved", proved(support, "o2@home.example", "I am away.", "Auto-Submitted: auto-replied", answering(string(notice.MessageID)), "References: <1@customer.example>")},
			{"from an assistant", mail("Desk <desk@home.example>", support, "o3@home.example", "She is away.", "Auto-Submitted: auto-replied", answering(string(notice.MessageID)), "References: <1@customer.example>")},
			{"a bounce", dsn("b1@home.example", bounceTo)},
			{"a bounce to the mailbox", dsn("b2@home.example", support)},
			{"a bounce to their address", dsn("b3@home.example", to)},
		} {
			if e := r.arrives(c.raw); e.Outcome != desk.Automated {
				r.t.Errorf("%s: %s (%s)", c.what, e.Outcome, e.Reason)
			}
		}
		if bounced, err := r.db.BouncedAmong(r.t.Context(), []string{"mary@home.example"}); err != nil || !bounced["mary@home.example"] {
			r.t.Errorf("the bounce is not noted: %v", err)
		}
		ms := r.messages(ticket, "")
		if got := r.ticket(ticket); len(ms) != 1 || got.Status != desk.Closed || ms[0].Delivery.State == desk.EffectFailed {
			r.t.Errorf("%+v, %+v", got, ms)
		}
		r.want(r.arrives(found("pass", "customer.example", mail(ann, support, "2@customer.example", "again", answering("1@customer.example")))), desk.Appended)
		if n := len(r.effects(desk.NotifyMail)); n != 1 {
			r.t.Errorf("%d notifications: one went to an address that bounced", n)
		}
		r.clean()
	})
}

// TestH5_APictureInAnAgentsMailLeavesAsAFile: some clients write the sender's domain into its Content-ID, and what goes out names no picture.
func TestH5_APictureInAnAgentsMailLeavesAsAFile(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		to := r.address(mailmsg.ForAgent, ticket, a)
		body := strings.Join([]string{
			"--b", "Content-Type: text/html", "", `<p>It is the lever on the left.</p><img src="cid:part1.abc@home.example">`,
			"--b", "Content-Type: image/png; name=lever.png", "Content-Disposition: inline; filename=lever.png", "Content-ID: <part1.abc@home.example>", "", "PNG", "--b--",
		}, "\r\n")
		r.want(r.arrives(proved(to, "2@home.example", body, `Content-Type: multipart/related; boundary="b"`)), desk.Appended)
		ms := r.messages(ticket, "")
		answer := ms[len(ms)-1]
		if len(answer.Attachments) != 1 || answer.Internal {
			r.t.Fatalf("%+v", answer)
		}
		if f := answer.Attachments[0]; f.Name != "lever.png" || f.ContentID != "" || f.Inline {
			r.t.Errorf("the file leaves as %+v", f)
		}
	})
}

// TestI3_I4_WhatTellsTooMuchIsHeldOrStaysBehind: files that mail clients make name who wrote, and mails of others say what others wrote.
func TestI3_I4_WhatTellsTooMuchIsHeldOrStaysBehind(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		to := r.address(mailmsg.ForAgent, ticket, a)
		n, held := 0, []desk.LedgerEntry{}
		part := func(kind, name string) string {
			n++
			body := []string{"--b", "Content-Type: text/plain", "", fmt.Sprintf("It is lever number %d.", n), "--b", "Content-Type: " + kind}
			if name != "" {
				body = append(body, `Content-Disposition: attachment; filename="`+name+`"`)
			}
			body = append(body, "", "From: mary@home.example", "Subject: between us", "", "SECRET", "--b--")
			return proved(to, fmt.Sprintf("p%d@home.example", n), strings.Join(body, "\r\n"), `Content-Type: multipart/mixed; boundary="b"`)
		}
		text := func(lines ...string) string {
			n++
			return proved(to, fmt.Sprintf("p%d@home.example", n), strings.Join(lines, "\r\n"))
		}
		for what, raw := range map[string]string{
			"a mail by its name":           part("application/octet-stream", "Note.EML"),
			"a mail's header":              part("text/rfc822-headers", ""),
			"a mail of Outlook's":          part("application/vnd.ms-outlook", "note.msg"),
			"an invitation":                part("text/calendar", ""),
			"an invitation by its name":    part("application/octet-stream", "invite.ics"),
			"a file of Outlook's":          part("application/ms-tnef", "winmail.dat"),
			"an encrypted file":            part("application/octet-stream", "offer.pdf.asc"),
			"a signature of something":     part("application/octet-stream", "contract-signature.asc"),
			"a signature that is cut off":  text("-----BEGIN PGP SIGNED MESSAGE-----", "Hash: SHA256", "", "Yes.", "-----BEGIN PGP SIGNATURE-----", "", "iQ"),
			"an encrypted mail":            part("application/pkcs7-mime", "smime.p7m"),
			"an encrypted text":            text("For you:", "", "-----BEGIN PGP MESSAGE-----", "", "hQEM", "-----END PGP MESSAGE-----"),
			"a mail that Apple forwarded":  text("See what they say.", "", "Begin forwarded message:", "", "From: Vendor <vendor@supplier.example>", "Subject: Re: Printer", "", "SECRET price"),
			"a mail that Gmail forwarded":  text("See what they say.", "", "---------- Forwarded message ---------", "From: Vendor <vendor@supplier.example>", "Subject: Re: Printer", "", "SECRET price"),
			"a signed mail that is a note": text("-----BEGIN PGP SIGNED MESSAGE-----", "Hash: SHA256", "", "#nots", "SECRET", "-----BEGIN PGP SIGNATURE-----", "", "iQ", "-----END PGP SIGNATURE-----"),
		} {
			e := r.arrives(raw)
			if e.Outcome != desk.Held {
				r.t.Errorf("%s: %s (%s)", what, e.Outcome, e.Reason)
			}
			held = append(held, e)
		}
		if sent := r.effects(desk.ReplyMail); len(sent) != 0 {
			r.t.Fatalf("%d mails went out", len(sent))
		}
		var told []string
		for _, notice := range r.effects(desk.NoticeInInbox) {
			text, err := r.db.Template(r.t.Context(), notice.Template)
			if err != nil || notice.TicketID != ticket || notice.SubjectID != r.messages(ticket, "")[0].ID || !strings.Contains(text.Subject, "Mary Major") {
				r.t.Errorf("%+v, %+v, %v", notice, text, err)
			}
			told = append(told, text.Body)
		}
		if len(told) != 10 { // in an hour, and no more
			r.t.Errorf("the agents are told %d times", len(told))
		}
		for _, e := range held[:min(len(held), len(told))] {
			if !slices.ContainsFunc(told, func(body string) bool {
				return strings.Contains(body, e.Reason) && strings.Contains(body, "gateway held show "+string(e.ID))
			}) {
				r.t.Errorf("nobody is told of %s: %s", e.ID, e.Reason)
			}
		}
		n = 100
		for range 2 { // once more, for it did not help
			r.want(r.arrives(text("Please turn it off and on.", "", "-- ", "Mary")), desk.Appended)
		}
		r.want(r.arrives(part("application/pgp-signature", "")), desk.Appended)
		r.want(r.arrives(part("text/x-vcard", "mary.vcf")), desk.Appended)
		r.want(r.arrives(part("application/octet-stream", "signature.asc")), desk.Appended)
		r.want(r.arrives(text("-----BEGIN PGP SIGNED MESSAGE-----", "Hash: SHA256", "", "No, it is the one on the right.", "- -- ", "Mary, mary@home.example", "-----BEGIN PGP SIGNATURE-----", "Comment: mary@home.example", "", "iQ", "-----END PGP SIGNATURE-----")), desk.Appended)
		r.wantTexts(ticket, "ann@customer.example", "The printer in room four is jammed since monday morning.", "Please turn it off and on.", "Please turn it off and on.", "It is lever number 103.", "It is lever number 104.", "It is lever number 105.", "No, it is the one on the right.")
		for _, m := range r.messages(ticket, "ann@customer.example") {
			if len(m.Attachments) != 0 {
				r.t.Errorf("with %q went %v", m.Text, m.Attachments)
			}
		}
		if got := len(r.effects(desk.ReplyMail)); got != 6 {
			r.t.Errorf("%d answers went out, want 6", got)
		}
	})
}

// TestI5_AnAgentsMailIsKnownByItsOwnID where it lies: the message that it has become has ours, and is moved with its ticket.
func TestI5_AnAgentsMailIsKnownByItsOwnID(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		r.mb.Policy.Follow = desk.Follow{ClosedFolder: "Done", ToMailbox: desk.On}
		r.update(func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
		r.org()
		a := r.agent("Mary Major", "mary@home.example", desk.NotifyEverything)
		ticket := r.asked("1@customer.example")
		r.want(r.arrives(proved(r.address(mailmsg.ForAgent, ticket, a), "2@home.example", "It is the lever on the left.")), desk.Appended)
		mails, err := r.db.Locate(r.t.Context(), ticket, r.mb.ID, 10)
		if err != nil || len(mails) != 2 {
			r.t.Fatalf("%+v, %v", mails, err)
		}
		slices.SortFunc(mails, func(a, b desk.Located) int { return int(a.UID) - int(b.UID) })
		if mails[0].There != "1@customer.example" || mails[0].MessageID != mails[0].There {
			r.t.Errorf("the customer's is %+v", mails[0])
		}
		if mails[1].There != "2@home.example" || mails[1].MessageID == mails[1].There || mails[1].UID == 0 {
			r.t.Errorf("the agent's is %+v", mails[1])
		}
	})
}
