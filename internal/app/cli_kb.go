package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/tickets"
)

// kbFlags are what an import is told.
type kbFlags struct{ dryRun, prune, yes bool }

func (c *cli) kbCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "kb", Short: "Write the knowledge base", Args: cobra.NoArgs, RunE: help}
	var f kbFlags
	load := &cobra.Command{
		Use: "import FOLDER", Short: "Bring the articles of a folder into the knowledge base", Args: cobra.ExactArgs(1),
		Long: `Reads FOLDER/{category}/{slug}.md and brings the knowledge base to what these files say. An article in another language than the
portal's is {slug}.de.md beside it; pictures (PNG, JPEG, GIF, WebP) lie beside the articles that show them. At the head of a file may stand, as TOML
between two lines +++ or as YAML between two lines ---: title, summary, position, private (for who is signed in alone), draft. Without a title there,
the first line is it: # Title. A category may have its names and its place in {category}/_category.toml:

  position = 1
  [names]
  en = "Getting started"
  de = "Erste Schritte"

All that is wrong is told at once, and nothing is changed then. What is as the files say already is not touched.`,
		Example: "  gateway kb import ./articles --dry-run\n  gateway kb import ./articles --prune --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.kbImport(ctx, p, args[0], f) })
		},
	}
	load.Flags().BoolVar(&f.dryRun, "dry-run", false, "tell what would change, and change nothing")
	load.Flags().BoolVar(&f.prune, "prune", false, "delete the articles and categories that are not in the folder, with their votes; asks before")
	load.Flags().BoolVar(&f.yes, "yes", false, "don't ask")
	export := &cobra.Command{
		Use: "export FOLDER", Short: "Write all articles into a new or empty folder, as import reads them", Args: cobra.ExactArgs(1),
		Example: "  gateway kb export ./articles",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.kbExport(ctx, p, args[0]) })
		},
	}
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the articles", Args: cobra.NoArgs, Example: "  gateway kb list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.kbList) },
	})
	show := c.listFlag(&cobra.Command{
		Use: "show SLUG", Short: "Print an article in all its languages", Args: cobra.ExactArgs(1), Example: "  gateway kb show refunds",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.kbShow(ctx, p, args[0]) })
		},
	})
	del := &cobra.Command{
		Use: "delete SLUG", Short: "Delete an article and the votes on it", Args: cobra.ExactArgs(1), Example: "  gateway kb delete refunds",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				a, err := kbArticle(ctx, p, args[0])
				if err != nil {
					return err
				}
				return p.desk.DeleteArticle(ctx, a.ID)
			})
		},
	}
	cmd.AddCommand(load, export, list, show, del)
	return cmd
}

func kbArticle(ctx context.Context, p *parts, slug string) (desk.Article, error) {
	a, err := p.db.Article(ctx, desk.ScopeOfProgram(), slug)
	if desk.KindOf(err) == desk.NotFound {
		return a, fmt.Errorf("there is no article %q; gateway kb list tells what there is", slug)
	}
	return a, err
}

func (c *cli) kbImport(ctx context.Context, p *parts, folder string, f kbFlags) error {
	settings, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no folder", folder)
	}
	step, done := c.progress("Reading", -1)
	in, err := readKB(os.DirFS(folder), settings.DefaultLanguage, step)
	done()
	if err != nil {
		return err
	}
	in.Prune = f.prune
	if in.Categories, err = withNames(ctx, p, in); err != nil {
		return err
	}
	would, err := p.desk.ChangeLibrary(ctx, in.Library, true)
	if err != nil {
		return err
	}
	if f.dryRun {
		c.sayLibrary(would, "would be ")
		return nil
	}
	if gone := deleted(would); gone > 0 && !f.yes {
		ok, err := c.agrees(fmt.Sprintf("%d articles and categories that are not in the folder will be deleted. Go on?", gone))
		if err != nil || !ok {
			return errors.Join(err, errors.New("nothing was changed; --dry-run tells what would be, --yes goes on without a question"))
		}
	}
	step, done = c.progress("Keeping pictures", len(in.pictures))
	defer done()
	for _, b := range in.pictures {
		if _, _, err := p.blobs.Put(ctx, bytes.NewReader(b)); err != nil {
			return err
		}
		step()
	}
	did, err := p.desk.ChangeLibrary(ctx, in.Library, false)
	if err == nil {
		c.sayLibrary(did, "")
	}
	return err
}

