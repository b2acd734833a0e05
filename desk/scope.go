package desk

import "time"

// Scope says which tickets somebody may see, and which of their messages. It is made here alone, and the store puts it into every query
// that a portal or an API answers from. The zero Scope sees nothing.
type Scope struct {
	everything bool
	reader     ID // who sees it
	contact    ID // whose own tickets are seen
	companies  []ID
	shown      Shown
	closed     []string // for shown's rules
	now        time.Time
}

// ScopeOfProgram is the scope of an API token, a command and Postern itself: every ticket, notes too.
func ScopeOfProgram() Scope { return Scope{everything: true} }

// ScopeOfContact is what a contact sees whatever the operator has set: the tickets they requested or were copied into by an agent, without
// internal notes. A disabled contact sees nothing. It is for Postern's own questions; pages use ScopeOfVisitor.
func ScopeOfContact(c Contact) Scope {
	if c.Disabled {
		return Scope{}
	}
	return Scope{reader: c.ID, contact: c.ID}
}

// ScopeOfVisitor is what a signed-in contact sees: their own tickets and those their company shares with them, as far as the operator's
// rules show them. Who may not enter sees nothing.
func ScopeOfVisitor(s Settings, lists []ContactList, v Visitor, now time.Time) Scope {
	if !s.Access.MayEnter(v, lists, now) {
		return Scope{}
	}
	return Scope{reader: v.ID, contact: v.ID, companies: s.Sharing.SharedCompanies(v, lists, now), shown: s.Shown, closed: ClosedStatuses(s.Pipelines), now: now}
}

// Own is the part of the scope that is the contact's own.
func (s Scope) Own() Scope {
	s.companies = nil
	return s
}

// Shared is the part of the scope that is shared by companies, the contact's own tickets there among it.
func (s Scope) Shared() Scope {
	if !s.everything {
		s.contact = ""
	}
	return s
}

// Everything tells whether nothing is hidden.
func (s Scope) Everything() bool { return s.everything }

// Reader is the contact who sees it, or "" where it is no contact.
func (s Scope) Reader() ID { return s.reader }

// Contact is whose tickets are seen, or "" for nobody's.
func (s Scope) Contact() ID { return s.contact }

// Companies are those all of whose tickets are seen.
func (s Scope) Companies() []ID { return s.companies }

// Shown is what the operator shows of them.
func (s Scope) Shown() Shown { return s.shown }

// ClosedStatuses are those that count as closed, as the function of this name lists them.
func (s Scope) ClosedStatuses() []string { return s.closed }

// Now is the time that the rules are seen from.
func (s Scope) Now() time.Time { return s.now }

// ClosedStatuses lists the statuses that count as closed, each as pipeline/status.
func ClosedStatuses(ps []Pipeline) []string {
	var keys []string
	for _, p := range ps {
		for _, st := range p.Statuses {
			if st.Closed {
				keys = append(keys, p.Key+"/"+st.Key)
			}
		}
	}
	return keys
}
