package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Folder keeps blobs as files. It can't be led out of its folder: every access goes through an os.Root.
type Folder struct{ root *os.Root }

// NewFolder opens the folder, and makes it if it is not there. Files that a crash left half-written are of no use to
// anybody and may be deleted from its "tmp".
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := root.MkdirAll("tmp", 0o700); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Folder{root: root}, nil
}

// Put implements Store: the bytes go to a temporary file that is synced and then renamed, and the folder is synced too,
// so that a name never stands for half of its bytes.
func (f *Folder) Put(_ context.Context, r io.Reader) (string, int64, error) {
	tmp := "tmp/" + rand.Text()
	file, err := f.root.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, h), r)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", 0, errors.Join(err, f.root.Remove(tmp))
	}
	sum := hex.EncodeToString(h.Sum(nil))
	dir := sum[:2]
	if err := f.root.MkdirAll(dir, 0o700); err != nil {
		return "", 0, errors.Join(err, f.root.Remove(tmp))
	}
	if err := f.root.Rename(tmp, path(sum)); err != nil {
		return "", 0, errors.Join(err, f.root.Remove(tmp))
	}
	return sum, size, errors.Join(f.sync(dir), f.sync("."))
}

// Open implements Store.
func (f *Folder) Open(_ context.Context, sha256 string) (io.ReadCloser, error) {
	if err := checkName(sha256); err != nil {
		return nil, err
	}
	return f.root.Open(path(sha256))
}

// Has implements Store.
func (f *Folder) Has(_ context.Context, sha256 string) (bool, error) {
	if checkName(sha256) != nil {
		return false, nil
	}
	_, err := f.root.Stat(path(sha256))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (f *Folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func path(sha256 string) string { return sha256[:2] + "/" + sha256[2:] }
