package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/internal/mailtest"
)

// TestDay is a day of a support desk with three mailboxes, whose agents only ever touch the mailbox: conversations begin by mail, form and
// portal, agents answer, forward and file them in mail clients of four kinds, and customers go on by mail and in the portal. At its end
// tickets, portal, folders and what the customers got agree, message by message, and nothing that was for agents has got out.
func TestDay(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			n := 24
			if long {
				n = 300
			}
			runDay(t, m, n, false)
		})
	}
}

// TestDayWithKills is TestDay, while the programs, Dovecot, Postfix, PostgreSQL and Redis are killed and started again in its hours.
func TestDayWithKills(t *testing.T) {
	n := 12
	if long {
		n = 300
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			runDay(t, m, n, true)
		})
	}
}

// dayMailbox is one of the desk's mailboxes.
type dayMailbox struct{ user, address string }

// matter is a conversation, and what is expected of it.
type matter struct {
	n                int
	box              dayMailbox
	customer         int
	subject          string
	ticket           ticket
	public, internal []string // what was said, in order
	chain            []string // Message-IDs so far, oldest first
	newest           string   // that of the customer's newest mail
	inMailbox        []string // those of the mails that lie in INBOX or Archive
	closed           bool
	supplier         bool
	desk             []string // Message-IDs of what the desk answered
}

type day struct {
	*installation
	r       *rand.Rand
	kills   bool
	hours   int
	boxes   []dayMailbox
	matters []*matter
	form    []string
	people  map[int]*visitor // customers who use the portal
}

// dayPeople are those outside who have a mailbox: customers, a supplier, and who gets blind copies.
func dayPeople(n int) []string {
	people := []string{"supplier", "bcc-secret"}
	for i := range (n + 3) / 4 {
		people = append(people, fmt.Sprintf("c%d", i))
	}
	return people
}

func runDay(t *testing.T, m mode, n int, kills bool) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	in := installWith(t, m, surroundings{people: dayPeople(n), postfix: &mailtest.PostfixOptions{}, killPG: kills})
	d := &day{
		installation: in, r: rand.New(rand.NewPCG(seed, 1)), kills: kills, people: map[int]*visitor{}, //nolint:gosec // a test's plan
		boxes: []dayMailbox{{"support", support}, {"sales", "sales@desk.example"}, {"service", "service@desk.example"}},
	}
	for i, b := range d.boxes {
		if i > 0 {
			in.gateway("mailbox", "add", "--address", b.address, "--imap", in.dovecot.IMAPURL(b.user), "--smtp", in.submission(b.user), "--since", "now")
		}
		c := in.dovecot.Dial(b.user)
		ok(t, c.Create("Archive", nil).Wait())
		c.Close()
		in.gateway("mailbox", "edit", b.address, "--closed-folder", "Archive", "--status-from-mailbox", "on", "--status-to-mailbox", "on")
	}
	d.form = strings.Fields(in.gateway("form", "add", "--name", "Contact", "--mailbox", support, "--map", "email=email,name=name,subject=topic,message=text"))
	t.Cleanup(d.whatLies)
	in.start()
	for i := range n {
		d.matters = append(d.matters, &matter{n: i, box: d.boxes[i%3], customer: i / 4, subject: fmt.Sprintf("Matter %d of the day", i)})
	}
	d.hour("conversations begin", d.begin)
	d.customersSignIn()
	d.hour("agents answer", d.agentAnswers)
	d.hour("agents ask suppliers", d.agentForwards)
	d.hour("customers go on", d.customerGoesOn)
	d.hour("programs answer", d.programAnswers)
	d.hour("agents file what is done", d.agentFiles)
	d.hour("some customers come back", d.customerComesBack)
	d.evening()
}

// whatLies logs what lies in the folders, once the day has failed.
func (d *day) whatLies() {
	if !d.t.Failed() {
		return
	}
	for _, b := range d.boxes {
		for _, folder := range []string{"INBOX", "Archive", "Sent"} {
			var lies []string
			for _, m := range d.dovecot.Messages(b.user, folder) {
				lies = append(lies, fmt.Sprintf("%d %s", m.UID, messageID(m.Raw)))
			}
			d.t.Logf("%s of %s: %q", folder, b.user, lies)
		}
	}
}

