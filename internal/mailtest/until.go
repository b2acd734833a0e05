package mailtest

import (
	"testing"
	"time"
)

// Until waits for a condition, and fails the test if it does not come true within 20 seconds.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-end.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
