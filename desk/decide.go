package desk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Facts are what is known about an inbound mail when it is decided where it belongs. They are looked up by the caller;
// deciding itself does no I/O.
type Facts struct {
	Mail      Mail
	Role      FolderRole
	OwnCopy   bool    // we wrote it: its Message-ID and its content are an outbox row's
	OurMark   bool    // it carries the mark that we gave the mail with this Message-ID
	Duplicate bool    // the mailbox has the same mail already
	Elsewhere *Ticket // the ticket that has the same mail, from another mailbox, where those are to be one
	SameID    bool    // the mailbox has another mail with the same Message-ID: one of the two squats it
	FromOurs  bool    // From is an address of one of our mailboxes
	Verified  bool    // From is proved (tier V1), by Receiver.Vouches
	Vouched   string  // why it is, or why not

	Agent    *KnownAgent   // whose personal address it is from
	AtAgent  *AgentAddress // what the address that it came to was made for, if that was for an agent
	Words    AgentWords    // what of it would go out from there
	OfNotice bool          // it is a machine's, about a notification to an agent

	Answers *Answered // the ticket's message that it answers; looked up only if somebody takes part by mail alone

	Begins []Address // whom an agent writes to who begins a conversation, by Mailbox.Begins

	Astray  bool      // it is not to the mailbox, by Mailbox.Reaches, and that matters to it
	Others  []Address // whom it is to beside us, by Mailbox.Others
	Copying Copying   // the mailbox's policy about them

	Flood int // how many tickets its sender has opened within an hour, if those are too many

	ByToken *Ticket // the ticket of a valid reply token among the addresses it was sent to
	Token   string  // for whom that token was made
	ByRef   *Ticket // the ticket that has a mail this one answers
	ByTie   *Ticket // a ticket that names a mail which this one names too, or is
	Ref     MessageID
	ByTag   *Ticket // the ticket of a valid tag in its subject; looked for only if nothing else leads to a ticket

	At     time.Time // when it arrived
	Late   bool      // that is longer ago than RelayFor
	Closed bool      // that ticket is closed
	Locked string    // why customers can't add to it; empty: they can
}

// Answered is a message that a mail answers.
type Answered struct {
	By       string // the address of its author
	Internal bool
}

// Decision says where an inbound mail belongs, and why.
type Decision struct {
	Outcome  Outcome
	Ticket   *Ticket // the one it joins, or is held for
	Author   AuthorKind
	Internal bool
	Trust    Trust
	Follows  ID        // the ticket that a new one goes on from; empty: none
	Adds     []Address // who takes part in the ticket from now on, the requester of a new one first; empty: whom the mail is from
	Reason   string    // of the outcome, for the ledger
	Reasons  []string  // everything that was weighed, for people who ask why
	Relied   bool      // it is held, and an agent who is proved relies on its being sent
}

// LiveFor is how old a mail may be to cause automatic mail: older ones come from an import or a resync (REQUIREMENTS L11).
const LiveFor = 30 * time.Minute

// RelayFor is how old an agent's answer may be to go out: an older one comes after a long time without the mailbox, or once more after a
// restore, when customers may have it already.
const RelayFor = 12 * time.Hour

// Unaddressed is why mail is ignored that is neither to the mailbox nor from it.
const Unaddressed = "it is neither to this mailbox nor from it"

// MostHops is through how many servers a mail may have gone; beyond that it is held, for it seems to go round in a loop
// (REQUIREMENTS L8).
const MostHops = 50

// ReopenFor is how long after its last message a mail still joins a closed ticket; a later one opens a new one (REQUIREMENTS
// M14).
const ReopenFor = 90 * 24 * time.Hour

// Decide tells where an inbound mail belongs (ARCHITECTURE section 3, REQUIREMENTS M7 and M12). A mail joins a ticket by a
// token or a reference that only somebody who has its mail can know, and only if its sender has a part in the ticket.
// Its subject's words never join it; a signed tag in it does for a proved sender.
func Decide(f Facts) Decision {
	switch {
	case f.OwnCopy:
		return settled(OwnCopy, "we wrote this mail ourselves")
	case f.OurMark && f.FromOurs && f.Role != Sent:
		return settled(OwnCopy, "a mail of ours has come back, changed on its way")
	case f.Duplicate:
		return settled(Duplicate, "the same mail is there already")
	case f.Elsewhere != nil:
		d := settled(Duplicate, fmt.Sprintf("the same mail came to another mailbox, and is in ticket #%d", f.Elsewhere.Number))
		d.Ticket = f.Elsewhere
		return d
	case f.Role == Sent:
		return decideSent(f)
	}
	if d, ok := decideAgent(f); ok {
		return d
	}
	return decideInbox(f)
}

