// Package bench measures Postern against the limits of what it stands on, in the same run: the mail server, the
// database, the SMTP connection. "make bench" prints the ratios; docs/performance.md keeps the last ones.
package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message"
	"github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	"postern/blob"
	"postern/desk"
	"postern/i18n"
	"postern/ingest"
	watch "postern/ingest/imap"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/mailmsg"
	"postern/outbound"
	"postern/outbound/mailbox"
	"postern/outbound/smtp"
	"postern/queue"
	"postern/store"
	"postern/tickets"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

const (
	backlog = 2000
	warm    = 200 // outbound mails before the ones that count: connections are open, statements prepared
	batch   = 500 // outbound mails that count
	rounds  = 5   // how often each figure is taken
)

// ratios are ours in percent of a limit, one of each round: on a shared machine one alone says little.
type ratios []float64

func (r ratios) report(b *testing.B, unit string) {
	b.Helper()
	slices.Sort(r)
	b.ReportMetric(r[len(r)/2], unit)
	b.ReportMetric(r[0], "%_lowest")
	b.ReportMetric(r[len(r)-1], "%_highest")
	b.ReportMetric(0, "ns/op")
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// engine is a database to measure on.
type engine struct {
	name string
	dsn  func(b *testing.B) string // empty: SQLite
}

var engines = []engine{
	{"sqlite", func(*testing.B) string { return "" }},
	{"postgres", func(b *testing.B) string { return mailtest.Postgres(b) }},
}

// stack is Postern without its web pages.
type stack struct {
	db     *store.DB
	path   string // of the SQLite file
	dsn    string
	keys   *mailmsg.Keyring
	desk   *tickets.Desk
	ingest *ingest.Ingest
	blobs  *blob.Folder
	box    desk.Mailbox
	log    *slog.Logger
}

func newStack(b *testing.B, e engine, imapURL, smtpURL string) *stack {
	b.Helper()
	s := &stack{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	s.path, s.dsn = filepath.Join(b.TempDir(), "postern.db"), e.dsn(b)
	in := desktest.New(b, store.Options{URL: s.dsn, Path: s.path})
	s.db, s.keys, s.desk, s.blobs = in.DB, in.Keys, in.Desk, in.Blobs
	var err error
	s.ingest, err = ingest.New(ingest.Options{DB: s.db, Desk: s.desk, Blobs: s.blobs, Log: s.log})
	check(b, err)
	s.box = desk.Mailbox{ID: store.NewID(), Address: "support@desk.example", Aliases: []string{}, IMAP: imapURL, SMTP: smtpURL, MIDDomain: "desk.example", CreatedAt: time.Now()}
	s.box.Secrets.IMAPPassword = "secret"
	check(b, s.db.Update(b.Context(), func(tx *store.Tx) error { return tx.PutMailbox(b.Context(), s.box) }))
	return s
}

func check(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// backlogMail is an ordinary support mail: text, every third with HTML beside it, every tenth with a file, every fourth an
// answer to an earlier one; about 6 KB.
func backlogMail(i int) []byte {
	who := fmt.Sprintf("customer%d@company%d.example", i%400, i%50)
	text := strings.Repeat(fmt.Sprintf("This is what customer %d has to say about the machine in line %d. ", i%400, i), 60)
	var h strings.Builder
	fmt.Fprintf(&h, "Return-Path: <%s>\nReceived: from mail.example by mx.desk.example; Sun, 1 Nov 2026 08:00:00 +0000\n", who)
	fmt.Fprintf(&h, "From: Customer %d <%s>\nTo: support@desk.example\nDate: Sun, 1 Nov 2026 08:00:00 +0000\nMessage-ID: <m%d@company.example>\n", i%400, who, i)
	subject := fmt.Sprintf("Machine %d", i)
	if i%4 == 3 && i >= 400 {
		fmt.Fprintf(&h, "In-Reply-To: <m%d@company.example>\nReferences: <m%d@company.example>\n", i-400, i-400)
		subject = "Re: " + subject
	}
	fmt.Fprintf(&h, "Subject: %s\nMIME-Version: 1.0\n", subject)
	html := "<html><body><p>" + strings.ReplaceAll(text, ". ", ".</p>\n<p>") + "</p></body></html>"
	switch {
	case i%10 == 0:
		fmt.Fprintf(&h, "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n%s\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=report.pdf\nContent-Transfer-Encoding: base64\n\n%s\n--b--\n",
			wrap(text), strings.Repeat("JVBERi0xLjQKJeLjz9MKMSAwIG9iago8PC9UeXBlL0NhdGFsb2cvUGFnZXMgMiAwIFI+\n", 40)+strconv.Itoa(i%10))
	case i%3 == 0:
		fmt.Fprintf(&h, "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n%s\n--b\nContent-Type: text/html; charset=utf-8\n\n%s\n--b--\n", wrap(text), html)
	default:
		fmt.Fprintf(&h, "Content-Type: text/plain; charset=utf-8\n\n%s\n", wrap(text))
	}
	return mailtest.Lines([]byte(h.String()))
}

func wrap(s string) string { return strings.ReplaceAll(s, ". ", ".\n") }

func BenchmarkIngest(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			dovecot := mailtest.Dovecot(b, mailtest.User{Name: "support", Password: "secret"})
			dovecot.SeedMaildir("support", "INBOX", backlog, backlogMail, nil)
			drain(b, dovecot) // Dovecot makes its index when a folder is first read
			var all ratios
			var ours, drained, inserted []float64
			for range rounds {
				s := newStack(b, e, dovecot.IMAPURL("support"), "")
				before := drain(b, dovecot)
				ours = append(ours, s.ingestBacklog(b))
				drained = append(drained, (before+drain(b, dovecot))/2)
				inserted = append(inserted, s.insertSameRows(b, e))
				last := len(ours) - 1
				all = append(all, 100*ours[last]/min(drained[last], inserted[last]))
			}
			b.ReportMetric(median(ours), "mails/s")
			b.ReportMetric(median(drained), "drain/s")
			b.ReportMetric(median(inserted), "inserts/s")
			all.report(b, "%_of_slower")
		})
	}
}

