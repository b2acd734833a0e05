package desk

import (
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
	DefaultMailbox  ID         `json:"default_mailbox"` // for portal tickets; empty: the only one there is
	Pipelines       []Pipeline `json:"pipelines"`
	Welcome         Template   `json:"welcome"`         // to a new contact
	Acknowledgement Template   `json:"acknowledgement"` // that a new ticket has come, to who had no welcome mail for it
	Budgets         Budgets    `json:"budgets"`
	// KeepClosed has a customer's answer to a closed ticket open a new one instead of that one.
	KeepClosed bool `json:"keep_closed"`
	// OneTicket has a mail that came to several of the mailboxes be one ticket, not one in each.
	OneTicket bool `json:"one_ticket"`
}

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
		if strings.ContainsFunc(w.Subject+w.NeutralSubject, unseen) {
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
		PortalTitle: "Support", DefaultLanguage: "en", Pipelines: BuiltInPipelines(),
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
		Budgets: DefaultBudgets(),
	}
}

// CheckSettings refuses settings that would leave somebody stuck.
func CheckSettings(s Settings) error {
	if strings.TrimSpace(s.PortalTitle) == "" {
		return Refuse("portal_title", "the portal needs a title")
	}
	for _, line := range []struct{ field, value string }{
		{"portal_title", s.PortalTitle}, {"welcome.subject", s.Welcome.Subject}, {"welcome.neutral_subject", s.Welcome.NeutralSubject},
		{"acknowledgement.subject", s.Acknowledgement.Subject}, {"acknowledgement.neutral_subject", s.Acknowledgement.NeutralSubject},
	} {
		if strings.ContainsFunc(line.value, unseen) {
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
	if err := CheckWelcome(s.Welcome); err != nil {
		return err
	}
	if err := CheckAcknowledgement(s.Acknowledgement); err != nil {
		return err
	}
	return s.Budgets.Check()
}

// unseen covers what ends a line or changes how others read. The joiners are left: some scripts need them.
func unseen(r rune) bool {
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

// CheckWelcome refuses a template that leaves its reader with no way in: it needs the link to set a password. A password
// in a mail is refused, and so is a neutral text that says anything the sender chose.
func CheckWelcome(w Template) error {
	for _, t := range []struct {
		on          bool
		field, body string
	}{{w.Enabled, "welcome.body", w.Subject + w.Body}, {w.NeutralEnabled, "welcome.neutral_body", w.NeutralSubject + w.NeutralBody}} {
		used := Snippets(t.body)
		if slices.Contains(used, "portal.password") {
			return Refuse(t.field, "{{portal.password}} is not available: mail is stored and read by many; use {{portal.set_password_link}}")
		}
		if t.on && !slices.Contains(used, "portal.set_password_link") {
			return Refuse(t.field, "the mail needs {{portal.set_password_link}}, or its reader has no way in")
		}
	}
	if err := checkNeutral("welcome", w.NeutralSubject+w.NeutralBody); err != nil {
		return err
	}
	return w.checkLanguages("welcome", CheckWelcome)
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
