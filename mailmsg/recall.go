package mailmsg

import (
	"math/bits"
	"slices"
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

// recollection is how the words of a text repeat those of earlier ones.
type recollection struct {
	known []bool // the line has words, and all of them were said before
	// fresh lines have new words between two that follow each other in an earlier message: somebody has answered there.
	fresh []bool
	below []bool // the line has new words below all of an earlier message
	opens []bool // the line begins with the first words of an earlier message
	ends  []bool // the line ends with the last words of an earlier message by the same author
}

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

// recall compares a text, word by word, with what earlier messages said, the most telling first. Marks of quotes, line breaks and
// links are left out of it, because mailers change them. It takes time in proportion to both.
func (f *folding) recall(earlier []desk.Said) {
	if len(earlier) == 0 {
		return
	}
	words := f.words()
	if len(words) < anchor {
		return
	}
	said := collect(earlier, words)
	if len(said.grams) == 0 {
		return
	}
	at := said.find(words)
	n := len(f.parts)
	f.said = &recollection{known: make([]bool, n), fresh: make([]bool, n), below: make([]bool, n), opens: make([]bool, n), ends: make([]bool, n)}
	total, repeated := make([]int, n), make([]int, n)
	for i, w := range words {
		if at[i] >= 0 {
			if total[w.line] == 0 {
				f.said.opens[w.line] = said.opening(words[i:])
			}
			f.said.ends[w.line] = said.ending(int(at[i]))
			repeated[w.line]++
		}
		total[w.line]++
	}
	if last := words[len(words)-1].line; f.begins[last+1] > maxRecalled {
		total[last]++ // the rest of it was not looked at
	}
	f.answers(said.between(words, at), repeated)
	for i := range f.parts {
		f.said.known[i] = total[i] > 0 && total[i] == repeated[i]
		f.quoted[i] = f.quoted[i] && !f.said.fresh[i] && !f.said.below[i]
	}
}

// answers notes on which lines somebody has written new words between those of an earlier message. Numbers beside them are what
// a mailer makes of a list, and a few words for one or two are theirs in another form. Behind ">" only what
// stands on a line that was there before was typed by whoever quotes it.
func (f *folding) answers(gaps []gap, repeated []int) {
	line, marks := int32(-1), 0
	for _, g := range gaps {
		lines := f.said.fresh
		if g.behind {
			if g.words = f.untilHeader(g.words); !g.certain && !f.written(g.words) {
				continue
			}
			if !g.certain {
				lines = f.said.below
			}
		}
		numbers := !slices.ContainsFunc(g.words, func(w word) bool { return !w.number || repeated[w.line] == 0 })
		if numbers || len(g.words) < 4*g.missing {
			continue
		}
		for _, w := range g.words {
			if w.line != line {
				line, marks = w.line, depth(f.line(int(w.line)))
			}
			if marks == 0 || marks == 1 && g.missing == 0 && repeated[w.line] > 0 {
				lines[w.line] = true
			}
		}
	}
}

// written tells whether a person seems to have written the lines of some words: there are sentences that no company adds.
func (f *folding) written(words []word) bool {
	var rows []int
	for _, w := range words {
		if i := int(w.line); len(rows) == 0 || rows[len(rows)-1] != i {
			rows = append(rows, i)
		}
	}
	return f.prose(rows, 0) > 0
}

// untilHeader gives the words above the first line that may begin the header or the introduction of a mail.
func (f *folding) untilHeader(words []word) []word {
	line := int32(-1)
	for n, w := range words {
		if w.line == line {
			continue
		}
		line = w.line
		i := int(line)
		_, _, introduced := f.introduction(i)
		if introduced || labelled(f.line(i)) || separator(f.line(i), i == 0 || f.blank(i-1)) || ruled(strings.TrimSpace(f.line(i))) {
			return words[:n]
		}
	}
	return words
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

// words takes the text apart, with the line of each word.
func (f *folding) words() []word {
	var out []word
	for i := range f.parts {
		left := maxRecalled - f.begins[i]
		if left <= 0 {
			break
		}
		line := f.line(i)
		eachWord(line[:min(len(line), left)], func(sum uint64, number bool) { out = append(out, word{sum, int32(i), number}) }) //nolint:gosec // a line has a byte at least
	}
	return out
}

// depth counts the marks of quotes that a line begins with.
func depth(line string) int {
	n := 0
	for _, r := range line {
		switch r {
		case '>':
			n++
		case ' ', '\t', '\u00a0':
		default:
			return n
		}
	}
	return n
}

// eachWord gives a sum, never zero, for each word of a text: letters and digits, in lower case; and whether it is a number of
// one or two digits. Where people write without blanks each character is a word. Links, which mailers add and rewrite, are left out.
func eachWord(text string, each func(sum uint64, number bool)) {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	sum, size, digits := uint64(offset), 0, 0
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
		if (c == 0 || alone) && size > 0 {
			if !link {
				each(sum|1, digits == size && size <= 2)
			}
			sum, size, digits = offset, 0, 0
		}
		if link {
			i += len(text[i:]) - len(strings.TrimLeftFunc(text[i:], func(r rune) bool { return !unicode.IsSpace(r) }))
		}
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

// saidBefore tells whether all of a line was said before.
func (f *folding) saidBefore(i int) bool { return f.said != nil && f.said.known[i] }

// quoteRepeated marks the earlier messages that a mailer put above line end without a mark of its own: below a header of any
// language, or with nothing new below it. Where somebody has answered inside one, it stays as it is.
func (f *folding) quoteRepeated(end int) {
	for i := 0; f.said != nil && i < end; i++ {
		if f.quoted[i] || !f.saidBefore(i) || !f.said.opens[i] {
			continue
		}
		to, next := i+1, i+1 // behind its last line, and the next one with words
		for next < len(f.parts) && (f.saidBefore(next) || f.blank(next)) && !f.quoted[next] {
			if next++; f.saidBefore(next - 1) {
				to = next
			}
		}
		start, headed := f.unknownHeader(i)
		if !headed {
			start = i
		}
		if (headed || next == len(f.parts)) && (next == len(f.parts) || !f.said.fresh[next]) {
			for k := start; k < to; k++ {
				f.quoted[k] = true
			}
		}
		i = next - 1
	}
}

// unknownHeader gives the line where the header or the introduction above line i begins, in whatever language: two or
// more lines of a label and a value, or a line that ends with a colon; either names an address or a time.
func (f *folding) unknownHeader(i int) (start int, ok bool) {
	k := i - 1
	for k >= 0 && f.blank(k) {
		k--
	}
	if k < 0 {
		return 0, false
	}
	last := k
	for k >= 0 && last-k < 8 && labelled(f.line(k)) {
		k--
	}
	if last-k >= 2 && datedOrAddressed(f.text[f.begins[k+1]:f.begins[last+1]-1]) {
		return f.upOverRule(k + 1), true
	}
	line := strings.TrimRight(f.line(last), " *_\u00a0")
	if (strings.HasSuffix(line, ":") || strings.HasSuffix(line, "：")) && len(line) < maxIntroduction && datedOrAddressed(line) {
		return last, true
	}
	return 0, false
}

// labelled tells whether a line is a label and a value, such as "Emri: Ann".
func labelled(line string) bool {
	line = strings.TrimSpace(line)
	end := strings.IndexAny(line, ":：")
	if end <= 0 || end > 40 {
		return false
	}
	_, size := utf8.DecodeRuneInString(line[end:])
	return strings.Count(line[:end], " ") <= 2 && strings.TrimSpace(line[end+size:]) != ""
}

// datedOrAddressed tells whether a text names a mail address or a time of day.
func datedOrAddressed(text string) bool {
	return strings.Contains(text, "@") || timeOfDay.MatchString(text)
}

// oldSignature gives how many of the answer's rows are left if those go that end the answer, that are short, and that ended an
// earlier message of its author as well.
func (f *folding) oldSignature(rows []int) int {
	n := len(rows)
	if n == 0 || f.said == nil || !f.said.ends[rows[n-1]] {
		return n
	}
	for n > 1 && f.saidBefore(rows[n-1]) && !f.said.opens[rows[n-1]] && rows[n-1] == rows[len(rows)-1]-(len(rows)-n) {
		n--
	}
	below := rows[n:]
	if len(below) < 2 || len(below) > maxSignature || !f.shortFrom(below) || !f.blank(below[0]-1) || strings.HasSuffix(strings.TrimSpace(f.line(rows[n-1])), ":") {
		return len(rows)
	}
	return n
}
