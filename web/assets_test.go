package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, a *Assets, url, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("Accept-Encoding", encoding)
	a.ServeHTTP(w, r)
	return w
}

// TestAssetsStaySmall holds what a page loads to its budget, compressed: 14 KB of style and 8 KB of script.
func TestAssetsStaySmall(t *testing.T) {
	a, err := LoadAssets()
	if err != nil {
		t.Fatal(err)
	}
	for name, limit := range map[string]int{"app.css": 14_000, "app.js": 8_000, "mark.svg": 1_000} {
		url, err := a.URL(name)
		if err != nil {
			t.Fatal(err)
		}
		w := get(t, a, url, "gzip, br")
		if w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > limit || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %d bytes, %v", name, w.Code, w.Body.Len(), w.Header())
		}
		if plain := get(t, a, url, ""); plain.Header().Get("Content-Encoding") != "" || plain.Body.Len() <= w.Body.Len() {
			t.Errorf("%s without compression: %d bytes, %v", name, plain.Body.Len(), plain.Header())
		}
	}
	if _, err := a.URL("none.css"); err == nil {
		t.Error("an asset that is not there has a URL")
	}
	if w := get(t, a, AssetsPath+"app.000000000000.css", ""); w.Code != http.StatusNotFound {
		t.Errorf("an asset by another hash gives %d", w.Code)
	}
}

// TestStyleSheetNamesWhatIsServed follows the style sheet's url() to assets of ours.
func TestStyleSheetNamesWhatIsServed(t *testing.T) {
	a, err := LoadAssets()
	if err != nil {
		t.Fatal(err)
	}
	url, err := a.URL("app.css")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(get(t, a, url, "").Body.String(), -1)
	if len(found) == 0 {
		t.Error("the style sheet names no picture")
	}
	for _, u := range found {
		if w := get(t, a, u[1], ""); w.Code != http.StatusOK {
			t.Errorf("%s gives %d", u[1], w.Code)
		}
	}
}

// physical are properties that name a side of the screen, where a page that is read from right to left has the other one.
var physical = regexp.MustCompile(`(?:^|[;{\s])((?:margin|padding|border)-(?:left|right)[\w-]*|(?:left|right|float|clear)|text-align:\s*(?:left|right))\s*[:;}]`)

// TestB5_TheStyleSheetNamesNoSides: what is read from right to left is laid out so by logical properties alone.
func TestB5_TheStyleSheetNamesNoSides(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	mirrored := strings.NewReplacer(".nm{text-align:left}[dir=rtl] .nm{text-align:right}", "") // file names: a name is from left to right, its place is not
	for i, line := range strings.Split(mirrored.Replace(string(b)), "\n") {
		for _, m := range physical.FindAllStringSubmatch(line, -1) {
			t.Errorf("line %d: %s", i+1, m[1])
		}
	}
}
