package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"postern/desk"
)

func TestT4_OutOfScopeIsNotFound(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		m := addMailbox(t, db, "support@example.com")
		ann, bob, eve := addContact(t, db, "ann@example.com"), addContact(t, db, "bob@example.com"), addContact(t, db, "eve@example.com")
		part := func(c desk.Contact, r desk.Role) desk.Participant {
			return desk.Participant{ContactID: c.ID, Email: c.LoginAddress(), Role: r}
		}
		ticket, public, note := addTicket(t, db, m.ID, ann, part(bob, desk.Copied), part(eve, desk.Mentioned))
		addTicket(t, db, m.ID, addContact(t, db, "somebody@else.example")) // never to be seen
		disabled := ann
		disabled.Disabled = true

		for name, c := range map[string]struct {
			scope       desk.Scope
			sees, notes bool
		}{
			"the program":          {desk.ScopeOfProgram(), true, true},
			"the requester":        {desk.ScopeOfContact(ann), true, false},
			"copied by an agent":   {desk.ScopeOfContact(bob), true, false},
			"merely mentioned":     {desk.ScopeOfContact(eve), false, false},
			"a stranger":           {desk.ScopeOfContact(desk.Contact{ID: NewID()}), false, false},
			"no contact at all":    {desk.ScopeOfContact(desk.Contact{}), false, false},
			"the zero scope":       {desk.Scope{}, false, false},
			"a disabled contact":   {desk.ScopeOfContact(disabled), false, false},
			"an id with a quote":   {desk.ScopeOfContact(desk.Contact{ID: "' OR '1'='1"}), false, false},
			"an id with NUL in it": {desk.ScopeOfContact(desk.Contact{ID: "\x00"}), false, false},
		} {
			t.Run(name, func(t *testing.T) {
				found := func(what string, err error, want bool) {
					t.Helper()
					switch {
					case want && err != nil:
						t.Errorf("%s: %v", what, err)
					case !want:
						wantKind(t, err, desk.NotFound)
					}
				}
				_, err := db.Ticket(ctx, c.scope, ticket.ID)
				found("ticket", err, c.sees)
				_, err = db.TicketByNumber(ctx, c.scope, ticket.Number)
				found("number", err, c.sees)
				_, err = db.Attachment(ctx, c.scope, public.Attachments[0].ID)
				found("file", err, c.sees)
				_, err = db.Attachment(ctx, c.scope, note.Attachments[0].ID)
				found("file of a note", err, c.notes)

				var want []desk.ID
				if c.sees {
					want = append(want, public.ID)
				}
				if c.notes {
					want = append(want, note.ID)
				}
				var got []desk.ID
				for _, m := range must[[]desk.Message](t)(db.Messages(ctx, c.scope, ticket.ID)) {
					got = append(got, m.ID)
				}
				sameIDs(t, "messages", got, want...)
				got = nil
				for _, m := range must[[]desk.Message](t)(db.MessagePage(ctx, c.scope, ticket.ID, Page{})) {
					got = append(got, m.ID)
				}
				slices.Reverse(got)
				sameIDs(t, "messages by page", got, want...)
				got = nil
				for _, s := range must[[]desk.Said](t)(db.Said(ctx, c.scope, ticket.ID, "", 12)) {
					got = append(got, s.MessageID)
				}
				slices.Reverse(got)
				sameIDs(t, "what was said", got, want...)
				got = must[[]desk.ID](t)(db.Newest(ctx, c.scope, ticket.ID, 12))
				slices.Reverse(got)
				sameIDs(t, "the newest", got, want...)

				tickets := 0
				switch {
				case c.notes:
					tickets = 2 // the program sees all there are
				case c.sees:
					tickets = 1
				}
				if n := len(must[[]desk.Ticket](t)(db.Tickets(ctx, c.scope, Page{}))); n != tickets {
					t.Errorf("%d tickets in the list, want %d", n, tickets)
				}
				lines, counts, err := db.TicketLines(ctx, c.scope, Listing{Limit: 50}, nil)
				if err != nil || len(lines) != tickets || counts.All != tickets {
					t.Errorf("%d lines of %+v, want %d: %v", len(lines), counts, tickets, err)
				}
				for _, l := range lines {
					if l.ID == ticket.ID && (l.LastReply == "note") != c.notes {
						t.Errorf("the list shows %q", l.LastReply)
					}
				}
				for word, hit := range map[string]bool{"public": c.sees, "note": false} {
					lines, counts, err := db.TicketLines(ctx, c.scope, Listing{Words: []string{word}, Limit: 50}, nil)
					if err != nil || (len(lines) > 0) != hit || (counts.All > 0) != hit {
						t.Errorf("a search for %q found %d of %+v: %v", word, len(lines), counts, err)
					}
				}
			})
		}
	})
}

