// Package seed fills an empty Postern with tickets that were made up, for those who measure it or work on its pages.
package seed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// What a made-up installation has of each.
const (
	MessagesOfTicket  = 5
	TicketsOfContact  = 20
	ContactsOfCompany = 10
	ticketsAtOnce     = 200 // in one transaction
)

// Options say how much there is to be.
type Options struct {
	Messages int    // at least; the last ticket is whole
	Seed     uint64 // what the random choices begin with: the same makes the same
	Made     func() // called for each ticket; nil: nobody is told
}

// Tickets is how many tickets the messages make.
func (o Options) Tickets() int { return (o.Messages + MessagesOfTicket - 1) / MessagesOfTicket }

// Contacts is how many people write them.
func (o Options) Contacts() int { return (o.Tickets() + TicketsOfContact - 1) / TicketsOfContact }

// Address is the address of a contact, who are counted from 0. Contacts in a row share a company.
func Address(contact int) string {
	return fmt.Sprintf("person%d@company%d.example", contact, contact/ContactsOfCompany)
}

// Fill makes the tickets and the people that they take. It refuses a database that has tickets. Nothing is mailed.
func Fill(ctx context.Context, db *store.DB, o Options) error {
	there, err := db.Tickets(ctx, desk.ScopeOfProgram(), store.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return errors.New("there are tickets already: give it an empty data folder with --data, or another database")
	}
	s := &seeder{rand: rand.New(rand.NewPCG(o.Seed, 0)), now: db.Now()} //nolint:gosec // nothing is secret about it
	for n := 0; n < o.Tickets(); {
		until := min(o.Tickets(), n+ticketsAtOnce)
		err := db.Update(ctx, func(tx *store.Tx) error {
			for i := n; i < until; i++ {
				if err := s.ticket(ctx, tx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for ; n < until; n++ {
			if o.Made != nil {
				o.Made()
			}
		}
	}
	return nil
}

type seeder struct {
	rand    *rand.Rand
	now     time.Time
	company desk.ID
	contact desk.Contact
}

// ticket makes the n-th ticket, with the people it takes.
func (s *seeder) ticket(ctx context.Context, tx *store.Tx, n int) error {
	if n%TicketsOfContact == 0 {
		if err := s.person(ctx, tx, n/TicketsOfContact); err != nil {
			return err
		}
	}
	at := s.now.Add(-time.Duration(s.rand.Int64N(int64(700 * 24 * time.Hour))))
	status := []string{desk.Open, desk.Waiting, desk.Closed, desk.Closed, desk.Closed}[s.rand.IntN(5)]
	number, err := tx.NextNumber(ctx)
	if err != nil {
		return err
	}
	t := desk.Ticket{
		ID: store.NewID(), Number: number, Subject: s.words(6), Pipeline: desk.DefaultPipeline, Status: status, ContactID: s.contact.ID, CompanyID: s.company, Source: desk.FromMail,
		CreatedAt: at, LastActivityAt: at.Add(MessagesOfTicket * time.Hour), Participants: []desk.Participant{{ContactID: s.contact.ID, Name: s.contact.Name, Email: s.contact.LoginAddress(), Role: desk.Requester}},
	}
	if err := tx.AddTicket(ctx, t); err != nil {
		return err
	}
	conversation := desk.Conversation{ID: store.NewID(), TicketID: t.ID, Channel: desk.FromMail, CreatedAt: at}
	if err := tx.AddConversation(ctx, conversation); err != nil {
		return err
	}
	for i := range MessagesOfTicket {
		m := desk.Message{
			ID: store.NewID(), TicketID: t.ID, ConversationID: conversation.ID, Source: desk.FromMail, Subject: t.Subject, Class: desk.Human, CreatedAt: at.Add(time.Duration(i+1) * time.Hour),
			Author: desk.Author{Kind: desk.Customer, Name: s.contact.Name, Email: s.contact.LoginAddress(), ContactID: s.contact.ID},
		}
		if i%2 == 1 {
			m.Author = desk.Author{Kind: desk.Agent, Name: "Support"}
		}
		m.Reply = s.words(40 + s.rand.IntN(120))
		m.Text, m.HTML = m.Reply, "<p>"+m.Reply+"</p>"
		if _, err := tx.AddMessage(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) person(ctx context.Context, tx *store.Tx, n int) error {
	if n%ContactsOfCompany == 0 {
		company := n / ContactsOfCompany
		domain := fmt.Sprintf("company%d.example", company)
		s.company = store.NewID()
		if err := tx.PutCompany(ctx, desk.Company{ID: s.company, Name: fmt.Sprintf("Company %d", company), Domains: []string{domain}, Verified: []string{domain}, CreatedAt: tx.Now()}); err != nil {
			return err
		}
	}
	s.contact = desk.Contact{ID: store.NewID(), Name: fmt.Sprintf("Person %d", n), Addresses: []string{Address(n)}, Companies: []desk.ID{s.company}, CreatedAt: tx.Now()}
	_, err := tx.AddContact(ctx, s.contact)
	return err
}

// vocabulary is what made-up people write about: few words that are everywhere, and with a number behind many that are rare.
var vocabulary = strings.Fields(`the printer invoice depot route driver label update since Monday please error again account password screen order delivery paper cable office
	network report export customer number address today morning weekend manager problem answer thank regards question attachment picture serial firmware`) //nolint:gochecknoglobals // never changes

func (s *seeder) words(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = vocabulary[s.rand.IntN(len(vocabulary))]
		if s.rand.IntN(12) == 0 {
			out[i] += fmt.Sprint(s.rand.IntN(5000))
		}
	}
	return strings.Join(out, " ")
}