func settled(o Outcome, reason string) Decision {
	return Decision{Outcome: o, Reason: reason, Reasons: []string{reason}}
}

// decideSent is about what agents wrote in their mail client.
func decideSent(f Facts) Decision {
	t, why := candidate(f)
	customers := func(a Address) bool { return t != nil && f.forCustomers(*t, a.Email) }
	if t != nil && t == f.ByTie && len(f.Begins) > 0 && !slices.ContainsFunc(f.Begins, customers) {
		t = nil // somebody else has answered what the agent has begun, before we saw that
	}
	switch {
	case t == nil && len(f.Begins) > 0:
		d := Decision{Author: Agent, Trust: V1, Adds: f.Begins}
		if len(f.Begins) == mostParticipants {
			d.Reasons = []string{fmt.Sprintf("it is to many people: no more than %d take part in the ticket", mostParticipants)}
		}
		return d.as(NewTicket, "an agent has begun a conversation with "+f.Begins[0].Email+", found in the Sent folder")
	case t == nil:
		return settled(Ignored, "sent mail of no ticket")
	}
	d := Decision{Outcome: Appended, Ticket: t, Author: Agent, Trust: V1, Reasons: []string{why}}
	d.Reason = "an agent's answer, found in the Sent folder"
	if slices.ContainsFunc(slices.Concat(f.Mail.To, f.Mail.Cc), customers) {
		if t == f.ByTie { // what was begun is what this ticket answers
			d.Adds = f.Begins
		}
		d.Reasons = append(d.Reasons, d.Reason, "public: it went to a customer of the ticket")
		return d
	}
	d.Internal = true
	d.Reasons = append(d.Reasons, d.Reason, "internal: no customer of the ticket is in To or Cc")
	return d
}

// forCustomers tells whether an agent's mail to somebody is for the customers of the ticket. Who takes part by mail alone may be a supplier
// whom an agent has copied once: what goes to them alone is for the customers only if it answers what they wrote to all of them.
func (f Facts) forCustomers(t Ticket, email string) bool {
	return slices.ContainsFunc(t.Participants, func(p Participant) bool {
		return p.Is(email) && (p.Role == Requester || p.Role == Copied || p.Role == Correspondent && f.Answers != nil && !f.Answers.Internal && p.Is(f.Answers.By))
	})
}

// aside tells whether somebody who takes part by mail alone answers what was never for the customers of the ticket.
func (f Facts) aside(t Ticket) bool {
	return f.Answers != nil && f.Answers.Internal && slices.ContainsFunc(t.Participants, func(p Participant) bool { return p.Is(f.Mail.From.Email) && p.Role == Correspondent })
}

func decideInbox(f Facts) Decision {
	t, why := candidate(f)
	d := Decision{Ticket: t, Author: Customer, Reasons: reasonsOf(why, f)}
	switch f.Mail.Class {
	case Bounce, Receipt, Complaint, Automatic:
		return decideMachine(f, d)
	case Human, List:
	}
	switch {
	case f.FromOurs:
		// Whoever writes as the support address without being found in Sent may be anybody (REQUIREMENTS H5).
		return d.as(Held, "it says it comes from our own address, but it is not in the Sent folder")
	case t == nil && f.Astray: // somebody has put it there: an agent who files private mail, say
		return settled(Ignored, Unaddressed)
	case f.Mail.From.Email == "" || f.Mail.FromUnsure:
		return d.as(Held, "it does not say clearly who it is from")
	case len(f.Mail.Peers) > MostHops:
		return d.as(Held, fmt.Sprintf("it went through more than %d servers, as in a loop", MostHops))
	case t == nil && f.Flood > 0:
		return d.as(Held, fmt.Sprintf("its sender has opened %d tickets within an hour", f.Flood))
	case t == nil:
		if f.Verified {
			d.Trust = V1
		}
		return d.as(NewTicket, "it belongs to no ticket yet")
	case !TakesPart(t.Participants, f.Mail.From.Email):
		return d.as(Held, fmt.Sprintf("its sender has no part in ticket #%d", t.Number))
	case f.aside(*t):
		return d.as(Held, fmt.Sprintf("it answers what the customers of ticket #%d don't see", t.Number))
	case t == f.ByTag && !f.Verified: // people quote subjects to each other
		return d.as(Held, fmt.Sprintf("only its subject says that it belongs to ticket #%d, and its sender is not proved", t.Number))
	case f.Locked != "":
		return d.goesOn(f, t).as(NewTicket, fmt.Sprintf("ticket #%d, which it answers, is %s", t.Number, f.Locked))
	case f.Closed && f.At.Sub(t.LastActivityAt) > ReopenFor:
		return d.goesOn(f, t).as(NewTicket, fmt.Sprintf("ticket #%d, which it answers, has been closed for more than %d days", t.Number, ReopenFor/(24*time.Hour)))
	}
	d.Trust = trust(f, t)
	if d.Trust == V0 {
		d.Reasons = append(d.Reasons, "sender not verified")
	}
	return d.as(Appended, why)
}

