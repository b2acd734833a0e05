package mailmsg

import (
	"fmt"
	"strings"
	"testing"

	"postern/desk"
)

// written puts a field down in short: "id!: method=result(reason) name=value; …"; "!" where it is broken.
func written(a desk.AuthResults) string {
	out := a.ServID
	if a.Broken {
		out += "!"
	}
	out += ":"
	for i, r := range a.Results {
		if i > 0 {
			out += ";"
		}
		out += " " + r.Method + "=" + r.Result
		if r.Reason != "" {
			out += "(" + r.Reason + ")"
		}
		for _, p := range r.Props {
			out += " " + p.Name + "=" + p.Value
		}
	}
	return out
}

func TestA3_AuthenticationResultsAreReadAsServersWriteThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"mx.example; none":                "mx.example:",
		"mx.example 1; none":              "mx.example:",
		"mx.example":                      "mx.example:",
		"":                                ":",
		"MX.Example; dmarc=pass":          "mx.example: dmarc=pass",
		"mx.example 2; dmarc=pass":        "mx.example!: dmarc=pass",
		`"mx.example"; spf=none`:          "mx.example: spf=none",
		"(a (nested) note) mx.example; x": "mx.example:",
		"mx.example; spf=pass smtp.mailfrom=ann@customer.example; dkim=fail reason=\"bad signature\" header.d=other.example header.s=s1": "mx.example: spf=pass smtp.mailfrom=ann@customer.example; dkim=fail(bad signature) header.d=other.example header.s=s1",
		"mx.example 1 (Mail 3.2);\n\tdmarc=Pass (p=REJECT \\) sp=none)\n\t header.from=Customer.Example":                                 "mx.example: dmarc=pass header.from=Customer.Example",
		"mx.example; dkim/1 = pass (ok) header . d = customer.example":                                                                   "mx.example: dkim=pass header.d=customer.example",
		"mx.example; dkim/2=pass":                                             "mx.example: dkim/2=pass",
		"mx.example; dkim=pass header.b=ab/c+d=; dmarc=pass":                  "mx.example: dkim=pass header.b=ab/c+d=; dmarc=pass",
		`mx.example; spf=pass smtp.mailfrom="a; dmarc=pass"@evil.example`:     "mx.example: spf=pass smtp.mailfrom=a; dmarc=pass@evil.example",
		"mx.example; spf=pass smtp.mailfrom=a; dmarc=pass header.from=b.test": "mx.example: spf=pass smtp.mailfrom=a; dmarc=pass header.from=b.test",
		"mx.example; spf=fail (said \"dmarc=pass\") dmarc=pass":               "mx.example: spf=fail dmarc=pass",
		"mx.example; spf=pass (never closed; dmarc=pass header.from=a.test":   "mx.example!: spf=pass",
		`mx.example; spf=pass reason="never closed; dmarc=pass`:               "mx.example!: spf=pass(never closed; dmarc=pass)",
		"spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=customer.example; acme.test; dkim=pass (signature was verified) header.d=customer.example;dmarc=pass action=none header.from=customer.example;compauth=pass reason=100": ": spf=pass smtp.mailfrom=customer.example; dkim=pass header.d=customer.example; dmarc=pass action=none header.from=customer.example; compauth=pass(100)",
		"mx.example; ; =x; a=; dmarc=\xffpass\x00": "mx.example: a=; dmarc=\uFFFDpass",
		"m\u212a.example; dmarc=pass":              "m\u212a.example: dmarc=pass",
	} {
		if got := written(parseAuthResults(strings.ReplaceAll(in, "\n", ""))); got != want {
			t.Errorf("%q is read as\n%s, want\n%s", in, got, want)
		}
	}
}

