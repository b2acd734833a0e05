package e2e

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/internal/mailtest"
)

// TestJourney is the main job from end to end: a customer's mail becomes a ticket, the customer comes to the portal by
// the welcome mail and answers there, the answer lies in the agents' inbox, the agent answers from a mail client, and the
// customer sees it. A web form does the same.
func TestJourney(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			in.gateway("company", "add", "--name", "Acme", "--domain", "acme.example")
			form := strings.Fields(in.gateway("form", "add", "--name", "Contact", "--mailbox", support, "--map", "email=email,name=name,subject=topic,message=text"))
			in.start()
			j := &journey{installation: in}
			j.mailBecomesTicket()
			j.welcomeLeadsToThePortal()
			j.portalReplyLiesInTheInbox()
			j.agentAnswersFromAMailClient()
			j.agentAnswersThroughTheAPI()
			j.noteStaysInternal()
			j.strangersSeeNothing()
			j.customerAnswersByMail()
			j.customerOpensATicket()
			j.formMakesATicket(form[0], form[1])
			j.nothingIsDoubled()
		})
	}
}

type journey struct {
	*installation
	ticket  ticket
	ann     *visitor
	replied message // what Ann wrote in the portal
}

// mailFrom is a mail as a client would send it.
func mailFrom(from, to, subject, id, inReplyTo, text string) []byte {
	h := fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <%s>\n", from, to, subject, time.Now().Format(time.RFC1123Z), id)
	if inReplyTo != "" {
		h += fmt.Sprintf("In-Reply-To: <%s>\nReferences: <%s>\n", inReplyTo, inReplyTo)
	}
	return mailtest.Lines([]byte(h + "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" + text + "\n"))
}

func (j *journey) mailBecomesTicket() {
	j.t.Helper()
	j.dovecot.Append("support", "INBOX", mailFrom("Ann Example <ann@print.acme.example>", support, "The printer is on fire", "first@acme.example", "", "It burns.\n\n-- \nAnn"), nil, time.Now())
	j.ticket = j.ticketAbout("The printer is on fire")
	if j.ticket.CompanyID == nil {
		j.t.Error("the ticket has no company, though a parent of the sender's domain is Acme's")
	}
	said := j.messagesOf(j.ticket.ID, 1)
	if said[0].Author.Kind != "customer" || said[0].Author.Address != "ann@print.acme.example" || said[0].Reply != "It burns." || said[0].Source != "mail" {
		j.t.Errorf("the first message is %+v", said[0])
	}
	for _, m := range j.dovecot.Messages("support", "INBOX") {
		if len(m.Flags) != 0 && !slices.Equal(m.Flags, []imap.Flag{`\Recent`}) {
			j.t.Errorf("the mail in the mailbox got the flags %v", m.Flags)
		}
	}
}

// sentTo waits for the n-th mail to an address.
func (in *installation) sentTo(address string, n int) *mail.Message {
	in.t.Helper()
	var raw []byte
	in.until(fmt.Sprintf("mail %d to %s is sent", n, address), func() (bool, error) {
		got := in.got(address)
		if len(got) < n {
			return false, fmt.Errorf("%d were sent", len(got))
		}
		raw = got[n-1]
		return true, nil
	})
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		in.t.Fatal(err)
	}
	return m
}

// got is all mail that somebody outside has got so far.
func (in *installation) got(address string) (all [][]byte) {
	in.t.Helper()
	if in.postfix != nil {
		user, _, _ := strings.Cut(address, "@")
		for _, m := range in.dovecot.Messages(user, "INBOX") {
			all = append(all, m.Raw)
		}
		return all
	}
	for _, r := range in.smtp.Received() {
		if slices.Contains(r.To, address) {
			all = append(all, r.Raw)
		}
	}
	return all
}

var linkInMail = regexp.MustCompile(`http://(?:127\.0\.0\.1|localhost):\d+(/[a-z/-]+/[a-z2-7]{52})`)

// link finds the one-time link in a mail.
func link(t testing.TB, m *mail.Message) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(m.Body); err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(strings.ReplaceAll(b.String(), "=\r\n", ""), "=3D", "=")
	found := linkInMail.FindStringSubmatch(plain)
	if found == nil {
		t.Fatalf("there is no link in\n%s", plain)
	}
	return found[1]
}

