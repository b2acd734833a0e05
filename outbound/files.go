package outbound

import (
	"context"
	"fmt"
	"io"
	"strings"

	"postern/desk"
	"postern/mailmsg"
	"postern/safehtml"
)

// files has the files of a message go along with its mail, as many as there is room for, and gives the others.
func (w *Worker) files(ctx context.Context, d *mailmsg.Draft, t wording, as []desk.Attachment) (left []desk.Attachment) {
	room := t.MaxAttached
	for _, a := range as {
		if t.MaxAttached > 0 && a.Size > room {
			left = append(left, a)
			continue
		}
		room -= a.Size
		d.Attachments = append(d.Attachments, mailmsg.DraftFile{
			Name: a.Name, Type: a.Type, ContentID: a.ContentID, Inline: a.Inline,
			Open: func() (io.ReadCloser, error) { return w.Blobs.Open(ctx, a.SHA256) },
		})
	}
	return left
}

// name says below a mail's text which files did not go along, and where they are; link may be empty.
func (w *Worker) name(d *mailmsg.Draft, left []desk.Attachment, where, link string) {
	var b strings.Builder
	b.WriteString(where + "\n")
	for _, a := range left {
		fmt.Fprintf(&b, "- %s (%s)\n", a.Name, sizeOf(a.Size))
	}
	if link != "" {
		b.WriteString(link + "\n")
	}
	if d.HTML != "" {
		d.HTML += safehtml.FromText(b.String())
	}
	d.Text = strings.TrimRight(d.Text, " \r\n") + "\n\n" + b.String()
}

// sizeOf writes a file's size for people.
func sizeOf(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
