package desk

import "time"

// Form is a door for web forms and other programs: POST /hooks/{Key}.
type Form struct {
	ID        ID
	Key       string // the last part of its URL
	Name      string
	MailboxID ID
	Auth      FormAuth
	Secret    string            // whsec_… for SignedForm; stored encrypted
	Mapping   map[string]string // ticket field (email, name, subject, message) to the payload's path
	Pipeline  string
	Disabled  bool
	CreatedAt time.Time
}

// FormAuth says who may post to a form.
type FormAuth string

// The ways a post proves itself: a Standard Webhooks signature, or an unguessable URL.
const (
	SignedForm    FormAuth = "standard-webhooks"
	SecretURLForm FormAuth = "secret-url"
)

// FormFields are the ticket fields a form can fill.
func FormFields() []string { return []string{"email", "name", "subject", "message"} }
