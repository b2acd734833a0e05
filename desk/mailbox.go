package desk

import (
	"slices"
	"time"
)

// Mailbox is a support mailbox that Postern stands behind.
type Mailbox struct {
	ID        ID
	Address   string   // normalised
	Aliases   []string // further addresses whose mail arrives here, normalised
	Name      string   // the sender's name on our mail; empty: the portal's title
	IMAP      string   // URL without password: imaps://user@host:port?…
	SMTP      string   // the same for submission; empty: this mailbox does not send
	Secrets   MailboxSecrets
	OAuth     OAuth     // used: access tokens sign in where there is no password
	Since     time.Time // mail that arrived before is not turned into tickets; zero: all of it
	Sent      string    // name of the Sent folder where the server does not tell or is wrong; empty: found
	Folders   []string  // further folders whose mail is read like that of INBOX: where agents move it to
	MIDDomain string    // right side of our Message-IDs
	// SubAddress is set where the server delivers local+anything@domain to this mailbox (RFC 5233), so that reply
	// addresses may carry a token.
	SubAddress bool
	// SubjectTag puts a signed tag into the subjects of answers, for correspondents whose programs lose everything else
	// (REQUIREMENTS M11).
	SubjectTag bool
	// SentOpens makes a ticket of a conversation that an agent begins in the mail client.
	SentOpens bool
	// FormSenders are the addresses under which web forms elsewhere mail what people typed, with Reply-To naming the person.
	FormSenders []string
	Receiver    Receiver
	Signing     Signing
	Policy      Policy
	Pipeline    string
	Paused      bool
	TriedAt     time.Time // when an operator last had it read at once, however long it was to wait after a failure
	CreatedAt   time.Time
}

// Signing says how we sign mail by DKIM ourselves (RFC 6376), where the mail server does not do that.
type Signing struct {
	Selector string `json:"selector"`       // names the key; empty: there is none
	On       bool   `json:"on"`             // mail is signed with it
	Next     string `json:"next,omitempty"` // names the key that takes its place once its record is in DNS
}

// MailboxSecrets are what signs in. They are stored encrypted and never shown.
type MailboxSecrets struct {
	IMAPPassword      string
	SMTPPassword      string
	DKIMKey           string // PEM
	NextDKIMKey       string
	OAuthClientSecret string
}

// Owns tells whether email is the mailbox's own address or an alias of it, with or without a sub-address.
func (m Mailbox) Owns(email string) bool {
	if email == m.Address || slices.Contains(m.Aliases, email) {
		return true
	}
	base := LocalPart(email) + "@" + DomainOf(email)
	return base == m.Address || slices.Contains(m.Aliases, base)
}

// Reaches tells whether a mail is to the mailbox, in its header or by where a server says it has delivered it: a blind copy, or mail to
// a list of which the mailbox is a member. One that does not say clearly whom it is to counts as such.
func (m Mailbox) Reaches(mail Mail) bool {
	to := func(a Address) bool { return m.Owns(a.Email) }
	if mail.HeaderUnsure || len(mail.To)+len(mail.Cc)+len(mail.DeliveredTo) == 0 {
		return true
	}
	return slices.ContainsFunc(mail.To, to) || slices.ContainsFunc(mail.Cc, to) || slices.ContainsFunc(mail.DeliveredTo, m.Owns)
}

// Begins lists whom an agent's mail is to that begins a conversation, those in To first: not the addresses in ours, no machines, and
// not colleagues, whose addresses are of a domain of the mailbox. It is empty for mail that answers another one, and where the
// mailbox makes no ticket of such mail.
func (m Mailbox) Begins(mail Mail, ours func(email string) bool) []Address {
	if !m.SentOpens || mail.Class != Human || len(mail.InReplyTo)+len(mail.References) > 0 {
		return nil
	}
	return m.Others(mail, ours)
}

// colleague tells whether an address is of a domain of the mailbox or its aliases, of one above it or of one below.
func (m Mailbox) colleague(email string) bool {
	return slices.ContainsFunc(append([]string{m.Address}, m.Aliases...), func(own string) bool {
		return slices.Contains(CompanyDomains(own), DomainOf(email)) || slices.Contains(CompanyDomains(email), DomainOf(own)) && !PublicMailDomain(DomainOf(own))
	})
}

// mostParticipants is how many people a mail may bring into a ticket.
const mostParticipants = 50

// Reads tells whether the mail of a folder that was read once still is.
func (m Mailbox) Reads(f Folder) bool {
	return f.Role == Sent || f.Name == "INBOX" || slices.Contains(m.ReadLikeInbox(), f.Name) || slices.Contains(m.Policy.AlsoSent, f.Name)
}

