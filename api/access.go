package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postern/accounts"
	"postern/desk"
	"postern/store"
	"postern/tickets"
)

func (s *server) accessRoutes(h huma.API) {
	handle(s, h, get("list-lists", "/lists", "List the lists of contacts"), desk.ScopeRead, s.lists)
	handle(s, h, get("get-list", "/lists/{id}", "Read a list of contacts"), desk.ScopeRead, s.list)
	handle(s, h, post("add-list", "/lists", "Add a list of contacts: fixed, or by a rule"), desk.ScopeSettings, s.addList)
	handle(s, h, patch("change-list", "/lists/{id}", "Change a list of contacts"), desk.ScopeSettings, s.changeList)
	handle(s, h, remove("delete-list", "/lists/{id}", "Take a list of contacts away"), desk.ScopeSettings, s.deleteList)
	handle(s, h, get("list-members", "/lists/{id}/members", "List the contacts on a list"), desk.ScopeRead, s.members)
	handle(s, h, decide("change-members", "/lists/{id}/members", "Put contacts on a fixed list, and take others off"), desk.ScopeSettings, s.changeMembers)

	invite := decide("invite-contact", "/contacts/{id}/invite", "Mail a contact that they may use the portal, again if they were invited before")
	invite.DefaultStatus = http.StatusNoContent
	handle(s, h, invite, desk.ScopeWrite, s.invite)
	handle(s, h, decide("view-as-contact", "/contacts/{id}/view", "Get a link to look at the portal as a contact does, read only; it works once, within five minutes"), desk.ScopeWrite, s.viewAs)
	handle(s, h, decide("make-password", "/contacts/{id}/password", "Make a password for a contact, and end the former one"), desk.ScopeWrite, s.makePassword)

	handle(s, h, get("list-audit", "/audit", "List what was done, by whom"), desk.ScopeRead, s.audit)
	handle(s, h, get("contact-timeline", "/contacts/{id}/timeline", "List all messages and events of a contact"), desk.ScopeRead, s.timeline(store.TimelineOfContact))
	handle(s, h, get("company-timeline", "/companies/{id}/timeline", "List all messages and events of a company"), desk.ScopeRead, s.timeline(store.TimelineOfCompany))
	handle(s, h, get("ticket-timeline", "/tickets/{id}/timeline", "List all messages and events of a ticket"), desk.ScopeRead, s.timeline(store.TimelineOfTicket))
	handle(s, h, get("list-conversations", "/tickets/{id}/conversations", "List a ticket's conversations, and whether the portal shows them"), desk.ScopeRead, s.conversations)
}

func remove(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodDelete, Path: path, Summary: summary, DefaultStatus: http.StatusNoContent}
}

func (s *server) lists(ctx context.Context, _ *struct{}) (*listOutput[desk.ContactList], error) {
	found, err := s.DB.ContactLists(ctx)
	return listed(PageParams{Limit: len(found) + 1}, found, func(l desk.ContactList) desk.ID { return l.ID }, viewList), err
}

func viewList(l desk.ContactList) desk.ContactList {
	l.Rule = orEmpty(l.Rule)
	return l
}

func (s *server) list(ctx context.Context, in *IDParam) (*output[desk.ContactList], error) {
	l, err := s.DB.ContactList(ctx, in.ID)
	return &output[desk.ContactList]{viewList(l)}, err
}

type newList struct {
	Body struct {
		Name string           `json:"name" minLength:"1" maxLength:"200"`
		Rule []desk.Condition `json:"rule,omitempty" maxItems:"50" doc:"All must hold. Properties: email, domain, name, language, company, main_contact, created_at. Left out: a fixed list, with the members you name."`
	}
}

func (s *server) addList(ctx context.Context, in *newList) (*output[desk.ContactList], error) {
	l, err := s.Desk.AddList(ctx, in.Body.Name, in.Body.Rule)
	return &output[desk.ContactList]{viewList(l)}, err
}

type listPatch struct {
	IDParam
	Body struct {
		Name *string           `json:"name,omitempty" minLength:"1" maxLength:"200"`
		Rule *[]desk.Condition `json:"rule,omitempty" maxItems:"50"`
	}
}

func (s *server) changeList(ctx context.Context, in *listPatch) (*output[desk.ContactList], error) {
	l, err := s.Desk.ChangeList(ctx, in.ID, tickets.ListChange{Name: in.Body.Name, Rule: in.Body.Rule})
	return &output[desk.ContactList]{viewList(l)}, err
}

func (s *server) deleteList(ctx context.Context, in *IDParam) (*struct{}, error) {
	return nil, s.Desk.DeleteList(ctx, in.ID)
}

type membersInput struct {
	IDParam
	PageParams
}

func (s *server) members(ctx context.Context, in *membersInput) (*listOutput[contactView], error) {
	found, last, more, err := s.Desk.ListMembers(ctx, in.ID, in.page())
	out := listed(PageParams{Limit: len(found) + 1}, found, func(c desk.Contact) desk.ID { return c.ID }, viewContact)
	if next := string(last); more {
		out.Body.NextCursor = &next
	}
	return out, err
}

type membersChange struct {
	IDParam
	Body struct {
		Add  []desk.ID `json:"add,omitempty" maxItems:"1000" doc:"Ids of contacts."`
		Drop []desk.ID `json:"drop,omitempty" maxItems:"1000" doc:"Ids of contacts. What the list lets them do ends at once."`
	}
}

