package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestM11_OneMailToTwoMailboxesIsOneTicket, where that is set: agents of both answer to it from their own Sent folders, each mailbox shows its own
// copy, and closing it in one moves the copy in the other.
func TestM11_OneMailToTwoMailboxesIsOneTicket(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const sales = "sales@desk.example"
			in := install(t, m)
			in.gateway("mailbox", "add", "--address", sales, "--imap", in.dovecot.IMAPURL("sales"), "--smtp", in.smtp.URL(), "--since", "now")
			for user, address := range map[string]string{"support": support, "sales": sales} {
				if err := in.dovecot.Dial(user).Create("Archive", nil).Wait(); err != nil {
					t.Fatal(err)
				}
				in.gateway("mailbox", "edit", address, "--closed-folder", "Archive", "--status-from-mailbox", "on", "--status-to-mailbox", "on")
			}
			in.token = strings.TrimSpace(in.gateway("token", "create", "--name", "settings", "--scope", "portal:settings", "--scope", "read"))
			in.start()
			in.call("PATCH", "/settings", map[string]any{"one_ticket": true}, nil)

			raw := mailFrom("Ann Example <ann@customer.example>", support+", "+sales, "For both", "1@customer.example", "", "Who is in charge?")
			for _, user := range []string{"support", "sales"} {
				in.dovecot.Append(user, "INBOX", raw, nil, time.Now())
			}
			both := in.ticketAbout("For both")
			in.until("each mailbox has its row", func() (bool, error) {
				v, err := in.verify()
				return err == nil && v.Ledger["new-ticket"] == 1 && v.Ledger["duplicate"] == 1, fmt.Errorf("%v, %v", v.Ledger, err)
			})
			in.dovecot.Append("sales", "Sent", mailFrom(sales, "ann@customer.example", "Re: For both", "2@desk.example", "1@customer.example", "Sales are."), []imap.Flag{imap.FlagSeen}, time.Now())
			in.messagesOf(both.ID, 2)
			in.dovecot.Append("sales", "INBOX", mailFrom("ann@customer.example", sales, "Re: For both", "3@customer.example", "2@desk.example", "Good to know."), nil, time.Now())
			in.messagesOf(both.ID, 3)
			in.dovecot.Append("support", "Sent", mailFrom(support, "ann@customer.example", "Re: For both", "4@desk.example", "1@customer.example", "Support is, too."), []imap.Flag{imap.FlagSeen}, time.Now())
			said := in.messagesOf(both.ID, 4)
			for i, want := range []string{"Who is in charge?", "Sales are.", "Good to know.", "Support is, too."} {
				if !strings.Contains(said[i].Text, want) || said[i].Internal {
					t.Errorf("message %d is %+v", i+1, said[i])
				}
			}
			in.sentTo("ann@customer.example", 1) // the welcome mail: one for both, and no answer a second time

			c := in.dovecot.Dial("sales")
			if _, err := c.Select("INBOX", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Move(imap.UIDSet{{Start: 1, Stop: 0}}, "Archive").Wait(); err != nil {
				t.Fatal(err)
			}
			c.Close()
			in.until("the ticket is closed", func() (bool, error) {
				var now ticket
				err := in.ask("GET", "/tickets/"+both.ID, nil, &now)
				return now.Status == "closed", fmt.Errorf("it is %s, %v", now.Status, err)
			})
			in.until("the other copy has moved", func() (bool, error) {
				n := len(in.dovecot.Messages("support", "Archive"))
				return n == 1 && len(in.dovecot.Messages("support", "INBOX")) == 0, fmt.Errorf("%d are in Archive", n)
			})
			all, err := in.tickets()
			if err != nil || len(all) != 1 || in.smtp.Count() != 1 {
				t.Errorf("%d tickets, %d mails, %v", len(all), in.smtp.Count(), err)
			}
			in.until("the installation is in order", func() (bool, error) {
				v, err := in.verify()
				return err == nil && len(v.Violations) == 0, fmt.Errorf("%v: %v", v, err)
			})
			in.gateway("verify", "--against-server")
		})
	}
}
