package ingest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// later is an installation whose clock a test moves.
type later struct {
	*rig
	ahead *atomic.Int64
}

func (l later) pass(d time.Duration) { l.ahead.Add(int64(d)) }

// arrives has a mail arrive at the moved time.
func (l later) arrives(raw string) desk.LedgerEntry {
	l.t.Helper()
	it := l.keep(l.mb.ID, desk.Inbox, time.Now().Add(time.Duration(l.ahead.Load())), raw)[0]
	l.read()
	return l.entry(it)
}

func withClock(t *testing.T, check func(l later)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) {
		l := later{ahead: new(atomic.Int64)}
		o.Now = func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }
		l.rig = newRig(t, o)
		check(l)
	})
}

// automatic lists what automatic mail was decided on: its kind without "mail.", and to whom.
func (r *rig) automatic() []string {
	r.t.Helper()
	var out []string
	for _, e := range append(r.effects(desk.WelcomeMail), r.effects(desk.AcknowledgeMail)...) {
		out = append(out, strings.TrimPrefix(string(e.Kind), "mail.")+" "+e.Recipient)
	}
	slices.Sort(out)
	return out
}

func (r *rig) wantAutomatic(want ...string) {
	r.t.Helper()
	if got := r.automatic(); !slices.Equal(got, want) {
		r.t.Errorf("automatic mail %q, want %q", got, want)
	}
}

func (r *rig) set(change func(s *desk.Settings)) {
	r.t.Helper()
	s := r.org().Settings
	change(&s)
	r.update(func(tx *store.Tx) error { return tx.PutSettings(r.t.Context(), s) })
}

func from(host string) string {
	return "Received: from mail.example.org (mail.example.org [" + host + "]) by mx.acme.example (Postfix) with ESMTPS id 1"
}

func TestL9_OneAcknowledgementADayAndNothingOfTheSendersInIt(t *testing.T) {
	withClock(t, func(l later) {
		l.arrives(mail(ann, support, "1@customer.example", "first"))
		l.wantAutomatic("welcome ann@customer.example")
		l.arrives(mail(ann, support, "2@customer.example", "the same day", "Subject: Another thing"))
		l.arrives(mail("ann+1@customer.example", support, "plus@customer.example", "the same mailbox"))
		l.wantAutomatic("welcome ann@customer.example")
		l.pass(25 * time.Hour)
		e := l.arrives(mail(ann, support, "3@customer.example", "the next day", "Subject: BUY NOW"))
		for i := range 5 { // a machine that does not say so: at most two answers to one subject (REQUIREMENTS L10)
			l.arrives(mail(ann, support, fmt.Sprintf("same%d@customer.example", i), "an hour later", "Subject: BUY NOW"))
		}
		l.wantAutomatic("acknowledgement ann@customer.example", "welcome ann@customer.example")
		row := l.effects(desk.AcknowledgeMail)[0]
		text, err := l.db.Template(l.t.Context(), row.Template)
		if err != nil || row.TicketID != e.TicketID || row.Trust != desk.V0 || text.Subject != desk.DefaultSettings().Acknowledgement.NeutralSubject {
			l.t.Errorf("%+v says %+v, %v", row, text, err)
		}

		for i, m := range []string{ // L1, L2, L4: who wrote nothing themselves, or asks for quiet, is never answered
			mail("list@lists.example", support, "l@lists.example", "news", "List-Id: <x.lists.example>"),
			mail(bob, support, "quiet@customer.example", "hush", "X-Auto-Response-Suppress: All"),
			mail(bob, support, "away@customer.example", "away", "Auto-Submitted: auto-replied", answering("nobody@acme.example")),
			mail("postmaster@customer.example", support, "role@customer.example", "a human after all"),
		} {
			l.arrives(m)
			if got := l.automatic(); len(got) != 2 {
				l.t.Errorf("mail %d was answered: %q", i, got)
			}
		}
		l.pass(25 * time.Hour)
		l.set(func(s *desk.Settings) { s.Acknowledgement.NeutralEnabled = false })
		l.arrives(mail(ann, support, "5@customer.example", "quiet", "Subject: Quiet"))
		l.wantAutomatic("acknowledgement ann@customer.example", "welcome ann@customer.example")
		l.clean()
	})
}

func TestL9_TwentyStrangersAnHourFromOneHost(t *testing.T) {
	withClock(t, func(l later) {
		b := desk.DefaultBudgets()
		stranger := func(i int, host string) {
			l.want(l.arrives(mail(fmt.Sprintf("c%d@victim.example", i), support, fmt.Sprintf("%d@x.example", i), "buy", from(host))), desk.NewTicket)
		}
		n := 0
		for range b.NewContacts + 5 {
			stranger(n, "192.0.2.1")
			n++
		}
		if got := len(l.automatic()); got != b.NewContacts {
			l.t.Errorf("%d strangers were written to because of one host", got)
		}
		stranger(n, "192.0.2.2") // never for the whole mailbox
		if got := len(l.automatic()); got != b.NewContacts+1 {
			l.t.Errorf("%d were written to: another host's mail must be answered", got)
		}
		l.pass(time.Hour)
		stranger(n+1, "192.0.2.1")
		if got := len(l.automatic()); got != b.NewContacts+2 {
			l.t.Errorf("%d were written to, an hour later", got)
		}
		l.clean()
	})
}

