// Package blob keeps bytes under their SHA-256: attachments and large mails. What Put has returned for is durable.
package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Store is a place for bytes. Its methods may be called from many goroutines.
type Store interface {
	// Put reads r to the end and keeps its bytes. They are durable when it returns without an error. Putting the same
	// bytes twice keeps them once.
	Put(ctx context.Context, r io.Reader) (sha256 string, size int64, err error)
	// Open gives the bytes; the error wraps fs.ErrNotExist if there are none under this name.
	Open(ctx context.Context, sha256 string) (io.ReadCloser, error)
	// Has tells whether there are bytes under this name.
	Has(ctx context.Context, sha256 string) (bool, error)
}

// New opens the store that url names: "s3://…" for a bucket (see NewBucket), empty for the folder dir.
func New(ctx context.Context, url, dir string) (Store, error) {
	if url == "" {
		return NewFolder(dir)
	}
	if !strings.HasPrefix(url, "s3://") {
		return nil, errors.New("blob_url: want s3://KEY:SECRET@HOST/BUCKET, or nothing for a folder")
	}
	return NewBucket(ctx, url)
}

// checkName keeps everything that is no SHA-256 away from the store: a name can't be a path.
func checkName(sha256 string) error {
	if b, err := hex.DecodeString(sha256); err != nil || len(b) != 32 || strings.ToLower(sha256) != sha256 {
		return fmt.Errorf("blob %q: %w", sha256, fs.ErrNotExist)
	}
	return nil
}
