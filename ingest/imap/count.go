package imap

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/desk"
	"postern/mailconn"
)

// Listing is what a server says is in a folder.
type Listing struct {
	Missing     bool // there is no such folder
	UIDValidity uint32
	UIDs        []uint32 // in ascending order
}

// List asks a mailbox's server which mails are in its folders, to compare them with the ledger. It changes nothing there. A
// *mailconn.Problem says why the server can't be reached.
func List(ctx context.Context, m desk.Mailbox, tokens mailconn.Tokens, folders []string) (map[string]Listing, error) {
	config, err := mailconn.IMAPOf(m, tokens)
	if err != nil {
		return nil, err
	}
	client, err := mailconn.DialIMAP(ctx, config, nil)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const within = 5 * time.Minute // the server may have to index a folder first
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out := make(map[string]Listing, len(folders))
	return out, mailconn.Do(ctx, client, func() error {
		for _, name := range folders {
			box, err := client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
			if no, ok := errors.AsType[*imap.Error](err); ok && no.Type == imap.StatusResponseTypeNo {
				there, listErr := client.List("", name, nil).Collect()
				if listErr != nil {
					return listErr
				}
				if !slices.ContainsFunc(there, func(l *imap.ListData) bool { return l.Mailbox == name }) { // it was a pattern
					out[name] = Listing{Missing: true}
					continue
				}
			}
			if err != nil {
				return err
			}
			l := Listing{UIDValidity: box.UIDValidity}
			if box.NumMessages > 0 {
				found, err := client.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
				if err != nil {
					return err
				}
				for _, uid := range found.AllUIDs() {
					l.UIDs = append(l.UIDs, uint32(uid))
				}
			}
			out[name] = l
		}
		return client.Logout().Wait()
	})
}
