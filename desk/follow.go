package desk

import (
	"slices"
	"strings"
	"time"
)

// Switch says whether something is done, or only told.
type Switch string

// The positions.
const (
	Off    Switch = ""
	Report Switch = "report" // a dry run: what would be done is told
	On     Switch = "on"
)

// Follow says how tickets and the mailbox keep in step (FEATURES I5). The zero value keeps them apart.
type Follow struct {
	// ClosedFolder is where a conversation lies that is done with; empty: there is no such folder.
	ClosedFolder string `json:"closed_folder"`
	// Keywords are the flags and keywords of mails (RFC 9051 section 2.3.2) that stand for a status, such as "\Flagged" or "$Closed",
	// each with the status's key.
	Keywords map[string]string `json:"keywords"`
	// FromMailbox has what agents do in the mailbox change tickets.
	FromMailbox Switch `json:"from_mailbox"`
	// ToMailbox has the mailbox's mails moved and marked as their ticket's status says.
	ToMailbox Switch `json:"to_mailbox"`
}

// Used tells whether it matters where the mailbox's mails lie.
func (f Follow) Used() bool {
	return (f.ClosedFolder != "" || len(f.Keywords) > 0) && (f.FromMailbox != Off || f.ToMailbox != Off)
}

// Check refuses what can't be followed with these pipelines.
func (f Follow) Check(ps []Pipeline) error {
	if strings.EqualFold(f.ClosedFolder, "INBOX") {
		return Refuse("closed_folder", "INBOX is where open conversations lie; name another folder")
	}
	for keyword, status := range f.Keywords {
		if !followable(keyword) {
			return Refuse("keywords", `%q can't stand for a status: use \Flagged, or a keyword of letters, digits, $ and _, such as $Closed`, keyword)
		}
		if !slices.ContainsFunc(ps, func(p Pipeline) bool { return CheckStatus(ps, p.Key, status) == nil }) {
			return Refuse("keywords", "no pipeline has a status %q", status)
		}
	}
	return nil
}

