package desk

import (
	"slices"
	"strings"
	"unicode"
)

// Copying says what becomes of people whom somebody puts into To or Cc of a mail about a ticket (FEATURES M11). Whatever it says, mail
// gives nobody a look into the portal.
type Copying string

// The policies.
const (
	// CopyAsked is the default: people whom a customer copies get our mail once an agent has copied them too.
	CopyAsked Copying = "ask"
	// CopyEverybody has people take part whom a proved participant copies.
	CopyEverybody Copying = "everybody"
	// CopyNobody has our mail go to the requester alone.
	CopyNobody Copying = "requester"
)

// Known tells whether it is one of the policies; "" is CopyAsked.
func (c Copying) Known() bool {
	return c == "" || c == CopyAsked || c == CopyEverybody || c == CopyNobody
}

// Recipients lists who gets our mail about a ticket, each address once: the requester first, then those in copy, and nobody who wants none. inside tells whose
// addresses are our own or an agent's.
func (c Copying) Recipients(t Ticket, inside func(email string) bool) (out []Participant) {
	for _, p := range t.Participants {
		if p.Role == Mentioned || p.Muted || p.Email == "" || inside(p.Email) || c == CopyNobody && p.Role != Requester {
			continue
		}
		if p.Role == Requester {
			out = slices.Insert(out, 0, p)
		} else {
			out = append(out, p)
		}
	}
	var once []Participant // an address that was corrected may be another one's in the same ticket
	for _, p := range out {
		if !slices.ContainsFunc(once, func(q Participant) bool { return q.Email == p.Email }) {
			once = append(once, p)
		}
	}
	return once
}

// Others lists whom a mail is to beside us: no address that inside knows, no colleagues (their addresses are of a domain of the
// mailbox), no machines, and not its sender.
func (m Mailbox) Others(mail Mail, inside func(email string) bool) (out []Address) {
	for _, a := range slices.Concat(mail.To, mail.Cc) {
		known := slices.ContainsFunc(out, func(o Address) bool { return o.Email == a.Email })
		if a.Email != "" && a.Email != mail.From.Email && !known && !inside(a.Email) && !m.colleague(a.Email) && !MachineAddress(a.Email) && len(out) < mostParticipants {
			out = append(out, a)
		}
	}
	return out
}

// Copies tells what becomes of the people whom a mail is to beside us, once it is decided that it joins a ticket or opens one: they take
// part by mail, or are only noted. Who is in the ticket already is left out. That a customer's address is only claimed must not bring
// anybody our mail (REQUIREMENTS H2).
func (f Facts) Copies(d Decision) (copied, mentioned []Address) {
	var in []Participant
	if d.Ticket != nil {
		in = d.Ticket.Participants
	}
	for _, a := range f.Others {
		i := slices.IndexFunc(in, func(p Participant) bool { return p.Is(a.Email) })
		begun := slices.ContainsFunc(d.Adds, func(o Address) bool { return o.Email == a.Email })
		switch {
		case d.Internal || begun || i >= 0 && in[i].Role != Mentioned || len(in)+len(copied)+len(mentioned) >= mostParticipants:
		case f.Copying != CopyNobody && (d.Author == Agent || f.Copying == CopyEverybody && d.Trust >= V1):
			copied = append(copied, a)
		case i < 0 && d.Author == Customer && (d.Ticket == nil || d.Trust >= V1):
			mentioned = append(mentioned, a)
		}
	}
	return copied, mentioned
}

// MostNamed is how many people a customer may name at once in the portal.
const MostNamed = 10

// Named tells what becomes of people whom a customer names in the portal to get copies. Colleagues get the ticket's mail from then on, and so does everybody
// where the policy has everybody take part; others are noted, for an agent to copy them: nobody's words are carried to strangers (REQUIREMENTS H3). Addresses that
// inside knows and people who have a part already are left out.
func (c Copying) Named(in []Participant, people []Address, colleague, inside func(email string) bool) (copied, mentioned []Address) {
	for _, a := range people {
		i := slices.IndexFunc(in, func(p Participant) bool { return p.Is(a.Email) })
		twice := slices.ContainsFunc(slices.Concat(copied, mentioned), func(o Address) bool { return o.Email == a.Email })
		switch {
		case c == CopyNobody || twice || inside(a.Email) || i >= 0 && in[i].Role != Mentioned || len(in)+len(copied)+len(mentioned) >= mostParticipants:
		case c == CopyEverybody || colleague(a.Email):
			copied = append(copied, a)
		case i < 0:
			mentioned = append(mentioned, a)
		}
	}
	return copied, mentioned
}

// NamedIn reads the addresses that somebody has written into a field, apart from each other by commas, semicolons or space. bad is the first that is none, or a
// machine's, as it was written.
func NamedIn(text string) (people []Address, bad string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) }) {
		email, ok := NormalizeEmail(word)
		if !ok || MachineAddress(email) {
			return nil, word
		}
		people = append(people, Address{Email: email})
	}
	return people, ""
}
