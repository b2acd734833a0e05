package mailconn

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"go.uber.org/goleak"

	"postern/internal/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func user() mailtest.User {
	return mailtest.User{Name: "ann@example.com", Password: "s€cret \"quoted\""}
}

func imapConfig(t *testing.T, d *mailtest.DovecotServer, addr, scheme, query string) IMAPConfig {
	t.Helper()
	c, err := ParseIMAP(scheme + "://ann%40example.com@" + addr + query)
	if err != nil {
		t.Fatal(err)
	}
	if d != nil {
		c.RootCAs = d.Certificate.Pool
	}
	c.Timeout = 10 * time.Second
	return c.WithPassword(user().Password)
}

func signIn(t *testing.T, c IMAPConfig) error {
	t.Helper()
	client, err := DialIMAP(t.Context(), c, nil)
	if err != nil {
		return err
	}
	return client.Close()
}

func TestDialIMAPEncryptsAsTold(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t, user())
	_, port, _ := strings.Cut(d.Addr(), ":")
	for name, c := range map[string]IMAPConfig{
		"plain":            imapConfig(t, d, d.Addr(), "imap", ""),
		"starttls":         imapConfig(t, d, d.Addr(), "imap", "?starttls=require"),
		"starttls by name": imapConfig(t, d, "localhost:"+port, "imap", "?starttls=require"),
		"try":              imapConfig(t, d, d.Addr(), "imap", "?starttls=try"),
		"tls":              imapConfig(t, d, d.TLSAddr(), "imaps", ""),
	} {
		if err := signIn(t, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	insecure := imapConfig(t, nil, d.TLSAddr(), "imaps", "?insecure=1")
	if err := signIn(t, insecure); err != nil {
		t.Errorf("insecure: %v", err)
	}
}

// problem checks that err is a Problem that says what is expected, in words.
func problem(t *testing.T, name string, err error, permanent bool, words ...string) {
	t.Helper()
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		t.Errorf("%s: %v is no Problem", name, err)
		return
	}
	t.Logf("%s: %s", name, p)
	for _, w := range words {
		if !strings.Contains(p.What+". "+p.Do, w) {
			t.Errorf("%s: %q does not say %q", name, p, w)
		}
	}
	if p.Permanent != permanent {
		t.Errorf("%s: permanent is %v", name, p.Permanent)
	}
	if strings.Contains(p.Error(), user().Password) {
		t.Errorf("%s: %q shows the password", name, p)
	}
}

func TestI11_IMAPProblemsInWords(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t, user())
	problem(t, "wrong password", signIn(t, imapConfig(t, d, d.Addr(), "imap", "").WithPassword("no")), true, "does not accept", "ann@example.com")
	problem(t, "TLS to a plain port", signIn(t, imapConfig(t, d, d.Addr(), "imaps", "")), true, "does not speak TLS", "imap://")
	problem(t, "unknown authority", signIn(t, imapConfig(t, nil, d.TLSAddr(), "imaps", "")), true, "vouches", "insecure=1")
	problem(t, "unknown authority by STARTTLS", signIn(t, imapConfig(t, nil, d.Addr(), "imap", "?starttls=require")), true, "vouches")
	err := signIn(t, imapConfig(t, d, "no-such-host.invalid:1", "imap", ""))
	if dns, ok := errors.AsType[*net.DNSError](err); ok { // without a network, nobody knows whether the host exists
		problem(t, "unknown host", err, dns.IsNotFound, `"no-such-host.invalid"`)
	} else {
		t.Errorf("unknown host: %v", err)
	}
	plain := imapConfig(t, d, d.TLSAddr(), "imap", "")
	plain.Timeout = time.Second
	problem(t, "plain to a TLS port", signIn(t, plain), false, "993")
	for want, c := range map[Stage]IMAPConfig{
		AtLogin: imapConfig(t, d, d.Addr(), "imap", "").WithPassword("no"), AtTLS: imapConfig(t, nil, d.TLSAddr(), "imaps", ""), AtDNS: imapConfig(t, d, "no-such-host.invalid:1", "imap", ""),
		AtConnect: imapConfig(t, d, "127.0.0.1:1", "imap", ""),
	} {
		if p, ok := errors.AsType[*Problem](signIn(t, c)); !ok || p.At != want {
			t.Errorf("%s: %+v", want, p)
		}
	}
	d.Kill()
	problem(t, "refused", signIn(t, imapConfig(t, d, d.Addr(), "imap", "")), false, "refuses connections")
}

