package mailmsg

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

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
	for word := range strings.FieldsSeq(m.Text) {
		w.WriteString(word)
		w.WriteByte(' ')
	}
	w.Flush() // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}
