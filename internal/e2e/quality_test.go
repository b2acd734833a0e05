package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tool runs a program that script/setup has installed from npm, and gives what it prints.
func tool(t testing.TB, env []string, name string, args ...string) ([]byte, error) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../node_modules/.bin", name))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.WaitDelay = append(os.Environ(), env...), patience
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s (script/setup installs it): %w\n%s", name, err, tail(said.String(), 20))
	}
	return out, err
}

// TestB5_EveryPageIsGoodHTML has html-validate look at every page as it is sent.
func TestB5_EveryPageIsGoodHTML(t *testing.T) {
	t.Parallel()
	in := preview(t)
	v, dir := in.visitor(), t.TempDir()
	for _, lang := range []string{"en", "de", "he"} {
		for _, path := range in.previewed() {
			page := v.get(path + "?lang=" + lang)
			if page.status != http.StatusOK {
				t.Errorf("%s in %s: %d", path, lang, page.status)
			}
			if err := os.WriteFile(filepath.Join(dir, lang+"-"+filepath.Base(path)+".html"), []byte(page.body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := tool(t, nil, "html-validate", "--config", "testdata/html-validate.json", "--formatter", "stylish", filepath.Join(dir, "*.html"))
	if err != nil {
		t.Errorf("%v\n%s", err, tail(string(out), 200))
	}
}

// TestB5_Lighthouse has Lighthouse look at the list and at a thread, as a customer who is signed in sees them on a telephone: nothing stands in
// anybody's way, and nothing moves while it loads. How fast they are is told and not judged: machines are shared.
func TestB5_Lighthouse(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	v := in.visitor()
	if page := v.post(link(t, in.sentTo("ingrid@halvorsen.example", 1)), "application/x-www-form-urlencoded", []byte("password="+strings.ReplaceAll(password, " ", "+"))); page.status != http.StatusSeeOther {
		t.Fatalf("setting the password gives %d", page.status)
	}
	at, err := url.Parse(in.url)
	if err != nil {
		t.Fatal(err)
	}
	var cookies []string
	for _, c := range v.client.Jar.Cookies(at) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	headers, err := json.Marshal(map[string]string{"Cookie": strings.Join(cookies, "; ")})
	if err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(t.TempDir(), "headers.json")
	if err := os.WriteFile(with, headers, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"list": "/tickets", "thread": fmt.Sprintf("/tickets/%d", printer.Number)} {
		out, err := tool(t, []string{"CHROME_PATH=" + firstProgram(t, "chromium", "chromium-browser", "google-chrome")}, "lighthouse", in.url+path, "--quiet", "--output=json", "--only-categories=accessibility,performance,best-practices",
			"--extra-headers="+with, "--no-enable-error-reporting", "--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="+t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var found struct {
			FinalDisplayedURL string `json:"finalDisplayedUrl"`
			Categories        map[string]struct{ Score float64 }
			Audits            map[string]struct {
				Score        *float64
				Title        string
				NumericValue float64
			}
		}
		if err := json.Unmarshal(out, &found); err != nil {
			t.Fatal(err)
		}
		if found.FinalDisplayedURL != in.url+path {
			t.Fatalf("%s: it has looked at %s", name, found.FinalDisplayedURL)
		}
		for _, category := range []string{"accessibility", "best-practices"} {
			if score := found.Categories[category].Score; score != 1 {
				t.Errorf("%s: Lighthouse gives %s %.0f of 100", name, category, 100*score)
				for id, a := range found.Audits {
					if a.Score != nil && *a.Score < 1 {
						t.Logf("%s: %s: %s", name, id, a.Title)
					}
				}
			}
		}
		const mostShift = 0.02
		if shift := found.Audits["cumulative-layout-shift"].NumericValue; shift > mostShift {
			t.Errorf("%s: the layout shifts by %g while it loads", name, shift)
		}
		t.Logf("%s: Lighthouse gives performance %.0f of 100: first paint %.0f ms, largest %.0f ms, blocked %.0f ms", name, 100*found.Categories["performance"].Score,
			found.Audits["first-contentful-paint"].NumericValue, found.Audits["largest-contentful-paint"].NumericValue, found.Audits["total-blocking-time"].NumericValue)
	}
}
