package desk

import "time"

// Outcome is what became of an inbound item. Every item has exactly one ledger row with exactly one outcome
// (REQUIREMENTS INV1).
type Outcome string

// The outcomes. A row starts as Pending, and leaves it once.
const (
	Pending     Outcome = "pending"     // kept, not yet read
	NewTicket   Outcome = "new-ticket"  // made a ticket
	Appended    Outcome = "appended"    // joined a ticket
	Held        Outcome = "held"        // an agent decides
	Quarantined Outcome = "quarantined" // could not be read; the bytes are kept
	OwnCopy     Outcome = "own-copy"    // we wrote it ourselves
	Duplicate   Outcome = "duplicate"   // the same mail is already there
	Automated   Outcome = "automatic"   // a machine's mail that belongs to no ticket
	Ignored     Outcome = "ignored"     // not for us, with the reason
	Unfetched   Outcome = "unfetched"   // could not be fetched, with the reason
)

// Outcomes lists all of them.
func Outcomes() []Outcome {
	return []Outcome{Pending, NewTicket, Appended, Held, Quarantined, OwnCopy, Duplicate, Automated, Ignored, Unfetched}
}

// LedgerEntry is the record of one inbound item: a mail of a mailbox (Folder, Generation, UIDValidity, UID) or a form post
// (FormID, DeliveryID).
type LedgerEntry struct {
	ID           ID
	MailboxID    ID
	Folder       string
	Role         FolderRole
	Generation   int64 // of the folder
	UIDValidity  uint32
	UID          uint32
	FormID       ID
	DeliveryID   string
	ContentType  string // of a form post
	InternalDate time.Time
	ReceivedAt   time.Time
	Size         int64
	RawSHA256    string // where the bytes lie in the blob store; empty: in the database
	HeaderOnly   bool   // the mail is too large to be fetched: its bytes are its beginning alone (REQUIREMENTS I9)
	Outcome      Outcome
	Reason       string
	Attempts     int // how often a process died or gave up while reading it; of an Unfetched mail: how often it was asked for again
	TicketID     ID  // for Held: the ticket it would have joined
	Subject      string
	From         string
	RetryAt      time.Time // of an Unfetched mail: when its server is asked for it again; zero: it is not
	DoneAt       time.Time
}

// InQuarantine fails with Conflict if the item is not in quarantine, or no longer.
func (e LedgerEntry) InQuarantine() error {
	if e.Outcome == Quarantined {
		return nil
	}
	return &Error{Kind: Conflict, Text: "item " + string(e.ID) + " is not in quarantine; it is " + string(e.Outcome)}
}

// NextFetch tells when a mail that its server has failed to send is asked for again, after so many attempts: an hour later at
// first, then less and less often, for a week. The zero time: not any more.
func NextFetch(received, now time.Time, attempts int) time.Time {
	const day, forAWeek = 24 * time.Hour, 7 * 24 * time.Hour
	next := now.Add(min(time.Hour<<min(attempts, 10), day))
	if next.After(received.Add(forAWeek)) {
		return time.Time{}
	}
	return next
}

// MaxAttempts is how many processes may die over one item before it is parked in quarantine.
const MaxAttempts = 3

// MaxUnderWay is how many mails of a mailbox a process reads at once in their turn: over one of the first of those that wait it has
// died, if it did.
const MaxUnderWay = 300
