package desk

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Receiver says on whose word a mailbox believes who a mail is from: that of the server which takes its mail in. The zero
// value believes nobody (REQUIREMENTS A3).
type Receiver struct {
	Profile ReceiverProfile
	// AuthServID is the name under which the receiver writes Authentication-Results (RFC 8601 section 2.5), in lower case.
	AuthServID string
	// Hops is how many Received fields may stand above what the receiver wrote: those of the servers behind it. What a
	// stranger put into the mail stands below the receiver's own Received field.
	Hops int
	// DKIM has a signature of the From line's own domain do where the receiver wrote nothing (REQUIREMENTS A7).
	DKIM bool
	// CalibratedAt is when a forged result was told apart from the receiver's; zero: the operator vouches for it.
	CalibratedAt time.Time
}

// ReceiverProfile says how a receiver writes down what it found out.
type ReceiverProfile string

// The profiles. Microsoft 365 leaves its name out, so only its place tells its results from others' (REQUIREMENTS A4).
const (
	RFC8601 ReceiverProfile = "rfc8601"
	M365    ReceiverProfile = "m365"
)

// AuthResults is an Authentication-Results field (RFC 8601): what a server says that it found out about a mail. Everybody can
// write one, so it means nothing until a Receiver has judged it.
type AuthResults struct {
	ServID  string // the authserv-id, in lower case; empty: the field names none
	Below   int    // how many Received fields stand above it
	Broken  bool   // it does not end as it should, or is of an unknown version: other readers may see something else in it
	Results []AuthResult
}

// AuthResult is what came of one method, such as dmarc. Method and Result are in lower case.
type AuthResult struct {
	Method string
	Result string
	Reason string
	Props  []AuthProp
}

// AuthProp is a property of a result, such as header.from; Name is in lower case.
type AuthProp struct{ Name, Value string }

// Prop gives a property's only value; false if there is none, or more than one.
func (r AuthResult) Prop(name string) (string, bool) {
	value, n := "", 0
	for _, p := range r.Props {
		if p.Name == name {
			value = p.Value
			n++
		}
	}
	return value, n == 1
}

// DKIM is what came of a mail's signatures (RFC 6376) where we looked at them ourselves. Reason says it in plain words; it
// is empty where nobody looked.
type DKIM struct {
	Holds  bool // one of the From line's own domain does
	Reason string
}

// Vouches tells whether the mail's one From line is proved (tier V1), and why or why not, in plain words for agents. Reply-To,
// Sender, Return-Path and ARC play no part in it (REQUIREMENTS A1, A2, A6).
func (r Receiver) Vouches(m Mail) (bool, string) {
	if why := unprovable(m); why != "" {
		return false, why
	}
	word, why := r.word(m)
	if word == nil {
		if r.DKIM && m.DKIM.Reason != "" {
			return m.DKIM.Holds, m.DKIM.Reason
		}
		return false, why
	}
	return r.passed(*word, m.From.Email)
}

// Refuses tells whether the receiver says that a mail is not from its From line's domain.
func (r Receiver) Refuses(m Mail) bool {
	word, _ := r.word(m)
	return word != nil && slices.ContainsFunc(word.Results, func(result AuthResult) bool { return result.Method == "dmarc" && result.Result == "fail" })
}

// WantsDKIM tells whether a look at the mail's DKIM signatures can still prove its From line.
func (r Receiver) WantsDKIM(m Mail) bool {
	if !r.DKIM || unprovable(m) != "" {
		return false
	}
	word, _ := r.word(m)
	return word == nil
}

func unprovable(m Mail) string {
	switch {
	case m.Form != "":
		return "sender not verified: the address was typed into a form"
	case m.From.Email == "" || m.FromUnsure:
		return "nobody can vouch for its sender: it does not say clearly who it is from"
	case m.HeaderUnsure:
		return "nobody can vouch for its sender: its header can be read in more than one way"
	}
	return ""
}

