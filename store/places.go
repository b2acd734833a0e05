package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"postern/desk"
)

// AddPlace notes that a mail of a ticket's message lies where a ledger row says, under a Message-ID, by our doing or not, and tells whether it is the first
// place of it that is known in the mailbox. Of a message that is gone nothing is noted: a mail must not wait for it.
func (tx *Tx) AddPlace(ctx context.Context, e desk.LedgerEntry, message desk.ID, mid desk.MessageID, ours bool) (first bool, err error) {
	err = tx.x.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM places WHERE message_id = $1 AND mailbox_id = $2 AND ledger_id <> $3)`, message, e.MailboxID, e.ID).Scan(&first)
	if err != nil {
		return false, err
	}
	return first, tx.exec(ctx, `INSERT INTO places (ledger_id, message_id, mailbox_id, folder, generation, uidvalidity, uid, mid, marks, ours, gone)
		SELECT $1, m.id, $3, $4, $5, $6, $7, $9, '', $8, FALSE FROM messages m WHERE m.id = $2 ON CONFLICT (ledger_id) DO UPDATE SET message_id = $2`, e.ID, message, e.MailboxID, e.Folder, e.Generation, e.UIDValidity, e.UID, ours, storedID(mid))
}

// LockTicket has others who look where a ticket's mails lie wait for the commit: each of two who see a half of a move would miss
// the whole.
func (tx *Tx) LockTicket(ctx context.Context, ticket desk.ID) error {
	var id desk.ID
	err := tx.x.QueryRowContext(ctx, `SELECT id FROM tickets WHERE id = $1`+tx.d.updateLock, ticket).Scan(&id)
	_, err = one("ticket", id, err)
	return err
}

// placedAgain is how far back PlaceKnown looks once more: a process that has not heard yet that a mailbox is followed files mails without noting
// where they lie.
const placedAgain = 24 * time.Hour

// placedRows are the ledger rows of a mailbox's mails behind one of them: found by the ids, for those behind are few, and all of the mailbox's many.
const placedRows = `l.mailbox_id || '' = $1 AND l.id > $2 AND l.role = 'inbox' AND l.form_id = ''`

const placedSelect = `SELECT l.id FROM ledger l WHERE ` + placedRows + ` ORDER BY l.id LIMIT 1 OFFSET $3`

// PlaceKnown notes where the mails of a mailbox's tickets lie that were read before anybody asked, as far as their first places are
// known: of up to a number of ledger rows, the oldest that were not asked about, and of those of the last day. It tells whether these were all.
func (tx *Tx) PlaceKnown(ctx context.Context, mailbox desk.ID, most int) (all bool, err error) {
	var from, to string
	if err := tx.x.QueryRowContext(ctx, `SELECT placed_until FROM mailboxes WHERE id = $1`, mailbox).Scan(&from); err != nil {
		_, err = one("mailbox", from, err)
		return false, err
	}
	err = tx.x.QueryRowContext(ctx, placedSelect, mailbox, from, most-1).Scan(&to)
	all = errors.Is(err, sql.ErrNoRows)
	if err != nil && !all {
		return false, err
	}
	err = tx.exec(ctx, `INSERT INTO places (ledger_id, message_id, mailbox_id, folder, generation, uidvalidity, uid, mid, marks, ours, gone)
		SELECT l.id, m.id, l.mailbox_id, l.folder, l.generation, l.uidvalidity, l.uid, '', '', FALSE, FALSE FROM ledger l JOIN messages m ON m.ledger_id = l.id
		WHERE `+placedRows+` AND ($3 = '' OR l.id <= $3) ON CONFLICT DO NOTHING`, mailbox, from, to)
	if err != nil {
		return false, err
	}
	if all {
		to = firstID(tx.Now().Add(-placedAgain))
	}
	return all, tx.exec(ctx, `UPDATE mailboxes SET placed_until = $2 WHERE id = $1`, mailbox, to)
}

// MessageOf finds the message that a ledger row has become, as far as that it tells its id and its ticket; NotFound if it is none.
func (r reads) MessageOf(ctx context.Context, ledger desk.ID) (m desk.Message, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT id, ticket_id FROM messages WHERE ledger_id = $1`, ledger).Scan(&m.ID, &m.TicketID)
	return one("message", m, err)
}

// PlacesIn tells which mails of tickets are known to lie in a folder, in its generation and UIDVALIDITY, each with the keywords it was
// last seen with.
func (r reads) PlacesIn(ctx context.Context, f desk.Folder) (map[uint32][]string, error) {
	out := map[uint32][]string{}
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var uid uint32
		var marks string
		err := row.Scan(&uid, &marks)
		out[uid] = strings.Fields(marks)
		return struct{}{}, err
	}, `SELECT uid, marks FROM places WHERE mailbox_id = $1 AND folder = $2 AND NOT gone AND generation = $3 AND uidvalidity = $4`, f.MailboxID, f.Name, f.Generation, f.UIDValidity)
	return out, err
}

