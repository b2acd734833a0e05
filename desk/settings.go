package desk

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Settings are the organisation's: what the operator decides, stored in the database. The zero value is not usable;
// start from DefaultSettings.
type Settings struct {
	PortalTitle     string     `json:"portal_title"`
	DefaultLanguage string     `json:"default_language"`
	Languages       []string   `json:"languages"`       // that visitors may choose; none: all there are
	TimeZone        string     `json:"time_zone"`       // an IANA name: of those who have chosen none
	DefaultMailbox  ID         `json:"default_mailbox"` // for portal tickets; empty: the only one there is
	Pipelines       []Pipeline `json:"pipelines"`
	Welcome         Template   `json:"welcome"`         // to a new contact
	Invitation      Template   `json:"invitation"`      // to members of the lists that may enter
	Acknowledgement Template   `json:"acknowledgement"` // that a new ticket has come, to who had no welcome mail for it
	Budgets         Budgets    `json:"budgets"`
	// Properties are those that tickets have beside the built-in ones.
	Properties []Property `json:"properties"`
	// TicketForms are what customers open tickets with in the portal.
	TicketForms []TicketForm `json:"ticket_forms"`
	// PortalOn is whether visitors get the portal; off, they get a plain page, and mail goes on.
	PortalOn bool     `json:"portal_on"`
	Access   Access   `json:"access"`
	Sharing  Sharing  `json:"sharing"`
	Shown    Shown    `json:"shown"`
	Branding Branding `json:"branding"`
	// Knowledge is about the knowledge base.
	Knowledge Knowledge `json:"knowledge"`
	// KeepClosed has a customer's answer to a closed ticket open a new one instead of that one.
	KeepClosed bool `json:"keep_closed"`
	// FileMB is how many megabytes (MB, of a million bytes) each file may have that a customer sends in the portal.
	FileMB int `json:"file_mb"`
	// OneTicket has a mail that came to several of the mailboxes be one ticket, not one in each.
	OneTicket bool `json:"one_ticket"`
}

// MaxFileMB is the most that FileMB can be.
const MaxFileMB = 100

// Template is a mail of ours that the operator words.
type Template struct {
	Enabled bool   `json:"enabled"`
	Subject string `json:"subject"`
	Body    string `json:"body"` // text with snippets, such as {{contact.name}}
	// Neutral is sent to an address that nobody has proved yet: the operator's words and a link, nothing the sender wrote.
	NeutralEnabled bool   `json:"neutral_enabled"`
	NeutralSubject string `json:"neutral_subject"`
	NeutralBody    string `json:"neutral_body"`
	// Languages are the operator's words in further languages, by tag such as "de". What one leaves empty is said in the default words, or in ours
	// where those are as they came.
	Languages map[string]Words `json:"languages"`
}

// Words are a Template's in one language.
type Words struct {
	Subject        string `json:"subject"`
	Body           string `json:"body"`
	NeutralSubject string `json:"neutral_subject"`
	NeutralBody    string `json:"neutral_body"`
}

// In gives the template with the words of a language in place of the default ones; false: there are none.
func (t Template) In(lang string) (Template, bool) {
	w, ok := t.Languages[lang]
	if !ok {
		base, _, _ := strings.Cut(lang, "-")
		w, ok = t.Languages[base]
	}
	t.Subject, t.Body, t.NeutralSubject, t.NeutralBody = w.Subject, w.Body, w.NeutralSubject, w.NeutralBody
	return t, ok
}

// checkLanguages applies a check to the words of each language, where the operator has given some.
func (t Template) checkLanguages(name string, check func(Template) error) error {
	for _, lang := range slices.Sorted(maps.Keys(t.Languages)) {
		field := name + ".languages." + lang
		if lang == "" || strings.ContainsFunc(lang, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return Refuse(field, "%q is not a language such as en or pt-BR", lang)
		}
		w, _ := t.In(lang)
		w.Enabled, w.NeutralEnabled = t.Enabled && w.Body != "", t.NeutralEnabled && w.NeutralBody != ""
		if (w.Subject == "") != (w.Body == "") || (w.NeutralSubject == "") != (w.NeutralBody == "") {
			return Refuse(field, "a subject and its body go together")
		}
		if strings.ContainsFunc(w.Subject+w.NeutralSubject, Unseen) {
			return Refuse(field+".subject", "write it in one line, without control characters")
		}
		w.Languages = nil
		if err := check(w); err != nil {
			if e, ok := errors.AsType[*Error](err); ok {
				return Refuse(field+strings.TrimPrefix(e.Field, name), "%s", e.Text)
			}
			return err
		}
	}
	return nil
}

