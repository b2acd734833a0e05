package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/mailtest"
)

// fresh is a data folder in which nothing has happened, on a free port.
func fresh(t *testing.T) *installation {
	t.Helper()
	in := &installation{t: t, running: map[string]*program{}}
	addr := freeAddr(t)
	in.url = "http://" + addr
	in.env = append(withoutPostern(os.Environ()), "POSTERN_DATA="+filepath.Join(t.TempDir(), "data"), "POSTERN_LISTEN="+addr, "POSTERN_BASE_URL="+in.url)
	t.Cleanup(func() { in.stopAll(syscall.SIGTERM) })
	return in
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return 0
}

// TestCommandsOnAFreshFolder goes through the set-up as the README tells it, beside no gateway and then beside a running one.
func TestCommandsOnAFreshFolder(t *testing.T) {
	t.Parallel()
	in := fresh(t)
	dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "secret"})
	sink := mailtest.SMTP(t)
	in.dovecot, in.smtp = dovecot, sink

	token, stderr, err := in.try("token", "create", "--name", "script")
	if err != nil || !regexp.MustCompile(`^pst_[\w-]{43}\n$`).MatchString(token) || !strings.HasPrefix(stderr, "note: there was no Postern in the data folder") {
		t.Errorf("token create prints %q and %q, %v", token, stderr, err)
	}
	in.token = strings.TrimSpace(token)
	company := strings.TrimSpace(in.gateway("company", "add", "--name", "Acme", "--domain", "acme.example"))
	in.run("gateway", "serve")
	in.until("the gateway says how to begin", func() (bool, error) {
		return strings.Contains(in.running["gateway"].log.String(), "gateway mailbox add support@example.com"), nil
	})

	// from here on beside the running gateway
	in.gateway("mailbox", "add", "--address", "support@desk.example", "--imap", dovecot.IMAPURL("support"), "--smtp", sink.URL(), "--since", "all")
	form := strings.Fields(in.gateway("form", "add", "--name", "Contact", "--mailbox", "support@desk.example", "--map", "email=email,name=name,subject=topic,message=text"))
	if len(form) != 2 || !strings.HasPrefix(form[0], in.url+"/hooks/") || !strings.HasPrefix(form[1], "whsec_") {
		t.Errorf("form add prints %q", form)
	}
	body := []byte(`{"email":"dora@acme.example","topic":"At once","text":"Hello."}`)
	req, err := http.NewRequest("POST", form[0], bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	sign(req, form[1], "one", time.Now(), body)
	if p := in.visitor().do(req); p.status != http.StatusOK {
		t.Errorf("the new form gives %d %s", p.status, p.body)
	}
	dovecot.Append("support", "INBOX", mailFrom("Ann <ann@acme.example>", "support@desk.example", "Seen at once", "a@acme.example", "", "Hi."), nil, time.Now())
	in.within(5*time.Second+2*time.Second, "the running gateway watches the new mailbox", func() (bool, error) {
		all, err := in.tickets()
		return len(all) == 2, err
	})

	bob := strings.TrimSpace(in.gateway("contact", "add", "--email", "bob@acme.example", "--name", "Bob", "--username", "bob"))
	in.gateway("contact", "edit", "bob@acme.example", "--name", "Robert", "--language", "de")
	var contacts list[struct {
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		Username  string   `json:"username"`
		CompanyID string   `json:"company_id"`
		Addresses []string `json:"addresses"`
	}]
	if err := json.Unmarshal([]byte(in.gateway("contact", "list", "--json")), &contacts); err != nil {
		t.Fatal(err)
	}
	if c := contacts.Items[0]; c.ID != bob || c.Name != "Robert" || c.Username != "bob" || c.CompanyID != company {
		t.Errorf("the newest contact is %+v, want Robert of company %s", c, company)
	}
	in.sentTo("bob@acme.example", 1) // the welcome mail
	number := strings.TrimSpace(in.gateway("ticket", "add", "--contact", "bob@acme.example", "--subject", "A call", "--text", "Bob called.", "--mail"))
	if number != "3" {
		t.Errorf("ticket add prints %q", number)
	}
	if m := in.sentTo("bob@acme.example", 2); m.Header.Get("Subject") != "A call" {
		t.Errorf("the mail about the call is %v", m.Header)
	}
	in.gateway("company", "edit", company, "--domain", "acme.example,acme.test")
	for _, args := range [][]string{{"company", "list"}, {"mailbox", "list"}, {"form", "list"}, {"contact", "list"}, {"verify"}, {"config"}, {"version"}} {
		if out := in.gateway(args...); strings.Contains(out, "support:secret") || strings.Contains(out, "whsec_") || strings.TrimSpace(out) == "" {
			t.Errorf("%v prints %q", args, out)
		}
	}
	out, stderr, err := in.try("mailbox", "test", "support@desk.example")
	if err != nil || !strings.Contains(out+stderr, "ok: signed in to IMAP") || !strings.Contains(out, `Sent folder "Sent"`) || !strings.Contains(out, "note: answers carry no signed address. Find out") {
		t.Errorf("mailbox test says %s %s %v", out, stderr, err)
	}
	if _, stderr, err := in.try("serve"); err == nil || !strings.Contains(stderr, "runs with the data folder") {
		t.Errorf("a second gateway on the folder says %q, %v", stderr, err)
	}
}

