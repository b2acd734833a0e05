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
