package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Access says who gets into the portal, and how.
type Access struct {
	// Entry says who may sign in at all.
	Entry Entry `json:"entry"`
	// Lists are those whose members may sign in where Entry is EntryLists. An empty list lets nobody in.
	Lists []ID `json:"lists"`
	// Registration says who may register by themselves.
	Registration Registration `json:"registration"`
	// Domains are those whose people may register where Registration is RegistrationDomains; not their sub-domains.
	Domains []string `json:"domains"`
	// The ways to sign in. At least Password or Link must be on.
	Password bool `json:"password"`
	Link     bool `json:"link"`
	Passkeys bool `json:"passkeys"`
	// IdleMinutes is how long a session lasts without a request, LongestHours how long in any case.
	IdleMinutes  int     `json:"idle_minutes"`
	LongestHours int     `json:"longest_hours"`
	Consent      Consent `json:"consent"`
	// Ask is whom people ask who are not let in: an address or a few words; empty: the default mailbox's address.
	Ask string `json:"ask"`
	// PasswordInMail lets the welcome mail hold {{portal.password}}. Mail is stored and read by many: a link is safer.
	PasswordInMail bool `json:"allow_password_in_mail"`
}

// Entry is who may sign in.
type Entry string

// The choices.
const (
	EntryContacts Entry = "contacts" // every contact
	EntryLists    Entry = "lists"    // contacts on chosen lists
)

// Registration is who may register.
type Registration string

// The choices. Who is a contact already gets a link instead of a second account, whatever is chosen.
const (
	RegistrationOpen    Registration = "open"
	RegistrationDomains Registration = "domains"
	RegistrationLists   Registration = "lists" // those who are on a list of Access.Lists
	RegistrationClosed  Registration = "closed"
)

// Consent is what people agree to before they use the portal.
type Consent struct {
	Enabled bool `json:"enabled"`
	// Texts are what is agreed to, by language. There is one in the default language.
	Texts map[string]ConsentText `json:"texts"`
}

// ConsentText is the text people read, as Markdown, and the label beside the box they tick.
type ConsentText struct {
	Text  string `json:"text"`
	Label string `json:"label"`
}

// Version names exactly this text. It changes with every letter of it.
func (t ConsentText) Version() string {
	sum := sha256.Sum256([]byte(t.Text + "\x00" + t.Label))
	return hex.EncodeToString(sum[:16])
}

// In finds the text in a language, else in the default one, and tells which it is.
func (c Consent) In(lang, fallback string) (ConsentText, string) {
	base, _, _ := strings.Cut(lang, "-")
	for _, l := range []string{lang, base, fallback} {
		if t, ok := c.Texts[l]; ok && t.Text != "" {
			return t, l
		}
	}
	return ConsentText{}, ""
}

// ConsentRecord says that somebody agreed, or took it back (REQUIREMENTS G1). Records are added, never changed.
type ConsentRecord struct {
	ID        ID        `json:"id"`
	ContactID ID        `json:"contact_id"`
	Purpose   string    `json:"purpose"` // "portal"
	Given     bool      `json:"given"`   // false: declined, or taken back
	Language  string    `json:"language"`
	Version   string    `json:"version"` // of the text, whose words are kept
	Channel   string    `json:"channel"` // registration, sign-in, account, or a form's id
	IP        string    `json:"ip"`      // without its last part
	Actor     Actor     `json:"actor"`
	At        time.Time `json:"at"`
}

// PortalPurpose is what people agree to when they use the portal.
const PortalPurpose = "portal"

// Needed tells whether somebody whose newest record is last has to be asked: never was, declined, or the text they agreed to was changed. A
// translation that was added since changes nothing for them.
func (c Consent) Needed(last ConsentRecord, fallback string) bool {
	if !c.Enabled {
		return false
	}
	if !last.Given {
		return true
	}
	text, _ := c.In(last.Language, fallback)
	return text.Version() != last.Version
}

// DefaultAccess lets contacts in by password and link; nobody registers.
func DefaultAccess() Access {
	return Access{
		Entry: EntryContacts, Lists: []ID{}, Registration: RegistrationClosed, Domains: []string{}, Password: true, Link: true, Passkeys: true,
		IdleMinutes: 30, LongestHours: 12, Consent: Consent{Texts: map[string]ConsentText{}},
	}
}