type membersChanged struct {
	Added   int `json:"added"`
	Dropped int `json:"dropped"`
}

func (s *server) changeMembers(ctx context.Context, in *membersChange) (*output[membersChanged], error) {
	added, dropped, err := s.Desk.ChangeMembers(ctx, in.ID, in.Body.Add, in.Body.Drop)
	return &output[membersChanged]{membersChanged{added, dropped}}, err
}

func (s *server) invite(ctx context.Context, in *IDParam) (*struct{}, error) {
	return nil, s.Desk.Invite(ctx, desk.ID(in.ID))
}

type viewLink struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *server) viewAs(ctx context.Context, in *IDParam) (*output[viewLink], error) {
	secret, expires, err := s.Accounts.ViewAs(ctx, desk.ID(in.ID))
	return &output[viewLink]{viewLink{s.BaseURL + "/view/" + secret, expires}}, err
}

// makePassword answers with the password, which can't be had again. It must be changed at the first sign-in and works for three days.
func (s *server) makePassword(ctx context.Context, in *IDParam) (*output[accounts.Credentials], error) {
	made, err := s.Accounts.MakePassword(ctx, desk.ID(in.ID))
	return &output[accounts.Credentials]{made}, err
}

type auditInput struct {
	PageParams
	Subject string `query:"subject" maxLength:"400" doc:"Only what was done to this: an id, or settings."`
}

func (s *server) audit(ctx context.Context, in *auditInput) (*listOutput[desk.AuditEntry], error) {
	found, err := s.DB.AuditLog(ctx, in.Subject, in.page())
	return listed(in.PageParams, found, func(e desk.AuditEntry) desk.ID { return e.ID }, func(e desk.AuditEntry) desk.AuditEntry { return e }), err
}

type timelineInput struct {
	IDParam
	PageParams
}

type timelineView struct {
	ID       desk.ID     `json:"id"`
	At       time.Time   `json:"at"`
	Kind     string      `json:"kind" doc:"message or event; an open set."`
	TicketID desk.ID     `json:"ticket_id"`
	Number   int64       `json:"number"`
	Subject  string      `json:"subject"`
	Author   *authorView `json:"author" doc:"Of a message."`
	Source   desk.Source `json:"source,omitempty"`
	Internal bool        `json:"internal"`
	Text     string      `json:"text" doc:"The first 500 characters of what is new in a message."`
	Event    string      `json:"event,omitempty" doc:"Of an event: what it is; an open set."`
	From     string      `json:"from,omitempty"`
	To       string      `json:"to,omitempty"`
	Cause    desk.Cause  `json:"cause,omitempty"`
}

func viewTimeline(i store.TimelineItem) timelineView {
	v := timelineView{
		ID: i.ID, At: i.At, Kind: i.Kind, TicketID: i.TicketID, Number: i.Number, Subject: i.Subject, Source: i.Source, Internal: i.Internal, Text: i.Text,
		Event: string(i.Event), From: i.From, To: i.To, Cause: i.Cause,
	}
	if i.Kind == "message" {
		v.Author = &authorView{i.Author.Kind, i.Author.Name, i.Author.Email}
	}
	return v
}

func (s *server) timeline(of store.TimelineOf) func(context.Context, *timelineInput) (*listOutput[timelineView], error) {
	return func(ctx context.Context, in *timelineInput) (*listOutput[timelineView], error) {
		id := desk.ID(in.ID)
		var err error
		switch of {
		case store.TimelineOfContact:
			_, err = s.DB.Contact(ctx, id)
		case store.TimelineOfCompany:
			_, err = s.DB.Company(ctx, id)
		case store.TimelineOfTicket:
			var t desk.Ticket
			t, err = s.find(ctx, in.ID)
			id = t.ID
		}
		if err != nil {
			return nil, err
		}
		found, err := s.DB.Timeline(ctx, of, id, in.page())
		return listed(in.PageParams, found, func(i store.TimelineItem) desk.ID { return i.ID }, viewTimeline), err
	}
}

type conversationView struct {
	ID        desk.ID     `json:"id"`
	MailboxID *desk.ID    `json:"mailbox_id"`
	Channel   desk.Source `json:"channel"`
	CreatedAt time.Time   `json:"created_at"`
	Messages  int         `json:"messages" doc:"Public ones."`
	Notes     int         `json:"notes"`
	Shown     bool        `json:"shown" doc:"Whether the portal shows it to the ticket's requester."`
	Reason    string      `json:"reason"`
}

func (s *server) conversations(ctx context.Context, in *IDParam) (*listOutput[conversationView], error) {
	t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	customer, err := s.Desk.ScopeOf(ctx, t.ContactID)
	if err != nil {
		return nil, err
	}
	found, err := s.DB.ConversationsShown(ctx, customer, t.ID)
	return listed(PageParams{Limit: len(found) + 1}, found, func(c store.ConversationShown) desk.ID { return c.ID }, func(c store.ConversationShown) conversationView {
		return conversationView{c.ID, orNull(c.MailboxID), c.Channel, c.CreatedAt, c.Messages, c.Notes, c.Shown, c.Reason}
	}), err
}
