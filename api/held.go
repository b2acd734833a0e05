package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"postern/desk"
)

// Held carries out what agents decide about held items. Each method gives the item as it is then, and fails with Conflict
// if it is not held, or no longer.
type Held interface {
	// Held tells what a held item says.
	Held(ctx context.Context, id desk.ID) (desk.LedgerEntry, desk.Mail, error)
	// AcceptHeld has a mail join a ticket: the one it is held for, if ticket is "".
	AcceptHeld(ctx context.Context, id, ticket desk.ID, a desk.Acceptance) (desk.LedgerEntry, error)
	// SplitHeld has an item open a ticket of its own; customer is whose, for a form post that does not say so.
	SplitHeld(ctx context.Context, id desk.ID, customer desk.Address, by string) (desk.LedgerEntry, error)
	// DiscardHeld takes an item off the list.
	DiscardHeld(ctx context.Context, id desk.ID, by string) (desk.LedgerEntry, error)
}

// byAPI is who decided, as the reasons of a message name it.
const byAPI = "an agent (API)"

func (s *server) heldRoutes(h huma.API) {
	handle(s, h, get("list-held", "/held", "List inbound items that an agent has to decide about"), desk.ScopeRead, s.ledger(desk.Held))
	handle(s, h, get("get-held", "/held/{id}", "Read a held item"), desk.ScopeRead, s.heldItem)
	handle(s, h, decide("accept-held", "/held/{id}/accept", "Have a held mail join a ticket"), desk.ScopeWrite, s.acceptHeld)
	handle(s, h, decide("split-held", "/held/{id}/split", "Have a held item open a ticket of its own"), desk.ScopeWrite, s.splitHeld)
	handle(s, h, decide("discard-held", "/held/{id}/discard", "Take a held item off the list; its bytes stay"), desk.ScopeWrite, s.discardHeld)
}

func decide(id, path, summary string) huma.Operation {
	op := post(id, path, summary)
	op.DefaultStatus, op.MaxBodyBytes = http.StatusOK, maxPatch
	return op
}

// maxPatch is how large a request may be that carries no files.
const maxPatch = 1 << 20

type heldView struct {
	itemView
	Name        string         `json:"name" doc:"The sender's name."`
	To          []desk.Address `json:"to"`
	Cc          []desk.Address `json:"cc"`
	Class       desk.Class     `json:"class" doc:"An open set: human, automatic, bounce, …"`
	Text        string         `json:"text"`
	Reasons     []string       `json:"reasons"`
	Attachments []heldFile     `json:"attachments"`
}

type heldFile struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size" doc:"Bytes."`
}

func (s *server) heldItem(ctx context.Context, in *IDParam) (*output[heldView], error) {
	e, m, err := s.Held.Held(ctx, desk.ID(in.ID))
	if err != nil {
		return nil, err
	}
	v := heldView{
		itemView: viewItem(e), Name: m.From.Name, To: orEmpty(m.To), Cc: orEmpty(m.Cc), Class: m.Class, Text: m.Text, Reasons: orEmpty(m.Reasons), Attachments: []heldFile{},
	}
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, heldFile{a.Name, a.Type, a.Size})
	}
	return &output[heldView]{v}, nil
}

// acceptance and splitting have bodies that may be left out.
type acceptance struct {
	IDParam
	Body *struct {
		Ticket    string `json:"ticket,omitempty" maxLength:"36" doc:"The ticket's id or number. Left out: the one it is held for."`
		AddSender bool   `json:"add_sender,omitempty" doc:"Its sender takes part in the ticket from now on: reads it, answers it, gets its mail."`
		Internal  bool   `json:"internal,omitempty" doc:"Only agents see the mail. Left out: customers see it if it is from or to one of them."`
	}
}

func (s *server) acceptHeld(ctx context.Context, in *acceptance) (*output[itemView], error) {
	var ticket desk.ID
	a := desk.Acceptance{By: byAPI}
	if b := in.Body; b != nil {
		a.AddSender, a.Internal = b.AddSender, b.Internal
		if b.Ticket != "" {
			t, err := s.find(ctx, b.Ticket)
			if err != nil {
				return nil, err
			}
			ticket = t.ID
		}
	}
	e, err := s.Held.AcceptHeld(ctx, desk.ID(in.ID), ticket, a)
	return &output[itemView]{viewItem(e)}, err
}

type splitting struct {
	IDParam
	Body *struct {
		Address string `json:"address,omitempty" maxLength:"254" doc:"Whose ticket it is, where the item does not say so clearly itself."`
		Name    string `json:"name,omitempty" maxLength:"200"`
	}
}

func (s *server) splitHeld(ctx context.Context, in *splitting) (*output[itemView], error) {
	var customer desk.Address
	if b := in.Body; b != nil {
		customer = desk.Address{Name: b.Name, Email: b.Address}
	}
	e, err := s.Held.SplitHeld(ctx, desk.ID(in.ID), customer, byAPI)
	return &output[itemView]{viewItem(e)}, err
}

func (s *server) discardHeld(ctx context.Context, in *IDParam) (*output[itemView], error) {
	e, err := s.Held.DiscardHeld(ctx, desk.ID(in.ID), byAPI)
	return &output[itemView]{viewItem(e)}, err
}
