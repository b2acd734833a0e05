package mailmsg

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/safehtml"
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

// Fold tells what is new in a text from what is quoted and from the signature. spans are what safehtml.Read found, for text
// that comes from HTML, else nil. Answers written between the lines of a quote fold nothing, because they mean nothing
// without it; and if nothing new would be left, all of it is the reply.
func Fold(text string, spans []safehtml.Span) Folded {
	f := folding{lines: strings.Split(text, "\n"), marker: containsAny(text, markerHints)}
	f.parts = make([]part, len(f.lines))
	f.quoted = make([]bool, len(f.lines))
	f.mark(spans)
	end := f.history()
	f.runs(end)
	for i := end; i < len(f.lines); i++ {
		f.parts[i] = inQuote
	}
	f.signature()
	if !f.anyReply() {
		return Folded{Reply: trimBlank(text)}
	}
	return Folded{Reply: f.join(inReply), Quoted: f.join(inQuote), Signature: f.join(inSignature)}
}

type folding struct {
	lines  []string
	marker bool   // there may be a helpdesk's mark in the text
	quoted []bool // the line is marked as a quote, by ">" or by the HTML
	parts  []part
}

// mark notes which lines are quotes by what stands in front of them or by the HTML they come from.
func (f *folding) mark(spans []safehtml.Span) {
	at := 0
	for i, line := range f.lines {
		for len(spans) > 0 && spans[0].End <= at {
			spans = spans[1:]
		}
		if len(spans) > 0 && at >= spans[0].Start && at < spans[0].End {
			if spans[0].Kind == safehtml.Quote {
				f.quoted[i] = true
			} else {
				f.parts[i] = inSignature
			}
		}
		if strings.IndexByte(line, '>') >= 0 && strings.HasPrefix(strings.TrimLeft(line, " \t\u00a0"), ">") {
			f.quoted[i] = true
		}
		at += len(line) + 1
	}
}

// history gives the line from which on all is earlier mail, where the mailer put it behind the answer without marking its
// lines; the number of lines if there is none.
func (f *folding) history() int {
	for i := range f.lines {
		if f.quoted[i] || blank(f.lines[i]) {
			continue
		}
		switch {
		case f.separator(f.lines[i]), f.headerBlock(i):
			return f.upOverRule(i)
		}
		if start, marked, ok := f.introduction(i); ok && !marked {
			return start
		}
	}
	return len(f.lines)
}

// upOverRule takes the line of underscores that Outlook writes above the header of the quoted mail.
func (f *folding) upOverRule(i int) int {
	k := i - 1
	for k >= 0 && blank(f.lines[k]) {
		k--
	}
	if k >= 0 {
		if s := strings.TrimSpace(f.lines[k]); len(s) >= 10 && strings.Trim(s, "_-") == "" {
			return k
		}
	}
	return i
}