// ReadLikeInbox lists the folders beside INBOX whose mail is read like that of INBOX: where agents move it to.
func (m Mailbox) ReadLikeInbox() []string {
	closed := m.Policy.Follow.ClosedFolder
	if closed == "" || slices.Contains(m.Folders, closed) {
		return m.Folders
	}
	return append(slices.Clone(m.Folders), closed)
}

// Submitted gives the mail of a form sender as that of the person whom its Reply-To names, if that is one person and none of
// those in ours. Who typed the address is not proved to own it (REQUIREMENTS A1, W9). Where Reply-To does not say that clearly, it
// is nobody's. Other mail it gives as it is: that of machines that answer or report, what answers a mail, and what the receiver
// knows not to come from the form sender.
func (m Mailbox) Submitted(mail Mail, ours func(email string) bool) Mail {
	if !slices.Contains(m.FormSenders, mail.From.Email) || mail.FromUnsure || m.Receiver.Refuses(mail) {
		return mail
	}
	switch mail.Class {
	case Human, Automatic, List:
	case Bounce, Complaint, Receipt:
		return mail
	}
	if len(mail.InReplyTo)+len(mail.References) > 0 || mail.NullReturnPath || mail.Kind == Away || mail.Kind == Acknowledgement {
		return mail
	}
	var person Address
	if len(mail.ReplyTo) == 1 {
		person = mail.ReplyTo[0]
	}
	mail.Form, mail.From = mail.From.Email, person
	mail.Class, mail.Kind = Human, ""
	why := " is a form of this mailbox: its Reply-To says who wrote"
	if mail.ReplyToUnsure || person.Email == "" || ours(person.Email) || MachineAddress(person.Email) || slices.Contains(m.FormSenders, person.Email) {
		mail.From, mail.FromUnsure = Address{}, true
		why = " is a form of this mailbox, and its Reply-To does not say clearly who wrote"
	}
	mail.Reasons = append(slices.Clone(mail.Reasons), mail.Form+why)
	return mail
}

// FolderRole says what the mail in a folder is.
type FolderRole string

// The folders that are watched.
const (
	Inbox FolderRole = "inbox"
	Sent  FolderRole = "sent"
	// AlsoSent is a further folder into which mail clients save what agents send. Its mails count as those of Sent.
	AlsoSent FolderRole = "also-sent"
	// FormerSent was the Sent folder until another one became it, and is not read any more.
	FormerSent FolderRole = "former-sent"
)

// OfMails is the role of the mails in such a folder.
func (r FolderRole) OfMails() FolderRole {
	if r == AlsoSent {
		return Sent
	}
	return r
}

// Folder is a watched folder and how far it is read. A cursor counts within one UIDVALIDITY (RFC 9051 section 2.3.1.1) of
// one generation: servers give a UIDVALIDITY and its UIDs twice, when a mailbox is restored from a backup or moves to
// another server. A folder that was replaced so is a new generation of it, and is read from its beginning.
type Folder struct {
	MailboxID   ID
	Name        string
	Role        FolderRole
	Account     string // whose folder it was when it was last looked at: server and user
	Generation  int64
	UIDValidity uint32 // zero: never looked at
	LastUID     uint32 // every UID up to here that the server has shown has its ledger row
	Seen        int64  // how many UIDs the server has shown us since the folder is watched, over all generations
	PassedOver  int64  // how many of them were passed over at first, and found by the sweep (REQUIREMENTS I4)
	Problem     string // why it can't be read now, for whoever set it up; empty: it can
}

// Lease is the right to watch a mailbox. Every write of a watcher carries it; one whose epoch is over is refused.
type Lease struct {
	MailboxID ID
	Owner     string
	Epoch     int64
	Until     time.Time
}

// FolderBatch is what a watcher saw in a folder: one item for every UID that is new since the cursor, in ascending order, or
// for every one that the sweep found.
type FolderBatch struct {
	MailboxID   ID
	Folder      string
	Role        FolderRole
	Account     string
	Generation  int64
	UIDValidity uint32
	// PassedOver marks mails that were passed over: the sweep found them at or below the cursor, which stays where it is.
	PassedOver bool
	Items      []FolderItem
}

// FolderItem is one mail of a FolderBatch. Bytes up to MaxInlineRaw are in Raw; larger mail lies in the blob store under
// RawSHA256. An item without bytes says in Outcome (Ignored or Unfetched) and Reason why.
type FolderItem struct {
	ID           ID // of its ledger row; empty: one is made
	UID          uint32
	InternalDate time.Time
	Size         int64
	Raw          []byte
	RawSHA256    string
	HeaderOnly   bool    // the mail is too large to be fetched: Raw is its beginning
	Outcome      Outcome // empty: Pending
	Reason       string
	Later        bool // for Unfetched: the server may send it another time
}

// MaxInlineRaw is how much of a mail may be held in memory whole, in bytes.
const MaxInlineRaw = 1 << 20
