package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// ReadForms reads the kept form posts until ctx ends. Any number of processes may run it.
func (g *Ingest) ReadForms(ctx context.Context) error {
	var r round
	for {
		n, err := g.passForms(ctx, &r)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			g.Log.WarnContext(ctx, "kept form posts wait", slog.String("component", "ingest"), slog.String("error", err.Error()))
		}
		if n == perBatch && err == nil {
			continue
		}
		if !g.rest(ctx, forms, err != nil) {
			return nil
		}
	}
}

// passForms reads form posts that are pending now and have their turn.
func (g *Ingest) passForms(ctx context.Context, r *round) (int, error) {
	r.begin(time.Now())
	posts, err := g.DB.PendingForms(ctx, r.after, perBatch)
	if err != nil {
		return 0, err
	}
	n, err := g.oneByOne(ctx, posts, r, func(e desk.LedgerEntry) error {
		err := g.readForm(ctx, e)
		r.note(err, e.RawSHA256 != "")
		return err
	})
	r.over = err == nil && n < perBatch
	return n, err
}

func (g *Ingest) readForm(ctx context.Context, e desk.LedgerEntry) error {
	if e.ReceivedAt.Before(g.started) { // an earlier process may have died over it
		return g.counted(ctx, e, func() error { return g.settleForm(ctx, e) })
	}
	return g.settleForm(ctx, e)
}

// settleForm files a form post; what can't be filed goes to quarantine. An error means that the post waits.
func (g *Ingest) settleForm(ctx context.Context, e desk.LedgerEntry) error {
	err := g.fileForm(ctx, e)
	switch {
	case err == nil, desk.KindOf(err) == desk.Conflict:
		return nil
	case passing(ctx, err):
		return err
	}
	return g.quarantine(ctx, e, err)
}

func (g *Ingest) fileForm(ctx context.Context, e desk.LedgerEntry) error {
	org, form, s, held, err := g.submitted(ctx, e)
	if err != nil {
		return err
	}
	return g.DB.Update(ctx, func(tx *store.Tx) error {
		if held != "" {
			e.Outcome, e.Reason, e.Subject = desk.Held, held, s.Subject
			return tx.Settle(ctx, e)
		}
		return g.Desk.FileForm(ctx, tx, org, e, form, s)
	})
}

// submitted reads a form post. held says why an agent has to look at it, if so.
func (g *Ingest) submitted(ctx context.Context, e desk.LedgerEntry) (org *store.Organisation, form desk.Form, s tickets.Submission, held string, err error) {
	if org, err = g.DB.Organisation(ctx); err != nil {
		return org, form, s, held, err
	}
	form, ok := org.FormByID(e.FormID)
	if !ok {
		if org, err = g.DB.FreshOrganisation(ctx); err != nil {
			return org, form, s, held, err
		}
		if form, ok = org.FormByID(e.FormID); !ok {
			return org, form, s, held, errors.New("its form is gone")
		}
	}
	raw, err := g.Raw(ctx, e)
	if err != nil {
		return org, form, s, held, err
	}
	post, err := ReadPost(e.ContentType, raw, g.attach(ctx))
	if err = errors.Join(err, raw.Close()); err != nil {
		return org, form, s, held, err
	}
	if s, held = submission(form, post); held == "" && org.IsOurs(s.Email) {
		held = "it names our own address " + s.Email + " as the customer's"
	} else if held == "" && org.Inside(s.Email) {
		held = "it names " + s.Email + " as the customer's address, which is an agent's"
	}
	return org, form, s, held, nil
}
