package desk

import "time"

// AutomaticEvery is how often incoming mail and forms may cause an automatic mail to one address. It is stricter than what
// REQUIREMENTS L10 allows an address, a ticket and a subject, so that those need no count of their own.
const AutomaticEvery = 24 * time.Hour

// Budgets bound the automatic mail that incoming mail and forms may cause, and what one person may send in (REQUIREMENTS L9, L10). They
// count what has just come, not what is imported; what agents write is never counted.
type Budgets struct {
	// NewContacts is how many people nobody knows yet may be written to in an hour because of one sending host, or one form.
	NewContacts int `json:"new_contacts"`
	// NewTickets is how many tickets an address may open in an hour. Mail that comes then is held; in the portal its writer is asked to wait.
	NewTickets int `json:"new_tickets"`
	// Written is how many messages a person may send in the portal in an hour.
	Written int `json:"written"`
	// An hour that has more than SurgeTimes the automatic mail of the last week's mean hour, and more than SurgeFloor, ends
	// automatic mail until an operator has looked.
	SurgeTimes int `json:"surge_times"`
	SurgeFloor int `json:"surge_floor"`
}

// DefaultBudgets are those that an installation starts with.
func DefaultBudgets() Budgets {
	return Budgets{NewContacts: 20, NewTickets: 10, Written: 60, SurgeTimes: 5, SurgeFloor: 100}
}

// Check refuses a budget that is none.
func (b Budgets) Check() error {
	for _, x := range []struct {
		name string
		n    int
	}{
		{"new_contacts", b.NewContacts}, {"new_tickets", b.NewTickets}, {"written", b.Written}, {"surge_times", b.SurgeTimes}, {"surge_floor", b.SurgeFloor},
	} {
		if x.n < 1 || x.n > 1_000_000 {
			return Refuse("budgets."+x.name, "write a whole number from 1 to 1000000")
		}
	}
	return nil
}

// Surge tells whether an hour has so much automatic mail that something must be wrong. Week is how much there was in the seven
// days before.
func (b Budgets) Surge(hour, week int) bool {
	const hoursOfAWeek = 7 * 24
	return hour > b.SurgeFloor && hour*hoursOfAWeek > b.SurgeTimes*week
}
