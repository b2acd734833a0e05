package ingest

import (
	"context"
	"maps"
	"slices"
	"time"

	"postern/desk"
	"postern/store"
)

// perLook is how many mails are looked into in one transaction.
const perLook = 100

// perFollow is of how many ledger rows one transaction notes where their mails lie.
const perFollow = 1000

// Follow begins to note where a mailbox's mails of tickets lie: those that were read before too, as far as that is known. Once it has, it
// looks only at what is recent.
func (g *Ingest) Follow(ctx context.Context, l desk.Lease) error {
	for all := false; !all; {
		err := g.DB.Update(ctx, func(tx *store.Tx) (err error) {
			if err := tx.HoldLease(ctx, l); err != nil {
				return err
			}
			all, err = tx.PlaceKnown(ctx, l.MailboxID, perFollow)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Places tells which mails of tickets were in a folder when it was looked at last, with the keywords that stand for a status.
func (g *Ingest) Places(ctx context.Context, f desk.Folder) (map[uint32][]string, error) {
	return g.DB.PlacesIn(ctx, f)
}

// Look takes down what a watcher saw of mails that were in a folder before, and changes their tickets where an agent has said so by it.
// It answers true if some of it has to be looked at again soon.
func (g *Ingest) Look(ctx context.Context, l desk.Lease, look desk.Look) (again bool, err error) {
	org, err := g.DB.Organisation(ctx)
	if err != nil {
		return false, err
	}
	gone, marked := look.Gone, slices.Sorted(maps.Keys(look.Marks))
	for len(gone)+len(marked) > 0 {
		part := desk.Look{Folder: look.Folder, At: look.At, Marks: map[uint32][]string{}}
		part.Gone, gone = gone[:min(perLook, len(gone))], gone[min(perLook, len(gone)):]
		var uids []uint32
		uids, marked = marked[:min(perLook, len(marked))], marked[min(perLook, len(marked)):]
		for _, uid := range uids {
			part.Marks[uid] = look.Marks[uid]
		}
		var busy bool
		err := g.DB.Update(ctx, func(tx *store.Tx) (err error) {
			if err := tx.HoldLease(ctx, l); err != nil {
				return err
			}
			busy, err = g.Desk.Look(ctx, tx, org, part)
			return err
		})
		if err != nil {
			return false, err
		}
		again = again || busy
	}
	return again, nil
}

// Now is the database's time: what a watcher sees is compared with what was done by others.
func (g *Ingest) Now() time.Time { return g.DB.Now() }
