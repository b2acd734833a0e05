package mailmsg

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// signature marks the signature of the answer: what is behind "-- " or behind a closing such as "Kind regards", a mailing
// list's footer, and the line that a telephone adds.
func (f *folding) signature() {
	rows := make([]int, 0, len(f.parts)) // the lines of the answer that are not blank
	for i := range f.parts[:f.above] {
		if f.parts[i] == inReply && !f.blank(i) {
			rows = append(rows, i)
		}
	}
	if n := f.oldSignature(rows); n < len(rows) {
		f.sign(rows[n:])
		rows = rows[:n]
	}
	rows = f.listFooter(rows)
	rows = f.belowMarks(rows)
	for len(rows) > 1 && deviceLine(f.line(rows[len(rows)-1])) {
		f.sign(rows[len(rows)-1:])
		rows = rows[:len(rows)-1]
	}
	for n := len(rows) - 1; n > 0 && n >= len(rows)-maxSignature; n-- {
		line := strings.TrimSpace(f.line(rows[n]))
		below := rows[n+1:]
		// A closing and a name are two lines of the letter; with more below it is a signature.
		if closing(line) && len(below) > 1 && f.shortFrom(below) || ruled(line) && f.prose(below, 0) == 0 {
			f.sign(rows[n:])
			rows = rows[:n]
			break
		}
	}
	if last := len(rows) - 1; last > 0 && rows[last] > rows[last-1]+1 && dashedName(f.line(rows[last])) {
		f.sign(rows[last:])
	}
}

// listFooter marks what a mailing list writes below a line that it draws, and gives the rows that are left.
func (f *folding) listFooter(rows []int) []int {
	for n := len(rows) - 1; n > 0 && n >= len(rows)-maxSignature; n-- {
		line := strings.TrimSpace(f.line(rows[n]))
		if below := rows[n+1:]; ruled(line) && len(line) >= ruleOfList && f.linked(below) && f.prose(below, maxFooterProse) <= maxFooterProse {
			f.sign(rows[n:])
			return rows[:n]
		}
	}
	return rows
}

// ruled tells whether a line is drawn.
func ruled(line string) bool { return len(line) > 1 && strings.Trim(line, "_") == "" }

// belowMarks marks the signatures that stand below "-- ", of the sender and of a mailing list, and gives the rows that are left.
// Not all that stands there is one: a letter may go on below two dashes, more so where the blank behind them is missing.
func (f *folding) belowMarks(rows []int) []int {
	dashes := 0 // lines that are no mark by the rules
	for _, i := range rows {
		if f.line(i) == "--" {
			dashes++
		}
	}
	prose, signed, end := 0, 0, len(rows)
	marks := 0
	for n := len(rows) - 1; n > 0 && marks < maxMarks; n-- { // something has to be left, so not the first
		line := f.line(rows[n])
		// A mail that is forwarded below the signature is no part of it, nor what was written below a quote.
		switch {
		case forwards(line) || f.quoted[rows[n]] || postscript(strings.TrimSpace(line)):
			prose, signed, end = 0, 0, n
			continue
		case n+1 < len(rows) && f.quoteBetween(rows[n], rows[n+1]):
			prose, signed, end = 0, 0, n+1
		}
		sure := line == "-- " || line == "--\u00a0"
		if !sure && (line != "--" || dashes > 1) || signed+end-n-1 > maxMarked {
			continue
		}
		marks++
		below := rows[n+1 : end]
		if sentences := f.prose(below, maxMarkedProse-prose); sure && prose+sentences <= maxMarkedProse || !sure && f.looksSigned(rows[n-1], below) {
			f.sign(rows[n:end])
			prose, signed, end = prose+sentences, signed+len(below), n
		}
	}
	return slices.DeleteFunc(rows, func(i int) bool { return f.parts[i] == inSignature })
}

// quoteBetween tells whether a line between two others is quoted.
func (f *folding) quoteBetween(i, k int) bool {
	return k > i+1 && slices.Contains(f.parts[i+1:k], inQuote)
}

const (
	maxMarks       = 8  // signatures that are looked for
	maxMarked      = 25 // lines below "-- " that are a signature
	maxMarkedProse = 5  // of which so many may be sentences, and more where a company has them added
	maxFooterProse = 3  // the same, of what a list adds
	ruleOfList     = 20 // how long the line is that mailing lists draw
)

// looksSigned tells whether what stands below a "--" without its blank is a signature: a name and a few short lines. above is
// the line above the dashes.
func (f *folding) looksSigned(above int, rows []int) bool {
	if strings.HasSuffix(strings.TrimSpace(f.line(above)), ":") {
		return false
	}
	for n, i := range rows {
		line := strings.TrimSpace(f.line(i))
		first, _ := utf8.DecodeRuneInString(line)
		if n == 0 && unicode.IsLower(first) && strings.Contains(line, " ") || strings.HasSuffix(line, "?") {
			return false
		}
		if item, ok := strings.CutPrefix(strings.TrimLeft(line, "-*•"), " "); ok && len(item) < len(line)-1 {
			return false // of a list
		}
	}
	return f.prose(rows, 0) == 0
}

