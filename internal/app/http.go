package app

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"postern/api"
	"postern/desk"
	"postern/i18n"
	"postern/ingest/imap"
	"postern/ingest/webhook"
	"postern/portal"
	"postern/web"
)

// handler is everything the gateway answers. What waits for news is let go when closing is closed.
func (s *services) handler(closing <-chan struct{}) (http.Handler, error) {
	texts, err := i18n.Load()
	if err != nil {
		return nil, err
	}
	shared := web.Options{Log: s.log, TrustedProxies: s.cfg.TrustedProxies}
	pages, err := portal.New(portal.Options{
		DB: s.db, Desk: s.desk, Accounts: s.accounts, Blobs: s.blobs, Texts: texts, Web: shared, HTTPS: s.cfg.HTTPS(), BaseURL: s.cfg.BaseURL, Originals: s.ingest, Closing: closing, Templates: ownTemplates(s.cfg.Templates),
	})
	if err != nil {
		return nil, err
	}
	programs, err := api.New(api.Options{
		DB: s.db, Desk: s.desk, Accounts: s.accounts, Held: s.ingest, Quarantine: s.ingest, Blobs: s.blobs, Web: shared, Version: Version, BaseURL: s.cfg.BaseURL,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.Handle("/api/", programs)
	others := http.NewServeMux()
	others.Handle("/hooks/", webhook.New(webhook.Options{DB: s.db, Ingest: s.ingest, Log: s.log}))
	others.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	others.HandleFunc("GET /readyz", s.ready)
	others.Handle("GET /metrics", s.metrics())
	guarded := web.Headers(s.recovered(others), s.cfg.HTTPS())
	for _, pattern := range []string{"/hooks/", "GET /healthz", "GET /readyz", "GET /metrics"} {
		mux.Handle(pattern, guarded)
	}
	return web.Under(s.cfg.Path(), mux), nil
}

// ownTemplates are the operator's, or nil. A folder that is not there is an error of the one who reads it.
func ownTemplates(folder string) fs.FS {
	if folder == "" {
		return nil
	}
	return os.DirFS(folder)
}

// recovered answers 500 where a handler panics, so that a sender tries again (REQUIREMENTS W2, F31).
func (s *services) recovered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if !web.Panicked(r.Context(), s.log, recover()) {
				return
			}
			answer(w, http.StatusInternalServerError, map[string]string{"status": "something went wrong here; send it again later"})
		}()
		h.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}

// ready tells whether requests can be served: the database answers. Trouble with mailboxes or Redis is told, but is no
// reason to take the portal away.
func (s *services) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	status, out := http.StatusOK, map[string]any{"status": "ok", "database": "ok", "queue": "ok", "mailboxes": s.health.summary()}
	if err := s.queue.Ping(ctx); err != nil {
		out["queue"] = "does not answer; mail waits in the outbox"
	}
	if err := s.db.Ping(ctx); err != nil {
		s.log.WarnContext(ctx, "the database does not answer", slog.String("error", err.Error()))
		status, out["status"], out["database"] = http.StatusServiceUnavailable, "unavailable", "does not answer"
	}
	answer(w, status, out)
}

// health remembers how the mailboxes are.
type health struct {
	mu      sync.Mutex // guards folders
	folders map[desk.ID]map[place]imap.Status
}

// place is a watched folder. There is one Sent folder, and it has no name before it is found.
type place struct {
	role desk.FolderRole
	name string
}

func (h *health) report(st imap.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.folders == nil {
		h.folders = map[desk.ID]map[place]imap.Status{}
	}
	if h.folders[st.MailboxID] == nil {
		h.folders[st.MailboxID] = map[place]imap.Status{}
	}
	at := place{st.Role, st.Folder}
	if st.Role == desk.Sent {
		at.name = ""
	}
	h.folders[st.MailboxID][at] = st
}

func (h *health) forget(mailbox desk.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.folders, mailbox)
}

// summary counts folders by state.
func (h *health) summary() map[imap.State]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[imap.State]int{}
	for _, folders := range h.folders {
		for _, st := range folders {
			out[st.State]++
		}
	}
	return out
}

// metrics are counted when they are asked for: the database knows them all.
func (s *services) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &collector{s: s})
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, ErrorLog: promLog{s.log}, MaxRequestsInFlight: 4})
}