// hour has something happen to all conversations, and waits until all of it is where it should be.
func (d *day) hour(what string, happens func(*matter)) {
	d.t.Helper()
	for _, c := range d.matters {
		happens(c)
	}
	if d.kills {
		d.harm()
	}
	d.hours++
	patience := 3 * time.Minute
	if d.kills { // a Dovecot that was killed may leave a lock for two minutes, in each folder that a mail has to go through
		patience = 8 * time.Minute
	}
	began := time.Now()
	d.within(patience, what, func() (bool, error) {
		for _, c := range d.matters {
			if err := d.agrees(c); err != nil {
				return false, fmt.Errorf("%s: %w", c.subject, err)
			}
		}
		return true, nil
	})
	d.t.Logf("%s: all is where it should be after %s", what, time.Since(began).Round(time.Second))
}

// dayServer is something that the desk runs on.
type dayServer struct {
	name        string
	kill, start func()
}

// harm kills what the desk runs on and starts it again: in every hour one thing in its turn, and at random others with it.
func (d *day) harm() {
	d.t.Helper()
	servers := []dayServer{ // the programs, and then in the order in which they can start
		{"the programs", func() { d.stopAll(syscall.SIGKILL) }, d.start},
		{"Dovecot", d.dovecot.Kill, d.dovecot.Start},
		{"Postfix", d.postfix.Kill, d.postfix.Start},
	}
	if d.pg != nil {
		servers = append(servers, dayServer{"PostgreSQL", func() { d.pg.Kill(d.t) }, func() { d.pg.Start(d.t) }})
	}
	if d.redis != nil {
		servers = append(servers, dayServer{"Redis", d.redis.Kill, d.redis.Start})
	}
	down := make([]bool, len(servers))
	for _, i := range d.r.Perm(len(servers)) {
		if i == d.hours%len(servers) || d.r.IntN(3) == 0 {
			wait(50*time.Millisecond + time.Duration(d.r.IntN(600))*time.Millisecond)
			servers[i].kill()
			d.t.Logf("hour %d: %s is killed", d.hours, servers[i].name)
			down[i] = true
		}
	}
	wait(time.Duration(d.r.IntN(1000)) * time.Millisecond)
	for i, s := range servers[1:] {
		if down[i+1] {
			s.start()
		}
	}
	if down[0] {
		d.start()
	}
}

// agrees compares a ticket with what is expected of it, as the API tells it.
func (d *day) agrees(c *matter) error {
	if c.ticket.ID == "" {
		all, err := d.tickets()
		if err != nil {
			return err
		}
		for _, t := range all {
			for _, c := range d.matters {
				if t.Subject == c.subject {
					c.ticket = t
				}
			}
		}
		if c.ticket.ID == "" {
			return fmt.Errorf("it is none of %d tickets", len(all))
		}
	}
	said, err := d.messages(c.ticket.ID)
	if err != nil {
		return err
	}
	var public, internal []string
	for _, m := range said {
		if text := strings.TrimSpace(m.Reply); m.Internal {
			internal = append(internal, text)
		} else {
			public = append(public, text)
		}
	}
	slices.Sort(internal)
	wanted := slices.Sorted(slices.Values(c.internal))
	if !slices.Equal(public, c.public) || !slices.Equal(internal, wanted) {
		return fmt.Errorf("it says %q, to agents %q; want %q, %q", public, internal, c.public, wanted)
	}
	var t struct{ Status string }
	if err := d.ask("GET", "/tickets/"+c.ticket.ID, nil, &t); err != nil {
		return err
	}
	if (t.Status == "closed") != c.closed {
		return fmt.Errorf("it is %s", t.Status)
	}
	if len(said) > 0 && c.newest == "" { // written in a form or the portal: we gave it its id
		c.newest = said[len(said)-1].MessageID
		c.chain, c.inMailbox = append(c.chain, c.newest), append(c.inMailbox, c.newest)
	}
	return d.lies(c)
}

