package mailmsg

import (
	"bufio"
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
	w := bufio.NewWriterSize(h, 4096)
	put := func(s string) {
		w.WriteString(strconv.Itoa(len(s)))
		w.WriteByte(':')
		w.WriteString(s)
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
	w.Flush() // a hash takes everything
	hashWords(h, m.Text)
	return hex.EncodeToString(h.Sum(nil))
}

// hashWords writes the words of a text with one blank after each.
func hashWords(h hash.Hash, s string) {
	var buf [4096]byte
	n, inWord := 0, false
	for i := 0; i < len(s); {
		size, space := 1, false
		if c := s[i]; c < utf8.RuneSelf {
			space = c == ' ' || c >= '\t' && c <= '\r'
		} else {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			space = unicode.IsSpace(r)
		}
		if n > len(buf)-utf8.UTFMax-1 {
			h.Write(buf[:n])
			n = 0
		}
		switch {
		case !space:
			n += copy(buf[n:], s[i:i+size])
			inWord = true
		case inWord:
			buf[n] = ' '
			n++
			inWord = false
		}
		i += size
	}
	if inWord {
		buf[n] = ' '
		n++
	}
	h.Write(buf[:n])
}
