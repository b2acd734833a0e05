package mailmsg

import (
	"regexp"
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
	f := foldingOf(text, marks, earlier)
	switch {
	case f.anyReply():
	case f.said != nil: // all of it was said before: it says so once more
		return Fold(text, marks, nil)
	default:
		return Folded{Reply: trimBlank(text)}
	}
	return f.folded()
}

// FoldNew is Fold, but for a text in which nothing is new: its Reply is empty then.
func FoldNew(text string, marks []desk.Mark, earlier []desk.Said) Folded {
	return foldingOf(text, marks, earlier).folded()
}

func (f *folding) folded() Folded {
	return Folded{Reply: f.join(inReply), Quoted: f.join(inQuote), Signature: f.join(inSignature)}
}

func foldingOf(text string, marks []desk.Mark, earlier []desk.Said) *folding {
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
	return f
}

type folding struct {
	text   string
	begins []int  // of each line in text, and of one that would follow
	blanks []bool // nothing can be seen on the line
	quoted []bool // the line is marked as a quote, by ">" or by the HTML
	parts  []part
	said   *recollection // nil: there is nothing to compare with
	above  int           // the lines above the history that has no marks
}

func newFolding(text string) *folding {
	n := strings.Count(text, "\n") + 1
	f := &folding{text: text, begins: make([]int, n+1), parts: make([]part, n)}
	marks := make([]bool, 2*n)
	f.blanks, f.quoted = marks[:n:n], marks[n:]
	for i := range n {
		at := f.begins[i]
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at
		}
		f.begins[i+1] = at + end + 1
		f.blanks[i] = blank(text[at : at+end])
	}
	return f
}

// line gives the i-th line, without its end.
func (f *folding) line(i int) string { return f.text[f.begins[i] : f.begins[i+1]-1] }

func (f *folding) blank(i int) bool { return f.blanks[i] }

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
		if i < skip || f.quoted[i] || f.blank(i) {
			continue
		}
		if forwards(f.line(i)) {
			skip = f.forwardedHeader(i + 1)
			continue
		}
		if separator(f.line(i), i == 0 || f.blank(i-1)) || f.headerBlock(i) {
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

// Forwards tells whether a mail that was forwarded stands in a text.
func Forwards(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if forwards(line) {
			return true
		}
	}
	return false
}

// forwardedHeader gives the end of the header that begins at line i or below the blank lines there.
func (f *folding) forwardedHeader(i int) int {
	for i < len(f.parts) && f.blank(i) {
		i++
	}
	for i < len(f.parts) && !f.blank(i) {
		i++
	}
	return i
}

// upOverRule takes the line of underscores that Outlook writes above the header of the quoted mail.
func (f *folding) upOverRule(i int) int {
	k := i - 1
	for k >= 0 && f.blank(k) {
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
			} else if !f.blank(k) {
				break
			}
		}
		found = append(found, run{f.introductionAbove(i), to})
		i = to - 1
	}
	for i := 1; i < len(found); i++ {
		for k := found[i-1].to; k < found[i].from; k++ {
			if !f.blank(k) && f.parts[k] != inSignature {
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
		case f.parts[i] == inReply && !f.blank(i) && i < last:
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
	for k >= 0 && f.blank(k) {
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
	for next < len(f.parts) && f.blank(next) {
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
		case ok && !b.add(name, value), wrapped && f.blank(k):
			return b.header()
		case ok:
			wrapped = false
		case !f.blank(k):
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

func (f *folding) anyReply() bool {
	for i := range f.parts {
		if f.parts[i] == inReply && !f.blank(i) {
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
		switch {
		case f.parts[i] != p:
			gap = gap || words > 0 && !f.blank(i)
			continue
		case !f.blank(i):
			if gap {
				out = append(out[:words], '\n')
			}
			gap = false
		case gap:
			continue
		}
		out = append(append(out, f.line(i)...), '\n')
		if !f.blank(i) {
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