type promLog struct{ log *slog.Logger }

func (l promLog) Println(v ...any) { l.log.Warn("metrics", slog.Any("text", v)) }

// collector counts rows at most every few seconds, whoever asks how often: whole tables are read for it.
type collector struct {
	s *services

	mu      sync.Mutex // guards what follows, and has one count at a time
	counted time.Time
	counts  counts
	err     error
}

type counts struct {
	ledger               map[desk.Outcome]int64
	outbox               map[desk.EffectState]int64
	paused               []desk.Pause
	passedOver, replaced int64
	signIns              []signInCount
}

// signInCount is how a mailbox that signs in by OAuth is off.
type signInCount struct {
	mailbox string
	failing bool
	expires time.Time // zero: nobody has authorised it
}

const countEvery = 5 * time.Second

func (c *collector) count() (counts, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.counted) < countEvery {
		return c.counts, c.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), countEvery)
	defer cancel()
	c.counts.ledger, c.err = c.s.db.LedgerCounts(ctx)
	if c.err == nil {
		c.counts.outbox, c.err = c.s.db.EffectCounts(ctx)
	}
	if c.err == nil {
		c.counts.paused, c.err = c.s.db.Pauses(ctx)
	}
	if c.err == nil {
		c.counts.passedOver, c.counts.replaced, c.err = c.s.db.FolderEvents(ctx)
	}
	if c.err == nil {
		c.counts.signIns, c.err = c.signIns(ctx)
	}
	c.counted = time.Now()
	return c.counts, c.err
}

func (c *collector) signIns(ctx context.Context) (out []signInCount, err error) {
	org, err := c.s.db.Organisation(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := c.s.db.Grants(ctx)
	for _, m := range org.Mailboxes {
		if line, _ := lineOfSignIn(m, grants); m.OAuth.Used() {
			n := signInCount{mailbox: m.Address, failing: line.Problem != ""}
			if line.GoodUntil != nil {
				n.expires = *line.GoodUntil
			}
			out = append(out, n)
		}
	}
	return out, err
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("postern_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector: what there is depends on the database.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	folders := describe("mailbox_folders", "Watched folders by state.", "state")
	for state, n := range c.s.health.summary() {
		gauge(folders, float64(n), strings.ReplaceAll(string(state), "-", "_"))
	}
	now, err := c.count()
	up := 1.0
	if err != nil {
		up = 0
	}
	gauge(describe("database_up", "Whether the database answers."), up)
	if err != nil {
		return
	}
	inbound := describe("ledger_items", "Inbound items by outcome.", "outcome")
	for _, o := range desk.Outcomes() {
		gauge(inbound, float64(now.ledger[o]), string(o))
	}
	out <- prometheus.MustNewConstMetric(describe("mails_passed_over_total", "Mails that were passed over at first and found by the hourly sweep."), prometheus.CounterValue, float64(now.passedOver))
	out <- prometheus.MustNewConstMetric(describe("folders_replaced_total", "How often folders were replaced on their server, and read anew."), prometheus.CounterValue, float64(now.replaced))
	left := describe("oauth_access_seconds", "How long a mailbox's access token is still good; it is renewed before that ends.", "mailbox")
	failing := describe("oauth_failing", "Whether a mailbox's access token can't be renewed, or nobody has authorised one.", "mailbox")
	for _, n := range now.signIns {
		failed, seconds := 0.0, 0.0
		if n.failing {
			failed = 1
		}
		if !n.expires.IsZero() {
			seconds = max(0, n.expires.Sub(c.s.db.Now()).Seconds())
		}
		gauge(left, seconds, n.mailbox)
		gauge(failing, failed, n.mailbox)
	}
	outbox := describe("outbox_rows", "Outbox rows by state.", "state")
	for state, n := range now.outbox {
		gauge(outbox, float64(n), string(state))
	}
	paused := describe("outbox_paused", "Whether a queue of the outbox is paused.", "queue")
	for _, name := range desk.QueueNames() {
		stopped := 0.0
		if _, is := desk.PauseOf(name, now.paused); is {
			stopped = 1
		}
		gauge(paused, stopped, name)
	}
}
