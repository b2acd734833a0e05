package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/mailtest"
)

// verified is what "gateway verify --json" says.
type verified struct {
	Ledger     map[string]int `json:"ledger"`
	Outbox     map[string]int `json:"outbox"`
	Violations []string       `json:"violations"`
	Unknown    []struct {
		MessageID string `json:"message_id"`
		Recipient string `json:"recipient"`
		Kind      string `json:"kind"`
	} `json:"unknown"`
}

func (in *installation) verify() (verified, error) {
	var v verified
	out, stderr, err := in.try("verify", "--json")
	if jsonErr := jsonIn(out, &v); jsonErr != nil {
		return v, fmt.Errorf("%w: %s", jsonErr, stderr)
	}
	return v, err
}

// killAndRestart runs the programs and kills them at a random moment, again and again. between, if not nil, does some more
// harm after each kill.
func (in *installation) killAndRestart(kills int, upTo time.Duration, between func()) {
	in.t.Helper()
	for range kills {
		in.run("gateway", "serve")
		if in.redis != nil {
			in.run("worker")
		}
		wait(50*time.Millisecond + rand.N(upTo))
		in.stopAll(syscall.SIGKILL)
		if between != nil {
			between()
		}
	}
}

// TestF1_F2_KillsWhileIngesting kills the gateway at random moments while it reads a backlog. Each mail becomes one
// message of the right ticket, and nothing is sent because of old mail (L11).
func TestF1_F2_KillsWhileIngesting(t *testing.T) {
	mails, kills := 300, 5
	if long {
		mails, kills = 2000, 20
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := installWith(t, m, surroundings{since: "all", seed: func(d *mailtest.DovecotServer) {
				d.SeedMaildir("support", "INBOX", mails, func(i int) []byte {
					answers := ""
					if i%3 == 2 { // every third answers the one before, of the same customer
						answers = fmt.Sprintf("m%d@customer.example", i-1)
					}
					who := fmt.Sprintf("c%d@customer.example", i/3%97)
					return mailFrom(who, support, fmt.Sprintf("Matter %d", i), fmt.Sprintf("m%d@customer.example", i), answers, fmt.Sprintf("Text %d.", i))
				}, func(i int) time.Time { return time.Now().Add(-48*time.Hour + time.Duration(i)*time.Second) })
			}})
			in.killAndRestart(kills, 1200*time.Millisecond, func() {
				if in.redis != nil {
					in.redis.FlushAll()
				}
			})
			in.start()
			answers := mails / 3
			in.within(3*time.Minute, "all mails are filed", func() (bool, error) {
				v, err := in.verify()
				return v.Ledger["new-ticket"] == mails-answers && v.Ledger["appended"] == answers && v.Ledger["pending"] == 0, fmt.Errorf("%v, %w", v.Ledger, err)
			})
			v, err := in.verify()
			if err != nil || len(v.Violations) > 0 {
				t.Errorf("verify: %v, %v", v.Violations, err)
			}
			all, err := in.tickets()
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, tk := range all {
				got = append(got, tk.Subject)
			}
			for i := range mails {
				if i%3 != 2 {
					want = append(want, fmt.Sprintf("Matter %d", i))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("there are %d tickets, want %d", len(got), len(want))
			}
			if n := in.smtp.Count(); n != 0 {
				t.Errorf("%d mails were sent because of old mail", n)
			}
		})
	}
}

// TestF12_O4_KillsWhileSending kills the programs at random moments while they send. Every mail arrives; a second copy
// only of a row that verify lists as having been unknown, with the same Message-ID and bytes, at most one for each kill
// and sending slot.
func TestF12_O4_KillsWhileSending(t *testing.T) {
	mails, kills := 60, 4
	if long {
		mails, kills = 200, 20
	}
	const slots = 4
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			in.smtp.Script(func(s mailtest.Stage, _ mailtest.Received) *mailtest.Answer {
				if s == mailtest.AfterDot { // a server that takes its time, so that kills hit mails under way
					return &mailtest.Answer{Accept: true, Code: 250, Text: "taken", Delay: 20 * time.Millisecond}
				}
				return nil
			})
			in.start()
			for i := range mails {
				in.call("POST", "/contacts", map[string]any{"name": fmt.Sprintf("Customer %d", i), "addresses": []string{fmt.Sprintf("c%d@customer.example", i)}, "welcome": false}, nil)
			}
			in.stopAll(syscall.SIGKILL)
			// Rows are added while nothing sends, so that the kills have something to interrupt.
			for i := range mails {
				in.gateway("ticket", "add", "--contact", fmt.Sprintf("c%d@customer.example", i), "--subject", fmt.Sprintf("Matter %d", i), "--text", fmt.Sprintf("Text %d.", i), "--mail")
			}
			in.killAndRestart(kills, 700*time.Millisecond, func() {
				if in.redis != nil {
					in.redis.FlushAll()
				}
			})
			in.start()
			in.allIsSent(mails)
			in.checkSent(mails, kills*slots)
		})
	}
}

