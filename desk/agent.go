package desk

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// KnownAgent is somebody who answers customers. What is known here of agents is for those who also write from addresses of their own;
// who only uses the shared mailbox needs no row.
type KnownAgent struct {
	ID        ID
	Name      string   // what customers see
	Addresses []string // personal, normalised; no customer ever sees one. The first gets the notifications
	Mailboxes []ID     // whose tickets they work on; empty: every mailbox's
	Notify    Notify
	Disabled  bool // gets nothing, and what comes from their addresses is held
	CreatedAt time.Time
}

// Notify says which messages of customers are mailed to an agent.
type Notify string

// What an agent is notified of.
const (
	NotifyNothing    Notify = "nothing"
	NotifyAssigned   Notify = "assigned" // messages of the tickets that are assigned to them
	NotifyEverything Notify = "everything"
)

// Has tells whether an address is one of the agent's, with or without a sub-address: mail to it reaches them.
func (a KnownAgent) Has(email string) bool {
	return a.Is(email) || slices.Contains(a.Addresses, LocalPart(email)+"@"+DomainOf(email))
}

// NoAgents refuses addresses of agents in a field of what is to be stored; is says what has it.
func NoAgents(agents []KnownAgent, field string, emails []string, is string) error {
	for _, a := range agents {
		if i := slices.IndexFunc(emails, a.Has); i >= 0 {
			return &Error{Kind: Conflict, Field: field, Text: fmt.Sprintf("%s is an address of the agent %s, and an agent is no %s; take it from the agent first: gateway agent edit %q --address …", emails[i], a.Name, is, a.Name)}
		}
	}
	return nil
}

// Is tells whether an address is one of those that the agent has named.
func (a KnownAgent) Is(email string) bool { return slices.Contains(a.Addresses, email) }

// WorksOn tells whether the agent works on the tickets of a mailbox.
func (a KnownAgent) WorksOn(mailbox ID) bool {
	return len(a.Mailboxes) == 0 || slices.Contains(a.Mailboxes, mailbox)
}

// Wants tells whether an agent is to be notified of a customer's message in a ticket.
func (a KnownAgent) Wants(t Ticket, mailbox ID) bool {
	if a.Disabled || len(a.Addresses) == 0 || !a.WorksOn(mailbox) {
		return false
	}
	return a.Notify == NotifyEverything || a.Notify == NotifyAssigned && t.AssigneeID == a.ID
}

// CheckAgent refuses an agent that could not be told apart, or whose name would show customers an address.
func CheckAgent(a KnownAgent) error {
	switch {
	case a.Name == "":
		return Refuse("name", "an agent needs a name: it is what customers see")
	case strings.EqualFold(a.Name, "me"):
		return Refuse("name", "%q stands for whoever writes it, so nobody can be called that", a.Name)
	case strings.ContainsFunc(a.Name, Unseen) || strings.Contains(a.Name, "@") || utf8.RuneCountInString(a.Name) > 100:
		return Refuse("name", "customers see the name: write it in one line of at most 100 characters, without an address")
	case len(a.Addresses) == 0:
		return Refuse("addresses", "an agent needs an address of their own; who only uses the shared mailbox need not be added")
	case !slices.Contains([]Notify{NotifyNothing, NotifyAssigned, NotifyEverything}, a.Notify):
		return Refuse("notify", "an agent is notified of %s, %s or %s, not of %q", NotifyNothing, NotifyAssigned, NotifyEverything, a.Notify)
	}
	return nil
}

