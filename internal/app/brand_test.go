package app

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/desk"
)

// TestB1_BrandingByCommand: shown, changed, corrected where words could not be read, taken away again; what can't be shown is refused and changes nothing.
func TestB1_BrandingByCommand(t *testing.T) {
	t.Parallel()
	c := newCommands(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 120, 40))); err != nil {
		t.Fatal(err)
	}
	logo, svg := file("logo.png", b.String()), file("logo.svg", "<svg/>")
	if got := c.ok("portal", "brand"); !strings.Contains(got, "#0b6a5d, on light pages #0b6a5d") || strings.Contains(got, "can't be read") {
		t.Errorf("as it comes: %s", got)
	}
	got := c.ok("portal", "brand", "--color", "#ffe000", "--logo", logo, "--favicon", logo, "--site", "https://www.acme.example", "--tokens", file("tokens.toml", "font = \"Georgia, serif\"\nr1 = \"2px\" # corners\n"))
	for _, want := range []string{"words in #ffe000 itself can't be read on a light page", "logo      image/png, 120 × 40", "logo dark none", "https://www.acme.example", "token     font = Georgia, serif", "token     r1 = 2px"} {
		if !strings.Contains(got, want) {
			t.Errorf("changed, it lacks %q:\n%s", want, got)
		}
	}
	c.refused("SVG is not taken", "portal", "brand", "--logo", svg, "--color", "#000000")
	c.refused(`"rouge" is not a colour`, "portal", "brand", "--color", "rouge")
	c.refused("there is no token", "portal", "brand", "--tokens", file("bad.toml", "accent = \"red\""))
	c.refused("a token file has lines such as", "portal", "brand", "--tokens", file("worse.toml", "font = = 1"))
	c.refused("no such file", "portal", "brand", "--logo", filepath.Join(dir, "none.png"))

	c.ok("portal", "brand", "--logo", "", "--tokens", file("tokens.toml", "r2 = \"0\""))
	var out struct {
		Branding  desk.Branding
		Corrected bool
	}
	if err := json.Unmarshal([]byte(c.ok("portal", "brand", "--json")), &out); err != nil {
		t.Fatal(err)
	}
	if s := out.Branding; s.Logo != nil || s.Favicon == nil || len(s.Tokens) != 1 || s.Tokens["r2"] != "0" || s.Color != "#ffe000" || !out.Corrected {
		t.Errorf("in the end: %+v", out)
	}
}