// DefaultSettings gives what an installation starts with.
func DefaultSettings() Settings {
	return Settings{
		PortalTitle: "Support", DefaultLanguage: "en", Languages: []string{}, TimeZone: "UTC", Pipelines: BuiltInPipelines(), FileMB: 25,
		Welcome: Template{
			Enabled: true,
			Subject: "Your access to {{portal.name}}",
			Body: "Hello {{contact.name}},\n\nthank you for writing to us. You can follow your tickets and answer us here:\n\n{{portal.url}}\n\n" +
				"Choose a password with this link. It works once, for three days:\n\n{{portal.set_password_link}}\n\nYour user name is {{portal.username}}.\n\n{{portal.name}}",
			NeutralEnabled: true,
			NeutralSubject: "Your access to {{portal.name}}",
			NeutralBody: "Hello,\n\nwe received a message that names this address. If you wrote it, you can follow it and answer us here. " +
				"Choose a password with this link. It works once, for three days:\n\n{{portal.set_password_link}}\n\n" +
				"If you did not write to us, ignore this mail. We will not write again.\n\n{{portal.name}}",
		},
		Invitation: Template{
			Enabled: true,
			Subject: "Your access to {{portal.name}}",
			Body: "Hello {{contact.name}},\n\nyou can now follow your requests at {{portal.name}} and answer us here:\n\n{{portal.url}}\n\nChoose a password with this link. It works once, for three days:\n\n" +
				"{{portal.set_password_link}}\n\nYour user name is {{portal.username}}.\n\n{{portal.name}}",
		},
		Acknowledgement: Template{
			Enabled: true,
			Subject: "Re: {{ticket.subject}}",
			Body: "Hello {{contact.name}},\n\nwe have your message and will answer it. Its number is {{ticket.number}}. You can follow it here:\n\n{{ticket.link}}\n\n" +
				"To add something, answer this mail.\n\n{{portal.name}}",
			NeutralEnabled: true,
			NeutralSubject: "We have your message",
			NeutralBody: "Hello,\n\nwe received a message that names this address, and will answer it. Its number is {{ticket.number}}. If you wrote it, you can follow it here:\n\n" +
				"{{ticket.link}}\n\nIf you did not write to us, ignore this mail.\n\n{{portal.name}}",
		},
		Budgets: DefaultBudgets(), Properties: []Property{}, TicketForms: []TicketForm{SupportForm()},
		PortalOn: true, Access: DefaultAccess(), Sharing: Sharing{Mode: SharingOwn, People: []ID{}, Lists: []ID{}}, Shown: DefaultShown(),
		Knowledge: DefaultKnowledge(),
	}
}

// CheckSettings refuses settings that would leave somebody stuck.
func CheckSettings(s Settings) error {
	if strings.TrimSpace(s.PortalTitle) == "" {
		return Refuse("portal_title", "the portal needs a title")
	}
	if err := CheckTimeZone("time_zone", s.TimeZone); err != nil || s.TimeZone == "" {
		return cmp.Or(err, Refuse("time_zone", "say a time zone such as Europe/Oslo, or UTC"))
	}
	if err := checkLanguageSettings(s); err != nil {
		return err
	}
	for _, line := range []struct{ field, value string }{
		{"portal_title", s.PortalTitle}, {"welcome.subject", s.Welcome.Subject}, {"welcome.neutral_subject", s.Welcome.NeutralSubject},
		{"invitation.subject", s.Invitation.Subject}, {"acknowledgement.subject", s.Acknowledgement.Subject}, {"acknowledgement.neutral_subject", s.Acknowledgement.NeutralSubject},
	} {
		if strings.ContainsFunc(line.value, Unseen) {
			return Refuse(line.field, "write it in one line, without control characters")
		}
	}
	if len(s.Pipelines) == 0 {
		return Refuse("pipelines", "there must be a pipeline")
	}
	keys := map[string]bool{}
	for _, p := range s.Pipelines {
		if p.Key == "" || keys[p.Key] {
			return Refuse("pipelines", "each pipeline needs a key of its own")
		}
		keys[p.Key] = true
		if err := checkStatuses(p); err != nil {
			return err
		}
	}
	if err := cmp.Or(CheckAccessMail("welcome", s.Welcome, s.Access.PasswordInMail), CheckAccessMail("invitation", s.Invitation, s.Access.PasswordInMail)); err != nil {
		return err
	}
	if err := CheckAcknowledgement(s.Acknowledgement); err != nil {
		return err
	}
	if s.FileMB < 1 || s.FileMB > MaxFileMB {
		return Refuse("file_mb", "write a whole number from 1 to %d", MaxFileMB)
	}
	return cmp.Or(s.Budgets.Check(), CheckProperties(s.Properties), checkTicketForms(s), s.Access.Check(s.DefaultLanguage), s.Sharing.Check(), s.Shown.Check(s), s.Branding.Check())
}

