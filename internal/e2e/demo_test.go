package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

// TestDemo runs the demo as a newcomer does, follows what it prints, and ends it.
func TestDemo(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	out := &logBuffer{}
	cmd := exec.Command(filepath.Join(programs, "gateway"), "demo", "--listen", freeAddr(t))
	cmd.Env, cmd.Stdout, cmd.Stderr = append(withoutPostern(os.Environ()), "TMPDIR="+tmp), out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	in := &installation{t: t}
	in.until("the demo has played", func() (bool, error) { return strings.Contains(out.String(), "Ctrl-C ends"), nil })

	link := regexp.MustCompile(`(http://[^/\s]+)(/sign-in/link/[a-z2-7]+)`).FindStringSubmatch(out.String())
	if link == nil {
		t.Fatalf("no sign-in link in\n%s", out)
	}
	in.url = link[1]
	v := in.visitor()
	if p := v.post(link[2], "application/x-www-form-urlencoded", nil); p.location != "/tickets" {
		t.Errorf("the link leads to %d %s", p.status, p.location)
	}
	if p := v.get("/tickets/1"); !strings.Contains(p.body, "Brewmaster 3000") || !strings.Contains(p.body, "Which model is it?") {
		t.Errorf("the ticket does not show the conversation: %s", p.body)
	}

	addr := regexp.MustCompile(`IMAP (\S+) port (\d+), .* user (\S+), password (\S+)`).FindStringSubmatch(out.String())
	c, err := imapclient.DialInsecure(addr[1]+":"+addr[2], nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(addr[3], addr[4]).Wait(); err != nil {
		t.Error(err)
	}
	if box, err := c.Select("INBOX", nil).Wait(); err != nil || box.NumMessages != 2 {
		t.Errorf("the agents' inbox has %+v, %v", box, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}

	for _, line := range regexp.MustCompile(`(?m)^  ((?:swaks|curl) .*)$`).FindAllStringSubmatch(out.String(), -1) {
		said, err := exec.CommandContext(t.Context(), "timeout", "30", "bash", "-c", line[1]).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", line[1], err, said)
		}
	}
	in.until("both tickets are there", func() (bool, error) {
		p := v.get("/tickets")
		return strings.Contains(p.body, "Hello") && strings.Contains(p.body, "From the web"), nil
	})

	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the demo ended with %v\n%s", err, out)
		}
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("the demo does not end")
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
	if _, err := direct.Get(in.url); err == nil {
		t.Error("the portal still answers")
	}
	if bytes.Contains([]byte(out.String()), []byte("level=ERROR")) {
		t.Errorf("the demo logs errors:\n%s", out)
	}
}
