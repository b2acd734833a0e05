package tickets

import (
	"context"
	"slices"

	"postern/desk"
	"postern/store"
)

// thread is what a mail's Message-IDs say of where it belongs.
type thread struct {
	named   []desk.MessageID // what it answers, as ids gives it
	known   []store.KnownID
	people  []string  // whom it is from and to, but for us
	own     store.Own // what it carries, if we wrote it
	copyOf  desk.ID   // the ledger row of the same mail that came before
	renamed bool      // that has another Message-ID
	twin    desk.ID   // the message that this has become, if it came to another mailbox before
}

// mostReferences is how many ids of a chain count (REQUIREMENTS M9).
const mostReferences = 50

// threadOf looks up the mails that a mail answers, and the mail itself: another one may have named it before.
func threadOf(ctx context.Context, tx *store.Tx, org *store.Organisation, k *known, mb desk.Mailbox, mail desk.Mail) (th thread, err error) {
	th.named = ids(mail)
	th.named = th.named[:min(len(th.named), mostReferences)]
	for _, a := range slices.Concat([]desk.Address{mail.From}, mail.To, mail.Cc) {
		if a.Email != "" && !org.Inside(a.Email) && len(th.people) < mostReferences {
			th.people = append(th.people, a.Email)
		}
	}
	if mail.List != "" {
		th.people = append(th.people, mail.List)
	}
	if len(th.named) == 0 && !k.mentioned[mail.MessageID] {
		return th, nil
	}
	th.known, err = tx.KnownIDs(ctx, mb.ID, append(slices.Clone(th.named), mail.MessageID))
	return th, err
}

// alias notes under which Message-ID a mail of ours has come back: some servers give it another one (REQUIREMENTS M5).
func (th thread) alias(ctx context.Context, tx *store.Tx, mb desk.Mailbox, mid desk.MessageID) error {
	if th.own.TicketID == "" {
		return nil
	}
	return tx.AddMessageIDs(ctx, mb.ID, th.own.TicketID, th.own.SubjectID, true, mid)
}

// place is a ticket that a mail may belong to, and the id that says so.
type place struct {
	ticket desk.ID
	mid    desk.MessageID
	tied   bool // the ticket does not have that mail; both only name it
}

// places lists the tickets a mail may belong to, the most telling first: those that have a mail it answers; those that have an
// answer to it; and those that name a mail that it names too, if they have people in common. The last keeps apart what many
// strangers answer to a mail that went to all of them. A report is about a mail of ours, or about nothing here (REQUIREMENTS
// L6).
func (th thread) places(mail desk.Mail) (out []place) {
	own, report := mail.MessageID, mail.Class == desk.Bounce || mail.Class == desk.Complaint || mail.Class == desk.Receipt
	add := func(k store.KnownID, tied bool) {
		if !slices.ContainsFunc(out, func(p place) bool { return p.ticket == k.TicketID }) {
			out = append(out, place{k.TicketID, k.MessageID, tied})
		}
	}
	for _, k := range th.known {
		if k.Seen && slices.Contains(th.named, k.MessageID) && (k.Ours || !report) {
			add(k, false)
		}
	}
	if report {
		return out
	}
	for _, k := range th.known {
		if !k.Seen && k.MessageID == own {
			add(k, true)
		}
	}
	for _, k := range th.known {
		if !k.Seen && slices.ContainsFunc(k.People, func(p string) bool { return slices.Contains(th.people, p) }) {
			add(k, true)
		}
	}
	return out
}

// find puts the ticket that a mail's Message-IDs lead to into its facts. Where they lead to several, those tickets are one
// matter whose mails came in another order; as far as they were imported, they are made one.
func (th thread) find(ctx context.Context, tx *store.Tx, f *desk.Facts) error {
	places := th.places(f.Mail)
	if len(places) == 0 {
		return nil
	}
	if err := th.prefer(ctx, tx, places); err != nil {
		return err
	}
	best := places[0]
	for _, other := range places[1:] {
		kept, err := join(ctx, tx, best.ticket, other.ticket)
		if err != nil {
			return err
		}
		if kept != best.ticket {
			best = other
		}
	}
	t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), best.ticket)
	if best.tied {
		f.ByTie = &t
	} else {
		f.ByRef = &t
	}
	f.Ref = best.mid
	return err
}

// prefer puts first, of several tickets that have a mail with the same Message-ID, one in which somebody takes part whom this mail is
// from or to: anybody can send a mail under another's id before that comes (REQUIREMENTS H4).
func (th thread) prefer(ctx context.Context, tx *store.Tx, places []place) error {
	top := places[0]
	rivals := func(p place) bool { return p.mid == top.mid && p.tied == top.tied }
	for n, p := range places {
		if !rivals(p) || len(places) == 1 || !rivals(places[1]) {
			return nil
		}
		t, err := tx.Ticket(ctx, desk.ScopeOfProgram(), p.ticket)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(th.people, func(email string) bool { return desk.TakesPart(t.Participants, email) }) {
			places[0], places[n] = places[n], places[0]
			return nil
		}
	}
	return nil
}

// join makes one ticket of two, if one of them was imported and nobody has been told of it: the mails of that one, or of the
// smaller of two, are decided about once more, as if they had come later. It gives the ticket that stays.
func join(ctx context.Context, tx *store.Tx, ticket, other desk.ID) (desk.ID, error) {
	ours, oursImported, err := tx.Imported(ctx, ticket)
	if err != nil {
		return ticket, err
	}
	theirs, theirsImported, err := tx.Imported(ctx, other)
	switch {
	case err != nil:
		return ticket, err
	case theirsImported && (theirs <= ours || !oursImported):
		return ticket, tx.Refile(ctx, other, ticket)
	case oursImported:
		return other, tx.Refile(ctx, ticket, other)
	}
	return ticket, nil
}

// keep notes what a mail names, so that others that name the same find its ticket; a held mail itself too, which has no
// message.
func (th thread) keep(ctx context.Context, tx *store.Tx, k *known, e desk.LedgerEntry, own desk.MessageID) error {
	if e.TicketID == "" {
		return nil
	}
	var unknown []desk.MessageID
	for _, mid := range th.named {
		if !slices.ContainsFunc(th.known, func(id store.KnownID) bool { return id.MessageID == mid && id.TicketID == e.TicketID }) && !slices.Contains(unknown, mid) {
			unknown = append(unknown, mid)
			k.mentioned[mid] = true
		}
	}
	if e.Outcome == desk.Held {
		if err := tx.AddMessageIDs(ctx, e.MailboxID, e.TicketID, "", false, own); err != nil {
			return err
		}
	}
	return tx.AddReferences(ctx, e.MailboxID, e.TicketID, th.people, unknown)
}
