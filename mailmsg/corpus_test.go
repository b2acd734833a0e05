package mailmsg

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"postern/desk"
)

// corpus gives the mails of a folder of the sample collection, which lies beside the project and not in it. There are none
// where it is missing.
func corpus(tb testing.TB, folder string) map[string][]byte {
	tb.Helper()
	root := os.Getenv("POSTERN_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "corpus")
	}
	out := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		if rel, rerr := filepath.Rel(root, path); rerr == nil {
			path = rel
		}
		out[path] = b
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func checkMail(t *testing.T, name string, m desk.Mail) {
	t.Helper()
	for what, s := range map[string]string{
		"subject": m.Subject, "text": m.Text, "html": m.HTML, "reply": m.Reply, "quoted": m.Quoted, "signature": m.Signature, "name": m.From.Name,
		"id": string(m.MessageID), "email": m.From.Email,
	} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("%s: %s is not clean UTF-8: %q", name, what, s)
		}
	}
	for _, id := range append(append([]desk.MessageID{}, m.References...), m.InReplyTo...) {
		if strings.TrimSpace(string(id)) == "" || len(id) > maxIDLen {
			t.Errorf("%s: id %q", name, id)
		}
	}
	if m.Class == "" || m.Fingerprint == "" {
		t.Errorf("%s: class %q, fingerprint %q", name, m.Class, m.Fingerprint)
	}
	for _, a := range m.Attachments {
		if a.Name == "" || strings.ContainsAny(a.Name, "/\\\x00") || len(a.SHA256) != 64 {
			t.Errorf("%s: attachment %+v", name, a)
		}
	}
}

func TestCorpusOfOddMailIsRead(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, "mail") {
		m, err := Parse(bytes.NewReader(raw), ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMail(t, name, m)
	}
}

// TestCorpusOfPeoplesMailIsNoMachines: what people wrote to lists is called automatic or a bounce only where the mail's own
// header names the program that wrote it.
func TestCorpusOfPeoplesMailIsNoMachines(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, "bulk/spamassassin/data/easy-ham-2") {
		m, err := Parse(bytes.NewReader(raw), ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMail(t, name, m)
		from := desk.LocalPart(m.From.Email)
		if m.Class != desk.Human && m.Class != desk.List && from != "root" && !desk.MachineAddress(m.From.Email) {
			t.Errorf("%s by %s is called %s: %q", name, m.From, m.Class, m.Reasons)
		}
	}
}

func TestCorpusOfReportsIsRead(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"mail/flanker/bounce", "mail/enmime/dsn", "mail/ruby_mail/multipart_report_emails"} {
		for name, raw := range corpus(t, folder) {
			m := parse(t, string(raw))
			if m.Class != desk.Bounce || len(m.Bounced) == 0 {
				t.Errorf("%s: %s of %q", name, m.Class, m.Bounced)
			}
			for _, b := range m.Bounced {
				if late := strings.HasPrefix(filepath.Base(name), "delayed") || strings.Contains(b.Diagnostic, "452 4.2.2"); b.Status == "" || late && b.Action != "delayed" {
					t.Errorf("%s: %+v", name, b)
				}
			}
		}
	}
	for name, raw := range corpus(t, "mail/flanker/complaint") {
		if m := parse(t, string(raw)); m.Class != desk.Complaint || m.BouncedMessageID == "" {
			t.Errorf("%s: %s about %q", name, m.Class, m.BouncedMessageID)
		}
	}
}

// TestCorpusOfPeoplesMailHasNoFalseBounce: what is called a bounce there was written by a mail system and says so.
func TestCorpusOfPeoplesMailHasNoFalseBounce(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, "bulk/spamassassin/data/easy-ham-2") {
		m := parse(t, string(raw))
		if m.Class == desk.Bounce && desk.LocalPart(m.From.Email) != "mailer-daemon" || m.Class == desk.Complaint || m.Class == desk.Receipt {
			t.Errorf("%s by %s is called %s: %q", name, m.From, m.Class, m.Reasons)
		}
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

// TestCorpusOfRepliesIsFolded: nearly all expectations hold, and nothing gets lost.
func TestCorpusOfRepliesIsFolded(t *testing.T) {
	t.Parallel()
	files := corpus(t, "replies")
	for name, lines := range corpus(t, "expected") {
		if !strings.Contains(name, "reply_parser") {
			continue
		}
		right, total := 0, 0
		for line := range bytes.Lines(lines) {
			var row struct {
				File   string
				Expect expected
			}
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			raw, ok := files[filepath.FromSlash(row.File)]
			if !ok {
				t.Errorf("%s names %s, which isn't there", name, row.File)
				continue
			}
			text := strings.ReplaceAll(decodeText(raw, ""), "\r\n", "\n")
			f := Fold(text, nil)
			checkFolded(t, text, f)
			total++
			if row.Expect.holds(f.Reply) {
				right++
			} else {
				t.Logf("%s\n--- got\n%s\n--- want\n%+v\n", row.File, f.Reply, row.Expect)
			}
		}
		t.Logf("%s: %d of %d", name, right, total)
		if right*100 < total*95 {
			t.Errorf("%s: only %d of %d hold", name, right, total)
		}
	}
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// checkFolded fails if a line of the text is in no part, or in more than one.
func checkFolded(t *testing.T, text string, f Folded) {
	t.Helper()
	count := map[string]int{}
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			count[line]++
		}
	}
	for _, s := range []string{f.Reply, f.Quoted, f.Signature} {
		rest := text
		for line := range strings.SplitSeq(s, "\n") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			count[line]--
			i := strings.Index(rest, line)
			if i < 0 {
				t.Errorf("%q is not in order in a part of %q", line, text)
				return
			}
			rest = rest[i+len(line):]
		}
	}
	for line, n := range count {
		if n != 0 {
			t.Errorf("%q is %d times too few in the parts of %q", line, n, text)
		}
	}
}