// proseLine is how long a line of a letter is at most, about.
const proseLine = 90

// prose counts the lines that are sentences; if there are more than some, without those that companies have added to each of
// their mails. A paragraph that was not wrapped counts as the lines it would have.
func (f *folding) prose(rows []int, some int) int {
	count := 0
	for _, i := range rows {
		if line := strings.TrimSpace(f.line(i)); sentence(line) {
			count += 1 + len(line)/proseLine
		}
	}
	if count <= some {
		return count
	}
	count = 0
	for len(rows) > 0 {
		end := 1 // of the paragraph
		for end < len(rows) && rows[end] == rows[end-1]+1 {
			end++
		}
		if !f.notice(rows[:end]) {
			count += f.prose(rows[:end], math.MaxInt)
		}
		rows = rows[end:]
	}
	return count
}

// notice tells whether a paragraph is one that companies add.
func (f *folding) notice(rows []int) bool {
	found := 0
	for _, i := range rows {
		lower := strings.ToLower(f.line(i))
		for _, word := range noticeWords {
			if strings.Contains(lower, word) {
				found++
			}
		}
	}
	return found >= 2
}

// sentence tells whether a line is one of a letter, and not of an address, a name or a title.
func sentence(line string) bool {
	spaced := strings.Count(line, " ")
	if strings.ContainsFunc(line, withoutBlanks) { // writes without blanks
		return len(line) >= 45 || len(line) >= 24 && endsSentence(line)
	}
	return spaced >= 3 && endsSentence(line) || spaced >= 7 && len(line) >= 40 && mostlySmall(line)
}

// mostlySmall tells whether half of the words begin with a small letter, as those of titles and addresses don't.
func mostlySmall(line string) bool {
	small, all := 0, 0
	for word := range strings.FieldsSeq(line) {
		all++
		if first, _ := utf8.DecodeRuneInString(word); unicode.IsLower(first) && !strings.ContainsAny(word, "@/") {
			small++
		}
	}
	return small*2 >= all
}

func endsSentence(line string) bool {
	line = strings.TrimRight(line, " )\"'”’»*_")
	last, _ := utf8.DecodeLastRuneInString(line)
	return strings.ContainsRune(".!?…:;。！？", last)
}

// linked tells whether a web or mail address stands in the lines.
func (f *folding) linked(rows []int) bool {
	return slices.ContainsFunc(rows, func(i int) bool {
		return containsAny(f.line(i), []string{"://", "www.", "@"})
	})
}

// dashedName tells whether a line is a name behind a dash, such as "-Ann".
func dashedName(line string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "-")
	if !ok {
		rest, ok = strings.CutPrefix(strings.TrimSpace(line), "—")
	}
	first, _ := utf8.DecodeRuneInString(rest)
	return ok && unicode.IsUpper(first) && len(rest) <= 40 && strings.Count(rest, " ") <= 2 && !strings.ContainsAny(rest, ".,:;!?0123456789")
}

const (
	maxSignature    = 8  // lines that a signature without a mark may have
	maxSignatureRow = 70 // bytes that such a line may have
)

func (f *folding) sign(rows []int) {
	for _, i := range rows {
		f.parts[i] = inSignature
	}
}

// shortFrom tells whether all rows look like those of a signature.
func (f *folding) shortFrom(rows []int) bool {
	for _, i := range rows {
		if line := strings.TrimSpace(f.line(i)); len(line) > maxSignatureRow || strings.HasSuffix(line, "?") || postscript(line) {
			return false
		}
	}
	return true
}

// postscript tells whether a line begins what somebody adds below the name.
func postscript(line string) bool {
	if len(line) < 3 || line[0]|0x20 != 'p' && line[0]|0x20 != 'n' {
		return false
	}
	word, _, _ := strings.Cut(line, " ")
	switch strings.ToLower(strings.TrimRight(word, ":-–")) {
	case "ps", "p.s.", "p.s", "pps", "p.p.s.", "nb", "n.b.", "nachtrag":
		return true
	}
	return false
}

// closing tells whether a line is one that people write above their names.
func closing(line string) bool {
	if len(line) > 60 {
		return false
	}
	line = strings.ToLower(strings.TrimRight(line, " ,.!\u00a0"))
	return closings[line]
}

// deviceLine tells whether a telephone or a program wrote a line: a few words, perhaps with a link.
func deviceLine(line string) bool {
	if len(line) > 300 {
		return false
	}
	line, _, _ = strings.Cut(line, "<")
	s := strings.ToLower(strings.Trim(strings.TrimSpace(line), "*_"))
	if len(s) > 80 || strings.Count(s, " ") > 8 || longNumber.MatchString(s) { // "sent from Berlin, number 4711"
		return false
	}
	for _, prefix := range deviceLines {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

var longNumber = regexp.MustCompile(`\d{3}`)