// AgentCalled finds the agent whose name is or begins with name; me stands for the agent writing, if there is one. It is refused
// where it could be two.
func AgentCalled(agents []KnownAgent, name string, writing ID) (KnownAgent, error) {
	name = strings.ToLower(strings.Join(strings.Fields(name), " "))
	var found []KnownAgent
	for _, a := range agents {
		its := strings.ToLower(a.Name)
		switch {
		case a.Disabled:
		case name == "me" && a.ID == writing, its == name:
			return a, nil
		case name != "" && strings.HasPrefix(its, name):
			found = append(found, a)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return KnownAgent{}, Refuse("assignee", "there is no agent called %.60q", name)
	}
	return KnownAgent{}, Refuse("assignee", "more than one agent's name begins with %.60q", name)
}

// AgentAddress is what the address says that an agent's mail came to: it was made for one agent and one ticket.
type AgentAddress struct {
	Agent  *KnownAgent // whom it was made for; nil: they are gone
	Ticket *Ticket     // nil: it is gone
	Note   bool        // what comes there is for agents only
	// Elsewhere is set where it was made for another mailbox, Several where the mail came to addresses of several agents or
	// tickets, NotTheirs where the agent does not work on the tickets of the mailbox.
	Elsewhere, Several, NotTheirs bool
}

// Commands are what the first lines of an agent's mail ask for.
type Commands struct {
	Note    bool
	Status  string // Open or Closed; empty: it stays
	Assign  string // a name, or the beginning of one; empty: nothing
	Problem string // why they can't be done: nothing of the mail may go out
}

// Any tells whether anything is asked for.
func (c Commands) Any() bool { return c.Note || c.Status != "" || c.Assign != "" }

// Did says what the commands have done.
func (c Commands) Did(assignee ID, agents []KnownAgent) string {
	var did []string
	if c.Status == Closed {
		did = append(did, "closed the ticket")
	}
	if c.Status == Open {
		did = append(did, "opened the ticket")
	}
	if i := slices.IndexFunc(agents, func(a KnownAgent) bool { return a.ID == assignee }); i >= 0 {
		did = append(did, "assigned it to "+agents[i].Name)
	}
	return strings.Join(did, ", ")
}

// ReadCommands takes the commands off the begin of what an agent writes. A line that looks like a command and is none is a
// Problem: a mistyped #note must not reach a customer, nor what stands below one that is not among the first lines. Nothing of a note does.
// #12345, and a sentence that begins with such a word, are text.
func ReadCommands(text string, note bool) (c Commands, rest string) {
	if c, rest = firstCommands(text, note); c.Note || c.Problem != "" {
		return c, rest
	}
	for line := range strings.SplitSeq(rest, "\n") {
		if bare := strings.ToLower(strings.TrimLeft(bareLine(line), "-•·. *")); bare == "#note" || bare == "＃note" {
			c.Problem = "#note stands below other words in it, and commands are first lines"
		}
	}
	return c, rest
}

// bareLine takes what clients and people put around a line off it.
func bareLine(line string) string {
	return strings.TrimFunc(line, func(r rune) bool { return unseenBlank(r) || strings.ContainsRune("*_`\"'“”„«»", r) })
}

func firstCommands(text string, note bool) (c Commands, rest string) {
	c.Note, rest = note, text
	for {
		line, after, more := strings.Cut(rest, "\n")
		bare := bareLine(line)
		if bare == "" {
			if !more {
				return c, rest
			}
			rest = after
			continue
		}
		hash, size := utf8.DecodeRuneInString(bare)
		if hash != '#' && hash != '＃' { // some keyboards write it wide
			return c, rest
		}
		words := strings.FieldsFunc(bare[size:], unseenBlank)
		inLine, isCommand := c.read(words)
		if !isCommand || c.Problem != "" {
			return c, rest
		}
		if rest = after; inLine != "" {
			rest = inLine + "\n" + after
		}
		if inLine != "" || !more {
			return c, rest
		}
	}
}

// Blank tells whether nobody sees anything of a text.
func Blank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unseenBlank(r) && !Unseen(r) })
}

// unseenBlank covers what stands between words: clients also write no-break spaces and marks without a width.
func unseenBlank(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Zs, unicode.Cf) || r == '\u2800' || r == '\u3164'
}

// read takes the words of a line that begins with "#". rest is text that stands in it behind the command. It answers false for a
// line of text.
func (c *Commands) read(words []string) (rest string, ok bool) {
	if len(words) == 0 {
		return "", false
	}
	word := strings.ToLower(strings.TrimRight(words[0], ":.,;!?*_"))
	if !strings.ContainsFunc(word, unicode.IsLetter) {
		return "", false // #12345
	}
	wrong := func(why string) (string, bool) {
		c.Problem = "its first lines have the command #" + word + ", " + why
		return "", true
	}
	switch words = words[1:]; word {
	case "note":
		c.Note = true
		return strings.Join(words, " "), true
	case "close", "open":
		status := map[string]string{"close": Closed, "open": Open}[word]
		if len(words) > 0 {
			return wrong("with words behind it")
		}
		if c.Status != "" && c.Status != status {
			return wrong("and its opposite")
		}
		c.Status = status
		return "", true
	case "assign":
		name := strings.Join(words, " ")
		switch {
		case name == "":
			return wrong("which lacks a name")
		case c.Assign != "" && !strings.EqualFold(c.Assign, name):
			return wrong("twice")
		}
		c.Assign = name
		return "", true
	}
	const few = 3 // words behind it, in what is hardly a sentence
	if !c.Note && (len(words) <= few || mistyped(word)) {
		word = cut(word, 40)
		return wrong("which there is not")
	}
	return "", false
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// mistyped tells whether a word is close to a command.
func mistyped(word string) bool {
	return slices.ContainsFunc([]string{"note", "close", "open", "assign"}, func(command string) bool {
		return strings.HasPrefix(word, command) || utf8.RuneCountInString(word) <= 8 && distance([]rune(word), []rune(command)) <= 2
	})
}

// distance counts the letters that differ between two words, by adding, leaving out and replacing (Levenshtein).
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, before+cost)
		}
	}
	return row[len(b)]
}

