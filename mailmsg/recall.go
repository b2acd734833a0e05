package mailmsg

import (
	"slices"
	"strings"
	"unicode/utf8"

	"postern/desk"
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
