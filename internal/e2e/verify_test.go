package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/internal/mailtest"
)

// TestINV1_VerifyAgainstTheServer has mails come and go behind the gateway's back, and a row vanish.
func TestINV1_VerifyAgainstTheServer(t *testing.T) {
	t.Parallel()
	numbered := func(i int) []byte {
		return mailFrom(fmt.Sprintf("c%d@customer.example", i), support, fmt.Sprintf("Matter %d", i), fmt.Sprintf("m%d@customer.example", i), "", "Text.")
	}
	in := installWith(t, modes[0], surroundings{since: "all", seed: func(d *mailtest.DovecotServer) { d.SeedMaildir("support", "INBOX", 10, numbered, nil) }})
	in.start()
	in.until("all are filed", func() (bool, error) {
		out, _, err := in.try("verify", "--json")
		var report struct{ Ledger map[string]int }
		return err == nil && json.Unmarshal([]byte(out), &report) == nil && report.Ledger["new-ticket"] == 10, nil
	})
	in.stopAll(syscall.SIGTERM)

	compared := func() (counts [4]int, violations []string) {
		t.Helper()
		out, told, _ := in.try("verify", "--against-server", "--json") // the exit status is for later
		var report struct {
			Violations []string
			Folders    []struct {
				Folder  string
				Server  int `json:"on_server"`
				Waiting int `json:"not_read_yet"`
				Missing int `json:"without_row"`
				Gone    int
			}
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v: %s%s", err, out, told)
		}
		for _, f := range report.Folders {
			if f.Folder == "INBOX" {
				counts = [4]int{f.Server, f.Waiting, f.Missing, f.Gone}
			}
		}
		return counts, report.Violations
	}
	if got, broken := compared(); got != [4]int{10, 0, 0, 0} || len(broken) != 0 {
		t.Errorf("at first: %v, %q", got, broken)
	}
	c := in.dovecot.Dial("support")
	_, err := c.Select("INBOX", nil).Wait()
	ok(t, err)
	ok(t, c.Store(imap.UIDSetNum(2, 3), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	ok(t, c.Expunge().Close())
	ok(t, c.Logout().Wait())
	in.dovecot.SeedMaildir("support", "INBOX", 3, func(i int) []byte { return numbered(100 + i) }, func(int) time.Time { return time.Now() })
	if got, broken := compared(); got != [4]int{11, 3, 0, 2} || len(broken) != 0 {
		t.Errorf("after two went and three came: %v, %q", got, broken)
	}

	for _, kv := range in.env {
		data, found := strings.CutPrefix(kv, "POSTERN_DATA=")
		if !found {
			continue
		}
		db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "postern.db"))
		ok(t, err)
		_, err = db.ExecContext(t.Context(), `DELETE FROM ledger WHERE uid = 7`)
		ok(t, err)
		ok(t, db.Close())
	}
	got, broken := compared()
	if got != [4]int{11, 3, 1, 2} || !strings.Contains(strings.Join(broken, "\n"), "UID 7 in INBOX of "+support+" has no ledger row") {
		t.Errorf("after a row vanished: %v, %q", got, broken)
	}
	if out, _, err := in.try("verify", "--against-server"); exitCode(err) != 1 || !strings.Contains(out, "INBOX of "+support+": 11 mails on the server, 7 of them with a row, 3 not read yet; 2 rows of mails that are gone") {
		t.Errorf("it says %q, %v", out, err)
	}
	in.dovecot.Kill()
	if _, told, err := in.try("verify", "--against-server"); exitCode(err) != 1 || !strings.Contains(told, "ask the server of "+support) {
		t.Errorf("with the server away: %q, %v", told, err)
	}
}