// word finds the field that counts: the receiver's, where it writes it. Fields further down are not looked at, whatever they
// say. Without one it says why.
func (r Receiver) word(m Mail) (*AuthResults, string) {
	if r.Profile == M365 {
		if len(m.AuthResults) == 0 || m.AuthResults[0].ServID != "" {
			return nil, "Microsoft 365 wrote nothing about its sender"
		}
		return &m.AuthResults[0], ""
	}
	if r.AuthServID == "" {
		return nil, "the mailbox trusts no receiver to vouch for senders"
	}
	i := slices.IndexFunc(m.AuthResults, func(a AuthResults) bool { return a.ServID == r.AuthServID })
	switch {
	case i < 0:
		return nil, r.Name() + " wrote nothing about its sender"
	case m.AuthResults[i].Below > r.Hops:
		return nil, fmt.Sprintf("what says it is from %s stands too far down in the header, so it came with the mail", r.Name())
	}
	return &m.AuthResults[i], ""
}

// SendingHost names the machine outside that gave the mail to the receiver, as far as it can be seen: an IPv4 address, or the
// /64 of an IPv6 one. It is "" if no server tells. Above what the receiver wrote, machines only pass the mail on inside.
func (r Receiver) SendingHost(m Mail) string {
	from := 0
	if word, _ := r.word(m); word != nil {
		from = min(word.Below, len(m.Peers))
	}
	for _, a := range m.Peers[from:] {
		if !a.IsValid() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
			continue
		}
		if a.Is4() {
			return a.String()
		}
		net, err := a.Prefix(64)
		if err != nil {
			continue
		}
		return net.String()
	}
	return ""
}

// passed tells whether a field says that DMARC (RFC 7489) passed for the domain of an address.
func (r Receiver) passed(word AuthResults, email string) (bool, string) {
	domain := DomainOf(email)
	var dmarc []AuthResult
	for _, result := range word.Results {
		if result.Method == "dmarc" {
			dmarc = append(dmarc, result)
		}
	}
	switch {
	case word.Broken:
		return false, fmt.Sprintf("what %s wrote about its sender can't be read for sure", r.Name())
	case len(dmarc) == 0:
		return false, r.Name() + " says nothing of DMARC"
	case len(dmarc) > 1: // a sender's text may have got into the field
		return false, r.Name() + " says more than one thing of DMARC"
	case dmarc[0].Result != "pass":
		return false, fmt.Sprintf("%s does not vouch for %s: dmarc=%.20s", r.Name(), domain, dmarc[0].Result)
	}
	from, ok := dmarc[0].Prop("header.from")
	if from = strings.ToLower(strings.TrimSuffix(from, ".")); !ok || !sameDomain(from, email) {
		return false, fmt.Sprintf("%s vouches for %.100q, not for %s", r.Name(), from, domain)
	}
	return true, fmt.Sprintf("%s vouches for %s: dmarc=pass", r.Name(), domain)
}

// sameDomain tells whether a receiver's word is about an address or its domain. It may have the domain in letters.
func sameDomain(word, email string) bool {
	if isASCII(word) {
		return word == email || word == DomainOf(email)
	}
	if address, ok := NormalizeEmail(word); ok {
		return address == email
	}
	domain, ok := NormalizeDomain(word)
	return ok && domain == DomainOf(email)
}

// Name is what people know the receiver by; empty: nobody is believed.
func (r Receiver) Name() string {
	if r.Profile == M365 {
		return "Microsoft 365"
	}
	return r.AuthServID
}

// Check refuses settings that can't be meant.
func (r Receiver) Check() error {
	plain := func(c rune) bool { return c > ' ' && c <= '~' && !strings.ContainsRune(`";()`, c) }
	switch {
	case r.Profile != "" && r.Profile != RFC8601 && r.Profile != M365:
		return Refuse("authserv-profile", "%q is none of: %s, %s", r.Profile, RFC8601, M365)
	case r.Profile == M365 && r.AuthServID != "":
		return Refuse("authserv-id", "Microsoft 365 leaves its name out; give no authserv-id with the profile %s", M365)
	case strings.ContainsFunc(r.AuthServID, func(c rune) bool { return !plain(c) }) || r.AuthServID != strings.ToLower(r.AuthServID):
		return Refuse("authserv-id", "%q is no name such as mx.example.com", r.AuthServID)
	case r.Hops < 0 || r.Hops > maxHops:
		return Refuse("authserv-hops", "%d is not between 0 and %d", r.Hops, maxHops)
	}
	return nil
}

const maxHops = 20
