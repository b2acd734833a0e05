package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"postern/i18n"
	"postern/portal"
	"postern/web"
)

func (c *cli) previewCommand() *cobra.Command {
	var listen string
	var check bool
	cmd := &cobra.Command{
		Use: "preview", Short: "Look at every page of the portal with sample data, before templates of your own are live", Args: cobra.NoArgs,
		Long: `It serves each page with sample data, in each language, light and dark, with the portal's branding, until you end it with Ctrl+C. Change a template, load the page again.

Templates of your own are files FOLDER/*.html, in the language of Go's html/template. What one defines takes the place of ours of that name:

  {{define "footer"}}<div class="wrap">Acme Ltd · <a href="https://acme.example/imprint">Imprint</a></div>{{end}}

There are brand, nav and footer, top and foot around every page, and each page by its name; what a page may show is what portal/templates has. Texts come by
{{t "key"}}. Scripts and styles in a page do not run: fonts and corners are tokens (gateway portal brand --tokens).

Once they look right, set templates = "FOLDER" in the configuration and start the gateway again. It does not start with templates that fail.`,
		Example: `  gateway portal preview --templates ./templates
  gateway portal preview --templates ./templates --check`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				return c.preview(ctx, p, listen, check)
			})
		},
	}
	cmd.Flags().StringVar(&listen, "preview-listen", "127.0.0.1:8088", "address and port of the preview")
	cmd.Flags().BoolVar(&check, "check", false, "only tell whether every page can be made, by the exit status too")
	return cmd
}

func (c *cli) preview(ctx context.Context, p *parts, listen string, check bool) error {
	texts, err := i18n.Load()
	if err != nil {
		return err
	}
	own := ownTemplates(p.cfg.Templates)
	trouble := portal.CheckTemplates(texts, own)
	if check {
		if trouble == nil {
			c.say("Every page can be made, in %d languages.", len(texts.Languages()))
		}
		return trouble
	}
	if trouble != nil {
		c.note("the templates do not work yet: %v", trouble)
	}
	log := slog.New(slog.DiscardHandler) // what fails is on the page
	h, err := portal.Preview(portal.Options{DB: p.db, Blobs: p.blobs, Texts: texts, BaseURL: p.cfg.BaseURL, Templates: own, Web: web.Options{Log: log}})
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --preview-listen", listen, err)
	}
	c.say("The preview is at http://%s/ until you press Ctrl+C.", l.Addr())
	return serveHTTP(ctx, l, h, log)
}
