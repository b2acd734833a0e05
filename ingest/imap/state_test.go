package imap

import (
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
	"postern/tickets"
)

// TestI5_WhatAgentsDoIsSeenOnAnyServer: with CONDSTORE and IDLE the server tells, without them folders are compared.
func TestI5_WhatAgentsDoIsSeenOnAnyServer(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"all": "", "neither CONDSTORE nor IDLE": "imap_capability = IMAP4rev1 UIDPLUS LITERAL+\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, store.Options{})
			if config != "" {
				r.dovecot = mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: config}, mailtest.User{Name: user, Password: "secret"})
			}
			r.options.Follower, r.options.Poll = r.g, 200*time.Millisecond
			r.create("Done")
			r.change(func(mb *desk.Mailbox) {
				former := mailbox(r.dovecot.Addr())
				mb.IMAP = former.IMAP
				mb.Policy.Follow = desk.Follow{ClosedFolder: "Done", Keywords: map[string]string{"$Waiting": "waiting"}, FromMailbox: desk.On}
			})
			r.watch()
			r.dovecot.Append(user, "INBOX", about("one"), nil, time.Now())
			r.until(desk.NewTicket, 1)
			r.status("open")
			r.flag("INBOX", imap.StoreFlagsAdd, "$Waiting")
			r.status("waiting")
			r.flag("INBOX", imap.StoreFlagsDel, "$Waiting")
			r.status("open")
			r.move("INBOX", "Done", 1)
			r.status("closed")
			r.move("Done", "INBOX", 1)
			r.status("open")
			// Some programs move in steps, and leave the first copy marked as deleted.
			c := r.dovecot.Dial(user)
			_, err := c.Select("INBOX", nil).Wait()
			r.ok(err)
			_, err = c.Copy(imap.UIDSetNum(2), "Done").Wait()
			r.ok(err)
			r.until(desk.Duplicate, 3)
			r.status("open")
			r.ok(c.Store(imap.UIDSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
			r.status("closed")
			r.clean()
		})
	}
}

// TestI5_WhatIsUnclearIsLookedAtEverLater: what we are at ourselves may take days, and the flags of a whole folder cost something.
func TestI5_WhatIsUnclearIsLookedAtEverLater(t *testing.T) {
	t.Parallel()
	f := &folder{w: &Watcher{options: Options{Idle: time.Minute}}, state: &state{}, patience: time.Minute}
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
		f.unclear(true)
		if f.patience != want {
			t.Errorf("it is looked at again after %s, want %s", f.patience, want)
		}
		f.patience = time.Minute
	}
	f.patience = firstPatience // there is news
	f.unclear(true)
	if f.patience != firstPatience {
		t.Errorf("after news it is looked at after %s", f.patience)
	}
	f.unclear(false)
	f.patience = time.Minute
	f.unclear(true)
	if f.patience != firstPatience {
		t.Errorf("what is unclear anew is looked at after %s", f.patience)
	}
}

// TestI5_ADryRunOnlyTells: nothing is changed, and what would have been is written down.
func TestI5_ADryRunOnlyTells(t *testing.T) {
	both(t, func(r *rig) {
		r.options.Follower = r.g
		r.create("Done")
		r.change(func(mb *desk.Mailbox) {
			mb.Policy.Follow = desk.Follow{ClosedFolder: "Done", Keywords: map[string]string{"$Closed": "closed"}, FromMailbox: desk.Report, ToMailbox: desk.Report}
		})
		r.watch()
		r.dovecot.Append(user, "INBOX", about("one"), nil, time.Now())
		r.until(desk.NewTicket, 1)
		r.move("INBOX", "Done", 1)
		var events []desk.Event
		told := func(n int) {
			r.t.Helper()
			mailtest.Until(r.t, "it is told", func() bool {
				var err error
				events, err = r.in.DB.MailboxEvents(r.t.Context(), r.mb.ID, store.Page{})
				r.ok(err)
				return len(events) == n
			})
		}
		told(1)
		if e := events[0]; e.Kind != desk.StatusChanged || e.From != "open" || e.To != "closed" || e.Cause != desk.ByMove || !e.DryRun {
			r.t.Errorf("told %+v", e)
		}
		r.status("open")
		ts, err := r.in.DB.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{})
		r.ok(err)
		closed := "closed"
		_, err = r.in.Desk.Change(r.t.Context(), desk.ScopeOfProgram(), ts[0].ID, tickets.Change{Status: &closed})
		r.ok(err)
		told(3)
		counts, err := r.in.DB.EffectCounts(r.t.Context())
		r.ok(err)
		due, err := r.in.DB.DueEffects(r.t.Context(), desk.QueueMailbox, 10)
		if err != nil || len(due) != 0 {
			r.t.Errorf("a dry run is to do %v of %v: %v", due, counts, err)
		}
	})
}

func (r *rig) status(want string) {
	r.t.Helper()
	mailtest.Until(r.t, "the ticket is "+want, func() bool {
		ts, err := r.in.DB.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{})
		r.ok(err)
		return len(ts) == 1 && ts[0].Status == want
	})
}

// flag sets a flag of all mails in a folder, or takes it away.
func (r *rig) flag(folder string, op imap.StoreFlagsOp, flag imap.Flag) {
	r.t.Helper()
	c := r.dovecot.Dial(user)
	defer c.Close()
	_, err := c.Select(folder, nil).Wait()
	r.ok(err)
	r.ok(c.Store(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{flag}}, nil).Close())
}
