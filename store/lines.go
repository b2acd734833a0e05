package store

import (
	"context"
	"slices"
	"strings"

	"postern/desk"
	"postern/i18n"
)

// Listing says which tickets a list shows. The zero value shows all in scope, by their last activity, the newest first.
type Listing struct {
	Kind   ListingKind
	Where  []desk.Condition // what the reader filters by; all must hold
	Words  []string         // as i18n.Words gives them: each must be in the subject, a message or a file name
	Number int64            // that the reader looks for: found, and first, whatever the words say
	Sort   string           // number, subject, status, created or last_activity; empty: last_activity
	Up     bool             // the smallest first
	Offset int
	Limit  int
}

// ListingKind is a part of the tickets.
type ListingKind string

// The parts.
const (
	ListAll     ListingKind = ""
	ListOpen    ListingKind = "open" // those that wait for the customer among them
	ListWaiting ListingKind = "waiting"
	ListClosed  ListingKind = "closed"
)

// TicketLine is a ticket as a list shows it.
type TicketLine struct {
	desk.Ticket
	LastAuthor desk.Author // of the newest message in scope
	LastReply  string      // the first 300 characters of what it says
	HasFiles   bool
	Unread     bool // it has a message of somebody else's that the contact of the scope has not seen
	// Requester is the name of who asked, RequesterEmail where their mail goes.
	Requester, RequesterEmail string
	Hit                       string // of a search by words: the text that has them, if it is a message's
	HitAuthor                 desk.Author
}

// Counts are how many tickets each part of a listing has, whichever of them is shown.
type Counts struct{ All, Open, Waiting, Closed int }

// Of is the count of a part.
func (c Counts) Of(k ListingKind) int {
	return map[ListingKind]int{ListAll: c.All, ListOpen: c.Open, ListWaiting: c.Waiting, ListClosed: c.Closed}[k]
}

// listed gives the condition of a listing but for its kind, and adds its arguments.
func (r reads) listed(s desk.Scope, l Listing, args *arguments) string {
	all := []string{candidates(s, args), r.scoped(s, args), `t.merged_into = ''`}
	for _, c := range l.Where {
		all = append(all, r.holds(s, c, args))
	}
	if len(l.Words) > 0 || l.Number > 0 {
		var words []string
		for _, w := range l.Words {
			pattern := args.add(contains(w))
			// With EXISTS, PostgreSQL may go through all the messages there are and keep what it finds, where it takes them for few.
			words = append(words, `(t.folded LIKE `+pattern+` ESCAPE '\' OR (SELECT 1 FROM messages m WHERE m.ticket_id = t.id AND `+seen(s)+` AND m.folded LIKE `+pattern+` ESCAPE '\' LIMIT 1) IS NOT NULL)`)
		}
		hit := `FALSE`
		if len(words) > 0 {
			hit = strings.Join(words, ` AND `)
		}
		if l.Number > 0 {
			hit += ` OR t.number = ` + args.add(l.Number)
		}
		all = append(all, `(`+hit+`)`)
	}
	return strings.Join(all, ` AND `)
}

// isIn gives the condition that a ticket has one of the statuses, each as pipeline/status.
func isIn(statuses []string, args *arguments) string {
	if len(statuses) == 0 {
		return `FALSE`
	}
	return `(t.pipeline || '/' || t.status) IN (` + args.list(anys(statuses)) + `)`
}

// TicketLines lists tickets in scope, and counts those of each part. closed are the statuses that count as closed, as
// desk.ClosedStatuses gives them.
func (r reads) TicketLines(ctx context.Context, s desk.Scope, l Listing, closed []string) ([]TicketLine, Counts, error) {
	counts, err := r.CountTickets(ctx, s, l, closed)
	if err != nil || counts.Of(l.Kind) <= l.Offset {
		return nil, counts, err
	}
	var args arguments
	cond := r.listed(s, l, &args)
	switch l.Kind {
	case ListOpen:
		cond += ` AND NOT ` + isIn(closed, &args)
	case ListWaiting:
		cond += ` AND t.status = '` + desk.Waiting + `'`
	case ListClosed:
		cond += ` AND ` + isIn(closed, &args)
	case ListAll:
	}
	order := l.order(closed, &args)
	me := args.add(s.Reader())
	query := `SELECT ` + ticketColumns + `, COALESCE(m.author_kind, ''), COALESCE(m.author_name, ''), COALESCE(m.author_email, ''), COALESCE(m.contact_id, ''),
			COALESCE(substr(m.reply, 1, 300), ''), EXISTS (SELECT 1 FROM attachments a JOIN messages m ON m.id = a.message_id WHERE m.ticket_id = t.id AND ` + seen(s) + `),
			COALESCE((SELECT c.name FROM contacts c WHERE c.id = t.contact_id), ''), COALESCE((SELECT a.email FROM contact_addresses a WHERE a.contact_id = t.contact_id AND a.position = 0), ''),
			COALESCE(m.contact_id <> ` + me + ` AND m.created_at > COALESCE((SELECT v.at FROM ticket_views v WHERE v.ticket_id = t.id AND v.contact_id = ` + me + `), 0), FALSE)
		FROM (SELECT * FROM tickets t WHERE ` + cond + order + ` LIMIT ` + args.add(l.Limit) + ` OFFSET ` + args.add(l.Offset) + `) t
		LEFT JOIN messages m ON m.id = (SELECT m.id FROM messages m WHERE m.ticket_id = t.id AND ` + seen(s) + ` ORDER BY m.created_at DESC, m.id DESC LIMIT 1)` + order
	lines, err := collect(ctx, r.x, func(row scanner) (l TicketLine, err error) {
		err = row.Scan(append(ticketFields(&l.Ticket), &l.LastAuthor.Kind, &l.LastAuthor.Name, &l.LastAuthor.Email, &l.LastAuthor.ContactID, &l.LastReply, &l.HasFiles, &l.Requester, &l.RequesterEmail, &l.Unread)...)
		return l, err
	}, query, args...)
	if err == nil && len(l.Words) > 0 {
		err = r.hits(ctx, s, l.Words, lines)
	}
	return lines, counts, err
}

