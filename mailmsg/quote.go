package mailmsg

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/desk"
)

// Folded is a mail's text in three parts. Each line of the text that is not blank is in exactly one of them, in order.
type Folded struct {
	Reply     string // what is new
	Quoted    string // earlier mail, and the lines that introduce it
	Signature string
}

// part says where a line of a text belongs.
type part byte

const (
	inReply part = iota
	inQuote
	inSignature
)

// Fold tells what is new in a text from what is quoted and from the signature. marks are those of text that comes from HTML, else
// nil; earlier is what the ticket's earlier messages say, if that is known, the newest first. Of a quote with answers between
// its lines only what stands below the last answer is folded, because they mean nothing without the rest; and if nothing new
// would be left, all of it is the reply.
//
// What was said before is found first, and tells more than patterns: answers written into a quote are seen, and quotes without
// a mark, below headers of whatever language.
func Fold(text string, marks []desk.Mark, earlier []desk.Said) Folded {
	f := newFolding(text)
	f.mark(marks)
	f.recall(earlier)
	f.above = f.history()
	end := f.belowAnswers(f.above)
	f.quoteRepeated(end)
	f.runs(end)
	for i := end; i < len(f.parts); i++ {
		if f.said == nil || !f.said.below[i] {
			f.parts[i] = inQuote
		}
	}
	f.signature()
	f.tail()
	switch {
	case f.anyReply():
	case f.said != nil: // all of it was said before: it says so once more
		return Fold(text, marks, nil)
	default:
		return Folded{Reply: trimBlank(text)}
	}
	return Folded{Reply: f.join(inReply), Quoted: f.join(inQuote), Signature: f.join(inSignature)}
}

type folding struct {
	text   string
	begins []int  // of each line in text, and of one that would follow
	quoted []bool // the line is marked as a quote, by ">" or by the HTML
	parts  []part
	said   *recollection // nil: there is nothing to compare with
	above  int           // the lines above the history that has no marks
}

func newFolding(text string) *folding {
	n := strings.Count(text, "\n") + 1
	f := &folding{text: text, begins: make([]int, 1, n+1), quoted: make([]bool, n), parts: make([]part, n)}
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			f.begins = append(f.begins, len(text)+1)
			return f
		}
		at += i + 1
		f.begins = append(f.begins, at)
	}
}

// line gives the i-th line, without its end.
func (f *folding) line(i int) string { return f.text[f.begins[i] : f.begins[i+1]-1] }

// mark notes which lines are quotes by what stands in front of them or by the HTML they come from.
func (f *folding) mark(marks []desk.Mark) {
	for i := range f.parts {
		at, line := f.begins[i], f.line(i)
		for len(marks) > 0 && marks[0].End <= at {
			marks = marks[1:]
		}
		if len(marks) > 0 && at >= marks[0].Start && at < marks[0].End {
			switch {
			case marks[0].Signature:
				f.parts[i] = inSignature
			case at == marks[0].Start && forwards(line): // Gmail marks what it forwards as it does what it quotes
				marks = marks[1:]
			default:
				f.quoted[i] = true
			}
		}
		if strings.IndexByte(line, '>') >= 0 {
			// ">:" is the end of an introduction that was wrapped
			s := strings.TrimLeft(line, unseen)
			f.quoted[i] = f.quoted[i] || strings.HasPrefix(s, ">") && !strings.HasPrefix(s, ">:")
		}
	}
	// A quoted line that was wrapped once more on its way has a tail without a mark.
	for i := 1; i+1 < len(f.parts); i++ {
		if !f.quoted[i] && f.quoted[i-1] && f.quoted[i+1] && len(f.line(i-1)) >= longLine && wrapped(f.line(i)) {
			f.quoted[i] = true
		}
	}
}

// longLine is how long lines are that mailers wrap.
const longLine = 60

// wrapped tells whether a line looks like the tail of another: it goes on in the middle of a sentence, and is no answer
// such as "yes".
func wrapped(line string) bool {
	first, _ := utf8.DecodeRuneInString(line)
	return unicode.IsLower(first) && len(line) < longLine+16 && strings.Contains(strings.TrimSpace(line), " ")
}