func TestI11_NoSilentDowngrade(t *testing.T) {
	t.Parallel()
	bare := mailtest.DovecotWith(t, mailtest.DovecotOptions{NoTLS: true}, user())
	problem(t, "no STARTTLS", signIn(t, imapConfig(t, bare, bare.Addr(), "imap", "?starttls=require")), true, "does not offer STARTTLS")
	if err := signIn(t, imapConfig(t, bare, bare.Addr(), "imap", "?starttls=try")); err != nil {
		t.Errorf("try: %v", err)
	}
	// Dovecot lets its own host in even without TLS, so a listener plays the server that does not.
	addr := listen(t, "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] hello\r\n")
	problem(t, "login disabled", signIn(t, imapConfig(t, nil, addr, "imap", "")), true, "without encryption", "starttls=require")
}

func TestI11_CertificatesAreChecked(t *testing.T) {
	t.Parallel()
	expired := mailtest.NewCertificate(t, time.Now().Add(-time.Hour))
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Certificate: &expired}, user())
	problem(t, "expired", signIn(t, imapConfig(t, d, d.TLSAddr(), "imaps", "")), true, "expired")
	other := mailtest.NewCertificate(t, time.Time{}, "mail.example.com")
	d = mailtest.DovecotWith(t, mailtest.DovecotOptions{Certificate: &other}, user())
	problem(t, "other name", signIn(t, imapConfig(t, d, d.TLSAddr(), "imaps", "")), true, "another name", "mail.example.com")
	problem(t, "other name by STARTTLS", signIn(t, imapConfig(t, d, d.Addr(), "imap", "?starttls=require")), true, "another name")
}

// listen plays a server that says a greeting and answers nothing.
func listen(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			io.WriteString(conn, greeting)
		}
	}()
	return l.Addr().String()
}

func TestIMAPServersThatAreNone(t *testing.T) {
	t.Parallel()
	short := func(greeting string) IMAPConfig {
		c := imapConfig(t, nil, listen(t, greeting), "imap", "")
		c.Timeout = time.Second
		return c
	}
	problem(t, "black hole", signIn(t, short("")), false, "does not answer")
	problem(t, "another protocol", signIn(t, short("SSH-2.0-OpenSSH_9.2\r\n")), false, "mail server")
	problem(t, "too many", signIn(t, short("* BYE Too many connections\r\n")), false, "too many connections")
	problem(t, "silent after the greeting", signIn(t, short("* OK hello\r\n")), false, "does not answer")
	tls := imapConfig(t, nil, listen(t, ""), "imaps", "")
	tls.Timeout = time.Second
	problem(t, "black hole for TLS", signIn(t, tls), false, "does not answer")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	c := short("")
	c.Timeout = time.Minute
	if _, err := DialIMAP(ctx, c, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestI11_ThrottlingIsNoWrongPassword(t *testing.T) {
	t.Parallel()
	for reply, permanent := range map[string]bool{
		"NO [UNAVAILABLE] backend is down":                   false,
		"NO [LIMIT] no more":                                 false,
		"NO Too many simultaneous connections. (Failure)":    false,
		"NO [AUTHENTICATIONFAILED] Invalid credentials":      true,
		"NO LOGIN failed.":                                   true,
		"NO [PRIVACYREQUIRED] encrypt first":                 true,
		"NO [ALERT] Application-specific password required:": true,
	} {
		c := imapConfig(t, nil, script(t, "* OK [CAPABILITY IMAP4rev1] hello\r\n", "T1 "+reply+"\r\n"), "imap", "")
		problem(t, reply, signIn(t, c), permanent)
	}
}

// script plays a server that says a greeting, and then one line after each line it gets.
func script(t *testing.T, greeting string, answers ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, greeting)
		buf := make([]byte, 4096)
		for _, a := range answers {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			io.WriteString(conn, a)
		}
		io.Copy(io.Discard, conn)
	}()
	return l.Addr().String()
}