// AgentWords is what of an agent's mail would go out, once all that must not is cut from it.
type AgentWords struct {
	Text     string
	Files    []Attachment
	Commands Commands
	Assignee ID     // whom the commands name
	Problem  string // why nothing of it may go out
}

// decideAgent is about mail from an agent's personal address, to an address that was made for an agent, or about a
// notification. It answers false for all other mail (REQUIREMENTS H5).
func decideAgent(f Facts) (Decision, bool) {
	at := f.AtAgent
	human := f.Mail.Class == Human || f.Mail.Class == List
	if at == nil && f.Agent == nil && (human || !f.OfNotice) {
		return Decision{}, false
	}
	if !human {
		return settled(Automated, sortOf(f.Mail)+" mail of an agent, or about a notification to one"), true
	}
	t, why := candidate(f)
	d := Decision{Ticket: t, Author: Agent, Internal: true, Reasons: reasonsOf(why, f)}
	if at == nil {
		return d.as(Held, "it is from the address of the agent "+f.Agent.Name+", and not to the address that a notification names for answers"), true
	}
	d.Ticket = at.Ticket
	if why := unproved(f); why != "" {
		return d.as(Held, why), true
	}
	if why := ofNoUse(f); why != "" {
		d.Relied = true
		return d.as(Held, why), true
	}
	d.Trust, d.Reasons = V2, []string{"its sender is proved, and it came to the address that was made for them"} // not what proves it: that names their domain
	d.Internal = at.Note || f.Words.Commands.Note
	switch {
	case f.Words.Text == "" && len(f.Words.Files) == 0:
		d.Internal = true
		return d.as(Appended, "commands of the agent "+at.Agent.Name), true
	case d.Internal:
		return d.as(Appended, "a note by the agent "+at.Agent.Name+", from their own address"), true
	}
	return d.as(Appended, "an answer by the agent "+at.Agent.Name+", from their own address"), true
}

// unproved says why a mail to an agent's address is not known to be written by that agent, or "".
func unproved(f Facts) string {
	at, mail := f.AtAgent, f.Mail
	switch {
	case f.FromOurs:
		return "it says it comes from our own address, but it is not in the Sent folder"
	case mail.From.Email == "" || mail.FromUnsure:
		return "it does not say clearly who it is from"
	case len(mail.Peers) > MostHops:
		return "it went through too many servers, as in a loop"
	case at.Agent == nil || at.Ticket == nil:
		return "it came to the address of an agent or a ticket that is gone"
	case at.Agent.Disabled:
		return "it came to the address of the agent " + at.Agent.Name + ", who is disabled"
	case !at.Agent.Is(mail.From.Email):
		return "it came to the address of the agent " + at.Agent.Name + ", but it is not from their own address"
	case !f.Verified:
		return "it came to the address of the agent " + at.Agent.Name + ", but its sender is not proved: " + f.Vouched
	}
	return ""
}

// ofNoUse says why an agent's own mail to their address counts for nothing, or "".
func ofNoUse(f Facts) string {
	at := f.AtAgent
	nothing := f.Words.Text == "" && len(f.Words.Files) == 0
	toCustomer := !at.Note && !f.Words.Commands.Note && !nothing
	switch {
	case at.Elsewhere:
		return "it came to an agent's address of another mailbox"
	case at.Several:
		return "it came to addresses of several agents or tickets"
	case at.NotTheirs:
		return "the agent " + at.Agent.Name + " does not work on the tickets of this mailbox"
	case f.Words.Commands.Problem != "":
		return f.Words.Commands.Problem
	case f.Words.Problem != "" && toCustomer:
		return f.Words.Problem
	case f.Late && toCustomer:
		return fmt.Sprintf("it came more than %d hours before it was read: customers may have this answer already", RelayFor/time.Hour)
	case nothing && (!f.Words.Commands.Any() || f.Words.Commands.Note):
		return "nothing is left of it once what it quotes and its signature are cut off"
	}
	return ""
}
