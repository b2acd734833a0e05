package desk

import (
	"slices"
	"strings"
	"testing"
)

// TestH3_WhomACustomerNames: colleagues get copies, strangers only where the mailbox says so, and never an address of ours.
func TestH3_WhomACustomerNames(t *testing.T) {
	t.Parallel()
	in := []Participant{{Email: "ann@acme.example", Addresses: []string{"ann@home.example"}, Role: Requester}, {Email: "noted@other.example", Role: Mentioned}, {Email: "bo@acme.example", Role: Correspondent}}
	people, bad := NamedIn("bea@acme.example, Bea@acme.example; stranger@other.example noted@other.example\nann@home.example bo@acme.example support@desk.example")
	if bad != "" || len(people) != 7 {
		t.Fatalf("%v %q", people, bad)
	}
	colleague := func(email string) bool { return strings.HasSuffix(email, "@acme.example") }
	inside := func(email string) bool { return email == "support@desk.example" }
	for policy, want := range map[Copying]struct{ copied, mentioned string }{
		"":            {"bea@acme.example", "stranger@other.example"},
		CopyAsked:     {"bea@acme.example", "stranger@other.example"},
		CopyEverybody: {"bea@acme.example stranger@other.example noted@other.example", ""},
		CopyNobody:    {"", ""},
	} {
		copied, mentioned := policy.Named(in, people, colleague, inside)
		list := func(all []Address) string {
			var out []string
			for _, a := range all {
				out = append(out, a.Email)
			}
			return strings.Join(out, " ")
		}
		if list(copied) != want.copied || list(mentioned) != want.mentioned {
			t.Errorf("%q: %v get copies, %v are noted", policy, copied, mentioned)
		}
	}
	many := slices.Repeat(in[:1], mostParticipants-1)
	if copied, mentioned := CopyEverybody.Named(many, people[:3], colleague, inside); len(copied)+len(mentioned) != 1 {
		t.Errorf("more than %d people: %v %v", mostParticipants, copied, mentioned)
	}
	for text, want := range map[string]string{"": "", " , ;": "", "ann@acme.example, ann": "ann", "x@y@z": "x@y@z", "no-reply@acme.example": "no-reply@acme.example", "<script>": "<script>"} {
		if _, bad := NamedIn(text); bad != want {
			t.Errorf("%q: %q is bad, want %q", text, bad, want)
		}
	}
}
