package outbound_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/outbound"
	"postern/store"
)

// failing has a customer answer in the portal with somebody in copy whose address is none, and gives what was written. A notice of that waits.
func (r *rig) failing() desk.Message {
	r.t.Helper()
	r.drain(desk.QueueMailbox) // what opened the ticket
	r.with("Bob Ray", "bob@customer.example")
	m := r.says("it is on fire")
	r.server.answers = func(to string) error {
		if to == "bob@customer.example" {
			return &outbound.Refusal{Code: 550, Enhanced: "5.1.1", Stage: outbound.StageRcpt, Text: "no such user"}
		}
		return nil
	}
	r.drain(desk.QueueMail)
	if n := len(r.rows(desk.NoticeInInbox)); n != 1 {
		r.t.Fatalf("%d notices", n)
	}
	return m
}

// bySMTP has the mailbox get its mail by SMTP, of which the server keeps what it takes, and gives what it has taken so far.
func (r *rig) bySMTP() func() []string {
	r.t.Helper()
	r.mb.Policy.PutBy = desk.PutBySMTP
	r.put(r.mb)
	r.server.copies = true
	return func() []string {
		r.server.mu.Lock()
		defer r.server.mu.Unlock()
		return slices.Clone(r.server.sent[support])
	}
}

func (r *rig) rowsOf(kind desk.EffectKind, m desk.Message) desk.Effect {
	r.t.Helper()
	rows := r.rows(kind)
	i := slices.IndexFunc(rows, func(e desk.Effect) bool { return e.SubjectID == m.ID })
	if i < 0 {
		r.t.Fatalf("no row of %s", kind)
	}
	return rows[i]
}

// TestO5_ANoticeInInboxIsNotTheMessageItIsAbout: that is put there all the same.
func TestO5_ANoticeInInboxIsNotTheMessageItIsAbout(t *testing.T) {
	both(t, func(r *rig) {
		taken := r.bySMTP()
		r.drain(desk.QueueMailbox)
		r.with("Bob Ray", "bob@customer.example")
		m := r.says("it is on fire")
		down := true
		r.server.answers = func(to string) error {
			switch {
			case to == "bob@customer.example":
				return &outbound.Refusal{Code: 550, Enhanced: "5.1.1", Stage: outbound.StageRcpt, Text: "no such user"}
			case to == support && down:
				return errors.New("connection refused")
			}
			return nil
		}
		r.drain(desk.QueueMailbox)
		r.drain(desk.QueueMail)
		down = false
		r.pass(time.Second)
		r.drain(desk.QueueMailbox)
		mails := taken()
		if row := r.rowsOf(desk.PutInInbox, m); row.State != desk.EffectDeferred || len(mails) != 2 || !strings.Contains(mails[1], "auto-generated") {
			r.t.Fatalf("%d mails, %+v", len(mails), row)
		}
		if e := r.finds("INBOX", desk.Inbox, mails[1]); e.Outcome != desk.OwnCopy {
			r.t.Fatalf("the notice came back as %+v", e)
		}
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		if mails = taken(); len(mails) != 3 || !strings.Contains(mails[2], "it is on fire") || r.rowsOf(desk.PutInInbox, m).State != desk.EffectSent {
			r.t.Errorf("%d mails, %+v", len(mails), r.rowsOf(desk.PutInInbox, m))
		}
	})
}

// TestO5_ANoticeIsSentThoughItsMessageLiesInInbox: it is not what is looked for before a second attempt. The server gives mails other ids.
func TestO5_ANoticeIsSentThoughItsMessageLiesInInbox(t *testing.T) {
	both(t, func(r *rig) {
		taken := r.bySMTP()
		m := r.failing()
		down := true
		refuse := r.server.answers
		r.server.answers = func(to string) error {
			if to == support && down {
				return errors.New("connection refused")
			}
			return refuse(to)
		}
		r.drain(desk.QueueMailbox)
		r.server.inSent[m.MessageID] = true
		down = false
		r.server.reply = "2.0.0 OK <notice@x.example> queued"
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		mails := taken()
		if len(mails) != 2 || !strings.Contains(mails[1], "auto-generated") || r.row(desk.NoticeInInbox).State != desk.EffectSent {
			r.t.Errorf("%d mails, %+v", len(mails), r.row(desk.NoticeInInbox))
		}
		if mids, err := r.db.MessageIDsOf(r.t.Context(), r.mb.ID, m.TicketID, m.ID); err != nil || slices.Contains(mids, "notice@x.example") {
			r.t.Errorf("the message is known as %v, %v", mids, err)
		}
	})
}

// TestI5_ANoticeIsNotWhereTheConversationLies: it neither opens a ticket whose conversation an agent has put away, nor keeps one from
// closing.
func TestI5_ANoticeIsNotWhereTheConversationLies(t *testing.T) {
	for name, noticeFirst := range map[string]bool{"before the agent moves it": true, "after the agent has moved it": false} {
		t.Run(name, func(t *testing.T) {
			both(t, func(r *rig) {
				ctx := r.t.Context()
				r.mb.Policy.Follow = desk.Follow{ClosedFolder: "Archive", FromMailbox: desk.On}
				r.put(r.mb)
				m := r.failing()
				r.drain(desk.QueueMailbox)
				find := func(text string) string {
					r.server.mu.Lock()
					defer r.server.mu.Unlock()
					i := slices.IndexFunc(r.server.put, func(raw string) bool { return strings.Contains(raw, text) })
					if i < 0 {
						r.t.Fatalf("no mail with %q in INBOX", text)
					}
					return r.server.put[i]
				}
				mail, notice := find("it is on fire"), find("auto-generated")
				arrives := func(folder, raw string) desk.LedgerEntry {
					e := r.finds(folder, desk.Inbox, raw)
					if e.Outcome != desk.OwnCopy && e.Outcome != desk.Duplicate {
						r.t.Fatalf("it came back as %+v", e)
					}
					return e
				}
				at := arrives("INBOX", mail)
				if noticeFirst {
					arrives("INBOX", notice)
				}
				arrives("Archive", mail)
				err := r.db.Update(ctx, func(tx *store.Tx) error {
					org, err := r.db.FreshOrganisation(ctx)
					if err != nil {
						return err
					}
					here := desk.Folder{MailboxID: r.mb.ID, Name: "INBOX", Generation: at.Generation, UIDValidity: at.UIDValidity}
					_, err = r.desk.Look(ctx, tx, org, desk.Look{Folder: here, At: tx.Now(), Gone: []uint32{at.UID}})
					return err
				})
				if err != nil {
					r.t.Fatal(err)
				}
				status := func() string {
					t, err := r.db.Ticket(ctx, desk.ScopeOfProgram(), m.TicketID)
					if err != nil {
						r.t.Fatal(err)
					}
					return t.Status
				}
				if got := status(); got != desk.Closed {
					r.t.Errorf("moved away, the ticket is %s", got)
				}
				if !noticeFirst {
					arrives("INBOX", notice)
				}
				if got := status(); got != desk.Closed {
					r.t.Errorf("with a notice in INBOX the ticket is %s", got)
				}
			})
		})
	}
}