// TestI5_AFolderThatIsRenamedIsShownAndMended from the command line, while the gateway runs.
func TestI5_AFolderThatIsRenamedIsShownAndMended(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := installWith(t, m, surroundings{since: "all", seed: func(d *mailtest.DovecotServer) { ok(t, d.Dial("support").Create("Done", nil).Wait()) }})
			for name, says := range map[string]string{"Nothing": `the server has no folder "Nothing"; it has`, "Sent": "is the Sent folder", "inbox": "other folders than INBOX"} {
				if _, told, err := in.try("mailbox", "edit", support, "--folder", name); exitCode(err) != 1 || !strings.Contains(told, says) {
					t.Errorf("folder %s: %v, %q", name, err, told)
				}
			}
			in.gateway("mailbox", "edit", support, "--folder", "Done")
			in.start()
			arrives := func(folder, name string) {
				t.Helper()
				in.dovecot.Append("support", folder, mailFrom(name+"@customer.example", support, "Matter "+name, name+"@customer.example", "", "Text."), nil, time.Time{})
			}
			arrives("Done", "a")
			in.ticketAbout("Matter a")
			agent := in.dovecot.Dial("support")
			ok(t, agent.Rename("Done", "Archive 2026", nil).Wait())
			in.until("the problem is shown", func() (bool, error) {
				out, _, err := in.try("mailbox", "list")
				return strings.Contains(out, `PROBLEM: The folder "Done" is not on the server any more, so its mail is not read; it seems to be called "Archive 2026" now`), err
			})
			if out, told, err := in.try("verify", "--against-server"); err != nil || !strings.Contains(out, "note: Done of "+support+" is not on the server any more") {
				t.Errorf("verify: %v, %q, %q", err, out, told)
			}
			// What has nothing to do with the folder can be changed meanwhile, and it can be given up.
			if _, told, err := in.try("mailbox", "edit", support, "--name", "Acme"); err != nil || !strings.Contains(told, `warning: the server has no folder "Done" any more`) {
				t.Errorf("another name: %v, %q", err, told)
			}
			if _, told, err := in.try("mailbox", "edit", support, "--folder", "Done"); exitCode(err) != 1 || !strings.Contains(told, `the server has no folder "Done"; it has`) {
				t.Errorf("the folder is named again: %v, %q", err, told)
			}
			in.gateway("mailbox", "edit", support, "--folder", "")
			if out := in.gateway("mailbox", "list"); !strings.Contains(out, "Done: 1 mail (no longer read)") {
				t.Errorf("it was given up: %q", out)
			}
			arrives("Archive 2026", "b")
			in.gateway("mailbox", "edit", support, "--folder", "Archive 2026")
			in.ticketAbout("Matter b")
			arrives("Archive 2026", "c")
			in.ticketAbout("Matter c")
			if all, err := in.tickets(); err != nil || len(all) != 3 {
				t.Errorf("%d tickets, %v", len(all), err)
			}
			out := in.gateway("mailbox", "list")
			if strings.Contains(out, "PROBLEM") || !strings.Contains(out, "Done: 1 mail (no longer read)") || !strings.Contains(out, "Archive 2026: 3 mails") {
				t.Errorf("it lists %q", out)
			}
			if out := in.gateway("verify", "--against-server"); !strings.Contains(out, "Archive 2026 of "+support+": 3 mails on the server, 3 of them with a row, 0 not read yet; 0 rows of mails that are gone") {
				t.Errorf("verify says %q", out)
			}
			numbers := in.visitor().get("/metrics").body
			for _, line := range []string{"postern_mails_passed_over_total 0", "postern_folders_replaced_total 0"} {
				if !strings.Contains(numbers, "\n"+line+"\n") {
					t.Errorf("the numbers have no line %s", line)
				}
			}
		})
	}
}

// TestI10_AMachineThatWakesUpWritesNothing suspends the gateway that watches the mailbox until another machine's has taken over,
// and wakes it up. Each mail that came before, meanwhile and afterwards is one ticket.
func TestI10_AMachineThatWakesUpWritesNothing(t *testing.T) {
	t.Parallel()
	in := install(t, mode{many: true})
	in.start()
	n := 0
	arrive := func(mails int) {
		t.Helper()
		for range mails {
			n++
			name := fmt.Sprintf("c%d", n)
			in.dovecot.Append("support", "INBOX", mailFrom(name+"@customer.example", support, "Matter "+name, name+"@customer.example", "", "Text."), nil, time.Time{})
		}
	}
	arrive(5)
	in.ticketAbout("Matter c5")
	other := in.machine()
	other.start()
	in.mu.Lock()
	first := in.running["gateway"]
	in.mu.Unlock()
	arrive(20) // in the midst of these
	ok(t, first.cmd.Process.Signal(syscall.SIGSTOP))
	wake := func() error { return first.cmd.Process.Signal(syscall.SIGCONT) }
	t.Cleanup(func() { _ = wake() }) // else it can't be stopped
	arrive(5)
	filed := func(m *installation) func() (bool, error) {
		return func() (bool, error) {
			all, err := m.tickets()
			return len(all) == n, err
		}
	}
	other.within(90*time.Second, "the other machine has filed all", filed(other))
	ok(t, wake())
	arrive(5)
	other.within(90*time.Second, "all is filed", filed(other))
	in.until("the first one knows that it is no longer the watcher", func() (bool, error) {
		return strings.Contains(first.log.String(), "a mailbox is no longer watched here"), nil
	})
	arrive(1)
	other.until("all is filed still", filed(in))
	other.until("nothing is broken", func() (bool, error) {
		v, err := other.verify()
		return len(v.Violations) == 0 && v.Ledger["new-ticket"] == n && v.Ledger["pending"] == 0, err
	})
	if out := other.gateway("verify", "--against-server"); !strings.Contains(out, fmt.Sprintf("INBOX of %s: %d mails on the server, %d of them with a row, 0 not read yet", support, n, n)) {
		t.Errorf("verify says %q", out)
	}
}