// goesOn has a mail open a ticket that goes on from the one it answers.
func (d Decision) goesOn(f Facts, t *Ticket) Decision {
	if d.Ticket, d.Follows = nil, t.ID; f.Verified {
		d.Trust = V1
	}
	return d
}

// decideMachine is about mail that no human wrote: it never opens a ticket.
func decideMachine(f Facts, d Decision) Decision {
	if d.Ticket == nil {
		return d.as(Automated, fmt.Sprintf("%s mail that belongs to no ticket", sortOf(f.Mail)))
	}
	d.Author, d.Internal = System, true
	if f.Mail.Class == Automatic {
		if !TakesPart(d.Ticket.Participants, f.Mail.From.Email) {
			return d.as(Held, fmt.Sprintf("automatic mail whose sender has no part in ticket #%d", d.Ticket.Number))
		}
		d.Author = Customer
	}
	return d.as(Appended, fmt.Sprintf("%s mail about this ticket, for agents only", sortOf(f.Mail)))
}

// sortOf says what a machine's mail is, as closely as it is known.
func sortOf(m Mail) string { return cmp.Or(string(m.Kind), string(m.Class)) }

func (d Decision) as(o Outcome, reason string) Decision {
	d.Outcome, d.Reason = o, reason
	if !slices.Contains(d.Reasons, reason) {
		d.Reasons = append(d.Reasons, reason)
	}
	return d
}

// candidate is the ticket that the mail points to: a token tells more than a reference.
func candidate(f Facts) (*Ticket, string) {
	switch {
	case f.ByToken != nil:
		return f.ByToken, fmt.Sprintf("signed reply address of ticket #%d", f.ByToken.Number)
	case f.ByRef != nil:
		return f.ByRef, fmt.Sprintf("answers %s of ticket #%d", f.Ref, f.ByRef.Number)
	case f.ByTie != nil:
		return f.ByTie, fmt.Sprintf("%s is named by a mail of ticket #%d", f.Ref, f.ByTie.Number)
	case f.ByTag != nil && (f.Mail.Class == Human || f.Mail.Class == List):
		return f.ByTag, fmt.Sprintf("signed tag of ticket #%d in its subject", f.ByTag.Number)
	}
	return nil, ""
}

func reasonsOf(why string, f Facts) []string {
	var rs []string
	if why != "" {
		rs = append(rs, why)
	}
	if f.SameID {
		rs = append(rs, "another mail with the same Message-ID and other content came before")
	}
	rs = append(rs, f.Mail.Reasons...)
	if f.Vouched != "" {
		rs = append(rs, f.Vouched)
	}
	return rs
}

// trust is the tier of a participant's mail: the reply token that was made for this very sender raises it by one.
func trust(f Facts, t *Ticket) Trust {
	tier := V0
	if f.Verified {
		tier = V1
	}
	if f.ByToken == t && f.Token == f.Mail.From.Email {
		tier++
	}
	return tier
}

// MachineAddress tells whether only programs write from an address, so that its mail is no human's (REQUIREMENTS L1).
func MachineAddress(email string) bool {
	switch name := functionOf(email); name {
	case "mailerdaemon", "maildaemon", "daemon", "postmaster", "listserv", "majordomo", "bounce", "bounces",
		"nereply", "noresponder", "nepasrepondre", "keineantwort", "nichtantworten":
		return true
	default:
		return strings.HasPrefix(name, "noreply") || strings.HasPrefix(name, "donotreply") || strings.HasPrefix(name, "bounce") && len(name) > len("bounces")
	}
}

// RoleAddress tells whether an address belongs to a function of a mail system that must never be answered
// automatically (RFC 2142, REQUIREMENTS L4): a machine's, or one behind which people may sit.
func RoleAddress(email string) bool {
	switch functionOf(email) {
	case "abuse", "root", "hostmaster", "webmaster":
		return true
	}
	return MachineAddress(email)
}

// functionOf gives the local part without what people put between its words.
func functionOf(email string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, LocalPart(email))
}
