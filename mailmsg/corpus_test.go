package mailmsg

import (
	"bytes"
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

// TestCorpusIsRead: every mail there is read, what is read of it is clean, and folding loses none of its lines. What each of
// them should say is compared in internal/e2e.
func TestCorpusIsRead(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"mail", "bulk", "replies"} {
		for name, raw := range corpus(t, folder) {
			m, err := Parse(bytes.NewReader(raw), ParseOptions{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkMail(t, name, m)
			checkFolded(t, m.Text, Folded{Reply: m.Reply, Quoted: m.Quoted, Signature: m.Signature})
			text := strings.ReplaceAll(decodeText(raw, ""), "\r\n", "\n")
			checkFolded(t, text, Fold(text, nil, nil))
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
