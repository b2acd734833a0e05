package outbound_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/outbound"
	"postern/store"
)

func (r *rig) notices() []string {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	var out []string
	for _, raw := range r.server.put {
		if strings.Contains(raw, "auto-generated") {
			out = append(out, raw)
		}
	}
	return out
}

// inConversation tells whether a mail lies in the conversation of a message, unread, as one that no human wrote.
func (r *rig) inConversation(raw string, m desk.Message) bool {
	h := header(r.t, raw)
	return h["in-reply-to"] == "<"+string(m.MessageID)+">" && strings.HasSuffix(h["references"], "<"+string(m.MessageID)+">") && h["subject"] == "Re: Printer" &&
		h["auto-submitted"] == "auto-generated" && strings.Contains(h["to"], r.mb.Address) && strings.Contains(h["from"], r.mb.Address) && h["cc"] == ""
}

// TestF9_AServerThatPutsMailOffForHours: one delivery, and the agents hear of it once.
func TestF9_AServerThatPutsMailOffForHours(t *testing.T) {
	both(t, func(r *rig) {
		m := r.answer("try again", false)
		busy := true
		r.server.answers = func(to string) error {
			if busy && to != "INBOX" {
				return &outbound.Refusal{Code: 451, Enhanced: "4.7.1", Stage: outbound.StageRcpt, Text: "come back later"}
			}
			return nil
		}
		var after time.Duration
		for after = 0; after < 3*time.Hour; after += 30 * time.Minute {
			r.drain(desk.QueueMail)
			r.drain(desk.QueueMailbox)
			r.pass(30 * time.Minute)
		}
		if n := len(r.notices()); n != 0 {
			r.t.Fatalf("%d notices within three hours", n)
		}
		for range 12 {
			r.drain(desk.QueueMail)
			r.drain(desk.QueueMailbox)
			r.pass(time.Hour)
		}
		told := r.notices()
		if len(told) != 1 {
			r.t.Fatalf("%d notices", len(told))
		}
		for _, want := range []string{"ann@customer.example", "puts it off", "come back later", "goes on trying", "Printer"} {
			if !strings.Contains(strings.Join(strings.Fields(told[0]), " "), want) {
				r.t.Errorf("the notice does not say %q: %s", want, told[0])
			}
		}
		if !r.inConversation(told[0], m) {
			r.t.Errorf("%v", header(r.t, told[0]))
		}
		ms, err := r.db.Messages(r.t.Context(), desk.ScopeOfProgram(), r.ticket.ID)
		if err != nil || len(ms[1].Delivery.To) != 1 || ms[1].Delivery.To[0].State != desk.EffectDeferred || ms[1].Delivery.To[0].NextTry.IsZero() {
			r.t.Errorf("%+v, %v", ms[1].Delivery, err)
		}
		busy = false
		r.pass(5 * time.Hour)
		r.drain(desk.QueueMail)
		r.drain(desk.QueueMailbox)
		if row := r.row(desk.ReplyMail); row.State != desk.EffectSent || len(r.sent()) != 1 || len(r.notices()) != 1 {
			r.t.Errorf("%d mails, %d notices, %+v", len(r.sent()), len(r.notices()), row)
		}
	})
}

