package mailmsg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"postern/desk"
)

// attach keeps a file.
func (p *parser) attach(r io.Reader, a desk.Attachment) error {
	keep := p.o.Attach
	if keep == nil {
		keep = hashOnly
	}
	sum, size, err := keep(r)
	if err != nil {
		return fmt.Errorf("keep attachment: %w", err)
	}
	// Whatever keep left, the next part begins behind it.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	a.SHA256, a.Size = sum, size
	if a.Name == "" {
		a.Name = "attachment" + extensionFor(a.Type)
	}
	a.Name = SafeFileName(a.Name)
	p.mail.Attachments = append(p.mail.Attachments, a)
	return nil
}

func hashOnly(r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// extensionFor gives the suffix of a file that came without a name.
func extensionFor(mediaType string) string {
	switch mediaType {
	case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
		return ".eml"
	case "image/jpeg":
		return ".jpg"
	case "image/png", "image/gif", "image/webp", "image/bmp", "application/pdf", "application/zip", "text/csv", "text/html":
		return "." + mediaType[strings.IndexByte(mediaType, '/')+1:]
	case "image/svg+xml":
		return ".svg"
	case "text/plain", "message/delivery-status", "message/global-delivery-status", "message/disposition-notification", "message/global-disposition-notification", "message/feedback-report":
		return ".txt"
	case "text/calendar":
		return ".ics"
	case "text/vcard", "text/x-vcard":
		return ".vcf"
	case "application/ms-tnef":
		return ".dat"
	}
	if mediaType == "text/rtf" || mediaType == "application/rtf" {
		return ".rtf"
	}
	if strings.HasPrefix(mediaType, "text/") {
		return ".txt"
	}
	return ".bin"
}
