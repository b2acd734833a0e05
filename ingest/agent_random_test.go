package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/outbound"
	"postern/store"
	"postern/tickets"
)

// postbox is a mail provider that keeps what is sent, by recipient.
type postbox struct {
	mu   sync.Mutex // guards sent
	sent map[string][][]byte
}

// Submit takes a mail.
func (p *postbox) Submit(_ context.Context, _ desk.Mailbox, _, to string, body func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	err := body(&b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[to] = append(p.sent[to], b.Bytes())
	return "ok", err
}

// Append takes a mail.
func (p *postbox) Append(context.Context, desk.Mailbox, string, func(io.Writer) error, []string, time.Time, desk.MessageID, bool) (uint32, uint32, error) {
	return 1, 1, nil
}

// Find finds none.
func (p *postbox) Find(context.Context, desk.Mailbox, desk.FolderRole, desk.MessageID) (bool, error) {
	return false, nil
}

// talk is a random conversation of customers and agents. Whatever no customer may see has SECRET in it.
type talk struct {
	*rig
	random  *rand.Rand
	box     *postbox
	worker  *outbound.Worker
	tickets []desk.ID
	agents  []desk.KnownAgent
	langs   []string // that agents may have been written to in
	footers []string // what only agents are told
	asked   []string // the Message-IDs of what a supplier was asked
	n       int
}

var talkers = []string{"ann@customer.example", "bob@customer.example", "cid@customer.example"} //nolint:gochecknoglobals // never changes

// TestI3_I4_H6_NoCustomerSeesWhatIsNotForThem: after any conversation, nothing that is internal, no agent's address and no token of
// anybody else is in a message that a customer sees, or in a mail to one.
func TestI3_I4_H6_NoCustomerSeesWhatIsNotForThem(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	t.Logf("seed %d", seed)
	both(t, func(r *rig) {
		c := &talk{rig: r, random: rand.New(rand.NewPCG(seed, 1)), box: &postbox{sent: map[string][][]byte{}}} //nolint:gosec // to be repeated
		r.mb.SentOpens = c.random.IntN(2) == 0
		r.trusts(desk.Receiver{AuthServID: mx})
		texts, err := i18n.LoadMails()
		if err != nil {
			t.Fatal(err)
		}
		c.worker = outbound.New(outbound.Options{
			Texts: texts, DB: r.db, Keys: r.keys(), Blobs: r.blobs, Submitter: c.box, Depositor: c.box, Owner: "me", BaseURL: "https://help.acme.example", Log: slog.New(slog.DiscardHandler),
		})
		for _, t := range texts.All() {
			c.langs, c.footers = append(c.langs, t.Lang), append(c.footers, strings.ToLower(t.Notification.Answer), strings.ToLower(t.Notification.Commands))
		}
		for _, name := range []string{"mary", "joe"} {
			c.agents = append(c.agents, r.agent(strings.ToUpper(name), name+"@home.example", desk.NotifyEverything))
		}
		c.asks(true)
		for range 50 {
			[]func(){
				func() { c.asks(true) }, func() { c.asks(false) }, func() { c.asks(false) }, c.relays, c.relays, c.relays, c.notes, c.notes, c.forwards, c.answers, c.answers, c.forges, c.accepts, c.api,
				c.vendor, c.vendor, c.merges, c.splits, c.people,
			}[c.random.IntN(19)]()
			for _, queue := range []string{desk.QueueMail, desk.QueueAutomatic} {
				c.worker.Drain(t.Context(), queue, 50)
			}
		}
		c.check()
		r.clean()
		if len(r.effects(desk.ReplyMail)) == 0 || len(r.effects(desk.NotifyMail)) == 0 {
			r.t.Error("nothing was said")
		}
	})
}

func pick[T any](c *talk, of []T) T { return of[c.random.IntN(len(of))] }

// next gives a Message-ID's left side.
func (c *talk) next() string { c.n++; return fmt.Sprintf("r%d", c.n) }

// root is what every mail of ours about a ticket names.
func (c *talk) root(ticket desk.ID) string {
	return "References: <" + string(mailmsg.RootID(c.keys(), c.mb.ID, ticket, c.mb.MIDDomain)) + ">"
}

// tokenOf is the address that mail to a customer asks to be answered at.
func (c *talk) tokenOf(ticket desk.ID, email string) string {
	to, _ := mailmsg.ReplyAddress(c.mb.Address, c.keys().Token(mailmsg.ForReply, string(c.mb.ID), string(ticket), email))
	return to
}

// asks has a customer open a ticket, or answer as mail clients do.
func (c *talk) asks(open bool) {
	who, to, more := pick(c, talkers), support, []string(nil)
	text := "Question " + c.next() + " about the printer in room four."
	if !open {
		ticket := pick(c, c.tickets)
		to, more = c.tokenOf(ticket, who), []string{c.root(ticket)}
		text += "\r\n\r\nOn Mon, 2 Mar 2026 at 10:00, Support <" + to + "> wrote:\r\n> Pull the lever.\r\n> " + to
	}
	if c.random.IntN(3) == 0 {
		more = append(more, "Cc: "+pick(c, append([]string{"joe@home.example", "Mary <MARY@home.example>"}, talkers...)))
	}
	e := c.arrives(found("pass", "customer.example", mail(who, to, c.next()+"@customer.example", text, more...)))
	if e.Outcome == desk.NewTicket {
		c.tickets = append(c.tickets, e.TicketID)
	}
}

// footer is what stands below a notification of ticket 1.
func (r *rig) footer(lang, note string) string {
	r.t.Helper()
	texts, err := i18n.LoadMails()
	if err != nil {
		r.t.Fatal(err)
	}
	return texts.For(lang).Notification.Footer(1, "https://help.acme.example/tickets/1", note)
}

// fromAgent is what an agent's client writes below an answer.
func (c *talk) fromAgent(a desk.KnownAgent, ticket desk.ID, text string) string {
	email, to, note := a.Addresses[0], c.address(mailmsg.ForAgent, ticket, a), c.address(mailmsg.ForNote, ticket, a)
	text += pick(c, []string{"", "\r\n\r\n-- \r\n" + a.Name + "\r\n" + email, "\r\nWrite to " + strings.ToUpper(email) + " or " + to + ".", "\r\nsee [#" + strings.Split(strings.Split(note, "+")[1], "@")[0] + "]"})
	footer := strings.ReplaceAll("Question about the printer.\n\n-- \n"+c.footer(pick(c, c.langs), note), "\n", "\r\n> ")
	return text + pick(c, []string{"", "\r\n\r\nOn Mon, 2 Mar 2026 at 10:00, Ann <" + to + "> wrote:\r\n> " + footer, "\r\n\r\n> " + footer + "\r\n\r\nThat is all.",
		"\r\n\r\n-----Original Message-----\r\nFrom: Ann <" + to + ">\r\nSent: Monday, 2 March 2026 10:00\r\nTo: " + email + "\r\nSubject: Printer\r\n\r\n" + strings.ReplaceAll(footer, "\r\n> ", "\r\n")})
}

func (c *talk) arrivesFrom(a desk.KnownAgent, to, text string, more ...string) desk.LedgerEntry {
	return c.arrives(found("pass", "home.example", mail(a.Name+" <"+a.Addresses[0]+">", to, c.next()+"@home.example", text, more...)))
}

func (c *talk) relays() {
	a, ticket := pick(c, c.agents), pick(c, c.tickets)
	c.arrivesFrom(a, c.address(mailmsg.ForAgent, ticket, a), c.fromAgent(a, ticket, pick(c, []string{"", "#close\r\n", "#assign me\r\n"})+"Answer "+c.next()+": pull the lever."))
}

func (c *talk) notes() {
	a, ticket := pick(c, c.agents), pick(c, c.tickets)
	to, note := c.address(mailmsg.ForAgent, ticket, a), c.address(mailmsg.ForNote, ticket, a)
	text := c.fromAgent(a, ticket, "SECRET "+c.next())
	switch c.random.IntN(4) {
	case 0:
		c.arrivesFrom(a, note, text)
	case 1:
		c.arrivesFrom(a, to, text, "Cc: "+note)
	case 2:
		c.arrivesFrom(a, to, pick(c, []string{"#note\r\n", "#NOTE ", "\u00a0#note\u00a0\r\n", "#close\r\n#note\r\n"})+text)
	default:
		c.arrivesFrom(a, to, pick(c, []string{"#nots\r\n", "#intern\r\n", "#close it\r\n"})+text)
	}
}

func (c *talk) forwards() {
	mid := c.next() + "@acme.example"
	c.asked = append(c.asked, mid)
	more := []string{c.root(pick(c, c.tickets))}
	if c.random.IntN(2) == 0 {
		more = append(more, "Bcc: "+pick(c, talkers))
	}
	c.sends(mail(support, "vendor@supplier.example", mid, "SECRET "+c.next(), more...))
}

// vendor is a supplier who answers what was forwarded, with the customer in copy perhaps.
func (c *talk) vendor() {
	if len(c.asked) == 0 {
		c.forwards()
	}
	mid, to := pick(c, c.asked), pick(c, []string{support, support + ", " + pick(c, talkers)})
	c.arrives(found("pass", "supplier.example", mail("vendor@supplier.example", to, c.next()+"@supplier.example", "SECRET "+c.next(), "In-Reply-To: <"+mid+">", c.root(pick(c, c.tickets)))))
}

// may lets what desk refuses pass: what is random is not always allowed.
func (c *talk) may(err error) {
	c.t.Helper()
	if kind := desk.KindOf(err); err != nil && kind != desk.Invalid && kind != desk.NotFound && kind != desk.Conflict {
		c.t.Error(err)
	}
}

func (c *talk) merges() {
	_, err := c.desk.Merge(c.t.Context(), pick(c, c.tickets), pick(c, c.tickets))
	c.may(err)
}

func (c *talk) splits() {
	ms := c.messages(pick(c, c.tickets), "")
	if len(ms) == 0 {
		return
	}
	t, err := c.desk.Split(c.t.Context(), ms[0].TicketID, []desk.ID{pick(c, ms).ID}, "")
	if c.may(err); err == nil {
		c.tickets = append(c.tickets, t.ID)
	}
}

// people is an agent who says who takes part.
func (c *talk) people() {
	ticket, who := pick(c, c.tickets), pick(c, talkers)
	_, err := c.desk.AddParticipant(c.t.Context(), ticket, desk.Address{Email: who}, c.random.IntN(2) == 0)
	if c.random.IntN(2) == 0 {
		_, err = c.desk.DropParticipant(c.t.Context(), ticket, who)
	}
	c.may(err)
}

// answers is an agent in the shared mailbox, who copies people of every kind.
func (c *talk) answers() {
	more := []string{"Bcc: secret@boss.example"}
	if c.random.IntN(2) == 0 {
		more = append(more, "Cc: mary@home.example")
	}
	if c.random.IntN(4) > 0 {
		more = append(more, c.root(pick(c, c.tickets)))
	}
	e := c.sends(mail(support, pick(c, talkers), c.next()+"@acme.example", "Look, "+c.next(), more...))
	if e.Outcome == desk.NewTicket {
		c.tickets = append(c.tickets, e.TicketID)
	}
}

func (c *talk) forges() {
	a, ticket := pick(c, c.agents), pick(c, c.tickets)
	to := c.address(mailmsg.ForAgent, ticket, a)
	raw := mail(a.Addresses[0], pick(c, []string{to, support}), c.next()+"@evil.example", "SECRET "+c.next(), c.root(ticket))
	if c.random.IntN(2) == 0 {
		raw = mail("eve@evil.example", to, c.next()+"@evil.example", "SECRET "+c.next())
	}
	c.arrives(found(pick(c, []string{"fail", "none"}), "home.example", raw))
}

// accepts has an agent let a stranger take part.
func (c *talk) accepts() {
	ticket, who := pick(c, c.tickets), pick(c, talkers)
	e := c.arrives(found("pass", "customer.example", mail(who, support, c.next()+"@customer.example", "May I join, "+c.next(), c.root(ticket))))
	if e.Outcome == desk.Held {
		if _, err := c.g.AcceptHeld(c.t.Context(), e.ID, ticket, desk.Acceptance{By: "Joe", AddSender: true}); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *talk) api() {
	internal := c.random.IntN(2) == 0
	text := map[bool]string{true: "SECRET ", false: "From the console "}[internal] + c.next()
	if _, err := c.desk.ReplyByAgent(c.t.Context(), tickets.AgentReply{Ticket: pick(c, c.tickets), Text: text, Source: desk.FromAPI, Internal: internal}); err != nil {
		c.t.Error(err)
	}
}

func (c *talk) check() {
	c.t.Helper()
	wrong := func(where, text string, but string) {
		c.t.Helper()
		text = strings.ToLower(text)
		for _, private := range append([]string{"secret", "home.example", "boss.example"}, c.footers...) {
			if strings.Contains(text, private) {
				c.t.Errorf("%s: %q is in %q", where, private, text)
			}
		}
		for _, ticket := range c.tickets {
			for _, a := range c.agents {
				for _, p := range []mailmsg.Purpose{mailmsg.ForAgent, mailmsg.ForNote} {
					if strings.Contains(text, c.keys().Token(p, string(c.mb.ID), string(ticket), string(a.ID))) {
						c.t.Errorf("%s: an agent's token is in %q", where, text)
					}
				}
			}
			for _, email := range talkers {
				if email != but && strings.Contains(text, c.keys().Token(mailmsg.ForReply, string(c.mb.ID), string(ticket), email)) {
					c.t.Errorf("%s: %s's token is in %q", where, email, text)
				}
			}
		}
	}
	for _, email := range talkers {
		for _, raw := range c.box.sent[email] {
			m, err := mailmsg.Parse(bytes.NewReader(raw), mailmsg.ParseOptions{})
			if err != nil {
				c.t.Fatal(err)
			}
			wrong("a mail to "+email, string(raw)+fmt.Sprintf("%+v", m), email)
		}
		who, err := c.db.ContactByEmail(c.t.Context(), email)
		if desk.KindOf(err) == desk.NotFound {
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
		lines, _, err := c.db.TicketLines(c.t.Context(), desk.ScopeOfContact(who), store.Listing{Limit: 200}, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, l := range lines {
			wrong("the list of "+email, fmt.Sprintf("%+v", l), "")
			for _, m := range c.messages(l.ID, email) {
				wrong("a message that "+email+" sees", fmt.Sprintf("%+v", m), "")
			}
		}
	}
	cs, err := c.db.Contacts(c.t.Context(), store.Page{Limit: 200})
	if err != nil || slices.ContainsFunc(cs, func(x desk.Contact) bool { return strings.Contains(fmt.Sprint(x.Addresses), "home.example") }) {
		c.t.Errorf("an agent is a contact: %+v, %v", cs, err)
	}
}
