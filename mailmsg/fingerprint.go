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
	n, inWord := 0, false
	for i := 0; i < len(s); {
		if n > len(buf)-utf8.UTFMax-1 {
			h.Write(buf[:n])
			n = 0
		}
		c := s[i]
		if c > ' ' && c < utf8.RuneSelf {
			buf[n] = c
			n++
			i++
			inWord = true
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsSpace(r) {
			n += copy(buf[n:], s[i:i+size])
			inWord = true
		} else if inWord {
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