// Place is where a mail of a ticket lies.
type Place struct {
	LedgerID  desk.ID
	MessageID desk.ID // the message's, not the mail's
	TicketID  desk.ID
	Marks     []string
}

func scanPlace(row scanner) (p Place, err error) {
	var marks string
	err = row.Scan(&p.LedgerID, &p.MessageID, &p.TicketID, &marks)
	p.Marks = strings.Fields(marks)
	return p, err
}

const placeSelect = `SELECT p.ledger_id, p.message_id, m.ticket_id, p.marks FROM places p JOIN messages m ON m.id = p.message_id`

// undeleted leaves those out that are as good as gone.
const undeleted = `p.marks <> '` + desk.Deleted + `'`

// PlaceAt finds the mail that lies in a folder under a UID; NotFound if none of a ticket is known there.
func (r reads) PlaceAt(ctx context.Context, f desk.Folder, uid uint32) (Place, error) {
	p, err := scanPlace(r.x.QueryRowContext(ctx, placeSelect+` WHERE p.mailbox_id = $1 AND p.folder = $2 AND p.uid = $5 AND NOT p.gone AND p.generation = $3 AND p.uidvalidity = $4`,
		f.MailboxID, f.Name, f.Generation, f.UIDValidity, uid))
	return one("place", p, err)
}

// PlaceGone takes down that a mail does not lie in a place any more.
func (tx *Tx) PlaceGone(ctx context.Context, p Place) error {
	return tx.exec(ctx, `UPDATE places SET gone = TRUE, marks = '' WHERE ledger_id = $1`, p.LedgerID)
}

// PlaceMarked takes down which keywords a mail has now.
func (tx *Tx) PlaceMarked(ctx context.Context, p Place, marks []string) error {
	return tx.exec(ctx, `UPDATE places SET marks = $2 WHERE ledger_id = $1`, p.LedgerID, strings.Join(marks, " "))
}

// FormerPlaces forgets the places of a folder that belong to another generation or UIDVALIDITY of it: it was replaced.
func (tx *Tx) FormerPlaces(ctx context.Context, f desk.Folder) error {
	return tx.exec(ctx, `UPDATE places SET gone = TRUE WHERE mailbox_id = $1 AND folder = $2 AND NOT gone AND (generation <> $3 OR uidvalidity <> $4)`, f.MailboxID, f.Name, f.Generation, f.UIDValidity)
}

