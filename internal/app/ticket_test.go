package app

import (
	"testing"

	"postern/desk"
)

func TestATicketTellsWhatDidNotArrive(t *testing.T) {
	t.Parallel()
	var got []string
	for _, l := range linesOfDelivery(desk.Delivery{To: []desk.Recipient{
		{Email: "ann@acme.example", State: desk.EffectSent},
		{Email: "bob@acme.example", State: desk.EffectFailed, Error: "no such user"},
		{Email: "cy@acme.example", State: desk.EffectDeferred, Error: "come back later"},
	}}) {
		got = append(got, l.say())
	}
	want := []string{"", "not delivered to bob@acme.example: no such user", "late for cy@acme.example, and tried again: come back later"}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%q", got)
	}
}
