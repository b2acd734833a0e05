package store

import (
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
)

func raw(t *testing.T, o Options) (*sql.DB, dialect) {
	t.Helper()
	driver, dsn, d := "sqlite", "file:"+o.Path, sqliteDialect()
	if o.URL != "" {
		driver, dsn, d = "pgx", o.URL, postgresDialect()
	}
	db := must[*sql.DB](t)(sql.Open(driver, dsn))
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, d
}

func TestMigrationsHaveTheSameNumbersOnBoth(t *testing.T) {
	t.Parallel()
	names := func(d dialect) (out []string) {
		for _, e := range must[[]fs.DirEntry](t)(fs.ReadDir(d.migrations(), ".")) {
			out = append(out, e.Name())
		}
		return out
	}
	a, b := names(sqliteDialect()), names(postgresDialect())
	if !slices.Equal(a, b) || len(a) == 0 {
		t.Errorf("sqlite has %v, postgres has %v", a, b)
	}
}

// columns lists table, column and whether it may be NULL.
func columns(t *testing.T, db *DB) []string {
	t.Helper()
	query := `SELECT m.name || '.' || p.name || CASE WHEN p."notnull" = 1 OR p.pk > 0 THEN '' ELSE ' NULL' END FROM sqlite_master m JOIN pragma_table_info(m.name) p
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose%'`
	if db.writer == nil {
		query = `SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'YES' THEN ' NULL' ELSE '' END FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%'`
	}
	out := must[[]string](t)(collect(t.Context(), db.x, scanString, query))
	out = slices.DeleteFunc(out, func(s string) bool { return strings.HasPrefix(s, "ticket_number.") }) // a sequence on PostgreSQL
	slices.Sort(out)
	return out
}

func indexes(t *testing.T, db *DB) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`
	if db.writer == nil {
		query = `SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key' AND tablename NOT LIKE 'goose%' ORDER BY indexname`
	}
	return must[[]string](t)(collect(t.Context(), db.x, scanString, query))
}

func TestBothDatabasesHaveTheSameTables(t *testing.T) {
	t.Parallel()
	lite, pg := open(t, engines["sqlite"](t)), open(t, engines["postgres"](t))
	for what, list := range map[string]func(*testing.T, *DB) []string{"columns": columns, "indexes": indexes} {
		a, b := list(t, lite), list(t, pg)
		if len(a) < 10 {
			t.Errorf("only %d %s", len(a), what)
		}
		for _, s := range a {
			if !slices.Contains(b, s) {
				t.Errorf("%s: only SQLite has %s", what, s)
			}
		}
		for _, s := range b {
			if !slices.Contains(a, s) {
				t.Errorf("%s: only PostgreSQL has %s", what, s)
			}
		}
	}
}

func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		first, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		before := columns(t, first)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		db, d := raw(t, o)
		p := must[*goose.Provider](t)(goose.NewProvider(d.goose, db, d.migrations(), goose.WithDisableGlobalRegistry(true)))
		if _, err := p.DownTo(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		left := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite_%'`
		if o.URL != "" {
			left = `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'S') AND c.relname NOT LIKE 'goose%'`
		}
		var n int
		if err := db.QueryRowContext(t.Context(), left).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d tables are left, %v", n, err)
		}
		if after := columns(t, open(t, o)); !slices.Equal(after, before) {
			t.Errorf("columns differ after down and up:\n%v\n%v", before, after)
		}
	})
}

func TestSchemaNewerThanTheProgramIsRefused(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		first, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		db, _ := raw(t, o)
		insert := `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`
		if o.URL != "" {
			insert = strings.Replace(insert, "9999, 1", "9999, true", 1)
		}
		if _, err := db.ExecContext(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
		newer, err := Open(t.Context(), o)
		if err == nil {
			t.Fatal("opened", newer.Close())
		}
		if want := fmt.Sprint(9999); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "newer program") {
			t.Errorf("error %v", err)
		}
	})
}
