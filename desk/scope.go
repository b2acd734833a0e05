package desk

// Scope says which tickets somebody may see. It is made here alone, and the store puts it into every query that a
// portal or an API answers from. The zero Scope sees nothing.
type Scope struct {
	everything bool
	contact    ID
}

// ScopeOfProgram is the scope of an API token, a command and Postern itself: every ticket, notes too.
func ScopeOfProgram() Scope { return Scope{everything: true} }

// ScopeOfContact is what a signed-in contact sees: the tickets they requested or were copied into by an agent, without
// internal notes. A disabled contact sees nothing.
func ScopeOfContact(c Contact) Scope {
	if c.Disabled {
		return Scope{}
	}
	return Scope{contact: c.ID}
}

// Everything tells whether nothing is hidden.
func (s Scope) Everything() bool { return s.everything }

// Contact is whose tickets are seen, or "" for nobody's.
func (s Scope) Contact() ID { return s.contact }
