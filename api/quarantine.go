package api

import (
	"context"
	"io"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postern/desk"
	"postern/store"
)

// Quarantine carries out what operators decide about items that could not be read.
type Quarantine interface {
	// Raw opens an item's bytes, as they came.
	Raw(ctx context.Context, e desk.LedgerEntry) (io.ReadCloser, error)
	// DeliverRaw makes a ticket for the customer with the item's bytes attached, and gives the item as it is then. It fails
	// with Conflict if the item is not in quarantine.
	DeliverRaw(ctx context.Context, id desk.ID, customer desk.Address, subject, by string) (desk.LedgerEntry, error)
}

func (s *server) quarantineRoutes(h huma.API) {
	handle(s, h, get("list-quarantine", "/quarantine", "List inbound items that could not be read"), desk.ScopeRead, s.ledger(desk.Quarantined))
	handle(s, h, get("get-quarantined", "/quarantine/{id}", "Read what is known of an item in quarantine"), desk.ScopeRead, s.quarantined)
	raw := get("get-quarantined-raw", "/quarantine/{id}/raw", "Read the bytes of an item in quarantine, as they came")
	raw.Responses = map[string]*huma.Response{"200": {
		Description: "The bytes: a mail, or the body of a form post. Of a mail that is too large there is the beginning alone.",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	handle(s, h, raw, desk.ScopeRead, s.rawQuarantined)
	handle(s, h, decide("retry-quarantined", "/quarantine/{id}/retry", "Have an item read once more by the gateway"), desk.ScopeWrite, s.retryQuarantined)
	handle(s, h, decide("deliver-quarantined", "/quarantine/{id}/deliver", "Make a ticket of an item that nobody can read, with its bytes attached"), desk.ScopeWrite, s.deliverQuarantined)
}

type quarantineView struct {
	itemView
	UIDValidity  uint32     `json:"uidvalidity" doc:"With folder and uid: where the mail lies in the mailbox. 0: it is a form post."`
	UID          uint32     `json:"uid"`
	InternalDate *time.Time `json:"internal_date" doc:"When the mail server got it; null where it did not say."`
	ContentType  string     `json:"content_type" doc:"Of a form post."`
	Attempts     int        `json:"attempts" doc:"How many processes ended while they read it."`
}

// parked finds an item that is in quarantine. It fails with Conflict if it is not, or no longer.
func (s *server) parked(ctx context.Context, id string) (desk.LedgerEntry, error) {
	e, err := s.DB.Ledger(ctx, desk.ID(id))
	if err == nil {
		err = e.InQuarantine()
	}
	return e, err
}

func (s *server) quarantined(ctx context.Context, in *IDParam) (*output[quarantineView], error) {
	e, err := s.parked(ctx, in.ID)
	v := quarantineView{itemView: viewItem(e), UIDValidity: e.UIDValidity, UID: e.UID, ContentType: e.ContentType, Attempts: e.Attempts}
	if !e.InternalDate.IsZero() {
		v.InternalDate = &e.InternalDate
	}
	return &output[quarantineView]{v}, err
}

// rawQuarantined answers with bytes that nobody could read: a browser is to save them, and to make nothing of them.
func (s *server) rawQuarantined(ctx context.Context, in *IDParam) (*huma.StreamResponse, error) {
	e, err := s.parked(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	r, err := s.Quarantine.Raw(ctx, e)
	if err != nil {
		return nil, err
	}
	name := string(e.ID) + ".eml"
	if e.FormID != "" {
		name = string(e.ID) + ".bin"
	}
	size := e.Size
	if e.HeaderOnly {
		size = 0 // it is the whole mail's
	}
	return download(r, name, size), nil
}

func (s *server) retryQuarantined(ctx context.Context, in *IDParam) (*output[itemView], error) {
	e, err := s.parked(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var reopened desk.LedgerEntry
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.Reopen(ctx, e.ID); err != nil {
			return err
		}
		reopened, err = tx.Ledger(ctx, e.ID)
		return err
	})
	return &output[itemView]{viewItem(reopened)}, err
}

type delivery struct {
	IDParam
	Body struct {
		Address string `json:"address" minLength:"1" maxLength:"254" doc:"Whose ticket it is to be."`
		Name    string `json:"name,omitempty" maxLength:"200"`
		Subject string `json:"subject,omitempty" maxLength:"1000" doc:"Left out: that it could not be read."`
	}
}

func (s *server) deliverQuarantined(ctx context.Context, in *delivery) (*output[itemView], error) {
	e, err := s.Quarantine.DeliverRaw(ctx, desk.ID(in.ID), desk.Address{Name: in.Body.Name, Email: in.Body.Address}, in.Body.Subject, byAPI)
	return &output[itemView]{viewItem(e)}, err
}
