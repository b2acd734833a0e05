package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/smtp"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postern/config"
	"postern/desk"
	"postern/ingest/webhook"
	"postern/store"
)

// DemoMail is the mail server of a demo.
type DemoMail interface {
	IMAPAddr() string
	SMTPAddr() string
	Delivered(address string) [][]byte
	KeepSent(address string, raw []byte) error
	Close() error
}

// StartDemoMail runs a mail server with mailboxes for the addresses, by their passwords.
type StartDemoMail func(ctx context.Context, passwords map[string]string, imapPort, smtpPort int) (DemoMail, error)

const (
	demoDesk     = "support@desk.example"
	demoCustomer = "ann@acme.example"
	demoPassword = "demo-demo-demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use: "demo", Short: "Show Postern: a throw-away gateway with its own mail server and a conversation", Args: cobra.NoArgs,
		Long: `Starts a gateway with mail servers inside the process, a company, a customer and a short conversation that plays itself
through the real path, and prints what to open. Nothing leaves this machine. Ctrl-C removes everything.`,
		Example: "  gateway demo\n  gateway demo --listen 127.0.0.1:9000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range given(cmd) {
				if name != "listen" {
					return usageError{fmt.Errorf("--%s: the demo brings its own settings and takes --listen alone", name)}
				}
			}
			return c.demo(cmd.Context(), listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "where the portal listens; another free port is taken if this one is in use")
	return cmd
}

// demonstration is a running demo.
type demonstration struct {
	*cli
	mail    DemoMail
	base    string
	data    string // the data folder
	browser *http.Client
	form    desk.Form
}

// given lists the flags that were given.
func given(cmd *cobra.Command) (names []string) {
	cmd.Flags().Visit(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

func (c *cli) demo(ctx context.Context, listen string) (err error) {
	if c.demoMail == nil {
		return errors.New("this program was built without the demo's mail server")
	}
	dir, err := os.MkdirTemp("", "postern-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	mail, err := c.demoMail(ctx, map[string]string{demoDesk: demoPassword, demoCustomer: demoPassword}, 1143, 1025)
	if err != nil {
		return fmt.Errorf("start the demo's mail server: %w", err)
	}
	defer func() { err = errors.Join(err, mail.Close()) }()
	if listen, err = freeOr(ctx, listen); err != nil {
		return err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.BaseURL, cfg.LogLevel = dir, listen, "http://"+listen, "warn"
	d := &demonstration{
		cli: c, mail: mail, base: cfg.BaseURL, data: dir,
		browser: &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	log := logger(cfg, c.env.Stderr)
	if err := d.setUp(ctx, cfg, log); err != nil {
		return err
	}
	ready := make(chan struct{})
	return runAll(ctx,
		func(ctx context.Context) error { return Serve(ctx, cfg, log, func(string) { close(ready) }) },
		func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return nil
			case <-ready:
			}
			if err := d.play(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("play the conversation: %w", err)
			}
			return nil
		})
}

// freeOr gives the address if nobody listens there, else one on a free port.
func freeOr(ctx context.Context, addr string) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		host, _, splitErr := net.SplitHostPort(addr)
		if splitErr != nil {
			return "", fmt.Errorf("--listen: %w", splitErr)
		}
		if l, err = lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", fmt.Errorf("--listen: %w", err)
		}
	}
	return l.Addr().String(), l.Close()
}

// setUp does what an operator would: a company, a mailbox, a form.
func (d *demonstration) setUp(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	p, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if _, err := p.desk.AddCompany(ctx, "Acme", []string{"acme.example"}); err != nil {
		return err
	}
	user := url.UserPassword(demoDesk, demoPassword).String()
	mb, err := mailboxFlags{
		address: demoDesk, name: "Desk Support", since: "all",
		imap: "imap://" + user + "@" + d.mail.IMAPAddr(), smtp: "smtp://" + user + "@" + d.mail.SMTPAddr(),
	}.mailbox(time.Now(), func(flag string) bool { return flag == "name" || flag == "imap" || flag == "smtp" })
	if err != nil {
		return err
	}
	d.form = desk.Form{
		ID: store.NewID(), Key: "contact-" + strings.ToLower(string(store.NewID())), Name: "Contact", MailboxID: mb.ID, Auth: desk.SecretURLForm,
		Secret: webhook.NewSecret(), Mapping: map[string]string{}, CreatedAt: time.Now(),
	}
	return p.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.PutMailbox(ctx, mb); err != nil {
			return err
		}
		return tx.PutForm(ctx, d.form)
	})
}

