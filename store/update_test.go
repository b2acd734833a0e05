package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"modernc.org/sqlite"

	"postern/desk"
	"postern/internal/mailtest"
)

func hit(key string) func(tx *Tx) error {
	return func(tx *Tx) error { _, err := tx.Hit(context.Background(), key, time.Hour); return err }
}

func TestRollbackLeavesNothing(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		wrong := errors.New("wrong")
		err := db.Update(t.Context(), func(tx *Tx) error {
			c := desk.Contact{ID: NewID(), Addresses: []string{"ann@example.com"}, CreatedAt: tx.Now()}
			if err := added(tx.AddContact(t.Context(), c)); err != nil {
				return err
			}
			if err := tx.AddEffect(t.Context(), desk.Effect{ID: NewID(), Kind: desk.SignInMail, CreatedAt: tx.Now()}); err != nil {
				return err
			}
			if err := tx.PutSettings(t.Context(), desk.Settings{PortalTitle: "Other"}); err != nil {
				return err
			}
			return wrong
		})
		if !errors.Is(err, wrong) {
			t.Errorf("error %v", err)
		}
		for _, table := range []string{"contacts", "contact_addresses", "outbox"} {
			if n := number(t, db, `SELECT count(*) FROM `+table); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
		select {
		case <-db.Outboxed():
			t.Error("somebody was told of outbox rows that are not there")
		default:
		}
		if org := must[*Organisation](t)(db.Organisation(t.Context())); org.Settings.PortalTitle != desk.DefaultSettings().PortalTitle {
			t.Errorf("settings: %q", org.Settings.PortalTitle)
		}
	})
}

func TestOneFailingUpdateAmongManyRollsBackAlone(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		const n = 60
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				errs[i] = db.Update(ctx, func(tx *Tx) error {
					if err := hit(fmt.Sprint(i))(tx); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						return errors.New("wrong")
					case 2:
						panic("worse")
					case 3:
						cancel() // the caller has lost patience; that must not end what others do
					}
					return nil
				})
			})
		}
		wg.Wait()
		for i, err := range errs {
			want := i%4 == 0 || i%4 == 3 && err == nil // whoever loses patience in time gets nothing, else everything
			if got := number(t, db, `SELECT count(*) FROM attempts WHERE key = $1`, fmt.Sprint(i)) == 1; got != want || (err == nil) != want {
				t.Errorf("update %d: stored %t, error %v", i, got, err)
			}
			if i%4 == 2 && !strings.Contains(err.Error(), "worse") {
				t.Errorf("update %d: the panic is lost: %v", i, err)
			}
		}
		commit(t, db, hit("afterwards"))
	})
}

func TestPanicLeavesNoConnectionBehind(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		for range 40 { // more than the pool has connections
			if err := db.Update(t.Context(), func(*Tx) error { panic("no") }); err == nil {
				t.Fatal("a panic was no error")
			}
		}
		commit(t, db, hit("afterwards"))
	})
}

func TestConcurrentUpdatesShareACommitOnSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(t.Context(), Options{Path: filepath.Join(dir, "postern.db")})
		if err != nil {
			t.Fatal(err)
		}
		var commits atomic.Int64
		err = db.writer.conn.conn.Raw(func(c any) error {
			c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 { commits.Add(1); return 0 })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		const n = 300
		goOn := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := db.Update(t.Context(), func(tx *Tx) error { <-goOn; return hit("first")(tx) }); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range n {
			wg.Go(func() {
				if err := db.Update(t.Context(), hit(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all wait behind the first
		close(goOn)
		wg.Wait()
		if got, want := commits.Load(), int64((1+n+shareCommit-1)/shareCommit); got != want {
			t.Errorf("%d commits for %d updates, want %d", got, n+1, want)
		}
		if got := number(t, db, `SELECT count(*) FROM attempts`); got != n+1 {
			t.Errorf("%d of %d updates stored", got, n+1)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		commit(t, db, hit("before"))
		inside, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- db.Update(context.Background(), func(tx *Tx) error {
				err := hit("during")(tx)
				close(inside)
				<-goOn
				return err
			})
		}()
		<-inside
		if n := number(t, db, `SELECT count(*) FROM attempts`); n != 1 {
			t.Errorf("a reader sees %d rows, one of them not committed", n)
		}
		close(goOn)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := number(t, db, `SELECT count(*) FROM attempts`); n != 2 {
			t.Errorf("a reader sees %d rows after the commit", n)
		}
	})
}

func TestUpdatesThatBlockEachOtherRunAgain(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		const rounds, keys, workers = 4, 5, 3
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for r := range rounds {
					err := db.Update(t.Context(), func(tx *Tx) error {
						for k := range keys { // half of them in the other order: PostgreSQL finds deadlocks
							if w%2 == 1 {
								k = keys - 1 - k
							}
							if err := hit(fmt.Sprint(k))(tx); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Errorf("round %d: %v", r, err)
						return
					}
				}
			})
		}
		wg.Wait()
		for k := range keys {
			if n := number(t, db, `SELECT count FROM attempts WHERE key = $1`, fmt.Sprint(k)); n != workers*rounds {
				t.Errorf("key %d counts %d of %d", k, n, workers*rounds)
			}
		}
	})
}

