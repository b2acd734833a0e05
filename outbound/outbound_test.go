package outbound_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/mailmsg"
	"postern/outbound"
	"postern/store"
	"postern/tickets"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// server is both sides of a mail provider.
type server struct {
	mu      sync.Mutex // guards what follows
	sent    map[string][]string
	senders []string // envelope senders, of each try
	refuses func(sender string) error
	put     []string
	saved   []string // into other folders than INBOX: folder, flags and mail
	copies  bool     // what is submitted appears in Sent
	inSent  map[desk.MessageID]bool
	looked  int
	maybe   []bool                // what Append was told about a copy being there
	answers func(to string) error // before the mail is taken
	after   func(to string) error // once it is taken
	reply   string                // to the end of the data; empty: one that says nothing
}

// Submit takes a mail.
func (s *server) Submit(_ context.Context, _ desk.Mailbox, from, to string, body func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	s.mu.Lock()
	s.senders = append(s.senders, from)
	s.mu.Unlock()
	if s.refuses != nil {
		if err := s.refuses(from); err != nil {
			return "", err
		}
	}
	if s.answers != nil {
		if err := s.answers(to); err != nil {
			return "", err
		}
	}
	if err := body(&b); err != nil {
		return "", err
	}
	mail, err := mailmsg.Parse(bytes.NewReader(b.Bytes()), mailmsg.ParseOptions{})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.sent[to] = append(s.sent[to], b.String())
	s.inSent[mail.MessageID] = s.copies
	s.mu.Unlock()
	if s.after != nil {
		return "", s.after(to)
	}
	return cmp.Or(s.reply, "ok"), nil
}

// Append takes a mail.
func (s *server) Append(_ context.Context, _ desk.Mailbox, folder string, raw func(io.Writer) error, flags []string, _ time.Time, _ desk.MessageID, maybeThere bool) (uint32, uint32, error) {
	var b bytes.Buffer
	if s.answers != nil {
		if err := s.answers("INBOX"); err != nil {
			return 0, 0, err
		}
	}
	err := raw(&b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if folder != "" {
		s.saved = append(s.saved, fmt.Sprintln(folder, flags)+b.String())
		return 1, 1, err
	}
	s.put, s.maybe = append(s.put, b.String()), append(s.maybe, maybeThere)
	return 1, uint32(len(s.put)), err
}

// Find looks into Sent.
func (s *server) Find(_ context.Context, _ desk.Mailbox, _ desk.FolderRole, mid desk.MessageID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked++
	return s.inSent[mid], nil
}

type rig struct {
	t      *testing.T
	db     *store.DB
	desk   *tickets.Desk
	server *server
	w      *outbound.Worker
	mb     desk.Mailbox
	ann    desk.Contact
	ticket desk.Ticket
	uid    uint32 // of the mail that was filed last

	mu    sync.Mutex // guards ahead
	ahead time.Duration
}

func both(t *testing.T, check func(r *rig)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) { check(newRig(t, o)) })
}

func newRig(t *testing.T, o store.Options) *rig {
	t.Helper()
	r := &rig{t: t, server: &server{sent: map[string][]string{}, inSent: map[desk.MessageID]bool{}}}
	o.Now = func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return time.Now().Add(r.ahead) }
	in := desktest.New(t, o)
	r.db, r.desk = in.DB, in.Desk
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	texts, err := i18n.LoadMails()
	check()
	r.w = outbound.New(outbound.Options{
		Texts: texts, DB: r.db, Keys: in.Keys, Blobs: in.Blobs, Submitter: r.server, Depositor: r.server, Owner: "me", BaseURL: "https://help.acme.example", Log: slog.New(slog.DiscardHandler),
	})
	r.mb = desk.Mailbox{ID: "0198c0de-0000-7000-8000-00000000000b", Address: "support@acme.example", Name: "Acme", IMAP: "imaps://x", SMTP: "smtps://x", MIDDomain: "acme.example", SubAddress: true, CreatedAt: time.Now()}
	err = r.db.Update(t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(t.Context(), r.mb) })
	check()
	r.ann, _, err = r.desk.AddContact(t.Context(), tickets.NewContact{Name: "Ann Lee", Addresses: []string{"ann@customer.example"}})
	check()
	r.ticket, err = r.desk.OpenByCustomer(t.Context(), tickets.CustomerTicket{Contact: r.ann, Subject: "Printer", Text: "it is broken"})
	check()
	return r
}

