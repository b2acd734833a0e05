package mailmsg

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"

	"postern/desk"
)

const (
	maxCalendarValue = 16 << 10 // bytes of a value that are shown
	maxEvents        = 10       // of one file that are shown
)

// isCalendar tells whether a part is iCalendar.
func isCalendar(mediaType, name string) bool {
	return mediaType == "text/calendar" || mediaType == "application/ics" || strings.HasSuffix(strings.ToLower(name), ".ics")
}

// calendarPart keeps an invitation as the file it is, and what it says for a mail that has no text.
func (p *parser) calendarPart(r io.Reader, ct value, file desk.Attachment) error {
	var head bytes.Buffer
	if err := p.attach(&teeReader{r: r, keep: &head}, file); err != nil {
		return err
	}
	p.work += head.Len()
	raw := unfold(head.Bytes())
	text := readCalendar(p.decoded(raw[:runeEnd(raw)], ct.param("charset")), ct.param("method"))
	if text = text[:runeEnd([]byte(text)[:min(len(text), p.textLeft())])]; text != "" {
		p.text += len(text)
		p.spareText(piece{text: text})
	}
	return nil
}

// unfold puts lines together that were folded (RFC 5545 section 3.1), perhaps within a character.
func unfold(b []byte) []byte {
	out := b[:0]
	for line := range bytes.Lines(b) {
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			line = line[1:]
			out = bytes.TrimSuffix(bytes.TrimSuffix(out, []byte("\n")), []byte("\r"))
		}
		out = append(out, line...)
	}
	return out
}

// contentLine is a property of a calendar (RFC 5545 section 3.1).
type contentLine struct {
	name   string // lower-case
	params []field
	value  string
}

func (c contentLine) param(name string) string { return value{params: c.params}.param(name) }

// text gives a value of type TEXT (RFC 5545 section 3.3.11).
func (c contentLine) text() string {
	s := c.value
	if len(s) > maxCalendarValue {
		s = strings.ToValidUTF8(s[:maxCalendarValue], "") + "…"
	}
	return strings.TrimSpace(textEscapes.Replace(s))
}

// line gives a value of type TEXT on one line.
func (c contentLine) line() string { return strings.Join(strings.Fields(c.text()), " ") }

// event is what people are told of a VEVENT or VTODO (RFC 5545 sections 3.6.1 and 3.6.2).
type event struct {
	summary, start, end, duration, place, organizer, repeats, status, description contentLine
	attendees                                                                     []contentLine // the first two
}

// readCalendar gives in plain words what an iCalendar file says (RFC 5545), once its lines are unfolded: which method it has (RFC 5546), and of its events
// what they are, when and where they are, and who asks for them. It is "" where there is no event. method is that of the
// Content-Type, which goes before the file's own.
func readCalendar(text, method string) string {
	var events []event
	var within []string // the components that are open, outermost first
	for s := range strings.SplitSeq(text, "\n") {
		line, ok := parseContentLine(s)
		if !ok {
			continue
		}
		switch line.name {
		case "begin":
			kind := strings.ToLower(line.value)
			if len(within) < 10 {
				within = append(within, kind)
			}
			if len(within) == 2 && isEvent(kind) {
				if len(events) == maxEvents {
					return calendarText(events, method, true)
				}
				events = append(events, event{})
			}
		case "end":
			if n := len(within); n > 0 && within[n-1] == strings.ToLower(line.value) {
				within = within[:n-1]
			}
		case "method":
			if method == "" {
				method = line.value
			}
		default:
			if len(within) == 2 && isEvent(within[1]) {
				events[len(events)-1].set(line)
			}
		}
	}
	return calendarText(events, method, false)
}

func isEvent(component string) bool { return component == "vevent" || component == "vtodo" }