// allIsSent waits until the mails are sent, and each has its copy in Sent.
func (in *installation) allIsSent(mails int) {
	in.t.Helper()
	in.within(3*time.Minute, "all is sent", func() (bool, error) {
		v, err := in.verify()
		return v.Outbox["sent"] == 2*mails, fmt.Errorf("%v, %w", v.Outbox, err)
	})
}

// checkSent compares what arrived, and what lies in Sent, with what verify knows.
func (in *installation) checkSent(mails, mayBeTwice int) {
	in.t.Helper()
	v, err := in.verify()
	if err != nil || len(v.Violations) > 0 {
		in.t.Errorf("verify: %v, %v", v.Violations, err)
	}
	unknown := map[string]bool{}
	for _, u := range v.Unknown {
		unknown[u.Recipient] = true
	}
	copies := map[string][]string{}
	for _, r := range in.smtp.Received() {
		copies[r.To[0]] = append(copies[r.To[0]], string(r.Raw))
	}
	if len(copies) != mails {
		in.t.Errorf("%d recipients got mail, want %d", len(copies), mails)
	}
	saved := map[string]int{}
	for _, m := range in.dovecot.Messages("support", "Sent") {
		saved[messageID(m.Raw)]++
	}
	for id, n := range saved {
		if n > 1 {
			in.t.Errorf("%s lies in Sent %d times", id, n)
		}
	}
	if len(saved) != mails {
		in.t.Errorf("%d mails have a copy in Sent, want %d", len(saved), mails)
	}
	twice := 0
	for to, raws := range copies {
		if len(raws) == 1 {
			continue
		}
		twice += len(raws) - 1
		if !unknown[to] {
			in.t.Errorf("%s got %d copies, though verify does not list the row as unknown", to, len(raws))
		}
		for _, raw := range raws[1:] {
			if raw != raws[0] || !strings.Contains(raw, "Message-Id: <") && !strings.Contains(raw, "Message-ID: <") {
				in.t.Errorf("the copies for %s differ:\n%s\n%s", to, raws[0], raw)
			}
		}
	}
	if twice > mayBeTwice {
		in.t.Errorf("%d second copies, at most %d are allowed", twice, mayBeTwice)
	}
	in.t.Logf("%d mails, %d second copies, %d rows were unknown once", mails, twice, len(v.Unknown))
}

// TestF6_RedisKilled has Redis die and lose everything while mail is sent: each arrives once.
func TestF6_RedisKilled(t *testing.T) {
	t.Parallel()
	const mails = 60
	in := install(t, mode{many: true})
	in.start()
	for i := range mails {
		var c struct {
			ID string `json:"id"`
		}
		in.call("POST", "/contacts", map[string]any{"addresses": []string{fmt.Sprintf("c%d@customer.example", i)}, "welcome": false}, &c)
		in.call("POST", "/tickets", map[string]any{"contact_id": c.ID, "subject": "Hello", "text": "Hello.", "mail": true}, nil)
		switch i {
		case 15:
			in.redis.FlushAll()
		case 30:
			in.redis.Kill()
		case 45:
			in.redis.Start()
		}
	}
	in.allIsSent(mails)
	in.checkSent(mails, 0)
}

// TestI7_OneBrokenMailStopsNothing has a mail among others that is none: the others are filed within seconds, and it is
// listed with its reason. What ends the reader itself is ingest's test: no bytes are known that do.
func TestI7_OneBrokenMailStopsNothing(t *testing.T) {
	t.Parallel()
	in := installWith(t, mode{}, surroundings{since: "all", seed: func(d *mailtest.DovecotServer) {
		d.SeedMaildir("support", "INBOX", 20, func(i int) []byte {
			if i == 7 {
				return []byte("\x00\x01\x02 this is no mail at all")
			}
			return mailFrom(fmt.Sprintf("c%d@customer.example", i), support, fmt.Sprintf("Matter %d", i), fmt.Sprintf("m%d@customer.example", i), "", "Text.")
		}, nil)
	}})
	in.start()
	in.within(15*time.Second, "the others are filed", func() (bool, error) {
		v, err := in.verify()
		return v.Ledger["new-ticket"] == 19 && v.Ledger["held"]+v.Ledger["quarantined"] == 1, fmt.Errorf("%v %w", v.Ledger, err)
	})
	var held, quarantined list[struct {
		Reason string `json:"reason"`
	}]
	in.call("GET", "/held", nil, &held)
	in.call("GET", "/quarantine", nil, &quarantined)
	if listed := append(held.Items, quarantined.Items...); len(listed) != 1 || listed[0].Reason == "" {
		t.Errorf("listed are %+v", listed)
	}
}
