package portal

import (
	"context"
	"strconv"

	"postern/desk"
	"postern/i18n"
	"postern/store"
)

// unfolded is how many of a thread's newest messages are open always.
const unfolded = 2

// happened puts what has happened to a ticket, as far as customers are told of it, between its messages.
func (p *portal) happened(ctx context.Context, t *i18n.Texts, org *store.Organisation, ticket desk.Ticket, said []desk.Message, v *threadView) error {
	if len(said) == 0 {
		return nil
	}
	events, err := p.DB.TicketEvents(ctx, ticket.ID, store.Page{Limit: 200})
	if err != nil {
		return err
	}
	closed := func(status string) bool { return desk.StatusOf(org.Settings.Pipelines, ticket.Pipeline, status).Closed }
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		if e.Kind != desk.StatusChanged || closed(e.From) == closed(e.To) || e.At.Before(said[0].CreatedAt) {
			continue
		}
		key := "thread.reopened"
		if closed(e.To) {
			key = "thread.closed"
		}
		at := momentOf(t, e.At)
		text, err := t.T(key, "When", at.Text)
		if err != nil {
			return err
		}
		n := 0 // it stands before the first message that came after it
		for n < len(said) && !said[n].CreatedAt.After(e.At) {
			n++
		}
		if n == len(said) {
			v.After = append(v.After, text)
		} else {
			v.Messages[n].Before = append(v.Messages[n].Before, text)
		}
	}
	return nil
}

// details fills in what stands beside a thread: the custom properties that customers see, and how its reader says that it went.
func (p *portal) details(ctx context.Context, t *i18n.Texts, who visitor, ticket desk.Ticket, v *threadView) error {
	for _, property := range who.org.Settings.Properties {
		text, err := propertyText(t, property, ticket.Properties[property.Key])
		if err != nil {
			return err
		}
		if property.Shown && text != "" {
			v.Properties = append(v.Properties, field{Label: property.In(t.Lang()), Value: text})
		}
	}
	if !v.Closed {
		return nil
	}
	ratings, err := p.DB.Ratings(ctx, ticket.ID)
	if err != nil {
		return err
	}
	mine := desk.Score("")
	for _, r := range ratings {
		if r.ContactID == who.ID {
			mine = r.Score
		}
	}
	for _, s := range desk.Scores() {
		label, err := t.T("thread.rate_" + string(s))
		if err != nil {
			return err
		}
		v.Scores = append(v.Scores, choice{Key: string(s), Label: label, On: s == mine})
	}
	return nil
}

// former finds the ticket that a new one goes on from, by the number that its page has handed on; the zero value: none, or none that its writer may see.
func (p *portal) former(ctx context.Context, who visitor, number string) (desk.Ticket, error) {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return desk.Ticket{}, nil //nolint:nilerr // what is no number names no ticket
	}
	ticket, err := p.DB.TicketByNumber(ctx, who.scope, n)
	if desk.KindOf(err) == desk.NotFound {
		return desk.Ticket{}, nil
	}
	return ticket, err
}
