package mailmsg

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/desk"
)

// Bounds of what is compared.
const (
	maxRecalled = 256 << 10 // bytes of a mail's text, and of all earlier texts together
	// anchor is how many words in a row have to be the same for them to be taken for a repetition. Where one broke off, it goes on
	// after fewer.
	anchor   = 6
	goingOn  = 3
	skipping = 2 // words of the earlier text that may be missing where a repetition goes on
)

// saidWords are the words of earlier texts, one text after the other with a zero behind each.
type saidWords struct {
	words   []uint64
	unit    []int32 // which text a word is of
	begin   []int   // of each text
	same    []bool  // of each text: the author of the mail wrote it
	message []int   // of each text: which message it is of
	replies int     // the first texts are what was new in a message; the others are whole messages
	grams   map[uint64]int32
}

// word is a word of the mail, and the line it stands on.
type word struct {
	sum    uint64
	line   int32
	number bool // one of a list, as it may be
}

// collect takes the earlier texts apart, as far as they may be of use for a mail of these words.
func collect(earlier []desk.Said, mail []word) *saidWords {
	wanted := newSieve(len(mail))
	g := newGram()
	for _, w := range mail {
		if sum, ok := g.next(w.sum); ok {
			wanted.add(sum)
		}
	}
	size := 0
	for _, e := range earlier {
		size += len(e.Reply) + len(e.Text)
	}
	size = min(size, maxRecalled) / 5 // a guess at the number of words
	s := &saidWords{grams: map[uint64]int32{}, words: make([]uint64, 0, size), unit: make([]int32, 0, size)}
	left := maxRecalled
	add := func(message int, text string) {
		text = text[:min(len(text), left)]
		left -= len(text)
		from, unit, g := len(s.words), int32(len(s.begin)), newGram() //nolint:gosec // bounded by maxRecalled
		eachWord(text, func(word uint64, _ bool) {
			s.words, s.unit = append(s.words, word), append(s.unit, unit)
			if sum, ok := g.next(word); ok && wanted.has(sum) && s.grams[sum] == 0 {
				s.grams[sum] = int32(len(s.words) - anchor + 1) //nolint:gosec // bounded by maxRecalled
			}
		})
		s.words, s.unit = append(s.words, 0), append(s.unit, -1)
		s.begin, s.same, s.message = append(s.begin, from), append(s.same, earlier[message].SameAuthor), append(s.message, message)
	}
	for i, e := range earlier {
		add(i, e.Reply)
	}
	s.replies = len(s.begin)
	for i, e := range earlier {
		if e.Text != e.Reply {
			add(i, e.Text)
		}
	}
	return s
}

// gram gives the sums of as many words in a row as anchor a repetition.
type gram struct {
	last    [anchor]uint64
	count   int
	sum     uint64
	leaving uint64 // the weight of the word that is one too many
}

const gramBase = 1099511628211

// newGram gives one that has seen no word.
func newGram() gram {
	g := gram{leaving: 1}
	for range anchor {
		g.leaving *= gramBase
	}
	return g
}

// next takes the next word and gives the sum of the last ones; false while they are too few.
func (g *gram) next(word uint64) (uint64, bool) {
	slot := g.count % anchor
	g.sum = g.sum*gramBase + word - g.last[slot]*g.leaving
	g.last[slot] = word
	g.count++
	return g.sum, g.count >= anchor
}

// sieve is a set of sums that may take others for its own, a few in a hundred.
type sieve []uint64

// newSieve makes one for n sums, with sixteen bits or more for each.
func newSieve(n int) sieve { return make(sieve, 1<<bits.Len(uint(n/4))) } //nolint:gosec // a length is not negative

func (s sieve) place(sum uint64) (at int, bit uint64) {
	sum ^= sum >> 29
	return int(sum) & (len(s) - 1), 1 << (sum >> 58) //nolint:gosec // the mask takes the sign away
}

func (s sieve) add(sum uint64) {
	at, bit := s.place(sum)
	s[at] |= bit
}

func (s sieve) has(sum uint64) bool {
	at, bit := s.place(sum)
	return s[at]&bit != 0
}

// opening tells whether what was new in a message began with these words. Later ones may have repeated them.
func (s *saidWords) opening(words []word) bool {
	for _, begin := range s.begin[:s.replies] {
		if len(words) >= anchor && s.equal(begin, words[:anchor]) {
			return true
		}
	}
	return false
}

// ending tells whether a word is the last of what was new in a message by the same author.
func (s *saidWords) ending(at int) bool {
	u := int(s.unit[at])
	return s.words[at+1] == 0 && u < s.replies && s.same[u]
}

// equal tells whether the words stand at p.
func (s *saidWords) equal(p int, words []word) bool {
	for i, w := range words {
		if s.words[p+i] != w.sum { // a zero stands behind each text
			return false
		}
	}
	return true
}