// Check refuses what would leave people outside for good.
func (a Access) Check(defaultLanguage string) error {
	switch {
	case a.Entry != EntryContacts && a.Entry != EntryLists:
		return Refuse("access.entry", "there is no entry %q; there are contacts and lists", a.Entry)
	case !slices.Contains([]Registration{RegistrationOpen, RegistrationDomains, RegistrationLists, RegistrationClosed}, a.Registration):
		return Refuse("access.registration", "there is no registration %q; there are open, domains, lists and closed", a.Registration)
	case a.Registration == RegistrationDomains && len(a.Domains) == 0:
		return Refuse("access.domains", "say whose people may register: a mail domain such as acme.example")
	case !a.Password && !a.Link:
		return Refuse("access.link", "people need a way to sign in: password or link")
	case a.IdleMinutes < 5 || a.IdleMinutes > 24*60:
		return Refuse("access.idle_minutes", "a session lasts 5 to 1440 minutes without a request")
	case a.LongestHours < 1 || a.LongestHours > 24*31:
		return Refuse("access.longest_hours", "a session lasts 1 to 744 hours in all")
	}
	for _, d := range a.Domains {
		if n, ok := NormalizeDomain(d); !ok || n != d {
			return Refuse("access.domains", "%q is not a domain such as acme.example", d)
		}
	}
	if strings.ContainsFunc(a.Ask, Unseen) {
		return Refuse("access.ask", "write it in one line, without control characters")
	}
	for _, lang := range slices.Sorted(maps.Keys(a.Consent.Texts)) {
		t := a.Consent.Texts[lang]
		if strings.TrimSpace(t.Text) == "" || strings.TrimSpace(t.Label) == "" {
			return Refuse("access.consent.texts."+lang, "a text and the label beside the box go together")
		}
	}
	if a.Consent.Enabled && a.Consent.Texts[defaultLanguage].Text == "" {
		return Refuse("access.consent.texts."+defaultLanguage, "write the text in the default language, %s, before it is asked for", defaultLanguage)
	}
	return nil
}

