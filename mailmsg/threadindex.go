package mailmsg

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Thread-Index and Thread-Topic group mails into conversations in Outlook ([MS-OXOMSG] sections 2.2.1.2 and 2.2.1.3): the index is a header of
// 22 bytes, the same in all mails of a conversation, and 5 bytes more for each answer to an answer. We write them for mail clients; what comes
// in is never threaded by them, for Outlook gives the same to strangers' mails of one subject (REQUIREMENTS M10).
const (
	ThreadTopicField = "Thread-Topic"
	ThreadIndexField = "Thread-Index"

	threadHead  = 22
	threadChild = 5
	// maxThreadIndex bounds what is kept of one, as it is written in base64.
	maxThreadIndex = 1 << 10
	// mostThreadChildren bounds what we write: a line that every server takes.
	mostThreadChildren = 100
)

// ThreadIndex reads the value of a Thread-Index field, and gives it without folding; "" if it is none.
func ThreadIndex(value string) string {
	b, ok := parseThreadIndex(value)
	if !ok {
		return ""
	}
	return base64.StdEncoding.EncodeToString(b)
}

// ThreadFields are the header fields for a mail with an index and a subject; none without an index.
func ThreadFields(subject, index string) []HeaderField {
	if index == "" {
		return nil
	}
	var pieces []string // so that it can be folded
	for piece := range slices.Chunk([]byte(index), 60) {
		pieces = append(pieces, string(piece))
	}
	return []HeaderField{{ThreadTopicField, threadTopic(subject)}, {ThreadIndexField, strings.Join(pieces, " ")}}
}

// threadTopic is a subject without what answering and forwarding put before it: up to three letters and a colon ([MS-OXCMSG] section 2.2.1.10).
func threadTopic(subject string) string {
	for {
		subject = strings.TrimSpace(subject)
		before, after, ok := strings.Cut(subject, ": ")
		if !ok || before == "" || utf8.RuneCountInString(before) > 3 || strings.ContainsFunc(before, func(r rune) bool { return !unicode.IsLetter(r) }) {
			return subject
		}
		subject = after
	}
}

func parseThreadIndex(value string) ([]byte, bool) {
	if len(value) > 2*maxThreadIndex { // room for folding
		return nil, false
	}
	value = strings.Join(strings.Fields(value), "")
	b, err := base64.StdEncoding.DecodeString(value)
	ok := err == nil && len(value) <= maxThreadIndex && len(b) >= threadHead && (len(b)-threadHead)%threadChild == 0 && b[0] == 1
	return b, ok
}

// NewThreadIndex begins a conversation at a time. The same seed and time give the same index.
func NewThreadIndex(seed string, at time.Time) string {
	b := make([]byte, 0, threadHead)
	b = binary.BigEndian.AppendUint64(b, fileTime(at))[:6]
	b[0] = 1 // reserved, and what the highest byte of a FILETIME is from 1829 to 2057
	sum := sha256.Sum256([]byte("thread-index " + seed))
	return base64.StdEncoding.EncodeToString(append(b, sum[:16]...))
}

// ThreadIndexChild gives the index of an answer, written at a time, to a mail with the index parent; "" if that is none. The same seed and time
// give the same index. Of a very long parent only the head goes on.
func ThreadIndexChild(parent, seed string, at time.Time) string {
	b, ok := parseThreadIndex(parent)
	if !ok {
		return ""
	}
	if len(b) >= threadHead+mostThreadChildren*threadChild {
		b = b[:threadHead]
	}
	began := binary.BigEndian.Uint64([]byte{b[0], b[1], b[2], b[3], b[4], b[5], 0, 0})
	diff := uint64(0)
	if now := fileTime(at); now > began {
		diff = now - began
	}
	// 31 bits of the time that has passed since the head's: finer ones where it is short, marked by the bit before them.
	block := uint32(diff >> 18 & 0x7fffffff) //nolint:gosec // masked
	if diff>>49 != 0 {
		block = uint32(diff>>23&0x7fffffff) | 1<<31 //nolint:gosec // masked
	}
	sum := sha256.Sum256([]byte("thread-index " + seed))
	return base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(b, block), sum[0]&0xf0))
}

// fileTime is a time as Windows counts it: in steps of 100 ns since 1601.
func fileTime(t time.Time) uint64 {
	const since1601 = 11644473600
	return uint64(max(t.Unix()+since1601, 0))*1e7 + uint64(t.Nanosecond()/100) //nolint:gosec // not negative
}