// set takes a property. The first of its name counts.
func (e *event) set(line contentLine) {
	var to *contentLine
	switch line.name {
	case "summary":
		to = &e.summary
	case "dtstart":
		to = &e.start
	case "dtend", "due":
		to = &e.end
	case "duration":
		to = &e.duration
	case "location":
		to = &e.place
	case "organizer":
		to = &e.organizer
	case "rrule":
		to = &e.repeats
	case "status":
		to = &e.status
	case "description":
		to = &e.description
	case "attendee":
		if len(e.attendees) < 2 {
			e.attendees = append(e.attendees, line)
		}
		return
	default:
		return
	}
	if to.name == "" {
		*to = line
	}
}

func calendarText(events []event, method string, more bool) string {
	var b strings.Builder
	for _, e := range events {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		e.write(&b, strings.ToLower(strings.TrimSpace(method)))
	}
	if more {
		b.WriteString("\n\n…")
	}
	return b.String()
}

func (e *event) write(b *strings.Builder, method string) {
	b.WriteString(e.title(method))
	put := func(label, s string) {
		if s != "" {
			b.WriteString("\n" + label + ": " + s)
		}
	}
	put("When", e.when())
	if kind, ok := frequency(e.repeats.value); ok {
		put("Repeats", kind)
	}
	put("Where", e.place.line())
	put("Organiser", e.organizer.person())
	if method == "reply" {
		return // its description is that of the invitation
	}
	if s := e.description.text(); s != "" {
		b.WriteString("\n\n" + s)
	}
}

// title says what the mail is for, and about what.
func (e *event) title(method string) string {
	kind := "Event"
	switch method {
	case "request", "add":
		kind = "Invitation"
	case "cancel":
		kind = "Cancellation"
	case "reply":
		kind = "Answer"
		if len(e.attendees) == 1 {
			kind = answerWord(e.attendees[0].param("partstat"))
			if who := e.attendees[0].person(); who != "" {
				kind += " by " + who
			}
		}
	case "counter":
		kind = "Other time proposed"
	case "declinecounter":
		kind = "Proposed time declined"
	case "refresh":
		kind = "Asked for again"
	}
	if strings.EqualFold(e.status.value, "cancelled") && method != "reply" {
		kind = "Cancellation"
	}
	if s := e.summary.line(); s != "" {
		return kind + ": " + s
	}
	return kind
}

// answerWord says what somebody answered (RFC 5545 section 3.2.12).
func answerWord(status string) string {
	switch strings.ToLower(status) {
	case "accepted":
		return "Accepted"
	case "declined":
		return "Declined"
	case "tentative":
		return "Accepted tentatively"
	case "delegated":
		return "Delegated"
	}
	return "Answer"
}

// person gives a name and an address (RFC 5545 section 3.3.3).
func (c contentLine) person() string {
	a := desk.Address{Name: headerLine(c.param("cn"))}
	if scheme, rest, ok := strings.Cut(c.value, ":"); ok && strings.EqualFold(scheme, "mailto") {
		a.Email = headerLine(rest)
	}
	switch {
	case a.Email == "":
		return a.Name
	case a.Name == "" || strings.EqualFold(a.Name, a.Email):
		return a.Email
	}
	return a.Name + " <" + a.Email + ">"
}

// when gives the time as it is written, with its time zone: what that is called in the file may be known there only.
func (e *event) when() string {
	start, day, zone, ok := e.start.time()
	if !ok {
		return e.start.line()
	}
	end, endDay, endZone, ok := e.end.time()
	switch {
	case ok && day && endDay:
		end = end.AddDate(0, 0, -1) // the end is the day after (RFC 5545 section 3.6.1)
	case !ok && e.duration.value != "":
		length, known := duration(e.duration.value)
		if known && day && length >= 24*time.Hour {
			length -= 24 * time.Hour
		}
		end, endZone, ok = start.Add(length), zone, known
	}
	const dateForm, timeForm = "2006-01-02", "15:04"
	if day {
		if !ok || !end.After(start) {
			return start.Format(dateForm)
		}
		return start.Format(dateForm) + " – " + end.Format(dateForm)
	}
	s := start.Format(dateForm + " " + timeForm)
	if ok && zone != endZone {
		s += inZone(zone)
	}
	switch {
	case !ok:
		return s + inZone(zone)
	case end.Format(dateForm) == start.Format(dateForm):
		s += " – " + end.Format(timeForm)
	default:
		s += " – " + end.Format(dateForm+" "+timeForm)
	}
	return s + inZone(endZone)
}

