package blob

import (
	"bytes"
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
	f := &Folder{root: root}
	if err := f.makeDirs(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// makeDirs makes the folders that blobs lie in, once and durably, so that Put need not.
func (f *Folder) makeDirs() error {
	if err := f.root.MkdirAll("tmp", 0o700); err != nil {
		return err
	}
	for i := range 256 {
		if err := f.root.Mkdir(hex.EncodeToString([]byte{byte(i)}), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return f.sync(".")
}

// inMemory is how many bytes of a blob are read before anything is written: most are smaller, and many are there already,
// such as the picture in everybody's signature.
const inMemory = 256 << 10

// Put implements Store: the bytes go to a temporary file that is synced and then renamed, and the folder is synced too,
// so that a name never stands for half of its bytes.
func (f *Folder) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	var head bytes.Buffer
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(&head, h), io.LimitReader(r, inMemory))
	switch {
	case err != nil:
		return "", 0, err
	case size == inMemory: // there may be more
		return f.write(ctx, io.MultiReader(&head, r))
	}
	sum := hex.EncodeToString(h.Sum(nil))
	there, err := f.Has(ctx, sum)
	if err != nil || !there {
		return f.write(ctx, &head)
	}
	return sum, size, f.sync(sum[:2]) // whoever put it may not have come so far
}

func (f *Folder) write(ctx context.Context, r io.Reader) (string, int64, error) {
	tmp := "tmp/" + rand.Text()
	file, err := f.root.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, h), r)
	if err != nil {
		return "", 0, errors.Join(err, file.Close(), f.root.Remove(tmp))
	}
	sum := hex.EncodeToString(h.Sum(nil))
	there, err := f.Has(ctx, sum)
	if err == nil && !there {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		if there {
			err = f.root.Remove(tmp)
		} else {
			err = f.root.Rename(tmp, path(sum))
		}
	}
	if err != nil {
		return "", 0, errors.Join(err, f.discard(tmp))
	}
	return sum, size, f.sync(sum[:2]) // also when it was there: see Put
}

func (f *Folder) discard(tmp string) error {
	if err := f.root.Remove(tmp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
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