func (r *rig) pass(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.ahead += d }

func (r *rig) drain(queue string) {
	r.w.Drain(r.t.Context(), queue, 50)
	if queue == desk.QueueMail {
		r.w.Drain(r.t.Context(), desk.QueueAutomatic, 50)
	}
}

func (r *rig) answer(text string, internal bool) desk.Message {
	r.t.Helper()
	m, err := r.desk.ReplyByAgent(r.t.Context(), tickets.AgentReply{Ticket: r.ticket.ID, Text: text, Source: desk.FromAPI, Internal: internal})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *rig) rows(kind desk.EffectKind) (out []desk.Effect) {
	r.t.Helper()
	es, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range es {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (r *rig) row(kind desk.EffectKind) desk.Effect {
	r.t.Helper()
	es := r.rows(kind)
	if len(es) != 1 {
		r.t.Fatalf("%d rows of %s", len(es), kind)
	}
	return es[0]
}

func (r *rig) sent() []string {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return slices.Clone(r.server.sent["ann@customer.example"])
}

func header(t *testing.T, raw string) map[string]string {
	t.Helper()
	fields, err := mailmsg.Fields(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range fields {
		if _, twice := out[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		out[f.Name] = f.Value
	}
	return out
}

// TestO7_OnlyAutomaticMailCanBeUnsubscribedFrom: what people write, and links that people ask for, they want.
func TestO7_OnlyAutomaticMailCanBeUnsubscribedFrom(t *testing.T) {
	both(t, func(r *rig) {
		r.answer("try again", false)
		r.drain(desk.QueueMail)
		if sent := r.sent(); len(sent) != 1 || strings.Contains(sent[0], "List-Unsubscribe") {
			r.t.Errorf("%q", sent)
		}
	})
}

func TestO4_TheSameRowGivesTheSameBytes(t *testing.T) {
	both(t, func(r *rig) {
		r.answer("try again", false)
		r.server.after = func(string) error { return outbound.ErrAmbiguous }
		for range 3 {
			r.drain(desk.QueueMail)
			r.pass(5 * time.Hour)
		}
		sent := r.sent()
		if len(sent) != 3 || sent[0] != sent[1] || sent[1] != sent[2] {
			r.t.Errorf("%d copies, not all the same", len(sent))
		}
		if e := r.row(desk.ReplyMail); e.State != desk.EffectUnknown || e.Unknowns != 3 || e.Attempt != 3 {
			r.t.Errorf("%+v", e)
		}
		if r.server.looked != 2 {
			r.t.Errorf("looked into Sent %d times, want before each of 2 repeats", r.server.looked)
		}
	})
}

func TestO4_UnknownMailThatIsInSentIsNotRepeated(t *testing.T) {
	both(t, func(r *rig) {
		r.answer("try again", false)
		r.server.copies = true
		r.server.after = func(string) error { return fmt.Errorf("cut: %w", outbound.ErrAmbiguous) }
		r.drain(desk.QueueMail)
		r.pass(time.Minute)
		r.drain(desk.QueueMail)
		if e := r.row(desk.ReplyMail); e.State != desk.EffectSent || e.Unknowns != 1 || len(r.sent()) != 1 {
			r.t.Errorf("%d copies, %+v", len(r.sent()), e)
		}
	})
}

// TestINV2_WhatLiesInSentIsNotTakenForAnothersMail: an answer to two people has one Message-ID, so a copy in Sent does not say which of them has it.
// Bob's mail is in doubt, by a connection that broke or by a process that died, and Sent has the provider's copy of Ann's, or our own.
func TestINV2_WhatLiesInSentIsNotTakenForAnothersMail(t *testing.T) {
	for what, c := range map[string]struct{ dies, copies bool }{
		"a provider's copy": {false, true}, "our own copy": {false, false}, "a process that died": {true, true},
	} {
		t.Run(what, func(t *testing.T) {
			both(t, func(r *rig) {
				r.sentFolder()
				r.with("Bob Ray", "bob@customer.example")
				m := r.answer("try again", false)
				bobs := func() desk.Effect {
					rows := r.rows(desk.ReplyMail)
					return rows[slices.IndexFunc(rows, func(e desk.Effect) bool { return e.Recipient == "bob@customer.example" })]
				}
				r.server.copies = c.copies
				away := true
				r.server.answers = func(to string) error {
					if to != "bob@customer.example" || !away {
						return nil
					}
					if c.dies {
						mailtest.Until(r.t, "Ann's mail is known to be sent", func() bool {
							return slices.ContainsFunc(r.rows(desk.ReplyMail), func(e desk.Effect) bool { return e.Recipient == "ann@customer.example" && e.State == desk.EffectSent })
						})
						if _, err := r.db.ExpireOthers(r.t.Context(), "another"); err != nil {
							r.t.Error(err)
						}
						return errors.New("nobody hears of this")
					}
					return outbound.ErrAmbiguous
				}
				r.drain(desk.QueueMail)
				if e := bobs(); e.State != desk.EffectUnknown || len(r.sent()) != 1 {
					r.t.Fatalf("%d to Ann, %+v", len(r.sent()), e)
				}
				r.server.answers = func(to string) error {
					if to == "bob@customer.example" && away {
						return errors.New("connection refused")
					}
					return nil
				}
				for range 4 {
					r.pass(5 * time.Minute)
					r.drain(desk.QueueMail)
					r.drain(desk.QueueMailbox)
				}
				if !c.copies {
					r.server.inSent[m.MessageID] = len(r.server.saved) == 1
				}
				if !r.server.inSent[m.MessageID] {
					r.t.Fatal("Sent has no copy")
				}
				away = false
				r.pass(5 * time.Hour)
				r.drain(desk.QueueMail)
				if e := bobs(); e.State != desk.EffectSent || len(r.server.sent["bob@customer.example"]) != 1 || len(r.sent()) != 1 {
					r.t.Errorf("%d to Bob, %d to Ann, %+v", len(r.server.sent["bob@customer.example"]), len(r.sent()), e)
				}
			})
		})
	}
}

func TestO4_PutIsToldThatTheMailMayBeThere(t *testing.T) {
	both(t, func(r *rig) {
		fail := true
		r.server.answers = func(string) error {
			if fail {
				fail = false
				return errors.New("connection reset")
			}
			return nil
		}
		r.drain(desk.QueueMailbox)
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		if e := r.row(desk.PutInInbox); e.State != desk.EffectSent || !slices.Equal(r.server.maybe, []bool{true}) {
			r.t.Errorf("%v, %+v", r.server.maybe, e)
		}
	})
}

// TestO4_AnotherAttemptSaysTheSame changes every name between an attempt that nobody knows the end of and the next one.
func TestO4_AnotherAttemptSaysTheSame(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		r.answer("try again", false)
		err := r.db.Update(ctx, func(tx *store.Tx) error {
			org := &store.Organisation{Settings: desk.DefaultSettings(), Mailboxes: []desk.Mailbox{r.mb}}
			_, err := r.desk.Welcome(ctx, tx, org, r.mb, r.ann, desk.V1)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.server.after = func(string) error { return outbound.ErrAmbiguous }
		r.drain(desk.QueueMail)
		before := r.sent()
		name, settings := "Somebody Else", desk.DefaultSettings()
		settings.PortalTitle = "Another Help"
		if _, err := r.desk.ChangeContact(ctx, r.ann.ID, tickets.ContactChange{Name: &name}); err != nil {
			r.t.Fatal(err)
		}
		r.mb.Name, r.mb.SubAddress = "Another Acme", false
		err = r.db.Update(ctx, func(tx *store.Tx) error { return errors.Join(tx.PutMailbox(ctx, r.mb), tx.PutSettings(ctx, settings)) })
		if err != nil {
			r.t.Fatal(err)
		}
		r.w.BaseURL = "https://another.example"
		r.server.after = nil
		r.pass(time.Minute)
		r.drain(desk.QueueMail)
		after := r.sent()
		slices.Sort(before)
		again := slices.Clone(after[len(before):])
		slices.Sort(again)
		if len(before) != 2 || !slices.Equal(before, again) {
			r.t.Errorf("first %q, then %q", before, again)
		}
	})
}

func TestALinkThatHasRunOutIsNotMailed(t *testing.T) {
	both(t, func(r *rig) {
		err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
			return r.desk.SendLink(r.t.Context(), tx, r.mb, r.ann, desk.SignInMail, desk.LinkSignIn)
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.server.answers = func(string) error { return errors.New("connection refused") }
		r.drain(desk.QueueMail)
		if e := r.row(desk.SignInMail); e.State != desk.EffectDeferred {
			r.t.Fatalf("%+v", e)
		}
		r.server.answers = nil
		r.pass(16 * time.Minute)
		r.drain(desk.QueueMail)
		if e := r.row(desk.SignInMail); e.State != desk.EffectFailed || !strings.Contains(e.LastError, "run out") || len(r.sent()) != 0 {
			r.t.Errorf("%+v, %d mails", e, len(r.sent()))
		}
	})
}

func TestASlowServerHoldsUpItsOwnMailOnly(t *testing.T) {
	both(t, func(r *rig) {
		for range 3 {
			r.answer("see here", false)
		}
		asked := 0
		r.server.answers = func(string) error {
			asked++
			r.pass(10 * time.Second)
			return errors.New("no answer")
		}
		r.drain(desk.QueueMail)
		if asked != 1 {
			r.t.Errorf("the server was asked %d times", asked)
		}
		for _, e := range r.rows(desk.ReplyMail) {
			if e.State != desk.EffectDeferred || e.LastError == "" {
				r.t.Errorf("%+v", e)
			}
		}
		r.server.answers = nil
		r.pass(time.Minute)
		r.drain(desk.QueueMail)
		if len(r.sent()) != 3 {
			r.t.Errorf("%d mails", len(r.sent()))
		}
	})
}

func TestO5_WhatTheServerAnswersDecides(t *testing.T) {
	both(t, func(r *rig) {
		m := r.answer("see here", false)
		r.drain(desk.QueueMail)
		for name, c := range map[string]struct {
			err  error
			age  time.Duration
			want desk.EffectState
		}{
			"451":                     {&outbound.Refusal{Code: 451, Stage: "RCPT"}, 0, desk.EffectDeferred},
			"550":                     {&outbound.Refusal{Code: 550, Enhanced: "5.1.1", Text: "no such user", Stage: "RCPT"}, 0, desk.EffectFailed},
			"a refused connection":    {errors.New("connection refused"), 0, desk.EffectDeferred},
			"cut off":                 {outbound.ErrAmbiguous, 0, desk.EffectUnknown},
			"451 after five days":     {&outbound.Refusal{Code: 451}, desk.GiveUpAfter + time.Minute, desk.EffectFailed},
			"cut off after five days": {outbound.ErrAmbiguous, desk.GiveUpAfter + time.Minute, desk.EffectFailed},
			"451 before five days":    {&outbound.Refusal{Code: 451}, desk.GiveUpAfter - time.Hour, desk.EffectDeferred},
			"a program that gives up": {nil, 0, desk.EffectUnknown},
		} {
			e := desk.Effect{ID: store.NewID(), Kind: desk.ReplyMail, MailboxID: r.mb.ID, TicketID: r.ticket.ID, SubjectID: m.ID, ContactID: r.ann.ID, Recipient: "ann@customer.example", MessageID: desk.MessageID(store.NewID() + "@acme.example"), CreatedAt: time.Now().Add(-c.age)}
			if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.AddEffect(r.t.Context(), e) }); err != nil {
				r.t.Fatal(err)
			}
			r.server.answers = func(string) error {
				if c.err == nil {
					panic("a bug")
				}
				return c.err
			}
			r.drain(desk.QueueMail)
			got := r.rows(desk.ReplyMail)
			i := slices.IndexFunc(got, func(x desk.Effect) bool { return x.ID == e.ID })
			row := got[i]
			if row.State != c.want || row.LastError == "" {
				r.t.Errorf("%s: %s (%s), want %s", name, row.State, row.LastError, c.want)
			}
			if wait := time.Until(row.NextTry); c.want == desk.EffectFailed == row.DoneAt.IsZero() || c.want != desk.EffectFailed && (wait < 8*time.Second || wait > 13*time.Second) {
				r.t.Errorf("%s: done %s, next try in %s", name, row.DoneAt, wait)
			}
			if wantUnknowns := map[bool]int{true: 1}[errors.Is(c.err, outbound.ErrAmbiguous) || c.err == nil]; row.Unknowns != wantUnknowns {
				r.t.Errorf("%s: unknown %d times", name, row.Unknowns)
			}
		}
	})
}

func TestO5_OneRecipientsRefusalIsNobodyElses(t *testing.T) {
	both(t, func(r *rig) {
		err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
			for _, email := range []string{"bob@customer.example", "cy@customer.example"} {
				if err := tx.AddParticipant(r.t.Context(), r.ticket.ID, desk.Participant{Email: email, Role: desk.Copied}); err != nil {
					return err
				}
			}
			return tx.AddParticipant(r.t.Context(), r.ticket.ID, desk.Participant{Email: "eve@customer.example", Role: desk.Mentioned})
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.server.answers = func(to string) error {
			if strings.HasPrefix(to, "bob") {
				return &outbound.Refusal{Code: 550, Text: "no bob"}
			}
			return nil
		}
		r.answer("try again", false)
		r.drain(desk.QueueMail)
		states := map[string]desk.EffectState{}
		mids := map[desk.MessageID]bool{}
		for _, e := range r.rows(desk.ReplyMail) {
			states[e.Recipient], mids[e.MessageID] = e.State, true
		}
		if len(states) != 3 || states["bob@customer.example"] != desk.EffectFailed || states["ann@customer.example"] != desk.EffectSent || states["cy@customer.example"] != desk.EffectSent || len(mids) != 1 {
			r.t.Errorf("states %v, ids %v", states, mids)
		}
	})
}

func TestInternalNoteIsNeverMailed(t *testing.T) {
	both(t, func(r *rig) {
		note := r.answer("between us", true)
		if n := len(r.rows(desk.ReplyMail)); n != 0 {
			r.t.Errorf("%d rows", n)
		}
		// even if somebody wrote the row
		e := desk.Effect{ID: store.NewID(), Kind: desk.ReplyMail, MailboxID: r.mb.ID, TicketID: r.ticket.ID, SubjectID: note.ID, Recipient: "ann@customer.example", MessageID: "x@acme.example", CreatedAt: time.Now()}
		if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.AddEffect(r.t.Context(), e) }); err != nil {
			r.t.Fatal(err)
		}
		r.drain(desk.QueueMail)
		if row := r.row(desk.ReplyMail); row.State != desk.EffectFailed || len(r.sent()) != 0 {
			r.t.Errorf("%d mails, %+v", len(r.sent()), row)
		}
	})
}