func TestCancelledContextIsNotTroubleOfTheDatabase(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := db.Update(ctx, hit("never"))
		if !errors.Is(err, context.Canceled) || desk.KindOf(err) == desk.Unavailable {
			t.Errorf("update: %v", err)
		}
		if _, err := db.Contact(ctx, NewID()); !errors.Is(err, context.Canceled) || desk.KindOf(err) == desk.Unavailable {
			t.Errorf("read: %v", err)
		}
		if n := number(t, db, `SELECT count(*) FROM attempts`); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestF4_OutageIsUnavailableAndEnds(t *testing.T) {
	t.Parallel()
	server := mailtest.PostgresProcess(t)
	db := open(t, Options{URL: server.Database(t)})
	commit(t, db, hit("before"))
	inside, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		var once sync.Once
		done <- db.Update(context.Background(), func(tx *Tx) error {
			once.Do(func() { close(inside); <-goOn })
			return hit("during")(tx)
		})
	}()
	<-inside
	server.Kill(t)
	close(goOn)
	wantKind(t, <-done, desk.Unavailable)
	for name, call := range map[string]func(ctx context.Context) error{
		"update":    func(ctx context.Context) error { return db.Update(ctx, hit("during")) },
		"one row":   func(ctx context.Context) error { _, err := db.Ticket(ctx, desk.ScopeOfProgram(), NewID()); return err },
		"many rows": func(ctx context.Context) error { _, err := db.LedgerCounts(ctx); return err },
		"session":   func(ctx context.Context) error { _, _, err := db.Session(ctx, "x"); return err },
		"set-up":    func(ctx context.Context) error { _, err := db.FreshOrganisation(ctx); return err },
		"claim": func(ctx context.Context) error {
			_, err := db.Claim(ctx, desk.QueueMail, "me", 1, time.Minute)
			return err
		},
		"ping": db.Ping,
	} {
		if err := call(t.Context()); desk.KindOf(err) != desk.Unavailable {
			t.Errorf("%s in the outage: %v", name, err)
		}
	}
	server.Start(t)
	commit(t, db, hit("after"))
	for range 20 { // every connection of the pool
		if _, err := db.LedgerCounts(t.Context()); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	}
	for key, want := range map[string]int{"before": 1, "during": 0, "after": 1} {
		if n := number(t, db, `SELECT count(*) FROM attempts WHERE key = $1`, key); n != want {
			t.Errorf("%q is there %d times, want %d", key, n, want)
		}
	}
}

func TestOpenRefusesAnotherKey(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		o.Key = [32]byte{1}
		open(t, o)
		o.Key = [32]byte{2}
		db, err := Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "secret_key") {
			t.Errorf("error %v", err)
		}
		if err == nil {
			t.Error(db.Close())
		}
	})
}

func TestTwoProgramsMayOpenANewDatabaseAtOnce(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := Open(t.Context(), o)
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(db.Update(t.Context(), hit("open")), db.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := number(t, open(t, o), `SELECT count FROM attempts WHERE key = 'open'`); n != 4 {
			t.Errorf("%d of 4 programs wrote", n)
		}
	})
}