// followable tells whether agents can set a flag without saying something else by it. All clients know \Flagged; keywords are
// atoms.
func followable(keyword string) bool {
	if strings.EqualFold(keyword, `\Flagged`) {
		return true
	}
	return keyword != "" && strings.Trim(keyword, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$_-.") == ""
}

// Marks gives those of a mail's flags that stand for a status, as they are named here, in order. Servers compare flags without
// case.
func (f Follow) Marks(flags []string) []string {
	out := []string{}
	for keyword := range f.Keywords {
		if slices.ContainsFunc(flags, func(flag string) bool { return strings.EqualFold(flag, keyword) }) {
			out = append(out, keyword)
		}
	}
	slices.Sort(out)
	return out
}

// MarkOf gives the keyword that stands for a status; "": none does.
func (f Follow) MarkOf(status string) string {
	found := ""
	for keyword, of := range f.Keywords {
		if of == status && (found == "" || keyword < found) {
			found = keyword
		}
	}
	return found
}

// Place is where the newest customer's mail of a ticket lies in a mailbox: that is where its conversation is.
type Place string

// The places.
const (
	Elsewhere Place = "" // in another folder, deleted, or nobody has seen it
	InInbox   Place = "inbox"
	InClosed  Place = "closed"
)

// Lies is that a copy of a mail lies in a folder; Ours: we have put it there.
type Lies struct {
	Folder string
	Ours   bool
}

// PlaceIn tells which place a conversation has whose newest mail lies in these folders, the newest copy first, and whether it was us who
// put it there. A mail that lies in INBOX too was copied, not moved.
func (f Follow) PlaceIn(copies []Lies) (at Place, ours bool) {
	for _, in := range []struct {
		folder string
		place  Place
	}{{"INBOX", InInbox}, {f.ClosedFolder, InClosed}} {
		i := slices.IndexFunc(copies, func(l Lies) bool { return in.folder != "" && l.Folder == in.folder })
		if i >= 0 {
			return in.place, copies[i].Ours
		}
	}
	return Elsewhere, false
}

// placeOf tells which place a folder is.
func (f Follow) placeOf(folder string) Place {
	at, _ := f.PlaceIn([]Lies{{Folder: folder}})
	return at
}

// FolderOf names the folder where conversations with a status belong; "": it does not matter.
func (f Follow) FolderOf(s Status) string {
	switch {
	case f.ClosedFolder == "":
		return ""
	case s.Closed:
		return f.ClosedFolder
	}
	return "INBOX"
}

// StatusAt tells which status a ticket has once an agent has put its conversation somewhere: into the closed folder closes
// it, back into INBOX opens it.
func StatusAt(ps []Pipeline, t Ticket, at Place) string {
	now := StatusOf(ps, t.Pipeline, t.Status)
	switch {
	case at == InClosed && !now.Closed:
		if closed, ok := FirstClosed(ps, t.Pipeline); ok {
			return closed
		}
	case at == InInbox && now.Closed:
		return FirstOpen(ps, t.Pipeline)
	}
	return t.Status
}

// FirstClosed gives the status that tickets of a pipeline get when they are closed without saying how.
func FirstClosed(ps []Pipeline, pipeline string) (key string, ok bool) {
	for _, p := range ps {
		for _, s := range p.Statuses {
			if p.Key == pipeline && s.Closed {
				return s.Key, true
			}
		}
	}
	return "", false
}

// StatusMarked tells which status a ticket has once an agent has set a keyword, or taken it away.
func (f Follow) StatusMarked(ps []Pipeline, t Ticket, keyword string, set bool) string {
	of := f.Keywords[keyword]
	switch {
	case set && CheckStatus(ps, t.Pipeline, of) == nil:
		return of
	case !set && t.Status == of:
		return FirstOpen(ps, t.Pipeline)
	}
	return t.Status
}

// OwnMove is that we move a message's mail to a folder, and have not seen it arrive. Its UID there is known once the server has told
// (COPYUID, RFC 4315); until then, and of a server that does not tell, it is zero.
type OwnMove struct {
	Message     ID        `json:"message"`
	To          string    `json:"to"`
	UIDValidity uint32    `json:"uidvalidity"`
	UID         uint32    `json:"uid"`
	At          time.Time `json:"at"`
}

// ownMovesLast is how long a move of ours is waited for that was never seen to arrive.
const ownMovesLast = 24 * time.Hour

// Seen is what is known of a ticket's conversation in a mailbox.
type Seen struct {
	TicketID  ID
	MailboxID ID
	Place     Place     // where it was last seen
	Mark      string    // the keyword that it was last given, by an agent or by us; empty: none
	Moves     []OwnMove // ours that were not seen yet, oldest first
}

// Expect takes down that we are about to move the newest message's mail to a folder, and tells whether it was seen there: then it is
// left alone, for should it lie elsewhere by now, an agent has just moved it, and that is still to be heard. copies are where it is known to lie, as
// PlaceIn takes them: what we have put elsewhere ourselves is not there, though nobody may have seen yet that it has left.
func (s *Seen) Expect(f Follow, newest ID, copies []Lies, to string, now time.Time) (there bool) {
	s.Moves = slices.DeleteFunc(s.Moves, func(m OwnMove) bool { return m.Message != newest || now.Sub(m.At) > ownMovesLast })
	n, putElsewhere := len(s.Moves), len(copies) > 0 && copies[0].Ours && copies[0].Folder != to
	switch {
	case n == 0 && s.Place == f.placeOf(to) && !putElsewhere:
		return true
	case n == 0 || s.Moves[n-1].UID != 0 || s.Moves[n-1].To != to: // else an attempt at it broke off
		s.Moves = append(s.Moves, OwnMove{Message: newest, To: to, At: now})
	}
	return false
}

// Moved takes down where the mail of the last Expect has gone, as the server tells; with moved false, that it was not there to be
// moved. Who has seen it arrive before that knows already.
func (s *Seen) Moved(newest ID, to string, moved bool, uidValidity, uid uint32) {
	n := len(s.Moves) - 1
	switch {
	case n < 0 || s.Moves[n].Message != newest || s.Moves[n].To != to || s.Moves[n].UID != 0:
	case !moved:
		s.Moves = s.Moves[:n]
	default:
		s.Moves[n].UIDValidity, s.Moves[n].UID = uidValidity, uid
	}
}

// Arrived takes down that a copy of a message's mail was found in a folder, and tells whether we have put it there: what we have done
// ourselves is not news, or the two sides would answer each other for ever.
func (s *Seen) Arrived(message ID, folder string, uidValidity, uid uint32) (ours bool) {
	i := slices.IndexFunc(s.Moves, func(m OwnMove) bool {
		return m.Message == message && m.To == folder && (m.UID == 0 || m.UIDValidity == uidValidity && m.UID == uid)
	})
	if i < 0 {
		return false
	}
	s.Moves = slices.Delete(s.Moves, 0, i+1) // those before it are over, seen or not
	return true
}

// See takes down where the conversation is, and tells whether an agent has put it there: we have not, nor has its newest mail just come
// to INBOX (isNew).
func (s *Seen) See(at Place, ours, isNew bool) (byAgent bool) {
	former := s.Place
	if at == Elsewhere || at == former {
		return false
	}
	s.Place = at
	return !ours && (former != Elsewhere || at == InClosed) && (!isNew || at == InClosed)
}

// Located is a mail of a ticket in a mailbox: by its Message-ID, and by where it was seen last.
type Located struct {
	Message     ID
	MessageID   MessageID // the message's; empty: it has none
	There       MessageID // that of the mail: of an agent's that we passed on, and where a server gives mails others, not the message's; empty: not known
	Folder      string
	UIDValidity uint32
	UID         uint32
	Shared      bool // another mail in the mailbox has its Message-ID, which tells nothing then
	Newest      bool // it is the newest of a customer
}

// Deleted is the mark of a mail that is to be expunged (RFC 9051 section 2.3.2), and its only one: until that is taken back it is as good as
// gone. Some programs move a mail by a copy, and leave this one marked so.
const Deleted = `\Deleted`

// Look is what a watcher saw of mails that were in a folder before.
type Look struct {
	Folder Folder
	At     time.Time           // before the server was asked
	Gone   []uint32            // the UIDs of those that do not lie there any more
	Marks  map[uint32][]string // which of the keywords that stand for a status others have now, or Deleted
}

// Event is something that has happened to a ticket beside its messages, or that would have.
type Event struct {
	ID        ID
	TicketID  ID
	MailboxID ID // empty: it has to do with none
	At        time.Time
	Kind      EventKind
	From, To  string // statuses, folders or keywords, as Kind says
	Cause     Cause
	DryRun    bool // it was not done: a switch says that it is only told
}

// EventKind says what has happened. It is an open set.
type EventKind string

// The events there are so far.
const (
	StatusChanged EventKind = "status-changed" // From and To are statuses
	MailMoved     EventKind = "mail-moved"     // From and To are folders
	MailMarked    EventKind = "mail-marked"    // From and To are keywords
	PersonAdded   EventKind = "person-added"   // To is an address that takes part from now on, From the role
	PersonNoted   EventKind = "person-noted"   // To is an address that a customer has put in copy, and that gets nothing
	PersonDropped EventKind = "person-dropped" // From is an address that takes part no more
	MailStopped   EventKind = "mail-stopped"   // To is an address that wants no mail about the ticket
	MailWanted    EventKind = "mail-wanted"    // To is one that wants it again
	Rated         EventKind = "rated"          // To is the score that a customer gave
)

// Cause says why something was changed. It is an open set.
type Cause string

// The causes.
const (
	ByCustomersMessage Cause = "customer-message"
	ByAgentsMessage    Cause = "agent-message"
	ByCustomer         Cause = "customer" // in the portal
	ByAgent            Cause = "agent"    // by API, console or command line
	ByMove             Cause = "moved"    // an agent has moved the conversation in the mail client
	ByMark             Cause = "marked"   // an agent has flagged a mail, or taken a flag away
	ByStatus           Cause = "status"   // the ticket's status
)
