package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/mail"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
	"postern/mailconn"
)

// How much is fetched of a mail that is too large, besides its header.
const (
	largeText  = 256 << 10 // the first bytes of its body: there is its text, as mail programs write it before the files
	largeParts = 20        // the parts whose headers are looked at for the names of files
	largePart  = 16 << 10  // such a header
)

// beginning gives a mail that is too large as far as it is fetched: its header, the first bytes of its body and the headers of
// the parts behind those, so that its text can be shown and its files be named. What the server says about the mail's structure is not
// asked for: go-imap reads BODYSTRUCTURE in a time that grows with the square of its depth. It is asked on a connection of its
// own: if that fails, in whatever way, there is the header.
func (f *folder) beginning(ctx context.Context, uid imap.UID, header []byte) []byte {
	if len(header)+largeText+largeParts*largePart > desk.MaxInlineRaw {
		return header
	}
	var text []byte
	var parts [][]byte
	err := guarded(func() error {
		client, err := mailconn.DialIMAP(ctx, f.config, nil)
		if err != nil {
			return err
		}
		defer client.Close()
		var box *imap.SelectData
		if err := f.do(ctx, client, f.w.options.Timeout, func() (err error) {
			box, err = client.Select(f.name, &imap.SelectOptions{ReadOnly: true}).Wait()
			return err
		}); err != nil {
			return err
		}
		if box.UIDValidity != f.validity {
			return errors.New("the folder was replaced")
		}
		got, err := f.pieces(ctx, client, uid, largeText, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Size: largeText}, Peek: true})
		if err != nil || len(got) == 0 || boundaryOf(header) == "" {
			text = bytes.Join(got, nil)
			return err
		}
		text = got[0]
		var sections []*imap.FetchItemBodySection
		for n := range largeParts {
			sections = append(sections, &imap.FetchItemBodySection{Part: []int{n + 1}, Specifier: imap.PartSpecifierMIME, Peek: true})
		}
		parts, err = f.pieces(ctx, client, uid, largePart, sections...)
		return err
	})
	if err != nil && ctx.Err() == nil {
		f.log().WarnContext(ctx, "of a mail that is too large there is not all that is shown of others", slog.Any("uid", uint32(uid)), slog.Any("error", err))
	}
	if len(text) == 0 {
		return header
	}
	out := append(bytes.Clone(header), text...)
	for _, part := range parts {
		if !bytes.Contains(text, bytes.TrimSpace(part)) {
			out = fmt.Appendf(out, "\r\n--%s\r\n%s\r\n\r\n", boundaryOf(header), bytes.TrimSpace(part))
		}
	}
	return out
}

// boundaryOf gives what stands between the parts of a mail with a header; "": it has none, or it can't be told for sure.
func boundaryOf(header []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(header))
	if err != nil {
		return ""
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return params["boundary"]
}

// pieces fetches pieces of a mail, each of so many bytes at most. Only the last of several may be missing.
func (f *folder) pieces(ctx context.Context, client *imapclient.Client, uid imap.UID, most int64, sections ...*imap.FetchItemBodySection) (got [][]byte, err error) {
	err = f.do(ctx, client, f.w.options.Timeout, func() error {
		cmd := client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, BodySection: sections})
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			for it := m.Next(); it != nil; it = m.Next() {
				section, ok := it.(imapclient.FetchItemDataBodySection)
				if !ok || section.Literal == nil || len(got) == len(sections) {
					continue
				}
				if section.Literal.Size() > most {
					abandon(client, section.Literal)
					return fmt.Errorf("the server sends %d bytes of %d that it was asked for", section.Literal.Size(), most)
				}
				piece := make([]byte, section.Literal.Size())
				r := &whole{r: section.Literal, left: int64(len(piece)), alive: func() {}}
				if _, err := io.ReadFull(r, piece); err != nil {
					_ = client.Close() // nothing of the command may be touched any more
					return err
				}
				got = append(got, piece)
			}
		}
		return cmd.Close()
	})
	return got, err
}
