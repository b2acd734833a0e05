package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// BenchmarkAnswerShown is the time from an agent's answer in Sent to the customer's page that shows it (the goal is 2 s). Run it with
// go test -run '^$' -bench AnswerShown -benchtime 20x ./internal/e2e
func BenchmarkAnswerShown(b *testing.B) {
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			in := install(b, m)
			in.start()
			in.dovecot.Append("support", "INBOX", mailFrom("Ann <"+ann+">", support, "It is broken", "1@customer.example", "", "It does not work."), nil, time.Now())
			tk := in.ticketAbout("It is broken")
			v := in.visitor()
			v.post(link(b, in.sentTo(ann, 1)), "application/x-www-form-urlencoded", []byte("password="+url.QueryEscape(password)))
			path := fmt.Sprintf("/tickets/%d", tk.Number)
			var took []time.Duration
			for n := 0; b.Loop(); n++ {
				text := fmt.Sprintf("Answer number %d.", n)
				raw := mailFrom("Desk <"+support+">", ann, "Re: It is broken", fmt.Sprintf("a%d@desk.example", n), "1@customer.example", text)
				in.dovecot.Append("support", "Sent", raw, []imap.Flag{imap.FlagSeen}, time.Now())
				begin := time.Now()
				in.until("the portal shows "+text, func() (bool, error) { return strings.Contains(v.get(path).body, text), nil })
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[0].Milliseconds()), "ms-least")
			b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-median")
			b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "ms-most")
		})
	}
}