// order gives the order of a listing. What is equal is ordered by age.
func (l Listing) order(closed []string, args *arguments) string {
	down := ` DESC`
	if l.Up {
		down = ``
	}
	by := map[string]string{"number": `t.number`, "subject": `t.folded`, "created": `t.created_at`}[l.Sort]
	switch {
	case l.Sort == "status":
		by = isIn(closed, args) + down + `, t.status`
	case by == "":
		by = `t.last_activity_at`
	}
	first := ``
	if l.Number > 0 {
		first = `t.number = ` + args.add(l.Number) + ` DESC, `
	}
	return ` ORDER BY ` + first + by + down + `, t.id DESC`
}

// CountTickets counts the tickets of each part of a listing.
func (r reads) CountTickets(ctx context.Context, s desk.Scope, l Listing, closed []string) (c Counts, err error) {
	var args arguments
	isClosed := isIn(closed, &args)
	cond := r.listed(s, l, &args)
	err = r.x.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE `+isClosed+`), count(*) FILTER (WHERE t.status = '`+desk.Waiting+`') FROM tickets t WHERE `+cond, args...).
		Scan(&c.All, &c.Closed, &c.Waiting)
	c.Open = c.All - c.Closed
	return c, err
}

// The most of its messages that a ticket's hit is looked for in, and how much of each.
const (
	hitMessages = 50
	hitText     = 20_000
)

// hits finds for each line the newest message that has most of the words.
func (r reads) hits(ctx context.Context, s desk.Scope, words []string, lines []TicketLine) error {
	if len(lines) == 0 {
		return nil
	}
	var args arguments
	ids := make([]desk.ID, len(lines))
	for i, l := range lines {
		ids[i] = l.ID
	}
	var any []string
	list := args.list(anys(ids))
	for _, w := range words {
		any = append(any, `m.folded LIKE `+args.add(contains(w))+` ESCAPE '\'`)
	}
	best := make([]int, len(lines))
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var ticket desk.ID
		var by desk.Author
		var reply string
		if err := row.Scan(&ticket, &by.Kind, &by.Name, &by.Email, &by.ContactID, &reply); err != nil {
			return struct{}{}, err
		}
		i, n, folded := slices.Index(ids, ticket), 0, i18n.Fold(reply)
		for _, w := range words {
			if strings.Contains(folded, w) {
				n++
			}
		}
		if n > best[i] {
			best[i], lines[i].Hit, lines[i].HitAuthor = n, reply, by
		}
		return struct{}{}, nil
	}, `SELECT ticket_id, author_kind, author_name, author_email, contact_id, substr(reply, 1, `+args.add(hitText)+`) FROM
		(SELECT m.ticket_id, m.author_kind, m.author_name, m.author_email, m.contact_id, m.reply, row_number() OVER (PARTITION BY m.ticket_id ORDER BY m.created_at DESC, m.id DESC) AS place FROM messages m WHERE m.ticket_id IN (`+list+`) AND `+seen(s)+` AND (`+strings.Join(any, ` OR `)+`)) m
		WHERE place <= `+args.add(hitMessages)+` ORDER BY ticket_id, place`, args...)
	return err
}

// maxFolded is how much of a message is searched, in bytes. The words of a long one are at its beginning.
const maxFolded = 16_000

// folded is what a message is searched by: what is new in it, and the names of its files. A note is searched by nobody's customer.
func folded(m desk.Message) string {
	if m.Internal {
		return ""
	}
	text := clip(i18n.Fold(clip(m.Reply, maxFolded)), maxFolded)
	for _, a := range m.Attachments {
		text += " " + i18n.Fold(clip(a.Name, 255))
	}
	return text
}