// OnlyHere tells whether an address leads to the machine that opens it, and to no other: links to it are of no use to anybody else.
func OnlyHere(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost") || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// Sharing says who sees the tickets of their company beside their own (REQUIREMENTS T2).
type Sharing struct {
	Mode SharingMode `json:"mode"`
	// People see their company's tickets where Mode is SharingChosen.
	People []ID `json:"people"`
	// Lists are those whose members do where Mode is SharingLists.
	Lists []ID `json:"lists"`
	// AnyDomain has it do that somebody belongs to the company; else their own address, once proved by a link, must be in one of its verified domains.
	AnyDomain bool `json:"any_domain"`
}

// SharingMode is who sees the company's tickets.
type SharingMode string

// The modes.
const (
	SharingOwn     SharingMode = "own"     // nobody: each their own
	SharingCompany SharingMode = "company" // everybody of the company
	SharingMain    SharingMode = "main"    // its main contacts
	SharingChosen  SharingMode = "chosen"  // chosen people
	SharingLists   SharingMode = "lists"   // members of chosen lists
)

// Check refuses a mode that does not exist.
func (s Sharing) Check() error {
	if !slices.Contains([]SharingMode{SharingOwn, SharingCompany, SharingMain, SharingChosen, SharingLists}, s.Mode) {
		return Refuse("sharing.mode", "there is no mode %q; there are own, company, main, chosen and lists", s.Mode)
	}
	return nil
}

// Shown says what customers see of the tickets that they may see.
type Shown struct {
	// Rules must all hold for a ticket to show. One that does not show is not there: not in the list, not by its link, not by search or file.
	Rules []Condition `json:"rules"`
	// HiddenStatuses are keys of statuses whose tickets don't show.
	HiddenStatuses []string `json:"hidden_statuses"`
	// Conversations says which of a ticket's conversations show.
	Conversations ConversationsShown `json:"conversations"`
	// Columns of the list, in order: number, subject, status, created, last_activity, requester, or properties.KEY.
	Columns []string `json:"columns"`
	// OwnStatusNames has statuses show by their own names; else as open or closed.
	OwnStatusNames bool `json:"own_status_names"`
}

// ConversationsShown is which conversations of a ticket customers see.
type ConversationsShown string

// The choices.
const (
	AllConversations   ConversationsShown = "all"    // in one line of time
	NewestConversation ConversationsShown = "newest" // as HubSpot does
)

// BuiltInColumns are those that a list has without custom properties.
func BuiltInColumns() []string {
	return []string{"number", "subject", "status", "created", "last_activity", "requester"}
}

// DefaultShown shows every ticket and conversation.
func DefaultShown() Shown {
	return Shown{Rules: []Condition{}, HiddenStatuses: []string{}, Conversations: AllConversations, Columns: BuiltInColumns()[:5]}
}

// Check refuses what names nothing.
func (s Shown) Check(settings Settings) error {
	if err := CheckConditions("shown.rules", s.Rules, TicketProperties(), settings.Properties); err != nil {
		return err
	}
	if s.Conversations != AllConversations && s.Conversations != NewestConversation {
		return Refuse("shown.conversations", "there are all and newest")
	}
	for _, key := range s.HiddenStatuses {
		if !slices.ContainsFunc(settings.Pipelines, func(p Pipeline) bool {
			return slices.ContainsFunc(p.Statuses, func(st Status) bool { return st.Key == key })
		}) {
			return Refuse("shown.hidden_statuses", "there is no status %q", key)
		}
	}
	for i, c := range s.Columns {
		name, custom := strings.CutPrefix(c, CustomPrefix)
		switch {
		case slices.Contains(s.Columns[:i], c):
			return Refuse("shown.columns", "%q is there twice", c)
		case custom && slices.ContainsFunc(settings.Properties, func(p Property) bool { return p.Key == name && p.Shown }):
		case custom || !slices.Contains(BuiltInColumns(), c):
			return Refuse("shown.columns", "there is no column %q; there are %s, and properties.KEY for a property that is shown", c, strings.Join(BuiltInColumns(), ", "))
		}
	}
	if !slices.Contains(s.Columns, "subject") {
		return Refuse("shown.columns", "the list needs the column subject: it leads to the ticket")
	}
	return nil
}

// Visitor is a signed-in contact with all that decides what they may see.
type Visitor struct {
	Contact
	Memberships []Membership
	Fixed       []ID // the fixed lists they were put on
	// Seeing is set where it is not the contact but an operator who looks at what they see, read only.
	Seeing bool
}

// Membership is a company that a contact belongs to.
type Membership struct {
	CompanyID ID
	Primary   bool
	Main      bool // an operator made them its main contact
	// Proved says that a link sent to an address of theirs, in a verified domain of the company, was used within ProvedFor.
	Proved bool
}

// ProvedFor is how long a used link proves an address. Domains end and are registered anew by others (REQUIREMENTS T3).
const ProvedFor = 365 * 24 * time.Hour

// OnList tells whether the visitor is on one of the lists of which ids are given.
func (v Visitor) OnList(lists []ContactList, ids []ID, now time.Time) bool {
	return slices.ContainsFunc(lists, func(l ContactList) bool { return slices.Contains(ids, l.ID) && l.Has(v.Contact, v.Fixed, now) })
}

// MayEnter tells whether the visitor may use the portal now. It is asked at each request, so that who leaves a list is out at once.
func (a Access) MayEnter(v Visitor, lists []ContactList, now time.Time) bool {
	return !v.Disabled && (a.Entry != EntryLists || v.OnList(lists, a.Lists, now))
}

// SharedCompanies are the companies all of whose tickets the visitor sees: the primary one, as far as the mode lets them.
func (s Sharing) SharedCompanies(v Visitor, lists []ContactList, now time.Time) []ID {
	var out []ID
	for _, m := range v.Memberships {
		may := false
		switch s.Mode {
		case SharingCompany:
			may = m.Primary
		case SharingMain:
			may = m.Main
		case SharingChosen:
			may = m.Primary && slices.Contains(s.People, v.ID)
		case SharingLists:
			may = m.Primary && v.OnList(lists, s.Lists, now)
		case SharingOwn:
		}
		if may && (m.Proved || s.AnyDomain) {
			out = append(out, m.CompanyID)
		}
	}
	return out
}
