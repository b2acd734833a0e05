package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"postern/config"
	"postern/internal/mailtest"
)

// TestNotReadyWithoutADatabase: with PostgreSQL gone, whoever spreads the requests is told to ask elsewhere, the process is
// alive, and it is ready again when the database is.
func TestNotReadyWithoutADatabase(t *testing.T) {
	t.Parallel()
	pg := mailtest.PostgresProcess(t)
	cfg := config.Default()
	cfg.Data, cfg.DatabaseURL = filepath.Join(t.TempDir(), "data"), pg.Database(t)
	p, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close() //nolint:errcheck // what is tested is over
	s, err := p.services(t.Context(), "gateway")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close() //nolint:errcheck // as above
	h, err := s.handler(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := func(path string, status int, says string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != status || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s gives %d %s, want %d and %s", path, w.Code, w.Body, status, says)
		}
	}
	want("/readyz", http.StatusOK, `"database":"ok"`)
	pg.Kill(t)
	want("/readyz", http.StatusServiceUnavailable, `"database":"does not answer"`)
	want("/healthz", http.StatusOK, "ok")
	pg.Start(t)
	want("/readyz", http.StatusOK, `"database":"ok"`)
}