// play has a customer and an agent talk, each by the means they have.
func (d *demonstration) play(ctx context.Context) error {
	d.note("A customer writes to %s …", demoDesk)
	question := d.letter("Ann Example <"+demoCustomer+">", demoDesk, "The coffee machine says E41", "question", "",
		"Hello,\n\nour coffee machine says E41 and makes tea. We did not order tea.\n\nBest wishes\nAnn")
	if err := d.send(demoCustomer, demoDesk, question); err != nil {
		return err
	}
	d.note("… and gets the welcome mail with a link to the portal …")
	link, err := d.linkTo(ctx, "/password/")
	if err != nil {
		return err
	}
	if err := d.post(ctx, link, url.Values{"password": {demoPassword}}); err != nil {
		return err
	}
	d.note("… an agent answers in a mail client …")
	answer := d.letter("Desk Support <"+demoDesk+">", "Ann Example <"+demoCustomer+">", "Re: The coffee machine says E41", "answer", "question",
		"Hello Ann,\n\nE41 is the tea bag sensor. Which model is it?\n\nMette\n\nOn Sunday, Ann Example wrote:\n> our coffee machine says E41 and makes tea.")
	if err := d.send(demoDesk, demoCustomer, answer); err != nil {
		return err
	}
	if err := d.mail.KeepSent(demoDesk, answer); err != nil {
		return err
	}
	if err := d.until(ctx, "Which model is it?"); err != nil {
		return err
	}
	d.note("… and the customer answers in the portal, which puts the answer into the agents' inbox.")
	if err := d.reply(ctx, "It is a Brewmaster 3000. The sticker says FL-90-22817."); err != nil {
		return err
	}
	if err := d.until(ctx, "Delivered to our mailbox"); err != nil {
		return err
	}
	if err := d.post(ctx, d.base+"/sign-in/link", url.Values{"email": {demoCustomer}}); err != nil {
		return err
	}
	if link, err = d.linkTo(ctx, "/sign-in/link/"); err != nil {
		return err
	}
	d.tell(link)
	return nil
}

func (d *demonstration) tell(link string) {
	imapHost, imapPort, _ := net.SplitHostPort(d.mail.IMAPAddr())
	smtpHost, smtpPort, _ := net.SplitHostPort(d.mail.SMTPAddr())
	d.say(`
The portal, as the customer (this link signs you in once, within 15 minutes):
  %s
  or %s/sign-in with %s and the password %s

The agents' mailbox, for any mail client (no encryption, this machine only):
  IMAP %s port %s, SMTP %s port %s, user %s, password %s
  The customer's mailbox is there too: %s, password %s

Make a ticket by mail, and another by a web form:
  swaks --server %s --from %s --to %s --header "Subject: Hello" --body "A second question."
  curl -d email=%s -d subject="From the web" -d message="Please call." %s/hooks/%s

Look at it as whoever runs it does, from another terminal:
  export POSTERN_DATA=%s POSTERN_BASE_URL=%s
  go run ./cmd/gateway ticket show 1

Ctrl-C ends the demo and removes everything.`,
		link, d.base, demoCustomer, demoPassword, imapHost, imapPort, smtpHost, smtpPort, demoDesk, demoPassword, demoCustomer, demoPassword,
		d.mail.SMTPAddr(), demoCustomer, demoDesk, demoCustomer, d.base, d.form.Key, d.data, d.base)
}

// letter is a mail as a mail client writes it; id and answers stand for Message-IDs.
func (d *demonstration) letter(from, to, subject, id, answers, text string) []byte {
	h := fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <%s@demo.example>\n", from, to, subject, time.Now().Format(time.RFC1123Z), id)
	if answers != "" {
		h += fmt.Sprintf("In-Reply-To: <%[1]s@demo.example>\nReferences: <%[1]s@demo.example>\n", answers)
	}
	return []byte(strings.ReplaceAll(h+"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"+text+"\n", "\n", "\r\n"))
}

func (d *demonstration) send(from, to string, raw []byte) error {
	return smtp.SendMail(d.mail.SMTPAddr(), nil, from, []string{to}, raw)
}

const demoPatience = 30 * time.Second

// wait asks until ok, or fails after a while.
func (d *demonstration) wait(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for {
		done, err := ok()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited in vain for %s", what), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// linkTo waits for a mail to the customer with a link below a path.
func (d *demonstration) linkTo(ctx context.Context, path string) (string, error) {
	pattern := regexp.MustCompile(regexp.QuoteMeta(d.base+path) + `[a-z2-7]{52}`)
	var link string
	err := d.wait(ctx, "the mail with the link", func() (bool, error) {
		for _, raw := range d.mail.Delivered(demoCustomer) {
			plain := bytes.ReplaceAll(raw, []byte("=\r\n"), nil) // quoted-printable's soft line ends
			if found := pattern.Find(plain); found != nil {
				link = string(found)
			}
		}
		return link != "", nil
	})
	return link, err
}

func (d *demonstration) do(ctx context.Context, method, to, contentType string, body io.Reader) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return "", err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := d.browser.Do(req)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s", method, to, resp.Status)
	}
	return string(b), err
}

func (d *demonstration) post(ctx context.Context, to string, form url.Values) error {
	_, err := d.do(ctx, http.MethodPost, to, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	return err
}

const demoTicket = "/tickets/1"

// until waits until the ticket's page shows a text.
func (d *demonstration) until(ctx context.Context, text string) error {
	return d.wait(ctx, strconv.Quote(text), func() (bool, error) {
		page, err := d.do(ctx, http.MethodGet, d.base+demoTicket, "", nil)
		return strings.Contains(page, text), err
	})
}

func (d *demonstration) reply(ctx context.Context, text string) error {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := errors.Join(w.WriteField("text", text), w.Close()); err != nil {
		return err
	}
	_, err := d.do(ctx, http.MethodPost, d.base+demoTicket, w.FormDataContentType(), &b)
	return err
}
