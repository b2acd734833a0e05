package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/config"
	"postern/desk"
)

// full is a terminal that is gone, or a disk with no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestASecretThatCouldNotBePrintedIsNotLostInSilence: it is shown once.
func TestASecretThatCouldNotBePrintedIsNotLostInSilence(t *testing.T) {
	t.Parallel()
	env := []string{"POSTERN_DATA=" + filepath.Join(t.TempDir(), "data")}
	var told bytes.Buffer
	code := Gateway(t.Context(), []string{"token", "create", "--name", "x"}, Env{Environ: env, Stdin: strings.NewReader(""), Stdout: full{}, Stderr: &told}, nil)
	if code != 1 || !strings.Contains(told.String(), "no space left") {
		t.Errorf("exit status %d, %q", code, told.String())
	}
}

func TestAWorkerIsToldWhatItNeeds(t *testing.T) {
	t.Parallel()
	for want, env := range map[string][]string{
		"no worker is needed": nil,
		"base_url: a worker":  {"POSTERN_DATABASE_URL=postgres://127.0.0.1:1/x", "POSTERN_REDIS_URL=redis://127.0.0.1:1"},
	} {
		var told bytes.Buffer
		code := Worker(t.Context(), nil, Env{Environ: env, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &told})
		if code != 1 || !strings.Contains(told.String(), want) {
			t.Errorf("exit status %d, %q, want %q", code, told.String(), want)
		}
	}
}

func TestTextFromAPipeIsWholeOrRefused(t *testing.T) {
	t.Parallel()
	if _, err := textFrom("-", strings.NewReader(strings.Repeat("x", desk.MaxInlineRaw+1))); err == nil {
		t.Error("a text that is too long was cut")
	}
	whole := strings.Repeat("x", desk.MaxInlineRaw)
	if got, err := textFrom("-", strings.NewReader(whole)); err != nil || got != whole {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestInspectPrintsWhatIsSeen holds the shape that docs/architecture.md promises.
func TestInspectPrintsWhatIsSeen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mail.eml")
	const mail = "From: Ann <ann@acme.example>\r\nTo: support@desk.example\r\nSubject: Printer\r\nMessage-ID: <1@acme.example>\r\nDate: Sun, 1 Nov 2026 08:00:00 +0100\r\n\r\nNew words.\r\n\r\nOn Sat, Bob wrote:\r\n> Old words.\r\n"
	if err := os.WriteFile(file, []byte(mail), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.eml")
	var out, told bytes.Buffer
	code := Gateway(t.Context(), []string{"inspect", file, "-", missing}, Env{Stdin: strings.NewReader(mail), Stdout: &out, Stderr: &told}, nil)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if code != 1 || len(lines) != 3 || !strings.Contains(told.String(), "1 of 3 files could not be read") {
		t.Fatalf("exit status %d, %q, %q", code, out.String(), told.String())
	}
	for i, name := range []string{file, "-"} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Fields("file subject from to cc reply_to date message_id in_reply_to references text html reply quoted signature attachments class reasons truncated defects") {
			if _, there := got[key]; !there {
				t.Errorf("%s: there is no %q", name, key)
			}
		}
		if got["file"] != name || got["subject"] != "Printer" || got["date"] != "2026-11-01T07:00:00Z" || got["message_id"] != "1@acme.example" || got["class"] != "human" ||
			!strings.Contains(fmt.Sprint(got["reply"]), "New words.") || strings.Contains(fmt.Sprint(got["reply"]), "Old words.") || !strings.Contains(fmt.Sprint(got["quoted"]), "Old words.") {
			t.Errorf("%s: %s", name, lines[i])
		}
	}
	var unread struct{ File, Error string }
	if err := json.Unmarshal([]byte(lines[2]), &unread); err != nil || unread.File != missing || unread.Error == "" {
		t.Errorf("%s, %v", lines[2], err)
	}
}

func TestInspectExplainsToPeople(t *testing.T) {
	t.Parallel()
	const mail = "Received: from a by b\r\nAuthentication-Results: mx.desk.example; dmarc=pass header.from=acme.example\r\nFrom: Ann <ann@acme.example>\r\nTo: support@desk.example\r\n" +
		"Subject: Prin\x1b[2Jter\r\nMessage-ID: <2@acme.example>\r\nIn-Reply-To: <1@acme.example>\r\nAuto-Submitted: auto-replied\r\n\r\nNew words.\r\n\r\nOn Sat, 7 Nov 2026 at 10:00, Bob wrote:\r\n> Old words.\r\n"
	var out, told bytes.Buffer
	missing := filepath.Join(t.TempDir(), "missing.eml")
	code := Gateway(t.Context(), []string{"inspect", "--explain", "-", missing}, Env{Stdin: strings.NewReader(mail), Stdout: &out, Stderr: &told}, nil)
	if code != 1 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("exit status %d, %q", code, out.String())
	}
	for _, want := range []string{
		"Ann <ann@acme.example>", "answers      1@acme.example", "class        automatic", "because Auto-Submitted: auto-replied", "no automatic mail answers it",
		"mx.desk.example says dmarc=pass, below 1 Received lines", "what is new:\n    | New words.\n", "earlier mail:\n    | On Sat", "    | > Old words.", missing + " can't be read",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, out.String())
		}
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 3, 2, 1, 500, time.UTC)
	for said, want := range map[string]time.Time{
		"now": now.Truncate(time.Second), "": now.Truncate(time.Second), "all": {}, "2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local),
	} {
		if got, err := since(said, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", said, got, err, want)
		}
	}
	for _, said := range []string{"yesterday", "2026-13-01", "31.1.2026", "2026-02-30"} {
		if _, err := since(said, now); err == nil || !strings.Contains(err.Error(), "--since") {
			t.Errorf("%q: %v", said, err)
		}
	}
}

func TestLogsAsJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cfg := config.Default()
	cfg.LogFormat, cfg.LogLevel = "json", "warn"
	log := logger(cfg, &out)
	log.Info("not told")
	log.Warn("told", slog.Any("recipient", desk.Address{Email: "ann@acme.example"}))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "told" || line["level"] != "WARN" || strings.Contains(out.String(), "ann@") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// TestF31_APanicBehindADoorIsA500: a sender tries again after that, and not after a connection that just ends.
func TestF31_APanicBehindADoorIsA500(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := &services{parts: &parts{log: slog.New(slog.NewJSONHandler(&log, nil))}}
	server := httptest.NewServer(s.recovered(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("kaboom") })))
	t.Cleanup(server.Close)
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(log.String(), "kaboom") {
		t.Errorf("status %d, log %s", resp.StatusCode, log.String())
	}
}

func TestMachinesThatShareAFolderHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alone, err := takeInstance(dir, "gateway", false)
	if err != nil {
		t.Fatal(err)
	}
	defer alone.close()
	if _, err := takeInstance(dir, "gateway", false); !errors.Is(err, errTaken) {
		t.Errorf("a second one: %v", err)
	}
	shared, err := takeInstance(dir, "gateway", true)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.close()
	if files, err := filepath.Glob(filepath.Join(dir, "gateway.*.instance")); err != nil || len(files) != 1 {
		t.Errorf("%q, %v", files, err)
	}
}
