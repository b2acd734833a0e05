package mailmsg

import (
	"strings"
	"testing"
)

func TestI7_FilesInsideATextCountAsParts(t *testing.T) {
	t.Parallel()
	const file = "begin 644 a.txt\n#0V%T\n`\nend\n"
	m, err := Parse(strings.NewReader("From: a@b.example\n\n"+strings.Repeat(file, 5)+"after\n"), ParseOptions{Limits: Limits{Parts: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Attachments) != 3 || !m.Truncated || m.Text != strings.Repeat(file, 2)+"after" {
		t.Errorf("%d files, truncated: %t, text %q", len(m.Attachments), m.Truncated, m.Text)
	}
}
