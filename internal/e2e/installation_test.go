// Package e2e runs the built programs as a user would, beside real mail servers, databases and browsers.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// What the programs are made of: without it go test would give a former result for programs that have changed.
	_ "postern/internal/app"
	_ "postern/internal/demo"
	"postern/internal/mailtest"
)

// programs is the folder with the built gateway and worker.
var programs string

// direct asks without a visitor's cookies. A gateway that does not answer fails a test and does not hold it up.
var direct = &http.Client{Timeout: patience}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "postern-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	build := exec.Command("go", "build", "-o", dir, "postern/cmd/gateway", "postern/cmd/worker")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = mailtest.Main(m)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// mode is a way to run Postern.
type mode struct {
	name string
	many bool // PostgreSQL, Redis, and a worker beside the gateway
}

var modes = []mode{{name: "one machine"}, {name: "many machines", many: true}}

// installation is a Postern with its surroundings: a support mailbox on a Dovecot, and a mail server that takes what is
// sent.
type installation struct {
	t       testing.TB
	env     []string
	url     string
	dovecot *mailtest.DovecotServer
	smtp    *mailtest.SMTPServer    // takes what is sent, or
	postfix *mailtest.PostfixServer // brings it to whom it is for
	pg      *mailtest.PostgresServer
	redis   *mailtest.RedisServer
	token   string

	mu      sync.Mutex // guards running
	running map[string]*program
}

type program struct {
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
}

type logBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const support = "support@desk.example"

// install sets Postern up by its own commands, for mail from now on. Nothing runs yet.
func install(t testing.TB, m mode) *installation {
	t.Helper()
	return installWith(t, m, surroundings{})
}

// surroundings are what an installation differs in from the usual one.
type surroundings struct {
	since   string                        // from when on mail is read; empty: now
	seed    func(*mailtest.DovecotServer) // fills the mailbox before it is looked at
	people  []string                      // have a mailbox on the Dovecot beside the desk's
	postfix *mailtest.PostfixOptions      // there is a Postfix, and no sink
	killPG  bool                          // the PostgreSQL is the test's own
}

// installWith is install in other surroundings.
func installWith(t testing.TB, m mode, s surroundings) *installation {
	t.Helper()
	in := &installation{t: t, running: map[string]*program{}}
	users := []mailtest.User{}
	for _, name := range append([]string{"support", "sales", "service"}, s.people...) {
		users = append(users, mailtest.User{Name: name, Password: "secret"})
	}
	in.dovecot = mailtest.DovecotWith(t, mailtest.DovecotOptions{
		LMTP: true, Delimiter: "+", Config: "auth_username_format = %Ln\nprotocol lmtp {\n  lmtp_save_to_detail_mailbox = yes\n}",
	}, users...)
	if s.seed != nil {
		s.seed(in.dovecot)
	}
	if s.postfix != nil {
		in.postfix = mailtest.Postfix(t, in.dovecot, *s.postfix)
	} else {
		in.smtp = mailtest.SMTP(t)
	}
	addr := freeAddr(t)
	in.url = "http://" + addr
	in.env = append(withoutPostern(os.Environ()), "POSTERN_DATA="+t.TempDir(), "POSTERN_LISTEN="+addr, "POSTERN_BASE_URL="+in.url, "POSTERN_LOG_LEVEL=debug")
	if m.many {
		in.redis = mailtest.Redis(t)
		var database string
		if s.killPG {
			in.pg = mailtest.PostgresProcess(t)
			database = in.pg.Database(t)
		} else {
			database = mailtest.Postgres(t)
		}
		in.env = append(in.env, "POSTERN_DATABASE_URL="+database, "POSTERN_REDIS_URL="+in.redis.URL(), "POSTERN_SECRET_KEY="+strings.Repeat("5a", 32))
	}
	in.token = strings.TrimSpace(in.gateway("token", "create", "--name", "test"))
	in.gateway("mailbox", "add", "--address", support, "--name", "Desk Support", "--imap", in.dovecot.IMAPURL("support"), "--smtp", in.submission("support"), "--since", cmp.Or(s.since, "now"))
	t.Cleanup(func() {
		if t.Failed() {
			in.tellWhatIs()
		}
		in.stopAll(syscall.SIGTERM)
		if t.Failed() {
			for name, p := range in.running {
				t.Logf("%s said:\n%s", name, tail(p.log.String(), 400))
			}
		}
	})
	return in
}