func TestL9_WhoSendsIsNotWhatTheMailSays(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: "mx.acme.example", Hops: 1})
		b := desk.DefaultBudgets()
		for i := range b.NewContacts + 3 {
			// Below what our server wrote, and by a server inside that anybody may name, each mail tells another story.
			forged := from(fmt.Sprintf("203.0.113.%d", i))
			ours := []string{from("10.0.0.1"), "Authentication-Results: mx.acme.example; dmarc=none header.from=victim.example", from("192.0.2.1"), forged}
			raw := strings.Join(ours, "\r\n") + "\r\n" + mail(fmt.Sprintf("c%d@victim.example", i), support, fmt.Sprintf("%d@x.example", i), "buy")
			r.want(r.arrives(raw), desk.NewTicket)
		}
		if got := len(r.automatic()); got != b.NewContacts {
			r.t.Errorf("%d strangers were written to because of one host", got)
		}
	})
}

func TestL10_OneAnswerADayThoughTwoMailboxesGetTheMail(t *testing.T) {
	withClock(t, func(l later) {
		const people = 15
		var raws []string
		for i := range people {
			who := fmt.Sprintf("k%d@customer.example", i)
			l.arrives(mail(who, support, fmt.Sprintf("a%d@customer.example", i), "first"))
			raws = append(raws, mail(who, support+", sales@acme.example", fmt.Sprintf("b%d@customer.example", i), "second", "Subject: two"))
		}
		l.pass(25 * time.Hour)
		for _, raw := range raws {
			at := time.Now().Add(time.Duration(l.ahead.Load()))
			l.keep(l.mb.ID, desk.Inbox, at, raw)
			l.keep(l.other.ID, desk.Inbox, at, raw)
			var both sync.WaitGroup
			for _, mb := range []desk.ID{l.mb.ID, l.other.ID} {
				both.Go(func() {
					if _, err := l.g.pass(l.t.Context(), mb, &round{}); err != nil {
						l.t.Error(err)
					}
				})
			}
			both.Wait()
		}
		if n := len(l.effects(desk.AcknowledgeMail)); n != people {
			l.t.Errorf("%d acknowledgements to %d addresses", n, people)
		}
		l.read()
		l.clean()
	})
}

func TestL9_HostsThatNobodyNamesShareABudget(t *testing.T) {
	both(t, func(r *rig) {
		b := desk.DefaultBudgets()
		for i := range b.NewContacts + 5 {
			r.arrives(mail(fmt.Sprintf("c%d@victim.example", i), support, fmt.Sprintf("%d@x.example", i), "buy", from("10.0.0.7")))
		}
		if got := len(r.automatic()); got != b.NewContacts {
			r.t.Errorf("%d strangers were written to", got)
		}
	})
}

func TestL11_AFormPostThatIsReadLateCausesNoMail(t *testing.T) {
	withClock(t, func(l later) {
		post := l.posts(l.form(nil), "application/json", `{"email":"victim@x.example","message":"hello"}`)
		if err := l.g.quarantine(l.t.Context(), post, errBreaks); err != nil {
			l.t.Fatal(err)
		}
		l.pass(240 * time.Hour)
		l.update(func(tx *store.Tx) error { return tx.Reopen(l.t.Context(), post.ID) })
		if err := l.g.readForm(l.t.Context(), l.ledger(post.ID)); err != nil {
			l.t.Fatal(err)
		}
		l.want(l.ledger(post.ID), desk.NewTicket)
		l.wantAutomatic()
	})
}

func TestM2_AnAnswerToAnAcknowledgementJoinsItsTicket(t *testing.T) {
	withClock(t, func(l later) {
		l.arrives(mail(ann, support, "1@customer.example", "first"))
		l.pass(25 * time.Hour)
		e := l.arrives(mail(ann, support, "2@customer.example", "the next day", "Subject: other"))
		l.wantAutomatic("acknowledgement ann@customer.example", "welcome ann@customer.example")
		answer := l.arrives(mail(ann, l.replyAddress(e.TicketID, "ann@customer.example"), "3@customer.example", "and this"))
		if l.want(answer, desk.Appended); answer.TicketID != e.TicketID {
			l.t.Errorf("it joined %s", answer.TicketID)
		}
	})
}

