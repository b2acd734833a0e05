package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var files embed.FS

// Assets serves what pages load, under names that hold a hash of the content: browsers may keep it for a year.
type Assets struct {
	urls  map[string]string // name to URL
	byURL map[string]asset
}

type asset struct {
	mediaType   string
	plain, gzip []byte
}

// AssetsPath is where assets are.
const AssetsPath = "/assets/"

// LoadAssets reads the assets that are compiled in. Style sheets name others as url(name).
func LoadAssets() (*Assets, error) {
	a := &Assets{urls: map[string]string{}, byURL: map[string]asset{}}
	names, err := fs.Glob(files, "assets/*")
	if err != nil {
		return nil, err
	}
	for _, css := range []bool{false, true} { // style sheets last: they name the others
		for _, name := range names {
			if strings.HasSuffix(name, ".css") != css {
				continue
			}
			b, err := files.ReadFile(name)
			if err != nil {
				return nil, err
			}
			if err := a.add(path.Base(name), b); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

func (a *Assets) add(name string, b []byte) error {
	ext := path.Ext(name)
	if ext == ".css" {
		for other, url := range a.urls {
			b = bytes.ReplaceAll(b, []byte("url("+other+")"), []byte("url("+url+")"))
		}
	}
	sum := sha256.Sum256(b)
	url := AssetsPath + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	a.urls[name] = url
	a.byURL[url] = asset{mediaType: mime.TypeByExtension(ext), plain: b, gzip: z.Bytes()}
	return nil
}

// URL gives the URL of an asset by its file name.
func (a *Assets) URL(name string) (string, error) {
	if url, ok := a.urls[name]; ok {
		return url, nil
	}
	return "", fmt.Errorf("there is no asset %q", name)
}

// ServeHTTP serves an asset.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.gzip
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the browser has gone
	}
}