const password = "a horse and three staples"

func (j *journey) welcomeLeadsToThePortal() {
	j.t.Helper()
	welcome := j.sentTo("ann@print.acme.example", 1)
	if welcome.Header.Get("Auto-Submitted") != "auto-generated" {
		j.t.Errorf("the welcome mail is not marked as automatic: %v", welcome.Header)
	}
	path := link(j.t, welcome)
	for range 5 { // programs that look into every mail
		for _, method := range []string{"HEAD", "GET"} {
			req, err := http.NewRequest(method, j.url+path, nil)
			if err != nil {
				j.t.Fatal(err)
			}
			if p := j.visitor().do(req); method == "GET" && p.status != http.StatusOK {
				j.t.Fatalf("the link gives %d: %s", p.status, p.body)
			}
		}
	}
	j.ann = j.visitor()
	if p := j.ann.get("/tickets"); p.status != http.StatusSeeOther || p.location != "/sign-in" {
		j.t.Errorf("signed out, the list gives %d %s", p.status, p.location)
	}
	if p := j.ann.post(path, "application/x-www-form-urlencoded", []byte("password=1234")); p.status != http.StatusUnprocessableEntity {
		j.t.Errorf("a short password gives %d", p.status)
	}
	if p := j.ann.post(path, "application/x-www-form-urlencoded", []byte("password="+url.QueryEscape(password))); p.status != http.StatusSeeOther || p.location != "/tickets" {
		j.t.Fatalf("setting the password gives %d %s: %s", p.status, p.location, p.body)
	}
	if p := j.visitor().get(path); p.status != http.StatusGone {
		j.t.Errorf("the spent link gives %d", p.status)
	}
	// out and in again with the password
	if p := j.ann.post("/sign-out", "application/x-www-form-urlencoded", nil); p.location != "/sign-in?why=out" {
		j.t.Errorf("signing out leads to %s", p.location)
	}
	j.signIn(j.ann, "ann@print.acme.example", "wrong "+password, http.StatusUnprocessableEntity)
	j.signIn(j.ann, "Ann@print.acme.example", password, http.StatusSeeOther)
	if p := j.ann.get("/tickets"); !strings.Contains(p.body, "The printer is on fire") {
		j.t.Errorf("the list does not show the ticket: %s", p.body)
	}
	// and by a mailed link
	j.ann.post("/sign-out", "application/x-www-form-urlencoded", nil)
	if p := j.ann.post("/sign-in/link", "application/x-www-form-urlencoded", []byte("email=ann%40print.acme.example")); p.status != http.StatusOK {
		j.t.Errorf("asking for a link gives %d", p.status)
	}
	path = link(j.t, j.sentTo("ann@print.acme.example", 2))
	if p := j.ann.get(path); p.status != http.StatusOK {
		j.t.Errorf("the sign-in link gives %d", p.status)
	}
	if p := j.ann.post(path, "application/x-www-form-urlencoded", nil); p.location != "/tickets" {
		j.t.Fatalf("signing in by link gives %d %s", p.status, p.location)
	}
}

func (j *journey) signIn(v *visitor, email, password string, want int) {
	j.t.Helper()
	p := v.post("/sign-in", "application/x-www-form-urlencoded", []byte(url.Values{"email": {email}, "password": {password}}.Encode()))
	if p.status != want {
		j.t.Fatalf("signing in as %s gives %d, want %d", email, p.status, want)
	}
}

