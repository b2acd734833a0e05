package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look at what the gateway has stored

	"postern/internal/mailtest"
)

// threaded is a mail of the sample collection, and the thread that people sorted it into.
type threaded struct {
	raw    []byte
	thread string
}

// threads reads the sorted mails of the sample collection, which lies beside the project and not in it; none where it is
// missing.
func threads(t *testing.T) (out []threaded) {
	t.Helper()
	root := os.Getenv("POSTERN_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	lines, err := os.ReadFile(filepath.Join(root, "expected", "threads_spamassassin_dev.jsonl"))
	if os.IsNotExist(err) {
		return nil
	}
	ok(t, err)
	for line := range bytes.Lines(lines) {
		var row struct {
			File   string
			Expect struct{ Thread string }
		}
		ok(t, json.Unmarshal(line, &row))
		raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(row.File)))
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

// TestCorpus_MailsFindTheirThreadsInAnyOrder imports a mailing list's mail and compares the tickets with the threads that
// people made of it. The ticket of a held mail is the one it is held for.
func TestCorpus_MailsFindTheirThreadsInAnyOrder(t *testing.T) {
	t.Parallel()
	all := threads(t)
	if len(all) == 0 {
		t.Log("the sample collection is not here: set POSTERN_CORPUS to its folder")
		return
	}
	for _, order := range []string{"as they came", "shuffled"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			mails := append([]threaded(nil), all...)
			if order == "shuffled" {
				r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order each time
				r.Shuffle(len(mails), func(i, k int) { mails[i], mails[k] = mails[k], mails[i] })
			}
			in := installWith(t, modes[0], "all", func(d *mailtest.DovecotServer) {
				d.SeedMaildir("support", "INBOX", len(mails), func(i int) []byte { return mailtest.Lines(mails[i].raw) }, func(i int) time.Time { return time.Now().Add(-48*time.Hour + time.Duration(i)*time.Second) })
			})
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
			score(t, mails, tickets)
			t.Logf("%v", outcomes)
			if sent := in.smtp.Count(); sent != 0 {
				t.Errorf("L11: %d mails were sent because of an import", sent)
			}
		})
	}
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
func score(t *testing.T, mails []threaded, tickets map[int]string) {
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
	precision, recall := float64(right)/float64(max(together, 1)), float64(right)/float64(max(wanted, 1))
	t.Logf("%d mails: precision %.4f, recall %.4f", len(mails), precision, recall)
	if precision < 1 || recall < 0.999 {
		t.Errorf("precision %.4f and recall %.4f, want 1 and at least 0.999", precision, recall)
	}
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
