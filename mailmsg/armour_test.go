package mailmsg

import (
	"strings"
	"testing"
)

func TestI3_ArmourIsTakenOff(t *testing.T) {
	t.Parallel()
	const (
		signed    = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n#note\nPull the lever.\n- -- \nMary\n-----BEGIN PGP SIGNATURE-----\nComment: mary@home.example\n\niQEz=\n=aB1c\n-----END PGP SIGNATURE-----\n"
		encrypted = "-----BEGIN PGP MESSAGE-----\n\nhQEM\n=aB1c\n-----END PGP MESSAGE-----"
		key       = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN\n=aB1c\n-----END PGP PUBLIC KEY BLOCK-----"
	)
	for name, c := range map[string]struct {
		text, clear string
		closed      bool
	}{
		"none":                             {"Pull the lever.\n- one\n", "Pull the lever.\n- one\n", false},
		"signed":                           {signed, "#note\nPull the lever.\n-- \nMary", false},
		"text around it":                   {"Above\n" + signed + "Below", "Above\n#note\nPull the lever.\n-- \nMary\nBelow", false},
		"carriage returns":                 {"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nYes.\r\n-----BEGIN PGP SIGNATURE-----\r\niQ\r\n-----END PGP SIGNATURE-----\r\n", "Yes.", false},
		"a signature without end":          {"-----BEGIN PGP SIGNED MESSAGE-----\n\nYes.\n-----BEGIN PGP SIGNATURE-----\niQEz", "Yes.", true},
		"a signature whose end is wrapped": {strings.Replace(signed, "END PGP SIGNATURE-----", "END PGP SIGNATURE\n-----", 1), "#note\nPull the lever.\n-- \nMary", true},
		"no blank line":                    {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\nHello Ann,\npull: hard.\n-----BEGIN PGP SIGNATURE-----\niQ\n-----END PGP SIGNATURE-----\n", "Hello Ann,\npull: hard.", false},
		"a part of a message":              {"For you:\n-----BEGIN PGP MESSAGE, PART 1/2-----\nhQEM\n-----END PGP MESSAGE, PART 1/2-----", "For you:", true},
		"a remark where the header was":    {"-----BEGIN PGP SIGNED MESSAGE-----\nNotDashEscaped: yes\nHash: SHA256\n\nComment: mine\nYes.\n-----BEGIN PGP SIGNATURE-----\niQ\n-----END PGP SIGNATURE-----", "Comment: mine\nYes.", false},
		"a remark without a header":        {"-----BEGIN PGP SIGNED MESSAGE-----\nComment: mine\nYes.\n-----BEGIN PGP SIGNATURE-----\niQ\n-----END PGP SIGNATURE-----", "Comment: mine\nYes.", false},
		"a key without end":                {"Mine:\n-----BEGIN PGP PUBLIC KEY BLOCK-----\nmQEN\n\nThe pump is item 4711.", "Mine:", true},
		"encrypted":                        {encrypted, "", true},
		"a key":                            {"Mine:\n" + key, "Mine:", false},
		"quoted":                           {"> -----BEGIN PGP SIGNED MESSAGE-----\n> Hash: x", "> -----BEGIN PGP SIGNED MESSAGE-----\n> Hash: x", false},
	} {
		clear, closed := WithoutArmour(c.text)
		if clear != c.clear || closed != c.closed {
			t.Errorf("%s: %q, %t", name, clear, closed)
		}
	}
}
