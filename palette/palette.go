// Package palette derives the colours of pages and mails from the one that an operator picks, such that what is written in them can be read.
package palette

import (
	"fmt"

	"github.com/lucasb-eyer/go-colorful"
)

// Readable is how far a text and what is behind it are apart at least (WCAG 2.2, 1.4.3, for texts of any size).
const Readable = 4.5

// Default is the colour where nobody has picked one.
const Default = "#0b6a5d"

// Shades are the colours of one theme, as #rrggbb.
type Shades struct {
	Accent string // of links, and behind the words of buttons
	Hover  string // the same under the pointer
	On     string // of words on Accent and Hover
	Soft   string // behind words in Accent
	Line   string // around Soft
}

// Palette is what a colour becomes.
type Palette struct {
	Light, Dark Shades
	// Corrected says that the colour itself can't be read on a light page: Light.Accent is the nearest that can.
	Corrected bool
}

// Grounds are what words stand on beside the shades: the page's own background and that of cards, of app.css.
var (
	lightGrounds = []string{"#f6f5f1", "#ffffff", "#f0eee8", "#faf9f6"} //nolint:gochecknoglobals // never changes
	darkGrounds  = []string{"#121416", "#1a1d20", "#23272b", "#1f2326"} //nolint:gochecknoglobals // never changes
)

// Of derives the palette of a colour, #rrggbb. Lightness moves, as little as it can; hue stays, and so does chroma where the screen has it
// (OKLCH, CSS Color 4).
func Of(color string) (Palette, error) {
	picked, err := colorful.Hex(color)
	if err != nil || len(color) != 7 {
		return Palette{}, fmt.Errorf("%q is not a colour such as %s", color, Default)
	}
	l, c, h := picked.OkLch()
	var out Palette
	soft := hex(0.95, c*0.16, h)
	accent, al := until(l, -0.005, c, h, func(x string) bool {
		return reads(x, append([]string{soft}, lightGrounds...)...)
	})
	out.Corrected = accent != picked.Hex()
	out.Light = Shades{Accent: accent, Hover: hex(max(al-0.06, 0.12), c, h), On: "#ffffff", Soft: soft, Line: hex(0.87, c*0.4, h)}

	soft = hex(0.29, c*0.4, h)
	on := hex(0.22, c*0.35, h)
	accent, al = until(max(l, 0.75), 0.005, c, h, func(x string) bool {
		return reads(x, append([]string{soft, on}, darkGrounds...)...)
	})
	out.Dark = Shades{Accent: accent, Hover: hex(min(al+0.05, 0.98), c*0.9, h), On: on, Soft: soft, Line: hex(0.42, c*0.55, h)}
	return out, nil
}

// until moves the lightness in steps until a colour will do, and gives both.
func until(l, step, c, h float64, do func(string) bool) (string, float64) {
	for ; l > 0 && l < 1; l += step {
		if x := hex(l, c, h); do(x) {
			return x, l
		}
	}
	if step < 0 {
		return "#000000", 0
	}
	return "#ffffff", 1
}

// hex is the colour in #rrggbb, with as much chroma as a screen can show.
func hex(l, c, h float64) string {
	for ; c > 0.001; c *= 0.95 {
		if x := colorful.OkLch(l, c, h); x.IsValid() {
			return x.Hex()
		}
	}
	return colorful.OkLch(l, 0, h).Clamped().Hex()
}

// reads tells whether words in a colour can be read on all of some others.
func reads(ink string, grounds ...string) bool {
	for _, g := range grounds {
		if Contrast(ink, g) < Readable {
			return false
		}
	}
	return true
}

// Contrast is the ratio of two colours' relative luminances, 1 to 21 (WCAG 2.2); 0 if one is no colour.
func Contrast(a, b string) float64 {
	x, errX := colorful.Hex(a)
	y, errY := colorful.Hex(b)
	if errX != nil || errY != nil {
		return 0
	}
	hi, lo := luminance(x), luminance(y)
	if hi < lo {
		hi, lo = lo, hi
	}
	return (hi + 0.05) / (lo + 0.05)
}

func luminance(c colorful.Color) float64 {
	r, g, b := c.LinearRgb()
	return 0.2126*r + 0.7152*g + 0.0722*b
}
