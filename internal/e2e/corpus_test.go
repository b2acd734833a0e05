package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	_ "modernc.org/sqlite" // to look at what the gateway has stored

	"postern/desk"
	"postern/internal/mailtest"
	"postern/mailmsg"
)

// TestCorpus runs the sample collection, which lies beside the project and not in it, through "gateway inspect" and through a
// gateway that serves, and prints what should come out and what does as one table at the end. Without the collection there is
// nothing to be compared.
func TestCorpus(t *testing.T) {
	root := os.Getenv("POSTERN_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(root); os.IsNotExist(err) {
		t.Log("the sample collection is not here: set POSTERN_CORPUS to its folder")
		return
	}
	c := &collection{root: root}
	t.Cleanup(func() { c.print(t) })
	c.slowest(t) // before anything runs beside it
	t.Parallel()
	t.Run("what inspect says", func(t *testing.T) {
		t.Parallel()
		c.classes(t)
		c.replies(t)
		c.hostile(t)
	})
	for _, order := range []string{"as they came", "shuffled"} {
		t.Run("threads "+order, func(t *testing.T) {
			t.Parallel()
			c.threads(t, order)
		})
	}
}

// collection is the sample collection, and what was found of it.
type collection struct {
	root string

	mu   sync.Mutex // guards rows
	rows []corpusRow
}

// corpusRow is one comparison. Limit says what is good enough.
type corpusRow struct {
	what, expected, got, limit string
	missed                     bool
}

func (c *collection) row(r corpusRow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, r)
}

// count is a row about things of which at least so many percent have to be right. The collection may lack a folder; the row
// then says so.
func (c *collection) count(what string, right, total, percent int) {
	if total == 0 {
		c.row(corpusRow{what: what, expected: "not there"})
		return
	}
	c.row(corpusRow{what, strconv.Itoa(total), strconv.Itoa(right), fmt.Sprintf("≥ %d %%", percent), right*100 < total*percent})
}

func (c *collection) print(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(c.rows, func(a, b corpusRow) int { return strings.Compare(a.what, b.what) })
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 4, 3, ' ', 0)
	line := func(cells ...string) {
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			t.Error(err)
		}
	}
	line("what", "expected", "got", "limit", "")
	for _, r := range c.rows {
		mark := ""
		if r.missed {
			mark = "MISSED"
			t.Errorf("%s: %s of %s, limit %s", r.what, r.got, r.expected, r.limit)
		}
		line(r.what, r.expected, r.got, r.limit, mark)
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	t.Logf("the sample collection:\n%s", out.String())
}

// files gives the paths of a folder of the collection; none if it lacks that.
func (c *collection) files(t *testing.T, folder string) (out []string) {
	t.Helper()
	folder = filepath.Join(c.root, filepath.FromSlash(folder))
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		return nil
	}
	ok(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	}))
	return out
}

