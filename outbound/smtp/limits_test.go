package smtp

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/mailtest"
	"postern/outbound"
)

// TestO5_AServerThatHasHadEnoughIsLeftAlone, by all mailboxes, longer each time, until it takes mail again.
func TestO5_AServerThatHasHadEnoughIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, no := range map[string]struct {
		stage mailtest.Stage
		says  mailtest.Answer
		pause bool
	}{
		"421":                              {mailtest.AtMail, mailtest.Answer{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: "closing"}, true},
		"too many mails":                   {mailtest.AfterDot, mailtest.Answer{Code: 450, Enhanced: [3]int{4, 7, 0}, Text: "slow down"}, true},
		"a recipient's server puts it off": {mailtest.AtRcpt, mailtest.Answer{Code: 451, Enhanced: [3]int{4, 7, 1}, Text: "greylisted"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := mailtest.SMTP(t)
			var ahead atomic.Int64
			began := time.Now()
			s := sender(t, Options{RootCAs: sink.Certificate.Pool, Now: func() time.Time { return began.Add(time.Duration(ahead.Load())) }})
			one, two := mailbox(sink), mailbox(sink)
			two.Address = "two@acme.example"
			submit := func() error {
				_, err := s.Submit(t.Context(), two, two.Address, "ann@customer.example", text("hello"))
				return err
			}
			sink.Script(answer(no.stage, no.says))
			for _, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} {
				var refusal *outbound.Refusal
				if _, err := s.Submit(t.Context(), one, one.Address, "ann@customer.example", text("hello")); !errors.As(err, &refusal) {
					t.Fatalf("%v", err)
				}
				ahead.Add(int64(wait - time.Second))
				before := sink.Connections()
				var busy *outbound.Busy
				if err := submit(); errors.As(err, &busy) != no.pause || no.pause && sink.Connections() != before {
					t.Fatalf("within the pause of %s: %v, %d connections more", wait, err, sink.Connections()-before)
				}
				ahead.Add(int64(2 * time.Second))
			}
			sink.Script(nil)
			if err := submit(); err != nil || sink.Count() != 1 {
				t.Errorf("after it: %v, %d mails", err, sink.Count())
			}
		})
	}
}

func TestAConnectionCarriesSoManyMails(t *testing.T) {
	t.Parallel()
	sink := mailtest.SMTP(t)
	s := sender(t, Options{RootCAs: sink.Certificate.Pool, MaxMails: 2})
	for range 5 {
		if _, err := s.Submit(t.Context(), mailbox(sink), "support@acme.example", "ann@customer.example", text("hello")); err != nil {
			t.Fatal(err)
		}
	}
	if sink.Count() != 5 || sink.Connections() != 3 {
		t.Errorf("%d mails over %d connections", sink.Count(), sink.Connections())
	}
}
