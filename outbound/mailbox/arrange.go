package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
	"postern/mailconn"
	"postern/outbound"
)

var _ outbound.Arranger = (*Client)(nil)

// Move moves those of the mails that lie in a folder to another one and tells which it has moved. A server without MOVE (RFC 6851) is
// asked to copy them and to expunge these alone (RFC 4315); one that can't do that either is left alone, for it would expunge what
// agents have marked as deleted.
func (c *Client) Move(ctx context.Context, m desk.Mailbox, from, to string, mails []desk.Located) (moved []outbound.Moved, err error) {
	err = c.with(ctx, m, c.options.Timeout, func(ctx context.Context, s *seat) error {
		_, there, err := locate(ctx, s.client, from, mails)
		if err != nil || len(there) == 0 {
			return err
		}
		went, err := move(ctx, s.client, from, to, mails, there)
		if err != nil {
			return err
		}
		for uid, l := range there {
			moved = append(moved, outbound.Moved{Message: l.Message, UIDValidity: went.validity, UID: uint32(went.uids[uid])})
		}
		return nil
	})
	return moved, err
}

// went is where mails have gone, by their former UIDs, as far as the server tells.
type went struct {
	validity uint32
	uids     map[imap.UID]imap.UID
}

// told reads a COPYUID: the UIDs in both sets correspond, in order (RFC 4315 section 3).
func told(validity uint32, from, to imap.NumSet) (w went) {
	former, ok1 := from.(imap.UIDSet)
	now, ok2 := to.(imap.UIDSet)
	if !ok1 || !ok2 {
		return w
	}
	a, ok1 := former.Nums()
	b, ok2 := now.Nums()
	if !ok1 || !ok2 || len(a) != len(b) {
		return w
	}
	w = went{validity, map[imap.UID]imap.UID{}}
	for i := range a {
		w.uids[a[i]] = b[i]
	}
	return w
}

func move(ctx context.Context, client *imapclient.Client, from, to string, mails []desk.Located, there map[imap.UID]desk.Located) (w went, err error) {
	caps := client.Caps()
	if !caps.Has(imap.CapMove) {
		if !caps.Has(imap.CapUIDPlus) {
			return w, &mailconn.Problem{What: "the mail server can't move mails safely (it has neither MOVE nor UIDPLUS)", Do: "Keep tickets and mailbox apart: --status-to-mailbox off", Err: errors.ErrUnsupported, Permanent: true}
		}
		return copyAndExpunge(ctx, client, from, to, mails, there)
	}
	err = mailconn.Do(ctx, client, func() error {
		data, err := client.Move(uidSet(there), to).Wait()
		if err == nil {
			w = told(data.UIDValidity, data.SourceUIDs, data.DestUIDs)
		}
		return err
	})
	return w, err
}

// copyAndExpunge moves mails in steps, each of which may have been done before: what lies in the target is not copied again.
func copyAndExpunge(ctx context.Context, client *imapclient.Client, from, to string, mails []desk.Located, there map[imap.UID]desk.Located) (w went, err error) {
	_, copies, err := locate(ctx, client, to, mails)
	if err != nil {
		return w, err
	}
	copied := map[desk.ID]bool{}
	for _, l := range copies {
		copied[l.Message] = true
	}
	missing := map[imap.UID]desk.Located{}
	for uid, l := range there {
		if !copied[l.Message] {
			missing[uid] = l
		}
	}
	err = mailconn.Do(ctx, client, func() error {
		if _, err := client.Select(from, nil).Wait(); err != nil {
			return err
		}
		if len(missing) > 0 {
			data, err := client.Copy(uidSet(missing), to).Wait()
			if err != nil {
				return err
			}
			w = told(data.UIDValidity, data.SourceUIDs, data.DestUIDs)
		}
		if err := client.Store(uidSet(there), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
			return err
		}
		return client.UIDExpunge(uidSet(there)).Close()
	})
	return w, err
}

