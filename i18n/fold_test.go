package i18n

import (
	"strings"
	"testing"
)

func TestFoldIsHowPeopleSearch(t *testing.T) {
	for in, want := range map[string]string{
		"Übergröße  \n№ 5": "ubergrosse no 5", "ÉCLAIR e\u0301": "eclair e", "Smørrebrød": "smorrebrod", "שָׁלוֹם": "שלום", "น้ำแข็ง": "น้ําแข็ง",
		"İstanbul": "istanbul", "ﬁle": "file", "a\u00adb\u200bc": "abc", "": "", "\xff": "\ufffd",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMarkedCutsTheTextAsItIs(t *testing.T) {
	for _, c := range []struct{ text, query, want string }{
		{"Die Größe der Grösse", "grosse", "Die [Größe] der [Grösse]"},
		{"PAPER jam paper", "paper jam", "[PAPER] [jam] [paper]"},
		{"aaa", "a", "[aaa]"},
		{"abcabc", "abc ca", "[abcabc]"},
		{"<b>", "b", "<[b]>"},
		{"nothing", "else", "nothing"},
		{"", "x", ""},
		{"e\u0301a", "a", "e\u0301[a]"},
	} {
		var b strings.Builder
		for _, p := range Marked(c.text, Words(c.query)) {
			if p.Hit {
				b.WriteString("[" + p.Text + "]")
			} else {
				b.WriteString(p.Text)
			}
		}
		if b.String() != c.want {
			t.Errorf("%q in %q: %q, want %q", c.query, c.text, b.String(), c.want)
		}
	}
}

func TestAroundShowsWhereTheWordsAre(t *testing.T) {
	text := strings.Repeat("word ", 100) + "the Drucker of Ann prints " + strings.Repeat("tail ", 100)
	got := Around(text, Words("drücker prints"), 120)
	if !strings.Contains(got, "the Drucker of Ann prints") || len(got) > 140 || !strings.HasPrefix(got, "… ") || !strings.HasSuffix(got, " …") {
		t.Errorf("around: %q", got)
	}
	if got := Around("short text", Words("text"), 120); got != "short text" {
		t.Errorf("a short text: %q", got)
	}
	if got := Around(text, Words("absent"), 120); got != "" {
		t.Errorf("absent: %q", got)
	}
}

func FuzzMarked(f *testing.F) {
	f.Add("Größe \xff e\u0301", "gro e")
	f.Fuzz(func(t *testing.T, text, query string) {
		words, got := Words(query), ""
		for _, p := range Marked(text, words) {
			got += p.Text
		}
		if got != text {
			t.Errorf("%q became %q", text, got)
		}
		if Fold(Fold(text)) != Fold(text) {
			t.Errorf("Fold(%q) is not its own fold: %q, %q", text, Fold(text), Fold(Fold(text)))
		}
		Around(text, words, 60)
	})
}