// history gives the line from which on all is earlier mail, where the mailer put it behind the answer without marking its
// lines; the number of lines if there is none.
func (f *folding) history() int {
	skip := 0 // up to there the header of a mail that was forwarded goes
	for i := range f.parts {
		if i < skip || f.quoted[i] || blank(f.line(i)) {
			continue
		}
		if forwards(f.line(i)) {
			skip = f.forwardedHeader(i + 1)
			continue
		}
		if separator(f.line(i), i == 0 || blank(f.line(i-1))) || f.headerBlock(i) {
			return f.upOverRule(i)
		}
		if start, marked, ok := f.introduction(i); ok && !marked && f.timed(start, i) {
			return start
		}
	}
	return len(f.parts)
}

// belowAnswers gives the first line from start on below which nobody has answered.
func (f *folding) belowAnswers(start int) int {
	if f.said == nil {
		return start
	}
	return max(start, 1+lastTrue(f.said.fresh))
}

// lastTrue gives the last place that is true, or -1.
func lastTrue(list []bool) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] {
			return i
		}
	}
	return -1
}

// timed tells whether an introduction names a time of day or an address, as mailers write it and people hardly ever.
func (f *folding) timed(start, last int) bool {
	text := f.text[f.begins[start] : f.begins[last+1]-1]
	return strings.Contains(text, "@") || timeOfDay.MatchString(text)
}

// forwards tells whether a line stands above a mail that was forwarded.
func forwards(line string) bool {
	s := strings.TrimSpace(line)
	if len(s) < 10 || len(s) > 100 || s[0] != '-' && s[len(s)-1] != ':' && s[len(s)-1] != "："[2] {
		return false
	}
	s = strings.ToLower(strings.Trim(s, "-_ "))
	for _, words := range forwarded {
		if strings.HasPrefix(s, words) {
			return true
		}
	}
	return false
}

// forwardedHeader gives the end of the header that begins at line i or below the blank lines there.
func (f *folding) forwardedHeader(i int) int {
	for i < len(f.parts) && blank(f.line(i)) {
		i++
	}
	for i < len(f.parts) && !blank(f.line(i)) {
		i++
	}
	return i
}

// upOverRule takes the line of underscores that Outlook writes above the header of the quoted mail.
func (f *folding) upOverRule(i int) int {
	k := i - 1
	for k >= 0 && blank(f.line(k)) {
		k--
	}
	if k >= 0 {
		if s := strings.TrimSpace(f.line(k)); len(s) >= 4 && strings.Trim(s, "_-=") == "" {
			return k
		}
	}
	return i
}

// runs folds the lines before end that are marked as quotes, with their introductions, but for those above answers that stand
// between them.
func (f *folding) runs(end int) {
	type run struct{ from, to int }
	var found []run
	for i := 0; i < end; i++ {
		if !f.quoted[i] {
			continue
		}
		to := i + 1
		for k := i + 1; k < end; k++ {
			if f.quoted[k] {
				to = k + 1
			} else if !blank(f.line(k)) {
				break
			}
		}
		found = append(found, run{f.introductionAbove(i), to})
		i = to - 1
	}
	for i := 1; i < len(found); i++ {
		for k := found[i-1].to; k < found[i].from; k++ {
			if !blank(f.line(k)) && f.parts[k] != inSignature {
				return // answers between the lines
			}
		}
	}
	for _, r := range found {
		for i := r.from; i < r.to; i++ {
			f.parts[i] = inQuote
		}
	}
}

// tail folds the quotes below the last words of an answer, if they were not folded before.
func (f *folding) tail() {
	last := len(f.parts)
	for i := len(f.parts) - 1; i >= 0; i-- {
		switch {
		case f.quoted[i]:
			last = f.introductionAbove(i)
		case f.parts[i] == inReply && !blank(f.line(i)) && i < last:
			for k := last; k < len(f.parts); k++ {
				if f.parts[k] == inReply {
					f.parts[k] = inQuote
				}
			}
			return
		}
	}
}