// twice tells whether a mail that came may lie there twice: Postfix delivers once more what Dovecot had taken when it was killed. What
// Postern puts there never may.
func (d *day) twice(id string) bool { return d.kills && !strings.HasSuffix(id, "@desk.example") }

// lies tells whether the conversation's mails lie where its status says, each once.
func (d *day) lies(c *matter) error {
	want, other := "INBOX", "Archive"
	if c.closed {
		want, other = other, want
	}
	k := d.dovecot.Dial(c.box.user)
	defer k.Close()
	for _, id := range c.inMailbox {
		for folder, n := range map[string]int{want: 1, other: 0} {
			if _, err := k.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
				return err
			}
			found, err := k.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: id}}}, nil).Wait()
			if err != nil {
				return err
			}
			if got := len(found.AllUIDs()); got < n || got > n && (n == 0 || !d.twice(id)) {
				return fmt.Errorf("%s lies %d times in %s, want %d", id, got, folder, n)
			}
		}
	}
	return nil
}

func (c *matter) email() string { return fmt.Sprintf("c%d@customer.example", c.customer) }

func (d *day) says(c *matter, text string) {
	c.public = append(c.public, text)
}

// arrives has a mail of the customer come into the mailbox.
func (d *day) arrives(c *matter, id, text, quoted string) {
	parent := ""
	if len(c.chain) > 0 {
		parent = c.chain[len(c.chain)-1]
	}
	subject := c.subject
	if parent != "" {
		subject = "Re: " + subject
	}
	d.postfix.Deliver(c.email(), []string{c.box.address}, mailFrom(fmt.Sprintf("Customer %d <%s>", c.customer, c.email()), c.box.address, subject, id, parent, text+quoted))
	c.chain, c.inMailbox, c.newest = append(c.chain, id), append(c.inMailbox, id), id
	d.says(c, text)
}

// opened is how a conversation begins.
func (d *day) begin(c *matter) {
	text := fmt.Sprintf("It does not work, says matter %d.", c.n)
	if c.n%3 != 0 || c.n%4 == 0 { // the form's tickets lie in the support mailbox; each customer's first matter comes by mail, and welcomes them
		d.arrives(c, fmt.Sprintf("m%d.1@customer.example", c.n), text, "")
		return
	}
	body, err := json.Marshal(map[string]string{"email": c.email(), "name": fmt.Sprintf("Customer %d", c.customer), "topic": c.subject, "text": text})
	d.must(err)
	req, err := http.NewRequest("POST", d.form[0], strings.NewReader(string(body)))
	d.must(err)
	req.Header.Set("Content-Type", "application/json")
	sign(req, d.form[1], fmt.Sprintf("delivery-%d", c.n), time.Now(), body)
	if p := d.visitor().do(req); p.status != http.StatusOK {
		d.t.Fatalf("the form gives %d %s", p.status, p.body)
	}
	d.says(c, text)
}

// customersSignIn has the first customers use their welcome mail.
func (d *day) customersSignIn() {
	d.t.Helper()
	for i := range min(3, len(d.matters)/4) {
		v := d.visitor()
		path := link(d.t, d.sentTo(fmt.Sprintf("c%d@customer.example", i), 1))
		if p := v.post(path, "application/x-www-form-urlencoded", []byte("password="+url.QueryEscape(password))); p.status != http.StatusSeeOther {
			d.t.Fatalf("customer %d can't set a password: %d", i, p.status)
		}
		d.people[i] = v
	}
}