func TestDoEndsWithItsContext(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", listen(t, "* OK [CAPABILITY IMAP4rev1] hello\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	client := imapclient.New(conn, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Do(ctx, client, func() error { return client.Noop().Wait() }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCheckIMAPFindsTheSentFolder(t *testing.T) {
	t.Parallel()
	ann := user()
	ann.SentFolder = "Gesendete Objekte"
	for name, o := range map[string]mailtest.DovecotOptions{"special-use": {}, "name": {NoSpecialUse: true}} {
		d := mailtest.DovecotWith(t, o, ann)
		d.Append(ann.Name, "INBOX", []byte("Subject: x\r\n\r\n"), nil, time.Time{})
		f, err := CheckIMAP(t.Context(), imapConfig(t, d, d.Addr(), "imap", ""), "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f.Sent != ann.SentFolder || string(f.SentBy) != name || f.Mails != 1 || !f.Idle || !f.UIDPlus || !f.Move || len(f.Folders) != 2 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestI1_ItIsFoundOutWhetherMailStaysUnread with a server as it should be, and one that ignores PEEK.
func TestI1_ItIsFoundOutWhetherMailStaysUnread(t *testing.T) {
	t.Parallel()
	ann := user()
	d := mailtest.Dovecot(t, ann)
	check := func(c IMAPConfig, unread, marks bool) {
		t.Helper()
		if f, err := CheckIMAP(t.Context(), c, ""); err != nil || f.Unread != unread || f.Marks != marks {
			t.Errorf("%+v, %v", f, err)
		}
	}
	dovecot := imapConfig(t, d, d.Addr(), "imap", "")
	check(dovecot, false, false)
	d.Append(ann.Name, "INBOX", []byte("Subject: x\r\n\r\nread"), []imap.Flag{imap.FlagSeen}, time.Time{})
	check(dovecot, false, false)
	for range 3 {
		d.Append(ann.Name, "INBOX", []byte("Subject: x\r\n\r\nunread"), nil, time.Time{})
	}
	check(dovecot, true, false)
	for _, m := range d.Messages(ann.Name, "INBOX")[1:] {
		if slices.Contains(m.Flags, imap.FlagSeen) {
			t.Errorf("UID %d was marked as read", m.UID)
		}
	}
	examined := "* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 6]\r\n"
	for flags, marks := range map[string]bool{"": false, `\Seen`: true, `\Recent`: false} {
		check(imapConfig(t, nil, script(t, "* OK [CAPABILITY IMAP4rev1] hello\r\n", "T1 OK [CAPABILITY IMAP4rev1] in\r\n", "* LIST () \"/\" INBOX\r\nT2 OK\r\n", examined+"T3 OK\r\n",
			"* SEARCH 5\r\nT4 OK\r\n", "* 1 FETCH (UID 5 BODY[]<0> {3}\r\nabc)\r\nT5 OK\r\n", examined+"T6 OK\r\n", "* 1 FETCH (UID 5 FLAGS ("+flags+"))\r\nT7 OK\r\n"), "imap", "").WithPassword("secret"), true, marks)
	}
	check(imapConfig(t, nil, script(t, "* OK [CAPABILITY IMAP4rev1] hello\r\n", "T1 OK [CAPABILITY IMAP4rev1] in\r\n", "* LIST () \"/\" INBOX\r\nT2 OK\r\n", examined+"T3 OK\r\n",
		"T4 NO not here\r\n"), "imap", "").WithPassword("secret"), false, false)
}

func TestSentFolder(t *testing.T) {
	t.Parallel()
	folder := func(name string, sent bool) Folder {
		return Folder{Name: name, Selectable: true, Sent: sent, delimiter: '/'}
	}
	for _, c := range []struct {
		folders    []Folder
		configured string
		want       string
		by         SentBy
	}{
		{[]Folder{folder("INBOX", false)}, "", "", SentNotFound},
		{[]Folder{folder("Sent", false), folder("[Gmail]/Gesendet", true)}, "", "[Gmail]/Gesendet", SentBySpecialUse},
		{[]Folder{folder("Sent", false), folder("[Gmail]/Gesendet", true)}, "Missing", "[Gmail]/Gesendet", SentBySpecialUse},
		{[]Folder{folder("Sent", true), folder("Gesendet", false)}, "Gesendet", "Gesendet", SentByChoice},
		{[]Folder{folder("Sent", false), folder("Out", false)}, "Out", "Out", SentByChoice},
		{[]Folder{folder("Archive/ENVOYÉS", false)}, "Missing", "Archive/ENVOYÉS", SentByName},
		{[]Folder{{Name: "INBOX.Sent", delimiter: '.', Selectable: true}}, "", "INBOX.Sent", SentByName},
		{[]Folder{{Name: "Sent", delimiter: '/'}}, "", "", SentNotFound},
		{[]Folder{folder("Absent", false), folder("Presents", false)}, "", "", SentNotFound},
	} {
		if got, by := SentFolder(c.folders, c.configured); got != c.want || by != c.by {
			t.Errorf("%v: %q by %q", c.folders, got, by)
		}
	}
}

func TestAlsoSent(t *testing.T) {
	t.Parallel()
	folder := func(name string, delimiter rune) Folder {
		return Folder{Name: name, Selectable: true, delimiter: delimiter}
	}
	marked := folder("Out", '/')
	marked.Sent = true
	none := folder("Gesendet", '/')
	none.Selectable = false
	for _, c := range []struct {
		folders []Folder
		sent    string
		want    []string
	}{
		{[]Folder{folder("INBOX", '/'), folder("Sent", '/'), folder("Presents", '/')}, "Sent", nil},
		{[]Folder{folder("Sent", '/'), folder("Sent Items", '/'), folder("INBOX/Gesendete Objekte", '/'), folder("ENVOYÉS", '/'), marked}, "Sent", []string{"Sent Items", "INBOX/Gesendete Objekte", "ENVOYÉS", "Out"}},
		{[]Folder{folder("INBOX.Sent", '.'), folder("INBOX.Sent Items", '.'), folder("INBOX.Archive.Sent", '.')}, "INBOX.Sent", []string{"INBOX.Sent Items"}},
		{[]Folder{folder("[Gmail]/Sent Mail", '/'), folder("[Gmail]/Sent", '/'), folder("Old/Sent", '/'), none}, "[Gmail]/Sent Mail", []string{"[Gmail]/Sent"}},
		{[]Folder{folder("Sent", 0), folder("送信済み", 0)}, "Sent", []string{"送信済み"}},
	} {
		if got := AlsoSent(c.folders, c.sent); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q", c.folders, got)
		}
	}
}

func smtpConfig(t *testing.T, s *mailtest.SMTPServer, scheme, query string) SMTPConfig {
	t.Helper()
	c, err := ParseSMTP(scheme + "://u:p@" + s.Addr() + query)
	if err != nil {
		t.Fatal(err)
	}
	c.RootCAs, c.Timeout = s.Certificate.Pool, 10*time.Second
	return c
}

func TestCheckSMTP(t *testing.T) {
	t.Parallel()
	s, secure := mailtest.SMTP(t), mailtest.SMTPWith(t, mailtest.SMTPOptions{TLS: true})
	for _, c := range []struct {
		name      string
		config    SMTPConfig
		encrypted bool
	}{
		{"plain", smtpConfig(t, s, "smtp", ""), false},
		{"require", smtpConfig(t, s, "smtp", "?starttls=require"), true},
		{"try", smtpConfig(t, s, "smtp", "?starttls=try"), true},
		{"tls", smtpConfig(t, secure, "smtps", ""), true},
	} {
		f, err := CheckSMTP(t.Context(), c.config)
		if err != nil || f.Encrypted != c.encrypted || !f.UTF8 {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
	}
}

func TestI11_SMTPProblemsInWords(t *testing.T) {
	t.Parallel()
	check := func(c SMTPConfig) error {
		t.Helper()
		_, err := CheckSMTP(t.Context(), c)
		return err
	}
	s := mailtest.SMTPWith(t, mailtest.SMTPOptions{Username: "u", Password: "right"})
	problem(t, "wrong password", check(smtpConfig(t, s, "smtp", "")), true, "does not accept")
	problem(t, "TLS to a plain port", check(smtpConfig(t, s, "smtps", "")), true, "does not speak TLS")
	unknown := smtpConfig(t, s, "smtp", "?starttls=require")
	unknown.RootCAs = nil
	problem(t, "unknown authority", check(unknown), true, "vouches")
	bare := mailtest.SMTPWith(t, mailtest.SMTPOptions{NoStartTLS: true, NoAuth: true})
	problem(t, "no STARTTLS", check(smtpConfig(t, bare, "smtp", "?starttls=require")), true, "does not offer STARTTLS")
	problem(t, "no AUTH", check(smtpConfig(t, bare, "smtp", "")), true, "no way to sign in")
	expired := mailtest.NewCertificate(t, time.Now().Add(-time.Hour))
	old := mailtest.SMTPWith(t, mailtest.SMTPOptions{Certificate: &expired})
	problem(t, "expired", check(smtpConfig(t, old, "smtp", "?starttls=require")), true, "expired")
	for code, permanent := range map[int]bool{421: false, 554: false} {
		s.Script(func(at mailtest.Stage, _ mailtest.Received) *mailtest.Answer {
			if at == mailtest.AtConnect {
				return &mailtest.Answer{Code: code, Text: "no"}
			}
			return nil
		})
		problem(t, "greeting", check(smtpConfig(t, s, "smtp", "")), permanent)
	}
	hole, err := ParseSMTP("smtp://u:p@" + listen(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	hole.Timeout = time.Second
	problem(t, "black hole", check(hole), false, "does not answer")
	s.Kill()
	problem(t, "refused", check(smtpConfig(t, s, "smtp", "")), false, "refuses connections")
}