// tellWhatIs logs where everything is, once a test has failed.
func (in *installation) tellWhatIs() {
	commands := [][]string{{"verify", "--against-server"}, {"mailbox", "list"}, {"outbox", "list"}, {"mailbox", "changes", support}}
	for _, outcome := range []string{"pending", "held", "new-ticket", "appended", "duplicate", "automatic", "ignored"} {
		commands = append(commands, []string{"ledger", "list", "--outcome", outcome})
	}
	for _, args := range commands {
		out, told, err := in.try(args...)
		in.t.Logf("gateway %s: %v\n%s%s", strings.Join(args, " "), err, tail(out, 40), told)
	}
	in.t.Logf("Dovecot said:\n%s", tail(in.dovecot.Log(), 60))
	if in.postfix != nil {
		in.t.Logf("Postfix has %d mails waiting, and said:\n%s", in.postfix.Waiting(), tail(in.postfix.Log(), 60))
	}
}

// submission is the URL on which a user of the Dovecot sends mail.
func (in *installation) submission(user string) string {
	if in.postfix != nil {
		return in.postfix.URL(user)
	}
	return in.smtp.URL()
}

func withoutPostern(environ []string) []string {
	var out []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "POSTERN_") {
			out = append(out, kv)
		}
	}
	return out
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// gateway runs a command of the gateway and gives what it prints.
func (in *installation) gateway(args ...string) string {
	in.t.Helper()
	out, stderr, err := in.try(args...)
	if err != nil {
		in.t.Fatalf("gateway %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return out
}

func (in *installation) try(args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "gateway"), args...)
	cmd.Env = in.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// start runs the gateway, and the worker where there is one, and waits until requests are answered and the queue is worked off. A program
// that loses its database while it starts ends, and is for others to start again.
func (in *installation) start() {
	in.t.Helper()
	in.run("gateway", "serve")
	if in.redis != nil {
		before := in.workers()
		in.run("worker")
		defer in.until("the worker runs", func() (bool, error) { return in.workers() > before, nil })
	}
	in.until("the gateway is ready", func() (bool, error) {
		resp, err := direct.Get(in.url + "/readyz")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
}

// workers counts how often a worker has come up.
func (in *installation) workers() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if p := in.running["worker"]; p != nil {
		return strings.Count(p.log.String(), "worker runs")
	}
	return 0
}

func (in *installation) run(name string, args ...string) {
	in.t.Helper()
	p := &program{cmd: exec.Command(filepath.Join(programs, name), args...), log: &logBuffer{}, done: make(chan struct{})}
	in.mu.Lock()
	if before := in.running[name]; before != nil { // it goes on where the one that was killed has ended
		p.log = before.log
	}
	in.mu.Unlock()
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = in.env, p.log, p.log
	p.cmd.WaitDelay = patience // for what it has printed, once it has ended
	if err := p.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is the test's doing
	}()
	in.mu.Lock()
	in.running[name] = p
	in.mu.Unlock()
}

// stopAll ends the programs and waits for them.
func (in *installation) stopAll(sig syscall.Signal) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for name, p := range in.running {
		_ = p.cmd.Process.Signal(sig) // it may have ended
		select {
		case <-p.done:
		case <-time.After(40 * time.Second):
			in.t.Errorf("%s does not end", name)
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
}

// until waits for a condition, and fails the test with the last error if it does not come true.
func (in *installation) until(what string, ok func() (bool, error)) {
	in.t.Helper()
	in.within(30*time.Second, what, ok)
}

func (in *installation) within(limit time.Duration, what string, ok func() (bool, error)) {
	in.t.Helper()
	var last error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		done, err := ok()
		if done {
			return
		}
		last = err
		wait(30 * time.Millisecond)
	}
	in.t.Fatalf("waited in vain until %s: %v", what, last)
}

func wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// call asks the API. A nil out is for answers whose body does not matter.
func (in *installation) call(method, path string, body, out any) {
	in.t.Helper()
	if err := in.ask(method, path, body, out); err != nil {
		in.t.Fatal(err)
	}
}

func (in *installation) ask(method, path string, body, out any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, in.url+"/api/v1"+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+in.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := direct.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

type list[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

type ticket struct {
	ID        string  `json:"id"`
	Number    int64   `json:"number"`
	Subject   string  `json:"subject"`
	Status    string  `json:"status"`
	Source    string  `json:"source"`
	ContactID string  `json:"contact_id"`
	CompanyID *string `json:"company_id"`
}

type message struct {
	ID     string `json:"id"`
	Author struct {
		Kind    string `json:"kind"`
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"author"`
	Source      string `json:"source"`
	Internal    bool   `json:"internal"`
	Text        string `json:"text"`
	Reply       string `json:"reply"`
	MessageID   string `json:"message_id"`
	Trust       string `json:"trust"`
	Attachments []struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
	} `json:"attachments"`
	Delivery *struct {
		State string `json:"state"`
		Error string `json:"error"`
	} `json:"delivery"`
}

// tickets reads all tickets, newest first.
func (in *installation) tickets() ([]ticket, error) {
	var all []ticket
	cursor := ""
	for {
		var page list[ticket]
		if err := in.ask("GET", "/tickets?limit=200&cursor="+cursor, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all, nil
		}
		cursor = *page.NextCursor
	}
}

// ticketAbout waits for the ticket with a subject.
func (in *installation) ticketAbout(subject string) ticket {
	in.t.Helper()
	var found ticket
	in.until("there is a ticket about "+subject, func() (bool, error) {
		all, err := in.tickets()
		for _, t := range all {
			if t.Subject == subject {
				found = t
				return true, nil
			}
		}
		return false, errors.Join(err, fmt.Errorf("there are %d tickets", len(all)))
	})
	return found
}

// messages reads a ticket's messages, oldest first.
func (in *installation) messages(ticketID string) ([]message, error) {
	var page list[message]
	err := in.ask("GET", "/tickets/"+ticketID+"/messages?limit=200", nil, &page)
	for i, j := 0, len(page.Items)-1; i < j; i, j = i+1, j-1 {
		page.Items[i], page.Items[j] = page.Items[j], page.Items[i]
	}
	return page.Items, err
}

// messagesOf waits until a ticket has n messages.
func (in *installation) messagesOf(ticketID string, n int) []message {
	in.t.Helper()
	var found []message
	in.until(fmt.Sprintf("the ticket has %d messages", n), func() (bool, error) {
		var err error
		found, err = in.messages(ticketID)
		return len(found) == n, errors.Join(err, fmt.Errorf("it has %d", len(found)))
	})
	return found
}

// sign adds a Standard Webhooks signature.
func sign(req *http.Request, secret, id string, at time.Time, body []byte) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	ts := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, ts, body)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", ts)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// visitor is a browser without script: it keeps cookies and does not follow redirects by itself.
type visitor struct {
	in     *installation
	client *http.Client
}

func (in *installation) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		in.t.Fatal(err)
	}
	return &visitor{in, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: patience}}
}

// page is what a visitor gets.
type page struct {
	status   int
	location string
	header   http.Header
	body     string
}

func (v *visitor) do(req *http.Request) page {
	v.in.t.Helper()
	resp, err := v.client.Do(req)
	if err != nil {
		v.in.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.in.t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header.Get("Location"), resp.Header, string(b)}
}

func (v *visitor) get(path string) page {
	v.in.t.Helper()
	req, err := http.NewRequest("GET", v.in.url+path, nil)
	if err != nil {
		v.in.t.Fatal(err)
	}
	return v.do(req)
}

func (v *visitor) post(path, contentType string, body []byte) page {
	v.in.t.Helper()
	req, err := http.NewRequest("POST", v.in.url+path, bytes.NewReader(body))
	if err != nil {
		v.in.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Origin", v.in.url)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(req)
}

func jsonIn(s string, v any) error {
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("%w in %q", err, s)
	}
	return nil
}
