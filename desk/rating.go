package desk

import (
	"slices"
	"time"
)

// Rating is how a customer says that a ticket went.
type Rating struct {
	TicketID  ID        `json:"ticket_id"`
	ContactID ID        `json:"contact_id"`
	Score     Score     `json:"score"`
	At        time.Time `json:"at"`
}

// Score is what a Rating says.
type Score string

// The scores.
const (
	Good Score = "good"
	Fair Score = "fair"
	Bad  Score = "bad"
)

// Scores lists them, the best first.
func Scores() []Score { return []Score{Good, Fair, Bad} }

// Known tells whether it is one of them.
func (s Score) Known() bool { return slices.Contains(Scores(), s) }
