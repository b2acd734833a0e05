package outbound

import (
	"context"
	"fmt"
	"io"
	"strings"

	"postern/desk"
	"postern/mailmsg"
	"postern/safehtml"
	"postern/tickets"
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

// name says below a mail's text which files did not go along, and where they are.
func (w *Worker) name(d *mailmsg.Draft, where string, lines []string) {
	said := where + "\n" + strings.Join(lines, "\n") + "\n"
	if d.HTML != "" {
		d.HTML += safehtml.FromText(said)
	}
	d.Text = strings.TrimRight(d.Text, " \r\n") + "\n\n" + said
}

// links is a file with the links of files that did not go along: an answer leaves it behind, as it does with files, and a mail that is passed on has it.
func (w *Worker) links(t wording, left []desk.Attachment, until string) mailmsg.DraftFile {
	var b strings.Builder
	for i, line := range listed(left) {
		b.WriteString(line + "\n  " + t.BaseURL + tickets.FilePath(w.Keys, left[i].ID, until) + "\n")
	}
	return mailmsg.DraftFile{
		Name: "links.txt", Type: "text/plain",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(b.String())), nil },
	}
}

// listed gives a line for each file.
func listed(files []desk.Attachment) (lines []string) {
	for _, a := range files {
		lines = append(lines, fmt.Sprintf("- %s (%s)", a.Name, sizeOf(a.Size)))
	}
	return lines
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
