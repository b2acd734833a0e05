package app

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"postern/desk"
	"postern/palette"
	"postern/tickets"
)

// brandFlags are what gateway portal brand may change; a name of a file, or a value.
type brandFlags struct {
	color, site, logo, logoDark, favicon, tokens string
}

func (c *cli) brandCommand() *cobra.Command {
	var f brandFlags
	cmd := c.listFlag(&cobra.Command{
		Use: "brand", Short: "Show or change how the portal looks: colour, logos, fonts and corners", Args: cobra.NoArgs,
		Long: `Without flags it shows how the portal looks. From the one colour all others are derived, for light and dark pages, such that words can be read; where the
colour itself can't be, it says which one is taken. Pictures are PNG, JPEG, GIF or WebP of up to 256 KB. A token file sets fonts, corners and the width of pages:

  font = "Georgia, serif"
  r1 = "2px"     # corners of controls; r2: of cards, r3: of dialogs
  wrap = "60rem" # how wide pages get

An empty value takes something away. Menus and the footer are settings: gateway settings get branding. A running gateway sees the change within seconds.`,
		Example: `  gateway portal brand --color '#7c0040' --logo logo.png --favicon favicon.png --site https://www.acme.example
  gateway portal brand --tokens tokens.toml
  gateway portal brand --logo-dark ""`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return c.brand(ctx, p, cmd, f) })
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&f.color, "color", "", "the colour of links and buttons, such as #0b6a5d")
	flags.StringVar(&f.site, "site", "", "the main site's address, which the footer links")
	flags.StringVar(&f.logo, "logo", "", "file of the logo")
	flags.StringVar(&f.logoDark, "logo-dark", "", "file of the logo for dark pages, where it is another one")
	flags.StringVar(&f.favicon, "favicon", "", "file of the favicon")
	flags.StringVar(&f.tokens, "tokens", "", "TOML file of tokens; it replaces those that are set")
	return cmd
}

func (c *cli) brand(ctx context.Context, p *parts, cmd *cobra.Command, f brandFlags) error {
	settings, err := p.db.Settings(ctx)
	if err != nil {
		return err
	}
	change := map[string]any{}
	for name, value := range map[string]string{"color": f.color, "site": f.site} {
		if cmd.Flags().Changed(name) {
			change[name] = value
		}
	}
	if cmd.Flags().Changed("tokens") {
		if change["tokens"], err = tokensOf(f.tokens, settings.Branding.Tokens); err != nil {
			return err
		}
	}
	for flag, file := range map[string]string{"logo": f.logo, "logo-dark": f.logoDark, "favicon": f.favicon} {
		if !cmd.Flags().Changed(flag) {
			continue
		}
		name := map[string]string{"logo": "logo", "logo-dark": "logo_dark", "favicon": "favicon"}[flag]
		if change[name] = nil; file == "" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		kept, err := tickets.KeepBrandImage(ctx, p.blobs, bytes.NewReader(b))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		change[name] = tickets.BrandImageChange(kept)
	}
	if len(change) > 0 {
		if settings, err = p.desk.ChangeSettings(ctx, map[string]any{"branding": change}); err != nil {
			return err
		}
	}
	return c.showBrand(settings.Branding)
}

// tokensOf reads a token file as a change: what is set now and not in it is taken away.
func tokensOf(file string, now map[string]string) (map[string]any, error) {
	out := map[string]any{}
	for name := range now {
		out[name] = nil
	}
	if file == "" {
		return out, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var values map[string]string
	if err := toml.Unmarshal(b, &values); err != nil {
		return nil, fmt.Errorf("%s: a token file has lines such as font = \"Georgia, serif\": %w", file, err)
	}
	for name, value := range values {
		out[name] = value
	}
	return out, nil
}

func (c *cli) showBrand(b desk.Branding) error {
	color := cmp.Or(b.Color, palette.Default)
	colors, err := palette.Of(color)
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(c.env.Stdout, map[string]any{"branding": b, "light": colors.Light, "dark": colors.Dark, "corrected": colors.Corrected})
	}
	c.say("colour    %s, on light pages %s, on dark ones %s", color, colors.Light.Accent, colors.Dark.Accent)
	if colors.Corrected {
		c.say("          words in %s itself can't be read on a light page: %s is the nearest that can", color, colors.Light.Accent)
	}
	for _, picture := range []struct {
		name string
		is   *desk.BrandImage
	}{{"logo", b.Logo}, {"logo dark", b.LogoDark}, {"favicon", b.Favicon}} {
		if picture.is == nil {
			c.say("%-9s none", picture.name)
			continue
		}
		c.say("%-9s %s, %d × %d, %d bytes", picture.name, picture.is.Type, picture.is.Width, picture.is.Height, picture.is.Size)
	}
	c.say("site      %s", cmp.Or(b.Site, "none"))
	for _, name := range desk.TokenNames() {
		if value := b.Tokens[name]; value != "" {
			c.say("token     %s = %s", name, value)
		}
	}
	return nil
}
