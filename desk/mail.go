package desk

import (
	"net/netip"
	"time"
)

// MessageID is the content of a Message-ID header without its angle brackets (RFC 5322 section 3.6.4).
type MessageID string

// Class says what sort of mail a message is. It is read from headers and structure, never from the subject alone.
type Class string

// The classes. List mail is filed like human mail, but nothing answers it automatically.
const (
	Human     Class = "human"
	Automatic Class = "automatic"
	Bounce    Class = "bounce"
	Complaint Class = "complaint"
	Receipt   Class = "receipt"
	List      Class = "list"
)

// AutomaticKind says what an automatic mail is for, where its header tells; empty where it does not.
type AutomaticKind string

// The kinds: somebody is away; a program has got our mail; something happened somewhere.
const (
	Away            AutomaticKind = "out-of-office"
	Acknowledgement AutomaticKind = "acknowledgement"
	Notification    AutomaticKind = "notification"
)

// AnswersAllowed tells whether automatic mail may be sent because of a mail of this class (REQUIREMENTS INV3).
func (c Class) AnswersAllowed() bool { return c == Human }

// Mail is one message as read from its bytes. All text is valid UTF-8 without NUL.
type Mail struct {
	Subject    string
	From       Address // zero if there is none, or more than one
	FromUnsure bool    // the From line can be read in more than one way, so it proves nothing (REQUIREMENTS A2)
	// HeaderUnsure is set where the header breaks the rules in a way that has others find other fields in it, or was not read
	// to its end: what a receiver said of its From line may be about another one.
	HeaderUnsure bool
	To, Cc       []Address
	ReplyTo      []Address
	// ReplyToUnsure is set where Reply-To has more than one address, or one that can be read in more than one way.
	ReplyToUnsure bool
	// Form is the form sender that mailed this for the person in From; empty: From wrote it. It is not read from the bytes alone,
	// see Mailbox.Submitted.
	Form string

	// DeliveredTo holds the addresses of Delivered-To, X-Original-To and Envelope-To, topmost first.
	DeliveredTo []string
	// NullReturnPath is set where a Return-Path header says "<>".
	NullReturnPath bool
	AuthResults    []AuthResults // topmost first
	Signers        []string      // whose DKIM signatures it has: the domains they name, in lower case
	DKIM           DKIM          // not read from the bytes alone: keys are looked up
	Date           time.Time     // zero if there is none that can be read
	// Peers tells from where the servers that passed it on had it, by their Received fields, topmost first. It is invalid where
	// a server did not say; who wrote the mail wrote the lower ones as he liked.
	Peers []netip.Addr

	MessageID   MessageID
	InReplyTo   []MessageID
	References  []MessageID
	OriginalIDs []MessageID // that it says to have had before: X-Microsoft-Original-Message-ID, X-Google-Original-Message-ID, and our own field

	ThreadIndex string // Outlook's Thread-Index, in base64; kept for our answers, and never used to find a ticket (REQUIREMENTS M10)

	LoopMark string // what X-Postern-Loop says; it means nothing until it is verified

	List string // the mailing list it came by, as List-Id names it (RFC 2919), in lower case

	Text      string // the whole readable text, from the HTML if there is no text part
	HTML      string // harmless HTML, from the text if there is no HTML part
	Reply     string // what is new in Text
	Quoted    string // the history in Text
	Signature string
	Notice    string // what is shown below all of it, for people: why there is not more
	Marks     []Mark // what its HTML marks in Text, in order, none in another

	Attachments []Attachment

	Class            Class
	Kind             AutomaticKind // of an automatic mail
	Spam             string        // the field by which the server that received it calls it spam; empty: none does
	Reasons          []string      // why it has this class
	SuppressAnswers  bool          // nothing answers it automatically: X-Auto-Response-Suppress asks so, its subject may be a machine's, or it is taken for spam
	Bounced          []BouncedRecipient
	BouncedMessageID MessageID // the mail that bounced, if the report says

	Truncated bool     // a limit was reached; the rest is kept as an attachment
	Defects   []string // what was wrong with the bytes, in plain words

	// Fingerprint is the SHA-256 (hex) over From, Date, Subject, normalised text and sorted attachment hashes.
	// Two copies of one mail have the same, even if a server re-rendered one (REQUIREMENTS I6).
	Fingerprint string
}

// Mark is a part of a mail's text that its HTML marks as a quote or as a signature: Text[Start:End], from the begin of a line to
// the end of one.
type Mark struct {
	Start, End int
	Signature  bool
}

// Said is what an earlier message of a ticket says.
type Said struct {
	MessageID ID
	Reply     string // what was new in it
	Text      string // all of it; empty if that need not be known
	// SameAuthor is set where whoever wrote the mail that it is compared with wrote this too.
	SameAuthor bool
}

// Attachment is a file that came with a message. Its bytes lie in the blob store under SHA256 (hex).
type Attachment struct {
	ID        ID     `json:"id,omitempty"`
	Name      string `json:"name"` // a base name that is safe to show and to save under
	Type      string `json:"type"` // media type without parameters
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Inline    bool   `json:"inline"`
	ContentID string `json:"content_id,omitempty"`
}

// BouncedRecipient is one recipient's fate in a delivery report (RFC 3464 section 2.3).
type BouncedRecipient struct {
	Address    string `json:"address"`
	Action     string `json:"action"` // failed, delayed, delivered, relayed, expanded
	Status     string `json:"status"` // such as 5.1.1
	Diagnostic string `json:"diagnostic"`
}

// Trust says how sure we are that a message comes from whom it names (REQUIREMENTS section 0).
type Trust int

// The tiers: the From line says so; the trusted receiver's DMARC says so; that and a valid reply token; proved in the portal.
const (
	V0 Trust = iota
	V1
	V2
	V3
)

// String gives "V0" to "V3".
func (t Trust) String() string { return [...]string{"V0", "V1", "V2", "V3"}[t&3] }
