package i18n

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestI3_FootersAreToldFromWhatAgentsWrite: whole or quoted or with its lines broken, in any language; nothing else is taken out.
func TestI3_FootersAreToldFromWhatAgentsWrite(t *testing.T) {
	t.Parallel()
	m, err := LoadMails()
	if err != nil {
		t.Fatal(err)
	}
	const answer = "Please pull the red lever.\nThen answer this mail, and note the time.\n> It is broken."
	if got := m.WithoutFooters(answer); got != answer {
		t.Errorf("what is an agent's became %q", got)
	}
	for i, footer := range m.NotificationFooters(7, "https://help.acme.example/tickets/7", "support+abc@acme.example") {
		lang := m.All()[i].Lang
		if lines := strings.Count(footer, "\n") + 1; lines != 4 || !strings.Contains(footer, "support+abc@acme.example") || !strings.Contains(footer, "tickets/7") || strings.Contains(footer, "{{") {
			t.Errorf("%s: %q", lang, footer)
		}
		for _, quoted := range []string{footer, "> " + strings.ReplaceAll(footer, "\n", "\n> "), broken(footer, ""), broken(footer, "> ")} {
			ticket, _, _ := strings.Cut(quoted, "\n")
			if got := m.WithoutFooters(answer + "\n" + quoted + "\n"); got != answer+"\n"+ticket+"\n" {
				t.Errorf("%s: %q is left", lang, got)
			}
		}
		texts := m.All()[i].Notification
		if alone := texts.Footer(7, "", ""); strings.Contains(alone, texts.Note) || strings.Contains(m.WithoutFooters(alone), "#note") {
			t.Errorf("%s: without an address for notes %q", lang, alone)
		}
		// A saying that is short would be found in what people write.
		for _, line := range []string{texts.Answer, texts.Note, texts.NoteAlone, texts.Commands} {
			if saying := longestClause(line); utf8.RuneCountInString(saying) < 24 {
				t.Errorf("%s: %q is short", lang, saying)
			}
		}
	}
}

// broken breaks the lines of a text below the first where clients do, and quotes it.
func broken(text, mark string) string {
	lines := strings.Split(text, "\n")
	out := []string{mark + lines[0]}
	for _, line := range lines[1:] {
		now := ""
		for word := range strings.FieldsSeq(line) {
			if now != "" && utf8.RuneCountInString(mark+now+" "+word) > 40 {
				out, now = append(out, mark+now), ""
			}
			now = strings.TrimSpace(now + " " + word)
		}
		out = append(out, mark+now)
	}
	return strings.Join(out, "\n")
}
