package app

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/desk"
)

const aPicture = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

// folder writes files into a new folder.
func (d *desktop) folder(files map[string]string) string {
	d.t.Helper()
	dir := d.t.TempDir()
	for name, text := range files {
		d.ok(os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		d.ok(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func articles() map[string]string {
	return map[string]string{
		"billing/_category.toml": "position = 2\n[names]\nen = \"Billing\"\nde = \"Rechnungen\"\n",
		"billing/refunds.md":     "+++\ntitle = \"Refunds\"\nsummary = \"Money back\"\nposition = 3\nprivate = true\n+++\n\nSee ![the page](page.png).\n\n## More\n",
		"billing/refunds.de.md":  "---\ntitle: Rückerstattung\n---\nGeld zurück.\n",
		"billing/page.png":       aPicture,
		"billing/unused.txt":     "not an article",
		"setup/start.md":         "# How to *start*\n\nPress the button.\r\n",
		"hours.md":               "---\ntitle: Hours\ndraft: true\n---\n\nNine to five.",
		"nur.de.md":              "# Nur deutsch\n\nJa.\n",
		".git/x.md":              "not ours",
	}
}

func TestB4_AFolderComesInAndGoesOutAgain(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	dir := d.folder(articles())
	d.want(0, "article refunds would be added", "kb", "import", dir, "--dry-run")
	d.want(0, "There are none yet.", "kb", "list")
	d.want(0, "article refunds added", "kb", "import", dir)
	d.want(0, "nothing to change", "kb", "import", dir)

	out, _, code := d.gateway("kb", "list", "--json")
	var list struct{ Items []kbLine }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list.Items) != 4 {
		t.Fatalf("%v %d %s", err, code, out)
	}
	out, _, _ = d.gateway("kb", "show", "refunds", "--json")
	var a desk.Article
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	if a.Category != "billing" || a.Position != 3 || !a.Private || a.Draft || len(a.Texts) != 2 || a.Texts[0].Title != "Rückerstattung" || a.Texts[1].Summary != "Money back" ||
		a.Texts[1].Body != "See ![the page](page.png).\n\n## More" || len(a.Pictures) != 1 || a.Pictures[0].Size != int64(len(aPicture)) {
		t.Errorf("refunds is %+v", a)
	}
	d.want(0, "How to *start*", "kb", "show", "start")

	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	d.want(0, "4 articles were written", "kb", "export", first)
	d.want(1, "not empty", "kb", "export", first)
	d.want(0, "nothing to change", "kb", "import", first, "--prune", "--yes")
	d.want(0, "article start deleted", "kb", "import", d.folder(map[string]string{"hours.md": "# Hours"}), "--prune", "--yes")
	d.want(0, "article start added", "kb", "import", first)
	d.want(0, "4 articles were written", "kb", "export", second)
	if one, two := contents(t, first), contents(t, second); !maps.Equal(one, two) || len(one) != 8 {
		t.Errorf("the folders differ:\n%v\n%v", one, two)
	}
}

func TestB4_AnImportThatIsWrongChangesNothing(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	files := articles()
	maps.Copy(files, map[string]string{
		"bad/Name.md": "# A", "bad/untitled.md": "\n\nNo title.", "bad/key.md": "+++\ntitle = \"x\"\ncolour = 1\n+++\n", "bad/yaml.md": "---\ntitle: x\ncolour: 1\n---\n", "bad/open.md": "+++\ntitle = \"x\"\n",
		"bad/missing.md": "# A\n\ntext\n\n![x](none.png)\n", "bad/fake.md": "# A\n![x](fake.png)", "bad/fake.png": "<svg onload=alert(1)>", "bad/latin.md": "# \xe4", "bad/place.md": "# A", "bad/place.de.md": "+++\ntitle = \"A\"\ndraft = true\n+++\n",
		"bad/refunds.md": "# Twice", "bad/language.x1.md": "# A", "bad/deep/a.md": "# A", "bad/_category.toml": "names = 3\n", "bad/up.md": "# A\n\n![x](../billing/page.png)",
	})
	_, told, code := d.gateway("kb", "import", d.folder(files), "--yes")
	if code != 1 {
		t.Errorf("exit status %d", code)
	}
	for _, want := range []string{
		`bad/Name.md: "Name" can't stand in a URL`, "bad/untitled.md:3: the article has no title", "bad/key.md:3: there is no colour here", "bad/yaml.md:3: field colour", "bad/open.md:1: the head of the file does not end",
		"bad/missing.md:5: there is no picture none.png", "bad/fake.md:2: fake.png is no picture", "bad/latin.md: the file is not text in UTF-8", "bad/place.de.md:1: position, private and draft belong into bad/place.md",
		"billing/refunds.md: there is an article refunds in another folder: bad/refunds.md", `bad/language.x1.md: "x1" is not a language`, "bad/deep: a category has no folders in it", "bad/_category.toml:1:", `bad/up.md:3: a picture can't be called "../billing/page.png"`,
		"nothing was imported",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not say %q:\n%s", want, told)
		}
	}
	d.want(0, "There are none yet.", "kb", "list")
	d.want(1, "is no folder", "kb", "import", filepath.Join(t.TempDir(), "nowhere"))
	d.want(1, "there is no article in the folder", "kb", "import", t.TempDir())
}

func TestB4_PruningAsksFirst(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.want(0, "added", "kb", "import", d.folder(articles()))
	less := d.folder(map[string]string{"hours.md": "# Hours\n\nTen to four."})
	for answer, code := range map[string]int{"": 1, "n\n": 1, "nothing\n": 1} {
		var stdout, stderr bytes.Buffer
		got := Gateway(t.Context(), []string{"kb", "import", less, "--prune"}, Env{Environ: []string{"POSTERN_DATA=" + d.cfg.Data}, Stdin: strings.NewReader(answer), Stdout: &stdout, Stderr: &stderr}, nil)
		if got != code || !strings.Contains(stderr.String(), "5 articles and categories") || !strings.Contains(stderr.String(), "nothing was changed") {
			t.Errorf("%q: %d %s", answer, got, &stderr)
		}
	}
	d.want(0, "Nine to five.", "kb", "show", "hours")
	var stdout, stderr bytes.Buffer
	if code := Gateway(t.Context(), []string{"kb", "import", less, "--prune"}, Env{Environ: []string{"POSTERN_DATA=" + d.cfg.Data}, Stdin: strings.NewReader("yes\n"), Stdout: &stdout, Stderr: &stderr}, nil); code != 0 {
		t.Fatal(code, &stderr)
	}
	got := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	slices.Sort(got)
	if want := []string{"article hours changed", "article nur deleted", "article refunds deleted", "article start deleted", "category billing deleted", "category setup deleted"}; !slices.Equal(got, want) {
		t.Errorf("it says %q", got)
	}
	d.want(0, "", "kb", "delete", "hours")
	d.want(1, `there is no article "hours"`, "kb", "delete", "hours")
	d.want(0, "There are none yet.", "kb", "list")
	d.want(0, "gateway kb import ./articles", "kb", "import", "--help")
}
