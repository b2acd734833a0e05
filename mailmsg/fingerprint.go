package mailmsg

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/desk"
)

// fingerprint is as desk.Mail describes it: blanks, line ends, encodings and the order of parts don't matter.
func fingerprint(m desk.Mail) string {
	h := sha256.New()
	var head []byte
	put := func(s string) {
		head = strconv.AppendInt(head, int64(len(s)), 10)
		head = append(head, ':')
		head = append(head, s...)
	}
	put(m.From.Email)
	date := ""
	if !m.Date.IsZero() {
		date = strconv.FormatInt(m.Date.Unix(), 10)
	}
	put(date)
	put(strings.Join(strings.Fields(m.Subject), " "))
	hashes := make([]string, 0, len(m.Attachments))
	for _, a := range m.Attachments {
		hashes = append(hashes, a.SHA256)
	}
	slices.Sort(hashes)
	for _, sum := range hashes {
		put(sum)
	}
	h.Write(head)
	hashWords(h, m.Text)
	return hex.EncodeToString(h.Sum(nil))
}

// hashWords writes the words of a text with one blank after each.
func hashWords(h hash.Hash, s string) {
	var buf [1024]byte
	word := 0 // 1: what was written last belongs to a word
	for s != "" {
		// A piece with room for all of it and for the blank after the last word.
		piece := s[:min(len(s), len(buf)-utf8.UTFMax)]
		n, i := 0, 0
		for i < len(piece) {
			if c := piece[i]; c < utf8.RuneSelf {
				// Words are short, and a branch at each of their ends would cost more than all else.
				in := inWord[c]
				buf[n] = wordOrBlank[c]
				n += in | word
				word = in
				i++
				continue
			}
			r, size := utf8.DecodeRuneInString(s[i:])
			if !unicode.IsSpace(r) {
				n += copy(buf[n:], s[i:i+size])
				word = 1
			} else {
				buf[n] = ' '
				n += word
				word = 0
			}
			i += size
		}
		h.Write(buf[:n])
		s = s[i:]
	}
	if word == 1 {
		h.Write([]byte{' '})
	}
}

// inWord has 1 for the bytes that belong to words, and wordOrBlank those bytes, and a blank for each other.
var inWord, wordOrBlank = wordTables()

func wordTables() (in [utf8.RuneSelf]int, or [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		if or[c] = ' '; !unicode.IsSpace(rune(c)) {
			in[c], or[c] = 1, c
		}
	}
	return in, or
}
