package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"postern/desk"
	"postern/safehtml"
	"postern/tickets"
)

// kbFolder is a knowledge base as a folder has it: FOLDER/{category}/{slug}.md in the default language, {slug}.de.md in another, pictures beside them,
// and categoryFile in the folder of a category that is to have a name.
type kbFolder struct {
	tickets.Library
	pictures map[string][]byte // by SHA-256
	named    map[string]bool   // the categories that have a categoryFile
}

const categoryFile = "_category.toml"

// matter is what stands at the head of an article's file.
type matter struct {
	Title    string `toml:"title" yaml:"title"`
	Summary  string `toml:"summary,omitempty" yaml:"summary"`
	Position int    `toml:"position,omitempty" yaml:"position"`
	Private  bool   `toml:"private,omitempty" yaml:"private"`
	Draft    bool   `toml:"draft,omitempty" yaml:"draft"`
}

// kbReader reads a folder and collects what is wrong with it.
type kbReader struct {
	folder   fs.FS
	language string
	out      kbFolder
	articles map[string]*desk.Article
	from     map[string]string // by slug: the file that says where the article stands
	problems []string
}

func (r *kbReader) problem(file string, line int, format string, args ...any) {
	where := file
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	r.problems = append(r.problems, where+": "+fmt.Sprintf(format, args...))
}

// readKB reads a folder; language is that of files that name none. All that is wrong is told at once.
func readKB(folder fs.FS, language string, step func()) (kbFolder, error) {
	r := &kbReader{folder: folder, language: language, articles: map[string]*desk.Article{}, from: map[string]string{}}
	r.out.pictures, r.out.named = map[string][]byte{}, map[string]bool{}
	var files []string
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() && name != ".":
			r.category(name)
		case strings.HasSuffix(name, ".md"):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return r.out, err
	}
	if len(files) == 0 {
		return r.out, errors.New("there is no article in the folder: no file whose name ends with .md")
	}
	// Of an article, the file in the default language comes first: it is the one that says where the article stands.
	slices.SortFunc(files, func(a, b string) int {
		slugA, langA := articleFile(a)
		slugB, langB := articleFile(b)
		return cmp.Or(strings.Compare(path.Dir(a), path.Dir(b)), strings.Compare(slugA, slugB), strings.Compare(langA, langB))
	})
	for _, name := range files {
		r.article(name)
		step()
	}
	for _, slug := range slices.Sorted(maps.Keys(r.articles)) {
		a := *r.articles[slug]
		if err := a.Check(); err != nil {
			r.problem(r.from[slug], 0, "%s", problemText(err))
		}
		r.out.Articles = append(r.out.Articles, a)
	}
	if len(r.problems) > 0 {
		return r.out, fmt.Errorf("nothing was imported:\n%s", strings.Join(r.problems, "\n"))
	}
	return r.out, nil
}

func problemText(err error) string {
	return cmp.Or(desk.TextOf(err), err.Error())
}

// articleFile tells what a file's name says: the slug, and the language if it names one.
func articleFile(name string) (slug, language string) {
	slug, language, _ = strings.Cut(strings.TrimSuffix(path.Base(name), ".md"), ".")
	return slug, language
}

func (r *kbReader) category(dir string) {
	if strings.Contains(dir, "/") {
		r.problem(dir, 0, "a category has no folders in it")
		return
	}
	c := desk.Category{Key: dir, Names: map[string]string{r.language: nameOfKey(dir)}}
	file := path.Join(dir, categoryFile)
	b, err := fs.ReadFile(r.folder, file)
	switch {
	case err == nil:
		r.out.named[dir] = true
		var said struct {
			Position int               `toml:"position"`
			Names    map[string]string `toml:"names"`
		}
		if err := strictTOML(b, &said); err != nil {
			line, text := tomlProblem(err)
			r.problem(file, line, "%s", text)
			return
		}
		c.Position = said.Position
		if len(said.Names) > 0 {
			c.Names = said.Names
		}
	case !errors.Is(err, fs.ErrNotExist):
		r.problem(file, 0, "%v", err)
		return
	}
	if err := c.Check(); err != nil {
		r.problem(dir, 0, "%s", problemText(err))
	}
	r.out.Categories = append(r.out.Categories, c)
}

