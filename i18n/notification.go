package i18n

import (
	"regexp"
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

// WithoutFooters takes the lines out of a text that have a saying of a footer in them, or a part of one that a client has wrapped, in any language,
// quoted or not.
func (m *Mails) WithoutFooters(text string) string {
	out := make([]bool, strings.Count(text, "\n")+1)
	for _, saying := range m.sayings {
		first, from := 0, 0 // the line that from stands in
		for _, at := range saying.FindAllStringIndex(text, -1) {
			first, from = first+strings.Count(text[from:at[0]], "\n"), at[0]
			for i := range strings.Count(text[at[0]:at[1]], "\n") + 1 {
				out[first+i] = true
			}
		}
	}
	var kept []string
	for i, line := range strings.Split(text, "\n") {
		if !out[i] {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// sayings are what the footer is known by, but for the ticket's line, which says nothing secret: each line whole, and its longest clause, where the
// rest has become something else.
func (t NotificationTexts) sayings() (out []*regexp.Regexp) {
	for _, line := range []string{t.Answer, t.Note, t.NoteAlone, t.Commands} {
		out = append(out, wrapped(line), wrapped(longestClause(line)))
	}
	return out
}

func longestClause(line string) (longest string) {
	for clause := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(",.{}", r) }) {
		if clause = strings.TrimSpace(clause); utf8.RuneCountInString(clause) > utf8.RuneCountInString(longest) {
			longest = clause
		}
	}
	return longest
}

// snippetIn is where something is filled in.
var snippetIn = regexp.MustCompile(`\\\{\\\{.*?\\\}\\\}`)

// wrapped finds a text whose lines a client may have broken, and quoted.
func wrapped(text string) *regexp.Regexp {
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = snippetIn.ReplaceAllString(regexp.QuoteMeta(word), `\S*`)
	}
	return regexp.MustCompile(strings.Join(words, `[\s>]+`))
}
