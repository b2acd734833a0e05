package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is another machine of the same installation: its own folder and port, the same database and Redis.
func (in *installation) machine() *installation {
	in.t.Helper()
	addr := freeAddr(in.t)
	other := &installation{
		t: in.t, url: "http://" + addr, token: in.token, dovecot: in.dovecot, smtp: in.smtp, redis: in.redis, running: map[string]*program{},
	}
	for _, kv := range in.env {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "POSTERN_DATA":
			kv = name + "=" + in.t.TempDir()
		case "POSTERN_LISTEN":
			kv = name + "=" + addr
		}
		other.env = append(other.env, kv)
	}
	in.t.Cleanup(func() { other.stopAll(syscall.SIGTERM) })
	return other
}

// TestI10_AnotherMachineTakesOver runs two machines, a gateway and a worker each, and has the power fail on the first. What
// comes and goes afterwards is there once.
func TestI10_AnotherMachineTakesOver(t *testing.T) {
	t.Parallel()
	in := install(t, mode{many: true})
	in.start()
	in.dovecot.Append("support", "INBOX", mailFrom("Ann <ann@acme.example>", support, "Before", "a@acme.example", "", "Hi."), nil, time.Now())
	in.until("the first machine files mail", func() (bool, error) {
		all, err := in.tickets()
		return len(all) == 1, err
	})
	other := in.machine()
	other.start()
	in.sentTo("ann@acme.example", 1) // the welcome mail
	in.stopAll(syscall.SIGKILL)

	other.dovecot.Append("support", "INBOX", mailFrom("Ann <ann@acme.example>", support, "After", "b@acme.example", "", "Hi."), nil, time.Now())
	other.within(90*time.Second, "the second machine files mail", func() (bool, error) {
		all, err := other.tickets()
		return len(all) == 2, err
	})
	after := other.ticketAbout("After")
	var said struct{ ID string }
	other.call("POST", "/tickets/"+after.ID+"/messages", map[string]any{"text": "We are here."}, &said)
	other.sentTo("ann@acme.example", 2)
	other.until("the outbox is empty", func() (bool, error) {
		v, err := other.verify()
		return v.Outbox["sent"] == 2 && len(v.Violations) == 0 && v.Ledger["new-ticket"] == 2, err
	})
	if n := other.smtp.Count(); n != 2 {
		t.Errorf("%d mails were sent", n)
	}
}