// slowest takes the processor time of each mail, all threads together, so that what else runs on the machine does not count.
func (c *collection) slowest(t *testing.T) {
	const limit = time.Second
	used := func() time.Duration {
		var u syscall.Rusage
		ok(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var most time.Duration
	which := ""
	for _, folder := range []string{"mail", "bulk", "replies"} {
		for _, path := range c.files(t, folder) {
			raw, err := os.ReadFile(path)
			ok(t, err)
			before := used()
			_, err = mailmsg.Parse(bytes.NewReader(raw), mailmsg.ParseOptions{})
			ok(t, err)
			if took := used() - before; took > most {
				most, which = took, filepath.Base(path)
			}
		}
	}
	c.row(corpusRow{"slowest mail, processor time (" + which + ")", "", fmt.Sprintf("%.1f ms", float64(most.Microseconds())/1000), "≤ 1000 ms", most > limit})
}

// inspection is what "gateway inspect" says of a mail.
type inspection struct {
	File, Text, HTML, Reply, Class, Error string
	From                                  struct{ Address string }
	Bounce                                struct {
		MessageID  string `json:"message_id"`
		Recipients []struct{ Status, Action, Diagnostic string }
	}
}

// inspect gives what the gateway's own command says of each file, in the same order.
func (c *collection) inspect(t *testing.T, files []string) (out []inspection) {
	t.Helper()
	if len(files) == 0 {
		return nil
	}
	in := &installation{t: t, env: withoutPostern(os.Environ())}
	lines := json.NewDecoder(strings.NewReader(in.gateway(append([]string{"inspect"}, files...)...)))
	for range files {
		var one inspection
		ok(t, lines.Decode(&one))
		out = append(out, one)
	}
	return out
}

// classes compares what sort of mail each is.
func (c *collection) classes(t *testing.T) {
	var all []string
	for _, folder := range []string{"mail", "bulk", "replies"} {
		all = append(all, c.files(t, folder)...)
	}
	read, clean := 0, 0
	for _, m := range c.inspect(t, all) {
		if m.Error == "" {
			read++
		}
		if utf8.ValidString(m.Text) && !strings.ContainsRune(m.Text, 0) {
			clean++
		}
	}
	c.count("mails: read", read, len(all), 100)
	c.count("mails: text is UTF-8 without NUL", clean, len(all), 100)

	people, reports := 0, 0
	ham := c.inspect(t, c.files(t, "bulk/spamassassin/data/easy-ham-2"))
	for _, m := range ham {
		machine := desk.LocalPart(m.From.Address) == "root" || desk.MachineAddress(m.From.Address)
		if m.Class == "human" || m.Class == "list" || machine {
			people++
		}
		if m.Class != "bounce" && m.Class != "complaint" && m.Class != "receipt" || desk.LocalPart(m.From.Address) == "mailer-daemon" {
			reports++
		}
	}
	c.count("people's mail: not called a machine's", people, len(ham), 100)
	c.count("people's mail: not called a report", reports, len(ham), 100)

	bounces, total := 0, 0
	for _, folder := range []string{"mail/flanker/bounce", "mail/enmime/dsn", "mail/ruby_mail/multipart_report_emails"} {
		for _, m := range c.inspect(t, c.files(t, folder)) {
			total++
			right := m.Class == "bounce" && len(m.Bounce.Recipients) > 0
			for _, r := range m.Bounce.Recipients {
				late := strings.HasPrefix(filepath.Base(m.File), "delayed") || strings.Contains(r.Diagnostic, "452 4.2.2")
				right = right && r.Status != "" && (!late || r.Action == "delayed")
			}
			if right {
				bounces++
			} else {
				t.Logf("%s: %s, %+v", m.File, m.Class, m.Bounce)
			}
		}
	}
	c.count("reports: bounces with recipients and status", bounces, total, 100)

	complaints := c.inspect(t, c.files(t, "mail/flanker/complaint"))
	right := 0
	for _, m := range complaints {
		if m.Class == "complaint" && m.Bounce.MessageID != "" {
			right++
		}
	}
	c.count("reports: complaints with the mail they are about", right, len(complaints), 100)
}

// replies compares what is new in answers with what people say is.
func (c *collection) replies(t *testing.T) {
	for _, list := range []string{"email_reply_parser", "crisp_email_reply_parser"} {
		lines, err := os.ReadFile(filepath.Join(c.root, "expected", list+".jsonl"))
		ok(t, err)
		dir := t.TempDir()
		var files []string
		var wanted []expected
		for line := range bytes.Lines(lines) {
			var row struct {
				File   string
				Expect expected
			}
			ok(t, json.Unmarshal(line, &row))
			text, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(row.File)))
			ok(t, err)
			name := filepath.Join(dir, fmt.Sprintf("%03d-%s.eml", len(files), filepath.Base(row.File)))
			ok(t, os.WriteFile(name, append([]byte("From: ann@example.net\n\n"), text...), 0o600))
			files, wanted = append(files, name), append(wanted, row.Expect)
		}
		right := 0
		for i, m := range c.inspect(t, files) {
			if wanted[i].holds(m.Reply) {
				right++
			} else {
				t.Logf("%s\n--- got\n%s\n--- want\n%+v\n", filepath.Base(m.File), m.Reply, wanted[i])
			}
		}
		c.count("replies: what is new ("+list+")", right, len(files), 95)
	}
}

// expected is what people say of a reply: all that is new in it, or what the new part holds, begins with or lacks.
type expected struct {
	Reply    *string `json:"reply_text"`
	Starts   string  `json:"reply_starts_with"`
	Contains texts   `json:"reply_contains"`
	Lacks    texts   `json:"reply_not_contains"`
}

// texts is a list of texts, or one.
type texts []string

// UnmarshalJSON reads either.
func (ts *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*ts = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(ts))
}

func (e expected) holds(reply string) bool {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	reply = words(reply)
	for _, s := range e.Contains {
		if !strings.Contains(reply, words(s)) {
			return false
		}
	}
	for _, s := range e.Lacks {
		if strings.Contains(reply, words(s)) {
			return false
		}
	}
	return strings.HasPrefix(reply, words(e.Starts)) && (e.Reply == nil || reply == words(*e.Reply))
}

// dangerous finds what must never be in HTML that we show, whatever went in.
var dangerous = regexp.MustCompile(`(?i)<(script|style|svg|math|form|base|meta|link|object|embed|iframe|input|button|textarea|title)\b|<[^>]*\s(on[a-z]+|style)=|(href|src)="\s*(javascript|vbscript|data:text|data:image/svg)`)

// hostile reads snippets of HTML that try to act.
func (c *collection) hostile(t *testing.T) {
	lines, err := os.ReadFile(filepath.Join(c.root, "expected", "xss_bluemonday.jsonl"))
	ok(t, err)
	dir := t.TempDir()
	var files []string
	for line := range bytes.Lines(lines) {
		var row struct{ Payload string }
		ok(t, json.Unmarshal(line, &row))
		name := filepath.Join(dir, fmt.Sprintf("%03d.eml", len(files)))
		ok(t, os.WriteFile(name, []byte("From: ann@example.net\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"+row.Payload), 0o600))
		files = append(files, name)
	}
	inert := 0
	for _, m := range c.inspect(t, files) {
		if found := dangerous.FindString(m.HTML); found == "" {
			inert++
		} else {
			t.Logf("%s holds %q", m.File, found)
		}
	}
	c.count("hostile HTML: inert", inert, len(files), 100)
}

