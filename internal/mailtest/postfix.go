package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// PostfixServer is a mail transfer agent between a DovecotServer's users: mail for any address goes to the user whose name is
// its local part, as Dovecot's LMTP has it, and is bounced if there is none. Users submit on one port, with their Dovecot
// password; the outside world delivers on another.
type PostfixServer struct {
	t              testing.TB
	dovecot        *DovecotServer
	dir            string
	proc, rights   *process
	submission, mx int
	asked          int // where fakeroot's server listens
}

// PostfixOptions say how a PostfixServer treats what its users submit.
type PostfixOptions struct {
	// RewriteIDs has it give every submitted mail another Message-ID, as some providers do.
	RewriteIDs bool
	// SaveSent is the folder in which it saves a copy of what a user submits, as Gmail does; empty: the client has to. Dovecot
	// must have lmtp_save_to_detail_mailbox on.
	SaveSent string
}

// Postfix starts a server, which is stopped with the test. The Dovecot must have DovecotOptions.LMTP, and auth_username_format
// "%Ln". Postfix wants to be started by root, and changes to other users: it runs as the user of the other servers, and
// fakeroot has it believe the rest.
func Postfix(t testing.TB, dovecot *DovecotServer, o PostfixOptions) *PostfixServer {
	t.Helper()
	master, err := findProgram("master", "/usr/lib/postfix/sbin/", "/usr/libexec/postfix/")
	if err != nil {
		t.Fatal(err)
	}
	faked, err := findProgram("faked-tcp")
	if err != nil {
		t.Fatal(err)
	}
	preload, err := findProgram("libfakeroot-tcp.so", "/usr/lib/*/libfakeroot/", "/usr/lib/libfakeroot/")
	if err != nil {
		t.Fatal(err)
	}
	p := &PostfixServer{t: t, dovecot: dovecot, dir: scratch(t, "postfix")}
	for _, folder := range strings.Fields("conf data queue queue/active queue/bounce queue/corrupt queue/defer queue/deferred queue/flush queue/hold queue/incoming queue/maildrop queue/pid queue/private queue/public queue/saved queue/trace") {
		if err := os.Mkdir(filepath.Join(p.dir, folder), 0o755); err != nil { //nolint:gosec // its daemons look into each other's folders
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, proc := range []*process{p.proc, p.rights} {
			if proc == nil {
				continue
			}
			if err := proc.stop(syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	})
	if err := dovecot.id.own(p.dir); err != nil {
		t.Fatal(err)
	}
	err = retryPorts(3, func(ports []int) error {
		p.submission, p.mx, p.asked = ports[0], ports[1], ports[2]
		p.rights = &process{
			path: faked, args: []string{"--foreground", "--port", fmt.Sprint(p.asked)}, dir: p.dir, id: dovecot.id,
			dead: syscall.SIGKILL, output: new(lockedBuffer),
		}
		if err := p.rights.start(p.believed); err != nil {
			return err
		}
		p.proc = &process{
			path: master, args: []string{"-d", "-c", filepath.Join(p.dir, "conf")}, dir: p.dir, id: dovecot.id,
			env:  []string{"LD_PRELOAD=" + preload, fmt.Sprintf("FAKEROOTKEY=%d", p.asked), "MAIL_CONFIG=" + filepath.Join(p.dir, "conf")},
			dead: syscall.SIGTERM, output: new(lockedBuffer), // children end with the master
		}
		if err := p.configure(o, filepath.Dir(master)); err != nil {
			return err
		}
		if err := p.proc.start(p.ready); err != nil {
			return fmt.Errorf("%w\n%s", err, p.Log())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// believed waits for fakeroot's server: it prints its port and its process.
func (p *PostfixServer) believed() error {
	if !strings.HasPrefix(p.rights.output.String(), fmt.Sprintf("%d:", p.asked)) {
		return errors.New("fakeroot's server has not said where it is")
	}
	return nil
}

func (p *PostfixServer) configure(o PostfixOptions, daemons string) error {
	// The users in default_privs and setgid_group are never taken, and must be others than the mail owner.
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
daemon_directory = %[2]s
maillog_file = %[1]s/data/mail.log
maillog_file_prefixes = %[1]s
mail_owner = %[3]s
default_privs = daemon
setgid_group = games
import_environment = MAIL_CONFIG LD_PRELOAD FAKEROOTKEY
myhostname = mail.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
recipient_delimiter = +
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:%[4]d
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:%[5]d
smtputf8_enable = no
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
service_throttle_time = 1s
max_idle = 2s
in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
`, p.dir, daemons, p.dovecot.id.name, p.dovecot.lmtpPort, p.dovecot.authPort)
	// The queue manager ends when it is idle, and only the master wakes it for what is deferred: by default every five minutes.
	master := fmt.Sprintf(`127.0.0.1:%d inet n - n - - smtpd
127.0.0.1:%d inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject -o cleanup_service_name=submitted
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
submitted unix n - n - 0 cleanup -o header_checks=regexp:%[3]s/conf/headers -o sender_bcc_maps=regexp:%[3]s/conf/copies
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`, p.mx, p.submission, p.dir)
	headers, copies := "", ""
	if o.RewriteIDs {
		headers = "/^Message-ID: *<([^>]*)>/ REPLACE Message-ID: <rewritten.$1>\n"
	}
	if o.SaveSent != "" {
		copies = "/^([^+@]+)(\\+[^@]*)?@(.*)$/ ${1}+" + o.SaveSent + "@${3}\n"
	}
	for name, content := range map[string]string{"main.cf": main, "master.cf": master, "headers": headers, "copies": copies} {
		if err := os.WriteFile(filepath.Join(p.dir, "conf", name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return p.dovecot.id.own(p.dir)
}

// ready waits for both ports, and for our own log to tell of it: another server may have taken them.
func (p *PostfixServer) ready() error {
	for _, port := range []int{p.submission, p.mx} {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err != nil {
			return err
		}
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		client := smtp.NewClient(conn)
		err = client.Hello("mailtest.example")
		_ = client.Close()
		if err != nil {
			return err
		}
	}
	if !strings.Contains(p.Log(), "smtpd") {
		return fmt.Errorf("another server answers")
	}
	return nil
}

// URL gives smtp://user:password@127.0.0.1:port for a user of the Dovecot.
func (p *PostfixServer) URL(user string) string {
	p.t.Helper()
	return (&url.URL{Scheme: "smtp", User: url.UserPassword(user, p.dovecot.user(user).Password), Host: fmt.Sprintf("127.0.0.1:%d", p.submission)}).String()
}

// Submit sends a mail as a user's mail client does.
func (p *PostfixServer) Submit(user, from string, to []string, raw []byte) {
	p.t.Helper()
	p.send(p.submission, sasl.NewPlainClient("", user, p.dovecot.user(user).Password), from, to, raw)
}

// Deliver hands a mail over as another mail server does.
func (p *PostfixServer) Deliver(from string, to []string, raw []byte) {
	p.t.Helper()
	p.send(p.mx, nil, from, to, raw)
}

// send tries again what the server can't do for the moment, as clients do: its processes may still hold connections to a Dovecot
// that was killed.
func (p *PostfixServer) send(port int, auth sasl.Client, from string, to []string, raw []byte) {
	p.t.Helper()
	var err error
	Until(p.t, fmt.Sprintf("Postfix takes a mail from %s to %q", from, to), func() bool {
		err = p.transmit(port, auth, from, to, raw)
		said, isReply := errors.AsType[*smtp.SMTPError](err)
		return !isReply || !said.Temporary()
	})
	if err != nil {
		p.t.Fatalf("send from %s to %q: %v\n%s", from, to, err, p.Log())
	}
}

func (p *PostfixServer) transmit(port int, auth sasl.Client, from string, to []string, raw []byte) error {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		return err
	}
	client := smtp.NewClient(conn)
	defer client.Close()
	if auth != nil {
		if err := client.Auth(auth); err != nil {
			return err
		}
	}
	if err := client.SendMail(from, to, bytes.NewReader(raw)); err != nil {
		return err
	}
	_ = client.Quit() // it has the mail
	return nil
}

// Kill ends the server at once (SIGKILL). Its queue stays. So does fakeroot's server end: it may, by itself, when one it talks to is killed.
func (p *PostfixServer) Kill() {
	p.t.Helper()
	if err := errors.Join(p.proc.stop(syscall.SIGKILL), p.rights.stop(syscall.SIGKILL)); err != nil {
		p.t.Fatal(err)
	}
}

// Start starts the server again, on the same ports. The Dovecot must run: Postfix asks it how users sign in.
func (p *PostfixServer) Start() {
	p.t.Helper()
	p.rights.output = new(lockedBuffer)
	err := p.rights.startAgain(p.believed)
	if err == nil {
		err = p.proc.startAgain(p.ready)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

var queued = regexp.MustCompile(`^[0-9A-Za-z]{6,}$`)

// Waiting is how many mails the server has taken and not got rid of.
func (p *PostfixServer) Waiting() int {
	p.t.Helper()
	n := 0
	for _, queue := range []string{"incoming", "active", "deferred", "corrupt"} {
		err := filepath.WalkDir(filepath.Join(p.dir, "queue", queue), func(path string, e os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // it has gone on meanwhile
			}
			if err != nil || !e.Type().IsRegular() || !queued.MatchString(e.Name()) {
				return err
			}
			// What was being taken as the server was killed has not this bit: its sender has no answer, and sends it again.
			info, err := e.Info()
			if err == nil && info.Mode()&0o100 != 0 {
				n++
			}
			if os.IsNotExist(err) {
				return nil
			}
			return err
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return n
}

// Log is what the server wrote down.
func (p *PostfixServer) Log() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "data", "mail.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}
