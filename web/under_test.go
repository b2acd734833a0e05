package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestB1_UnderAPath: requests come without the path, whoever takes it away, and redirects lead under it.
func TestB1_UnderAPath(t *testing.T) {
	t.Parallel()
	h := Under("/help", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/go":
			http.Redirect(w, r, "/there?x=1#y", http.StatusSeeOther)
		case "/away":
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusSeeOther)
		default:
			_, _ = io.WriteString(w, r.URL.Path)
		}
	}))
	for path, want := range map[string]struct {
		status   int
		location string
		body     string
	}{
		"/help/tickets/1":  {200, "", "/tickets/1"},
		"/tickets/1":       {200, "", "/tickets/1"}, // a proxy has taken the path away
		"/help/":           {200, "", "/"},
		"/help":            {308, "/help/", ""},
		"/helpless":        {200, "", "/helpless"},
		"/help/go":         {303, "/help/there?x=1#y", ""},
		"/go":              {303, "/help/there?x=1#y", ""},
		"/help/away":       {303, "https://elsewhere.example/", ""},
		"/help/a%2Fb/c%20": {200, "", "/a/b/c "},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want.status || w.Header().Get("Location") != want.location || want.body != "" && w.Body.String() != want.body {
			t.Errorf("%s gives %d %q %q, want %+v", path, w.Code, w.Header().Get("Location"), w.Body, want)
		}
	}
}
