package desk_test

import (
	"strings"
	"testing"

	"postern/desk"
)

func TestI4_FirstLinesAreCommands(t *testing.T) {
	for text, want := range map[string]struct {
		c    desk.Commands
		rest string
		bad  bool
	}{
		"It works now.":                          {rest: "It works now."},
		"#note\nhe is angry":                     {c: desk.Commands{Note: true}, rest: "he is angry"},
		"\n \n#NOTE\n\nhe is so":                 {c: desk.Commands{Note: true}, rest: "he is so"},
		"#note he is angry\nyes":                 {c: desk.Commands{Note: true}, rest: "he is angry\nyes"},
		"#note:\nhe is":                          {c: desk.Commands{Note: true}, rest: "he is"},
		"\u00a0#note\u00a0\nhe":                  {c: desk.Commands{Note: true}, rest: "he"},
		"\u200b＃note\nhe":                        {c: desk.Commands{Note: true}, rest: "he"},
		"*#note*\nhe":                            {c: desk.Commands{Note: true}, rest: "he"},
		"# note\nhe":                             {c: desk.Commands{Note: true}, rest: "he"},
		"#close":                                 {c: desk.Commands{Status: desk.Closed}},
		"#Close\n#assign Mary\nx":                {c: desk.Commands{Status: desk.Closed, Assign: "Mary"}, rest: "x"},
		"#open\n#assign\u00a0Mary Major\u00a0\n": {c: desk.Commands{Status: desk.Open, Assign: "Mary Major"}},
		"#assign me\n#note\n#12 is the one":      {c: desk.Commands{Assign: "me", Note: true}, rest: "#12 is the one"},
		"#note\n#todo call him":                  {c: desk.Commands{Note: true}, rest: "#todo call him"},
		"#12345":                                 {rest: "#12345"},
		"#12345: it is done":                     {rest: "#12345: it is done"},
		"#":                                      {rest: "#"},
		"#hashtags are what people write there":  {rest: "#hashtags are what people write there"},
		"Hello\n#note he is angry":               {rest: "Hello\n#note he is angry"},
		"Hello\n#note\nhe is angry":              {bad: true},
		"Hello\n\n - *#Note*\nhe is":             {bad: true},
		"#noet\nhe is angry":                     {bad: true},
		"#noet he is angry and lies all day":     {bad: true},
		"#nots he is angry and lies all day":     {bad: true},
		"#notes for us only, this one is a liar": {bad: true},
		"#intern":                                {bad: true},
		"#private he lies":                       {bad: true},
		"#close the ticket":                      {bad: true},
		"#close\n#open":                          {bad: true},
		"#assign":                                {bad: true},
		"#assign a\n#assign b":                   {bad: true},
		"#close\n#nte\nhe is angry":              {bad: true},
	} {
		c, rest := desk.ReadCommands(text, false)
		if bad := c.Problem != ""; bad != want.bad {
			t.Errorf("%q: problem %q", text, c.Problem)
		} else if !bad && (c != want.c || strings.TrimRight(rest, "\n") != want.rest) {
			t.Errorf("%q: %+v, %q; want %+v, %q", text, c, rest, want.c, want.rest)
		}
	}
	if c, rest := desk.ReadCommands("#noet he lies", true); c.Problem != "" || !c.Note || rest != "#noet he lies" {
		t.Errorf("at a note address: %+v, %q", c, rest)
	}
}

func TestAgentIsFoundByTheBeginOfTheName(t *testing.T) {
	agents := []desk.KnownAgent{{ID: "1", Name: "Mary Major"}, {ID: "2", Name: "Mario"}, {ID: "3", Name: "Mario Long"}, {ID: "4", Name: "Zoe", Disabled: true}}
	for name, want := range map[string]desk.ID{"mary": "1", " MARY  major ": "1", "mario": "2", "mario l": "3", "me": "3", "mar": "", "": "", "zoe": "", "eve": ""} {
		if a, err := desk.AgentCalled(agents, name, "3"); a.ID != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", name, a.ID, err, want)
		}
	}
}

func TestAgentThatCanNotBeToldApartIsRefused(t *testing.T) {
	good := desk.KnownAgent{Name: "Mary", Addresses: []string{"mary@home.example"}, Notify: desk.NotifyNothing}
	if err := desk.CheckAgent(good); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*desk.KnownAgent){
		"no name": func(a *desk.KnownAgent) { a.Name = "" }, "me": func(a *desk.KnownAgent) { a.Name = "Me" }, "an address": func(a *desk.KnownAgent) { a.Name = "mary@home.example" },
		"two lines": func(a *desk.KnownAgent) { a.Name = "Mary\nBcc: x" }, "no address": func(a *desk.KnownAgent) { a.Addresses = nil }, "no such notice": func(a *desk.KnownAgent) { a.Notify = "some" },
	} {
		a := good
		if change(&a); desk.KindOf(desk.CheckAgent(a)) != desk.Invalid {
			t.Errorf("%s is taken", what)
		}
	}
}

