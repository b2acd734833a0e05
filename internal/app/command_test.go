package app

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

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
