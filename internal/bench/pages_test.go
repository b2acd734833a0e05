package bench

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/accounts"
	"postern/desk"
	"postern/i18n"
	"postern/internal/desktest"
	"postern/internal/seed"
	"postern/mailmsg"
	"postern/portal"
	"postern/store"
	"postern/web"
)

const (
	fewMessages  = 10_000
	manyMessages = 1_000_000
	readers      = 25  // people who are signed in
	looks        = 100 // pages to each figure
)

// sample is one page as it was asked for.
type sample struct {
	reader     *reader
	path       string
	statements []statement
	again      func() error
}

type statement struct {
	query string
	args  []any
}

// portalOf is a portal with so many messages in it, and people who look at it.
type portalOf struct {
	b       *testing.B
	url     string
	readers []*reader
	bare    *sql.DB
	stmts   map[string]*sql.Stmt

	mu     sync.Mutex // guards what follows
	record bool
	last   sample
}

// reader is somebody who is signed in, with tickets of their own and of their company.
type reader struct {
	http.Client
	tickets []string // paths
	rare    string   // a word that is in few messages
}

func newPortal(b *testing.B, e engine, messages int) *portalOf {
	b.Helper()
	p := &portalOf{b: b, stmts: map[string]*sql.Stmt{}}
	o := store.Options{URL: e.dsn(b), Path: filepath.Join(b.TempDir(), "postern.db"), Trace: p.asked}
	in := desktest.New(b, o)
	filling := seed.Options{Messages: messages, Seed: 1}
	check(b, seed.Fill(b.Context(), in.DB, filling))
	_, err := in.Desk.ChangeSettings(b.Context(), map[string]any{"sharing": map[string]any{"mode": "company"}})
	check(b, err)
	p.bare = (&stack{path: o.Path, dsn: o.URL}).open(b)
	b.Cleanup(func() { check(b, p.bare.Close()) })
	_, err = p.bare.ExecContext(b.Context(), "ANALYZE") // PostgreSQL does it by itself after a while; on SQLite it is PRAGMA optimize that does
	check(b, err)

	texts, err := i18n.Load()
	check(b, err)
	people, err := accounts.New(in.DB, in.Desk)
	check(b, err)
	h, err := portal.New(portal.Options{DB: in.DB, Desk: in.Desk, Accounts: people, Blobs: in.Blobs, Texts: texts, Web: web.Options{Log: slog.New(slog.DiscardHandler)}, Drawn: p.drawn})
	check(b, err)
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	p.url = server.URL
	choose := rand.New(rand.NewPCG(1, 1))
	for range readers {
		p.readers = append(p.readers, p.signIn(in, seed.Address(choose.IntN(filling.Contacts()))))
	}
	return p
}

func (p *portalOf) signIn(in *desktest.Installation, address string) *reader {
	p.b.Helper()
	c, err := in.DB.ContactByEmail(p.b.Context(), address)
	check(p.b, err)
	secret := mailmsg.OneTimeSecret(in.Keys, store.NewID())
	check(p.b, in.DB.Update(p.b.Context(), func(tx *store.Tx) error {
		return tx.AddOneTime(p.b.Context(), store.OneTime{
			Hash: sha256.Sum256([]byte(secret)), Purpose: desk.LinkSignIn, ContactID: c.ID, Email: address, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour),
		})
	}))
	jar, err := cookiejar.New(nil)
	check(p.b, err)
	r := &reader{Client: http.Client{Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}}
	req, err := http.NewRequestWithContext(p.b.Context(), http.MethodPost, p.url+"/sign-in/link/"+secret, nil)
	check(p.b, err)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	list := p.send(r, req)
	for _, found := range regexp.MustCompile(`href="(/tickets/[0-9]+)"`).FindAllStringSubmatch(list, -1) {
		r.tickets = append(r.tickets, found[1])
	}
	slices.Sort(r.tickets)
	if r.tickets = slices.Compact(r.tickets); len(r.tickets) != seed.TicketsOfContact {
		p.b.Fatalf("%s sees %d tickets", address, len(r.tickets))
	}
	r.rare = regexp.MustCompile(`\b[a-z]{4,}[0-9]{2,4}\b`).FindString(p.get(r, r.tickets[0]))
	return r
}

// asked notes a statement of the page that is recorded.
func (p *portalOf) asked(query string, args []any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.record {
		p.last.statements = append(p.last.statements, statement{query, slices.Clone(args)})
	}
}

func (p *portalOf) drawn(again func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.record {
		p.last.again = again
	}
}