// runs folds the lines before end that are marked as quotes, with their introductions, unless the answer stands between
// them.
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
			} else if !blank(f.lines[k]) {
				break
			}
		}
		found = append(found, run{f.introductionAbove(i), to})
		i = to - 1
	}
	for i := 1; i < len(found); i++ {
		for k := found[i-1].to; k < found[i].from; k++ {
			if !blank(f.lines[k]) && f.parts[k] != inSignature {
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

// introductionAbove gives the line where the introduction of the quote at line i begins, or i.
func (f *folding) introductionAbove(i int) int {
	k := i - 1
	for k >= 0 && blank(f.lines[k]) {
		k--
	}
	if k < 0 || f.quoted[k] {
		return i
	}
	if start, _, ok := f.introduction(k); ok {
		return start
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
	if !strings.Contains(f.lines[i], ":") && !strings.Contains(f.lines[i], "：") {
		return 0, false, false
	}
	last := strings.TrimRight(f.lines[i], " \t\u00a0*_")
	if !strings.HasSuffix(last, ":") && !strings.HasSuffix(last, "：") {
		return 0, false, false
	}
	next := i + 1
	for next < len(f.lines) && blank(f.lines[next]) {
		next++
	}
	marked = next < len(f.lines) && f.quoted[next]
	text := ""
	for k := i; k >= 0 && k > i-maxIntroductionLines; k-- {
		line := strings.TrimSpace(f.lines[k])
		if line == "" || k < i && f.quoted[k] {
			break
		}
		text = line + " " + text
		if len(text) > maxIntroduction {
			break
		}
		if introduces(strings.TrimSpace(text), marked) {
			return k, marked, true
		}
	}
	return 0, false, false
}

// introduces tells whether a text is an introduction in any language we know. Without a quote behind it, it has to begin as one
// and name a time or an address.
func introduces(s string, marked bool) bool {
	s = strings.Trim(s, "*_ ")
	lower := strings.ToLower(s)
	digits := strings.ContainsAny(s, "0123456789") || strings.ContainsAny(s, "@<")
	for _, l := range introductions {
		if !containsAny(lower, l.verbs) {
			continue
		}
		if digits && hasOpener(lower, l.openers) {
			return true
		}
		if marked && (len(s) < 200 && endsWithVerb(lower, l.verbs) || digits) {
			return true
		}
	}
	// Gmail in Japanese, Chinese and Korean: "2024年3月12日(火) 10:11 Ann <ann@example.com>:"
	return digits && strings.Contains(s, "@") && len(s) > 4 && strings.HasPrefix(strings.TrimLeft(s, "0123456789"), "年") && s[0] >= '0' && s[0] <= '9'
}

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

// headerBlock tells whether the header of an earlier mail stands at line i: "From:" and at least two more of its fields, in any
// language, as Outlook and others write it above the mail.
func (f *folding) headerBlock(i int) bool {
	first, ok := label(f.lines[i])
	if !ok || first != labelFrom {
		return false
	}
	seen := map[int]bool{labelFrom: true}
	for k, misses := i+1, 0; k < len(f.lines) && k < i+10 && misses < 3; k++ {
		if name, ok := label(f.lines[k]); ok {
			seen[name] = true
		} else {
			misses++
		}
		if len(seen) >= 3 {
			return seen[labelSent] || seen[labelTo] && seen[labelSubject]
		}
	}
	return false
}

// label reads the field name a line of such a header begins with.
func label(line string) (int, bool) {
	if len(line) > 80 {
		line = line[:80]
	}
	if strings.IndexByte(line, ':') < 0 && !strings.Contains(line, "：") {
		return 0, false
	}
	line = strings.TrimLeft(line, " \t\u00a0*>|")
	end := strings.IndexAny(line, ":：")
	if end <= 0 || end > 40 {
		return 0, false
	}
	name, ok := labels[strings.ToLower(strings.Trim(line[:end], " \t\u00a0*"))]
	return name, ok
}

// separator tells whether a line stands by itself between answer and history.
func (f *folding) separator(line string) bool {
	s := strings.TrimSpace(line)
	if len(s) < 5 || len(s) > 200 {
		return false
	}
	if f.marker && containsAny(strings.ToLower(s), answerAbove) {
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
	return false
}

// signature marks the signature of the answer: what is behind "-- ", or a line that a telephone adds.
func (f *folding) signature() {
	for i, line := range f.lines {
		if f.parts[i] != inReply || blank(line) {
			continue
		}
		dashes := line == "-- " || line == "--" || line == "--\u00a0"
		if !dashes && !deviceLine(line) {
			continue
		}
		before := false
		for k := range i {
			before = before || f.parts[k] == inReply && !blank(f.lines[k])
		}
		if !before {
			continue
		}
		for k := i; k < len(f.lines) && f.parts[k] == inReply; k++ {
			if !dashes && k > i && !blank(f.lines[k]) && !deviceLine(f.lines[k]) {
				break // a telephone's line is one line
			}
			f.parts[k] = inSignature
		}
		if dashes {
			return
		}
	}
}

func deviceLine(line string) bool {
	s := strings.ToLower(strings.Trim(strings.TrimSpace(line), "*_"))
	if len(s) > 120 {
		return false
	}
	for _, prefix := range deviceLines {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

func (f *folding) anyReply() bool {
	for i, line := range f.lines {
		if f.parts[i] == inReply && !blank(line) {
			return true
		}
	}
	return false
}

// join gives the lines of one part. Where others lay between two pieces, an empty line does.
func (f *folding) join(p part) string {
	var b strings.Builder
	gap := false
	for i, line := range f.lines {
		if f.parts[i] != p {
			gap = gap || !blank(line) && b.Len() > 0
			continue
		}
		if gap && !blank(line) {
			b.WriteByte('\n')
			gap = false
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return trimBlank(b.String())
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

func blank(line string) bool { return strings.TrimSpace(line) == "" }
