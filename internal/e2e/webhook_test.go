package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestW1_A200IsDurable kills the gateway the moment it has said 200, again and again: each post is a ticket afterwards,
// once, also when its sender did not hear the answer and sends it again.
func TestW1_A200IsDurable(t *testing.T) {
	kills := 4
	if long {
		kills = 20
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			form := strings.Fields(in.gateway("form", "add", "--name", "Contact", "--mailbox", support, "--map", "email=email,subject=topic,message=text"))
			post := func(i int) page {
				body := fmt.Appendf(nil, `{"email":"person-%d@form.example","topic":"Post %d","text":"%s"}`, i, i, strings.Repeat("text ", i*4000)) // some lie in a file
				req, err := http.NewRequest("POST", form[0], bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				sign(req, form[1], fmt.Sprintf("delivery-%d", i), time.Now(), body)
				return in.visitor().do(req)
			}
			everythingIsRead := func() {
				in.until("everything is read", func() (bool, error) {
					v, err := in.verify()
					return err == nil && v.Ledger["pending"] == 0 && len(v.Violations) == 0, fmt.Errorf("%+v, %w", v, err)
				})
			}
			for i := range kills {
				in.start()
				everythingIsRead() // else the third kill would put what was being read into quarantine
				if p := post(i); p.status != http.StatusOK {
					t.Fatalf("post %d gives %d %s", i, p.status, p.body)
				}
				in.stopAll(syscall.SIGKILL)
			}
			in.start()
			for i := range kills {
				if p := post(i); p.status != http.StatusOK || !strings.Contains(p.body, "duplicate") {
					t.Errorf("post %d once more gives %d %s", i, p.status, p.body)
				}
			}
			everythingIsRead()
			all, err := in.tickets()
			if err != nil || len(all) != kills {
				var quarantine, held list[map[string]any]
				in.call("GET", "/quarantine", nil, &quarantine)
				in.call("GET", "/held", nil, &held)
				t.Errorf("there are %d tickets, want %d: %v; in quarantine %v, held %v", len(all), kills, err, quarantine.Items, held.Items)
			}
			for i := range kills {
				if !slices.ContainsFunc(all, func(have ticket) bool { return have.Subject == fmt.Sprintf("Post %d", i) }) {
					t.Errorf("post %d is no ticket", i)
				}
			}
		})
	}
}

// TestF29_OneDeliveryFromManyAtOnce posts the same delivery to a running installation from many connections.
func TestF29_OneDeliveryFromManyAtOnce(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			form := strings.Fields(in.gateway("form", "add", "--name", "Contact", "--mailbox", support, "--map", "email=email,subject=topic,message=text"))
			in.start()
			body := []byte(`{"email":"cleo@form.example","topic":"Once","text":"Hi."}`)
			done := make(chan string)
			for range 12 {
				go func() {
					req, err := http.NewRequest("POST", form[0], bytes.NewReader(body))
					if err != nil {
						done <- err.Error()
						return
					}
					req.Header.Set("Content-Type", "application/json")
					sign(req, form[1], "same", time.Now(), body)
					resp, err := direct.Do(req)
					if err != nil {
						done <- err.Error()
						return
					}
					done <- resp.Status
					_ = resp.Body.Close() // its status is all that matters
				}()
			}
			for range 12 {
				if s := <-done; s != "200 OK" {
					t.Errorf("a post gives %s", s)
				}
			}
			in.ticketAbout("Once")
			in.sentTo("cleo@form.example", 1)
			if all, err := in.tickets(); err != nil || len(all) != 1 {
				t.Errorf("there are %d tickets: %v", len(all), err)
			}
		})
	}
}
