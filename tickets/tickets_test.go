package tickets_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
	"postern/tickets"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

type rig struct {
	t  *testing.T
	db *store.DB
	d  *tickets.Desk
	mb desk.Mailbox
}

func both(t *testing.T, check func(r *rig)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) {
		in := desktest.New(t, o)
		r := &rig{t: t, db: in.DB, d: in.Desk}
		r.mb = desk.Mailbox{ID: store.NewID(), Address: "support@acme.example", SMTP: "smtps://x", MIDDomain: "acme.example"}
		r.put(r.mb)
		check(r)
	})
}

func (r *rig) put(m desk.Mailbox) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), m) }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) contact(emails ...string) desk.Contact {
	r.t.Helper()
	c, _, err := r.d.AddContact(r.t.Context(), tickets.NewContact{Name: "Someone", Addresses: emails})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) wantKind(what string, err error, want desk.Kind) {
	r.t.Helper()
	if err == nil || desk.KindOf(err) != want {
		r.t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func (r *rig) effects(want int) []desk.Effect {
	r.t.Helper()
	es, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
	if err != nil || len(es) != want {
		r.t.Errorf("%d outbox rows, want %d: %v", len(es), want, err)
	}
	return es
}

func TestChangeOfATicket(t *testing.T) {
	both(t, func(r *rig) {
		ctx, ann, eve := r.t.Context(), r.contact("ann@customer.example"), r.contact("eve@evil.example")
		ticket, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: " ", Text: "it is broken"})
		if err != nil || ticket.Subject != "(no subject)" {
			r.t.Fatalf("%+v, %v", ticket, err)
		}
		change := func(scope desk.Scope, c tickets.Change) error {
			_, err := r.d.Change(ctx, scope, ticket.ID, c)
			return err
		}
		closed, fancy, empty, subject := desk.Closed, "eaten", " ", "Printer"
		program := desk.ScopeOfProgram()
		r.wantKind("a status of fancy", change(program, tickets.Change{Status: &fancy}), desk.Invalid)
		r.wantKind("no subject", change(program, tickets.Change{Subject: &empty}), desk.Invalid)
		r.wantKind("T4: a stranger", change(desk.ScopeOfContact(eve), tickets.Change{Status: &closed}), desk.NotFound)
		for _, c := range []tickets.Change{
			{Status: &closed, Subject: &subject, Properties: map[string]string{"colour": "red", "size": "L"}}, {Properties: map[string]string{"colour": "", "new": "x"}},
		} {
			if err := change(program, c); err != nil {
				r.t.Error(err)
			}
		}
		after, err := r.db.Ticket(ctx, program, ticket.ID)
		if err != nil || after.Status != desk.Closed || after.Subject != "Printer" || !maps.Equal(after.Properties, map[string]string{"size": "L", "new": "x"}) {
			r.t.Errorf("%+v, %v", after, err)
		}
	})
}

