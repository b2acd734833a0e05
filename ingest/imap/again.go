package imap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
	"postern/mailconn"
)

// retrier asks for the mails of a mailbox that the server has failed to send. It has a connection of its own, and only when
// there is such a mail: one that breaks or hangs it holds up no other mail.
type retrier struct {
	w       *Watcher
	config  mailconn.IMAPConfig
	account string
}

// run looks from time to time what is to be asked for. After trouble it takes as long as a folder does at most, so a mail
// that ends each connection ends few of them.
func (r *retrier) run(ctx context.Context) error {
	for {
		err := guarded(func() error { return r.round(ctx) })
		switch {
		case leaseOver(err):
			return err
		case ctx.Err() != nil:
			return nil
		}
		pause := r.w.options.Again
		if err != nil {
			pause = max(pause, r.w.options.RetryMax)
			r.w.log.WarnContext(ctx, "mails that the server failed to send can't be asked for again", slog.Any("error", err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// round asks for each mail that is due, one by one.
func (r *retrier) round(ctx context.Context) error {
	due, err := r.w.keeper.Unfetched(ctx, r.w.mailbox.ID)
	if err != nil {
		return &keepError{err}
	}
	if len(due) == 0 {
		return nil
	}
	client, err := mailconn.DialIMAP(ctx, r.config, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, e := range due {
		err := r.ask(ctx, client, e)
		if _, reply := errors.AsType[*imap.Error](err); reply || errors.Is(err, errWithheld) {
			r.w.log.InfoContext(ctx, "the server still does not send a mail", slog.String("folder", e.Folder), slog.Any("uid", e.UID), slog.Any("error", err))
			continue
		}
		if err != nil {
			return fmt.Errorf("ask for the mail with UID %d in %s: %w", e.UID, e.Folder, err)
		}
	}
	return nil
}

// ask asks for a mail. That it does is taken down first: whatever ends this, even the program, the mail has to wait then.
func (r *retrier) ask(ctx context.Context, client *imapclient.Client, e desk.LedgerEntry) error {
	if err := r.w.keeper.AskAgain(ctx, r.w.lease, e); err != nil {
		return &keepError{err}
	}
	known, err := r.w.keeper.Folder(ctx, r.w.mailbox.ID, e.Folder)
	if err != nil {
		return &keepError{err}
	}
	late := desk.FolderItem{InternalDate: e.InternalDate, Size: e.Size, Outcome: desk.Unfetched, Reason: "the folder was replaced before it could be fetched; what is in it now was read anew"}
	if known.Generation == e.Generation && known.UIDValidity == e.UIDValidity {
		if !r.w.mailbox.Reads(known) || known.Account != r.account {
			return nil // nobody looks into the folder now, or the one who does will find that it is another one
		}
		// Its size and date the ledger has, as far as the server could tell: only whether it is there is asked again.
		f := &folder{w: r.w, config: r.config, account: r.account, role: e.Role, name: e.Folder, generation: e.Generation, validity: e.UIDValidity, modest: len(listings) - 1}
		var box *imap.SelectData
		err := f.do(ctx, client, 5*r.w.options.Timeout, func() (err error) {
			box, err = client.Select(e.Folder, &imap.SelectOptions{ReadOnly: true}).Wait()
			return err
		})
		if err != nil || box.UIDValidity != e.UIDValidity {
			return err
		}
		items, err := f.fetch(ctx, client, []listed{{uid: imap.UID(e.UID), size: e.Size, date: e.InternalDate}})
		if err != nil || items[0].Later {
			return err
		}
		late = items[0]
	}
	if err := r.w.keeper.KeepLate(ctx, r.w.lease, e.ID, late); err != nil {
		return &keepError{err}
	}
	if late.Outcome == "" {
		r.w.log.InfoContext(ctx, "a mail that was given up has come after all", slog.String("folder", e.Folder), slog.Any("uid", e.UID))
	}
	return nil
}
