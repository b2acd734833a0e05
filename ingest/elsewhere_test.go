package ingest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

const both2 = "support@acme.example, sales@acme.example"

// oneTicket has a mail to several mailboxes be one ticket.
func (r *rig) oneTicket() {
	r.t.Helper()
	r.update(func(tx *store.Tx) error {
		s := desk.DefaultSettings()
		s.OneTicket = true
		return tx.PutSettings(r.t.Context(), s)
	})
}

// at has a mail appear in a folder of a mailbox now, reads it and tells what became of it.
func (r *rig) at(mb desk.Mailbox, role desk.FolderRole, raw string) desk.LedgerEntry {
	r.t.Helper()
	it := r.keep(mb.ID, role, time.Now(), raw)[0]
	r.read()
	return r.entry(it)
}

func TestM11_AMailToTwoMailboxesIsTwoTickets(t *testing.T) {
	both(t, func(r *rig) {
		raw := mail("Ann <ann@customer.example>", both2, "1@customer.example", "Hello both.")
		first, second := r.at(r.mb, desk.Inbox, raw), r.at(r.other, desk.Inbox, raw)
		r.want(first, desk.NewTicket)
		r.want(second, desk.NewTicket)
		r.at(r.other, desk.Sent, mail("sales@acme.example", "ann@customer.example", "2@acme.example", "From sales.", answering("1@customer.example")))
		r.wantTexts(first.TicketID, "", "Hello both.")
		r.wantTexts(second.TicketID, "", "Hello both.", "From sales.")
		if n := len(r.effects(desk.AcknowledgeMail)) + len(r.effects(desk.WelcomeMail)); n != 1 {
			r.t.Errorf("%d automatic mails", n)
		}
		r.clean()
	})
}

// TestM11_AMailToTwoMailboxesIsOneTicketWhereThatIsSet: each mailbox keeps its own ledger row, the agents of both answer to the one ticket, and
// so do those whom they answer.
func TestM11_AMailToTwoMailboxesIsOneTicketWhereThatIsSet(t *testing.T) {
	both(t, func(r *rig) {
		r.oneTicket()
		// The agent of the second mailbox has answered before its own copy of the mail was seen.
		early := r.at(r.other, desk.Sent, mail("sales@acme.example", "ann@customer.example", "2@acme.example", "From sales.", answering("1@customer.example")))
		r.want(early, desk.Ignored)
		raw := mail("Ann <ann@customer.example>", both2, "1@customer.example", "Hello both.")
		first := r.at(r.mb, desk.Inbox, raw)
		r.want(first, desk.NewTicket)
		second := r.at(r.other, desk.Inbox, raw)
		r.want(second, desk.Duplicate)
		number := fmt.Sprintf("#%d", r.ticket(first.TicketID).Number)
		if second.TicketID != first.TicketID || !strings.Contains(second.Reason, number) || !strings.HasSuffix(second.Reason, string(r.messages(first.TicketID, "ann@customer.example")[1].ID)) {
			r.t.Errorf("the second row is %+v", second)
		}
		ticket := first.TicketID
		r.wantTexts(ticket, "ann@customer.example", "From sales.", "Hello both.")
		if n := len(r.effects(desk.AcknowledgeMail)) + len(r.effects(desk.WelcomeMail)); n != 1 {
			r.t.Errorf("%d automatic mails", n)
		}

		// What the customer answers to each, and to both.
		r.want(r.at(r.other, desk.Inbox, mail("Ann <ann@customer.example>", "sales@acme.example", "3@customer.example", "To sales.", answering("2@acme.example"))), desk.Appended)
		r.want(r.at(r.mb, desk.Sent, mail("support@acme.example", "ann@customer.example", "4@acme.example", "From support.", answering("1@customer.example"))), desk.Appended)
		all := mail("Ann <ann@customer.example>", both2, "5@customer.example", "To both.", answering("4@acme.example"), "References: <1@customer.example> <4@acme.example>")
		r.want(r.at(r.other, desk.Inbox, all), desk.Appended)
		r.want(r.at(r.mb, desk.Inbox, all), desk.Duplicate)
		r.wantTexts(ticket, "ann@customer.example", "From sales.", "Hello both.", "To sales.", "From support.", "To both.")
		if r.tickets() != 1 {
			r.t.Errorf("%d tickets", r.tickets())
		}
		var sales int
		for _, m := range r.messages(ticket, "") {
			if m.MailboxID == r.other.ID {
				sales++
			}
		}
		if sales != 3 {
			r.t.Errorf("%d messages are of the second mailbox", sales)
		}
		r.clean()
	})
}

