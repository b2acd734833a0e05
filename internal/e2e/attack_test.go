package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/mailtest"
)

// mx is the name under which the installation's mail server writes down what it found out about senders.
const mx = "mx.desk.example"

// attack is an installation that people try to misuse. Its mail comes through a mail server that believes nobody: what it writes
// above a mail is true, whatever the mail says below.
type attack struct {
	*installation
	number int
}

// TestAttacks plays the attacks of REQUIREMENTS section 1.3 on the running programs.
func TestAttacks(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			in := install(t, m)
			in.gateway("mailbox", "edit", support, "--sub-address", "--authserv-id", mx, "--authserv-hops", "1")
			in.gateway("mailbox", "add", "--address", "sales@desk.example", "--imap", in.dovecot.IMAPURL("sales"), "--smtp", in.smtp.URL())
			form := strings.Fields(in.gateway("form", "add", "--name", "Contact", "--mailbox", support, "--map", "email=email,name=name,subject=topic,message=text"))
			in.start()
			a := &attack{installation: in}
			for _, play := range []struct {
				name string
				play func()
			}{
				{"H1: a code mailed to a ticket's address is not shown to who owns the ticket", a.ticketTrick},
				{"H2: a spoofed sender with a copy to himself reads nothing", a.spoofedSender},
				{"H3: forms and mail carry nobody's words to strangers", func() { a.relay(form[0], form[1]) }},
				{"H4: who takes a Message-ID first makes no mail vanish", a.squatting},
				{"H5: nobody is an agent by his From line", a.impersonation},
				{"H6: what agents write to others is not shown", a.forwards},
				{"H7: a mark that was copied hides nothing", a.copiedMark},
				{"H8: one mailbox's ids and addresses mean nothing in another", a.otherMailbox},
			} {
				before := in.t
				t.Run(play.name, func(t *testing.T) { in.t = t; play.play() })
				in.t = before
			}
			in.gateway("verify", "--against-server")
		})
	}
}

// arrives has a mail come from outside: from a machine, with what the mail server found out about its From line.
func (a *attack) arrives(host, envelope, to, dmarc string, raw []byte) {
	a.t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		a.t.Fatal(err)
	}
	from, err := mail.ParseAddress(m.Header.Get("From"))
	if err != nil {
		a.t.Fatal(err)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	above := fmt.Sprintf("Authentication-Results: %s; dmarc=%s header.from=%s\r\nReceived: from outside.example (outside.example [%s]) by %s with ESMTP id 1; %s\r\n",
		mx, dmarc, domain, host, mx, time.Now().Format(time.RFC1123Z))
	if err := a.dovecot.Deliver(envelope, to, append([]byte(above), raw...)); err != nil {
		a.t.Fatal(err)
	}
}

// human is a mail with an id of its own.
func (a *attack) human(from, to, subject, inReplyTo, text string, more ...string) (raw []byte, id string) {
	a.number++
	id = fmt.Sprintf("attack%d@outside.example", a.number)
	raw = mailFrom(from, to, subject, id, inReplyTo, text)
	for _, m := range more {
		raw = append([]byte(m+"\r\n"), raw...)
	}
	return raw, id
}

// opens has somebody write in and follow the welcome mail to the portal.
func (a *attack) opens(address, subject, text string) (ticket, *visitor, string) {
	a.t.Helper()
	raw, id := a.human(address, support, subject, "", text)
	a.arrives("192.0.2.10", address, support, "pass", raw)
	t := a.ticketAbout(subject)
	v := a.visitor()
	if p := v.post(link(a.t, a.sentTo(address, 1)), "application/x-www-form-urlencoded", []byte("password="+url.QueryEscape(password))); p.status != http.StatusSeeOther {
		a.t.Fatalf("%s can't set a password: %d", address, p.status)
	}
	return t, v, id
}

// answers has an agent answer, and gives the mail as the customer gets it: the n-th one.
func (a *attack) answers(t ticket, text, to string, n int) *mail.Message {
	a.t.Helper()
	a.call("POST", "/tickets/"+t.ID+"/messages", map[string]any{"text": text}, nil)
	return a.sentTo(to, n)
}

