package mailmsg

import (
	"strings"
	"testing"
)

// TestA2_AnAddressIsTheRightOneOrNone: whatever stands in a From line, it never gives the address of somebody else. None is
// fine where nobody honest writes so; only what is plain may be sure.
func TestA2_AnAddressIsTheRightOneOrNone(t *testing.T) {
	t.Parallel()
	const sure, unsure = true, false
	for _, c := range []struct {
		from, email string
		sure        bool
	}{
		{`Ann <ann@b.example>`, "ann@b.example", sure},
		{`"Smith, Ann" <ann@b.example>`, "ann@b.example", sure},
		{`ann@b.example (Ann)`, "ann@b.example", sure},
		{`=?utf-8?q?Ann?= <ann@b.example>`, "ann@b.example", sure},

		// Local parts in quotes: the whole of one is the address, blanks included.
		{`"ann"@b.example`, "ann@b.example", unsure},
		{`<"ann"@b.example>`, "ann@b.example", unsure},
		{`"an\n"@b.example`, "ann@b.example", unsure},
		{`"a b"@b.example`, "", unsure},
		{`<"a b"@b.example>`, "", unsure},
		{`Ann <"a b"@b.example>`, "", unsure},
		{`x "a b"@b.example`, "", unsure},
		{`"a b"@b.example x`, "", unsure},
		{`"a\ b"@b.example`, "", unsure},
		{`"a b" @b.example`, "", unsure},
		{`x."a b"@b.example`, "", unsure},
		{`" ann"@b.example`, "", unsure},
		{`"ann "@b.example`, "", unsure},
		{`"x ann"@b.example`, "", unsure},
		{"\"x\tann\"@b.example", "", unsure},
		{`""@b.example`, "", unsure},
		{`"<ann"@b.example`, "", unsure},
		{`";ann"@b.example`, "", unsure},
		{`".ann"@b.example`, ".ann@b.example", unsure},
		{`"'ann'"@b.example`, "'ann'@b.example", unsure},
		{`"x,ann"@b.example`, "", unsure},
		{`"x@c.example,ann"@b.example`, "", unsure},
		{`"ann@c.example"@b.example`, "", unsure},
		{`"ann@c.example>"@b.example`, "", unsure},
		{`"ann@c.example "@b.example`, "", unsure},
		{`"(x)ann"@b.example`, "", unsure},
		{"\"\u200bann\"@b.example", "", unsure},
		{"\"a\x00nn\"@b.example", "", unsure},

		// Escapes.
		{`"\"ann"@b.example`, "", unsure},
		{`"x\" ann"@b.example`, "", unsure},
		{`"x\"@c.example, ann"@b.example`, "", unsure},
		{`"x\\"@b.example`, "", unsure},
		{`x\ ann@b.example`, "", unsure},
		{`x\,ann@b.example`, "", unsure},
		{`x\@ann@b.example`, "", unsure},
		{`"Ann \"<x@c.example>\"" <ann@b.example>`, "ann@b.example", sure},

		// Comments.
		{`(x@c.example) ann@b.example`, "ann@b.example", sure},
		{`ann(x)@b.example`, "ann@b.example", unsure},
		{`<ann(x)@b.example>`, "ann@b.example", unsure},
		{`<ann@b.example (x@c.example)>`, "ann@b.example", unsure},
		{`<(x@c.example) ann@b.example>`, "ann@b.example", unsure},
		{`ann@b.example (x \) y@c.example)`, "ann@b.example", sure},
		{`ann@b.example (x (y@c.example) z)`, "ann@b.example", sure},
		{`x(y)ann@b.example`, "", unsure},
		{`ann@b.example(x)@c.example`, "", unsure},
		{`ann@b(x)c.example`, "", unsure},

		// Blanks round a dot or an @ were allowed once: they are part of the address.
		{`<ann@b. example>`, "ann@b.example", unsure},
		{`<x . ann @ b.example>`, "x.ann@b.example", unsure},
		{`<x ann@b.example>`, "", unsure},
		{`John Doe <jdoe@machine(comment). example>`, "jdoe@machine.example", unsure},
		{`ann@b. example`, "", unsure},
		{`x. ann@b.example`, "", unsure},
		{`x .ann@b.example`, "", unsure},
		{`ann @b.example`, "", unsure},
		{`ann@ b.example`, "", unsure},
		{`x@ann@ b.example`, "", unsure},

		// Routes.
		{`<@relay.example:ann@b.example>`, "ann@b.example", unsure},
		{`<@relay.example,@r2.example:ann@b.example>`, "ann@b.example", unsure},
		{`<ann@b.example:x@c.example>`, "", unsure},
		{`<@relay.example:"x ann"@b.example>`, "", unsure},

		// More than one @, more than one address.
		{`ann@b.example@c.example`, "", unsure},
		{`<ann@b.example>x@c.example`, "", unsure},
		{`<ann@b.example> x@c.example`, "", unsure},
		{`<ann@b.example> <x@c.example>`, "", unsure},
		{`<x@c.example <ann@b.example>>`, "", unsure},
		{`<<ann@b.example>>`, "ann@b.example", unsure},
		{`<ann@b.example <ann@b.example>>`, "ann@b.example", unsure},
		{`ann@b.example x@c.example`, "", unsure},
		{`ann@b.example, x@c.example`, "", unsure},
		{`"x@c.example" <ann@b.example>`, "ann@b.example", sure},
		{`"x@c.example" ann@b.example`, "ann@b.example", unsure},

		// Groups.
		{`Team: ann@b.example;`, "ann@b.example", unsure},
		{`Team:;`, "", unsure},
		{`"x ann": ;`, "", unsure},
		{`Team: "x ann"@b.example;`, "", unsure},

		// Encoded words are names, never addresses.
		{`=?utf-8?q?ann=40b.example?=`, "", unsure},
		{`=?utf-8?q?Ann_=3Cann=40b.example=3E?=`, "", unsure},
		{`=?utf-8?q?ann=40b.example?= <x@c.example>`, "x@c.example", sure},
		{`<=?utf-8?q?ann=40b.example?=>`, "", unsure},
		{`=?utf-8?q?x=40c.example=3E?= <ann@b.example>`, "ann@b.example", sure},
		{`=?x?q?a=40b?=@c.example`, "=?x?q?a=40b?=@c.example", unsure},

		// What must not be taken out of an address.
		{"x\u200bann@b.example", "", unsure},
		{"x\x00ann@b.example", "", unsure},
		{"x\xffann@b.example", "", unsure},
		{"x\u00a0ann@b.example", "", unsure},

		// A domain in letters is the one that the network knows, and no other that looks like it.
		{`Ann <ann@bücher.example>`, "ann@xn--bcher-kva.example", sure},
		{`Ann <ann@BÜCHER.Example>`, "ann@xn--bcher-kva.example", sure},
		{"Ann <ann@bu\u0308cher.example>", "ann@xn--bcher-kva.example", sure},
		{`Ann <ann@xn--bcher-kva.example>`, "ann@xn--bcher-kva.example", sure},
		{`Ann <ann@XN--BCHER-KVA.example>`, "ann@xn--bcher-kva.example", sure},
		{"Ann <ann@bü\u0441her.example>", "ann@xn--bher-0ra631c.example", unsure}, // a Cyrillic letter that looks like "c"
		{"Ann <ann@xn--bher-0ra631c.example>", "ann@xn--bher-0ra631c.example", unsure},
		{"Ann <ann@\u043f\u043e\u0447\u0442\u0430.example>", "ann@xn--80a1acny.example", sure},
		{"Ann <ann@\uff42.example>", "ann@ｂ.example", unsure},   // a wide "b"
		{"Ann <ann@\u0627b.example>", "ann@اb.example", unsure}, // turns round in the middle
		{"Ann <ann@b\u202e\u00fc.example>", "", unsure},
		{"Ann <ann@b\u200d\u00fc.example>", "", unsure},
		{"Ann <ann@\u00fc\u0300.example>", "ann@xn--7ja.example", sure},

		{`<a..nn@bücher.example>`, "a..nn@xn--bcher-kva.example", unsure},

		// What people's programs get wrong, and is plain to a reader.
		{`Ann Smith ann@b.example`, "ann@b.example", unsure},
		{`'ann@b.example'`, "ann@b.example", unsure},
		{`"ann@b.example"`, "ann@b.example", unsure},
		{`"Ann ann@b.example"`, "", unsure},
		{`Ann <ann@b.example`, "ann@b.example", unsure},
		{`Ann ann@b.example>`, "ann@b.example", unsure},
		{`mailto:ann@b.example`, "ann@b.example", unsure},
		{`a..nn@b.example`, "a..nn@b.example", unsure},
	} {
		from, doubtful := sender(header{{name: "from", value: c.from}}, "from")
		if from.Email != c.email || doubtful == c.sure {
			t.Errorf("From: %q gives %q, unsure %v; want %q, unsure %v", c.from, from.Email, doubtful, c.email, !c.sure)
		}
		if c.email == "" && strings.HasPrefix(from.Name, "a b@") {
			t.Errorf("From: %q shows as %q", c.from, from.Name)
		}
	}
}