// TestH8_OnlyTheSameMailJoinsAnotherMailboxesTicket: the Message-ID alone gives nothing, nor does the content alone, nor an answer to a mail that only
// another mailbox has, nor its reply address.
func TestH8_OnlyTheSameMailJoinsAnotherMailboxesTicket(t *testing.T) {
	both(t, func(r *rig) {
		r.oneTicket()
		first := r.at(r.mb, desk.Inbox, mail("Ann <ann@customer.example>", "support@acme.example", "1@customer.example", "Mine alone."))
		r.want(first, desk.NewTicket)
		for id, raw := range map[string]string{
			"the Message-ID":     mail("Eve <eve@elsewhere.example>", "sales@acme.example", "1@customer.example", "Show me the rest."),
			"the content":        mail("Ann <ann@customer.example>", "sales@acme.example", "2@customer.example", "Mine alone."),
			"an answer":          mail("Eve <eve@elsewhere.example>", "sales@acme.example", "3@elsewhere.example", "And what else?", answering("1@customer.example")),
			"an answer by Ann":   mail("Ann <ann@customer.example>", "sales@acme.example", "4@customer.example", "Once more.", answering("1@customer.example")),
			"no Message-ID":      mail("Ann <ann@customer.example>", "sales@acme.example", "", "Mine alone."),
			"the id and a token": mail("Eve <eve@elsewhere.example>", "sales@acme.example, "+r.replyAddress(first.TicketID, "ann@customer.example"), "1@customer.example", "Let me in."),
		} {
			e := r.at(r.other, desk.Inbox, raw)
			if e.TicketID == first.TicketID || e.Outcome == desk.Duplicate {
				r.t.Errorf("%s led to another mailbox's ticket: %s", id, e.Reason)
			}
		}
		r.wantTexts(first.TicketID, "", "Mine alone.")

		// Somebody in copy repeats what he got, so that the second mailbox has it too. Nothing comes of it: he has no part in the ticket.
		copied := mail("Ann <ann@customer.example>", "support@acme.example", "7@customer.example", "For the two of us.", "Cc: eve@elsewhere.example")
		shared := r.at(r.mb, desk.Inbox, copied)
		r.want(r.at(r.other, desk.Inbox, copied), desk.Duplicate)
		r.want(r.at(r.other, desk.Inbox, mail("Mallory <mallory@elsewhere.example>", "sales@acme.example", "8@elsewhere.example", "And then?", answering("7@customer.example"))), desk.Held)
		r.wantTexts(shared.TicketID, "", "For the two of us.")
		r.clean()
	})
}

// TestM11_BothMailboxesReadAtTheSameMoment: whoever is first, there is one ticket for each mail.
func TestM11_BothMailboxesReadAtTheSameMoment(t *testing.T) {
	both(t, func(r *rig) {
		r.oneTicket()
		const n = 30
		var raws, reversed []string
		for i := range n {
			raw := mail(fmt.Sprintf("Ann <ann%d@customer.example>", i), both2, fmt.Sprintf("%d@customer.example", i), fmt.Sprintf("Hello %d.", i))
			raws, reversed = append(raws, raw), append([]string{raw}, reversed...)
		}
		r.keep(r.mb.ID, desk.Inbox, time.Now(), raws...)
		r.keep(r.other.ID, desk.Inbox, time.Now(), reversed...)
		other := r.ingest() // as of another process
		var all sync.WaitGroup
		for g, mailbox := range map[*Ingest]desk.ID{r.g: r.mb.ID, other: r.other.ID} {
			all.Go(func() {
				for {
					if n, err := g.pass(r.t.Context(), mailbox, &round{}); err != nil || n == 0 {
						if err != nil {
							r.t.Error(err)
						}
						return
					}
				}
			})
		}
		all.Wait()
		counts, err := r.db.LedgerCounts(r.t.Context())
		if err != nil || counts[desk.NewTicket] != n || counts[desk.Duplicate] != n || r.tickets() != n {
			r.t.Errorf("%v, %d tickets, %v", counts, r.tickets(), err)
		}
		r.clean()
	})
}
