package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bucket keeps blobs as objects of an S3-compatible server.
type Bucket struct {
	client *minio.Client
	name   string
	prefix string
}

// NewBucket opens a bucket: "s3://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX][?region=…][&insecure=1]". insecure=1 speaks plain HTTP.
// It fails if the bucket can't be reached or is not there.
func NewBucket(ctx context.Context, rawURL string) (*Bucket, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("blob_url: not a URL") // url's own error would show the secret
	}
	name, prefix, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	secret, _ := u.User.Password()
	if name == "" || u.Host == "" || u.User.Username() == "" || secret == "" {
		return nil, errors.New("blob_url: want s3://KEY:SECRET@HOST/BUCKET")
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(u.User.Username(), secret, ""), Secure: u.Query().Get("insecure") != "1", Region: u.Query().Get("region"),
	})
	if err != nil {
		return nil, fmt.Errorf("blob_url: %w", err)
	}
	ok, err := client.BucketExists(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("blob_url: reach bucket %s on %s: %w", name, u.Host, err)
	}
	if !ok {
		return nil, fmt.Errorf("blob_url: there is no bucket %s on %s; make it first", name, u.Host)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &Bucket{client: client, name: name, prefix: prefix}, nil
}

// Put implements Store. The name is known only after the last byte, so the bytes wait in a temporary file.
func (b *Bucket) Put(ctx context.Context, r io.Reader) (sum string, size int64, err error) {
	tmp, err := os.CreateTemp("", "postern-blob-"+rand.Text())
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name())) }()
	h := sha256.New()
	if size, err = io.Copy(io.MultiWriter(tmp, h), r); err != nil {
		return "", 0, err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if has, err := b.Has(ctx, sum); err != nil || has {
		return sum, size, err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	_, err = b.client.PutObject(ctx, b.name, b.prefix+path(sum), tmp, size, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return sum, size, err
}

// Open implements Store.
func (b *Bucket) Open(ctx context.Context, sha256 string) (io.ReadCloser, error) {
	if err := checkName(sha256); err != nil {
		return nil, err
	}
	o, err := b.client.GetObject(ctx, b.name, b.prefix+path(sha256), minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := o.Stat(); err != nil { // GetObject itself asks for nothing
		if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
			err = fmt.Errorf("blob %s: %w", sha256, fs.ErrNotExist)
		}
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Has implements Store.
func (b *Bucket) Has(ctx context.Context, sha256 string) (bool, error) {
	if checkName(sha256) != nil {
		return false, nil
	}
	_, err := b.client.StatObject(ctx, b.name, b.prefix+path(sha256), minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
