package app

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestB1_PreviewByCommand: templates are checked, shown as they are at each request, and the gateway does not start with those that fail.
func TestB1_PreviewByCommand(t *testing.T) {
	t.Parallel()
	c := newCommands(t)
	dir := t.TempDir()
	c.refused("pattern matches no files", "portal", "preview", "--check", "--templates", dir)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "own.html"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{{define "footer"}}{{.Wrong}}{{end}}`)
	c.refused("own.html:1", "portal", "preview", "--check", "--templates", dir)
	c.refused("own.html:1", "--templates", dir, "--listen", "127.0.0.1:0")
	write(`{{define "footer"}}Imprint of {{.Portal}}{{end}}`)
	if got := c.ok("portal", "preview", "--check", "--templates", dir); !strings.Contains(got, "in 10 languages") {
		t.Errorf("checked: %s", got)
	}

	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan int)
	go func() {
		done <- Gateway(ctx, []string{"portal", "preview", "--templates", dir, "--preview-listen", "127.0.0.1:0"}, Env{Environ: c.env, Stdin: strings.NewReader(""), Stdout: w, Stderr: io.Discard}, nil)
	}()
	said := make([]byte, 200)
	n, err := r.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(string(said[:n]))
	for path, want := range map[string]string{"/": "Every page with sample data", "/page/thread?lang=de": "Imprint of Support"} {
		a, err := http.Get(address + path) //nolint:noctx // it is on this machine
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		if a.Body.Close(); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, %s", path, err, b)
		}
	}
	stop()
	if code := <-done; code != 0 {
		t.Errorf("it ends with %d", code)
	}
}