// drain is a client that does nothing but read the mailbox, and gives its mails a second.
func drain(b *testing.B, d *mailtest.DovecotServer) float64 {
	b.Helper()
	c := d.Dial("support")
	defer c.Close()
	start := time.Now()
	_, err := c.Select("INBOX", nil).Wait()
	check(b, err)
	all := imap.UIDSet{}
	all.AddRange(1, 0)
	cmd := c.Fetch(all, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	n := 0
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		for it := m.Next(); it != nil; it = m.Next() {
			if body, ok := it.(imapclient.FetchItemDataBodySection); ok {
				_, err := io.Copy(io.Discard, body.Literal)
				check(b, err)
			}
		}
		n++
	}
	check(b, cmd.Close())
	if n != backlog {
		b.Fatalf("drained %d mails", n)
	}
	return float64(n) / time.Since(start).Seconds()
}

// ingestBacklog reads the whole backlog and gives its mails a second.
func (s *stack) ingestBacklog(b *testing.B) float64 {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	var lease desk.Lease
	check(b, s.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		lease, _, err = tx.TakeLease(ctx, s.box.ID, "bench", time.Hour)
		return err
	}))
	g, gctx := errgroup.WithContext(ctx)
	start := time.Now()
	w := watch.New(s.box, lease, s.ingest, s.blobs, watch.Options{Log: s.log})
	g.Go(func() error { return w.Run(gctx) })
	g.Go(func() error { return s.ingest.ReadMailbox(gctx, lease, w) })
	for { // what is asked here costs nothing: it must not be what is measured
		folder, err := s.db.Folder(ctx, s.box.ID, "INBOX")
		check(b, err)
		left, err := s.db.PendingOf(ctx, s.box.ID, "", 1)
		check(b, err)
		if folder.LastUID == backlog && len(left) == 0 {
			break
		}
		if time.Since(start) > 3*time.Minute {
			b.Fatalf("after three minutes it is at UID %d", folder.LastUID)
		}
		tick(5 * time.Millisecond)
	}
	took := time.Since(start)
	counts, err := s.db.LedgerCounts(ctx)
	check(b, err)
	if counts[desk.NewTicket]+counts[desk.Appended] != backlog {
		b.Fatalf("there is %v", counts)
	}
	stop()
	check(b, g.Wait())
	return backlog / took.Seconds()
}

func tick(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
}

// tables are what ingest writes, each after those it refers to.
var tables = []string{
	"ledger", "raws", "fingerprints", "contacts", "contact_addresses", "contact_companies", "tickets", "participants",
	"conversations", "messages", "attachments", "message_ids", "orphans", "welcomes", "templates", "one_time", "outbox",
}

// insertSameRows puts the rows that ingest wrote into an empty database, with as many fsyncs as ingest itself would need
// at the least, and gives the mails' worth of rows a second.
func (s *stack) insertSameRows(b *testing.B, e engine) float64 {
	b.Helper()
	from := s.open(b)
	defer from.Close()
	to := newStack(b, e, "", "").open(b)
	defer to.Close()
	var took time.Duration
	for _, table := range tables {
		columns, rows := readTable(b, from, table)
		if len(rows) == 0 {
			continue
		}
		places := make([]string, len(columns))
		for i := range places {
			places[i] = fmt.Sprintf("$%d", i+1)
		}
		insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(places, ", "))
		start := time.Now()
		for len(rows) > 0 {
			n := min(1000, len(rows)) // about what a hundred mails write
			tx, err := to.BeginTx(b.Context(), nil)
			check(b, err)
			stmt, err := tx.PrepareContext(b.Context(), insert)
			check(b, err)
			for _, r := range rows[:n] {
				_, err := stmt.ExecContext(b.Context(), r...)
				check(b, err)
			}
			check(b, stmt.Close())
			check(b, tx.Commit())
			rows = rows[n:]
		}
		took += time.Since(start)
	}
	return backlog / took.Seconds()
}

