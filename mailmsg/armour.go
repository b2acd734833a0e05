package mailmsg

import (
	"regexp"
	"slices"
	"strings"
)

// armourHeader is a line of the header that a signed text has.
var armourHeader = regexp.MustCompile(`^(Hash: |NotDashEscaped:)`)

// WithoutArmour takes what OpenPGP puts around and below a text that is signed in the clear off it, and keys out of it (RFC 9580 section
// 6.2 and 7). closed tells that there is something in it that can't be read: a message for its recipients alone, or a part without an end.
func WithoutArmour(text string) (clear string, closed bool) {
	const begin = "-----BEGIN PGP "
	if !strings.Contains(text, begin) {
		return text, false
	}
	var kept []string
	signed, header, block := false, false, "" // in a signed text; in the header of one; in a block that is left out
	for line := range strings.SplitSeq(text, "\n") {
		switch bare := strings.TrimSpace(line); {
		case block != "":
			if bare == "-----END PGP "+block+"-----" {
				block = ""
			}
		case header && (bare == "" || armourHeader.MatchString(bare)):
			header = bare != ""
		case bare == "-----BEGIN PGP SIGNED MESSAGE-----":
			signed, header = true, true
		case strings.HasPrefix(bare, begin) && strings.HasSuffix(bare, "-----"):
			block = strings.TrimSuffix(strings.TrimPrefix(bare, begin), "-----")
			signed, header = signed && block != "SIGNATURE", false
			closed = closed || !slices.Contains([]string{"SIGNATURE", "PUBLIC KEY BLOCK", "PRIVATE KEY BLOCK"}, block)
		case signed:
			header = false                                      // some clients lose the blank line behind it
			kept = append(kept, strings.TrimPrefix(line, "- ")) // a line that began with a dash was given another
		default:
			kept = append(kept, line)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n")), closed || block != ""
}