// withNames gives the folder's categories; one that has no file that names it keeps the names it has.
func withNames(ctx context.Context, p *parts, in kbFolder) ([]desk.Category, error) {
	have, err := p.db.Categories(ctx)
	out := slices.Clone(in.Categories)
	for i, cat := range out {
		at := slices.IndexFunc(have, func(o desk.Category) bool { return o.Key == cat.Key })
		if at >= 0 && !in.named[cat.Key] {
			out[i] = have[at]
		}
	}
	return out, err
}

func deleted(changes []tickets.LibraryChange) (n int) {
	for _, ch := range changes {
		if ch.Action == desk.ArticleDeleted || ch.Action == desk.CategoryDeleted {
			n++
		}
	}
	return n
}

func (c *cli) sayLibrary(changes []tickets.LibraryChange, would string) {
	for _, ch := range changes {
		what, done, _ := strings.Cut(string(ch.Action), ".")
		c.say("%s %s %s%s", what, ch.Name, would, done)
	}
	if len(changes) == 0 {
		c.say("The knowledge base is as the folder says; nothing to change.")
	}
}

// agrees asks a question; only "y" and "yes" are one.
func (c *cli) agrees(question string) (bool, error) {
	fmt.Fprintf(c.env.Stderr, "%s [y/N] ", question)
	line, err := bufio.NewReader(c.env.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

func (c *cli) kbExport(ctx context.Context, p *parts, folder string) error {
	settings, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if there, err := os.ReadDir(folder); err != nil || len(there) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty; name a new folder", folder))
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // its files are closed
	var l tickets.Library
	if l.Categories, err = p.db.Categories(ctx); err != nil {
		return err
	}
	lines, err := p.db.Articles(ctx, desk.ScopeOfProgram())
	if err != nil {
		return err
	}
	for _, line := range lines {
		a, err := p.db.ArticleByID(ctx, desk.ScopeOfProgram(), line.ID)
		if err != nil {
			return err
		}
		l.Articles = append(l.Articles, a)
	}
	step, done := c.progress("Writing", len(l.Articles))
	err = writeKB(root, l, settings.DefaultLanguage, func(sha string) ([]byte, error) {
		r, err := p.blobs.Open(ctx, sha)
		if err != nil {
			return nil, err
		}
		defer r.Close() //nolint:errcheck // it was only read
		return io.ReadAll(r)
	}, step)
	done()
	if err == nil {
		c.say("%d articles were written to %s.", len(l.Articles), folder)
	}
	return err
}

type kbLine struct {
	Slug      string   `json:"slug"`
	Category  string   `json:"category"`
	Title     string   `json:"title"`
	Languages []string `json:"languages"`
	Private   bool     `json:"private"`
	Draft     bool     `json:"draft"`
	Useful    int      `json:"useful"`
	NotUseful int      `json:"not_useful"`
}

func (c *cli) kbList(ctx context.Context, p *parts) error {
	settings, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	articles, err := p.db.Articles(ctx, desk.ScopeOfProgram())
	if err != nil {
		return err
	}
	votes, err := p.db.Votes(ctx)
	if err != nil {
		return err
	}
	items, rows := []kbLine{}, [][]string{}
	for _, a := range articles {
		text, _ := a.In(settings.DefaultLanguage, "")
		l := kbLine{Slug: a.Slug, Category: a.Category, Title: text.Title, Languages: []string{}, Private: a.Private, Draft: a.Draft, Useful: votes[a.ID].Useful, NotUseful: votes[a.ID].NotUseful}
		for _, v := range a.Texts {
			l.Languages = append(l.Languages, v.Language)
		}
		items = append(items, l)
		who := "everybody"
		switch {
		case a.Draft:
			who = "nobody: draft"
		case a.Private:
			who = "signed in"
		}
		rows = append(rows, []string{l.Slug, l.Category, l.Title, strings.Join(l.Languages, " "), who, strconv.Itoa(l.Useful) + " of " + strconv.Itoa(l.Useful+l.NotUseful)})
	}
	return c.list(items, []string{"slug", "category", "title", "languages", "who reads it", "useful to"}, rows)
}

func (c *cli) kbShow(ctx context.Context, p *parts, slug string) error {
	a, err := kbArticle(ctx, p, slug)
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, a)
	}
	for _, v := range a.Texts {
		c.say("%s: %s\n\n%s", v.Language, v.Title, v.Body)
	}
	return nil
}