// Mark gives the newest of the mails that lie in a folder a keyword ("": none) and takes others from all of them. A server that keeps no
// such keyword is a *mailconn.Problem.
func (c *Client) Mark(ctx context.Context, m desk.Mailbox, folder string, mails []desk.Located, add string, remove []string) error {
	return c.with(ctx, m, c.options.Timeout, func(ctx context.Context, s *seat) error {
		box, there, err := locate(ctx, s.client, folder, mails)
		if err != nil || len(there) == 0 {
			return err
		}
		newest := map[imap.UID]desk.Located{}
		for uid, l := range there {
			if l.Newest {
				newest[uid] = l
			}
		}
		return mailconn.Do(ctx, s.client, func() error {
			if add != "" && len(newest) > 0 {
				if !keeps(box, add) {
					return &mailconn.Problem{What: fmt.Sprintf("the mail server does not keep the keyword %s", add), Do: `Use \Flagged, or none: --status-keyword`, Err: errors.ErrUnsupported, Permanent: true}
				}
				if err := store(s.client, newest, imap.StoreFlagsAdd, []string{add}); err != nil {
					return err
				}
			}
			return store(s.client, there, imap.StoreFlagsDel, slices.DeleteFunc(slices.Clone(remove), func(flag string) bool { return !keeps(box, flag) }))
		})
	})
}

func store(client *imapclient.Client, mails map[imap.UID]desk.Located, op imap.StoreFlagsOp, flags []string) error {
	if len(flags) == 0 {
		return nil
	}
	change := &imap.StoreFlags{Op: op, Silent: true}
	for _, f := range flags {
		change.Flags = append(change.Flags, imap.Flag(f))
	}
	return client.Store(uidSet(mails), change, nil).Close()
}

// keeps tells whether a folder keeps a flag for good (RFC 9051 section 7.1, PERMANENTFLAGS).
func keeps(box *imap.SelectData, flag string) bool {
	return slices.Contains(box.PermanentFlags, imap.FlagWildcard) || slices.Contains(box.PermanentFlags, imap.Flag(flag))
}

func uidSet(mails map[imap.UID]desk.Located) (set imap.UIDSet) {
	for uid := range mails {
		set.AddNum(uid)
	}
	return set
}

// locate selects a folder and finds mails in it: where they were seen last, or else by their Message-ID. A mail that has none, or one
// that others have, and lies elsewhere by now, is not found. Its Message-ID is compared where it is known, for a folder may be replaced under the same UIDVALIDITY.
func locate(ctx context.Context, client *imapclient.Client, folder string, mails []desk.Located) (box *imap.SelectData, there map[imap.UID]desk.Located, err error) {
	there = map[imap.UID]desk.Located{}
	err = mailconn.Do(ctx, client, func() error {
		if box, err = client.Select(folder, nil).Wait(); err != nil || box.NumMessages == 0 {
			return err
		}
		known := map[imap.UID]desk.Located{}
		for _, l := range mails {
			if l.Folder == folder && l.UIDValidity == box.UIDValidity {
				known[imap.UID(l.UID)] = l
			}
		}
		found := map[desk.ID]bool{}
		if len(known) > 0 {
			headers, err := messageIDs(client, uidSet(known))
			if err != nil {
				return err
			}
			for uid, header := range headers {
				if l, ok := known[uid]; ok && (l.There == "" || sameID(header, l.There)) {
					there[uid], found[l.Message] = l, true
				}
			}
		}
		for _, l := range mails {
			id := cmp.Or(l.There, l.MessageID)
			if found[l.Message] || id == "" || l.Shared {
				continue
			}
			found[l.Message] = true
			uids, err := candidates(client, id, imap.FlagDeleted) // as good as gone
			if err != nil {
				return err
			}
			for _, uid := range uids {
				there[uid] = l
			}
		}
		return nil
	})
	return box, there, err
}