func TestAgentsAnswerGoesToWhoTakesPartAndToNobodyElse(t *testing.T) {
	both(t, func(r *rig) {
		ctx, ann := r.t.Context(), r.contact("ann@customer.example")
		ticket, err := r.d.OpenByCustomer(ctx, tickets.CustomerTicket{Contact: ann, Subject: "Printer", Text: "it is broken"})
		if err != nil {
			r.t.Fatal(err)
		}
		r.effects(1) // into the inbox
		err = r.db.Update(ctx, func(tx *store.Tx) error {
			for _, p := range []desk.Participant{{Email: "bob@customer.example", Role: desk.Copied}, {Email: "eve@evil.example", Role: desk.Mentioned}, {Email: "support+x@acme.example", Role: desk.Copied}} {
				if err := tx.AddParticipant(ctx, ticket.ID, p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.d.ReplyByAgent(ctx, tickets.AgentReply{Ticket: ticket.ID, Text: "between us", Internal: true}); err != nil {
			r.t.Fatal(err)
		}
		r.effects(1)
		if _, err := r.d.ReplyByAgent(ctx, tickets.AgentReply{Ticket: ticket.ID, Text: "try again"}); err != nil {
			r.t.Fatal(err)
		}
		var to []string
		for _, e := range r.effects(3) {
			if e.Kind == desk.ReplyMail {
				to = append(to, e.Recipient)
			}
		}
		slices.Sort(to)
		if !slices.Equal(to, []string{"ann@customer.example", "bob@customer.example"}) {
			r.t.Errorf("mailed to %v", to)
		}
		// A mailbox that can't send refuses the answer and keeps nothing of it.
		silent := r.mb
		silent.SMTP = ""
		r.put(silent)
		_, err = r.d.ReplyByAgent(ctx, tickets.AgentReply{Ticket: ticket.ID, Text: "nobody hears"})
		r.wantKind("without SMTP", err, desk.Conflict)
		r.effects(3)
		ms, err := r.db.Messages(ctx, desk.ScopeOfProgram(), ticket.ID)
		if err != nil || len(ms) != 3 || strings.Contains(ms[len(ms)-1].Text, "nobody") {
			r.t.Errorf("%d messages, %v", len(ms), err)
		}
	})
}

func TestI13_ManyFirstFormsOfOneAddressMakeOneContactAndOneWelcome(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		form := desk.Form{ID: store.NewID(), Key: "contact", Name: "Contact", MailboxID: r.mb.ID}
		if err := r.db.Update(ctx, func(tx *store.Tx) error { return tx.PutForm(ctx, form) }); err != nil {
			r.t.Fatal(err)
		}
		org, err := r.db.FreshOrganisation(ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		const n = 50
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				err := r.db.Update(ctx, func(tx *store.Tx) error {
					e, _, err := tx.KeepDelivery(ctx, desk.LedgerEntry{MailboxID: r.mb.ID, FormID: form.ID, DeliveryID: string(store.NewID())}, []byte("x"), 0)
					if err != nil {
						return err
					}
					return r.d.FileForm(ctx, tx, org, e, form, tickets.Submission{Email: "ann@customer.example", Text: "it is broken"})
				})
				if err != nil {
					r.t.Error(err)
				}
			})
		}
		wg.Wait()
		contacts, err := r.db.Contacts(ctx, store.Page{})
		if err != nil || len(contacts) != 1 {
			r.t.Errorf("%d contacts, %v", len(contacts), err)
		}
		ts, err := r.db.Tickets(ctx, desk.ScopeOfProgram(), store.Page{Limit: 200})
		if err != nil || len(ts) != n {
			r.t.Errorf("%d tickets, %v", len(ts), err)
		}
		numbers := map[int64]bool{}
		for _, ticket := range ts {
			numbers[ticket.Number] = true
		}
		if len(numbers) != n {
			r.t.Errorf("%d different numbers", len(numbers))
		}
		welcomes := 0
		for _, e := range r.effects(n + 1) {
			if e.Kind == desk.WelcomeMail {
				welcomes++
			}
		}
		if welcomes != 1 {
			r.t.Errorf("%d welcome mails", welcomes)
		}
	})
}

func TestContactsAndCompaniesThatAreRefused(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		ann := r.contact("ann@customer.example")
		for what, c := range map[string]struct {
			in   tickets.NewContact
			want desk.Kind
		}{
			"nothing":          {tickets.NewContact{}, desk.Invalid},
			"a broken address": {tickets.NewContact{Addresses: []string{"ann"}}, desk.Invalid},
			"a used address":   {tickets.NewContact{Addresses: []string{"ANN@customer.example"}}, desk.Conflict},
			"no such company":  {tickets.NewContact{Name: "x", Companies: []desk.ID{"none"}}, desk.Invalid},
			"a name with @":    {tickets.NewContact{Name: "x", Username: "a@b"}, desk.Invalid},
		} {
			_, _, err := r.d.AddContact(ctx, c.in)
			r.wantKind(what, err, c.want)
		}
		for _, domains := range [][]string{{"gmail.com"}, {"no domain"}, {"com"}, {"co.uk"}, {"github.io"}} {
			_, err := r.d.AddCompany(ctx, "Acme", domains)
			r.wantKind(strings.Join(domains, ","), err, desk.Invalid)
		}
		_, err := r.d.AddCompany(ctx, " ", nil)
		r.wantKind("a company without a name", err, desk.Invalid)
		co, err := r.d.AddCompany(ctx, "Acme", []string{"Acme.example", "@acme.example", "acme.test"})
		if err != nil || !slices.Equal(co.Domains, []string{"acme.example", "acme.test"}) {
			r.t.Errorf("%+v, %v", co, err)
		}
		_, err = r.d.AddCompany(ctx, "Other", []string{"acme.test"})
		r.wantKind("a used domain", err, desk.Conflict)
		yes := true
		if _, err := r.d.ChangeContact(ctx, ann.ID, tickets.ContactChange{Disabled: &yes}); err != nil {
			r.t.Error(err)
		}
		_, err = r.d.ChangeContact(ctx, store.NewID(), tickets.ContactChange{Disabled: &yes})
		r.wantKind("nobody", err, desk.NotFound)
	})
}
