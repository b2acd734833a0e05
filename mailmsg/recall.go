package mailmsg

import (
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
	opens []bool // the line begins with the first words of an earlier message
	tail  int    // from this line on there is nothing that was not said before
}

// saidWords are the words of earlier texts, one text after the other with a zero behind each.
type saidWords struct {
	words   []uint64
	unit    []int32 // which text a word is of
	begin   []int   // of each text
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
	said := collect(earlier)
	if said == nil {
		return
	}
	words := f.words()
	at := said.find(words)
	r := &recollection{known: make([]bool, len(f.parts)), fresh: make([]bool, len(f.parts)), opens: make([]bool, len(f.parts))}
	total, repeated := make([]int, len(f.parts)), make([]int, len(f.parts))
	for i, w := range words {
		if at[i] >= 0 {
			if total[w.line] == 0 {
				r.opens[w.line] = said.opening(words[i:])
			}
			repeated[w.line]++
		}
		total[w.line]++
	}
	said.between(words, at, func(w word, missing int) {
		// Behind ">" only what stands on a line that was there before was typed by whoever quotes it.
		marks := depth(f.line(int(w.line)))
		if marks == 0 || marks == 1 && missing == 0 && repeated[w.line] > 0 {
			r.fresh[w.line] = true
		}
	})
	for i := range f.parts {
		r.known[i] = total[i] > 0 && total[i] == repeated[i]
		f.quoted[i] = f.quoted[i] && !r.fresh[i]
	}
	for r.tail = len(f.parts); r.tail > 0 && (r.known[r.tail-1] || total[r.tail-1] == 0); r.tail-- {
	}
	f.said = r
}

// collect takes the earlier texts apart; nil if there is nothing to compare with.
func collect(earlier []desk.Said) *saidWords {
	s := &saidWords{grams: map[uint64]int32{}}
	left := maxRecalled
	add := func(text string) {
		text = text[:min(len(text), left)]
		left -= len(text)
		from := len(s.words)
		eachWord(text, func(sum uint64, _ bool) {
			s.words = append(s.words, sum)
			s.unit = append(s.unit, int32(len(s.begin))) //nolint:gosec // bounded by maxRecalled
		})
		s.words, s.unit = append(s.words, 0), append(s.unit, -1)
		s.begin = append(s.begin, from)
		for i := from; i+anchor < len(s.words); i++ {
			if g := gram(s.words[i : i+anchor]); s.grams[g] == 0 {
				s.grams[g] = int32(i + 1) //nolint:gosec // bounded by maxRecalled
			}
		}
	}
	for _, e := range earlier {
		add(e.Reply)
	}
	s.replies = len(s.begin)
	for _, e := range earlier {
		if e.Text != e.Reply {
			add(e.Text)
		}
	}
	if len(s.grams) == 0 {
		return nil
	}
	return s
}

func gram(words []uint64) uint64 {
	sum := uint64(0)
	for _, w := range words {
		sum = sum*1099511628211 + w
	}
	return sum
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
	sum := uint64(0)
	for _, w := range words[:anchor] {
		sum = sum*1099511628211 + w.sum
	}
	if p := int(s.grams[sum]) - 1; p >= 0 && s.equal(p, words[:anchor]) {
		return p
	}
	return -1
}

// between calls each for the new words that stand where what was new in an earlier message goes on without them, and with how
// many of its words missing there. Numbers alone are what a mailer makes of a list, and a few words for one or two are
// theirs in another form.
func (s *saidWords) between(words []word, at []int32, each func(w word, missing int)) {
	last := -1 // the last word that was said before
	for i := range words {
		if at[i] < 0 {
			continue
		}
		if last >= 0 && i > last+1 {
			from, to := at[last], at[i]
			same := s.unit[from] == s.unit[to] && int(s.unit[from]) < s.replies
			gap, missing := words[last+1:i], int(to-from)-1
			numbers := !slices.ContainsFunc(gap, func(w word) bool { return !w.number })
			if same && missing >= 0 && missing <= skipping && len(gap) >= 4*missing && !numbers {
				for _, w := range gap {
					each(w, missing)
				}
			}
		}
		last = i
	}
}

// words takes the text apart, with the line of each word.
func (f *folding) words() []word {
	var out []word
	for i := range f.parts {
		if f.begins[i] > maxRecalled {
			break
		}
		eachWord(f.line(i), func(sum uint64, number bool) { out = append(out, word{sum, int32(i), number}) }) //nolint:gosec // a line has a byte at least
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
	for chunk := range strings.FieldsSeq(text) {
		if strings.Contains(chunk, "://") || strings.Contains(chunk, "mailto:") || strings.Contains(chunk, "cid:") || strings.HasPrefix(chunk, "www.") {
			continue
		}
		sum, size, digits := uint64(offset), 0, 0
		end := func() {
			if size > 0 {
				each(sum|1, digits == size && size <= 2)
			}
			sum, size, digits = offset, 0, 0
		}
		for _, r := range chunk {
			switch {
			case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
				end()
				continue
			case withoutBlanks(r):
				end()
			}
			if unicode.IsDigit(r) {
				digits++
			}
			sum = (sum ^ uint64(unicode.ToLower(r))) * prime //nolint:gosec // a rune of a string is not negative
			size++
		}
		end()
	}
}

func withoutBlanks(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// saidBefore tells whether all of a line was said before.
func (f *folding) saidBefore(i int) bool { return f.said != nil && f.said.known[i] }

// repeats gives the line where an earlier message begins that a mailer put at line i without a mark: below a header of any
// language, or with nothing new below it.
func (f *folding) repeats(i int) (start int, ok bool) {
	if !f.saidBefore(i) || !f.said.opens[i] {
		return 0, false
	}
	if start, ok := f.unknownHeader(i); ok {
		return start, true
	}
	return i, i >= f.said.tail
}

// unknownHeader gives the line where the header or the introduction above line i begins, in whatever language: two or
// more lines of a label and a value, or a line that ends with a colon and names an address or a date.
func (f *folding) unknownHeader(i int) (start int, ok bool) {
	k := i - 1
	for k >= 0 && blank(f.line(k)) {
		k--
	}
	if k < 0 {
		return 0, false
	}
	last := k
	for k >= 0 && last-k < 8 && labelled(f.line(k)) {
		k--
	}
	if last-k >= 2 {
		return f.upOverRule(k + 1), true
	}
	line := strings.TrimRight(f.line(last), " *_\u00a0")
	if (strings.HasSuffix(line, ":") || strings.HasSuffix(line, "：")) && len(line) < maxIntroduction && (strings.Contains(line, "@") || numbers(line) >= 2) {
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

// numbers counts the numbers in a line.
func numbers(line string) int {
	n, in := 0, false
	for _, r := range line {
		digit := unicode.IsDigit(r)
		if digit && !in {
			n++
		}
		in = digit
	}
	return n
}

// oldSignature gives how many of the answer's rows are left if those go that end the answer, that are short, and that an earlier
// message had as well, but not as its beginning.
func (f *folding) oldSignature(rows []int) int {
	n := len(rows)
	for n > 1 && f.saidBefore(rows[n-1]) && !f.said.opens[rows[n-1]] && rows[n-1] == rows[len(rows)-1]-(len(rows)-n) {
		n--
	}
	if len(rows)-n < 2 || len(rows)-n > maxSignature || !f.shortFrom(rows[n:]) || !blank(f.line(rows[n]-1)) {
		return len(rows)
	}
	return n
}