func TestL10_ASurgeStopsAutomaticMailAlone(t *testing.T) {
	withClock(t, func(l later) {
		l.set(func(s *desk.Settings) { s.Budgets.SurgeFloor, s.DefaultLanguage = 4, "de" })
		n := 0
		strangers := func(count int) {
			for range count {
				n++
				l.arrives(mail(fmt.Sprintf("c%d@victim.example", n), support, fmt.Sprintf("%d@x.example", n), "hello", from(fmt.Sprintf("192.0.2.%d", n))))
			}
		}
		paused := func() []desk.Pause {
			ps, err := l.db.Pauses(l.t.Context())
			if err != nil {
				l.t.Fatal(err)
			}
			return ps
		}
		strangers(4)
		if ps := paused(); len(ps) != 0 {
			l.t.Fatalf("%+v", ps)
		}
		strangers(3)
		ps := paused()
		if len(ps) != 1 || ps[0].Queue != desk.QueueAutomatic || !strings.Contains(ps[0].Reason, "5 automatic mails") {
			l.t.Fatalf("%+v", ps)
		}
		if got := len(l.automatic()); got != 7 {
			l.t.Errorf("%d automatic mails are kept, want all 7", got)
		}
		notices := l.effects(desk.NoticeInInbox)
		if len(notices) != 1 {
			l.t.Fatalf("%d notices, want one", len(notices))
		}
		if text, err := l.db.Template(l.t.Context(), notices[0].Template); err != nil || text.Subject != "Automatische Mails sind angehalten" || !strings.Contains(text.Body, " 5 automatische Mails") || text.Language != "de" {
			l.t.Errorf("agents are told %+v, %v", text, err)
		}
		claim := func(queue string) int {
			es, err := l.db.Claim(l.t.Context(), queue, "test", 100, time.Minute)
			if err != nil {
				l.t.Fatal(err)
			}
			return len(es)
		}
		if a, m := claim(desk.QueueAutomatic), claim(desk.QueueMailbox); a != 0 || m != 1 {
			l.t.Errorf("while paused, %d automatic mails and %d notices go out", a, m)
		}
		l.pass(4 * 24 * time.Hour) // longer than a link in a welcome mail lives
		l.update(func(tx *store.Tx) error { _, err := tx.ResumeQueue(l.t.Context(), desk.QueueAutomatic); return err })
		for _, e := range l.effects(desk.WelcomeMail) {
			if age := l.db.Now().Sub(e.CreatedAt); age > time.Minute {
				l.t.Errorf("a welcome mail that waited is %s old: its link has run out", age)
			}
		}
		if a := claim(desk.QueueAutomatic); a != 7 || len(paused()) != 0 {
			l.t.Errorf("resumed, %d automatic mails go out", a)
		}
		strangers(4)
		if ps := paused(); len(ps) != 0 {
			l.t.Errorf("the hour that somebody has looked at counts again: %+v", ps)
		}
		// What an attack has left is thrown away, and who was to be welcomed still can be.
		l.update(func(tx *store.Tx) error { _, err := tx.PauseQueue(l.t.Context(), desk.QueueAutomatic, "x"); return err })
		before := len(l.automatic())
		l.update(func(tx *store.Tx) error {
			gone, err := tx.DiscardAutomatic(l.t.Context())
			if gone != 4 {
				l.t.Errorf("%d were thrown away, want 4", gone)
			}
			return err
		})
		l.update(func(tx *store.Tx) error { _, err := tx.ResumeQueue(l.t.Context(), desk.QueueAutomatic); return err })
		if a := claim(desk.QueueAutomatic); a != 0 {
			l.t.Errorf("%d of what was thrown away go out", a)
		}
		l.update(func(tx *store.Tx) error {
			again, err := tx.Welcomed(l.t.Context(), fmt.Sprintf("c%d@victim.example", n))
			if !again {
				l.t.Error("who was to be welcomed never will be")
			}
			return err
		})
		if len(l.automatic()) != before {
			l.t.Error("rows are gone")
		}

		// A week with much mail makes an hour with much mail an ordinary one.
		l.update(func(tx *store.Tx) error {
			for range 2000 {
				if _, _, err := tx.CountAutomatic(l.t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
		l.pass(time.Hour)
		strangers(20)
		if ps := paused(); len(ps) != 0 {
			l.t.Errorf("20 mails, after 2,000 in a week: %+v", ps)
		}
	})
}

func TestL11_AnOperatorsDeliveryCausesNoMail(t *testing.T) {
	both(t, func(r *rig) {
		post := r.posts(r.form(nil), "application/json", "no json")
		if err := r.g.quarantine(r.t.Context(), post, errBreaks); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.g.DeliverRaw(r.t.Context(), post.ID, desk.Address{Email: "stranger@x.example"}, "", "Mette"); err != nil {
			r.t.Fatal(err)
		}
		r.wantAutomatic()
	})
}
