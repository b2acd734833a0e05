package seed_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/internal/seed"
	"postern/store"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// TestFill: there is as much as was asked for, the same again from the same seed, and nothing is added to what somebody has.
func TestFill(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		subjects := func(o store.Options, start uint64) (all []string) {
			db := desktest.New(t, o).DB
			made := 0
			fill := seed.Options{Messages: 101, Seed: start, Made: func() { made++ }}
			if err := seed.Fill(t.Context(), db, fill); err != nil {
				t.Fatal(err)
			}
			tickets, err := db.Tickets(t.Context(), desk.ScopeOfProgram(), store.Page{Limit: 100})
			if err != nil || len(tickets) != 21 || made != 21 || fill.Contacts() != 2 {
				t.Fatalf("%d tickets, %d of them told, of %d contacts: %v", len(tickets), made, fill.Contacts(), err)
			}
			messages := 0
			for _, ticket := range tickets {
				said, err := db.Messages(t.Context(), desk.ScopeOfProgram(), ticket.ID)
				if err != nil {
					t.Fatal(err)
				}
				messages += len(said)
				all = append(all, ticket.Subject)
			}
			if messages != 105 {
				t.Errorf("%d messages", messages)
			}
			if err := seed.Fill(t.Context(), db, fill); err == nil || !strings.Contains(err.Error(), "there are tickets already") {
				t.Errorf("once more: %v", err)
			}
			slices.Sort(all)
			return all
		}
		first := subjects(o, 1)
		if again := subjects(store.Options{}, 1); !slices.Equal(first, again) {
			t.Error("the same seed makes other tickets")
		}
		if other := subjects(store.Options{}, 2); slices.Equal(first, other) {
			t.Error("another seed makes the same tickets")
		}
	})
}
