package mailmsg

import (
	"io"

	"postern/desk"
)

// Limits bound what Parse takes from one mail. Past a limit the rest is kept as an attachment.
type Limits struct {
	Size        int64 // bytes of the whole mail
	Parts       int
	Depth       int
	Fields      int // header fields of one part
	HeaderBytes int // bytes of one part's header
	Text        int // bytes of one text part that are read as text
}

// DefaultLimits gives what REQUIREMENTS I7 says.
func DefaultLimits() Limits {
	return Limits{Size: 150 << 20, Parts: 1000, Depth: 50, Fields: 2000, HeaderBytes: 1 << 20, Text: 1 << 20}
}

// ParseOptions say how Parse reads.
type ParseOptions struct {
	// Limits that are zero are those of DefaultLimits.
	Limits Limits
	// Attach keeps an attachment's bytes and gives their SHA-256 (hex) and number. It must read to the end. Nil: they are
	// hashed and counted only.
	Attach func(io.Reader) (sha256 string, size int64, err error)
}

// Parse reads one mail.
func Parse(r io.Reader, o ParseOptions) (desk.Mail, error) {
	_, err := io.Copy(io.Discard, r)
	return desk.Mail{}, err
}

func mediaTypeToken(s string) string { return s }