// threaded is a mail of a list, and the thread that people sorted it into.
type threaded struct {
	raw    []byte
	thread string
}

// sorted reads the mails that people sorted into threads.
func (c *collection) sorted(t *testing.T) (out []threaded) {
	t.Helper()
	lines, err := os.ReadFile(filepath.Join(c.root, "expected", "threads_spamassassin_dev.jsonl"))
	ok(t, err)
	for line := range bytes.Lines(lines) {
		var row struct {
			File   string
			Expect struct{ Thread string }
		}
		ok(t, json.Unmarshal(line, &row))
		raw, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(row.File)))
		ok(t, err)
		out = append(out, threaded{raw, row.Expect.Thread})
	}
	return out
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// threads imports a mailing list's mail and compares the tickets with the threads that people made of it. The ticket of a held
// mail is the one it is held for.
func (c *collection) threads(t *testing.T, order string) {
	mails := c.sorted(t)
	if order == "shuffled" {
		r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order each time
		r.Shuffle(len(mails), func(i, k int) { mails[i], mails[k] = mails[k], mails[i] })
	}
	in := installWith(t, modes[0], surroundings{since: "all", seed: func(d *mailtest.DovecotServer) {
		d.SeedMaildir("support", "INBOX", len(mails), func(i int) []byte { return mailtest.Lines(mails[i].raw) }, func(i int) time.Time { return time.Now().Add(-48*time.Hour + time.Duration(i)*time.Second) })
	}})
	in.gateway("mailbox", "edit", support, "--any-recipient") // they are to lists of others
	in.run("gateway", "serve")
	in.until("all mails are filed", func() (bool, error) {
		out, _, _ := in.try("verify", "--json") // exit status and words are for later
		var report struct{ Ledger map[string]int }
		err := json.Unmarshal([]byte(out), &report)
		n := -report.Ledger["pending"]
		for _, count := range report.Ledger {
			n += count
		}
		return n >= len(mails), err
	})
	in.stopAll(syscall.SIGTERM)
	tickets, outcomes := ticketsByUID(t, in)
	precision, recall := score(t, mails, tickets)
	t.Logf("%v", outcomes)
	what := fmt.Sprintf("threads of %d mails %s: ", len(mails), order)
	c.row(corpusRow{what + "precision", "1", fmt.Sprintf("%.4f", precision), "1", precision < 1})
	c.row(corpusRow{what + "recall", "1", fmt.Sprintf("%.4f", recall), "≥ 0.999", recall < 0.999})
	c.row(corpusRow{what + "mails sent because of it", "0", strconv.Itoa(in.smtp.Count()), "0", in.smtp.Count() != 0})
}

func ticketsByUID(t *testing.T, in *installation) (tickets map[int]string, outcomes map[string]int) {
	t.Helper()
	var data string
	for _, kv := range in.env {
		if v, found := strings.CutPrefix(kv, "POSTERN_DATA="); found {
			data = v
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "postern.db")+"?mode=ro")
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), `SELECT uid, ticket_id, outcome FROM ledger WHERE folder = 'INBOX'`)
	ok(t, err)
	defer func() { ok(t, rows.Close()) }()
	tickets, outcomes = map[int]string{}, map[string]int{}
	for rows.Next() {
		var uid int
		var ticket, outcome string
		ok(t, rows.Scan(&uid, &ticket, &outcome))
		tickets[uid] = ticket
		outcomes[outcome]++
	}
	ok(t, rows.Err())
	return tickets, outcomes
}

// score compares pairs of mails: those that share a ticket with those that share a thread.
func score(t *testing.T, mails []threaded, tickets map[int]string) (precision, recall float64) {
	t.Helper()
	together, right, wanted, shown := 0, 0, 0, 0
	for i := range mails {
		for k := range i {
			same := mails[i].thread == mails[k].thread
			ours := tickets[i+1] != "" && tickets[i+1] == tickets[k+1]
			if same {
				wanted++
			}
			if ours {
				together++
			}
			if same && ours {
				right++
			}
			if same != ours && shown < 20 {
				shown++
				t.Logf("same thread %t, same ticket %t:\n%s\n---\n%s", same, ours, head(mails[k].raw), head(mails[i].raw))
			}
		}
	}
	return float64(right) / float64(max(together, 1)), float64(right) / float64(max(wanted, 1))
}

// head gives the lines of a mail's header that tell its thread.
func head(raw []byte) string {
	var out []string
	for line := range strings.Lines(string(raw)) {
		lower := strings.ToLower(line)
		if strings.TrimSpace(line) == "" {
			break
		}
		for _, name := range []string{"from:", "to:", "subject:", "message-id:", "in-reply-to:", "references:", "\t", " "} {
			if strings.HasPrefix(lower, name) && (name != "\t" && name != " " || strings.Contains(line, "<")) {
				out = append(out, strings.TrimRight(line, "\r\n"))
			}
		}
	}
	return strings.Join(out, "\n")
}