func TestA3_WhatIsTooMuchIsBroken(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]string{
		"results":    "mx.example" + strings.Repeat("; spf=pass", maxAuthResults+1),
		"properties": "mx.example; spf=pass" + strings.Repeat(" a.b=c", maxAuthProps+1),
		"bytes":      "mx.example; spf=pass " + strings.Repeat(" ", maxValue),
	} {
		if a := parseAuthResults(v); !a.Broken || len(a.Results) == 0 || len(a.Results) > maxAuthResults || len(a.Results[0].Props) > maxAuthProps {
			t.Errorf("%s: %d results, broken: %t", name, len(a.Results), a.Broken)
		}
	}
}

func TestA3_FieldsKnowWhatStandsAboveThem(t *testing.T) {
	t.Parallel()
	m := parse(t, "Authentication-Results: top.example; none\nReceived: a\nX-Received: b\nReceived: c\nAuthentication-Results: mx.example; none\nReceived: d\nARC-Authentication-Results: i=1; arc.example; dmarc=pass\nauthentication-results: low.example; none\nFrom: a@b.example\n\nx")
	got := ""
	for _, a := range m.AuthResults {
		got += fmt.Sprintf("%s %d ", a.ServID, a.Below)
	}
	if got != "top.example 0 mx.example 2 low.example 3 " {
		t.Errorf("%q", got)
	}
	many := parse(t, strings.Repeat("Authentication-Results: mx.example; none\n", maxAuthFields+5)+"From: a@b.example\n\nx")
	if len(many.AuthResults) != maxAuthFields {
		t.Errorf("%d fields", len(many.AuthResults))
	}
}

// TestA2_AHeaderThatOthersReadDifferentlyIsKnown: who hides a From line from one of two readers must not have what one of them
// proved count for the other.
func TestA2_AHeaderThatOthersReadDifferentlyIsKnown(t *testing.T) {
	t.Parallel()
	const signed = "From: Me <me@mail.example>\r\nSubject: signed\r\n\r\nx"
	for name, c := range map[string]struct {
		raw    string
		unsure bool
	}{
		"as it should be":              {"From: ceo@mail.example\r\nSubject: a\r\n b\r\n\r\nx", false},
		"lines without a CR":           {"From: ceo@mail.example\nSubject: a\n\nx", false},
		"no body":                      {"From: ceo@mail.example\r\n", false},
		"an envelope line of mbox":     {"From ceo@mail.example Mon Mar  2 10:00:00 2026\nFrom: ceo@mail.example\n\nx", false},
		"two lines that are no fields": {"From: ceo@mail.example\r\nno field\r\nnor this\r\n" + signed, true},
		"a line that is no field":      {"From: ceo@mail.example\r\nno field\r\nSubject: x\r\n\r\n" + signed, true},
		"an empty line with two CRs":   {"From: ceo@mail.example\r\n\r\r\n" + signed, true},
		"a CR in a line":               {"From: ceo@mail.example\r\nX: a\rb: c\r\n\r\nx", true},
		"CRs alone":                    {"From: ceo@mail.example\rX: a\r\rx", true},
		"a continuation of nothing":    {" x\r\nFrom: ceo@mail.example\r\n\r\nx", true},
		"a line without an end":        {"From: ceo@mail.example\r\nX: " + strings.Repeat("x", 3*sourceBuffer) + "\r\n\r\nx", true},
		"more fields than are read":    {"From: ceo@mail.example\r\n" + strings.Repeat("X: y\r\n", 3000) + signed, true},
	} {
		if m := parse(t, c.raw); m.HeaderUnsure != c.unsure || m.From.Email != "ceo@mail.example" && m.From.Email != "" {
			t.Errorf("%s: unsure: %t, from %v", name, m.HeaderUnsure, m.From)
		}
	}
	two := parse(t, "From: ceo@mail.example,"+strings.Repeat(" ", maxValue/4)+"me@mail.example\r\n\r\nx")
	if !two.FromUnsure {
		t.Errorf("a second sender behind many blanks: from %v, sure of it", two.From)
	}
}
