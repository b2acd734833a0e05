// Package safehtml makes the HTML of mails harmless and readable, and turns text into HTML. All of it takes time and
// memory that grow with the length of its input and nothing else.
package safehtml
