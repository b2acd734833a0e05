package safehtml

import (
	"strings"
	"testing"
)

// TestP12_WhatIsNeverClosedSwallowsNothing: text after the start of something that a browser would not show, and that has no
// end, is shown, in the page and in the readable text; and nothing of it can act.
func TestP12_WhatIsNeverClosedSwallowsNothing(t *testing.T) {
	t.Parallel()
	for _, begin := range []string{
		"<svg>", "<SVG viewBox='0 0 9 9'><path d='M0 0'>", "<svg><g><text>", "<svg><style>", "<svg><title>", "<svg><foreignObject>", "<svg><svg></svg>", "<svg><!-- ",
		"<math>", "<math><mi>x", "<math><annotation-xml encoding='text/html'>", "<svg><math>", "<math><svg><desc>",
		"<style>", "<style type=text/css>p{color:red} ", "<style><!-- ", "<script>", "<script>var a = '<!-- <script>';", "<title>", "<textarea>", "<template>", "<template><style>",
		"<select>", "<select><option>one", "<select><select></select>", "<noscript>", "<noembed>", "<noframes>", "<iframe>", "<iframe src='https://example.com'>", "<xmp>", "<plaintext>", "<datalist>", "<frameset>",
		"<head>", "<head><title>", "<object>", "<audio>", "<canvas>", "<button>", "<form>", "<script><style><svg><textarea><!-- <title>",
		"<!-- ", "<!--", "<!---- -", "<!-- <!-- ", "<!-- <!<!---- ", "<![CDATA[ ", "<!-- --!", "<?xml ", "<!x ", "</ ", "<a href=\"https://example.com>", "<img alt='x>", "<b title='><i title=\">",
	} {
		for _, after := range []string{"before%<p>the end</p>", "before%<div><b>the</b> end", "before%the end", "before%<p>the end <img src=x onerror=alert(1)><p onclick=alert(1)>x", "before%the end<p>x</p>"} {
			if strings.HasPrefix(after, "before%the end<p>") && strings.ContainsAny(begin, "!?/\"'") {
				continue // it ends with the ">"
			}
			in := strings.Replace(after, "%", begin, 1)
			shown := Clean(in, Options{CID: ours})
			text := strings.Join(strings.Fields(Text(shown)), " ")
			read := strings.Join(strings.Fields(Text(in)), " ")
			for what, got := range map[string]string{"Clean": text, "Text": read} {
				if !strings.HasPrefix(got, "before") || !strings.Contains(got, "the end") {
					t.Errorf("%s(%q) shows %q", what, in, got)
				}
			}
			checkClean(t, in, Options{CID: ours})
			checkClean(t, in, Options{KeepCID: true})
		}
	}
}

// TestWhatIsClosedIsLeftOut: the insides of what has an end stay away, and a drawing ends where a browser ends it.
func TestWhatIsClosedIsLeftOut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`a<style>b</style>c`:                               `ac`,
		`a<script>"<p>"</script>c`:                         `ac`,
		`a<svg><svg>b</svg>b</svg>c`:                       `ac`,
		`a<svg/>c`:                                         `ac`,
		`a<math><mi>b</mi></math>c`:                        `ac`,
		`a<svg><title>b</title><style>b > b</style></svg>`: `a`,
		`a<svg><text>b<p>c</p></svg>d`:                     `ab<p>c</p>d`,
		`a<svg><style>b<p>c</p></style></svg>`:             `a`,
		`a<svg><text>b</p>c`:                               `abc`,
		`a<math><mi>b<div>c</div>`:                         `ab<div>c</div>`,
		`a<template><p>b</p></template>c`:                  `ac`,
		`a<select><option>b</select>c`:                     `ac`,
		`a<!-- b -->c<!-- b --!>d<!-->e<!--->f`:            `acdef`,
		`a<!-- b --><svg><!-- b --></svg>c`:                `ac`,
		`a<b`:                                              `a`,
		`a</b`:                                             `a`,
		`a<p style="color: re`:                             `a`,
		`if a <b and b <c then`:                            `if a &lt;b and b &lt;c then`,
		`<a href="https://example.com>go</a> on`:           `go on`,
	} {
		if got := Clean(in, Options{}); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
