package imap

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
)

// errWithheld is for a mail that the server lists and says nothing about when asked for it.
var errWithheld = errors.New("the server lists a mail that it does not send")

// What is asked for of a mail.
const (
	wholeMail  = imap.PartSpecifierNone
	headerOnly = imap.PartSpecifierHeader
)

// fetch gives an item for each of the mails. With an error it gives those up to the first mail that has none. Of a mail that
// is too large it fetches the beginning (REQUIREMENTS I9).
func (f *folder) fetch(ctx context.Context, client *imapclient.Client, mails []listed) ([]desk.FolderItem, error) {
	got := map[imap.UID]desk.FolderItem{}
	var wanted, large imap.UIDSet
	for _, m := range mails {
		switch it := f.verdict(m); {
		case it.Outcome != "":
			got[m.uid] = it
		case m.size > f.w.options.MaxMail:
			large.AddNum(m.uid)
		default:
			wanted.AddNum(m.uid)
		}
	}
	err := f.bodies(ctx, client, large, headerOnly, got)
	if err == nil {
		err = f.bodies(ctx, client, wanted, wholeMail, got)
	}
	if err == nil {
		err = f.swollen(ctx, client, got)
	}
	if err == nil {
		err = f.vanished(ctx, client, mails, got)
	}
	items := make([]desk.FolderItem, 0, len(mails))
	for _, m := range mails {
		it, ok := got[m.uid]
		if !ok {
			return items, err
		}
		if it.HeaderOnly && it.Raw != nil {
			it.Raw = f.beginning(ctx, m.uid, it.Raw)
		}
		it.UID, it.InternalDate = uint32(m.uid), m.date
		if it.Size == 0 {
			it.Size = m.size
		}
		items = append(items, it)
	}
	return items, err
}

// vanished decides about mails that were listed and did not come. Those that are still listed were withheld: some servers
// can't read a mail they have, and go-imap can't use an answer that tells the UID behind the bytes.
func (f *folder) vanished(ctx context.Context, client *imapclient.Client, mails []listed, got map[imap.UID]desk.FolderItem) error {
	var missing imap.UIDSet
	for _, m := range mails {
		if _, ok := got[m.uid]; !ok {
			missing.AddNum(m.uid)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	there, err := f.list(ctx, client, missing)
	if err != nil {
		return err
	}
	var withheld imap.UIDSet
	for _, l := range there {
		withheld.AddNum(l.uid)
	}
	for _, m := range mails {
		if missing.Contains(m.uid) && !withheld.Contains(m.uid) {
			got[m.uid] = desk.FolderItem{Outcome: desk.Unfetched, Reason: "vanished before it could be fetched"}
		}
	}
	if len(withheld) > 0 {
		return errWithheld
	}
	return nil
}

// swollen fetches the headers of those mails that turned out to be too large when they came: the size a server
// tells need not be that of what it sends (RFC 9051 section 2.3.4).
func (f *folder) swollen(ctx context.Context, client *imapclient.Client, got map[imap.UID]desk.FolderItem) error {
	sizes := map[imap.UID]int64{}
	var uids imap.UIDSet
	for uid, it := range got {
		if it.HeaderOnly && it.Raw == nil {
			sizes[uid] = it.Size
			uids.AddNum(uid)
			delete(got, uid)
		}
	}
	err := f.bodies(ctx, client, uids, headerOnly, got)
	for uid, size := range sizes {
		if it, ok := got[uid]; ok {
			it.Size = size
			got[uid] = it
		}
	}
	return err
}

// bodies fetches the mails, or their headers, and adds what came whole to got. BODY.PEEK leaves \Seen alone even where EXAMINE
// would not.
func (f *folder) bodies(ctx context.Context, client *imapclient.Client, uids imap.UIDSet, what imap.PartSpecifier, got map[imap.UID]desk.FolderItem) error {
	if len(uids) == 0 {
		return nil
	}
	return f.patiently(ctx, client, f.w.options.Timeout, func(alive func()) error {
		cmd := client.Fetch(uids, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Specifier: what, Peek: true}}})
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			alive()
			var uid imap.UID
			for it := m.Next(); it != nil; it = m.Next() {
				switch it := it.(type) {
				case imapclient.FetchItemDataUID:
					uid = it.UID
				case imapclient.FetchItemDataBodySection:
					item, err := f.body(ctx, client, it.Literal, what, alive)
					if err != nil {
						return err // nothing of the command may be touched any more: it would race with go-imap's reader
					}
					if uids.Contains(uid) {
						got[uid] = item
					}
				}
			}
		}
		return cmd.Close()
	})
}

// abandon closes a connection in the middle of a literal. Go-imap's reader waits until the literal is read to its end or
// to an error, and Close waits for the reader.
func abandon(client *imapclient.Client, literal io.Reader) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = client.Close() // nothing more is expected of it
	}()
	_, _ = io.Copy(io.Discard, literal)
	<-closed
}

// body reads a mail, or streams it to the blob store if it is large. One that is too large comes to nothing but HeaderOnly.
// After an error the client is closed.
func (f *folder) body(ctx context.Context, client *imapclient.Client, literal imap.LiteralReader, what imap.PartSpecifier, alive func()) (desk.FolderItem, error) {
	if literal == nil {
		return desk.FolderItem{Outcome: desk.Unfetched, Reason: "the server has no bytes of it", Later: true}, nil
	}
	size := literal.Size()
	it := desk.FolderItem{Size: size}
	r := &whole{r: literal, left: size, alive: alive}
	var err error
	switch {
	case what == headerOnly:
		it.HeaderOnly, it.Size = true, 0 // the mail's size is another
		it.Raw = make([]byte, min(size, desk.MaxInlineRaw))
		if _, err = io.ReadFull(r, it.Raw); err == nil {
			_, err = io.Copy(io.Discard, r) // of a header that nobody writes
		}
	case size > f.w.options.MaxMail:
		it.HeaderOnly = true
		_, err = io.Copy(io.Discard, r)
	case size <= desk.MaxInlineRaw:
		it.Raw = make([]byte, size)
		_, err = io.ReadFull(r, it.Raw)
	default:
		var n int64
		it.RawSHA256, n, err = f.w.blobs.Put(ctx, r)
		if err == nil && n != size {
			err = fmt.Errorf("%d of %d bytes were kept", n, size)
		}
	}
	switch {
	case r.err != nil: // the literal is at its end, as far as go-imap is concerned
		_ = client.Close()
		return it, r.err
	case err != nil: // it was the blob store
		abandon(client, literal)
		return it, &keepError{err}
	}
	return it, nil
}

// whole reads a literal and takes an end before its size for what it is: go-imap reports a connection that broke in the
// middle of a literal as the end of the literal.
type whole struct {
	r     io.Reader
	left  int64
	alive func()
	err   error // what was wrong with the server
}

// Read reads on.
func (w *whole) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	w.left -= int64(n)
	if n > 0 {
		w.alive()
	}
	if errors.Is(err, io.EOF) && w.left > 0 {
		err = fmt.Errorf("the connection broke %d bytes before the end of a mail: %w", w.left, io.ErrUnexpectedEOF)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