// TestF10_OneOfThreeIsRefused: two are sent, one has failed, and of that one the agents are told.
func TestF10_OneOfThreeIsRefused(t *testing.T) {
	both(t, func(r *rig) {
		r.with("Bob Ray", "bob@customer.example")
		r.with("Cy Orr", "cy@customer.example")
		m := r.answer("try again", false)
		r.server.answers = func(to string) error {
			if to == "bob@customer.example" {
				return &outbound.Refusal{Code: 550, Enhanced: "5.1.1", Stage: outbound.StageRcpt, Text: "no such user"}
			}
			return nil
		}
		for range 4 {
			r.drain(desk.QueueMail)
			r.drain(desk.QueueMailbox)
			r.pass(6 * time.Hour)
		}
		told := r.notices()
		if len(told) != 1 || !r.inConversation(told[0], m) || !strings.Contains(told[0], "bob@customer.example") || strings.Contains(told[0], "cy@customer.example") || !strings.Contains(told[0], "no such address") || !strings.Contains(told[0], "does not try again") {
			r.t.Errorf("%d notices: %s", len(told), told)
		}
		states := map[string]desk.EffectState{}
		ms, err := r.db.Messages(r.t.Context(), desk.ScopeOfProgram(), r.ticket.ID)
		for _, to := range ms[1].Delivery.To {
			states[to.Email] = to.State
		}
		if err != nil || ms[1].Delivery.State != desk.EffectFailed || len(states) != 3 || states["ann@customer.example"] != desk.EffectSent || states["bob@customer.example"] != desk.EffectFailed || states["cy@customer.example"] != desk.EffectSent {
			r.t.Errorf("%v, %v", states, err)
		}
		report, err := r.db.Verify(r.t.Context(), func(context.Context, string) (bool, error) { return true, nil })
		if err != nil || len(report.Violations) != 0 {
			r.t.Errorf("verify: %v, %v", report.Violations, err)
		}
		// It is known as ours when it is read, and belongs to the message; nobody else is sent anything.
		mail, err := mailmsg.Parse(strings.NewReader(told[0]), mailmsg.ParseOptions{})
		if err != nil {
			r.t.Fatal(err)
		}
		own, found, err := r.db.OwnMail(r.t.Context(), r.mb.ID, []desk.MessageID{mail.MessageID}, mail.Fingerprint)
		if err != nil || !found || own.TicketID != r.ticket.ID {
			r.t.Errorf("%+v, %t, %v", own, found, err)
		}
		if n := len(r.server.sent["bob@customer.example"]); n != 0 || len(r.sent()) != 1 {
			r.t.Errorf("%d to Bob, %d to Ann", n, len(r.sent()))
		}
	})
}

// TestO5_NoticesAreForWhatAgentsWrote, and come with the row's end or not at all.
func TestO5_NoticesAreForWhatAgentsWrote(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		err := r.db.Update(ctx, func(tx *store.Tx) error {
			return r.desk.SendLink(ctx, tx, r.mb, r.ann, desk.PasswordMail, desk.LinkSetPassword)
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.answer("try again", false)
		r.server.answers = func(to string) error {
			if to == "INBOX" {
				return nil
			}
			// Another process takes the row over meanwhile: this one has no say in how it ends.
			if _, err := r.db.ExpireOthers(ctx, "another"); err != nil {
				r.t.Error(err)
			}
			return &outbound.Refusal{Code: 550, Enhanced: "5.7.1", Stage: outbound.StageRcpt, Text: "no"}
		}
		r.drain(desk.QueueMail)
		if rows := r.rows(desk.NoticeInInbox); len(rows) != 0 {
			r.t.Errorf("a row that was lost told %+v", rows)
		}
		r.server.answers = func(to string) error {
			if to == "INBOX" {
				return nil
			}
			return &outbound.Refusal{Code: 550, Enhanced: "5.7.1", Stage: outbound.StageRcpt, Text: "no"}
		}
		r.pass(time.Minute)
		r.drain(desk.QueueMail)
		r.drain(desk.QueueMailbox)
		if told := r.notices(); len(told) != 1 || len(r.rows(desk.NoticeInInbox)) != 1 || !strings.Contains(told[0], "refuses") {
			r.t.Errorf("%d notices: %s", len(told), told)
		}
	})
}

// TestO5_AServerThatWantsAPauseCostsNoAttempt, but agents hear of it as of any delay.
func TestO5_AServerThatWantsAPauseCostsNoAttempt(t *testing.T) {
	both(t, func(r *rig) {
		r.answer("try again", false)
		r.server.answers = func(to string) error {
			if to == "INBOX" {
				return nil
			}
			return &outbound.Busy{Until: r.db.Now().Add(time.Minute)}
		}
		for range 6 {
			r.drain(desk.QueueMail)
			r.drain(desk.QueueMailbox)
			r.pass(time.Hour)
		}
		if row := r.row(desk.ReplyMail); row.State != desk.EffectPending || row.Attempt != 0 || len(r.notices()) != 1 || !strings.Contains(r.notices()[0], "puts it off") {
			r.t.Errorf("%d notices, %+v", len(r.notices()), row)
		}
		r.pass(desk.GiveUpAfter)
		r.drain(desk.QueueMail)
		r.pass(5 * time.Hour)
		r.drain(desk.QueueMail)
		if row := r.row(desk.ReplyMail); row.State != desk.EffectFailed {
			r.t.Errorf("after five days: %+v", row)
		}
	})
}