// canary is a text that no file and no table may show.
const canary = "canary-3f9c1d77"

func TestSecretsAreNotReadableInTheDatabase(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		db, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		m := desk.Mailbox{ID: NewID(), Address: "support@example.com", Secrets: desk.MailboxSecrets{IMAPPassword: canary, SMTPPassword: canary}}
		f := desk.Form{ID: NewID(), Key: "contact", MailboxID: m.ID, Secret: canary}
		err = db.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(tx.PutMailbox(t.Context(), m), tx.PutForm(t.Context(), f), hit("visible-after-all")(tx))
		})
		if err != nil {
			t.Fatal(err)
		}
		org := must[*Organisation](t)(db.FreshOrganisation(t.Context()))
		if org.Mailboxes[0].Secrets != m.Secrets || org.Forms[0].Secret != canary {
			t.Errorf("the secrets don't come back: %+v, %+v", org.Mailboxes[0].Secrets, org.Forms[0])
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		dump := dumped(t, o)
		if bytes.Contains(dump, []byte(canary)) || bytes.Contains(dump, fmt.Appendf(nil, "%x", canary)) {
			t.Error("a secret can be read in the database")
		}
		if !bytes.Contains(dump, []byte("visible-after-all")) {
			t.Error("the dump shows nothing at all")
		}
	})
}

// dumped gives all bytes of the SQLite files, or all rows of PostgreSQL as text.
func dumped(t *testing.T, o Options) []byte {
	t.Helper()
	var all []byte
	if o.Path != "" {
		files := must[[]string](t)(filepath.Glob(o.Path + "*"))
		for _, f := range files {
			all = append(all, must[[]byte](t)(os.ReadFile(f))...)
		}
		return all
	}
	c := must[*pgx.Conn](t)(pgx.Connect(t.Context(), o.URL))
	defer c.Close(context.Background())
	rows := must[pgx.Rows](t)(c.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`))
	for _, table := range must[[]string](t)(pgx.CollectRows(rows, pgx.RowTo[string])) {
		rows := must[pgx.Rows](t)(c.Query(t.Context(), `SELECT x::text FROM `+table+` x`))
		for _, line := range must[[]string](t)(pgx.CollectRows(rows, pgx.RowTo[string])) {
			all = append(all, line...)
		}
	}
	return all
}

func TestCloseLeavesNothingRunning(t *testing.T) { //nolint:paralleltest // counts goroutines
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			o := engines[name](t)
			before := goleak.IgnoreCurrent()
			db, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(t.Context(), hit("x")), db.Close()); err != nil {
				t.Fatal(err)
			}
			goleak.VerifyNone(t, before)
			wantKind(t, db.Update(t.Context(), hit("y")), desk.Unavailable)
			_, err = db.LedgerCounts(t.Context())
			wantKind(t, err, desk.Unavailable)
		})
	}
}

func TestF5_FullDiskIsUnavailableAndEnds(t *testing.T) {
	t.Parallel()
	db := open(t, engines["sqlite"](t))
	pages := func(n int) {
		commit(t, db, func(tx *Tx) error { return tx.exec(context.Background(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n)) })
	}
	big := func(tx *Tx) error {
		_, err := tx.KeepTemplate(context.Background(), Template{Body: strings.Repeat("x", 1<<20)})
		return err
	}
	pages(number(t, db, `PRAGMA page_count`) + 10)
	var wg sync.WaitGroup
	var stored atomic.Int64
	for i := range 20 { // what shares a commit with the one that is too big is stored or told
		wg.Go(func() {
			fn := big
			if i%2 == 0 {
				fn = hit(fmt.Sprint(i))
			}
			err := db.Update(t.Context(), fn)
			if err == nil {
				stored.Add(1)
			}
			if i%2 == 1 || err != nil {
				wantKind(t, err, desk.Unavailable)
			}
		})
	}
	wg.Wait()
	if n := number(t, db, `SELECT count(*) FROM attempts`); int64(n) != stored.Load() {
		t.Errorf("%d updates were told to be stored, %d are", stored.Load(), n)
	}
	pages(1 << 30)
	commit(t, db, big)
	commit(t, db, hit("afterwards"))
}
