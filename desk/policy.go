package desk

// Policy is how a mailbox works with its agents and its customers, beyond how it is reached. The zero value is what every mailbox
// starts with.
type Policy struct {
	// Language is that of the mail to people who have chosen none, a BCP 47 tag such as "de"; empty: the settings' default.
	Language string `json:"language"`
	// SaveSent says whether what agents write outside the mailbox is put into its Sent folder too.
	SaveSent SaveSent `json:"save_sent"`
	// Signature stands below what agents write outside the mailbox, in plain text; empty: their name alone does.
	Signature string `json:"signature"`
	// PutBy says how customers' messages that did not come by mail get into the agents' inbox.
	PutBy PutBy `json:"put_by"`
	// AnyRecipient makes tickets of mail that is neither to the mailbox nor from it, too: where its folders hold what came to other
	// addresses, and no Delivered-To says that it was delivered here.
	AnyRecipient bool `json:"any_recipient"`
	// Copying says what becomes of people in copy; empty: CopyAsked.
	Copying Copying `json:"copying"`
	// AlsoSent names further folders into which agents' mail clients save what they send. The Sent folder itself may be among them.
	AlsoSent []string `json:"also_sent"`
	// MaxAttached is how many bytes of files go along with a mail of ours; zero: DefaultMaxAttached. The others stay in the portal, and are named.
	MaxAttached int64 `json:"max_attached"`
	// Connections is how many connections the mailbox's folders are watched over, at most; zero: DefaultConnections.
	Connections int `json:"connections"`
	// Follow says how tickets and the mailbox keep in step.
	Follow Follow `json:"follow"`
}

// SaveSent is when a copy is put into Sent. The zero value is SaveSentAuto.
type SaveSent string

// The choices.
const (
	SaveSentAuto   SaveSent = "auto"   // where the provider has not saved one by itself
	SaveSentAlways SaveSent = "always" // without looking for the provider's
	SaveSentNever  SaveSent = "never"
)

// Known tells whether it is one of the choices.
func (s SaveSent) Known() bool {
	return s == "" || s == SaveSentAuto || s == SaveSentAlways || s == SaveSentNever
}

// DefaultConnections is enough for INBOX, the Sent folder and, in turns, all others. Providers allow an account ten or fifteen, of
// which its agents' mail clients want most.
const DefaultConnections = 3

// MostConnections is more than providers allow.
const MostConnections = 20

// WatchConnections is how many connections the folders are watched over.
func (p Policy) WatchConnections() int {
	if p.Connections > 0 {
		return p.Connections
	}
	return DefaultConnections
}

// DefaultMaxAttached is what most mail servers take.
const DefaultMaxAttached = 20 << 20

// AttachLimit is how many bytes of files go along with a mail.
func (p Policy) AttachLimit() int64 {
	if p.MaxAttached > 0 {
		return p.MaxAttached
	}
	return DefaultMaxAttached
}

// PutBy is how a mail is put into the agents' inbox. The zero value is PutByAppend.
type PutBy string

// The choices.
const (
	PutByAppend PutBy = "append" // by IMAP, as a mail from the customer
	PutBySMTP   PutBy = "smtp"   // as a mail to the mailbox's own address, where its provider forbids or hides what is appended
)

// Known tells whether it is one of the choices.
func (p PutBy) Known() bool { return p == "" || p == PutByAppend || p == PutBySMTP }

// Check refuses what a mailbox can't do.
func (m Mailbox) Check() error {
	if m.Policy.PutBy == PutBySMTP && m.SMTP == "" {
		return Refuse("put_by", "%s has no SMTP server to put mail into its inbox by; give it one with --smtp, or say --put-by append", m.Address)
	}
	return nil
}
