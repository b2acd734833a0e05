//go:build long

package e2e

import (
	"strings"
	"testing"
	"time"

	"postern/internal/mailtest"
)

// TestF9_ALockThatADeadDovecotLeftIsWaitedOut: a Dovecot that is killed at the wrong moment has everybody wait for two minutes who opens the folder.
// Meanwhile the operator can see why no mail comes; then it comes.
func TestF9_ALockThatADeadDovecotLeftIsWaitedOut(t *testing.T) {
	t.Parallel()
	in := installWith(t, mode{}, surroundings{people: []string{"ann"}, postfix: &mailtest.PostfixOptions{}})
	in.start()
	in.postfix.Deliver("ann@customer.example", []string{support}, mailFrom("ann@customer.example", support, "Before", "1@customer.example", "", "Text."))
	in.ticketAbout("Before")
	in.dovecot.Kill()
	in.dovecot.LeaveLock("support", "INBOX")
	in.dovecot.Start()
	in.postfix.Deliver("ann@customer.example", []string{support}, mailFrom("ann@customer.example", support, "After", "2@customer.example", "", "Text."))
	began := time.Now()
	in.within(2*time.Minute, "it is told that the folder is slow", func() (bool, error) {
		out, _, err := in.try("mailbox", "list")
		return strings.Contains(out, "the server takes long to open the folder"), err
	})
	in.within(8*time.Minute, "the mail is a ticket", func() (bool, error) {
		all, err := in.tickets()
		return len(all) == 2, err
	})
	t.Logf("the mail was a ticket after %s", time.Since(began).Round(time.Second))
	in.until("it is told no more", func() (bool, error) {
		out, _, err := in.try("mailbox", "list")
		return !strings.Contains(out, "takes long"), err
	})
}
