package tickets

import (
	"context"
	"strings"
	"testing"

	"postern/desk"
)

type broken struct{}

// Said fails as nobody expects.
func (broken) Said(context.Context, desk.Scope, desk.ID, string, int) ([]desk.Said, error) {
	panic("boom")
}

// TestI7_APanicWhileComparingIsAnError: it happens outside of any transaction, where it would end the program.
func TestI7_APanicWhileComparingIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := compare(t.Context(), broken{}, "t", "c", desk.Mail{Text: "Hello"}, false); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("%v", err)
	}
}
