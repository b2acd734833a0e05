package store

import (
	"fmt"
	"testing"
	"time"

	"postern/desk"
)

// TestSaidGivesTheNewestMessages: all of the newest three that the reader may see, and of others what was new in them.
func TestSaidGivesTheNewestMessages(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx, ann := t.Context(), addContact(t, db, "ann@example.com")
		ticket, _, _ := addTicket(t, db, "", ann)
		at := db.Now().Add(time.Hour)
		commit(t, db, func(tx *Tx) error {
			for n := range 5 {
				m := desk.Message{
					ID: NewID(), TicketID: ticket.ID, ConversationID: must[[]desk.Conversation](t)(tx.Conversations(ctx, ticket.ID))[0].ID, Source: desk.FromMail,
					Reply: fmt.Sprint(n), Text: fmt.Sprint(n, " and a quote"), Internal: n == 3, Class: desk.Human, CreatedAt: at, // all at the same moment
					Author: desk.Author{Kind: desk.Customer, Email: []string{"ann@example.com", "bob@example.com"}[n%2]},
				}
				if err := added(tx.AddMessage(ctx, m)); err != nil {
					return err
				}
			}
			return nil
		})
		type said struct {
			reply, text string
			same        bool
		}
		for name, c := range map[string]struct {
			scope desk.Scope
			most  int
			want  []said
		}{
			"the requester": {desk.ScopeOfContact(ann), 4, []said{{"4", "4 and a quote", true}, {"2", "2 and a quote", true}, {"1", "1 and a quote", false}, {"0", "", true}}},
			"the program":   {desk.ScopeOfProgram(), 4, []said{{"4", "4 and a quote", true}, {"3", "3 and a quote", false}, {"2", "2 and a quote", true}, {"1", "", false}}},
			"one":           {desk.ScopeOfContact(ann), 1, []said{{"4", "4 and a quote", true}}},
		} {
			got := must[[]desk.Said](t)(db.Said(ctx, c.scope, ticket.ID, "ann@example.com", c.most))
			newest := must[[]desk.ID](t)(db.Newest(ctx, c.scope, ticket.ID, c.most))
			if len(got) != len(c.want) || len(newest) != len(got) {
				t.Fatalf("%s: %d texts, %d ids, want %d", name, len(got), len(newest), len(c.want))
			}
			for i, s := range got {
				if (said{s.Reply, s.Text, s.SameAuthor}) != c.want[i] || s.MessageID != newest[i] {
					t.Errorf("%s, %d: %+v, want %+v, of %s", name, i, s, c.want[i], newest[i])
				}
			}
		}
		whole := must[[]desk.Said](t)(db.Said(ctx, desk.ScopeOfContact(ann), ticket.ID, "", 12))
		if last := whole[len(whole)-1]; last.Reply != "public" || last.Text != "" {
			t.Errorf("of a message that quotes nothing the text is there twice: %+v", last)
		}
		if len(whole) != 5 {
			t.Errorf("%d texts", len(whole))
		}
		got := must[map[desk.ID]desk.ID](t)(db.Requesters(ctx, []desk.ID{ticket.ID, NewID()}))
		if len(got) != 1 || got[ticket.ID] != ann.ID {
			t.Errorf("requesters: %v", got)
		}
	})
}