// NewestPlaced names the newest of a ticket's messages by customers that is known to lie, or to have lain, in the mailbox, and where it
// lies, the newest copy first. It is empty if there is none.
func (r reads) NewestPlaced(ctx context.Context, ticket, mailbox desk.ID) (message desk.ID, copies []desk.Lies, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT m.id FROM messages m WHERE m.ticket_id = $1 AND m.author_kind = 'customer' AND NOT m.internal
		AND EXISTS (SELECT 1 FROM places p WHERE p.message_id = m.id AND p.mailbox_id = $2) ORDER BY m.created_at DESC, m.id DESC LIMIT 1`, ticket, mailbox).Scan(&message)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	copies, err = collect(ctx, r.x, func(row scanner) (l desk.Lies, err error) {
		err = row.Scan(&l.Folder, &l.Ours)
		return l, err
	}, `SELECT p.folder, p.ours FROM places p WHERE p.message_id = $1 AND p.mailbox_id = $2 AND NOT p.gone AND `+undeleted+` ORDER BY p.ledger_id DESC`, message, mailbox)
	return message, copies, err
}

// MarkedIn tells whether a mail of the ticket that lies in the mailbox has a keyword.
func (r reads) MarkedIn(ctx context.Context, ticket, mailbox desk.ID, mark string) (bool, error) {
	all, err := collect(ctx, r.x, scanString, `SELECT DISTINCT p.marks FROM places p JOIN messages m ON m.id = p.message_id WHERE m.ticket_id = $1 AND p.mailbox_id = $2 AND NOT p.gone`, ticket, mailbox)
	return slices.ContainsFunc(all, func(marks string) bool { return slices.Contains(strings.Fields(marks), mark) }), err
}

// Locate lists the mails of a ticket that lie in a mailbox beside Sent, the newest first and up to a number: each where it lies, which may be in several
// places, or where it lay last.
func (r reads) Locate(ctx context.Context, ticket, mailbox desk.ID, most int) ([]desk.Located, error) {
	newest, _, err := r.NewestPlaced(ctx, ticket, mailbox)
	if err != nil {
		return nil, err
	}
	found, err := collect(ctx, r.x, func(row scanner) (l desk.Located, err error) {
		err = row.Scan(&l.Message, &l.MessageID, &l.There, &l.Folder, &l.UIDValidity, &l.UID, &l.Shared)
		l.Newest = l.Message == newest
		return l, err
	}, `SELECT m.id, m.message_id, p.mid, p.folder, p.uidvalidity, p.uid,
			(SELECT count(*) FROM fingerprints f
				WHERE f.mailbox_id = p.mailbox_id AND f.message_id = CASE WHEN p.mid = '' THEN m.message_id ELSE p.mid END) > 1 AS shared
		FROM messages m JOIN places p ON p.message_id = m.id
		WHERE m.ticket_id = $1 AND p.mailbox_id = $2 AND `+undeleted+` AND (NOT p.gone OR p.ledger_id =
			(SELECT max(p.ledger_id) FROM places p WHERE p.message_id = m.id AND p.mailbox_id = $2 AND `+undeleted+`))
		ORDER BY m.created_at DESC, m.id DESC, p.ledger_id DESC LIMIT $3`, ticket, mailbox, most)
	return found, err
}

// SeenOf gives what is known of a ticket's conversation in a mailbox.
func (r reads) SeenOf(ctx context.Context, ticket, mailbox desk.ID) (desk.Seen, error) {
	s := desk.Seen{TicketID: ticket, MailboxID: mailbox}
	err := r.x.QueryRowContext(ctx, `SELECT place, mark, moves FROM followed WHERE ticket_id = $1 AND mailbox_id = $2`, ticket, mailbox).Scan(&s.Place, &s.Mark, packed[[]desk.OwnMove]{&s.Moves})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, err
}

// PutSeen stores what is known of a ticket's conversation.
func (tx *Tx) PutSeen(ctx context.Context, s desk.Seen) error {
	return tx.exec(ctx, `INSERT INTO followed (ticket_id, mailbox_id, place, mark, moves) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (ticket_id, mailbox_id) DO UPDATE SET place = $3, mark = $4, moves = $5`, s.TicketID, s.MailboxID, s.Place, s.Mark, pack(s.Moves))
}

// Following tells whether a mailbox is being brought in step with a ticket, or has been since a time.
func (r reads) Following(ctx context.Context, ticket, mailbox desk.ID, since time.Time) (busy bool, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE ticket_id = $1 AND mailbox_id = $2 AND kind = $3 AND (done_at = 0 OR done_at >= $4))`,
		ticket, mailbox, desk.FollowTicket, ms(since)).Scan(&busy)
	return busy, err
}

// Putting tells whether mail about a ticket is still to be put into a mailbox.
func (r reads) Putting(ctx context.Context, ticket, mailbox desk.ID) (busy bool, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE ticket_id = $1 AND mailbox_id = $2 AND kind = $3 AND done_at = 0)`, ticket, mailbox, desk.PutInInbox).Scan(&busy)
	return busy, err
}

// AddEvent stores what has happened to a ticket.
func (tx *Tx) AddEvent(ctx context.Context, e desk.Event) error {
	return tx.exec(ctx, `INSERT INTO events (id, ticket_id, mailbox_id, at, kind, was, becomes, cause, dry_run) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		NewID(), e.TicketID, e.MailboxID, ms(tx.Now()), e.Kind, clip(e.From, 200), clip(e.To, 200), e.Cause, e.DryRun)
}

const eventSelect = `SELECT id, ticket_id, mailbox_id, at, kind, was, becomes, cause, dry_run FROM events`

func scanEvent(row scanner) (e desk.Event, err error) {
	err = row.Scan(&e.ID, &e.TicketID, &e.MailboxID, millis{&e.At}, &e.Kind, &e.From, &e.To, &e.Cause, &e.DryRun)
	return e, err
}

// TicketEvents lists what has happened to a ticket, newest first; what only would have is left out.
func (r reads) TicketEvents(ctx context.Context, ticket desk.ID, p Page) ([]desk.Event, error) {
	return collect(ctx, r.x, scanEvent, eventSelect+` WHERE ticket_id = $1 AND NOT dry_run AND id < $2 ORDER BY id DESC LIMIT $3`, ticket, p.before(), p.limit())
}

// MailboxEvents lists what has to do with a mailbox, newest first: what its agents have done to tickets, what was done to its mail, and
// what would have been.
func (r reads) MailboxEvents(ctx context.Context, mailbox desk.ID, p Page) ([]desk.Event, error) {
	return collect(ctx, r.x, scanEvent, eventSelect+` WHERE mailbox_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, mailbox, p.before(), p.limit())
}
