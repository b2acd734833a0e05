package store

import (
	"database/sql/driver"
	"embed"
	"errors"
	"io"
	"io/fs"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations
var migrations embed.FS

// dialect is all that SQLite and PostgreSQL do differently. Every other statement has one text for both.
type dialect struct {
	name         string
	goose        goose.Dialect
	skipLocked   string                     // ends a SELECT that claims rows
	shareLock    string                     // ends a SELECT whose rows must not change until the commit
	updateLock   string                     // the same, where another one who asks for it must wait
	nextNumber   string                     // takes the next ticket number; empty: the table ticket_number has the last one
	copyLock     string                     // keeps others from filing the same mail of another mailbox until the commit; empty: there is one who writes
	property     func(key string) string    // gives a ticket's (alias t) custom property; NULL if it has none
	number       func(column string) string // gives text as a number; NULL if it is none
	isUnique     func(error) bool
	isRetry      func(error) bool // the transaction lost a race and may run again
	isOutOfReach func(error) bool // the database could not be reached, or refuses everybody
}

func (d dialect) migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations/"+d.name)
	if err != nil {
		panic(err) // the folders are compiled in
	}
	return sub
}

func sqliteDialect() dialect {
	code := func(err error) int {
		if e, ok := errors.AsType[*sqlite.Error](err); ok {
			return e.Code()
		}
		return 0
	}
	return dialect{
		name: "sqlite", goose: goose.DialectSQLite3,
		property: func(key string) string { return `(t.properties ->> '$.` + key + `')` },
		number: func(column string) string {
			return `CASE WHEN ` + column + ` GLOB '*[0-9]*' AND NOT ` + column + ` GLOB '*[^-.0-9]*' THEN CAST(` + column + ` AS REAL) END`
		},
		isUnique: func(err error) bool {
			c := code(err)
			return c == sqlite3.SQLITE_CONSTRAINT_UNIQUE || c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
		},
		isRetry: func(error) bool { return false }, // one writer, nobody to race
		isOutOfReach: func(err error) bool {
			switch code(err) & 0xff {
			case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
				return true
			}
			return errors.Is(err, errClosed)
		},
	}
}

// passes are the classes of PostgreSQL's errors that say nothing about what was to be stored: connections, read-only and
// broken transactions, who may sign in, races that were lost too often, resources, objects in use, an operator's hand,
// the machine (PostgreSQL, appendix A).
var passes = map[string]bool{"08": true, "25": true, "28": true, "3D": true, "40": true, "53": true, "55": true, "57": true, "58": true}

func postgresDialect() dialect {
	code := func(err error) string {
		if e, ok := errors.AsType[*pgconn.PgError](err); ok {
			return e.Code
		}
		return ""
	}
	return dialect{
		name: "postgres", goose: goose.DialectPostgres,
		skipLocked: ` FOR UPDATE SKIP LOCKED`,
		shareLock:  ` FOR SHARE`,
		updateLock: ` FOR NO KEY UPDATE`,
		nextNumber: `SELECT nextval('ticket_number')`,
		property:   func(key string) string { return `(t.properties::json ->> '` + key + `')` },
		number: func(column string) string {
			return `CASE WHEN ` + column + ` ~ '^-?[0-9]+([.][0-9]+)?$' THEN (` + column + `)::double precision END`
		},
		copyLock: `SELECT pg_advisory_xact_lock($1)`,
		isUnique: func(err error) bool { return code(err) == "23505" },
		isRetry: func(err error) bool {
			switch code(err) {
			case "40001", "40P01", "0A000": // the last one: a table changed under a prepared statement
				return true
			}
			return false
		},
		isOutOfReach: func(err error) bool {
			if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
				return true
			}
			if c := code(err); len(c) == 5 {
				return passes[c[:2]]
			}
			_, network := errors.AsType[net.Error](err)
			return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)
		},
	}
}
