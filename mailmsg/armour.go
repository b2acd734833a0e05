package mailmsg

import "strings"

// WithoutArmour takes what OpenPGP puts around and below a text that is signed in the clear off it, and keys out of it (RFC 9580 section
// 6.2 and 7). encrypted tells that there is a message in it that only its recipients can read.
func WithoutArmour(text string) (clear string, encrypted bool) {
	if !strings.Contains(text, "-----BEGIN PGP ") {
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
		case header:
			header = bare != ""
		case bare == "-----BEGIN PGP SIGNED MESSAGE-----":
			signed, header = true, true
		case bare == "-----BEGIN PGP MESSAGE-----":
			block, encrypted = "MESSAGE", true
		case bare == "-----BEGIN PGP SIGNATURE-----":
			signed, block = false, "SIGNATURE"
		case bare == "-----BEGIN PGP PUBLIC KEY BLOCK-----", bare == "-----BEGIN PGP PRIVATE KEY BLOCK-----":
			block = strings.TrimSuffix(strings.TrimPrefix(bare, "-----BEGIN PGP "), "-----")
		case signed:
			kept = append(kept, strings.TrimPrefix(line, "- ")) // a line that began with a dash was given another
		default:
			kept = append(kept, line)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n")), encrypted
}