// introductionAbove gives the line where the introduction of the quote at line i begins, or i.
func (f *folding) introductionAbove(i int) int {
	k := i - 1
	for k >= 0 && blank(f.line(k)) {
		k--
	}
	if k < 0 || f.quoted[k] {
		return i
	}
	if start, _, ok := f.introduction(k); ok {
		return start
	}
	if f.saidBefore(i) && f.said.opens[i] {
		if start, ok := f.unknownHeader(i); ok {
			return start
		}
	}
	return i
}

// maxIntroduction bounds the lines and bytes of an introduction such as "On Monday, Ann wrote:".
const (
	maxIntroductionLines = 4
	maxIntroduction      = 500
)

// introduction tells whether a line is the last of one that introduces a quote, where that begins, and whether what
// follows is marked as a quote.
func (f *folding) introduction(i int) (start int, marked, ok bool) {
	if line := f.line(i); line == "" || !endsIntroduction[line[len(line)-1]] {
		return 0, false, false
	}
	last := strings.TrimRight(f.line(i), " \t*_-"+directions)
	last = strings.TrimRight(strings.TrimSuffix(last, "\u00a0"), " *")
	colon := strings.HasSuffix(last, ":") || strings.HasSuffix(last, "：")
	if !colon && !strings.HasSuffix(last, "wrote") && !strings.HasSuffix(last, "schrieb") && !strings.HasSuffix(last, "escribió") {
		return 0, false, false
	}
	next := i + 1
	for next < len(f.parts) && blank(f.line(next)) {
		next++
	}
	marked = next < len(f.parts) && f.quoted[next]
	known := next < len(f.parts) && f.saidBefore(next) && f.said.opens[next]
	text := ""
	for k := i; k >= 0 && k > i-maxIntroductionLines; k-- {
		line := strings.TrimSpace(f.line(k))
		if line == "" || k < i && f.quoted[k] {
			break
		}
		text = line + " " + text
		if len(text) > maxIntroduction {
			break
		}
		if introduces(strings.TrimSpace(text), false) {
			return k, marked, true
		}
	}
	if (marked || known) && introduces(strings.TrimSpace(f.line(i)), true) {
		return i, marked, true
	}
	return 0, false, false
}

// unseen is what may stand before a mark and can't be seen.
const unseen = " \t\u00a0\u00ad\u200b\u200c\u200d\u2060\ufeff" + directions

// directions are the marks that mailers put round names and addresses in text that runs from right to left.
const directions = "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"

// endsIntroduction has the last bytes of what introduction looks for, "：", "ó", the no-break space and directions among them.
// Most lines end in another one.
var endsIntroduction = [256]bool{
	':': true, 0x9a: true, 'e': true, 'b': true, 0xb3: true,
	' ': true, '\t': true, '*': true, '_': true, '-': true, 0xa0: true,
	0x8e: true, 0x8f: true, 0xaa: true, 0xab: true, 0xac: true, 0xa6: true, 0xa7: true, 0xa8: true, 0xa9: true,
}

// introduces tells whether a text is an introduction in any language we know. Without a quote behind it, it has to begin as one
// and name a time or an address.
func introduces(s string, marked bool) bool {
	if strings.ContainsAny(s, directions) {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(directions, r) {
				return -1
			}
			return r
		}, s)
	}
	s = strings.Trim(s, "*_ ")
	lower := strings.ToLower(s)
	digits := strings.ContainsAny(s, "0123456789") || strings.ContainsAny(s, "@<")
	for _, l := range introductions {
		if !containsAny(lower, l.verbs) || !marked && firstPerson(lower) {
			continue
		}
		if digits && (hasOpener(lower, l.openers) || endsWithVerb(lower, l.verbs) && dated(s)) {
			return true
		}
		if marked && (len(s) < 200 && endsWithVerb(lower, l.verbs) || digits) {
			return true
		}
	}
	if datedAddress(s) {
		return true
	}
	// Gmail in Japanese, Chinese and Korean: "2024年3月12日(火) 10:11 Ann <ann@example.com>:"
	return digits && strings.Contains(s, "@") && len(s) > 4 && strings.HasPrefix(strings.TrimLeft(s, "0123456789"), "年") && s[0] >= '0' && s[0] <= '9'
}

