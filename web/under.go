package web

import (
	"net/http"
	"strings"
)

// Under has h answer under a path, such as "/help": it sees requests without it, and where it sends somebody to a place of this host, that is under the path
// too. A proxy in front may take the path away or leave it. An empty path changes nothing.
func Under(path string, h http.Handler) http.Handler {
	if path == "" {
		return h
	}
	inside := http.StripPrefix(path, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == path:
			http.Redirect(w, r, path+"/", http.StatusPermanentRedirect)
		case strings.HasPrefix(r.URL.Path, path+"/"):
			inside.ServeHTTP(&underWriter{ResponseWriter: w, path: path}, r)
		default:
			h.ServeHTTP(&underWriter{ResponseWriter: w, path: path}, r)
		}
	})
}

// underWriter puts the path before where an answer sends somebody.
type underWriter struct {
	http.ResponseWriter
	path string
}

func (w *underWriter) WriteHeader(status int) {
	if to := w.Header().Get("Location"); strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		w.Header().Set("Location", w.path+to)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Flush is for what arrives while a page is open.
func (w *underWriter) Flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush() // the reader has gone
}

func (w *underWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