// TestSetUpIsChanged changes a mailbox, a form and a token beside a running gateway, which takes each up.
func TestSetUpIsChanged(t *testing.T) {
	t.Parallel()
	in := fresh(t)
	dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "secret"})
	dovecot.Append("support", "INBOX", mailFrom("Ann <ann@acme.example>", "support@desk.example", "Before", "a@acme.example", "", "Hi."), nil, time.Now())
	in.gateway("mailbox", "add", "--address", "support@desk.example", "--imap", "imap://support:former@"+dovecot.Addr(), "--since", "all", "--no-check")
	in.run("gateway", "serve")
	in.token = strings.TrimSpace(in.gateway("token", "create", "--name", "script"))
	password := func(p string) string {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(p+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	if _, stderr, err := in.try("mailbox", "edit", "support@desk.example", "--imap-password-file", password("wrong")); err == nil || !strings.Contains(stderr, "nothing was changed") {
		t.Errorf("a wrong password: %s, %v", stderr, err)
	}
	in.gateway("mailbox", "edit", "support@desk.example", "--imap-password-file", password("secret"))
	seen := func(want int) {
		t.Helper()
		in.within(7*time.Second, fmt.Sprintf("there are %d tickets", want), func() (bool, error) {
			all, err := in.tickets()
			return len(all) == want, err
		})
	}
	seen(1)

	in.gateway("mailbox", "pause", "support@desk.example")
	in.within(7*time.Second, "the paused mailbox is let go", func() (bool, error) {
		p := in.visitor().get("/readyz")
		return !strings.Contains(p.body, "watching"), fmt.Errorf("%s", p.body)
	})
	dovecot.Append("support", "INBOX", mailFrom("Ann <ann@acme.example>", "support@desk.example", "Meanwhile", "b@acme.example", "", "Hi."), nil, time.Now())
	in.gateway("mailbox", "resume", "support@desk.example")
	seen(2)

	form := strings.Fields(in.gateway("form", "add", "--name", "Contact", "--map", "email=email,subject=topic,message=text"))
	if _, stderr, err := in.try("form", "add", "--name", "X", "--map", "phone=tel"); err == nil || !strings.Contains(stderr, `no field "phone"`) {
		t.Errorf("an unknown field: %s, %v", stderr, err)
	}
	post := func(secret, id string) int {
		body := []byte(`{"email":"dora@acme.example","topic":"Form ` + id + `","text":"Hello."}`)
		req, err := http.NewRequest("POST", form[0], bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		sign(req, secret, id, time.Now(), body)
		return in.visitor().do(req).status
	}
	if got := post(form[1], "one"); got != http.StatusOK {
		t.Errorf("a signed post gets %d", got)
	}
	var forms list[struct{ ID string }]
	if err := json.Unmarshal([]byte(in.gateway("form", "list", "--json")), &forms); err != nil {
		t.Fatal(err)
	}
	renewed := strings.Fields(in.gateway("form", "edit", forms.Items[0].ID, "--new-secret"))
	if len(renewed) != 2 || renewed[0] != form[0] || renewed[1] == form[1] {
		t.Fatalf("form edit --new-secret prints %q", renewed)
	}
	in.within(5*time.Second, "the former secret has ended", func() (bool, error) { return post(form[1], "two") == http.StatusUnauthorized, nil })
	if got := post(renewed[1], "three"); got != http.StatusOK {
		t.Errorf("a post signed with the new secret gets %d", got)
	}
	in.gateway("form", "edit", forms.Items[0].ID, "--disabled")
	in.within(5*time.Second, "the form takes no posts", func() (bool, error) {
		got := post(renewed[1], "four")
		return got == http.StatusGone, fmt.Errorf("%d", got)
	})

	var tokens list[struct {
		ID       string
		Name     string
		LastUsed *time.Time `json:"last_used"`
	}]
	if err := json.Unmarshal([]byte(in.gateway("token", "list", "--json")), &tokens); err != nil {
		t.Fatal(err)
	}
	if len(tokens.Items) != 1 || tokens.Items[0].Name != "script" || tokens.Items[0].LastUsed == nil {
		t.Fatalf("token list says %+v", tokens.Items)
	}
	in.gateway("token", "revoke", tokens.Items[0].ID)
	if _, err := in.tickets(); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a revoked token: %v", err)
	}
}

// TestMistakesAreTold has people do it wrong: each gets a clear sentence, and nothing is stored.
func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	in := fresh(t)
	dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "secret"})
	sink := mailtest.SMTP(t)
	add := func(imap, smtp string) []string {
		return []string{"mailbox", "add", "--address", "support@desk.example", "--imap", imap, "--smtp", smtp}
	}
	imapTLS := "imaps://support:secret@" + dovecot.TLSAddr()
	for name, c := range map[string]struct {
		args []string
		env  string
		want string
		code int
	}{
		"unknown command":      {args: []string{"serv"}, want: `unknown command "serv"`, code: 2},
		"unknown flag":         {args: []string{"serve", "--lisen", "x"}, want: "unknown flag: --lisen", code: 2},
		"missing flag":         {args: []string{"form", "add"}, want: `"name" not set`, code: 2},
		"unknown setting":      {args: []string{"config"}, env: "POSTERN_LISEN=x", want: "POSTERN_LISEN: there is no such setting"},
		"bad setting":          {args: []string{"config", "--listen", "nowhere"}, want: "listen: "},
		"two bad settings":     {args: []string{"config", "--listen", "nowhere", "--log-format", "xml"}, want: "log_format: "},
		"wrong password":       {args: add("imap://support:wrong@"+dovecot.Addr(), sink.URL()), want: "password"},
		"nobody there":         {args: add("imap://support:secret@127.0.0.1:1", sink.URL()), want: "refuses connections"},
		"unknown certificate":  {args: add(imapTLS, sink.URL()), want: "certificate"},
		"no such host":         {args: add("imap://support:secret@mail.invalid:143?starttls=never", sink.URL()), want: "mail.invalid"},
		"no password":          {args: add("imap://support@"+dovecot.Addr(), sink.URL()), want: "--imap-password-file"},
		"not a URL":            {args: add("mail.example", sink.URL()), want: "--imap: "},
		"no mailbox":           {args: []string{"form", "add", "--name", "X"}, want: "mailbox"},
		"public mail domain":   {args: []string{"company", "add", "--name", "Everybody", "--domain", "gmail.com"}, want: "open to everybody"},
		"not a domain":         {args: []string{"company", "add", "--name", "X", "--domain", "x y"}, want: "not a domain"},
		"unknown scope":        {args: []string{"token", "create", "--name", "x", "--scope", "all"}, want: `no scope "all"`},
		"public suffix":        {args: []string{"company", "add", "--name", "X", "--domain", "co.uk"}, want: "under co.uk"},
		"unknown mailbox":      {args: []string{"mailbox", "edit", "x@desk.example", "--name", "X"}, want: "no mailbox is connected"},
		"unknown form":         {args: []string{"form", "edit", "x", "--disabled"}, want: "no form \"x\""},
		"unknown token":        {args: []string{"token", "revoke", "x"}, want: "token not found"},
		"unknown contact":      {args: []string{"contact", "edit", "nobody@acme.example", "--name", "X"}, want: "contact not found"},
		"nothing to verify":    {args: []string{"verify"}, env: "POSTERN_DATA=" + filepath.Join(t.TempDir(), "none"), want: "nothing to verify"},
		"an empty scope":       {args: []string{"token", "create", "--name", "x", "--scope", ""}, want: "--scope is empty", code: 2},
		"a demo with settings": {args: []string{"demo", "--data", "x"}, want: "takes --listen alone", code: 2},
		"a word like an error": {args: []string{"company", "add", "--name", "X", "--domain", "flag x"}, want: "not a domain"},
		"a call about nothing": {args: []string{"ticket", "add", "--contact", "bob@acme.example", "--subject", "X", "--text", " "}, want: "contact not found"},
		"unreadable mail file": {args: []string{"inspect", "/nonexistent.eml"}, want: "could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			env := in.env
			if c.env != "" {
				env = append(append([]string{}, env...), c.env)
			}
			one := &installation{t: t, env: env}
			_, stderr, err := one.try(c.args...)
			code := max(c.code, 1)
			if err == nil || exitCode(err) != code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "goroutine") {
				t.Errorf("it says %q, exit status %d; want %q, %d", stderr, exitCode(err), c.want, code)
			}
			if strings.Contains(stderr, "support:secret") || strings.Contains(stderr, "wrong@") {
				t.Errorf("it shows the password: %q", stderr)
			}
		})
	}
	if out := in.gateway("mailbox", "list"); !strings.Contains(out, "none yet") {
		t.Errorf("a mailbox was stored: %s", out)
	}
}

