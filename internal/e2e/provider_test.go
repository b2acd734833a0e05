package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/mailtest"
)

const ann = "ann@customer.example"

// TestM5_O6_AProviderThatRewritesIDsAndSavesSent: what it makes of our answer lies in Sent once, shows once, and is what customers
// answer.
func TestM5_O6_AProviderThatRewritesIDsAndSavesSent(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := installWith(t, m, surroundings{people: []string{"ann"}, postfix: &mailtest.PostfixOptions{RewriteIDs: true, SaveSent: "Sent"}})
			in.start()
			in.postfix.Deliver(ann, []string{support}, mailFrom("Ann <"+ann+">", support, "It is broken", "1@customer.example", "", "It does not work."))
			tk := in.ticketAbout("It is broken")
			in.sentTo(ann, 1) // the acknowledgement
			var answer message
			in.call("POST", "/tickets/"+tk.ID+"/messages", map[string]any{"text": "Pull the red lever."}, &answer)
			got := in.sentTo(ann, 2)
			id := strings.Trim(got.Header.Get("Message-ID"), "<>")
			if id != "rewritten."+answer.MessageID {
				t.Fatalf("Ann gets %s", id)
			}
			in.until("the copy is saved and nothing is left to be done", func() (bool, error) {
				v, err := in.verify()
				for state, n := range v.Outbox {
					if n > 0 && state != "sent" {
						return false, fmt.Errorf("%d rows are %s", n, state)
					}
				}
				return err == nil && len(v.Violations) == 0, fmt.Errorf("%v: %w", v.Violations, err)
			})
			in.postfix.Deliver(ann, []string{support}, mailFrom("Ann <"+ann+">", support, "Re: It is broken", "2@customer.example", id, "That helps."))
			var said []string
			for _, m := range in.messagesOf(tk.ID, 3) {
				said = append(said, m.Reply)
			}
			if want := []string{"It does not work.", "Pull the red lever.", "That helps."}; !slices.Equal(said, want) {
				t.Errorf("the ticket says %q, want %q", said, want)
			}
			all, err := in.tickets()
			ok(t, err)
			if len(all) != 1 {
				t.Errorf("there are %d tickets", len(all))
			}
			copies := 0
			for _, m := range in.dovecot.Messages("support", "Sent") {
				if bytes.Contains(m.Raw, []byte("Pull the red lever.")) {
					copies++
				}
			}
			if copies != 1 {
				t.Errorf("the answer lies in Sent %d times", copies)
			}
			in.gateway("verify", "--against-server")
		})
	}
}

// TestF9_AServersOwnBounceIsTold: Postfix takes an answer and reports that nobody has the address. Agents read it in the ticket and the
// inbox, and customers never.
func TestF9_AServersOwnBounceIsTold(t *testing.T) {
	for _, subAddress := range []bool{true, false} {
		t.Run(fmt.Sprintf("sub-address %v", subAddress), func(t *testing.T) {
			t.Parallel()
			in := installWith(t, modes[0], surroundings{postfix: &mailtest.PostfixOptions{}})
			in.gateway("mailbox", "edit", support, fmt.Sprintf("--sub-address=%v", subAddress))
			in.start()
			in.dovecot.Append("support", "INBOX", mailFrom("Gone <gone@customer.example>", support, "It is broken", "1@customer.example", "", "It does not work."), nil, time.Now())
			tk := in.ticketAbout("It is broken")
			var answer message
			in.call("POST", "/tickets/"+tk.ID+"/messages", map[string]any{"text": "Pull the red lever."}, &answer)
			in.until("the answer has failed", func() (bool, error) {
				ms, err := in.messages(tk.ID)
				for _, m := range ms {
					if m.ID == answer.ID && m.Delivery != nil {
						return m.Delivery.State == "failed" && strings.Contains(m.Delivery.Error, "5.1.1"), fmt.Errorf("%+v", *m.Delivery)
					}
				}
				return false, err
			})
			in.until("agents have the notice", func() (bool, error) {
				got := in.dovecot.Messages("support", "INBOX")
				return slices.ContainsFunc(got, func(m mailtest.StoredMessage) bool {
					return bytes.Contains(m.Raw, []byte("gone@customer.example")) && bytes.Contains(m.Raw, []byte("Auto-Submitted: auto-generated"))
				}), fmt.Errorf("%d mails", len(got))
			})
		})
	}
}
