package safehtml

import (
	"regexp"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// policy gives the list of what may be left, which is made once and then only read.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	for _, tag := range allowedTags {
		p.AllowElements(tag.String())
		p.AllowNoAttrs().OnElements(tag.String())
	}
	p.AllowElements("br", "hr")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(true) // our own pictures
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.AllowDataURIImages()
	number := regexp.MustCompile(`^[0-9]{1,6}$`)
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile(`^` + linkRel + `$`)).OnElements("a")
	p.AllowAttrs("target").Matching(regexp.MustCompile(`^_blank$`)).OnElements("a")
	p.AllowAttrs("id").Matching(anchors()).OnElements("h1", "h2", "h3", "h4", "h5", "h6")
	p.AllowAttrs("src", "alt", "data-cid").OnElements("img")
	p.AllowAttrs("width", "height").Matching(number).OnElements("img")
	p.AllowAttrs("colspan", "rowspan").Matching(number).OnElements("td", "th")
	p.AllowAttrs("start").Matching(number).OnElements("ol")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^cite$`)).OnElements("blockquote")
	p.AllowAttrs("dir").Matching(regexp.MustCompile(`^(rtl|ltr|auto)$`)).Globally()
	return p
})

// anchors are the ids that headings of articles have.
var anchors = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^` + anchorPrefix + `[\pL\pM\pN-]*$`) })

// ownPaths are the addresses of our own pages.
var ownPaths = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^/([A-Za-z0-9._~-][A-Za-z0-9._~/?=&%-]*)?(#[A-Za-z0-9._~%-]*)?$`)
})