func TestListShowsFilesOnlyInScope(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ann := addContact(t, db, "ann@example.com")
		ticket, public, _ := addTicket(t, db, "", ann)
		commit(t, db, func(tx *Tx) error {
			return tx.exec(t.Context(), `DELETE FROM attachments WHERE message_id = $1`, public.ID)
		})
		for want, scope := range map[bool]desk.Scope{false: desk.ScopeOfContact(ann), true: desk.ScopeOfProgram()} {
			lines, _, err := db.TicketLines(t.Context(), scope, Listing{Limit: 50}, nil)
			if err != nil || len(lines) != 1 || lines[0].ID != ticket.ID || lines[0].HasFiles != want {
				t.Errorf("files %t: %+v, %v", want, lines, err)
			}
		}
	})
}

// TestMessagePageFollowsTheOrderOfAdding: a mail that was written long ago and imported today must not fall between two pages.
func TestMessagePageFollowsTheOrderOfAdding(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ticket, public, note := addTicket(t, db, "", addContact(t, db, "ann@example.com"))
		all := []desk.ID{public.ID, note.ID}
		for i := range 5 {
			m := public
			m.ID, m.Attachments, m.MessageID, m.CreatedAt = NewID(), nil, "", public.CreatedAt.AddDate(0, -i, 0)
			all = append(all, m.ID)
			commit(t, db, func(tx *Tx) error {
				cs, err := tx.Conversations(t.Context(), ticket.ID)
				if err != nil {
					return err
				}
				m.ConversationID = cs[0].ID
				return added(tx.AddMessage(t.Context(), m))
			})
		}
		slices.Reverse(all)
		var got []desk.ID
		var p Page
		for p.Limit = 3; ; {
			ms := must[[]desk.Message](t)(db.MessagePage(t.Context(), desk.ScopeOfProgram(), ticket.ID, p))
			for _, m := range ms {
				got = append(got, m.ID)
			}
			if len(ms) < p.Limit {
				break
			}
			p.Before = ms[len(ms)-1].ID
		}
		sameIDs(t, "pages", got, all...)
	})
}

func TestMessageTellsItsWorstDelivery(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ticket, public, _ := addTicket(t, db, "", addContact(t, db, "ann@example.com"))
		es := addEffects(t, db, 3, func(i int, e *desk.Effect) {
			e.Kind, e.TicketID, e.SubjectID, e.Recipient = desk.ReplyMail, ticket.ID, public.ID, string(rune('a'+i))+"@example.com"
		})
		claimed := must[[]desk.Effect](t)(db.Claim(t.Context(), desk.QueueMail, "me", 2, time.Minute))
		claimed[0].State, claimed[1].State, claimed[1].LastError = desk.EffectSent, desk.EffectFailed, "no such user"
		if err := errors.Join(db.Finish(t.Context(), claimed[0]), db.Finish(t.Context(), claimed[1])); err != nil {
			t.Fatal(err)
		}
		ms := must[[]desk.Message](t)(db.Messages(t.Context(), desk.ScopeOfProgram(), ticket.ID))
		if d := ms[0].Delivery; d.State != desk.EffectFailed || d.Error != "no such user" || len(d.To) != 3 || d.To[0].State != desk.EffectSent || d.To[1].State != desk.EffectFailed || d.To[2].State != desk.EffectPending {
			t.Errorf("delivery %+v of %d rows", d, len(es))
		}
		if d := ms[1].Delivery; d.State != "" || len(d.To) != 0 {
			t.Errorf("delivery of a note: %+v", d)
		}
	})
}
