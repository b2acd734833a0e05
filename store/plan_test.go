package store

import (
	"slices"
	"strings"
	"testing"

	"postern/desk"
)

// TestWhatRunsOftenReadsItsIndexOnly asks the databases how they find what is due and what is pending: that is asked all
// the time, so what lies there for years, or waits for next week, must cost nothing.
func TestWhatRunsOftenReadsItsIndexOnly(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		explain, ids := "EXPLAIN QUERY PLAN ", "sqlite_autoindex_ledger_1"
		column := func(row scanner) (s string, err error) {
			err = row.Scan(new(any), new(any), new(any), &s)
			return s, err
		}
		if db.writer == nil {
			explain, column, ids = "EXPLAIN (COSTS OFF) ", scanString, "ledger_pkey"
			commit(t, db, func(tx *Tx) error { // enough rows that an index pays
				for _, sql := range []string{
					`INSERT INTO outbox SELECT 'x' || n, 'mail.reply', 'mail', '', '', '', '', '', '', 0, '', '', 0, 'deferred', 0, '', 0, 0, 1000000 + n, '', '', '', 0, 0
						FROM generate_series(1, 20000) n`,
					`INSERT INTO ledger (id, mailbox_id, folder, role, generation, uidvalidity, uid, form_id, delivery_id, content_type, internal_date, received_at, size, raw_sha256,
						header_only, outcome, reason, attempts, ticket_id, subject, sender, retry_at, done_at)
						SELECT 'x' || n, 'm', 'INBOX', 'inbox', 0, 1, n, CASE WHEN n % 4 = 0 THEN 'f' ELSE '' END, 'd' || n, '', 0, 0, 0, '', FALSE, 'new-ticket', '', 0, '', '', '', 0, 1
						FROM generate_series(1, 20000) n`,
					`ANALYZE outbox`, `ANALYZE ledger`,
				} {
					if err := tx.exec(t.Context(), sql); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for index, q := range map[string]struct {
			sql  string
			args []any
		}{
			"outbox_open":          {dueSelect, []any{desk.QueueMail, 500, 100}},
			"ledger_pending":       {pendingOf, []any{"m", "", 100}},
			"ledger_pending_sent":  {pendingSent, []any{"m", 100}},
			"ledger_pending_posts": {pendingForms, []any{"", 100}},
			"ledger_retry":         {unfetchedOf, []any{"m", 500, 100}},
			ids:                    {placedSelect, []any{"m", "x9990", 10}},
		} {
			plan := must[[]string](t)(collect(t.Context(), db.x, column, explain+q.sql, q.args...))
			uses := slices.ContainsFunc(plan, func(s string) bool { return slices.Contains(strings.Fields(s), index) })
			sorts := slices.ContainsFunc(plan, func(s string) bool {
				return strings.Contains(strings.ToLower(s), "sort") || strings.Contains(s, "TEMP B-TREE")
			})
			if !uses || sorts {
				t.Errorf("%s: the plan:\n%s", index, strings.Join(plan, "\n"))
			}
		}
	})
}

// TestListsCostWhatTheirReaderHas: a list is made from the tickets that indexes find for its reader, however many others there are.
func TestListsCostWhatTheirReaderHas(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		explain, ids := "EXPLAIN QUERY PLAN ", "sqlite_autoindex_tickets_1"
		column := func(row scanner) (s string, err error) {
			err = row.Scan(new(any), new(any), new(any), &s)
			return s, err
		}
		insert := `WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 20000) INSERT INTO tickets (id, number, subject, folded, pipeline, status, mailbox_id, contact_id, company_id, assignee_id, source,
			properties, created_at, last_activity_at, last_customer, billed, follows, worked, merged_into)
			SELECT 'x' || n, n, 's', 's', 'support', 'open', '', 'c' || (n % 1000), CASE WHEN n % 3 = 0 THEN '' ELSE 'co' || (n % 100) END, '', 'mail', '{}', n, n, FALSE, FALSE, '', FALSE, '' FROM series`
		commit(t, db, func(tx *Tx) error { return tx.exec(t.Context(), insert) })
		if db.writer == nil {
			explain, column, ids = "EXPLAIN (COSTS OFF) ", scanString, "tickets_pkey"
			commit(t, db, func(tx *Tx) error { return tx.exec(t.Context(), `ANALYZE tickets`) })
		}
		settings := desk.DefaultSettings()
		settings.Sharing = desk.Sharing{Mode: desk.SharingCompany, AnyDomain: true}
		v := desk.Visitor{Contact: desk.Contact{ID: "c7"}, Memberships: []desk.Membership{{CompanyID: "co7", Primary: true}}}
		all := desk.ScopeOfVisitor(settings, nil, v, db.Now())
		for name, s := range map[string]desk.Scope{"own": all.Own(), "shared": all.Shared(), "all": all} {
			var args arguments
			cond := db.listed(s, Listing{Words: []string{"printer"}}, &args)
			plan := must[[]string](t)(collect(t.Context(), db.x, column, explain+`SELECT count(*) FROM tickets t WHERE `+cond, args...))
			whole := slices.ContainsFunc(plan, func(s string) bool {
				return strings.Contains(s, "Seq Scan on tickets") || strings.HasPrefix(s, "SCAN t") || strings.HasPrefix(s, "SCAN tickets")
			})
			uses := slices.ContainsFunc(plan, func(s string) bool { return slices.Contains(strings.Fields(s), ids) })
			if whole || !uses {
				t.Errorf("%s: the plan:\n%s", name, strings.Join(plan, "\n"))
			}
		}
	})
}
