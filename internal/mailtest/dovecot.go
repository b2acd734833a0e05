package mailtest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
)

// User is somebody with a mailbox on a DovecotServer.
type User struct {
	Name, Password string
	// SentFolder is the folder with the attribute \Sent (RFC 6154). Empty: "Sent". It is one for all users of a server:
	// the first that is not empty counts.
	SentFolder string
}

// DovecotServer is a Dovecot with maildirs, on a plain port that also offers STARTTLS and on a TLS port.
type DovecotServer struct {
	// Certificate is what the server shows; it is good for localhost and 127.0.0.1.
	Certificate Certificate

	t               testing.TB
	proc            *process
	id              identity
	dir             string
	users           []User
	greeting        string
	plainPort, port int
	lmtpPort        int
	authPort        int
}

// Dovecot starts a server for the users. It is stopped with the test, and its mail removed.
func Dovecot(t testing.TB, users ...User) *DovecotServer {
	t.Helper()
	return DovecotWith(t, DovecotOptions{}, users...)
}

// DovecotOptions say how a DovecotServer differs from the usual.
type DovecotOptions struct {
	// Certificate is shown instead of a good one.
	Certificate *Certificate
	// RequireTLS refuses to sign in on the plain port (LOGINDISABLED, RFC 9051 section 6.2.3).
	RequireTLS bool
	// NoTLS offers neither STARTTLS nor a TLS port.
	NoTLS bool
	// NoSpecialUse leaves out the SPECIAL-USE attribute of the Sent folder.
	NoSpecialUse bool
	// LMTP has the server take mail for its users (RFC 2033), by Deliver, and tell a Postfix who they are. Delimiter parts a user's name from a sub-address (RFC
	// 5233); empty: there are none.
	LMTP      bool
	Delimiter string
	// OAuth is asked about access tokens, if set: the server then offers XOAUTH2 and OAUTHBEARER, or what OAuthMechanisms names.
	OAuth           *OAuthServer
	OAuthMechanisms string
	// Config is appended to the server's configuration.
	Config string
}