// sends has an agent's mail client send a mail and save it in Sent, in the way of one of four programs.
func (d *day) sends(c *matter, id, to, text, forward string) {
	parent := c.chain[len(c.chain)-1]
	h := fmt.Sprintf("From: Desk <%s>\nTo: %s\nDate: %s\nMessage-ID: <%s>\n", c.box.address, to, time.Now().Format(time.RFC1123Z), id)
	all := "<" + strings.Join(c.chain, ">\n <") + ">"
	subject, quote := "Re: "+c.subject, ""
	switch c.n % 4 {
	case 0:
		h += fmt.Sprintf("User-Agent: Mozilla Thunderbird\nReferences: %s\nIn-Reply-To: <%s>\nContent-Type: text/plain; charset=UTF-8; format=flowed\n", all, parent)
		quote = fmt.Sprintf("\n\nOn 02.03.26 10:00, Customer %d wrote:\n> It does not work, says matter %d.\n", c.customer, c.n)
	case 1:
		subject = "RE: " + c.subject
		h += fmt.Sprintf("Thread-Topic: %s\nThread-Index: AdzD4Yw0ZzJk5uJcR0mH8Ql2o0xTgQ==\nReferences: <%s>\nIn-Reply-To: <%s>\nX-Mailer: Microsoft Outlook 16.0\nContent-Type: text/plain; charset=\"us-ascii\"\n", c.subject, parent, parent)
		quote = fmt.Sprintf("\n\n-----Original Message-----\nFrom: Customer %d <%s>\nSent: Monday, March 2, 2026 10:00 AM\nTo: %s\nSubject: %s\n\nIt does not work, says matter %d.\n", c.customer, c.email(), c.box.address, c.subject, c.n)
	case 2:
		h += fmt.Sprintf("X-Mailer: Apple Mail (2.3774.500)\nIn-Reply-To: <%s>\nReferences: %s\nContent-Type: text/plain; charset=us-ascii\n", parent, all)
		quote = fmt.Sprintf("\n\n> On 2. Mar 2026, at 10:00, Customer %d <%s> wrote:\n> \n> It does not work, says matter %d.\n", c.customer, c.email(), c.n)
	case 3:
		h += fmt.Sprintf("References: %s\nIn-Reply-To: <%s>\nContent-Type: text/plain; charset=\"UTF-8\"\n", all, parent)
		quote = fmt.Sprintf("\n\nOn Mon, Mar 2, 2026 at 10:00 AM Customer %d <%s> wrote:\n\n> It does not work, says matter %d.\n", c.customer, c.email(), c.n)
	}
	if forward != "" {
		subject, quote = "Fwd: "+c.subject, forward
	}
	rest := "MIME-Version: 1.0\nSubject: " + subject + "\n\n" + text + quote
	const blind = "bcc-secret@hidden.example"
	d.postfix.Submit(c.box.user, c.box.address, []string{to, blind}, mailtest.Lines([]byte(h+rest)))
	d.dovecot.Append(c.box.user, "Sent", mailtest.Lines([]byte(h+"Bcc: "+blind+"\n"+rest)), []imap.Flag{imap.FlagSeen}, time.Now())
}

func (d *day) agentAnswers(c *matter) {
	text, id := fmt.Sprintf("We look into matter %d.", c.n), fmt.Sprintf("a%d.1@desk.example", c.n)
	d.sends(c, id, c.email(), text, "")
	c.chain, c.desk = append(c.chain, id), append(c.desk, id)
	d.says(c, text)
}

// agentForwards has some matters go to a supplier, whose answer is nobody's in the ticket.
func (d *day) agentForwards(c *matter) {
	if c.supplier = d.r.IntN(2) == 0; !c.supplier {
		return
	}
	text, id := fmt.Sprintf("Can you help? forward-secret-%d", c.n), fmt.Sprintf("f%d@desk.example", c.n)
	d.sends(c, id, "supplier@supplier.example", text, "\n")
	c.internal = append(c.internal, text)
	d.postfix.Deliver("supplier@supplier.example", []string{c.box.address}, mailFrom("Supplier <supplier@supplier.example>", c.box.address, "Re: Fwd: "+c.subject, fmt.Sprintf("s%d@supplier.example", c.n), id, fmt.Sprintf("Yes, supplier-secret-%d", c.n)))
}

