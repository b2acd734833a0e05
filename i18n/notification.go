package i18n

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NotificationTexts are those of a mail that tells one agent of a customer's message.
type NotificationTexts struct {
	NoText string `toml:"no_text"` // instead of a message that has none
	Files  string `toml:"files"`   // the names of the files that do not go along
	Button string `toml:"button"`
	// The lines of the footer.
	Ticket    string `toml:"ticket"`
	Answer    string `toml:"answer"`
	Note      string `toml:"note"`
	NoteAlone string `toml:"note_alone"` // where there is no address for notes
	Commands  string `toml:"commands"`
}

// Footer gives what stands below a customer's message: which ticket it is of, where to read that, and what becomes of an answer. note is
// the address for notes; empty: there is none.
func (t NotificationTexts) Footer(number int64, link, note string) string {
	notes := t.Note
	if note == "" {
		notes = t.NoteAlone
	}
	fill := strings.NewReplacer("{{ticket.number}}", strconv.FormatInt(number, 10), "{{ticket.link}}", link, "{{note.address}}", note)
	return fill.Replace(strings.Join([]string{t.Ticket, t.Answer, notes, t.Commands}, "\n"))
}

// NotificationFooters gives the footer in all languages: an agent may answer an old notification.
func (m *Mails) NotificationFooters(number int64, link, note string) (out []string) {
	for _, t := range m.texts {
		out = append(out, t.Notification.Footer(number, link, note))
	}
	return out
}

// WithoutFooters takes the lines out of a text that have a saying of a footer in them, in any language, quoted or not.
func (m *Mails) WithoutFooters(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return slices.ContainsFunc(m.sayings, func(s string) bool { return strings.Contains(line, s) })
	}), "\n")
}

// sayings are what the lines of the footer are known by, but for the ticket's, which says nothing secret: the longest clause of each, so that a
// client may wrap the line.
func (t NotificationTexts) sayings() (out []string) {
	for _, line := range []string{t.Answer, t.Note, t.NoteAlone, t.Commands} {
		longest := ""
		for clause := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(",.{}", r) }) {
			if clause = strings.TrimSpace(clause); utf8.RuneCountInString(clause) > utf8.RuneCountInString(longest) {
				longest = clause
			}
		}
		out = append(out, longest)
	}
	return out
}
