package outbound_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailconn"
	"postern/outbound"
	"postern/store"
	"postern/tickets"
)

// arranger does nothing to mail, says how that ended, and keeps which keywords it was to give.
type arranger struct {
	err   error
	given []string
}

// Move moves nothing.
func (a *arranger) Move(context.Context, desk.Mailbox, string, string, []desk.Located) ([]outbound.Moved, error) {
	return nil, a.err
}

// Mark marks nothing.
func (a *arranger) Mark(_ context.Context, _ desk.Mailbox, _ string, _ []desk.Located, add string, _ []string) error {
	if add != "" {
		a.given = append(a.given, add)
	}
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

// marks tells ingest that an agent has given the ticket's mail in INBOX these keywords, and no others.
func (r *rig) marks(uid uint32, keywords ...string) {
	r.t.Helper()
	ctx := r.t.Context()
	org, err := r.db.FreshOrganisation(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.db.Update(ctx, func(tx *store.Tx) error {
		folder := desk.Folder{MailboxID: r.mb.ID, Name: "INBOX", Role: desk.Inbox, UIDValidity: 1}
		_, err := r.desk.Look(ctx, tx, org, desk.Look{Folder: folder, At: tx.Now(), Marks: map[uint32][]string{uid: keywords}})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestI5_AKeywordThatAnAgentHasSetIsNotSetOnceMore: they may take it off before we get to the mailbox, and would find it there again. One
// that is to say what was done elsewhere is set.
func TestI5_AKeywordThatAnAgentHasSetIsNotSetOnceMore(t *testing.T) {
	both(t, func(r *rig) {
		a := r.follows()
		r.mb.Policy.Follow.Keywords = map[string]string{"$Closed": desk.Closed}
		r.put(r.mb)
		r.drain(desk.QueueMailbox)
		uid := r.finds("INBOX", desk.Inbox, r.server.put[0]).UID

		r.marks(uid, "$Closed")
		if got, err := r.db.Ticket(r.t.Context(), desk.ScopeOfProgram(), r.ticket.ID); err != nil || got.Status != desk.Closed {
			r.t.Fatalf("%+v, %v", got, err)
		}
		r.drain(desk.QueueMailbox)
		if row := r.row(desk.FollowTicket); row.State != desk.EffectSent || len(a.given) != 0 {
			r.t.Errorf("given %q by %+v", a.given, row)
		}

		r.pass(time.Minute) // what is seen in the very moment of our own work there is looked at again
		r.marks(uid)
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		r.close()
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		if want := []string{"$Closed", "$Closed"}; !slices.Equal(a.given, want) { // in INBOX, and in Archive
			r.t.Errorf("what was closed elsewhere is given %q, want %q", a.given, want)
		}
	})
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
