package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"postern/blob"
)

// bucket starts a server that speaks S3, with one bucket.
func bucket(t *testing.T, query string) (*blob.Bucket, *s3mem.Backend) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	b, err := blob.NewBucket(t.Context(), strings.Replace(server.URL, "http://", "s3://key:secret@", 1)+"/files"+query+"?insecure=1&region=us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	return b, backend
}

func TestBucketKeepsAndGives(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "/postern/blobs"} {
		b, backend := bucket(t, prefix)
		large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		for range 2 { // the second time it is there
			for _, content := range [][]byte{[]byte("abc"), large} {
				sum, size, err := b.Put(t.Context(), bytes.NewReader(content))
				if err != nil || size != int64(len(content)) {
					t.Fatalf("Put = %s, %d, %v", sum, size, err)
				}
				if has, err := b.Has(t.Context(), sum); !has || err != nil {
					t.Errorf("Has = %v, %v", has, err)
				}
				r, err := b.Open(t.Context(), sum)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes came back of %d, %v", len(got), len(content), err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		list, err := backend.ListBucket("files", nil, gofakes3.ListBucketPage{})
		if err != nil || len(list.Contents) != 2 || !strings.HasPrefix(list.Contents[0].Key, strings.TrimPrefix(prefix, "/")) {
			t.Errorf("the bucket has %+v, %v", list, err)
		}
	}
}

func TestBucketKeepsNothingOfAFailedPut(t *testing.T) {
	t.Parallel()
	b, backend := bucket(t, "")
	broken := errors.New("connection lost")
	if _, _, err := b.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("Put = %v, want the reader's error", err)
	}
	if list, err := backend.ListBucket("files", nil, gofakes3.ListBucketPage{}); err != nil || len(list.Contents) != 0 {
		t.Errorf("left behind: %+v, %v", list, err)
	}
}

func TestBucketNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	b, _ := bucket(t, "")
	for _, name := range []string{"", "..", "../../x", strings.Repeat("a", 64), strings.Repeat("A", 64)} {
		if _, err := b.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q) = %v, want not exist", name, err)
		}
		if has, err := b.Has(t.Context(), name); has || err != nil {
			t.Errorf("Has(%q) = %v, %v", name, has, err)
		}
	}
}

func TestWrongBucketsAreTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for raw, want := range map[string]string{
		"s3://key:canary@" + host + "/none?insecure=1&region=us-east-1": "there is no bucket none",
		"s3://key:canary@127.0.0.1:1/files?insecure=1&region=x":         "reach bucket files",
		"s3://" + host + "/files":                                       "want s3://KEY:SECRET@HOST/BUCKET",
		"s3://key:canary@" + host:                                       "want s3://KEY:SECRET@HOST/BUCKET",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := blob.NewBucket(ctx, raw)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