// TestEveryCommandExplainsItself walks all commands.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	in := fresh(t)
	var walk func(args ...string)
	walk = func(args ...string) {
		out := in.gateway(append(args, "--help")...)
		_, below, isGroup := strings.Cut(out, "Available Commands:\n")
		if !isGroup {
			if args[0] != "version" && !strings.Contains(out, "Examples:\n") {
				t.Errorf("%v --help has no example", args)
			}
			return
		}
		block, _, _ := strings.Cut(below, "\n\n")
		for line := range strings.SplitSeq(block, "\n") {
			name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if name != "" && name != "help" && name != "completion" {
				walk(append(append([]string{}, args...), name)...)
			}
		}
	}
	walk()
}

// TestHealth asks what an operator's machines ask.
func TestHealth(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	v := in.visitor()
	if p := v.get("/healthz"); p.status != http.StatusOK {
		t.Errorf("healthz gives %d", p.status)
	}
	in.until("both folders are watched", func() (bool, error) {
		p := v.get("/readyz")
		return p.status == http.StatusOK && strings.Contains(p.body, `"watching":2`), fmt.Errorf("%s", p.body)
	})
	p := v.get("/metrics")
	for _, want := range []string{"postern_database_up 1", `postern_ledger_items{outcome="pending"} 0`, `postern_mailbox_folders{state="watching"} 2`, "go_goroutines"} {
		if !strings.Contains(p.body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}
