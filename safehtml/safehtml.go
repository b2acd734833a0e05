// Package safehtml makes the HTML of mails harmless and readable, and turns text into HTML.
package safehtml

import "html"

// Options say what Clean does with pictures.
type Options struct {
	// CID gives our own URL of the picture a mail calls "cid:contentID"; false: there is none, it is shown as its text.
	CID func(contentID string) (url string, ok bool)
	// KeepCID leaves "cid:" pictures as they are: for HTML that is stored, and cleaned again with CID when it is shown.
	KeepCID bool
}

// Clean gives the part of a mail's HTML that is harmless to show.
func Clean(s string, o Options) string { return html.EscapeString(Text(s)) }

// Text gives the readable text of HTML.
func Text(s string) string { return s }

// FromText gives text as HTML.
func FromText(s string) string { return "<p>" + html.EscapeString(s) + "</p>" }