func (d *day) customerGoesOn(c *matter) {
	text := fmt.Sprintf("Matter %d still does not work.", c.n)
	v := d.people[c.customer]
	if v == nil || d.r.IntN(2) == 0 {
		d.arrives(c, fmt.Sprintf("m%d.2@customer.example", c.n), text, fmt.Sprintf("\n\nOn Mon, 2 Mar 2026 at 10:30, Desk <%s> wrote:\n> We look into matter %d.\n", c.box.address, c.n))
		return
	}
	path := fmt.Sprintf("/tickets/%d", c.ticket.Number)
	nonce := nonceIn.FindStringSubmatch(v.get(path).body)
	if nonce == nil {
		d.t.Fatalf("%s shows no form", path)
	}
	contentType, body := multipartForm(d.t, map[string]string{"text": text, "nonce": nonce[1]}, nil)
	if p := v.post(path, contentType, body); p.status != http.StatusSeeOther {
		d.t.Fatalf("answering gives %d: %s", p.status, p.body)
	}
	c.newest = "" // the API tells
	d.says(c, text)
}

// programAnswers has a program answer some, and write a note about others.
func (d *day) programAnswers(c *matter) {
	switch d.r.IntN(3) {
	case 0:
		text := fmt.Sprintf("A new part for matter %d is on its way.", c.n)
		var said message
		d.call("POST", "/tickets/"+c.ticket.ID+"/messages", map[string]any{"text": text}, &said)
		c.desk = append(c.desk, said.MessageID)
		d.says(c, text)
	case 1:
		text := fmt.Sprintf("note-secret-%d", c.n)
		d.call("POST", "/tickets/"+c.ticket.ID+"/messages", map[string]any{"text": text, "internal": true}, nil)
		c.internal = append(c.internal, text)
	}
}

// agentFiles has agents put what is done into Archive: the newest mail, and the others follow.
func (d *day) agentFiles(c *matter) {
	if d.r.IntN(3) == 0 {
		return
	}
	k := d.dovecot.Dial(c.box.user)
	defer k.Close()
	_, err := k.Select("INBOX", nil).Wait()
	d.must(err)
	found, err := k.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: c.newest}}}, nil).Wait()
	d.must(err)
	if n := len(found.AllUIDs()); n == 0 || n > 1 && !d.twice(c.newest) {
		d.t.Fatalf("%s: %s lies %d times in INBOX", c.subject, c.newest, len(found.AllUIDs()))
	}
	_, err = k.Move(imap.UIDSetNum(found.AllUIDs()...), "Archive").Wait()
	d.must(err)
	c.closed = true
}

func (d *day) customerComesBack(c *matter) {
	if !c.closed || d.r.IntN(2) == 0 {
		return
	}
	d.arrives(c, fmt.Sprintf("m%d.3@customer.example", c.n), fmt.Sprintf("Matter %d is back.", c.n), "")
	c.closed = false
}

// evening compares all of it once more, and what has left the house. What was tried twice while a server was down waits for two minutes.
func (d *day) evening() {
	d.t.Helper()
	d.within(5*time.Minute, "nothing is left to be done", func() (bool, error) {
		v, err := d.verify()
		for state, n := range v.Outbox {
			if n > 0 && state != "sent" {
				return false, fmt.Errorf("%d rows are %s", n, state)
			}
		}
		return err == nil && len(v.Violations) == 0, fmt.Errorf("%v: %w", v.Violations, err)
	})
	for _, c := range d.matters {
		if err := d.agrees(c); err != nil {
			d.t.Errorf("%s: %v", c.subject, err)
		}
		v := d.people[c.customer]
		if v == nil {
			continue
		}
		page := v.get(fmt.Sprintf("/tickets/%d", c.ticket.Number)).body
		at := 0
		for _, text := range c.public {
			i := strings.Index(page[at:], text)
			if i < 0 {
				d.t.Errorf("%s: the portal does not show %q in its turn", c.subject, text)
				break
			}
			at += i
		}
		if i := strings.Index(page, "secret"); i >= 0 {
			d.t.Errorf("%s: the portal shows %q", c.subject, page[max(0, i-40):i+40])
		}
	}
	d.until("Postfix has delivered all", func() (bool, error) {
		n := d.postfix.Waiting()
		return n == 0, fmt.Errorf("%d mails wait", n)
	})
	d.outside()
	d.folders()
	var held list[struct {
		From string `json:"from"`
	}]
	d.call("GET", "/held?limit=200", nil, &held)
	asked := 0
	for _, c := range d.matters {
		if c.supplier {
			asked++
		}
	}
	if len(held.Items) != min(asked, 200) {
		d.t.Errorf("%d mails are held, want those of %d suppliers", len(held.Items), asked)
	}
	d.gateway("verify", "--against-server")
}