func TestRowThatNamesWhatIsGoneFailsAtOnce(t *testing.T) {
	both(t, func(r *rig) {
		for _, e := range []desk.Effect{
			{Kind: desk.ReplyMail, MailboxID: r.mb.ID, TicketID: r.ticket.ID, SubjectID: store.NewID()},
			{Kind: desk.WelcomeMail, MailboxID: r.mb.ID, ContactID: r.ann.ID, Template: "gone"},
			{Kind: desk.SignInMail, MailboxID: store.NewID(), ContactID: r.ann.ID},
			{Kind: "mail.unheard-of", MailboxID: r.mb.ID},
		} {
			e.ID, e.Recipient, e.CreatedAt, e.MessageID = store.NewID(), "ann@customer.example", time.Now(), desk.MessageID(store.NewID()+"@acme.example")
			if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.AddEffect(r.t.Context(), e) }); err != nil {
				r.t.Fatal(err)
			}
			r.drain(desk.QueueMail)
			if row := r.row(e.Kind); row.State != desk.EffectFailed {
				r.t.Errorf("%s: %s %s", e.Kind, row.State, row.LastError)
			}
		}
	})
}

func TestO10_StopFinishesOneMailAndGivesTheOthersBack(t *testing.T) {
	both(t, func(r *rig) {
		for i := range 20 {
			r.answer(fmt.Sprint("answer ", i), false)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		r.server.answers = func(string) error { cancel(); return nil } // the stop comes while the first is sent
		r.w.Drain(ctx, desk.QueueMail, 50)
		states := map[desk.EffectState]int{}
		for _, e := range r.rows(desk.ReplyMail) {
			states[e.State]++
			if e.State == desk.EffectPending && e.Attempt != 0 {
				r.t.Errorf("given back as tried: %+v", e)
			}
		}
		if states[desk.EffectSent] != 1 || states[desk.EffectPending] != 19 || len(r.sent()) != 1 {
			r.t.Errorf("%d mails, %v", len(r.sent()), states)
		}
	})
}

func TestManyWorkersSendEachMailOnce(t *testing.T) {
	both(t, func(r *rig) {
		const n = 60
		for i := range n {
			r.answer(fmt.Sprint("answer ", i), false)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { r.drain(desk.QueueMail); r.drain(desk.QueueMail) })
		}
		wg.Wait()
		seen := map[string]int{}
		for _, raw := range r.sent() {
			seen[header(r.t, raw)["message-id"]]++
		}
		for id, times := range seen {
			if times != 1 {
				r.t.Errorf("%s was sent %d times", id, times)
			}
		}
		if len(seen) != n {
			r.t.Errorf("%d of %d mails were sent", len(seen), n)
		}
	})
}