// find gives for each word of a mail where it was said, or -1.
func (s *saidWords) find(words []word) []int32 {
	at := make([]int32, len(words))
	for i := range at {
		at[i] = -1
	}
	next := -1 // where the last repetition would go on
	for i := 0; i < len(words); {
		p := -1
		if next >= 0 && s.goesOn(words[i:], next) {
			p = next
		} else if i+anchor <= len(words) {
			p = s.anchored(words[i:])
		}
		if p < 0 {
			i++
			continue
		}
		for b := 1; b <= i && b <= p && at[i-b] < 0 && s.words[p-b] == words[i-b].sum; b++ {
			at[i-b] = int32(p - b) //nolint:gosec // bounded by maxRecalled
		}
		for ; i < len(words) && s.words[p] == words[i].sum; i, p = i+1, p+1 {
			at[i] = int32(p) //nolint:gosec // bounded by maxRecalled
		}
		if next = p; s.words[p] == 0 {
			next = -1
		}
	}
	return at
}

// goesOn tells whether a repetition goes on at p, or a little behind.
func (s *saidWords) goesOn(words []word, p int) bool {
	n := 0
	for n < len(words) && s.words[p+n] != 0 && s.words[p+n] == words[n].sum {
		n++
	}
	return n >= goingOn || n >= 2 && s.words[p+n] == 0
}

// anchored finds where the next words were said; -1: nowhere.
func (s *saidWords) anchored(words []word) int {
	g, sum := newGram(), uint64(0)
	for _, w := range words[:anchor] {
		sum, _ = g.next(w.sum)
	}
	if p := int(s.grams[sum]) - 1; p >= 0 && s.equal(p, words[:anchor]) {
		return p
	}
	return -1
}

// gap is a piece of new words behind some that were said before.
type gap struct {
	words   []word
	missing int  // how many words of the earlier message are not there in its place
	behind  bool // it stands behind the last word of a message, and none of that message follows
	certain bool // other new words were written into that message
}

// between finds new words where what was new in an earlier message goes on without them, before what that message has below it,
// such as its signature, and behind its end.
func (s *saidWords) between(words []word, at []int32) []gap {
	var out []gap
	answered := make([]bool, s.replies) // the messages into which somebody wrote
	last := -1                          // the last word that was said before
	for i := 0; i <= len(words); i++ {
		if i < len(words) && at[i] < 0 {
			continue
		}
		if last >= 0 && i > last+1 {
			g, from, to := gap{words: words[last+1 : i]}, int(s.unit[at[last]]), -1
			if i < len(words) {
				to = int(s.unit[at[i]])
			}
			m, ended := s.message[from], s.words[at[last]+1] == 0
			switch {
			case to == from && from < s.replies:
				if g.missing = int(at[i]-at[last]) - 1; g.missing >= 0 && g.missing <= skipping {
					answered[m] = true
					out = append(out, g)
				}
			case to >= s.replies && s.message[to] == m && from < s.replies && ended:
				answered[m] = true
				out = append(out, g)
			case to < 0 || s.message[to] != m:
				if g.behind, g.certain = true, answered[m]; ended || from >= s.replies {
					out = append(out, g)
				}
			}
		}
		last = i
	}
	return out
}

// eachWord gives a sum, never zero, for each word of a text: letters and digits, in lower case; and whether it is a number of
// one or two digits. Where people write without blanks each character is a word. Links, which mailers add and rewrite, are left out.
func eachWord(text string, each func(sum uint64, number bool)) {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	sum, size, digits, before := uint64(offset), 0, 0, false  // before: the last character is a word by itself
	for i := 0; i <= len(text); {
		var c rune // 0: no part of a word
		number, alone, link := false, false, false
		switch {
		case i == len(text):
			i++
		case text[i] < utf8.RuneSelf:
			c = rune(asciiLetter[text[i]])
			number = '0' <= c && c <= '9'
			link = c == 0 && size > 0 && opensLink(text, i, size)
			i++
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			if number = unicode.IsDigit(r); number || unicode.IsLetter(r) || unicode.IsMark(r) {
				c, alone = unicode.ToLower(r), withoutBlanks(r)
			}
			i += n
		}
		if (c == 0 || alone || before) && size > 0 {
			if !link {
				each(sum|1, digits == size && size <= 2)
			}
			sum, size, digits = offset, 0, 0
		}
		if link {
			if blank := strings.IndexFunc(text[i:], unicode.IsSpace); blank >= 0 {
				i += blank
			} else {
				i = len(text)
			}
		}
		before = alone
		if c != 0 {
			sum = (sum ^ uint64(c)) * prime //nolint:gosec // a rune of a string is not negative
			size++
			if number {
				digits++
			}
		}
	}
}

// opensLink tells whether what stands at i follows the first word, of a size, of a link.
func opensLink(text string, i, size int) bool {
	switch text[i] {
	case '.':
		return size == 3 && text[i-3:i] == "www"
	case ':':
		return strings.HasPrefix(text[i:], "://") || size == 3 && text[i-3:i] == "cid" || size == 6 && text[i-6:i] == "mailto"
	}
	return false
}

// asciiLetter has letters in lower case, digits, and zero for all else.
var asciiLetter = func() (table [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z':
			table[c] = c
		case 'A' <= c && c <= 'Z':
			table[c] = c | 0x20
		}
	}
	return table
}()

func withoutBlanks(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}
