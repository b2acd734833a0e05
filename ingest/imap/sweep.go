package imap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
)

// sweepBack is how far back the sweep looks. SEARCH knows days alone, and takes them in the server's time zone (RFC 9051
// section 6.4.4), so one more than the seven that are promised.
const sweepBack = 8 * 24 * time.Hour

// sweep looks, when it is due, whether a recent mail was passed over: one that the server has at or below the cursor and the
// ledger has not (REQUIREMENTS I4). Servers do that: they hand out a UID before others can see its mail. What is found is
// read like other mail. The cursor stays, and nothing is changed on the server.
func (f *folder) sweep(ctx context.Context, client *imapclient.Client) error {
	if time.Now().Before(f.nextSweep) {
		return nil
	}
	// Whatever comes of the search: a server that breaks off over it must still be watched.
	f.nextSweep = time.Now().Add(f.w.options.Sweep)
	uids, err := f.recent(ctx, client)
	if _, refused := errors.AsType[*imap.Error](err); refused {
		f.log().WarnContext(ctx, "the server does not search, so a mail that was passed over can't be found", slog.Any("error", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("search the folder: %w", err)
	}
	passedOver, err := f.passedOver(ctx, uids)
	if err != nil || len(passedOver) == 0 {
		return err
	}
	f.log().WarnContext(ctx, "mails were passed over: reading them now", slog.Any("uids", passedOver))
	f.nextSweep = time.Time{} // until they have their rows: a mail that ends the session is given up in the end, like others
	var set imap.UIDSet
	for _, uid := range passedOver {
		set.AddNum(imap.UID(uid))
	}
	mails, err := f.list(ctx, client, set)
	if err != nil {
		return fmt.Errorf("list what was passed over: %w", err)
	}
	if err := f.read(ctx, client, mails, true); err != nil {
		return err
	}
	f.nextSweep = time.Now().Add(f.w.options.Sweep)
	return nil
}

// count takes down how many mails the folder has now that it was read, so many of them just now. If it has grown by more, one that nobody could
// see has appeared among the others: the sweep is due, and it does not wait for its hour.
func (f *folder) count(read int) {
	now := int64(f.box.NumMessages)
	if f.counted >= 0 && now > f.counted+int64(read) {
		f.nextSweep = time.Time{}
	}
	f.counted = now
}

// recent asks which mails of the last days there are, in ascending order, as far as the folder was read.
func (f *folder) recent(ctx context.Context, client *imapclient.Client) ([]uint32, error) {
	var out []uint32
	err := f.do(ctx, client, 5*f.w.options.Timeout, func() error {
		found, err := client.UIDSearch(&imap.SearchCriteria{Since: time.Now().Add(-sweepBack)}, nil).Wait()
		if err != nil {
			return err
		}
		for _, uid := range found.AllUIDs() {
			if uint32(uid) <= f.covered { // what came since is read in its turn
				out = append(out, uint32(uid))
			}
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

// passedOver tells which of the UIDs, in ascending order, were never kept.
func (f *folder) passedOver(ctx context.Context, uids []uint32) ([]uint32, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	kept, err := f.w.keeper.UIDs(ctx, desk.Folder{MailboxID: f.w.mailbox.ID, Name: f.name, Generation: f.generation, UIDValidity: f.validity}, uids[0])
	if err != nil {
		return nil, &keepError{err}
	}
	return slices.DeleteFunc(uids, func(uid uint32) bool {
		_, there := slices.BinarySearch(kept, uid)
		return there
	}), nil
}
