package i18n

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
)

//go:embed mail/*.toml
var mailCatalogues embed.FS

// Mails holds the texts of our mails in all languages. It does not change once loaded.
type Mails struct {
	texts   []MailTexts      // the first one is English
	sayings []*regexp.Regexp // of the footers of notifications, in all languages
	matcher language.Matcher
}

// MailTexts are the texts of our mails in one language. What stands between {{ and }} is filled in as in an operator's template.
type MailTexts struct {
	Lang            string    `toml:"-"`
	SignIn          LinkTexts `toml:"sign_in"`
	Password        LinkTexts `toml:"password"`
	Registration    LinkTexts `toml:"registration"` // to an address that somebody wants to register with
	Known           LinkTexts `toml:"known"`        // the same, where it has an account
	Invitation      MailWords `toml:"invitation"`
	Welcome         MailWords `toml:"welcome"`
	Acknowledgement MailWords `toml:"acknowledgement"`
	Answer          struct {
		Footer string `toml:"footer"` // above the link to the ticket
		Button string `toml:"button"`
		Hint   string `toml:"hint"` // beside the button
	} `toml:"answer"`
	Files struct { // those that are too large for a mail; their names follow
		Portal string `toml:"portal"`
		Inbox  string `toml:"inbox"` // to agents
	} `toml:"files"`
	Late   NoticeTexts `toml:"late"`
	Failed NoticeTexts `toml:"failed"`
	Reason struct {
		NoAddress   string `toml:"no_address"`
		Full        string `toml:"full"`
		Refused     string `toml:"refused"`
		PutOff      string `toml:"put_off"`
		Unreachable string `toml:"unreachable"`
		Broken      string `toml:"broken"` // ours: it can't be composed
	} `toml:"reason"`
	OpenPortal   string            `toml:"open_portal"`
	Yes          string            `toml:"yes"`
	No           string            `toml:"no"`
	Notification NotificationTexts `toml:"notification"`
	Surge        NoticeTexts       `toml:"surge"`     // automatic mail was stopped
	Complaint    NoticeTexts       `toml:"complaint"` // somebody called our mail spam
	Held         NoticeTexts       `toml:"held"`      // what an agent wrote is held
}

// LinkTexts are those of a mail that holds a link and little else.
type LinkTexts struct {
	Subject string `toml:"subject"`
	Text    string `toml:"text"`
	Button  string `toml:"button"`
	Note    string `toml:"note"`
	Code    string `toml:"code"` // above the code that does the same as the link
}

// MailWords are those of a mail that operators may word themselves, and its button.
type MailWords struct {
	Subject        string `toml:"subject"`
	Body           string `toml:"body"`
	NeutralSubject string `toml:"neutral_subject"`
	NeutralBody    string `toml:"neutral_body"`
	Button         string `toml:"button"`
}

// NoticeTexts are those of a mail to agents.
type NoticeTexts struct {
	Headline string `toml:"headline"`
	Text     string `toml:"text"`
}

// LoadMails reads the texts that are compiled in.
func LoadMails() (*Mails, error) {
	files, err := fs.Glob(mailCatalogues, "mail/*.toml")
	if err != nil {
		return nil, err
	}
	m := &Mails{texts: make([]MailTexts, 1)}
	tags := []language.Tag{language.English}
	for _, name := range files {
		b, err := mailCatalogues.ReadFile(name)
		if err != nil {
			return nil, err
		}
		t := MailTexts{Lang: strings.TrimSuffix(path.Base(name), ".toml")}
		if err := toml.Unmarshal(b, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if t.Lang == "en" {
			m.texts[0] = t
			continue
		}
		tag, err := language.Parse(t.Lang)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		m.texts, tags = append(m.texts, t), append(tags, tag)
	}
	m.matcher = language.NewMatcher(tags)
	for _, t := range m.texts {
		m.sayings = append(m.sayings, t.Notification.sayings()...)
	}
	return m, nil
}

// Find gives the texts in a language, if there are any.
func (m *Mails) Find(lang string) (MailTexts, bool) {
	tag, err := language.Parse(lang)
	if lang == "" || err != nil {
		return MailTexts{}, false
	}
	_, i, sure := m.matcher.Match(tag)
	return m.texts[i], sure >= language.High
}

// For gives the texts of the first of some languages that there are texts in, the most wanted first; English if there are none.
func (m *Mails) For(wanted ...string) MailTexts {
	for _, lang := range wanted {
		if t, ok := m.Find(lang); ok {
			return t
		}
	}
	return m.texts[0]
}

// All gives the texts of all languages, English first.
func (m *Mails) All() []MailTexts { return m.texts }

// DirOf is the direction a language is written in, for the dir attribute.
func DirOf(lang string) string { return (&Texts{lang: lang}).Dir() }