func (s *stack) open(b *testing.B) *sql.DB {
	b.Helper()
	driver, dsn := "pgx", s.dsn
	if dsn == "" {
		pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16000)"}, "_txlock": {"immediate"}}
		driver, dsn = "sqlite", "file:"+s.path+"?"+pragmas.Encode()
	}
	db, err := sql.Open(driver, dsn)
	check(b, err)
	db.SetMaxOpenConns(1)
	return db
}

func readTable(b *testing.B, db *sql.DB, table string) ([]string, [][]any) {
	b.Helper()
	rows, err := db.QueryContext(b.Context(), "SELECT * FROM "+table)
	check(b, err)
	defer rows.Close()
	columns, err := rows.Columns()
	check(b, err)
	var out [][]any
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		check(b, rows.Scan(dest...))
		out = append(out, values)
	}
	check(b, rows.Err())
	return columns, out
}

func BenchmarkOutbound(b *testing.B) {
	for _, e := range engines {
		for _, withRedis := range []bool{false, true} {
			name := e.name + "/in-process"
			if withRedis {
				name = e.name + "/redis"
			}
			b.Run(name, func(b *testing.B) {
				sink := mailtest.SMTP(b)
				redisURL := ""
				if withRedis {
					redisURL = mailtest.Redis(b).URL()
				}
				s := newStack(b, e, "", sink.URL())
				s.sendAll(b, sink, redisURL)
				like := contentOf(b, sink.Received()[0].Raw)
				var all ratios
				var ours, limits []float64
				before := goMail(b, sink, like)
				for range rounds {
					rate := s.sendAll(b, sink, redisURL)
					after := goMail(b, sink, like)
					ours, limits = append(ours, rate), append(limits, (before+after)/2)
					all = append(all, 100*rate/limits[len(limits)-1])
					before = after
				}
				b.ReportMetric(median(ours), "mails/s")
				b.ReportMetric(median(limits), "go-mail/s")
				all.report(b, "%_of_go-mail")
			})
		}
	}
}

// content is what a mail of ours says.
type content struct{ text, html string }

// contentOf reads both parts of a mail of ours, for go-mail to send the same.
func contentOf(b *testing.B, raw []byte) (c content) {
	b.Helper()
	e, err := message.Read(bytes.NewReader(raw))
	check(b, err)
	check(b, e.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil {
			return err
		}
		media, _, err := part.Header.ContentType()
		if err != nil || strings.HasPrefix(media, "multipart/") {
			return err
		}
		body, err := io.ReadAll(part.Body)
		if media == "text/html" {
			c.html = string(body)
		} else {
			c.text = string(body)
		}
		return err
	}))
	if c.text == "" || c.html == "" {
		b.Fatalf("the mail has no two parts: %s", raw)
	}
	return c
}

const answerText = "Hello,\n\nthank you for your patience. We have looked at the machine, and it works again. Tell us if anything is still wrong.\n\nMette\n"

// answer has an agent answer customers; nothing is sent yet.
func (s *stack) answer(b *testing.B) {
	b.Helper()
	for i := range warm + batch {
		c, _, err := s.desk.AddContact(b.Context(), tickets.NewContact{Name: fmt.Sprintf("Customer %d", i), Addresses: []string{string(store.NewID()) + "@customer.example"}})
		check(b, err)
		_, _, err = s.desk.OpenByAgent(b.Context(), tickets.AgentTicket{Contact: c.ID, Source: desk.FromAPI, Subject: "Your machine", Text: answerText, Mail: true})
		check(b, err)
	}
}