func inZone(zone string) string {
	if zone == "" {
		return ""
	}
	return " (" + zone + ")"
}

// time reads a date, or a date with a time (RFC 5545 sections 3.3.4 and 3.3.5).
func (c contentLine) time() (t time.Time, day bool, zone string, ok bool) {
	s := strings.ToUpper(strings.TrimSpace(c.value))
	if t, err := time.Parse("20060102", s); err == nil {
		return t, true, "", true
	}
	zone = headerLine(c.param("tzid"))
	if rest, utc := strings.CutSuffix(s, "Z"); utc {
		s, zone = rest, "UTC"
	}
	t, err := time.Parse("20060102T150405", s)
	if err != nil {
		t, err = time.Parse("20060102T1504", s)
	}
	return t, false, zone, err == nil
}

// duration reads a length of time such as PT1H30M (RFC 5545 section 3.3.6).
func duration(s string) (d time.Duration, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "+"), "P")
	if !ok || s == "" || len(s) > 30 {
		return 0, false
	}
	for s != "" {
		if s = strings.TrimPrefix(s, "T"); s == "" {
			break
		}
		i := strings.IndexAny(s, "WDHMS")
		if i < 0 {
			return 0, false
		}
		n, err := strconv.ParseUint(s[:i], 10, 16)
		if err != nil {
			return 0, false
		}
		unit := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}[s[i]]
		d += time.Duration(n) * unit
		s = s[i+1:]
	}
	return d, true
}

// frequency says how often something repeats (RFC 5545 section 3.3.10).
func frequency(rule string) (string, bool) {
	for part := range strings.SplitSeq(strings.ToLower(rule), ";") {
		if kind, ok := strings.CutPrefix(part, "freq="); ok {
			switch kind {
			case "hourly", "daily", "weekly", "monthly", "yearly":
				return kind, true
			}
		}
	}
	return "", false
}

// paramEscapes reads a parameter: it may be in quotes, and RFC 6868 writes what can't stand in them.
var paramEscapes = strings.NewReplacer(`"`, "", "^^", "^", "^n", " ", "^'", `"`)

// textEscapes reads a value of type TEXT.
var textEscapes = strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\\`, `\`)

// parseContentLine reads "name;param=value;…:value", where a parameter in quotes may have anything in it.
func parseContentLine(s string) (contentLine, bool) {
	end := strings.IndexAny(s, ";:")
	if end <= 0 {
		return contentLine{}, false
	}
	line := contentLine{name: strings.ToLower(strings.TrimSpace(s[:end]))}
	for s = s[end:]; s != "" && s[0] == ';'; {
		eq := strings.IndexAny(s[1:], "=;:") + 1
		if eq == 0 {
			return contentLine{}, false
		}
		if s[eq] != '=' { // a name with no value
			s = s[eq:]
			continue
		}
		key := strings.ToLower(strings.TrimSpace(s[1:eq]))
		s = s[eq+1:]
		quoted := false
		for end = 0; end < len(s) && (quoted || s[end] != ';' && s[end] != ':'); end++ {
			quoted = quoted != (s[end] == '"')
		}
		if len(line.params) < 20 {
			line.params = append(line.params, field{key, paramEscapes.Replace(s[:end])})
		}
		s = s[end:]
	}
	if s == "" {
		return contentLine{}, false
	}
	line.value = s[1:]
	return line, true
}