// fromAgent is a mail that counts: a proved agent's own, to the address made for them.
func fromAgent() desk.Facts {
	mary := desk.KnownAgent{ID: "m", Name: "Mary", Addresses: []string{"mary@home.example"}}
	return desk.Facts{
		Mail: desk.Mail{From: desk.Address{Email: "mary@home.example"}, Class: desk.Human}, Role: desk.Inbox, Verified: true, Vouched: "vouched for", Agent: &mary,
		AtAgent: &desk.AgentAddress{Agent: &mary, Ticket: &desk.Ticket{ID: "t", Number: 7}}, Words: desk.AgentWords{Text: "It works now."},
	}
}

func TestH5_I3_I4_OnlyAProvedAgentsOwnMailCounts(t *testing.T) {
	for what, c := range map[string]struct {
		change   func(f *desk.Facts)
		outcome  desk.Outcome
		internal bool
		says     string
	}{
		"an answer":             {func(*desk.Facts) {}, desk.Appended, false, "answer"},
		"the note address":      {func(f *desk.Facts) { f.AtAgent.Note = true }, desk.Appended, true, "note"},
		"#note":                 {func(f *desk.Facts) { f.Words.Commands.Note = true }, desk.Appended, true, "note"},
		"commands alone":        {func(f *desk.Facts) { f.Words = desk.AgentWords{Commands: desk.Commands{Status: desk.Closed}} }, desk.Appended, true, "commands"},
		"a file alone":          {func(f *desk.Facts) { f.Words = desk.AgentWords{Files: make([]desk.Attachment, 1)} }, desk.Appended, false, "answer"},
		"not proved":            {func(f *desk.Facts) { f.Verified, f.Vouched = false, "dmarc=fail" }, desk.Held, true, "dmarc=fail"},
		"without a token":       {func(f *desk.Facts) { f.AtAgent = nil }, desk.Held, true, "not to the address"},
		"without, not proved":   {func(f *desk.Facts) { f.AtAgent, f.Verified = nil, false }, desk.Held, true, "not to the address"},
		"a customer":            {func(f *desk.Facts) { f.Mail.From.Email, f.Agent = "ann@customer.example", nil }, desk.Held, true, "not from their own"},
		"another agent":         {func(f *desk.Facts) { f.Mail.From.Email = "joe@home.example" }, desk.Held, true, "not from their own"},
		"another's sub-address": {func(f *desk.Facts) { f.Mail.From.Email = "mary+x@home.example" }, desk.Held, true, "not from their own"},
		"disabled":              {func(f *desk.Facts) { f.AtAgent.Agent.Disabled = true }, desk.Held, true, "disabled"},
		"gone":                  {func(f *desk.Facts) { f.AtAgent.Agent = nil }, desk.Held, true, "gone"},
		"another mailbox":       {func(f *desk.Facts) { f.AtAgent.Elsewhere = true }, desk.Held, true, "another mailbox"},
		"several":               {func(f *desk.Facts) { f.AtAgent.Several = true }, desk.Held, true, "several"},
		"not their mailbox":     {func(f *desk.Facts) { f.AtAgent.NotTheirs = true }, desk.Held, true, "does not work on"},
		"as the support":        {func(f *desk.Facts) { f.FromOurs = true }, desk.Held, true, "our own address"},
		"unclear From":          {func(f *desk.Facts) { f.Mail.FromUnsure = true }, desk.Held, true, "clearly"},
		"nothing left":          {func(f *desk.Facts) { f.Words = desk.AgentWords{} }, desk.Held, true, "nothing is left"},
		"an empty note":         {func(f *desk.Facts) { f.Words = desk.AgentWords{Commands: desk.Commands{Note: true}} }, desk.Held, true, "nothing is left"},
		"a mistyped command":    {func(f *desk.Facts) { f.Words.Commands.Problem = "there is no #noet" }, desk.Held, true, "#noet"},
		"what can't be cut":     {func(f *desk.Facts) { f.Words.Problem = "an address is in it" }, desk.Held, true, "an address"},
		"that in a note":        {func(f *desk.Facts) { f.Words.Problem, f.AtAgent.Note = "an address is in it", true }, desk.Appended, true, "note"},
		"out of office":         {func(f *desk.Facts) { f.Mail.Class = desk.Automatic }, desk.Automated, false, "of an agent"},
		"a bounce there": {func(f *desk.Facts) {
			f.Mail.Class, f.Agent, f.Mail.From.Email = desk.Bounce, nil, "mailer-daemon@home.example"
		}, desk.Automated, false, "of an agent"},
		"a bounce of a notice": {func(f *desk.Facts) { f.Mail.Class, f.Agent, f.AtAgent, f.OfNotice = desk.Bounce, nil, nil, true }, desk.Automated, false, "notification"},
	} {
		f := fromAgent()
		c.change(&f)
		f.ByRef = &desk.Ticket{ID: "t", Number: 7, Participants: []desk.Participant{{Email: "mary@home.example", Role: desk.Copied}}}
		d := desk.Decide(f)
		if d.Outcome != c.outcome || d.Internal != c.internal || !strings.Contains(d.Reason, c.says) {
			t.Errorf("%s: %s, internal %t, %q; want %s, %t, %q", what, d.Outcome, d.Internal, d.Reason, c.outcome, c.internal, c.says)
		}
		if d.Outcome == desk.Appended && (d.Author != desk.Agent || d.Trust != desk.V2 || d.Ticket == nil || d.Ticket.ID != "t") {
			t.Errorf("%s: %+v", what, d)
		}
	}
}
