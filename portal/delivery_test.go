package portal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// TestACustomerIsToldWhetherTheMailboxHasTheMessage, and not what became of the mails to people in copy.
func TestACustomerIsToldWhetherTheMailboxHasTheMessage(t *testing.T) {
	const has, waits = "Delivered to our mailbox", "Kept here; our mailbox gets it"
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann, bob := r.contact("Ann", "ann@acme.example"), r.contact("Bob", "bob@acme.example")
		in := r.signIn(ann)
		for name, c := range map[string]struct {
			put, mailed desk.EffectState
			bounced     bool
			says, not   string
		}{
			"Bob's address is none": {desk.EffectSent, desk.EffectFailed, false, has, waits},
			"Bob's mail is late":    {desk.EffectSent, desk.EffectDeferred, false, has, waits},
			"Bob's mail bounced":    {desk.EffectSent, desk.EffectSent, true, has, waits},
			"the mailbox is away":   {desk.EffectDeferred, desk.EffectSent, false, waits, has},
		} {
			ticket := r.open(ann, "Printer", "it is broken")
			end := func(queue string, state desk.EffectState) {
				es, err := r.db.Claim(t.Context(), queue, "me", 10, time.Minute)
				ok(t, err)
				if len(es) != 1 {
					t.Fatalf("%s: %d rows are due in %s", name, len(es), queue)
				}
				e := es[0]
				if e.State = state; state == desk.EffectDeferred {
					e.NextTry = r.db.Now().Add(time.Hour)
				} else {
					e.DoneAt = r.db.Now()
				}
				ok(t, r.db.Finish(t.Context(), e))
			}
			end(desk.QueueMailbox, desk.EffectSent)
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
				return tx.AddParticipant(t.Context(), ticket.ID, desk.Participant{ContactID: bob.ID, Name: "Bob", Email: "bob@acme.example", Role: desk.Copied})
			}))
			m, err := r.desk.ReplyByCustomer(t.Context(), tickets.CustomerReply{Contact: ann, Ticket: ticket.ID, Text: "it still is"})
			ok(t, err)
			end(desk.QueueMailbox, c.put)
			end(desk.QueueMail, c.mailed)
			if c.bounced {
				ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
					return tx.NoteBounce(t.Context(), store.Sending{SubjectID: m.ID, Recipient: "bob@acme.example"}, "mailbox full", tx.Now())
				}))
			}
			a := in.get(ticketPath(ticket.Number))
			in.want(name, a, http.StatusOK)
			said := a.body[strings.Index(a.body, "it still is"):]
			if !strings.Contains(said, c.says) || strings.Contains(said, c.not) {
				t.Errorf("%s: the page does not say %q, or says %q", name, c.says, c.not)
			}
		}
	})
}