// DovecotWith is Dovecot with options.
func DovecotWith(t testing.TB, o DovecotOptions, users ...User) *DovecotServer {
	t.Helper()
	path, err := findProgram("dovecot")
	if err != nil {
		t.Fatal(err)
	}
	id, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	d := &DovecotServer{t: t, id: id, dir: scratch(t, "dovecot"), users: users, greeting: fmt.Sprintf("Dovecot %d", time.Now().UnixNano())}
	if o.Certificate != nil {
		d.Certificate = *o.Certificate
	} else {
		d.Certificate = NewCertificate(t, time.Time{})
	}
	var passwords strings.Builder
	for _, u := range users {
		fmt.Fprintf(&passwords, "%s:{PLAIN}%s::::::\n", u.Name, u.Password)
	}
	if err := os.Mkdir(filepath.Join(d.dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.write("users", passwords.String())
	d.write("cert.pem", string(d.Certificate.CertPEM))
	d.write("key.pem", string(d.Certificate.KeyPEM))
	d.proc = &process{
		path: path, args: []string{"-F", "-c", filepath.Join(d.dir, "dovecot.conf")},
		dir: d.dir, id: id, dead: syscall.SIGKILL, output: new(lockedBuffer),
	}
	t.Cleanup(func() {
		if err := d.proc.stop(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	if o.OAuth != nil {
		d.write("oauth2.conf.ext", "tokeninfo_url = "+o.OAuth.URL()+"/tokeninfo?access_token=\nintrospection_mode = auth\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n")
	}
	err = retryPorts(4, func(ports []int) error {
		d.plainPort, d.port, d.lmtpPort, d.authPort = ports[0], ports[1], ports[2], ports[3]
		d.write("dovecot.conf", d.config(o))
		if err := id.own(d.dir); err != nil {
			return err
		}
		return d.proc.start(d.ready)
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *DovecotServer) write(name, content string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// config is made so that nothing needs root: no chroot, one user for all parts. Dovecot looks for new mail every two seconds
// during IDLE, for it may have no inotify: the kernel gives a user 128 instances of it, and the servers of all tests run as one user.
func (d *DovecotServer) config(o DovecotOptions) string {
	sent := "Sent"
	for _, u := range d.users {
		if u.SentFolder != "" {
			sent = u.SentFolder
			break
		}
	}
	values := map[string]any{
		"dir": d.dir, "user": d.id.name, "group": d.id.group, "greeting": d.greeting, "plain": d.plainPort, "tls": d.port,
		"ssl": "yes", "plaintext": "no", "sent": fmt.Sprintf("%q", sent), "use": `special_use = \Sent`,
	}
	if o.NoTLS {
		values["ssl"], values["tls"] = "no", 0
	}
	if o.RequireTLS {
		values["ssl"], values["plaintext"] = "required", "yes"
	}
	if o.NoSpecialUse {
		values["use"] = ""
	}
	conf := `base_dir = {dir}/run
state_dir = {dir}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
login_greeting = {greeting}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  process_limit = 1000
  inet_listener imap {
    port = {plain}
  }
  inet_listener imaps {
    port = {tls}
    ssl = yes
  }
}
ssl = {ssl}
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = {plaintext}
login_trusted_networks =
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
mail_max_userip_connections = 0
mailbox_idle_check_interval = 2s
mail_location = maildir:{dir}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}
userdb {
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox {sent} {
    {use}
    auto = subscribe
  }
}
`
	for name, v := range values {
		conf = strings.ReplaceAll(conf, "{"+name+"}", fmt.Sprint(v))
	}
	if o.LMTP {
		conf += fmt.Sprintf(`protocols = imap lmtp
recipient_delimiter = %s
service lmtp {
  inet_listener lmtp {
    port = %d
  }
}
service auth {
  inet_listener {
    port = %d
  }
}
`, o.Delimiter, d.lmtpPort, d.authPort)
	}
	if o.OAuth != nil {
		conf += fmt.Sprintf(`auth_mechanisms = plain login %s
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %s/oauth2.conf.ext
}
`, cmp.Or(o.OAuthMechanisms, "xoauth2 oauthbearer"), d.dir)
	}
	return conf + o.Config + "\n"
}

// Takes asks the server whether it takes mail for an address. It gives the server's refusal, if any.
func (d *DovecotServer) Takes(from, to string) error {
	return d.lmtp(from, to, func(*smtp.Client) error { return nil })
}

// Deliver hands a mail to the server as a mail transfer agent does. It gives the server's refusal, if any.
func (d *DovecotServer) Deliver(from, to string, raw []byte) error {
	return d.lmtp(from, to, func(client *smtp.Client) error {
		w, err := client.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
		_, err = w.CloseWithLMTPResponse()
		return err
	})
}

func (d *DovecotServer) lmtp(from, to string, then func(*smtp.Client) error) error {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", d.lmtpPort), 5*time.Second)
	if err != nil {
		return err
	}
	client := smtp.NewClientLMTP(conn)
	defer client.Close()
	if err := client.Mail(from, nil); err != nil {
		return err
	}
	if err := client.Rcpt(to, nil); err != nil {
		return err
	}
	return then(client)
}

// ready looks for our own greeting: on a busy machine another server may have taken the port.
func (d *DovecotServer) ready() error {
	conn, err := net.DialTimeout("tcp", d.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(line, d.greeting) {
		return fmt.Errorf("%s is taken by another server: %q", d.Addr(), line)
	}
	return nil
}

// Addr is the host and port of the plain port.
func (d *DovecotServer) Addr() string { return fmt.Sprintf("127.0.0.1:%d", d.plainPort) }

// TLSAddr is the host and port of the TLS port.
func (d *DovecotServer) TLSAddr() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

// IMAPURL gives imap://user:password@127.0.0.1:port of a user that the server was started with.
func (d *DovecotServer) IMAPURL(user string) string {
	d.t.Helper()
	return (&url.URL{Scheme: "imap", User: url.UserPassword(user, d.user(user).Password), Host: d.Addr()}).String()
}

func (d *DovecotServer) user(name string) User {
	d.t.Helper()
	for _, u := range d.users {
		if u.Name == name {
			return u
		}
	}
	d.t.Fatalf("the server has no user %q", name)
	return User{}
}

// Kill ends the server and all its connections at once (SIGKILL). Mail and ports stay.
func (d *DovecotServer) Kill() {
	d.t.Helper()
	if err := d.proc.stop(syscall.SIGKILL); err != nil {
		d.t.Fatal(err)
	}
}

// Start starts the server again, on the same ports.
func (d *DovecotServer) Start() {
	d.t.Helper()
	// What Dovecot left in its run folder after SIGKILL says that it still runs.
	if err := os.RemoveAll(filepath.Join(d.dir, "run")); err != nil {
		d.t.Fatal(err)
	}
	if err := d.proc.startAgain(d.ready); err != nil {
		d.t.Fatal(err)
	}
}

// Log is what the server printed.
func (d *DovecotServer) Log() string { return d.proc.output.String() }

// answersWithin is how long the server may be silent in a session of Dial. One that was killed may have left a lock, for two minutes.
const answersWithin = 3 * time.Minute

// impatient is a connection whose reads end: the client would wait for ever for a server that says nothing.
type impatient struct{ net.Conn }

func (c impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(answersWithin)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Dial signs in as the user, for what the other methods don't do. The connection is closed with the test.
func (d *DovecotServer) Dial(user string) *imapclient.Client {
	d.t.Helper()
	conn, err := net.DialTimeout("tcp", d.Addr(), patience)
	if err != nil {
		d.t.Fatal(err)
	}
	c := imapclient.New(impatient{conn}, nil)
	d.t.Cleanup(func() { _ = c.Close() }) // it may be closed already
	if err := c.Login(user, d.user(user).Password).Wait(); err != nil {
		d.t.Fatal(err)
	}
	return c
}

// Append puts a mail into a folder, as a mail client does, and gives its UID. A zero date means now.
func (d *DovecotServer) Append(user, folder string, raw []byte, flags []imap.Flag, date time.Time) imap.UID {
	d.t.Helper()
	c := d.Dial(user)
	defer c.Close()
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Flags: flags, Time: date})
	if _, err := cmd.Write(raw); err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		d.t.Fatal(err)
	}
	data, err := cmd.Wait()
	if err != nil {
		d.t.Fatal(err)
	}
	return data.UID
}

// StoredMessage is a mail as it lies in a folder.
type StoredMessage struct {
	UID          imap.UID
	Flags        []imap.Flag
	InternalDate time.Time
	Raw          []byte
}

// Messages reads a whole folder without changing it, in the order of the UIDs.
func (d *DovecotServer) Messages(user, folder string) []StoredMessage {
	d.t.Helper()
	c := d.Dial(user)
	defer c.Close()
	box, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		d.t.Fatal(err)
	}
	if box.NumMessages == 0 {
		return nil
	}
	all := imap.UIDSet{}
	all.AddRange(1, 0)
	found, err := c.Fetch(all, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		d.t.Fatal(err)
	}
	out := make([]StoredMessage, 0, len(found))
	for _, m := range found {
		s := StoredMessage{UID: m.UID, Flags: m.Flags, InternalDate: m.InternalDate}
		if len(m.BodySection) > 0 {
			s.Raw = m.BodySection[0].Bytes
		}
		out = append(out, s)
	}
	return out
}

// SeedMaildir writes n mails straight into a user's folder, thousands a second. They get their UIDs in the order of
// their numbers, and date(i), or else one second after another, as their INTERNALDATE.
func (d *DovecotServer) SeedMaildir(user, folder string, n int, raw func(i int) []byte, date func(i int) time.Time) {
	d.t.Helper()
	if strings.ContainsAny(user, "/") {
		d.t.Fatalf("user name %q has a slash", user)
	}
	root := d.folder(user, folder)
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o700); err != nil {
			d.t.Fatal(err)
		}
	}
	base := time.Now().Add(-time.Duration(n) * time.Second)
	at := func(i int) time.Time { return base.Add(time.Duration(i) * time.Second) }
	if date == nil {
		date = at
	}
	serial := time.Now().UnixNano()
	for i := range n {
		b := raw(i)
		crlf := len(b) + bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte("\r\n"))
		name := fmt.Sprintf("%d.M%06dP%d.seed,S=%d,W=%d", at(i).Unix(), i%1000000, serial, len(b), crlf)
		tmp := filepath.Join(root, "tmp", name)
		if err := os.WriteFile(tmp, b, 0o600); err != nil {
			d.t.Fatal(err)
		}
		if err := os.Chtimes(tmp, date(i), date(i)); err != nil {
			d.t.Fatal(err)
		}
		if d.id.credential != nil {
			if err := os.Lchown(tmp, d.id.uid, d.id.gid); err != nil {
				d.t.Fatal(err)
			}
		}
		if err := os.Rename(tmp, filepath.Join(root, "new", name)); err != nil {
			d.t.Fatal(err)
		}
	}
	for _, sub := range []string{root, filepath.Join(root, "new"), filepath.Join(root, "cur"), filepath.Join(root, "tmp"), filepath.Join(d.dir, "mail", user)} {
		if err := os.Lchown(sub, d.id.uid, d.id.gid); err != nil && !errors.Is(err, os.ErrPermission) {
			d.t.Fatal(err)
		}
	}
}

// Unreadable puts a mail into a folder that the server can list, and neither open nor tell the size of, until heal is called.
func (d *DovecotServer) Unreadable(user, folder string, raw []byte) (heal func()) {
	d.t.Helper()
	path := filepath.Join(d.folder(user, folder), "new", fmt.Sprintf("%d.unreadable", time.Now().UnixNano()))
	if err := os.WriteFile(path, raw, 0); err != nil {
		d.t.Fatal(err)
	}
	if d.id.credential != nil {
		if err := os.Lchown(path, d.id.uid, d.id.gid); err != nil {
			d.t.Fatal(err)
		}
	}
	return func() {
		found, err := filepath.Glob(filepath.Join(d.folder(user, folder), "*", filepath.Base(path)+"*")) // the server has moved it to cur
		if err != nil || len(found) != 1 {
			d.t.Fatalf("the unreadable mail is at %q, %v", found, err)
		}
		if err := os.Chmod(found[0], 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
}

// Renumber has the server forget the UIDs of a folder, as when its index is lost: all its mails get new ones under a new
// UIDVALIDITY. The server must not run.
func (d *DovecotServer) Renumber(user, folder string) {
	d.t.Helper()
	root := d.folder(user, folder)
	found, err := filepath.Glob(filepath.Join(root, "dovecot*"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, path := range found {
		if strings.HasPrefix(filepath.Base(path), "dovecot-uidvalidity") {
			continue // keeps the next one from being the same within a second
		}
		if err := os.Remove(path); err != nil {
			d.t.Fatal(err)
		}
	}
}

// folder is where a user's folder lies.
func (d *DovecotServer) folder(user, name string) string {
	root := filepath.Join(d.dir, "mail", user)
	if strings.EqualFold(name, "INBOX") {
		return root
	}
	return filepath.Join(root, "."+strings.ReplaceAll(name, "/", "."))
}

// LeaveLock leaves the lock of a folder's list as a Dovecot does that is killed while it holds it.
func (d *DovecotServer) LeaveLock(user, folder string) {
	d.t.Helper()
	path := filepath.Join(d.folder(user, folder), "dovecot-uidlist.lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := d.id.own(path); err != nil {
		d.t.Fatal(err)
	}
}

// RemoveFile deletes the mail with the UID behind the server's back, so that it still lists what it can't read.
func (d *DovecotServer) RemoveFile(user, folder string, contains string) {
	d.t.Helper()
	root := d.folder(user, folder)
	for _, sub := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(root, sub))
		if err != nil {
			d.t.Fatal(err)
		}
		for _, f := range files {
			path := filepath.Join(root, sub, f.Name())
			b, err := os.ReadFile(path)
			if err != nil {
				d.t.Fatal(err)
			}
			if bytes.Contains(b, []byte(contains)) {
				if err := os.Remove(path); err != nil {
					d.t.Fatal(err)
				}
			}
		}
	}
}