// firstPerson tells whether somebody speaks of what they wrote themselves, such as "On Monday I wrote to you:".
func firstPerson(lower string) bool {
	for word := range strings.FieldsSeq(lower) {
		switch strings.Trim(word, ",.:()\"") {
		case "i", "we", "ich", "wir", "je", "j'ai", "j’ai", "nous", "yo", "io", "eu", "ik", "wij", "ja", "jag", "jeg", "minä", "jsem", "я", "мы", "ми":
			return true
		}
	}
	return false
}

// datedAddress tells of what every language has: a year, a time, and an address right before the colon.
func datedAddress(s string) bool {
	s, ok := strings.CutSuffix(s, ":")
	if !ok || len(s) > 300 || !strings.HasSuffix(s, ">") {
		return false
	}
	return dated(s)
}

// dated tells whether a text has an address in angle brackets, and beside it a year and a time.
func dated(s string) bool {
	from, to := strings.LastIndexByte(s, '<'), strings.LastIndexByte(s, '>')
	return from >= 0 && from < to && strings.Contains(s[from:to], "@") && (yearAndTime.MatchString(s[:from]) || yearAndTime.MatchString(s[to:]))
}

var yearAndTime = regexp.MustCompile(`\b(19|20)\d\d\b.*\b\d{1,2}[:.]\d\d\b|\b\d{1,2}[:.]\d\d\b.*\b(19|20)\d\d\b`)

func hasOpener(s string, openers []string) bool {
	for _, o := range openers {
		rest, ok := strings.CutPrefix(s, o)
		if !ok {
			continue
		}
		r, _ := utf8.DecodeRuneInString(rest)
		if rest == "" || !unicode.IsLetter(r) {
			return true
		}
	}
	return false
}

