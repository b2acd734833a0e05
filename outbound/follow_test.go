package outbound_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailconn"
	"postern/outbound"
	"postern/store"
	"postern/tickets"
)

// arranger does nothing to mail, and says how that ended.
type arranger struct{ err error }

// Move moves nothing.
func (a *arranger) Move(context.Context, desk.Mailbox, string, string, []desk.Located) ([]outbound.Moved, error) {
	return nil, a.err
}

// Mark marks nothing.
func (a *arranger) Mark(context.Context, desk.Mailbox, string, []desk.Located, string, []string) error {
	return a.err
}

// follows has the mailbox follow its tickets.
func (r *rig) follows() *arranger {
	r.t.Helper()
	r.mb.Policy.Follow = desk.Follow{ClosedFolder: "Archive", FromMailbox: desk.On, ToMailbox: desk.On}
	r.put(r.mb)
	a := &arranger{}
	r.w.Arranger = a
	return a
}

func (r *rig) close() {
	r.t.Helper()
	status := desk.Closed
	if _, err := r.desk.Change(r.t.Context(), desk.ScopeOfProgram(), r.ticket.ID, tickets.Change{Status: &status}); err != nil {
		r.t.Fatal(err)
	}
}

// TestI5_FollowingWaitsWithPatience: mail of the ticket can't be put into the mailbox for a day, and is to be moved with the rest.
func TestI5_FollowingWaitsWithPatience(t *testing.T) {
	both(t, func(r *rig) {
		r.follows()
		r.close()
		r.server.answers = func(string) error { return errors.New("connection refused") }
		for range 12 {
			r.drain(desk.QueueMailbox)
			r.pass(10 * time.Minute)
		}
		r.drain(desk.QueueMailbox)
		row := r.row(desk.FollowTicket)
		if wait := row.NextTry.Sub(r.db.Now()); row.State != desk.EffectPending || row.Attempt != 0 || wait < 4*time.Minute {
			r.t.Errorf("it comes back after %s: %+v", wait, row)
		}
		r.server.answers = nil
		for range 5 {
			r.pass(time.Hour)
			r.drain(desk.QueueMailbox)
		}
		if row := r.row(desk.FollowTicket); row.State != desk.EffectSent {
			r.t.Errorf("%+v", row)
		}
	})
}

// TestI5_WhatTheServerCannotDoFails, and is not tried for five days, in which nothing would count that agents do. A server that can't be
// reached, or lets us in no more, is another matter.
func TestI5_WhatTheServerCannotDoFails(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want desk.EffectState
	}{
		"it can't move mail":           {&mailconn.Problem{What: "the mail server can't move mails safely", Do: "Keep them apart", Err: errors.ErrUnsupported, Permanent: true}, desk.EffectFailed},
		"there is no such folder":      {&mailconn.Problem{What: "the mailbox does not have that folder", Do: "Make it", At: mailconn.AtWork}, desk.EffectDeferred},
		"it is busy":                   {&mailconn.Problem{What: "the mail server refused", Do: "See what it said"}, desk.EffectDeferred},
		"the connection broke":         {errors.New("connection reset"), desk.EffectDeferred},
		"the password is wrong":        {&mailconn.Problem{What: "wrong password", Do: "Set another", Permanent: true, SignIn: true, At: mailconn.AtLogin}, desk.EffectDeferred},
		"its certificate has run out":  {&mailconn.Problem{What: "the certificate has run out", Do: "Renew it", Permanent: true, At: mailconn.AtTLS}, desk.EffectDeferred},
		"nobody knows it by that name": {&mailconn.Problem{What: "there is no such server", Do: "Check the name", Permanent: true, At: mailconn.AtDNS}, desk.EffectDeferred},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(r *rig) {
				a := r.follows()
				r.drain(desk.QueueMailbox)
				r.finds("INBOX", desk.Inbox, r.server.put[0])
				r.close()
				a.err = c.err
				r.pass(time.Minute)
				r.drain(desk.QueueMailbox)
				row := r.row(desk.FollowTicket)
				if row.State != c.want || !strings.Contains(row.LastError, c.err.Error()) {
					r.t.Errorf("%+v", row)
				}
				r.pass(time.Minute)
				busy, err := r.db.Following(r.t.Context(), r.ticket.ID, r.mb.ID, r.db.Now())
				if err != nil || busy != (c.want == desk.EffectDeferred) {
					r.t.Errorf("at it: %t, %v", busy, err)
				}
				if es, err := r.db.Effects(r.t.Context(), c.want, store.Page{Limit: 10}); err != nil || len(es) != 1 || es[0].ID != row.ID {
					r.t.Errorf("listed: %+v, %v", es, err)
				}
			})
		})
	}
}