func TestH7_OurCopyComesBackAndAForgedOneDoesNot(t *testing.T) {
	both(t, func(r *rig) {
		r.answer("try again", false)
		r.drain(desk.QueueMail)
		r.drain(desk.QueueMailbox)
		ours, put := r.sent()[0], r.server.put[0]
		r.sentFolder()
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		_, saved, _ := strings.Cut(r.server.saved[0], "\n")
		outcome := r.filing()
		// What is not our copy is read as any other mail: Ann's joins her ticket by its references.
		for name, c := range map[string]struct {
			role desk.FolderRole
			raw  string
			want desk.Outcome
		}{
			"the put mail in the inbox":              {desk.Inbox, put, desk.OwnCopy},
			"the copy in Sent":                       {desk.Sent, ours, desk.OwnCopy},
			"the copy that we put there":             {desk.Sent, saved, desk.OwnCopy},
			"a copy with other line folding":         {desk.Sent, "X-Provider: x\r\n" + ours, desk.OwnCopy},
			"our id with other words":                {desk.Inbox, strings.Replace(put, "it is broken", "pay me", 1), desk.Appended},
			"our mark on a stranger's mail":          {desk.Inbox, "X-Postern-Loop: " + header(r.t, ours)["x-postern-loop"] + "\r\nFrom: eve@evil.example\r\nMessage-ID: <1@evil.example>\r\n\r\nhello", desk.NewTicket},
			"ours, with a list's footer":             {desk.Inbox, strings.Replace(ours, "try again\r\n", "try again\r\n-- \r\nlist footer\r\n", 1), desk.OwnCopy},
			"the mark under another id":              {desk.Inbox, strings.Replace(strings.Replace(ours, "Message-ID: <", "Message-ID: <x", 1), "try again", "pay me", 1), desk.Held},
			"ours, as if from a customer":            {desk.Inbox, "From: eve@evil.example\r\n" + strings.Replace(strings.Replace(ours, "From: ", "X-From: ", 1), "try again", "pay me", 1), desk.Held},
			"renamed in Sent, with our mark":         {desk.Sent, strings.Replace(ours, "Message-ID: <", "Message-ID: <y", 1), desk.OwnCopy},
			"renamed in Sent, with other words":      {desk.Sent, strings.Replace(strings.Replace(ours, "Message-ID: <", "Message-ID: <z", 1), "try again", "pay me", 1), desk.Appended},
			"our words in Sent, without our mark":    {desk.Sent, strings.Replace(strings.Replace(ours, "Message-ID: <", "Message-ID: <w", 1), "X-Postern-Loop:", "X-Other:", 1), desk.Appended},
			"our words in Sent, with another's mark": {desk.Sent, "Cc: bob@customer.example\r\n" + strings.Replace(strings.Replace(ours, "Message-ID: <", "Message-ID: <v", 1), "X-Postern-Loop: ", "X-Postern-Loop: "+header(r.t, put)["x-postern-loop"]+"\r\nX-Other: ", 1), desk.Appended},
			"our words under another id":             {desk.Inbox, strings.Replace(put, "Message-ID: <", "Message-ID: <x", 1), desk.Appended},
		} {
			if got := outcome(c.role, c.raw); got != c.want {
				r.t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
	})
}

func TestF4_MailSentWhileTheDatabaseDiesIsNotSentAgain(t *testing.T) {
	t.Parallel()
	server := mailtest.PostgresProcess(t)
	r := newRig(t, store.Options{URL: server.Database(t)})
	r.answer("try again", false)
	var starting sync.WaitGroup
	r.server.after = func(string) error { // the provider has the mail, and nobody has written that down
		server.Kill(t)
		starting.Go(func() { server.Start(t) })
		return nil
	}
	r.drain(desk.QueueMail)
	starting.Wait()
	r.server.after = nil
	r.pass(time.Hour)
	r.drain(desk.QueueMail)
	if e := r.row(desk.ReplyMail); e.State != desk.EffectSent || e.Unknowns != 0 || len(r.sent()) != 1 {
		t.Errorf("%d copies, %+v", len(r.sent()), e)
	}
}

// filing gives a function that files what a watcher finds in a folder, and tells what became of it.
func (r *rig) filing() func(role desk.FolderRole, raw string) desk.Outcome {
	return func(role desk.FolderRole, raw string) desk.Outcome {
		r.t.Helper()
		return r.finds(string(role), role, raw).Outcome
	}
}

// finds has ingest find a mail in a folder.
func (r *rig) finds(folder string, role desk.FolderRole, raw string) (e desk.LedgerEntry) {
	r.t.Helper()
	r.uid++
	ctx := r.t.Context()
	mail, err := mailmsg.Parse(strings.NewReader(raw), mailmsg.ParseOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	org, err := r.db.FreshOrganisation(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.db.Update(ctx, func(tx *store.Tx) error {
		l, _, err := tx.TakeLease(ctx, r.mb.ID, "me", time.Hour)
		if err != nil {
			return err
		}
		b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: folder, Role: role, UIDValidity: 1, Items: []desk.FolderItem{{UID: r.uid, InternalDate: time.Now()}}}
		if err := tx.Keep(ctx, l, b, [][]byte{[]byte("x")}); err != nil {
			return err
		}
		es, err := tx.PendingOf(ctx, r.mb.ID, "", 1)
		if err != nil {
			return err
		}
		if err := r.desk.FileMails(ctx, tx, org, []tickets.ReadMail{{Entry: es[0], Mail: mail}}); err != nil {
			return err
		}
		e, err = tx.Ledger(ctx, es[0].ID)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}
