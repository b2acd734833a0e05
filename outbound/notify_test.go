package outbound_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"postern/desk"
	"postern/mailmsg"
	"postern/outbound"
	"postern/store"
	"postern/tickets"
)

func TestI3_NotificationSaysWhatIsNewAndWhereAnAnswerGoes(t *testing.T) {
	both(t, func(r *rig) {
		ctx, name, notify := r.t.Context(), "Mary Major", desk.NotifyEverything
		a, err := r.desk.AddAgent(ctx, tickets.AgentChange{Name: &name, Addresses: &[]string{"mary@home.example"}, Notify: &notify})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.db.FreshOrganisation(ctx); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.desk.ReplyByCustomer(ctx, tickets.CustomerReply{Contact: r.ann, Ticket: r.ticket.ID, Text: "it is <still> broken", Files: []desk.Attachment{{Name: "photo.jpg", Type: "image/jpeg", SHA256: strings.Repeat("0", 64)}}}); err != nil {
			r.t.Fatal(err)
		}
		if r.row(desk.NotifyMail).ContactID != a.ID {
			r.t.Errorf("%+v", r.row(desk.NotifyMail))
		}
		r.w.Drain(ctx, desk.QueueAutomatic, 50)
		r.server.mu.Lock()
		sent := r.server.sent["mary@home.example"]
		r.server.mu.Unlock()
		if len(sent) != 1 {
			r.t.Fatalf("%d notifications", len(sent))
		}
		h := header(r.t, sent[0])
		m, err := mailmsg.Parse(bytes.NewReader([]byte(sent[0])), mailmsg.ParseOptions{})
		if err != nil {
			r.t.Fatal(err)
		}
		if m.From != (desk.Address{Name: "Ann Lee", Email: "support@acme.example"}) || h["auto-submitted"] != "auto-generated" || m.Subject != "Printer" || !strings.HasPrefix(string(m.MessageID), "n.") || strings.Contains(sent[0], "ann@customer") {
			r.t.Errorf("%+v", h)
		}
		if token, ok := mailmsg.TokenIn(m.ReplyTo[0].Email, r.mb.Address); !ok {
			r.t.Errorf("Reply-To %v", m.ReplyTo)
		} else if known, err := r.db.ReplyToken(ctx, token); err != nil || known.AgentID != a.ID || known.TicketID != r.ticket.ID {
			r.t.Errorf("%+v, %v", known, err)
		}
		for _, want := range []string{"it is <still> broken", "photo.jpg", "Ticket #1: https://help.acme.example/tickets/1", "write to support+", "#note"} {
			if !strings.Contains(m.Text, want) {
				r.t.Errorf("%q is not in %q", want, m.Text)
			}
		}
		if len(m.Attachments) != 0 || strings.Contains(m.Text, "it is broken") {
			r.t.Errorf("more than what is new: %q, %v", m.Text, m.Attachments)
		}
	})
}

func TestI3_NotificationWhereThereAreNoSubAddresses(t *testing.T) {
	both(t, func(r *rig) {
		ctx, name, notify := r.t.Context(), "Mary Major", desk.NotifyEverything
		r.mb.SubAddress, r.mb.Policy.Language = false, "de"
		if _, err := r.desk.AddAgent(ctx, tickets.AgentChange{Name: &name, Addresses: &[]string{"mary@home.example"}, Notify: &notify}); err != nil {
			r.t.Fatal(err)
		}
		if err := r.db.Update(ctx, func(tx *store.Tx) error { return tx.PutMailbox(ctx, r.mb) }); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.db.FreshOrganisation(ctx); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.desk.ReplyByCustomer(ctx, tickets.CustomerReply{Contact: r.ann, Ticket: r.ticket.ID, Text: "still"}); err != nil {
			r.t.Fatal(err)
		}
		row := r.row(desk.NotifyMail)
		token, ok := mailmsg.NoticeToken(row.MessageID)
		if known, err := r.db.ReplyToken(ctx, token); !ok || err != nil || known.AgentID == "" || known.SubjectID != row.SubjectID {
			r.t.Errorf("%+v, %v", known, err)
		}
		r.w.Drain(ctx, desk.QueueAutomatic, 50)
		r.server.mu.Lock()
		sent := r.server.sent["mary@home.example"]
		r.server.mu.Unlock()
		if len(sent) != 1 || strings.Contains(sent[0], "Reply-To") || strings.Contains(sent[0], "support+") {
			r.t.Errorf("%q", sent)
		}
		if mail := parsed(r.t, sent[0]); !strings.Contains(mail.Text, "schreiben Sie #note in die erste Zeile") || !strings.Contains(mail.HTML, "Ticket öffnen") {
			r.t.Errorf("agents who read German get %q", mail.Text)
		}
	})
}

func TestI3_AgentsAddressThatIsRefusedGetsNoMoreNotifications(t *testing.T) {
	both(t, func(r *rig) {
		ctx, name, notify := r.t.Context(), "Mary Major", desk.NotifyEverything
		if _, err := r.desk.AddAgent(ctx, tickets.AgentChange{Name: &name, Addresses: &[]string{"mary@home.example"}, Notify: &notify}); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.db.FreshOrganisation(ctx); err != nil {
			r.t.Fatal(err)
		}
		r.server.answers = func(string) error {
			return &outbound.Refusal{Code: 550, Enhanced: "5.1.1", Stage: outbound.StageRcpt, Text: "no such user"}
		}
		for range 2 {
			if _, err := r.desk.ReplyByCustomer(ctx, tickets.CustomerReply{Contact: r.ann, Ticket: r.ticket.ID, Text: "still"}); err != nil {
				r.t.Fatal(err)
			}
			r.w.Drain(ctx, desk.QueueAutomatic, 50)
		}
		if row := r.row(desk.NotifyMail); row.State != desk.EffectFailed {
			r.t.Errorf("%+v", row)
		}
		if bounced, err := r.db.BouncedAmong(ctx, []string{"mary@home.example"}); err != nil || !bounced["mary@home.example"] {
			r.t.Errorf("%v, %v", bounced, err)
		}
		ms, err := r.db.Messages(ctx, desk.ScopeOfProgram(), r.ticket.ID)
		if err != nil || slices.ContainsFunc(ms, func(m desk.Message) bool { return m.Delivery.State == desk.EffectFailed }) {
			r.t.Errorf("the customer's message counts as failed: %+v, %v", ms, err)
		}
	})
}
