package desk

import (
	"slices"
	"time"
)

// Token lets a program use the API. Only the SHA-256 of its secret is stored.
type Token struct {
	ID        ID
	Name      string
	Scopes    []string
	CreatedAt time.Time
	LastUsed  time.Time
}

// The scopes a token can have. Write includes read.
const (
	ScopeRead     = "read"
	ScopeWrite    = "write"
	ScopeSettings = "portal:settings"
)

// Scopes lists all of them.
func Scopes() []string { return []string{ScopeRead, ScopeWrite, ScopeSettings} }

// Allows tells whether the token has the scope.
func (t Token) Allows(scope string) bool {
	return slices.Contains(t.Scopes, scope) || scope == ScopeRead && slices.Contains(t.Scopes, ScopeWrite)
}