// held waits until a mail is held, and gives its ticket's number.
func (a *attack) held(from, subject string) int64 {
	a.t.Helper()
	var ticket int64
	a.until("the mail from "+from+" is held", func() (bool, error) {
		var items list[struct {
			From    string `json:"from"`
			Subject string `json:"subject"`
			Ticket  int64  `json:"ticket_number"`
		}]
		out, _, err := a.try("held", "list", "--json")
		if err != nil {
			return false, err
		}
		if err := jsonIn(out, &items); err != nil {
			return false, err
		}
		for _, i := range items.Items {
			if i.From == from && i.Subject == subject {
				ticket = i.Ticket
				return true, nil
			}
		}
		return false, fmt.Errorf("held are %+v", items.Items)
	})
	return ticket
}

// reads gives all that a visitor can find: the list, and each ticket with a number up to the newest.
func (a *attack) reads(v *visitor) string {
	a.t.Helper()
	all, err := a.tickets()
	if err != nil {
		a.t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(v.get("/tickets").body)
	for _, t := range all {
		if p := v.get(fmt.Sprintf("/tickets/%d", t.Number)); p.status == http.StatusOK {
			b.WriteString(p.body)
		}
	}
	return b.String()
}

func (a *attack) neverReads(v *visitor, who string, words ...string) {
	a.t.Helper()
	all := a.reads(v)
	for _, w := range words {
		if strings.Contains(all, w) {
			a.t.Errorf("%s reads %q", who, w)
		}
	}
}

// mailed gives all that was sent to an address.
func (a *attack) mailed(address string) (out []string) {
	for _, r := range a.smtp.Received() {
		if slices.Contains(r.To, address) {
			out = append(out, string(r.Raw))
		}
	}
	return out
}

func (a *attack) ticketTrick() {
	a.t.Helper()
	t, eve, _ := a.opens("eve@evil.example", "A harmless question", "Hello?")
	tokenAddress, err := mail.ParseAddress(a.answers(t, "Good day.", "eve@evil.example", 2).Header.Get("Reply-To"))
	if err != nil || !strings.HasPrefix(tokenAddress.Address, "support+") {
		a.t.Fatalf("Reply-To %v, %v", tokenAddress, err)
	}
	// She registers the ticket's address, and the support address, at a service that mails a code there.
	for i, to := range []string{tokenAddress.Address, support} {
		for j, mark := range []string{"Auto-Submitted: auto-generated", "X-Plain: yes"} {
			subject := fmt.Sprintf("Your code %d%d", i, j)
			raw, _ := a.human("Service <hello@service.example>", to, subject, "", "Your code is SECRET-4711.", mark)
			a.arrives("192.0.2.20", "hello@service.example", to, "pass", raw)
			if i == 0 {
				a.held("hello@service.example", subject)
			}
		}
	}
	a.ticketAbout("Your code 11") // to the support address, by what seems a human: a ticket of the service's own
	a.neverReads(eve, "Eve", "SECRET-4711")
	if said, err := a.messages(t.ID); err != nil || len(said) != 2 {
		a.t.Errorf("the ticket has %d messages, %v", len(said), err)
	}
}

func (a *attack) spoofedSender() {
	a.t.Helper()
	t, _, first := a.opens("ann@victim.example", "The merger", "The price is TOP-SECRET.")
	reply := a.answers(t, "We pay ALSO-SECRET.", "ann@victim.example", 2)
	_, mallory, _ := a.opens("mallory@evil.example", "Nothing to see", "Hello.")
	// From Ann, by nobody who may send for her, with a copy to himself: by guessed addresses, and by an id that he got hold of.
	var subjects []string
	for i, to := range []string{"support+id" + fmt.Sprint(t.Number) + "@desk.example", "support+" + fmt.Sprint(t.Number) + "@desk.example", support} {
		subject := fmt.Sprintf("Re: [#%d] The merger %d", t.Number, i)
		raw, _ := a.human("Ann <ann@victim.example>", to, subject, "", "Please copy mallory.", "Cc: mallory@evil.example")
		a.arrives("192.0.2.30", "mallory@evil.example", to, "fail", raw)
		subjects = append(subjects, subject)
	}
	for _, s := range subjects {
		if spoofed := a.ticketAbout(s); spoofed.ID == t.ID {
			a.t.Errorf("%q joined the ticket", s)
		}
	}
	raw, _ := a.human("Ann <ann@victim.example>", support, "Re: The merger", first, "Please copy mallory here.", "Cc: mallory@evil.example", "Reply-To: mallory@evil.example")
	a.arrives("192.0.2.30", "mallory@evil.example", support, "fail", raw)
	said := a.messagesOf(t.ID, 3)
	if said[2].Trust != "V0" {
		a.t.Errorf("a forged answer has trust %s", said[2].Trust)
	}
	// And in his own name, with all that he knows.
	reference := strings.Trim(reply.Header.Get("Message-Id"), "<>")
	raw, _ = a.human("mallory@evil.example", support, "Re: The merger", reference, "What did they say?")
	a.arrives("192.0.2.30", "mallory@evil.example", support, "pass", raw)
	a.held("mallory@evil.example", "Re: The merger")

	before := len(a.mailed("mallory@evil.example"))
	a.answers(t, "Once more: STILL-SECRET.", "ann@victim.example", 3)
	if got := a.mailed("mallory@evil.example"); len(got) != before {
		a.t.Errorf("Mallory was mailed %s", got[before:])
	}
	a.neverReads(mallory, "Mallory", "TOP-SECRET", "ALSO-SECRET", "STILL-SECRET")
	if p := mallory.get(fmt.Sprintf("/tickets/%d", t.Number)); p.status != http.StatusNotFound {
		a.t.Errorf("the ticket's page gives him %d", p.status)
	}
}

func (a *attack) relay(formURL, secret string) {
	a.t.Helper()
	const words = "WIN-A-PRIZE"
	var victims []string
	for i := range 25 {
		victim := fmt.Sprintf("form%d@crowd.example", i)
		victims = append(victims, victim)
		a.post(formURL, secret, map[string]string{"email": victim, "name": words, "topic": words + fmt.Sprint(i), "text": "Go to https://evil.example/" + words})
	}
	for i := range 25 {
		victim := fmt.Sprintf("mail%d@crowd.example", i)
		victims = append(victims, victim)
		raw, _ := a.human(fmt.Sprintf("%s <%s>", words, victim), support, words+fmt.Sprintf(" by mail %d", i), "", "Go to https://evil.example/"+words)
		a.arrives("192.0.2.40", "x@evil.example", support, "fail", raw)
	}
	for i := range 8 { // one victim, again and again
		raw, _ := a.human(words+" <one@crowd.example>", support, fmt.Sprintf("%s once more %d", words, i), "", words)
		a.arrives(fmt.Sprintf("192.0.2.%d", 50+i), "x@evil.example", support, "fail", raw)
	}
	victims = append(victims, "one@crowd.example")
	a.ticketAbout(words + " once more 7")
	a.ticketAbout(words + " by mail 24")
	a.ticketAbout(words + "24")
	a.quiet()
	welcomed := 0
	for _, v := range victims {
		got := a.mailed(v)
		if len(got) > 1 {
			a.t.Errorf("%s got %d mails", v, len(got))
		}
		welcomed += len(got)
		for _, raw := range got {
			if strings.Contains(raw, words) || strings.Contains(raw, "evil.example") {
				a.t.Errorf("%s was sent the attacker's words: %s", v, raw)
			}
		}
	}
	if welcomed != 20+20+1 {
		a.t.Errorf("%d of %d victims were mailed, want 20 by the form, 20 by mail from one host, and one", welcomed, len(victims))
	}
}

// post sends what a form's provider would.
func (a *attack) post(formURL, secret string, fields map[string]string) {
	a.t.Helper()
	body := []byte("{")
	for k, v := range fields {
		body = append(body, fmt.Sprintf("%q:%q,", k, v)...)
	}
	body[len(body)-1] = '}'
	req, err := http.NewRequest("POST", formURL, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	a.number++
	req.Header.Set("Content-Type", "application/json")
	sign(req, secret, fmt.Sprintf("attack%d", a.number), time.Now(), body)
	resp, err := direct.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("the form answers %d", resp.StatusCode)
	}
}

// quiet waits until nothing is to be sent any more.
func (a *attack) quiet() {
	a.t.Helper()
	a.until("all that is to be sent has been sent", func() (bool, error) {
		for _, state := range []string{"pending", "sending", "deferred", "unknown"} {
			var rows list[struct{ ID string }]
			if err := a.ask("GET", "/outbox?limit=1&state="+state, nil, &rows); err != nil || len(rows.Items) > 0 {
				return false, err
			}
		}
		return true, nil
	})
}

func (a *attack) squatting() {
	a.t.Helper()
	const id = "expected@victim.example"
	a.arrives("192.0.2.60", "eve@evil.example", support, "pass", mailFrom("eve@evil.example", support, "I was here first", id, "", "Nothing."))
	a.ticketAbout("I was here first")
	a.arrives("192.0.2.61", "zoe@victim.example", support, "pass", mailFrom("zoe@victim.example", support, "The real one", id, "", "It is important."))
	real := a.ticketAbout("The real one")
	if said := a.messagesOf(real.ID, 1); said[0].Text != "It is important." {
		a.t.Errorf("the real mail says %+v", said[0])
	}
}

func (a *attack) impersonation() {
	a.t.Helper()
	t, kim, first := a.opens("kim@victim.example", "My invoice", "How do I pay?")
	for i, dmarc := range []string{"fail", "pass"} {
		subject := fmt.Sprintf("Re: My invoice %d", i)
		raw, _ := a.human("Desk Support <"+support+">", support, subject, first, "Pay to this EVIL-ACCOUNT.", "Cc: kim@victim.example")
		a.arrives("192.0.2.70", "eve@evil.example", support, dmarc, raw)
		if ticket := a.held(support, subject); ticket != t.Number {
			a.t.Errorf("held for ticket %d", ticket)
		}
	}
	a.neverReads(kim, "Kim", "EVIL-ACCOUNT")
}

func (a *attack) forwards() {
	a.t.Helper()
	t, lee, first := a.opens("lee@victim.example", "A broken pump", "It leaks.")
	raw := mailFrom("Desk Support <"+support+">", "vendor@supplier.example", "Fwd: A broken pump", "fwd@desk.example", first, "This customer is INTERNAL-WORDS.")
	a.dovecot.Append("support", "Sent", append([]byte("Bcc: boss@desk.example\r\n"), raw...), nil, time.Now())
	if said := a.messagesOf(t.ID, 2)[1]; !said.Internal {
		a.t.Errorf("%+v", said)
	}
	raw, _ = a.human("vendor@supplier.example", support, "Re: Fwd: A broken pump", "fwd@desk.example", "Sell them VENDOR-WORDS.")
	a.arrives("192.0.2.80", "vendor@supplier.example", support, "pass", raw)
	a.held("vendor@supplier.example", "Re: Fwd: A broken pump")
	raw = mailFrom("Desk Support <"+support+">", "lee@victim.example", "Re: A broken pump", "toLee@desk.example", first, "Tighten it.")
	a.dovecot.Append("support", "Sent", append([]byte("Bcc: HIDDEN-COPY@desk.example\r\n"), raw...), nil, time.Now())
	a.messagesOf(t.ID, 3)
	if all := a.reads(lee); !strings.Contains(all, "Tighten it.") {
		a.t.Error("Lee does not read what was written to them")
	}
	a.neverReads(lee, "Lee", "INTERNAL-WORDS", "VENDOR-WORDS", "vendor@supplier.example", "HIDDEN-COPY", "boss@desk.example")
	var shown json.RawMessage
	a.call("GET", "/tickets/"+t.ID+"/messages?limit=200", nil, &shown)
	if strings.Contains(string(shown), "HIDDEN-COPY") {
		a.t.Error("the API gives a Bcc away")
	}
}

func (a *attack) copiedMark() {
	a.t.Helper()
	t, _, _ := a.opens("max@victim.example", "A question", "Well?")
	reply := a.answers(t, "Yes.", "max@victim.example", 2)
	mark := reply.Header.Get("X-Postern-Loop")
	if mark == "" {
		a.t.Fatalf("no mark: %v", reply.Header)
	}
	raw, _ := a.human("max@victim.example", support, "With your mark", "", "Do you see me?", "X-Postern-Loop: "+mark, "X-Gateway: postern")
	a.arrives("192.0.2.90", "max@victim.example", support, "pass", raw)
	a.ticketAbout("With your mark")
	// Even under our own Message-ID, somebody else's mail is read as any other.
	raw = mailFrom("max@victim.example", support, "With your id, too", strings.Trim(reply.Header.Get("Message-Id"), "<>"), "", "And now?")
	a.arrives("192.0.2.90", "max@victim.example", support, "pass", append([]byte("X-Postern-Loop: "+mark+"\r\n"), raw...))
	a.until("it is read", func() (bool, error) {
		all, err := a.tickets()
		if err != nil {
			return false, err
		}
		for _, t := range all {
			said, err := a.messages(t.ID)
			if err != nil {
				return false, err
			}
			if slices.ContainsFunc(said, func(m message) bool { return m.Text == "And now?" }) {
				return true, nil
			}
		}
		return false, nil
	})
}

func (a *attack) otherMailbox() {
	a.t.Helper()
	t, _, first := a.opens("pat@victim.example", "For support", "SUPPORT-WORDS.")
	reply := a.answers(t, "Yes.", "pat@victim.example", 2)
	replyTo := strings.Replace(reply.Header.Get("Reply-To"), "support+", "sales+", 1)
	address, err := mail.ParseAddress(replyTo)
	if err != nil {
		a.t.Fatal(err)
	}
	for i, c := range []struct{ to, inReplyTo string }{{"sales@desk.example", first}, {"sales@desk.example", strings.Trim(reply.Header.Get("Message-Id"), "<>")}, {address.Address, ""}} {
		subject := fmt.Sprintf("For sales %d", i)
		raw, _ := a.human("rob@elsewhere.example", c.to, subject, c.inReplyTo, "Hello sales.")
		a.arrives("192.0.2.100", "rob@elsewhere.example", c.to, "pass", raw)
		if a.ticketAbout(subject).ID == t.ID {
			a.t.Errorf("%q joined the other mailbox's ticket", subject)
		}
	}
	rob := a.visitor()
	if p := rob.post(link(a.t, a.sentTo("rob@elsewhere.example", 1)), "application/x-www-form-urlencoded", []byte("password="+url.QueryEscape(password))); p.status != http.StatusSeeOther {
		a.t.Fatalf("Rob can't set a password: %d", p.status)
	}
	a.neverReads(rob, "Rob", "SUPPORT-WORDS")
}

// TestA5_ACalibratedMailboxKnowsForgedResults: the operator sends the mail that the command prints, and from then on the mail server's
// word proves senders, and nobody else's.
func TestA5_ACalibratedMailboxKnowsForgedResults(t *testing.T) {
	t.Parallel()
	in := install(t, modes[0])
	in.start()
	a := &attack{installation: in}
	before, _ := a.human("ann@acme.example", support, "Before", "", "Hello.")
	a.arrives("192.0.2.10", "ann@acme.example", support, "pass", before)
	if said := a.messagesOf(a.ticketAbout("Before").ID, 1); said[0].Trust != "V0" {
		t.Errorf("before anything is known, a mail has trust %s", said[0].Trust)
	}

	var forged []string
	for i, part := range strings.Split(in.gateway("mailbox", "calibrate", support), "'") {
		if i%2 == 1 {
			forged = append(forged, part)
		}
	}
	if len(forged) != 3 {
		t.Fatalf("the command prints %q", forged)
	}
	raw := strings.Join(forged, "\r\n") + "\r\nFrom: you@outside.example\r\nTo: " + support + "\r\nMessage-ID: <calibration@outside.example>\r\n\r\nA test.\r\n"
	a.arrives("192.0.2.11", "you@outside.example", support, "none", []byte(raw))
	in.until("the mailbox is calibrated", func() (bool, error) {
		var got struct{ State string }
		out, stderr, err := in.try("mailbox", "calibrate", support, "--json")
		if err != nil {
			return false, fmt.Errorf("%w: %s", err, stderr)
		}
		err = jsonIn(out, &got)
		return got.State == "calibrated", errors.Join(err, fmt.Errorf("%s", out))
	})

	tried := 0
	in.until("the running gateway has heard of it", func() (bool, error) { // it looks every two seconds
		tried++
		subject := fmt.Sprintf("Heard %d", tried)
		raw, _ := a.human(fmt.Sprintf("ann%d@acme.example", tried), support, subject, "", "Hello.")
		a.arrives("192.0.2.12", "ann@acme.example", support, "pass", raw)
		return a.messagesOf(a.ticketAbout(subject).ID, 1)[0].Trust == "V1", nil
	})
	lie := "Authentication-Results: " + mx + "; dmarc=pass header.from=acme.example"
	for i, c := range []struct {
		dmarc string
		more  []string
		want  string
	}{{"pass", nil, "V1"}, {"fail", nil, "V0"}, {"none", []string{lie}, "V0"}, {"fail", []string{lie, "Received: from x by " + mx + "; Mon, 02 Mar 2026 10:00:00 +0000"}, "V0"}} {
		subject := fmt.Sprintf("After %d", i)
		raw, _ := a.human("ann@acme.example", support, subject, "", "Hello.", c.more...)
		a.arrives("192.0.2.12", "ann@acme.example", support, c.dmarc, raw)
		if said := a.messagesOf(a.ticketAbout(subject).ID, 1); said[0].Trust != c.want {
			t.Errorf("dmarc=%s, with %q: trust %s, want %s", c.dmarc, c.more, said[0].Trust, c.want)
		}
	}
}

// TestL10_TwoInstallationsThatAnswerEachOtherStop: even where what is on the way takes all marks of automatic mail off.
func TestL10_TwoInstallationsThatAnswerEachOtherStop(t *testing.T) {
	t.Parallel()
	a, b := install(t, modes[0]), install(t, modes[0])
	b.gateway("mailbox", "edit", support, "--alias", "help@other.example")
	relay := func(to *installation, from, as string) func(mailtest.Stage, mailtest.Received) *mailtest.Answer {
		return func(stage mailtest.Stage, m mailtest.Received) *mailtest.Answer {
			if stage != mailtest.AfterDot {
				return nil
			}
			raw := bytes.ReplaceAll(m.Raw, []byte(support), []byte(from))
			for _, field := range []string{"Auto-Submitted", "X-Auto-Response-Suppress", "X-Postern-Loop"} {
				raw = bytes.Replace(raw, []byte(field+":"), []byte("X-Was-"+field+":"), 1)
			}
			if err := to.dovecot.Deliver(as, support, raw); err != nil {
				t.Error(err)
			}
			return nil
		}
	}
	// To A, B's support is loop-b@other.example, and to B A's is loop-a@other.example.
	a.smtp.Script(relay(b, "loop-a@other.example", "loop-a@other.example"))
	b.smtp.Script(relay(a, "loop-b@other.example", "loop-b@other.example"))
	a.start()
	b.start()
	if err := a.dovecot.Deliver("loop-b@other.example", support, mailFrom("loop-b@other.example", support, "It begins", "begin@other.example", "", "Hello.")); err != nil {
		t.Fatal(err)
	}
	for _, in := range []*installation{a, b} {
		in.until("an installation has answered", func() (bool, error) { return in.smtp.Count() > 0, nil })
	}
	// Whatever they would still say is caused by mail that waits, or by rows of the outbox.
	still := func() bool {
		for _, in := range []*installation{a, b} {
			(&attack{installation: in}).quiet()
			in.until("all mail is read", func() (bool, error) {
				out, _, err := in.try("verify", "--against-server")
				return err == nil, fmt.Errorf("%w: %s", err, out)
			})
		}
		return true
	}
	for sum := -1; still() && sum != a.smtp.Count()+b.smtp.Count(); {
		sum = a.smtp.Count() + b.smtp.Count()
	}
	if n := a.smtp.Count() + b.smtp.Count(); n > 3 {
		t.Errorf("%d mails went to and fro", n)
	}
}