// nameOfKey is what a category is called that nobody has named: "getting-started" is "Getting started".
func nameOfKey(key string) string {
	name := strings.ReplaceAll(key, "-", " ")
	return strings.ToUpper(name[:1]) + name[1:]
}

func strictTOML(b []byte, v any) error {
	return toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(v)
}

// tomlProblem is the line and the text of what TOML does not take.
func tomlProblem(err error) (int, string) {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		line, _ := e.Errors[0].Position()
		return line, "there is no " + strings.Join(e.Errors[0].Key(), ".") + " here"
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		return line, strings.TrimPrefix(e.Error(), "toml: ")
	}
	return 0, err.Error()
}

func (r *kbReader) article(name string) {
	slug, language := articleFile(name)
	if language == "" {
		language = r.language
	}
	if err := desk.CheckSlug("slug", slug); err != nil {
		r.problem(name, 0, "%s", problemText(err))
		return
	}
	if err := desk.CheckLanguage("language", language); err != nil {
		r.problem(name, 0, "%s", problemText(err))
		return
	}
	b, err := fs.ReadFile(r.folder, name)
	if err != nil {
		r.problem(name, 0, "%v", err)
		return
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		r.problem(name, 0, "the file is not text in UTF-8")
		return
	}
	m, body, first, ok := r.matter(name, strings.ReplaceAll(string(b), "\r\n", "\n"))
	if !ok {
		return
	}
	category := path.Dir(name)
	if category == "." {
		category = ""
	}
	a := r.articles[slug]
	switch {
	case a == nil:
		a = &desk.Article{Slug: slug, Category: category, Position: m.Position, Private: m.Private, Draft: m.Draft}
		r.articles[slug], r.from[slug] = a, name
	case a.Category != category:
		r.problem(name, 0, "there is an article %s in another folder: %s", slug, r.from[slug])
		return
	case m.Position != 0 || m.Private || m.Draft:
		r.problem(name, 1, "position, private and draft belong into %s", r.from[slug])
	}
	v := desk.Version{Language: language, Title: m.Title, Summary: m.Summary, Body: body}
	if slices.ContainsFunc(a.Texts, func(o desk.Version) bool { return o.Language == language }) {
		r.problem(name, 0, "there is another file with this article in %s", language)
		return
	}
	a.Texts = append(a.Texts, v)
	for _, picture := range safehtml.MarkdownPictures(body) {
		r.picture(a, name, first+lineIn(body, picture), picture)
	}
}

// matter splits a file into its head and the text, and tells in which line the text begins. A file without a title at its head has it as its first
// heading.
func (r *kbReader) matter(name, s string) (m matter, body string, first int, ok bool) {
	fence := "---\n"
	if strings.HasPrefix(s, "+++\n") {
		fence = "+++\n"
	}
	first = 1
	if rest, fenced := strings.CutPrefix(s, fence); fenced {
		head, after, closed := strings.Cut("\n"+rest, "\n"+fence)
		if !closed {
			r.problem(name, 1, "the head of the file does not end: there is no second line %s", strings.TrimSpace(fence))
			return m, "", 0, false
		}
		first += strings.Count(head, "\n") + 1
		head = strings.TrimPrefix(head, "\n")
		if fence == "+++\n" {
			if err := strictTOML([]byte(head), &m); err != nil {
				line, text := tomlProblem(err)
				r.problem(name, line+1, "%s", text)
				return m, "", 0, false
			}
		} else if err := strictYAML([]byte(head), &m); err != nil {
			line, text := yamlProblem(err)
			r.problem(name, line+1, "%s", text)
			return m, "", 0, false
		}
		s = after
	}
	trimmed := strings.TrimLeft(s, "\n")
	first += len(s) - len(trimmed)
	s = trimmed
	if m.Title == "" {
		line, after, _ := strings.Cut(s, "\n")
		title, is := strings.CutPrefix(line, "# ")
		if m.Title = strings.TrimSpace(title); !is || m.Title == "" {
			r.problem(name, first, "the article has no title: write it at the head of the file (title = \"…\" between two lines +++), or as the first line (# …)")
			return m, "", 0, false
		}
		trimmed := strings.TrimLeft(after, "\n")
		first += 1 + len(after) - len(trimmed)
		s = trimmed
	}
	return m, strings.TrimRight(s, "\n"), first, true
}

