package desk

// Policy is how a mailbox works with its agents and its customers, beyond how it is reached. The zero value is what every mailbox
// starts with.
type Policy struct {
	// Language is that of the mail to people who have chosen none, a BCP 47 tag such as "de"; empty: the settings' default.
	Language string `json:"language"`
}
