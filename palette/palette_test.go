package palette_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"postern/palette"
)

// TestB1_WhateverIsPickedCanBeRead: each pair of colours that words are written in, of a grid over all colours, in both themes.
func TestB1_WhateverIsPickedCanBeRead(t *testing.T) {
	t.Parallel()
	grounds := map[bool][]string{false: {"#f6f5f1", "#ffffff"}, true: {"#121416", "#1a1d20"}}
	n := 0
	for r := 0; r <= 255; r += 17 {
		for g := 0; g <= 255; g += 17 {
			for b := 0; b <= 255; b += 17 {
				n++
				color := fmt.Sprintf("#%02x%02x%02x", r, g, b)
				p, err := palette.Of(color)
				if err != nil {
					t.Fatal(err)
				}
				for dark, s := range map[bool]palette.Shades{false: p.Light, true: p.Dark} {
					pairs := [][2]string{{s.On, s.Accent}, {s.On, s.Hover}, {s.Accent, s.Soft}}
					for _, ground := range grounds[dark] {
						pairs = append(pairs, [2]string{s.Accent, ground}, [2]string{s.Hover, ground})
					}
					for _, pair := range pairs {
						if got := palette.Contrast(pair[0], pair[1]); got < palette.Readable {
							t.Fatalf("%s, dark %v: %s on %s is %.2f", color, dark, pair[0], pair[1], got)
						}
					}
				}
			}
		}
	}
	if n != 4096 {
		t.Errorf("%d colours", n)
	}
}

// TestB1_AColourThatCanBeReadStays: it is changed only where it has to be.
func TestB1_AColourThatCanBeReadStays(t *testing.T) {
	t.Parallel()
	for color, corrected := range map[string]bool{palette.Default: false, "#1a56ad": false, "#7c0040": false, "#ffe000": true, "#ffffff": true, "#54c6b0": true} {
		p, err := palette.Of(color)
		if err != nil || p.Corrected != corrected || !corrected && p.Light.Accent != color {
			t.Errorf("%s becomes %+v, %v", color, p.Light, err)
		}
	}
	for _, no := range []string{"", "red", "#fff", "#12345g", "#1234567", "0b6a5d", "#0b6a5d;}"} {
		if p, err := palette.Of(no); err == nil {
			t.Errorf("%q is a colour: %+v", no, p)
		}
	}
	if got := palette.Contrast("#000000", "#ffffff"); math.Abs(got-21) > 0.01 {
		t.Errorf("black on white is %v", got)
	}
}

// TestTheGroundsAreThoseOfTheStyleSheet: words are measured on the backgrounds that pages have.
func TestTheGroundsAreThoseOfTheStyleSheet(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("../web/assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"--bg:#f6f5f1; --surface:#fff; --sunken:#f0eee8; --hover:#faf9f6;", "--bg:#121416; --surface:#1a1d20; --sunken:#23272b; --hover:#1f2326;", "--accent:" + palette.Default + ";"} {
		if !strings.Contains(string(css), line) {
			t.Errorf("the style sheet has no %s", line)
		}
	}
}
