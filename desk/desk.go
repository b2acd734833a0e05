// Package desk is Postern's vocabulary: tickets, messages, contacts, companies, mailboxes and forms,
// and the rules about them as pure functions. It does no I/O and imports the standard library alone,
// so every other package can speak in its terms.
package desk

import (
	"errors"
	"fmt"
)

// ID names a stored thing: a UUIDv7 in its lower-case text form. Ids sort by the time they were made.
type ID string

// Kind says what sort of failure an Error is, so that one place can turn it into an answer.
type Kind int

// The kinds of failure. The zero Kind is Internal: its text is logged and never shown to people.
const (
	Internal Kind = iota
	NotFound
	Invalid
	Conflict
	Forbidden
	Unauthenticated
	TooLarge
	TooMany
	Gone
	Unavailable
)

// String names the kind as logs and problem documents do.
func (k Kind) String() string {
	switch k {
	case NotFound:
		return "not-found"
	case Invalid:
		return "invalid"
	case Conflict:
		return "conflict"
	case Forbidden:
		return "forbidden"
	case Unauthenticated:
		return "unauthenticated"
	case TooLarge:
		return "too-large"
	case TooMany:
		return "too-many"
	case Gone:
		return "gone"
	case Unavailable:
		return "unavailable"
	case Internal:
	}
	return "internal"
}

// Error is a failure whose Text, or the text of Key, may be shown to the person who caused it. Err, if any, is for the log.
type Error struct {
	Kind  Kind
	Field string // the input at fault, as the API names it; empty if none
	Text  string // a plain sentence that says what to do, for operators and programs
	Key   string // the text in the catalogues, for customers; empty: they are told nothing of it
	Args  []any  // names and values for what stands in the text of Key
	Err   error
}

// Error gives the text and the cause.
func (e *Error) Error() string {
	s := e.Text
	if s == "" {
		s = e.Kind.String()
	}
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// TextOf gives the sentence of a failure for operators and programs, without its field; "" if it has none.
func TextOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Text
	}
	return ""
}

// KindOf tells what sort of failure err is; Internal if nobody said.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Missing is the error for a thing that is not there, or that the asker may not know of.
func Missing(what string) error { return &Error{Kind: NotFound, Text: what + " not found"} }

// Refuse is the error for input that can't be taken: field is its name, the rest says what is wanted.
func Refuse(field, format string, args ...any) error {
	return &Error{Kind: Invalid, Field: field, Text: fmt.Sprintf(format, args...)}
}
