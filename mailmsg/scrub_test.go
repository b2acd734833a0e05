package mailmsg

import (
	"strings"
	"testing"
)

func TestTokensAreTakenOutOfATextForOthers(t *testing.T) {
	k := keys(t)
	token := k.Token(ForAgent, "mailbox", "ticket", "agent")
	for text, want := range map[string]string{
		"write to support+" + token + "@acme.example, please":                    "write to support@acme.example, please",
		"<mailto:support+" + strings.ToUpper(token) + "@acme.example?subject=x>": "<mailto:support@acme.example?subject=x>",
		"https://x.example/?to=support%2B" + token + "%40acme.example":           "https://x.example/?to=support%40acme.example",
		"Re: Printer [#" + token + "] again":                                     "Re: Printer  again",
		"ids m." + token + "@acme.example and " + token:                          "ids m.@acme.example and ",
		"+" + token + "+" + token:                                                "",
		token + "x":                                                              token + "x",
		"Donaudampfschifffahrtsgesell":                                           "Donaudampfschifffahrtsgesell",
	} {
		if got := k.WithoutTokens(text, true); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	const plain = "nothing of ours is here, +4512345678 is no token"
	if got := k.WithoutTokens(plain+" "+token, false); got != plain+" "+token {
		t.Errorf("%q", got)
	}
	for link, want := range map[string]string{
		"> https://help.x.example/linked/01a2-b/2026-12-23/" + token:                      "> https://help.x.example/linked/01a2-b/2026-12-23/",
		`<a href="https://help.x.example/linked/01a2-b/2026-12-23/` + token + `">x</a>`:   `<a href="https://help.x.example/linked/01a2-b/2026-12-23/">x</a>`,
		"https://x.example/linked/to " + token + " and /files/01a2-b/2026-12-23/" + token: "https://x.example/linked/to " + token + " and /files/01a2-b/2026-12-23/" + token,
	} {
		if got := k.WithoutTokens(link, false); got != want {
			t.Errorf("%q becomes %q", link, got)
		}
	}
	secret := OneTimeSecret(k, "01a2-b")
	for link, want := range map[string]string{
		"> https://help.x.example/password/" + secret + "\n": "> https://help.x.example/password/\n", "/sign-in/link/" + strings.ToUpper(secret): "/sign-in/link/",
		"/password/" + secret + "a": "/password/" + secret + "a", "a word " + secret: "a word " + secret,
	} {
		if got := k.WithoutTokens(link, false); got != want {
			t.Errorf("%q becomes %q", link, got)
		}
	}
	if got := k.WithoutTokens(plain+" s+"+token+"@x.example", false); got != plain+" s@x.example" {
		t.Errorf("%q", got)
	}
}

func TestNothingNewIsSaidToBeNothing(t *testing.T) {
	for text, want := range map[string]string{
		"> it is broken\n> since monday\n":                                        "",
		"On Mon, 2 Mar 2026 at 10:00, Ann <ann@x.example> wrote:\n> it is broken": "",
		"Yes.\n\n> it is broken\n":                                                "Yes.",
		"Yes.":                                                                    "Yes.",
		"":                                                                        "",
	} {
		if got := FoldNew(text, nil, nil).Reply; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
