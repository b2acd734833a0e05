package desktest

import (
	"net/http/httptest"
	"time"
)

// Timed is a recorder that notes the read deadlines which a handler sets (http.ResponseController).
type Timed struct {
	*httptest.ResponseRecorder
	Deadlines []time.Time
}

// SetReadDeadline notes at.
func (w *Timed) SetReadDeadline(at time.Time) error {
	w.Deadlines = append(w.Deadlines, at)
	return nil
}
