package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"postern/desk"
)

// lateSent is a Sent folder whose mails nobody has seen before somebody looks.
type lateSent struct {
	r     *rig
	mails []string
	err   error
	looks int
}

// LookAtSent keeps what lies in it.
func (s *lateSent) LookAtSent(context.Context) error {
	s.looks++
	if s.err == nil && len(s.mails) > 0 {
		s.r.keep(s.r.mb.ID, desk.Sent, time.Now(), s.mails...)
		s.mails = nil
	}
	return s.err
}

// readBeside reads all that waits, beside a Sent folder.
func (r *rig) readBeside(s *lateSent) {
	r.t.Helper()
	round := &round{sent: s}
	for {
		n, err := r.g.pass(r.t.Context(), r.mb.ID, round)
		if err != nil {
			r.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// TestM7_AnAnswerToAMailThatOnlySentHasJoinsItsTicket: the agent wrote in a mail client, and Sent has not told of it yet.
func TestM7_AnAnswerToAMailThatOnlySentHasJoinsItsTicket(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		sent := &lateSent{r: r, mails: []string{
			mail(support, "else@customer.example", "0@acme.example", "something else"),
			mail(support, ann, "2@acme.example", "which one?", answering("1@customer.example")),
		}}
		// Ann's program names nothing but what she answers, and two more mails came with hers.
		items := r.keep(r.mb.ID, desk.Inbox, time.Now(),
			mail(bob, support, "b1@customer.example", "another matter"),
			mail(ann, support, "3@customer.example", "the blue one", answering("2@acme.example")),
			mail(ann, support, "4@customer.example", "the left one", answering("3@customer.example")))
		r.readBeside(sent)
		r.want(r.entry(items[0]), desk.NewTicket)
		for _, it := range items[1:] {
			if e := r.entry(it); e.Outcome != desk.Appended || e.TicketID != first.TicketID {
				r.t.Errorf("%s: %s of %s", e.Reason, e.Outcome, e.TicketID)
			}
		}
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "the blue one", "the left one", "which one?") // as they came to us
		if sent.looks != 1 {
			r.t.Errorf("the Sent folder was looked at %d times", sent.looks)
		}
		r.wantAutomatic("welcome ann@customer.example", "welcome bob@customer.example")
		r.clean()
	})
}

// TestM7_WhatAnEarlierProgramLeftIsReadBesideSentToo: it was killed before it filed the answer.
func TestM7_WhatAnEarlierProgramLeftIsReadBesideSentToo(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		sent := &lateSent{r: r, mails: []string{
			mail(support, "else@customer.example", "0@acme.example", "something else"),
			mail(support, ann, "2@acme.example", "which one?", answering("1@customer.example")),
		}}
		items := r.keep(r.mb.ID, desk.Inbox, time.Now(),
			mail(ann, support, "3@customer.example", "the blue one", answering("2@acme.example")),
			mail(ann, support, "4@customer.example", "the left one", answering("3@customer.example")))
		if _, err := r.g.readCarefully(r.t.Context(), r.mb.ID, &round{sent: sent}); err != nil {
			r.t.Fatal(err)
		}
		for _, it := range items {
			if e := r.entry(it); e.Outcome != desk.Appended || e.TicketID != first.TicketID {
				r.t.Errorf("%s: %s of %s", e.Reason, e.Outcome, e.TicketID)
			}
		}
		r.wantTexts(first.TicketID, "ann@customer.example", "it is broken", "the blue one", "the left one", "which one?") // as they came to us
		r.readBeside(sent)
		r.clean()
	})
}

// TestM7_AnAnswerBeforeItsParentInOneBatch: nobody need be asked.
func TestM7_AnAnswerBeforeItsParentInOneBatch(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(ann, support, "1@customer.example", "it is broken"))
		answer := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, "3@customer.example", "the blue one", answering("2@acme.example")))[0]
		r.keep(r.mb.ID, desk.Sent, time.Now(), mail(support, ann, "2@acme.example", "which one?", answering("1@customer.example")))
		sent := &lateSent{r: r}
		r.readBeside(sent)
		if e := r.entry(answer); e.TicketID != first.TicketID || sent.looks != 0 {
			r.t.Errorf("%s: %s of %s, %d looks", e.Reason, e.Outcome, e.TicketID, sent.looks)
		}
		r.clean()
	})
}

// TestM7_ASentFolderThatFailsHoldsUpNothing: it is left alone for a while, and old mail asks nobody.
func TestM7_ASentFolderThatFailsHoldsUpNothing(t *testing.T) {
	both(t, func(r *rig) {
		sent := &lateSent{r: r, err: errors.New("it is away")}
		read := func(at time.Time, raw string) desk.LedgerEntry {
			it := r.keep(r.mb.ID, desk.Inbox, at, raw)[0]
			round := &round{sent: sent, sentAgain: time.Now().Add(time.Duration(sent.looks) * time.Minute)}
			if _, err := r.g.pass(r.t.Context(), r.mb.ID, round); err != nil {
				r.t.Fatal(err)
			}
			if again := time.Until(round.sentAgain); sent.looks == 1 && again < sentAway/2 {
				r.t.Errorf("it is asked again in %s", again)
			}
			return r.entry(it)
		}
		r.want(read(time.Now().Add(-time.Hour), mail(ann, support, "1@customer.example", "old", answering("x@elsewhere.example"))), desk.NewTicket)
		r.want(read(time.Now(), mail(ann, support, "2@customer.example", "no answer")), desk.NewTicket)
		if sent.looks != 0 {
			r.t.Errorf("looked at %d times without need", sent.looks)
		}
		r.want(read(time.Now(), mail(ann, support, "3@customer.example", "an answer", answering("y@elsewhere.example"))), desk.NewTicket)
		r.want(read(time.Now(), mail(ann, support, "4@customer.example", "another", answering("z@elsewhere.example"))), desk.NewTicket)
		if sent.looks != 1 {
			r.t.Errorf("looked at %d times", sent.looks)
		}
		r.clean()
	})
}