// sendAll has an agent answer customers, sends the answers and gives the mails a second.
func (s *stack) sendAll(b *testing.B, sink *mailtest.SMTPServer, redisURL string) float64 {
	b.Helper()
	done, err := s.db.EffectCounts(b.Context())
	check(b, err)
	s.answer(b)
	ctx, stop := context.WithCancel(b.Context())
	sender, boxes := smtp.New(smtp.Options{}), mailbox.New(mailbox.Options{})
	defer sender.Close()
	defer boxes.Close()
	texts, err := i18n.LoadMails()
	if err != nil {
		b.Fatal(err)
	}
	worker := outbound.New(outbound.Options{
		Texts: texts,
		DB:    s.db, Keys: s.keys, Blobs: s.blobs, Submitter: sender, Depositor: boxes, Owner: "bench", BaseURL: "https://support.desk.example", Log: s.log,
	})
	q, err := queue.New(queue.Options{RedisURL: redisURL, Outbox: s.db, Owner: "bench", Alone: true, Log: s.log})
	check(b, err)
	before := sink.Count()
	g, gctx := errgroup.WithContext(ctx)
	start := time.Now()
	g.Go(func() error { return q.Relay(gctx) })
	g.Go(func() error { return q.Serve(gctx, worker.Drain) })
	for {
		counts, err := s.db.EffectCounts(ctx)
		check(b, err)
		if counts[desk.EffectSent] == done[desk.EffectSent]+warm+batch {
			break
		}
		if time.Since(start) > 2*time.Minute {
			b.Fatalf("after two minutes there is %v", counts)
		}
		tick(50 * time.Millisecond)
	}
	stop()
	check(b, g.Wait())
	check(b, q.Close())
	return rate(b, sink, before)
}

// rate gives the mails a second that arrived after the first warm ones.
func rate(b *testing.B, sink *mailtest.SMTPServer, before int) float64 {
	b.Helper()
	got := sink.Received()[before:]
	if len(got) != warm+batch {
		b.Fatalf("%d mails arrived", len(got))
	}
	return batch / got[len(got)-1].At.Sub(got[warm-1].At).Seconds()
}

// goMail sends as many mails that say the same with go-mail's default options over one open connection.
func goMail(b *testing.B, sink *mailtest.SMTPServer, c content) float64 {
	b.Helper()
	host, port, err := net.SplitHostPort(sink.Addr())
	check(b, err)
	n, err := strconv.Atoi(port)
	check(b, err)
	client, err := mail.NewClient(host, mail.WithPort(n), mail.WithTLSPolicy(mail.NoTLS))
	check(b, err)
	before := sink.Count()
	check(b, client.DialWithContext(b.Context()))
	for i := range warm + batch {
		m := mail.NewMsg()
		check(b, m.FromFormat("Desk Support", "support@desk.example"))
		check(b, m.To(fmt.Sprintf("c%d@customer.example", i)))
		m.Subject("Your machine")
		m.SetBodyString(mail.TypeTextPlain, c.text)
		m.AddAlternativeString(mail.TypeTextHTML, c.html)
		check(b, client.Send(m))
	}
	check(b, client.Close())
	return rate(b, sink, before)
}

// BenchmarkMemory reads the backlog with the real gateway and gives the most memory it had, in MB.
func BenchmarkMemory(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			dovecot := mailtest.Dovecot(b, mailtest.User{Name: "support", Password: "secret"})
			dovecot.SeedMaildir("support", "INBOX", backlog, backlogMail, func(i int) time.Time { return time.Now().Add(-48*time.Hour + time.Duration(i)*time.Second) })
			gateway := filepath.Join(b.TempDir(), "gateway")
			out, err := exec.Command("go", "build", "-o", gateway, "postern/cmd/gateway").CombinedOutput()
			if err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			env := append(os.Environ(), "POSTERN_DATA="+b.TempDir(), "POSTERN_LISTEN=127.0.0.1:0", "POSTERN_LOG_LEVEL=warn")
			dsn := e.dsn(b)
			if dsn != "" {
				env = append(env, "POSTERN_DATABASE_URL="+dsn)
			}
			command := func(args ...string) *exec.Cmd {
				c := exec.Command(gateway, args...)
				c.Env, c.Stderr = env, os.Stderr
				return c
			}
			check(b, command("mailbox", "add", "--address", "support@desk.example", "--imap", dovecot.IMAPURL("support"), "--since", "all", "--no-check").Run())
			serve := command("serve")
			check(b, serve.Start())
			defer func() { _ = serve.Wait() }()
			defer func() { _ = serve.Process.Signal(os.Interrupt) }()
			for start := time.Now(); ; tick(200 * time.Millisecond) {
				said, err := command("verify", "--json").Output()
				check(b, err)
				var report struct{ Ledger map[desk.Outcome]int }
				check(b, json.Unmarshal(said, &report))
				if report.Ledger[desk.NewTicket]+report.Ledger[desk.Appended] == backlog {
					break
				}
				if time.Since(start) > 3*time.Minute {
					b.Fatalf("after three minutes there is %v", report.Ledger)
				}
			}
			b.ReportMetric(peak(b, serve.Process.Pid), "peak_MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// peak is the most memory a process had resident (VmHWM, proc(5)), in MB.
func peak(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(b, err)
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			check(b, err)
			return kb / 1024
		}
	}
	b.Fatal("the system does not tell the memory of a process")
	return 0
}