// outside compares what has left the house with what should have: every answer reached the customer once, what was for suppliers
// and blind copies nobody else, and all other mail was written by Postern.
func (d *day) outside() {
	d.t.Helper()
	sent := func(string) bool { return d.kills } // a mail may be transmitted twice
	for i := range (len(d.matters) + 3) / 4 {
		want := map[string]int{}
		for _, c := range d.matters {
			if c.customer == i {
				for _, id := range c.desk {
					want[id] = 1
				}
			}
		}
		address := fmt.Sprintf("c%d@customer.example", i)
		d.compare(address, d.got(address), want, sent, func(m *mail.Message) bool { return m.Header.Get("Auto-Submitted") != "" })
		for _, raw := range d.got(address) {
			for _, secret := range []string{"secret", "supplier@"} {
				if bytes.Contains(raw, []byte(secret)) {
					d.t.Errorf("a mail to %s holds %q:\n%s", address, secret, raw)
				}
			}
		}
	}
	forwards, all := map[string]int{}, map[string]int{}
	for _, c := range d.matters {
		all[fmt.Sprintf("a%d.1@desk.example", c.n)] = 1
		if c.supplier {
			forwards[fmt.Sprintf("f%d@desk.example", c.n)] = 1
		}
	}
	maps.Copy(all, forwards)
	none := func(*mail.Message) bool { return false }
	d.compare("the supplier", d.got("supplier@supplier.example"), forwards, sent, none)
	d.compare("who gets blind copies", d.got("bcc-secret@hidden.example"), all, sent, none)
}

// folders compares the desk's folders with what should lie there.
func (d *day) folders() {
	d.t.Helper()
	for _, b := range d.boxes {
		in, sent := map[string]int{}, map[string]int{}
		for _, c := range d.matters {
			if c.box != b {
				continue
			}
			for _, id := range c.inMailbox {
				in[id] = 1
			}
			for _, id := range c.desk {
				sent[id] = 1
			}
			if c.supplier {
				in[fmt.Sprintf("s%d@supplier.example", c.n)], sent[fmt.Sprintf("f%d@desk.example", c.n)] = 1, 1
			}
		}
		none := func(*mail.Message) bool { return false }
		for what, f := range map[string]struct {
			folders []string
			want    map[string]int
		}{"what came": {[]string{"INBOX", "Archive"}, in}, "what was sent": {[]string{"Sent"}, sent}} {
			var lie [][]byte
			for _, folder := range f.folders {
				for _, m := range d.dovecot.Messages(b.user, folder) {
					lie = append(lie, m.Raw)
				}
			}
			d.compare(what+" of "+b.user, lie, f.want, d.twice, none)
		}
	}
}

// compare counts mails by their Message-ID. twice tells of which there may be a second one; others than those that are wanted may be
// there if allowed says so.
func (d *day) compare(what string, mails [][]byte, want map[string]int, twice func(id string) bool, allowed func(*mail.Message) bool) {
	d.t.Helper()
	got := map[string]int{}
	for _, raw := range mails {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		d.must(err)
		id := strings.Trim(m.Header.Get("Message-ID"), "<> ")
		if want[id] == 0 {
			if !allowed(m) {
				d.t.Errorf("%s: nobody expects\n%s", what, raw)
			}
			continue
		}
		got[id]++
	}
	for id, n := range want {
		if got[id] < n || got[id] > n && !twice(id) {
			d.t.Errorf("%s: %s is there %d times, want %d\n%s", what, id, got[id], n, d.postfix.Log())
		}
	}
}

func (d *day) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}
