package store_test

import (
	"database/sql"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/internal/seed"
	"postern/store"
)

// TestASearchReadsNobodyElsesMessages: what somebody looks for is looked for in their tickets, also where PostgreSQL takes all the messages there are for few.
func TestASearchReadsNobodyElsesMessages(t *testing.T) {
	t.Parallel()
	type statement struct {
		query string
		args  []any
	}
	var asked []statement
	url := mailtest.Postgres(t)
	db := desktest.New(t, store.Options{URL: url, Trace: func(query string, args []any) { asked = append(asked, statement{query, args}) }}).DB
	if err := seed.Fill(t.Context(), db, seed.Options{Messages: 10_000, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	bare, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if _, err := bare.ExecContext(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
	reader, err := db.ContactByEmail(t.Context(), seed.Address(3))
	if err != nil {
		t.Fatal(err)
	}
	settings := desk.DefaultSettings()
	settings.Sharing = desk.Sharing{Mode: desk.SharingCompany, AnyDomain: true}
	visitor, err := db.Visitor(t.Context(), reader.ID, db.Now())
	if err != nil {
		t.Fatal(err)
	}
	scope := desk.ScopeOfVisitor(settings, nil, visitor, db.Now()).Shared()
	asked = nil
	if _, _, err := db.TicketLines(t.Context(), scope, store.Listing{Words: []string{"printer4711"}, Limit: 20}, []string{"support/closed"}); err != nil { // a rare word
		t.Fatal(err)
	}
	if found, _, err := db.TicketLines(t.Context(), scope, store.Listing{Words: []string{"printer"}, Limit: 20}, []string{"support/closed"}); err != nil || len(found) == 0 {
		t.Fatalf("%d are found: %v", len(found), err)
	}
	for _, s := range asked {
		rows, err := bare.QueryContext(t.Context(), "EXPLAIN (COSTS OFF) "+s.query, s.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if all := strings.Join(plan, "\n"); rows.Err() != nil || len(plan) == 0 || strings.Contains(all, "Seq Scan on messages") || strings.Contains(all, "hashed SubPlan") && strings.Contains(all, "on messages") {
			t.Errorf("%v: the plan of %s is\n%s", rows.Err(), s.query, all)
		}
		rows.Close()
	}
}