func endsWithVerb(s string, verbs []string) bool {
	s = strings.TrimRight(s, " :：\u00a0*")
	for _, v := range verbs {
		if strings.HasSuffix(s, v) {
			return true
		}
	}
	return false
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// headerBlock tells whether the header of an earlier mail stands at line i, in any language, as Outlook and others write it above
// the mail: who it is from, when it was sent, and to whom or about what. People write such lines too, about journeys, forms and
// letters; there the date is none at which a mail was sent.
func (f *folding) headerBlock(i int) bool {
	first, value, ok := label(f.line(i))
	if !ok || first != labelFrom && first != labelSent && first != labelDate {
		return false
	}
	b := headerLines{}
	b.add(first, value)
	wrapped := false // the last line goes on with the field above it
	for k, misses := i+1, 0; k < len(f.parts) && k < i+10 && misses < 3; k++ {
		line := f.line(k)
		name, value, ok := label(line)
		switch {
		case ok && !b.add(name, value), wrapped && blank(line):
			return b.header()
		case ok:
			wrapped = false
		case !blank(line):
			misses++
			wrapped = true
		}
	}
	return b.header()
}

// headerLines are the fields of what may be the header of an earlier mail.
type headerLines struct {
	seen    [labelSubject + 1]bool
	address bool // somebody's mail address stands there
	year    bool // of the time at which it was sent
	clock   bool
	day     bool
}

// add takes a field. It answers false for one that is there already.
func (b *headerLines) add(name int, value string) bool {
	if b.seen[name] || name == labelSent && b.seen[labelDate] || name == labelDate && b.seen[labelSent] {
		return false
	}
	b.seen[name] = true
	switch name {
	case labelFrom, labelTo:
		b.address = b.address || strings.Contains(value, "@")
	case labelSent, labelDate:
		b.year, b.clock, b.day = yearInDate.MatchString(value), timeOfDay.MatchString(value), dayInDigits.MatchString(value)
	}
	return true
}

// header tells whether the fields are those of a mail. "Sent" is hardly a word for anything else; "Date" stands in letters and
// forms, but hardly ever with a time.
func (b *headerLines) header() bool {
	switch {
	case !b.seen[labelFrom]:
		return false
	case b.seen[labelSubject] && b.seen[labelSent]:
		return b.year || b.clock
	case b.seen[labelSubject]:
		return b.clock && (b.year || b.day)
	}
	return b.seen[labelTo] && b.address && b.clock && (b.year || b.day)
}

var (
	yearInDate  = regexp.MustCompile(`(?:^|\D)(?:19|20|25)\d\d(?:\D|$)`) // 25: of the Buddhist era
	timeOfDay   = regexp.MustCompile(`(?:^|[^\d.:/-])(?:[01]?\d|2[0-4])[:.hH]\d\d(?::\d\d)?(?:$|[^\d.:/-])`)
	dayInDigits = regexp.MustCompile(`\d{1,2}[./-]\d{1,2}[./-]\d{2}`)
)

// maxLabelled is how much of a line is looked at that may be a field of such a header.
const maxLabelled = 300

// label reads the field name a line of such a header begins with, and what stands behind it.
func label(line string) (name int, value string, ok bool) {
	if head := line[:min(len(line), 80)]; strings.IndexByte(head, ':') < 0 && strings.IndexByte(head, "："[0]) < 0 {
		return 0, "", false
	}
	line = strings.TrimLeft(line, unseen+"*>|")
	end := strings.IndexAny(line[:min(len(line), 44)], ":：")
	if end <= 0 || end > 40 {
		return 0, "", false
	}
	name, ok = labels[strings.ToLower(strings.Trim(line[:end], " \t\u00a0*"))]
	return name, line[end:min(len(line), maxLabelled)], ok
}

// separator tells whether a line stands by itself between answer and history; first: it begins a paragraph.
func separator(line string, first bool) bool {
	s := strings.TrimSpace(line)
	if len(s) < 5 || len(s) > 200 {
		return false
	}
	c := s[0] | 0x20
	if first && (c < 'a' || c > 'z' || strings.Contains(s, "bove ")) && containsAny(strings.ToLower(s), answerAbove) {
		return true
	}
	if s[0] != '-' && s[0] != '_' && !strings.HasPrefix(s, "—") {
		return false
	}
	inner := strings.ToLower(strings.Trim(s, "-_— "))
	if inner == "" {
		return false
	}
	for _, words := range originalMessage {
		if strings.HasPrefix(inner, words) {
			return true
		}
	}
	return introduces(inner, false) // "---- On Monday, 2 March 2026, Ann wrote ----"
}

// signature marks the signature of the answer: what is behind "-- " or behind a closing such as "Kind regards", a mailing
// list's footer, and the line that a telephone adds.
func (f *folding) signature() {
	rows := make([]int, 0, len(f.parts)) // the lines of the answer that are not blank
	for i := range f.parts[:f.above] {
		line := f.line(i)
		if f.parts[i] == inReply && !blank(line) {
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
	return slices.Contains(closings, line)
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

func (f *folding) anyReply() bool {
	for i := range f.parts {
		line := f.line(i)
		if f.parts[i] == inReply && !blank(line) {
			return true
		}
	}
	return false
}

// join gives the lines of one part. Where others lay between two pieces, one empty line does.
func (f *folding) join(p part) string {
	first, last, size := -1, 0, 0
	whole := true // nothing of another part stands between its first and its last line
	for i := range f.parts {
		if f.parts[i] != p {
			continue
		}
		if first < 0 {
			first = i
		}
		whole = whole && (first == i || last == i-1)
		last = i
		size += f.begins[i+1] - f.begins[i] + 1
	}
	switch {
	case first < 0:
		return ""
	case whole:
		return trimBlank(f.text[f.begins[first] : f.begins[last+1]-1])
	}
	out := make([]byte, 0, size)
	gap, words := false, 0 // words: where the last line ends that is not blank
	for i := first; i <= last; i++ {
		line := f.line(i)
		switch {
		case f.parts[i] != p:
			gap = gap || words > 0 && !blank(line)
			continue
		case !blank(line):
			if gap {
				out = append(out[:words], '\n')
			}
			gap = false
		case gap:
			continue
		}
		out = append(append(out, line...), '\n')
		if !blank(line) {
			words = len(out)
		}
	}
	return trimBlank(string(out))
}

// trimBlank takes the blank lines at both ends away, and the blanks behind the last line.
func trimBlank(s string) string {
	s = strings.TrimRightFunc(s, unicode.IsSpace)
	for {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok || !blank(line) {
			return s
		}
		s = rest
	}
}

func blank(line string) bool {
	if line != "" && line[0] > ' ' && line[0] < utf8.RuneSelf {
		return false
	}
	return strings.TrimSpace(line) == ""
}
