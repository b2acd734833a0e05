package desk

import (
	"maps"
	"slices"
	"time"
)

// EffectKind says what an outbox row does. It is an open set.
type EffectKind string

// The effects there are so far.
const (
	WelcomeMail     EffectKind = "mail.welcome"
	AcknowledgeMail EffectKind = "mail.acknowledgement" // that a new ticket has come
	ReplyMail       EffectKind = "mail.reply"           // an agent's answer, to a customer
	NotifyMail      EffectKind = "mail.notification"    // a customer's message, to an agent
	SignInMail      EffectKind = "mail.sign-in"         // a link to sign in by
	PasswordMail    EffectKind = "mail.password"        // a link to set a new password by
	RegisterMail    EffectKind = "mail.registration"    // a link to confirm an address by
	KnownMail       EffectKind = "mail.known"           // the same to who has an account: a link to sign in by
	InviteMail      EffectKind = "mail.invitation"      // that somebody may use the portal, with a link to set a password by
	PutInInbox      EffectKind = "mailbox.append"       // a customer's message, into the agents' inbox
	NoticeInInbox   EffectKind = "mailbox.notice"       // what agents and operators must know, into their inbox
	SentCopy        EffectKind = "mailbox.sent"         // an agent's answer that was mailed from here, into Sent
	FollowTicket    EffectKind = "mailbox.follow"       // mails moved and marked as their ticket's status says
)

// Purposes of one-time links.
const (
	LinkSetPassword = "set-password"
	LinkSignIn      = "sign-in"
	LinkView        = "view" // to look at the portal as a contact does
)

// Queue says which asynq queue carries the effect.
func (k EffectKind) Queue() string {
	switch k {
	case PutInInbox, NoticeInInbox, SentCopy, FollowTicket:
		return QueueMailbox
	case WelcomeMail, AcknowledgeMail, NotifyMail, InviteMail:
		return QueueAutomatic
	default:
		return QueueMail
	}
}

// The queues: mail people wait for, mail that machines cause, work in mailboxes, outgoing webhooks, work in bulk. Automatic mail
// has its own, so that it can be stopped and what people write goes on.
const (
	QueueMail      = "mail"
	QueueAutomatic = "automatic"
	QueueMailbox   = "mailbox"
	QueueWebhook   = "webhook"
	QueueBulk      = "bulk"
)

// Queues lists them with their weights.
func Queues() map[string]int {
	return map[string]int{QueueMail: 6, QueueMailbox: 4, QueueAutomatic: 3, QueueWebhook: 2, QueueBulk: 1}
}

// QueueNames lists the queues in alphabetical order.
func QueueNames() []string { return slices.Sorted(maps.Keys(Queues())) }

// Pause says that a queue's rows wait until somebody resumes it.
type Pause struct {
	Queue  string    `json:"queue"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// PauseOf finds the pause of a queue.
func PauseOf(queue string, pauses []Pause) (Pause, bool) {
	i := slices.IndexFunc(pauses, func(p Pause) bool { return p.Queue == queue })
	if i < 0 {
		return Pause{}, false
	}
	return pauses[i], true
}

// EffectState is where an outbox row stands.
type EffectState string

// The states. Unknown means that a process died, or a connection broke, when the server may already have had the bytes.
const (
	EffectPending  EffectState = "pending"
	EffectSending  EffectState = "sending"
	EffectSent     EffectState = "sent"
	EffectDeferred EffectState = "deferred"
	EffectFailed   EffectState = "failed"
	EffectUnknown  EffectState = "unknown"
)

// EffectStates lists them all.
func EffectStates() []EffectState {
	return []EffectState{EffectPending, EffectSending, EffectSent, EffectDeferred, EffectFailed, EffectUnknown}
}

// Effect is a row of the outbox: one thing to do outside the database, for one recipient. What it sends is a pure
// function of the row and of what the row names, so doing it again sends the same bytes under the same Message-ID.
type Effect struct {
	ID        ID
	Kind      EffectKind
	MailboxID ID
	TicketID  ID
	SubjectID ID     // the message it carries; empty for mail about a person
	ContactID ID     // whom it is for; of a notification, the agent
	Recipient string // envelope recipient; for what goes into the inbox the mailbox's address
	Template  string // which text; empty where the kind has one only
	Trust     Trust  // how sure we are of the recipient (a V0 recipient gets neutral text only)
	MessageID MessageID
	// BounceToken is what its envelope sender carries, so that a bounce tells whose it is (VERP); empty: that is the mailbox's
	// own address.
	BounceToken string
	CreatedAt   time.Time

	State       EffectState
	Attempt     int
	Owner       string
	LeaseUntil  time.Time
	Epoch       int64
	NextTry     time.Time
	LastError   string
	Fingerprint string // of the mail composed; how our own copy is known when it comes back. Several, with blanks, if it came out otherwise later
	Wording     string // the names and addresses it was first composed with, as outbound packs them: later attempts use the same
	Unknowns    int    // how often it was unknown; a second copy is possible only where this is not zero
	DoneAt      time.Time
	// Answer is what the server said as it took the mail: an SMTP server's reply, often with the id it queued it under; of an APPEND
	// "APPENDUID" with the UIDVALIDITY and UID that it was given (RFC 4315 section 3). Empty: it said nothing, or nothing was handed over.
	Answer string
	Told   EffectState // of which agents have been told by a notice: deferred or failed; empty: of none
	// Arrived says that its mail was seen in the inbox that it is for: it is not put there again, wherever an agent has moved it since.
	Arrived bool
}

// Backoff gives the pause before the attempt that follows n failed ones: 10 s, 30 s, 2 min, 10 min, 30 min, 1 h, then
// every 4 h. It is without jitter.
func Backoff(n int) time.Duration {
	steps := [...]time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}
	if n < 1 {
		n = 1
	}
	if n > len(steps) {
		return 4 * time.Hour
	}
	return steps[n-1]
}

// GiveUpAfter is how long an effect is tried before it fails (RFC 5321 section 4.5.4.1).
const GiveUpAfter = 5 * 24 * time.Hour

// TellAfter is how long an agent's answer may be under way before the agents are told.
const TellAfter = 4 * time.Hour

// Tells gives the state of a row of which agents are to be told now: that what one of them wrote has failed, or is late. It is empty if there
// is nothing new to tell.
func (e Effect) Tells(now time.Time) EffectState {
	switch {
	case e.Kind != ReplyMail || e.State == EffectSent || e.Told == EffectFailed:
		return ""
	case e.State == EffectFailed:
		return EffectFailed
	case e.Told == "" && now.Sub(e.CreatedAt) >= TellAfter:
		return EffectDeferred
	}
	return ""
}

// LinkLife is how long the one-time link in a mail of this kind works; zero if there is none in it.
func (k EffectKind) LinkLife() time.Duration {
	switch k {
	case WelcomeMail, InviteMail:
		return 72 * time.Hour
	case PasswordMail, RegisterMail, KnownMail:
		return time.Hour
	case SignInMail:
		return 15 * time.Minute
	default:
		return 0
	}
}
