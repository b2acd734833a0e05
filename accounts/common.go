package accounts

import "strings"

// common tells whether a password (in lower case) is among those that are tried first: the well-known ones, repeated or
// counted up characters, keyboard rows, and any of them with digits behind.
func common(low string) bool {
	if repeated(low) || strings.Contains(runs, low) || strings.Contains(reverse(runs), low) {
		return true
	}
	core := strings.TrimRight(low, "0123456789!.?$*#")
	core = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s").Replace(core)
	return core == "" || guessable[core]
}

// runs are the rows of keyboards and alphabets that people run a finger over.
const runs = "01234567890123456789 abcdefghijklmnopqrstuvwxyzabcdefgh qwertyuiopasdfghjklzxcvbnm qwertzuiopasdfghjklyxcvbnm azertyuiopqsdfghjklmwxcvbn 1qaz2wsx3edc4rfv5tgb6yhn 1q2w3e4r5t6y7u8i9o0p qazwsxedcrfvtgb"

func repeated(s string) bool {
	for n := 1; n <= 4 && n < len(s); n++ {
		if strings.Repeat(s[:n], len(s)/n+1)[:len(s)] == s {
			return true
		}
	}
	return false
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// guessable are words that passwords are made of when nobody thinks.
var guessable = func() map[string]bool { //nolint:gochecknoglobals // never changes
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`password passwort passw pass passwd motdepasse contrasena wachtwoord adgangskode haslo parola senha secret geheim
		welcome willkommen bienvenue welkom velkommen letmein changeme default temporary temppass newpassword mypassword administrator admin root user guest
		login master access support helpdesk customer postern portal test testing tester demo sample example computer internet server system manager
		qwerty qwertz azerty qwert asdf asdfgh asdfghjk zxcvbn zxcvbnm iloveyou sunshine princess football baseball basketball superman batman spiderman
		starwars pokemon dragon monkey shadow michael jordan jennifer jessica michelle charlie daniel thomas andrew ashley nicole hannah matthew
		freedom whatever trustno trustnoi nothing summer winter spring autumn january february monday friday london paris berlin
		liverpool chelsea arsenal barcelona realmadrid juventus schalke bayern mustang ferrari porsche mercedes samsung google facebook linkedin microsoft
		abcabc abcd abcde abcdef abcdefg abcdefgh hello hallo bonjour hola ninja killer hunter ranger soccer hockey cheese banana orange chocolate
		purple yellow silver golden diamond flower butterfly angel heaven forever family friends mother father`) {
		m[w] = true
	}
	return m
}()
