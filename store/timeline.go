package store

import (
	"context"
	"time"

	"postern/desk"
)

// TimelineItem is something that has happened: a message, or an event of a ticket.
type TimelineItem struct {
	ID       desk.ID
	At       time.Time
	Kind     string // message or event
	TicketID desk.ID
	Number   int64
	Subject  string
	// Of a message.
	Author   desk.Author
	Source   desk.Source
	Internal bool
	Text     string // the first 500 characters of what is new in it
	// Of an event.
	Event    desk.EventKind
	From, To string
	Cause    desk.Cause
}

// TimelineOf says whose timeline it is.
type TimelineOf string

// Contacts, companies and tickets have one. A contact's has the tickets they requested or take part in.
const (
	TimelineOfContact TimelineOf = "contact"
	TimelineOfCompany TimelineOf = "company"
	TimelineOfTicket  TimelineOf = "ticket"
)

// Timeline lists all messages and events of a contact, a company or a ticket, the newest first.
func (r reads) Timeline(ctx context.Context, of TimelineOf, id desk.ID, p Page) ([]TimelineItem, error) {
	which := map[TimelineOf]string{
		TimelineOfContact: `t.id IN (SELECT id FROM tickets WHERE contact_id = $1 UNION SELECT ticket_id FROM participants WHERE contact_id = $1)`,
		TimelineOfCompany: `t.id IN (SELECT id FROM tickets WHERE company_id = $1)`,
		TimelineOfTicket:  `t.id = $1`,
	}[of]
	if which == "" {
		return nil, desk.Missing("timeline")
	}
	return collect(ctx, r.x, func(row scanner) (i TimelineItem, err error) {
		err = row.Scan(&i.ID, millis{&i.At}, &i.Kind, &i.TicketID, &i.Number, &i.Subject, &i.Author.Kind, &i.Author.Name, &i.Author.Email, &i.Author.ContactID, &i.Source, &i.Internal, &i.Text,
			&i.Event, &i.From, &i.To, &i.Cause)
		return i, err
	}, `SELECT * FROM (
			SELECT m.id AS id, m.created_at AS at, 'message' AS kind, t.id AS ticket_id, t.number, t.subject, m.author_kind, m.author_name, m.author_email, m.contact_id, m.source, m.internal, substr(m.reply, 1, 500) AS reply, '' AS event, '' AS was, '' AS becomes, '' AS cause
				FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE `+which+` AND m.id < $2
			UNION ALL
			SELECT e.id, e.at, 'event', t.id, t.number, t.subject, '', '', '', '', '', FALSE, '', e.kind, e.was, e.becomes, e.cause
				FROM events e JOIN tickets t ON t.id = e.ticket_id WHERE `+which+` AND NOT e.dry_run AND e.id < $2
		) all_of_it ORDER BY id DESC LIMIT $3`, id, p.before(), p.limit())
}

// ConversationShown is a conversation of a ticket, and whether customers see it.
type ConversationShown struct {
	desk.Conversation
	Messages, Notes int
	Shown           bool
	Reason          string // why, in a plain sentence for operators
}

// ConversationsShown lists a ticket's conversations, the oldest first, and tells of each whether the portal shows it to the ticket's requester, and
// why (feature T12). customer is the scope of its requester.
func (r reads) ConversationsShown(ctx context.Context, customer desk.Scope, ticket desk.ID) ([]ConversationShown, error) {
	cs, err := r.Conversations(ctx, ticket)
	if err != nil {
		return nil, err
	}
	counts := map[desk.ID][2]int{}
	if _, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var id desk.ID
		var public, notes int
		err := row.Scan(&id, &public, &notes)
		counts[id] = [2]int{public, notes}
		return struct{}{}, err
	}, `SELECT conversation_id, count(*) FILTER (WHERE NOT internal), count(*) FILTER (WHERE internal) FROM messages WHERE ticket_id = $1 GROUP BY conversation_id`, ticket); err != nil {
		return nil, err
	}
	_, hidden := r.Ticket(ctx, customer, ticket)
	if hidden != nil && desk.KindOf(hidden) != desk.NotFound {
		return nil, hidden
	}
	newest := desk.ID("")
	for _, c := range cs {
		if counts[c.ID][0] > 0 {
			newest = c.ID
		}
	}
	out := make([]ConversationShown, len(cs))
	for i, c := range cs {
		o := ConversationShown{Conversation: c, Messages: counts[c.ID][0], Notes: counts[c.ID][1]}
		switch {
		case hidden != nil:
			o.Reason = "the ticket does not show: its requester may not enter, or a rule or its status hides it"
		case o.Messages == 0:
			o.Reason = "it has notes alone"
		case customer.Shown().Conversations == desk.NewestConversation && c.ID != newest:
			o.Reason = "a newer one shows, and the portal is set to show the newest only"
		default:
			o.Shown, o.Reason = true, "customers of the ticket see it"
		}
		out[i] = o
	}
	return out, nil
}