// Unseen tells of what ends a line or changes how others read. The joiners are none: some scripts need them.
func Unseen(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

func checkStatuses(p Pipeline) error {
	statuses, open, closed := map[string]bool{}, false, false
	for _, st := range p.Statuses {
		if st.Key == "" || statuses[st.Key] {
			return Refuse("pipelines", "each status of pipeline %q needs a key of its own", p.Key)
		}
		statuses[st.Key] = true
		open, closed = open || !st.Closed, closed || st.Closed
	}
	if !open || !closed || p.Statuses[0].Closed {
		return Refuse("pipelines", "pipeline %q needs an open status first, and a closed one", p.Key)
	}
	return nil
}

// CheckAccessMail refuses a template of the mail by which people first get in (its name is welcome or invitation) that leaves its reader with
// no way in: it needs the link to set a password, or a password. A password is refused unless passwords may be in mails (REQUIREMENTS P5), and a
// neutral text that says anything the sender chose is refused always.
func CheckAccessMail(name string, w Template, passwords bool) error {
	for _, t := range []struct {
		on          bool
		field, body string
	}{{w.Enabled, name + ".body", w.Subject + w.Body}, {w.NeutralEnabled, name + ".neutral_body", w.NeutralSubject + w.NeutralBody}} {
		used := Snippets(t.body)
		link, password := slices.Contains(used, "portal.set_password_link"), slices.Contains(used, "portal.password")
		switch {
		case password && !passwords:
			return Refuse(t.field, "{{portal.password}} is switched off: mail is stored and read by many. Use {{portal.set_password_link}}, or set access.allow_password_in_mail")
		case password && !slices.Contains(used, "portal.username"):
			return Refuse(t.field, "a password is of no use without {{portal.username}}")
		case t.on && !link && !password:
			return Refuse(t.field, "the mail needs {{portal.set_password_link}}, or its reader has no way in")
		}
	}
	if err := checkNeutral(name, w.NeutralSubject+w.NeutralBody); err != nil {
		return err
	}
	return w.checkLanguages(name, func(t Template) error { return CheckAccessMail(name, t, passwords) })
}

// CheckAcknowledgement refuses a template that holds credentials, or says what the sender chose to who may be somebody else.
func CheckAcknowledgement(t Template) error {
	for _, snippet := range Snippets(t.Subject + t.Body + t.NeutralSubject + t.NeutralBody) {
		if snippet == "portal.password" || snippet == "portal.set_password_link" {
			return Refuse("acknowledgement.body", "{{%s}} is not available here: the welcome mail has it", snippet)
		}
	}
	if err := checkNeutral("acknowledgement", t.NeutralSubject+t.NeutralBody); err != nil {
		return err
	}
	return t.checkLanguages("acknowledgement", CheckAcknowledgement)
}

// checkNeutral refuses a neutral text that says anything its cause chose: whoever reads it may be somebody whose address was
// misused (REQUIREMENTS L9).
func checkNeutral(template, text string) error {
	for _, snippet := range Snippets(text) {
		if !NeutralSnippet(snippet) {
			return Refuse(template+".neutral_body", "{{%s}} must not be in the neutral mail: its reader has not proved who they are", snippet)
		}
	}
	return nil
}

// NeutralSnippet tells whether a snippet holds nothing that a sender chooses.
func NeutralSnippet(name string) bool {
	switch name {
	case "portal.name", "portal.url", "portal.set_password_link", "ticket.number", "ticket.link":
		return true
	default:
		return false
	}
}

// Snippets lists the names between {{ and }} in a template, in order.
func Snippets(template string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(template, "{{")
		if !ok {
			return out
		}
		name, after, ok := strings.Cut(rest, "}}")
		if !ok {
			return out
		}
		out = append(out, strings.TrimSpace(name))
		template = after
	}
}

// Expand fills a template's snippets; one without a value becomes nothing.
func Expand(template string, values map[string]string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, "}}")
		if !ok {
			b.WriteString("{{" + rest)
			return b.String()
		}
		b.WriteString(values[strings.TrimSpace(name)])
		template = after
	}
}
