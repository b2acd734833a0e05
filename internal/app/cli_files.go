package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailmsg"
)

func (c *cli) ticketFilesCommand() *cobra.Command {
	var to string
	cmd := c.listFlag(&cobra.Command{
		Use: "files NUMBER", Short: "Write all files of a ticket into a folder", Args: cobra.ExactArgs(1),
		Long:    "Writes the files of a ticket's messages, of internal ones too, into a folder, which is made if it is not there. It overwrites nothing: a file whose\nname is taken gets a number.",
		Example: "  gateway ticket files 1042 --to ./ticket-1042",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.ticketFiles(ctx, p, args[0], to) })
		},
	})
	cmd.Flags().StringVar(&to, "to", "", "the folder (required)")
	must(cmd.MarkFlagRequired("to"))
	return cmd
}

// fileLine is a file that was written.
type fileLine struct {
	MessageID desk.ID `json:"message_id"`
	Name      string  `json:"name"` // that it came with
	Path      string  `json:"path"`
	Size      int64   `json:"size"`
}

func (c *cli) ticketFiles(ctx context.Context, p *parts, number, to string) error {
	t, err := ticketNumbered(ctx, p, number)
	if err != nil {
		return err
	}
	ms, err := p.db.Messages(ctx, desk.ScopeOfProgram(), t.ID)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	folder, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer folder.Close()
	items, rows := []fileLine{}, [][]string{}
	for _, m := range ms {
		for _, a := range m.Attachments {
			name, err := p.writeFile(ctx, folder, a)
			if err != nil {
				return fmt.Errorf("write %s: %w", a.Name, err)
			}
			l := fileLine{m.ID, a.Name, filepath.Join(to, name), a.Size}
			items, rows = append(items, l), append(rows, []string{l.Path, strconv.FormatInt(l.Size, 10), string(m.ID)})
		}
	}
	return c.list(items, []string{"FILE", "BYTES", "MESSAGE"}, rows)
}

// writeFile writes a file under its name, or under one with a number if that is taken. What could not be written whole does not stay.
func (p *parts) writeFile(ctx context.Context, folder *os.Root, a desk.Attachment) (name string, err error) {
	from, err := p.blobs.Open(ctx, a.SHA256)
	if err != nil {
		return "", err
	}
	defer from.Close()
	safe := mailmsg.SafeFileName(a.Name)
	end := filepath.Ext(safe)
	var into *os.File
	for n := 1; ; n++ {
		if name = safe; n > 1 {
			name = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(safe, end), n, end)
		}
		if into, err = folder.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return "", err
	}
	_, err = io.Copy(into, from)
	if err = errors.Join(err, into.Close()); err != nil {
		return "", errors.Join(err, folder.Remove(name))
	}
	return name, nil
}
