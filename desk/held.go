package desk

import (
	"fmt"
	"slices"
)

// Acceptance is what an agent says about a held mail that is to join a ticket.
type Acceptance struct {
	By        string // who says so, for the reasons
	AddSender bool   // the sender takes part in the ticket from now on
	Internal  bool   // only agents see the mail, whoever it went to
}

// Accept tells how a held mail joins a ticket by an agent's word. Customers see it if it was for them: if its sender takes
// part, or if it went to one who does (REQUIREMENTS M12, INV5). What a machine wrote they never see (REQUIREMENTS H1). An
// agent's word makes nobody's address proved.
func Accept(f Facts, t Ticket, a Acceptance) Decision {
	d := Decision{Outcome: Appended, Ticket: &t, Author: Customer, Internal: true, Reason: "accepted by " + a.By, Reasons: f.Mail.Reasons}
	reason := "internal: neither its sender nor anybody it went to is a customer of the ticket"
	switch {
	case f.Mail.Class != Human && f.Mail.Class != List:
		d.Author, reason = System, fmt.Sprintf("internal: it is %s mail", f.Mail.Class)
	case f.AtAgent != nil:
		reason = "internal: it came to an agent's address"
	case f.Agent != nil: // it shows an address that is no customer's business
		reason = "internal: it is from an agent's own address"
	case a.Internal:
		reason = "internal: so the agent said"
	case a.AddSender:
		d.Internal, reason = false, "its sender takes part from now on"
	case slices.ContainsFunc(slices.Concat([]Address{f.Mail.From}, f.Mail.To, f.Mail.Cc), func(x Address) bool { return TakesPart(t.Participants, x.Email) }):
		d.Internal, reason = false, "it is from or to a customer of the ticket"
	}
	if (f.FromOurs || f.Agent != nil) && d.Author == Customer {
		d.Author = Agent
	}
	d.Reasons = append(slices.Clone(d.Reasons), d.Reason, reason)
	return d.vouched(f)
}

// vouched gives a decision that an agent has taken its trust.
func (d Decision) vouched(f Facts) Decision {
	if f.Vouched != "" {
		d.Reasons = append(d.Reasons, f.Vouched)
	}
	if f.Verified {
		d.Trust = V1
	} else {
		d.Reasons = append(d.Reasons, "sender not verified")
	}
	return d
}

// Split tells how a held mail opens a ticket of its own by an agent's word. It fails if the mail does not say clearly whose
// it would be.
func Split(f Facts, by string) (Decision, error) {
	switch {
	case f.FromOurs:
		return Decision{}, Refuse("id", "it says it comes from our own address %s, which is no customer's; accept or discard it", f.Mail.From.Email)
	case f.Agent != nil:
		return Decision{}, Refuse("id", "it is from the agent %s, who is no customer; accept or discard it", f.Agent.Name)
	case f.Mail.From.Email == "" || f.Mail.FromUnsure:
		return Decision{}, Refuse("id", "it does not say clearly who it is from, so there is nobody to open a ticket for; name the address of its customer, or accept or discard it")
	}
	reason := "made a ticket of its own by " + by
	return Decision{Outcome: NewTicket, Author: Customer, Reason: reason, Reasons: append(slices.Clone(f.Mail.Reasons), reason)}.vouched(f), nil
}
