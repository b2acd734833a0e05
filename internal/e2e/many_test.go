package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/internal/mailtest"
)

// TestM11_ManyMailboxesInOneGateway has three of many mailboxes broken, each in its own way. The others are read, into tickets of their own,
// and whoever runs them is told of the three. Each mailbox has a server's connections for INBOX and Sent, no more.
func TestM11_ManyMailboxesInOneGateway(t *testing.T) {
	t.Parallel()
	n := 8
	if long {
		n = 50
	}
	in := install(t, modes[0])
	users := make([]mailtest.User, n)
	address := func(i int) string { return users[i].Name + "@desk.example" }
	for i := range users {
		users[i] = mailtest.User{Name: fmt.Sprintf("desk%02d", i), Password: "secret"}
	}
	server := mailtest.DovecotWith(t, mailtest.DovecotOptions{Config: "auth_username_format = %Ln\n"}, users...)
	wrong, unreachable, silent := n-3, n-2, n-1
	ids := map[string]string{} // of the mailboxes, by address
	for i, u := range users {
		url := server.IMAPURL(u.Name)
		switch i {
		case wrong:
			url = strings.Replace(url, ":secret@", ":wrong@", 1)
		case unreachable:
			url = "imap://" + u.Name + ":secret@" + freeAddr(t)
		case silent:
			url = "imap://" + u.Name + ":secret@" + saysNothing(t)
		}
		server.Append(u.Name, "INBOX", mailFrom(fmt.Sprintf("Customer %d <c%d@customer.example>", i, i), address(i), fmt.Sprintf("Matter %d", i), fmt.Sprintf("m%d@customer.example", i), "", "Please help."), nil, time.Now())
		in.gateway("mailbox", "add", "--address", address(i), "--imap", url, "--smtp", in.smtp.URL(), "--since", "2020-01-01", "--no-check")
	}
	var lines struct {
		Items []struct {
			ID, Address string
			Folders     []struct{ Name, Problem string }
		}
	}
	look := func() error {
		lines.Items = nil
		return jsonIn(in.gateway("mailbox", "list", "--json"), &lines)
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines.Items {
		ids[l.Address] = l.ID
	}
	in.start()

	type filed struct {
		ID, Subject string
		MailboxID   string `json:"mailbox_id"`
	}
	byMailbox := map[string]filed{}
	healthy := n - 3
	in.within(2*time.Minute, "each mailbox that can be read has its ticket", func() (bool, error) {
		var page list[filed]
		if err := in.ask("GET", "/tickets?limit=200", nil, &page); err != nil {
			return false, err
		}
		for _, f := range page.Items {
			byMailbox[f.MailboxID] = f
		}
		return len(page.Items) == healthy, fmt.Errorf("there are %d tickets", len(page.Items))
	})
	for i := range healthy {
		f := byMailbox[ids[address(i)]]
		if f.Subject != fmt.Sprintf("Matter %d", i) {
			t.Errorf("%s has a ticket about %q", address(i), f.Subject)
		}
		server.Append(users[i].Name, "Sent", mailFrom(address(i), fmt.Sprintf("c%d@customer.example", i), "Re: "+f.Subject, fmt.Sprintf("a%d@desk.example", i), fmt.Sprintf("m%d@customer.example", i), fmt.Sprintf("Answer %d.", i)), []imap.Flag{imap.FlagSeen}, time.Now())
	}
	for i := range healthy {
		said := in.messagesOf(byMailbox[ids[address(i)]].ID, 2)
		if last := said[1]; last.Author.Kind != "agent" || last.Text != fmt.Sprintf("Answer %d.", i) {
			t.Errorf("%s: %+v", address(i), last)
		}
	}
	in.until("only INBOX and Sent have connections", func() (bool, error) {
		// One for each more is there for a minute where something was put into a folder; here nothing was.
		got, err := connections(server.Addr())
		return got == 2*healthy, errors.Join(err, fmt.Errorf("there are %d connections", got))
	})
	in.mu.Lock()
	pid := in.running["gateway"].cmd.Process.Pid
	in.mu.Unlock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			t.Logf("%d mailboxes: %s", n, strings.TrimSpace(line))
		}
	}

	in.within(3*time.Minute, "the broken ones say so", func() (bool, error) {
		if err := look(); err != nil {
			return false, err
		}
		var wants []error
		for _, l := range lines.Items {
			problem := ""
			for _, f := range l.Folders {
				problem += f.Problem
			}
			want := map[string]string{address(wrong): "password", address(unreachable): "refuses connections", address(silent): "does not answer"}[l.Address]
			if want == "" && problem != "" || !strings.Contains(problem, want) {
				wants = append(wants, fmt.Errorf("%s says %q", l.Address, problem))
			}
		}
		return len(wants) == 0, errors.Join(wants...)
	})
	for i := range healthy { // nobody was held up by waiting for them
		server.Append(users[i].Name, "INBOX", mailFrom(fmt.Sprintf("c%d@customer.example", i), address(i), fmt.Sprintf("Re: Matter %d", i), fmt.Sprintf("n%d@customer.example", i), fmt.Sprintf("a%d@desk.example", i), "Thank you."), nil, time.Now())
	}
	for i := range healthy {
		in.messagesOf(byMailbox[ids[address(i)]].ID, 3)
	}
}

// saysNothing is a server that takes connections and never says a word.
func saysNothing(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(io.Discard, c) // until the other side has had enough
			}()
		}
	}()
	t.Cleanup(func() { l.Close() }) // the gateway, which ends later, closes the connections
	return l.Addr().String()
}

// connections counts those that this machine has to one of its own ports.
func connections(addr string) (n int, err error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	table, err := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(table)) {
		// Address and port of both ends are hexadecimal; 01 is an established connection.
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", number)) && f[3] == "01" {
			n++
		}
	}
	return n, err
}