// multipartForm makes the body of a page's form.
func multipartForm(t testing.TB, fields map[string]string, files map[string]string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		part, err := w.CreateFormFile("files", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

var nonceIn = regexp.MustCompile(`name="nonce" value="([0-9a-f-]{36})"`)

func (j *journey) portalReplyLiesInTheInbox() {
	j.t.Helper()
	path := fmt.Sprintf("/tickets/%d", j.ticket.Number)
	p := j.ann.get(path)
	if !strings.Contains(p.body, "It burns.") {
		j.t.Errorf("the thread does not show the mail: %s", p.body)
	}
	nonce := nonceIn.FindStringSubmatch(p.body)[1]
	contentType, body := multipartForm(j.t, map[string]string{"text": "Still burning. <b>Help</b>", "nonce": nonce}, map[string]string{"flames.txt": "hot"})
	for range 2 { // a double click
		if p := j.ann.post(path, contentType, body); p.status != http.StatusSeeOther {
			j.t.Fatalf("answering gives %d: %s", p.status, p.body)
		}
	}
	j.replied = j.messagesOf(j.ticket.ID, 2)[1]
	if j.replied.Source != "portal" || j.replied.Trust != "V3" || len(j.replied.Attachments) != 1 {
		j.t.Errorf("the portal reply is %+v", j.replied)
	}
	got := j.inInbox(j.replied.MessageID)
	from, err := got.Header.AddressList("From")
	if err != nil || from[0].Address != "ann@print.acme.example" {
		j.t.Errorf("the mail in the inbox is from %v, %v", from, err)
	}
	if got.Header.Get("In-Reply-To") != "<first@acme.example>" || !strings.Contains(got.Header.Get("References"), "<first@acme.example>") || got.Header.Get("Subject") != "Re: The printer is on fire" {
		j.t.Errorf("the mail in the inbox is not in the conversation: %v", got.Header)
	}
	j.until("the reply is shown as delivered", func() (bool, error) {
		return strings.Contains(j.ann.get(path).body, "Delivered to our mailbox"), nil
	})
	if p := j.ann.get(path); strings.Contains(p.body, "<b>Help</b>") || !strings.Contains(p.body, "&lt;b&gt;Help") {
		j.t.Error("what was typed is not shown as it was typed")
	}
	file := regexp.MustCompile(`href="(/files/[^"]+)"`).FindStringSubmatch(j.ann.get(path).body)
	if file == nil {
		j.t.Fatal("the thread shows no file")
	}
	if p := j.ann.get(file[1]); p.body != "hot" || !strings.HasPrefix(p.header.Get("Content-Disposition"), "attachment") {
		j.t.Errorf("the file is %q with %v", p.body, p.header)
	}
}

// inInbox waits for the mail with a Message-ID in the agents' inbox; it must be unread and there once.
func (in *installation) inInbox(messageID string) *mail.Message {
	in.t.Helper()
	var found *mail.Message
	in.until("the mail is in the inbox", func() (bool, error) {
		n := 0
		for _, m := range in.dovecot.Messages("support", "INBOX") {
			parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
			if err != nil {
				return false, err
			}
			if parsed.Header.Get("Message-ID") == "<"+messageID+">" {
				n++
				found = parsed
				if slices.Contains(m.Flags, imap.FlagSeen) {
					in.t.Error("the mail is not unread")
				}
			}
		}
		if n > 1 {
			in.t.Fatalf("the mail is in the inbox %d times", n)
		}
		return n == 1, nil
	})
	return found
}

func (j *journey) agentAnswersFromAMailClient() {
	j.t.Helper()
	j.dovecot.Append("support", "Sent", mailFrom("Desk Support <"+support+">", "Ann Example <ann@print.acme.example>", "Re: The printer is on fire", "answer@desk.example", j.replied.MessageID,
		"Use the extinguisher.\n\nOn Sunday Ann wrote:\n> Still burning."), []imap.Flag{imap.FlagSeen}, time.Now())
	said := j.messagesOf(j.ticket.ID, 3)[2]
	if said.Author.Kind != "agent" || said.Internal || said.Reply != "Use the extinguisher." {
		j.t.Errorf("the agent's answer is %+v", said)
	}
	p := j.ann.get(fmt.Sprintf("/tickets/%d", j.ticket.Number))
	if !strings.Contains(p.body, "Use the extinguisher.") || !strings.Contains(p.body, "Waiting for you") {
		j.t.Errorf("the customer does not see the answer: %s", p.body)
	}
	// an agent forwards the matter to a supplier: nothing for the customer
	j.dovecot.Append("support", "Sent", mailFrom("Desk Support <"+support+">", "vendor@supplier.example", "Fwd: The printer is on fire", "forward@desk.example", "first@acme.example", "They are a difficult customer."), []imap.Flag{imap.FlagSeen}, time.Now())
	if said := j.messagesOf(j.ticket.ID, 4)[3]; !said.Internal {
		j.t.Errorf("mail to a supplier is not internal: %+v", said)
	}
}

func (j *journey) agentAnswersThroughTheAPI() {
	j.t.Helper()
	j.call("POST", "/tickets/"+j.ticket.ID+"/messages", map[string]any{"text": "The fire brigade is on its way."}, nil)
	got := j.sentTo("ann@print.acme.example", 3)
	if got.Header.Get("In-Reply-To") != "<answer@desk.example>" || got.Header.Get("Auto-Submitted") != "" || got.Header.Get("Subject") != "Re: The printer is on fire" {
		j.t.Errorf("the answer is not in the conversation: %v", got.Header)
	}
	j.until("the API shows it as sent", func() (bool, error) {
		said, err := j.messages(j.ticket.ID)
		last := said[len(said)-1]
		return last.Delivery != nil && last.Delivery.State == "sent", err
	})
}

func (j *journey) noteStaysInternal() {
	j.t.Helper()
	before := j.smtp.Count()
	j.call("POST", "/tickets/"+j.ticket.ID+"/messages", map[string]any{"text": "Never sell them a printer again.", "internal": true}, nil)
	p := j.ann.get(fmt.Sprintf("/tickets/%d", j.ticket.Number))
	for _, secret := range []string{"Never sell", "difficult customer", "vendor@supplier.example"} {
		if strings.Contains(p.body, secret) {
			j.t.Errorf("the customer sees %q", secret)
		}
	}
	if j.smtp.Count() != before {
		j.t.Error("a note was mailed")
	}
}

func (j *journey) strangersSeeNothing() {
	j.t.Helper()
	// A stranger who knows a Message-ID does not get into the conversation.
	j.dovecot.Append("support", "INBOX", mailFrom("Eve <eve@evil.example>", support, "Re: The printer is on fire", "eve@evil.example", "first@acme.example", "What did they say?"), nil, time.Now())
	j.until("the stranger's mail is held", func() (bool, error) {
		var held list[struct {
			From string `json:"from"`
		}]
		err := j.ask("GET", "/held", nil, &held)
		return len(held.Items) == 1 && held.Items[0].From == "eve@evil.example", err
	})
	if said := j.messagesOf(j.ticket.ID, 6); said[5].Text != "Never sell them a printer again." {
		j.t.Errorf("the newest message is %+v", said[5])
	}
	// Another customer gets the same answer for a ticket that is not theirs and for one that never was.
	j.dovecot.Append("support", "INBOX", mailFrom("Bob <bob@other.example>", support, "Hello", "bob@other.example", "", "Hi."), nil, time.Now())
	bob := j.visitor()
	if p := bob.post(link(j.t, j.sentTo("bob@other.example", 1)), "application/x-www-form-urlencoded", []byte("password="+url.QueryEscape(password))); p.status != http.StatusSeeOther {
		j.t.Fatalf("Bob can't set a password: %d", p.status)
	}
	theirs, none := bob.get(fmt.Sprintf("/tickets/%d", j.ticket.Number)), bob.get("/tickets/99999")
	if theirs.status != http.StatusNotFound || none.status != http.StatusNotFound || theirs.body != none.body {
		j.t.Errorf("another's ticket gives %d, none %d, the same page: %v", theirs.status, none.status, theirs.body == none.body)
	}
}

func (j *journey) customerAnswersByMail() {
	j.t.Helper()
	j.dovecot.Append("support", "INBOX", mailFrom("Ann Example <ann@print.acme.example>", support, "AW: The printer is on fire", "second@acme.example", "answer@desk.example", "It is out."), nil, time.Now())
	if said := j.messagesOf(j.ticket.ID, 7)[6]; said.Text != "It is out." || said.Trust != "V0" {
		j.t.Errorf("the answer by mail is %+v", said)
	}
}

func (j *journey) customerOpensATicket() {
	j.t.Helper()
	nonce := nonceIn.FindStringSubmatch(j.ann.get("/tickets/new").body)[1]
	contentType, body := multipartForm(j.t, map[string]string{"subject": "A new printer", "text": "Which one?", "nonce": nonce}, nil)
	for range 2 {
		if p := j.ann.post("/tickets/new", contentType, body); p.status != http.StatusSeeOther {
			j.t.Fatalf("a new ticket gives %d: %s", p.status, p.body)
		}
	}
	t := j.ticketAbout("A new printer")
	j.inInbox(j.messagesOf(t.ID, 1)[0].MessageID)
	// A page that the browser kept sends its old id with other words: they are not lost.
	path := fmt.Sprintf("/tickets/%d", t.Number)
	nonce = nonceIn.FindStringSubmatch(j.ann.get(path).body)[1]
	for _, text := range []string{"The blue one.", "Or the green one."} {
		contentType, body := multipartForm(j.t, map[string]string{"text": text, "nonce": nonce}, nil)
		if p := j.ann.post(path, contentType, body); p.status != http.StatusSeeOther {
			j.t.Fatalf("answering gives %d: %s", p.status, p.body)
		}
	}
	said := j.messagesOf(t.ID, 3)
	if said[1].Text != "The blue one." || said[2].Text != "Or the green one." {
		j.t.Errorf("the ticket says %+v", said)
	}
}

func (j *journey) formMakesATicket(formURL, secret string) {
	j.t.Helper()
	body := []byte(`{"email":"cleo@form.example","name":"Cleo","topic":"From the web","text":"Please call.","phone":"12345"}`)
	for i := range 2 {
		req, err := http.NewRequest("POST", formURL, bytes.NewReader(body))
		if err != nil {
			j.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		sign(req, secret, "delivery-1", time.Now(), body)
		if p := j.visitor().do(req); p.status != http.StatusOK || i == 1 && !strings.Contains(p.body, "duplicate") {
			j.t.Fatalf("post %d gives %d %s", i, p.status, p.body)
		}
	}
	t := j.ticketAbout("From the web")
	said := j.messagesOf(t.ID, 1)[0]
	if said.Source != "form" || said.Trust != "V0" || !strings.Contains(said.Text, "Please call.") || !strings.Contains(said.Text, "12345") {
		j.t.Errorf("the form's message is %+v", said)
	}
	got := j.inInbox(said.MessageID)
	if from, err := got.Header.AddressList("From"); err != nil || from[0].Address != "cleo@form.example" {
		j.t.Errorf("the mail in the inbox is from %v, %v", from, err)
	}
	j.sentTo("cleo@form.example", 1)
	// The agent answers the mail that lies in the inbox.
	j.dovecot.Append("support", "Sent", mailFrom(support, "cleo@form.example", "Re: From the web", "called@desk.example", said.MessageID, "We called."), nil, time.Now())
	if said := j.messagesOf(t.ID, 2)[1]; said.Internal || said.Author.Kind != "agent" {
		j.t.Errorf("the answer to the form is %+v", said)
	}
}

func (j *journey) nothingIsDoubled() {
	j.t.Helper()
	j.until("every mail in the mailbox has its outcome", func() (bool, error) {
		var report struct {
			Ledger     map[string]int `json:"ledger"`
			Outbox     map[string]int `json:"outbox"`
			Violations []string       `json:"violations"`
		}
		out, _, err := j.try("verify", "--json")
		if err := jsonIn(out, &report); err != nil {
			return false, err
		}
		if len(report.Violations) > 0 {
			j.t.Fatalf("verify finds %v", report.Violations)
		}
		// first, second, Eve, Bob in INBOX; the answers in Sent; Ann's reply, her ticket, the form and the API's answer in Sent come back as own copies
		done := report.Ledger["own-copy"] == 6 && report.Ledger["pending"] == 0 && report.Outbox["sent"] == 11
		return done && err == nil, fmt.Errorf("ledger %v, outbox %v, %w", report.Ledger, report.Outbox, err)
	})
	copies := 0
	for _, m := range j.dovecot.Messages("support", "Sent") {
		if bytes.Contains(m.Raw, []byte("The fire brigade is on its way.")) && slices.Contains(m.Flags, imap.FlagSeen) {
			copies++
		}
	}
	if copies != 1 {
		j.t.Errorf("the answer that was written elsewhere lies in Sent %d times", copies)
	}
	all, err := j.tickets()
	if err != nil || len(all) != 4 {
		j.t.Errorf("there are %d tickets, want 4: %v", len(all), err)
	}
}
