package blob_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"postern/blob"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	f, err := blob.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
	var wg sync.WaitGroup
	for range 8 { // the same bytes from many sides at once
		wg.Go(func() {
			if sum, size, err := f.Put(t.Context(), strings.NewReader("abc")); sum != abc || size != 3 || err != nil {
				t.Errorf("Put = %s, %d, %v", sum, size, err)
			}
		})
	}
	wg.Wait()
	r, err := f.Open(t.Context(), abc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); string(b) != "abc" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if has, err := f.Has(t.Context(), abc); !has || err != nil {
		t.Errorf("Has = %v, %v", has, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 0 || err != nil {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestFolderKeepsNothingOfAFailedPut(t *testing.T) {
	dir := t.TempDir()
	f, err := blob.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("connection lost")
	if _, _, err := f.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("Put = %v, want the reader's error", err)
	}
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if len(files) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestFolderNamesAreNoPaths(t *testing.T) {
	f, err := blob.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../../etc/passwd", strings.Repeat("a", 64), strings.Repeat("A", 64), "aa/../../x" + strings.Repeat("0", 54)} {
		if _, err := f.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q) = %v, want not exist", name, err)
		}
		if has, err := f.Has(t.Context(), name); has || err != nil {
			t.Errorf("Has(%q) = %v, %v", name, has, err)
		}
	}
}

// TestF8_ASourceThatBreaksOffKeepsNothing: what looks like an end, but is none, is an error at any length.
func TestF8_ASourceThatBreaksOffKeepsNothing(t *testing.T) {
	t.Parallel()
	const inMemory = 256 << 10 // up to this it looks before it writes
	f, err := blob.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	broken := fmt.Errorf("the connection broke: %w", io.EOF)
	for _, n := range []int{0, 10, inMemory - 1, inMemory, inMemory + 1, 3 * inMemory} {
		sum, _, err := f.Put(t.Context(), io.MultiReader(strings.NewReader(strings.Repeat("x", n)), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || sum != "" {
			t.Errorf("after %d bytes: %q, %v", n, sum, err)
		}
		for range 2 {
			sum, size, err := f.Put(t.Context(), strings.NewReader(strings.Repeat("y", n)))
			if there, hasErr := f.Has(t.Context(), sum); err != nil || hasErr != nil || size != int64(n) || !there {
				t.Errorf("%d bytes: %q, %d, %v, %v", n, sum, size, err, hasErr)
			}
		}
	}
}