func strictYAML(b []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil && len(bytes.TrimSpace(b)) > 0 {
		return err
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// yamlProblem is the line and the text of what YAML does not take: its errors have them in their text alone.
func yamlProblem(err error) (int, string) {
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		return 0, strings.TrimPrefix(err.Error(), "yaml: ")
	}
	line, _ := strconv.Atoi(found[1]) // digits alone match
	return line, found[2]
}

// lineIn tells in which line of a text, counted from 0, something first stands.
func lineIn(text, what string) int {
	before, _, _ := strings.Cut(text, what)
	return strings.Count(before, "\n")
}

func (r *kbReader) picture(a *desk.Article, file string, line int, name string) {
	if slices.ContainsFunc(a.Pictures, func(p desk.PictureOf) bool { return p.Name == name }) {
		return
	}
	if err := desk.CheckPictureName("pictures", name); err != nil {
		r.problem(file, line, "%s", problemText(err))
		return
	}
	b, err := fs.ReadFile(r.folder, path.Join(path.Dir(file), name))
	if errors.Is(err, fs.ErrNotExist) {
		r.problem(file, line, "there is no picture %s beside this file", name)
		return
	}
	if err != nil {
		r.problem(file, line, "%v", err)
		return
	}
	p, err := tickets.CheckPicture(name, b)
	if err != nil {
		r.problem(file, line, "%s", problemText(err))
		return
	}
	r.out.pictures[p.SHA256] = b
	a.Pictures = append(a.Pictures, p)
}

// writeKB writes a knowledge base into a folder, as readKB reads it. bytesOf gives a picture's bytes.
func writeKB(root *os.Root, l tickets.Library, language string, bytesOf func(sha256 string) ([]byte, error), step func()) error {
	written := map[string]string{} // pictures: what they hold
	put := func(name string, b []byte) error {
		if dir := path.Dir(name); dir != "." {
			if err := root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		return root.WriteFile(name, b, 0o644)
	}
	for _, c := range l.Categories {
		b, err := toml.Marshal(struct {
			Position int               `toml:"position"`
			Names    map[string]string `toml:"names"`
		}{c.Position, c.Names})
		if err != nil {
			return err
		}
		if err := put(path.Join(c.Key, categoryFile), b); err != nil {
			return err
		}
	}
	for _, a := range l.Articles {
		texts := slices.Clone(a.Texts)
		if i := slices.IndexFunc(texts, func(v desk.Version) bool { return v.Language == language }); i > 0 { // the one that is read first
			own := texts[i]
			texts = slices.Insert(slices.Delete(texts, i, i+1), 0, own)
		}
		for i, v := range texts {
			m := matter{Title: v.Title, Summary: v.Summary}
			if i == 0 {
				m.Position, m.Private, m.Draft = a.Position, a.Private, a.Draft
			}
			head, err := toml.Marshal(m)
			if err != nil {
				return err
			}
			name := a.Slug + ".md"
			if v.Language != language {
				name = a.Slug + "." + v.Language + ".md"
			}
			if err := put(path.Join(a.Category, name), []byte("+++\n"+string(head)+"+++\n\n"+v.Body+"\n")); err != nil {
				return err
			}
		}
		for _, p := range a.Pictures {
			name := path.Join(a.Category, p.Name)
			if had, ok := written[name]; ok && had != p.SHA256 {
				return fmt.Errorf("two articles of the folder %q have different pictures called %s; rename one, or move one of the articles", a.Category, p.Name)
			}
			written[name] = p.SHA256
			b, err := bytesOf(p.SHA256)
			if err != nil {
				return err
			}
			if err := put(name, b); err != nil {
				return err
			}
		}
		step()
	}
	return nil
}
