package e2e

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"

	"postern/internal/mailtest"
)

// TestI3_I4_H5_AgentAnswersFromTheirOwnAddress: an agent is told of a customer's mail, answers from a personal address, and the
// customer has the answer from the support address and in the portal. What is forged goes nowhere.
func TestI3_I4_H5_AgentAnswersFromTheirOwnAddress(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			in.gateway("mailbox", "edit", support, "--sub-address", "--authserv-id", mx, "--authserv-hops", "1")
			in.gateway("agent", "add", "--name", "Mary Major", "--address", "mary@home.example", "--notify", "everything")
			in.start()
			a := &attack{installation: in}
			ticket, ann, _ := a.opens("ann@customer.example", "The printer is jammed", "It has been jammed since monday morning.")

			notice := in.sentTo("mary@home.example", 1)
			body := readMail(t, notice)
			said, _, _ := strings.Cut(body, "<!doctype")
			to, note := replyTo(t, notice), noteAddress(t, body)
			if from, err := mail.ParseAddress(notice.Header.Get("From")); err != nil || from.Address != support || !strings.Contains(body, "since monday morning") || notice.Header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("the notification is %v\n%s", notice.Header, body)
			}
			answer := func(from, dmarc, to, id, text string) {
				t.Helper()
				quoted := "\n\n-- \nMary\nmary@home.example\n\nOn Mon, 2 Mar 2026 at 10:00, Ann wrote:\n> " + strings.ReplaceAll(said, "\n", "\n> ")
				a.arrives("192.0.2.20", from, to, dmarc, mailFrom("Mary <"+from+">", to, "Re: The printer is jammed", id, strings.Trim(notice.Header.Get("Message-Id"), "<>"), text+quoted))
			}
			held := func(n int) {
				t.Helper()
				in.until(fmt.Sprintf("%d mails are held", n), func() (bool, error) {
					out, _, err := in.try("held", "list", "--json")
					if err != nil {
						return false, err
					}
					var items list[struct{ From string }]
					if err := jsonIn(out, &items); err != nil {
						return false, err
					}
					return len(items.Items) == n, fmt.Errorf("%d are", len(items.Items))
				})
			}

			answer("mary@home.example", "fail", to, "forged1@home.example", "Send money to Eve.")
			answer("eve@evil.example", "pass", to, "forged2@evil.example", "Send money to Eve.")
			answer("mary@home.example", "pass", support, "forged3@home.example", "Without the address.")
			held(3)
			answer("mary@home.example", "pass", to, "laptop.1@home.example", "Pull the red lever, then call me at mary@home.example.")
			if got := in.messagesOf(ticket.ID, 2)[1]; got.Author.Kind != "agent" || got.Author.Name != "Mary Major" || got.Author.Address != support || got.Internal || got.Reply != "Pull the red lever, then call me at "+support+"." {
				t.Errorf("the answer is %+v", got)
			}
			sent := in.sentTo("ann@customer.example", 2) // the first was the welcome mail
			raw := fmt.Sprint(sent.Header) + readMail(t, sent)
			if from, err := mail.ParseAddress(sent.Header.Get("From")); err != nil || from.Address != support || !strings.Contains(raw, "Pull the red lever") {
				t.Errorf("the customer has %s", raw)
			}
			for _, private := range []string{"home.example", "laptop", token(to), token(note), "since monday"} {
				if strings.Contains(raw, private) {
					t.Errorf("the customer is told %q: %s", private, raw)
				}
			}

			answer("mary@home.example", "pass", note, "laptop.2@home.example", "He never pulls it.")
			answer("mary@home.example", "pass", to, "laptop.3@home.example", "#note\nHe really never does.")
			in.messagesOf(ticket.ID, 4)
			answer("mary@home.example", "pass", to, "laptop.4@home.example", "#nots\nThis must not go out.")
			held(4)
			shown := ann.get(fmt.Sprintf("/tickets/%d", ticket.Number)).body
			if !strings.Contains(shown, "Pull the red lever") || !strings.Contains(shown, "Mary Major") {
				t.Errorf("the portal does not show the answer: %s", shown)
			}
			for _, private := range []string{"home.example", "never", "money", "must not", token(to), token(note)} {
				if strings.Contains(shown, private) {
					t.Errorf("the portal shows %q", private)
				}
			}
			answer("mary@home.example", "pass", to, "laptop.5@home.example", "#close")
			in.until("the ticket is closed", func() (bool, error) {
				var now struct{ Status string }
				err := in.ask("GET", "/tickets/"+ticket.ID, nil, &now)
				return now.Status == "closed", err
			})
			in.gateway("verify", "--against-server")
			mailtest.Until(t, "nothing more has gone to the customer", func() bool {
				n := 0
				for _, r := range in.smtp.Received() {
					for _, address := range r.To {
						if address == "ann@customer.example" {
							n++
						}
					}
				}
				return n == 2
			})
		})
	}
}

// readMail gives a mail's text, and what else it says behind it.
func readMail(t *testing.T, m *mail.Message) string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := parts.NextPart()
		if err == io.EOF {
			return strings.ReplaceAll(text.String(), "\r\n", "\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&text, part); err != nil {
			t.Fatal(err)
		}
	}
}

func replyTo(t *testing.T, m *mail.Message) string {
	t.Helper()
	to, err := mail.ParseAddress(m.Header.Get("Reply-To"))
	if err != nil {
		t.Fatal(err)
	}
	return to.Address
}

// noteAddress finds the address for notes in a notification.
func noteAddress(t *testing.T, body string) string {
	t.Helper()
	_, after, ok := strings.Cut(body, "write to ")
	address, _, ends := strings.Cut(after, ",")
	if !ok || !ends {
		t.Fatalf("no address for notes in %s", body)
	}
	return strings.TrimSpace(address)
}

// token is what stands behind the "+" of an address.
func token(address string) string {
	local, _, _ := strings.Cut(address, "@")
	_, token, _ := strings.Cut(local, "+")
	return token
}
