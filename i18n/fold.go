package i18n

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold gives a text as it is searched: in small letters, without accents and points, compatibility forms as their plain ones, white space as
// one space. What Fold makes of a part of a text is a part of what it makes of the whole, but for accents that stand apart at the cut.
func Fold(s string) string {
	var f folder
	f.b.Grow(len(s))
	f.fold(s)
	return f.b.String()
}

// Words gives what is searched for: the folded words of a query, at most ten.
func Words(query string) []string {
	words := strings.Fields(Fold(query))
	return words[:min(len(words), 10)]
}

// Piece is a part of a text; Hit says that it was searched for.
type Piece struct {
	Text string
	Hit  bool
}

// Marked cuts a text where the words (folded) stand in it. Nothing of it is left out.
func Marked(s string, words []string) []Piece {
	f := folder{keep: true}
	f.fold(s)
	folded := f.b.String()
	type span struct{ from, to int }
	var hits []span
	for _, w := range words {
		for at := 0; w != ""; {
			i := strings.Index(folded[at:], w)
			if i < 0 {
				break
			}
			at += i + len(w)
			hits = append(hits, span{f.from[at-len(w)], f.to[at-1]})
		}
	}
	slices.SortFunc(hits, func(a, b span) int { return a.from - b.from })
	var out []Piece
	done := 0
	for _, h := range hits {
		h.from = max(h.from, done)
		if h.to <= h.from {
			continue
		}
		if h.from > done {
			out = append(out, Piece{Text: s[done:h.from]})
		}
		if n := len(out); n > 0 && out[n-1].Hit && h.from == done {
			out[n-1].Text += s[h.from:h.to]
		} else {
			out = append(out, Piece{Text: s[h.from:h.to], Hit: true})
		}
		done = h.to
	}
	if done < len(s) {
		out = append(out, Piece{Text: s[done:]})
	}
	return out
}

// Around gives the part of a text where most of the words (folded) first stand, about size bytes of it, cut between words where that is near,
// with an ellipsis where something was left out; "" if none of the words is in it.
func Around(s string, words []string, size int) string {
	f := folder{keep: true}
	f.fold(s)
	folded := f.b.String()
	best, found := 0, -1
	for _, w := range words {
		i := strings.Index(folded, w)
		if i < 0 || w == "" {
			continue
		}
		n := 0
		end := min(len(folded), i+size)
		for _, other := range words {
			if strings.Contains(folded[i:end], other) {
				n++
			}
		}
		if n > best || n == best && f.from[i] < found {
			best, found = n, f.from[i]
		}
	}
	if found < 0 {
		return ""
	}
	from, to := max(0, found-size/3), min(len(s), found+size*2/3)
	if from > 0 {
		if i := strings.IndexFunc(s[from:found], unicode.IsSpace); i >= 0 {
			from += i + 1
		}
	}
	for from > 0 && !utf8.RuneStart(s[from]) {
		from--
	}
	if to < len(s) {
		if i := strings.LastIndexFunc(s[found:to], unicode.IsSpace); i > 0 && found+i > found+size/3 {
			to = found + i
		}
	}
	for to < len(s) && !utf8.RuneStart(s[to]) {
		to++
	}
	out := strings.Join(strings.Fields(s[from:to]), " ")
	if from > 0 {
		out = "… " + out
	}
	if to < len(s) {
		out += " …"
	}
	return out
}

// folder folds a text, and knows which bytes of it each folded byte is from, where it is to keep that.
type folder struct {
	b        strings.Builder
	keep     bool
	from, to []int
	space    bool // the last that was written is a space
}

func (f *folder) fold(s string) {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			f.rune(rune(c), i, i+1)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if d := norm.NFKD.PropertiesString(s[i:]).Decomposition(); d != nil {
			for _, part := range string(d) {
				f.rune(part, i, i+n)
			}
		} else {
			f.rune(r, i, i+n)
		}
		i += n
	}
}

func (f *folder) rune(r rune, from, to int) {
	switch {
	case unicode.IsSpace(r):
		if f.space {
			return
		}
		f.space = true
		f.write(' ', from, to)
		return
	case pointing(r):
		return
	case r == 'ß' || r == 'ẞ':
		f.write('s', from, to)
		r = 's'
	case r == 'ø' || r == 'Ø':
		r = 'o'
	case r == 'ł' || r == 'Ł':
		r = 'l'
	case r == 'æ' || r == 'Æ':
		f.write('a', from, to)
		r = 'e'
	case r == 'ı':
		r = 'i'
	}
	f.space = false
	f.write(unicode.ToLower(r), from, to)
}

func (f *folder) write(r rune, from, to int) {
	n := f.b.Len()
	f.b.WriteRune(r)
	if f.keep {
		for range f.b.Len() - n {
			f.from, f.to = append(f.from, from), append(f.to, to)
		}
	}
}

// pointing tells whether a mark only helps reading: accents, Hebrew points, Arabic vowel signs, joiners. Marks of other scripts, as of Thai, are
// letters of their own.
func pointing(r rune) bool {
	return r >= 0x300 && r <= 0x36f || r >= 0x591 && r <= 0x5c7 && r != 0x5be || r >= 0x64b && r <= 0x65f || r == 0xad || r >= 0x200b && r <= 0x200f || r == 0xfeff
}
