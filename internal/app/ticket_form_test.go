package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestT13_TicketFormsByCommand: listed with what they lack, connected when they lack nothing, and taken out again.
func TestT13_TicketFormsByCommand(t *testing.T) {
	t.Parallel()
	c := newCommands(t)
	if got := c.ok("portal", "form", "list"); !strings.Contains(got, "support  Contact support, connected: subject, text, files") || !strings.Contains(got, "lacks: no mailbox is connected: gateway mailbox add") {
		t.Errorf("on the first day: %s", got)
	}
	c.ok("settings", "set", `ticket_forms=[{"key":"bare","name":"Bare","fields":[{"property":"text"}]}]`)
	c.refused("it has no field for subject: add one with the property subject", "portal", "form", "connect", "bare")
	c.refused(`there is no form "gone"`, "portal", "form", "disconnect", "gone")
	c.ok("portal", "form", "disconnect", "bare")
	var out struct{ Items []ticketFormLine }
	if err := json.Unmarshal([]byte(c.ok("portal", "form", "list", "--json")), &out); err != nil || len(out.Items) != 1 || out.Items[0].Offered || len(out.Items[0].Missing) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}