func (p *portalOf) send(r *reader, req *http.Request) string {
	p.b.Helper()
	resp, err := r.Do(req)
	check(p.b, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(p.b, err)
	if resp.StatusCode != http.StatusOK {
		p.b.Fatalf("%s gives %d", req.URL, resp.StatusCode)
	}
	return string(body)
}

func (p *portalOf) get(r *reader, path string) string {
	p.b.Helper()
	req, err := http.NewRequestWithContext(p.b.Context(), http.MethodGet, p.url+path, nil)
	check(p.b, err)
	return p.send(r, req)
}

// recorded asks for a page and notes what that takes. It also warms up whatever there is to warm.
func (p *portalOf) recorded(r *reader, path string) sample {
	p.b.Helper()
	p.get(r, path) // whoever looks at a ticket for the first time is written down
	set := func(on bool) sample {
		p.mu.Lock()
		defer p.mu.Unlock()
		was := p.last
		p.record, p.last = on, sample{reader: r, path: path}
		return was
	}
	set(true)
	p.get(r, path)
	s := set(false)
	if len(s.statements) == 0 || s.again == nil {
		p.b.Fatalf("%s asks %d statements", path, len(s.statements))
	}
	return s
}

// replay does what a page cannot do without: it runs the statements one after the other on one connection, reads what they find, and draws the page.
func (p *portalOf) replay(s sample) {
	p.b.Helper()
	for _, asked := range s.statements {
		stmt, ok := p.stmts[asked.query]
		if !ok {
			var err error
			stmt, err = p.bare.PrepareContext(p.b.Context(), asked.query)
			check(p.b, err)
			p.stmts[asked.query] = stmt
		}
		rows, err := stmt.QueryContext(p.b.Context(), asked.args...)
		check(p.b, err)
		columns, err := rows.Columns()
		check(p.b, err)
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			check(p.b, rows.Scan(dest...))
		}
		check(p.b, rows.Err())
		check(p.b, rows.Close())
	}
	check(p.b, s.again())
}

// percentile gives the time that so many of a hundred stay under, in milliseconds.
func percentile(took []time.Duration, of int) float64 {
	took = slices.Sorted(slices.Values(took))
	return float64(took[min(len(took)-1, len(took)*of/100)].Microseconds()) / 1000
}

// figures are one round of a page: the times of the page, and of what it cannot do without.
type figures struct{ median, p95, bare float64 }

func (p *portalOf) round(samples []sample) figures {
	p.b.Helper()
	var ours, bare []time.Duration
	for _, s := range samples {
		start := time.Now()
		p.get(s.reader, s.path)
		ours = append(ours, time.Since(start))
		start = time.Now()
		p.replay(s)
		bare = append(bare, time.Since(start))
	}
	return figures{percentile(ours, 50), percentile(ours, 95), percentile(bare, 95)}
}

// rush has all processors' worth of visitors ask for pages at once, and gives the pages a second.
func (p *portalOf) rush(samples []sample) float64 {
	p.b.Helper()
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	start := time.Now()
	for _, s := range samples {
		g.Go(func() error {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+s.path, nil)
			if err != nil {
				return err
			}
			resp, err := s.reader.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s gives %d", s.path, resp.StatusCode)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	check(p.b, g.Wait())
	return float64(len(samples)) / time.Since(start).Seconds()
}

// kinds are the pages that are measured.
var kinds = []struct {
	name string
	path func(r *reader, choose *rand.Rand) string
}{
	{"list", func(*reader, *rand.Rand) string { return "/tickets" }},
	{"company", func(*reader, *rand.Rand) string { return "/tickets?view=company" }},
	{"thread", func(r *reader, choose *rand.Rand) string { return r.tickets[choose.IntN(len(r.tickets))] }},
	{"search", func(*reader, *rand.Rand) string { return "/tickets?view=company&q=printer" }},
	{"rare-word", func(r *reader, _ *rand.Rand) string { return "/tickets?view=company&q=" + r.rare }},
}

// BenchmarkPages takes the time of the portal's pages with few and with many messages. The limit is what a page cannot do without: its statements bare on one
// connection, and drawing it to nowhere. POSTERN_BENCH_MESSAGES is another number for many.
func BenchmarkPages(b *testing.B) {
	many := manyMessages
	if n, err := strconv.Atoi(os.Getenv("POSTERN_BENCH_MESSAGES")); err == nil {
		many = n
	}
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			small, large := newPortal(b, e, fewMessages), newPortal(b, e, many)
			for _, k := range kinds {
				b.Run(k.name, func(b *testing.B) {
					choose := rand.New(rand.NewPCG(2, 2))
					samples := func(p *portalOf) (all []sample) {
						p.b = b
						for i := range looks {
							r := p.readers[i%len(p.readers)]
							all = append(all, p.recorded(r, k.path(r, choose)))
						}
						return all
					}
					few, lots := samples(small), samples(large)
					var medians, p95s, fewP95s, rates []float64
					var ofBare, ofFew ratios
					for range rounds {
						s, l := small.round(few), large.round(lots)
						medians, p95s, fewP95s = append(medians, l.median), append(p95s, l.p95), append(fewP95s, s.p95)
						ofBare, ofFew = append(ofBare, 100*l.p95/l.bare), append(ofFew, 100*l.p95/s.p95)
						rates = append(rates, large.rush(lots))
					}
					slices.Sort(ofFew)
					b.ReportMetric(median(medians), "ms_p50")
					b.ReportMetric(median(p95s), "ms_p95")
					b.ReportMetric(median(fewP95s), "ms_p95_few")
					b.ReportMetric(median(rates), "pages/s")
					b.ReportMetric(ofFew[len(ofFew)/2], "%_of_few")
					b.ReportMetric(ofFew[len(ofFew)-1], "%_of_few_highest")
					ofBare.report(b, "%_of_bare")
				})
			}
		})
	}
}
